import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from graphlib import TopologicalSorter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kyc_cases import Case, read_cases, said, view_of

from policy.facts.evidence import Answer
from policy.facts.reading import load_facts
from policy.kyc.directory import Directory
from policy.kyc.headquarters.parents import FARTHEST
from policy.kyc.headquarters.questions import Headquarters, ask_headquarters
from policy.kyc.statements import Statement
from policy.kyc.view import View

TENANT = "t-1"
AT = date(2026, 6, 1)
JURISDICTIONS = load_facts().jurisdictions
CASES = read_cases("headquarters.yaml")
QUESTIONS = ("own", "parent", "behalf")
ANSWERS = (*QUESTIONS, "overall")
OPTIONAL = {"group", "conflicts", "says", "path"}
ABOVE = {"parent", "ultimate_parent", "owned_by"}
unhurried = settings(deadline=None, max_examples=60)


def ask(view: View, at: date = AT) -> Headquarters:
    """Ask about the tenant of all tests."""
    return ask_headquarters(view, TENANT, at, JURISDICTIONS)


def answers(found: Headquarters) -> tuple[Answer, ...]:
    """The three answers and what they come to."""
    return (*(getattr(found, name).answer for name in QUESTIONS), found.overall)


@pytest.mark.parametrize("case", CASES, ids=[f"{at:02}" for at, _ in enumerate(CASES, 1)])
def test_case(case: Case) -> None:
    """A case comes to what it says."""
    found, expected = ask(case.view, case.at), case.expected
    assert [*map(str, answers(found))] == [expected[name] for name in ANSWERS], case.because
    assert found.group_id == expected.get("group", found.group_id), case.because
    assert len(found.conflicts) == expected.get("conflicts", 0), found.conflicts
    assert str(expected.get("says", "")) in "\n".join(getattr(found, name).reason for name in QUESTIONS)
    if "path" in expected:
        assert isinstance(expected["path"], list)
        question, *ids = expected["path"]
        assert getattr(found, question).path == tuple(ids)


@pytest.mark.parametrize("case", CASES, ids=[f"{at:02}" for at, _ in enumerate(CASES, 1)])
def test_case_is_readable(case: Case) -> None:
    """A case says why in a sentence, answers every question, and needs all that it says to be known."""
    assert case.because.endswith(".")
    assert set(case.expected) - OPTIONAL == set(ANSWERS)
    assert len({each.because for each in CASES}) == len(CASES)
    assert len(set(case.known)) == len(case.known)


@pytest.mark.parametrize("case", CASES, ids=[f"{at:02}" for at, _ in enumerate(CASES, 1)])
def test_led_to(case: Case) -> None:
    """What a directory gives around a tenant is all that its answers rest on."""
    around = Directory.of((*case.statements, said("p-99 headquarters_country CN"))).around([TENANT])
    assert answers(ask(around, case.at)) == answers(ask(case.view, case.at))
    assert not around.has("p-99")


@pytest.mark.parametrize(
    "above",
    [
        (),
        ("p-5 owned_by p-6 30",),
        ("p-5 owned_by p-6 100", "p-6 owned_by p-5 100"),
        ("p-5 ultimate_parent p-6", "p-5 ultimate_parent p-7", "p-6 ultimate_parent self", "p-7 ultimate_parent self"),
    ],
)
def test_sisters_are_one_group_whatever_is_above(above: tuple[str, ...]) -> None:
    """Two that one party wholly owns count towards one group, though nobody knows who is at the top above that one."""
    lines = ("t-1 customer p-1", "t-2 customer p-2", "p-1 owned_by p-5 100", "p-2 owned_by p-5 100", *above)
    groups = {ask_headquarters(view_of(*lines), tenant, AT, JURISDICTIONS).group_id for tenant in ("t-1", "t-2")}
    assert groups == {"p-5"}
    disputed = (*lines, "p-2 owned_by p-5 40 source=questionnaire")
    assert ask_headquarters(view_of(*disputed), "t-2", AT, JURISDICTIONS).group_id == "p-2"


