"""
Verdicts held against what workloads are known to be: how many of each, and the shares that matter.

Not counted against the product: mixed workloads, and jobs of which nobody says what they did besides not being
pre-training; fine-tuning is training too.
"""

from collections.abc import Sequence

import polars as pl

from policy.frames import conform, empty, schema
from policy.judgement.verdict import Verdict
from policy.validation.figures import Share
from policy.validation.labelled import VERDICTS, Truth

COUNTS = schema(
    {
        "source": pl.String,  # the file
        "truth": pl.String,
        "verdict": pl.String,
        "workloads": pl.Int64,
        "gpu_hours": pl.Float64,
    }
)
ABSTENTIONS = schema(
    {
        "source": pl.String,
        "truth": pl.String,
        "lacking": pl.String,  # or that the evidence points neither way
        "workloads": pl.Int64,
        "gpu_hours": pl.Float64,
    }
)
IS_TRAINING = (Truth.TRAINING, Truth.PRETRAIN)
IS_NOT_TRAINING = (Truth.SERVING, Truth.INFERENCE, Truth.RENDERING)
LABELLED = (*IS_TRAINING, *IS_NOT_TRAINING)
NEITHER_WAY = "nothing is lacking: the signs point neither way clearly enough"
hours = pl.col("gpu_hours")


def joined(sources: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The verdicts of several files, with their ``source``."""
    named = [frame.with_columns(source=pl.lit(name)) for name, frame in sources.items()]
    return pl.concat(named or [empty(VERDICTS).with_columns(source=pl.lit(None, pl.String))])


def counts(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Schema COUNTS, sorted by its key."""
    rows = verdicts.group_by("source", "truth", "verdict").agg(workloads=pl.len().cast(pl.Int64), gpu_hours=hours.sum())
    return conform(rows.select(COUNTS.names()).sort("source", "truth", "verdict"), COUNTS, "counts of verdicts")


def abstentions(verdicts: pl.DataFrame) -> pl.DataFrame:
    """What was lacking where the verdict is undetermined, schema ABSTENTIONS, the most GPU-hours first."""
    open_ones = verdicts.filter(pl.col("verdict") == Verdict.UNDETERMINED.value)
    lacking = pl.when(pl.col("lacking").list.len() == 0).then([NEITHER_WAY]).otherwise("lacking")
    rows = (
        open_ones.with_columns(lacking=lacking)
        .explode("lacking")
        .group_by("source", "truth", "lacking")
        .agg(workloads=pl.len().cast(pl.Int64), gpu_hours=hours.sum())
        .sort("gpu_hours", "source", "truth", "lacking", descending=(True, False, False, False))
    )
    return conform(rows.select(ABSTENTIONS.names()), ABSTENTIONS, "what was lacking")


def of(verdicts: pl.DataFrame, truths: Sequence[Truth]) -> pl.DataFrame:
    """Those that are known to be one of these."""
    return verdicts.filter(pl.col("truth").is_in([truth.value for truth in truths]))


def judged(verdicts: pl.DataFrame, truths: Sequence[Truth], verdict: Verdict) -> Share:
    """Of the workloads that are one of these, how many got the verdict."""
    known = of(verdicts, truths)
    return Share(count=known.filter(pl.col("verdict") == verdict.value).height, total=known.height)


def hours_judged(verdicts: pl.DataFrame, truths: Sequence[Truth], verdict: Verdict) -> float | None:
    """The same as a share of GPU-hours; None: there are none."""
    known = of(verdicts, truths)
    all_hours = float(known["gpu_hours"].sum())
    return float(known.filter(pl.col("verdict") == verdict.value)["gpu_hours"].sum()) / all_hours if all_hours else None


def rates(verdicts: pl.DataFrame) -> dict[str, Share]:
    """How often training is found, and how often what is none is called so, by workloads."""
    negative, positive = IS_NOT_TRAINING, IS_TRAINING
    return {
        "training series judged training": judged(verdicts, [Truth.TRAINING], Verdict.TRAINING),
        "Pretrain jobs judged training": judged(verdicts, [Truth.PRETRAIN], Verdict.TRAINING),
        "training or Pretrain judged not_training": judged(verdicts, positive, Verdict.NOT_TRAINING),
        "serving, inference, rendering judged training": judged(verdicts, negative, Verdict.TRAINING),
        "serving, inference, rendering judged not_training": judged(verdicts, negative, Verdict.NOT_TRAINING),
        "labelled workloads left undetermined": judged(verdicts, LABELLED, Verdict.UNDETERMINED),
    }
