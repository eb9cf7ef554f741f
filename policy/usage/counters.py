"""
Two snapshots of the fleet's counters become the windows between them. Pure.

A snapshot holds the last known counters of every node, also of those that did not answer this time; so the two newest
snapshots are all that is ever needed, and a node that answers again after hours yields one long window with the whole
sum. Nothing is lost by a missed scrape, and nothing counted twice.

When a collector has begun anew (another start time) its counters are taken whole, and the time in between is unwatched:
every container that held devices before or after it may have held them throughout. The same goes for a container that
held devices and whose counters the collector has retired since: nobody saw it end. A collector that kept its counters
over a restart (the same start time) has counted that time itself, as lost and as unwatched, and nothing is added here.

A rhythm is no counter: a window has the one that the newer snapshot tells.

Left out: a container that came and was retired within one silence, longer than the collector's retention. No page ever
named it; its seconds are in the balance, as attributed, and in no window.
"""

from collections.abc import Collection
from datetime import UTC, datetime

import polars as pl

from collector.contract import GpuState, gpu_metrics, holder_metrics, node_metrics
from policy.frames import conform, empty, schema
from policy.usage.holder_series import COUNTER_NAMES, KEY, RHYTHM_SERIES, columns_of, rhythms_of
from policy.usage.window import BALANCE, COUNTED, HOLDER, NOTHING_TOLD, UTC_TIME, WINDOWS, WORKLOAD, Metering

LABELS = (*HOLDER, *WORKLOAD, "state", "reason", "direction", "level", "signal")
COUNTERS = schema(
    {
        "target": pl.String,  # where the page came from
        "metric": pl.String,  # a name of the wire contract, or RETIRED
        **dict.fromkeys(LABELS, pl.String),  # label values; null where a metric lacks the label or it is empty
        "value": pl.Float64,
    }
)

RETIRED = "retired_timestamp_seconds"
"""Not on any page: since when a node's target is no longer asked, as Unix time. The engine's own mark in a snapshot."""
NODE = ("node", "provenance")
KEPT = (
    node_metrics.COLLECTOR_START.name,
    node_metrics.COLLECTOR_CLOCK.name,
    node_metrics.COLLECTOR_BLIND.name,
    gpu_metrics.GPUS.name,
    gpu_metrics.GPU_PHYSICAL.name,
    gpu_metrics.GPU_SECONDS.name,
    holder_metrics.HOLDER_INFO.name,
    holder_metrics.HOLDER_DEVICES.name,
    *COUNTER_NAMES,
    *RHYTHM_SERIES,
)


_span_seconds = (pl.col("window_end") - pl.col("window_start")).dt.total_microseconds() / 1e6
_unwatched_seconds = (
    pl.when(pl.col("devices_now").is_null() & ~pl.col("anew"))
    .then(pl.col("devices_then") * _span_seconds)
    .otherwise(pl.max_horizontal("devices_then", "devices_now") * pl.col("gap_seconds"))
)


def carry_forward(before: pl.DataFrame, answered: pl.DataFrame) -> pl.DataFrame:
    """A whole snapshot: the nodes that answered, and the last known counters of those that did not."""
    silent = before.join(answered.select(NODE).unique(), on=NODE, how="anti")
    return conform(pl.concat([silent, answered]).sort(COUNTERS.names()), COUNTERS, "counters")


def retire(counters: pl.DataFrame, asked: Collection[str], at: datetime) -> pl.DataFrame:
    """
    The same snapshot, in which nodes whose target is no longer asked are marked with the moment that began.

    From that moment on nobody is said to hold their devices. Their counters stay: should the node come back, they are
    what its new ones are compared with. A node that is asked again loses the mark.
    """
    is_mark = pl.col("metric") == RETIRED
    gone = ~pl.col("target").is_in(list(asked))
    kept = counters.filter(~is_mark | gone)
    marked = kept.filter(is_mark).select(NODE)
    clocks = _of(kept, node_metrics.COLLECTOR_CLOCK.name).filter(gone).join(marked, on=NODE, how="anti")
    marks = clocks.with_columns(metric=pl.lit(RETIRED), value=pl.lit(at.timestamp()))
    return conform(pl.concat([kept, marks]).sort(COUNTERS.names()), COUNTERS, "counters")


