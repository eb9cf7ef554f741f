"""
What tenants declare of the work that they run: what kind it is, and in which number format they train.

A declaration counts where it is undisputed: of each source the newest word is taken, as everywhere in the file, and
where two of these differ nothing is taken to be declared. Nothing here was measured.
"""

from collections.abc import Sequence

import polars as pl

from policy.frames import conform, schema

DECLARED = schema(
    {
        "tenant_id": pl.String,
        "day": pl.Date,
        "declared_workload": pl.String,  # a word of that predicate; null: none, or sources contradict each other
        "declared_number_format": pl.String,  # the same
    }
)
PREDICATES = ("declared_workload", "declared_number_format")

_UNDATED = pl.col("as_of").is_null()
_newest = pl.col("as_of").max().over("tenant_id", "day", "predicate", "source")
_begun = pl.col("begins").is_null() | (pl.col("begins") <= pl.col("day"))
_not_ended = pl.col("ends").is_null() | (pl.col("day") < pl.col("ends"))


def declarations(statements: pl.DataFrame) -> pl.DataFrame:
    """The statements that declare something of a tenant's work."""
    return statements.filter(pl.col("predicate").is_in(PREDICATES))


def declared_on(statements: pl.DataFrame, tenants_and_days: pl.DataFrame) -> pl.DataFrame:
    """
    What each tenant's undisputed declarations are on each day, schema DECLARED; one row for each distinct pair.

    ``statements``: schema :data:`policy.kyc.statements.STATEMENTS`, those that are known. ``tenants_and_days``:
    tenant_id, day.
    """
    asked = tenants_and_days.select("tenant_id", "day").unique().sort("tenant_id", "day")
    said = declarations(statements).select(
        "predicate", "value", "source", "as_of", "begins", "ends", tenant_id="subject"
    )
    told = asked.join(said, on="tenant_id").filter(_begun, _not_ended).filter(_UNDATED | (pl.col("as_of") == _newest))
    rows = asked
    for name in PREDICATES:
        rows = rows.join(_undisputed(told, name), on=("tenant_id", "day"), how="left", maintain_order="left")
    return conform(rows.select(DECLARED.names()), DECLARED, "declarations")


def _undisputed(told: pl.DataFrame, predicate: str) -> pl.DataFrame:
    """The one value of a predicate, where all sources say the same."""
    by_day: Sequence[str] = ("tenant_id", "day")
    of_it = told.filter(pl.col("predicate") == predicate)
    values = of_it.group_by(by_day).agg(pl.col("value").unique())
    return values.filter(pl.col("value").list.len() == 1).select(*by_day, pl.col("value").list.first().alias(predicate))
