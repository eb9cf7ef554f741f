"""Parties against lists: hits, decisions, statements, and the command as people run it."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried
from support.kyc_store import imported, said
from support.overlays import an_overlay
from support.screening import a_list, compared, csl_text, entries_frame, parties_frame

from policy.commands.options import DIFFERENT, OK
from policy.commands.tenants.command import add
from policy.commands.tenants.screen import add_screen
from policy.facts.reading import load_facts
from policy.kyc.directory import Directory
from policy.kyc.importing.determinations import NEEDED, read_determinations
from policy.kyc.importing.problems import Read
from policy.kyc.importing.statements import read_statements
from policy.kyc.owners.listing import ask_listing
from policy.kyc.problems import KycError
from policy.kyc.screening import finding
from policy.kyc.screening.lists import united
from policy.kyc.screening.outcome import decided, not_dated_anew, statements_of, unread
from policy.kyc.screening.parties import parties_of
from policy.kyc.screening.screen import HITS, PARTIES, rescreen, without
from policy.kyc.statements import Statement, frame_of
from policy.kyc.store.store import Store
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES
from policy.settings import UnusableSettings

AT = date(2026, 11, 29)


def hit_of(party: Mapping[str, object], entry: Mapping[str, object], threshold: float = 0.8) -> dict[str, object]:
    """The only hit of one party and one entry."""
    return compared(parties_frame(party), entries_frame(entry), threshold).hits.row(0, named=True)


def test_a_hit() -> None:
    """A hit has score, explanation and verdict apart, and says by which names it was found."""
    party = {"name": "Something Else", "aliases": ["Exampel Works"], "countries": ["DE"]}
    entry = {"name": "Primer Plant", "aliases": ["Example Works"], "addresses": [("1 Road, DE", "DE")]}
    hit = hit_of(party, entry)
    assert list(hit) == list(HITS)
    assert (hit["verdict"], hit["matched_name"], hit["party_alias"]) == ("possible", "Example Works", True)
    assert hit["countries_agree"] == "yes"
    assert hit["explanation"] == "agrees: example (spelling), works"
    assert hit_of(party, entry, threshold=0.99)["verdict"] == "below"


@pytest.mark.parametrize(
    ("party", "listed", "agree"), [([], "DE", "unknown"), (["FR"], None, "unknown"), (["FR"], "DE", "no")]
)
def test_countries_beside(party: list[str], listed: str | None, agree: str) -> None:
    """Countries stand beside a hit, unknown where either has none, and change no score."""
    hit = hit_of({"countries": party}, {"addresses": [("Road", listed)]})
    assert (hit["countries_agree"], hit["score"]) == (agree, 1.0)


def test_a_shared_address() -> None:
    """A party at a listed party's address is possible whatever it is called; its names' score stays what it is."""
    party = {"name": "Alpha Trading", "addresses": ["148 Sample St, Kowloon"]}
    hit = hit_of(party, {"name": "Omega", "addresses": [("148 Sample Street, Kowloon, HK", "HK")]})
    assert (hit["shares_address"], hit["verdict"], hit["score"]) == (True, "possible", 0.0)
    assert str(hit["explanation"]).startswith("same address; no word agrees")


@pytest.mark.parametrize("name", ["---", "…", "\u0378", None])
def test_a_name_that_cannot_be_read(name: str | None) -> None:
    """A party of which no name can be read is found by its address, and where nothing is found it stays unknown."""
    place = "148 Sample Street, Kowloon"
    parties = parties_frame({"name": name, "addresses": [place]}, {"name": name}, {"name": name, "aliases": ["Sigma"]})
    screening = compared(parties, entries_frame({"name": "Omega", "addresses": [(f"{place}, HK", "HK")]}))
    assert unread(parties) == {"p-0", "p-1"}
    said = {each.subject: each.value for each in statements_of(screening, screening.hits, AT)}
    assert said == {"p-0": "possible", "p-2": "no_match"}
    (changed,) = rescreen(screening, None, screening.entries).hits.to_dicts()
    assert (changed["party_id"], changed["shares_address"], changed["score"]) == ("p-0", True, 0.0)


def test_an_address_clears_no_name() -> None:
    """Whoever is not the listed party at its address stays in question as long as no name of it can be read."""
    place = "148 Sample Street, Kowloon"
    screening = compared(
        parties_frame({"name": "---", "addresses": [place]}), entries_frame({"addresses": [(place, "HK")]})
    )
    cleared = a_decision(screening.hits.row(0, named=True))
    (said,) = statements_of(screening, decided(screening.hits, [cleared], AT), AT)
    assert ask_listing(View([said, cleared]), "p-0", AT, load_facts().party_lists).state.value == "possible"


def test_an_entry_that_cannot_be_read() -> None:
    """An entry of which no name can be read is found by its address."""
    place = "148 Sample Street, Kowloon, HK"
    hit = hit_of({"name": "Alpha", "addresses": [place]}, {"name": "---", "addresses": [(place, "HK")]})
    assert (hit["shares_address"], hit["verdict"], hit["score"]) == (True, "possible", 0.0)


def a_decision(hit: Mapping[str, object], ends: date | None = date(2027, 1, 1)) -> Statement:
    """What somebody decided about a hit."""
    return Statement(
        str(hit["party_id"]),
        "not_listed_as",
        str(hit["reference"]),
        detail="another town",
        source="reviewer-1",
        ends=ends,
    )


def test_a_decision_silences_its_pair() -> None:
    """A decision silences its party and entry until it ends, and no other pair."""
    screening = compared(parties_frame({}, {}), entries_frame({}, {}))
    decision = a_decision(screening.hits.row(0, named=True))
    verdicts = decided(screening.hits, [decision], AT)["verdict"].to_list()
    assert verdicts == ["decided", "possible", "possible", "possible"]
    assert set(decided(screening.hits, [decision], date(2027, 1, 1))["verdict"]) == {"possible"}


def test_a_decision_not_yet_known() -> None:
    """A decision that was not known on a day silences nothing on it."""
    screening = compared(parties_frame({}), entries_frame({}))
    known = Statement("p-0", "not_listed_as", screening.hits["reference"][0], known_from=date(2026, 12, 1))
    assert decided(screening.hits, [known], AT)["verdict"].to_list() == ["possible"]
    assert decided(screening.hits, [known], date(2026, 12, 1))["verdict"].to_list() == ["decided"]


@pytest.mark.parametrize(
    ("party", "entry"),
    [
        ({"name": "Example LLC"}, {}),
        ({"aliases": ["Primer"]}, {}),
        ({}, {"name": "Example AG"}),
        ({}, {"aliases": ["Primer"]}),
    ],
)
def test_another_name_opens_a_decision_again(party: dict[str, object], entry: dict[str, object]) -> None:
    """When the party or the entry gets another name, what was decided about the older names silences nothing."""
    decision = a_decision(compared(parties_frame({}), entries_frame({})).hits.row(0, named=True))
    now = compared(parties_frame(party), entries_frame(entry))
    assert decided(now.hits, [decision], AT)["verdict"].to_list() == ["possible"]


def test_an_address_opens_no_decision_again() -> None:
    """A new address or programme of an entry leaves a decision about names in force."""
    decision = a_decision(compared(parties_frame({}), entries_frame({})).hits.row(0, named=True))
    now = compared(parties_frame({}), entries_frame({"addresses": [("1 Road, DE", "DE")], "programmes": ["NEW"]}))
    assert decided(now.hits, [decision], AT)["verdict"].to_list() == ["decided"]


def test_statements() -> None:
    """Every party with a name gets one statement with the references of what it may be, decided or not."""
    parties = parties_frame({}, {"name": "Omega"}, {"name": None}, {})
    screening = compared(parties, entries_frame({}))
    hits = decided(
        screening.hits, [a_decision(screening.hits.filter(pl.col("party_id") == "p-3").row(0, named=True))], AT
    )
    first, second, third = statements_of(screening, hits, AT, "lists 1234")
    assert (first.subject, first.value, first.detail) == ("p-0", "possible", hits["reference"][0])
    assert (second.subject, second.value, second.detail) == ("p-1", "no_match", None)
    assert (third.subject, third.value, third.detail) == ("p-3", "possible", hits["reference"][1])
    assert {(each.as_of, each.known_from) for each in (first, second, third)} == {(AT, None)}
    assert {each.source for each in (first, second, third)} == {"screening"}


def test_no_name_goes_into_a_statement() -> None:
    """Statements of a screening hold ids, a day and digests: no name of an entry, natural persons' included."""
    screening = compared(
        parties_frame({"name": "Secretfirst Secretlast"}), entries_frame({"name": "SECRETLAST, Secretfirst"})
    )
    said = statements_of(screening, screening.hits, AT)
    assert screening.hits["verdict"].to_list() == ["possible"]
    assert "secret" not in str(said).casefold()
    assert not set(HITS) & {"nationality", "citizenship", "birth", "language"}
    assert {each.predicate for each in said} <= set(PREDICATES)


