"""Facts that were put away, and read again years later."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from support.facts import an_overlay, assert_clear, refusal_of

from policy.facts.facts import Facts
from policy.facts.put_away import put_away, taken_out
from policy.facts.reading import load_facts

WATCHED = """
[[jurisdictions.watch]]
country = "BR"
valid_from = 2026-01-01
why = "counsel has not settled it"
sources = ["own_judgement"]
"""
PLACE = "cited/facts/3f2a.json"


def out_of(document: Any, digest: str) -> Facts:
    """Take them out as what one version of flopwatch put down there."""
    return taken_out(document, digest, place=PLACE, flopwatch="0.1.7")


def counsels() -> Facts:
    """Facts with an override and tiers of the provider's own."""
    return load_facts([an_overlay(WATCHED)]).with_tiers({"review": 3e22, "ours": 7e21}, basis="our board")


@pytest.mark.parametrize("facts", [load_facts(), counsels()], ids=["shipped", "layered"])
def test_what_was_put_away_comes_out_the_same(facts: Facts) -> None:
    """Through JSON and back: the digest, the answers, whose overlay it was, and the tiers with who chose them."""
    again = out_of(json.loads(json.dumps(put_away(facts))), facts.digest)
    at = date(2026, 6, 1)
    assert again.digest == facts.digest
    assert again.layers == facts.layers
    assert again.tiers == facts.tiers
    assert [again.jurisdictions.in_scope(code, at) for code in ("BR", "CN", "MO")] == [
        facts.jurisdictions.in_scope(code, at) for code in ("BR", "CN", "MO")
    ]


def of_a_file(document: dict[str, Any], old: str, new: str) -> None:
    """Change one shipped file."""
    assert old in document["files"]["jurisdictions.toml"]
    document["files"]["jurisdictions.toml"] = document["files"]["jurisdictions.toml"].replace(old, new)


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a country less": lambda document: of_a_file(document, '"AF", "BY"', '"BY"'),
    "no TOML any more": lambda document: of_a_file(document, "[[group]]", "[[group"),
    "an overlay less": lambda document: document["overlays"].clear(),
    "a tier more": lambda document: document["tiers"].append({"name": "x", "flop": 1e20, "basis": "none"}),
    "a tier of nothing": lambda document: document["tiers"].append({"name": "x", "flop": 0, "basis": "none"}),
    "another form": lambda document: document.update(form=2),
    "no form": lambda document: document.pop("form"),
    "a file that is none of the facts": lambda document: document["files"].update({"notice.toml": "a = 1\n"}),
    "a file that this version reads and that one did not": lambda document: document["files"].pop("stitching.toml"),
    "no files": lambda document: document.update(files=None),
    "overlays that are text": lambda document: document.update(overlays=["counsel.toml"]),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_what_was_changed_is_not_read(forgery: Callable[[dict[str, Any]], object]) -> None:
    """Whatever of the content was changed, one error says which document it is and what to use instead."""
    document = json.loads(json.dumps(put_away(counsels())))
    forgery(document)
    error = refusal_of(lambda: out_of(document, counsels().digest))
    assert error is not None
    assert_clear(error)
    assert error.file == PLACE
    assert "use flopwatch 0.1.7, which put it away" in error.remedy


def test_facts_of_another_digest_are_not_what_was_cited() -> None:
    """However sound they are by themselves: what stands under a digest has to give that one."""
    error = refusal_of(lambda: out_of(put_away(counsels()), load_facts().digest))
    assert error is not None
    assert error.problem == f"its texts give the digest {counsels().digest}, and it was cited by {load_facts().digest}"


def test_layout_does_not_break_the_seal() -> None:
    """As the digest is over what the files say, a comment more is the same facts."""
    document = put_away(load_facts())
    document["files"] = {**document["files"], "tiers.toml": "# read in 2031\n" + document["files"]["tiers.toml"]}
    assert out_of(document, load_facts().digest).digest == load_facts().digest
