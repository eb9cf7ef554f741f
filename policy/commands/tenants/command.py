"""The parts of ``flopwatch tenants``."""

from policy.commands.options import Parsers, add_parser
from policy.commands.tenants.bring import add_import
from policy.commands.tenants.explain import add_explain
from policy.commands.tenants.look import add_list, add_show
from policy.commands.tenants.past import add_versions
from policy.commands.tenants.screen import add_screen
from policy.commands.tenants.withdraw import add_withdraw

EXAMPLES = """  flopwatch tenants import crm.csv --source crm --dry-run
  flopwatch tenants list
  flopwatch tenants show t-1001 --at 2026-03-01
  flopwatch tenants explain t-1001

'flopwatch tenants PART --help' says more of each.
"""


def add(parsers: Parsers, summary: str) -> None:
    """Add the command and its parts."""
    parser = add_parser(parsers, "tenants", summary, EXAMPLES)
    parts = parser.add_subparsers(required=True, metavar="PART")
    add_import(parts)
    add_list(parts)
    add_show(parts)
    add_versions(parts)
    add_withdraw(parts)
    add_screen(parts)
    add_explain(parts)
