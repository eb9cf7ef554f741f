"""
The provider's know-your-customer file: one row for each tenant, about the party behind the account.

The columns are fixed in both directions. One too many is refused like one too few, so that nothing about natural
persons slips in. A file is loaded whole or not at all. The standard library's ``csv`` reads it, because it knows the
line that a row began on, even after a quoted line break.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import polars as pl

from policy.kyc.cells import (
    SELF,
    CellError,
    CellValue,
    read_cell,
    read_country,
    read_day,
    read_parent_id,
    read_percent,
    read_tenant_id,
    read_text,
)
from policy.kyc.problems import KycError, KycProblem

TENANTS = pl.Schema(
    {
        "tenant_id": pl.String,  # opaque account id, as workloads claim it; never null
        "party_name": pl.String,  # the legal person behind the account; only for the audited API
        "registered_country": pl.String,  # where it is registered, alpha-2; shown, never decides
        "headquarters_country": pl.String,  # where it is headquartered, alpha-2; null: not known
        "ultimate_parent_id": pl.String,  # opaque id of the ultimate parent; "self": the party itself; null: not known
        "ultimate_parent_name": pl.String,  # the ultimate parent; only for the audited API
        "ultimate_parent_country": pl.String,  # where the parent is headquartered, alpha-2; null: not known
        "ultimate_parent_share_percent": pl.Float64,  # share the parent holds, 0 to 100; null: not known
        "declared_use": pl.String,  # what the tenant says it does; null: not asked or not answered
        "source": pl.String,  # where the answers come from, as in a register or a questionnaire
        "as_of": pl.Date,  # the day the answers were true; null: not known
    }
)

_READERS: dict[str, Callable[[str], CellValue]] = {
    "tenant_id": read_tenant_id,
    "party_name": read_text,
    "registered_country": read_country,
    "headquarters_country": read_country,
    "ultimate_parent_id": read_parent_id,
    "ultimate_parent_name": read_text,
    "ultimate_parent_country": read_country,
    "ultimate_parent_share_percent": read_percent,
    "declared_use": read_text,
    "source": read_text,
    "as_of": read_day,
}
_NEVER_SHOWN = {"party_name", "ultimate_parent_name", "declared_use", "source"}
"""Columns whose text no error repeats."""
_PARENT_COLUMNS = ("ultimate_parent_name", "ultimate_parent_country", "ultimate_parent_share_percent")

Row = dict[str, CellValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """A file as read. ``frame`` in the schema :data:`TENANTS`; ``digest``: SHA-256, in hex, of the file's bytes."""

    frame: pl.DataFrame
    digest: str
    path: Path


