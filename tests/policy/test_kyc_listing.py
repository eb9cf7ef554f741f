from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.facts import an_overlay
from support.judgement import unhurried
from support.kyc_cases import view_of

from policy.facts.reading import load_facts
from policy.kyc.owners.listing import STRONGEST_FIRST, Listing, ListState, ask_listing
from policy.kyc.statements import Statement
from policy.kyc.view import View

FACTS = load_facts()
AT = date(2026, 3, 1)


def listing_of(*lines: str, at: date = AT, party: str = "p-1") -> Listing:
    """Whether a party is on a list by these lines."""
    return ask_listing(view_of(*lines), party, at, FACTS.party_lists)


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ((), "not_screened"),
        (("p-1 not_listed_as e-1",), "not_screened"),
        (("p-1 screened no_match",), "no"),
        (("p-1 screened possible",), "possible"),
        (("p-1 screened possible", "p-1 not_listed_as e-1"), "possible"),
        (("p-1 screened possible detail=e-1",), "possible"),
        (("p-1 screened possible detail=e-1", "p-1 not_listed_as e-1"), "no"),
        (("p-1 screened possible detail=e-1", "p-1 not_listed_as e-2"), "possible"),
        (("p-1 screened possible 'detail=e-1 e-2'", "p-1 not_listed_as e-1"), "possible"),
        (("p-1 screened possible 'detail=e-1 e-2'", "p-1 not_listed_as e-1", "p-1 not_listed_as e-2"), "no"),
        (("p-1 screened possible detail=e-1", "p-1 not_listed_as e-1 ends=2026-03-01"), "possible"),
        (("p-1 screened possible detail=e-1", "p-1 not_listed_as e-1 ends=2026-03-02"), "no"),
        (("p-1 screened possible detail=e-1", "p-1 not_listed_as e-1 begins=2026-03-02"), "possible"),
        (("p-1 screened possible detail=e-1 as_of=2026-01-01", "p-1 screened no_match as_of=2026-02-01"), "no"),
        (("p-1 screened no_match as_of=2026-01-01", "p-1 screened possible detail=e-1 as_of=2026-02-01"), "possible"),
        (
            (
                "p-1 screened possible detail=e-1 as_of=2026-01-01 source=vendor",
                "p-1 screened no_match as_of=2026-02-01 source=own",
            ),
            "possible",
        ),
        (("p-1 listed_on EL",), "yes"),
        (("p-1 listed_on EL", "p-1 screened no_match"), "yes"),
        (("p-1 listed_on EL detail=e-1", "p-1 not_listed_as e-1"), "yes"),
        (("p-1 listed_on EL ends=2026-03-01", "p-1 screened no_match"), "no"),
        (("p-1 listed_on EL begins=2026-03-02",), "not_screened"),
        (("p-1 listed_on NOBODY-KNOWS",), "yes"),
        (("p-2 listed_on EL", "p-1 screened no_match"), "no"),
    ],
)
def test_states(lines: tuple[str, ...], state: str) -> None:
    """A determination comes before a comparison; a possible entry is open until it is cleared, and again after."""
    assert listing_of(*lines).state == state


def test_codes_are_in_order_and_cite_the_list() -> None:
    """The most restrictive list stands first, and the answer rests on the statement and on the list's own row."""
    found = listing_of("p-1 listed_on UVL", "p-1 listed_on SDN source=vendor document=d-7", "p-1 listed_on EL")
    assert found.codes == ("SDN", "EL", "UVL")
    assert "KYC p-1 listed_on: vendor, stated, document d-7" in found.sources
    assert FACTS.party_lists.by_code["SDN"].source.line in found.sources


def test_a_list_that_the_facts_do_not_know() -> None:
    """A code that the facts do not know is a yes all the same, and the reason says so."""
    found = listing_of("p-1 listed_on EXAMPLE", "p-1 listed_on EL")
    assert (found.state, found.codes) == (ListState.YES, ("EXAMPLE", "EL"))
    assert "EXAMPLE, a list not known to the facts" in found.reason
    gone = "[[remove]]\ntable = 'party_lists.list'\nkey = ['EL']\nreason = 'not ours'\n"
    lists = load_facts([an_overlay(gone)]).party_lists
    removed = ask_listing(view_of("p-1 listed_on EL"), "p-1", AT, lists)
    assert removed.state is ListState.YES
    assert "took away party_lists.list EL: not ours" in removed.reason


