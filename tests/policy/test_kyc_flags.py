"""
Red flags, each by the least that raises it, beside what leaves it open and what settles it.

To approve the sentences anew, delete tests/golden/kyc/flags.txt and run this test: it writes the file and fails once.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.facts import an_overlay, facts_with, refusal_of
from support.judgement import FACTS, unhurried
from support.kyc_cases import said

import policy.__main__ as command
from policy.facts.differences import AsOf, differences
from policy.facts.evidence import Answer
from policy.facts.reading import load_facts
from policy.kyc.directory import Directory
from policy.kyc.explain import flags_branch
from policy.kyc.flags.history import changes_within, is_covered
from policy.kyc.flags.look import normal_address
from policy.kyc.flags.raised import (
    ASKED,
    Demand,
    Raised,
    RaisedFlag,
    addresses_of_the_listed,
    end_use,
    not_looked_at,
    red_flags,
)
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES, ValueKind

GOLDEN = Path(__file__).parents[1] / "golden/kyc/flags.txt"
AT = date(2026, 6, 1)
LARGE = Demand(peak_devices=512, device_hours=200_000)
SMALL = Demand(peak_devices=1, device_hours=10)
LISTED = frozenset({normal_address("7 Example Road, Example City")})


def say(text: str, **more: object) -> Statement:
    """``subject predicate value``, said by a register in May and known since 2022 unless told otherwise."""
    subject, predicate, value = text.split(" ", 2)
    known = {"source": "register", "as_of": date(2026, 5, 1), "known_from": date(2022, 1, 1), **more}
    return Statement(subject, predicate, value, **known)  # type: ignore[arg-type]


CLEAN = (
    say("t-1 customer p-1"),
    say("t-1 payer self"),
    say("t-1 first_order_on 2022-01-10"),
    say("t-1 verified_on 2026-03-01"),
    say("t-1 end_use_wmd no"),
    say("t-1 end_use_military_intelligence no"),
    say("t-1 end_use_scope all work under the account"),
    say("t-1 end_use_signatory chief executive"),
    say("t-1 end_use_signed_on 2026-02-01"),
    say("p-1 name Example Party GmbH"),
    say("p-1 incorporated_on 2015-03-01"),
    say("p-1 needs_accelerators yes"),
    say("p-1 presence established"),
    say("p-1 registered_country DE"),
    say("p-1 headquarters_country DE"),
    say("p-1 ultimate_parent self"),
    say("p-1 address 1 Sample Street, Sample Town", detail="office"),
    say("p-1 owned_by dispersed", share_low_percent=100.0, share_high_percent=100.0),
    say("p-1 directed_by n-1"),
    say("p-1 screened no_match"),
    say("n-1 screened no_match"),
)
"""A file that leaves nothing open and raises nothing."""
RAISING = {
    "kyc-wmd-end-use": say("t-1 end_use_wmd yes", source="questionnaire"),
    "kyc-military-intelligence-end-use": say("t-1 end_use_military_intelligence yes", source="questionnaire"),
    "guidance-2025-like-listed-party": say("p-1 screened possible", source="screening", detail="e-9"),
    "supplement-3-24-shared-management": say("n-1 listed_on EL"),
    "guidance-2025-headquarters-elsewhere": say("p-1 headquarters_country HK", source="questionnaire"),
    "guidance-2025-recent-start": say("p-1 incorporated_on 2023-03-01", source="questionnaire"),
    "guidance-2025-line-of-business": say("p-1 needs_accelerators no", source="review"),
    "guidance-2025-residential-address": say("p-1 address 5 Sample Lane", detail="residential"),
    "kyc-address-without-business": say("p-1 address 6 Sample Lane", detail="mail_box"),
    "guidance-2025-little-presence": say("p-1 presence none", source="review"),
    "guidance-2025-changed-hands": say("p-1 name Example Other GmbH", begins=date(2026, 2, 1)),
    "guidance-2025-payer": say("t-1 payer p-7"),
}
"""One statement for each of these flags, which raises it whatever else is said."""


def flags_of(
    statements: Iterable[Statement],
    at: date = AT,
    demand: Demand | None = LARGE,
    listed: frozenset[str] = LISTED,
    before: View | None = None,
) -> dict[str, RaisedFlag]:
    """The flags of tenant t-1, by id."""
    found = red_flags(View(statements), "t-1", at, FACTS, demand, listed, before=before)
    assert len({flag.id for flag in found}) == len(found)
    return {flag.id: flag for flag in found}


def state_of(flag_id: str, *more: Statement, without: str = "", **asked: object) -> str:
    """The state of one flag of the clean file and more; ``no`` where it is not there. ``without``: words left out."""
    kept = [each for each in CLEAN if f"{each.subject} {each.predicate}" not in without.split(", ")]
    found = flags_of((*kept, *more), **asked)  # type: ignore[arg-type]
    return found[flag_id].state if flag_id in found else "no"


def test_a_full_file_raises_nothing() -> None:
    """A file that answers every question leaves none open and raises none."""
    assert flags_of(CLEAN) == {}


def test_an_empty_file_settles_almost_nothing() -> None:
    """Of a tenant of whom nothing is known every flag is there, but the one that no file can rule out."""
    found = flags_of(())
    asked = {question.ids[0] for question in ASKED}
    assert set(found) == asked
    raised = {flag_id for flag_id, flag in found.items() if flag.state is Raised.YES}
    assert raised == {"guidance-2025-no-end-use-given", "kyc-not-verified"}
    assert list(found)[:2] == ["kyc-wmd-end-use", "kyc-military-intelligence-end-use"]


@pytest.mark.parametrize("flag_id", RAISING)
def test_one_statement_raises(flag_id: str) -> None:
    """One such statement raises its flag in a file that raises none, whatever another source says."""
    found = flags_of((*CLEAN, RAISING[flag_id]))
    assert found[flag_id].state is Raised.YES
    assert found[flag_id].sources


@unhurried
@given(st.lists(st.sampled_from(sorted(RAISING)), unique=True), st.sampled_from(sorted(RAISING)), st.data())
def test_a_raising_statement_lowers_no_other_flag(already: list[str], further: str, data: st.DataObject) -> None:
    """Whatever is raised and whatever is known, a statement that raises a flag leaves all that was raised raised."""
    known = data.draw(st.lists(st.sampled_from(CLEAN), unique=True))
    file = [*known, *(RAISING[each] for each in already)]
    before = {each for each, flag in flags_of(file).items() if flag.state is Raised.YES}
    after = {each for each, flag in flags_of([*file, RAISING[further]]).items() if flag.state is Raised.YES}
    assert before <= after


@unhurried
@given(st.permutations([*CLEAN, *RAISING.values()]), st.integers(0, 30))
def test_the_order_of_statements_changes_nothing(statements: list[Statement], kept: int) -> None:
    """The same statements in any order give the same flags, word for word."""
    part = statements[:kept]
    assert flags_of(part) == flags_of(sorted(part, key=repr))


@unhurried
@given(st.lists(st.sampled_from([*CLEAN, *RAISING.values()]), unique=True))
def test_taking_knowledge_away_never_clears_a_question_of_the_end_use(kept: list[Statement]) -> None:
    """Without an answer to one of the two questions of the law its flag is there, whatever else is said."""
    found = flags_of(kept)
    said = {each.predicate for each in kept}
    for predicate, flag_id in (
        ("end_use_wmd", "kyc-wmd-end-use"),
        ("end_use_military_intelligence", "kyc-military-intelligence-end-use"),
    ):
        assert (flag_id in found) or predicate in said


def test_relabelling_changes_only_ids() -> None:
    """Nothing is read into an id: with other ids the same flags are there."""
    file = [*CLEAN, *RAISING.values()]
    relabelled = [replace(each, subject=f"x{each.subject}", value=_relabelled(each)) for each in file]
    found = red_flags(View(relabelled), "xt-1", AT, FACTS, LARGE, LISTED)
    assert [(flag.id, flag.state) for flag in found] == [
        (flag.id, flag.state) for flag in red_flags(View(file), "t-1", AT, FACTS, LARGE, LISTED)
    ]


def _relabelled(each: Statement) -> str:
    return f"x{each.value}" if each.value in ("p-1", "n-1", "p-7") else each.value


# The account


@pytest.mark.parametrize(
    ("file", "at", "state"),
    [
        ("2025-06-01", AT, "no"),
        ("2025-05-31", AT, "yes"),
        ("2026-06-02", AT, "yes"),
    ],
)
def test_verification(file: str, at: date, state: str) -> None:
    """A file verified a year ago is fresh to the day, stale a day later, and a later verification does not count."""
    verified = say(f"t-1 verified_on {file}")
    assert state_of("kyc-not-verified", verified, without="t-1 verified_on", at=at) == state


def test_each_customer_is_verified() -> None:
    """Of two customers the one that nobody verified raises the flag."""
    second = say("t-1 customer p-2")
    verified = say("p-1 verified_on 2026-03-01")
    assert state_of("kyc-not-verified", second, verified, without="t-1 verified_on") == "yes"
    both = (second, verified, say("p-2 verified_on 2026-03-01"))
    assert state_of("kyc-not-verified", *both, without="t-1 verified_on") == "no"


def test_the_end_use_statement() -> None:
    """No statement raises the flag, a statement of which parts are lacking leaves it open, an old one has its own."""
    flag = "guidance-2025-no-end-use-given"
    parts = "t-1 end_use_scope, t-1 end_use_signatory, t-1 end_use_signed_on"
    assert state_of(flag, without=parts) == "yes"
    assert state_of(flag, without="t-1 end_use_scope") == "unknown"
    old = say("t-1 end_use_signed_on 2025-05-01")
    assert state_of(flag, old, without="t-1 end_use_signed_on") == "no"
    assert state_of("kyc-old-end-use-statement", old, without="t-1 end_use_signed_on") == "yes"
    newer = say("t-1 end_use_signed_on 2026-05-02", source="questionnaire")
    assert state_of("kyc-old-end-use-statement", old, newer, without="t-1 end_use_signed_on") == "no"
    to_come = say("t-1 end_use_signed_on 2026-07-01")
    assert state_of(flag, to_come, without="t-1 end_use_signed_on") == "unknown"


def test_the_two_questions_of_the_law() -> None:
    """One yes is a yes against any no; a no needs somebody who says it; silence is unknown."""
    conflicting = View([*CLEAN, RAISING["kyc-wmd-end-use"]])
    found = end_use(conflicting, "t-1", AT)
    assert (found.wmd.answer, found.military_intelligence.answer, found.statement.answer) == ("yes", "no", "yes")
    assert found.wmd.reason.endswith("another source says that it is not")
    assert len(found.wmd.sources) == 2
    undated = [say("t-1 end_use_wmd yes", as_of=None), say("t-1 end_use_wmd no", as_of=None)]
    assert end_use(View(undated), "t-1", AT).wmd.reason.endswith("and the same source also says that it is not")
    silent = end_use(View(()), "t-1", AT)
    assert (silent.wmd.answer, silent.military_intelligence.answer, silent.statement.answer) == (
        "unknown",
        "unknown",
        "no",
    )


def test_a_third_party_pays() -> None:
    """A payer who is neither the customer nor who resells to it raises the flag; nobody named leaves it open."""
    flag = "guidance-2025-payer"
    assert state_of(flag, say("t-1 payer p-1"), without="t-1 payer") == "no"
    assert state_of(flag, say("t-1 payer p-8"), say("t-1 reseller p-8"), without="t-1 payer") == "no"
    assert state_of(flag, without="t-1 payer") == "unknown"
    assert state_of(flag, say("t-1 payer p-1"), without="t-1 payer, t-1 customer") == "unknown"


@pytest.mark.parametrize(
    ("changed", "state"), [("2022-04-10", "yes"), ("2022-04-11", "no"), ("2021-10-12", "no"), ("2021-10-13", "yes")]
)
def test_the_payer_changes_near_the_first_use(changed: str, state: str) -> None:
    """A payer that changed within 90 days of the first use, before or after it, raises the flag, and else not."""
    day = date.fromisoformat(changed)
    was, became = say("t-1 payer p-1", ends=day), say("t-1 payer self", begins=day)
    assert state_of("guidance-2025-payer", was, became, without="t-1 payer") == state


def test_the_first_use_is_the_earlier_of_two() -> None:
    """A payer's change is held against the first order or the first use as measured, whichever came first."""
    day = date(2026, 3, 1)
    change = (say("t-1 payer p-1", ends=day), say("t-1 payer self", begins=day))
    used = replace(LARGE, first_use=date(2026, 4, 1))
    assert state_of("guidance-2025-payer", *change, without="t-1 payer", demand=used) == "no"
    assert state_of("guidance-2025-payer", *change, without="t-1 payer, t-1 first_order_on", demand=used) == "yes"
    later = say("t-1 first_order_on 2026-12-01")
    assert (
        state_of("guidance-2025-payer", *change, later, without="t-1 payer, t-1 first_order_on", demand=used) == "yes"
    )
    unmeasured = replace(LARGE, first_use=None)
    without = "t-1 payer, t-1 first_order_on"
    assert state_of("guidance-2025-payer", *change, without=without, demand=unmeasured) == "unknown"


