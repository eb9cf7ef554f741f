"""How ``flopwatch replay`` says what it found: a table for people, JSON and Parquet for programs."""

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

import polars as pl
from rich.table import Table

from policy.commands.layers import layer_lines, overridden, supposed
from policy.commands.options import PlainConsole, errors, print_json, shown
from policy.commands.replay_source import Source
from policy.commands.sheet import one_line
from policy.facts.facts import Facts
from policy.rules.sentences import flop_text

SHOWN_ROWS = 40


def print_replayed(arguments: argparse.Namespace, replayed: pl.DataFrame, source: Source, facts: Facts) -> None:
    """Print the runs in the format that was asked for; what there is to say besides never goes into a program's."""
    law = source.start.date().isoformat()
    match arguments.format:
        case "json":
            about = {"source": dict(source.about)} if source.about else {}
            print_json(
                {"law_from": law, **_beside(facts), "totals": _totals(replayed), **about, "runs": replayed.to_dicts()}
            )
        case "parquet":
            beside = {f"flopwatch.{key}": json.dumps(value) for key, value in _beside(facts).items()}
            replayed.write_parquet(arguments.output or sys.stdout.buffer, metadata=beside)
            for line in (*source.lines, *_of_facts(facts)):
                errors.print(shown(line), soft_wrap=True)
        case _:
            largest = replayed if arguments.all else replayed.head(SHOWN_ROWS)
            console = PlainConsole(width=None if PlainConsole().is_terminal else 200)
            console.print(_table(largest))
            _print_totals(console, replayed, largest.height, law, (*source.lines, *_of_facts(facts)))


def _beside(facts: Facts) -> dict[str, object]:
    """Which facts the rows rest on: what is overridden in them, and what is only supposed."""
    return {"facts_digest": facts.digest, "overridden": overridden(facts), "supposes": supposed(facts)}


def _of_facts(facts: Facts) -> list[str]:
    return [f"Facts: {one_line(line)}." for line in layer_lines(facts)]


def _table(replayed: pl.DataFrame) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("run", "tenant"):
        table.add_column(name, overflow="fold")
    for name in ("GPU-hours", "FLOP low", "likely", "high"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("verdict", "HQ in scope", "findings"):
        table.add_column(name, overflow="fold")
    for row in replayed.iter_rows(named=True):
        table.add_row(*_cells(row))
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    flop = tuple(flop_text(row[name]) for name in ("low_flop", "likely_flop", "high_flop"))
    findings = "; ".join(row["findings"]) or "-"
    tenant = row["tenant_id"] or row["link_state"]
    return (
        shown(row["run"]),
        shown(tenant),
        f"{row['gpu_hours']:,.1f}",
        *flop,
        row["verdict"],
        row["hq_in_scope"],
        findings,
    )


def _totals(replayed: pl.DataFrame) -> dict[str, object]:
    known = replayed.filter(pl.col("high_flop").is_not_null())
    return {
        "runs": replayed.height,
        "gpu_hours": round(float(replayed["gpu_hours"].sum()), 3),
        "runs_without_estimate": replayed.height - known.height,
        "runs_with_findings": replayed.filter(pl.col("findings").list.len() > 0).height,
        "verdicts": dict(sorted(replayed["verdict"].value_counts().iter_rows())),
    }


def _print_totals(console: PlainConsole, replayed: pl.DataFrame, rows: int, law: str, lines: Iterable[str]) -> None:
    totals = _totals(replayed)
    if rows < replayed.height:
        console.print(f"… and {replayed.height - rows} smaller runs (--all shows them)")
    verdicts = ", ".join(f"{count} {name}" for name, count in dict(totals["verdicts"]).items())  # type: ignore[call-overload]
    console.print(
        f"\n{totals['runs']} runs, {totals['gpu_hours']:,.1f} GPU-hours; {verdicts or 'no verdict'}; "
        f"{totals['runs_with_findings']} with findings. Law from {law} on."
    )
    reasons = replayed["no_estimate_reasons"].explode().drop_nulls().unique().sort().to_list()
    if reasons:
        console.print(f"{totals['runs_without_estimate']} runs have no estimate: {shown('; '.join(reasons))}")
    for line in lines:
        console.print(shown(line), soft_wrap=True)
    console.print("A finding asks for review. It does not say that any law was broken.")