# Random files of a few parties, with whatever can be said of them, however little sense it makes.

PARTIES = [f"p-{number}" for number in range(6)]
PEOPLE = ["n-0", "n-1"]
COUNTRIES = ["CN", "SG", "US", "ET"]
SOURCES = ["register", "questionnaire"]

parties, people, either = st.sampled_from(PARTIES), st.sampled_from(PEOPLE), st.sampled_from([*PARTIES, *PEOPLE])
shares = st.sampled_from([None, 0.0, 30.0, 50.0, 50.5, 60.0, 100.0])


def saying(
    predicate: str, subjects: st.SearchStrategy[str], values: st.SearchStrategy[str]
) -> st.SearchStrategy[Statement]:
    """Statements of one predicate."""
    return st.builds(
        Statement,
        subject=subjects,
        predicate=st.just(predicate),
        value=values,
        source=st.sampled_from(SOURCES),
        as_of=st.sampled_from([None, date(2026, 1, 1)]),
    )


def owning() -> st.SearchStrategy[Statement]:
    """Statements about owners with shares."""
    bare = saying("owned_by", parties, either | st.just("dispersed"))
    return st.builds(lambda each, low: replace(each, share_low_percent=low, share_high_percent=low), bare, shares)


countries = st.sampled_from(COUNTRIES)
said_at_random = st.one_of(
    saying("customer", st.just(TENANT), parties),
    saying("reseller", st.just(TENANT), parties),
    saying("acts_for", st.just(TENANT) | parties, parties | st.just("self")),
    *(saying(f"{seat}_country", parties, countries) for seat in ("headquarters", "principal_place", "management")),
    saying("headquarters_country", parties, st.sampled_from(["CN", "SG"])),
    saying("registered_country", parties, countries),
    saying("branch_of", parties, parties),
    saying("parent", parties, either | st.just("self")),
    saying("ultimate_parent", parties, either | st.just("self")),
    owning(),
    saying("controlled_by", parties, either),
    saying("successor", parties, parties),
    saying("dissolved_on", parties, st.sampled_from(["2026-01-01", "2027-01-01"])),
    saying("kind", parties, st.sampled_from(["legal_person", "branch", "government"])),
)
PERSONS = tuple(said(f"{person} kind natural_person") for person in PEOPLE)
files = st.lists(said_at_random, max_size=30).map(lambda some: (said(f"{TENANT} customer p-0"), *PERSONS, *some))


def told_of(found: Headquarters) -> tuple[object, ...]:
    """What an answer says, word by word in no order: of several, the one whose id comes first is named first."""
    replies = [getattr(found, name) for name in QUESTIONS]
    said_of_each = ((str(each.answer), re.findall(r"[\w.-]+", each.reason), each.sources) for each in replies)
    return (*said_of_each, len(found.conflicts))


def in_order(anything: object) -> object:
    """The same, sorted within."""
    return tuple(sorted(map(repr, map(in_order, anything)))) if isinstance(anything, tuple | list) else anything


def renamed(anything: object, ids: dict[str, str]) -> object:
    """The same with other ids."""
    match anything:
        case str():
            return re.sub(r"\b[pn]-\d\b", lambda match: ids[match[0]], anything)
        case tuple() | list():
            return tuple(renamed(each, ids) for each in anything)
        case _:
            return anything


@unhurried
@given(files, st.permutations(PARTIES), st.permutations(PEOPLE))
def test_relabelling(known: tuple[Statement, ...], of_parties: list[str], of_people: list[str]) -> None:
    """Other ids change nothing but the ids and the order in which they come: no answer, no reason, no source."""
    ids = dict(zip([*PARTIES, *PEOPLE], [*of_parties, *of_people], strict=True))
    other = [
        replace(each, subject=str(renamed(each.subject, ids)), value=str(renamed(each.value, ids))) for each in known
    ]
    assert in_order(told_of(ask(View(other)))) == in_order(renamed(told_of(ask(View(known))), ids))


