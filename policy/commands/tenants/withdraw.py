"""``flopwatch tenants withdraw``: a source is no source any more."""

import argparse

from policy.commands.options import OK, Parsers
from policy.commands.sheet import print_sheet
from policy.commands.tenants.bring import author_of, done, planned
from policy.commands.tenants.common import add_part, tenants_path
from policy.commands.tenants.told import imported_sheet
from policy.kyc.store.brought import Brought
from policy.kyc.store.store import Store
from policy.settings import UnusableSettings

EXAMPLES = """  flopwatch tenants withdraw --source crmm --dry-run      what would not be known any more, and for whom
  flopwatch tenants withdraw --source crmm

From today on nothing is known by the word of this source. What was known by it stays known for the days before, and the
import stays on record. An empty file does not do this: it is refused as a copy that was broken off.

exit codes: 0 done, 2 a flag or the store cannot be used
"""


def add_withdraw(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "withdraw", "take back all that a source says", EXAMPLES, "folder of the store")
    parser.add_argument("--source", required=True, metavar="NAME", help="the source, as 'versions' shows it")
    parser.add_argument("--author", default=None, metavar="NAME", help="who does it [the user of this process]")
    parser.add_argument("--dry-run", action="store_true", help="change nothing; show what would")
    parser.add_argument("--names", action="store_true", help="with --dry-run: show text, which may be names")
    parser.set_defaults(run=run_withdraw)


def run_withdraw(arguments: argparse.Namespace) -> int:
    """Withdraw, or show what that would do."""
    store = Store.existing(tenants_path(arguments))
    brought = Brought(source=arguments.source, author=author_of(arguments), files=())
    plan, version = (planned if arguments.dry_run else done)(store.folder, brought)
    if plan.changes_nothing:
        raise UnusableSettings(f"--source {arguments.source}: nothing is known by its word; see 'tenants versions'")
    print_sheet(imported_sheet(plan, version, names=arguments.names), arguments.format)
    return OK
