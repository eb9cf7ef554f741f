from dataclasses import replace
from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried
from support.kyc_cases import said

from policy.kyc.directory import Directory
from policy.kyc.identity import joined
from policy.kyc.statements import Statement, statements_of
from policy.kyc.view import View

JANUARY, MARCH, MAY = date(2026, 1, 1), date(2026, 3, 1), date(2026, 5, 1)

ONE, OTHER = "5493001KJTIIGC8Y1R12", "529900T8BM49AURSDO55"


def known(*lines: str) -> set[Statement]:
    """What these lines say once every party has one id."""
    return set(statements_of(joined(Directory.of(map(said, lines))).frame))


def on(day: date, *lines: str) -> set[Statement]:
    """The same as known on a day, as it was said, without the end of its being known."""
    return {
        replace(each, known_to=None, as_subject=None, as_value=None) for each in known(*lines) if each.is_known(day)
    }


def told(*lines: str) -> set[tuple[str, str, str]]:
    """The same, without sources and days."""
    return {(each.subject, each.predicate, each.value) for each in known(*lines)}


def test_an_equal_lei_joins() -> None:
    """A party of the provider's that carries an LEI has what the register says under that number, in any letters."""
    answer = told(
        "p-1 identifier 5493001KJTIIGC8Y1R12 detail=lei",
        "lei:5493001KJTIIGC8Y1R12 identifier 5493001kjtiigc8y1r12 detail=LEI",
        "lei:5493001KJTIIGC8Y1R12 headquarters_country CN",
        "lei:5493001KJTIIGC8Y1R12 parent lei:529900T8BM49AURSDO55",
    )
    assert {("p-1", "headquarters_country", "CN"), ("p-1", "parent", "lei:529900T8BM49AURSDO55")} <= answer
    assert {subject for subject, _, _ in answer} == {"p-1"}


def test_a_statement_joins() -> None:
    """Two ids that somebody says are one become one, wherever they stand, and the statement itself is done with."""
    answer = told("p-1 same_as ftm:x", "p-9 owned_by ftm:x 60", "ftm:x name Example", "t-1 customer p-1")
    assert answer == {("p-9", "owned_by", "p-1"), ("p-1", "name", "Example"), ("t-1", "customer", "p-1")}


def test_other_numbers_and_names_join_nothing() -> None:
    """Equal names, or equal numbers of another register, are no reason to take two parties for one."""
    lines = (
        "p-1 name Example",
        "p-2 name Example",
        "p-1 identifier 77 detail=RA000585",
        "p-2 identifier 77 detail=RA000585",
    )
    assert {subject for subject, _, _ in told(*lines)} == {"p-1", "p-2"}


def test_a_chain_is_one_party() -> None:
    """Who is the same as the same is the same, in whatever order that is read."""
    lines = ("c-3 same_as lei:a", "b-2 same_as lei:a", "c-3 name Example", "b-2 management_country CN")
    assert told(*lines) == told(*reversed(lines)) == {
        ("b-2", "name", "Example"), ("b-2", "management_country", "CN"),
    }  # fmt: skip


def test_known_from_the_day_on_which_both_were_known() -> None:
    """What a register said before anybody knew that it speaks of the party counts from that day on, and not before."""
    answer = known(
        f"p-1 same_as lei:a known_from={MARCH}",
        f"lei:a headquarters_country CN known_from={JANUARY}",
        f"lei:a management_country CN known_from={MAY}",
        f"p-1 registered_country SG known_from={JANUARY}",
    )
    days = {(each.subject, each.predicate): (each.known_from, each.known_to) for each in answer}
    assert days == {
        ("lei:a", "headquarters_country"): (JANUARY, MARCH),
        ("p-1", "headquarters_country"): (MARCH, None),
        ("p-1", "management_country"): (MAY, None),
        ("p-1", "registered_country"): (JANUARY, None),
    }


