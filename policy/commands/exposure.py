"""``flopwatch exposure``: what compute adds up to by run, tenant and group, and which tiers it has reached."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from policy.commands.exposure_sheet import Exposed, exposure_sheet
from policy.commands.options import OK, Parsers, add_parser, add_settings, settings_of
from policy.commands.sheet import print_sheet
from policy.judgement.crossings import crossings_of
from policy.judgement.exposure import SCOPES
from policy.judgement.progress import progress_of
from policy.ports import BLANK_BOOK, StitchBook
from policy.review.store import TicketStore
from policy.review.store.engine import sqlite_file
from policy.settings import Settings
from policy.usage.ledger import Ledger
from policy.wiring import build_judge, read_look_backs

EXAMPLES = """  flopwatch exposure --ledger /var/lib/flopwatch/ledger --tenants tenants.csv
  flopwatch exposure --scope group --look-back-days 30 --look-back-days 90
  flopwatch exposure --tier review=1e22 --format json

It judges what the ledger holds as the engine does, as of the newest snapshot, and changes nothing. Give it the
registers, facts and database that the engine has, or it says something else: words on stitches are in the database.

exit codes: 0 done, 2 a file, a flag, the ledger or the database cannot be used
"""
SETTINGS = (
    "ledger", "tenants", "mappings", "allocations", "provider", "database", "rules", "facts", "tier",
    "cycle_seconds", "stale_after_cycles",
)  # fmt: skip
LOOK_BACKS = ("--look-back-days", "--exposure-look-back-days")


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "exposure", summary, EXAMPLES)
    add_settings(parser, SETTINGS)
    about = Settings.model_fields["exposure_look_back_days"]
    text = f"{about.description}; may be given several times [{about.default}] (FLOPWATCH_EXPOSURE_LOOK_BACK_DAYS)"
    parser.add_argument(*LOOK_BACKS, dest="look_backs", action="append", metavar="DAYS", help=text)
    parser.add_argument("--scope", choices=tuple(SCOPES), help="only these [all]")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    parser.add_argument("--all", action="store_true", help="show every row, not only the largest")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge the ledger, add up, print."""
    if arguments.look_backs:
        arguments.exposure_look_back_days = ",".join(arguments.look_backs)
    settings = settings_of(arguments)
    look_backs = read_look_backs(settings.exposure_look_back_days)
    ledger = Ledger.existing(settings.ledger)
    with _book(settings.database) as stitches:
        exposed = _exposed(settings, ledger, stitches, look_backs)
    print_sheet(exposure_sheet(exposed, arguments.scope, whole=arguments.all), arguments.format)
    return OK


@contextmanager
def _book(url: str) -> Iterator[StitchBook]:
    """What people have said to stitches; nothing, where there is no database yet, which is not made. ReviewError."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        yield BLANK_BOOK
        return
    with closing(TicketStore.open(url)) as store:
        yield store.stitches


def _exposed(settings: Settings, ledger: Ledger, stitches: StitchBook, look_backs: tuple[int, ...]) -> Exposed:
    judge = build_judge(settings, ledger, stitches, look_backs)
    at = max(ledger.snapshots(), default=datetime.now(UTC))
    judged, tiers = judge.judge(at), judge.facts.tiers.amounts
    return Exposed(
        totals=progress_of(judged.parts, judged.days, tiers, at, look_backs),
        reached=crossings_of(judged.parts, tiers),
        at=at,
        looked_back=judge.horizon.look_back,
        ledger=ledger,
        facts=judge.facts,
        has_words=stitches is not BLANK_BOOK,
    )
