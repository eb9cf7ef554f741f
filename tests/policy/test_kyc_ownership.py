from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.facts import an_overlay
from support.judgement import unhurried
from support.kyc_cases import Case, read_cases, said, view_of

from policy.facts.evidence import Answer
from policy.facts.facts import Facts
from policy.facts.reading import load_facts
from policy.kyc.owners.ownership import Ownership, ask_ownership
from policy.kyc.owners.possible import owner_possible
from policy.kyc.owners.restricted import ask_restricted
from policy.kyc.reply import Reply
from policy.kyc.statements import Statement
from policy.kyc.view import View

FACTS = load_facts()
CASES = read_cases("ownership.yaml")
KEYS = {
    "in_force", "rule_on", "rule_off", "low", "high", "governing", "below", "control", "shares_unknown", "restricted",
    "restricted_by_some", "owner_possible", "chain", "switch",
}  # fmt: skip
ON, STAYED = date(2025, 10, 15), date(2026, 3, 1)
WORSE = (Answer.NO, Answer.UNKNOWN, Answer.YES)


def asked(view: View, *parties: str, at: date = ON, facts: Facts = FACTS) -> Ownership:
    """Who owns these parties by the shipped facts."""
    return ask_ownership(view, parties or ("p-1",), at, facts.party_lists, facts.switches)


def restricted(view: View, *parties: str, at: date = ON, facts: Facts = FACTS) -> Reply:
    """Whether these parties are of the highest severity."""
    return ask_restricted(view, parties or ("p-1",), at, facts.jurisdictions, facts.party_lists).for_certain


def by_some(view: View, *parties: str, at: date = ON) -> Reply:
    """Whether anything that is said, however little it settles, makes one of these parties restricted."""
    return ask_restricted(view, parties or ("p-1",), at, FACTS.jurisdictions, FACTS.party_lists).by_some


def answers(case: Case) -> dict[str, object]:
    """What a case comes to, under the names of the file."""
    found = asked(case.view, at=case.at)
    return {
        "in_force": found.in_force.answer,
        "rule_on": found.rule_on.answer,
        "rule_off": found.rule_off.answer,
        "low": found.low_percent,
        "high": found.high_percent,
        "governing": list(found.governing),
        "below": found.below.answer,
        "control": found.control.answer,
        "shares_unknown": "yes" if found.shares_unknown else "no",
        "restricted": restricted(case.view, at=case.at).answer,
        "restricted_by_some": by_some(case.view, at=case.at).answer,
        "owner_possible": owner_possible(case.view, ["p-1"], case.at, FACTS.party_lists).answer,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.because[:60])
def test_cases(case: Case) -> None:
    """Every case of the file comes to what it says, and its reason has the words that it names."""
    assert set(case.expected) <= KEYS
    assert case.expected
    plain = {key: value for key, value in case.expected.items() if key not in ("chain", "switch")}
    found = answers(case)
    assert {key: found[key] for key in plain} == plain
    assert str(case.expected.get("chain", "")) in asked(case.view, at=case.at).rule_on.reason
    assert str(case.expected.get("switch", "")) in asked(case.view, at=case.at).in_force.reason


def test_there_are_cases_of_every_answer() -> None:
    """The file has more than forty cases, no two alike, and every question is answered in each way."""
    assert len(CASES) >= 40
    assert len({case.because for case in CASES}) == len(CASES)
    for key in ("in_force", "below", "control", "restricted", "restricted_by_some", "owner_possible"):
        assert {case.expected[key] for case in CASES if key in case.expected} == {"yes", "no", "unknown"}


# --- Any register whatever -----------------------------------------------------------------------------------------

PARTIES = [f"p-{number}" for number in range(1, 8)]
SHARES = st.one_of(
    st.none(),
    st.sampled_from([0, 25, 30, 49, 50, 51, 60, 100]).map(lambda share: (float(share), float(share))),
    st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda ends: (float(min(ends)), float(max(ends)))),
)
LISTED = st.sampled_from(
    ["listed_on SDN", "listed_on EL", "listed_on MEU", "listed_on SSI", "listed_on CMIC", "listed_on EXAMPLE"]
)
CLEARING = ["screened no_match", "kind natural_person", "owned_by dispersed"]
ABOUT_ONE = st.one_of(LISTED, st.sampled_from([*CLEARING, "screened possible", "registered_country US"]))


