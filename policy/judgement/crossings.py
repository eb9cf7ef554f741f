"""
On which day an effort, a tenant or a group reached a tier, and which of that is new since it was last looked at.

Reaching a tier is an event of a day: the first day on which the sum of all days up to it, within what is known, reached
the amount. ``crossed``: the low sum did; ``may_have_crossed``: the high sum did, or is not known, and the low sum did
not. The sums are cut as those of exposures are, so that both say the same of an amount that is just reached.

Days leave the look-back and verdicts change, so a tier that was reached may be reached no longer, and again later.
"""

from collections.abc import Mapping

import polars as pl

from policy.frames import conform, schema
from policy.judgement.progress import by_scope
from policy.judgement.serious import rank
from policy.judgement.totals import TOTAL_DIGITS

CROSSINGS = schema(
    {
        "scope": pl.String,  # of SCOPES
        "id": pl.String,  # of the effort, tenant or group; opaque
        "tier": pl.String,
        "tier_flop": pl.Float64,
        "strength": pl.String,  # of STRENGTHS
        "day": pl.Date,  # on which it was reached, in UTC
    }
)
STRENGTHS = ("crossed", "may_have_crossed")
"""The most certain first."""
KEY = ("scope", "id", "tier", "tier_flop")


def crossings_of(parts: pl.DataFrame, tiers: Mapping[str, float]) -> pl.DataFrame:
    """The day on which each effort, tenant and group reached each tier, schema CROSSINGS; none where it did not."""
    amounts = pl.DataFrame(
        {"tier": list(tiers), "tier_flop": list(tiers.values())},
        schema={"tier": pl.String, "tier_flop": pl.Float64},
    )
    rising = by_scope(parts, _rising)
    smallest = pl.lit(min(tiers.values(), default=0.0)).round_sig_figs(TOTAL_DIGITS)
    near = rising.filter((pl.col("high") >= smallest) | pl.col("high").is_null() | (pl.col("low") >= smallest))
    rows = _reached(near.join(amounts, how="cross")).select(CROSSINGS.names()).sort(KEY)
    return conform(rows, CROSSINGS, "tiers reached")


def newly_reached(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The crossings that were not there before, or not as certain; both schema CROSSINGS."""
    was = before.select(*KEY, was=rank("strength", STRENGTHS))
    known = now.join(was, on=KEY, how="left", maintain_order="left")
    is_new = pl.col("was").is_null() | (rank("strength", STRENGTHS) < pl.col("was"))
    return known.filter(is_new).drop("was")


def _reached(rising: pl.DataFrame) -> pl.DataFrame:
    tier, low, high = (pl.col(name).round_sig_figs(TOTAL_DIGITS) for name in ("tier_flop", "low", "high"))
    days = rising.group_by(KEY).agg(
        crossed=pl.col("day").filter(low >= tier).min(),
        may_have_crossed=pl.col("day").filter((high >= tier) | high.is_null()).min(),
    )
    strength = pl.when(pl.col("crossed").is_not_null()).then(pl.lit("crossed")).otherwise(pl.lit("may_have_crossed"))
    return days.with_columns(strength=strength, day=pl.coalesce("crossed", "may_have_crossed")).drop_nulls("day")


def _rising(parts: pl.DataFrame) -> pl.DataFrame:
    """By id and day the sums of all days up to it; high is null from the first day on whose part is not known."""
    whole = pl.col("high_flop").is_not_null().all()  # days are not cut: of cut thirds three are less than the whole
    daily = parts.group_by("id", "day").agg(low=pl.col("low_flop").sum(), high=pl.when(whole).then(pl.sum("high_flop")))
    daily = daily.sort("id", "day")
    unknown = pl.col("high").is_null().cast(pl.Int8).cum_max().over("id") > 0
    return daily.with_columns(
        low=_so_far(pl.col("low")),
        high=pl.when(unknown).then(None).otherwise(_so_far(pl.col("high").fill_null(0.0))),
    )


def _so_far(amount: pl.Expr) -> pl.Expr:
    return amount.cum_sum().over("id").round_sig_figs(TOTAL_DIGITS)
