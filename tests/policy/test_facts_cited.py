"""``flopwatch facts cited``, and ``--digest``: what a finding's facts were, asked of a ledger years later."""

import json
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.commands import flopwatch
from support.engines import FACTS, PACK, an_engine
from support.facts import an_overlay
from support.usage import a_moment

from policy.facts.put_away import put_away
from policy.facts.reading import load_facts

THEN = load_facts(
    [
        an_overlay(
            '[[jurisdictions.watch]]\ncountry = "BR"\nvalid_from = 2026-01-01\nwhy = "open"\nsources = ["own_choice"]\n'
        )
    ]
).with_tiers({"review": 3e22}, basis="our board")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose engine had an override and a tier of its own, and has neither since."""
    folder = tmp_path_factory.mktemp("cited")
    an_engine(folder, facts=THEN).cycle(a_moment(0))
    an_engine(folder).cycle(a_moment(0) + timedelta(days=1))
    return folder / "ledger"


def told(*arguments: str | Path) -> Any:
    """What the command prints for programs."""
    return json.loads(flopwatch("facts", *arguments, "--format", "json").stdout)


def test_they_are_listed_with_what_is_the_provider_s_own(ledger: Path) -> None:
    """Each once, with the moment of its first use; the provider's overrides and tiers tell one set from another."""
    listed = told("cited", "--ledger", ledger)["cited"]
    assert [(each["kind"], each["digest"], each["first_cited"], each["made_of"]) for each in listed] == [
        ("facts", THEN.digest, "2026-06-01T00:00:00+00:00", "as shipped; overrides counsel.toml; tiers review=3e+22"),
        ("facts", FACTS.digest, "2026-06-02T00:00:00+00:00", "as shipped"),
        ("rules", PACK.digest, "2026-06-01T00:00:00+00:00", "default.yaml"),
    ]
    table = flopwatch("facts", "cited", "--ledger", ledger, COLUMNS="200").stdout
    assert THEN.digest[:12] in table
    assert "overrides counsel.toml" in table


def test_a_topic_is_shown_as_it_was(ledger: Path) -> None:
    """By the first digits; the overlay's author is named as on that day, and the tiers are those that were compared."""
    by = ("--ledger", ledger, "--digest", THEN.digest[:12])
    country = told("show", "jurisdictions", "--country", "BR", "--at", "2026-06-01", *by)
    assert (country["facts_digest"], country["layers"][0]["name"]) == (THEN.digest, "counsel")
    said = flopwatch("facts", "show", "jurisdictions", *by, COLUMNS="200").stdout
    assert f"By the facts that findings cite as {THEN.digest}, and not by those of today." in said
    tiers = {each["name"]: each for each in told("show", "tiers", *by)["tiers"]}
    assert (tiers["review"]["flop"], tiers["review"]["basis"]) == (3e22, "our board")


def test_then_is_held_against_now(ledger: Path) -> None:
    """On one day, by the facts that were cited and by those of today; a country that one names is asked of both."""
    found = told("diff", "2026-06-01", "--ledger", ledger, "--digest", THEN.digest)["differences"]
    assert [(each["subject"], each["before"], each["after"]) for each in found] == [
        ("BR Brazil", "unknown", "no"),
        ("review", "3e+22 FLOP", "1e+23 FLOP"),
    ]
    assert told("diff", "2026-06-01", "--ledger", ledger, "--digest", FACTS.digest)["differences"] == []


def test_the_files_are_written_out_as_they_were(ledger: Path, tmp_path: Path) -> None:
    """Whoever has them and a flopwatch of then can load them; a rule pack comes out as the file that it was."""
    said = told("cited", "--ledger", ledger, "--digest", THEN.digest[:12], "--out", tmp_path / "then")
    assert said["seal"] == "unchanged"
    files = {str(path.relative_to(tmp_path / "then")) for path in (tmp_path / "then").rglob("*") if path.is_file()}
    assert files == {*(f"shipped/{name}" for name in FACTS.texts), "overrides/01-counsel.toml", "tiers.txt"}
    assert (tmp_path / "then" / "shipped" / "tiers.toml").read_text() == FACTS.texts["tiers.toml"]
    assert (tmp_path / "then" / "tiers.txt").read_text() == "--tier review=3e+22\n"
    flopwatch("facts", "cited", "--ledger", ledger, "--digest", PACK.digest[:12], "--out", tmp_path / "rules")
    assert (tmp_path / "rules" / "default.yaml").read_text() == PACK.text


def test_a_changed_file_is_told(ledger: Path, tmp_path: Path) -> None:
    """It is written out for whoever wants to look, with what is wrong; nothing is shown or compared by it."""
    path = next((ledger / "cited" / "facts").glob(f"{THEN.digest}.json"))
    whole = path.read_text()
    path.write_text(whole.replace("3e+22", "3e+23"))
    try:
        said = told("cited", "--ledger", ledger, "--digest", THEN.digest, "--out", tmp_path / "then")
        refused = flopwatch("facts", "show", "tiers", "--ledger", ledger, "--digest", THEN.digest, expect=2).stderr
    finally:
        path.write_text(whole)
    assert "not known to be unchanged: its texts give the digest" in said["seal"]
    assert f"use flopwatch {version('flopwatch')}, which put it away" in refused
    assert f"{path}, whole file, digest: its texts give the digest" in refused


