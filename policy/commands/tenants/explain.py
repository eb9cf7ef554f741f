"""``flopwatch tenants explain``: every question about one tenant, the way to each answer, and what it rests on."""

import argparse
import os

from rich.tree import Tree

from policy.commands.layers import add_scenarios, layer_lines, read_scenarios
from policy.commands.options import OK, Parsers, PlainConsole, add_settings, print_json, settings_of, shown
from policy.commands.sheet import PLAIN_WIDTH
from policy.commands.tenants.common import add_part, now, read_day, tenants_path
from policy.kyc.dossiers import Dossiers
from policy.kyc.explain import Branch, explain
from policy.kyc.open import read_directory
from policy.settings import UnusableSettings
from policy.wiring import facts_of

EXAMPLES = """  flopwatch tenants explain t-1004
  flopwatch tenants explain t-1004 --at 2025-10-15                     by the law of that day
  flopwatch tenants explain t-1004 --at 2025-10-15 --known-on 2025-10-20
  flopwatch tenants explain t-1004 --names --format json

Where the party is headquartered, where its ultimate parent is and for whom it acts; lists; listed owners, with the
Affiliates Rule on and off; end use; red flags; and every statement behind these. It says "unknown" where nobody has
said, and that clears nobody. Red flags are told without what the tenant used, which only the engine knows.

exit codes: 0 done, 2 a file, a store or a flag cannot be used, or nothing is known of the tenant
"""


def add_explain(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "explain", "the whole chain to the answers about one tenant, with its sources", EXAMPLES)
    add_settings(parser, ("facts",))
    add_scenarios(parser)
    parser.add_argument("tenant", metavar="TENANT", help="its id")
    parser.add_argument("--names", action="store_true", help="show text, which may be names")
    parser.add_argument("--at", type=read_day, metavar="DATE", help="the day whose law is applied [today, in UTC]")
    parser.add_argument("--known-on", type=read_day, metavar="DATE", help="as known at the end of this day [now]")
    parser.set_defaults(run=run_explain)


def run_explain(arguments: argparse.Namespace) -> int:
    """Print the tree."""
    at = arguments.at or now().date()
    facts = facts_of(settings_of(arguments), read_scenarios(arguments.scenario))
    dossiers = Dossiers.of(read_directory(tenants_path(arguments)), facts)
    if arguments.tenant not in dossiers.directory.tenants:
        raise UnusableSettings(f"{arguments.tenant}: is no tenant of the file; see 'flopwatch tenants list'")
    branch = explain(dossiers, arguments.tenant, at, arguments.known_on, names=arguments.names)
    if arguments.format == "json":
        about = {"facts_digest": facts.digest, "digest": dossiers.directory.digest, "layers": layer_lines(facts)}
        print_json({"tenant": arguments.tenant, "law_at": at.isoformat(), **about, "chain": branch.plain})
        return OK
    console = PlainConsole()
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console = PlainConsole(width=PLAIN_WIDTH)
    for line in layer_lines(facts):
        console.print(shown(line))
    console.print(_tree(branch))
    return OK


def _tree(branch: Branch) -> Tree:
    tree = Tree(shown(branch.text))
    for each in branch.branches:
        tree.children.append(_tree(each))
    return tree
