"""``flopwatch tenants import``: files into the store, by hand, by cron, or out of a watched folder."""

import argparse
import getpass
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from policy.commands.options import DIFFERENT, OK, Parsers, add_settings, errors, settings_of, shown, wait
from policy.commands.sheet import print_sheet
from policy.commands.tenants.common import add_part, now, tenants_path
from policy.commands.tenants.told import imported_sheet, refused_sheet
from policy.facts.tables import FactsError
from policy.kyc.directory import Directory
from policy.kyc.importing.forms import AUTO, FORMS, Asked, check_sources, part_of, read_file
from policy.kyc.importing.known import known_leis
from policy.kyc.problems import KycError
from policy.kyc.store.brought import Brought
from policy.kyc.store.inbox import Arrived, arrived
from policy.kyc.store.storage import StoreError, is_store
from policy.kyc.store.store import Plan, Store, Version
from policy.settings import UnusableSettings
from policy.wiring import facts_of

EXAMPLES = """  flopwatch tenants import crm.csv --source crm --dry-run       what would change, and for whom
  flopwatch tenants import crm.csv --source crm --tenants /var/lib/flopwatch/tenants
  flopwatch tenants import found.jsonl --source counsel --partial
  flopwatch tenants import --watch /var/spool/flopwatch --tenants /var/lib/flopwatch/tenants

The files are together all that their source says: what it said before and does not say any more is withdrawn from today
on. A file by which more than a fifth of that would go, and more than 20 statements, is refused as one that was broken
off; --withdraw-many takes it, and with --dry-run shows what would go. Nothing is deleted: 'show --at' tells what was
known on a day. Days are in UTC.

With --partial files only add; of what has one value the new one takes the old one's place, unless the old one is of a
later day, or has a day where the new one has none. An old one without a day counts as of the day since which it is
known: a later day than that of the new one leaves both.

GLEIF's level 1, level 2 and exceptions are files of their own: each is all that its source says of that kind of record,
and takes nothing from the other two.

A file with a bad row is refused, with every problem, and what was known stays in force. With --accept-rest the good
rows are taken, the others go into the manifest by their place, and nothing is withdrawn for not being there: it may
stand in a row that is bad. Only what a good row corrects goes, as with --partial. A column that is not the schema's
refuses the file in any case.

Determinations, what people decided about hits of 'screen', go by --source determinations, as nothing else does, and
only add: a file without an older one withdraws none.

With --watch every folder DIR/SOURCE is looked at: its newest file is all that the source says, of GLEIF's the newest of
each kind. A file that would withdraw too much is told and left where it is. A file that is still being written is left
alone. Ctrl-C ends it, --once looks once, for cron. A bucket (s3://…) has to be synced to a folder first, by the tool
that has the credentials.

exit codes: 0 imported, or nothing changed; 1 a file was refused; 2 a flag or the store cannot be used
"""
STORE = "folder of the store; begun where it is missing"
BUCKET = "://"


def add_import(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "import", "bring files of a source into the store", EXAMPLES, STORE)
    add_settings(parser, ("facts",))
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="CSV or JSON Lines")
    parser.add_argument("--source", metavar="NAME", help="whose word the files are, as crm or register")
    parser.add_argument(
        "--kind",
        choices=(AUTO, *FORMS),
        default=AUTO,
        help="what a file is: " + "; ".join(f"{name}: {form.summary}" for name, form in FORMS.items()) + f" [{AUTO}]",
    )
    parser.add_argument(
        "--known-only",
        action="store_true",
        help="of a register's parties only those whose LEI the store has; again for those that this names above them",
    )
    parser.add_argument("--partial", action="store_true", help="they are not all that the source says: only add")
    parser.add_argument("--accept-rest", action="store_true", help="take the good rows of a file with bad ones")
    many = "also where more than a fifth of what the source said, and more than 20 statements, would be withdrawn"
    parser.add_argument("--withdraw-many", action="store_true", help=many)
    parser.add_argument("--author", default=None, metavar="NAME", help="who imports [the user of this process]")
    parser.add_argument("--dry-run", action="store_true", help="change nothing; show what would")
    parser.add_argument("--names", action="store_true", help="with --dry-run: show text, which may be names")
    parser.add_argument("--watch", metavar="DIR", help="import what comes to lie in DIR/SOURCE")
    parser.add_argument("--every", type=float, default=30.0, metavar="SECONDS", help="with --watch: pause [30]")
    parser.add_argument("--once", action="store_true", help="with --watch: look once")
    parser.set_defaults(run=run_import)


def run_import(arguments: argparse.Namespace) -> int:
    """Import the files, or watch a folder."""
    _refuse_odd(arguments)
    store = tenants_path(arguments)
    if arguments.watch:
        return _watch(arguments, store)
    return _import(arguments, store, tuple(arguments.files), arguments.source)


