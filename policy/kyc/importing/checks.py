"""
What statements must not say: two things that cannot both be, too much of a natural person, a clearance for good.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from policy.kyc.cells import CellError
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import MORE, PREDICATES, SELF, PartyKind

NAMING = ("kind", "name", "alias")
"""What is said of a natural person without a time: a day beside a name could be one of birth."""
MOST_ALIKE = 1000
"""With how many rows of one subject, predicate, source and day each is compared; a file with more is none of people."""
LONGEST_CLEARANCE = timedelta(days=5 * 366)
"""How long a party may stay cleared of an entry before somebody looks again. A guess: no rule names a time."""


def contradictions(statements: Mapping[int, Statement]) -> Iterator[tuple[int, int]]:
    """
    The keys of statements that one source makes of one day and that cannot both be true, each with one of the others.

    Whoever asks sees the newest words of each source, so both: which of the two it means the source alone can say.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for key, each in sorted(statements.items(), key=lambda pair: pair[1].value != SELF):
        alike.setdefault((each.subject, each.predicate, each.source, each.as_of), []).append(key)
    for keys in alike.values():
        for key in sorted(keys) if _may_exclude([statements[key] for key in keys]) else ():
            other = next((each for each in keys[:MOST_ALIKE] if _exclude(statements[key], statements[each])), None)
            if other is not None:
                yield key, other


def _may_exclude(alike: list[Statement]) -> bool:
    predicate, values = PREDICATES.get(alike[0].predicate), {each.value for each in alike if each.value}
    return predicate is not None and len(values) > 1 and (not predicate.many or SELF in values)


def _exclude(one: Statement, other: Statement) -> bool:
    """Whether of two that are alike both cannot be true on some day."""
    values = {one.value, other.value}
    if len(values) < 2 or "" in values or (PREDICATES[one.predicate].many and SELF not in values):
        return False
    return _begins_before_end(one, other) and _begins_before_end(other, one)


def _begins_before_end(late: Statement, early: Statement) -> bool:
    return early.ends is None or (late.begins or date.min) < early.ends


def natural_persons(statements: Iterable[Statement]) -> frozenset[str]:
    """The subjects of which any of these says that they are natural persons."""
    kind = ("kind", PartyKind.NATURAL_PERSON.value)
    return frozenset(each.subject for each in statements if (each.predicate, each.value) == kind)


def too_much(statement: Statement) -> str:
    """The column in which a statement says more than may be kept of a natural person; empty where it does not."""
    predicate = PREDICATES.get(statement.predicate)
    if predicate is None or predicate.about != "party":
        return ""
    if not predicate.of_natural_persons:
        return "predicate"
    if statement.predicate in NAMING:
        return next((name for name in ("begins", "ends") if getattr(statement, name)), "")
    return ""


def refused_end(statement: Statement, today: date | None) -> CellError | None:
    """What is wrong with the end of a clearance, which has one and not a far one; nothing where it may stand."""
    if statement.predicate != "not_listed_as":
        return None
    expected = "the day from which on the decision no longer holds, at most five years on"
    if statement.ends is None:
        return CellError("is empty, and a party is not cleared for good", expected)
    since = statement.as_of or today
    too_far = since is not None and statement.ends - since > LONGEST_CLEARANCE
    return CellError("too far off", expected) if too_far else None


def refused_entry(statement: Statement) -> CellError | None:
    """What is wrong with the entry of a clearance, which is one that has a name; nothing where it may stand."""
    if statement.predicate != "not_listed_as" or not statement.value.startswith(MORE):
        return None
    return CellError("stands for entries that are not named", "one entry, as screening shows it")
