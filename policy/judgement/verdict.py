"""
Is a run training? ``training``, ``not_training`` or ``undetermined``, with every piece of evidence.

Each piece of :mod:`policy.judgement.evidence` adds its weight (log-odds, from the facts) to a score; a score beyond the
threshold in either direction is a verdict, anything between is undetermined. Headquarters, tenants and names take no
part. Nothing is called not training unless it would be so if all that nobody saw spoke for training.

Believed: training keeps many devices busy, together and without pause, in batch workloads; serving waits for requests.
Known to fail: a batch inference job looks like training, a starved training job like serving. Too little observed time,
or a run whose devices were mostly unseen, is undetermined whatever the score. Where nothing is known but that devices
were held, only a gang of batch work that lasted can be called training, and nothing can be called the contrary.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.frames import DataType, conform, plain_zero, schema
from policy.judgement import measures as of
from policy.judgement.evidence import is_batch, signs, together
from policy.judgement.patterns import PATTERNS, patterns
from policy.judgement.sign import EVIDENCE
from policy.usage.window import Metering


class Verdict(StrEnum):
    """Whether a run is training. ``undetermined`` is not a weak no: it may be training."""

    TRAINING = "training"
    NOT_TRAINING = "not_training"
    UNDETERMINED = "undetermined"


VERDICTS = schema(
    {
        "run_id": pl.String,
        "verdict": pl.String,  # of Verdict
        "score": pl.Float64,  # sum of the weights
        "evidence": pl.List(EVIDENCE),
        "lacking": pl.List(pl.String),  # what would have helped
        "patterns": pl.List(PATTERNS),  # what does not fit an ordinary use, with its innocent explanations
    }
)
SCORE_DECIMALS = 6  # weights are short decimals: the last bits of their sum do not decide


def judge_training(runs: pl.DataFrame, signals: TrainingSignals) -> pl.DataFrame:
    """
    The verdict on every row with its evidence, schema VERDICTS; as many rows, in their order.

    ``runs``: runs or stints, with ``run_seconds`` and ``run_pieces`` of the whole run.
    """
    threshold = signals.threshold.value
    rows = runs.with_columns(together(signals).alias("together"))
    verdicts = (
        rows.with_columns(
            present(rows, [sign.piece for sign in signs(signals)], VERDICTS["evidence"]).alias("evidence"),
            present(rows, list(patterns(signals)), VERDICTS["patterns"]).alias("patterns"),
            lacking=pl.concat_list(*_lacking(signals)).list.drop_nulls(),
        )
        .with_columns(score=pl.col("evidence").list.eval(pl.element().struct.field("weight")).list.sum())
        .with_columns(score=plain_zero(pl.col("score").round(SCORE_DECIMALS)))
        .with_columns(lacking=_lacking_against(signals))
        .with_columns(verdict=_verdict(threshold))
    )
    return conform(verdicts.select(VERDICTS.names()), VERDICTS, "verdicts")


def present(rows: pl.DataFrame, pieces: Sequence[pl.Expr], listed: DataType) -> pl.Series:
    """
    Of every row the list of those pieces that are not null, in their order.

    ``concat_list`` says the same; of structs it takes ten times as long.
    """
    told = rows.select(piece.alias(f"{at}") for at, piece in enumerate(pieces)).with_row_index("row")
    kept = [told.select("row", piece=name).filter(pl.col("piece").is_not_null()) for name in told.columns[1:]]
    lists = pl.concat(kept).sort("row", maintain_order=True).group_by("row", maintain_order=True).agg("piece")
    every = told.select("row").join(lists, on="row", how="left", maintain_order="left")
    return every.select(pl.col("piece").fill_null(pl.lit([], listed)))["piece"]


def _verdict(threshold: float) -> pl.Expr:
    enough = pl.col("lacking").list.len() == 0
    seen = of.seen_seconds > 0
    return (
        pl.when(enough & (pl.col("score") >= threshold))
        .then(pl.lit(Verdict.TRAINING.value))
        .when(enough & seen & (pl.col("score") <= -threshold))
        .then(pl.lit(Verdict.NOT_TRAINING.value))
        .otherwise(pl.lit(Verdict.UNDETERMINED.value))
    )


def _lacking_against(signals: TrainingSignals) -> pl.Expr:
    """What is lacking, and that what nobody saw could speak for training where that alone keeps it from a verdict."""
    against, lacking = -signals.threshold.value, pl.col("lacking")
    best = pl.sum_horizontal(sign.best_weight for sign in signs(signals)).round(SCORE_DECIMALS)
    unknown = (best > against) | (pl.col("uncounted_windows") > 0)  # a count that is missing was summed up as nothing
    could = (pl.col("score") <= against) & unknown & (lacking.list.len() == 0)
    return pl.when(could).then(pl.concat_list(pl.lit("what nobody saw could speak for training"))).otherwise(lacking)


def _lacking(signals: TrainingSignals) -> Iterator[pl.Expr]:
    least, share, lasted = (
        signals.min_observed_seconds.value,
        signals.min_observed_ratio.value,
        signals.min_allocated_seconds.value,
    )
    seen = of.seen_seconds > 0
    unread = "no reading of activity at all"
    yield pl.when(~seen & ~is_batch(signals)).then(pl.lit(unread))
    yield pl.when(~seen & is_batch(signals) & (pl.col("run_seconds") < lasted)).then(
        pl.lit(f"{unread}, and it lasted less than {lasted:g} seconds")
    )
    yield pl.when(~seen & (pl.col("unobserved_seconds") > 0) & ~_is_allocation).then(
        pl.lit(f"{unread}, where its devices should have been read")
    )
    yield pl.when(seen & (of.seen_seconds_per_device < least)).then(
        pl.lit(f"less than {least:g} seconds of each device were observed")
    )
    yield pl.when(seen & (of.sole_seen_ratio < share)).then(
        pl.lit(f"less than {100 * share:g} % of its device time was observed while it held the devices alone")
    )


_is_allocation = pl.col("meterings").list.contains(Metering.ALLOCATION.value)
