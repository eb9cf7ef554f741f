"""
A pod-day: what one container used of one accelerator model on one day (UTC), all its windows of that day in one row.

A fleet of 100,000 devices has a hundred million windows in a month and some 400,000 pod-days. So windows are read once,
in one pass and without being held, and everything after it is quick. All amounts are sums. What a sum cannot tell later
is counted here, window by window: how many were busy and how many idle, where unseen time lay beside load, when the
first activity was, and what the node told of rhythm.

A window belongs to the day on which it begins.
"""

from collections.abc import Mapping

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.frames import DataType, conform, schema
from policy.judgement.full_rate import PARTS, energy, energy_known, held, maybe_held
from policy.usage.window import COUNTED, UTC_TIME, unobserved_seconds

KEY = (
    "node", "workload_namespace", "workload_kind", "workload_name", "workload_pod", "pod_uid", "container",
    "tenant_id", "accelerator", "metering", "day",
)  # fmt: skip
MARKS: Mapping[str, DataType] = {
    "windows": pl.UInt32,
    "known_windows": pl.UInt32,  # with any observed time
    "busy_windows": pl.UInt32,  # of those, busy for busy_window_ratio or more of the observed time
    "idle_windows": pl.UInt32,  # of those, busy for idle_window_ratio or less
    "busy_hours": pl.UInt32,  # a bit for every hour of the day in which a busy window begins
    "idle_hours": pl.UInt32,  # the same of idle ones
    "loaded_seconds": pl.Float64,  # held, or perhaps, in windows whose power or observed part tells of load
    "blind_loaded_seconds": pl.Float64,  # unobserved, in such windows
    "calm_seconds": pl.Float64,  # held, or perhaps, in windows that tell something, and not of load
    "blind_calm_seconds": pl.Float64,  # unobserved, in such windows
    "first_active": UTC_TIME,  # begin of the first window in which anything ran; null: in none
    "rhythm_windows": pl.UInt32,  # that told of rhythm, were it that there is none
    "beat_windows": pl.UInt32,  # with a period that stands out
    "period_sum": pl.Float64,
    "period_square_sum": pl.Float64,
    "latest_trough_unix": pl.Float64,
    "synchrony_windows": pl.UInt32,
    "synchrony_sum": pl.Float64,
}
POD_DAYS = schema(
    {
        **{name: pl.Date() if name == "day" else pl.String() for name in KEY},
        **dict.fromkeys(COUNTED, pl.Float64),
        "unobserved_seconds": pl.Float64,
        **dict.fromkeys(PARTS, pl.Float64),  # see full_rate.py; of the windows that could be counted
        "uncounted_windows": pl.UInt32,  # with a missing count
        "window_start": UTC_TIME,  # of the first
        "window_end": UTC_TIME,  # of the last
        "device_count": pl.Float64,  # the most at once
        **MARKS,
    }
)

observed = pl.col("observed_seconds")
is_known = observed > 0
busy = pl.col("busy_seconds")
tells = is_known | (energy_known > 0)
tells_rhythm = pl.any_horizontal(pl.col("rhythm_signal", "period_seconds", "synchrony_ratio").is_not_null())
microseconds = pl.col("window_start").to_physical()
"""Of UTC, since 1970: its day and hour need no calendar."""
MICROSECONDS_OF_HOUR = 3_600_000_000
MICROSECONDS_OF_DAY = 24 * MICROSECONDS_OF_HOUR


def turns() -> pl.Expr:
    """How often busy hours of a pod turn into idle ones or back on a day; an hour of both is a turn by itself."""
    busy, idle = pl.col("busy_hours"), pl.col("idle_hours")
    both = (busy & idle).bitwise_count_ones()
    only_busy, only_idle = busy & ~idle, idle & ~busy
    changes = (only_busy & (only_idle * 2)).bitwise_count_ones() + (only_idle & (only_busy * 2)).bitwise_count_ones()
    return (both + changes).cast(pl.Float64)


