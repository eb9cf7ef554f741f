"""What the demo tells when its day is over, without a day: the comparison, the differences, the explained answer."""

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from rich.console import Console
from support.findings import a_finding
from support.judgement import (
    FACTS,
    HOUR,
    START,
    a_subject,
    a_window,
    accelerators_frame,
    an_accelerator,
    days_of,
    subjects_frame,
)
from support.kyc import customers_of

from policy.demo import telling
from policy.demo.chain import chain_of
from policy.demo.comparison import compare
from policy.demo.day import PAGE, cycle_moments, every_ticket
from policy.demo.scenario import DemoScenario, TicketKey
from policy.demo.telling import Day, curl_lines, differences
from policy.engine import Engine
from policy.frames import empty
from policy.judge import Judgement
from policy.judgement.exposure import PARTS
from policy.judgement.stitch import STITCHES
from policy.kyc.directory import Directory
from policy.review.store import TicketStore, upgrade
from policy.review.ticket import Ticket, new_ticket
from policy.rules.finding import Finding, Severity, Strength, SubjectKind

KEY = TicketKey(rule="large-training-run", subject="tenant-7", strength=Strength.CROSSED)
IN_SCOPE = {"hq_in_scope": "yes", "hq_own": "yes", "hq_reason": "headquartered in MO: named beside D:5 in the rules"}
UNCLAIMED: dict[str, Any] = {"tenant_id": None, "link_state": "unlinked", "hq_in_scope": "unknown"}


def a_ticket(**finding: Any) -> Ticket:
    """A new ticket about a finding that has crossed its tier."""
    return new_ticket(a_finding(**{"strength": Strength.CROSSED, **finding}), None, START)


def a_day(*tickets: Ticket, expected: tuple[TicketKey, ...] = (), explain: str | None = None) -> Day:
    """A day that ended with these tickets."""
    scenario = DemoScenario(
        title="a test",
        start=START,
        duration=timedelta(hours=1),
        nodes=("node-a",),
        tier_flop=1e19,
        expected=expected,
        explain=explain,
    )
    judgement = a_judgement(a_subject())
    # What is asked of the day here asks nothing of its engine.
    return Day(scenario=scenario, engine=cast("Engine", None), judgement=judgement, tickets=tickets)


def a_judgement(*subjects: dict[str, Any], **different: Any) -> Judgement:
    """A judgement that came to these subjects, and to nothing else unless the test says so."""
    nothing = {"days": days_of(), "parts": empty(PARTS), "stitches": empty(STITCHES), "findings": ()}
    told = {"subjects": subjects_frame(*subjects), "accelerators": accelerators_frame()}
    return Judgement(**{**nothing, **told, **different})


def compared(*subjects: dict[str, Any], findings: tuple[Finding, ...] = (), **window: Any) -> list[dict[str, Any]]:
    """The comparison's rows for subjects and findings, over one window for each tenant."""
    tenants = {subject["tenant_id"] for subject in subjects}
    days = days_of(*(a_window(tenant_id=each, **window) for each in tenants))
    judgement = a_judgement(*subjects, days=days, findings=findings)
    return compare(judgement, Directory.of(()), FACTS, 1e19, START.date()).to_dicts()


def test_as_expected_there_is_no_difference() -> None:
    """A queue that holds each expected ticket once differs in nothing."""
    assert differences(a_day(a_ticket(), expected=(KEY,))) == []


def test_the_same_ticket_twice_is_a_difference() -> None:
    """Two tickets of one rule, subject and strength are one more than expected, and one is one fewer than two."""
    twice = a_day(a_ticket(), replace(a_ticket(), ordinal=2, ticket_id="T-2"), expected=(KEY,))
    assert differences(twice) == ["found and not expected: large-training-run about tenant-7, crossed"]
    once = a_day(a_ticket(), expected=(KEY, KEY))
    assert differences(once) == ["expected and not found: large-training-run about tenant-7, crossed"]


def test_tickets_beyond_the_first_page_are_read(tmp_path: Path) -> None:
    """However many tickets the store has, every one is read once."""
    url = f"sqlite:///{tmp_path / 'tickets.sqlite'}"
    upgrade(url)
    store = TicketStore.open(url)
    try:
        store.submit([a_finding(subject_id=f"tenant-{number}") for number in range(2 * PAGE + 1)], START)
        read = every_ticket(store)
    finally:
        store.close()
    assert len(read) == len({ticket.ticket_id for ticket in read}) == 2 * PAGE + 1


def test_the_last_cycle_is_within_the_day() -> None:
    """Cycles come every hour, and the last one before midnight, so that a day has the law of one day."""
    hour = timedelta(hours=1)
    moments = [moment - START for moment in cycle_moments(START, 24 * hour, hour)]
    assert moments == [*(n * hour for n in range(1, 24)), 24 * hour - timedelta(minutes=5)]
    assert list(cycle_moments(START, timedelta(seconds=90), hour)) == [START + timedelta(seconds=45)]


