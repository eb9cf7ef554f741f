"""
Whether what was observed fits what the tenant says that it does.

Only a kind of work that the tenant has declared can be contradicted, and only by what was judged: an undetermined run
contradicts nothing and fits nothing, and so does one whose tenant declared nothing, or of which sources say different
things.
"""

import polars as pl

from policy.facts.evidence import Answer
from policy.frames import conform, schema
from policy.judgement.verdict import Verdict
from policy.kyc.dossiers import Dossiers

DECLARED_USES = schema(
    {
        "run_id": pl.String,
        "declared_workload": pl.String,  # the tenant's word on the run's last day; "none": no undisputed one
        "declared_use_contradicted": pl.String,  # yes, no or unknown
    }
)
NONE_DECLARED = "none"
ALLOWS_TRAINING = ("training", "training_and_inference")

is_training = pl.col("verdict") == Verdict.TRAINING.value
is_not_training = pl.col("verdict") == Verdict.NOT_TRAINING.value
allows_training = pl.col("declared_workload").is_in(ALLOWS_TRAINING)


def declared_uses(runs: pl.DataFrame, verdicts: pl.DataFrame, dossiers: Dossiers) -> pl.DataFrame:
    """What each run's tenant declares and whether it is contradicted, schema DECLARED_USES; as many rows as runs."""
    ended = runs.select("run_id", "tenant_id", day=pl.col("last_seen").dt.date())
    declared = dossiers.declared(ended.select("tenant_id", "day").drop_nulls().unique())
    rows = (
        ended.join(declared, on=("tenant_id", "day"), how="left")
        .join(verdicts.select("run_id", "verdict"), on="run_id")
        .with_columns(declared_use_contradicted=_contradicted())
        .with_columns(pl.col("declared_workload").fill_null(NONE_DECLARED))
    )
    return conform(rows.select(DECLARED_USES.names()).sort("run_id"), DECLARED_USES, "declared uses")


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
