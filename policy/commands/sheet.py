"""
How ``flopwatch facts`` prints an answer: blocks of text and tables for people, one JSON document for programs.

A table takes the width that there is and folds what is longer, at words where it can. Where not even its longest words
fit beside each other, each row becomes a paragraph. Nothing is cut off.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from itertools import groupby
from typing import Any

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from policy.commands.options import PlainConsole, print_json, shown
from policy.facts.evidence import Document, Layer, Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID

PLAIN_WIDTH = 140  # where nobody says how wide: neither a terminal nor COLUMNS
LAYOUTS = ((2, 40), (1, 40), (2, 20), (1, 20))
"""Gap between columns, and the longest word that is never folded, as the id of a document; the first that fits."""

INDENT = 4  # of what stands under a row of a table
LONG = 1000
"""From so many rows on a table is written row by row."""
LABELLED = ("", "")
"""The columns of an answer about one thing: what is said, and how; the first is never folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """
    A table under a title. ``empty`` stands in its place where it has no row; without it nothing does.

    ``below``: the columns of sentences. Where a row does not fit on one line they stand under it, across the width.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""
    below: tuple[str, ...] = ()


Block = str | Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One answer: blocks for people, and the same for programs."""

    blocks: tuple[Block, ...]
    content: Mapping[str, object]


def print_sheet(sheet: Sheet, form: str) -> None:
    """Print it on standard output; ``form``: table or json."""
    if form == "json":
        print_json(sheet.content)
        return
    console = PlainConsole()
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console = PlainConsole(width=PLAIN_WIDTH)
    for number, block in enumerate(sheet.blocks):
        if isinstance(block, Grid):
            _print_grid(console, block, first=number == 0)
        else:
            console.print(Text(one_line(block), overflow="fold"))


def one_line(text: str) -> str:
    """The text on one line: what a file folds is unfolded, and a terminal obeys nothing of it."""
    return shown(" ".join(text.split()))


def _print_grid(console: PlainConsole, grid: Grid, *, first: bool) -> None:
    if not grid.rows and not grid.empty:
        return
    if not first:
        console.print()
    if grid.title:
        console.print(Text(one_line(grid.title), style="bold", overflow="fold"))
    if not grid.rows:
        console.print(Text(one_line(grid.empty), overflow="fold"))
        return
    rows = [tuple(one_line(cell) or "-" for cell in row) for row in grid.rows]
    if grid.below and not _fits(grid.columns, rows, console.width):
        _print_with_sentences(console, grid, rows)
    elif layout := _layout(grid.columns, rows, console.width):
        _print_table(console, grid.columns, rows, *layout)
    else:
        _print_paragraphs(console, grid.columns, rows)


