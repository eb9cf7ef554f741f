"""
A CSV file as a frame of texts, whole or not at all.

The standard library's ``csv`` reads it and nothing else does: two readers that disagree about a quotation mark would
check one table and use another. It is strict, so that text after a closing quote ends the reading instead of the rows.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl

CHUNK_ROWS = 50_000  # rows that wait as Python lists before they become a frame: some tens of megabytes


class SheetError(ValueError):
    """A file that is no CSV: in which row, and what is wrong."""


def read_sheet(path: Path) -> pl.DataFrame:
    """
    The rows of a CSV in UTF-8, every cell as text; an empty one is an empty text.

    Every row has the header's cells, and every column a name of its own. Raises SheetError, or OSError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            numbered = _numbered(csv.reader(file, strict=True))
            _, header = next(numbered, (1, []))
            _refuse_repeated(header)
            chunks = list(_chunks(header, numbered))
    except UnicodeDecodeError as error:
        raise SheetError(f"cannot be read as CSV in UTF-8: {error}") from error
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(header, pl.String)), *chunks])


def _numbered(rows: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """The rows with their numbers, as a spreadsheet counts them."""
    number = 1
    try:
        for row in rows:
            yield number, row
            number += 1
    except csv.Error as error:
        raise SheetError(f"row {number}: cannot be read as CSV: {error}") from error


def _refuse_repeated(header: list[str]) -> None:
    twice = [name for place, name in enumerate(header) if name in header[:place]]
    if twice:
        raise SheetError(f"row 1: two columns are called {twice[0]!r}")


def _chunks(header: list[str], numbered: Iterator[tuple[int, list[str]]]) -> Iterator[pl.DataFrame]:
    waiting: list[list[str]] = []
    for number, row in numbered:
        if len(row) != len(header):
            column = f", column {header[len(row)]}" if len(row) < len(header) else ""
            raise SheetError(f"row {number}{column}: {len(row)} cells where the header has {len(header)}")
        waiting.append(row)
        if len(waiting) == CHUNK_ROWS:
            yield _frame(header, waiting)
            waiting = []
    yield _frame(header, waiting)


def _frame(header: list[str], rows: list[list[str]]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    return pl.DataFrame([pl.Series(name, column, pl.String) for name, column in zip(header, columns, strict=True)])
