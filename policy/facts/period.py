"""
Times in which something holds: from a first day on, until the first day on which it no longer does.

Rows of one history neither overlap nor, where something must hold on every day, leave a gap.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Protocol, TypeVar

from policy.facts.evidence import Layer
from policy.facts.tables import wrong_in

BEFORE_RECORDS = date.min
STILL_VALID = date.max
FIELD = "valid_from"  # where an error about the order of rows is said to be


class Dated(Protocol):
    """Anything with a time in which it holds."""

    @property
    def valid_from(self) -> date:
        """The first day."""
        ...

    @property
    def valid_to(self) -> date:
        """The first day after it."""
        ...


Row = TypeVar("Row", bound=Dated)


def holds(row: Dated, at: date) -> bool:
    """Whether the row speaks of this day."""
    return row.valid_from <= at < row.valid_to


def those_of(rows: Iterable[Row], at: date) -> tuple[Row, ...]:
    """The rows that speak of this day."""
    return tuple(row for row in rows if holds(row, at))


def days_of_change(rows: Iterable[Dated]) -> tuple[date, ...]:
    """Every day on which one of the rows begins or ends, oldest first."""
    days = {day for row in rows for day in (row.valid_from, row.valid_to)}
    return tuple(sorted(days - {BEFORE_RECORDS, STILL_VALID}))


def check_order(row: Dated, layer: Layer, table: str) -> None:
    """Raise :class:`FactsError` for a row that ends before it begins."""
    if row.valid_to <= row.valid_from:
        raise wrong_in(layer, table, FIELD, "the row ends before it begins", "put the days in order")


def check_apart(rows: Sequence[Dated], layer: Layer, table: str) -> None:
    """Raise :class:`FactsError` for two rows that speak of one day."""
    for earlier, later in pairwise(sorted(rows, key=lambda row: row.valid_from)):
        if later.valid_from < earlier.valid_to:
            raise wrong_in(
                layer, table, FIELD, _meet("overlap", later), "end the earlier one first: on any day one row speaks"
            )


def check_history(rows: Sequence[Dated], layer: Layer, table: str, field: str) -> None:
    """Raise :class:`FactsError` for a history without rows, with a row out of order, a gap or an overlap."""
    if not rows:
        raise wrong_in(layer, table, field, "is empty", "add its rows")
    for row in rows:
        check_order(row, layer, table)
    check_seamless(rows, layer, table)


def check_seamless(rows: Sequence[Dated], layer: Layer, table: str) -> None:
    """Raise :class:`FactsError` unless each row begins on the day on which another ends, and the last does not end."""
    check_apart(rows, layer, table)
    ordered = sorted(rows, key=lambda row: row.valid_from)
    for earlier, later in pairwise(ordered):
        if later.valid_from > earlier.valid_to:
            raise wrong_in(
                layer, table, FIELD, _meet("gap", later), "let every row begin on the day on which another ends"
            )
    if ordered[-1].valid_to != STILL_VALID:
        problem = f"nothing is said from {ordered[-1].valid_to.isoformat()} on"
        raise wrong_in(layer, table, FIELD, problem, "leave out the end of the last row")


def _meet(what: str, later: Dated) -> str:
    return f"{what} before the row that begins on {later.valid_from.isoformat()}"
