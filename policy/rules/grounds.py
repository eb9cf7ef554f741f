"""
What a finding rests on: the documents of its rule, the rows of the facts that decided, and what was measured by which.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from policy.facts.estimation import Estimation
from policy.facts.evidence import Document, Source
from policy.facts.facts import Facts
from policy.facts.peaks import Peak
from policy.facts.stitching import Stitching
from policy.facts.tiers import NEARNESS
from policy.facts.training_signals import TrainingSignals
from policy.rules.pack import Rule, Unestimated

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What one finding rests on: the lines that it cites, and the documents behind them."""

    lines: tuple[str, ...]
    documents: tuple[Document, ...]


def grounds_of_runs(rule: Rule, rows: Sequence[Row], cited: Sequence[str], facts: Facts) -> Grounds:
    """Of a finding about runs, whose rows these are; ``cited``: the lines that the first of them names."""
    return grounds_of(rule, cited, _measured_by(rule, rows, facts), facts)


def grounds_of(rule: Rule, cited: Sequence[str], measured: Sequence[tuple[str, Source]], facts: Facts) -> Grounds:
    """The rule's own documents, lines of rows of the facts, and what was measured by which source; each line once."""
    own = [facts.documents[each] for each in rule.sources]
    known = [facts.source_by_line[line] for line in cited if line in facts.source_by_line]
    behind = [document for source in (*known, *(each for _, each in measured)) for document in source.documents]
    lines = [*map(_line, own), *cited, *(f"{what}: {source.line}" for what, source in measured)]
    documents = {document.id: document for document in (*own, *behind)}
    return Grounds(lines=tuple(dict.fromkeys(lines)), documents=tuple(documents.values()))


def _line(document: Document) -> str:
    """One document, cited as a row of the facts cites its own."""
    return Source(documents=(document,), evidence=document.evidence, layer=document.layer).line


def _measured_by(rule: Rule, rows: Sequence[Row], facts: Facts) -> list[tuple[str, Source]]:
    """
    What the verdict rests on, what joined pieces into one effort, and what is a little below a tier.

    Where an amount decides, the tier and the compute besides: peaks, utilisation.
    """
    weights = [("weights of the verdict", source) for source in _all_of(facts.training_signals)]
    if any(row["piece_count"] > 1 or row["effort_id"] != row["run_id"] for row in rows):
        weights += [("weights of stitches", source) for source in _all_of(facts.stitching)]
    if "near_tier_runs" in rule.when.fields:
        weights += [("a little below a tier", getattr(facts.tiers, name).source) for name in NEARNESS]
    if rule.reaches is None:
        return weights
    tier = facts.tiers.by_name[rule.reaches.tier].source
    amounts = [(f"tier {rule.reaches.tier}", tier)] if isinstance(tier, Source) else []
    if rule.reaches.unestimated is Unestimated.IF_LARGE:
        amounts.append(("pace of a device that nobody knows", facts.tiers.unknown_pace.source))
    names = sorted({name for row in rows for name in row["accelerators"]})
    chips = [chip for chip in map(facts.peak, names) if isinstance(chip, Peak)]
    peaks = [(f"peaks of {chip.device}", source) for chip in chips for source in chip.sources]
    return [*amounts, *peaks, *(("utilisation", source) for source in _all_of(facts.estimation)), *weights]


def _all_of(topic: Estimation | Stitching | TrainingSignals) -> list[Source]:
    """The sources of all rows of a topic."""
    return [getattr(topic, each.name).source for each in fields(topic)]
