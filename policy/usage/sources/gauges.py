"""
Who held which device, moment by moment, becomes usage windows. Pure.

A device is followed as one line in time, whoever holds it: what it said last holds until it speaks again, at most
LONGEST_HOLD_SPACINGS usual spacings (as for recorded series). So a pod ends when its device is heard with another pod
or with none, and nothing is counted twice, however many copies of a value there are.

Silence of a device is nobody's claim and never 0: it is held and unobserved for a pod that had the device before and
after it, and unwatched for one that had it on one side only. Before its first word and after its last there is nothing.

A device with several pods at one moment is shared: whole for each of them, in the shared columns alone.
"""

import polars as pl

from policy.frames import conform, empty, schema
from policy.usage.sources.dcgm import (
    BUSY,
    COLUMNS,
    DEVICE,
    DRAM,
    HOLDER,
    MEMORY,
    POWER,
    POWER_SQUARE,
    RECEIVE,
    SM,
    TENSOR,
    TRANSMIT,
)

LONGEST_HOLD_SPACINGS = 3
SEGMENTS = schema(
    {
        **dict.fromkeys((*DEVICE, *HOLDER), pl.String),  # workload_pod null: nobody holds the device
        "begin_ms": pl.Int64,  # Unix time, as all moments here
        "until_ms": pl.Int64,  # how long the values hold at most
        "last_until_ms": pl.Int64,  # how long they hold if the device says nothing afterwards
        **dict.fromkeys(COLUMNS, pl.Float64),  # null: not read
    }
)
"""What a device said of one holder from a moment on, sampled or as the mean of a whole window."""
SPANS = schema(
    {
        **dict.fromkeys((*DEVICE, *HOLDER), pl.String),
        "begin_ms": pl.Int64,
        "end_ms": pl.Int64,
        **dict.fromkeys(COLUMNS, pl.Float64),
        "holders": pl.UInt32,  # how many pods have the device
        "watched": pl.Boolean,  # false: it may have had the device, and nobody watched
    }
)
PIECE = (*DEVICE, *HOLDER)
AMOUNTS = {
    ("busy_seconds", "observed_seconds"): pl.col(BUSY),
    ("energy_joules", "energy_observed_seconds"): pl.col(POWER),
    ("memory_byte_seconds", "memory_observed_seconds"): pl.col(MEMORY),
    ("sm_active_seconds", "sm_observed_seconds"): pl.col(SM),
    ("tensor_active_seconds", "tensor_observed_seconds"): pl.col(TENSOR),
    ("dram_active_seconds", "dram_observed_seconds"): pl.col(DRAM),
    ("nvlink_bytes", "nvlink_observed_seconds"): pl.col(RECEIVE) + pl.col(TRANSMIT),
    ("power_square_watt2_seconds", "power_observed_seconds"): pl.col(POWER_SQUARE),
}
"""What is added up over the time for which a device is held alone, and the time for which it is known: from a rate."""

seconds = (pl.col("end_ms") - pl.col("begin_ms")) / 1000
is_watched = pl.col("watched")
is_sole = is_watched & (pl.col("holders") == 1)
is_shared = is_watched & (pl.col("holders") > 1)


def spans_of(segments: pl.DataFrame) -> pl.DataFrame:
    """From when to when every holder had its devices, schema SPANS; nobody is a holder whose pod is null."""
    each = conform(segments, SEGMENTS, "segments").group_by(*PIECE, "begin_ms").agg(pl.all().max())
    held = _without_nobody_beside_somebody(each)
    moments = held.group_by("device", "begin_ms").agg(pl.col("until_ms", "last_until_ms").max())
    following = pl.col("begin_ms").shift(-1).over("device", order_by="begin_ms")
    moments = moments.with_columns(next_ms=following).select(
        "device", "begin_ms", "next_ms", end_ms=pl.min_horizontal(_end, "next_ms")
    )
    spoken = held.drop("until_ms", "last_until_ms").join(moments.drop("next_ms"), on=("device", "begin_ms"))
    at_once = ("device", "begin_ms")
    spoken = spoken.with_columns(
        pl.col(COLUMNS).max().over(at_once),  # copies of one value; where they differ the highest is the bound
        holders=pl.col("workload_pod").is_not_null().sum().over(at_once).cast(pl.UInt32),
        watched=pl.lit(value=True),
    )
    every = pl.concat([spoken.select(SPANS.names()), _silences(held, moments)]) if held.height else empty(SPANS)
    return conform(every.filter(pl.col("end_ms") > pl.col("begin_ms")), SPANS, "spans")


