"""
How the time of a device is divided among those who hold it together. Pure.

The rule for a device that several pods hold, over one interval:

* Busy time goes to who used it, in proportion to each pod's share of SM time.
* Idle time is held by all of them alike, in equal parts: each kept the others' work off the device as much, and no
  compute is estimated from it. How many replicas of the device a pod was given is not counted.
* Within one pod, both go to its containers in equal parts: one pod has one tenant and one workload, so that no sum that
  anybody is judged by depends on it.

Nothing is divided by guess. Where the shares are not known, do not account for the busy time, or name a pod that does
not hold the device, the whole interval stays ambiguous, once in the fleet's sum, with every holder a candidate.

Time is integer nanoseconds. Parts add up to the interval exactly (largest remainder) and do not depend on any order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum

from collector.apportion import apportion
from collector.attribution import Attribution, Part
from collector.contract import GpuState
from collector.readings import Absent, Holder, Why

PARTS_IN_ONE = 1_000_000  # shares become whole numbers of a millionth; the driver gives them in percent
# The shares must account for this much of the busy time, else somebody unseen used the device: a guess. They are not
# expected to agree, because the driver averages the two over different times.
ACCOUNTED_RATIO = 0.5

Shares = Mapping[str, float | Absent]
"""Share of the device's SM time by pod UID, 0 to 1. A pod that is missing used none."""


class Outside(StrEnum):
    """Where a process runs that could not be put into a pod."""

    HOST = "host"  # in no pod
    UNKNOWN = "unknown"  # it ended before it was looked at, or may not be looked at
    HIDDEN = "hidden"  # process ids of the host mean nothing here: the collector runs without hostPID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUse:
    """
    Who has processes on a device, and each one's share of its SM time; no process is named.

    ``Absent`` for a share means that there are processes and their use is not told (MIG, or a first look). ``mps`` says
    that the driver lists clients of CUDA's Multi-Process Service on the device.
    """

    pods: Shares
    outside: Mapping[Outside, float | Absent]
    mps: bool = False


def divide(
    elapsed_ns: int, busy_ns: int | Absent, holders: Iterable[Holder], shares: Shares | Absent
) -> tuple[Part, ...] | Attribution:
    """
    The parts of those who held the device over an interval, or ``ambiguous`` with all of them as candidates.

    Parts are in the order of the holders' own text. There must be a holder; one pod alone needs no shares.
    """
    pods = _by_pod(holders)
    if len(pods) == 1 and isinstance(busy_ns, Absent):
        return tuple(_parts(next(iter(pods.values())), elapsed_ns, busy_ns))
    used_ns = _used_ns(pods, elapsed_ns, busy_ns, shares)
    if isinstance(used_ns, Absent) or isinstance(busy_ns, Absent):
        everybody = tuple(holder for containers in pods.values() for holder in containers)
        return Attribution(state=GpuState.AMBIGUOUS, reason=Why.SHARED, holders=in_order(everybody))
    idle_ns = apportion(elapsed_ns - busy_ns, [1] * len(pods))
    parts = [
        part
        for containers, used, idle in zip(pods.values(), used_ns, idle_ns, strict=True)
        for part in _parts(containers, idle + used, used)
    ]
    return tuple(sorted(parts, key=lambda part: repr(part.holder)))


def add_shares(shares: Iterable[float | Absent]) -> float | Absent:
    """The sum of several processes' shares, whatever their order; absent as soon as one of them is."""
    known: list[float] = []
    for share in shares:
        if isinstance(share, Absent):
            return share
        known.append(share)
    return fsum(known)


def in_order(holders: Iterable[Holder]) -> tuple[Holder, ...]:
    """Holders, each once, in an order that depends on nothing but themselves."""
    return tuple(dict.fromkeys(sorted(holders, key=repr)))


def _used_ns(
    pods: Mapping[str, tuple[Holder, ...]], elapsed_ns: int, busy_ns: int | Absent, shares: Shares | Absent
) -> tuple[int, ...] | Absent:
    """Busy time by pod, in their order; ``Absent(SHARED)`` when it cannot be told whose it is."""
    cannot_tell = Absent(Why.SHARED)
    if isinstance(busy_ns, Absent) or any(_claims(containers) > 1 for containers in pods.values()):
        return cannot_tell
    if len(pods) == 1:
        return (busy_ns,)
    if busy_ns == 0:
        return (0,) * len(pods)
    total = Absent(Why.NO_DATA) if isinstance(shares, Absent) else add_shares(shares.values())
    if isinstance(shares, Absent) or isinstance(total, Absent) or total < ACCOUNTED_RATIO * busy_ns / elapsed_ns:
        return cannot_tell
    weights = {pod: round(share * PARTS_IN_ONE) for pod, share in shares.items() if not isinstance(share, Absent)}
    if any(weight for pod, weight in weights.items() if pod not in pods) or not any(weights.values()):
        return cannot_tell
    return apportion(busy_ns, [weights.get(pod, 0) for pod in pods])


def _parts(containers: Sequence[Holder], held_ns: int, busy_ns: int | Absent) -> Iterable[Part]:
    """One pod's part over its containers. Busy and idle time are cut apart, so that no part is busier than held."""
    equal = [1] * len(containers)
    known_ns = 0 if isinstance(busy_ns, Absent) else busy_ns
    cuts = zip(containers, apportion(known_ns, equal), apportion(held_ns - known_ns, equal), strict=True)
    for holder, busy, idle in cuts:
        yield Part(holder=holder, held_ns=busy + idle, busy_ns=busy_ns if isinstance(busy_ns, Absent) else busy)


def _by_pod(holders: Iterable[Holder]) -> dict[str, tuple[Holder, ...]]:
    pods: dict[str, tuple[Holder, ...]] = {}
    for holder in in_order(holders):
        pods[holder.pod_uid] = (*pods.get(holder.pod_uid, ()), holder)
    if not pods:
        raise ValueError("nobody holds the device: its time is unallocated, there is nothing to divide")
    return dict(sorted(pods.items()))


def _claims(containers: Iterable[Holder]) -> int:
    """How many tenants are claimed for one pod; more than one means that it cannot be said whose it is."""
    return len({holder.tenant_id for holder in containers})
