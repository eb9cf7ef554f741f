"""
One row for each tenant, of all at once: a hundred thousand of them are a table, and not as many questions.

It gives what :meth:`policy.kyc.view.View.of` gives for each tenant and the parties behind it; a test compares.
"""

from datetime import date

import polars as pl

from policy.frames import conform, schema
from policy.kyc.directory import Directory
from policy.kyc.vocabulary import PREDICATES, Confidence

LISTED = schema(
    {
        "tenant": pl.String,
        "customers": pl.List(pl.String),  # the parties behind the account, the best known first
        "customers_in": pl.List(pl.String),  # where they are headquartered, as told
        "statements": pl.Int64,  # how many are about the tenant and its customers, of whatever day
        "verified": pl.String,  # the last day of any of them; null: not known
        "names": pl.List(pl.String),
    }
)
_RANKS = {each.value: rank for rank, each in enumerate(Confidence)}


def listed(known: Directory, day: date) -> pl.DataFrame:
    """Every tenant by what is said of a day, schema :data:`LISTED`, sorted by its id."""
    tenants = pl.DataFrame({"tenant": sorted(known.tenants)}, schema={"tenant": pl.String})
    customers = _newest(known.frame, "customer", day).rename({"subject": "tenant", "value": "party"})
    about = pl.concat([tenants.with_columns(party="tenant"), customers]).unique(maintain_order=True)
    rows = tenants
    for column in (
        customers.group_by("tenant", maintain_order=True).agg(customers="party"),
        _told(about, known.frame, "headquarters_country", day).agg(customers_in=pl.col("value").unique().sort()),
        _statements(known.frame),
        _told(about, known.frame, "verified_on", day).agg(verified=pl.col("value").max()),
        _told(about, known.frame, "name", day).agg(names="value"),
    ):
        rows = rows.join(column, on="tenant", how="left", maintain_order="left")
    none: list[str] = []
    rows = rows.with_columns(pl.col("customers", "customers_in", "names").fill_null(none))
    return conform(rows.select(LISTED.names()), LISTED, "listed tenants")


def _newest(frame: pl.DataFrame, predicate: str, day: date) -> pl.DataFrame:
    """Subject and value of what holds on a day, of each source the newest and the undated, the best known first."""
    begun, over = (pl.col("begins") <= day).fill_null(value=True), (pl.col("ends") <= day).fill_null(value=False)
    word = pl.col("as_of")
    of_one = ["subject", "source", *(["value"] if PREDICATES[predicate].many else [])]
    rank = pl.col("confidence").replace_strict(_RANKS, default=len(_RANKS), return_dtype=pl.Int64)
    said = frame.filter(pl.col("predicate") == predicate, begun, ~over)
    newest = said.filter(word.is_null() | (word == word.max().over(of_one)))
    ordered = newest.sort("subject", rank, word, "value", descending=[False, False, True, False], nulls_last=True)
    return ordered.select("subject", "value").unique(maintain_order=True)


def _told(about: pl.DataFrame, frame: pl.DataFrame, predicate: str, day: date) -> pl.dataframe.group_by.GroupBy:
    """What is said of the parties of each tenant, in their order."""
    said = _newest(frame, predicate, day).rename({"subject": "party"})
    return about.join(said, on="party", maintain_order="left_right").group_by("tenant", maintain_order=True)


def _statements(frame: pl.DataFrame) -> pl.DataFrame:
    """How many are about each tenant and whoever was ever told to be its customer."""
    behind = frame.filter(predicate="customer").select(tenant="subject", party="value")
    tenants = pl.concat([behind, frame.select(tenant="subject", party="subject")]).unique()
    many = frame.group_by(party="subject").agg(statements=pl.len().cast(pl.Int64))
    return tenants.join(many, on="party").group_by("tenant").agg(pl.col("statements").sum())
