"""
What a rule may look at: one row for each run, with its verdict, its tenant's answers, and the sums it is part of.

This schema is the vocabulary of the rule language. It names no party: whom an opaque id stands for is for the reviewer
to look up.
"""

import polars as pl

from policy.frames import conform, schema
from policy.judgement.exposure import EXPOSURES
from policy.judgement.link import RUN_LINKS
from policy.judgement.runs import RUNS
from policy.judgement.stints import STINT_VERDICTS

SUBJECTS = schema(
    {
        **RUNS,
        **{name: dtype for name, dtype in STINT_VERDICTS.items() if name != "run_id"},
        **{name: dtype for name, dtype in RUN_LINKS.items() if name not in ("run_id", "tenant_id")},
        **{name: dtype for name, dtype in EXPOSURES.items() if name != "run_id"},
        "subject_kind": pl.String,  # tenant, or workload where no tenant was claimed
        "subject_id": pl.String,
    }
)


def describe_subjects(
    runs: pl.DataFrame, verdicts: pl.DataFrame, links: pl.DataFrame, exposures: pl.DataFrame
) -> pl.DataFrame:
    """Join what is known of every run, schema SUBJECTS; as many rows as runs, sorted by run_id."""
    claimed = pl.col("tenant_id").is_not_null()
    rows = (
        runs.join(verdicts, on="run_id")
        .join(links.drop("tenant_id"), on="run_id")
        .join(exposures, on="run_id")
        .with_columns(
            subject_kind=pl.when(claimed).then(pl.lit("tenant")).otherwise(pl.lit("workload")),
            subject_id=pl.coalesce("tenant_id", "run_id"),
        )
    )
    return conform(rows.select(SUBJECTS.names()).sort("run_id"), SUBJECTS, "subjects")