def holding(owned: str, owner: str, share: tuple[float, float] | None) -> Statement:
    """That somebody holds a share."""
    low, high = share or (None, None)
    return Statement(
        owned, "owned_by", owner, share_low_percent=low, share_high_percent=high, source=f"register of {owner}"
    )


HOLDINGS = st.builds(holding, st.sampled_from(PARTIES), st.sampled_from(PARTIES), SHARES)
SAYINGS = st.builds(
    lambda party, words: Statement(party, *words.split(), source="review"), st.sampled_from(PARTIES), ABOUT_ONE
)
REGISTERS = st.tuples(st.lists(HOLDINGS, max_size=14), st.lists(SAYINGS, max_size=12)).map(
    lambda both: both[0] + both[1]
)
SEATED = [
    "p-1 headquarters_country SG", "p-1 principal_place_country IR source=b", "p-2 management_country CU",
    "p-1 ultimate_parent p-2", "p-1 parent p-3", "p-3 headquarters_country KP", "p-2 controlled_by p-4",
    "p-4 headquarters_country IR", "p-5 branch_of p-2", "p-1 ultimate_parent self", "p-1 screened no_match",
]  # fmt: skip
DAYS = st.sampled_from([date(2019, 1, 1), date(2025, 1, 1), ON, STAYED, date(2026, 11, 23)])


def no_better(before: Ownership, after: Ownership) -> bool:
    """Whether no answer about a half became weaker."""
    return all(
        WORSE.index(getattr(before, name).answer) <= WORSE.index(getattr(after, name).answer)
        for name in ("in_force", "rule_on", "rule_off")
    )


@unhurried
@given(REGISTERS, DAYS, st.sampled_from(PARTIES), SHARES)
def test_another_listed_owner_never_unblocks(
    known: list[Statement], at: date, owned: str, share: tuple[float, float] | None
) -> None:
    """One more owner on Treasury's list, of whomever and with whatever share, never makes an answer weaker."""
    more = [*known, holding(owned, "p-9", share), Statement("p-9", "listed_on", "SDN")]
    assert no_better(asked(View(known), at=at), asked(View(more), at=at))


@unhurried
@given(REGISTERS, DAYS, st.sampled_from(PARTIES), st.integers(0, 100), st.integers(0, 100))
def test_a_larger_share_of_a_listed_owner_never_unblocks(
    known: list[Statement], at: date, owned: str, one: int, other: int
) -> None:
    """The larger the share of a listed owner, the stronger the answer."""
    listed = [*known, Statement("p-9", "listed_on", "SDN")]
    few, many = (View([*listed, holding(owned, "p-9", (float(share), float(share)))]) for share in sorted((one, other)))
    assert no_better(asked(few, at=at), asked(many, at=at))


@unhurried
@given(REGISTERS, DAYS)
def test_the_rule_adds_and_takes_nothing_away(known: list[Statement], at: date) -> None:
    """What is reached with the rule off is reached with it on; in force is one of both; ends and words are in order."""
    found = asked(View(known), at=at)
    assert WORSE.index(found.rule_off.answer) <= WORSE.index(found.rule_on.answer)
    assert found.in_force.answer in (found.rule_on.answer, found.rule_off.answer, Answer.UNKNOWN)
    assert 0 <= found.low_percent <= found.high_percent <= 100
    assert bool(found.governing) == (found.in_force.answer is Answer.YES)
    assert (found.low_percent >= 50) == (found.in_force.answer is Answer.YES) or at < date(2020, 1, 1)
    for reply in (found.in_force, found.rule_on, found.rule_off, found.below, found.control):
        assert reply.path[0] == "p-1"
        assert reply.reason
        assert not reply.reason.endswith(".")


@unhurried
@given(REGISTERS, DAYS)
def test_a_yes_shows_the_way_to_a_listed_owner(known: list[Statement], at: date) -> None:
    """The path of a yes goes from owned to owner, by holdings that are stated, and ends at one on a governing list."""
    found = asked(View(known), at=at)
    if found.in_force.answer is Answer.YES:
        stated = {(each.subject, each.value) for each in known if each.predicate == "owned_by"}
        path = found.in_force.path
        assert set(pairwise(path)) <= stated
        on = {each.value for each in known if each.subject == path[-1] and each.predicate == "listed_on"}
        assert on & set(found.governing)
        assert all(any(line.startswith(f"KYC {each} ") for line in found.in_force.sources) for each in path[:-1])


