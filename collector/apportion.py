"""
Time divided by weights, without a nanosecond too many or too few; and a card's among its MIG instances. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.readings import Absent, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceTimes:
    """A GPU's interval over its MIG instances, by their UUID, and what no instance has. They add up to the interval."""

    instance_ns: Mapping[str, int]
    unallocated_ns: int


def apportion(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """
    Whole numbers in proportion to the weights that add up to ``total``: largest remainder, the earlier of equals first.

    Raises ``ValueError`` for negative numbers, and when nothing has a weight but there is something to give.
    """
    whole = sum(weights)
    if total < 0 or any(weight < 0 for weight in weights) or (total and not whole):
        raise ValueError(f"cannot give {total} to weights {list(weights)}: neither may be negative, nor all weights 0")
    quotas = [divmod(total * weight, whole) if whole else (0, 0) for weight in weights]
    left = total - sum(floor for floor, _ in quotas)
    by_remainder = sorted(range(len(weights)), key=lambda place: -quotas[place][1])
    luckier = set(by_remainder[:left])
    return tuple(floor + (place in luckier) for place, (floor, _) in enumerate(quotas))


def divide_instances(elapsed_ns: int, sm_counts: Mapping[str, int], parent_sm_count: int) -> InstanceTimes | Absent:
    """
    A GPU's interval over its MIG instances, each weighing its number of SMs over the parent's.

    The rest is unallocated, also where no further instance fits into it: nobody holds it. Whether an instance is held
    is another question, and so is how those who hold it together divide it.

    Absent(DRIVER_ERROR) when the instances have more SMs than the parent.
    """
    rest = parent_sm_count - sum(sm_counts.values())
    if rest < 0 or parent_sm_count <= 0 or any(count < 0 for count in sm_counts.values()):
        return Absent(Why.DRIVER_ERROR)
    names = sorted(sm_counts)
    *of_instances, unallocated = apportion(elapsed_ns, [*(sm_counts[name] for name in names), rest])
    return InstanceTimes(instance_ns=dict(zip(names, of_instances, strict=True)), unallocated_ns=unallocated)
