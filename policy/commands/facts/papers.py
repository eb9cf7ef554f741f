"""``flopwatch facts show``: the numbers that we chose, the documents, and what lies over the shipped facts."""

from collections.abc import Iterable, Iterator
from datetime import date

from policy.commands.sheet import Block, Grid, Sheet, cited, day_words, ids, past_words, plain
from policy.facts.evidence import Constant, Document, Layer
from policy.facts.facts import Facts
from policy.facts.layers import in_place_of
from policy.facts.overlays import REMOVE, Overlay, read_overlay, shipped_scenarios
from policy.facts.parts import Instances
from policy.facts.reading import KEYS, rows_below
from policy.facts.reviewing import stale_documents
from policy.facts.rows import FactRow, rows_of
from policy.facts.training_signals import Kinds

CHANGES = ("rows that it brings", "in place of ours", "rows that it takes away")
NUMBERS = ("number", "value", "unit", "why", "basis", "evidence", "sources")


def show_estimation(facts: Facts, at: date) -> Sheet:
    """How device time becomes operations."""
    rule = facts.estimation.counting_rule
    said = f"Counted by {rule.name} ({rule.source.evidence}): {rule.method}"
    return _numbers(facts, at, "estimation", "Estimation: share of the dense 16-bit peak that a run reaches", [said])


def show_parts(facts: Facts, at: date) -> Sheet:
    """How much of a device its parts have."""
    sizes = Grid(
        title="MIG instances: how much of the whole one has by its compute slices, the usual first",
        columns=("devices", "share by slices", "evidence", "note", "sources"),
        rows=tuple(map(_instance_row, facts.parts.instance)),
        below=("share by slices", "note", "sources"),
    )
    numbers = _numbers(facts, at, "parts", "Virtual GPUs: how much of the whole one has at least and at most", [])
    return Sheet(blocks=(sizes, *numbers.blocks), content={"parts": plain(facts.parts)})


def _instance_row(row: Instances) -> tuple[str, ...]:
    shares = (
        f"{slices}: {', '.join(f'{size / row.multiprocessors:.3f}' for size in sizes)}"
        for slices, sizes in row.by_slices.items()
    )
    return ", ".join(row.devices), "; ".join(shares), row.source.evidence, row.note, ids(row.source)


def show_signals(facts: Facts, at: date) -> Sheet:
    """What counts as a sign of training, and how much."""
    return _numbers(facts, at, "training_signals", "Signs of training and their weights", [])


def show_stitching(facts: Facts, at: date) -> Sheet:
    """What speaks for two pieces of work being one effort, and how much."""
    return _numbers(facts, at, "stitching", "What makes two pieces of work one effort: limits and weights", [])


def _numbers(facts: Facts, at: date, topic: str, title: str, lines: list[str]) -> Sheet:
    rows = [row for row in rows_of(facts) if row.topic == topic]
    grid = Grid(title=title, columns=NUMBERS, rows=tuple(_number_rows(rows)), below=("why", "sources"))
    blocks: tuple[Block, ...] = (grid, *lines, cited((row.source for row in rows), at))
    return Sheet(blocks=blocks, content={topic: {row.table: plain(row.row) for row in rows}})


def _number_rows(rows: Iterable[FactRow]) -> Iterator[tuple[str, ...]]:
    for each in rows:
        row = each.row
        if isinstance(row, Constant | Kinds):
            value = f"{row.value:g}" if isinstance(row, Constant) else ", ".join(row.kinds)
            yield each.table, value, row.unit, row.why, row.basis, row.source.evidence, ids(row.source)


def show_sources(facts: Facts, at: date) -> Sheet:
    """Every document, and which are past their day."""
    stale = {each.document.id: each.words for each in stale_documents(facts, at)}
    documents = facts.documents.values()
    grid = Grid(
        title=f"Documents: {len(documents)}, of which {len(stale)} are past their day on {at.isoformat()}",
        columns=("id", "document", "evidence", "read on", "good through", "past its day"),
        rows=tuple(_document(each, at, stale.get(each.id, "")) for each in documents),
        below=("document", "past its day"),
    )
    rows = [
        {**plain(each), "good_through": each.good_through.isoformat(), "stale": each.id in stale} for each in documents
    ]
    return Sheet(blocks=(grid,), content={"sources": rows})


def _document(each: Document, at: date, stale: str) -> tuple[str, ...]:
    citation = f"{each.citation}{'; ' + each.layer.words if each.layer.words else ''}"
    return each.id, citation, each.evidence, each.read_on.isoformat(), past_words(each, at), stale


def show_layers(facts: Facts) -> Sheet:
    """What lies over the shipped facts, which rows it brings and takes away, and the scenarios that ship."""
    ours = rows_below(facts.texts)
    laid = [
        (each.layer, _brought(facts, each.layer), list(in_place_of(ours, each, KEYS)), _removed(each))
        for each in facts.overlays
    ]
    grid = Grid(
        title="Layers over the shipped facts, the later ones above the earlier",
        columns=("layer", "kind", "why", "decided on", "file", *CHANGES),
        rows=tuple(
            (
                layer.name, layer.kind, layer.reason, day_words(layer.decided_on) if layer.decided_on else "-",
                layer.file, "; ".join(brought), "; ".join(replaced), "; ".join(removed),
            )
            for layer, brought, replaced, removed in laid
        ),
        empty="none: the facts are those that ship",
        below=("why", "file", *CHANGES),
    )  # fmt: skip
    scenarios = {name: read_overlay(text, f"{name}.toml").layer.reason for name, text in shipped_scenarios().items()}
    supposed = Grid(
        title="Scenarios that ship; none is in force",
        columns=("--scenario", "supposes"),
        rows=tuple(scenarios.items()),
        empty="none",
    )
    content = {
        "laid_over": [
            {**plain(layer), "brings": brought, "in_place_of": replaced, "takes_away": removed}
            for layer, brought, replaced, removed in laid
        ],
        "shipped_scenarios": scenarios,
    }
    return Sheet(blocks=(grid, supposed), content=content)


def _brought(facts: Facts, layer: Layer) -> list[str]:
    rows = [f"{row.topic} {row.title}" for row in rows_of(facts) if row.source.layer == layer]
    documents = [f"sources [{each.id}]" for each in facts.documents.values() if each.layer == layer]
    return [*rows, *documents]


def _removed(overlay: Overlay) -> list[str]:
    removals = overlay.content.get(REMOVE, [])
    return [f"{each['table']} {' '.join(each['key'])}: {each['reason']}" for each in removals]