@pytest.mark.parametrize(
    ("predicate", "flag_id"),
    [("verified_on", "kyc-not-verified"), ("end_use_signed_on", "kyc-old-end-use-statement")],
)
def test_renewing_accuses_nobody_of_the_time_before(predicate: str, flag_id: str) -> None:
    """A day in whose place a newer one was put, by a new file or as a newer word, counts for the time before that."""
    renewed = date(2026, 8, 2)
    new = say(f"t-1 {predicate} 2026-08-01", as_of=renewed, known_from=renewed)
    old = say(f"t-1 {predicate} 2026-02-01", as_of=date(2026, 2, 1), known_to=renewed)
    without = f"t-1 {predicate}"
    assert state_of(flag_id, new, without=without, before=View((old, new))) == "no"
    assert state_of(flag_id, new, replace(old, known_to=None), without=without) == "no"
    assert state_of(flag_id, new, without=without) != "no"
    assert state_of(flag_id, new, without=without, at=date(2026, 9, 1), before=View((old, new))) == "no"


def test_a_day_that_was_withdrawn_counts_no_more() -> None:
    """A verification that its source withdrew, without telling another one, is none."""
    old = say("t-1 verified_on 2026-02-01", known_to=date(2026, 3, 1))
    other = say("t-1 verified_on 2026-08-01", source="another")
    assert state_of("kyc-not-verified", without="t-1 verified_on", before=View([old])) == "yes"
    assert state_of("kyc-not-verified", other, without="t-1 verified_on", before=View([old])) == "yes"


