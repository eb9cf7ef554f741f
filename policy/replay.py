"""
The engine over a recording: the same judgement as live, ending in a table instead of tickets.
"""

from datetime import datetime

import polars as pl

from policy.facts.facts import Facts
from policy.frames import conform, schema
from policy.judge import Judgement, judge
from policy.judgement.inventory import inventory_of
from policy.kyc.customers import Customers
from policy.rules.finding import Finding, SubjectKind
from policy.rules.pack import Pack

REPLAYED = schema(
    {
        "run": pl.String,  # the workload's name
        "run_id": pl.String,
        "tenant_id": pl.String,  # null: unlinked
        "link_state": pl.String,
        "gpu_hours": pl.Float64,  # held, alone or shared
        "low_flop": pl.Float64,
        "likely_flop": pl.Float64,  # null: not known, see no_estimate_reasons
        "high_flop": pl.Float64,  # null: not known, see no_estimate_reasons
        "no_estimate_reasons": pl.List(pl.String),
        "verdict": pl.String,
        "score": pl.Float64,
        "lacking": pl.List(pl.String),
        "hq_in_scope": pl.String,
        "findings": pl.List(pl.String),  # rule id and strength
    }
)


def replay(windows: pl.DataFrame, *, customers: Customers, facts: Facts, pack: Pack, at: datetime) -> pl.DataFrame:
    """One row for each run of the recording, schema REPLAYED, the largest first."""
    judgement = judge(windows, inventory_of(windows), customers=customers, facts=facts, pack=pack, at=at)
    rows = (
        judgement.subjects.join(_findings(judgement), on="run_id", how="left")
        .with_columns(
            run=pl.col("workload_name"),
            gpu_hours=(pl.col("held_seconds") + pl.col("shared_seconds")) / 3600,
            findings=pl.col("findings").fill_null([]),
            low_flop=pl.when(pl.col("high_flop").is_not_null()).then("low_flop"),
        )
        .sort("gpu_hours", "run", descending=(True, False))
    )
    return conform(rows.select(REPLAYED.names()), REPLAYED, "replayed runs")


def _findings(judgement: Judgement) -> pl.DataFrame:
    """What was found, by run; a finding about an accelerator stands at every run that used it."""
    of_accelerator = judgement.subjects.select("run_id", accelerator="accelerators").explode("accelerator")
    users: dict[str, list[str]] = {}
    for run_id, accelerator in of_accelerator.drop_nulls().iter_rows():
        users.setdefault(accelerator, []).append(run_id)
    found: dict[str, list[str]] = {}
    for finding in judgement.findings:
        about_accelerator = finding.subject_kind is SubjectKind.ACCELERATOR
        for run_id in users.get(finding.subject_id, []) if about_accelerator else finding.run_ids:
            found.setdefault(run_id, []).append(_short(finding))
    columns = {"run_id": list(found), "findings": list(found.values())}
    return pl.DataFrame(columns, schema={"run_id": pl.String, "findings": pl.List(pl.String)})


def _short(finding: Finding) -> str:
    return f"{finding.rule_id} ({finding.strength.replace('_', ' ')})"