def _is_loaded(by: TrainingSignals) -> pl.Expr:
    """Whether the observed time tells of load, or the power."""
    share = by.loaded_ratio.value
    by_power = (energy_known > 0) & (energy >= share * energy_known * pl.col("board_power_watts"))
    return (is_known & (busy >= share * observed)) | by_power.fill_null(value=False)


def _is_active(by: TrainingSignals) -> pl.Expr:
    return busy + pl.col("shared_busy_seconds") > by.active_ratio.value * (held + pl.col("shared_seconds"))


def _has_beat(by: TrainingSignals) -> pl.Expr:
    return (pl.col("period_strength_ratio") >= by.least_beat_strength.value).fill_null(value=False)


def fold_days(rated: pl.LazyFrame, by: TrainingSignals) -> pl.DataFrame:
    """All pod-days of the windows, schema POD_DAYS, sorted by its key. Reads the windows in one streaming pass."""
    is_loaded = _is_loaded(by)
    told = rated.with_columns(
        day=(microseconds // MICROSECONDS_OF_DAY).cast(pl.Int32).cast(pl.Date),
        unobserved_seconds=unobserved_seconds,
        is_loaded=is_loaded,
        is_calm=tells & ~is_loaded,
        has_beat=_has_beat(by),
    )
    unseen = pl.col("unobserved_seconds").fill_null(0.0)
    prepared = told.with_columns(
        loaded_seconds=pl.when("is_loaded").then(maybe_held).otherwise(0.0),
        calm_seconds=pl.when("is_calm").then(maybe_held).otherwise(0.0),
        blind_loaded_seconds=pl.when("is_loaded").then(unseen).otherwise(0.0),
        blind_calm_seconds=pl.when("is_calm").then(unseen).otherwise(0.0),
        active_from=pl.when(_is_active(by)).then("window_start"),
        is_busy=is_known & (busy >= by.busy_window_ratio.value * observed),
        is_idle=is_known & (busy <= by.idle_window_ratio.value * observed),
        hour_bit=pl.lit(2, pl.UInt32).pow(microseconds // MICROSECONDS_OF_HOUR % 24),
        period=pl.when("has_beat").then("period_seconds"),
        trough=pl.when("has_beat").then("trough_unix_seconds"),
    ).with_columns(period_square=pl.col("period") * pl.col("period"))
    rows = prepared.group_by(KEY).agg(_sums()).collect(engine="streaming")
    return conform(rows.select(POD_DAYS.names()).sort(KEY), POD_DAYS, "pod-days")


def _sums() -> list[pl.Expr]:
    marked = (name for name in MARKS if name.startswith(("loaded_", "calm_", "blind_")))
    amounts = (*COUNTED, "unobserved_seconds", *PARTS, *marked)
    return [
        *(pl.col(name).sum() for name in amounts),
        pl.col("high_seconds").null_count().cast(pl.UInt32).alias("uncounted_windows"),
        pl.col("window_start").min(),
        pl.col("window_end").max(),
        pl.col("device_count").max(),
        pl.len().cast(pl.UInt32).alias("windows"),
        _count(is_known).alias("known_windows"),
        pl.col("is_busy").sum().cast(pl.UInt32).alias("busy_windows"),
        pl.col("is_idle").sum().cast(pl.UInt32).alias("idle_windows"),
        pl.when("is_busy").then("hour_bit").otherwise(0).bitwise_or().alias("busy_hours"),
        pl.when("is_idle").then("hour_bit").otherwise(0).bitwise_or().alias("idle_hours"),
        pl.col("active_from").min().alias("first_active"),
        _count(tells_rhythm).alias("rhythm_windows"),
        pl.col("period").count().cast(pl.UInt32).alias("beat_windows"),
        pl.col("period").sum().alias("period_sum"),
        pl.col("period_square").sum().alias("period_square_sum"),
        pl.col("trough").max().alias("latest_trough_unix"),
        pl.col("synchrony_ratio").count().cast(pl.UInt32).alias("synchrony_windows"),
        pl.col("synchrony_ratio").sum().alias("synchrony_sum"),
    ]


def _count(condition: pl.Expr) -> pl.Expr:
    return condition.sum().cast(pl.UInt32)