def test_known_under_an_own_id_since_ever() -> None:
    """What was known under a party's own id, whoever led there, is known since then, whatever was joined later."""
    lines = (
        "t-1 customer p-1",
        "p-1 headquarters_country CN",
        "t-2 customer lei:a",
        f"lei:a listed_on EL known_from={JANUARY}",
        f"p-1 same_as lei:a known_from={MARCH}",
    )
    before, after = JANUARY, MARCH
    assert on(before, *lines) == {*map(said, ("t-1 customer p-1", "p-1 headquarters_country CN", *lines[2:4]))}
    told_after = {(each.subject, each.predicate, each.value) for each in on(after, *lines)}
    assert told_after == {
        ("t-1", "customer", "p-1"), ("t-2", "customer", "p-1"), ("p-1", "headquarters_country", "CN"),
        ("p-1", "listed_on", "EL"),
    }  # fmt: skip


def test_what_was_withdrawn_before_was_never_known() -> None:
    """A statement that was withdrawn before the two were known to be one never spoke of the party."""
    lines = (f"p-1 same_as lei:a known_from={MARCH}", f"lei:a name Example known_from={JANUARY} known_to={MARCH}")
    assert told(*lines) == {("lei:a", "name", "Example")}


def test_a_withdrawn_identity_joins_while_it_was_held() -> None:
    """That two are one counts as long as it was held, and no more once it was withdrawn."""
    lines = (f"p-1 same_as lei:a known_from={JANUARY} known_to={MARCH}", "lei:a name Example", "p-2 parent lei:a")
    for day, name in ((date(2025, 12, 31), "lei:a"), (JANUARY, "p-1"), (MARCH, "lei:a")):
        told_then = {(each.subject, each.predicate, each.value) for each in on(day, *lines)}
        assert told_then == {(name, "name", "Example"), ("p-2", "parent", name)}


def test_an_identity_that_ended_joins_until_then() -> None:
    """That two are one holds for the days for which it is said."""
    view = View(known("p-1 same_as lei:a ends=2020-01-01", "lei:a headquarters_country CN"))
    assert view.values("p-1", "headquarters_country", date(2019, 12, 31)) == ("CN",)
    assert view.values("p-1", "headquarters_country", date(2020, 1, 1)) == ()
    assert view.values("lei:a", "headquarters_country", date(2020, 1, 1)) == ("CN",)


def test_one_id_for_account_and_party_stays() -> None:
    """An account whose customer has its own id keeps that; a party that became its own parent by joining does not."""
    answer = told("t-1 customer t-1", "t-1 same_as lei:a", "t-1 parent lei:a")
    assert answer == {("t-1", "customer", "t-1")}


def test_no_account_vanishes() -> None:
    """Two accounts of one party stay two, and both lead to it; what is said of an account is said of it still."""
    answer = told(
        "t-1 customer t-1",
        "t-2 customer t-2",
        "t-2 payer t-1",
        "t-2 acts_for self",
        "t-2 verified_on 2026-01-01",
        f"t-1 identifier {ONE} detail=lei",
        f"t-2 identifier {ONE} detail=lei",
        "t-2 headquarters_country CN",
    )
    assert answer == {
        ("t-1", "customer", "t-1"), ("t-2", "customer", "t-1"), ("t-2", "payer", "t-1"), ("t-2", "acts_for", "self"),
        ("t-2", "verified_on", "2026-01-01"), ("t-1", "identifier", ONE), ("t-1", "headquarters_country", "CN"),
    }  # fmt: skip


