"""
Files of recorded truth, row by row: a row that cannot be used is told with its reason, and stops nothing.

That is why they are not read as a sheet of the provider's is, of which nothing is used where one cell is wrong.
"""

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 1e10  # devices, seconds, or TFLOP/s of one: as in a recording, no run has more, a slip may
LEAST = 1 / MOST
NOT_THERE = "is not there"


class BadCell(ValueError):
    """A cell that a row cannot do without: which column, and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a CSV file, numbered as a spreadsheet does: the header is row 1."""

    file: str
    number: int
    cells: Mapping[str, str]

    def word(self, column: str) -> str:
        """What stands there, or nothing."""
        return self.cells.get(column, "").strip()

    def text(self, column: str) -> str:
        """What stands there. Raises BadCell where nothing does."""
        if word := self.word(column):
            return word
        raise BadCell(f"{column} is empty" if column in self.cells else f"there is no column {column}")

    def amount(self, column: str, most: float) -> float:
        """A number above 0, from LEAST to ``most``. Raises BadCell."""
        word = self.text(column)
        number = number_of(word)
        if number is None or not LEAST <= number <= most:
            raise BadCell(f"{column} {word!r} is not a number above 0, up to {most:g}")
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A row that was left out, and why."""

    file: str
    row: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[T]):
    """What a file gave. ``fault``: why it gave nothing at all; empty: it could be read."""

    file: str
    found: tuple[T, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    fault: str = ""


def number_of(word: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_rows(path: Path, make: Callable[[Row], T]) -> Read[T]:
    """Every row of a CSV as what ``make`` makes of it; those of which it raises BadCell are unusable."""
    found: list[T] = []
    unusable: list[Unusable] = []
    try:
        for row in _rows(path):
            try:
                found.append(make(row))
            except BadCell as error:
                unusable.append(Unusable(file=row.file, row=row.number, reason=str(error)))
    except FileNotFoundError:
        return Read(file=path.name, fault=NOT_THERE)
    except (OSError, csv.Error) as error:
        return Read(file=path.name, fault=f"cannot be read as CSV: {error}")
    return Read(file=path.name, found=tuple(found), unusable=tuple(unusable))


def _rows(path: Path) -> Iterator[Row]:
    """Cells beyond the header are left out and missing ones are empty: whoever asks for one is told."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for number, cells in enumerate(csv.DictReader(file, restval="", restkey=""), start=2):
            yield Row(file=path.name, number=number, cells={name: text for name, text in cells.items() if name})