def changed(path: Path, **content: object) -> str:
    """What was put down, with a part of its content otherwise."""
    document = json.loads(path.read_text())
    return json.dumps({**document, "content": {**document["content"], **content}})


def test_facts_that_were_put_in_place_of_others_answer_nothing(ledger: Path, tmp_path: Path) -> None:
    """A sound set under a digest that is not its own is told when it is written out, and nothing is shown by it."""
    path = ledger / "cited" / "facts" / f"{THEN.digest}.json"
    whole = path.read_text()
    path.write_text(changed(path, **put_away(FACTS)))
    try:
        said = told("cited", "--ledger", ledger, "--digest", THEN.digest, "--out", tmp_path / "then")
        refused = flopwatch("facts", "show", "tiers", "--ledger", ledger, "--digest", THEN.digest, expect=2).stderr
    finally:
        path.write_text(whole)
    problem = f"its texts give the digest {FACTS.digest}, and it was cited by {THEN.digest}"
    assert said["seal"] == f"not known to be unchanged: {problem}"
    assert problem in refused


@pytest.mark.parametrize(
    "content",
    [
        {"text": 5}, {"text": "\udcff"}, {"file": "a\0b"}, {"file": ".."}, {"file": ""}, {"file": 5},
    ],
)  # fmt: skip
def test_what_does_not_hold_files_is_one_error(ledger: Path, tmp_path: Path, content: dict[str, object]) -> None:
    """It names the document, and nothing is written, least of all out of the folder."""
    path = ledger / "cited" / "rules" / f"{PACK.digest}.json"
    whole = path.read_text()
    path.write_text(changed(path, **content))
    try:
        done = flopwatch(
            "facts", "cited", "--ledger", ledger, "--digest", PACK.digest, "--out", tmp_path / "x", expect=2
        )
    finally:
        path.write_text(whole)
    assert f"{path}: does not hold what was cited" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_paths_that_are_kept_lead_nowhere(ledger: Path, tmp_path: Path) -> None:
    """Where an overlay or a pack was read from is only its name when it is written out."""
    path = ledger / "cited" / "rules" / f"{PACK.digest}.json"
    whole = path.read_text()
    path.write_text(changed(path, file="/etc/../../strict.yaml"))
    try:
        said = told("cited", "--ledger", ledger, "--digest", PACK.digest, "--out", tmp_path / "rules")
    finally:
        path.write_text(whole)
    assert (said["made_of"], said["written"]) == ("strict.yaml", [str(tmp_path / "rules" / "strict.yaml")])


def test_one_that_is_damaged_does_not_keep_another_from_being_written_out(ledger: Path, tmp_path: Path) -> None:
    """The list names the damaged one; the rules beside it come out."""
    damaged = ledger / "cited" / "facts" / f"{'ab' * 32}.json"
    damaged.write_text("")
    try:
        told("cited", "--ledger", ledger, "--digest", PACK.digest, "--out", tmp_path / "rules")
        listed = flopwatch("facts", "cited", "--ledger", ledger, expect=2).stderr
    finally:
        damaged.unlink()
    assert (tmp_path / "rules" / "default.yaml").read_text() == PACK.text
    assert f"{damaged}: not what was put down there" in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cited", "--digest", "abcdef"), "--digest and --out go together"),
        (("cited", "--out", "somewhere"), "--digest and --out go together"),
        (("cited", "--digest", "abcdef", "--out", "somewhere"), "no digest of facts or rules begins with 'abcdef'"),
        (("show", "tiers", "--digest", "abcdef"), "no digest of facts begins with 'abcdef'"),
        (("show", "tiers", "--digest", "abcdef", "--tier", "review=1"), "--tier does not go with --digest"),
        (("show", "tiers", "--digest", "abcdef", "--scenario", "gain-bill"), "--scenario does not go with --digest"),
        (("diff", "2026-06-01"), "give DATE2, or --facts, a --scenario or a --digest"),
    ],
)
def test_what_cannot_be_asked(ledger: Path, arguments: tuple[str, ...], said: str) -> None:
    """One line, exit code 2, nothing written."""
    done = flopwatch("facts", *arguments, "--ledger", ledger, expect=2)
    assert said in done.stderr
    assert not Path("somewhere").exists()


def test_a_folder_that_is_there_is_left_alone(ledger: Path, tmp_path: Path) -> None:
    """What somebody wrote out before is not mixed with something else."""
    done = flopwatch("facts", "cited", "--ledger", ledger, "--digest", PACK.digest, "--out", tmp_path, expect=2)
    assert f"--out {tmp_path}: is there already" in done.stderr
    assert list(tmp_path.iterdir()) == []
