"""``flopwatch replay``: what the product would have said about a recording, or about what a Prometheus has recorded."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from policy.commands.layers import add_scenarios, read_scenarios, unread
from policy.commands.options import OK, Parsers, add_parser, add_settings, errors, settings_of, shown
from policy.commands.replay_source import add_source, read_fill, read_source, refuse_source, warn_unknown
from policy.commands.replay_table import SHOWN_ROWS, print_replayed
from policy.kyc.customers import Customers
from policy.replay import replay
from policy.settings import UnusableSettings
from policy.wiring import facts_and_rules, read_registers

EXAMPLES = """  flopwatch replay jobs.csv --accelerator "NVIDIA A100-SXM4-80GB" --tenants tenants.csv
  flopwatch replay jobs.csv --map tenant_id=account --map workload_kind=:Job --start 2025-07-01
  flopwatch replay series.parquet --map traces.csv --tier review=1e18 --format json
  flopwatch replay jobs.csv --tenants tenants.csv --scenario ethiopia.toml
  flopwatch replay --prometheus http://prometheus:9090 --since 30d --map tenant_id=namespace --tenants tenants.csv
  flopwatch replay --prometheus http://prometheus:9090 --map namespaces.csv --tenants tenants.csv

formats:
  jobs    CSV or Parquet with job_id, arrival_s, gpus, duration_s
  series  CSV or Parquet with trace, gpu, t_s, util_pct, and if there are any power_w, mem_mib,
          sm_active_pct, tensor_active_pct, dram_active_pct

a Prometheus needs the series of dcgm-exporter with pod labels, or those of collectors; it is only read

exit codes: 0 done, 2 a file, a flag or a server cannot be used
"""


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "replay", summary, EXAMPLES)
    add_source(parser)
    add_settings(parser, ("tenants", "mappings", "provider", "rules", "facts", "tier"))
    add_scenarios(parser)
    parser.add_argument("--format", choices=("table", "json", "parquet"), default="table", help="[table]")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where --format parquet writes [standard output]")
    parser.add_argument(
        "--all", action="store_true", help=f"show all runs in the table, not only the {SHOWN_ROWS} largest"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, judge, print."""
    refuse_source(arguments)
    if arguments.output is not None and arguments.format != "parquet":
        raise UnusableSettings("--output needs --format parquet; the other formats go to standard output")
    if arguments.format == "parquet" and arguments.output is None and sys.stdout.isatty():
        raise UnusableSettings("--format parquet does not go to a terminal; give --output FILE, or redirect")
    if arguments.output is not None:
        _refuse_output(arguments.output)
    settings = settings_of(arguments)
    scenarios = read_scenarios(arguments.scenario)
    facts, pack = facts_and_rules(settings, scenarios)
    for line in unread(facts, scenarios):
        errors.print(shown(f"--scenario: {line}"), soft_wrap=True)
    customers = Customers.of(read_registers(settings, ("directory", "mappings", "provider")), facts)
    fill = read_fill(arguments.map, arguments.accelerator)
    warn_unknown(arguments.accelerator, facts)
    with _progress() as progress:
        task = progress.add_task("reading", total=None)
        source = read_source(arguments, fill, lambda done, parts: progress.update(task, completed=done, total=parts))
        progress.update(task, description="judging")
        last = source.windows["window_end"].max()
        at = last if isinstance(last, datetime) else source.start
        replayed = replay(source.windows, customers=customers, facts=facts, pack=pack, at=at)
    print_replayed(arguments, replayed, source, facts)
    return OK


def _refuse_output(path: Path) -> None:
    """Raise UnusableSettings, before any work is done, for a place that no file can be written to."""
    if path.is_dir():
        raise UnusableSettings(f"--output {path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise UnusableSettings(f"--output {path}: there is no folder {path.parent}; make it first")


def _progress() -> Progress:
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