def test_two_numbers_of_one_party_join_nothing() -> None:
    """Where sources tell two LEIs of a party, in its own name or by way of another id of it, neither joins."""
    lines = (f"p-1 identifier {ONE} detail=lei", f"p-7 identifier {OTHER} detail=lei", "p-7 headquarters_country CN")
    wrong = f"p-1 identifier {OTHER} detail=lei source=vendor"
    assert ("p-7", "headquarters_country", "CN") in told(*lines, wrong)
    by_another = ("p-1 same_as x-1", f"x-1 identifier {OTHER} detail=lei source=vendor")
    assert ("p-7", "headquarters_country", "CN") in told(*lines, *by_another)
    corrected = f"p-1 identifier {OTHER} detail=lei source=vendor known_to={MARCH}"
    right = f"p-9 identifier {ONE} detail=lei"
    answer = {(each.subject, each.value) for each in on(MARCH, *lines, corrected, right, "p-9 management_country CN")}
    assert {("p-1", "CN"), ("p-7", "CN")} <= answer


def test_a_line_tells_the_id_of_which_it_was_said() -> None:
    """What rests on two ids being one tells the other id, and what does not rests on nothing."""
    answer = known("p-1 same_as lei:a", "lei:a parent lei:b", "p-2 same_as lei:b", "p-1 name Example")
    lines = {each.predicate: each.line for each in answer}
    assert lines["parent"].startswith("KYC p-1 (as lei:a) parent (as lei:b): ")
    assert lines["name"].startswith("KYC p-1 name: ")


IDS = ["t-1", "t-2", "p-1", "p-2", "lei:a", "lei:b"]
DAYS_OR_NONE = st.sampled_from([None, JANUARY, MARCH, MAY])
WORDS = st.one_of(
    st.tuples(st.just("same_as"), st.sampled_from(IDS), st.none()),
    st.tuples(st.just("identifier"), st.sampled_from([ONE, OTHER]), st.just("lei")),
    st.tuples(
        st.sampled_from(["customer", "payer", "acts_for", "parent", "owned_by"]), st.sampled_from(IDS), st.none()
    ),
    st.tuples(st.just("headquarters_country"), st.sampled_from(["CN", "SG"]), st.none()),
    st.tuples(st.just("verified_on"), st.just("2026-01-01"), st.none()),
)


@st.composite
def files(draw: st.DrawFn) -> list[Statement]:
    """Any statements of a few ids, with days of both clocks."""
    found = []
    for predicate, value, detail in draw(st.lists(WORDS, max_size=9)):
        days = [draw(DAYS_OR_NONE) for _ in range(4)]
        found.append(
            Statement(
                draw(st.sampled_from(IDS)), predicate, value, detail=detail, source="register",
                begins=days[0], ends=days[1], known_from=days[2], known_to=days[3],
            )
        )  # fmt: skip
    return found


@unhurried
@given(files())
def test_the_tenants_are_the_same(file: list[Statement]) -> None:
    """Whatever is joined, every account is there as before."""
    directory = Directory.of(file)
    assert joined(directory).tenants == directory.tenants


@unhurried
@given(files(), st.sampled_from([date(2025, 6, 1), JANUARY, MARCH, MAY]))
def test_what_is_learnt_later_changes_nothing_before(file: list[Statement], day: date) -> None:
    """What was known on a day is the same whether or not anything that was learnt later is there."""
    directory = Directory.of(file)
    then = Directory(frame=directory.as_known(day).frame.with_columns(known_to=pl.lit(None, pl.Date)), digest="")
    assert content(joined(directory).as_known(day)) == content(joined(then).as_known(day))


@unhurried
@given(files(), st.sampled_from([JANUARY, MARCH, MAY]))
def test_joining_twice_is_joining_once(file: list[Statement], day: date) -> None:
    """At one time each party has one id, and nothing is left that would join two."""
    once = joined(Directory.of(file))
    same = once.as_known(day).frame.filter(predicate="same_as")
    holding = [each for each in statements_of(same) if each.holds(day) and each.subject != each.value]
    assert not holding


def content(directory: Directory) -> set[tuple[object, ...]]:
    """What is known and true, day by day, without the days since when it was known."""
    days = [date(2025, 6, 1), JANUARY, MARCH, MAY]
    return {
        (day, each.subject, each.predicate, each.value, each.as_subject, each.as_value)
        for each in statements_of(directory.frame)
        for day in days
        if each.holds(day)
    }
