"""
Amounts of compute that call for a look: the provider's own tiers, and the figures of law beside them.

A tier is a choice and says whose. A legal threshold is information: no rule compares with one unless a provider makes
it a tier.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from policy.facts.evidence import Source
from policy.facts.tables import FactsError, parse, read_row

FILE = "tiers.toml"


class UnknownTierError(LookupError):
    """A tier that nobody defined. Holds the name asked for and the known ones."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no tier is called {name!r}; known tiers: {', '.join(known)}")
        self.name = name
        self.known = known


class TierError(ValueError):
    """A provider's tier that cannot be used: its amount is not a finite number above 0, or it has no name or basis."""


class ThresholdUnit(StrEnum):
    """What a legal threshold counts: operations of a training, or a cluster's rate."""

    FLOP = "FLOP"
    FLOP_PER_SECOND = "FLOP per second"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetByProvider:
    """Stands where a tier of the file has its source: the provider set this one, for the reason in its basis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """An amount of training compute, in FLOP, and who chose it for which reason."""

    name: str
    flop: float
    basis: str
    note: str
    source: Source | SetByProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalThreshold:
    """A figure from a law, draft or guideline. ``"none"``: the text names no amount, which is itself worth knowing."""

    id: str
    value: float | Literal["none"]
    unit: ThresholdUnit
    condition: str
    status: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersFile:
    """What the file holds."""

    tier: tuple[Tier, ...]
    legal_threshold: tuple[LegalThreshold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """The tiers in use, by name, and the legal thresholds."""

    by_name: Mapping[str, Tier]
    legal: tuple[LegalThreshold, ...]

    def flop(self, name: str) -> float:
        """Give a tier's amount in FLOP. Raises :class:`UnknownTierError`, which names the known tiers."""
        if name not in self.by_name:
            raise UnknownTierError(name, tuple(sorted(self.by_name)))
        return self.by_name[name].flop

    def with_overrides(self, flop_by_name: Mapping[str, float], basis: str) -> "Tiers":
        """Set or add tiers of the provider's own. Raises :class:`TierError`."""
        if not basis.strip():
            raise TierError("a tier set by the provider has no basis; say who chose the amount and why")
        own = {name: _own_tier(name, flop, basis) for name, flop in flop_by_name.items()}
        return replace(self, by_name={**self.by_name, **own})


def read_tiers(text: str) -> Tiers:
    """Read the file's text. Raises :class:`FactsError`."""
    content = read_row(TiersFile, FILE, "whole file", parse(FILE, text))
    by_name: dict[str, Tier] = {}
    for row in content.tier:
        if row.flop <= 0:
            raise _wrong(row.name, "flop", f"{row.flop} is not above 0", "give the amount in FLOP")
        if row.name in by_name:
            raise _wrong(row.name, "name", "used twice", "give each tier its own name")
        by_name[row.name] = row
    return Tiers(by_name=by_name, legal=content.legal_threshold)


def _wrong(name: str, field: str, problem: str, remedy: str) -> FactsError:
    return FactsError(file=FILE, table=f"[tier] {name}", field=field, problem=problem, remedy=remedy)


def _own_tier(name: str, flop: float, basis: str) -> Tier:
    if not name.strip():
        raise TierError("a tier has no name; give it one")
    if not math.isfinite(flop) or flop <= 0:
        raise TierError(f"tier {name!r} is {flop}; give a finite amount of FLOP above 0")
    return Tier(name=name, flop=float(flop), basis=basis, note="", source=SetByProvider())
