"""
From device time to operations: which share of the peak a training run may have reached, by what was measured.

Low and high are limits of judgement around what published runs reached and what hardware can do; likely is a share
commonly reached. The operations meant are those that the counting rule counts: what the model needs, which is less than
what the hardware did wherever activations are computed again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.facts.evidence import Constant, Source
from policy.facts.tables import Reader, Written

FILE = "estimation.toml"
KEYS: dict[str, tuple[str, ...]] = {}
TRIPLES = ("utilisation", "sm", "tensor")
"""What time is known of: busy or held, multiprocessors at work, tensor pipes at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingRule:
    """The legal text whose way of counting operations the estimate follows."""

    name: str
    method: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimation:
    """
    Shares of the peak, 0 < low ≤ likely ≤ high ≤ 1, for each sort of time; what power tells; and the counting rule.

    ``likely_gain``: a factor on the likely value where narrow formats may be in use; ``utilisation_likely_narrow``: the
    likely share of the own peak of a declared format of 8 bits or fewer. ``power_…``: see the reasons in the file.
    """

    utilisation_low: Constant
    utilisation_likely: Constant
    utilisation_high: Constant
    likely_gain: Constant
    utilisation_likely_narrow: Constant
    sm_low: Constant
    sm_likely: Constant
    sm_high: Constant
    tensor_low: Constant
    tensor_likely: Constant
    tensor_high: Constant
    power_idle: Constant
    power_training: Constant
    power_most: Constant
    power_excess: Constant
    counting_rule: CountingRule


def read_estimation(reader: Reader, written: Written) -> Estimation:
    """Read the file. Raises FactsError where shares are out of order or out of 0 to 1, or power's do not fit."""
    estimation = reader.row(Estimation, "whole file", written)
    for name, problem, remedy in _problems(estimation):
        raise written.wrong(f"[{name}]", "value", problem, remedy)
    return estimation


def _problems(estimation: Estimation) -> Iterator[tuple[str, str, str]]:
    for name in TRIPLES:
        low, likely, high = (getattr(estimation, f"{name}_{bound}").value for bound in ("low", "likely", "high"))
        if not 0 < low <= likely <= high <= 1:
            yield f"{name}_likely", "low, likely and high are not in order between 0 and 1", "put the three in order"
    if not 1 <= estimation.likely_gain.value <= 2:
        yield "likely_gain", "not in 1 to 2", "8 bits have twice the rate of 16 at most"
    if not estimation.utilisation_low.value <= estimation.utilisation_likely_narrow.value <= 1:
        yield "utilisation_likely_narrow", "not in utilisation_low to 1", "put it between"
    if not 0 <= estimation.power_idle.value < estimation.power_training.value <= 1:
        yield "power_training", "not above power_idle, or not in 0 to 1", "put both in order"
    if estimation.power_most.value < 1 or estimation.power_excess.value < 1:
        yield "power_most", "it or power_excess is below 1", "a board that draws its power may reach its peak"
