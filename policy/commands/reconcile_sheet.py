"""How ``flopwatch reconcile`` says what it found: tables for people, one JSON document for programs."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from policy.commands.reconcile_source import Attributed
from policy.commands.sheet import Block, Grid, Sheet
from policy.kyc.registers.reconcile import AMOUNTS, MEANINGS, Comparison, sums

SHOWN_ROWS = 40
DECIMALS = 3  # of an hour: some seconds
COLUMNS = ("date", "tenant", "accelerator", "billed", "low", "high", "state")
NOBODY = "(nobody)"


def reconciled_sheet(found: pl.DataFrame, source: Attributed, tolerance: float, *, whole: bool) -> Sheet:
    """Everything there is to say. ``whole``: also the rows that agree."""
    rounded = found.with_columns(pl.col(AMOUNTS).round(DECIMALS))
    by_state = sums(found).with_columns(pl.col(AMOUNTS).round(DECIMALS))
    blocks = (*_lines(source, tolerance), *_rows(rounded, whole=whole), _states(by_state), _overlaps(source.overlaps))
    closing = "A difference asks why. It does not say which side is wrong."
    return Sheet(blocks=(*blocks, closing), content=_content(rounded, by_state, source, tolerance))


def _lines(source: Attributed, tolerance: float) -> Iterable[Block]:
    days = source.days
    yield f"GPU-hours from {days.first} to {days.last}, days in UTC; what differs by no more than {tolerance:g} agrees."
    if days.measured is None:
        yield "Nothing at all was measured since the first of these days."
    else:
        yield f"Measured from {days.measured[0]:%Y-%m-%d %H:%M}Z to {days.measured[1]:%Y-%m-%d %H:%M}Z."
    if days.partly:
        named = ", ".join(map(str, days.partly))
        yield f"Measured in part: {named}; what was used in the rest of such a day is not known."
    if not source.registered.is_empty():
        yield f"Days of tenants of which the allocation register tells all: {source.registered.height}."
    yield "Low: held alone. High: besides shared, whole for each sharer, or perhaps held while nobody watched."
    if source.cut:
        yield f"Windows that span midnight, apportioned by time: {source.cut}."
    if source.without_cluster:
        yield f"Mapping rules that fit nothing, as they ask for a cluster and none is known: {source.without_cluster}."


def _rows(found: pl.DataFrame, *, whole: bool) -> Iterable[Block]:
    rows = found if whole else found.filter(pl.col("state") != Comparison.AGREES.value)
    shown = rows if whole else rows.head(SHOWN_ROWS)
    cells = tuple(_cells(row) for row in shown.to_dicts())
    title = "All rows" if whole else "Rows that do not agree"
    yield Grid(title=title, columns=COLUMNS, rows=cells, empty="None: all agree.")
    if shown.height < rows.height:
        yield f"… and {rows.height - shown.height} more (--all shows them)"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    part = "" if row["measured_whole"] or row["registered_whole"] else ", day not measured whole"
    hours = tuple(f"{row[name]:,.2f}" for name in AMOUNTS)
    tenant = row["tenant_id"] or NOBODY
    return (str(row["date"]), tenant, row["accelerator"] or "", *hours, row["state"] + part)


def _states(by_state: pl.DataFrame) -> Grid:
    rows = tuple(
        (row["state"], str(row["rows"]), *(f"{row[name]:,.2f}" for name in AMOUNTS), MEANINGS[Comparison(row["state"])])
        for row in by_state.to_dicts()
    )
    return Grid(title="Sums", columns=("state", "rows", "billed", "low", "high", "means"), rows=rows)


def _overlaps(overlaps: pl.DataFrame) -> Grid:
    rows = tuple(
        (
            row["machine"],
            f"{row['begins']:%Y-%m-%d %H:%M}Z",
            f"{row['ends']:%Y-%m-%d %H:%M}Z" if row["ends"] else "still",
            f"{row['devices']:g} of {'unknown' if row['devices_there'] is None else format(row['devices_there'], 'g')}",
            ", ".join(row["tenant_ids"]),
            row["problem"],
        )
        for row in overlaps.to_dicts()
    )
    columns = ("machine", "from", "to", "devices", "tenants", "problem")
    return Grid(title="Overlaps in the allocation register", columns=columns, rows=rows)


def _content(found: pl.DataFrame, by_state: pl.DataFrame, source: Attributed, tolerance: float) -> dict[str, object]:
    days = source.days
    return {
        "first_day": days.first,
        "last_day": days.last,
        "measured_from": days.measured and days.measured[0],
        "measured_to": days.measured and days.measured[1],
        "partly_measured_days": list(days.partly),
        "registered_days": source.registered.height,
        "tolerance": tolerance,
        "windows_spanning_midnight": source.cut,
        "rules_without_cluster": source.without_cluster,
        "overlaps": source.overlaps.to_dicts(),
        "sums": {name: round(float(found[name].sum()), DECIMALS) for name in AMOUNTS},
        "states": by_state.to_dicts(),
        "rows": found.to_dicts(),
    }
