"""
The signs by which training is told, each a piece of evidence with its value, its weight and a sentence.

In order of robustness: what the scheduler knows (kind, gang, size, restarts), how long devices were busy, whether they
moved together, what tensor pipes, memory and links did, pauses in step, power's swing. Metadata only: no name, no
headquarters and no content takes part. Weights are log-odds from the facts; above 0 speaks for training.

Each sign is told twice: by what was seen (``applies``), and by what would be so if all that nobody saw spoke for
training (``at_best``). Only the second can say that a run is not training, so that losing a reading clears nobody.
"""

from collections.abc import Iterator

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.judgement import measures as of
from policy.judgement.sign import Sign, percent, whole

GANG_SIZES = (64, 16, 8)
"""Eight nodes of eight, two nodes, one node: the w_gang rows of the facts, the largest first."""
kind = pl.col("workload_kind")
is_seen = of.seen_seconds > 0


def signs(by: TrainingSignals) -> Iterator[Sign]:
    """Every sign. The frame has the columns of a run, ``together``, ``run_seconds`` and ``run_pieces``."""
    yield from _scheduled(by)
    yield from _gang(by)
    yield from _activity(by)
    yield from _movement(by)
    yield from _inside(by)


def together(by: TrainingSignals) -> pl.Expr:
    """
    Devices that work together: all at once if the pods are ranks of one computation, else those of one pod.

    Ranks they are by their kind, or because all pause at one pace; otherwise they may be replicas, frames, or parts of
    a list.
    """
    return _together(by, of.at_one_pace(by))


def _stirs(by: TrainingSignals) -> pl.Expr:
    return of.most_duty_ratio > by.stirs_ratio.value


def _together(by: TrainingSignals, at_one_pace: pl.Expr) -> pl.Expr:
    ranks = kind.is_in(by.gang_kinds.kinds) | (at_one_pace & _stirs(by))
    return pl.when(ranks.fill_null(value=False)).then("peak_devices").otherwise("largest_pod_devices")


def is_batch(by: TrainingSignals) -> pl.Expr:
    """Whether the kind of workload runs to an end; unknown is no."""
    return kind.is_in(by.batch_kinds.kinds).fill_null(value=False)


def _scheduled(by: TrainingSignals) -> Iterator[Sign]:
    one, named = pl.lit(1.0), kind.fill_null("")
    batch, service = by.w_batch_kind.value, by.w_service_kind.value
    yield Sign(
        signal="batch_kind", applies=is_batch(by), value=one, weight=batch,
        sentence=pl.format("its kind, {}, runs to an end", named),
    )  # fmt: skip
    yield Sign(
        signal="service_kind", applies=kind.is_in(by.service_kinds.kinds), value=one, weight=service,
        sentence=pl.format("its kind, {}, serves on", named),
    )  # fmt: skip
    pieces = pl.col("run_pieces")
    yield Sign(
        signal="restarted", applies=pieces >= 2, value=pieces, weight=by.w_restarted.value,
        sentence=pl.format("it went on {} times under another name", whole(pieces - 1)),
    )  # fmt: skip


def _gang(by: TrainingSignals) -> Iterator[Sign]:
    devices, at_best = pl.col("together"), _together(by, of.maybe_at_one_pace(by))
    sentence = pl.format("{} devices held together", whole(devices))
    weights = {64: by.w_gang_64.value, 16: by.w_gang_16.value, 8: by.w_gang_8.value}
    below = {64: float("inf"), 16: 64, 8: 16}
    for size in GANG_SIZES:
        in_range, maybe = (each.is_between(size, below[size], closed="left") for each in (devices, at_best))
        yield Sign(
            signal="gang", applies=in_range, at_best=maybe, value=devices, weight=weights[size], sentence=sentence
        )
    one = devices.is_between(0, 1, closed="right")  # none held at the end of any window says nothing about how many
    alone = pl.lit("no more than one device at a time")
    yield Sign(
        signal="single_device", applies=one, at_best=at_best.is_between(0, 1, closed="right"), value=devices,
        weight=by.w_single_device.value, sentence=alone,
    )  # fmt: skip
    hours = devices * pl.col("run_seconds") / 3600
    is_large, maybe_large = (
        (each >= GANG_SIZES[-1]) & (each * pl.col("run_seconds") / 3600 >= by.large_device_hours.value)
        for each in (devices, at_best)
    )
    told = pl.format("{} devices together for {} hours", whole(devices), whole(pl.col("run_seconds") / 3600))
    yield Sign(
        signal="large", applies=is_large, at_best=maybe_large, value=hours, weight=by.w_large.value, sentence=told
    )


