"""
The provider's simple file: one row for each tenant, about the party behind the account, as CSV or as JSON Lines.

The id of the tenant is the id of the party too. What a row says of its ultimate parent is said of that party. A parent
of which a name, a country or a share is known and no id has one made from the tenant's, so that what is known about it
counts. Of two rows that contradict each other neither is accepted: nobody here can tell which one is right.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import cast

import polars as pl

from policy.kyc.cells import (
    CellError,
    CellValue,
    read_cell,
    read_country,
    read_day,
    read_parties,
    read_party,
    read_percent,
    read_tenant_id,
    read_text,
)
from policy.kyc.importing.problems import Read, Rows, Unreadable
from policy.kyc.importing.records import Columns, Record, records
from policy.kyc.repeated import NOT_REPEATED, repeated
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import SELF

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
        "acts_for": pl.String,  # ids with spaces between; "self": for nobody else; null: not known
        "source": pl.String,  # where the answers come from, as in a register or a questionnaire
        "as_of": pl.Date,  # the day the answers were true; null: not known
    }
)
COLUMNS = Columns(known=tuple(TENANTS), needed=tuple(TENANTS), numbers=("ultimate_parent_share_percent",))

_READERS: dict[str, Callable[[str], CellValue]] = {
    "tenant_id": read_tenant_id,
    "party_name": read_text,
    "registered_country": read_country,
    "headquarters_country": read_country,
    "ultimate_parent_id": read_party,
    "ultimate_parent_name": read_text,
    "ultimate_parent_country": read_country,
    "ultimate_parent_share_percent": read_percent,
    "declared_use": read_text,
    "acts_for": read_parties,
    "source": read_text,
    "as_of": read_day,
}
_NEVER_SHOWN = {"party_name", "ultimate_parent_name", "declared_use", "acts_for", "source"}
"""Columns whose text no error repeats, whatever it looks like."""
_PARENT_COLUMNS = ("ultimate_parent_name", "ultimate_parent_country", "ultimate_parent_share_percent")

Row = dict[str, CellValue]


def read_accounts(file: str, content: bytes, *, source: str = "", today: date | None = None) -> Read:
    """
    What a file says. ``file``: its name, for problems. ``source``: whose word it is where a row does not say.

    ``today``: the last day of which it may speak; without it any.
    """
    rows = Rows(file)
    with suppress(Unreadable):
        _read(rows, content, source, today)
    return rows.read()


def _read(rows: Rows, content: bytes, source: str, today: date | None) -> None:
    found = [(line, _row(rows, line, record)) for line, record in records(rows, content, COLUMNS)]
    if not found and not rows.read().problems:
        rows.stop(1, "has no tenant in it, as a copy that was broken off", "one row for each tenant")
    _check_days(rows, found, today)
    _check_unique(rows, found)
    _check_parents(rows, found)
    _check_parent_countries(rows, found)
    for line, row in found:
        if row["tenant_id"] is not None:
            rows.give(line, _Account(row=row, source=source).statements())


def _row(rows: Rows, line: int, cells: Record) -> Row:
    row: Row = {}
    for column in TENANTS:
        try:
            row[column] = read_cell(_READERS[column], cells[column])
        except CellError as error:
            rows.note(line, column, _shown(column, cells[column]), error.problem, error.expected)
            row[column] = None
    return row


def _shown(column: str, value: CellValue) -> str:
    """The value as an error may repeat it."""
    return NOT_REPEATED if column in _NEVER_SHOWN else repeated(str(value))


def _check_days(rows: Rows, found: list[tuple[int, Row]], today: date | None) -> None:
    for line, row in found:
        as_of = row["as_of"]
        if today and isinstance(as_of, date) and as_of > today:
            rows.note(line, "as_of", repr(as_of.isoformat()), "a day to come", f"a day up to {today}, in UTC")


def _check_unique(rows: Rows, found: list[tuple[int, Row]]) -> None:
    first: dict[CellValue, int] = {}
    for line, row in found:
        tenant_id = row["tenant_id"]
        if tenant_id is None:
            continue
        if first.setdefault(tenant_id, line) != line:
            _note_both(rows, (first[tenant_id], line), "tenant_id", tenant_id, _ALREADY)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clash:
    """What two rows do to each other."""

    of_the_second: str
    of_the_first: str
    expected: str


_ALREADY = _Clash(
    of_the_second="already in line {other}",
    of_the_first="there again in line {other}",
    expected="one row for each tenant",
)


_ELSEWHERE = _Clash(
    of_the_second="line {other} says another country of the same party",
    of_the_first="line {other} says this of the same party, and this line another country",
    expected="one headquarters for one party",
)


def _note_both(rows: Rows, lines: tuple[int, int], column: str, value: CellValue, clash: _Clash) -> None:
    first, second = lines
    rows.note(second, column, repeated(str(value)), clash.of_the_second.format(other=first), clash.expected)
    rows.note(first, column, repeated(str(value)), clash.of_the_first.format(other=second), clash.expected)


def _check_parents(rows: Rows, found: list[tuple[int, Row]]) -> None:
    """A party at the top has no parent beside it, and an ultimate parent that is a tenant has none above it."""
    parent_of = {row["tenant_id"]: row["ultimate_parent_id"] for _, row in found}
    for line, row in found:
        parent = row["ultimate_parent_id"]
        if parent == SELF:
            _check_top(rows, line, row)
        elif parent is not None and parent == row["tenant_id"]:
            rows.note(line, "ultimate_parent_id", repeated(str(parent)), "the tenant itself", f"the word {SELF!r}")
        elif parent is not None and parent_of.get(parent) not in (None, SELF):
            problem = "that tenant's own row names another one above it"
            rows.note(line, "ultimate_parent_id", repeated(str(parent)), problem, "the id at the top of the chain")
        if row["tenant_id"] in str(row["acts_for"]).split():
            rows.note(line, "acts_for", NOT_REPEATED, "the tenant itself among them", f"the word {SELF!r}, or others")


def _check_top(rows: Rows, line: int, row: Row) -> None:
    for column in _PARENT_COLUMNS:
        if row[column] is not None:
            problem = f"filled in although ultimate_parent_id is {SELF!r}"
            rows.note(line, column, _shown(column, row[column]), problem, "an empty cell")


def _check_parent_countries(rows: Rows, found: list[tuple[int, Row]]) -> None:
    """One ultimate parent has one headquarters, whichever row tells it: else one row would clear what another says."""
    told = {row["tenant_id"]: (line, row["headquarters_country"]) for line, row in found if row["headquarters_country"]}
    for line, row in found:
        parent, country = row["ultimate_parent_id"], row["ultimate_parent_country"]
        if parent in (None, SELF) or country is None:
            continue
        first_line, first_country = told.setdefault(parent, (line, country))
        if first_country != country:
            _note_both(rows, (first_line, line), "ultimate_parent_country", country, _ELSEWHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """A row as statements."""

    row: Row
    source: str

    def statements(self) -> Iterator[Statement]:
        """All of them; of a cell that is empty none."""
        tenant = str(self.row["tenant_id"])
        yield self._said(tenant, "customer", tenant)
        yield from self._cells(
            tenant,
            {
                "name": "party_name",
                "registered_country": "registered_country",
                "headquarters_country": "headquarters_country",
                "declared_use": "declared_use",
            },
        )
        yield from self._parent(tenant)
        for each in str(self.row["acts_for"] or "").split():
            yield self._said(tenant, "acts_for", each)

    def _parent(self, tenant: str) -> Iterable[Statement]:
        parent, share = self._parent_id(tenant), self.row["ultimate_parent_share_percent"]
        if parent is None:
            return
        yield self._said(tenant, "ultimate_parent", parent)
        if parent == SELF:
            return
        if share is not None:
            yield self._said(tenant, "owned_by", parent, cast("float", share))
        yield from self._cells(
            parent, {"name": "ultimate_parent_name", "headquarters_country": "ultimate_parent_country"}
        )

    def _parent_id(self, tenant: str) -> str | None:
        """The parent's id, one made for it where something else is known of it, or nothing."""
        if self.row["ultimate_parent_id"] is not None:
            return str(self.row["ultimate_parent_id"])
        is_told = any(self.row[column] is not None for column in _PARENT_COLUMNS)
        return f"{tenant}:ultimate-parent" if is_told else None

    def _cells(self, subject: str, column_of: dict[str, str]) -> Iterable[Statement]:
        for predicate, column in column_of.items():
            if self.row[column] is not None:
                yield self._said(subject, predicate, str(self.row[column]))

    def _said(self, subject: str, predicate: str, value: str, share: float | None = None) -> Statement:
        return Statement(
            subject=subject,
            predicate=predicate,
            value=value,
            share_low_percent=share,
            share_high_percent=share,
            source=str(self.row["source"] or self.source),
            as_of=cast("date | None", self.row["as_of"]),
        )
