"""
From the bytes of a file to its rows: CSV with a header, or JSON Lines, which is one object a line.

The columns are fixed: one that is not among them makes the whole file useless, so that nothing about natural persons
slips in. Which of the two a file is shows in its first character.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from policy.kyc.importing.problems import WHOLE_ROW, Rows, shown_word
from policy.kyc.repeated import NOT_REPEATED
from policy.kyc.written import Broken, NoObject, Number, csv_records, filled_lines, json_object, text_of

Record = Mapping[str, str]
"""A row: text by column. Of JSON ``null``, and a key that is not there, are an empty cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that a file may have, and those that CSV must have. ``numbers``: where JSON may have a number."""

    known: tuple[str, ...]
    needed: Collection[str]
    numbers: Collection[str] = ()

    @property
    def words(self) -> str:
        """What is expected of a header."""
        only = "exactly these columns" if len(self.needed) == len(self.known) else "only these columns"
        return f"{only}, parted by commas: {', '.join(self.known)}"


def records(rows: Rows, content: bytes, columns: Columns) -> Iterator[tuple[int, Record]]:
    """Every row with the line it begins on; a row that is none is noted. Raises Unreadable."""
    try:
        text = text_of(content)
        read = _objects if text.lstrip()[:1] == "{" else _lines
        yield from read(rows, text, columns)
    except Broken as broken:
        rows.stop(*broken.said)


def _lines(rows: Rows, text: str, columns: Columns) -> Iterator[tuple[int, Record]]:
    found = csv_records(text)
    _, header = next(found, (1, []))
    _check_header(rows, header, columns)
    for line, cells in found:
        rows.begin(line)
        if len(cells) != len(header):
            rows.note(line, WHOLE_ROW, f"{len(cells)} cells", "not as many as the header", f"{len(header)} cells")
        else:
            yield line, dict(zip(header, cells, strict=True))


def _check_header(rows: Rows, header: list[str], columns: Columns) -> None:
    """Hold the header against the columns. Under a wrong one no cell has a meaning. Raises Unreadable."""
    for column in columns.known:
        if column in columns.needed and column not in header:
            rows.spoil(1, column, "(no such column)", "the column is missing", columns.words)
    is_header = any(column in columns.known for column in header)
    for column in header:
        if column not in columns.known:
            named = shown_word(column) if is_header else NOT_REPEATED
            rows.spoil(1, named, "(one column too many)", "the column is not one of this file's", columns.words)
    for column in sorted({column for column in header if column in columns.known and header.count(column) > 1}):
        rows.spoil(1, column, "(several columns)", "the column is there more than once", columns.words)
    rows.stop_if_spoiled()


def _objects(rows: Rows, text: str, columns: Columns) -> Iterator[tuple[int, Record]]:
    """The objects of the lines; empty lines are passed over."""
    for line, written in filled_lines(text):
        rows.begin(line)
        try:
            found = json_object(written)
        except NoObject as error:
            rows.note(line, WHOLE_ROW, NOT_REPEATED, str(error), "one JSON object a line, each key once")
        else:
            yield from _row(rows, line, found, columns)
    rows.stop_if_spoiled()


def _row(rows: Rows, line: int, found: Mapping[str, object], columns: Columns) -> Iterator[tuple[int, Record]]:
    """The row, if every key is a column and every value could be a cell."""
    for key in found:
        if key not in columns.known:
            rows.spoil(line, shown_word(key), "(one key too many)", "the key is not one of this file's", columns.words)
    cells = {key: _cell(value, may_be_number=key in columns.numbers) for key, value in found.items()}
    odd = [key for key, cell in cells.items() if cell is None and key in columns.known]
    for key in odd:
        rows.note(line, key, NOT_REPEATED, "not a JSON string", "a string in quotes, or null")
    if not odd:
        full = dict.fromkeys(columns.known, "")
        yield line, full | {key: cell for key, cell in cells.items() if key in full and cell is not None}


def _cell(value: object, *, may_be_number: bool) -> str | None:
    """The value as a cell of CSV would have it; nothing where it could not be in one."""
    if value is None:
        return ""
    if not isinstance(value, Number):
        return value if isinstance(value, str) else None
    number = float(value)
    return f"{number:.9f}".rstrip("0").rstrip(".") if may_be_number and isfinite(number) else None
