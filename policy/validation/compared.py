"""
The product's estimate beside the truth: cases become windows of job records, and go the way that all windows go.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from policy.facts.facts import Facts
from policy.frames import conform, schema
from policy.judge import estimate_days
from policy.usage.sources.fill import FILLABLE
from policy.usage.sources.jobs import job_windows
from policy.validation.cases import Case

START = datetime(2026, 6, 1, tzinfo=UTC)
"""When every recording begins: estimates and verdicts do not depend on it."""
COMPARED = schema(
    {
        "id": pl.String,  # file and row
        "name": pl.String,
        "accelerator": pl.String,  # as the file names it
        "densest_format": pl.String,  # that the part has; null: the facts do not know it
        "methods": pl.String,
        "number_format": pl.String,  # as declared, and used; null: not told
        "true_flop": pl.Float64,
        "low_flop": pl.Float64,  # null: no estimate, as the next two
        "likely_flop": pl.Float64,
        "high_flop": pl.Float64,
        "reason": pl.String,  # why there is no estimate; null: there is one
        "is_inside": pl.Boolean,  # whether the truth lies within low and high
        "width": pl.Float64,  # high over low
        "likely_ratio": pl.Float64,  # likely over true
        "share_of_16_bit_peak": pl.Float64,  # truth over what the devices could do in 16 bits
        "share_of_densest_peak": pl.Float64,  # above 1 no device could have done it
    }
)
CASES = schema(
    {
        "job_id": pl.String,
        "name": pl.String,
        "accelerator": pl.String,
        "gpus": pl.Float64,
        "duration_s": pl.Float64,
        "true_flop": pl.Float64,
        "declared_number_format": pl.String,
    }
)
device_seconds = pl.col("gpus") * pl.col("duration_s")


def compare(cases: Sequence[Case], facts: Facts) -> pl.DataFrame:
    """One row for each case, schema COMPARED, in their order."""
    asked = pl.DataFrame([_values(case) for case in cases], schema=CASES, orient="row")
    estimates = _estimates(asked, facts)
    rows = (
        asked.join(estimates, on="job_id", how="left", maintain_order="left")
        .join(_peaks(asked["accelerator"], facts), on="accelerator", how="left", maintain_order="left")
        .with_columns(
            id="job_id",
            is_inside=pl.col("true_flop").is_between("low_flop", "high_flop"),
            width=pl.col("high_flop") / pl.col("low_flop"),
            likely_ratio=pl.col("likely_flop") / pl.col("true_flop"),
            share_of_16_bit_peak=pl.col("true_flop") / (device_seconds * pl.col("peak_16_bit")),
            share_of_densest_peak=pl.col("true_flop") / (device_seconds * pl.col("peak_densest")),
        )
    )
    return conform(rows.select(COMPARED.names()), COMPARED, "estimates beside the truth")


def _values(case: Case) -> tuple[object, ...]:
    name = f"{case.file} row {case.row}"
    return name, case.name, case.accelerator, case.devices, case.seconds, case.true_flop, case.number_format


def _estimates(asked: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """By job_id what the product says of an allocation of this accelerator, count and time."""
    fields = {name: pl.lit(None, pl.String) for name in FILLABLE if name != "accelerator"}
    jobs = asked.with_columns(arrival_s=0.0, **{**fields, "workload_name": pl.col("job_id")})
    declared = asked.select("declared_number_format", workload_name="job_id")
    days = estimate_days(
        job_windows(jobs, START).lazy(), facts, lambda days: days.join(declared, on="workload_name", how="left")
    )
    return days.select(
        "low_flop",
        "likely_flop",
        "high_flop",
        "number_format",
        job_id="workload_name",
        methods=pl.col("methods").list.join(", "),
        reason="no_estimate_reason",
    )


def _peaks(accelerators: pl.Series, facts: Facts) -> pl.DataFrame:
    peaks = facts.peaks(accelerators).filter(pl.col("number_format").is_null())
    return peaks.select(
        "accelerator",
        "densest_format",
        peak_16_bit=pl.col("training_peak_flop_per_second") * pl.col("likely_part"),
        peak_densest=pl.col("densest_peak_flop_per_second") * pl.col("high_part"),
    )