texts = st.sampled_from(
    ["Example Works", "Exampel Works", "Primer Bank", "Primer", "Omega 13", "Omega 14", "GEC", "Grand Example Co"]
)
rows = st.lists(st.fixed_dictionaries({"name": texts, "aliases": st.lists(texts, max_size=1)}), min_size=1, max_size=6)


@given(rows, rows, st.data())
@unhurried
def test_screening_again_is_screening_everything(
    parties: list[dict[str, object]], entries: list[dict[str, object]], data: st.DataObject
) -> None:
    """Comparing only what changed gives what comparing everything gives, whatever changed."""
    before = compared(parties_frame(*parties), entries_frame(*entries))
    changed_parties = _some(data.draw(rows), "party_id", "p")
    changed_entries = _some(data.draw(rows), "entry", "e")
    which = data.draw(st.sampled_from(["parties", "entries", "both"]))
    moved = parties_frame(*changed_parties) if which != "entries" else None
    altered = entries_frame(*changed_entries) if which != "parties" else None
    after = rescreen(before, moved, altered)
    whole = compared(after.parties, after.entries)
    assert after.hits.equals(whole.hits)


def _some(given_rows: list[dict[str, object]], column: str, letter: str) -> list[dict[str, object]]:
    """Every other row of those that there are, and new ones."""
    return [{**row, column: f"{letter}-{at * 2}"} for at, row in enumerate(given_rows)]