def test_the_explained_answer_is_the_scenarios_choice_else_the_first() -> None:
    """The most severe ticket about the subject that the scenario names; without one the first, without any none."""
    first, second = a_ticket(), a_ticket(subject_id="tenant-8")
    severe = a_ticket(subject_id="tenant-8", rule_id="z-rule", severity=Severity.CRITICAL)
    assert a_day(first, second, severe, explain="tenant-8").explained() == severe
    assert a_day(first, second, explain="tenant-8").explained() == second
    assert a_day(first, second, explain="tenant-9").explained() == first
    assert a_day(first, second).explained() == first
    assert a_day(explain="tenant-8").explained() is None


def test_the_printed_decision_says_nothing_that_has_not_happened() -> None:
    """The third line passes the question on and says that nobody inquired."""
    line = curl_lines("http://127.0.0.1:1", [a_ticket()])[2]
    words = shlex.split(line)
    body = json.loads(words[words.index("-d") + 1])
    assert body == {
        "outcome": "referred_to_counsel",
        "reason": "Demo: a reader tried the queue; no inquiry was made.",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_the_strongest_finding_about_a_tenant_is_compared(order: int) -> None:
    """Of several rules' findings about one tenant the strongest is said, in whatever order the pack has them."""
    findings = (
        a_finding(subject_id="t-1", strength=Strength.MAY_HAVE_CROSSED),
        a_finding(subject_id="t-1", rule_id="another", strength=Strength.CROSSED),
        a_finding(subject_id="t-1", rule_id="a-third", strength=Strength.NOT_EVALUABLE),
    )[::order]
    (row,) = compared(a_subject(**IN_SCOPE), findings=findings)
    assert row["flopwatch_says"] == "review"


def test_of_runs_without_a_tenant_the_strongest_is_compared() -> None:
    """The row of what nobody claimed says the strongest answer about any of its runs."""
    runs = [a_subject(**UNCLAIMED, run_id=f"run-{n}", subject_kind="workload", subject_id=f"run-{n}") for n in range(3)]
    kind = SubjectKind.WORKLOAD
    findings = (
        a_finding(subject_kind=kind, subject_id="run-1", strength=Strength.CROSSED),
        a_finding(subject_kind=kind, subject_id="run-2", strength=Strength.MAY_HAVE_CROSSED),
    )
    (row,) = compared(*runs, findings=findings)
    assert row["flopwatch_says"] == "review"


def test_what_cannot_be_evaluated_is_said_to_be_so() -> None:
    """A finding without a high end is not said to be one that may have crossed, and the high end is no number."""
    finding = a_finding(subject_id="t-1", strength=Strength.NOT_EVALUABLE)
    (row,) = compared(a_subject(**IN_SCOPE, run_high_flop=None), findings=(finding,))
    assert (row["flopwatch_says"], row["high_flop"]) == ("review (not evaluable)", None)


@pytest.mark.parametrize(
    ("about", "because"),
    [
        (
            {"owner_listed_rule_on": "yes"},
            "listed owners hold a half of it: a country column has no owners, nor a rule that is stayed",
        ),
        (
            {"declared_workload": "inference", "declared_use_contradicted": "yes"},
            "it declares inference, and trains: a country column has no declared use",
        ),
        ({"controlled_by_letter": "yes"}, "no amount decides: what it uses is controlled by letter, or may be"),
        ({}, "no amount decides: a country column has no lists, owners, end use or possession"),
    ],
)
def test_where_no_amount_decides_the_reason_says_what_a_country_lacks(about: dict[str, Any], because: str) -> None:
    """A finding that only flopwatch makes, without an amount, is told by what a table of countries does not have."""
    (row,) = compared(a_subject(**about), findings=(a_finding(subject_id="t-1", strength=Strength.PRESENT),))
    assert (row["usual_says"], row["flopwatch_says"], row["because"]) == ("-", "review (no amount)", because)


def test_unseen_hours_are_the_reason_where_the_usual_sum_is_small() -> None:
    """Where a finding without an amount stands on time that nobody saw, that time is the reason."""
    present = a_finding(subject_id="t-1", strength=Strength.PRESENT)
    (row,) = compared(a_subject(**IN_SCOPE, unobserved_seconds=7200.0), findings=(present,), busy=0.0)
    assert row["because"] == "2.0 GPU-hours that nobody saw counted as nothing"


def test_a_ticket_tells_what_was_declared_and_what_else_would_look_so() -> None:
    """Beside its first reason a ticket's line has those on declared use and on patterns, in their order."""
    reasons = ("Headquarters: known.", "Hardware: H100.", "Pattern bursts: seen.", "Declared use: inference.")
    finding = a_finding(reasons=reasons)
    assert telling._why(finding) == "Headquarters: known. Pattern bursts: seen. Declared use: inference."


def said_of_sums(*, shared_gpu_hours: float) -> str:
    """What is said of the sums of one row."""
    console = Console(file=StringIO(), width=200)
    rows = pl.DataFrame({"usual_gpu_hours": 5.0, "sole_gpu_hours": 3.0, "shared_gpu_hours": shared_gpu_hours})
    telling._tell_sums(console, rows)
    return cast("StringIO", console.file).getvalue()


def test_sharing_is_told_only_where_there_was_some() -> None:
    """A day on which nothing was shared has no sentence on sharing."""
    assert "2.0 are hours of shared GPUs, listed in full for each sharer" in said_of_sums(shared_gpu_hours=2.0)
    assert said_of_sums(shared_gpu_hours=0.0) == ""


def test_the_chain_says_why_a_part_has_no_estimate() -> None:
    """A run with a part that could not be estimated has the reason beside its interval."""
    reason = "the facts have no peak for accelerator NVIDIA X1"
    row = a_subject(no_estimate_reasons=[reason], run_high_flop=None, run_likely_flop=None)
    finding = a_finding(subject_id="t-1", run_ids=(row["run_id"],), as_of=datetime(2026, 6, 2, tzinfo=UTC))
    days = days_of(
        a_window(), a_window(accelerator="NVIDIA X1", pod_uid="p-2"), a_window(accelerator=None, pod_uid="p-3")
    )
    said = chain_said(finding, a_judgement(row, days=days.with_columns(run_id=pl.lit(row["run_id"]))))
    assert re.search(rf"high end not known(.*\n)+.*no estimate for a part: {reason}", said)
    assert "NVIDIA X1: by nothing, so there is no estimate" in said
    assert "an accelerator that is not known: by nothing" in said


def test_the_chain_shows_each_method_with_its_shares_and_peaks() -> None:
    """Tensor, multiprocessor, busy and held time each stand beside their shares, then the peaks of the format used."""
    whole = 8 * HOUR
    halves = {
        "tensor_observed_seconds": whole / 2,
        "sm_observed_seconds": 0.75 * whole,
        "energy_observed_seconds": whole,
    }
    counted = a_window(
        tensor_active_seconds=whole / 8, sm_active_seconds=0.6 * whole, energy_joules=500 * whole, **halves
    )
    record = a_window(metering="allocation", observed_seconds=0.0, busy_seconds=0.0, pod_uid="p-2", tenant_id="t-2")
    row = a_subject()
    days = days_of(counted, record, formats={"t-2": "bf16"}).with_columns(run_id=pl.lit(row["run_id"]))
    finding = a_finding(subject_id="t-1", run_ids=(row["run_id"],))
    said = chain_said(finding, a_judgement(row, days=days))
    assert "measured: 7.6 busy of 8.0 observed GPU-hours; 0.0 unseen" in said
    assert "power: 500 W, the mean of 8.0 GPU-hours" in said
    assert "low, likely: 1.0 GPU-hours × 0.3, 0.8 (tensor pipes worked, of 4.0 seen)" in said
    assert re.search(r"low, likely: 8.0 GPU-hours × [0-9.]+, [0-9.]+ \(held, and nothing known of activity\)", said)
    assert re.search(r"low, likely: × 989[0-9.]* TFLOP/s \(dense, 16 bit\)", said)
    assert re.search(r"× 989[0-9.]* TFLOP/s \(dense, fp16_bf16, declared\)", said)
    assert re.search(
        r"high: [0-9.]+ GPU-hours that may have been at full rate × 197[89][0-9.]* TFLOP/s \(dense, fp8\)", said
    )


def chain_said(finding: Finding, judgement: Judgement) -> str:
    """The way from a ticket to the readings, as it is printed."""
    console = Console(file=StringIO(), width=250)
    console.print(chain_of("T-1", finding, judgement, customers_of(), FACTS))
    return cast("StringIO", console.file).getvalue()


def test_the_chain_of_an_accelerator_leads_to_its_nodes() -> None:
    """An answer about an accelerator has the law, its hours and its nodes, and neither an amount nor a run."""
    row = an_accelerator(accelerator="Huawei device d802", subject_id="Huawei device d802", nodes=["node-f", "node-g"])
    finding = a_finding(
        subject_kind=SubjectKind.ACCELERATOR,
        subject_id="Huawei device d802",
        strength=Strength.PRESENT,
        run_ids=(),
        comparisons=(),
        nodes=("node-f", "node-g"),
        reasons=("Hardware: By the law of 2026-06-01, it is named.",),
    )
    said = chain_said(finding, a_judgement(a_subject(), accelerators=accelerators_frame(row)))
    assert re.search(r"it is named(.*\n)+.*no amount(.*\n)+.*192.0 device-hours(.*\n)+.*on node-f\n.*on node-g\n", said)
    assert "acct" not in said
    assert f"run {a_subject()['workload_namespace']}" not in said


def test_an_answer_without_an_amount_is_said_to_be_so() -> None:
    """A tenant that only a rule without an amount asks about has its own word, and a stronger amount outdoes it."""
    subject = a_subject(**IN_SCOPE, controlled_by_letter="yes")
    present = a_finding(subject_id="t-1", strength=Strength.PRESENT, comparisons=())
    (row,) = compared(subject, findings=(present,), busy=0.0)
    assert row["flopwatch_says"] == "review (no amount)"
    assert row["because"] == "no amount decides: what it uses is controlled by letter, or may be"
    crossed = a_finding(subject_id="t-1", rule_id="another", strength=Strength.CROSSED)
    (row,) = compared(subject, findings=(crossed, present), busy=0.0)
    assert row["flopwatch_says"] == "review"
