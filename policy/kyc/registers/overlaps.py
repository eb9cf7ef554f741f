"""
Where the allocation register gives more of a machine than there is: to be put right by whoever keeps it.

It is told and nothing is corrected: which of two rows is wrong nobody here can know, so the windows of both stand, and
the sum of what was allocated may be more than the machine. A machine is told from another by its node, or by its
serial where no node is known; one that stands under a node here and under its serial there is taken for two.
"""

from collections.abc import Callable

import polars as pl

from policy.frames import conform, schema
from policy.kyc.registers.allocations import Allocations, machine
from policy.kyc.vocabulary import Tenancy
from policy.usage.window import UTC_TIME

OVERLAPS = schema(
    {
        "machine": pl.String,  # node, or serial where no node is known
        "begins": UTC_TIME,
        "ends": UTC_TIME,  # the first moment no more; null: still
        "devices": pl.Float64,  # given at once, over all rows
        "devices_there": pl.Float64,  # null: not known
        "tenant_ids": pl.List(pl.String),  # to whom, sorted
        "problem": pl.String,  # one of the two below
    }
)
MORE_THAN_THERE = "more devices were given than the machine has"
WHOLE_MACHINE_TWICE = "a whole machine was given, and some of it to another tenant at once"
KEY = ("machine", "begins", "ends")

is_whole = pl.col("tenancy") != Tenancy.SHARED.value
has_begun = pl.col("begins_row") <= pl.col("begins")
goes_on = (pl.col("ends_row") > pl.col("begins")).fill_null(value=True)
problem = (
    pl.when(pl.col("devices") > pl.col("devices_there"))
    .then(pl.lit(MORE_THAN_THERE))
    .when(pl.col("whole") & (pl.col("tenant_ids").list.len() > 1))
    .then(pl.lit(WHOLE_MACHINE_TWICE))
)


def overlaps(register: Allocations, devices_there: Callable[[str], float | None]) -> pl.DataFrame:
    """
    Every span in which a machine was given more than once, or more of it than there is; schema OVERLAPS, sorted.

    ``devices_there``: how many devices a machine has. Where that is not known (None) a machine with too many given to
    one tenant cannot be told.
    """
    rows = register.frame.with_columns(machine=machine)
    spans = _spans(rows).join(rows, on="machine", suffix="_row").filter(has_begun & goes_on)
    given = spans.group_by(KEY).agg(
        pl.col("devices").sum(), tenant_ids=pl.col("tenant_id").unique().sort(), whole=is_whole.any()
    )
    known = [(each, devices_there(each)) for each in rows["machine"].unique()]
    there = pl.DataFrame(known, schema={"machine": pl.String, "devices_there": pl.Float64}, orient="row")
    found = given.join(there, on="machine", how="left").with_columns(problem=problem).drop_nulls("problem")
    return conform(found.select(OVERLAPS.names()).sort(KEY), OVERLAPS, "overlaps")


def _spans(rows: pl.DataFrame) -> pl.DataFrame:
    """For every machine the spans between the moments at which something begins or ends there."""
    ends = rows.select("machine", begins="ends").drop_nulls()
    moments = pl.concat([rows.select("machine", "begins"), ends]).unique().sort("machine", "begins")
    return moments.with_columns(ends=pl.col("begins").shift(-1).over("machine"))
