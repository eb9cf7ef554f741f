"""
Two ids of one party become one: where somebody says so, or where both carry the same Legal Entity Identifier.

A register's file calls a party by the register's number, the provider by an id of its own. What a register knows about
a customer reaches the tenant only where the two are known to be one. They are taken for one by two things alone: a
statement ``same_as``, and an equal LEI, which the Global LEI Foundation gives to one party only. Equal names are none.
Where more than one LEI is said of a party, by whatever sources, one of them is wrong, and none of them joins anything.

Both clocks are kept. Two ids are one for as long as that is known and is said to be true: before that day, and after
it was withdrawn, each speaks for itself. So nothing counts as known before it was, and what was known under a party's
own id is known since the same day as ever. An account keeps its id: what is joined is the party behind it.

What was said of, or about, another id tells that id, for a reviewer to see what rests on the two being one.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple, TypeVar

import polars as pl

from policy.frames import schema
from policy.kyc.directory import Directory
from policy.kyc.lei import told_leis
from policy.kyc.statements import ORIGINAL
from policy.kyc.vocabulary import PREDICATES, ValueKind

Each = TypeVar("Each")
REGISTERS = ("lei:", "ftm:")
"""How the ids begin that importers make; of two ids of one party another one stands for both."""
_OF_PARTIES = [name for name, each in PREDICATES.items() if each.kind is ValueKind.PARTY]
_ABOUT_PARTIES = [name for name, each in PREDICATES.items() if each.about == "party"]
_ABOUT_EITHER = [name for name, each in PREDICATES.items() if each.about == "either"]
_NUMBER = "\n"
"""Before an LEI, where it stands among ids: no id begins with it."""
_NAMES = schema(
    {
        "id": pl.String,
        "name": pl.String,  # what stands for the id while the following holds; the id itself included
        "name_known_from": pl.Date,
        "name_known_to": pl.Date,
        "name_begins": pl.Date,
        "name_ends": pl.Date,
    }
)


class _Span(NamedTuple):
    """Days from the first one to before the last one; the calendar's ends where it is open."""

    first: date
    last: date

    @classmethod
    def of(cls, first: date | None, last: date | None) -> "_Span":
        return cls(first or date.min, last or date.max)

    def covers(self, other: "_Span") -> bool:
        return self.first <= other.first and other.last <= self.last

    @property
    def days(self) -> tuple[date | None, date | None]:
        first = None if self.first == date.min else self.first
        return first, None if self.last == date.max else self.last


class _Link(NamedTuple):
    """An id, and another one of the same party or an LEI; while it was known, and while it was true."""

    one: str
    other: str
    known: _Span
    true: _Span


def joined(directory: Directory) -> Directory:
    """The same statements, with one id for each party at a time, and the columns :data:`ORIGINAL`."""
    rows = [row for links in _components(_links(directory.frame)) for row in _names_over_time(links)]
    names = pl.DataFrame(rows, schema=_NAMES, orient="row")
    frame = directory.frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in ORIGINAL.items())
    if not rows:
        return Directory(frame=frame, digest=directory.digest)
    tenants = pl.Series(sorted(directory.tenants), dtype=pl.String)
    is_party = pl.col("predicate").is_in(_ABOUT_PARTIES)
    is_party |= pl.col("predicate").is_in(_ABOUT_EITHER) & ~pl.col("subject").is_in(tenants.implode())
    frame = _renamed(frame, names, "subject", is_party)
    frame = _renamed(frame, names, "value", pl.col("predicate").is_in(_OF_PARTIES))
    is_renamed = pl.any_horizontal(pl.col(name).is_not_null() for name in ORIGINAL)
    of_itself = is_renamed & pl.col("predicate").is_in(_ABOUT_PARTIES) & (pl.col("subject") == pl.col("value"))
    return Directory(frame=frame.filter(~of_itself), digest=directory.digest)


def _renamed(frame: pl.DataFrame, names: pl.DataFrame, column: str, is_meant: pl.Expr) -> pl.DataFrame:
    """The rows with the name for the id in a column, each parted where the name changes."""
    is_touched = is_meant & pl.col(column).is_in(names["id"].unique().implode()) & _has_time()
    touched = frame.filter(is_touched).join(names, left_on=column, right_on="id", how="inner")
    parted = touched.with_columns(
        pl.col("name").alias(column),
        pl.when(pl.col("name") != pl.col(column)).then(column).alias(f"as_{column}"),
        known_from=pl.max_horizontal("known_from", "name_known_from"),
        known_to=pl.min_horizontal("known_to", "name_known_to"),
        begins=pl.max_horizontal("begins", "name_begins"),
        ends=pl.min_horizontal("ends", "name_ends"),
    )
    return pl.concat([frame.filter(~is_touched), parted.filter(_has_time()).select(frame.columns)])


