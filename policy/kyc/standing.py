"""
Which of several words about one thing stand, and in what order they are told.

Sources may contradict one another. Both statements stay, and whoever asks sees both. Within one source a newer
statement (by ``as_of``) takes the place of an older one, where the two cannot be beside each other. An undated one
is not known to be older than any, and so stays too.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from policy.kyc.statements import Statement
from policy.kyc.vocabulary import PREDICATES, SELF, Confidence

_CONFIDENCE = list(Confidence)


def standing(said: Sequence[Statement], predicate: str) -> tuple[Statement, ...]:
    """Of what holds of one subject and predicate what stands, the best known first."""
    about = PREDICATES[predicate]
    by_source: dict[tuple[str, str], list[Statement]] = {}
    for each in _not_superseded(said) if about.may_be_self else said:
        by_source.setdefault((each.source, each.value if about.many else ""), []).append(each)
    return ordered(each for those in by_source.values() for each in _newest(those))


def ordered(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Each once, the best known first, then the newest."""
    return tuple(sorted(set(statements), key=lambda each: (_rank(each), -_as_of(each).toordinal(), repr(each))))


def _newest(statements: Sequence[Statement]) -> list[Statement]:
    newest = max(map(_as_of, statements))
    return [each for each in statements if each.as_of is None or _as_of(each) == newest]


def _not_superseded(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Without those after which the same source said the opposite: somebody for the subject itself, or the reverse."""
    newest: dict[tuple[str, bool], date] = {}
    for each in statements:
        key = (each.source, each.value == SELF)
        newest[key] = max(newest.get(key, date.min), _as_of(each))
    for each in statements:
        if each.as_of is None or newest.get((each.source, each.value != SELF), date.min) <= _as_of(each):
            yield each


def _rank(statement: Statement) -> int:
    known = statement.confidence in _CONFIDENCE
    return _CONFIDENCE.index(Confidence(statement.confidence)) if known else len(_CONFIDENCE)


def _as_of(statement: Statement) -> date:
    return statement.as_of or date.min
