"""
Per-GPU time series become usage windows, through the collector's own accounting.

A trace is one container that held all of its GPUs throughout. A reading holds until the next one of its GPU, at most
LONGEST_HOLD_SPACINGS usual spacings; what is beyond that, and every empty cell, is held and unobserved. GPUs may be
read at moments of their own, as by a logger that asks one after the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import polars as pl

from collector.accounting import Absent, Accounts, DeviceInterval, Holder, Reading, Why, attribute
from collector.contract import HOLDER_LABELS, Provenance
from policy.frames import conform
from policy.usage.holder_series import SERIES, counted, series_name
from policy.usage.window import WINDOWS, Metering

MIB = 1024 * 1024
NANOSECONDS = 1_000_000_000
WINDOW_SECONDS = 3600.0
LONGEST_HOLD_SPACINGS = 3

Row = Mapping[str, Any]


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
    wide = pl.DataFrame(found, schema=WINDOWS | dict.fromkeys(SERIES.values(), pl.Float64))
    return conform(counted(wide).select(WINDOWS.names()), WINDOWS, "windows of series")


def _trace_windows(rows: Sequence[Row], start: datetime) -> Iterator[dict[str, object]]:
    """A window for every WINDOW_SECONDS of one trace, whose rows are in the order of their moments."""
    by_gpu: dict[str, list[Row]] = {}
    for row in rows:
        by_gpu.setdefault(str(row["gpu"]), []).append(row)
    changes = _changes(by_gpu)
    moments = sorted(changes)
    holder, accelerator = _holder(rows[0]), str(rows[0]["accelerator"] or "")
    accounts, before, window_from = Accounts(), dict[str, float](), moments[0]
    now: dict[str, Reading | Absent] = dict.fromkeys(sorted(by_gpu), Absent(Why.NO_DATA))
    for begins, ends in pairwise(moments):
        now.update(changes[begins])
        _integrate(accounts, ends - begins, [_interval(gpu, accelerator, read, holder) for gpu, read in now.items()])
        if ends - window_from >= WINDOW_SECONDS or ends == moments[-1]:
            totals = _totals(accounts)
            grown = {name: total - before.get(name, 0.0) for name, total in totals.items()}
            yield _window(rows[0], (start, window_from, ends), len(now), grown)
            before, window_from = totals, ends


def _changes(by_gpu: Mapping[str, Sequence[Row]]) -> Mapping[float, Mapping[str, Reading | Absent]]:
    """By moment, what is read of a GPU from then on: its row, or nothing where the row before has held long enough."""
    times = {gpu: [float(row["t_s"]) for row in rows] for gpu, rows in by_gpu.items()}
    spacings = [later - earlier for each in times.values() for earlier, later in pairwise(each)]
    usual = median(spacings) if spacings else 1.0
    changes: dict[float, dict[str, Reading | Absent]] = {}
    for gpu, rows in by_gpu.items():
        for row, begins, following in zip(rows, times[gpu], [*times[gpu][1:], None], strict=True):
            changes.setdefault(begins, {})[gpu] = _reading(row)
            until = begins + (usual if following is None else LONGEST_HOLD_SPACINGS * usual)
            if following is None or until < following:
                changes.setdefault(until, {})[gpu] = Absent(Why.NO_DATA)
    return changes


def _integrate(accounts: Accounts, seconds: float, intervals: Sequence[DeviceInterval]) -> None:
    elapsed_ns = round(seconds * NANOSECONDS)
    if elapsed_ns:
        accounts.advance(elapsed_ns, {intervals[0].accelerator: len(intervals)})
        accounts.integrate(elapsed_ns, intervals)


def _interval(gpu: str, accelerator: str, reading: Reading | Absent, holder: Holder) -> DeviceInterval:
    attribution = attribute(reading, (holder,))
    return DeviceInterval(gpu_uuid=gpu, accelerator=accelerator, reading=reading, attribution=attribution)


def _reading(row: Row) -> Reading:
    """One row's values in base units; an empty cell is Absent."""

    def number(name: str, factor: float) -> float | Absent:
        return Absent(Why.NO_DATA) if row[name] is None else row[name] * factor

    memory = number("mem_mib", MIB)
    return replace(
        Reading.absent(Why.NO_DATA),
        busy_ratio=number("util_pct", 0.01),
        power_watts=number("power_w", 1.0),
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
    """The one holder's counters so far, by the columns of SERIES."""
    beside = len(HOLDER_LABELS)
    samples = accounts.samples("", Provenance.MEASURED)
    found = {series_name(each.metric.name, *each.label_values[beside:]): each.value for each in samples}
    return {SERIES[name]: total for name, total in found.items() if name in SERIES}


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
