"""Rows, what has to be looked at again, and differences, over the facts that ship."""

from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType, NoneType

import pytest
from support.facts import an_overlay as overlay_of
from support.overlays import ETHIOPIA, NEW_PART, a_scenario, an_overlay

from policy.facts.accelerators import Device, ForDataCentres, Rates
from policy.facts.differences import NOT_THERE, AsOf, Difference, days_between, differences
from policy.facts.evidence import Evidence
from policy.facts.facts import Facts
from policy.facts.overlays import read_overlay, read_overrides, read_scenario
from policy.facts.period import BEFORE_RECORDS
from policy.facts.reading import load_facts
from policy.facts.reviewing import Doubt, Why, check_readings, doubtful_accelerators, stale_documents, unverified_rows
from policy.facts.rows import rows_of
from policy.facts.tables import FactsError
from policy.facts.wording import device_words
from policy.rules.pack import load_pack

FACTS = load_facts()
TODAY = date(2026, 11, 29)
CYPRUS_SETTLED = """
[[remove]]
table = "jurisdictions.watch"
key = ["CY", "2026-10-01"]
reason = "renewed"
"""
MEMO = """
[sources.memo]
citation = "a memorandum"
evidence = "secondary"
read_on = 2026-09-01
review_by = 2026-11-01
"""


def between(first: date, second: date, facts: Facts = FACTS) -> dict[tuple[str, str], Difference]:
    """What differs on two days, by subject and question."""
    found = differences(AsOf(facts=facts, day=first), AsOf(facts=facts, day=second))
    return {(each.subject, each.asked): each for each in found}


def test_the_walk_finds_every_source_once() -> None:
    """Each source of the facts is that of one row, and every row is called what an error about it calls it."""
    rows = rows_of(FACTS)
    assert sorted(row.source.line for row in rows) == sorted(source.line for source in FACTS.sources)
    assert all(row.title.startswith(f"[{row.table}]") for row in rows)
    titles = {row.title for row in rows}
    assert {"[membership] D:5 KH", "[switch.state] affiliates_rule 2025-11-10", "[utilisation_low]"} <= titles
    assert {"[parameters] the first", "[parameters] 2022-10-07", "[parameters] 2023-11-17"} <= titles
    assert "[instance] NVIDIA A30" in titles
    assert not [title for title in titles if "<" in title]


def test_a_provider_s_tier_is_no_row() -> None:
    """A tier without a source but the provider is left out; the others stay."""
    facts = FACTS.with_tiers({"review": 1e22}, basis="ours")
    names = {row.name for row in rows_of(facts) if row.table == "tier"}
    assert names == set(FACTS.tiers.by_name) - {"review"}


def test_a_document_is_past_its_day_only_after_it() -> None:
    """On its last good day a document is good; on the next it is past, for the reason that came first."""
    for document in FACTS.documents.values():
        last = document.good_through
        assert document.id not in {each.document.id for each in stale_documents(FACTS, last)}
        (past,) = (each for each in stale_documents(FACTS, last + timedelta(days=1)) if each.document is document)
        assert (past.why is Why.TERM_ENDED) == (document.term_ends == last)


@pytest.mark.parametrize(
    ("decided_on", "read_on", "words"),
    [
        ("2026-11-30", "2026-11-29", "[overlay], decided_on: 2026-11-30 is yet to come; give the day on which"),
        ("2026-11-29", "2026-11-30", "[memo], read_on: 2026-11-30 is yet to come; give the day on which"),
    ],
)
def test_nobody_has_read_or_decided_tomorrow(decided_on: str, read_on: str, words: str) -> None:
    """A reading or a decision of a day yet to come is refused until that day, and good from then on."""
    head = f'[overlay]\nkind = "override"\nname = "ours"\nreason = "x"\ndecided_on = {decided_on}\n'
    memo = f'[sources.memo]\ncitation = "x"\nevidence = "secondary"\nread_on = {read_on}\nreview_by = 2027-01-01\n'
    facts = load_facts([read_overlay(head + memo, "ours.toml")])
    with pytest.raises(FactsError) as caught:
        check_readings(facts, TODAY)
    assert str(caught.value).startswith(f"ours.toml, {words}")
    check_readings(facts, TODAY + timedelta(days=1))


