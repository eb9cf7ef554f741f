"""What is answered about runs whose tenant the file has, does not have, or that nobody claimed."""

from typing import Any

import polars as pl
from support.judgement import a_run, runs_frame
from support.kyc import a_tenant, bases_of_claims, customers_of

from policy.judgement.link import RUN_LINKS, link_runs
from policy.kyc.dossier import QUESTIONS
from policy.kyc.link import NOT_ON_FILE
from policy.kyc.span import ANSWERS

CUSTOMERS = customers_of(
    a_tenant(party_name="Secret", headquarters_country="CN", ultimate_parent_id="p-1", ultimate_parent_country="SG"),
    a_tenant(tenant_id="t-2", headquarters_country="DE", ultimate_parent_id="self"),
)


def links(*tenants: str | None) -> list[dict[str, Any]]:
    """Link a run of each of these tenants to the two above."""
    runs = runs_frame(*(a_run(run_id=f"r-{at}", tenant_id=each) for at, each in enumerate(tenants)))
    frame = link_runs(runs, bases_of_claims(runs), CUSTOMERS.dossiers)
    assert frame.schema == RUN_LINKS
    return frame.rows(named=True)


def test_linked() -> None:
    """A claimed tenant that the file has brings its answers about headquarters and its group."""
    (link,) = links("t-1")
    assert (link["link_state"], link["group_id"]) == ("linked", "p-1")
    assert [link[name] for name in ("hq_in_scope", "hq_own", "hq_behalf")] == ["yes", "yes", "no"]
    assert link["hq_reason"].startswith("headquartered in CN: member of Country Group D:5; ")
    assert link["hq_sources"]


def test_unknown_tenant() -> None:
    """A claimed tenant that the file does not have is a group of its own, and nothing is known of it."""
    (link,) = links("t-9")
    assert (link["link_state"], link["tenant_id"], link["group_id"]) == ("unknown_tenant", "t-9", "t-9")
    assert {link[name] for name in QUESTIONS if name != "listed"} == {"unknown"}
    assert (link["listed"], link["changed"]) == ("not_screened", "no")
    assert link["hq_reason"] == (
        "there is no file to answer from, so its headquarters is not known, and that does not clear it"
    )
    assert link["hq_sources"] == []


def test_unlinked() -> None:
    """A workload that claims no tenant stays, unlinked, in no group, with everything unknown."""
    (link,) = links(None)
    assert (link["link_state"], link["tenant_id"], link["group_id"]) == ("unlinked", None, None)
    assert link["hq_in_scope"] == link["hq_own"] == link["hq_parent"] == link["hq_behalf"] == "unknown"
    assert link["flag_count"] == 0.0


def test_one_row_for_each_run() -> None:
    """Every run has one row, whatever comes of looking for its tenant."""
    rows = links("t-1", "t-1", "t-2", None, None, "t-9")
    assert [row["run_id"] for row in rows] == [f"r-{at}" for at in range(6)]
    assert [row["hq_in_scope"] for row in rows] == ["yes", "yes", "no", "unknown", "unknown", "unknown"]


def test_no_names() -> None:
    """No name of a party is in a link."""
    assert "Secret" not in str(links("t-1"))


def test_no_runs() -> None:
    """No runs are no links, in the same schema."""
    assert links() == []


def test_not_on_file_answers_every_question() -> None:
    """What is answered about nobody has every column, and no answer that clears."""
    assert set(NOT_ON_FILE) == set(ANSWERS)
    assert pl.DataFrame([dict(NOT_ON_FILE)], schema=ANSWERS).height == 1
    assert not {NOT_ON_FILE[name] for name in QUESTIONS} & {"no"}
