"""``flopwatch facts``: what is believed about law and hardware on a day, what to read again, and what changed."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from policy.commands.facts.cited import EXAMPLES as CITED
from policy.commands.facts.cited import add_digest, cited_facts, cited_sheet
from policy.commands.facts.countries import show_country, show_jurisdictions
from policy.commands.facts.devices import show_accelerators
from policy.commands.facts.law import (
    show_control,
    show_lists,
    show_red_flags,
    show_switches,
    show_thresholds,
    show_tiers,
)
from policy.commands.facts.one_device import show_name
from policy.commands.facts.papers import (
    show_estimation,
    show_layers,
    show_parts,
    show_signals,
    show_sources,
    show_stitching,
)
from policy.commands.facts.review import check_sheet, diff_sheet
from policy.commands.facts.written import rows_of_topic
from policy.commands.layers import add_scenarios, layer_lines, read_scenarios, supposed, unread
from policy.commands.options import (
    DIFFERENT,
    OK,
    Parsers,
    add_parser,
    add_settings,
    errors,
    print_json,
    read_moment,
    settings_of,
    shown,
)
from policy.commands.sheet import Sheet, plain, print_sheet
from policy.facts.countries import CountryError
from policy.facts.differences import AsOf
from policy.facts.facts import Facts
from policy.facts.tables import FactsError
from policy.rules.evaluate import check_pack
from policy.rules.pack import PackError, load_pack
from policy.settings import UnusableSettings
from policy.wiring import facts_of

STALE = 3
SHOW = """  flopwatch facts show jurisdictions --at 2025-12-01
  flopwatch facts show jurisdictions --country "Hong Kong SAR"
  flopwatch facts show accelerators --name "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
  flopwatch facts show switches --facts /etc/flopwatch/facts --format json
  flopwatch facts show switches --rows                           how an overlay would write them

exit codes: 0 done, 2 a file or a flag cannot be used
"""
CHECK = """  flopwatch facts check
  flopwatch facts check --at 2027-02-01 --ledger /var/lib/flopwatch/ledger
  flopwatch facts check --facts /etc/flopwatch/facts || alert

exit codes: 0 fresh, 1 a file of facts says what it must not, 2 a flag or a ledger cannot be used, 3 a document is past
the last day to rely on it
"""
DIFF = """  flopwatch facts diff 2025-11-01 2026-03-01
  flopwatch facts diff 2026-11-29 --scenario ethiopia.toml       what the scenario changes on that day
  flopwatch facts diff 2026-11-29 --facts /etc/flopwatch/facts   what the overrides change on that day
  flopwatch facts diff 2026-03-01 --ledger LEDGER --digest cfecfdf310e5      what is answered otherwise today

