"""
Is a run training? ``training``, ``not_training`` or ``undetermined``, with every piece of evidence.

Evidence is metadata only: how many devices a workload held together, for how long, how steadily they were busy, and
what kind of workload it is. Each piece adds its weight (log-odds, from the facts) to a score; a score beyond the
threshold in either direction is a verdict, anything between is undetermined. Headquarters, tenants and names take no
part.

Believed: training keeps many devices busy without pause, in batch workloads; serving waits for requests. Known to fail:
a batch inference job looks like training, a starved training job like serving. Too little observed time, or a run
whose devices were mostly unseen, is undetermined whatever the score.
"""

from enum import StrEnum

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.frames import conform, plain_zero, schema


class Verdict(StrEnum):
    """Whether a run is training. ``undetermined`` is not a weak no: it may be training."""

    TRAINING = "training"
    NOT_TRAINING = "not_training"
    UNDETERMINED = "undetermined"


EVIDENCE = pl.Struct(
    {
        "signal": pl.String,
        "value": pl.Float64,  # in the unit that the sentence names
        "weight": pl.Float64,  # log-odds; above 0 speaks for training
        "sentence": pl.String,
    }
)
VERDICTS = schema(
    {
        "run_id": pl.String,
        "verdict": pl.String,  # of Verdict
        "score": pl.Float64,  # sum of the weights
        "evidence": pl.List(EVIDENCE),
        "lacking": pl.List(pl.String),  # what would have helped
    }
)
SCORE_DECIMALS = 6  # weights are short decimals: the last bits of their sum do not decide

GANG_SIZES = (64, 16, 8)  # eight nodes of eight, two nodes, one node


def judge_training(runs: pl.DataFrame, signals: TrainingSignals) -> pl.DataFrame:
    """The verdict on every run with its evidence, schema VERDICTS; as many rows as runs."""
    pieces = [*_activity(signals), *_kind(signals), *_gang(signals)]
    enough = pl.col("lacking").list.len() == 0
    threshold = signals.threshold.value
    verdicts = (
        runs.with_columns(_together(signals).alias("together"))
        .with_columns(
            evidence=pl.concat_list(pieces).list.drop_nulls(),
            lacking=pl.concat_list(_lacking(signals)).list.drop_nulls(),
        )
        .with_columns(score=pl.col("evidence").list.eval(pl.element().struct.field("weight")).list.sum())
        .with_columns(score=plain_zero(pl.col("score").round(SCORE_DECIMALS)))
        .with_columns(
            verdict=pl.when(enough & (pl.col("score") >= threshold))
            .then(pl.lit(Verdict.TRAINING.value))
            .when(enough & (pl.col("score") <= -threshold))
            .then(pl.lit(Verdict.NOT_TRAINING.value))
            .otherwise(pl.lit(Verdict.UNDETERMINED.value))
        )
    )
    return conform(verdicts.select(VERDICTS.names()), VERDICTS, "verdicts")


seen_seconds = pl.col("observed_seconds") + pl.col("shared_observed_seconds")
seen_seconds_per_device = seen_seconds / pl.max_horizontal("peak_devices", 1.0)
unseen_seconds = pl.col("unobserved_seconds") + pl.col("shared_seconds") - pl.col("shared_observed_seconds")
duty_ratio = (pl.col("busy_seconds") + pl.col("shared_busy_seconds")) / seen_seconds
most_duty_ratio = (pl.col("busy_seconds") + pl.col("shared_busy_seconds") + unseen_seconds) / (
    seen_seconds + unseen_seconds
)
"""Busy time if all that nobody saw was busy: idle is believed only where not seeing cannot have hidden activity."""
sole_seen_ratio = pl.col("observed_seconds") / (
    pl.col("observed_seconds") + pl.col("unobserved_seconds") + pl.col("shared_seconds")
)


def _piece(applies: pl.Expr, signal: str, value: pl.Expr, weight: float, sentence: pl.Expr) -> pl.Expr:
    """One possible piece of evidence: a struct where it applies, null where it does not or cannot be known."""
    piece = pl.struct(
        signal=pl.lit(signal), value=value.cast(pl.Float64), weight=pl.lit(weight, pl.Float64), sentence=sentence
    )
    return pl.when(applies.fill_null(value=False)).then(piece)


def _activity(signals: TrainingSignals) -> list[pl.Expr]:
    percent = (duty_ratio * 100).round(0).cast(pl.Int64, strict=False).fill_null(0)
    busy, idle = signals.duty_busy_ratio.value, signals.duty_idle_ratio.value
    sustained = pl.format(f"busy for {{}} % of the observed device time, at or above {100 * busy:g} %", percent)
    mostly_idle = pl.format(f"busy for {{}} % of the observed device time, at or below {100 * idle:g} %", percent)
    known = seen_seconds > 0
    return [
        _piece(known & (duty_ratio >= busy), "sustained", duty_ratio, signals.w_sustained.value, sustained),
        _piece(known & (most_duty_ratio <= idle), "mostly_idle", duty_ratio, signals.w_mostly_idle.value, mostly_idle),
    ]


def _kind(signals: TrainingSignals) -> list[pl.Expr]:
    kind = pl.col("workload_kind")
    named = kind.fill_null("")
    batch, service = kind.is_in(signals.batch_kinds.kinds), kind.is_in(signals.service_kinds.kinds)
    one = pl.lit(1.0)
    return [
        _piece(batch, "batch_kind", one, signals.w_batch_kind.value, pl.format("its kind, {}, runs to an end", named)),
        _piece(service, "service_kind", one, signals.w_service_kind.value, pl.format("its kind, {}, serves on", named)),
    ]


def _together(signals: TrainingSignals) -> pl.Expr:
    """Devices that work together: of a service one pod's (replicas are independent), else all at once."""
    service = pl.col("workload_kind").is_in(signals.service_kinds.kinds).fill_null(value=False)
    return pl.when(service).then("largest_pod_devices").otherwise("peak_devices")


def _gang(signals: TrainingSignals) -> list[pl.Expr]:
    together = pl.col("together")
    sentence = pl.format("{} devices held together", together.round(0).cast(pl.Int64))
    weights = {64: signals.w_gang_64.value, 16: signals.w_gang_16.value, 8: signals.w_gang_8.value}
    below = {64: float("inf"), 16: 64, 8: 16}
    gangs = [
        _piece(together.is_between(size, below[size], closed="left"), "gang", together, weights[size], sentence)
        for size in GANG_SIZES
    ]
    one = together.is_between(0, 1, closed="right")  # none held at the end of any window says nothing about how many
    single = pl.lit("no more than one device at a time")
    return [*gangs, _piece(one, "single_device", together, signals.w_single_device.value, single)]


def _lacking(signals: TrainingSignals) -> list[pl.Expr]:
    least, share = signals.min_observed_seconds.value, signals.min_observed_ratio.value
    return [
        pl.when(seen_seconds <= 0).then(pl.lit("no reading of activity at all")),
        pl.when((seen_seconds > 0) & (seen_seconds_per_device < least)).then(
            pl.lit(f"less than {least:g} seconds of each device were observed")
        ),
        pl.when((seen_seconds > 0) & (sole_seen_ratio < share)).then(
            pl.lit(f"less than {100 * share:g} % of its device time was observed while it held the devices alone")
        ),
    ]
