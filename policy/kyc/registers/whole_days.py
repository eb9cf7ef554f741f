"""
The days of which the allocation register tells all that a tenant can have used.

Where no collector runs nobody measures, and the register is all that is known: who was given eight devices from
midnight to midnight had 192 hours, and could not have had more. That needs two things: the register gives the tenant
something at every moment of the day, and nothing of the tenant's was seen where the register gives it nothing. A tenant
whose machines stand in the register in part, and who was seen on none of the others, is taken for one without others.
"""

from datetime import datetime

import polars as pl

from policy.frames import conform, schema
from policy.kyc.registers.allocations import Allocations, is_registered
from policy.kyc.registers.covered import covered_by
from policy.usage.window import UTC_TIME

WHOLE_DAYS = schema({"tenant_id": pl.String, "date": pl.Date})


def whole_days(register: Allocations, since: datetime, until: datetime) -> pl.DataFrame:
    """The days in UTC on which a tenant was given something at every moment, schema :data:`WHOLE_DAYS`, sorted."""
    ends = pl.min_horizontal("ends", pl.lit(until, UTC_TIME))
    begins = pl.max_horizontal("begins", pl.lit(since, UTC_TIME))
    given = covered_by([register.frame.select(node="tenant_id", begins=begins, ends=ends)])
    day = pl.duration(days=1)
    first = (pl.col("begins") + day - pl.duration(microseconds=1)).dt.truncate("1d")
    midnights = pl.datetime_ranges(first, pl.col("ends").dt.truncate("1d"), closed="left")
    days = given.select(tenant_id="node", date=midnights).explode("date").drop_nulls()
    return conform(days.with_columns(pl.col("date").dt.date()).unique().sort("tenant_id", "date"), WHOLE_DAYS, "days")


def not_registered(windows: pl.DataFrame, register: Allocations) -> pl.DataFrame:
    """The windows, schema WINDOWS, of a tenant on a node that the register does not give it while they last."""
    given = register.frame.select("node", "tenant_id", given="begins", over="ends")
    lasts = (pl.col("given") <= pl.col("window_start")) & (pl.col("over") >= pl.col("window_end")).fill_null(value=True)
    others = windows.filter(~is_registered, pl.col("tenant_id").is_not_null()).with_row_index("nth")
    within = others.join(given, on=["node", "tenant_id"]).filter(lasts).select("nth")
    return others.join(within, on="nth", how="anti").drop("nth")
