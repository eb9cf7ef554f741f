from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried

from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES, SELF

AT = date(2026, 7, 1)
EARLY, LATE = date(2026, 1, 1), date(2026, 6, 1)
ABOVE = sorted(name for name, each in PREDICATES.items() if each.may_be_self)
"""The predicates by which somebody says that nobody else is there."""


def of(predicate: str, *said: tuple[str, date | None], source: str = "crm") -> list[Statement]:
    """Statements about one party by one source."""
    return [Statement("p-1", predicate, value, source=source, as_of=day) for value, day in said]


def values(*said: Statement) -> set[str]:
    """What a view of them has."""
    return set(View(said).values("p-1", said[0].predicate, AT))


@pytest.mark.parametrize("predicate", ABOVE)
def test_nobody_else_and_somebody(predicate: str) -> None:
    """Of "nobody else" and somebody, by one source, the newer word stands, and one without a day stays beside it."""
    assert values(*of(predicate, ("p-2", EARLY), (SELF, LATE))) == {SELF}
    assert values(*of(predicate, (SELF, EARLY), ("p-2", LATE), ("p-3", EARLY))) == {"p-2", "p-3"}
    assert values(*of(predicate, ("p-2", None), (SELF, LATE))) == {"p-2", SELF}
    assert values(*of(predicate, (SELF, None), ("p-2", LATE))) == {SELF, "p-2"}
    assert values(*of(predicate, ("p-2", EARLY), (SELF, LATE), ("p-3", LATE))) == {SELF, "p-3"}


@pytest.mark.parametrize("predicate", ABOVE)
def test_sources_do_not_overrule_each_other(predicate: str) -> None:
    """That one source says later that nobody is there takes nothing from what another one says."""
    assert values(*of(predicate, ("p-2", EARLY)), *of(predicate, (SELF, LATE), source="register")) == {"p-2", SELF}


def test_what_holds_no_more_overrules_nothing() -> None:
    """A word about another time does not stand in the way of one about the day that is asked for."""
    over = Statement("p-1", "ultimate_parent", SELF, source="crm", as_of=LATE, ends=date(2026, 6, 15))
    assert values(*of("ultimate_parent", ("p-2", EARLY)), over) == {"p-2"}


@pytest.mark.parametrize("predicate", ["headquarters_country", "ultimate_parent"])
def test_equally_new(predicate: str) -> None:
    """Two words of one source of the same day are both there."""
    words = ("DE", "CN") if predicate == "headquarters_country" else ("p-2", SELF)
    assert values(*of(predicate, *((word, LATE) for word in words))) == set(words)


@unhurried
@given(
    said=st.lists(st.tuples(st.sampled_from([SELF, "p-2", "p-3"]), st.sampled_from([None, EARLY, LATE])), min_size=1),
    order=st.randoms(use_true_random=False),
)
def test_the_newest_word_is_always_there(said: list[tuple[str, date | None]], order: object) -> None:
    """In any order: the newest and the undated words are there; dated "nobody" and somebody only if equally new."""
    statements = of("acts_for", *said)
    found = View(statements).of("p-1", "acts_for", AT)
    order.shuffle(statements)  # type: ignore[attr-defined]
    assert View(statements).of("p-1", "acts_for", AT) == found
    newest = max((day for _, day in said if day), default=None)
    assert {each for each in said if each[1] in (None, newest)} <= {(each.value, each.as_of) for each in found}
    nobody = {each.as_of for each in found if each.as_of and each.value == SELF}
    somebody = {each.as_of for each in found if each.as_of and each.value != SELF}
    assert not nobody or not somebody or nobody == {max(somebody)} == {newest}
