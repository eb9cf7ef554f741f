"""
How exposure grows: totals over look-backs, growth per day, and when the next tier comes if growth stays as it is.

A look-back of 30 days is today and the 29 days before it, by UTC days. The date of the next tier is no forecast: it
says when the likely sum gets there if every day is as the last seven were.

What is here is for people and logs, so that a group has an id that names nobody: a digest of the id that the
know-your-customer file has for its parent, which may be a public register's. Work that no tenant claims is there as
runs only.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial

import polars as pl

from policy.frames import conform, empty, schema
from policy.judgement.exposure import SCOPES, may_be_training
from policy.judgement.runs import peak_devices
from policy.judgement.totals import TOTAL_DIGITS, known_total, total

PROGRESS = schema(
    {
        "scope": pl.String,  # of SCOPES
        "id": pl.String,  # of the effort, tenant or group; opaque
        "tenants": pl.List(pl.String),  # whose work it is, sorted; empty: nobody claims it
        "look_back_days": pl.Int64,
        "low_flop": pl.Float64,
        "likely_flop": pl.Float64,  # null: not known
        "high_flop": pl.Float64,  # null: not known
        "methods": pl.List(pl.String),  # by which the days that are or may be training were estimated, sorted
        "device_hours": pl.Float64,  # held, whatever for; at most
        "peak_devices": pl.Float64,  # held at once, whatever for; at most
        "growth_flop_per_day": pl.Float64,  # of the likely sum over the last days; null: not known
        "next_tier": pl.String,  # the lowest that the likely sum has not reached; null: none, or not known
        "next_tier_on": pl.Date,  # at that growth; null: it does not grow, or farther away than a century
    }
)
GROWTH_DAYS = 7  # a week has the working days and the others, a guess
FARTHEST_DAYS = 36_500.0
DAY_SECONDS = 86_400.0
BOUNDS = ("low_flop", "likely_flop", "high_flop")


def progress_of(
    parts: pl.DataFrame, days: pl.DataFrame, tiers: Mapping[str, float], at: datetime, look_backs: Sequence[int]
) -> pl.DataFrame:
    """
    The totals of every effort, tenant and group over each look-back in days, schema PROGRESS, sorted by its key.

    ``parts``: as for exposures; ``days``: pod-days with ``run_id``, of which devices held at once are counted.
    """
    frames = [empty(PROGRESS)]
    for look_back in look_backs:
        begins = _first_day(at, look_back)
        recent, held = parts.filter(pl.col("day") >= begins), days.filter(pl.col("day") >= begins)
        lately = min(GROWTH_DAYS, look_back)
        sums = _as_one(by_scope(recent, partial(_sums, held=held, at=at, lately_days=lately)))
        rows = sums.with_columns(look_back_days=pl.lit(look_back, pl.Int64), **_next_tier(tiers, at))
        frames.append(rows.select(PROGRESS.names()))
    whole = pl.concat(frames).sort("scope", "id", "look_back_days")
    return conform(whole, PROGRESS, "progress of exposures")


def by_scope(parts: pl.DataFrame, made: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """
    What ``made`` makes of the parts, which it gets with an ``id``, for every id of every scope, with its ``scope``.

    A group has several rows: for all of its own, and for each tenant and effort that is in it in part. As in exposures,
    none of these is more than the group's, which is their largest.
    """
    claimed = parts.filter(pl.col("tenant") != pl.col("run_id"))
    of = {scope: made(parts.with_columns(id=key)) for scope, key in SCOPES.items()}
    of["tenant"] = of["tenant"].join(claimed.select(id="tenant").unique(), on="id", how="semi")
    within = []
    for scope, key in SCOPES.items():
        groups = claimed.select(pl.col(key).alias("id"), pl.col("group").alias("of_group")).unique()
        named = of[scope].join(groups.with_columns(_opaque("of_group")), on="id")
        within.append(named.with_columns(id="of_group").drop("of_group"))
    of["group"] = pl.concat(within)
    return pl.concat(rows.with_columns(scope=pl.lit(scope)) for scope, rows in of.items())


def _opaque(column: str) -> pl.Expr:
    return pl.col(column).map_elements(_group_id, return_dtype=pl.String)


def _group_id(of: str) -> str:
    return "group-" + hashlib.sha256(of.encode()).hexdigest()[:16]


def _first_day(at: datetime, days: int) -> date:
    """The first of so many days, of which the last is today."""
    return at.date() - timedelta(days=days - 1)


def _sums(parts: pl.DataFrame, held: pl.DataFrame, at: datetime, lately_days: int) -> pl.DataFrame:
    """By id. ``parts``: with their ``id``."""
    begins = _first_day(at, lately_days)
    sums = parts.group_by("id").agg(
        total("low_flop"),
        known_total("likely_flop").alias("likely_flop"),
        known_total("high_flop").alias("high_flop"),
        total("device_hours"),
        _growth(begins, at).alias("growth_flop_per_day"),
        pl.col("tenant").filter(pl.col("tenant") != pl.col("run_id")).unique().alias("tenants"),
    )
    owned = held.join(parts.select("run_id", "id").unique(), on="run_id")
    return sums.join(peak_devices(owned, ("id",)), on="id", how="left").join(_methods(parts, held), on="id", how="left")


def _growth(begins: date, at: datetime) -> pl.Expr:
    """Of the likely sum a day since a day began; null where a part is not known. Today counts as far as it has come."""
    elapsed_days = (at - datetime.combine(begins, time(), at.tzinfo)).total_seconds() / DAY_SECONDS
    lately = pl.col("likely_flop").filter(pl.col("day") >= begins)
    if elapsed_days <= 0:  # the very beginning of the only day that is looked back over
        return pl.lit(None, pl.Float64)
    return pl.when(lately.is_not_null().all()).then((lately.sum() / elapsed_days).round_sig_figs(TOTAL_DIGITS))


def _methods(parts: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """By id, the methods of the days that enter its sums."""
    counted = held.join(parts.filter(may_be_training).select("run_id", "day", "id"), on=("run_id", "day"))
    return counted.group_by("id").agg(pl.col("methods").explode().drop_nulls().unique())


def _as_one(sums: pl.DataFrame) -> pl.DataFrame:
    """One row for each scope and id: the largest of its rows, not known where one of them is not."""
    return sums.group_by("scope", "id").agg(
        *(_largest(name) for name in (*BOUNDS, "growth_flop_per_day")),
        pl.col("device_hours", "peak_devices").max(),
        *(pl.col(name).explode().drop_nulls().unique().sort() for name in ("tenants", "methods")),
    )


def _largest(column: str) -> pl.Expr:
    return pl.when(pl.col(column).is_not_null().all()).then(pl.col(column).max()).alias(column)


def _next_tier(tiers: Mapping[str, float], at: datetime) -> dict[str, pl.Expr]:
    likely, growth = pl.col("likely_flop"), pl.col("growth_flop_per_day")
    rising = sorted(tiers.items(), key=lambda each: each[1])
    none = pl.lit(None)
    name = pl.coalesce(*(pl.when(likely < amount).then(pl.lit(tier)) for tier, amount in rising), none)
    flop = pl.coalesce(*(pl.when(likely < amount).then(pl.lit(amount)) for _, amount in rising), none)
    left_days = (flop - likely).cast(pl.Float64) / growth
    soon = (growth > 0) & (left_days <= FARTHEST_DAYS)
    seconds = pl.when(soon).then((left_days * DAY_SECONDS).ceil()).cast(pl.Int64)
    return {
        "next_tier": name.cast(pl.String),
        "next_tier_on": (pl.lit(at) + pl.duration(seconds=seconds)).dt.date(),
    }
