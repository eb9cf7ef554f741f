"""
Billed against attributed: GPU-hours for each tenant and day, every difference in a named state.

What is attributed has a low end, the time in which a tenant's workloads held devices alone, and a high end: with the
time in which they shared devices, whole for each sharer, or may have held some while nobody watched. So the high ends
of several tenants may hold the same hour. A window that spans midnight, in UTC, is apportioned by time.

A day of which a part was not measured has no high end: what was used in the rest of it nobody knows; unless the
allocation register tells all of it for the tenant, as where no collector runs. Left out: why
two numbers differ, money, and hours that a contract counts otherwise, as reserved ones; and which tenant the unlinked
hours belong to, so that a ``billed_more`` may be one of those.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

import polars as pl

from policy.frames import conform, empty, schema
from policy.kyc.registers.billing import Billing
from policy.kyc.registers.whole_days import WHOLE_DAYS
from policy.usage.window import UTC_TIME

ATTRIBUTED = schema(
    {
        "tenant_id": pl.String,  # null: nobody
        "date": pl.Date,  # in UTC
        "accelerator": pl.String,  # product name as the driver gives it; null: not known
        "low_hours": pl.Float64,  # held alone
        "high_hours": pl.Float64,  # besides shared, or perhaps held while nobody watched
    }
)
RECONCILED = schema(
    {
        "date": pl.Date,
        "tenant_id": pl.String,  # null: what is attributed to nobody
        "accelerator": pl.String,  # null: all of them, or not known
        "billed_hours": pl.Float64,
        "low_hours": pl.Float64,
        "high_hours": pl.Float64,  # of what was measured
        "measured_whole": pl.Boolean,  # the day, from midnight to midnight
        "registered_whole": pl.Boolean,  # the same by the allocation register, for this tenant
        "state": pl.String,  # of Comparison
    }
)


class Comparison(StrEnum):
    """What comparing one row came to."""

    AGREES = "agrees"
    BILLED_MORE = "billed_more"
    ATTRIBUTED_MORE = "attributed_more"
    NOT_BILLED = "not_billed"
    NOT_MEASURED = "not_measured"
    UNLINKED = "unlinked"
    UNCERTAIN = "uncertain"


MEANINGS = {
    Comparison.AGREES: "billed and attributed differ by no more than the tolerance",
    Comparison.BILLED_MORE: "billed more than can have been held",
    Comparison.ATTRIBUTED_MORE: "held more than was billed",
    Comparison.NOT_BILLED: "held, and nothing was billed",
    Comparison.NOT_MEASURED: "billed, and nothing is attributed to the tenant",
    Comparison.UNLINKED: "held, and attributed to nobody",
    Comparison.UNCERTAIN: "what was billed is within what may have been held: shared, unwatched, or not measured",
}
NOTHING_HOURS = 0.01  # what rounding a bill to hundredths may leave; below it two numbers are the same: a guess
TOLERANCE = 0.02  # of the larger of the two: clocks of billing and of a cycle differ by minutes a day; a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The days to compare, both included, in UTC; and from when to when anything was measured, none: at no time."""

    first: date
    last: date
    measured: tuple[datetime, datetime] | None = None

    @property
    def begins(self) -> datetime:
        """The first moment."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after them."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)

    def is_whole(self, day: date) -> bool:
        """Whether a day was measured from midnight to midnight."""
        one = Days(first=day, last=day)
        return self.measured is not None and self.measured[0] <= one.begins and one.ends <= self.measured[1]

    @property
    def partly(self) -> tuple[date, ...]:
        """The days that were measured in part: of a span only its first and its last can be."""
        if self.measured is None:
            return ()
        touched = {self.measured[0].date(), (self.measured[1] - timedelta(microseconds=1)).date()}
        return tuple(day for day in sorted(touched) if self.first <= day <= self.last and not self.is_whole(day))


held_hours = pl.col("held_seconds") / 3600
possible_hours = (pl.col("held_seconds") + pl.col("shared_seconds") + pl.col("unwatched_seconds")) / 3600
last_moment = pl.max_horizontal("window_start", pl.col("window_end") - pl.duration(microseconds=1))
spans_midnight = pl.col("window_start").dt.date() != last_moment.dt.date()
whole_length = (pl.col("window_end") - pl.col("window_start")).dt.total_microseconds()
part_length = (
    pl.min_horizontal("window_end", pl.col("midnight") + pl.duration(days=1))
    - pl.max_horizontal("window_start", "midnight")
).dt.total_microseconds()
day_part = pl.when(whole_length > 0).then(part_length / whole_length).otherwise(1.0)
"""How much of a window lies in the day. What has no length is all in the day on which it begins."""


def attributed_hours(windows: pl.DataFrame, days: Days) -> pl.DataFrame:
    """GPU-hours that these windows attribute to each tenant, day and accelerator, schema ATTRIBUTED, sorted."""
    whole = windows.filter(~spans_midnight).with_columns(midnight=pl.col("window_start").dt.truncate("1d"))
    midnights = pl.datetime_ranges(pl.col("window_start").dt.truncate("1d"), last_moment.dt.truncate("1d"))
    cut = windows.filter(spans_midnight).with_columns(midnight=midnights).explode("midnight")
    rows = pl.concat([whole, cut]).with_columns(date=pl.col("midnight").dt.date())
    hours = rows.filter(pl.col("date").is_between(days.first, days.last)).select(
        *KEY, low_hours=held_hours * day_part, high_hours=possible_hours * day_part
    )
    return added_up(hours)


def added_up(attributed: pl.DataFrame) -> pl.DataFrame:
    """The same hours with one row for each tenant, day and accelerator, schema ATTRIBUTED, sorted."""
    hours = attributed.group_by(KEY).agg(pl.col("low_hours", "high_hours").sum()).sort(KEY)
    return conform(hours.select(ATTRIBUTED.names()), ATTRIBUTED, "attributed hours")


KEY = ("tenant_id", "date", "accelerator")
AMOUNTS = ("billed_hours", "low_hours", "high_hours")


def reconcile(
    billing: Billing,
    attributed: pl.DataFrame,
    days: Days,
    *,
    tolerance: float = TOLERANCE,
    product: Callable[[str], str] = str,
    registered: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """
    Every tenant and day of either side, schema RECONCILED, sorted by day and tenant; their hours add up to both sides.

    ``product``: what an accelerator is called on both sides, whatever name either has for it. Where the billing does
    not say which accelerators it is about, all of them are one. ``registered``: the days of which the allocation
    register tells all of a tenant's hours, schema WHOLE_DAYS; none where there is no register.
    """
    asked = pl.col("date").is_between(days.first, days.last)
    billed = billing.frame.filter(asked).rename({"gpu_hours": "billed_hours"})
    named = product if billing.by_accelerator else None
    left = _by_product(billed, named, "billed_hours")
    right = _by_product(attributed.filter(asked), named, "low_hours", "high_hours")
    told = empty(WHOLE_DAYS) if registered is None else registered
    rows = (
        left.join(right, on=KEY, how="full", coalesce=True, nulls_equal=True)
        .with_columns(pl.col(AMOUNTS).fill_null(0.0))
        .with_columns(measured_whole=_is_whole(days))
        .join(told.with_columns(registered_whole=True), on=["tenant_id", "date"], how="left")
        .with_columns(pl.col("registered_whole").fill_null(value=False))
        .with_columns(state=_state(tolerance))
    )
    return conform(rows.select(RECONCILED.names()).sort("date", *KEY), RECONCILED, "reconciled hours")


def sums(reconciled: pl.DataFrame) -> pl.DataFrame:
    """How many rows there are of each state, and their hours; states in the order of :class:`Comparison`."""
    found = reconciled.group_by("state").agg(pl.len().alias("rows"), pl.col(AMOUNTS).sum())
    return pl.DataFrame({"state": list(map(str, Comparison))}).join(found, on="state", maintain_order="left")


def _by_product(hours: pl.DataFrame, product: Callable[[str], str] | None, *amounts: str) -> pl.DataFrame:
    """Added up by product; with no way to name products all of them are one."""
    name = pl.lit(None, pl.String)
    if product is not None:
        names = {each: product(each) for each in hours["accelerator"].drop_nulls().unique()}
        name = pl.col("accelerator").replace_strict(names, return_dtype=pl.String)
    return hours.with_columns(accelerator=name).group_by(KEY).agg(pl.col(amounts).sum())


def _is_whole(days: Days) -> pl.Expr:
    if days.measured is None:
        return pl.lit(value=False)
    begins = pl.col("date").cast(UTC_TIME)
    first, last = (pl.lit(moment, UTC_TIME) for moment in days.measured)
    return (first <= begins) & (begins + pl.duration(days=1) <= last)


def _state(tolerance: float) -> pl.Expr:
    billed, low, high = (pl.col(name) for name in AMOUNTS)
    whole = pl.col("measured_whole") | pl.col("registered_whole")
    near_low, near_high = _near(billed, low, tolerance), _near(billed, high, tolerance)
    cases = {
        Comparison.UNLINKED: pl.col("tenant_id").is_null(),
        Comparison.NOT_MEASURED: (billed > NOTHING_HOURS) & (high <= NOTHING_HOURS),
        Comparison.NOT_BILLED: (billed <= NOTHING_HOURS) & (low > NOTHING_HOURS),
        Comparison.AGREES: near_low & near_high & whole,
        Comparison.ATTRIBUTED_MORE: (billed < low) & ~near_low,
        Comparison.BILLED_MORE: (billed > high) & ~near_high & whole,
    }
    return pl.coalesce(
        *(pl.when(case).then(pl.lit(state.value)) for state, case in cases.items()), pl.lit(Comparison.UNCERTAIN.value)
    )


def _near(billed: pl.Expr, attributed: pl.Expr, tolerance: float) -> pl.Expr:
    allowed = pl.max_horizontal(tolerance * pl.max_horizontal(billed, attributed), pl.lit(NOTHING_HOURS))
    return (billed - attributed).abs() <= allowed
