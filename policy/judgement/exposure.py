"""
Runs add up: training compute per effort, per tenant, and per corporate group (parties under one ultimate parent).

Low and likely count the days of runs judged to be training. High counts the undetermined ones as well: what may have
been training is not left out. Days judged not to be training count nowhere. Intervals add honestly: bounds add up to
bounds, likely values to a likely value. Splitting an effort into many runs, namespaces or accounts of one group changes
nothing here.

An effort is a run, or several runs of different tenants that belong together (:mod:`policy.judgement.stitch`). A
group's sums are never below those of the tenant and of the effort: whom a tenant belongs to may change while it runs.

A likely or high sum with a part that has no estimate is not known; it is null, never the sum of the rest. A low sum
counts what could be estimated: that much is certain.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from policy.facts.tiers import Tiers
from policy.frames import conform, schema
from policy.judgement.stints import KEY
from policy.judgement.totals import known_total, total
from policy.judgement.verdict import Verdict
from policy.usage.window import UTC_TIME

SCOPES = {"run": "effort", "tenant": "tenant", "group": "group"}
"""The column of PARTS that each scope of a sum adds up over."""
TOTALS = {"low_flop": total, "likely_flop": known_total, "high_flop": known_total, "device_hours": total}
PARTS = schema(
    {
        "run_id": pl.String,
        "effort": pl.String,
        "tenant": pl.String,
        "group": pl.String,
        "day": pl.Date,
        "verdict": pl.String,
        "last_seen": UTC_TIME,
        **dict.fromkeys(TOTALS, pl.Float64),
    }
)
EXPOSURES = schema(
    {
        "run_id": pl.String,
        "effort_id": pl.String,
        **{
            f"{scope}_{bound}_flop": pl.Float64  # likely, high null: not known
            for scope in SCOPES
            for bound in ("low", "likely", "high")
        },
        **{f"{scope}_device_hours": pl.Float64 for scope in SCOPES},  # held alone, shared, or perhaps held unwatched
        "group_runs": pl.Float64,  # efforts of the group that are, or may be, training
        "group_largest_low_flop": pl.Float64,  # of the effort of the group whose low sum is the largest
        "group_largest_high_flop": pl.Float64,  # of the one whose high sum is; null: not known
        "group_largest_share": pl.Float64,  # of the group's high sum, the largest effort's; null: not known
        "near_tier_runs": pl.Float64,  # known efforts of the group that ended a little below one and the same tier
    }
)
is_training = pl.col("verdict") == Verdict.TRAINING
may_be_training = pl.col("verdict") != Verdict.NOT_TRAINING
possible_device_hours = (pl.col("observed_seconds") + pl.col("unobserved_seconds") + pl.col("shared_seconds")) / 3600
"""What is held is observed or not; unobserved seconds are also those in which nobody watched."""


def exposure_parts(
    stints: pl.DataFrame, verdicts: pl.DataFrame, links: pl.DataFrame, efforts: Mapping[str, str]
) -> pl.DataFrame:
    """
    What each day of each run adds, schema PARTS.

    ``stints`` and ``verdicts`` have one row for each run and day, so that a day judged not to be training leaves the
    others alone.

    ``links`` has ``run_id``, ``tenant_id`` and ``group_id``; a run without a tenant is a tenant and a group of its own,
    so that unlinked runs neither vanish nor add up to something they may not be. ``efforts``: by run_id; a run that is
    not there is an effort by itself.
    """
    amounts = ("low_flop", "likely_flop", "high_flop")
    rows = (
        stints.select(*KEY, "last_seen", *amounts, device_hours=possible_device_hours)
        .join(verdicts.select(*KEY, "verdict"), on=KEY)
        .join(links.select("run_id", "tenant_id", "group_id"), on="run_id")
        .with_columns(
            effort=pl.col("run_id").replace(dict(efforts)),
            tenant=pl.coalesce("tenant_id", "run_id"),
            group=pl.coalesce("group_id", "tenant_id", "run_id"),
            low_flop=pl.when(is_training).then("low_flop").otherwise(0.0),
            likely_flop=pl.when(is_training).then("likely_flop").otherwise(0.0),
            high_flop=pl.when(may_be_training).then("high_flop").otherwise(0.0),
        )
    )
    return conform(rows.select(PARTS.names()), PARTS, "parts of exposures")


def accumulate(parts: pl.DataFrame, tiers: Tiers, at: datetime) -> pl.DataFrame:
    """The sums that each run is part of, schema EXPOSURES; one row for each run, sorted by run_id."""
    sums = [
        add_up(name).over(key).alias(f"{scope}_{name}")
        for scope, key in SCOPES.items()
        for name, add_up in TOTALS.items()
    ]
    rows = (
        parts.with_columns(*sums, effort_id="effort")
        .with_columns(_at_least_its_parts())
        .unique(subset="run_id")
        .join(_of_groups(parts, tiers, at), on="group", how="left")
        .select(EXPOSURES.names())
        .sort("run_id")
    )
    return conform(rows, EXPOSURES, "exposures")


def _at_least_its_parts() -> list[pl.Expr]:
    """The group's sums, none below the tenant's or the effort's; one that is not known of any stays not known."""
    sums = []
    for name in TOTALS:
        scopes = [pl.col(f"{scope}_{name}") for scope in SCOPES]
        known = pl.all_horizontal(each.is_not_null() for each in scopes)
        sums.append(pl.when(known).then(pl.max_horizontal(scopes)).alias(f"group_{name}"))
    return sums


def _of_groups(parts: pl.DataFrame, tiers: Tiers, at: datetime) -> pl.DataFrame:
    """
    By group: how many efforts, the largest one and its share, and how many ended a little below one tier.

    An effort that is of several groups in part is whole in each, as in their sums.
    """
    efforts = parts.group_by("effort").agg(
        may_be=may_be_training.any(),
        low=total("low_flop"),
        likely=known_total("likely_flop"),
        high=known_total("high_flop"),
        ended=pl.col("last_seen").max() < at - timedelta(seconds=tiers.ended_seconds.value),
    )
    least = tiers.near_tier_ratio.value
    near = [
        (pl.col("ended") & pl.col("likely").is_between(least * flop, flop, closed="left")).sum().alias(f"near {name}")
        for name, flop in tiers.amounts.items()
    ]
    counted = (
        parts.group_by("group", "effort")
        .agg(total("high_flop").alias("within"))
        .join(efforts, on="effort")
        .group_by("group")
        .agg(
            pl.col("may_be").sum().cast(pl.Float64).alias("group_runs"),
            pl.col("low").max().alias("group_largest_low_flop"),
            pl.when(pl.col("high").is_not_null().all()).then(pl.col("high").max()).alias("group_largest_high_flop"),
            total("within").alias("whole"),
            *near,
        )
    )
    largest = pl.col("group_largest_high_flop") / pl.col("whole")
    share = pl.when(pl.col("whole") > 0).then(largest.clip(upper_bound=1.0))
    most = pl.max_horizontal(pl.lit(0), *(f"near {name}" for name in tiers.amounts)).cast(pl.Float64)
    rows = counted.with_columns(group_largest_share=share, near_tier_runs=most)
    return rows.drop("whole", *(f"near {name}" for name in tiers.amounts))
