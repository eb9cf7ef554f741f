from datetime import date

import polars as pl
from support.kyc import a_tenant, claims_frame, tenants_frame

from policy.facts.facts import load_facts
from policy.kyc.link import LINKS, link_tenants

D5 = load_facts().jurisdictions
AT = date(2026, 6, 1)
TENANTS_FRAME = tenants_frame(
    a_tenant(party_name="Secret", headquarters_country="CN", ultimate_parent_id="p-1", ultimate_parent_country="SG"),
    a_tenant(tenant_id="t-2", headquarters_country="DE", ultimate_parent_id="self"),
)


def links(*claims: tuple[str | None, date]) -> list[dict[str, object]]:
    """Link claims to the two tenants above."""
    frame = link_tenants(claims_frame(*claims), TENANTS_FRAME, D5)
    assert frame.schema == LINKS
    return frame.rows(named=True)


def test_linked() -> None:
    """A claimed tenant that the file has brings its headquarters answers and its group."""
    (link,) = links(("t-1", AT))
    assert (link["link_state"], link["group_id"]) == ("linked", "p-1")
    assert (link["hq_in_scope"], link["hq_own"], link["hq_parent"]) == ("yes", "yes", "no")
    assert str(link["hq_reason"]).startswith("headquartered in CN: member of Country Group D:5; ")
    assert link["hq_sources"]


def test_unknown_tenant() -> None:
    """A claimed tenant that the file does not have is a group of its own, and nothing is known of it."""
    (link,) = links(("t-9", AT))
    assert (link["link_state"], link["tenant_id"], link["group_id"]) == ("unknown_tenant", "t-9", "t-9")
    assert link["hq_in_scope"] == link["hq_own"] == link["hq_parent"] == "unknown"
    assert link["hq_reason"] == (
        "the claimed tenant is not in the know-your-customer file, "
        "so its headquarters is not known, and that does not clear it"
    )
    assert link["hq_sources"] == []


def test_unlinked() -> None:
    """A workload that claims no tenant stays, unlinked, in no group, with everything unknown."""
    (link,) = links((None, AT))
    assert (link["link_state"], link["tenant_id"], link["group_id"]) == ("unlinked", None, None)
    assert link["hq_in_scope"] == link["hq_own"] == link["hq_parent"] == "unknown"
    assert (
        link["hq_reason"]
        == "no tenant was claimed for the workload, so its headquarters is not known, and that does not clear it"
    )


def test_one_row_for_each_claim() -> None:
    """Every distinct claim has one row, none is lost, and all of them join back."""
    claims = claims_frame(("t-1", AT), ("t-1", AT), ("t-1", date(2025, 1, 1)), (None, AT), (None, AT), ("t-9", AT))
    got = link_tenants(claims, TENANTS_FRAME, D5)
    assert got.height == 4
    back = claims.join(got, on=["tenant_id", "law_at"], how="inner", nulls_equal=True)
    assert back.height == claims.height


def test_no_names() -> None:
    """No name of a party is in a link."""
    assert "Secret" not in str(links(("t-1", AT)))


def test_nothing_claimed() -> None:
    """No claims give no links, in the same schema."""
    assert links() == []


def test_no_tenants() -> None:
    """With an empty file nothing is linked and nothing cleared."""
    got = link_tenants(claims_frame(("t-1", AT), (None, AT)), tenants_frame(), D5)
    assert set(got["link_state"]) == {"unlinked", "unknown_tenant"}
    assert got.filter(pl.col("hq_in_scope") != "unknown").is_empty()
