from datetime import date
from itertools import product

import pytest
from support.kyc import a_tenant, claims_frame, tenants_frame

from policy.facts.facts import load_facts
from policy.kyc.headquarters import HEADQUARTERS, headquarters_answers

D5 = load_facts().jurisdictions
AT = date(2026, 6, 1)
COUNTRY = {"yes": "CN", "no": "DE", "unknown": None}


def answer(at: date = AT, **cells: str | None) -> dict[str, object]:
    """Answer for one tenant with these cells."""
    frame = headquarters_answers(tenants_frame(a_tenant(**cells)), claims_frame(("t-1", at)), D5)
    assert frame.schema == HEADQUARTERS
    return frame.row(0, named=True)


@pytest.mark.parametrize(("own", "parent"), list(product(COUNTRY, COUNTRY)))
def test_three_values(own: str, parent: str) -> None:
    """One yes is yes, two noes are no, everything else is unknown."""
    got = answer(headquarters_country=COUNTRY[own], ultimate_parent_id="p-1", ultimate_parent_country=COUNTRY[parent])
    assert (got["hq_own"], got["hq_parent"]) == (own, parent)
    expected = "yes" if "yes" in (own, parent) else "no" if own == parent == "no" else "unknown"
    assert got["hq_in_scope"] == expected


@pytest.mark.parametrize(
    ("cells", "in_scope", "reason"),
    [
        (
            {"headquarters_country": "MO", "ultimate_parent_id": "self"},
            "yes",
            "headquartered in MO: named beside D:5 in the rules; the party is its own ultimate parent",
        ),
        (
            {"headquarters_country": "DE", "ultimate_parent_id": "p-1", "ultimate_parent_country": "CN"},
            "yes",
            "headquartered in DE: not a member of Country Group D:5 and not named beside it; "
            "ultimate parent headquartered in CN: member of Country Group D:5",
        ),
        (
            {"headquarters_country": "DE"},
            "unknown",
            "headquartered in DE: not a member of Country Group D:5 and not named beside it; "
            "ultimate parent not known, which does not clear it",
        ),
        (
            {"ultimate_parent_id": "p-1"},
            "unknown",
            "headquarters not known, which does not clear it; "
            "headquarters of the ultimate parent not known, which does not clear it",
        ),
    ],
)
def test_reasons(cells: dict[str, str], in_scope: str, reason: str) -> None:
    """The reason has a sentence for the party and one for its ultimate parent, and no name in either."""
    got = answer(party_name="Secret Party", ultimate_parent_name="Secret Parent", **cells)
    assert (got["hq_in_scope"], got["hq_reason"]) == (in_scope, reason)


@pytest.mark.parametrize(
    "teller",
    [
        {"tenant_id": "p-1", "headquarters_country": "CN", "ultimate_parent_id": "self"},
        {"tenant_id": "t-2", "ultimate_parent_id": "p-1", "ultimate_parent_country": "CN"},
    ],
)
def test_told_by_another_row(teller: dict[str, str]) -> None:
    """A parent's headquarters is known when its own row tells it, or the row of another tenant under it."""
    child = a_tenant(headquarters_country="SG", ultimate_parent_id="p-1")
    got = headquarters_answers(tenants_frame(child, a_tenant(**teller)), claims_frame(("t-1", AT)), D5).row(
        0, named=True
    )
    assert (got["hq_parent"], got["hq_in_scope"]) == ("yes", "yes")
    assert "ultimate parent headquartered in CN" in str(got["hq_reason"])


def test_told_by_a_tenant_under_it() -> None:
    """A party whose own row leaves its headquarters open is answered by the row of a tenant under it."""
    parent = a_tenant(tenant_id="p-1", ultimate_parent_id="self")
    child = a_tenant(headquarters_country="SG", ultimate_parent_id="p-1", ultimate_parent_country="CN")
    got = headquarters_answers(tenants_frame(child, parent), claims_frame(("p-1", AT)), D5).row(0, named=True)
    assert (got["hq_own"], got["hq_parent"]) == ("yes", "yes")


def test_own_parent() -> None:
    """A party at the top is answered once: its own answer is its parent's."""
    assert answer(headquarters_country="DE", ultimate_parent_id="self")["hq_in_scope"] == "no"
    assert answer(headquarters_country="ET", ultimate_parent_id="self")["hq_in_scope"] == "unknown"


@pytest.mark.parametrize(("parent", "group"), [("p-1", "p-1"), ("self", "t-1"), (None, "t-1")])
def test_group(parent: str | None, group: str) -> None:
    """Parties under one known ultimate parent form a group; any other party is a group of its own."""
    assert answer(ultimate_parent_id=parent)["group_id"] == group


def test_registration_never_decides() -> None:
    """Where a party is registered changes nothing."""
    cells = {"headquarters_country": "DE", "ultimate_parent_id": "self"}
    assert answer(registered_country="CN", **cells) == answer(registered_country="DE", **cells)


def test_law_of_the_day() -> None:
    """A party in Cambodia is in scope before State took the country off its list, and not after."""
    cells = {"headquarters_country": "KH", "ultimate_parent_id": "self"}
    assert answer(at=date(2025, 11, 6), **cells)["hq_in_scope"] == "yes"
    assert answer(at=date(2025, 11, 7), **cells)["hq_in_scope"] == "no"


def test_sources() -> None:
    """The sources of both answers are listed once each, and none where nothing is known."""
    both = answer(headquarters_country="CN", ultimate_parent_id="p-1", ultimate_parent_country="CN")
    assert both["hq_sources"] == [source.line for source in D5.in_scope("CN", AT).sources]
    assert answer()["hq_sources"] == []


def test_one_answer_for_each_subject() -> None:
    """A subject asked twice is answered once, one that is not in the file not at all."""
    tenants = tenants_frame(a_tenant(), a_tenant(tenant_id="t-2"))
    subjects = claims_frame(("t-1", AT), ("t-1", AT), ("t-1", date(2025, 1, 1)), ("t-3", AT), (None, AT))
    got = headquarters_answers(tenants, subjects, D5)
    assert got.select("tenant_id", "law_at").rows() == [("t-1", date(2025, 1, 1)), ("t-1", AT)]


def test_nothing_asked() -> None:
    """No subjects give no answers, in the same schema."""
    got = headquarters_answers(tenants_frame(), claims_frame(), D5)
    assert got.schema == HEADQUARTERS
    assert got.is_empty()