@unhurried
@given(files, st.randoms(use_true_random=False))
def test_order(known: tuple[Statement, ...], chance: Random) -> None:
    """The order of what is known changes no answer and no group."""
    other = list(known)
    chance.shuffle(other)
    found, again = ask(View(known)), ask(View(other))
    assert (answers(again), again.group_id, len(again.conflicts)) == (
        answers(found),
        found.group_id,
        len(found.conflicts),
    )


@unhurried
@given(files)
def test_around(known: tuple[Statement, ...]) -> None:
    """Answers rest on nothing but what a directory gives around the tenant."""
    assert answers(ask(Directory.of(known).around([TENANT]))) == answers(ask(View(known)))


@unhurried
@given(files)
def test_whole(known: tuple[Statement, ...]) -> None:
    """The whole is yes where one answer is, no only where all three are, else unknown; every answer has its grounds."""
    found = ask(View(known))
    own, parent, behalf, overall = answers(found)
    assert (overall is Answer.YES) == (Answer.YES in (own, parent, behalf))
    assert (overall is Answer.NO) == ({own, parent, behalf} == {Answer.NO})
    for reply in (found.own, found.parent, found.behalf):
        assert reply.path[0] == TENANT
        assert reply.reason
        assert reply.sources or reply.answer is Answer.UNKNOWN
        assert "which does not clear it" in reply.reason or reply.answer is not Answer.UNKNOWN


def never_clears(known: Sequence[Statement], more: Sequence[Statement]) -> None:
    """Hold that what was not no before is not no after more became known."""
    before, after = answers(ask(View(known))), answers(ask(View((*known, *more))))
    assert [
        is_no for was, is_no in zip(before, after, strict=True) if is_no is Answer.NO and was is not Answer.NO
    ] == []


@unhurried
@given(files, parties, st.sampled_from(["headquarters", "principal_place", "management"]))
def test_seat_in_scope_never_clears(known: tuple[Statement, ...], party: str, seat: str) -> None:
    """That one more source puts any party in scope, in whatever way, turns no answer into no."""
    never_clears(known, [said(f"{party} {seat}_country CN source=third")])


@unhurried
@given(
    files,
    st.one_of(
        saying("registered_country", parties, countries),
        saying("address_country", parties, countries),
        saying("affiliate_of", parties, parties),
        saying("directed_by", parties, either),
        saying("controlled_by", parties, either),
        saying("payer", st.just(TENANT), parties),
        saying("dissolved_on", parties, st.just("2026-05-01")).filter(lambda each: each.subject == "p-0"),
    ),
)
def test_what_decides_nothing_never_clears(known: tuple[Statement, ...], more: Statement) -> None:
    """Registration, addresses, affiliates, directors, control, payers and a customer's end turn no answer into no."""
    never_clears(known, [replace(more, source="third")])


TOP_IN_SCOPE = (said("p-9 headquarters_country CN"), said("p-9 ultimate_parent self"))


@unhurried
@given(files, st.sampled_from(["ultimate_parent p-9", "parent p-9", "owned_by p-9 51", "branch_of p-9"]))
def test_top_in_scope_is_yes(known: tuple[Statement, ...], how: str) -> None:
    """However contradictory the rest is, a top in scope that stands above a customer that is there makes yes."""
    there = [each for each in known if (each.subject, each.predicate) != ("p-0", "dissolved_on")]
    found = ask(View((*there, *TOP_IN_SCOPE, said(f"p-0 {how} source=third"))))
    assert found.parent.answer is Answer.YES
    assert "ultimate parent p-9, headquartered in CN" in found.parent.reason


@unhurried
@given(files)
def test_acting_for_one_in_scope_is_yes(known: tuple[Statement, ...]) -> None:
    """Whoever acts for a party in scope does so, whatever else is said."""
    assert ask(View((*known, *TOP_IN_SCOPE, said("t-1 acts_for p-9")))).behalf.answer is Answer.YES