def windows_of(spans: pl.DataFrame, window_ms: int) -> pl.DataFrame:
    """
    The spans of every holder added up for each window and accelerator: the columns of WINDOWS that a device can tell.

    A window begins and ends with what its holder had in it.
    """
    pieces = cut(spans.filter(pl.col("workload_pod").is_not_null()), window_ms)
    key = ("node", *HOLDER, "accelerator", "window")
    held = pl.col("device").filter(is_watched)
    return pieces.group_by(key).agg(
        window_start=_moment(pl.col("begin_ms").min()),
        window_end=_moment(pl.col("end_ms").max()),
        device_count=held.n_unique().cast(pl.Float64),
        held_seconds=_sum(is_sole),
        **{amount: _sum(is_sole, rate) for (amount, _), rate in AMOUNTS.items()},
        **{observed: _sum(is_sole & rate.is_not_null()) for (_, observed), rate in AMOUNTS.items()},
        shared_seconds=_sum(is_shared),
        shared_observed_seconds=_sum(is_shared & pl.col(BUSY).is_not_null()),
        shared_busy_seconds=_sum(is_shared, pl.col(BUSY)),
        unwatched_seconds=_sum(~is_watched),
    )


def nobodys_hours(spans: pl.DataFrame) -> float:
    """Device-hours in which a device was heard and no pod was named."""
    return float(spans.filter(pl.col("workload_pod").is_null()).select(seconds.sum()).item()) / 3600


def within(spans: pl.DataFrame, begin_ms: int, end_ms: int) -> pl.DataFrame:
    """The same spans between two moments, and nothing of them beyond."""
    inside = spans.with_columns(
        pl.col("begin_ms").clip(lower_bound=begin_ms), pl.col("end_ms").clip(upper_bound=end_ms)
    )
    return inside.filter(pl.col("begin_ms") < pl.col("end_ms"))


def cut(spans: pl.DataFrame, window_ms: int) -> pl.DataFrame:
    """The same spans, cut where a window ends; ``window`` counts windows since 1970."""
    first, last = pl.col("begin_ms") // window_ms, (pl.col("end_ms") - 1) // window_ms
    return (
        spans.with_columns(window=pl.int_ranges(first, last + 1))
        .explode("window")
        .with_columns(
            begin_ms=pl.max_horizontal("begin_ms", pl.col("window") * window_ms),
            end_ms=pl.min_horizontal("end_ms", (pl.col("window") + 1) * window_ms),
        )
    )


_end = pl.when(pl.col("next_ms").is_null()).then("last_until_ms").otherwise("until_ms")


def _without_nobody_beside_somebody(segments: pl.DataFrame) -> pl.DataFrame:
    """A second exporter that knows no pods does not say that the first one's pods are not there."""
    somebody = pl.col("workload_pod").is_not_null().any().over("device", "begin_ms")
    return segments.filter(pl.col("workload_pod").is_not_null() | ~somebody)


def _silences(held: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
    """Where a device said nothing between two words: a span for everybody who had it on one side or on both."""
    silent = moments.filter(pl.col("end_ms") < pl.col("next_ms"))
    columns = (*PIECE, "from_ms", "to_ms")
    sides = [
        held.join(
            silent.select("device", begin_ms=pl.col(side), from_ms="end_ms", to_ms="next_ms"), on=("device", "begin_ms")
        ).select(columns)
        for side in ("begin_ms", "next_ms")
    ]
    throughout = pl.col("sides") == 2  # before and after
    holders = (throughout & pl.col("workload_pod").is_not_null()).sum().over("device", "from_ms")
    return (
        pl.concat(sides)
        .group_by(columns)
        .agg(sides=pl.len())
        .with_columns(
            *(pl.lit(None, pl.Float64).alias(name) for name in COLUMNS),
            holders=holders.cast(pl.UInt32),
            watched=throughout,
        )
        .filter(pl.col("workload_pod").is_not_null())
        .rename({"from_ms": "begin_ms", "to_ms": "end_ms"})
        .select(SPANS.names())
    )


def _sum(which: pl.Expr, rate: pl.Expr | None = None) -> pl.Expr:
    """Seconds of these spans, or a rate over them where it was read."""
    amount = seconds if rate is None else seconds * rate
    return amount.filter(which).sum()


def _moment(milliseconds: pl.Expr) -> pl.Expr:
    return (milliseconds * 1000).cast(pl.Datetime("us", "UTC"))
