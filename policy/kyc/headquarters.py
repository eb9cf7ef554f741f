"""
Whether a party, or the ultimate parent over it, is headquartered where the rules ask.

The test is about parties and where they are headquartered, by the provider's file, on the day of the law applied. Where
a party is registered never decides, and who owns how much is another question. Not knowing never clears: only two
answers of ``no`` make a ``no``.

A party's headquarters is known as soon as any row of the file tells it: its own, or that of a tenant under it. The file
is refused where two rows tell different ones.
"""

from collections.abc import Iterator
from datetime import date

import polars as pl

from policy.facts.evidence import Answer
from policy.facts.jurisdictions import Jurisdictions
from policy.kyc.cells import SELF

HEADQUARTERS = pl.Schema(
    {
        "tenant_id": pl.String(),  # the tenant
        "law_at": pl.Date(),  # the day whose law was applied
        "group_id": pl.String(),  # parties under one ultimate parent share it; the tenant's own id if none is known
        "hq_in_scope": pl.String(),  # yes, no or unknown: of the party and its ultimate parent together
        "hq_own": pl.String(),  # yes, no or unknown: of the party
        "hq_parent": pl.String(),  # yes, no or unknown: of its ultimate parent
        "hq_reason": pl.String(),  # a sentence for each of the two, for a reviewer; holds no name
        "hq_sources": pl.List(pl.String()),  # what the answers rest on, in one line each
    }
)

_SCOPES = pl.Schema(
    {
        "country": pl.String(),  # alpha-2
        "law_at": pl.Date(),  # the day asked about
        "answer": pl.String(),  # yes, no or unknown
        "scope_reason": pl.String(),  # begins with the code
        "sources": pl.List(pl.String()),  # what the answer rests on
    }
)

YES, NO, UNKNOWN = (pl.lit(answer.value) for answer in (Answer.YES, Answer.NO, Answer.UNKNOWN))
DOES_NOT_CLEAR = "which does not clear it"

is_own_parent = pl.col("ultimate_parent_id") == SELF
group_id = pl.when(is_own_parent).then("tenant_id").otherwise(pl.coalesce("ultimate_parent_id", "tenant_id"))
own_country = pl.coalesce("headquarters_country", "told_of_tenant")
parent_country = (
    pl.when(is_own_parent).then(own_country).otherwise(pl.coalesce("ultimate_parent_country", "told_of_parent"))
)

hq_own = pl.coalesce("own_answer", UNKNOWN)
hq_parent = pl.coalesce("parent_answer", UNKNOWN)
hq_in_scope = (
    pl.when((hq_own == YES) | (hq_parent == YES))
    .then(YES)
    .when((hq_own == NO) & (hq_parent == NO))
    .then(NO)
    .otherwise(UNKNOWN)
)

own_reason = pl.coalesce(
    pl.lit("headquartered in ") + pl.col("own_scope_reason"), pl.lit(f"headquarters not known, {DOES_NOT_CLEAR}")
)
parent_reason = (
    pl.when(is_own_parent)
    .then(pl.lit("the party is its own ultimate parent"))
    .when(pl.col("parent_scope_reason").is_not_null())
    .then(pl.lit("ultimate parent headquartered in ") + pl.col("parent_scope_reason"))
    .when(pl.col("ultimate_parent_id").is_not_null())
    .then(pl.lit(f"headquarters of the ultimate parent not known, {DOES_NOT_CLEAR}"))
    .otherwise(pl.lit(f"ultimate parent not known, {DOES_NOT_CLEAR}"))
)
hq_reason = pl.concat_str(own_reason, parent_reason, separator="; ")

no_sources = pl.lit([], dtype=pl.List(pl.String))
hq_sources = pl.concat_list(
    pl.coalesce("own_sources", no_sources), pl.coalesce("parent_sources", no_sources)
).list.unique(maintain_order=True)


def headquarters_answers(
    tenants_frame: pl.DataFrame, subjects: pl.DataFrame, jurisdictions: Jurisdictions
) -> pl.DataFrame:
    """
    Answer for every distinct subject (``tenant_id``, ``law_at``) that the tenants' frame has, in :data:`HEADQUARTERS`.

    A subject without a row there gets none here; :func:`policy.kyc.link.link_tenants` says what that means.
    """
    parties = (
        subjects.select("tenant_id", "law_at")
        .unique()
        .join(tenants_frame, on="tenant_id", how="inner")
        .join(_told(tenants_frame, "told_of_tenant"), left_on="tenant_id", right_on="party", how="left")
        .join(_told(tenants_frame, "told_of_parent"), left_on="ultimate_parent_id", right_on="party", how="left")
        .with_columns(own_country=own_country, parent_country=parent_country)
    )
    return (
        _with_scope(_with_scope(parties, "own", jurisdictions), "parent", jurisdictions)
        .select(
            "tenant_id",
            "law_at",
            group_id=group_id,
            hq_in_scope=hq_in_scope,
            hq_own=hq_own,
            hq_parent=hq_parent,
            hq_reason=hq_reason,
            hq_sources=hq_sources,
        )
        .sort("tenant_id", "law_at")
    )


def _told(tenants_frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Where each party is headquartered, by whichever row tells it; the column with the country is called ``name``."""
    of_tenants = tenants_frame.select("headquarters_country", party="tenant_id")
    of_parents = tenants_frame.filter(~is_own_parent).select("ultimate_parent_country", party="ultimate_parent_id")
    renamed = [of_tenants.rename({"headquarters_country": name}), of_parents.rename({"ultimate_parent_country": name})]
    return pl.concat(renamed).drop_nulls().unique("party", keep="first", maintain_order=True)


def _with_scope(parties: pl.DataFrame, whose: str, jurisdictions: Jurisdictions) -> pl.DataFrame:
    """Join the answers for the country of one of the two; all of them null where the country is not known."""
    country = f"{whose}_country"
    asked = parties.select(country, "law_at").drop_nulls().unique()
    scopes = pl.DataFrame(list(_answers(asked, jurisdictions)), schema=_SCOPES, orient="row")
    renamed = {name: f"{whose}_{name}" for name in _SCOPES if name != "law_at"}
    return parties.join(scopes.rename(renamed), on=[country, "law_at"], how="left")


def _answers(asked: pl.DataFrame, jurisdictions: Jurisdictions) -> Iterator[tuple[str, date, str, str, list[str]]]:
    for country, law_at in asked.iter_rows():
        scope = jurisdictions.in_scope(country, law_at)
        yield country, law_at, scope.answer.value, scope.reason, [source.line for source in scope.sources]
