"""
``flopwatch tenants screen``: the parties of a directory against lists of parties; or how well names are matched.

A party's name is printed only where it is asked for; the names of entries are public and always are.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from policy.commands.options import OK, Parsers, add_settings, errors, settings_of, shown
from policy.commands.sheet import print_sheet
from policy.commands.tenants.common import add_part, now, read_day, tenants_path
from policy.commands.tenants.screened import hits_sheet, measured_sheet
from policy.facts.party_lists import PartyLists
from policy.files import CannotWrite, write_whole
from policy.kyc.directory import Directory
from policy.kyc.importing.forms import Asked, read_file
from policy.kyc.importing.known import known_ids
from policy.kyc.open import read_directory
from policy.kyc.repeated import repeated
from policy.kyc.screening.kept import keep, read_kept, screen_again
from policy.kyc.screening.lists import ScreeningList, read_list, united
from policy.kyc.screening.outcome import decided, not_dated_anew, statements_of
from policy.kyc.screening.parties import parties_of, said_of_lists
from policy.kyc.screening.screen import Screening
from policy.kyc.statements import STATEMENTS, Statement, frame_of
from policy.kyc.statements import statements_of as statements_in
from policy.settings import UnusableSettings
from policy.wiring import facts_of

SUMMARY = "compare parties with lists of parties, and show what a person has to look at"
EXAMPLES = """  flopwatch tenants screen --tenants kyc --list consolidated.csv
  flopwatch tenants screen --tenants kyc --list consolidated.json --list own.csv --threshold 0.85 --names
  flopwatch tenants screen --tenants kyc --list consolidated.csv --decisions decided.csv --statements screened.csv
  flopwatch tenants import screened.csv --source screening --tenants kyc
  flopwatch tenants screen --tenants kyc --list consolidated.csv --keep /var/lib/flopwatch/screening    each day
  flopwatch tenants import decided.csv --source determinations --tenants kyc
  flopwatch tenants screen --pairs pairs.csv

The statements are all that screening came to, one for each party, and nothing that people decided: their decisions are
imported by themselves and no later screening takes them back. An entry that was cleared stays in the statement, so that
it is open again when the decision ends. An answer that says nothing new keeps its day for a week.