def test_screening_again_and_again() -> None:
    """What was made ready for one change of the lists serves the next, and parties that changed are made ready anew."""
    first = compared(parties_frame({}), entries_frame({}))
    side = first.party_side
    second = rescreen(first, None, entries_frame({"entry": "new"}))
    third = rescreen(second, parties_frame({"party_id": "new"}))
    assert second.party_side is side
    assert third.party_side is not side
    assert third.entry_side is second.entry_side
    assert third.hits.height == 4


def test_what_is_gone() -> None:
    """Parties and entries that are no more take their hits with them."""
    before = compared(parties_frame({}, {}), entries_frame({}, {}))
    after = without(before, party_ids=["p-0"], entries=[("EL", "e-1")])
    assert after.hits.select("party_id", "entry").rows() == [("p-1", "e-0")]
    assert after.hits.equals(compared(after.parties, after.entries).hits)


def test_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parties that are shared out to processes get the hits that they get in one."""
    parties = parties_frame(*({"name": f"Example Works {at}"} for at in range(30)))
    entries = entries_frame(*({"name": f"Exampel Work {at}"} for at in range(0, 30, 3)))
    alone = compared(parties, entries)
    monkeypatch.setattr(finding, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(finding, "CHUNK", 7)
    assert compared(parties, entries, processes=2).hits.equals(alone.hits)
    assert alone.hits.height >= 10


def test_nothing_to_compare() -> None:
    """No parties, no entries, and names with nothing in them give no hit."""
    assert compared(parties_frame(), entries_frame()).hits.height == 0
    assert compared(parties_frame({"name": None}, {"name": "..."}), entries_frame({"name": "..."})).hits.height == 0


def test_parties_of_a_directory() -> None:
    """Parties have the newest name first, older and other names as aliases, and what is known on the day."""
    directory = Directory.of(
        [
            Statement("a", "name", "Older", as_of=date(2025, 1, 1), ends=date(2025, 6, 1)),
            Statement("a", "name", "Newer", as_of=date(2026, 1, 1)),
            Statement("a", "alias", "Other"),
            Statement("a", "name", "Later", as_of=date(2026, 2, 1), known_from=date(2027, 1, 1)),
            Statement("a", "address", "1 Road"),
            Statement("a", "headquarters_country", "DE"),
            Statement("b", "headquarters_country", "DE"),
        ]
    )
    (row,) = parties_of(directory, AT).to_dicts()
    assert row == {
        "party_id": "a", "name": "Newer", "aliases": ["Older", "Other"], "addresses": ["1 Road"], "countries": ["DE"],
    }  # fmt: skip
    assert parties_of(directory, AT).schema == PARTIES


GOOD = "p-0,EL:e-0@9d41,not_listed,another town,reviewer-1,2026-11-01,2027-11-01"


def determinations(*lines: str) -> Read:
    """Read a file of determinations."""
    content = "\n".join([",".join(NEEDED), *lines]).encode()
    return read_determinations("decided.csv", content, codes={"EL"}, today=AT)


def test_determinations() -> None:
    """What a vendor or counsel says becomes a statement with its source, for and against."""
    against, for_it = determinations(GOOD, "p-1,EL:e-1,listed,same owner,vendor-1,2026-11-02,").statements
    assert (against.predicate, against.value, against.ends) == ("not_listed_as", "EL:e-0@9d41", date(2027, 11, 1))
    assert (against.source, against.detail, against.known_from) == ("reviewer-1", "another town", None)
    assert (for_it.predicate, for_it.value, for_it.detail, for_it.ends) == ("listed_on", "EL", "e-1", None)
    assert frame_of([against, for_it]).height == 2


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (GOOD.replace("2027-11-01", ""), "ends"),
        (GOOD.replace("@9d41", ""), "reference"),
        (GOOD.replace("EL:", "XX:"), "reference"),
        (GOOD.replace("not_listed", "cleared"), "answer"),
        (GOOD.replace("reviewer-1", ""), "source"),
        (GOOD.replace("2026-11-01", "1.11.2026"), "as_of"),
        (GOOD.replace("p-0", "p 0"), "party_id"),
        (GOOD.replace("2027-11-01", "2041-11-01"), "ends"),
        (GOOD.replace("2026-11-01", "2026-11-30"), "as_of"),
        (GOOD.replace("another town", "x" * 501), "reason"),
        (GOOD + ",more", "whole row"),
    ],
)
def test_bad_determinations(line: str, column: str) -> None:
    """A decision that clears somebody without a near end, an author or the names it is about is reported."""
    (problem,) = determinations(line).problems
    assert problem.column == column


Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``screen`` over two parties and gives what it printed."""
    monkeypatch.setenv("COLUMNS", "9000")
    monkeypatch.delenv("FLOPWATCH_TENANTS", raising=False)
    monkeypatch.delenv("FLOPWATCH_FACTS", raising=False)
    monkeypatch.chdir(tmp_path)
    known = "p-1,name,Exampel Secret\np-1,identifier,CN-1\np-2,name,Omega\n"
    a_list(tmp_path, f"subject,predicate,value\n{known}", "kyc")

    def run_it(*arguments: str | Path) -> str:
        parser = argparse.ArgumentParser()
        add_screen(parser.add_subparsers())
        parsed = parser.parse_args(["screen", *map(str, arguments)])
        assert parsed.run(parsed) == 0
        return capsys.readouterr().out

    return run_it