def test_one_party_under_two_ids_did_not_change_hands() -> None:
    """That an owner, or the party itself, became known under another id is no change of its name, owner or place."""
    day = date(2026, 5, 1)
    owner = say("p-1 ultimate_parent lei:b", source="gleif", as_of=date(2020, 1, 1), known_to=day)
    joined = replace(owner, value="p-2", as_value="lei:b", known_from=day, known_to=None)
    named = say("p-1 name Example Party", source="gleif", known_from=day, as_subject="lei:a")
    already = say("p-1 name Example Party Trading", source="gleif")
    more = (joined, named, already)
    assert state_of("guidance-2025-changed-hands", *more) == state_of("guidance-2025-changed-hands")
    before = View([*CLEAN, owner, *more])
    assert state_of("guidance-2025-changed-hands", *more, before=before) == "no"
    parted = replace(joined, as_value=None)
    assert state_of("guidance-2025-changed-hands", parted, before=View([*CLEAN, owner, parted])) == "yes"


def test_a_reseller_without_customers() -> None:
    """Who resells and names nobody is flagged, though its own file be clean; with customers it is not."""
    flag = "kyc-reseller-without-customers"
    resold = say("t-1 reseller p-8")
    assert state_of(flag, resold) == "no"
    assert state_of(flag, resold, without="t-1 customer") == "yes"
    assert state_of(flag, say("t-1 reseller p-1")) == "yes"
    assert state_of(flag, without="t-1 customer") == "unknown"
    assert state_of("guidance-2025-little-presence", say("t-1 reseller p-1"), without="t-1 customer") == "unknown"


# The party


def test_recent_start() -> None:
    """The day of the controls itself is not after them; a first order after them raises the flag as well."""
    flag = "guidance-2025-recent-start"
    assert state_of(flag, say("p-1 incorporated_on 2022-10-07"), without="p-1 incorporated_on") == "no"
    assert state_of(flag, say("p-1 incorporated_on 2022-10-08"), without="p-1 incorporated_on") == "yes"
    assert state_of(flag, say("t-1 first_order_on 2024-01-01"), without="t-1 first_order_on") == "yes"
    assert state_of(flag, without="p-1 incorporated_on") == "unknown"