exit codes: 0 done, 2 a file or a flag cannot be used
"""
MOST_PROCESSES = 3
"""Each holds all entries, some 400 MiB for the lists of the United States: three stay below 2 GiB in all."""
UNREAD = "--list: rows that cannot be read: {}, and a party may be behind each; put them right"
UNKNOWN = "--decisions: about parties or entries that nobody knows: {}; put the ids right"


def add_screen(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "screen", SUMMARY, EXAMPLES)
    add_settings(parser, ("facts",))
    parser.add_argument(
        "--list", type=Path, action="append", default=[], dest="lists", metavar="FILE",
        help="a list: the Consolidated Screening List as CSV or JSON, or CSV with list (a code or title of the facts), "
        "entry, name; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--min-rows", type=int, default=1, metavar="N", help="refuse a list with fewer, as one broken off [1]"
    )
    parser.add_argument(
        "--accept-rest",
        action="store_true",
        help="go on without rows of a list that cannot be read, but with no --statements then, and without decisions "
        "about whom or what nobody knows",
    )
    parser.add_argument(
        "--decisions",
        type=Path,
        metavar="FILE",
        help="what people decided, beside what TENANTS has of it, for this call: party_id, reference, answer (listed, "
        "not_listed), reason, source, as_of, ends",
    )
    parser.add_argument(
        "--threshold", type=read_threshold, metavar="T",
        help="from which score on a hit is possible, 0 to 1 [as 'facts show lists' says: 0.8]",
    )  # fmt: skip
    parser.add_argument(
        "--at", type=read_day, metavar="DATE", help="the directory as known on this day [today, in UTC]"
    )
    parser.add_argument(
        "--statements",
        type=Path,
        metavar="FILE",
        help="write what it came to today, to be imported with --source screening",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep the screening there, with names, and compare the next time only what changed since",
    )  # fmt: skip
    parser.add_argument("--names", action="store_true", help="print the parties' names too")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="measure on CSV with name1, name2, is_match instead")
    parser.set_defaults(run=run)


def read_threshold(text: str) -> float:
    """A number above 0 and up to 1. For argparse."""
    try:
        threshold = float(text)
    except ValueError:
        threshold = 0.0
    if not 0 < threshold <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no score above 0 and up to 1, as 0.8")
    return threshold


def run(arguments: argparse.Namespace) -> int:
    """Screen, or measure."""
    if arguments.pairs is not None:
        if arguments.tenants or arguments.lists:
            raise UnusableSettings("--pairs measures and compares no party: leave --tenants and --list out")
        threshold = _threshold(arguments, facts_of(settings_of(arguments)).party_lists)
        print_sheet(measured_sheet(arguments.pairs, threshold), arguments.format)
        return OK
    if not arguments.lists:
        raise UnusableSettings("give --tenants and at least one --list, or --pairs to measure")
    _screen(arguments, tenants_path(arguments), now().date())
    return OK


def _screen(arguments: argparse.Namespace, tenants: Path, today: date) -> None:
    at = arguments.at or today
    if arguments.statements and at != today:
        raise UnusableSettings("--statements: what is found today was not known on another day; leave --at out")
    directory, known = read_directory(tenants), facts_of(settings_of(arguments)).party_lists
    lists = _lists(arguments, known)
    entries = united([each.entries for each in lists])
    brought = _determinations(arguments, Asked(source="", today=at, lists=frozenset(known.by_code)))
    _tell(arguments, list(_unknown(brought, directory, entries)), UNKNOWN)
    screening = _screening(arguments, _threshold(arguments, known), parties_of(directory, at), entries)
    held = statements_in(said_of_lists(directory, at))
    hits = decided(screening.hits, [*held, *brought], at)
    if arguments.statements:
        digests = " ".join(each.digest[:12] for each in lists)
        told = statements_of(screening, hits, at, f"lists {digests}")
        _write(not_dated_anew(told, held, at), arguments.statements)
    print_sheet(hits_sheet(screening, hits, lists, at, with_names=arguments.names), arguments.format)


def _threshold(arguments: argparse.Namespace, known: PartyLists) -> float:
    """What was asked for, else what the facts say."""
    return known.possible_from.value if arguments.threshold is None else float(arguments.threshold)


def _lists(arguments: argparse.Namespace, known: PartyLists) -> list[ScreeningList]:
    """Read the lists; what was not read of them is told, and then nothing may be written down of them."""
    lists = [read_list(path, known.code_of, min_rows=arguments.min_rows) for path in arguments.lists]
    problems = [problem.text for each in lists for problem in each.problems]
    _tell(arguments, problems, UNREAD)
    if arguments.statements and problems:
        raise UnusableSettings(
            f"--statements: rows of lists that were not read: {len(problems)}, and who is behind them would be told "
            "to match nothing; put them right, or leave --statements out"
        )
    return lists


def _screening(
    arguments: argparse.Namespace, threshold: float, parties: pl.DataFrame, entries: pl.DataFrame
) -> Screening:
    """Compare, going on from what was kept where that is asked for."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    kept = read_kept(arguments.keep) if arguments.keep else None
    screening = screen_again(kept, parties, entries, threshold, processes=processes)
    if arguments.keep:
        _keep(screening, arguments.keep)
    return screening


def _determinations(arguments: argparse.Namespace, asked: Asked) -> tuple[Statement, ...]:
    if arguments.decisions is None:
        return ()
    return read_file(arguments.decisions, asked, "determinations").read.whole(arguments.decisions)


def _unknown(brought: Sequence[Statement], directory: Directory, entries: pl.DataFrame) -> Iterator[str]:
    """Decisions that can silence nothing, for what they are about is not there. Of lists not given nothing is said."""
    parties = known_ids(directory) if brought else frozenset()
    known, lists = frozenset(entries.select("list", "entry").iter_rows()), frozenset(entries["list"])
    for each in brought:
        code, entry = (each.value, each.detail or "") if each.predicate == "listed_on" else _parts(each.value)
        who = repeated(each.subject)
        if each.subject not in parties:
            yield f"--decisions: {who}: no party of this id is known"
        if code in lists and (code, entry) not in known:
            yield f"--decisions: {who}, {repeated(f'{code}:{entry}')}: no entry of this id is in the lists given"


def _parts(reference: str) -> tuple[str, str]:
    code, _, entry = reference.partition("@")[0].partition(":")
    return code, entry


def _write(statements: Sequence[Statement], path: Path) -> None:
    """As ``tenants import`` reads them. When they came to be known the store says, and takes back by itself."""
    frame = frame_of(statements).select([name for name in STATEMENTS if name != "known_to"])
    try:
        write_whole(path, frame.write_csv)
    except CannotWrite as error:
        raise UnusableSettings(f"--statements: {error}") from error


def _keep(screening: Screening, folder: Path) -> None:
    try:
        keep(screening, folder)
    except (CannotWrite, OSError) as error:
        raise UnusableSettings(f"--keep {folder}: {error}") from error


def _tell(arguments: argparse.Namespace, problems: Sequence[str], refusal: str) -> None:
    """Name every problem; without leave to go on without what they are about nothing is compared."""
    for problem in problems:
        errors.print(f"flopwatch: {shown(problem)}", soft_wrap=True)
    if problems and not arguments.accept_rest:
        raise UnusableSettings(f"{refusal.format(len(problems))}, or go on without them by --accept-rest")
