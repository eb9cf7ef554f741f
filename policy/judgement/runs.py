"""
Pod-days become pieces, and pieces become runs: one effort of one tenant, over pods, nodes, restarts and names.

A piece is a workload by its name: the same tenant, namespace, kind and name. A job that is started again under its name
goes on as the same piece. A pod whose workload is not known stands for itself, so that nothing is tied together on a
guess. Pieces of one tenant that are stitched (:mod:`policy.judgement.stitch`) are one run, named after its first piece.

A run with any time that has no estimate has no likely and no high value of its own: they are not known, which is not
the same as small. Its low value counts what could be estimated.

*Start-up.* A pod that holds devices before anything ran on them is told apart (``init_seconds``); a pod on which
nothing ever ran has no start-up, it is idle. Time that nobody saw may have been before or after, so there are a least
and a most.
"""

import hashlib
import json

import polars as pl

from policy.frames import conform, schema
from policy.judgement.pod_days import MARKS, turns
from policy.judgement.totals import known_total, total
from policy.usage.window import COUNTED, UTC_TIME

SUMMED = (
    "uncounted_windows",
    *(name for name, kind in MARKS.items() if kind != UTC_TIME and not name.endswith(("_hours", "_unix"))),
)
"""Of the marks of pod-days those that add up, and how many windows lacked a count."""
RUNS = schema(
    {
        "run_id": pl.String,
        "tenant_id": pl.String,  # as linked; null: nobody, or several
        "workload_namespace": pl.String,  # of the first piece, as the next two
        "workload_kind": pl.String,
        "workload_name": pl.String,  # of the pod where its workload is not known
        "pieces": pl.List(pl.String),  # the ids of its pieces, sorted
        "piece_count": pl.Float64,
        "nodes": pl.List(pl.String),  # where it ran
        "accelerators": pl.List(pl.String),
        "unnamed_accelerator": pl.Boolean,  # of one window or more the accelerator is not known
        "first_seen": UTC_TIME,
        "last_seen": UTC_TIME,
        "peak_devices": pl.Float64,  # held at once, over all pods; at most
        "largest_pod_devices": pl.Float64,  # held by one container
        "init_seconds": pl.Float64,  # device-seconds seen before anything ran on them, at least
        "most_init_seconds": pl.Float64,  # the same, at most
        **dict.fromkeys((*COUNTED, "unobserved_seconds"), pl.Float64),
        "misfit_seconds": pl.Float64,  # held on days whose energy cannot be what their activity says
        "board_seconds": pl.Float64,  # of the energy's seconds, those on boards whose power the facts know
        "board_joules": pl.Float64,  # what these boards would draw in them at their full power
        **dict.fromkeys(SUMMED, pl.Float64),
        "turns": pl.Float64,  # of one pod on one day between busy and idle hours, the most
        "latest_trough_unix": pl.Float64,
        "low_flop": pl.Float64,  # of what could be estimated; never null
        "likely_flop": pl.Float64,  # null: not known
        "high_flop": pl.Float64,  # null: not known
        "meterings": pl.List(pl.String),  # how its windows came about
        "methods": pl.List(pl.String),
        "number_formats": pl.List(pl.String),  # declared, and used in the estimate
        "no_estimate_reasons": pl.List(pl.String),
    }
)
PIECES = schema({"piece_id": pl.String, **{name: kind for name, kind in RUNS.items() if name != "run_id"}})
IDENTITY = ("tenant_id", "workload_namespace", "workload_kind", "workload_name")
POD = ("node", "workload_pod", "pod_uid", "container", "accelerator")

effort_name = pl.coalesce("workload_name", "workload_pod")
board_seconds = pl.when(pl.col("board_power_watts").is_not_null()).then("energy_observed_seconds").otherwise(0.0)


def identified(days: pl.DataFrame) -> pl.DataFrame:
    """The same rows, each with the id of its piece."""
    rows = days.with_columns(workload_name=effort_name)
    identities = rows.select(IDENTITY).unique()
    piece_id = pl.struct(IDENTITY).map_elements(_piece_id, return_dtype=pl.String)
    return rows.join(
        identities.with_columns(piece_id=piece_id), on=IDENTITY, how="left", nulls_equal=True, maintain_order="left"
    )


