"""
Per-GPU time series become usage windows, through the collector's own accounting and its own ear for rhythm.

A trace is one container that held all of its GPUs throughout. A reading holds until the next one of its GPU, at most
LONGEST_HOLD_SPACINGS usual spacings; what is beyond that, and every empty cell, is held and unobserved. GPUs may be
read at moments of their own, as by a logger that asks one after the other.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import polars as pl

from collector import rhythms
from collector.accounting import Absent, Accounts, DeviceInterval, Holder, Reading, Why, attribute
from collector.contract import HOLDER_LABELS, Provenance
from policy.frames import conform
from policy.usage.holder_series import RHYTHM_SERIES, SERIES, counted, series_name
from policy.usage.window import RHYTHM, WINDOWS, Metering

MIB = 1024 * 1024
NANOSECONDS = 1_000_000_000
WINDOW_SECONDS = 3600.0
LONGEST_HOLD_SPACINGS = 3

OPTIONAL = ("power_w", "mem_mib", "sm_active_pct", "tensor_active_pct", "dram_active_pct")

Row = Mapping[str, Any]
Changes = Mapping[float, Mapping[str, Reading | Absent]]
"""By moment, in seconds from the recording's beginning: what is read of a GPU from then on."""


def series_windows(series: pl.DataFrame, start: datetime, progress: Callable[[int, int], None]) -> pl.DataFrame:
    """
    The windows of rows with ``trace``, ``gpu``, ``t_s``, ``util_pct``, and of OPTIONAL what there is.

    The fillable fields are filled and the same in all rows of a trace.
    Schema WINDOWS. Units: seconds from ``start``, percent, watts, mebibytes.
    """
    optional = [pl.lit(None, pl.Float64).alias(name) for name in OPTIONAL if name not in series.columns]
    traces = series.with_columns(optional).sort("t_s").partition_by("trace", maintain_order=True)
    found: list[dict[str, object]] = []
    for done, trace in enumerate(traces, start=1):
        found.extend(_windows(_Trace.of(trace.to_dicts()), start))
        progress(done, len(traces))
    wide = pl.DataFrame(found, schema=WINDOWS | dict.fromkeys(SERIES.values(), pl.Float64))
    return conform(counted(wide).select(WINDOWS.names()), WINDOWS, "windows of series")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """One container's recording; ``usual_seconds`` between two readings of a GPU, ``first`` is any of its rows."""

    first: Row
    gpus: Sequence[str]
    usual_seconds: float
    changes: Changes
    moments: Sequence[float]
    holder: Holder
    accelerator: str

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "_Trace":
        """The recording of these rows, which are in the order of their moments."""
        by_gpu: dict[str, list[Row]] = {}
        for row in rows:
            by_gpu.setdefault(str(row["gpu"]), []).append(row)
        usual_seconds = _usual_seconds(by_gpu)
        changes = _changes(by_gpu, usual_seconds)
        return cls(
            first=rows[0],
            gpus=sorted(by_gpu),
            usual_seconds=usual_seconds,
            changes=changes,
            moments=sorted(changes),
            holder=_holder(rows[0]),
            accelerator=str(rows[0]["accelerator"] or ""),
        )

    def intervals(self, read: Mapping[str, Reading | Absent]) -> list[DeviceInterval]:
        """What is known of these GPUs."""
        return [_interval(gpu, self.accelerator, reading, self.holder) for gpu, reading in read.items()]

    def rhythm(self, until: float, start: datetime) -> dict[str, object]:
        """
        The columns RHYTHM as a node tells them that ticks when the recording has readings; ``until``: before then.

        Its window alone is played, so the last computation may be RECOMPUTE_SECONDS old, as on the node.
        """
        since = until - rhythms.WINDOW_SECONDS - 1.5 * self.usual_seconds  # the reading at its beginning as well
        heard = rhythms.Rhythms(interval_seconds=self.usual_seconds)
        for at in self.moments[bisect_left(self.moments, since) : bisect_left(self.moments, until)]:
            _look(heard, self.intervals(self.changes[at]), at, start)
        _look(heard, (), until, start)  # who has been silent for long has none
        told: dict[str, object] = dict.fromkeys(RHYTHM)
        for each in heard.samples("", Provenance.MEASURED):
            told[RHYTHM_SERIES[each.metric.name]] = each.value
            if "signal" in each.metric.labels:
                told["rhythm_signal"] = each.label_values[each.metric.labels.index("signal")]
        return told


def _windows(trace: _Trace, start: datetime) -> Iterator[dict[str, object]]:
    """A window for every WINDOW_SECONDS of one trace."""
    accounts, before, window_from = Accounts(), dict[str, float](), trace.moments[0]
    now: dict[str, Reading | Absent] = dict.fromkeys(trace.gpus, Absent(Why.NO_DATA))
    for begins, ends in pairwise(trace.moments):
        now.update(trace.changes[begins])
        _integrate(accounts, ends - begins, trace.intervals(now))
        if ends - window_from >= WINDOW_SECONDS or ends == trace.moments[-1]:
            totals = _totals(accounts)
            grown = {name: total - before.get(name, 0.0) for name, total in totals.items()}
            yield _window(trace, (start, window_from, ends)) | grown | trace.rhythm(ends, start)
            before, window_from = totals, ends


def _look(heard: rhythms.Rhythms, intervals: Iterable[DeviceInterval], at: float, start: datetime) -> None:
    heard.look(intervals, at_ns=round(at * NANOSECONDS), at_unix=start.timestamp() + at)


def _usual_seconds(by_gpu: Mapping[str, Sequence[Row]]) -> float:
    spacings = [later["t_s"] - earlier["t_s"] for rows in by_gpu.values() for earlier, later in pairwise(rows)]
    return float(median(spacings)) if spacings else 1.0


def _changes(by_gpu: Mapping[str, Sequence[Row]], usual: float) -> Changes:
    """A GPU's row from its moment on, and nothing from where the row before has held long enough."""
    changes: dict[float, dict[str, Reading | Absent]] = {}
    for gpu, rows in by_gpu.items():
        times = [float(row["t_s"]) for row in rows]
        for row, begins, following in zip(rows, times, [*times[1:], None], strict=True):
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
        sm_active_ratio=number("sm_active_pct", 0.01),
        tensor_active_ratio=number("tensor_active_pct", 0.01),
        dram_active_ratio=number("dram_active_pct", 0.01),
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


def _window(trace: _Trace, span: tuple[datetime, float, float]) -> dict[str, object]:
    start, begins, ends = span
    row = trace.first
    return {
        **{
            name: row[name]
            for name in ("workload_namespace", "workload_kind", "workload_name", "tenant_id", "accelerator")
        },
        "node": None,
        "provenance": Provenance.MEASURED.value,
        "workload_uid": row["trace"],
        "workload_pod": row["trace"],
        "pod_uid": row["trace"],
        "container": None,
        "metering": Metering.UTILISATION.value,
        "window_start": start + timedelta(seconds=begins),
        "window_end": start + timedelta(seconds=ends),
        "device_count": float(len(trace.gpus)),
    }
