"""What was known when a run ended beside what is known now, and the answers about lists over a run's days."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from support.judgement import FACTS, a_run, runs_frame
from support.kyc import bases_of_claims
from support.kyc_cases import said

from policy.judgement.link import link_runs
from policy.kyc.directory import Directory
from policy.kyc.dossiers import Dossiers

SEATED = ("t-1 customer p-1", "t-1 acts_for self", "p-1 headquarters_country SG")
"""A tenant whose own headquarters is out of scope, and whose ultimate parent nobody has told yet."""
ALONE = (*SEATED, "p-1 ultimate_parent self", "p-1 screened no_match", "p-1 owned_by dispersed 100")
JUNE, JULY = ("2026-06-01", "2026-06-10"), ("2026-07-01", "2026-07-10")


def moment(text: str) -> datetime:
    """Read a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def linked(*lines: str, lasted: tuple[str, str] = JUNE) -> dict[str, Any]:
    """Link one run to a tenant of whom this is known."""
    first, last = map(moment, lasted)
    runs = runs_frame(a_run(tenant_id="t-1", first_seen=first, last_seen=last))
    dossiers = Dossiers.of(Directory.of(map(said, lines)), FACTS)
    (row,) = link_runs(runs, bases_of_claims(runs), dossiers).to_dicts()
    return row


FOUND = ("p-1 ultimate_parent p-9 known_from=2026-07-05", "p-9 headquarters_country CN known_from=2026-07-05")


def test_a_parent_that_is_found_later_speaks_about_before() -> None:
    """A parent in scope that is found after the run makes its answer yes now, beside what it was then."""
    row = linked(*SEATED, *FOUND, "p-9 ultimate_parent self")
    assert (row["hq_in_scope"], row["changed"]) == ("yes", "worse")
    assert row["changed_reason"] == (
        "known on 2026-06-09, when the run ended, and known now: headquarters in scope unknown then, yes now"
    )


def test_what_was_known_while_it_ran_is_no_change() -> None:
    """What became known before the run ended, or on its last day, was known then."""
    assert linked(*SEATED, *FOUND, lasted=JULY)["changed"] == "no"
    on_the_last_day = [line.replace("2026-07-05", "2026-06-09") for line in FOUND]
    assert linked(*SEATED, *on_the_last_day)["changed"] == "no"


def test_a_yes_that_is_taken_back_is_told() -> None:
    """A run whose yes was withdrawn later says so, and is not yes any more."""
    row = linked("t-1 customer p-1", "t-1 acts_for self", "p-1 ultimate_parent self",
                 "p-1 headquarters_country CN known_from=2026-01-01 known_to=2026-07-01",
                 "p-1 headquarters_country SG known_from=2026-07-01")  # fmt: skip
    assert (row["hq_in_scope"], row["changed"]) == ("no", "taken_back")


def test_learning_that_it_is_out_of_scope_is_no_change() -> None:
    """An unknown that became no accuses nobody and takes nothing back."""
    assert linked(*SEATED, "p-1 ultimate_parent self known_from=2026-07-05")["changed"] == "no"


def test_a_file_without_days_of_knowledge_changes_nothing() -> None:
    """What has no day on which it became known counts as known from the beginning."""
    assert linked(*ALONE)["changed"] == "no"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("p-1 listed_on EL known_from=2026-07-05", "listed"),
        ("p-1 listed_on SDN known_from=2026-07-05", "restricted"),
        ("p-1 screened possible detail=e-1 source=later as_of=2026-07-05 known_from=2026-07-05", "listed"),
    ],
)
def test_an_entry_of_a_list_that_is_found_later(line: str, name: str) -> None:
    """An entry that is determined or comes near after the run makes its answer more serious, and that is told."""
    row = linked(*ALONE, line)
    assert row["changed"] == "worse"
    assert row[name] in ("yes", "possible")


def test_a_tenant_that_was_not_on_file() -> None:
    """A tenant that came on file after the run, with a headquarters in scope, was unknown then."""
    lines = ("t-1 customer p-1", "t-1 acts_for self", "p-1 headquarters_country CN", "p-1 ultimate_parent self")
    row = linked(*(f"{line} known_from=2026-07-05" for line in lines))
    assert (row["link_state"], row["changed"]) == ("linked", "worse")


OWNED = ("p-2 listed_on EL", "p-1 owned_by p-2 60", "p-1 owned_by dispersed 40", "p-2 owned_by dispersed 100")