def test_a_home_needs_commercial_amounts() -> None:
    """A residential address is no flag where the use is known to be small; not knowing the use does not clear it."""
    flag, home = "guidance-2025-residential-address", RAISING["guidance-2025-residential-address"]
    assert state_of(flag, home, demand=SMALL) == "no"
    assert state_of(flag, home, demand=None) == "yes"


def test_types_of_address() -> None:
    """Each type at which nobody works is named; an address of no type leaves both flags open."""
    for kind, words in (("virtual_office", "a virtual office"), ("freight_forwarder", "a freight forwarder")):
        found = flags_of((*CLEAN, say("p-1 address 6 Sample Lane", detail=kind)))
        assert words in found["kyc-address-without-business"].reason
        assert "guidance-2025-residential-address" not in found
    untyped = say("p-1 address 6 Sample Lane")
    assert state_of("kyc-address-without-business", untyped) == "unknown"
    assert state_of("guidance-2025-residential-address", untyped) == "unknown"


@pytest.mark.parametrize(
    ("needs", "demand", "state"),
    [
        ("no", LARGE, "yes"),
        ("no", SMALL, "no"),
        ("no", None, "unknown"),
        ("yes", LARGE, "no"),
        ("", LARGE, "unknown"),
        ("", SMALL, "no"),
        ("", None, "unknown"),
        ("no", Demand(peak_devices=8, device_hours=0), "yes"),
        ("no", Demand(peak_devices=7, device_hours=5760), "yes"),
        ("no", Demand(peak_devices=7, device_hours=5759), "no"),
    ],
)
def test_business_against_demand(needs: str, demand: Demand | None, state: str) -> None:
    """A business that needs no accelerators and uses many is flagged; what is not known is neither yes nor no."""
    more = [say(f"p-1 needs_accelerators {needs}")] if needs else []
    assert state_of("guidance-2025-line-of-business", *more, without="p-1 needs_accelerators", demand=demand) == state


IN_SINGAPORE = ("p-1 registered_country SG", "p-1 headquarters_country SG")


@pytest.mark.parametrize(
    ("file", "state"),
    [
        (("p-1 registered_country SG", "p-1 headquarters_country CN"), "yes"),
        (("p-1 registered_country SG", "p-1 headquarters_country MO"), "yes"),
        (("p-1 registered_country HK", "p-1 headquarters_country CN"), "no"),
        (("p-1 registered_country AE", "p-1 headquarters_country CN"), "no"),
        (("p-1 registered_country SG", "p-1 headquarters_country SG"), "no"),
        (("p-1 headquarters_country CN",), "unknown"),
        (("p-1 registered_country SG",), "unknown"),
        (("p-1 registered_country SG", "p-1 headquarters_country SG", "p-1 ultimate_parent p-2"), "unknown"),
        (
            (
                "p-1 registered_country SG",
                "p-1 headquarters_country SG",
                "p-1 parent p-3",
                "p-3 headquarters_country SG",
                "p-3 ultimate_parent p-2",
                "p-2 headquarters_country HK",
            ),
            "yes",
        ),
        (("p-1 registered_country SG", "p-1 branch_of p-1", "p-1 headquarters_country SG"), "unknown"),
        ((*IN_SINGAPORE, "p-1 owned_by dispersed"), "no"),
        ((*IN_SINGAPORE, "p-1 owned_by p-2 60", "p-2 headquarters_country HK"), "yes"),
        ((*IN_SINGAPORE, "p-1 owned_by p-2 40", "p-2 headquarters_country HK"), "unknown"),
        ((*IN_SINGAPORE, "p-1 owned_by p-2 60", "p-2 headquarters_country SG"), "unknown"),
        ((*IN_SINGAPORE, "p-1 parent p-2", "p-2 headquarters_country SG", "p-2 ultimate_parent p-1"), "unknown"),
        (
            (
                *IN_SINGAPORE,
                "p-1 parent p-3",
                "p-3 headquarters_country SG",
                "p-3 dissolved_on 2025-01-01",
                "p-3 successor p-2",
                "p-2 headquarters_country CN",
                "p-2 ultimate_parent self",
            ),
            "yes",
        ),
    ],
)
def test_headquarters_elsewhere(file: tuple[str, ...], state: str) -> None:
    """Who sits outside the three groups under a head in China is flagged; what lacks on either side leaves it open."""
    told = {each.split()[1] for each in file}
    own = () if told & {"ultimate_parent", "parent", "branch_of", "owned_by"} else (say("p-1 ultimate_parent self"),)
    seat = "p-1 registered_country, p-1 headquarters_country, p-1 ultimate_parent, p-1 owned_by"
    at = date(2026, 1, 1)
    assert state_of("guidance-2025-headquarters-elsewhere", *map(said, file), *own, without=seat, at=at) == state


def test_an_owner_that_nobody_names() -> None:
    """A file that says neither owner nor parent is flagged, unless the customer is a natural person."""
    flag, owners = "supplement-3-21-uncertain-owner", "p-1 owned_by, p-1 ultimate_parent"
    assert state_of(flag, without=owners) == "yes"
    assert state_of(flag, say("p-1 parent p-2"), without=owners) == "no"
    assert state_of(flag, say("p-1 kind natural_person"), without=owners) == "no"


# Lists


