"""
The numbers of the training verdict: what counts as a sign, and how much it weighs.

All are guesses and say so. They live here and not in code so that they can be replaced by measured ones, and so that a
finding's digest of facts changes when they do.
"""

from dataclasses import dataclass

from policy.facts.evidence import Constant, Source
from policy.facts.tables import FactsError, Reader, Written, wrong_in

FILE = "training_signals.toml"
KEYS: dict[str, tuple[str, ...]] = {}


RATIOS = (0.0, 1.0)
SHARES = (
    "loaded_ratio", "active_ratio", "least_beat_strength", "beat_windows_ratio", "same_pace_ratio", "stirs_ratio",
    "throughout_ratio", "least_low_ratio", "p_taken_ratio", "p_cap_sm", "p_burst_ratio", "p_never_waits", "p_full_busy",
    "p_full_even", "p_misfit_busy", "p_misfit_power",
)  # fmt: skip
AMOUNTS = (
    "min_rhythm_windows", "interconnect_bytes_per_second", "swing_ratio", "resident_bytes", "large_device_hours",
    "p_least_windows", "p_least_devices", "p_turns", "p_even", "p_full", "p_blind_times", "p_small_devices", "p_many",
)  # fmt: skip
"""Numbers of something that has no natural end; a deviation over its mean may pass 1, and so may a board's draw."""
RANGES = {
    **dict.fromkeys(AMOUNTS, (0.0, 1e18)),
    "min_observed_seconds": (0.0, 1e9),
    "min_observed_ratio": RATIOS,
    "min_allocated_seconds": (0.0, 1e9),
    "synchrony_high_ratio": RATIOS,
    "synchrony_low_ratio": RATIOS,
    "tensor_busy_ratio": RATIOS,
    "tensor_idle_ratio": RATIOS,
    "memory_bound_ratio": RATIOS,
    "memory_to_tensor": (1.0, 100.0),
    "modest_power_ratio": RATIOS,
    "steady_ratio": RATIOS,
    **dict.fromkeys(SHARES, RATIOS),
    "p_waiting": RATIOS,
    "p_blind_ratio": RATIOS,
}
FOR = (
    "w_sustained", "w_batch_kind", "w_restarted", "w_gang_8", "w_gang_16", "w_gang_64", "w_large", "w_together",
    "w_pauses", "w_swing", "w_tensor", "w_interconnect",
)  # fmt: skip
AGAINST = (
    "w_mostly_idle", "w_resident_idle", "w_requests", "w_service_kind", "w_single_device", "w_apart", "w_no_tensor",
    "w_memory_bound", "w_modest_power",
)  # fmt: skip
SIDES = {**dict.fromkeys(FOR, (0.0, 100.0)), **dict.fromkeys(AGAINST, (-100.0, 0.0))}
"""On which side of 0 each weight may lie: a sign of training that speaks against it is a slip, not a choice."""
IN_ORDER = (
    ("idle_window_ratio", "busy_window_ratio"),
    ("duty_idle_ratio", "duty_busy_ratio"),
    ("synchrony_low_ratio", "synchrony_high_ratio"),
    ("tensor_idle_ratio", "tensor_busy_ratio"),
    ("p_cap_low", "p_cap_high"),
    ("p_cap_low", "modest_power_ratio"),
)
"""Pairs of limits of which the first has to lie below the second."""


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
    """
    Limits of the signs, in the unit of each, and their weights, in points of one score.

    ``p_…``: limits of patterns that do not fit a declared use; they have no weight.
    """

    min_observed_seconds: Constant
    min_observed_ratio: Constant
    min_allocated_seconds: Constant
    min_rhythm_windows: Constant
    busy_window_ratio: Constant
    idle_window_ratio: Constant
    loaded_ratio: Constant
    active_ratio: Constant
    least_beat_strength: Constant
    beat_windows_ratio: Constant
    same_pace_ratio: Constant
    stirs_ratio: Constant
    duty_busy_ratio: Constant
    duty_idle_ratio: Constant
    throughout_ratio: Constant
    synchrony_high_ratio: Constant
    synchrony_low_ratio: Constant
    tensor_busy_ratio: Constant
    tensor_idle_ratio: Constant
    memory_bound_ratio: Constant
    memory_to_tensor: Constant
    modest_power_ratio: Constant
    interconnect_bytes_per_second: Constant
    steady_ratio: Constant
    least_low_ratio: Constant
    swing_ratio: Constant
    resident_bytes: Constant
    large_device_hours: Constant
    w_sustained: Constant
    w_mostly_idle: Constant
    w_resident_idle: Constant
    w_requests: Constant
    w_batch_kind: Constant
    w_service_kind: Constant
    w_restarted: Constant
    w_single_device: Constant
    w_gang_8: Constant
    w_gang_16: Constant
    w_gang_64: Constant
    w_large: Constant
    w_together: Constant
    w_apart: Constant
    w_pauses: Constant
    w_swing: Constant
    w_tensor: Constant
    w_no_tensor: Constant
    w_memory_bound: Constant
    w_modest_power: Constant
    w_interconnect: Constant
    threshold: Constant
    p_least_windows: Constant
    p_least_devices: Constant
    p_turns: Constant
    p_taken_ratio: Constant
    p_cap_low: Constant
    p_cap_high: Constant
    p_cap_sm: Constant
    p_even: Constant
    p_burst_ratio: Constant
    p_never_waits: Constant
    p_waiting: Constant
    p_full: Constant
    p_full_busy: Constant
    p_full_even: Constant
    p_misfit_busy: Constant
    p_misfit_power: Constant
    p_blind_ratio: Constant
    p_blind_times: Constant
    p_small_devices: Constant
    p_many: Constant
    batch_kinds: Kinds
    gang_kinds: Kinds
    service_kinds: Kinds


def read_training_signals(reader: Reader, written: Written) -> TrainingSignals:
    """Read the file. Raises :class:`FactsError` for limits out of order, out of range, and a kind on both sides."""
    signals = reader.row(TrainingSignals, "whole file", written)
    for low, high in IN_ORDER:
        if not 0 <= getattr(signals, low).value < getattr(signals, high).value <= 1:
            raise _wrong(signals, low, f"not below {high}, or not in 0 to 1", "put both in order")
    for name, (least, most) in (RANGES | SIDES).items():
        if not least <= getattr(signals, name).value <= most:
            problem = f"{getattr(signals, name).value:g} is not in {least:g} to {most:g}"
            raise _wrong(signals, name, problem, "correct it")
    if signals.threshold.value <= 0:
        raise _wrong(signals, "threshold", "not above 0", "give a score above 0")
    both = sorted(set(signals.batch_kinds.kinds) & set(signals.service_kinds.kinds))
    if both:
        layer = signals.service_kinds.source.layer
        problem = f"also in batch_kinds: {', '.join(both)}"
        raise wrong_in(layer, "[service_kinds]", "kinds", problem, "keep each on one side")
    return signals


def _wrong(signals: TrainingSignals, name: str, problem: str, remedy: str) -> FactsError:
    row: Constant = getattr(signals, name)
    return wrong_in(row.source.layer, f"[{name}]", "value", problem, remedy)
