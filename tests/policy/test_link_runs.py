from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from support.judgement import a_run, runs_frame, runs_of
from support.kyc import a_tenant, bases_of_claims, customers_of

from policy.judgement.link import RUN_LINKS, link_runs
from policy.kyc.customers import Customers


def linked(runs: pl.DataFrame, customers: Customers) -> pl.DataFrame:
    """Link runs that came to their tenants by what they claim."""
    return link_runs(runs, bases_of_claims(runs), customers.dossiers)


def link_of(country: str | None, first: str, last: str, **run: Any) -> dict[str, Any]:
    """Link a run between two moments to a tenant that is headquartered there and its own parent."""
    customers = customers_of(a_tenant(headquarters_country=country, ultimate_parent_id="self"))
    moments = {"first_seen": moment(first), "last_seen": moment(last)}
    (link,) = linked(runs_frame(a_run(**moments, **run)), customers).to_dicts()
    return link


def moment(text: str) -> datetime:
    """Read a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("country", "first", "last", "answer", "law_at"),
    [
        ("KH", "2025-10-01", "2025-11-01", "yes", "2025-10-31"),
        ("KH", "2025-10-01", "2025-12-01", "yes", "2025-10-01"),
        ("KH", "2025-11-06T23:00", "2025-11-07T01:00", "yes", "2025-11-06"),
        ("KH", "2025-11-07", "2025-12-01", "no", "2025-11-30"),
        ("KH", "2021-12-01", "2021-12-20", "yes", "2021-12-19"),
        ("MO", "2023-01-10", "2023-01-20", "yes", "2023-01-19"),
        ("CY", "2026-09-20", "2026-10-10", "unknown", "2026-10-09"),
        ("CN", "2018-07-20", "2018-08-10", "yes", "2018-08-09"),
        ("DE", "2018-07-20", "2018-08-10", "unknown", "2018-07-20"),
        ("DE", "2026-05-01", "2026-06-01T12:00", "no", "2026-06-01"),
        (None, "2026-05-01", "2026-06-01T12:00", "unknown", "2026-06-01"),
    ],
)
def test_law_of_the_days(country: str | None, first: str, last: str, answer: str, law_at: str) -> None:
    """Of the law on a run's first and last day the more serious answer counts, and its day is named."""
    link = link_of(country, first, last)
    assert (link["hq_in_scope"], link["law_at"]) == (answer, date.fromisoformat(law_at))


@pytest.mark.parametrize(("last", "answer"), [("2023-01-17", "no"), ("2023-01-17T00:00:01", "yes")])
def test_midnight(last: str, answer: str) -> None:
    """A run that ends at midnight has no part in the day that begins then, and one a second later has."""
    assert link_of("MO", "2023-01-10", last)["hq_in_scope"] == answer


def test_run_of_a_moment() -> None:
    """A run that ends when it begins is judged by the law of that day."""
    assert link_of("CN", "2026-06-01", "2026-06-01")["law_at"] == date(2026, 6, 1)


def test_reason_is_of_the_day() -> None:
    """Reason and sources are those of the answer that counts, not those of the other day."""
    link = link_of("KH", "2025-10-01", "2025-12-01")
    assert link["hq_reason"].startswith("headquartered in KH: member of Country Group D:5; ")
    assert "91 FR 5091" in " ".join(link["hq_sources"])


@pytest.mark.parametrize(("tenant_id", "state"), [(None, "unlinked"), ("t-9", "unknown_tenant")])
def test_not_linked(tenant_id: str | None, state: str) -> None:
    """A run without a claim, or whose tenant is not in the file, stays with everything unknown."""
    link = link_of("DE", "2026-05-01", "2026-06-01", tenant_id=tenant_id)
    assert (link["link_state"], link["hq_in_scope"], link["group_id"]) == (state, "unknown", tenant_id)


def test_one_row_for_each_run() -> None:
    """Every run has one row, also where many share a tenant or have none."""
    first, last = moment("2025-10-01"), moment("2025-12-01")
    runs = [
        a_run(run_id=f"r-{number}", tenant_id=who, first_seen=first, last_seen=last - timedelta(days=number))
        for number, who in enumerate(["t-1", "t-1", None, None, "t-9"])
    ]
    links = linked(runs_frame(*runs), customers_of(a_tenant(headquarters_country="KH")))
    assert sorted(links["run_id"]) == [run["run_id"] for run in runs]


def test_no_runs() -> None:
    """No runs are no links, in the same schema."""
    links = linked(runs_of(), customers_of())
    assert links.is_empty()
    assert links.schema == RUN_LINKS