@unhurried
@given(REGISTERS, DAYS, st.permutations(PARTIES))
def test_relabelling_changes_nothing(known: list[Statement], at: date, others: list[str]) -> None:
    """Other ids give the same answers, percentages and lists, about the parties that they stand for."""
    label = dict(zip(PARTIES, others, strict=True))
    renamed = [replace(each, subject=label[each.subject], value=label.get(each.value, each.value)) for each in known]
    before, after = asked(View(known), at=at), asked(View(renamed), label["p-1"], at=at)
    for name in ("in_force", "rule_on", "rule_off", "below", "control"):
        assert getattr(before, name).answer == getattr(after, name).answer
    for name in ("low_percent", "high_percent", "governing", "shares_unknown"):
        assert getattr(before, name) == getattr(after, name)
    assert restricted(View(known), at=at).answer == restricted(View(renamed), label["p-1"], at=at).answer


@unhurried
@given(REGISTERS, DAYS, st.integers(0, 30))
def test_what_clears_clears_only_while_it_is_there(known: list[Statement], at: date, which: int) -> None:
    """Without a comparison that found nothing, dispersed holders or a natural person no answer becomes weaker."""
    clearing = [each for each in known if f"{each.predicate} {each.value}" in CLEARING]
    if clearing:
        gone = clearing[which % len(clearing)]
        fewer = [each for each in known if each != gone]
        assert no_better(asked(View(known), at=at), asked(View(fewer), at=at))


@unhurried
@given(REGISTERS, st.lists(st.sampled_from(SEATED), max_size=6), DAYS)
def test_by_some_and_by_all(known: list[Statement], seated: list[str], at: date) -> None:
    """What makes a party restricted for certain speaks for it, and a no is one by both questions."""
    view = View([*known, *map(said, seated)])
    by_all, some = restricted(view, at=at).answer, by_some(view, at=at).answer
    assert some is by_all or (by_all is Answer.UNKNOWN and some is Answer.YES)


@unhurried
@given(REGISTERS, st.lists(st.sampled_from(SEATED), max_size=6), DAYS, st.sampled_from(PARTIES))
def test_a_possible_match_lowers_nothing(known: list[Statement], seated: list[str], at: date, who: str) -> None:
    """One match more that nobody has decided takes no yes away, and lets nothing be cleared that was not."""
    view = View([*known, *map(said, seated)])
    more = View([*view, said(f"{who} screened possible source=another")])
    for ask in (by_some, lambda view, at: owner_possible(view, ["p-1"], at, FACTS.party_lists)):
        before, after = ask(view, at=at).answer, ask(more, at=at).answer
        assert WORSE.index(before) <= WORSE.index(after) or "listed_on" in {one.predicate for one in known}


@unhurried
@given(REGISTERS, DAYS)
def test_no_owners_are_never_a_no(known: list[Statement], at: date) -> None:
    """Of a party of whom no owner is stated and who is no natural person, no answer is a no."""
    fewer = [each for each in known if each.subject != "p-1" or each.predicate not in ("owned_by", "kind")]
    found = asked(View(fewer), at=at)
    assert {found.in_force.answer, found.rule_on.answer, found.rule_off.answer, found.below.answer} == {Answer.UNKNOWN}
    assert found.shares_unknown


@unhurried
@given(REGISTERS, DAYS)
def test_several_parties_are_asked_together(known: list[Statement], at: date) -> None:
    """Of two parties the answer is yes where one's is, no where both's are, and unknown else; of none unknown."""
    view = View(known)
    both, one, other = asked(view, "p-1", "p-2", at=at), asked(view, "p-1", at=at), asked(view, "p-2", at=at)
    for name in ("in_force", "rule_on", "rule_off", "below", "control"):
        answers = {getattr(each, name).answer for each in (one, other)}
        expected = Answer.YES if Answer.YES in answers else answers.pop() if len(answers) == 1 else Answer.UNKNOWN
        assert getattr(both, name).answer is expected
    assert (both.low_percent, both.high_percent) == (
        max(one.low_percent, other.low_percent),
        max(one.high_percent, other.high_percent),
    )