@pytest.mark.parametrize(
    ("lasted", "answer"),
    [
        (("2025-10-01", "2025-10-20"), "yes"),
        (("2025-10-20", "2025-12-20"), "yes"),
        (("2025-12-01", "2025-12-20"), "no"),
        (("2026-11-05", "2026-11-20"), "yes"),
    ],
)
def test_a_run_over_a_switch(lasted: tuple[str, str], answer: str) -> None:
    """Of the days before and after the Affiliates Rule goes on or off the more serious answer counts."""
    row = linked(*ALONE[:-1], *OWNED, lasted=lasted)
    assert (row["owner_listed"], row["owner_listed_rule_on"]) == (answer, "yes")


def test_a_headquarters_that_moves_while_it_runs() -> None:
    """The law's days are also those on which something began or ended to be true of the tenant."""
    moved = ("p-1 headquarters_country CN ends=2026-06-03", "p-1 headquarters_country SG begins=2026-06-03")
    row = linked("t-1 customer p-1", "t-1 acts_for self", "p-1 ultimate_parent self", *moved)
    assert (row["hq_in_scope"], row["law_at"]) == ("yes", date(2026, 6, 1))
    back = (
        "p-1 headquarters_country SG ends=2026-06-03",
        "p-1 headquarters_country CN begins=2026-06-03 ends=2026-06-05",
        "p-1 headquarters_country SG begins=2026-06-05 source=later",
    )
    row = linked("t-1 customer p-1", "t-1 acts_for self", "p-1 ultimate_parent self", *back)
    assert (row["hq_in_scope"], row["law_at"]) == ("yes", date(2026, 6, 3))


def test_flags_know_the_demand() -> None:
    """A business that needs no accelerators raises its flag where the tenant uses many of them."""
    lines = (*ALONE, "p-1 needs_accelerators no")
    flag = "guidance-2025-line-of-business"
    assert flag in linked(*lines)["flags"]
    quiet = runs_frame(
        a_run(
            tenant_id="t-1", first_seen=moment(JUNE[0]), last_seen=moment(JUNE[1]), peak_devices=1.0, held_seconds=60.0
        )
    )
    dossiers = Dossiers.of(Directory.of(map(said, lines)), FACTS)
    assert flag not in link_runs(quiet, bases_of_claims(quiet), dossiers)["flags"].item().to_list()


def test_other_runs_stay_as_they_are() -> None:
    """What is learnt of one tenant changes nothing of another's runs."""
    lines = (
        *SEATED,
        *FOUND,
        "t-2 customer p-5",
        "p-5 headquarters_country DE",
        "p-5 ultimate_parent self",
        "t-2 acts_for self",
    )
    runs = runs_frame(
        *(
            a_run(run_id=f"r-{who}", tenant_id=who, first_seen=moment(JUNE[0]), last_seen=moment(JUNE[1]))
            for who in ("t-1", "t-2")
        )
    )
    links = link_runs(runs, bases_of_claims(runs), Dossiers.of(Directory.of(map(said, lines)), FACTS))
    assert dict(links.select("tenant_id", "changed").iter_rows()) == {"t-1": "worse", "t-2": "no"}
    assert links.filter(pl.col("tenant_id") == "t-2")["hq_in_scope"].item() == "no"


def test_machines_that_were_bare_metal_for_a_part_of_the_run() -> None:
    """Of several tenancies over a run's days the one that hands over most counts, whatever the last day's is."""
    given = ("t-1 tenancy bare_metal ends=2026-06-04", "t-1 tenancy shared begins=2026-06-04")
    assert linked(*ALONE, *given)["tenancy"] == "bare_metal"


def test_a_list_that_has_the_party_for_a_part_of_the_run() -> None:
    """Each question about lists is told of the era that decides it, with its days, and the finding names that day."""
    row = linked(*ALONE, "p-1 listed_on SDN ends=2026-06-03")
    assert (row["listed"], row["restricted"], row["list_codes"]) == ("yes", "yes", ["SDN"])
    assert row["list_law_at"] == date(2026, 6, 1)
    assert "until 2026-06-03: p-1 is on a list: SDN" in row["list_reason"]
    assert "no match" not in row["list_reason"]


def test_nothing_is_told_twice() -> None:
    """A run over many changes of the law has every sentence once."""
    row = linked(*ALONE, lasted=("2021-01-01", "2026-06-10"))
    for about in ("hq_reason", "list_reason", "end_use_reason"):
        pieces = row[about].split("; ")
        assert len(pieces) == len(set(pieces)), about


@pytest.mark.parametrize(
    "line",
    [
        "t-1 end_use_wmd yes known_from=2026-07-05",
        "p-1 controlled_by p-7 detail=board known_from=2026-07-05",
    ],
)
def test_end_use_and_control_are_held_against_then_too(line: str) -> None:
    """An end use that the law asks about, or control by a listed party, that is learnt later is told."""
    assert linked(*ALONE, "p-7 listed_on EL", line)["changed"] == "worse"