def _fits(columns: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> bool:
    """Whether every row has room on one line."""
    wanted = [max(_length(row[at]) for row in (columns, *rows)) for at in range(len(columns))]
    return sum(wanted) + LAYOUTS[0][0] * (len(columns) - 1) <= width


def _layout(columns: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> tuple[list[int], int] | None:
    """The widths of the columns and the gap between them; None where not even the words fit."""
    for gap, whole in LAYOUTS:
        if widths := _widths(columns, rows, width - gap * (len(columns) - 1), whole):
            return widths, gap
    return None


def _print_with_sentences(console: PlainConsole, grid: Grid, rows: list[tuple[str, ...]]) -> None:
    """Each row of the short columns, and under it the sentences that it has."""
    short = [at for at, name in enumerate(grid.columns) if name not in grid.below]
    long = [at for at, name in enumerate(grid.columns) if name in grid.below]
    columns = tuple(grid.columns[at] for at in short)
    heads = [tuple(row[at] for at in short) for row in rows]
    layout = _layout(columns, heads, console.width)
    if layout is None:
        _print_paragraphs(console, grid.columns, rows)
        return
    for number, (head, row) in enumerate(zip(heads, rows, strict=True)):
        console.print(_table(columns, [head], *layout, header=number == 0))
        for at in long:
            if row[at] != "-":
                said = Text(f"{grid.columns[at]}: {row[at]}", overflow="fold")
                console.print(Padding(said, (0, 0, 0, INDENT), expand=False))


def _print_table(
    console: PlainConsole, columns: tuple[str, ...], rows: list[tuple[str, ...]], widths: list[int], gap: int
) -> None:
    """A long table is written row by row, in the same form: measuring a hundred thousand rows once more takes long."""
    if len(rows) < LONG:
        console.print(_table(columns, rows, widths, gap))
        return
    console.print(_table(columns, rows[:1], widths, gap))
    for fits, some in groupby(
        rows[1:], lambda row: all(_length(cell) <= at for cell, at in zip(row, widths, strict=True))
    ):
        if fits:
            console.file.write("".join(f"{_padded(row, widths, gap)}\n" for row in some))
        else:
            console.print(_table(columns, some, widths, gap, header=False))


def _padded(row: tuple[str, ...], widths: list[int], gap: int) -> str:
    return (" " * gap).join(cell + " " * (at - _length(cell)) for cell, at in zip(row, widths, strict=True))


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _table(
    columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: list[int], gap: int, *, header: bool = True
) -> Table:
    has_header = header and columns != LABELLED
    table = Table(box=None, header_style="bold", show_header=has_header, pad_edge=False, padding=(0, gap, 0, 0))
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, width=width, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    return table


def _print_paragraphs(console: PlainConsole, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    names = 2 if columns[0] == "" != columns[1] else 1  # a box to tick stands beside what it is about
    for row in rows:
        console.print(Text(" ".join(row[:names]), style="bold", overflow="fold"))
        for name, cell in zip(columns[names:], row[names:], strict=True):
            said = Text(f"{name}: {cell}" if name else cell, overflow="fold")
            console.print(Padding(said, (0, 0, 0, min(2, console.width // 4)), expand=False))


def _widths(columns: tuple[str, ...], rows: list[tuple[str, ...]], width: int, whole: int) -> list[int]:
    """Of each column, so that no word of at most ``whole`` is broken; none where there is no room for that."""
    cells = [[name, *(row[at] for row in rows)] for at, name in enumerate(columns)]
    wanted = [max(map(_length, column)) for column in cells]
    widths = [max(min(_length(word), whole) for cell in column for word in (cell.split() or [""])) for column in cells]
    if columns[0] == "":  # a label, or a box to tick
        widths[0] = wanted[0]
    left = width - sum(widths)
    if left < 0:
        return []
    for _ in range(min(left, sum(wanted) - sum(widths))):
        folded = [at for at, width in enumerate(widths) if width < wanted[at]]
        widths[min(folded, key=widths.__getitem__)] += 1
    return widths


def plain(value: Any) -> Any:
    """A row as JSON has it: a day without records or without end is null, a source the ids of its documents."""
    if isinstance(value, Source):
        documents = [document.id for document in value.documents]
        return {"documents": documents, "evidence": value.evidence, "layer": value.layer.words or None}
    if isinstance(value, date):
        return None if value in (BEFORE_RECORDS, STILL_VALID) else value.isoformat()
    if isinstance(value, Layer):
        return {name: plain(getattr(value, name)) for name in ("kind", "name", "reason", "decided_on", "file")}
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def ids(*sources: Source) -> str:
    """The ids of the documents, and the layers that are not flopwatch's own: ``fr_86_70015; override our-counsel``."""
    found = dict.fromkeys(document.id for source in sources for document in source.documents)
    layers = dict.fromkeys(f"{source.layer.kind} {source.layer.name}" for source in sources if source.layer.words)
    return "; ".join(filter(None, (", ".join(found), *layers)))


def documents_of(sources: Iterable[Source]) -> tuple[Document, ...]:
    """The documents, each once, in the order in which they are cited."""
    return tuple({document.id: document for source in sources for document in source.documents}.values())


def cited(sources: Iterable[Source], at: date) -> Grid:
    """What the ids in the tables above stand for."""
    rows = tuple(
        (each.id, each.citation, each.evidence, each.read_on.isoformat(), past_words(each, at))
        for each in documents_of(sources)
    )
    columns = ("id", "document", "evidence", "read on", "good through")
    return Grid(title="Sources", columns=columns, rows=rows, below=("document",))


def past_words(document: Document, at: date) -> str:
    """Its last good day, and whether that is past."""
    return f"{document.good_through.isoformat()}{' (past)' if document.good_through < at else ''}"


def day_words(day: date, otherwise: str = "") -> str:
    """The day, or ``otherwise`` where there is none: before records, or without an end."""
    return otherwise if day in (BEFORE_RECORDS, STILL_VALID) else day.isoformat()