def test_nobody_is_asked_about() -> None:
    """Where no party is known nothing is cleared."""
    found = ask_ownership(view_of(), (), ON, FACTS.party_lists, FACTS.switches)
    assert {found.in_force.answer, found.below.answer, found.control.answer} == {Answer.UNKNOWN}
    assert (found.low_percent, found.high_percent, found.shares_unknown) == (0, 100, True)
    nobody = ask_restricted(view_of(), (), ON, FACTS.jurisdictions, FACTS.party_lists)
    assert {nobody.for_certain.answer, nobody.by_some.answer} == {Answer.UNKNOWN}


# --- The arithmetic, against worlds --------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """One way in which what is known may be: who holds how much of whom, in percent, and who is listed."""

    holdings: list[tuple[str, str, float]]
    listed: set[str]

    def is_reached(self, party: str) -> bool:
        """The rule itself, as it is said: again and again, until nobody more is reached. Others are asked, not it."""
        counted = self.listed - {party}
        while more := {each for each in PARTIES if self._held(each, counted) >= 50 - 1e-7} - counted:
            counted |= more
        return party in counted

    def _held(self, party: str, by: set[str]) -> float:
        return sum(share for owned, owner, share in self.holdings if owned == party and owner in by)


@st.composite
def registers_with_worlds(draw: st.DrawFn) -> tuple[View, World]:
    """
    What is known, and one world that it allows.

    In a world every share has one value, and whoever may be listed, or is not known, is listed or is not.
    """
    pair = st.tuples(st.sampled_from(PARTIES), st.sampled_from(PARTIES)).filter(lambda both: both[0] != both[1])
    pairs = draw(st.lists(pair, max_size=14, unique=True))
    held = [holding(owned, owner, draw(SHARES)) for owned, owner in pairs]
    dispersed = draw(st.sets(st.sampled_from(PARTIES)))
    closed = draw(st.sets(st.sampled_from(PARTIES), max_size=2)) - {owned for owned, _ in pairs}
    listed, possible = draw(st.sets(st.sampled_from(PARTIES))), draw(st.sets(st.sampled_from(PARTIES)))
    view = View(
        [
            *held,
            *(said(f"{each} owned_by dispersed") for each in sorted(dispersed)),
            *(said(f"{each} kind natural_person") for each in sorted(closed)),
            *(said(f"{each} listed_on SDN") for each in sorted(listed)),
            *(said(f"{each} screened {'possible' if each in possible else 'no_match'}") for each in PARTIES),
        ]
    )
    truly = listed | {each for each in sorted(possible) if draw(st.booleans())} | {"unknown"}
    return view, World([each for party in PARTIES for each in draw(shares(party, held, dispersed | closed))], truly)


@st.composite
def shares(draw: st.DrawFn, owned: str, held: list[Statement], known_rest: set[str]) -> list[tuple[str, str, float]]:
    """Who holds how much of a party in one world; of what is left somebody who is not known may hold all."""
    own = [each for each in held if each.subject == owned]
    left = 100.0 - sum(each.share_low_percent or 0.0 for each in own)
    found: list[tuple[str, str, float]] = []
    for each in own:
        low, high = each.share_low_percent or 0.0, each.share_high_percent
        room = (high if high is not None else 100.0) - low
        more = draw(st.floats(0, 1)) * (room if left < 0 else min(room, left))
        left -= more if left >= 0 else 0
        found.append((owned, each.value, low + more))
    if left > 0 and owned not in known_rest:
        found.append((owned, draw(st.sampled_from(["unknown", "somebody"])), left))
    return found


@unhurried
@given(registers_with_worlds())
def test_an_answer_holds_in_every_world_that_what_is_known_allows(drawn: tuple[View, World]) -> None:
    """Yes is reached in every world, no in none, and unknown in some or in none."""
    view, world = drawn
    for party in PARTIES:
        found = asked(view, party)
        answer = found.rule_off.answer
        assert 0 <= found.low_percent <= found.high_percent <= 100
        if abs(found.high_percent - 50) > 1e-5:
            assert answer is not Answer.YES or world.is_reached(party)
            assert answer is not Answer.NO or not world.is_reached(party)