def test_the_command(tmp_path: Path, run: Run) -> None:
    """It prints ids, entries, scores and reasons, and a party's name only when asked."""
    path = a_list(tmp_path, csl_text({"name": "Example Secret"}))
    out = run("--tenants", "kyc", "--list", path, "--at", "2026-11-29")
    assert "a person has to look at 1." in out
    assert "p-1" in out
    assert "Exampel" not in out
    assert "Exampel Secret" in run("--tenants", "kyc", "--list", path, "--names")
    content = json.loads(run("--tenants", "kyc", "--list", path, "--format", "json"))
    assert content["hits"][0]["verdict"] == "possible"
    assert content["lists"][0]["rows"] == 1


OWN_LIST = """
[[party_lists.list]]
code = "OWN"
title = "Own list"
agency = "the provider"
consolidated = "no"
owners = "never"
blocking = "no"
rank = 150
sources = ["own_choice"]
"""


@pytest.mark.parametrize("code", ["1260H", "OWN"])
def test_the_command_takes_every_list_of_the_facts(tmp_path: Path, run: Run, code: str) -> None:
    """A list that is no part of the consolidated one is compared and decided about, an overlay's among them."""
    facts = an_overlay(tmp_path / "facts", OWN_LIST).parent
    path = a_list(tmp_path, f"list,entry,name\n{code},e-1,Example Secret\n")
    about = ("--tenants", "kyc", "--facts", facts, "--list", path, "--format", "json")
    (hit,) = json.loads(run(*about))["hits"]
    assert hit["list"] == code
    decisions = a_list(tmp_path, decided_text(hit["reference"]), "decisions.csv")
    (hit,) = json.loads(run(*about, "--decisions", decisions))["hits"]
    assert hit["verdict"] == "decided"
    assert flopwatch("import", decisions, "--source", "determinations", "--tenants", "kyc-store", "--facts", facts,
                     "--accept-rest") == OK  # fmt: skip