def _refuse_odd(arguments: argparse.Namespace) -> None:
    watches = bool(arguments.watch)
    if watches == bool(arguments.files):
        raise UnusableSettings("give files to import, or --watch with a folder")
    if watches and (arguments.source or arguments.dry_run):
        raise UnusableSettings("--watch: the folders in it name the sources, and it imports; leave the other flag out")
    if watches and arguments.withdraw_many:
        raise UnusableSettings("--withdraw-many: looks at one file; import it by itself, with --source")
    if not watches and not (arguments.source or "").strip():
        raise UnusableSettings("--source: say whose word the files are, as crm")
    if not watches and arguments.once:
        raise UnusableSettings("--once goes with --watch")
    if watches and BUCKET in arguments.watch:
        raise UnusableSettings("--watch: only folders; sync the bucket to one first, and watch that")
    if not 0 < arguments.every <= 86_400:
        raise UnusableSettings("--every: a number of seconds above 0, at most a day")


def _import(arguments: argparse.Namespace, folder: Path, files: tuple[Path, ...], source: str) -> int:
    try:
        brought = _read(arguments, files, _asked(arguments, folder, source, now().date()))
        plan, version = planned(folder, brought) if arguments.dry_run else done(folder, brought)
    except StoreError:
        raise
    except KycError as error:
        print_sheet(refused_sheet(error, source), arguments.format)
        return DIFFERENT
    print_sheet(imported_sheet(plan, version, names=arguments.names), arguments.format)
    return OK


def _asked(arguments: argparse.Namespace, folder: Path, source: str, today: date) -> Asked:
    lists = frozenset(facts_of(settings_of(arguments)).party_lists.by_code)
    return Asked(source=source, today=today, leis=_leis(arguments, folder), lists=lists)


def _leis(arguments: argparse.Namespace, folder: Path) -> frozenset[str] | None:
    return known_leis(Store.existing(folder).read()) if arguments.known_only else None


def _read(arguments: argparse.Namespace, files: tuple[Path, ...], asked: Asked) -> Brought:
    found = []
    for path in files:
        _tell(f"reading {path}")
        found.append(read_file(path, asked, arguments.kind))
    check_sources(found, asked.source)
    _tell("comparing with what was known")
    return Brought(
        source=asked.source,
        author=author_of(arguments),
        files=tuple(found),
        is_whole=not arguments.partial and not any(FORMS[each.form].own_source for each in found),
        accept_rest=arguments.accept_rest,
        withdraw_many=arguments.withdraw_many,
    )


def planned(folder: Path, brought: Brought) -> tuple[Plan, None]:
    """What an import would do. Raises KycError."""
    with _as_it_is(folder) as store:
        return store.plan(brought, now()), None


@contextmanager
def _as_it_is(folder: Path) -> Iterator[Store]:
    """The store, or where none has been begun an empty one that leaves no trace."""
    if is_store(folder):
        yield Store.existing(folder)
        return
    with tempfile.TemporaryDirectory() as elsewhere:
        yield Store.open(Path(elsewhere))


def done(folder: Path, brought: Brought) -> tuple[Plan, Version | None]:
    """Import; no version where nothing changes. Its moment is of when it alone writes. Raises KycError."""
    if not is_store(folder):  # none is begun for what cannot go into it
        brought.check()
        brought.check_parties(Directory.of(()))
    store = Store.open(folder)
    with store.writing():
        plan = store.plan(brought, now())
        return plan, None if plan.changes_nothing else store.commit(plan)


def author_of(arguments: argparse.Namespace) -> str:
    """Who imports: as given, else the user of this process."""
    try:
        return arguments.author or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return f"user {os.getuid()}"


def _tell(text: str) -> None:
    """Say how far it is, to whoever sits there."""
    if errors.is_terminal:
        errors.print(shown(text), soft_wrap=True)


def _watch(arguments: argparse.Namespace, store: Path) -> int:
    """Look again and again; with --once the exit code tells whether a file was refused."""
    folder, seen = Path(arguments.watch), dict[tuple[str, str], Arrived]()
    code = _look(arguments, store, folder, seen)
    while not arguments.once:
        wait(threading.Event(), arguments.every)
        try:
            _look(arguments, store, folder, seen)
        except (StoreError, FactsError, OSError) as error:  # a full disk, another import: what may pass is tried again
            errors.print(shown(f"flopwatch: {error}; tried again in {arguments.every:g} s"), soft_wrap=True)
    return code


def _look(arguments: argparse.Namespace, store: Path, folder: Path, seen: dict[tuple[str, str], Arrived]) -> int:
    """Import the newest file of each part of each source, unless this file was looked at before."""
    codes = [OK]
    for each in arrived(folder, now().timestamp(), part_of):
        before = seen.get((each.source, each.part))
        if before and (before.path, before.mark) == (each.path, each.mark):
            continue
        if not each.is_settled:
            _tell(f"{each.path} is still being written")
            continue
        codes.append(_import(arguments, store, (each.path,), each.source))
        seen[each.source, each.part] = each
    return max(codes)