def test_a_long_chain() -> None:
    """Three thousand halves one above another are reached, and the words for it end."""
    chain = [holding(f"p-{number}", f"p-{number + 1}", (50.0, 50.0)) for number in range(1, 3001)]
    found = asked(View([*chain, Statement("p-3001", "listed_on", "EL")]))
    assert found.in_force.answer is Answer.YES
    assert found.in_force.path[-1] == "p-3001"
    assert len(found.in_force.reason) < 2_000


def test_thirds_are_added_without_a_loss() -> None:
    """Shares with many digits add up as a person would add them, whatever their order."""
    for share, answer in ((50 / 3, Answer.YES), (16.6666, Answer.NO)):
        owners = ("p-2", "p-3", "p-4")
        known = [said("p-1 owned_by dispersed"), *(holding("p-1", each, (share, share)) for each in owners)]
        known += [said(f"{each} listed_on SDN") for each in owners]
        for statements in (known, known[::-1]):
            assert asked(View(statements)).in_force.answer is answer


# --- Words and law -------------------------------------------------------------------------------------------------

HALF_BY_EL = ("p-1 owned_by p-9 60", "p-1 owned_by dispersed 40", "p-9 listed_on EL", "p-9 owned_by dispersed")


def test_no_name_stands_in_an_answer() -> None:
    """Reasons, paths and sources have opaque ids; no name, address or free text of the file stands in them."""
    view = view_of(
        *HALF_BY_EL,
        "p-1 name 'Example Secret GmbH'",
        "p-9 name 'Example Owner Ltd'",
        "p-1 controlled_by p-9 'detail=Example Person signs'",
    )
    for at in (ON, STAYED):
        found = asked(view, at=at)
        for reply in (found.in_force, found.rule_on, found.below, found.control, restricted(view, at=at)):
            assert "Example" not in repr(reply)


def test_an_answer_cites_the_switch_and_the_list() -> None:
    """What an answer rests on has the statements, the list's own row and the state of the switch, as documents."""
    found = asked(view_of(*HALF_BY_EL), at=STAYED)
    known = FACTS.source_by_line
    cited = {document.id for line in found.in_force.sources if line in known for document in known[line].documents}
    assert {"fr_90_50857", "supplement_8_to_part_744"} <= cited
    assert "KYC p-1 owned_by: register, stated" in found.in_force.sources


def test_a_switch_that_nobody_knows() -> None:
    """Before the records, and without the switch, the answer is what holds either way, else unknown."""
    view = view_of(*HALF_BY_EL)
    assert asked(view, at=date(2019, 1, 1)).in_force.answer is Answer.UNKNOWN
    gone = "[[remove]]\ntable = 'switches.switch'\nkey = ['affiliates_rule']\nreason = 'not ours'\n"
    facts = load_facts([an_overlay(gone)])
    found = asked(view, facts=facts)
    assert (found.in_force.answer, found.governing) == (Answer.UNKNOWN, ())
    assert "how the Affiliates Rule stood is not known" in found.in_force.reason
    blocked = asked(view_of("p-1 owned_by p-9 60", "p-9 listed_on SDN"), facts=facts)
    assert (blocked.in_force.answer, blocked.governing) == (Answer.YES, ("SDN",))


def test_control_by_owners_under_a_switch_that_nobody_knows() -> None:
    """While nobody knows how the rule stood, a controller whom only it reaches is neither reached nor cleared."""
    ours = ("p-1 controlled_by p-8", "p-8 owned_by dispersed", "p-8 screened no_match", "p-8 owned_by p-9 60")
    view = view_of(*ours, "p-9 owned_by dispersed", "p-9 listed_on EL")
    before_records = date(2019, 1, 1)
    found = [asked(view, at=at).control for at in (ON, STAYED, before_records)]
    assert [each.answer for each in found] == [Answer.YES, Answer.NO, Answer.UNKNOWN]
    assert "how the Affiliates Rule stood is not known" in found[-1].reason
    blocked = view_of(*ours, "p-9 owned_by dispersed", "p-9 listed_on SDN")
    assert asked(blocked, at=before_records).control.answer is Answer.YES


