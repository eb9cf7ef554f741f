"""
Windows become runs: one effort of one tenant, over pods, nodes and restarts.

A run is a workload by its name: the same tenant, namespace, kind and name. A job that is started again under its name
goes on as the same run. A pod whose workload is not known stands for itself, so that nothing is tied together on a
guess. Left out for now: efforts that change their name, namespace or tenant; their compute still adds up per tenant and
group.

A run with any window that has no estimate has no likely and no high value of its own: they are not known, which is not
the same as small. Its low value counts what could be estimated.
"""

import hashlib
import json

import polars as pl

from policy.frames import conform, schema
from policy.judgement.totals import known_total, total
from policy.usage.window import UTC_TIME, unobserved_seconds

RUNS = schema(
    {
        "run_id": pl.String,
        "tenant_id": pl.String,  # the claim; null: nobody claimed it
        "workload_namespace": pl.String,
        "workload_kind": pl.String,
        "workload_name": pl.String,  # of the pod where its workload is not known
        "nodes": pl.List(pl.String),  # where it ran
        "accelerators": pl.List(pl.String),
        "unnamed_accelerator": pl.Boolean,  # of one window or more the accelerator is not known
        "first_seen": UTC_TIME,
        "last_seen": UTC_TIME,
        "peak_devices": pl.Float64,  # held at once, over all pods
        "largest_pod_devices": pl.Float64,  # held by one container
        "held_seconds": pl.Float64,
        "observed_seconds": pl.Float64,
        "busy_seconds": pl.Float64,
        "shared_seconds": pl.Float64,
        "shared_observed_seconds": pl.Float64,
        "shared_busy_seconds": pl.Float64,
        "unobserved_seconds": pl.Float64,
        "low_flop": pl.Float64,  # of what could be estimated; never null
        "likely_flop": pl.Float64,  # null: not known
        "high_flop": pl.Float64,  # null: not known
        "methods": pl.List(pl.String),
        "no_estimate_reasons": pl.List(pl.String),
    }
)
IDENTITY = ("tenant_id", "workload_namespace", "workload_kind", "workload_name")
SUMS = (
    "held_seconds", "observed_seconds", "busy_seconds",
    "shared_seconds", "shared_observed_seconds", "shared_busy_seconds",
)  # fmt: skip

effort_name = pl.coalesce("workload_name", "workload_pod")


def find_runs(estimates: pl.DataFrame) -> pl.DataFrame:
    """One row for each run, schema RUNS, sorted by run_id. Every window belongs to exactly one run."""
    runs = added_up(identified(estimates), ("run_id",))
    return conform(runs.select(RUNS.names()).sort("run_id"), RUNS, "runs")


def added_up(windows: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The windows of one key in one row, with the columns of RUNS."""
    rows = windows.with_columns(unobserved_seconds=unobserved_seconds).group_by(key)
    whole = rows.agg(
        pl.col(IDENTITY).first(),
        *(total(name) for name in (*SUMS, "unobserved_seconds", "low_flop")),
        known_total("likely_flop").alias("likely_flop"),
        known_total("high_flop").alias("high_flop"),
        nodes=pl.col("node").drop_nulls().unique().sort(),
        accelerators=pl.col("accelerator").drop_nulls().unique().sort(),
        unnamed_accelerator=pl.col("accelerator").is_null().any(),
        first_seen=pl.col("window_start").min(),
        last_seen=pl.col("window_end").max(),
        largest_pod_devices=pl.col("device_count").max(),
        methods=pl.col("method").drop_nulls().unique().sort(),
        no_estimate_reasons=pl.col("no_estimate_reason").drop_nulls().unique().sort(),
    )
    return whole.join(_peak_devices(windows, key), on=key, how="left")


def identified(estimates: pl.DataFrame) -> pl.DataFrame:
    """The same windows, each with the id of its run."""
    windows = estimates.with_columns(workload_name=effort_name)
    identities = windows.select(IDENTITY).unique()
    run_id = pl.struct(IDENTITY).map_elements(_run_id, return_dtype=pl.String)
    return windows.join(identities.with_columns(run_id=run_id), on=IDENTITY, how="left", nulls_equal=True)


def _peak_devices(windows: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """
    Devices held at once: every window adds its devices when it begins and takes them away when it ends.

    Windows may be of any length and end at different moments on different nodes. A pod that moves to another node
    within one window counts on both for that window.
    """
    begins = windows.select(*key, moment="window_start", change="device_count")
    ends = windows.select(*key, moment="window_end", change=-pl.col("device_count"))
    changes = pl.concat([begins, ends]).sort("moment", "change")  # what ends in a moment ends before another begins
    return changes.group_by(key).agg(peak_devices=pl.col("change").cum_sum().max())


def _run_id(identity: dict[str, str | None]) -> str:
    text = json.dumps([identity[name] for name in IDENTITY])
    return "run-" + hashlib.sha256(text.encode()).hexdigest()[:16]