def _may_work(by: TrainingSignals) -> pl.Expr:
    return of.most_duty_ratio > by.duty_idle_ratio.value


_seen_time = (
    pl.when(pl.col("init_seconds") > 0)
    .then(pl.lit("the observed device time after its start-up"))
    .otherwise(pl.lit("the observed device time"))
)


def _activity(by: TrainingSignals) -> Iterator[Sign]:
    busy, idle = by.duty_busy_ratio.value, by.duty_idle_ratio.value
    is_idle = is_seen & ~_may_work(by)
    yield Sign(
        signal="sustained", applies=is_seen & (of.duty_ratio >= busy), at_best=of.most_duty_ratio >= busy,
        value=of.duty_ratio, weight=by.w_sustained.value,
        sentence=pl.format(
            f"busy for {{}} % of {{}}, at or above {100 * busy:g} %", percent(of.duty_ratio), _seen_time
        ),
    )  # fmt: skip
    yield Sign(
        signal="mostly_idle", applies=is_idle, value=of.duty_ratio, weight=by.w_mostly_idle.value,
        sentence=pl.format(
            f"busy for {{}} % of {{}}, at or below {100 * idle:g} %", percent(of.duty_ratio), _seen_time
        ),
    )  # fmt: skip
    gigabytes, resident = of.memory_bytes / 1e9, by.resident_bytes.value
    yield Sign(
        signal="resident_idle", applies=is_idle & (of.memory_bytes >= resident), value=gigabytes,
        at_best=is_idle & (of.least_memory_bytes >= resident), weight=by.w_resident_idle.value,
        sentence=pl.format("{} GB lie in the memory of each device meanwhile", whole(gigabytes)),
    )  # fmt: skip
    steady, low = by.steady_ratio.value, by.least_low_ratio.value
    comes_and_goes = (of.between_ratio >= steady) & (of.low_ratio >= low)
    surely_comes_and_goes = (of.least_between_ratio >= steady) & (of.least_low_ratio >= low)
    yield Sign(
        signal="requests", applies=comes_and_goes, value=of.between_ratio,
        at_best=surely_comes_and_goes, weight=by.w_requests.value,
        sentence=pl.format("neither idle nor full for {} % of the time", percent(of.between_ratio)),
    )  # fmt: skip


def _movement(by: TrainingSignals) -> Iterator[Sign]:
    told = of.correlations >= by.min_rhythm_windows.value
    high, low, beats = by.synchrony_high_ratio.value, by.synchrony_low_ratio.value, by.beat_windows_ratio.value
    sentence = pl.format("the devices of a container move together by {} %", percent(of.synchrony))
    as_one, maybe_as_one = _stirs(by) & told & (of.synchrony >= high), _maybe_as_one(by)
    yield Sign(
        signal="together", applies=as_one & _more_than_busy_time, at_best=maybe_as_one, value=of.synchrony,
        weight=by.w_together.value, sentence=sentence,
    )  # fmt: skip
    yield Sign(
        signal="apart", applies=told & (of.synchrony <= low), at_best=told & (of.most_synchrony <= low),
        value=of.synchrony, weight=by.w_apart.value, sentence=sentence,
    )  # fmt: skip
    yield Sign(
        signal="pauses", applies=as_one & (of.beat_ratio >= beats), value=of.beat_ratio, weight=by.w_pauses.value,
        at_best=maybe_as_one & (of.most_beat_ratio >= beats),
        sentence=pl.format("they pause at even times in {} % of the windows", percent(of.beat_ratio)),
    )  # fmt: skip
    swings = (of.swing_ratio >= by.swing_ratio.value).fill_null(value=False)
    yield Sign(
        signal="swing", applies=as_one & swings, at_best=maybe_as_one & (swings | _is_partly("power_observed_seconds")),
        value=of.swing_ratio, weight=by.w_swing.value,
        sentence=pl.format("their power swings by {} % of its mean", percent(of.swing_ratio)),
    )  # fmt: skip


