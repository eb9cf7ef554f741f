"""
Runs add up: training compute per run, per tenant, and per corporate group (parties under one ultimate parent).

Low and likely count the days of runs judged to be training. High counts the undetermined ones as well: what may have
been training is not left out. Days judged not to be training count nowhere. Splitting an effort into many runs,
namespaces or accounts of one group changes nothing here.

A group's sums are never below the tenant's: whom a tenant belongs to may change while it runs.

A likely or high sum with a part that has no estimate is not known; it is null, never the sum of the rest. A low sum
counts what could be estimated: that much is certain.
"""

import polars as pl

from policy.frames import conform, schema
from policy.judgement.stints import KEY
from policy.judgement.totals import known_total, total
from policy.judgement.verdict import Verdict

EXPOSURES = schema(
    {
        "run_id": pl.String,
        **{
            f"{scope}_{bound}_flop": pl.Float64  # likely, high null: not known
            for scope in ("run", "tenant", "group")
            for bound in ("low", "likely", "high")
        },
        **{
            f"{scope}_device_hours": pl.Float64  # held alone, shared, or perhaps held while nobody watched
            for scope in ("run", "tenant", "group")
        },
    }
)

SCOPES = {"run": "run_id", "tenant": "tenant", "group": "group"}
TOTALS = {"low_flop": total, "likely_flop": known_total, "high_flop": known_total, "device_hours": total}

is_training = pl.col("verdict") == Verdict.TRAINING
may_be_training = pl.col("verdict") != Verdict.NOT_TRAINING
possible_device_hours = (pl.col("observed_seconds") + pl.col("unobserved_seconds") + pl.col("shared_seconds")) / 3600
"""What is held is observed or not; unobserved seconds are also those in which nobody watched."""


def accumulate(stints: pl.DataFrame, verdicts: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """
    The sums that each run is part of, schema EXPOSURES; one row for each run, sorted by run_id.

    ``stints`` and ``verdicts`` have one row for each run and day, so that a day judged not to be training leaves the
    others alone.

    ``links`` has ``run_id``, ``tenant_id`` and ``group_id``; a run without a tenant is a tenant and a group of its own,
    so that unlinked runs neither vanish nor add up to something they may not be.
    """
    parts = (
        stints.select(
            *KEY, "observed_seconds", "unobserved_seconds", "shared_seconds", "low_flop", "likely_flop", "high_flop"
        )
        .join(verdicts.select(*KEY, "verdict"), on=KEY)
        .join(links.select("run_id", "tenant_id", "group_id"), on="run_id")
        .select(
            "run_id",
            tenant=pl.coalesce("tenant_id", "run_id"),
            group=pl.coalesce("group_id", "tenant_id", "run_id"),
            low_flop=pl.when(is_training).then("low_flop").otherwise(0.0),
            likely_flop=pl.when(is_training).then("likely_flop").otherwise(0.0),
            high_flop=pl.when(may_be_training).then("high_flop").otherwise(0.0),
            device_hours=possible_device_hours,
        )
    )
    sums = [
        add_up(name).over(key).alias(f"{scope}_{name}")
        for scope, key in SCOPES.items()
        for name, add_up in TOTALS.items()
    ]
    rows = (
        parts.with_columns(sums)
        .with_columns(_at_least_the_tenants())
        .select(EXPOSURES.names())
        .unique(subset="run_id")
        .sort("run_id")
    )
    return conform(rows, EXPOSURES, "exposures")


def _at_least_the_tenants() -> list[pl.Expr]:
    """The group's sums, each no smaller than the tenant's; one that is not known of either stays not known."""
    sums = []
    for name in TOTALS:
        group, tenant = pl.col(f"group_{name}"), pl.col(f"tenant_{name}")
        known = group.is_not_null() & tenant.is_not_null()
        sums.append(pl.when(known).then(pl.max_horizontal(group, tenant)).alias(f"group_{name}"))
    return sums
