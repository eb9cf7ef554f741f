"""
From device time to operations: which share of the peak a training run may have reached.

Low and high are limits of judgement around what published runs reached, not of physics; likely is the share commonly
assumed. The operations meant are those that the counting rule counts: what the model needs, not what the chip did.
"""

from dataclasses import dataclass

from policy.facts.evidence import Constant, Source
from policy.facts.tables import Reader, Written

FILE = "estimation.toml"
KEYS: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingRule:
    """The legal text whose way of counting operations the estimate follows."""

    name: str
    method: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimation:
    """Model-FLOP utilisation as ratios, 0 < low ≤ likely ≤ high ≤ 1, and the counting rule."""

    utilisation_low: Constant
    utilisation_likely: Constant
    utilisation_high: Constant
    counting_rule: CountingRule


def read_estimation(reader: Reader, written: Written) -> Estimation:
    """Read the file. Raises FactsError where the three ratios are out of order or out of 0 to 1."""
    estimation = reader.row(Estimation, "whole file", written)
    low, likely = estimation.utilisation_low.value, estimation.utilisation_likely.value
    if not 0 < low <= likely <= estimation.utilisation_high.value <= 1:
        problem = "low, likely and high are not in order between 0 and 1"
        raise written.wrong("[utilisation_likely]", "value", problem, "put the three in order")
    return estimation