def test_a_likeness_is_settled_by_decisions() -> None:
    """An entry that somebody decided on is settled while the decision lasts; one of two is not enough."""
    flag = "guidance-2025-like-listed-party"
    alike = say("p-1 screened possible", detail="e-9 e-10")
    decided = say("p-1 not_listed_as e-9", source="counsel")
    both = say("p-1 not_listed_as e-10", source="counsel", ends=date(2026, 5, 31))
    assert state_of(flag, alike, decided, without="p-1 screened") == "yes"
    assert state_of(flag, alike, decided, replace(both, ends=None), without="p-1 screened") == "no"
    assert state_of(flag, alike, decided, both, without="p-1 screened") == "yes"
    assert state_of(flag, without="p-1 screened") == "unknown"
    assert state_of(flag, say("p-1 listed_on EL")) == "yes"


def test_a_clearance_of_what_is_only_counted_settles_nothing() -> None:
    """Entries that found no room beside the others are not cleared by the sign that stands for them."""
    more = (say("p-1 screened possible", detail="e-9 +12"), say("p-1 not_listed_as e-9"), say("p-1 not_listed_as +12"))
    assert state_of("guidance-2025-like-listed-party", *more, without="p-1 screened") == "yes"


def test_a_branch_is_as_listed_as_its_head_office() -> None:
    """What lists say of a head office is said of its branch, be it the customer, a director's or the predecessor."""
    at_once = (
        say("p-6 screened no_match"),
        say("p-6 branch_of p-5"),
        say("p-5 branch_of p-4"),
        say("p-4 listed_on EL"),
    )
    linked = {
        "supplement-3-25-assumed-operations": say("p-6 successor p-1"),
        "supplement-3-24-shared-management": say("p-6 directed_by n-1"),
    }
    for flag, link in linked.items():
        view = Directory.of([*CLEAN, link, *at_once]).around(["t-1"])
        assert state_of(flag, link, *at_once) == "yes"
        assert [each.id for each in red_flags(view.part("t-1"), "t-1", AT, FACTS, LARGE, LISTED)] == [flag]
    own = (say("p-1 branch_of p-5"), say("p-5 screened possible", detail="e-9"))
    assert state_of("guidance-2025-like-listed-party", *own) == "yes"


def test_a_shared_address() -> None:
    """An address is the same in other letters and signs; with no addresses at hand nothing is settled."""
    flag = "guidance-2025-like-listed-party"
    same = say("p-1 address ７ EXAMPLE ROAD - Example City", detail="office")
    assert state_of(flag, same) == "yes"
    assert state_of(flag, listed=frozenset()) == "unknown"
    assert state_of(flag, without="p-1 address") == "unknown"


def test_addresses_of_listed_parties_of_other_tenants() -> None:
    """A party of another tenant that is listed lends its address to the comparison, and one that is not does not."""
    others = [
        say("p-8 address 7 Example Road, Example City"),
        say("p-9 address 8 Example Road, Example City"),
        say("p-8 listed_on EL"),
        say("p-9 listed_on EL", ends=date(2025, 1, 1)),
    ]
    assert addresses_of_the_listed(others, AT) == {"7 example road example city"}


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Example City, HK", ""),
        ("CN", ""),
        ("--", ""),
        ("12 Sample-Street,  Sample Town", "12 sample street sample town"),
        ("Sample House, Sample Street, Sample Town", "sample house sample street sample town"),
        ("示例市示例区示例路甲八号", "示例市示例区示例路甲八号"),
    ],
)
def test_too_little_for_an_address(text: str, normal: str) -> None:
    """A city with a country, which a list may give in an address's place, equals no address."""
    assert normal_address(text) == normal


def test_assumed_operations() -> None:
    """A listed predecessor raises the flag, one that was never compared leaves it open, none raises nothing."""
    flag, before = "supplement-3-25-assumed-operations", say("p-6 successor p-1")
    assert state_of(flag, before, say("p-6 listed_on EL")) == "yes"
    assert state_of(flag, before) == "unknown"
    assert state_of(flag, before, say("p-6 screened no_match")) == "no"


def test_shared_management() -> None:
    """Who directs the customer and a listed party too raises the flag; not knowing the directors leaves it open."""
    flag, also = "supplement-3-24-shared-management", say("p-6 directed_by n-1")
    assert state_of(flag, also, say("p-6 listed_on EL")) == "yes"
    assert state_of(flag, also) == "unknown"
    assert state_of(flag, also, say("p-6 listed_on EL"), say("p-6 listed_on EL", ends=AT, source="x")) == "yes"
    assert state_of(flag, without="p-1 directed_by") == "unknown"


def test_a_director_by_trade_leaves_one_sentence() -> None:
    """Who directs a thousand parties that were never compared leaves one question open, and a listed one is found."""
    many = [say(f"s-{number} directed_by n-1") for number in range(1000)]
    flag = flags_of((*CLEAN, *many))["supplement-3-24-shared-management"]
    assert flag.state is Raised.UNKNOWN
    assert "p-1 and s-0, s-1, s-10 and 997 more" in flag.reason
    assert len(flag.sources) < 5
    assert state_of(flag.id, *many, say("s-500 listed_on EL")) == "yes"


def owns(owned_by: str, *percent: float) -> Statement:
    """``owned owner``: how much of whom who holds, in percent, from the first number to the last; none: unknown."""
    owned, owner = owned_by.split()
    low, high = (percent[0], percent[-1]) if percent else (None, None)
    return say(f"{owned} owned_by {owner}", share_low_percent=low, share_high_percent=high)


A_COMPANY = (owns("p-1 p-4", 60), owns("p-1 dispersed", 40), say("p-4 screened no_match"), say("p-5 screened no_match"))
"""Most of the customer is held by another party, and nobody on a list is known."""


