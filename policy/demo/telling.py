"""
What the demo tells: the news of the day as it comes, then the tickets, the comparison, and one answer in full.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from collector.contract import GpuState
from policy.demo.chain import chain_of
from policy.demo.comparison import AGREE, compare
from policy.demo.scenario import DemoScenario, TicketKey, key_of
from policy.engine import Engine
from policy.judge import Judgement
from policy.review.ticket import Outcome, Ticket
from policy.rules.finding import Finding, Severity, SubjectKind
from policy.rules.sentences import flop_text

NOBODY = "(none)"
OUTCOME = Outcome.REFERRED_TO_COUNSEL
REASON = "Demo: a reader tried the queue; no inquiry was made."
"""What the printed decision says: nothing that has not happened."""
TOLD_BESIDE = ("Declared use:", "Pattern ")
LEAST_SHOWN_HOURS = 0.05  # below it the hours would read 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """All that is needed to tell the story when the day is over."""

    scenario: DemoScenario
    engine: Engine
    judgement: Judgement
    tickets: tuple[Ticket, ...]

    def keyed(self) -> list[tuple[TicketKey, Ticket]]:
        """The day's tickets, each with what it is compared by, in the order of that."""
        workloads = workloads_of(self.judgement)
        keyed = [(key_of(ticket.finding, workloads), ticket) for ticket in self.tickets]
        return sorted(keyed, key=lambda each: (each[0], each[1].ticket_id))

    def explained(self) -> Ticket | None:
        """The most severe ticket about the subject that the scenario wants explained, else the first, else None."""
        wanted = [ticket for key, ticket in self.keyed() if key.subject == self.scenario.explain]
        wanted.sort(key=lambda ticket: [*Severity].index(ticket.finding.severity))
        return next(iter([*wanted, *self.tickets]), None)


def workloads_of(judgement: Judgement) -> dict[str, str]:
    """``namespace/name`` by run id."""
    names = judgement.subjects.select("run_id", pl.concat_str("workload_namespace", "workload_name", separator="/"))
    return dict(names.iter_rows())


def tell_news(console: Console, at: datetime, news: Sequence[tuple[str, Ticket]]) -> None:
    """One line for each ticket that is new or has changed."""
    for word, ticket in news:
        finding = ticket.finding
        about = f"{finding.severity:8} {finding.subject_kind} {finding.subject_id}: {finding.summary}"
        console.print(f"{at:%H:%M}  {word} {ticket.ticket_id}  {about}", highlight=False, markup=False, soft_wrap=True)


def tell_end(console: Console, day: Day, targets: pl.DataFrame, balance: pl.DataFrame) -> None:
    """The whole end of the story but for what differs from the scenario."""
    console.rule("The tickets, each with its reason")
    for key, ticket in day.keyed():
        finding = ticket.finding
        line = f"{ticket.ticket_id}  {finding.severity:8} {key.subject}: {finding.summary}. {_why(finding)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    _tell_balance(console, targets, balance)
    _tell_comparison(console, day)
    _tell_one_answer(console, day)


def _why(finding: Finding) -> str:
    """Its first reason, and what it says of declared use and of patterns, with what else would look so."""
    return " ".join([finding.reasons[0], *(each for each in finding.reasons[1:] if each.startswith(TOLD_BESIDE))])


def differences(day: Day) -> list[str]:
    """What the scenario expects and the queue does not hold, and the other way round; each as often as it is so."""
    expected, found = Counter(day.scenario.expected), Counter(key for key, _ in day.keyed())
    missing = [f"expected and not found: {_words(key)}" for key in sorted((expected - found).elements())]
    return missing + [f"found and not expected: {_words(key)}" for key in sorted((found - expected).elements())]