def test_the_command_keeps_what_it_compared(tmp_path: Path, run: Run) -> None:
    """With --keep the next screening says the same, also of a list that has changed since."""
    path, kept = a_list(tmp_path, csl_text({"name": "Example Secret"})), tmp_path / "kept"
    about = ("--tenants", "kyc", "--list", path, "--at", "2026-11-29", "--format", "json")
    first = run(*about, "--keep", kept)
    assert (kept / "about.json").exists()
    assert run(*about, "--keep", kept) == first == run(*about)
    a_list(tmp_path, csl_text({"name": "Example Secret"}, {"name": "Omega"}))
    assert run(*about, "--keep", kept) == run(*about) != first


def test_the_command_and_decisions(tmp_path: Path, run: Run) -> None:
    """A decision from a file silences its hit in what is shown; what is written stays what the comparison came to."""
    path, out = a_list(tmp_path, csl_text({"name": "Example Secret"})), tmp_path / "out.csv"
    about = ("--tenants", "kyc", "--list", path, "--format", "json")
    reference = json.loads(run(*about))["hits"][0]["reference"]
    decisions = a_list(tmp_path, decided_text(reference), "decisions.csv")
    content = json.loads(run(*about, "--decisions", decisions, "--statements", out))
    assert content["hits"][0]["verdict"] == "decided"
    assert pl.read_csv(out).select("subject", "predicate", "value", "detail").rows() == [
        ("p-1", "screened", "possible", reference),
        ("p-2", "screened", "no_match", None),
    ]


def decided_text(reference: str, party: str = "p-1") -> str:
    """A file of one determination, of today and for a year."""
    today = datetime.now(UTC).date()
    line = f"{party},{reference},not_listed,another town,reviewer-1,{today},{today + timedelta(days=365)}"
    return f"{','.join(NEEDED)}\n{line}\n"


@pytest.mark.parametrize(
    ("party", "reference"), [("p-9", "EL:id-0@9d41"), ("CN-1", "EL:id-0@9d41"), ("p-1", "EL:id-9@9d41")]
)
def test_decisions_about_nobody(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], party: str, reference: str
) -> None:
    """A decision about a party or an entry that nobody knows stops the comparison, unless the rest is accepted."""
    path = a_list(tmp_path, csl_text({"name": "Example Secret"}))
    decisions = a_list(tmp_path, decided_text(reference, party), "decisions.csv")
    about = ("--tenants", "kyc", "--list", path, "--decisions", decisions)
    with pytest.raises(UnusableSettings, match="that nobody knows: 1"):
        run(*about)
    assert f"{party}" in capsys.readouterr().err
    assert "a person has to look at 1." in run(*about, "--accept-rest")


