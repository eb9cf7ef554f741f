"""
The numbers of the training verdict: what counts as a sign, and how much it weighs.

All are guesses and say so. They live here and not in code so that they can be replaced by measured ones, and so that a
finding's digest of facts changes when they do.
"""

from dataclasses import dataclass

from policy.facts.evidence import Constant, Source
from policy.facts.tables import Reader, Written, wrong_in

FILE = "training_signals.toml"
KEYS: dict[str, tuple[str, ...]] = {}


RANGES = {
    "min_observed_seconds": (0.0, 1e9),
    "min_observed_ratio": (0.0, 1.0),
    **dict.fromkeys(("w_sustained", "w_batch_kind", "w_gang_8", "w_gang_16", "w_gang_64"), (0.0, 100.0)),
    **dict.fromkeys(("w_mostly_idle", "w_service_kind", "w_single_device"), (-100.0, 0.0)),
}
"""On which side of 0 each number may lie: a sign of training that speaks against it is a slip, not a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Kubernetes kinds that speak for one side."""

    kinds: tuple[str, ...]
    unit: str
    why: str
    basis: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSignals:
    """Limits of the signs, in the unit of each, and their weights, in points of one score."""

    min_observed_seconds: Constant
    min_observed_ratio: Constant
    duty_busy_ratio: Constant
    duty_idle_ratio: Constant
    w_sustained: Constant
    w_mostly_idle: Constant
    w_batch_kind: Constant
    w_service_kind: Constant
    w_single_device: Constant
    w_gang_8: Constant
    w_gang_16: Constant
    w_gang_64: Constant
    threshold: Constant
    batch_kinds: Kinds
    service_kinds: Kinds


def read_training_signals(reader: Reader, written: Written) -> TrainingSignals:
    """Read the file. Raises :class:`FactsError` for limits out of order and a kind on both sides."""
    signals = reader.row(TrainingSignals, "whole file", written)
    if not 0 <= signals.duty_idle_ratio.value < signals.duty_busy_ratio.value <= 1:
        raise wrong_in(
            signals.duty_idle_ratio.source.layer,
            "[duty_idle_ratio]",
            "value",
            "not below duty_busy_ratio, or not in 0 to 1",
            "put both in order",
        )
    for name, (least, most) in RANGES.items():
        row = getattr(signals, name)
        if not least <= row.value <= most:
            raise wrong_in(
                row.source.layer, f"[{name}]", "value", f"{row.value:g} is not in {least:g} to {most:g}", "correct it"
            )
    if signals.threshold.value <= 0:
        raise wrong_in(signals.threshold.source.layer, "[threshold]", "value", "not above 0", "give a score above 0")
    both = sorted(set(signals.batch_kinds.kinds) & set(signals.service_kinds.kinds))
    if both:
        raise wrong_in(
            signals.service_kinds.source.layer,
            "[service_kinds]",
            "kinds",
            f"also in batch_kinds: {', '.join(both)}",
            "keep each on one side",
        )
    return signals
