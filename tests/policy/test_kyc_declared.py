import time
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kyc_cases import said

from policy.facts.reading import load_facts
from policy.kyc.declared import DECLARED, PREDICATES
from policy.kyc.directory import Directory
from policy.kyc.dossiers import Dossiers
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES as VOCABULARY

FACTS = load_facts()
DAY = date(2026, 11, 1)
SOONER, LATER = date(2026, 10, 1), date(2026, 12, 1)


def asked(*pairs: tuple[str | None, date]) -> pl.DataFrame:
    """Ask about tenants on days."""
    return pl.DataFrame(pairs, schema={"tenant_id": pl.String, "day": pl.Date}, orient="row")


def declared(statements: list[Statement], *pairs: tuple[str | None, date]) -> pl.DataFrame:
    """What is declared by these statements."""
    return Dossiers.of(Directory.of(statements), FACTS).declared(asked(*pairs))


def a_word(value: str = "training", predicate: str = "declared_workload", **more: object) -> Statement:
    """One statement about tenant t-1."""
    return Statement(subject="t-1", predicate=predicate, value=value, **more)  # type: ignore[arg-type]


def workload_of(*statements: Statement, day: date = DAY) -> str | None:
    """The declared kind of work of tenant t-1."""
    (row,) = declared(list(statements), ("t-1", day)).to_dicts()
    return row["declared_workload"]


def test_both_declarations() -> None:
    """The kind of work and the number format stand beside each other; who declared nothing has nulls, and a row."""
    lines = [said("t-1 declared_workload training"), said("t-1 declared_number_format fp8")]
    frame = declared(lines, ("t-1", DAY), ("t-2", DAY), (None, DAY), ("t-1", DAY))
    assert frame.schema == DECLARED
    assert set(frame.rows()) == {("t-1", DAY, "training", "fp8"), ("t-2", DAY, None, None), (None, DAY, None, None)}


def test_no_question_no_answer() -> None:
    """Of no tenants there is an empty frame in the schema."""
    assert declared([a_word()]).schema == DECLARED


def test_contradiction() -> None:
    """Where sources contradict each other nothing is taken to be declared; where they agree it is."""
    assert workload_of(a_word(source="a"), a_word("inference", source="b")) is None
    assert workload_of(a_word(source="a"), a_word(source="b")) == "training"


def test_newest_word_of_a_source() -> None:
    """A source's newer word replaces its older one; beside an undated one both stand, and contradict each other."""
    older, newer = a_word("inference", as_of=SOONER), a_word(as_of=DAY)
    assert workload_of(older, newer) == "training"
    assert workload_of(a_word("inference"), newer) is None


@pytest.mark.parametrize(("day", "workload"), [(SOONER, "inference"), (DAY, "training"), (LATER, None)])
def test_true_on_the_day(day: date, workload: str | None) -> None:
    """A declaration counts from the day on which it begins and up to the day before it ends."""
    assert workload_of(a_word("inference", ends=DAY), a_word(begins=DAY, ends=LATER), day=day) == workload


def test_known_now() -> None:
    """What is not held to be true any more is not declared, also of days when it was."""
    assert workload_of(a_word(known_from=SOONER, known_to=DAY), day=SOONER) is None
    assert workload_of(a_word(known_from=LATER), day=SOONER) == "training"


days = st.sampled_from([SOONER, DAY, LATER])
words = st.builds(
    a_word,
    st.sampled_from(["training", "inference"]),
    source=st.sampled_from(["a", "b"]),
    as_of=days | st.none(),
    begins=days | st.none(),
    ends=days | st.none(),
)


@given(st.lists(words, max_size=5), days)
def test_as_the_file_is_asked_elsewhere(statements: list[Statement], day: date) -> None:
    """The answer is the one value that the file gives when it is asked one by one, and null where there are more."""
    values = View(statements).values("t-1", "declared_workload", day)
    assert workload_of(*statements, day=day) == (values[0] if len(values) == 1 else None)


def test_thousands_of_tenants() -> None:
    """Five thousand tenants on thirty days are answered in well under a second."""
    names = [f"t-{number}" for number in range(5000)]
    statements = [
        Statement(subject=name, predicate=each, value=VOCABULARY[each].words[0])
        for name in names
        for each in PREDICATES
    ]
    dossiers = Dossiers.of(Directory.of(statements), FACTS)
    pairs = asked(*((name, DAY + timedelta(days=day)) for name in names for day in range(30)))
    begun = time.perf_counter()
    assert dossiers.declared(pairs).drop_nulls().height == pairs.height
    assert time.perf_counter() - begun < 2  # seconds: ten times what it takes, for a machine that is busy
