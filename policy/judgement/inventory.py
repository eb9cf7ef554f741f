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


def inventory_of(windows: pl.DataFrame, balances: Iterable[pl.DataFrame] = ()) -> pl.DataFrame:
    """
    Every accelerator of every node, schema INVENTORY, sorted by both.

    ``balances``: the rows of the balance sheet in parts, so that they need not be held all at once.
    """
    there = _together([_of_balance(each) for each in balances])
    held = _of_windows(windows)
    both = pl.concat([there, held.join(there, on=WHERE, how="anti")])
    seen = pl.concat([there, held]).group_by(WHERE).agg(pl.col("first_seen").min(), pl.col("last_seen").max())
    rows = both.select(*WHERE, "gpu_seconds").join(seen, on=WHERE).sort(WHERE)
    return conform(rows.select(INVENTORY.names()), INVENTORY, "inventory")


def _of_balance(balance: pl.DataFrame) -> pl.DataFrame:
    physical = balance.filter(pl.col("state") == "physical")
    return _added_up(physical, pl.col("gpu_seconds").sum())


def _of_windows(windows: pl.DataFrame) -> pl.DataFrame:
    return _added_up(windows, (pl.col("held_seconds") + pl.col("shared_seconds")).sum())


def _added_up(rows: pl.DataFrame, gpu_seconds: pl.Expr) -> pl.DataFrame:
    return (
        rows.drop_nulls(WHERE)
        .group_by(WHERE)
        .agg(first_seen=pl.col("window_start").min(), last_seen=pl.col("window_end").max(), gpu_seconds=gpu_seconds)
        .select(INVENTORY.names())
    )


def _together(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return (
        pl.concat([empty(INVENTORY), *parts])
        .group_by(WHERE)
        .agg(pl.col("first_seen").min(), pl.col("last_seen").max(), pl.col("gpu_seconds").sum())
        .select(INVENTORY.names())
    )
