"""``flopwatch validate``: how well the product does on recorded truth."""

import argparse
from pathlib import Path

from policy.commands.options import DIFFERENT, OK, Parsers, add_parser, add_settings, errors, settings_of
from policy.commands.sheet import print_sheet
from policy.commands.validate_sheet import validation_sheet
from policy.settings import UnusableSettings
from policy.validation.folder import FILES
from policy.validation.validation import validate
from policy.wiring import facts_of

EXAMPLES = """  flopwatch validate --data ../shared/data
  flopwatch validate --data other-rounds --format json
  flopwatch validate --data ../shared/data --facts overrides

the folder may have any of
  llm_training_runs.csv              training runs: accelerator, count, begin, end, and their compute
  mpt_mfu.csv                        benchmarks with their number format
  models_with_hardware.csv           published models with hardware and hours
  bloom_log_lines.csv                log lines with TFLOP/s per GPU
  gpu_series.parquet, gpu_series_labels.csv
                                     series of GPUs, and what ran on them
  kalos_jobs.csv                     job records, and what they were
  node_power_while_training.parquet  power of whole nodes

exit codes: 0 all bars that could be measured are met, 1 one is missed, 2 the folder or a flag cannot be used
"""


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "validate", summary, EXAMPLES)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of recorded truth")
    add_settings(parser, ("facts",))
    parser.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, judge, compare, print; the exit code says whether all bars are met."""
    _refuse_folder(arguments.data)
    facts = facts_of(settings_of(arguments))
    with errors.status("reading") as status:
        found = validate(arguments.data, facts, lambda name: status.update(f"reading {name}"))
    print_sheet(validation_sheet(found), arguments.format)
    return OK if found.is_met else DIFFERENT


def _refuse_folder(path: Path) -> None:
    """Raise UnusableSettings where there is nothing to read."""
    if not path.is_dir():
        raise UnusableSettings(f"--data {path}: is no folder; give one with {FILES[0]} or another of its kind")
    if not any((path / name).is_file() for name in FILES):
        raise UnusableSettings(f"--data {path}: has none of {', '.join(FILES)}; so nothing can be said")