exit codes: 0 done, 2 a file or a flag cannot be used
"""

TOPICS: Mapping[str, Callable[[Facts, date], Sheet]] = {
    "jurisdictions": show_jurisdictions,
    "accelerators": show_accelerators,
    "parts": show_parts,
    "control": show_control,
    "thresholds": show_thresholds,
    "tiers": show_tiers,
    "red-flags": show_red_flags,
    "switches": show_switches,
    "lists": show_lists,
    "estimation": show_estimation,
    "signals": show_signals,
    "stitching": show_stitching,
    "sources": show_sources,
}
LAYERS = "layers"


def add(parsers: Parsers, summary: str) -> None:
    """Add the command and its parts."""
    parser = add_parser(parsers, "facts", summary, SHOW.partition("\n\n")[0] + "\n" + CHECK + "\n")
    parts = parser.add_subparsers(required=True, metavar="PART")
    show = _part(parts, "show", "what is believed about a topic on a day", SHOW, run_show)
    show.add_argument("topic", choices=(*TOPICS, LAYERS), metavar="TOPIC", help=", ".join((*TOPICS, LAYERS)))
    show.add_argument("--at", type=read_day, metavar="DATE", help="the day [today, in UTC]")
    show.add_argument("--country", metavar="NAME", help="with jurisdictions: all about one country, by any name")
    show.add_argument("--name", metavar="NAME", help="with accelerators: all about one, by any name")
    show.add_argument("--rows", action="store_true", help="how its rows are written, as TOML to copy into an overlay")
    add_digest(show)
    check = _part(parts, "check", "whether the facts are sound, and what has to be read again", CHECK, run_check)
    add_settings(check, ("rules",))
    check.add_argument("--at", type=read_day, metavar="DATE", help="the day [today, in UTC]")
    check.add_argument("--ledger", type=Path, dest="of_ledger", metavar="DIR", help="look at its accelerators too")
    diff = _part(parts, "diff", "what is answered differently on two days", DIFF, run_diff)
    diff.add_argument("before", type=read_day, metavar="DATE1", help="the first day")
    diff.add_argument(
        "after",
        type=read_day,
        nargs="?",
        metavar="DATE2",
        help="the second; left out for what --facts, a scenario or a digest changes on the first",
    )
    add_digest(diff)
    cited = add_parser(parts, "cited", "the facts and the rules that findings cite by a digest", CITED)
    add_digest(cited)
    cited.add_argument("--out", type=Path, metavar="DIR", help="write the files of --digest into this new folder")
    cited.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    cited.set_defaults(run=run_cited)


def _part(
    parts: Parsers, name: str, summary: str, examples: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = add_parser(parts, name, summary, examples)
    add_settings(parser, ("facts", "tier"))
    add_scenarios(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    parser.set_defaults(run=run)
    return parser


def read_day(text: str) -> date:
    """A day, in UTC. For argparse."""
    day = read_moment(text).date()
    if day in (date.min, date.max):
        raise argparse.ArgumentTypeError(f"{text!r}: of the calendar's first and last day nothing can be said")
    return day


def run_show(arguments: argparse.Namespace) -> int:
    """Print one topic."""
    _refuse_stray(arguments)
    at = _day_of(arguments)
    facts = _facts_of(arguments)
    if arguments.rows:
        sys.stdout.write(rows_of_topic(facts, arguments.topic))
        return OK
    if arguments.country is not None:
        sheet = _country(facts, at, arguments.country)
    elif arguments.name is not None:
        if not arguments.name.strip():
            raise UnusableSettings("--name: give the name of an accelerator")
        sheet = show_name(facts, at, arguments.name)
    elif arguments.topic == LAYERS:
        sheet = show_layers(facts)
    else:
        sheet = TOPICS[arguments.topic](facts, at)
    if arguments.digest is not None:
        cited = f"By the facts that findings cite as {facts.digest}, and not by those of today."
        sheet = replace(sheet, blocks=(cited, *sheet.blocks))
    print_sheet(_headed(sheet, facts, {"topic": arguments.topic, "at": at.isoformat()}), arguments.format)
    return OK


def _refuse_stray(arguments: argparse.Namespace) -> None:
    for flag, topic in (("country", "jurisdictions"), ("name", "accelerators")):
        if getattr(arguments, flag) is not None and arguments.topic != topic:
            raise UnusableSettings(f"--{flag} goes with 'facts show {topic}'")
    for flag in ("country", "name", "at"):
        if arguments.rows and getattr(arguments, flag) is not None:
            raise UnusableSettings(f"--rows prints all rows of a topic, of all days: leave out --{flag}")
    if arguments.rows and (arguments.topic == LAYERS or arguments.format == "json"):
        raise UnusableSettings("--rows goes with a topic that has rows, and prints TOML: not with layers or json")


def _country(facts: Facts, at: date, text: str) -> Sheet:
    try:
        return show_country(facts, at, text)
    except CountryError as error:
        raise UnusableSettings(f"--country: {error}") from error


def run_check(arguments: argparse.Namespace) -> int:
    """Print what has to be looked at again; the exit code tells whether anything has."""
    at = _day_of(arguments)
    settings = settings_of(arguments)
    try:
        facts = facts_of(settings, read_scenarios(arguments.scenario))
        pack = load_pack(settings.rules)
        check_pack(pack, facts)
    except FactsError as error:
        return _invalid(error, arguments.format)
    except PackError as error:
        errors.print(f"flopwatch: {shown(str(error))}", soft_wrap=True)
        return DIFFERENT
    if settings.facts and not facts.overlays:
        note = f"--facts {settings.facts}: no file in it ends with .toml, so nothing lies over the facts that ship"
        errors.print(f"flopwatch: {shown(note)}", soft_wrap=True)
    sheet, is_stale = check_sheet(facts, pack, at, arguments.of_ledger)
    print_sheet(_headed(sheet, facts, {"at": at.isoformat()}), arguments.format)
    return STALE if is_stale else OK


def _invalid(error: FactsError, form: str) -> int:
    """Say where the fault is; nothing of the facts is used."""
    if form == "json":
        places = {name: getattr(error, name) for name in ("file", "table", "field", "problem", "remedy")}
        print_json({"state": "invalid", **places})
    errors.print(f"flopwatch: {shown(str(error))}", soft_wrap=True)
    return DIFFERENT


def run_diff(arguments: argparse.Namespace) -> int:
    """Print what differs."""
    settings, facts, day = settings_of(arguments), _facts_of(arguments), arguments.before
    if arguments.after is not None:
        before, after = AsOf(facts=facts, day=day), AsOf(facts=facts, day=arguments.after)
        title = f"From {day.isoformat()} to {after.day.isoformat()}"
    elif arguments.digest is not None:
        before, after = AsOf(facts=facts, day=day), AsOf(facts=facts_of(settings), day=day)
        title = f"On {day.isoformat()}, by the facts that were cited and by those of today"
    elif facts.scenarios:
        before, after = AsOf(facts=facts_of(settings), day=day), AsOf(facts=facts, day=day)
        title = f"On {day.isoformat()}, by what is supposed"
    elif settings.facts:
        shipped = facts_of(settings.model_copy(update={"facts": None}))
        before, after = AsOf(facts=shipped, day=day), AsOf(facts=facts, day=day)
        title = f"On {day.isoformat()}, from the facts that ship to those with the overrides"
    else:
        raise UnusableSettings("give DATE2, or --facts, a --scenario or a --digest to tell what it changes on one day")
    print_sheet(_headed(diff_sheet(before, after, title), facts, {}), arguments.format)
    return OK


def run_cited(arguments: argparse.Namespace) -> int:
    """Print what has been cited, or write one of them out."""
    print_sheet(cited_sheet(arguments), arguments.format)
    return OK


def _facts_of(arguments: argparse.Namespace) -> Facts:
    """Those of today with what lies over them, or those that a finding cites."""
    if arguments.digest is not None:
        return cited_facts(arguments)
    return facts_of(settings_of(arguments), read_scenarios(arguments.scenario))


def _day_of(arguments: argparse.Namespace) -> date:
    return arguments.at or datetime.now(UTC).date()


def _headed(sheet: Sheet, facts: Facts, about: Mapping[str, object]) -> Sheet:
    """The answer under what lies over the facts, so that nobody takes a supposition for the law."""
    head = {**about, "facts_digest": facts.digest, "layers": plain(facts.layers), "supposes": supposed(facts)}
    told = [*layer_lines(facts), *unread(facts, facts.overlays)]
    lines = [f"{line[:1].upper()}{line[1:]}." for line in told]
    return replace(sheet, blocks=(*lines, *sheet.blocks), content={**head, **sheet.content})
