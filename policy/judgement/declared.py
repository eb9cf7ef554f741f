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
    tenants = runs.select("run_id", "tenant_id")
    decisive = stint_verdicts.select(*KEY, "verdict").join(verdicts, on=("run_id", "verdict"), how="semi")
    ended = runs.select("run_id", day=last_moment.dt.date())
    asked = pl.concat([decisive.select(KEY), ended]).unique().join(tenants, on="run_id")
    declared = dossiers.declared(asked.select("tenant_id", "day").drop_nulls().unique())
    words = asked.join(declared, on=("tenant_id", "day"), how="left").select(*KEY, "declared_workload")
    at_the_end = ended.join(words, on=KEY).select("run_id", word_at_the_end="declared_workload")
    rows = (
        tenants.join(_by_run(decisive.join(words, on=KEY)), on="run_id")
        .join(at_the_end, on="run_id")
        .with_columns(declared_workload=pl.coalesce("contradicting", "word_at_the_end", pl.lit(NONE_DECLARED)))
    )
    return conform(rows.select(DECLARED_USES.names()).sort("run_id"), DECLARED_USES, "declared uses")


def _by_run(days: pl.DataFrame) -> pl.DataFrame:
    """The most serious answer of a run's days, and the latest word that is contradicted. ``days``: with their word."""
    answered = days.with_columns(answer=_contradicted()).sort("run_id", "day")
    contradicting = pl.col("declared_workload").filter(pl.col("answer") == Answer.YES.value).last()
    worst = rank("answer", SERIOUSNESS).min().replace_strict(dict(enumerate(SERIOUSNESS)), return_dtype=pl.String)
    return answered.group_by("run_id").agg(declared_use_contradicted=worst, contradicting=contradicting)


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
