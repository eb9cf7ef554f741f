"""
All facts together, with the digest that a finding names.

The digest is over what the files say: comments, layout, the order of keys and line ends do not change it; a row, a
value or a tier set by the provider does.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from importlib.resources import files
from typing import Any

from policy.facts import accelerators, estimation, jurisdictions, tiers, training_signals
from policy.facts.accelerators import Accelerators
from policy.facts.estimation import Estimation
from policy.facts.evidence import Source
from policy.facts.jurisdictions import Jurisdictions
from policy.facts.tables import parse
from policy.facts.tiers import Tiers
from policy.facts.training_signals import TrainingSignals

FILES = (jurisdictions.FILE, accelerators.FILE, tiers.FILE, estimation.FILE, training_signals.FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything believed about law and hardware. ``files_digest``: over the files alone."""

    jurisdictions: Jurisdictions
    accelerators: Accelerators
    tiers: Tiers
    estimation: Estimation
    training_signals: TrainingSignals
    files_digest: str

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over the files and over the tiers in use: what a finding cites."""
        in_use = {tier.name: (tier.flop, tier.basis) for tier in self.tiers.by_name.values()}
        return _digest({"files": self.files_digest, "tiers": in_use})

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source of every row."""
        return tuple(_sources(self))

    def overdue(self, at: date) -> tuple[Source, ...]:
        """Give the sources that should have been read again before this day."""
        return tuple(source for source in self.sources if source.review_by < at)

    def with_tiers(self, flop_by_name: Mapping[str, float], *, basis: str) -> "Facts":
        """Set or add tiers of the provider's own; the digest changes. Raises :class:`policy.facts.tiers.TierError`."""
        return replace(self, tiers=self.tiers.with_overrides(flop_by_name, basis))


def load_facts() -> Facts:
    """Read the facts that ship with the package. Raises :class:`policy.facts.tables.FactsError`."""
    folder = files("policy.facts")
    return read_facts({name: folder.joinpath(name).read_text(encoding="utf-8") for name in FILES})


def read_facts(texts: Mapping[str, str]) -> Facts:
    """Build the facts from the files' texts, by file name."""
    return Facts(
        jurisdictions=jurisdictions.read_jurisdictions(texts[jurisdictions.FILE]),
        accelerators=accelerators.read_accelerators(texts[accelerators.FILE]),
        tiers=tiers.read_tiers(texts[tiers.FILE]),
        estimation=estimation.read_estimation(texts[estimation.FILE]),
        training_signals=training_signals.read_training_signals(texts[training_signals.FILE]),
        files_digest=_digest({name: parse(name, texts[name]) for name in FILES}),
    )


def _digest(content: object) -> str:
    """SHA-256 over one canonical JSON text; a date is written as an object, so that no text equals it."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda value: {"date": str(value)})
    return hashlib.sha256(text.encode()).hexdigest()


def _sources(value: Any) -> Iterator[Source]:
    """Walk through rows, tuples and mappings."""
    if isinstance(value, Source):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _sources(item)
    elif isinstance(value, Mapping):
        yield from _sources(tuple(value.values()))
    elif is_dataclass(value):
        for field in fields(value):
            yield from _sources(getattr(value, field.name))