def _maybe_as_one(by: TrainingSignals) -> pl.Expr:
    """Whether devices of a container move together, or may have in windows that told of no movement."""
    told = (of.correlations >= by.min_rhythm_windows.value).fill_null(value=False)
    maybe = ~told | (of.most_synchrony >= by.synchrony_high_ratio.value)
    return maybe & _stirs(by) & (pl.col("largest_pod_devices") > 1)


_more_than_busy_time = pl.any_horizontal(pl.col(f"{name}_observed_seconds") > 0 for name in ("tensor", "sm", "power"))
"""Devices that are busy all the time have nothing in their busy time by which to tell whether they move together."""


def _is_partly(known: str) -> pl.Expr:
    """Whether a reading was missing at any time."""
    return pl.col(known) < (1 - 1e-9) * of.possible_seconds


def _inside(by: TrainingSignals) -> Iterator[Sign]:
    works, may_work = is_seen & (of.duty_ratio > by.duty_idle_ratio.value), _may_work(by)
    busy, idle = by.tensor_busy_ratio.value, by.tensor_idle_ratio.value
    share, most = of.tensor_of_busy_ratio, of.most_tensor_ratio
    several = pl.col("together") > 1  # a small fine-tune of one device may be memory bound as well
    bound, sure_bound = several & is_memory_bound(by), several & _is_surely_memory_bound(by)
    rests, surely_rests = share <= idle, most <= idle * of.least_duty_ratio
    sentence = pl.format("tensor pipes at work in {} % of the busy time", percent(share))
    yield Sign(
        signal="tensor", applies=works & (share >= busy) & ~bound, value=share, weight=by.w_tensor.value,
        at_best=may_work & (most >= busy * of.least_duty_ratio) & ~sure_bound, sentence=sentence,
    )  # fmt: skip
    yield Sign(
        signal="no_tensor", applies=works & rests, at_best=may_work & surely_rests, value=share,
        weight=by.w_no_tensor.value, sentence=sentence,
    )  # fmt: skip
    yield Sign(
        signal="memory_bound", applies=works & bound & ~rests, at_best=may_work & sure_bound & ~surely_rests,
        value=of.dram_ratio, weight=by.w_memory_bound.value,
        sentence=pl.format("{} % of the memory's bandwidth in use while tensor pipes wait", percent(of.dram_ratio)),
    )  # fmt: skip
    throughout = of.least_duty_ratio >= by.throughout_ratio.value
    modest = throughout & of.power_ratio.is_between(by.p_cap_low.value, by.modest_power_ratio.value)
    yield Sign(
        signal="modest_power", applies=modest & of.tensor_ratio.is_null(), at_best=pl.lit(value=False),
        value=of.power_ratio, weight=by.w_modest_power.value,
        sentence=pl.format("busy throughout at {} % of the boards' power", percent(of.power_ratio)),
    )  # fmt: skip
    rate = of.nvlink_bytes_per_second / 1e9
    exchanges = (of.nvlink_bytes_per_second >= by.interconnect_bytes_per_second.value).fill_null(value=False)
    yield Sign(
        signal="interconnect", applies=works & exchanges, value=rate, weight=by.w_interconnect.value,
        at_best=may_work & (exchanges | _is_partly("nvlink_observed_seconds")),
        sentence=pl.format("each device exchanges {} GB a second with others", whole(rate)),
    )  # fmt: skip


def is_memory_bound(by: TrainingSignals) -> pl.Expr:
    """Whether memory limits what the busy time does: much bandwidth in use, and many times the tensor time."""
    much = of.dram_of_busy_ratio >= by.memory_bound_ratio.value
    return (much & (of.dram_ratio >= by.memory_to_tensor.value * of.tensor_ratio)).fill_null(value=False)


def _is_surely_memory_bound(by: TrainingSignals) -> pl.Expr:
    """The same, if memory rested and tensor pipes worked whenever nobody read them."""
    much = of.least_dram_ratio >= by.memory_bound_ratio.value
    return (much & (of.least_dram_ratio >= by.memory_to_tensor.value * of.most_tensor_ratio)).fill_null(value=False)
