from datetime import date

import pytest
from support.facts import an_overlay, facts_with

from policy.commands.facts.law import show_lists
from policy.facts.differences import AsOf, differences
from policy.facts.party_lists import Added, Owners, YesNo
from policy.facts.reading import load_facts
from policy.facts.tables import FactsError

FACTS = load_facts()
LISTS = FACTS.party_lists
TODAY = date(2026, 11, 29)
CONSOLIDATED = {
    "CAP": "Capta List (CAP) - Treasury Department",
    "CMIC": "Non-SDN Chinese Military-Industrial Complex Companies List (CMIC) - Treasury Department",
    "DPL": "Denied Persons List (DPL) - Bureau of Industry and Security",
    "DTC": "ITAR Debarred (DTC) - State Department",
    "EL": "Entity List (EL) - Bureau of Industry and Security",
    "ISN": "Nonproliferation Sanctions (ISN) - State Department",
    "MEU": "Military End User (MEU) List - Bureau of Industry and Security",
    "NS-MBS": "Non-SDN Menu-Based Sanctions List (NS-MBS List) - Treasury Department",
    "PLC": "Palestinian Legislative Council List (PLC) - Treasury Department",
    "SDN": "Specially Designated Nationals (SDN) - Treasury Department",
    "SSI": "Sectoral Sanctions Identifications List (SSI) - Treasury Department",
    "UVL": "Unverified List (UVL) - Bureau of Industry and Security",
}
"""What the column ``source`` of the file of 2026-07-31 said."""
A_LIST = """
[[party_lists.list]]
code = "{code}"
title = "Another list"
agency = "Example agency"
consolidated = "no"
owners = "{owners}"
blocking = "no"
rank = {rank}
sources = ["entity_list"]
"""


def test_every_list_is_found_by_what_the_file_calls_it() -> None:
    """Whatever the column source of the Consolidated Screening List says leads to one list."""
    assert {code: LISTS.code_of[title] for code, title in CONSOLIDATED.items()} == {code: code for code in CONSOLIDATED}
    assert set(LISTS.by_code) - set(CONSOLIDATED) == {"FSE", "1260H"}
    assert LISTS.by_code["1260H"].consolidated is YesNo.NO


def test_whose_owners_count() -> None:
    """Owners on the SDN list and the sectoral list count always, those on two lists of BIS by the switch, no others."""
    by_owners = {each: {row.code for row in LISTS.list if row.owners is each} for each in Owners}
    assert by_owners[Owners.ALWAYS] == {"SDN", "SSI"}
    assert by_owners[Owners.AFFILIATES_RULE] == {"EL", "MEU"}
    assert {row.code for row in LISTS.list if row.added is Added.ALONE} == {"SSI"}
    assert {row.code for row in LISTS.list if row.blocking is YesNo.YES} == {"SDN"}


def test_what_is_from_memory_says_so() -> None:
    """A row that rests on memory is unverified, and its note says what is from memory."""
    for row in LISTS.list:
        if any(document.id == "memory" for document in row.source.documents):
            assert row.source.evidence == "unverified"
            assert "from memory" in row.note


def test_the_most_restrictive_stands_first() -> None:
    """Codes are put in the order of restriction, and a code that nobody knows stands before all others."""
    assert LISTS.in_order(["UVL", "EL", "SDN", "MEU", "EL"]) == ("SDN", "EL", "MEU", "UVL")
    assert LISTS.in_order(["SDN", "ZZ"]) == ("ZZ", "SDN")
    assert list(LISTS.by_code)[:3] == ["SDN", "EL", "MEU"]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("rank = 20", "rank = 10", "rank"),
        ("rank = 20", "rank = -1", "rank"),
        ('title = "Entity List (EL) - ', 'title = "Unverified List (UVL) - ', "title"),
        ('owners = "affiliates_rule"', 'owners = "sometimes"', "owners"),
        ('blocking = "yes"', 'blocking = "unknown"', "blocking"),
        ('code = "EL"', 'code = "SDN"', "code"),
    ],
)
def test_bad_lists(old: str, new: str, field: str) -> None:
    """A rank or a title of two lists, and a word that there is not, are refused with their place."""
    with pytest.raises(FactsError) as caught:
        facts_with("party_lists.toml", old, new)
    assert (caught.value.file, caught.value.field) == ("party_lists.toml", field)
    assert caught.value.table.startswith("[list")


def test_a_provider_adds_a_list() -> None:
    """An overlay's own list is one like the others, and the digest is another."""
    facts = load_facts([an_overlay(A_LIST.format(code="OWN", owners="always", rank=5))])
    assert next(iter(facts.party_lists.by_code)) == "OWN"
    assert facts.digest != FACTS.digest
    assert facts.party_lists.changes_about(["OWN", "EL"]) == ()


def test_an_overlay_that_changes_or_takes_away_a_list_is_remembered() -> None:
    """Answers about a list say whose overlay took its row away or put another in its place."""
    changed = load_facts([an_overlay(A_LIST.format(code="EL", owners="never", rank=20))]).party_lists
    (words,) = changed.changes_about(["EL"])
    assert "put another row in place of party_lists.list EL: counsel has read it" in words
    gone = "[[remove]]\ntable = 'party_lists.list'\nkey = ['MEU']\nreason = 'not ours'\n"
    (words,) = load_facts([an_overlay(gone)]).party_lists.changes_about(["MEU"])
    assert "took away party_lists.list MEU: not ours" in words


def test_a_list_that_counts_otherwise_is_a_difference() -> None:
    """What an overlay makes of a list is among the differences, and without one no day differs from another."""
    other = load_facts([an_overlay(A_LIST.format(code="CMIC", owners="always", rank=80), kind="scenario")])
    found = differences(AsOf(facts=FACTS, day=TODAY), AsOf(facts=other, day=TODAY))
    assert ("party_lists", "CMIC", "owners count", "never", "always") in {
        (each.topic, each.subject, each.asked, each.before, each.after) for each in found
    }
    days = differences(AsOf(facts=FACTS, day=date(2026, 1, 1)), AsOf(facts=FACTS, day=TODAY))
    assert not [each for each in days if each.topic == "party_lists"]


def test_the_sheet_says_how_the_switch_stands() -> None:
    """The sheet has every list, the most restrictive first, and the state of the switch on that day."""
    sheet = show_lists(FACTS, date(2026, 3, 1))
    assert "The switch affiliates_rule on 2026-03-01: stayed." in sheet.blocks
    rows = sheet.content["lists"]
    assert isinstance(rows, list)
    assert [each["code"] for each in rows] == list(LISTS.by_code)
