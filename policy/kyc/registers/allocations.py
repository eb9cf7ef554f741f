"""
Which machine was given to which tenant, by the provider's allocation register, and the windows that follow from it.

Where no collector runs the register is all that is known: somebody had these devices, and nobody can tell what they
did. So it yields windows metered by allocation, in which nothing is observed; their verdict is undetermined, which is
not nothing. Where a collector spoke for the node, its own windows stand, whomever the register names.

Believed: what the register says of devices and times. A row by serial alone has no node, so no collector is known to
speak for its machine, and its windows come beside what one may have measured there under the node's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from collector.contract import Provenance
from policy.frames import conform, empty, schema
from policy.kyc.cells import UNKNOWN, CellError, read_id, read_tenant_id
from policy.kyc.registers.covered import covered_by
from policy.kyc.registers.reading import Column, Place, Row, as_written, read_moment, read_register
from policy.kyc.vocabulary import Tenancy
from policy.usage.window import NOTHING_TOLD, UTC_TIME, WINDOWS, Metering

ALLOCATIONS = schema(
    {
        "row": pl.UInt32,  # which one in the register, from 0
        "node": pl.String,  # as collectors name it; null: only the serial is known
        "serial": pl.String,  # of the machine; null: only the node is known
        "accelerator": pl.String,  # product name as the driver gives it; null: not known
        "devices": pl.Float64,  # how many of the machine's devices were given
        "tenant_id": pl.String,
        "begins": UTC_TIME,
        "ends": UTC_TIME,  # the first moment no more; null: still
        "tenancy": pl.String,  # of policy.kyc.vocabulary.Tenancy
        "source": pl.String,  # whose word it is
    }
)
REGISTERED = "allocation"
"""The namespace of the register's windows."""
MOST_DEVICES = 1024  # in one machine or rack: a guess, far above any that is sold; a slip of the pen is beyond it

is_registered = (
    (pl.col("metering") == Metering.ALLOCATION.value)
    & (pl.col("workload_namespace") == REGISTERED)
    & pl.col("workload_pod").is_null()
).fill_null(value=False)
"""Whether a window is one of the register's: job records, which are metered by allocation as well, have a pod."""
machine = pl.coalesce("node", "serial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocations:
    """A register as read. ``frame`` in the schema :data:`ALLOCATIONS`; ``digest``: SHA-256, in hex, of its bytes."""

    frame: pl.DataFrame
    digest: str
    path: Path


NO_ALLOCATIONS = Allocations(frame=empty(ALLOCATIONS), digest="", path=Path())
"""Where a provider keeps no register."""


def read_allocations(path: Path) -> Allocations:
    """Read a register, CSV or JSON Lines. Raises :class:`policy.kyc.problems.KycError` with every problem of it."""
    place = Place(path=path)
    register = read_register(place, _COLUMNS)
    _check(place, register.rows)
    place.settle()
    rows = [(number, *cells.values()) for number, (_, cells) in enumerate(register.rows)]
    frame = pl.DataFrame(rows, schema=ALLOCATIONS, orient="row")
    return Allocations(frame=frame, digest=register.digest, path=path)


def _read_known_id(text: str) -> str | None:
    return None if text.casefold() == UNKNOWN else read_id(text)


def _read_accelerator(text: str) -> str | None:
    return None if text.casefold() == UNKNOWN else text


def _read_devices(text: str) -> float:
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_DEVICES)) and 0 < int(text) <= MOST_DEVICES
    ):
        raise CellError("no number of devices", f"a whole number from 1 to {MOST_DEVICES}")
    return float(text)


def _read_tenancy(text: str) -> str:
    if text not in set(Tenancy):
        raise CellError("no tenancy", f"one of {', '.join(Tenancy)}")
    return text


_COLUMNS: Mapping[str, Column] = {
    "node": Column(read=_read_known_id, may_be_empty=True),
    "serial": Column(read=_read_known_id, may_be_empty=True, may_be_missing=True),
    "accelerator": Column(read=_read_accelerator, may_be_empty=True),
    "devices": Column(read=_read_devices),
    "tenant_id": Column(read=read_tenant_id),
    "from": Column(read=read_moment),
    "to": Column(read=read_moment, may_be_empty=True, may_be_missing=True),
    "tenancy": Column(read=_read_tenancy),
    "source": Column(read=as_written, shown=False),
}