@unhurried
@given(files)
def test_without_parents(known: tuple[Statement, ...]) -> None:
    """Where nobody says anything of parents and owners, nobody is cleared by an ultimate parent."""
    decides = {*ABOVE, "kind"}
    assert ask(View(each for each in known if each.predicate not in decides)).parent.answer is Answer.UNKNOWN


@unhurried
@given(files)
def test_without_anyone_acting(known: tuple[Statement, ...]) -> None:
    """Where nobody says for whom it acts, that is unknown."""
    assert ask(View(each for each in known if each.predicate != "acts_for")).behalf.answer is Answer.UNKNOWN


def above(view: View, party: str) -> set[str]:
    """Whom a statement puts directly above a party, or in its place if it is no more; ``self``: nobody."""

    def named(*predicates: str) -> set[str]:
        return {each.value for predicate in predicates for each in view.of(party, predicate, AT)} - {*PEOPLE}

    owners = view.of(party, "owned_by", AT)
    majority = {e.value for e in owners if (e.share_low_percent or 0) > 50} - {"dispersed", *PEOPLE}
    parents = {"self" if each == party else each for each in named("parent", "ultimate_parent")}
    successors = named("successor") if "2026-01-01" in named("dissolved_on") else set()
    only_gone = named("dissolved_on") == {"2026-01-01"}
    return (successors | (set() if only_gone else named("branch_of") | majority | parents)) - {party}


@unhurried
@given(files)
def test_no_top_in_scope_is_missed(known: tuple[Statement, ...]) -> None:
    """No party that is at its own top and in scope stands above a customer, on any way at all, without being seen."""
    view = View(known)
    reached, waiting = {"p-0"}, ["p-0"]
    for party in waiting:
        new = above(view, party) - reached - {"self"}
        reached |= new
        waiting += sorted(new)
    tops = [party for party in reached if is_top(view, party)]
    in_scope = [party for party in tops if view.values(party, "headquarters_country", AT) == ("CN",)]
    if ask(view).parent.answer is Answer.NO:
        assert not in_scope


def is_top(view: View, party: str) -> bool:
    """Whether it is said to be its own top, is there, and has no evidence about another place."""
    elsewhere = ("dissolved_on", "branch_of", "principal_place_country", "management_country")
    said_so = "self" in (*view.values(party, "ultimate_parent", AT), *view.values(party, "parent", AT))
    return said_so and not any(view.of(party, predicate, AT) for predicate in elsewhere)


def is_told(view: View, party: str) -> bool:
    """Whether anything is said from which a party can be its own top, other than that somebody calls it that."""
    owners = {each.value for each in view.of(party, "owned_by", AT) if each.share_low_percent != 0}
    persons = {"dispersed", *PEOPLE} & (owners | set(view.values(party, "parent", AT)))
    return bool(persons) or view.values(party, "kind", AT) == ("government",)


def ways_told(view: View) -> tuple[dict[str, set[str]], set[str]]:
    """
    Whom each party leads to that stands on a way up, and who of them was named as an ultimate parent.

    Where somebody is named, the way goes there and nowhere else. Head offices and successors are named with them.
    """
    leads: dict[str, set[str]] = {}
    reached, named = {"p-0"}, set[str]()
    for _ in PARTIES:
        for party in sorted(reached):
            gone = view.values(party, "dissolved_on", AT) == ("2026-01-01",)
            called = {"self" if each == party else each for each in view.values(party, "ultimate_parent", AT)}
            called = set() if gone else called - {*PEOPLE}
            leads[party] = called or above(view, party)
            instead = {*view.values(party, "branch_of", AT), *view.values(party, "successor", AT)}
            named |= called | (leads[party] & instead if party in named else set())
            reached |= leads[party] - {"self"}
    return leads, named