def test_a_term_that_ended_says_so_and_which_rows_cite_it() -> None:
    """Cyprus' suspension has a last day of its own, and the row that watches Cyprus rests on it."""
    (cyprus,) = (each for each in stale_documents(FACTS, TODAY) if each.document.id == "state_cyprus_2025")
    assert cyprus.why is Why.TERM_ENDED
    assert cyprus.document.term in cyprus.words
    assert "[watch] CY" in {row.title for row in cyprus.cited_by}


def test_a_document_matters_while_a_row_in_force_or_a_rule_cites_it() -> None:
    """What no row cites once an overlay took it away asks for no reading; what the overlay itself brings does."""
    facts = load_facts([overlay_of(MEMO + CYPRUS_SETTLED)])
    stale = {each.document.id: each for each in stale_documents(facts, TODAY)}
    assert stale["state_cyprus_2025"].cited_by == ()
    assert not stale["state_cyprus_2025"].matters(TODAY, ())
    assert stale["state_cyprus_2025"].matters(TODAY, {"state_cyprus_2025"})
    assert stale["memo"].matters(TODAY, ())
    (stay,) = (each for each in stale_documents(FACTS, TODAY) if each.document.id == "fr_90_50857")
    before = date(2020, 6, 1)
    assert not any(row.speaks(before) for row in stay.cited_by if row.topic == "switches")
    past = replace(stay, cited_by=tuple(row for row in stay.cited_by if row.topic == "switches"))
    assert (past.matters(before, ()), past.matters(before, load_pack().citing)) == (False, True)


def test_unverified_rows_are_those_in_force() -> None:
    """A row whose time is over, or has not begun, is not among them; one of a later layer is."""
    on = {row.title for row in unverified_rows(FACTS, TODAY)}
    before = {row.title for row in unverified_rows(FACTS, date(2026, 11, 9))}
    assert on - before == {"[switch.state] affiliates_rule 2026-11-10"}
    assert all(row.source.evidence is Evidence.UNVERIFIED for row in unverified_rows(FACTS, TODAY))


def test_accelerators_in_doubt() -> None:
    """Unknown, unverified, of several and without a peak are told apart, each once; a settled one is not listed."""
    names = ["NVIDIA H100 80GB HBM3", "Abacus 9", "NVIDIA A10", "NVIDIA H100 80GB HBM3 MIG 9g.40gb", "NVIDIA A100"]
    found = {each.name: each for each in doubtful_accelerators(FACTS, [*names, *names])}
    assert found.keys() == {"Abacus 9", "NVIDIA A10", "NVIDIA A100", "NVIDIA H100 80GB HBM3 MIG 9g.40gb"}
    assert found["Abacus 9"].doubts == (Doubt.UNCLASSIFIED, Doubt.WITHOUT_PEAK)
    assert found["NVIDIA A10"].doubts == (Doubt.UNVERIFIED,)
    assert found["NVIDIA A100"].doubts == (Doubt.ONE_OF_SEVERAL,)
    assert found["NVIDIA H100 80GB HBM3 MIG 9g.40gb"].doubts == (Doubt.WITHOUT_PEAK,)


def test_whatever_begins_is_a_difference() -> None:
    """Each row with a first day is cited by a difference from the day before, unless it says the same once more."""
    beginning = [row for row in rows_of(FACTS) if getattr(row.row, "valid_from", BEFORE_RECORDS) != BEFORE_RECORDS]
    of_day = {day: between(day - timedelta(days=1), day) for day in {row.row.valid_from for row in beginning}}
    cited = {day: {source for each in found.values() for source in each.sources} for day, found in of_day.items()}
    unseen = {row.title for row in beginning if row.source not in cited[row.row.valid_from]}
    assert unseen == {"[switch.state] ai_diffusion 2025-05-13"}
    assert ("3A090.c since 2024-12-02", "note") in of_day[date(2024, 12, 2)]


@pytest.mark.parametrize("day", [date(2015, 1, 1), date(2021, 12, 9), TODAY])
def test_equal_days_differ_in_nothing(day: date) -> None:
    """A day is answered as itself, also before all records."""
    assert differences(AsOf(facts=FACTS, day=day), AsOf(facts=FACTS, day=day)) == ()


def test_there_and_back_is_the_same_with_the_answers_swapped() -> None:
    """What differs does not depend on which day comes first."""
    there = between(date(2023, 1, 1), TODAY)
    back = between(TODAY, date(2023, 1, 1))
    assert there.keys() == back.keys()
    assert all((there[key].before, there[key].after) == (back[key].after, back[key].before) for key in there)


