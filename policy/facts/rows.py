"""
Every row of the facts that names a source, in one walk: of which topic and table it is, and what it is called there.

What a row is called is what an error about it, or an overlay that replaces it, calls it. Left out: tiers that the
provider set, which have no source but the provider.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any

from policy.facts.evidence import Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID
from policy.facts.tables import NAMED_TOGETHER, NAMING
from policy.facts.tiers import LegalThreshold

TABLES = {"by_name": "tier", "legal": "legal_threshold"}
"""Tables whose field has another name in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """One row. ``name``: empty where the table is one row; of a row within another it begins with that one's."""

    topic: str
    table: str
    name: str
    row: Any
    source: Source

    @property
    def title(self) -> str:
        """``[membership] D:5 KH``."""
        return f"[{self.table}] {self.name}".rstrip()

    @property
    def basis(self) -> str | None:
        """What sort of knowledge a number that we chose rests on; None for what a text could tell."""
        return getattr(self.row, "basis", None)

    def speaks(self, at: date) -> bool:
        """Whether it says something about this day; a row without days always does."""
        if isinstance(self.row, LegalThreshold):
            return self.row.at(at) is not None
        first, end = getattr(self.row, "valid_from", BEFORE_RECORDS), getattr(self.row, "valid_to", STILL_VALID)
        return bool(first <= at < end)


def rows_of(facts: Any) -> tuple[FactRow, ...]:
    """The rows of a :class:`policy.facts.facts.Facts`, which is not named here so that it may ask for them itself."""
    topics = ((each.name, getattr(facts, each.name)) for each in fields(facts))
    return tuple(row for name, topic in topics if is_dataclass(topic) for row in _of_topic(name, topic))


def _of_topic(topic: str, content: Any) -> Iterator[FactRow]:
    for each in fields(content):
        table, value = TABLES.get(each.name, each.name), getattr(content, each.name)
        rows = tuple(value.values()) if isinstance(value, Mapping) else value if isinstance(value, tuple) else (value,)
        for row in rows:
            yield from _rows(topic, table, "", row)


def _rows(topic: str, table: str, around: str, row: Any) -> Iterator[FactRow]:
    """The row if it has a source, and those within it."""
    if not is_dataclass(row):
        return
    name = " ".join(filter(None, (around, _called(row))))
    for each in fields(row):
        value = getattr(row, each.name)
        if isinstance(value, Source):
            part = each.name.removesuffix("source").replace("_", " ")  # "name " where it is of the names alone
            yield FactRow(topic=topic, table=table, name=f"{name} {part}".strip(), row=row, source=value)
        for item in value if isinstance(value, tuple) else ():
            yield from _rows(topic, f"{table}.{each.name}", name, item)


def _called(row: Any) -> str:
    written = {each.name for each in fields(row)}  # as in the file; a method of that name is none
    together = [str(getattr(row, key)) for key in NAMED_TOGETHER if key in written]
    alone = [_word(getattr(row, key)) for key in NAMING if key in written][:1]
    return " ".join(together or alone)


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "the first" if value == BEFORE_RECORDS else str(value)
