"""``flopwatch tenants versions``: every import there was, and whether the store is as it was written."""

import argparse
from dataclasses import asdict

from policy.commands.options import OK, Parsers
from policy.commands.sheet import Grid, Sheet, plain, print_sheet
from policy.commands.tenants.common import add_part, tenants_path
from policy.kyc.store.store import Store, Version

EXAMPLES = """  flopwatch tenants versions --tenants /var/lib/flopwatch/tenants
  flopwatch tenants versions --format json        with the place of every row that was reported

Reads every byte and holds it against the digests. Keep the newest digest elsewhere to see whether somebody has put
back an older folder.

exit codes: 0 the store is as it was written, 2 it is not, or a flag cannot be used
"""
COLUMNS = ("version", "when", "author", "source", "files", "rows", "reported", "added", "withdrawn", "digest")


def add_versions(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "versions", "every import, and whether all is as it was written", EXAMPLES, "the store")
    parser.set_defaults(run=run_versions)


def run_versions(arguments: argparse.Namespace) -> int:
    """Print the versions; raises StoreError where one is not sound."""
    versions = Store.existing(tenants_path(arguments)).verify()
    content = {"versions": [{**plain(asdict(each.manifest)), "digest": each.digest} for each in versions]}
    grid = Grid(title="", columns=COLUMNS, rows=tuple(map(_row, versions)), empty="Nothing was imported yet.")
    print_sheet(
        Sheet(blocks=(f"All is as it was written. Versions: {len(versions)}.", grid), content=content), arguments.format
    )
    return OK


def _row(version: Version) -> tuple[str, ...]:
    about = version.manifest
    return (
        str(about.number),
        about.at.strftime("%Y-%m-%d %H:%M:%S"),
        about.author,
        about.source,
        ", ".join(each.name for each in about.files),
        str(sum(each.rows_in for each in about.files)),
        str(sum(each.reported for each in about.files)),
        str(about.added),
        str(about.withdrawn),
        version.digest[:12],
    )
