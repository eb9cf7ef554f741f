"""
Whether what was observed fits what the tenant says that it does.

Only a kind of work that the tenant has declared can be contradicted, and only by what was judged: an undetermined run
contradicts nothing and fits nothing, and so does one whose tenant declared nothing, or of which sources say different
things.
"""

import polars as pl

from policy.facts.evidence import Answer
from policy.frames import conform, schema
from policy.judgement.link import last_moment
from policy.judgement.serious import rank
from policy.judgement.stints import KEY
from policy.judgement.verdict import Verdict
from policy.kyc.dossiers import Dossiers

DECLARED_USES = schema(
    {
        "run_id": pl.String,
        "declared_workload": pl.String,  # the tenant's word: of the last day that contradicts it, else of the run's
        # last day; "none": no undisputed one
        "declared_use_contradicted": pl.String,  # yes, no or unknown
    }
)
NONE_DECLARED = "none"
ALLOWS_TRAINING = ("training", "training_and_inference")
SERIOUSNESS = (Answer.YES, Answer.UNKNOWN, Answer.NO)

is_training = pl.col("verdict") == Verdict.TRAINING.value
is_not_training = pl.col("verdict") == Verdict.NOT_TRAINING.value
allows_training = pl.col("declared_workload").is_in(ALLOWS_TRAINING)


def declared_uses(
    runs: pl.DataFrame, verdicts: pl.DataFrame, stint_verdicts: pl.DataFrame, dossiers: Dossiers
) -> pl.DataFrame:
    """
    What each run's tenant declares and whether it is contradicted, schema DECLARED_USES; as many rows as runs.

    Every day that was judged as the run is held against the word of that very day: tenants take up other work.
    """
    judged_so = stint_verdicts.select(*KEY, "verdict").join(verdicts, on=("run_id", "verdict"), how="semi")
    decisive = judged_so.join(runs.select("run_id", "tenant_id"), on="run_id")
    ended = runs.select("run_id", "tenant_id", day=last_moment.dt.date())
    days = pl.concat([each.select("tenant_id", "day") for each in (decisive, ended)]).drop_nulls().unique()
    declared = dossiers.declared(days).select("tenant_id", "day", "declared_workload")
    rows = (
        ended.join(declared, on=("tenant_id", "day"), how="left")
        .join(_by_run(decisive.join(declared, on=("tenant_id", "day"), how="left")), on="run_id")
        .with_columns(declared_workload=pl.coalesce("contradicting", "declared_workload", pl.lit(NONE_DECLARED)))
    )
    return conform(rows.select(DECLARED_USES.names()).sort("run_id"), DECLARED_USES, "declared uses")


def _by_run(days: pl.DataFrame) -> pl.DataFrame:
    """The most serious answer of a run's days, and the latest word that is contradicted. ``days``: with their word."""
    contradicts = pl.col("answer") == Answer.YES.value
    word, day = (pl.col(name).filter(contradicts) for name in ("declared_workload", "day"))
    answered = days.with_columns(answer=_contradicted()).with_columns(rank=rank("answer", SERIOUSNESS))
    by_run = answered.group_by("run_id").agg(pl.col("rank").min(), contradicting=word.sort_by(day).last())
    answers = dict(enumerate(SERIOUSNESS))
    return by_run.with_columns(declared_use_contradicted=pl.col("rank").replace_strict(answers, return_dtype=pl.String))


def _contradicted() -> pl.Expr:
    """Training that was not declared contradicts; training that is declared and not done contradicts nothing."""
    known = pl.col("declared_workload").is_not_null() & (is_training | is_not_training)
    return (
        pl.when(known & is_training & ~allows_training)
        .then(pl.lit(Answer.YES.value))
        .when(known)
        .then(pl.lit(Answer.NO.value))
        .otherwise(pl.lit(Answer.UNKNOWN.value))
    )