def test_what_changed_when_cambodia_left() -> None:
    """The answer follows State's day; each list's own day is told apart; every answer has a source."""
    first = between(date(2025, 11, 6), date(2025, 11, 7))
    assert [(key, each.before, each.after) for key, each in first.items()] == [
        (("KH Cambodia", "in scope"), "yes", "no"),
        (("KH Cambodia", "in D:5"), "yes", "no"),
        (("KH Cambodia", "D:5 by State's list"), "yes", "no"),
    ]
    second = between(date(2026, 2, 2), date(2026, 2, 3))
    assert list(second) == [("KH Cambodia", "D:5 by the EAR's table")]
    assert all(each.sources for each in (*first.values(), *second.values()))


def test_what_changed_back_is_no_difference_but_its_days_are_told() -> None:
    """The Affiliates Rule was on, stayed and on again: both ends answer alike, and the days between say when to ask."""
    first, last = date(2025, 10, 15), TODAY
    assert ("affiliates_rule", "state") not in between(first, last)
    days = days_between(AsOf(facts=FACTS, day=first), AsOf(facts=FACTS, day=last))
    assert {date(2025, 11, 7), date(2025, 11, 10), date(2026, 11, 10)} <= set(days)
    assert days == days_between(AsOf(facts=FACTS, day=last), AsOf(facts=FACTS, day=first))
    assert all(first < day <= last for day in days)
    assert days_between(AsOf(facts=FACTS, day=last), AsOf(facts=FACTS, day=last)) == ()


@pytest.mark.parametrize("day", days_between(AsOf(facts=FACTS, day=date(2019, 1, 1)), AsOf(facts=FACTS, day=TODAY)))
def test_nothing_changes_but_on_these_days(day: date) -> None:
    """Nothing differs from one such day to the eve of the next."""
    end = date(2030, 1, 1)
    following = (*days_between(AsOf(facts=FACTS, day=day), AsOf(facts=FACTS, day=end)), end)[0]
    assert between(day, following - timedelta(days=1)) == {}


def test_control_that_begins() -> None:
    """The first version of ECCN 3A090, the stay of a switch and a letter are each a difference."""
    entry = between(date(2022, 10, 6), date(2022, 10, 7))
    assert entry["NVIDIA A100 SXM 80GB", "paragraph by its numbers"].after == "3A090"
    assert (entry["ECCN 3A090", "paragraphs"].before, entry["ECCN 3A090", "paragraphs"].after) == ("none", "3A090")
    assert entry["ECCN 3A090", "3A090"].after.startswith("at least ")
    second = between(date(2023, 11, 16), date(2023, 11, 17))
    assert second["ECCN 3A090", "Note 2"].before == "no limit: Note 2 was not there"
    assert second["ECCN 3A090", "3A090.a.1"].after == "at least 4,800 TPP"
    letter = between(date(2025, 4, 8), date(2025, 4, 9))
    assert letter["NVIDIA H20", "controlled by letter"].after == "yes"
    assert letter["letter h20_2025", "state"].before == NOT_THERE
    assert letter["letter h20_2025", "addressee"].after == "NVIDIA"
    assert between(date(2025, 11, 9), date(2025, 11, 10))["affiliates_rule", "state"].after == "stayed"


def test_a_scenario_differs_in_what_it_supposes(tmp_path: Path) -> None:
    """On one day, with it and without it, only what it says differs, and cites it."""
    supposed = load_facts([read_scenario(str(a_scenario(tmp_path, ETHIOPIA)))])
    found = differences(AsOf(facts=FACTS, day=TODAY), AsOf(facts=supposed, day=TODAY))
    assert {each.subject for each in found} == {"ET Ethiopia"}
    (scope,) = (each for each in found if each.asked == "in scope")
    assert (scope.before, scope.after) == ("unknown", "yes")
    assert "scenario what-if: somebody proposed it" in scope.sources[0].line


