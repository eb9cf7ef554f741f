"""
A stitch: two pieces of work that may be one effort, of which the later goes on where the earlier one stopped.

A piece is one workload name of one tenant. What is told of a stitch stands in :data:`STITCHES`; what people say to it
is a :class:`StitchWord`. Within a tenant or a group the pieces count as one run unless a person says otherwise; across
groups they count apart until a person says that they are one.
"""

from enum import StrEnum

import polars as pl

from policy.frames import schema
from policy.usage.window import UTC_TIME


class Across(StrEnum):
    """Between whom a stitch lies: pieces of one tenant, of two tenants in one group, or of two groups."""

    SAME_TENANT = "same_tenant"
    SAME_GROUP = "same_group"
    OTHER_GROUP = "other_group"


class StitchWord(StrEnum):
    """What people say to a stitch: the pieces are one effort, or two, or it stands as the engine tells it."""

    CONFIRMED = "confirmed"
    UNDONE = "undone"
    AS_TOLD = "as_told"


STITCHES = schema(
    {
        "stitch_id": pl.String,  # "stitch-" and 16 hex digits: a digest of both pieces, the earlier first
        "earlier_piece": pl.String,
        "later_piece": pl.String,
        "earlier_tenant_id": pl.String,  # null: nobody claimed it
        "later_tenant_id": pl.String,  # null: nobody claimed it
        "across": pl.String,  # a word of Across
        "strength": pl.Float64,  # how much speaks for it: a score without unit
        "reasons": pl.List(pl.String),
        "earlier_seen": UTC_TIME,  # the last moment of the earlier piece
        "later_seen": UTC_TIME,  # the first moment of the later piece
    }
)
