"""``flopwatch provider``: the provider's own register, and its recorded classes beside the computed ones."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

from policy.commands.facts.command import read_day
from policy.commands.facts.devices import ARITHMETIC
from policy.commands.layers import layer_lines
from policy.commands.options import OK, Parsers, add_parser, add_settings, settings_of
from policy.commands.sheet import LABELLED, Grid, Sheet, cited, plain, print_sheet
from policy.facts.evidence import Source
from policy.facts.facts import Facts
from policy.kyc.registers.activity import activity_sentence
from policy.kyc.registers.provider import Hardware, Provider
from policy.kyc.registers.provider_file import read_provider
from policy.kyc.registers.recorded import Comparison, SideBySide, recorded_and_computed
from policy.settings import UnusableSettings
from policy.wiring import facts_of

EXAMPLES = """  flopwatch provider show --provider provider.toml
  flopwatch provider show --provider provider.toml --at 2026-06-01 --format json
  flopwatch provider show --provider provider.toml --node gpu-a-17      where one node stands, and what follows

exit codes: 0 done, 2 the register, a file or a flag cannot be used
"""
NO_NAME = "names no accelerator"
DOES_NOT_DECIDE = "Where record and arithmetic differ a person has to look; neither decides."


def add(parsers: Parsers, summary: str) -> None:
    """Add the command and its one part."""
    parser = add_parser(parsers, "provider", summary, EXAMPLES)
    parts = parser.add_subparsers(required=True, metavar="PART")
    show = add_parser(parts, "show", "what the register says, and the classes side by side", EXAMPLES)
    add_settings(show, ("provider", "facts"))
    show.add_argument("--at", type=read_day, metavar="DATE", help="by the law of this day [today, in UTC]")
    show.add_argument("--node", metavar="NAME", help="where this node stands, in place of the whole register")
    show.add_argument("--format", choices=("table", "json"), default="table", help="[table]")
    show.set_defaults(run=run_show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print the register, or one node's place."""
    settings = settings_of(arguments)
    if settings.provider is None:
        raise UnusableSettings("--provider: give the register's file; without one nothing is known of any place")
    provider, facts = read_provider(settings.provider), facts_of(settings)
    at = arguments.at or datetime.now(UTC).date()
    sheet = show_provider(provider, facts, at) if arguments.node is None else show_node(provider, arguments.node)
    print_sheet(_headed(sheet, provider, facts, at), arguments.format)
    return OK


def _headed(sheet: Sheet, provider: Provider, facts: Facts, at: date) -> Sheet:
    head = {"at": at.isoformat(), "provider_digest": provider.digest, "facts_digest": facts.digest}
    lines = [f"{line[:1].upper()}{line[1:]}." for line in layer_lines(facts)]
    return replace(sheet, blocks=(*lines, *sheet.blocks), content={**head, **sheet.content})


def show_provider(provider: Provider, facts: Facts, at: date) -> Sheet:
    """Every table of the register; hardware with what arithmetic says of it on the day."""
    found = [(item, _computed(provider, facts, item, at)) for item in provider.hardware]
    sources = [source for _, each in found if each for source in each.computed.sources]
    return Sheet(
        blocks=(*_grids(provider), _hardware(found, at), "", ARITHMETIC, DOES_NOT_DECIDE, cited(sources, at)),
        content=_content(provider, found),
    )


def _computed(provider: Provider, facts: Facts, item: Hardware, at: date) -> SideBySide | None:
    """One record alone beside the arithmetic; none where it names no accelerator."""
    if not item.accelerator:
        return None
    alone = replace(provider, hardware=(replace(item, nodes=(), serials=()),))
    return recorded_and_computed(alone, facts.classifier, item.accelerator, at)


def _grids(provider: Provider) -> Iterator[Grid]:
    yield Grid(
        title=f"Entities: {len(provider.entity)}",
        columns=("entity", "name", "headquarters", "U.S. person", "source", "as of"),
        rows=tuple(
            (each.id, each.name, each.headquarters_country, each.us_person, each.source, each.as_of.isoformat())
            for each in provider.entity
        ),
        empty="no entity is on record",
    )
    yield Grid(
        title=f"Sites: {len(provider.site)}",
        columns=("site", "country", "entity"),
        rows=tuple((each.id, each.country, each.entity) for each in provider.site),
        empty="no site is on record",
    )
    yield Grid(
        title=f"Clusters: {len(provider.cluster)}",
        columns=("cluster", "site", "entity", "nodes", "tenancy"),
        rows=tuple(
            (each.id, each.site, each.entity, ", ".join(each.nodes), each.tenancy or "not known")
            for each in provider.cluster
        ),
        empty="no cluster is on record",
    )


def _hardware(found: list[tuple[Hardware, SideBySide | None]], at: date) -> Grid:
    return Grid(
        title=f"Hardware by the law of {at.isoformat()}: {len(found)}",
        columns=("what", "recorded", "by whom", "basis", "on", "computed", "by letter", "comparison"),
        rows=tuple(_row(item, each) for item, each in found),
        empty="no class is on record",
    )


def _row(item: Hardware, each: SideBySide | None) -> tuple[str, ...]:
    computed = (each.computed.paragraph, each.computed.letter, each.comparison) if each else (NO_NAME, "-", "-")
    who = (item.classified_by, item.basis, item.classified_on.isoformat())
    return (item.subject, item.eccn, *who, *(str(part).replace("_", " ") for part in computed))


def _content(provider: Provider, found: list[tuple[Hardware, SideBySide | None]]) -> Mapping[str, object]:
    tables = {name: [_plain(row) for row in getattr(provider, name)] for name in ("entity", "site", "cluster")}
    return {**tables, "hardware": [{**_plain(item), **_both(each)} for item, each in found]}


def _plain(row: object) -> dict[str, object]:
    return {name: value for name, value in plain(row).items() if name != "layer"}


def _both(each: SideBySide | None) -> dict[str, object]:
    if each is None:
        return {"computed": None, "letter": None, "comparison": Comparison.NOT_COMPUTED, "reason": NO_NAME}
    sources: list[Source] = list(each.computed.sources)
    return {
        "computed": each.computed.paragraph,
        "letter": each.computed.letter,
        "comparison": each.comparison,
        "reason": each.reason,
        "sources": [plain(source) for source in sources],
    }


def show_node(provider: Provider, node: str) -> Sheet:
    """Where one node stands, and which activities could apply to a tenant there by the cluster's own tenancy."""
    place = provider.place_of(node)
    rows = (
        ("node", node),
        ("cluster", place.cluster or "not known"),
        ("site", place.site or "not known"),
        ("country", place.country or "not known"),
        ("entity", place.entity or "not known"),
        ("U.S. person", place.us_person),
        ("tenancy", place.tenancy or "not known"),
        ("in words", place.reason),
        ("activities", activity_sentence(place.tenancy, place.us_person)),
    )
    return Sheet(
        blocks=(Grid(title=f"Place of {node}", columns=LABELLED, rows=rows),), content={"node": node, **plain(place)}
    )
