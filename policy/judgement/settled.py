"""
What people have settled of two pieces of work, which holds also where the very stitch that they answered is not told.

A stitch is told while its signs hold and while its earlier piece is the last that the later one could follow. And
between tenants it is told of runs, which go by their first piece: once that piece has left the look-back a run has
another name. A person's word is about the two pieces and outlasts both.
"""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

Pairs = Collection[tuple[str, str]]
"""The earlier piece and the later one. People make them, so they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Pieces, or runs, that by the words in force are ``one`` effort, and those that are ``two``."""

    one: Pairs = ()
    two: Pairs = ()


NOTHING_SETTLED = Settled()


def within_tenants(settled: Settled, days: pl.DataFrame) -> Settled:
    """What is settled of pieces of one tenant. ``days``: pod-days with ``piece_id``, ``tenant_id``."""
    tenants = _by_piece(settled, days, "tenant_id")

    def of_one(pairs: Pairs) -> Pairs:
        owners = [(pair, [tenants.get(piece) for piece in pair]) for pair in pairs]
        return [pair for pair, (earlier, later) in owners if earlier is not None and earlier == later]

    return Settled(one=of_one(settled.one), two=of_one(settled.two))


def of_runs(settled: Settled, days: pl.DataFrame) -> Settled:
    """The same of the runs that the pieces belong to now. ``days``: pod-days with ``piece_id``, ``run_id``."""
    runs = _by_piece(settled, days, "run_id")

    def named(pairs: Pairs) -> Pairs:
        return [(runs[earlier], runs[later]) for earlier, later in pairs if earlier in runs and later in runs]

    return Settled(one=named(settled.one), two=named(settled.two))


def _by_piece(settled: Settled, days: pl.DataFrame, column: str) -> dict[str, str]:
    named = sorted({piece for pairs in (settled.one, settled.two) for pair in pairs for piece in pair})
    return dict(days.filter(pl.col("piece_id").is_in(named)).select("piece_id", column).unique().iter_rows())
