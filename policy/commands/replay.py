"""``flopwatch replay``: what the product would have said about a recording."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from policy.commands.options import (
    OK,
    Parsers,
    PlainConsole,
    add_parser,
    add_settings,
    errors,
    print_json,
    read_moment,
    settings_of,
    shown,
)
from policy.facts.accelerators import Accelerators, UnknownAccelerator
from policy.frames import empty
from policy.kyc.tenants import TENANTS, read_tenants
from policy.replay import replay
from policy.rules.sentences import flop_text
from policy.settings import UnusableSettings
from policy.usage.sources.fill import FILLABLE, Fill
from policy.usage.sources.recording import read_recording
from policy.usage.sources.sheet import SheetError, read_sheet
from policy.wiring import facts_and_rules

EXAMPLES = """  flopwatch replay jobs.csv --accelerator "NVIDIA A100-SXM4-80GB" --tenants tenants.csv
  flopwatch replay jobs.csv --map tenant_id=account --map workload_kind=:Job --start 2025-07-01
  flopwatch replay series.parquet --map traces.csv --tier review=1e18 --format json

formats:
  jobs    CSV or Parquet with job_id, arrival_s, gpus, duration_s
  series  CSV or Parquet with trace, gpu, t_s, util_pct, and if there are any power_w, mem_mib

exit codes: 0 done, 2 a file or a flag cannot be used
"""
MAP_HELP = (
    "fill a field that the recording lacks; may be given several times. FIELD=COLUMN takes another column of the "
    "recording, FIELD=:VALUE one value for all rows, and a CSV file a value for each job_id or trace. Fields: "
) + ", ".join(FILLABLE)
SHOWN_ROWS = 40


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "replay", summary, EXAMPLES)
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="the file; see formats below")
    add_settings(parser, ("tenants", "rules", "tier"))
    parser.add_argument(
        "--accelerator", default="", metavar="NAME", help="product of all devices, where the file has none"
    )
    parser.add_argument("--map", action="append", default=[], metavar="MAP", help=MAP_HELP)
    parser.add_argument(
        "--start", type=read_moment, metavar="DATE", help="the recording's second 0, and so whose law [now]"
    )
    parser.add_argument("--format", choices=("table", "json", "parquet"), default="table", help="[table]")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where --format parquet writes [standard output]")
    parser.add_argument(
        "--all", action="store_true", help=f"show all runs in the table, not only the {SHOWN_ROWS} largest"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, judge, print."""
    if arguments.output is not None and arguments.format != "parquet":
        raise UnusableSettings("--output needs --format parquet; the other formats go to standard output")
    if arguments.format == "parquet" and arguments.output is None and sys.stdout.isatty():
        raise UnusableSettings("--format parquet does not go to a terminal; give --output FILE, or redirect")
    if arguments.output is not None:
        _refuse_output(arguments.output)
    settings = settings_of(arguments)
    facts, pack = facts_and_rules(settings)
    start = arguments.start or datetime.now(UTC)
    tenants = read_tenants(settings.tenants).frame if settings.tenants else empty(TENANTS)
    fill = read_fill(arguments.map, arguments.accelerator)
    _warn_unknown(arguments.accelerator, facts.accelerators)
    with _progress() as progress:
        task = progress.add_task("reading", total=None)
        windows = read_recording(
            arguments.recording,
            fill=fill,
            start=start,
            progress=lambda done, parts: progress.update(task, completed=done, total=parts),
        )
        progress.update(task, description="judging")
        last = windows["window_end"].max()
        at = last if isinstance(last, datetime) else start
        replayed = replay(windows, tenants=tenants, facts=facts, pack=pack, at=at)
    _print(arguments, replayed, start)
    return OK


def _refuse_output(path: Path) -> None:
    """Raise UnusableSettings, before any work is done, for a place that no file can be written to."""
    if path.is_dir():
        raise UnusableSettings(f"--output {path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise UnusableSettings(f"--output {path}: there is no folder {path.parent}; make it first")


def read_fill(maps: list[str], accelerator: str) -> Fill:
    """What ``--map`` and ``--accelerator`` say. Raises UnusableSettings."""
    columns: dict[str, str] = {}
    constants = {"accelerator": accelerator} if accelerator else {}
    table: pl.DataFrame | None = None
    for each in maps:
        name, equals, value = each.partition("=")
        if not equals:
            if table is not None:
                raise UnusableSettings(f"--map {each}: a second file; put all into one")
            table = _read_table(Path(each))
        elif name not in FILLABLE:
            raise UnusableSettings(
                f"--map {each}: {name!r} is not a field that can be filled; there are {', '.join(FILLABLE)}"
            )
        elif not value.removeprefix(":").strip():
            raise UnusableSettings(f"--map {each}: no value; write {name}=COLUMN or {name}=:VALUE, or leave it out")
        elif value.startswith(":"):
            _give_once(constants, name, value.removeprefix(":").strip(), each)
        else:
            _give_once(columns, name, value, each)
    return Fill(columns=columns, constants=constants, table=table)


def _give_once(given: dict[str, str], name: str, value: str, written: str) -> None:
    if given.setdefault(name, value) != value:
        raise UnusableSettings(f"--map {written}: {name} is {given[name]!r} already; give it once")


def _warn_unknown(name: str, accelerators: Accelerators) -> None:
    """Say at once that an accelerator has no peak in the facts, and which name was perhaps meant."""
    if name and isinstance(found := accelerators.resolve(name), UnknownAccelerator):
        meant = f"; perhaps {' or '.join(map(repr, found.suggestions))}?" if found.suggestions else ""
        errors.print(shown(f"--accelerator {name!r}: {found.reason}{meant} There will be no estimate."), soft_wrap=True)


def _read_table(path: Path) -> pl.DataFrame:
    try:
        return read_sheet(path)
    except (OSError, SheetError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UnusableSettings(f"--map {path}: not FIELD=COLUMN, FIELD=:VALUE or a CSV file ({why})") from error


def _progress() -> Progress:
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


def _print(arguments: argparse.Namespace, replayed: pl.DataFrame, start: datetime) -> None:
    match arguments.format:
        case "json":
            print_json({"law_from": start.date().isoformat(), "totals": _totals(replayed), "runs": replayed.to_dicts()})
        case "parquet":
            replayed.write_parquet(arguments.output or sys.stdout.buffer)
        case _:
            largest = replayed if arguments.all else replayed.head(SHOWN_ROWS)
            console = PlainConsole(width=None if PlainConsole().is_terminal else 200)
            console.print(_table(largest))
            _print_totals(console, replayed, largest.height, start)


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


def _print_totals(console: PlainConsole, replayed: pl.DataFrame, rows: int, start: datetime) -> None:
    totals = _totals(replayed)
    if rows < replayed.height:
        console.print(f"… and {replayed.height - rows} smaller runs (--all shows them)")
    verdicts = ", ".join(f"{count} {name}" for name, count in dict(totals["verdicts"]).items())  # type: ignore[call-overload]
    console.print(
        f"\n{totals['runs']} runs, {totals['gpu_hours']:,.1f} GPU-hours; {verdicts}; "
        f"{totals['runs_with_findings']} with findings. Law from {start.date()} on."
    )
    reasons = replayed["no_estimate_reasons"].explode().drop_nulls().unique().sort().to_list()
    if reasons:
        console.print(f"{totals['runs_without_estimate']} runs have no estimate: {shown('; '.join(reasons))}")
    console.print("A finding asks for review. It does not say that any law was broken.")