def find_pieces(days: pl.DataFrame) -> pl.DataFrame:
    """One row for each piece, schema PIECES, sorted by piece_id. ``days``: identified and estimated pod-days."""
    pieces = added_up(days, ("piece_id",))
    return conform(pieces.select(PIECES.names()).sort("piece_id"), PIECES, "pieces")


def find_runs(days: pl.DataFrame) -> pl.DataFrame:
    """One row for each run, schema RUNS, sorted by run_id. ``days``: with ``run_id`` too. Each is part of one run."""
    runs = added_up(days, ("run_id",))
    return conform(runs.select(RUNS.names()).sort("run_id"), RUNS, "runs")


def added_up(days: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The pod-days of one key in one row, with the columns of RUNS."""
    rows = days.with_columns(
        **_init_seconds(),
        board_seconds=board_seconds,
        board_joules=board_seconds * pl.col("board_power_watts").fill_null(0.0),
        **{name: pl.col(name).cast(pl.Float64) for name in SUMMED},
    ).sort("window_start", "piece_id", *POD)
    boards = ("board_seconds", "board_joules")
    sums = (*COUNTED, "unobserved_seconds", "init_seconds", "most_init_seconds", "misfit_seconds", *boards, *SUMMED)
    whole = rows.group_by(key).agg(
        pl.col(IDENTITY).first(),
        *(total(name) for name in (*sums, "low_flop")),
        known_total("likely_flop").alias("likely_flop"),
        known_total("high_flop").alias("high_flop"),
        pieces=pl.col("piece_id").unique().sort(),
        piece_count=pl.col("piece_id").n_unique().cast(pl.Float64),
        nodes=_distinct("node"),
        accelerators=_distinct("accelerator"),
        unnamed_accelerator=pl.col("accelerator").is_null().any(),
        first_seen=pl.col("window_start").min(),
        last_seen=pl.col("window_end").max(),
        largest_pod_devices=pl.col("device_count").max(),
        turns=turns().max(),
        latest_trough_unix=pl.col("latest_trough_unix").max(),
        meterings=_distinct("metering"),
        methods=pl.col("methods").explode().drop_nulls().unique().sort(),
        number_formats=_distinct("number_format"),
        no_estimate_reasons=_distinct("no_estimate_reason"),
    )
    return whole.join(peak_devices(days, key), on=key, how="left")


def _distinct(column: str) -> pl.Expr:
    return pl.col(column).drop_nulls().unique().sort()


def _init_seconds() -> dict[str, pl.Expr]:
    """
    Of a pod's day, the device-seconds before anything ran; all of a day before the first activity, none if never.

    In seconds since the pod was seen on that day, times its devices; never more than was observed. At least: as if all
    that nobody saw had been before.
    """
    first_active = pl.col("first_active").min().over(POD)
    before = pl.min_horizontal(first_active, "window_end") - pl.col("window_start")
    waited = before.dt.total_microseconds().clip(lower_bound=0) / 1e6 * pl.col("device_count")
    surely = (waited - pl.col("unobserved_seconds")).clip(lower_bound=0.0)
    return {
        name: pl.when(first_active.is_not_null()).then(pl.min_horizontal(each, "observed_seconds")).otherwise(0.0)
        for name, each in (("init_seconds", surely), ("most_init_seconds", waited))
    }


def peak_devices(days: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """
    Devices held at once: every pod adds its devices when it is first seen on a day and takes them away when last seen.

    At most, for a pod counts with the most devices of its day and through its gaps. A pod that moves to another node
    within one window counts on both for that window.
    """
    begins = days.select(*key, moment="window_start", change="device_count")
    ends = days.select(*key, moment="window_end", change=-pl.col("device_count"))
    changes = pl.concat([begins, ends]).sort("moment", "change")  # what ends in a moment ends before another begins
    return changes.group_by(key).agg(peak_devices=pl.col("change").cum_sum().max())


def _piece_id(identity: dict[str, str | None]) -> str:
    text = json.dumps([identity[name] for name in IDENTITY])
    return "run-" + hashlib.sha256(text.encode()).hexdigest()[:16]
