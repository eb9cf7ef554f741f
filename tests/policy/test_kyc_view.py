import tracemalloc
from collections.abc import Iterable
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried

from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import BACKWARD, OF_LISTING, UPWARD

DAYS = [date(2026, 1, 1), date(2026, 3, 1), date(2026, 5, 1)]
IDS = ["t-1", "p-1", "p-2", "p-3", "n-1"]
PARTY = st.tuples(
    st.sampled_from(["customer", "parent", "directed_by", "successor", "branch_of"]), st.sampled_from(IDS)
)
WORD = st.sampled_from([("screened", "possible"), ("listed_on", "EL"), ("headquarters_country", "SG")])
DAY = st.sampled_from([None, *DAYS])
SAYINGS = st.builds(
    lambda subject, said, source, known, true: Statement(
        subject, *said, source=source, known_from=known[0], known_to=known[1], begins=true[0], ends=true[1]
    ),
    st.sampled_from(IDS), PARTY | WORD, st.sampled_from(["a", "b"]), st.tuples(DAY, DAY), st.tuples(DAY, DAY),
)  # fmt: skip
FILES = st.lists(SAYINGS, max_size=14)


def reached(file: Iterable[Statement], subject: str) -> set[Statement]:
    """What a part has, by its definition: all upward, what leads back there, and what lists say of whoever does."""
    file, subjects = set(file), {subject}
    while more := {each.value for each in file if each.subject in subjects and each.predicate in UPWARD} - subjects:
        subjects |= more
    leading = {each for each in file if each.predicate in BACKWARD and each.value in subjects}
    others = {each.subject for each in leading}
    while more := {each.value for each in file if each.subject in others and each.predicate == "branch_of"} - others:
        others |= more
    of_lists = {each for each in file if each.subject in others and each.predicate in OF_LISTING}
    return {each for each in file if each.subject in subjects} | leading | of_lists


@unhurried
@given(FILES, st.sampled_from(IDS))
def test_a_part_is_all_that_answers_rest_on(file: list[Statement], subject: str) -> None:
    """A part has what its definition says and nothing else, and a part of it is the same."""
    part = View(file).part(subject)
    assert set(part) == reached(file, subject)
    assert set(part.part(subject)) == set(part)
    assert len(list(part)) == len(set(part))


@unhurried
@given(FILES, st.sampled_from(IDS), st.sampled_from(DAYS))
def test_a_part_answers_as_a_view_of_the_same_statements(file: list[Statement], subject: str, day: date) -> None:
    """Whatever is asked of a part, as known on whatever day, a view of just these statements answers the same."""
    shared, plain = View(file).part(subject), View(reached(file, subject))
    for one, other in (
        (shared, plain),
        (shared.as_known(day), View(each for each in plain if each.is_known(day))),
        (shared.ever_known(day), View(each for each in plain if not each.known_from or each.known_from <= day)),
    ):
        assert set(one) == set(other)
        assert one.days_of_change == other.days_of_change
        assert one.days_of_knowledge == other.days_of_knowledge
        for each in IDS:
            assert one.has(each) == other.has(each)
            for predicate in ("customer", "parent", "directed_by", "successor", "screened", "headquarters_country"):
                assert one.of(each, predicate, day) == other.of(each, predicate, day)
                assert one.ever(each, predicate) == other.ever(each, predicate)
                assert one.whose(predicate, each, day) == other.whose(predicate, each, day)


def directed_by_one(number: int) -> int:
    """How many bytes all parts of so many tenants hold together, the customers of all having one director."""
    file = [Statement(f"t-{each}", "customer", f"p-{each}") for each in range(number)]
    file += [Statement(f"p-{each}", "directed_by", "n-1") for each in range(number)]
    view = View(file)
    tracemalloc.start()
    parts = [view.part(f"t-{each}").as_known(DAYS[0]) for each in range(number)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(len(part.whose("directed_by", "n-1", DAYS[0])) == number for part in parts[:3])
    return size


def test_a_director_of_many_costs_no_more_for_each() -> None:
    """Of twice as many tenants whose customers share a director the parts hold about twice as much."""
    assert directed_by_one(400) < 2.5 * directed_by_one(200)
