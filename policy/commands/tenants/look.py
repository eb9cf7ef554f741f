"""``flopwatch tenants list`` and ``show``: what is known, by ids, with its sources and clocks."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date

from policy.commands.options import OK, Parsers
from policy.commands.sheet import Grid, Sheet, plain, print_sheet
from policy.commands.tenants.common import (
    add_part,
    detail_words,
    document_words,
    now,
    read_day,
    tenants_path,
    value_words,
)
from policy.commands.tenants.listed import listed
from policy.kyc.directory import Directory
from policy.kyc.open import read_directory
from policy.kyc.statements import Statement, by_subject, statements_of
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES
from policy.settings import UnusableSettings

LIST = """  flopwatch tenants list --tenants /var/lib/flopwatch/tenants
  flopwatch tenants list --at 2026-03-01 --format json
  flopwatch tenants list --names        also what the parties are called

customers_in: where the customers themselves are headquartered, as told; several where they are in several, or where
sources contradict each other. It is no answer: a parent, an owner or somebody for whom they act may be elsewhere.

exit codes: 0 done, 2 a file, a store or a flag cannot be used
"""
SHOW = """  flopwatch tenants show t-1001
  flopwatch tenants show t-1001 --at 2026-03-01          as it was known at the end of that day
  flopwatch tenants show t-1001 --names --format json

Everything that is said of the tenant and of the parties that its answers may rest on. 'differs' marks what has one
value and is said differently: neither word is dropped.

exit codes: 0 done, 2 a file, a store or a flag cannot be used, or nothing is known of the tenant
"""
NAMES = "show text, which may be names"
DIFFERS = "differs"


def add_list(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "list", "every tenant that is known", LIST)
    parser.add_argument("--names", action="store_true", help=NAMES)
    parser.add_argument("--at", type=read_day, metavar="DATE", help="as known at the end of this day [today, in UTC]")
    parser.set_defaults(run=run_list)


def add_show(parts: Parsers) -> None:
    """Add the part."""
    parser = add_part(parts, "show", "everything that is known of one tenant", SHOW)
    parser.add_argument("tenant", metavar="TENANT", help="its id")
    parser.add_argument("--names", action="store_true", help=NAMES)
    parser.add_argument("--at", type=read_day, metavar="DATE", help="as known at the end of this day [today, in UTC]")
    parser.set_defaults(run=run_show)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the tenants."""
    day = arguments.at or now().date()
    known = read_directory(tenants_path(arguments)).as_known(day)
    print_sheet(_list_sheet(known, day, names=arguments.names), arguments.format)
    return OK


def _list_sheet(known: Directory, day: date, *, names: bool) -> Sheet:
    columns = ("tenant", "customers", "customers_in", "statements", "verified", *(("names",) if names else ()))
    rows = listed(known, day).select(columns).rows()
    content = {
        "known_on": day.isoformat(),
        "digest": known.digest,
        "tenants": [dict(zip(columns, row, strict=True)) for row in rows],
    }
    grid = Grid(title="", columns=columns, rows=tuple(map(_words, rows)), empty="No tenant is known.")
    return Sheet(blocks=(f"Tenants as known on {day.isoformat()}: {len(rows)}.", grid), content=content)


def _words(row: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(", ".join(cell) if isinstance(cell, list) else "" if cell is None else str(cell) for cell in row)


def run_show(arguments: argparse.Namespace) -> int:
    """Print what is known of one tenant."""
    day = arguments.at or now().date()
    known = read_directory(tenants_path(arguments)).as_known(day)
    said = statements_of(known.upward([arguments.tenant]))
    if arguments.tenant not in {each.subject for each in said}:
        raise UnusableSettings(f"{arguments.tenant}: nothing was known of it on {day.isoformat()}; see 'tenants list'")
    print_sheet(_show_sheet(arguments.tenant, said, known.digest, day, names=arguments.names), arguments.format)
    return OK


def _show_sheet(tenant: str, said: Sequence[Statement], digest: str, day: date, *, names: bool) -> Sheet:
    differing = {id(each) for each in _differing(said, day)}
    grids = [
        Grid(title=subject, columns=_COLUMNS, rows=tuple(_row(each, differing, names=names) for each in of_one))
        for subject, of_one in by_subject(said).items()
    ]
    content = {
        "tenant": tenant,
        "known_on": day.isoformat(),
        "digest": digest,
        "statements": [
            {**plain(asdict(each)), **_shown(each, names=names), DIFFERS: id(each) in differing} for each in said
        ],
    }
    return Sheet(blocks=(f"{tenant} as known on {day.isoformat()}, statements: {len(said)}.", *grids), content=content)


def _shown(each: Statement, *, names: bool) -> dict[str, str | None]:
    """What may hold a name, as it may be shown."""
    return {
        "value": value_words(each, names=names),
        "detail": detail_words(each, names=names),
        "document": document_words(each, names=names),
    }


def _differing(said: Sequence[Statement], day: date) -> Iterable[Statement]:
    """What has one value and is said differently, on that day, by the newest word of several sources."""
    view = View(said)
    for subject, predicate in dict.fromkeys((each.subject, each.predicate) for each in said):
        found = view.of(subject, predicate, day)
        if not PREDICATES[predicate].many and len({each.value for each in found}) > 1:
            yield from found


_COLUMNS = ("what", "value", "detail", "share", "true", "source", "confidence", "as of", "known", "document", "")


def _row(each: Statement, differing: set[int], *, names: bool) -> tuple[str, ...]:
    shown = _shown(each, names=names)
    return (
        each.predicate,
        shown["value"] or "",
        shown["detail"] or "",
        _share(each),
        _span(each.begins, each.ends),
        each.source,
        each.confidence,
        each.as_of.isoformat() if each.as_of else "",
        _span(each.known_from, each.known_to),
        shown["document"] or "",
        DIFFERS if id(each) in differing else "",
    )


def _share(each: Statement) -> str:
    low, high = each.share_low_percent, each.share_high_percent
    if low is None and high is None:
        return ""
    ends = ["?" if end is None else f"{end:g}" for end in (low, high)]
    return f"{ends[0]} %" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} %"


def _span(first: date | None, end: date | None) -> str:
    """Days from the first one on, up to and without the last; nothing where neither is known."""
    if first is None and end is None:
        return ""
    return f"{first.isoformat() if first else ''}…{end.isoformat() if end else ''}"