@pytest.mark.parametrize(
    ("file", "state"),
    [
        ((owns("p-4 p-5"), say("p-5 listed_on EL")), "yes"),
        ((owns("p-4 p-5", 10, 100), say("p-5 listed_on EL")), "yes"),
        ((owns("p-4 p-5", 10), owns("p-4 dispersed", 90), say("p-5 listed_on EL"), owns("p-5 dispersed")), "no"),
        ((owns("p-4 p-5", 10), say("p-5 listed_on EL"), owns("p-5 dispersed")), "unknown"),
        ((owns("p-4 p-5", 100), owns("p-5 dispersed")), "no"),
        ((owns("p-4 p-5", 99.5), owns("p-5 dispersed")), "no"),
        ((owns("p-4 p-5", 100), owns("p-5 dispersed", 60)), "unknown"),
        ((owns("p-4 p-5", 100),), "unknown"),
        ((owns("p-4 p-5", 100), say("p-5 kind government")), "no"),
        ((owns("p-4 p-6"), owns("p-4 dispersed", 100), owns("p-6 dispersed")), "unknown"),
        ((owns("p-4 p-5", 80), owns("p-4 p-6", 80), owns("p-5 dispersed"), owns("p-6 dispersed")), "unknown"),
        ((owns("p-4 p-1", 100),), "no"),
        ((say("p-4 branch_of p-6"), owns("p-6 p-5"), say("p-5 listed_on EL")), "yes"),
    ],
)
def test_the_share_of_a_listed_owner(file: tuple[Statement, ...], state: str) -> None:
    """A listed owner of a share not known exactly raises the flag at any remove; an owner not known leaves it open."""
    assert state_of("supplement-3-29-listed-owner-share", *A_COMPANY, *file, without="p-1 owned_by") == state


def test_an_owner_nobody_names_may_be_listed() -> None:
    """Of a customer whose owners are not known, or not all, the flag says of whom and how much."""
    flag = "supplement-3-29-listed-owner-share"
    assert state_of(flag, without="p-1 owned_by") == "unknown"
    kept = [each for each in CLEAN if each.predicate != "owned_by"]
    assert flags_of(kept)[flag].reason == "no owner of p-1 is known"
    found = flags_of([*kept, owns("p-1 p-5", 70), say("p-5 screened no_match"), owns("p-5 dispersed", 80)])
    assert found[flag].reason == "who holds 30 % of p-1 is not known; who holds 20 % of p-5 is not known"


def test_the_view_leads_back_to_whom_a_flag_rests_on() -> None:
    """What a directory gives for a tenant has its predecessors and who shares its directors, with their listings."""
    others = [
        say("p-6 successor p-1"),
        say("p-6 listed_on EL"),
        say("p-7 directed_by n-1"),
        say("p-7 listed_on EL"),
        say("p-7 owned_by p-8"),
        say("p-8 name Example Unrelated"),
        say("p-9 listed_on EL"),
    ]
    view = Directory.of([*CLEAN, *others]).around(["t-1"])
    found = {flag.id for flag in red_flags(view, "t-1", AT, FACTS, LARGE, LISTED)}
    assert found == {"supplement-3-25-assumed-operations", "supplement-3-24-shared-management"}
    assert not view.has("p-8")
    assert not view.has("p-9")


# What changed


def test_changed_hands() -> None:
    """A change within the year raises the flag; a file that is known for less than that leaves it open."""
    flag = "guidance-2025-changed-hands"
    new = date(2026, 4, 1)
    assert state_of(flag, say("p-1 owned_by p-2", ends=new), say("p-1 owned_by p-3", begins=new)) == "yes"
    assert state_of(flag, say("p-1 owned_by p-2", ends=date(2025, 6, 1))) == "no"
    known_since = say("p-1 name Example Party GmbH", known_from=date(2026, 1, 1))
    assert state_of(flag, known_since, without="p-1 name") == "unknown"
    dated = say("p-1 name Example Party GmbH", known_from=date(2026, 1, 1), begins=date(2015, 3, 1))
    assert state_of(flag, dated, without="p-1 name") == "no"


def test_a_change_that_came_with_a_new_file() -> None:
    """What was withdrawn when a new file came is seen in what was once known, and the same said anew is no change."""
    day = date(2026, 4, 1)
    was = say("p-1 name Example Former GmbH", known_to=day, as_of=date(2024, 1, 1))
    now = say("p-1 name Example Party GmbH", known_from=day, as_of=date(2026, 3, 1))
    flag = "guidance-2025-changed-hands"
    assert state_of(flag, now, without="p-1 name") == "unknown"
    assert state_of(flag, now, without="p-1 name", before=View([was, now])) == "yes"
    same = replace(was, value="Example Party GmbH")
    assert state_of(flag, now, without="p-1 name", before=View([same, now])) == "no"


def test_two_sources_that_differ_are_no_change() -> None:
    """A name that another source gives is a conflict; only what one source said before and says no more is a change."""
    register = say("p-1 name Example Party GmbH")
    vendor = say("p-1 name Example Partei", source="vendor", as_of=date(2026, 4, 1))
    assert changes_within([register, vendor], date(2025, 6, 1), AT) == ()
    assert is_covered([register], date(2025, 6, 1))
    assert not is_covered([replace(register, known_from=None)], date(2025, 6, 1))


