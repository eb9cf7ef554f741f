"""What findings cite by a digest, kept in the ledger."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.engines import FACTS, PACK, an_engine
from support.usage import a_moment

from collector.contract import Provenance
from policy.facts.put_away import taken_out
from policy.rules.pack import parse_pack
from policy.usage.cited import Cited
from policy.usage.ledger import Ledger, LedgerError

AT = a_moment(0)
ONE, OTHER = "ab" * 32, "ab" * 16 + "cd" * 16


@pytest.fixture
def cited(tmp_path: Path) -> Cited:
    """What is kept in a new ledger."""
    return Cited(Ledger.open(tmp_path / "ledger", Provenance.MEASURED))


def test_the_first_time_counts(cited: Cited) -> None:
    """It is put down once; later it may be cited again and stays as it was."""
    cited.keep("facts", ONE, {"files": {"a": "b"}}, AT)
    cited.keep("facts", ONE, {"files": {"a": "other"}}, AT + timedelta(days=1))
    (only,) = cited.all("facts")
    assert (only.first_cited, only.content, only.digest) == (AT, {"files": {"a": "b"}}, ONE)


def test_it_is_found_by_how_the_digest_begins(cited: Cited) -> None:
    """Six digits or more of one; kinds are apart; the first cited stands first."""
    cited.keep("facts", OTHER, {}, AT + timedelta(days=1))
    cited.keep("facts", ONE, {}, AT)
    cited.keep("rules", "ef" * 32, {}, AT)
    assert cited.find(ONE[:34], "facts").digest == ONE
    assert cited.find("efefef", "facts", "rules").digest == "ef" * 32
    assert [each.digest for each in cited.all("facts")] == [ONE, OTHER]
    assert cited.all("anything else") == ()


@pytest.mark.parametrize(
    ("digest", "said"),
    [("abab", "no digest of facts begins with 'abab'"), ("ababab", "2 digests of facts"), ("efefef", "no digest")],
)
def test_what_is_not_one(cited: Cited, digest: str, said: str) -> None:
    """Too few digits, several, or none: the error says so and names those that are there."""
    cited.keep("facts", ONE, {}, AT)
    cited.keep("facts", OTHER, {}, AT)
    with pytest.raises(LedgerError, match=said) as refused:
        cited.find(digest, "facts")
    assert "that is there: abababababab, abababababab" in str(refused.value)


def whole(**parts: object) -> str:
    """What is put down, with a part otherwise."""
    usual = {"kind": "facts", "digest": ONE, "first_cited": AT.isoformat(), "flopwatch": "0.1.7", "content": {}}
    return json.dumps({**usual, **parts})


DAMAGED = [
    "", "{", "[]", "{}", '{"kind": "facts", "digest": "ff"}', whole(digest=OTHER), whole(content=[]),
    whole(content="text"), whole(content=None), whole(first_cited="2026-06-01"), whole(first_cited="once"),
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_named(cited: Cited, text: str) -> None:
    """An empty, cut or foreign file, or one under another's name, is an error with its path, and nothing is read."""
    cited.keep("facts", ONE, {}, AT)
    (only,) = cited.all("facts")
    only.path.write_text(text)
    for read in (lambda: cited.all("facts"), lambda: cited.find(ONE, "facts")):
        with pytest.raises(LedgerError, match=f"{only.path}: .*restore it from a copy"):
            read()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    """The cycle fails, and says which folder; nobody is handed a finding whose digest nobody can look up."""
    engine = an_engine(tmp_path)
    (tmp_path / "ledger" / "cited").write_text("in the way")
    with pytest.raises(LedgerError, match=r"cited/facts: cannot be made .*; check the disk and its rights"):
        engine.cycle(AT)


def test_the_engine_puts_down_what_its_findings_cite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the digests in the findings: the same facts and the same rules, there before any finding was handed over."""
    engine = an_engine(tmp_path)
    there: list[set[str]] = []

    def submit(findings: Any, at: Any) -> None:
        there.append({path.stem for path in (tmp_path / "ledger" / "cited").rglob("*.json")})

    monkeypatch.setattr(engine.queue, "submit", submit)
    engine.cycle(AT)
    assert there == [{FACTS.digest, PACK.digest}]
    cited = Cited(engine.ledger)
    facts, rules = cited.find(FACTS.digest, "facts"), cited.find(PACK.digest, "rules")
    assert taken_out(facts.content, facts.digest, place="there", flopwatch=facts.flopwatch).digest == FACTS.digest
    assert parse_pack(rules.content["text"], rules.content["file"]) == PACK
    before = facts.path.stat().st_mtime_ns
    an_engine(tmp_path).cycle(AT + timedelta(hours=1))
    assert facts.path.stat().st_mtime_ns == before
    assert json.loads(facts.path.read_text())["first_cited"] == AT.isoformat()
