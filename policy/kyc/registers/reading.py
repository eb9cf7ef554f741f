"""
A register as people hand it over: CSV or JSON Lines with fixed columns, read whole or not at all.

The columns are fixed in both directions, so that nothing slips in that nobody asked for. A file that begins with a
brace is JSON Lines, one object a line. Every problem is told with its line and column; rows are accepted or reported,
and none is passed over.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from policy.kyc.cells import CellError
from policy.kyc.problems import KycError, KycProblem
from policy.kyc.repeated import NOT_REPEATED, repeated
from policy.kyc.written import Broken, NoObject, content_of, csv_records, filled_lines, json_object, text_of

Cell = str | int | float | date | datetime | None
Row = tuple[int, Mapping[str, Cell]]
"""The line it begins on, and its cells by column."""

NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|\+00:00))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """
    How the cells of a column are read; ``read`` raises CellError.

    ``may_be_empty``: an empty cell is a null. ``may_be_missing``: the whole column may. ``shown``: errors
    repeat a cell that looks like a code, a day, a number or an id.
    """

    read: Callable[[str], Cell]
    may_be_empty: bool = False
    may_be_missing: bool = False
    shown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A file as read: its rows, the columns that any of them has, and the SHA-256, in hex, of its bytes."""

    rows: tuple[Row, ...]
    columns: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The file being read and the problems found in it so far."""

    path: Path
    found: list[KycProblem] = field(default_factory=list)

    def note(self, line: int, column: str, value: str, problem: str, expected: str) -> None:
        """Add a problem."""
        self.found.append(
            KycProblem(file=self.path.name, line=line, column=column, value=value, problem=problem, expected=expected)
        )

    def stop(self, line: int, problem: str, expected: str) -> KycError:
        """Note a problem after which the file cannot be read further."""
        self.note(line, "whole file", "(the file)", problem, expected)
        return KycError(self.path, self.found)

    def settle(self) -> None:
        """Raise :class:`KycError` if there is any problem."""
        if self.found:
            raise KycError(self.path, self.found)


def read_register(place: Place, columns: Mapping[str, Column]) -> Register:
    """Read a file in UTF-8; what is wrong with cells goes into ``place``. Raises KycError where it cannot go on."""
    try:
        content = content_of(place.path)
        text = text_of(content)
        records = _json_lines if text.lstrip().startswith("{") else _csv
        written = list(records(place, text, columns))
    except Broken as broken:
        raise place.stop(*broken.said) from broken
    if not written and not place.found:
        raise place.stop(1, "has no row in it, as a copy that was broken off", "one row or more")
    rows = tuple((line, _row(place, line, cells, columns)) for line, cells in written)
    present = frozenset(name for _, cells in written for name in cells)
    return Register(rows=rows, columns=present, digest=hashlib.sha256(content).hexdigest())


def read_moment(text: str) -> datetime:
    """Read a moment in UTC, as 2026-07-23T10:00:00Z, or a day, which means its beginning."""
    expected = "a moment in UTC as 2026-07-23T10:00:00Z, or a day as 2026-07-23"
    if not _MOMENT.fullmatch(text):
        raise CellError("no moment in UTC", expected)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise CellError("no such moment", expected) from error


def as_written(text: str) -> str:
    """Take any text as it is."""
    return text


Written = Iterator[tuple[int, dict[str, str]]]


def _csv(place: Place, text: str, columns: Mapping[str, Column]) -> Written:
    """Every record as texts, with the line it begins on."""
    header: list[str] = []
    for line, record in csv_records(text):
        if not header:
            header = _header(place, line, record, columns)
        elif len(record) != len(header):
            problem = f"not as many as the header, which has {len(header)}"
            place.note(line, "whole row", f"({len(record)} cells)", problem, "one cell for each column")
        else:
            yield line, dict(zip(header, record, strict=True))


def _header(place: Place, line: int, header: list[str], columns: Mapping[str, Column]) -> list[str]:
    """Raise at once for a wrong header: under it no cell has a meaning."""
    _note_names(place, line, header, columns)
    for name in sorted({name for name in header if header.count(name) > 1}):
        place.note(line, _named(name, columns), "(several columns)", "the column is there more than once", "it once")
    place.settle()
    return header


def _note_names(place: Place, line: int, names: list[str], columns: Mapping[str, Column]) -> None:
    required = [name for name, column in columns.items() if not column.may_be_missing]
    others = [name for name in columns if name not in required]
    expected = f"the columns {', '.join(required)}" + (f", and if there are any {', '.join(others)}" if others else "")
    for name in required:
        if name not in names:
            place.note(line, name, "(no such column)", "the column is missing", expected)
    for name in names:
        if name not in columns:
            place.note(line, _named(name, columns), "(one column too many)", "no column of this file", expected)


def _named(name: str, columns: Mapping[str, Column]) -> str:
    """A column by its name where it is one of ours: in a file without a header a cell stands in the name's place."""
    return name if name in columns else "unknown column"


def _json_lines(place: Place, text: str, columns: Mapping[str, Column]) -> Written:
    """Every object as texts, with its line."""
    for line, written in filled_lines(text):
        try:
            cells = _texts(json_object(written))
        except NoObject as error:
            problem = f"no JSON object of texts and numbers: {error}"
            place.note(line, "whole row", NOT_REPEATED, problem, "one object a line, every key once")
            continue
        before = len(place.found)
        _note_names(place, line, list(cells), columns)
        if len(place.found) == before:
            yield line, cells


def _texts(found: Mapping[str, object]) -> dict[str, str]:
    """The values as cells, numbers as they were written. Raises NoObject for anything else."""
    cells = {name: "" if value is None else value for name, value in found.items()}
    texts = {name: str(value) for name, value in cells.items() if isinstance(value, str)}
    if len(texts) < len(cells):
        raise NoObject("a value is neither")
    return texts


def _row(place: Place, line: int, cells: Mapping[str, str], columns: Mapping[str, Column]) -> Mapping[str, Cell]:
    row: dict[str, Cell] = dict.fromkeys(columns)
    for name, text in cells.items():
        try:
            row[name] = _cell(columns[name], text)
        except CellError as error:
            value = repeated(text) if columns[name].shown else NOT_REPEATED
            place.note(line, name, value, error.problem, error.expected)
    return row


def _cell(column: Column, text: str) -> Cell:
    if not text and column.may_be_empty:
        return None
    if not text:
        raise CellError("is empty", "a value in every row")
    if text != text.strip() or not text.isprintable():
        raise CellError("has spaces around it or characters that cannot be printed", "the value alone, on one line")
    return column.read(text)
