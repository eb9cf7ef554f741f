"""What lies over the shipped facts: the flags that say so, and how it is told beside every answer."""

import argparse
from collections.abc import Sequence

from policy.facts.evidence import Layer, LayerKind
from policy.facts.facts import Facts
from policy.facts.overlays import DOCUMENTS, REMOVE, Overlay, read_scenario
from policy.kyc.owners.counting import SWITCH

SWITCHES = "switches"


def add_scenarios(parser: argparse.ArgumentParser) -> None:
    """The flag for what is supposed; the engine has none."""
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="suppose what is not in force: a scenario's file, or one that ships by its name, see 'facts show layers'; "
        "may be given several times",
    )


def read_scenarios(names: Sequence[str]) -> tuple[Overlay, ...]:
    """The scenarios in the order given. Raises FactsError."""
    return tuple(map(read_scenario, names))


def supposed(facts: Facts) -> list[str]:
    """One line for each scenario."""
    return [f"supposes {layer.name}: {_reason(layer)}; not in force" for layer in facts.scenarios]


def unread(facts: Facts, overlays: Sequence[Overlay]) -> list[str]:
    """One line for each overlay that changes only switches that nothing reads: there no difference is no answer."""
    read = _read_switches(facts)
    changed = {each.layer.name: _only_switches(each) for each in overlays}
    known = ", ".join(sorted(read))
    return [
        f"{name} changes only the switch {' and '.join(sorted(ids))}, which no rule reads; {known} are read"
        for name, ids in changed.items()
        if ids and not ids & read
    ]


def _only_switches(overlay: Overlay) -> set[str]:
    """The ids of the switches that it sets or takes away; none where it changes anything else but documents."""
    removals = [(row["table"].partition(".")[0], row["key"]) for row in overlay.content.get(REMOVE, [])]
    topics = {*overlay.content, *(topic for topic, _ in removals)} - {REMOVE, DOCUMENTS}
    if topics != {SWITCHES}:
        return set()
    rows = overlay.content.get(SWITCHES, {}).get("switch", [])
    return {*(str(row.get("id")) for row in rows), *(str(each) for _, key in removals for each in key)}


def _read_switches(facts: Facts) -> set[str]:
    """The switches that decide an answer: those of presumptions, and the one that owners on BIS lists wait for."""
    return {SWITCH, *(presumption.switch for presumption in facts.control.presumption)}


def layer_lines(facts: Facts) -> list[str]:
    """One line for each layer over the shipped facts, for a table."""
    return [*overridden(facts), *supposed(facts)]


def overridden(facts: Facts) -> list[str]:
    """One line for each override of the provider's."""
    overrides = [layer for layer in facts.layers if layer.kind is LayerKind.OVERRIDE]
    return [f"overridden by {layer.name}: {_reason(layer)}" for layer in overrides]


def _reason(layer: Layer) -> str:
    """Without the full stop that a file may have put there: the sentence goes on."""
    return " ".join(layer.reason.split()).removesuffix(".")
