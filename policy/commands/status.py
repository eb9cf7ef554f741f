"""``flopwatch status``: what the ledger knows of the fleet: which nodes were heard, and where the GPU-seconds went."""

import argparse
from datetime import datetime, timedelta

import polars as pl
from rich.table import Table
from rich.text import Text

from collector.contract import GpuState
from policy.commands.options import (
    OK,
    Parsers,
    PlainConsole,
    add_parser,
    add_settings,
    print_json,
    settings_of,
    shown,
)
from policy.frames import plain_zero
from policy.usage.ledger import Ledger

EXAMPLES = """  flopwatch status --ledger /var/lib/flopwatch/ledger
  flopwatch status --format json

exit codes: 0 done, 2 the ledger cannot be read
"""
BALANCE_DAYS = 7


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "status", summary, EXAMPLES)
    add_settings(parser, ("ledger",))
    parser.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the ledger, print both tables."""
    ledger = Ledger.existing(settings_of(arguments).ledger)
    targets, balance = latest_targets(ledger), balance_sheet(ledger)
    if arguments.format == "json":
        print_json({"targets": targets.to_dicts(), "gpu_hours": balance.to_dicts()})
        return OK
    console = PlainConsole()
    console.print(Text.assemble(("Targets", "bold"), f", as last heard ({ledger.provenance})"))
    for row in targets.to_dicts():
        who = f"{row['node'] or '-':<16}  {row['target']}"
        line = f"{row['at']:%Y-%m-%d %H:%M:%S}Z  {row['state']:<16}  {who}  {row['detail']}"
        console.print(shown(line).rstrip(), soft_wrap=True)
    console.print(_table(balance, f"GPU-hours of the last {BALANCE_DAYS} days on record"))
    return OK


def latest_targets(ledger: Ledger) -> pl.DataFrame:
    """The answers of the newest round: a target that is no longer asked is not among them."""
    targets = ledger.read("targets", since=_newest(ledger))
    newest = targets.filter(pl.col("at") == pl.col("at").max())
    return newest.sort("target").select("target", "node", "state", "at", "detail")


def balance_sheet(ledger: Ledger) -> pl.DataFrame:
    """GPU-hours by accelerator: physical, every state, and the residual, which is 0 unless a collector lost count."""
    last = _newest(ledger)
    # A day more than is shown: a window is filed under the moment when it was heard of, which is after its end.
    balance = ledger.read("balance", since=last and last - timedelta(days=BALANCE_DAYS + 1))
    newest = balance["window_end"].max()
    if newest is not None:
        balance = balance.filter(pl.col("window_end") > pl.lit(newest) - timedelta(days=BALANCE_DAYS))
    states = [state.value for state in GpuState]
    hours = balance.group_by("accelerator").agg(
        (pl.col("gpu_seconds").filter(pl.col("state") == state).sum() / 3600).alias(state)
        for state in ("physical", *states)
    )
    residual = pl.col("physical") - pl.sum_horizontal(states)
    sheet = hours.with_columns(residual=residual)
    numbers = ("physical", *states, "residual")
    return sheet.with_columns(plain_zero(pl.col(name).round(3)).alias(name) for name in numbers).sort("accelerator")


def _newest(ledger: Ledger) -> datetime | None:
    """The moment of the newest snapshot; None before the first one."""
    return max(ledger.snapshots(), default=None)


def _table(frame: pl.DataFrame, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name, dtype in frame.schema.items():
        number = dtype.is_numeric()
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(f"{cell:,.1f}" if isinstance(cell, float) else shown(str(cell)) for cell in row))
    return table
