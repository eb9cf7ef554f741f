"""
Per-GPU time series become usage windows, through the collector's own accounting.

A trace is one container that held all of its GPUs throughout. A reading holds until the trace's next moment, at most
LONGEST_HOLD_SPACINGS usual spacings; what is beyond that, and every empty cell, is held and unobserved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import Any

import polars as pl

from collector.accounting import Absent, Accounts, DeviceInterval, Holder, Reading, Why, attribute
from collector.contract import Provenance
from policy.usage.counters import HOLDER_COLUMNS
from policy.usage.window import WINDOWS, Metering

MIB = 1024 * 1024
NANOSECONDS = 1_000_000_000
WINDOW_SECONDS = 3600.0
LONGEST_HOLD_SPACINGS = 3

Row = Mapping[str, Any]
Span = tuple[float, float, float]
"""Seconds: a moment, how long its readings hold, and the next moment."""


def series_windows(series: pl.DataFrame, start: datetime, progress: Callable[[int, int], None]) -> pl.DataFrame:
    """
    The windows of rows with ``trace``, ``gpu``, ``t_s``, ``util_pct``, and if there are any ``power_w``, ``mem_mib``.

    The fillable fields are filled and the same in all rows of a trace.
    Schema WINDOWS. Units: seconds from ``start``, percent, watts, mebibytes.
    """
    optional = [pl.lit(None, pl.Float64).alias(name) for name in ("power_w", "mem_mib") if name not in series.columns]
    traces = series.with_columns(optional).sort("t_s").partition_by("trace", maintain_order=True)
    found: list[dict[str, object]] = []
    for done, trace in enumerate(traces, start=1):
        found.extend(_trace_windows(trace.to_dicts(), start))
        progress(done, len(traces))
    return pl.DataFrame(found, schema=WINDOWS)


def _trace_windows(rows: Sequence[Row], start: datetime) -> Iterator[dict[str, object]]:
    """A window for every WINDOW_SECONDS of one trace."""
    moments = [(float(t_s), list(group)) for t_s, group in groupby(rows, key=lambda row: row["t_s"])]
    gpus = sorted({str(row["gpu"]) for row in rows})
    holder, accelerator = _holder(rows[0]), str(rows[0]["accelerator"] or "")
    accounts, before, window_from = Accounts(), dict.fromkeys(HOLDER_COLUMNS.values(), 0.0), moments[0][0]
    for span, (_, read) in zip(_spans([t_s for t_s, _ in moments]), moments, strict=True):
        begins, holds_until, ends = span
        readings = {str(row["gpu"]): _reading(row) for row in read}
        _integrate(accounts, holds_until - begins, [_interval(gpu, accelerator, readings, holder) for gpu in gpus])
        _integrate(accounts, ends - holds_until, [_interval(gpu, accelerator, {}, holder) for gpu in gpus])
        if ends - window_from >= WINDOW_SECONDS or begins == moments[-1][0]:
            totals = _totals(accounts)
            grown = {name: totals[name] - before[name] for name in totals}
            yield _window(rows[0], (start, window_from, ends), len(gpus), grown)
            before, window_from = totals, ends


def _spans(times: Sequence[float]) -> Iterator[Span]:
    spacings = [later - earlier for earlier, later in pairwise(times)]
    usual = median(spacings) if spacings else 1.0
    for begins, ends in pairwise([*times, times[-1] + usual]):
        yield begins, min(ends, begins + LONGEST_HOLD_SPACINGS * usual), ends


def _integrate(accounts: Accounts, seconds: float, intervals: Sequence[DeviceInterval]) -> None:
    elapsed_ns = round(seconds * NANOSECONDS)
    if elapsed_ns:
        accounts.advance(elapsed_ns, {intervals[0].accelerator: len(intervals)})
        accounts.integrate(elapsed_ns, intervals)


def _interval(gpu: str, accelerator: str, readings: Mapping[str, Reading], holder: Holder) -> DeviceInterval:
    reading = readings.get(gpu, Absent(Why.NO_DATA))
    attribution = attribute(reading, (holder,))
    return DeviceInterval(gpu_uuid=gpu, accelerator=accelerator, reading=reading, attribution=attribution)


def _reading(row: Row) -> Reading:
    """One row's values in base units; an empty cell is Absent."""

    def number(name: str, factor: float) -> float | Absent:
        return Absent(Why.NO_DATA) if row[name] is None else row[name] * factor

    memory = number("mem_mib", MIB)
    return Reading(
        busy_ratio=number("util_pct", 0.01),
        power_watts=number("power_w", 1.0),
        energy_joules=Absent(Why.NO_DATA),
        memory_used_bytes=memory if isinstance(memory, Absent) else round(memory),
    )


def _holder(row: Row) -> Holder:
    return Holder(
        namespace=row["workload_namespace"] or "",
        pod=row["trace"],
        pod_uid=row["trace"],
        container="",
        workload_kind=row["workload_kind"] or "",
        workload_name=row["workload_name"],
        workload_uid=row["trace"],
        tenant_id=row["tenant_id"] or Absent(Why.NOT_CLAIMED),
    )


def _totals(accounts: Accounts) -> dict[str, float]:
    """The one holder's counters so far, by the window's column."""
    samples = accounts.samples("", Provenance.MEASURED)
    return {HOLDER_COLUMNS[s.metric.name]: s.value for s in samples if s.metric.name in HOLDER_COLUMNS}


def _window(row: Row, span: tuple[datetime, float, float], gpus: int, grown: Mapping[str, float]) -> dict[str, object]:
    start, begins, ends = span
    return {
        **{
            name: row[name]
            for name in ("workload_namespace", "workload_kind", "workload_name", "tenant_id", "accelerator")
        },
        **grown,
        "node": None,
        "provenance": Provenance.MEASURED.value,
        "workload_uid": row["trace"],
        "workload_pod": row["trace"],
        "pod_uid": row["trace"],
        "container": None,
        "metering": Metering.UTILISATION.value,
        "window_start": start + timedelta(seconds=begins),
        "window_end": start + timedelta(seconds=ends),
        "device_count": float(gpus),
    }
