"""
Who is said to hold a device, held against who computes on it. Pure.

The kubelet's word is a plan. Work runs elsewhere than planned: through CUDA's Multi-Process Service everything may run
on GPU 0 while half of the pods hold GPU 1 (NVIDIA/dcgm-exporter#568), a container that is given every device file
computes where it likes, and so does a program on the host. Taken at its word the plan then clears who computes and
bills who idles. Where the two disagree, the device's time is ambiguous, with everybody who may be meant a candidate;
no mismatch is ever decided here.

What computes is a process with a share of SM time, or with a share that cannot be told on a device that is not idle: a
process that has a context and is known to have done nothing (a monitoring tool) contradicts nobody. A device that is
held and not used is idle, which is a fact and no mismatch.

Left out: nodes without Kubernetes, where every process is the host's and there is nothing to hold against.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from collector.attribution import Attribution
from collector.contract import GpuState
from collector.processes.sharing import DeviceUse, Outside, in_order
from collector.readings import Absent, Holder, Why

BUSY_RATIO = 0.05  # busier than this needs a process: a guess, above what a process that just ended leaves behind

Claims = Mapping[str, tuple[Holder, ...]]
User = str | Outside
"""A pod's UID, or what lies outside of pods."""


class Mismatch(StrEnum):
    """What is wrong between claim and use, the worst first. They become label values, and reasons of an attribution."""

    OTHER_DEVICE = "other_device"  # a pod computes on a device it does not hold, and holds another
    NOT_HELD = "not_held"  # a pod computes on a device and holds none
    MPS_SERVER = "mps_server"  # a server computes for clients that the driver does not name
    UNKNOWN_POD = "unknown_pod"  # a pod that nobody knows: a static pod's cgroup has the hash of its file for a UID
    HOST_PROCESS = "host_process"  # a process outside of every pod
    UNKNOWN_PROCESS = "unknown_process"  # it ended before it was looked at, or may not be looked at
    HIDDEN_PROCESS = "hidden_process"  # the collector runs without hostPID
    NO_PROCESS = "no_process"  # the device is busy, and no process accounts for it


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPods:
    """
    What is known about the pods of this node beside their devices.

    ``others``: a holder for every pod that holds no device, so that it can be named when it computes. ``initialising``:
    UIDs of pods whose init containers run; the kubelet does not list those containers' devices, so that one that nobody
    is said to hold is ambiguous while they compute on it, and no mismatch. ``servers``: UIDs of
    pods that the operator runs to compute for others, such as the device plugin's MPS control daemon.
    """

    others: tuple[Holder, ...] = ()
    initialising: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    What comparing claims with use came to.

    ``overrides``: the attribution to use in place of the claims', for devices where they do not hold. ``mismatches``:
    devices by kind of mismatch. ``idle``: devices that are held while nothing computes on them. ``unchecked``: devices
    whose claims could not be compared, and why; their claims stand.
    """

    overrides: Mapping[str, Attribution] = field(default_factory=dict)
    mismatches: Mapping[Mismatch, int] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()
    unchecked: Mapping[str, Absent] = field(default_factory=dict)


NO_MORE = KnownPods()
"""Nothing is known about pods but what the claims say."""


def compare(
    claims: Claims | Absent,
    use: Mapping[str, DeviceUse | Absent],
    *,
    busy_ratios: Mapping[str, float | Absent],
    pods: KnownPods = NO_MORE,
) -> Comparison:
    """
    Compare who holds each device, by device UUID, with who uses it. Devices that are lost need no comparison.

    ``busy_ratios`` is what the devices say of themselves, 0 to 1: a check on the list of processes. The order of
    holders, devices and processes does not matter.
    """
    if isinstance(claims, Absent):
        return Comparison(unchecked=dict.fromkeys(use, claims))
    seen = {uuid: each for uuid, each in use.items() if not isinstance(each, Absent)}
    not_told = Absent(Why.NO_DATA)
    users = {uuid: _computing(each, busy_ratios.get(uuid, not_told)) for uuid, each in seen.items()}
    node = _Node(claims=claims, users=users, mps=frozenset(uuid for uuid in seen if seen[uuid].mps), pods=pods)
    overrides: dict[str, Attribution] = {}
    mismatches: Counter[Mismatch] = Counter()
    for uuid in users:
        found = node.mismatches(uuid, busy_ratios.get(uuid, not_told))
        mismatches.update(found.keys())
        override = node.override(uuid, found)
        if override is not None:
            overrides[uuid] = override
    return Comparison(
        overrides=overrides,
        mismatches=dict(mismatches),
        idle=frozenset(uuid for uuid in users if claims.get(uuid) and not users[uuid]),
        unchecked={uuid: each for uuid, each in use.items() if isinstance(each, Absent)},
    )


@dataclass(frozen=True, kw_only=True)
class _Node:
    """
    Everything the rules ask about: claims, who computes on which device, devices with MPS clients, and pods.

    Without slots, so that the two tables below are made when they are first asked for, and kept.
    """

    claims: Claims
    users: Mapping[str, tuple[User, ...]]
    mps: frozenset[str]
    pods: KnownPods

    @cached_property
    def by_pod(self) -> Mapping[str, tuple[Holder, ...]]:
        """Every known pod's containers, those that hold a device first."""
        found: dict[str, tuple[Holder, ...]] = {}
        for holder in (*in_order(self._holders()), *in_order(self.pods.others)):
            found[holder.pod_uid] = (*found.get(holder.pod_uid, ()), holder)
        return found

    @cached_property
    def holding(self) -> frozenset[str]:
        """UIDs of the pods that hold a device."""
        return frozenset(holder.pod_uid for holder in self._holders())

    def mismatches(self, uuid: str, busy_ratio: float | Absent) -> dict[Mismatch, tuple[Holder, ...]]:
        """Each kind of mismatch of one device, with whom it adds to the candidates."""
        found: dict[Mismatch, tuple[Holder, ...]] = {}
        for user in self.users[uuid]:
            kind = self._kind(uuid, user)
            if kind is not None:
                found[kind] = (*found.get(kind, ()), *self._named(kind, user))
        if not self.users[uuid] and not isinstance(busy_ratio, Absent) and busy_ratio > BUSY_RATIO:
            found[Mismatch.NO_PROCESS] = ()
        return found

    def override(self, uuid: str, found: Mapping[Mismatch, tuple[Holder, ...]]) -> Attribution | None:
        """What to say in place of the claims, if anything."""
        holders, starting = self.claims.get(uuid, ()), self._starting(uuid)
        reasons: list[str] = [kind for kind in Mismatch if kind in found and not (holders and kind in _FITS_A_CLAIM)]
        if starting:
            reasons.append(Why.INIT)
        if not reasons:
            return None
        named = (holder for each in found.values() for holder in each)
        candidates = in_order((*holders, *starting, *named))
        return Attribution(state=GpuState.AMBIGUOUS, reason=reasons[0], holders=candidates)

    def _holders(self) -> Iterator[Holder]:
        return (holder for each in self.claims.values() for holder in each)

    def _starting(self, uuid: str) -> tuple[Holder, ...]:
        """One container of each pod whose init containers compute on a device that nobody is said to hold."""
        if self.claims.get(uuid):
            return ()
        pods = sorted(user for user in self.users[uuid] if user in self.pods.initialising)
        return tuple(self.by_pod[pod][0] for pod in pods if pod in self.by_pod)

    def _kind(self, uuid: str, user: User) -> Mismatch | None:
        """What is wrong with one user of a device, if anything."""
        if isinstance(user, Outside):
            return Mismatch.MPS_SERVER if user is Outside.HOST and uuid in self.mps else _KIND_OUTSIDE[user]
        holders = self.claims.get(uuid, ())
        if any(holder.pod_uid == user for holder in holders):
            return None
        if user in self.pods.servers:
            return Mismatch.MPS_SERVER
        if user not in self.by_pod:
            return Mismatch.UNKNOWN_POD
        if user in self.pods.initialising and not holders:
            return None
        return Mismatch.OTHER_DEVICE if user in self.holding else Mismatch.NOT_HELD

    def _named(self, kind: Mismatch, user: User) -> tuple[Holder, ...]:
        """Whom a mismatch adds: the pod itself; for a server, everybody whose own device stands idle meanwhile."""
        if kind is Mismatch.MPS_SERVER:
            return tuple(
                holder for uuid, users in self.users.items() if not users for holder in self.claims.get(uuid, ())
            )
        return () if isinstance(user, Outside) else self.by_pod.get(user, ())


_KIND_OUTSIDE = {
    Outside.HOST: Mismatch.HOST_PROCESS,
    Outside.UNKNOWN: Mismatch.UNKNOWN_PROCESS,
    Outside.HIDDEN: Mismatch.HIDDEN_PROCESS,
}
# These do not speak against who is said to hold the device: every process is hidden without hostPID, and a list
# without processes tells nothing of whose they were. On a device that nobody holds they mean that somebody computes.
_FITS_A_CLAIM = (Mismatch.HIDDEN_PROCESS, Mismatch.NO_PROCESS)


def _computing(seen: DeviceUse, busy_ratio: float | Absent) -> tuple[User, ...]:
    """The pods, and what lies outside of pods, that used the device or cannot be told to have not."""
    idle = busy_ratio == 0  # then nobody computed, whether the driver has told the shares or not
    shares: tuple[tuple[User, float | Absent], ...] = (*seen.pods.items(), *seen.outside.items())
    return tuple(user for user, share in shares if (not idle if isinstance(share, Absent) else share > 0))
