"""
Whether what a source says changed within a time, from the statements' own days.

A change is told where a source's value ended or was withdrawn within the time and the source does not say it again, or
where another value of the same source began within it, one that it is not known to have said before. Two sources that
differ are a conflict and no change; and so is a further value that merely became known, of a predicate with many. When
a value began is the day that the source gives; where it gives none of a predicate with one value, the day for which it
says it, else the day it became known. That two ids became known as one is no change: what was said under another id is
held against what was said, and has no day by having become known.

Nothing can be said of a time before anything was known: only what has a day of its own, or was known since before the
time, covers it.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from policy.kyc.statements import Statement
from policy.kyc.vocabulary import PREDICATES


def changes_within(statements: Sequence[Statement], low: date, high: date) -> tuple[Statement, ...]:
    """Those of one subject and predicate that tell a change after ``low``, up to ``high``."""
    return tuple(
        each for each in statements if _ended(each, statements, low, high) or _came(each, statements, low, high)
    )


def is_covered(statements: Iterable[Statement], since: date) -> bool:
    """Whether it is known what was so on a day and from then on."""
    return any(each.begins or (each.known_from and each.known_from <= since) for each in statements)


def days_up_to(now: Iterable[Statement], ever: Iterable[Statement], at: date) -> tuple[Statement, ...]:
    """
    Those that tell a day up to the one asked about, the newest day first. ``now``: what is said; ``ever``: or was.

    Whoever renews puts a new day in the place of an old one, and the old one counts for the time between them. A day
    that its source withdrew, without telling another one, counts no more.
    """
    telling = {(each.source, each.subject) for each in now}
    told = [each for each in ever if (each.source, each.subject) in telling and each.holds(at)]
    past = (each for each in dict.fromkeys(told) if date.fromisoformat(each.value) <= at)
    return tuple(sorted(past, key=lambda each: (each.value, repr(each)), reverse=True))


def _ended(each: Statement, statements: Sequence[Statement], low: date, high: date) -> bool:
    """Whether its source said it no more from a day within the time on."""
    day = min(filter(None, (each.ends, each.known_to)), default=None)
    if day is None or not low < day <= high:
        return False
    return not any(_agree(each, other) and other.holds(day) and _is_known(other, day) for other in statements)


def _is_known(each: Statement, day: date) -> bool:
    return (each.known_from is None or each.known_from <= day) and (each.known_to is None or day < each.known_to)


def _came(each: Statement, statements: Sequence[Statement], low: date, high: date) -> bool:
    """Whether it began within the time, where its source had said another value, and not yet this one."""
    day = _began(each)
    if day is None or not low < day <= high:
        return False
    same = [other for other in statements if _agree(each, other)]
    others = (other for other in statements if other.source == each.source and other not in same)
    had_another = any((_began(other) or date.min) < day for other in others)
    return had_another and not any(_was_said(other, day) for other in same)


def _was_said(each: Statement, day: date) -> bool:
    """Whether it is known to have been said before a day; of one without any day of its own it is not."""
    since = each.begins or each.as_of or each.known_from
    return since is not None and since < day


def _began(each: Statement) -> date | None:
    if each.begins or PREDICATES[each.predicate].many:
        return each.begins
    return each.as_of or (None if each.as_subject else each.known_from)


def _agree(one: Statement, other: Statement) -> bool:
    return one.source == other.source and (one.as_value or one.value) == (other.as_value or other.value)
