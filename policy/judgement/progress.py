"""
How exposure grows: totals over look-backs, growth per day, when the next tier comes, and on which day one was reached.

Reaching a tier is an event of a day: the first day on which the sum of all days up to it, within what is known, reached
the amount. ``crossed``: the low sum did; ``may_have_crossed``: the high sum did, the low one did not.

The date of the next tier is no forecast: it says when the likely sum gets there if every day is as the last seven were.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import polars as pl

from policy.frames import conform, empty, schema
from policy.judgement.exposure import SCOPES
from policy.judgement.runs import peak_devices
from policy.judgement.totals import known_total, total

PROGRESS = schema(
    {
        "scope": pl.String,  # of SCOPES
        "id": pl.String,  # of the effort, tenant or group; opaque
        "look_back_days": pl.Int64,
        "low_flop": pl.Float64,
        "likely_flop": pl.Float64,  # null: not known
        "high_flop": pl.Float64,  # null: not known
        "device_hours": pl.Float64,
        "peak_devices": pl.Float64,  # held at once, at most
        "growth_flop_per_day": pl.Float64,  # of the likely sum over the last days; null: not known
        "next_tier": pl.String,  # the lowest that the likely sum has not reached; null: none, or not known
        "next_tier_on": pl.Date,  # at that growth; null: it does not grow, or farther away than a century
    }
)
CROSSINGS = schema(
    {
        "scope": pl.String,
        "id": pl.String,
        "tier": pl.String,
        "tier_flop": pl.Float64,
        "strength": pl.String,  # crossed or may_have_crossed
        "day": pl.Date,  # on which it was reached
    }
)
GROWTH_DAYS = 7  # a week has the working days and the others, a guess
FARTHEST_DAYS = 36_500.0


def progress_of(
    parts: pl.DataFrame, days: pl.DataFrame, tiers: Mapping[str, float], at: datetime, look_backs: Sequence[int]
) -> pl.DataFrame:
    """
    The totals of every effort, tenant and group over each look-back, schema PROGRESS, sorted by its key.

    ``parts``: as for exposures; ``days``: pod-days with ``run_id``, of which devices held at once are counted.
    """
    frames = [empty(PROGRESS)]
    for look_back in look_backs:
        since = (at - timedelta(days=look_back)).date()
        recent, held = parts.filter(pl.col("day") > since), days.filter(pl.col("day") > since)
        frames += [_totals(recent, held, scope, tiers, at, look_back) for scope in SCOPES]
    rows = pl.concat(frames).sort("scope", "id", "look_back_days")
    return conform(rows, PROGRESS, "progress of exposures")


def crossings_of(parts: pl.DataFrame, tiers: Mapping[str, float]) -> pl.DataFrame:
    """The day on which each effort, tenant and group reached each tier, schema CROSSINGS; none where it did not."""
    amounts = pl.DataFrame(
        {"tier": list(tiers), "tier_flop": list(tiers.values())},
        schema_overrides={"tier": pl.String, "tier_flop": pl.Float64},
    )
    rows, tier = [empty(CROSSINGS)], pl.col("tier_flop")
    for scope, key in SCOPES.items():
        rising = _rising(parts, key).join(amounts, how="cross")
        reached = rising.group_by("id", "tier", "tier_flop").agg(
            crossed=pl.col("day").filter(pl.col("low") >= tier).min(),
            may_have_crossed=pl.col("day").filter((pl.col("high") >= tier) | pl.col("high").is_null()).min(),
        )
        either = reached.with_columns(
            scope=pl.lit(scope),
            strength=pl.when(pl.col("crossed").is_null()).then(pl.lit("may_have_crossed")).otherwise(pl.lit("crossed")),
            day=pl.coalesce("crossed", "may_have_crossed"),
        )
        rows.append(either.drop_nulls("day").select(CROSSINGS.names()))
    return conform(pl.concat(rows).sort(CROSSINGS.names()), CROSSINGS, "tiers reached")


def _rising(parts: pl.DataFrame, key: str) -> pl.DataFrame:
    """By id and day the sums of all days up to it; high is null from the first day on whose part is not known."""
    daily = (
        parts.group_by(pl.col(key).alias("id"), "day")
        .agg(low=total("low_flop"), high=known_total("high_flop"))
        .sort("id", "day")
    )
    unknown = pl.col("high").is_null().cast(pl.Int8).cum_max().over("id") > 0
    return daily.with_columns(
        low=pl.col("low").cum_sum().over("id"),
        high=pl.when(unknown).then(None).otherwise(pl.col("high").fill_null(0.0).cum_sum().over("id")),
    )


def _totals(
    parts: pl.DataFrame, held: pl.DataFrame, scope: str, tiers: Mapping[str, float], at: datetime, look_back: int
) -> pl.DataFrame:
    key = SCOPES[scope]
    days = min(GROWTH_DAYS, look_back)
    lately = pl.col("day") > (at - timedelta(days=days)).date()
    sums = parts.group_by(pl.col(key).alias("id")).agg(
        low_flop=total("low_flop"),
        likely_flop=known_total("likely_flop"),
        high_flop=known_total("high_flop"),
        device_hours=total("device_hours"),
        growth_flop_per_day=pl.when(pl.col("likely_flop").filter(lately).is_not_null().all()).then(
            pl.col("likely_flop").filter(lately).sum() / days
        ),
    )
    owners = parts.select("run_id", id=pl.col(key)).unique()
    peaks = peak_devices(held.join(owners, on="run_id"), ("id",))
    rows = sums.join(peaks, on="id", how="left").with_columns(
        scope=pl.lit(scope), look_back_days=pl.lit(look_back, pl.Int64), **_next_tier(tiers, at.date())
    )
    return rows.select(PROGRESS.names())


def _next_tier(tiers: Mapping[str, float], today: date) -> dict[str, pl.Expr]:
    likely, growth = pl.col("likely_flop"), pl.col("growth_flop_per_day")
    rising = sorted(tiers.items(), key=lambda each: each[1])
    name = pl.coalesce(pl.when(likely < amount).then(pl.lit(tier)) for tier, amount in rising)
    flop = pl.coalesce(pl.when(likely < amount).then(pl.lit(amount)) for _, amount in rising)
    left = (flop - likely) / growth
    soon = (growth > 0) & (left <= FARTHEST_DAYS)
    after = pl.when(soon).then(left.ceil().cast(pl.Int64, strict=False))
    return {
        "next_tier": name,
        "next_tier_on": pl.lit(today) + pl.duration(days=after),
    }