OWN_EL = """
[[party_lists.list]]
code = "EL"
title = "Entity List (EL) - Bureau of Industry and Security"
agency = "Commerce, BIS"
consolidated = "yes"
owners = "never"
blocking = "no"
rank = 20
sources = ["entity_list"]
"""


def test_an_overlay_that_takes_a_list_out_of_the_count_is_named() -> None:
    """A provider's row for a list changes answers, and answers about owners on that list say whose row it is."""
    facts = load_facts([an_overlay(OWN_EL)])
    found = asked(view_of(*HALF_BY_EL), facts=facts)
    assert found.in_force.answer is Answer.NO
    assert "put another row in place of party_lists.list EL: counsel has read it" in found.in_force.reason
    gone = load_facts([an_overlay("[[remove]]\ntable = 'party_lists.list'\nkey = ['EL']\nreason = 'not ours'\n")])
    assert asked(view_of(*HALF_BY_EL), facts=gone).in_force.answer is Answer.UNKNOWN


def test_facts_without_an_embargoed_group() -> None:
    """Where an overlay took a group away nobody can say that a party is not headquartered in it."""
    lines = (
        "p-1 headquarters_country SG",
        "p-1 screened no_match",
        "p-1 ultimate_parent self",
        "p-1 owned_by dispersed",
    )
    assert restricted(view_of(*lines)).answer is Answer.NO
    gone = load_facts([an_overlay("[[remove]]\ntable = 'jurisdictions.group'\nkey = ['E:2']\nreason = 'not ours'\n")])
    assert restricted(view_of(*lines), facts=gone).answer is Answer.UNKNOWN


def test_a_natural_person_above_is_asked_about_lists_alone() -> None:
    """Of a natural person who owns the party no place is asked, and being on no list is enough."""
    view = view_of(
        "p-1 headquarters_country SG",
        "p-1 screened no_match",
        "p-1 ultimate_parent p-9",
        "p-1 owned_by p-9 100",
        "p-9 kind natural_person",
        "p-9 screened no_match",
    )
    assert restricted(view).answer is Answer.NO


def test_countries_and_groups_are_the_facts() -> None:
    """Where the rule does not reach, and whose headquarters are a question at any use, an overlay may say otherwise."""
    view = view_of(
        "p-1 registered_country CA", "p-1 headquarters_country CN", "p-1 ultimate_parent self",
        "p-1 owned_by p-2 60", "p-1 owned_by dispersed 40", "p-2 listed_on EL", "p-2 owned_by dispersed 100",
    )  # fmt: skip
    assert (asked(view).rule_on.answer, restricted(view).answer) == (Answer.YES, Answer.UNKNOWN)
    rows = (
        "[party_lists.not_reached]\ncountries = ['CA', 'US']\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
        "[party_lists.any_use]\ngroups = ['D:5']\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
    )
    facts = load_facts([an_overlay(rows)])
    assert (asked(view, facts=facts).rule_on.answer, restricted(view, facts=facts).answer) == (Answer.NO, Answer.YES)
    assert "registered where the Affiliates Rule does not reach (CA)" in asked(view, facts=facts).rule_on.reason


def test_an_override_of_what_is_asked_is_cited() -> None:
    """Where it spares a party of the rule, or makes a headquarters no question, the answer says whose it is."""
    owned = view_of("p-1 registered_country CA", "p-1 owned_by p-2 60", "p-2 listed_on EL")
    seated = view_of(
        "p-1 headquarters_country IR", "p-1 ultimate_parent self", "p-1 screened no_match", "p-1 owned_by dispersed 100"
    )
    rows = (
        "[party_lists.not_reached]\ncountries = ['CA']\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
        "[party_lists.any_use]\ngroups = ['E:2']\nwhy = 'x'\nbasis = 'y'\nsources = ['own_choice']\n"
    )
    facts = load_facts([an_overlay(rows)])
    (whose,) = facts.layers
    for reply in (asked(owned, facts=facts).in_force, asked(owned, facts=facts).rule_on):
        assert any(whose.words in line for line in reply.sources)
    assert restricted(seated).answer is Answer.YES
    spared = restricted(seated, facts=facts)
    assert spared.answer is Answer.NO
    assert any(whose.words in line for line in spared.sources)