@pytest.mark.parametrize(
    ("repeated", "is_change"),
    [
        ({"as_of": None, "known_from": None}, True),
        ({"as_of": None, "known_from": date(2026, 5, 1)}, True),
        ({"as_of": date(2026, 5, 1)}, True),
        ({"as_of": None, "known_from": date(2026, 1, 1)}, False),
        ({"as_of": date(2025, 1, 1)}, False),
        ({"begins": date(2026, 3, 1)}, False),
    ],
)
@pytest.mark.parametrize("predicate", ["name", "owned_by"])
def test_a_value_that_is_told_twice_came_when_it_began(
    predicate: str, repeated: dict[str, date | None], is_change: bool
) -> None:
    """The same said again without its day does not tell that it was so before; said on an earlier day it does."""
    was = say(f"p-1 {predicate} p-2", as_of=date(2024, 1, 1))
    came = say(f"p-1 {predicate} p-3", begins=date(2026, 4, 1))
    again = replace(came, **{"begins": None, "document": "d-2", **repeated})  # type: ignore[arg-type]
    assert bool(changes_within([was, came, again], date(2026, 3, 15), AT)) == is_change
    assert not changes_within([came, again], date(2026, 3, 15), AT)


def test_a_further_owner_that_became_known_is_no_change() -> None:
    """Of a predicate with many values a further one without a day of its own does not tell that anything changed."""
    one = say("p-1 owned_by p-2", as_of=date(2024, 1, 1))
    two = say("p-1 owned_by p-3", as_of=date(2026, 4, 1), known_from=date(2026, 4, 2))
    assert changes_within([one, two], date(2025, 6, 1), AT) == ()
    assert changes_within([one, replace(two, begins=date(2026, 3, 1))], date(2025, 6, 1), AT)


# Facts


def test_flags_are_of_their_day() -> None:
    """Before the guidance of 2025 its flags are not there, and where an older one asks the same that one is."""
    early = flags_of((say("t-1 customer p-1"),), at=date(2024, 6, 1))
    assert not [flag_id for flag_id in early if flag_id.startswith("guidance-2025")]
    assert {"supplement-3-01-end-use-reluctance", "supplement-3-02-product-and-business"} <= set(early)
    assert "supplement-3-29-listed-owner-share" not in early


def test_every_flag_that_is_asked_exists() -> None:
    """Each id is a flag of the facts or begins with kyc-, and no flag is asked twice."""
    ids = [flag_id for question in ASKED for flag_id in question.ids]
    known = {flag.id for flag in FACTS.red_flags.flag}
    assert all(flag_id in known or flag_id.startswith("kyc-") for flag_id in ids)
    assert len(set(ids)) == len(ids)


def test_what_is_not_looked_at_is_said() -> None:
    """Flags that stand and that nobody asks about are told by their ids, so that a reviewer goes through them."""
    open_ones = not_looked_at(FACTS, AT)
    assert "guidance-2025-infrastructure" in open_ones
    assert "guidance-2025-payer" not in open_ones
    asked = {flag_id for question in ASKED for flag_id in question.ids}
    assert {*open_ones} == {flag.id for flag in FACTS.red_flags.at(AT)} - asked


def test_limits_are_the_provider_s() -> None:
    """A limit that a provider sets decides, and the flag names whose it is."""
    limit = (
        "[red_flags.verified_days]\nvalue = 30\nunit = 'days'\nwhy = 'we look each month'\nbasis = 'our choice'\n"
        "sources = ['own_choice']\n"
    )
    facts = load_facts([an_overlay(limit)])
    (flag,) = red_flags(View(CLEAN), "t-1", AT, facts, LARGE, LISTED)
    assert flag.id == "kyc-not-verified"
    assert "override counsel" in flag.sources[-1]


@pytest.mark.parametrize(
    ("old", "new"), [("value = 90\n", "value = 0\n"), ("value = 90\n", "value = 1e9\n"), ('"CN", "HK"', '"CN", "XX"')]
)
def test_limits_of_nothing_are_refused(old: str, new: str) -> None:
    """A limit out of its range and a country that there is not are errors of the file."""
    error = refusal_of(lambda: facts_with("red_flags.toml", old, new))
    assert error is not None
    assert error.file == "red_flags.toml"


@unhurried
@given(st.dates(date(1, 1, 1), date(9999, 12, 31)))
def test_any_day_can_be_asked_about(at: date) -> None:
    """On any day of the calendar there is an answer."""
    flags_of((*CLEAN, *RAISING.values()), at=at)
    first = Demand(peak_devices=1, device_hours=1, first_use=at)
    flags_of((*CLEAN, say("t-1 payer p-8", begins=at)), at=at, demand=first)


def test_limits_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the flags that stand on a day their limits are printed, each with its reason and how well it is known."""
    monkeypatch.setenv("COLUMNS", "9000")
    assert command.main(["facts", "show", "red-flags", "--at", AT.isoformat()]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "payer_days 90 days" in said
    assert "recent_start after 2022-10-07" in said
    assert "headquarters_elsewhere CN, HK, MO" in said


def test_the_limit_in_the_readme_can_be_set() -> None:
    """The limit that README shows is one of the facts'."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = "[red_flags." + readme.partition("    [red_flags.")[2].partition("\n\n")[0].replace("\n    ", "\n")
    facts = load_facts([an_overlay(shown.replace("counsel_memo", "own_choice"))])
    assert facts.red_flags.verified_days.value == 180


def test_a_limit_of_another_kind_is_a_difference() -> None:
    """Where an overlay moves the day after which a start is recent, or the countries, the comparison tells it."""
    moved = (
        "[red_flags.recent_start]\nafter = 2023-10-17\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
        "[red_flags.headquarters_elsewhere]\ncountries = ['CN']\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
        "[red_flags.sits_outside]\ngroups = ['D:5']\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
    )
    before, after = (AsOf(facts=facts, day=AT) for facts in (FACTS, load_facts([an_overlay(moved)])))
    told = {(each.subject, each.before, each.after) for each in differences(before, after)}
    assert told == {
        ("recent_start", "2022-10-07", "2023-10-17"),
        ("headquarters_elsewhere", "CN, HK, MO", "CN"),
        ("sits_outside", "D:1, D:4, D:5", "D:5"),
    }


