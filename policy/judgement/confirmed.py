"""
Pairs of pieces that people have confirmed to be one effort: they count as one also where no stitch is told of them.

A stitch is told while its signs hold and while its earlier piece is the last that the later one could follow. And
between tenants it is told of runs, which go by their first piece: once that piece has left the look-back a run has
another name. A person's word is about the two pieces and outlasts both.
"""

from collections.abc import Collection

import polars as pl

Pairs = Collection[tuple[str, str]]
"""The earlier piece and the later one. People make them, so they are few."""


def of_one_tenant(pairs: Pairs, days: pl.DataFrame) -> Pairs:
    """The pairs whose pieces are both there and of one tenant. ``days``: pod-days with ``piece_id``, ``tenant_id``."""
    tenants = _by_piece(pairs, days, "tenant_id")
    return [
        (earlier, later)
        for earlier, later in pairs
        if tenants.get(earlier) is not None and tenants.get(earlier) == tenants.get(later)
    ]


def of_runs(pairs: Pairs, days: pl.DataFrame) -> Pairs:
    """The pairs as pairs of the runs that their pieces belong to now. ``days``: pod-days with ``run_id``."""
    runs = _by_piece(pairs, days, "run_id")
    return [(runs[earlier], runs[later]) for earlier, later in pairs if earlier in runs and later in runs]


def _by_piece(pairs: Pairs, days: pl.DataFrame, column: str) -> dict[str, str]:
    named = sorted({piece for pair in pairs for piece in pair})
    return dict(days.filter(pl.col("piece_id").is_in(named)).select("piece_id", column).unique().iter_rows())