def _has_time() -> pl.Expr:
    """Whether a row was known and true on any day at all; one that was not stays as it is."""
    known, true = pl.col("known_from") < pl.col("known_to"), pl.col("begins") < pl.col("ends")
    return known.fill_null(value=True) & true.fill_null(value=True)


def _links(frame: pl.DataFrame) -> list[_Link]:
    """What makes two ids one: statements, and the LEIs of ids of which another has the same or that these name."""
    timed = frame.filter(_has_time())
    said = timed.filter(pl.col("predicate") == "same_as")
    lei = told_leis(timed).with_columns(value=_NUMBER + pl.col("value"))
    shared = lei.filter(pl.col("subject").n_unique().over("value") > 1)["subject"]
    asked = pl.concat([shared, said["subject"], said["value"]]).unique()
    both = pl.concat([said, lei.filter(pl.col("subject").is_in(asked.implode()))])
    columns = ("subject", "value", "known_from", "known_to", "begins", "ends")
    rows = both.select(columns).unique().sort(columns).iter_rows()
    return [_Link(one, other, _Span.of(*days[:2]), _Span.of(*days[2:])) for one, other, *days in rows]


def _components(links: Sequence[_Link]) -> Iterator[list[_Link]]:
    """The links in parts that have nothing to do with one another at any time."""
    roots = _roots((each.one, each.other) for each in links)
    parts: dict[str, list[_Link]] = {}
    for each in links:
        parts.setdefault(roots[each.one], []).append(each)
    return iter(parts.values())


def _roots(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each of the ids one that it has in common with all that it is paired with, however far."""
    above: dict[str, str] = {}

    def root(each: str) -> str:
        while above.setdefault(each, each) != each:
            above[each] = above[above[each]]
            each = above[each]
        return each

    for one, other in pairs:
        above[root(one)] = root(other)
    return {each: root(each) for each in list(above)}


def _names_over_time(links: Sequence[_Link]) -> Iterator[tuple[object, ...]]:
    """Rows in :data:`_NAMES` that together are all time, for each id that has another name at some."""
    ids = {each for link in links for each in (link.one, link.other) if not each.startswith(_NUMBER)}
    known_spans, true_spans = _spans(each.known for each in links), _spans(each.true for each in links)
    names = {
        (known, true): _names([each for each in links if each.known.covers(known) and each.true.covers(true)])
        for true in true_spans
        for known in known_spans
    }
    for each in sorted(ids):
        by_true = [
            (true, _put([(known, names[known, true].get(each, each)) for known in known_spans])) for true in true_spans
        ]
        rows = [(*of_true, true) for true, found in _put(by_true) for of_true in found]
        if any(name != each for _, name, _ in rows):
            yield from ((each, name, *known.days, *true.days) for known, name, true in rows)


def _put(cells: Iterable[tuple[_Span, Each]]) -> tuple[tuple[_Span, Each], ...]:
    """The same with spans put together where nothing changes from one to the next."""
    found: list[tuple[_Span, Each]] = []
    for value, same in groupby(cells, key=itemgetter(1)):
        spans = [span for span, _ in same]
        found.append((_Span(spans[0].first, spans[-1].last), value))
    return tuple(found)


def _spans(spans: Iterable[_Span]) -> list[_Span]:
    """All time, parted at the ends of these."""
    days = {day for span in spans for day in span} | {date.min, date.max}
    return [_Span(*ends) for ends in pairwise(sorted(days))]


def _names(links: Sequence[_Link]) -> dict[str, str]:
    """The id that stands for each id, by links that hold at one time."""
    said = [(each.one, each.other) for each in links if not each.other.startswith(_NUMBER)]
    by_lei = [(each.one, each.other) for each in links if each.other.startswith(_NUMBER)]
    parties = _roots(said)
    numbers: dict[str, set[str]] = {}
    for one, number in by_lei:
        numbers.setdefault(parties.get(one, one), set()).add(number)
    certain = [(one, number) for one, number in by_lei if len(numbers[parties.get(one, one)]) == 1]
    groups: dict[str, list[str]] = {}
    for each, root in _roots([*said, *certain]).items():
        groups.setdefault(root, []).append(each)
    chosen = ((group, _chosen(group)) for group in groups.values())
    return {each: name for group, name in chosen for each in group}


def _chosen(group: Iterable[str]) -> str:
    return min((each for each in group if not each.startswith(_NUMBER)), key=_preference)


def _preference(party_id: str) -> tuple[bool, str]:
    return party_id.startswith(REGISTERS), party_id