def _check(place: Place, rows: tuple[Row, ...]) -> None:
    """What no cell shows by itself: a machine without any name, an end before the beginning, the same row twice."""
    first: dict[tuple[object, ...], int] = {}
    for line, cells in rows:
        begins, ends = cells["from"], cells["to"]
        if cells["node"] is None and cells["serial"] is None:
            place.note(line, "node", "(empty, as serial is)", "nothing says which machine it is", "a node or a serial")
        if isinstance(begins, datetime) and isinstance(ends, datetime) and ends <= begins:
            place.note(line, "to", repr(ends.isoformat()), "is not after from", "the moment from which on it is over")
        if first.setdefault(tuple(cells.values()), line) != line:
            problem = f"says what line {first[tuple(cells.values())]} says, and its devices would count twice"
            place.note(line, "whole row", "(the same again)", problem, "each allocation once")


def allocation_windows(
    register: Allocations, covered: pl.DataFrame, since: datetime, at: datetime, provenance: Provenance
) -> pl.DataFrame:
    """
    Windows for the time from ``since`` to ``at`` in which a machine was a tenant's and no collector spoke for it.

    ``covered`` has the schema COVERED, in any order; its rows may overlap. One window for each row of the
    register and day (UTC), or for each uncovered part of a day; sorted, schema WINDOWS.
    """
    given = _within(register.frame, since, at)
    parts = _by_day(_uncovered(given, covered_by([covered.join(given, on="node", how="semi")])))
    values = {
        **NOTHING_TOLD,
        **{name: pl.lit(None, pl.String) for name in WINDOWS if name not in ALLOCATIONS and WINDOWS[name] == pl.String},
        "provenance": pl.lit(provenance.value),
        "workload_namespace": pl.lit(REGISTERED),
        "workload_name": machine,
        "metering": pl.lit(Metering.ALLOCATION.value),
        "window_start": pl.col("begins"),
        "window_end": pl.col("ends"),
        "device_count": pl.col("devices"),
        "held_seconds": pl.col("devices") * (pl.col("ends") - pl.col("begins")).dt.total_microseconds() / 1e6,
    }
    windows = parts.with_columns(**values).select(WINDOWS.names()).sort(WINDOWS.names())
    return conform(windows, WINDOWS, "windows by allocation")


def _within(register: pl.DataFrame, since: datetime, at: datetime) -> pl.DataFrame:
    """The register's rows, cut to what lies between two moments."""
    begins = pl.max_horizontal("begins", pl.lit(since, UTC_TIME))
    ends = pl.min_horizontal("ends", pl.lit(at, UTC_TIME))
    return register.with_columns(begins=begins, ends=ends).filter(pl.col("begins") < pl.col("ends"))


def _uncovered(given: pl.DataFrame, covered: pl.DataFrame) -> pl.DataFrame:
    """The given time without the covered, in one row for each gap; ``covered`` is merged."""
    spans = given.join(covered, on="node", how="inner", suffix="_covered").select(
        "row",
        begins=pl.max_horizontal("begins", "begins_covered"),
        ends=pl.min_horizontal("ends", "ends_covered"),
    )
    end = given.select("row", begins="ends", ends="ends")  # the last gap ends where what was given ends
    marks = pl.concat([spans.filter(pl.col("begins") < pl.col("ends")), end]).sort("row", "begins", "ends")
    rest = marks.with_columns(until="begins", after=pl.col("ends").shift(1).over("row")).drop("begins", "ends")
    gaps = given.join(rest, on="row").with_columns(begins=pl.coalesce("after", "begins"), ends="until")
    return gaps.filter(pl.col("begins") < pl.col("ends")).select(given.columns)


def _by_day(given: pl.DataFrame) -> pl.DataFrame:
    """The same time, cut at every midnight in UTC."""
    day = pl.duration(days=1)
    last = (pl.col("ends") - pl.duration(microseconds=1)).dt.truncate("1d")
    days = given.with_columns(day=pl.datetime_ranges(pl.col("begins").dt.truncate("1d"), last)).explode("day")
    return days.with_columns(
        begins=pl.max_horizontal("begins", "day"), ends=pl.min_horizontal("ends", pl.col("day") + day)
    )
