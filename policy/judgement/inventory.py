"""
Which accelerators stand on which node, whoever uses them.

The balance sheet knows the accelerators of a node also when nobody holds them or no driver reads them; windows know
those that somebody held. An accelerator that nobody names is left out: there is nothing to ask about by, and a run on
one is unknown by itself.
"""

from collections.abc import Iterable

import polars as pl

from policy.frames import conform, empty, schema
from policy.usage.window import UTC_TIME

INVENTORY = schema(
    {
        "node": pl.String,
        "accelerator": pl.String,  # product name as the driver or the bus gives it
        "first_seen": UTC_TIME,  # in the look-back
        "last_seen": UTC_TIME,
        "gpu_seconds": pl.Float64,  # that it was there; from windows alone: that it was held
    }
)
WHERE = ("node", "accelerator")
NOT_KNOWN = "(not known)"  # a node that a recording does not name


def inventory_of(windows: pl.DataFrame | pl.LazyFrame, stood: Iterable[pl.DataFrame] = ()) -> pl.DataFrame:
    """Every accelerator of every node, schema INVENTORY, sorted by both. ``stood``: of :func:`stood_in`, in parts."""
    there = _together(pl.concat([empty(INVENTORY), *stood]))
    held = _added_up(windows.lazy(), pl.col("held_seconds") + pl.col("shared_seconds")).collect(engine="streaming")
    both = pl.concat([there, held.join(there, on=WHERE, how="anti")])
    seen = pl.concat([there, held]).group_by(WHERE).agg(pl.col("first_seen").min(), pl.col("last_seen").max())
    rows = both.select(*WHERE, "gpu_seconds").join(seen, on=WHERE).sort(WHERE)
    return conform(rows.select(INVENTORY.names()), INVENTORY, "inventory")


def stood_in(balance: pl.LazyFrame) -> pl.LazyFrame:
    """What stood on the nodes by these rows of the balance sheet, schema INVENTORY."""
    return _added_up(balance.filter(pl.col("state") == "physical"), pl.col("gpu_seconds"))


def _added_up(rows: pl.LazyFrame, gpu_seconds: pl.Expr) -> pl.LazyFrame:
    return (
        rows.drop_nulls("accelerator")
        .with_columns(pl.col("node").fill_null(NOT_KNOWN))
        .group_by(WHERE)
        .agg(
            first_seen=pl.col("window_start").min(), last_seen=pl.col("window_end").max(), gpu_seconds=gpu_seconds.sum()
        )
        .select(INVENTORY.names())
    )


def _together(parts: pl.DataFrame) -> pl.DataFrame:
    return (
        parts.group_by(WHERE)
        .agg(pl.col("first_seen").min(), pl.col("last_seen").max(), pl.col("gpu_seconds").sum())
        .select(INVENTORY.names())
    )