def targets_in_force(counters: pl.DataFrame) -> frozenset[str]:
    """The targets of the snapshot's nodes that are not marked as no longer asked: whose holders still count."""
    marked = counters.filter(pl.col("metric") == RETIRED).select(NODE)
    return frozenset(counters.join(marked, on=NODE, how="anti")["target"])


def windows_between(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The usage windows of every node whose counters have moved on since ``before``; sorted, schema WINDOWS."""
    spans = _spans(before, after)
    used = columns_of(_differences(before, after, spans, COUNTER_NAMES, KEY))
    rows = (
        _devices(before, after, spans)
        .join(used, on=HOLDER, how="full", coalesce=True, nulls_equal=True)
        .join(rhythms_of(after), on=HOLDER, how="left", nulls_equal=True)
        .join(_workloads(before, after), on=HOLDER, how="left", nulls_equal=True)
        .join(spans, on=NODE, how="inner")
        .with_columns(pl.col(*COUNTED, "device_count").fill_null(0.0))
        .with_columns(
            unwatched_seconds=pl.col("unwatched_seconds") + _unwatched_seconds.fill_null(0.0),
            metering=pl.lit(Metering.UTILISATION.value),
        )
    )
    moved = pl.any_horizontal(pl.col("held_seconds", "shared_seconds", "unwatched_seconds") > 0)
    return conform(rows.filter(moved).select(WINDOWS.names()).sort(WINDOWS.names()), WINDOWS, "windows")


def balance_between(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """
    Where every physical GPU-second went between the two snapshots, schema BALANCE.

    Time in which no collector ran is ``lost`` with the reason ``collector_down``: known GPUs, seen by nobody.
    """
    spans = _spans(before, after)
    key = (*NODE, "accelerator", "state", "reason")
    counted = (gpu_metrics.GPU_SECONDS.name, gpu_metrics.GPU_PHYSICAL.name)
    rows = _differences(before, after, spans, counted, key).with_columns(
        state=pl.when(pl.col("metric") == gpu_metrics.GPU_PHYSICAL.name).then(pl.lit("physical")).otherwise("state"),
    )
    down = (
        _of(before, gpu_metrics.GPUS.name)
        .join(spans.filter(pl.col("gap_seconds") > 0), on=NODE)
        .select(*NODE, "accelerator", gpu_seconds=pl.col("value") * pl.col("gap_seconds"))
    )
    lost = down.with_columns(state=pl.lit(GpuState.LOST.value), reason=pl.lit("collector_down"))
    physical = down.with_columns(state=pl.lit("physical"), reason=pl.lit(None, pl.String))
    found = rows.select(*NODE, "accelerator", "state", "reason", gpu_seconds=pl.col("value"))
    whole = pl.concat([found, lost.select(found.columns), physical.select(found.columns)])
    whole = whole.group_by(key).agg(pl.col("gpu_seconds").sum()).join(spans, on=NODE)
    return conform(whole.select(BALANCE.names()).sort(BALANCE.names()), BALANCE, "balance")


def pending_windows(
    latest: pl.DataFrame, at: datetime, stale_after_seconds: float, since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
) -> pl.DataFrame:
    """
    Unwatched windows for nodes that have not answered for longer than ``stale_after_seconds``, up to ``at``.

    Only what lies after ``since`` is counted, and of a node that is no longer asked only what lies before that.

    They are judged with the ledger's windows and never written to it: when the node answers again, its own counters
    say what happened. Until then whoever held its devices may hold them still.
    """
    retired = _of(latest, RETIRED).select(*NODE, retired=_moment("value"))
    spans = (
        _clock(latest)
        .join(retired, on=NODE, how="left")
        .with_columns(
            window_start=pl.max_horizontal("clock", pl.lit(since, UTC_TIME)),
            window_end=pl.min_horizontal(pl.lit(at, UTC_TIME), "retired"),
        )
        .with_columns(unwatched=_span_seconds)
    )
    silent = spans.filter(pl.col("unwatched") > stale_after_seconds)
    rows = (
        _of(latest, holder_metrics.HOLDER_DEVICES.name)
        .filter(pl.col("value") > 0)
        .select(*HOLDER, device_count="value")
        .join(_workloads(empty(COUNTERS), latest), on=HOLDER, how="left", nulls_equal=True)
        .join(silent, on=NODE, how="inner")
        .with_columns(**NOTHING_TOLD)
        .with_columns(
            unwatched_seconds=pl.col("device_count") * pl.col("unwatched"),
            metering=pl.lit(Metering.UTILISATION.value),
        )
    )
    return conform(rows.select(WINDOWS.names()).sort(WINDOWS.names()), WINDOWS, "pending windows")


def _spans(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """For every node that moved on: window_start, window_end, whether it began anew, and the gap nobody watched."""
    then = _clock(before).rename({"clock": "clock_then", "start": "start_then"})
    # A start later than the clock was taken from a clock that was wrong then: no gap is longer than what has passed.
    resumed = pl.min_horizontal("start", "clock")
    seconds = (resumed - pl.col("clock_then")).dt.total_microseconds() / 1e6
    anew = (pl.col("start") != pl.col("start_then")).fill_null(value=True)
    return (
        _clock(after)
        .join(then, on=NODE, how="left")
        .filter(pl.col("clock_then").is_null() | (pl.col("clock") != pl.col("clock_then")) | anew)
        .select(
            *NODE,
            anew=anew,
            window_start=pl.coalesce("clock_then", "start"),
            window_end=pl.max_horizontal("clock", "clock_then"),
            gap_seconds=pl.when(anew).then(seconds.clip(lower_bound=0.0)).otherwise(0.0).fill_null(0.0),
        )
    )


def _clock(counters: pl.DataFrame) -> pl.DataFrame:
    """Per node, when its counters began (start) and up to when they count (clock)."""

    def moment(metric: str, name: str) -> pl.DataFrame:
        return _of(counters, metric).select(*NODE, _moment("value").alias(name))

    return moment(node_metrics.COLLECTOR_START.name, "start").join(
        moment(node_metrics.COLLECTOR_CLOCK.name, "clock"), on=NODE, how="inner"
    )


def _differences(
    before: pl.DataFrame, after: pl.DataFrame, spans: pl.DataFrame, metrics: tuple[str, ...], key: tuple[str, ...]
) -> pl.DataFrame:
    """How much each counter grew. A counter that began anew, or fell, has grown by all it shows."""
    then = before.filter(pl.col("metric").is_in(metrics)).select("metric", *key, value_then="value")
    grown = pl.col("value") - pl.col("value_then")
    whole = pl.col("anew") | pl.col("value_then").is_null() | (grown < 0)
    return (
        after.filter(pl.col("metric").is_in(metrics))
        .join(spans, on=NODE, how="inner")
        .join(then, on=("metric", *key), how="left", nulls_equal=True)
        .select("metric", *key, value=pl.when(whole).then("value").otherwise(grown))
    )


def _devices(before: pl.DataFrame, after: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Every holder of either snapshot: devices then, devices now (null: no counters of it), and device_count."""
    then = _of(before, holder_metrics.HOLDER_DEVICES.name).select(*HOLDER, devices_then="value")
    now = _of(after, holder_metrics.HOLDER_DEVICES.name).select(*HOLDER, devices_now="value")
    both = then.join(now, on=HOLDER, how="full", coalesce=True, nulls_equal=True)
    return both.join(spans.select(NODE), on=NODE, how="semi").with_columns(device_count="devices_now")


def _workloads(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The workload of every holder, from the newer snapshot that names it."""
    both = pl.concat([_of(after, holder_metrics.HOLDER_INFO.name), _of(before, holder_metrics.HOLDER_INFO.name)])
    return both.select(*HOLDER, *WORKLOAD).unique(subset=HOLDER, keep="first", maintain_order=True)


def _moment(column: str) -> pl.Expr:
    """Unix seconds as a time."""
    return (pl.col(column) * 1e6).round().cast(pl.Int64).cast(UTC_TIME)


def _of(counters: pl.DataFrame, metric: str) -> pl.DataFrame:
    return counters.filter(pl.col("metric") == metric)