def read_tenants(path: Path) -> Tenants:
    """Read a CSV file in UTF-8. Raises :class:`KycError` with every problem that it has."""
    place = _Place(path=path, found=[])
    content = _bytes(place)
    rows = list(_rows(place, _text(place, content)))
    if not rows and not place.found:
        raise place.stop(1, "has no tenant in it, as a copy that was broken off", "one row for each tenant")
    _check_unique(place, rows)
    _check_parents(place, rows)
    _check_parent_countries(place, rows)
    if place.found:
        raise KycError(path, place.found)
    frame = pl.DataFrame([row for _, row in rows], schema=TENANTS, orient="row")
    return Tenants(frame=frame, digest=hashlib.sha256(content).hexdigest(), path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The file being read and the problems found in it so far."""

    path: Path
    found: list[KycProblem]

    def note(self, line: int, column: str, value: str, problem: str, expected: str) -> None:
        self.found.append(
            KycProblem(file=self.path.name, line=line, column=column, value=value, problem=problem, expected=expected)
        )

    def stop(self, line: int, problem: str, expected: str) -> KycError:
        """Note a problem after which the file cannot be read further."""
        self.note(line, "whole file", "(the file)", problem, expected)
        return KycError(self.path, self.found)


def _bytes(place: _Place) -> bytes:
    try:
        return place.path.read_bytes()
    except OSError as error:
        raise place.stop(1, f"cannot be read: {error.strerror}", "a file that this process may read") from error


def _text(place: _Place, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise place.stop(line, "not UTF-8 from here on", "a CSV file saved as UTF-8") from error


def _records(place: _Place, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give every record with the line it begins on; empty lines are passed over."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    begin = 1
    try:
        for record in reader:
            if record:
                yield begin, record
            begin = reader.line_num + 1
    except csv.Error as error:
        raise place.stop(begin, f"no CSV: {error}", "cells parted by commas, quotes closed") from error


def _rows(place: _Place, text: str) -> Iterator[tuple[int, Row]]:
    records = _records(place, text)
    _, header = next(records, (1, []))
    _check_header(place, header)
    for line, record in records:
        if len(record) != len(header):
            place.note(line, "whole row", f"{len(record)} cells", "not as many as the header", f"{len(header)} cells")
        else:
            yield line, _row(place, line, dict(zip(header, record, strict=True)))


def _check_header(place: _Place, header: list[str]) -> None:
    """Hold the header against the schema. Raises at once: under a wrong header no cell has a meaning."""
    expected = f"exactly these columns, parted by commas: {', '.join(TENANTS)}"
    for column in TENANTS:
        if column not in header:
            place.note(1, column, "(no such column)", "the column is missing", expected)
    for column in header:
        if column not in TENANTS:
            place.note(1, column, "(one column too many)", "the column is not one of this file's", expected)
    for column in sorted({column for column in header if header.count(column) > 1}):
        place.note(1, column, "(several columns)", "the column is there more than once", expected)
    if place.found:
        raise KycError(place.path, place.found)


def _row(place: _Place, line: int, cells: dict[str, str]) -> Row:
    row: Row = {}
    for column in TENANTS:
        try:
            row[column] = read_cell(_READERS[column], cells[column])
        except CellError as error:
            place.note(line, column, _shown(column, cells[column]), error.problem, error.expected)
            row[column] = None
    return row


def _shown(column: str, value: CellValue) -> str:
    """The value as an error may repeat it."""
    return "(not repeated here)" if column in _NEVER_SHOWN else repr(value)


def _check_unique(place: _Place, rows: list[tuple[int, Row]]) -> None:
    first: dict[CellValue, int] = {}
    for line, row in rows:
        tenant_id = row["tenant_id"]
        if tenant_id is not None and first.setdefault(tenant_id, line) != line:
            problem = f"already in line {first[tenant_id]}"
            place.note(line, "tenant_id", repr(tenant_id), problem, "one row for each tenant")


def _check_parents(place: _Place, rows: list[tuple[int, Row]]) -> None:
    """A party at the top has no parent beside it, and an ultimate parent that is a tenant has none above it."""
    parent_of = {row["tenant_id"]: row["ultimate_parent_id"] for _, row in rows}
    for line, row in rows:
        parent = row["ultimate_parent_id"]
        if parent == SELF:
            for column in _PARENT_COLUMNS:
                if row[column] is not None:
                    problem = f"filled in although ultimate_parent_id is {SELF!r}"
                    place.note(line, column, _shown(column, row[column]), problem, "an empty cell")
        elif parent is not None and parent == row["tenant_id"]:
            place.note(line, "ultimate_parent_id", repr(parent), "the tenant itself", f"the word {SELF!r}")
        elif parent is not None and parent_of.get(parent) not in (None, SELF):
            problem = f"that tenant's own row names {parent_of[parent]!r} above it"
            place.note(line, "ultimate_parent_id", repr(parent), problem, "the id at the top of the chain")


def _check_parent_countries(place: _Place, rows: list[tuple[int, Row]]) -> None:
    """One ultimate parent has one headquarters, whichever row tells it: else one row would clear what another says."""
    told = {row["tenant_id"]: (line, row["headquarters_country"]) for line, row in rows if row["headquarters_country"]}
    for line, row in rows:
        parent, country = row["ultimate_parent_id"], row["ultimate_parent_country"]
        if parent in (None, SELF) or country is None:
            continue
        first_line, first_country = told.setdefault(parent, (line, country))
        if first_country != country:
            problem = f"line {first_line} says {first_country} of the same party"
            place.note(line, "ultimate_parent_country", repr(country), problem, "one headquarters for one party")