def test_a_stranger_who_may_be_a_name(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands in the place of a party's id, or an entry's, and looks like a name is not repeated."""
    path = a_list(tmp_path, csl_text({"name": "Example Secret"}))
    decisions = a_list(tmp_path, decided_text("EL:Secretperson@9d41", "Secretperson"), "decisions.csv")
    with pytest.raises(UnusableSettings, match="that nobody knows: 2"):
        run("--tenants", "kyc", "--list", path, "--decisions", decisions)
    assert "Secretperson" not in capsys.readouterr().err


@pytest.mark.parametrize("stranger", ["p-9", "CN", "Secretperson"])
def test_no_decision_about_a_stranger(tmp_path: Path, stranger: str) -> None:
    """A decision about whom no statement is about or leads to is refused, and what looks like a name not repeated."""
    store = Store.open(tmp_path / "store")
    imported(store, said(tmp_path, "t-1,customer,p-1", "p-1,headquarters_country,CN", "p-1,name,Secretperson"))
    for party in ("t-1", "p-1"):
        imported(store, decided_about(tmp_path, party), source="determinations", whole=False, day=1)
    with pytest.raises(KycError, match="that the store does not know: 1") as refused:
        imported(store, decided_about(tmp_path, stranger), source="determinations", whole=False, day=1)
    assert "Secretperson" not in str(refused.value)


def decided_about(folder: Path, party: str) -> Path:
    """A file of one determination about a party, that the tests' store takes."""
    line = f"{party},EL:id-0@9d41,not_listed,another town,reviewer-1,2026-07-01,2026-12-31"
    return a_list(folder, f"{','.join(NEEDED)}\n{line}\n", "decided.csv")


def test_no_store_is_begun_for_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions that come before anything else is known are refused, and leave no store behind."""
    monkeypatch.setenv("FLOPWATCH_TENANTS", str(tmp_path / "kyc"))
    assert flopwatch("import", decided_about(tmp_path, "p-1"), "--source", "determinations") == DIFFERENT
    assert not (tmp_path / "kyc").exists()


def test_statements_are_of_today(tmp_path: Path, run: Run) -> None:
    """What is found today is not written down as known on another day."""
    path, out = a_list(tmp_path, csl_text({})), tmp_path / "out.csv"
    with pytest.raises(UnusableSettings, match="leave --at out"):
        run("--tenants", "kyc", "--list", path, "--at", "2026-01-01", "--statements", out)
    assert not out.exists()


def test_statements_that_cannot_be_written(tmp_path: Path, run: Run) -> None:
    """A file that cannot be written is one clear line, and nothing is left behind."""
    path = a_list(tmp_path, csl_text({}))
    with pytest.raises(UnusableSettings, match=r"--statements: .* cannot be written"):
        run("--tenants", "kyc", "--list", path, "--statements", tmp_path / "nowhere" / "out.csv")


def test_screening_by_the_setting(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose parties are screened may come from the environment, as with the other parts."""
    path = a_list(tmp_path, csl_text({}))
    with pytest.raises(UnusableSettings, match="FLOPWATCH_TENANTS"):
        run("--list", path)
    monkeypatch.setenv("FLOPWATCH_TENANTS", "kyc")
    assert "Parties compared" in run("--list", path)


def test_round_trip(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Screening, deciding and screening again are imported as they are written; a decision outlives the next one."""
    monkeypatch.setenv("COLUMNS", "9000")
    monkeypatch.setenv("FLOPWATCH_TENANTS", str(tmp_path / "kyc"))
    names = a_list(tmp_path, "subject,predicate,value\np-1,name,Exampel Secret\np-2,name,Omega\n", "names.csv")
    path, out = a_list(tmp_path, csl_text({"name": "Example Secret"})), tmp_path / "out.csv"
    flopwatch("import", names, "--source", "crm")
    capsys.readouterr()
    flopwatch("screen", "--list", path, "--statements", out, "--format", "json")
    reference = json.loads(capsys.readouterr().out)["hits"][0]["reference"]
    flopwatch("import", out, "--source", "screening")
    assert listing(tmp_path / "kyc") == "possible"
    decisions = a_list(tmp_path, decided_text(reference), "decided.csv")
    flopwatch("import", decisions, "--source", "determinations")
    assert listing(tmp_path / "kyc") == "no"
    flopwatch("screen", "--list", path, "--statements", out)
    flopwatch("import", out, "--source", "screening")
    other = a_list(tmp_path, decided_text("EL:other@1234"), "decided.csv")
    flopwatch("import", other, "--source", "determinations")
    assert listing(tmp_path / "kyc") == "no"
    assert listing(tmp_path / "kyc", years=2) == "possible"
    capsys.readouterr()
    assert flopwatch("import", decisions, "--source", "screening") == DIFFERENT
    stranger = a_list(tmp_path, decided_text(reference, "p-9"), "stranger.csv")
    assert flopwatch("import", stranger, "--source", "determinations", "--dry-run") == DIFFERENT
    assert flopwatch("import", stranger, "--source", "determinations", "--dry-run", "--accept-rest") == OK
    assert flopwatch("import", out, "--source", "determinations") == DIFFERENT
    flopwatch("screen", "--list", path, "--statements", out)
    capsys.readouterr()
    flopwatch("import", out, "--source", "screening", "--format", "json")
    assert Store.existing(tmp_path / "kyc").read().frame.filter(predicate="screened").height == 2


def flopwatch(*arguments: str | Path) -> int:
    """Run a part of the command, and give its exit code."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers(), "tenants")
    parsed = parser.parse_args(["tenants", *map(str, arguments)])
    return int(parsed.run(parsed))


def listing(store: Path, years: int = 0) -> str:
    """Whether p-1 is on a list, by a store, today or in some years."""
    at = datetime.now(UTC).date() + timedelta(days=366 * years)
    view = Store.existing(store).read().around(["p-1"])
    return ask_listing(view, "p-1", at, load_facts().party_lists).state.value


def test_an_answer_that_says_nothing_new() -> None:
    """An answer that is held already keeps its day for a week; another answer, or an older one, is dated anew."""
    told = Statement("p-1", "screened", "possible", detail="a b", source="screening", as_of=AT)
    for days, detail, expected in [(6, "b a", 6), (6, "a", 0), (7, "a b", 0), (-1, "a b", 0)]:
        as_of = AT - timedelta(days=days)
        held = replace(told, as_of=as_of, detail=detail, document="lists 1", known_from=as_of)
        (now,) = not_dated_anew([told], [held, replace(held, source="vendor", as_of=AT)], AT)
        assert (now.as_of, now.known_from) == (AT - timedelta(days=expected), None)


def test_many_hits() -> None:
    """However many entries a party may be, its statement can be imported, names the nearest and says how many more."""
    entries = entries_frame(*({"entry": f"{'long' * 10}-{at}", "name": "Example"} for at in range(900)), {})
    screening = compared(parties_frame({}), entries)
    nearest = screening.hits.with_columns(score=pl.when(entry="e-900").then(1.0).otherwise(0.9))
    (said,) = statements_of(screening, nearest, AT)
    first, *_, last = (said.detail or "").split()
    assert first.startswith("EL:e-900@")
    assert last == f"+{901 - len((said.detail or '').split()) + 1}"
    content = frame_of([said]).drop("known_to").write_csv().encode()
    assert read_statements("screened.csv", content, today=AT).statements == (said,)
    cleared = [
        Statement("p-0", "not_listed_as", each, ends=date(2027, 1, 1)) for each in [*(said.detail or "").split(), "+1"]
    ]
    assert ask_listing(View([said, *cleared]), "p-0", AT, load_facts().party_lists).state.value == "possible"


def test_a_clearance_in_a_file_of_statements_ends() -> None:
    """A clearance that never ends, or ends beyond five years, is refused in a file of statements too."""
    header = "subject,predicate,value,as_of,ends\n"
    for ends, count in [("", 0), ("2040-01-01", 0), ("2027-11-01", 1)]:
        content = f"{header}p-1,not_listed_as,EL:e-1@9d41,2026-11-01,{ends}\n".encode()
        assert len(read_statements("file.csv", content, source="counsel", today=AT).statements) == count


def test_a_clearance_names_its_entry() -> None:
    """A clearance of entries that found no room, and so have no name, is refused where it is told."""
    content = b"subject,predicate,value,as_of,ends\np-1,not_listed_as,+12,2026-11-01,2027-11-01\n"
    done = read_statements("file.csv", content, source="counsel", today=AT)
    assert not done.statements
    (problem,) = done.problems
    assert problem.text == (
        "file.csv:2, value, (not repeated here): stands for entries that are not named; "
        "expected one entry, as screening shows it"
    )


def test_one_entry_in_two_files() -> None:
    """An entry that two files have under different names is found by both, whichever file comes first."""
    one = entries_frame({"entry": "e-1", "name": "Alpha", "aliases": ["Beta"], "addresses": [("1 Road, DE", "DE")]})
    other = entries_frame({"entry": "e-1", "name": "Gamma", "aliases": ["Alpha"]}, {"entry": "e-2"})
    for files, name in [([one, other], "Gamma"), ([other, one], "Alpha")]:
        row = united(files).row(by_predicate=pl.col("entry") == "e-1", named=True)
        assert row["name"] == name
        assert {row["name"], *row["aliases"]} == {"Alpha", "Beta", "Gamma"}
        assert len(row["aliases"]) == 2
        assert [each["text"] for each in row["addresses"]] == ["1 Road, DE"]
    assert united([]).height == 0


def test_the_command_and_bad_rows(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that cannot be read stops the comparison, unless the rest is accepted."""
    path = a_list(tmp_path, csl_text({}, {"source": "Example List"}))
    with pytest.raises(UnusableSettings, match="rows that cannot be read: 1"):
        run("--tenants", "kyc", "--list", path)
    assert "list.csv:3, source" in capsys.readouterr().err
    assert "Parties compared with 1 entries" in run("--tenants", "kyc", "--list", path, "--accept-rest")


def test_the_command_and_names_that_cannot_be_read(tmp_path: Path, run: Run) -> None:
    """Whoever has no name that can be read is named, for nothing clears such a party."""
    path = a_list(tmp_path, csl_text({"name": "Example Secret"}))
    a_list(tmp_path, "subject,predicate,value\np-1,name,---\np-2,name,Omega\n", "kyc")
    assert "where no address of theirs is found: 1: p-1." in run("--tenants", "kyc", "--list", path)
    content = json.loads(run("--tenants", "kyc", "--list", path, "--format", "json"))
    assert (content["parties"], content["parties_unread"]) == (2, ["p-1"])
    a_list(tmp_path, "subject,predicate,value\np-2,name,Omega\n", "kyc")
    assert "no name can be read" not in run("--tenants", "kyc", "--list", path)


def test_statements_of_whole_lists(tmp_path: Path, run: Run) -> None:
    """No answer is written down of lists whose rows were not all read, for behind each may be a party."""
    path, out = a_list(tmp_path, csl_text({}, {"source": "Example List"})), tmp_path / "out.csv"
    with pytest.raises(UnusableSettings, match="--statements: rows of lists that were not read: 1"):
        run("--tenants", "kyc", "--list", path, "--accept-rest", "--statements", out)
    assert not out.exists()


def test_the_command_measures(tmp_path: Path, run: Run) -> None:
    """Over pairs it prints F1, precision and recall at the threshold and at others."""
    path = a_list(tmp_path, "name1,name2,is_match\nExample,Exampel,true\nExample 13,Example 14,false\n")
    assert "At the threshold 0.8: F1 1.000, precision 1.000, recall 1.000." in run("--pairs", path)
    content = json.loads(run("--pairs", path, "--threshold", "0.99", "--format", "json"))
    assert content["at"][-1] == {
        "threshold": 0.99, "f1": 0.0, "precision": None, "recall": 0.0, "right": 0, "wrong": 0, "missed": 1,
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [(), ("--tenants", "kyc"), ("--pairs", "x", "--tenants", "kyc")])
def test_the_command_says_what_is_missing(run: Run, arguments: tuple[str, ...]) -> None:
    """Flags that do not go together are refused in words."""
    with pytest.raises(UnusableSettings):
        run(*arguments)


def test_the_threshold_is_of_the_facts(run: Run, tmp_path: Path) -> None:
    """Where no threshold is asked for the facts' is taken, and an overlay moves it."""
    row = (
        "[party_lists.possible_from]\nvalue = 0.99\nunit = 'score'\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
    )
    an_overlay(tmp_path / "facts", row)
    path = tmp_path / "pairs.csv"
    path.write_text("name1,name2,is_match\nExample Works,Example Works Limited,true\n", encoding="utf-8")
    by_default, by_overlay, asked = (
        json.loads(run("--pairs", path, *flags, "--format", "json"))["threshold"]
        for flags in ((), ("--facts", tmp_path / "facts"), ("--facts", tmp_path / "facts", "--threshold", "0.7"))
    )
    assert (by_default, by_overlay, asked) == (0.8, 0.99, 0.7)


@pytest.mark.parametrize("threshold", ["0", "1.1", "high", "nan"])
def test_the_command_and_thresholds(run: Run, threshold: str) -> None:
    """A threshold is a number above 0 and up to 1."""
    with pytest.raises(SystemExit):
        run("--pairs", "x", "--threshold", threshold)