def test_a_group_that_the_facts_lack_leaves_open_who_belongs_to_one() -> None:
    """Taken away or misspelt, it makes nobody an outsider for certain; who is in another of them is in one."""
    law, day = FACTS.jurisdictions, date(2026, 6, 1)
    gone = load_facts([an_overlay("[[remove]]\ntable = 'jurisdictions.group'\nkey = ['E:2']\nreason = 'x'\n")])
    groups = ("D:5", "E:1", "E:2")
    assert law.in_one_of("DE", groups, day).answer is Answer.NO
    unsettled = gone.jurisdictions.in_one_of("DE", groups, day)
    assert (unsettled.answer, unsettled.reason) == (Answer.UNKNOWN, "DE: the facts have no group E:2")
    assert gone.jurisdictions.in_one_of("CN", groups, day).answer is Answer.YES
    assert law.in_one_of("CN", (), day).answer is Answer.UNKNOWN


# Any file


A_VALUE = {
    ValueKind.PARTY: st.sampled_from(["p-1", "p-2", "p-3", "n-1", "self", "dispersed"]),
    ValueKind.COUNTRY: st.sampled_from(["CN", "DE", "SG", "MO", "ET"]),
    ValueKind.DAY: st.sampled_from(["2015-01-01", "2025-12-01", "2026-07-01"]),
    ValueKind.TEXT: st.sampled_from(["e-9", "7 Example Road, Example City", "a text"]),
}


@st.composite
def any_statement(draw: st.DrawFn) -> Statement:
    """One statement of any predicate about a few subjects, with any days and sources."""
    name = draw(st.sampled_from(sorted(PREDICATES)))
    about = PREDICATES[name]
    words = st.sampled_from(about.words) if about.words else st.sampled_from(["EL", "SDN"])
    some_day = st.none() | st.dates(date(2024, 1, 1), date(2026, 12, 31))
    return Statement(
        subject="t-1" if about.about == "tenant" else draw(st.sampled_from(["p-1", "p-2", "p-3", "n-1"])),
        predicate=name,
        value=draw(A_VALUE.get(about.kind, words)),
        detail=draw(st.none() | st.sampled_from([*about.details, "e-9"])),
        share_low_percent=draw(st.sampled_from([None, 20.0, 60.0])),
        share_high_percent=draw(st.sampled_from([None, 60.0])),
        begins=draw(some_day),
        ends=draw(some_day),
        source=draw(st.sampled_from(["register", "questionnaire"])),
        as_of=draw(some_day),
        known_from=draw(some_day),
        known_to=draw(some_day),
    )


@unhurried
@given(st.lists(any_statement(), max_size=40), st.randoms(use_true_random=False))
def test_any_file_has_flags_in_any_order(file: list[Statement], random: Random) -> None:
    """Whatever a file says, in circles and against itself, there are the same flags in whatever order it is read."""
    shuffled = random.sample(file, len(file))
    found = flags_of(file, before=View(file))
    assert found == flags_of(shuffled, before=View(shuffled))
    assert all(flag.reason and flag.reason.isprintable() for flag in found.values())


@unhurried
@given(st.lists(any_statement(), max_size=40))
def test_what_a_directory_gives_is_enough(file: list[Statement]) -> None:
    """The part of a directory around a tenant gives the flags that the whole gives."""
    around = Directory.of(file).around(["t-1"])
    assert red_flags(around, "t-1", AT, FACTS, LARGE, LISTED) == red_flags(View(file), "t-1", AT, FACTS, LARGE, LISTED)


def test_two_equally_new_statements_of_a_source_both_stay() -> None:
    """A source that says two things of one day is not read by the order of its rows, and the best known comes first."""
    one, two = say("p-1 presence little"), say("p-1 presence established")
    assert View([one, two]).of("p-1", "presence", AT) == View([two, one]).of("p-1", "presence", AT)
    newer = say("p-1 presence none", as_of=date(2026, 5, 2))
    assert View([one, newer, two]).of("p-1", "presence", AT) == (newer,)
    official = say("p-1 presence established", source="vendor", confidence="official")
    assert View([one, official]).values("p-1", "presence", AT) == ("established", "little")


# Sentences


def test_sentences() -> None:
    """What a reviewer reads equals the approved text, and holds no name."""
    file = [each for each in CLEAN if each.predicate not in ("screened", "incorporated_on", "verified_on")]
    linked = [say("p-6 successor p-1"), say("p-6 listed_on EL"), say("p-1 owned_by p-5"), say("p-5 listed_on SDN")]
    every = flags_of((*file, *linked, *RAISING.values())).values()
    told = [flags_branch([*flags], not_looked_at(FACTS, AT)) for flags in (every, flags_of(()).values(), ())]
    said = "\n\n".join("\n".join([each.text, *(one.text for one in each.branches)]) for each in told)
    assert "Example" not in said
    if not GOLDEN.exists():
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(said + "\n", encoding="utf-8")
        pytest.fail(f"{GOLDEN.name} was not there; read what was written")
    assert said + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_a_year_is_counted_in_days() -> None:
    """The limit counts back from the day asked about, whatever the calendar."""
    for back, state in ((365, "no"), (366, "yes")):
        verified = say(f"t-1 verified_on {(AT - timedelta(days=back)).isoformat()}")
        assert state_of("kyc-not-verified", verified, without="t-1 verified_on") == state