def test_open_entries_are_named_by_id() -> None:
    """The reason of a possible one has the ids that are open, and not those that are cleared."""
    found = listing_of("p-1 screened possible 'detail=e-1 e-2 e-3'", "p-1 not_listed_as e-2")
    assert "e-1, e-3 are not cleared" in found.reason
    assert "e-2" not in found.reason
    assert "entries that nobody named are not cleared" in listing_of("p-1 screened possible").reason


def test_what_is_only_counted_is_cleared_by_nobody() -> None:
    """Of a party that is one entry, entries that are only counted stay open, whatever is said of their sign."""
    more = ("p-1 screened possible 'detail=e-1 +12'", "p-1 not_listed_as +12")
    assert listing_of("p-1 listed_on EL detail=e-1", *more).is_open
    assert listing_of("p-1 not_listed_as e-1", *more).is_open


def test_a_clearance_is_cited_where_it_clears() -> None:
    """The sources of a cleared one have the clearance that did it, and no clearance of another entry."""
    found = listing_of(
        "p-1 screened possible detail=e-1",
        "p-1 not_listed_as e-1 source=counsel document=memo-1",
        "p-1 not_listed_as e-9 source=counsel document=memo-9",
    )
    assert "1 possible, cleared for now" in found.reason
    assert any("memo-1" in line for line in found.sources)
    assert not any("memo-9" in line for line in found.sources)


@pytest.mark.parametrize(
    ("branch", "head", "state"),
    [
        ("screened no_match", "listed_on EL", "yes"),
        ("listed_on EL", "screened no_match", "yes"),
        ("screened no_match", "screened possible", "possible"),
        ("screened possible", None, "possible"),
        ("screened no_match", None, "not_screened"),
        ("screened no_match", "screened no_match", "no"),
    ],
)
def test_a_branch_is_its_head_office(branch: str, head: str | None, state: str) -> None:
    """What holds of the head office holds of its branches, and of a branch's branch; circles of branches end."""
    lines = [f"p-1 {branch}", "p-1 branch_of p-2", *([f"p-2 {head}"] if head else [])]
    assert listing_of(*lines).state == state
    further = ["p-0 branch_of p-1", "p-0 screened no_match", *lines, "p-2 branch_of p-0"]
    assert listing_of(*further, party="p-0").state == state


SAYINGS = st.builds(
    Statement,
    st.sampled_from(["p-1", "p-2"]),
    st.just("screened"),
    st.sampled_from(["possible", "no_match"]),
    detail=st.sampled_from([None, "e-1", "e-1 e-2"]),
    source=st.sampled_from(["own", "vendor"]),
    as_of=st.sampled_from([None, date(2026, 1, 1), date(2026, 2, 1)]),
) | st.builds(
    Statement,
    st.sampled_from(["p-1", "p-2"]),
    st.just("not_listed_as"),
    st.sampled_from(["e-1", "e-2"]),
    source=st.just("counsel"),
    ends=st.sampled_from([None, date(2026, 2, 1), date(2026, 9, 1)]),
) | st.just(Statement("p-1", "branch_of", "p-2"))  # fmt: skip


@unhurried
@given(st.lists(SAYINGS, max_size=8))
def test_nothing_clears_but_clearances(known: list[Statement]) -> None:
    """Without a clearance a state is at least as strong as with it, and a determination is always a yes."""
    before = ask_listing(View(known), "p-1", AT, FACTS.party_lists)
    fewer = [each for each in known if each.predicate != "not_listed_as"]
    after = ask_listing(View(fewer), "p-1", AT, FACTS.party_lists)
    assert STRONGEST_FIRST.index(after.state) <= STRONGEST_FIRST.index(before.state)
    listed = ask_listing(View([*known, Statement("p-1", "listed_on", "EL")]), "p-1", AT, FACTS.party_lists)
    assert (listed.state, listed.codes) == (ListState.YES, ("EL",))
    assert before.reason
    assert bool(before.sources) or before.state is ListState.NOT_SCREENED