def curl_lines(address: str, tickets: Sequence[Ticket]) -> tuple[str, str, str]:
    """Three commands to list, to read, and to take and decide; the shell has the token in ``TOKEN``."""
    curl = 'curl -s -H "Authorization: Bearer $TOKEN"'
    one = f"{address}/v1/tickets/{tickets[0].ticket_id if tickets else 'TICKET'}"
    body = json.dumps({"outcome": OUTCOME, "reason": REASON})
    return (
        f"{curl} {address}/v1/tickets",
        f"{curl} {one}",
        f"{curl} -X POST {one}/take && {curl} -H 'Content-Type: application/json' -d '{body}' {one}/decision",
    )


def _words(key: TicketKey) -> str:
    return f"{key.rule} about {key.subject}, {key.strength.replace('_', ' ')}"


def _tell_balance(console: Console, targets: pl.DataFrame, balance: pl.DataFrame) -> None:
    console.rule("Where the GPU-hours went")
    for row in balance.to_dicts():
        states = ", ".join(f"{row[state]:,.1f} {state}" for state in GpuState)
        console.print(f"{row['accelerator']}: {row['physical']:,.1f} physical = {states}; residual {row['residual']:g}")
    for row in targets.filter(pl.col("state") != "ok").to_dicts():
        console.print(f"{row['target']}: {row['state']}: {row['detail']}", markup=False)


def _tell_comparison(console: Console, day: Day) -> None:
    console.rule("A sum of utilisation and a country column, against flopwatch")
    directory = day.engine.customers().registers.directory
    facts, tier = day.engine.facts, day.scenario.tier_flop
    rows = compare(day.judgement, directory, facts, tier, day.scenario.start.date())
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("tenant", no_wrap=True)
    for name in ("usual GPU-h", "usual FLOP"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("usual answer", no_wrap=True)
    for name in ("GPU-h alone", "shared", "unseen", "FLOP, low to high"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("flopwatch", no_wrap=True)
    for row in rows.to_dicts():
        table.add_row(*_comparison_cells(row))
    console.print(table)
    for row in rows.filter(pl.col("because") != AGREE).to_dicts():
        console.print(f"{row['tenant_id'] or NOBODY}: {row['because']}", highlight=False, markup=False)
    for row in day.judgement.accelerators.filter(pl.col("accelerator").is_in(_found_accelerators(day))).to_dicts():
        line = f"{row['accelerator']}: on {', '.join(row['nodes'])}; a table of tenants has no row for what nobody uses"
        console.print(line, highlight=False, markup=False)
    _tell_sums(console, rows)


def _found_accelerators(day: Day) -> list[str]:
    findings = day.judgement.findings
    return [each.subject_id for each in findings if each.subject_kind is SubjectKind.ACCELERATOR]


def _comparison_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    hours = (f"{row[name]:.1f}" for name in ("sole_gpu_hours", "shared_gpu_hours", "unseen_gpu_hours"))
    return (
        row["tenant_id"] or NOBODY,
        f"{row['usual_gpu_hours']:.1f}",
        flop_text(row["usual_flop"]),
        row["usual_says"],
        *hours,
        f"{flop_text(row['low_flop'])} to {flop_text(row['high_flop'])}",
        row["flopwatch_says"],
    )


def _tell_sums(console: Console, rows: pl.DataFrame) -> None:
    """What sharing does to the usual sum; nothing where nothing was shared."""
    usual, sole, shared = (rows[name].sum() for name in ("usual_gpu_hours", "sole_gpu_hours", "shared_gpu_hours"))
    if shared >= LEAST_SHOWN_HOURS:
        console.print(
            f"The usual sum is {usual:,.1f} GPU-hours; {sole:,.1f} were held alone and seen, and {shared:,.1f} are "
            "hours of shared GPUs, listed in full for each sharer."
        )


def _tell_one_answer(console: Console, day: Day) -> None:
    ticket = day.explained()
    if ticket is None:
        return
    console.rule(f"How the answer about {ticket.finding.subject_id} was reached")
    tree = chain_of(ticket.ticket_id, ticket.finding, day.judgement, day.engine.customers(), day.engine.facts)
    console.print(tree, highlight=False)
