"""
Whose workload it is, by the collector's claim and by explicit mapping rules of the provider's.

What a claim and the rules say is put together and never weighed: where they name different tenants the window is
``ambiguous`` and nobody's, so that no tenant is accused or cleared by a guess. All patterns of a rule must fit. A rule
holds by dates, and a window is taken by the day on which it begins.

Left out: which of two rules is the narrower one. And names are chosen by whoever creates the workload: a rule that
rests on ``project`` alone believes them.

A million windows have few answers: values that the same patterns fit are alike, and only what differs is asked about.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from enum import StrEnum

import polars as pl

from policy.kyc.registers.allocations import is_registered
from policy.kyc.registers.globs import matches
from policy.kyc.registers.mapping_rules import CRITERIA, MappingRule


class LinkBasis(StrEnum):
    """What a window's tenant rests on: the collector's claim, a mapping rule, the allocation register, or nothing."""

    CLAIM = "claim"
    MAPPING = "mapping"
    ALLOCATION = "allocation"
    NONE = "none"
    AMBIGUOUS = "ambiguous"


LINK = {
    "link_basis": pl.String,  # of LinkBasis
    "link_note": pl.String,  # why, for a reviewer; opaque ids and no name
}
"""What stands beside a row that has been linked; its tenant_id is as linked, null: none, or ambiguous."""

ClusterOf = Callable[[str], str | None]
"""The cluster of a node, or None where that is not known."""


def no_cluster(_: str) -> None:
    """Of no node is the cluster known."""


def link_windows(
    windows: pl.DataFrame, rules: Sequence[MappingRule], cluster_of: ClusterOf = no_cluster
) -> pl.DataFrame:
    """
    The same windows in their order, each with its tenant by claim and rules, and with :data:`LINK` beside.

    ``windows``: windows, or what is added up of the windows of one holder and day. Nothing but ``tenant_id`` changes,
    and no hour is moved, lost or made: a window is linked whole.
    """
    bounds = sorted({day for rule in rules for day in (rule.begins, rule.ends) if day})
    rows = windows.with_columns(effort=effort, era=_era(bounds), registered=is_registered, **NOT_ASKED)
    for values in _values(rows, rules, cluster_of):
        alike = _alike(values, rules)
        rows = rows.drop(alike.columns[1:]).join(alike, on=alike.columns[0], how="left", maintain_order="left")
    links = _links(rows.select(KEY).unique(), rules, bounds)
    found = rows.join(links, on=KEY, how="left", nulls_equal=True, maintain_order="left")
    return found.with_columns(tenant_id="linked").select(*windows.columns, *LINK)


ALIKE = {column: f"{column}_alike" for column in CRITERIA.values()}
NOT_ASKED = {name: pl.lit(None, pl.String) for name in ALIKE.values()}
KEY = (*ALIKE.values(), "tenant_id", "era", "registered")
effort = pl.coalesce("workload_name", "workload_pod")
claim = pl.col("tenant_id")
mapped = pl.col("mapped").fill_null([])
said = pl.concat_list(pl.concat_list(claim), mapped).list.drop_nulls().list.unique().list.sort()
linked = pl.when(pl.col("said").list.len() == 1).then(pl.col("said").list.first())
claim_basis = pl.when("registered").then(pl.lit(LinkBasis.ALLOCATION.value)).otherwise(pl.lit(LinkBasis.CLAIM.value))
link_basis = (
    pl.when(pl.col("said").list.len() > 1)
    .then(pl.lit(LinkBasis.AMBIGUOUS.value))
    .when(claim.is_not_null())
    .then(claim_basis)
    .when(pl.col("said").list.len() == 1)
    .then(pl.lit(LinkBasis.MAPPING.value))
    .otherwise(pl.lit(LinkBasis.NONE.value))
)
by_claim = (
    pl.when(claim.is_null())
    .then(pl.lit("no tenant was claimed"))
    .when("registered")
    .then(pl.lit("the allocation register names ") + claim)
    .otherwise(pl.lit("the claim names ") + claim)
)
by_rules = pl.coalesce("rules_note", pl.lit("no mapping rule fits"))
so_ambiguous = pl.when(pl.col("said").list.len() > 1).then(pl.lit("so it is nobody's until that is settled"))
link_note = pl.concat_str(by_claim, by_rules, so_ambiguous, separator="; ", ignore_nulls=True)
"""As in ``the claim names t-1; mapping rule 3 names t-9; so it is nobody's until that is settled``."""


def _era(bounds: Sequence[date]) -> pl.Expr:
    """How many of the days on which some rule begins or ends have come: on all days of one era the same rules hold."""
    days = pl.lit(pl.Series(bounds, dtype=pl.Date))
    return days.search_sorted(pl.col("window_start").dt.date(), side="right") if bounds else pl.lit(0, pl.UInt32)


def _values(rows: pl.DataFrame, rules: Sequence[MappingRule], cluster_of: ClusterOf) -> Iterator[pl.DataFrame]:
    """The distinct values of each column that some rule asks about; a node's cluster goes with the node."""
    asked = {column for rule in rules for column, _ in rule.patterns}
    if asked & {"node", "cluster"}:
        nodes = rows.select("node").drop_nulls().unique()
        clusters = [cluster_of(node) if "cluster" in asked else None for node in nodes["node"]]
        yield nodes.with_columns(cluster=pl.Series(clusters, dtype=pl.String))
    for column in ("workload_namespace", "effort"):
        if column in asked:
            yield rows.select(column).drop_nulls().unique()


def _alike(values: pl.DataFrame, rules: Sequence[MappingRule]) -> pl.DataFrame:
    """Beside every value one that fits the same patterns, for all that do so the same one; of clusters likewise."""
    asked = {(column, pattern) for rule in rules for column, pattern in rule.patterns if column in values.columns}
    fits = {str(at): matches(pl.col(column), pattern) for at, (column, pattern) in enumerate(sorted(asked))}
    same = values.with_columns(always=True, **fits)
    alike = [pl.first(column).over("always", *fits).alias(ALIKE[column]) for column in values.columns]
    return same.select(values.columns[0], *alike)


def _links(keys: pl.DataFrame, rules: Sequence[MappingRule], bounds: Sequence[date]) -> pl.DataFrame:
    """For every key its tenant, what that rests on, and why."""
    parts = [
        keys.lazy().filter(_fits(rule, bounds)).with_columns(number=pl.lit(rule.number), named=pl.lit(rule.tenant))
        for rule in rules
    ]
    none = keys.lazy().clear().with_columns(number=pl.lit(0), named=pl.lit(""))
    sentence = pl.format("mapping rule {} names {}", "number", "named")
    by_number = pl.concat([none, *parts]).sort("number").group_by(KEY, maintain_order=True)
    told = by_number.agg(mapped=pl.col("named").unique(), rules_note=sentence.str.join("; ")).collect()
    both = keys.join(told, on=KEY, how="left", nulls_equal=True).with_columns(said=said).with_columns(linked=linked)
    return both.select(*KEY, "linked", link_basis=link_basis, link_note=link_note)


def _fits(rule: MappingRule, bounds: Sequence[date]) -> pl.Expr:
    fitting = [matches(pl.col(ALIKE[column]), pattern) for column, pattern in rule.patterns]
    return pl.all_horizontal(_in_force(rule, bounds), *fitting)


def _in_force(rule: MappingRule, bounds: Sequence[date]) -> pl.Expr:
    first = bounds.index(rule.begins) + 1 if rule.begins else 0
    last = bounds.index(rule.ends) if rule.ends else len(bounds)
    return pl.col("era").is_between(first, last)