EVERY_KIND = {
    "a rate": (
        "[[accelerators.accelerator]]\ndevice = 'Google TPU v2'\nvendor = 'Google'\ndesigned_for_data_centres = 'yes'\n"
        "dense_tflop_per_second = { fp16_bf16 = 50 }\nsources = ['own_choice']\n",
        ("Google TPU v2", "peak that estimates use", "4.6e+13 FLOP/s", "5e+13 FLOP/s"),
    ),
    "a board": (
        "[[board_power.board_power]]\ndevice = 'NVIDIA H20'\nwatts = 500\nsources = ['own_choice']\n",
        ("NVIDIA H20", "board power", "400 W", "500 W"),
    ),
    "a seat": (
        "[[accelerators.vendor]]\nid = 'Huawei'\nheadquarters = 'US'\nwords = ['huawei']\nsources = ['own_choice']\n",
        ("developer Huawei", "headquarters", "CN", "US"),
    ),
    "an instance": (
        "[[parts.instance]]\ndevices = ['NVIDIA A30']\nmultiprocessors = 56\nby_slices = { 1 = [28] }\n"
        "sources = ['own_choice']\n",
        (
            "NVIDIA A30",
            "MIG instance of 1",
            "0.250 to 0.250, likely 0.250",
            "0.500 to 0.500, likely 0.500",
        ),
    ),
    "a sign": (
        "[training_signals.batch_kinds]\nkinds = ['Job']\nunit = 'Kubernetes kind of the topmost owner'\nwhy = 'x'\n"
        "basis = 'y'\nsources = ['own_choice']\n",
        ("batch_kinds", "value", None, "Job"),
    ),
    "a letter": (
        "[[control.letter]]\nid = 'h20_2025'\naddressee = 'us as well'\ndevices = ['NVIDIA H20']\ndestinations = 'x'\n"
        "text = 'x'\nvalid_from = 2025-04-09\nsources = ['own_choice']\n",
        ("letter h20_2025", "addressee", "NVIDIA", "us as well"),
    ),
    "a related item": (
        "[[remove]]\ntable = 'control.related'\nkey = ['3A090.b']\nreason = 'x'\n",
        ("3A090.b", "related items", None, NOT_THERE),
    ),
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_whatever_an_overlay_changes_is_a_difference(kind: str) -> None:
    """Also what no paragraph and no list depends on, as rates, boards, seats, instances and kinds."""
    rows, (subject, asked, before, after) = EVERY_KIND[kind]
    overlaid = load_facts([overlay_of(rows)])
    found = differences(AsOf(facts=FACTS, day=TODAY), AsOf(facts=overlaid, day=TODAY))
    (told,) = (each for each in found if (each.subject, each.asked) == (subject, asked))
    assert (before in (None, told.before), told.after) == (True, after)


OTHERWISE = {
    str: "other", float: 7.0, int: 7, tuple: ("other",), MappingProxyType: {"other": 7.0}, dict: {"other": 7.0},
    NoneType: 7.0, Rates: Rates.OPEN, ForDataCentres: ForDataCentres.NO,
}  # fmt: skip
UNASKED = {"vendor": "asked about as a developer", "source": "cited", "name_source": "cited", "note": "no figure"}
"""Fields of a device about which no question is asked, each with why."""


@pytest.mark.parametrize("name", sorted({each.name for each in fields(Device)} - UNASKED.keys()))
def test_every_field_of_a_device_is_asked_about(name: str) -> None:
    """Whatever an override changes of a device, one answer about it is another, also where no paragraph is."""
    device = FACTS.accelerators.devices["AMD MI250X"]
    value = getattr(device, name)
    amounts = name in ("memory_gb", "memory_bandwidth_gb_per_second")
    changed = replace(device, **{name: (7.0,) if amounts else OTHERWISE[type(value)]})
    assert device_words(FACTS, changed) != device_words(FACTS, device)


def test_a_device_that_an_overlay_adds_was_not_there(tmp_path: Path) -> None:
    """Also a number that was changed is a difference."""
    an_overlay(tmp_path, NEW_PART)
    facts = load_facts(read_overrides(tmp_path))
    found = differences(AsOf(facts=FACTS, day=TODAY), AsOf(facts=facts, day=TODAY))
    assert {(each.subject, each.before) for each in found} == {("NVIDIA X1", NOT_THERE)}
    lower = replace(FACTS.estimation.utilisation_low, value=0.05)
    facts = replace(FACTS, estimation=replace(FACTS.estimation, utilisation_low=lower))
    (number,) = differences(AsOf(facts=FACTS, day=TODAY), AsOf(facts=facts, day=TODAY))
    assert (number.subject, number.before, number.after) == ("utilisation_low", "0.117 ratio", "0.05 ratio")
