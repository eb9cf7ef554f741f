"""``flopwatch reconcile``: what was billed against what the ledger attributes, for each tenant and day."""

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path

from policy.commands.options import DIFFERENT, OK, Parsers, add_parser, add_settings, settings_of
from policy.commands.reconcile_sheet import reconciled_sheet
from policy.commands.reconcile_source import read_attributed
from policy.commands.sheet import print_sheet
from policy.facts.product_names import Named, ProductNames
from policy.kyc.cells import CellError
from policy.kyc.registers.billing import Billing, read_billed_day, read_billing
from policy.kyc.registers.reading import NUMBER
from policy.kyc.registers.reconcile import TOLERANCE, Comparison, reconcile
from policy.settings import UnusableSettings
from policy.usage.ledger import Ledger
from policy.wiring import facts_of, read_registers

EXAMPLES = """  flopwatch reconcile --billing june.csv --ledger /var/lib/flopwatch/ledger
  flopwatch reconcile --billing june.jsonl --since 2026-06-01 --to 2026-06-30 --format json
  flopwatch reconcile --billing june.csv --mappings mapping.toml --allocations allocations.csv

exit codes: 0 all agree, 1 there are differences, 2 a file, a flag or the ledger cannot be used
"""

SETTINGS = ("ledger", "mappings", "allocations", "provider", "facts", "cycle_seconds", "stale_after_cycles")


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "reconcile", summary, EXAMPLES)
    add_settings(parser, SETTINGS)
    billing = "CSV or JSON Lines with tenant_id, date, gpu_hours, and accelerator if you bill by it"
    parser.add_argument("--billing", type=Path, required=True, metavar="FILE", help=billing)
    parser.add_argument("--since", type=_day, metavar="DAY", help="the first day, in UTC [the first that was billed]")
    parser.add_argument("--to", type=_day, metavar="DAY", help="the last day, included [the last that was billed]")
    tolerance = f"by how much two numbers may differ and agree, as a part of the larger one [{TOLERANCE}]"
    parser.add_argument("--tolerance", type=_ratio, default=TOLERANCE, metavar="RATIO", help=tolerance)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    parser.add_argument("--all", action="store_true", help="show every row, also those that agree")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read both sides, compare, print; the exit code says whether all agrees."""
    settings = settings_of(arguments)
    billing = read_billing(arguments.billing)
    first, last = _asked(arguments, billing)
    registers = read_registers(settings, ("mappings", "allocations", "provider"))
    source = read_attributed(Ledger.existing(settings.ledger), settings, first, last, registers)
    product = _product(facts_of(settings).product_names) if billing.by_accelerator else str
    found = reconcile(
        billing,
        source.attributed,
        source.days,
        tolerance=arguments.tolerance,
        product=product,
        registered=source.registered,
    )
    print_sheet(reconciled_sheet(found, source, arguments.tolerance, whole=arguments.all), arguments.format)
    return OK if (found["state"] == Comparison.AGREES.value).all() else DIFFERENT


def _asked(arguments: argparse.Namespace, billing: Billing) -> tuple[date, date]:
    """The first and the last day. Raises UnusableSettings where nothing could be compared."""
    billed = billing.frame.get_column("date").to_list()
    first, last = arguments.since or min(billed), arguments.to or max(billed)
    if first > last:
        raise UnusableSettings(f"--since: {first} is after the last day, {last}; give an earlier one, or a later --to")
    if not any(first <= day <= last for day in billed):
        raise UnusableSettings(f"--since: nothing was billed from {first} to {last}; give days that the billing has")
    return first, last


def _product(names: ProductNames) -> Callable[[str], str]:
    """One name for a device, however bill and driver call it; what the facts do not know keeps the name that it has."""

    def product(name: str) -> str:
        found = names.identify(name)
        return " ".join(filter(None, (found.device.device, found.part))) if isinstance(found, Named) else name

    return product


def _day(text: str) -> date:
    try:
        return read_billed_day(text)
    except CellError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _ratio(text: str) -> float:
    if not NUMBER.fullmatch(text) or float(text) >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no part of one, as {TOLERANCE}")
    return float(text)
