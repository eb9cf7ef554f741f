"""
For which time a collector spoke for a node: there its windows stand, and the allocation register adds nothing.

The balance sheet says it: it has a row for every node and span of which a page told, whoever held devices. Time in
which the collector was down between two pages is in it, as lost, and in the windows of whoever held devices, as
unwatched. So it is covered; and so is the time since the newest page, as long as the engine still waits for the next.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from policy.frames import conform, empty, schema
from policy.usage.window import UTC_TIME

COVERED = schema(
    {
        "node": pl.String,
        "begins": UTC_TIME,  # from here on a collector spoke for the node
        "ends": UTC_TIME,
    }
)


def spoken_in(balance: pl.LazyFrame) -> pl.LazyFrame:
    """When a collector spoke for which node by these rows of the balance sheet, schema :data:`COVERED`, merged."""
    return _merged(balance.select("node", begins="window_start", ends="window_end").drop_nulls().unique())


def covered_by(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All of these spans in one frame, schema :data:`COVERED`, merged. ``parts``: of :func:`spoken_in`."""
    return conform(_merged(pl.concat([empty(COVERED), *parts]).lazy()).collect(), COVERED, "covered time")


def covered_until(covered: pl.DataFrame, pending: pl.DataFrame, at: datetime, stale_after: timedelta) -> pl.DataFrame:
    """
    The same, and what the balance does not have yet, schema :data:`COVERED`, merged.

    A node that was heard no longer than ``stale_after`` before ``at`` is covered until then, so that no cycle finds
    minutes that the next one takes back. One that is silent for longer is covered where ``pending`` windows say who
    may hold its devices; where nobody held any, nothing speaks for it but the register.
    """
    newest = covered.group_by("node").agg(begins=pl.col("ends").max()).with_columns(ends=pl.lit(at, UTC_TIME))
    awaited = newest.filter(pl.col("ends") - pl.col("begins") <= stale_after)
    silent = spoken_in(pending.lazy()).collect()
    return covered_by([covered, awaited, silent])


def _merged(covered: pl.LazyFrame) -> pl.LazyFrame:
    """The same time in spans that do not touch, sorted by node and beginning."""
    spans = covered.filter(pl.col("begins") < pl.col("ends")).sort("node", "begins")
    latest_before = pl.col("ends").cum_max().shift(1).over("node")
    apart = (pl.col("begins") > latest_before).fill_null(value=True)
    merged = (
        spans.with_columns(span=apart.cast(pl.UInt32).cum_sum())
        .group_by("node", "span")
        .agg(pl.col("begins").min(), pl.col("ends").max())
    )
    return merged.select(COVERED.names()).sort(COVERED.names())
