"""
Amounts of compute that call for a look: the provider's own tiers, and the figures of law beside them.

A tier is a choice and says whose. A legal threshold is information: no rule compares with one unless a provider makes
it a tier. BIS's policy statement of 13 May 2025 names no amount at all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Literal

from policy.facts.evidence import Constant, Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID, check_history, days_of_change, those_of
from policy.facts.tables import Reader, Written, wrong_in

FILE = "tiers.toml"
KEYS = {"tier": ("name",), "legal_threshold": ("id",)}
NEARNESS = {"near_tier_ratio": (0.0, 1.0), "ended_seconds": (0.0, 1e9)}
"""What counts as ended a little below a tier: the limits, each with what it lies above and the most that it may be."""
LIMITS = {**NEARNESS, "unknown_pace": (1.0, 1e6)}


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


class LegalState(StrEnum):
    """How far a text has come. ``enacted``: it is law and does not apply yet."""

    PROPOSED = "proposed"
    ENACTED = "enacted"
    IN_FORCE = "in_force"
    GUIDANCE = "guidance"
    PRINTED_NOT_ENFORCED = "printed_not_enforced"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetByProvider:
    """Stands where a tier of the file has its source: the provider set this one, for the reason in its basis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """
    An amount of training compute, in FLOP, and who chose it for which reason.

    ``compare``: ids of the legal thresholds of the same amount, for information.
    """

    name: str
    flop: float
    basis: str
    note: str
    source: Source | SetByProvider
    compare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdState:
    """A time in which a text stood in one state."""

    state: LegalState
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalThreshold:
    """A figure from a law, draft or guideline. ``"none"``: the text names no amount, which is itself worth knowing."""

    id: str
    law: str
    value: float | Literal["none"]
    unit: ThresholdUnit
    condition: str
    state: tuple[ThresholdState, ...]
    source: Source
    note: str = ""

    def at(self, day: date) -> ThresholdState | None:
        """The state on a day; None: before it was proposed."""
        return next(iter(those_of(self.state, day)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersFile:
    """What the file holds."""

    tier: tuple[Tier, ...]
    legal_threshold: tuple[LegalThreshold, ...]
    near_tier_ratio: Constant
    ended_seconds: Constant
    unknown_pace: Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """
    The tiers in use, by name, and the legal thresholds, by id.

    ``near_tier_ratio``: of a tier, what counts as a little below it. ``ended_seconds``: unseen for longer has ended.
    ``unknown_pace``: how many times as fast as the fastest known device one may be that nobody knows.
    """

    by_name: Mapping[str, Tier]
    legal: Mapping[str, LegalThreshold]
    near_tier_ratio: Constant
    ended_seconds: Constant
    unknown_pace: Constant

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which the state of a legal threshold changed, oldest first."""
        return days_of_change(state for each in self.legal.values() for state in each.state)

    @property
    def amounts(self) -> Mapping[str, float]:
        """The tiers in use in FLOP, by name, the lowest first."""
        return {each.name: each.flop for each in sorted(self.by_name.values(), key=lambda tier: tier.flop)}

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


def read_tiers(reader: Reader, written: Written) -> Tiers:
    """Read the file. Raises :class:`FactsError`."""
    content = reader.row(TiersFile, "whole file", written)
    legal = {each.id: each for each in content.legal_threshold}
    for threshold in content.legal_threshold:
        table = f"[legal_threshold] {threshold.id}"
        check_history(threshold.state, threshold.source.layer, table, "state")
        if threshold.value != "none" and threshold.value <= 0:
            problem = f"{threshold.value:g} is not above 0"
            raise wrong_in(threshold.source.layer, table, "value", problem, 'give the amount, or "none"')
    for row, tier in zip(written["tier"], content.tier, strict=True):
        if tier.flop <= 0:
            raise row.wrong(f"[tier] {tier.name}", "flop", f"{tier.flop} is not above 0", "give the amount in FLOP")
        if strangers := [each for each in tier.compare if each not in legal]:
            problem = f"there is no legal threshold {strangers[0]!r}"
            raise row.wrong(f"[tier] {tier.name}", "compare", problem, f"use one of: {', '.join(legal)}")
    for name, (least, most) in LIMITS.items():
        limit: Constant = getattr(content, name)
        if not least < limit.value <= most:
            problem = f"{limit.value:g} is not above {least:g}, or above {most:g}"
            raise wrong_in(limit.source.layer, f"[{name}]", "value", problem, "correct it")
    return Tiers(
        by_name={tier.name: tier for tier in content.tier},
        legal=legal,
        near_tier_ratio=content.near_tier_ratio,
        ended_seconds=content.ended_seconds,
        unknown_pace=content.unknown_pace,
    )


def _own_tier(name: str, flop: float, basis: str) -> Tier:
    if not name.strip():
        raise TierError("a tier has no name; give it one")
    if not math.isfinite(flop) or flop <= 0:
        raise TierError(f"tier {name!r} is {flop}; give a finite amount of FLOP above 0")
    return Tier(name=name, flop=float(flop), basis=basis, note="", source=SetByProvider())
