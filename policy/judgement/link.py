"""
Whose run is it, and where is that party headquartered, by the law of the run's days.

The law is taken at the first and at the last day of the run, and on every day between on which a list changed. Where
the answers differ the most serious one counts and its day is named: a country that left the list during a run does not
clear the run's beginning. Where they agree the last day is named. A run that ends at midnight has had no part in the
day that begins then.
"""

import polars as pl

from policy.facts.evidence import Answer
from policy.facts.jurisdictions import Jurisdictions
from policy.frames import conform, schema
from policy.kyc.link import LINKS, link_tenants

RUN_LINKS = schema({"run_id": pl.String, **LINKS})
SERIOUSNESS = {Answer.YES.value: 2, Answer.UNKNOWN.value: 1, Answer.NO.value: 0}
last_moment = pl.max_horizontal("first_seen", pl.col("last_seen") - pl.duration(microseconds=1))


def link_runs(runs: pl.DataFrame, tenants: pl.DataFrame, jurisdictions: Jurisdictions) -> pl.DataFrame:
    """One row for each run, schema RUN_LINKS; ``tenants`` has the schema of the know-your-customer file."""
    days = _law_days(runs, jurisdictions)
    links = days.join(
        link_tenants(days, tenants, jurisdictions), on=("tenant_id", "law_at"), how="left", nulls_equal=True
    )
    serious = pl.col("hq_in_scope").replace_strict(SERIOUSNESS, return_dtype=pl.Int8)
    most_serious = (
        links.with_columns(serious=serious)
        .sort("run_id", "serious", "law_at", descending=(False, True, True))
        .unique(subset="run_id", keep="first", maintain_order=True)
    )
    return conform(most_serious.select(RUN_LINKS.names()), RUN_LINKS, "links of runs")


def _law_days(runs: pl.DataFrame, jurisdictions: Jurisdictions) -> pl.DataFrame:
    """The days whose law a run is held against: run_id, tenant_id, law_at."""
    lasted = runs.select("run_id", "tenant_id", first=pl.col("first_seen").dt.date(), last=last_moment.dt.date())
    changes = pl.DataFrame({"law_at": jurisdictions.changes}, schema={"law_at": pl.Date})
    between = lasted.join(changes, how="cross").filter(pl.col("law_at").is_between("first", "last"))
    columns = ("run_id", "tenant_id", "law_at")
    ends = [lasted.rename({end: "law_at"}).select(columns) for end in ("first", "last")]
    return pl.concat([*ends, between.select(columns)]).unique()