@unhurried
@given(files)
def test_no_is_told_to_the_end(known: tuple[Statement, ...]) -> None:
    """No way upward stops, or goes in a circle, below a top that is out of scope, unless somebody named that top."""
    view = View(known)
    leads, named = ways_told(view)
    if ask(view).parent.answer is Answer.NO:
        assert [party for party in leads if not (leads[party] or party in named or is_told(view, party))] == []
        named |= {party for party in leads if view.of(party, "ultimate_parent", AT)}
        TopologicalSorter({party: over - {"self"} for party, over in leads.items() if party not in named}).prepare()


def test_long_way() -> None:
    """A way up that is longer than any known group ends untold, and does not break."""
    chain = [f"p-{at} parent p-{at + 1}" for at in range(5000)]
    end = ["p-5000 ultimate_parent self", "p-5000 headquarters_country SG"]
    found = ask(view_of("t-1 customer p-0", *chain, *end))
    assert (found.parent.answer, len(found.parent.path)) == (Answer.UNKNOWN, FARTHEST + 2)
    assert f"{FARTHEST} steps up" in found.parent.reason


def test_many_ways() -> None:
    """Forty parties that are all each other's parents and agents are gone through once, not way by way."""
    crowd = [f"p-{at}" for at in range(40)]
    pairs = [(one, other) for one in crowd for other in crowd if one != other]
    lines = [f"{one} {how} {other}" for one, other in pairs for how in ("parent", "acts_for", "branch_of", "successor")]
    seats = [f"{each} headquarters_country SG" for each in crowd]
    found = ask(view_of("t-1 customer p-0", *lines, *seats))
    assert (found.parent.answer, found.behalf.answer) == (Answer.UNKNOWN, Answer.UNKNOWN)


def test_sources() -> None:
    """An answer lists the statements on its way and the law's own sources, each once."""
    found = ask(view_of("t-1 customer p-1", "p-1 ultimate_parent p-2", "p-2 headquarters_country CN document=d-1"))
    of_the_law = [source.line for source in JURISDICTIONS.in_scope("CN", AT).sources]
    assert list(found.parent.sources) == [
        "KYC t-1 customer: register, stated",
        "KYC p-1 ultimate_parent: register, stated",
        "KYC p-2 headquarters_country: register, stated, document d-1",
        *of_the_law,
    ]


def test_no_names() -> None:
    """Neither a reason nor a contradiction nor a source repeats a name."""
    known = ["t-1 customer p-1", "p-1 name 'Example Secret Ltd'", "p-1 headquarters_country SG source=a"]
    found = ask(view_of(*known, "p-1 headquarters_country CN source=b", "p-1 line_of_business 'Example Secret Trade'"))
    assert found.conflicts
    assert "Secret" not in repr(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("headquarters_country SG", "headquarters_country CN as_of=2026-01-01"),
        ("identifier 5299000J2N45DDNE4Y28 detail=lei", "identifier 5493001KJTIIGC8Y1R12 detail=lei"),
        ("owned_by p-2 60", "owned_by p-2 40"),
    ],
)
def test_whose_words_are_apart(one: str, other: str) -> None:
    """A contradiction says whether it is between sources or within the words of one."""
    behind, first = "t-1 customer p-1", f"p-1 {one} source=crm"
    (within,) = ask(view_of(behind, first, f"p-1 {other} source=crm")).conflicts
    (between,) = ask(view_of(behind, first, f"p-1 {other} source=other")).conflicts
    assert within.startswith("one source disagrees with itself on ")
    assert between.startswith("sources disagree on ")


@pytest.mark.parametrize(
    "line",
    [
        "p-1 owned_by self",
        "p-1 parent dispersed",
        "p-1 headquarters_country China",
        "p-1 headquarters_country SG 60",
        "p-1 kind company",
        "p-1 dissolved_on 2026-2-1",
        "p-1 nationality CN",
        "p-1 headquarters_country SG until=2026-01-01",
        "p-1 headquarters_country SG confidence=certain",
    ],
)
def test_line_that_cannot_be_said(line: str) -> None:
    """A case is made only of what the vocabulary has, in its one way of writing."""
    with pytest.raises((AssertionError, KeyError, ValueError)):
        said(line)
