"""
From what a workload claims to the party behind it.

A claim is a tenant id that a namespace carries, or none. Three things can come of it: the file has the tenant
(``linked``), the file does not have it (``unknown_tenant``), or nothing was claimed (``unlinked``). The last two leave
every answer about headquarters unknown, which never clears.
"""

from enum import StrEnum

import polars as pl

from policy.facts.jurisdictions import Jurisdictions
from policy.kyc.headquarters import UNKNOWN, headquarters_answers, no_sources


class LinkState(StrEnum):
    """What came of a claim."""

    LINKED = "linked"
    UNLINKED = "unlinked"
    UNKNOWN_TENANT = "unknown_tenant"


LINKS = pl.Schema(
    {
        "tenant_id": pl.String(),  # as claimed; null: nothing was claimed
        "law_at": pl.Date(),  # the day whose law was applied
        "link_state": pl.String(),  # linked, unlinked or unknown_tenant
        "link_reason": pl.String(),  # why, for a reviewer; holds no name
        "group_id": pl.String(),  # as in HEADQUARTERS; of an unknown tenant its own id; null: none was claimed
        "hq_in_scope": pl.String(),  # yes, no or unknown; unknown unless linked
        "hq_own": pl.String(),  # the same, of the party
        "hq_parent": pl.String(),  # the same, of its ultimate parent
        "hq_reason": pl.String(),  # why, for a reviewer; holds no name
        "hq_sources": pl.List(pl.String()),  # what the answers rest on; empty unless linked
    }
)

REASONS = {
    LinkState.LINKED: "the claimed tenant is in the know-your-customer file",
    LinkState.UNLINKED: "no tenant was claimed for the workload",
    LinkState.UNKNOWN_TENANT: "the claimed tenant is not in the know-your-customer file",
}
SO_NOT_KNOWN = ", so its headquarters is not known, and that does not clear it"

link_state = (
    pl.when(pl.col("tenant_id").is_null())
    .then(pl.lit(LinkState.UNLINKED.value))
    .when(pl.col("hq_in_scope").is_null())
    .then(pl.lit(LinkState.UNKNOWN_TENANT.value))
    .otherwise(pl.lit(LinkState.LINKED.value))
)
link_reason = pl.col("link_state").replace_strict({state.value: reason for state, reason in REASONS.items()})
hq_unknown = [pl.coalesce(name, UNKNOWN).alias(name) for name in ("hq_in_scope", "hq_own", "hq_parent")]
hq_reason = pl.coalesce("hq_reason", pl.col("link_reason") + SO_NOT_KNOWN)


def link_tenants(claims: pl.DataFrame, tenants_frame: pl.DataFrame, jurisdictions: Jurisdictions) -> pl.DataFrame:
    """
    Give one row in :data:`LINKS` for every distinct claim (``tenant_id``, which may be null, and ``law_at``).

    To join the rows back to workloads without a claim, join with ``nulls_equal=True``.
    """
    distinct = claims.select("tenant_id", "law_at").unique()
    answers = headquarters_answers(tenants_frame, distinct, jurisdictions)
    return (
        distinct.join(answers, on=["tenant_id", "law_at"], how="left")
        .with_columns(link_state=link_state)
        .with_columns(link_reason=link_reason)
        .with_columns(*hq_unknown, hq_reason=hq_reason, group_id=pl.coalesce("group_id", "tenant_id"))
        .with_columns(hq_sources=pl.coalesce("hq_sources", no_sources))
        .select(*LINKS)
        .sort("tenant_id", "law_at")
    )
