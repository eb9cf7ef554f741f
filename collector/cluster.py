"""
Who holds which device on a Kubernetes node: the kubelet's claims, joined with the pods that the API server tells of.

The kubelet says which container was given which device. Whose pod that is, and whether it has ended, only the API
server knows. Where one of the two does not answer, what is known stays known:

- a pod that the API server has not told of holds its device in doubt, so that the device is ambiguous; before the
  server's first answer, or first failure, nobody is known; a pod that was known before a restart is recalled by its
  name, see collector/intervals.py;
- while the kubelet is away its last answer counts on for GRACE_SECONDS, less the pods that are known to have ended;
- a kubelet that has just started, by its new socket, may not know its pods again yet, so for SETTLE_SECONDS its answer
  only adds; what one says that starts anew all the time counts no more once GRACE_SECONDS are over;
- the first kubelet that this process meets may have just started, too: for as long whoever held a device before that it
  leaves out, and is not known to have ended, holds it in doubt.

An init container that has ended holds nothing, and a pod that has finished holds nothing. A pod that was deleted by
force holds what the kubelet says it holds.

Now and then the kubelet is also asked which devices it could give away: accelerators of other vendors are counted by
that where the bus does not show them (collector/foreign.py).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from collector.clock import Clock
from collector.contract import Sample, node_metrics
from collector.foreign import Placement, placed
from collector.holding import Holders, holders_in, known_pods, still_in_doubt, table_of, uncut
from collector.kubelet.claims import Claim, PluginClaim, PluginDevice
from collector.kubelet.ids import Resolution, resolve
from collector.pci import PciGpu, place
from collector.pods.troubles import Trouble
from collector.pods.view import ApiCounters, NodeView
from collector.processes.reality import KnownPods
from collector.readings import Absent, DeviceIdentity, Why

NANOSECONDS = 1_000_000_000
GRACE_SECONDS = 120.0  # a guess: a kubelet is restarted in seconds, and containers run on without it
ALLOCATABLE_SECONDS = 60.0  # between two questions for all devices: a guess; plugins come and go by hand
CALM_SECONDS = 10.0  # between questions to the kubelet while the API server tells of no change: a guess
WATCHFUL_SECONDS = 10.0  # it is asked at every tick for so long after a change, and while the API server is silent
SETTLE_SECONDS = 10.0  # a guess: a restarted kubelet has read its pods again by then

Where = tuple[str, str]


class Kubelet(Protocol):
    """What is asked of the kubelet's door, see collector/kubelet/client.py."""

    errors: Counter[str]
    connections: int
    sockets: int

    def list(self) -> tuple[Claim, ...] | Absent:
        """Every device that a container was given, or why the kubelet did not say."""
        ...

    def allocatable(self) -> frozenset[PluginDevice] | Absent:
        """Every device that could be given to a container, or why the kubelet did not say."""
        ...


class Pods(Protocol):
    """What is asked of the API server's watch, see collector/pods/watch.py."""

    def pods(self) -> NodeView:
        """The pods as they are known now."""
        ...

    def counters(self) -> ApiCounters:
        """What was asked since the start."""
        ...


class Devices(Protocol):
    """What is asked of the node's devices, as the last look at them left them, see collector/devices.py."""

    def identities(self) -> tuple[DeviceIdentity, ...]:
        """Every GPU that the driver has named, and the MIG instances."""
        ...

    def on_bus(self) -> tuple[PciGpu, ...]:
        """Every accelerator on the PCI bus."""
        ...

    def beyond_bus(self) -> Mapping[str, str]:
        """The accelerators, by key, of the devices that are counted and that the PCI bus does not show."""
        ...


class KubernetesHolders:
    """Holders of this node's devices. For one thread, but for ``samples``."""

    def __init__(
        self,
        kubelet: Kubelet,
        pods: Pods,
        *,
        devices: Devices,
        clock: Clock,
        servers_in: frozenset[str] = frozenset(),
    ) -> None:
        """``servers_in``: the namespaces whose pods compute for others, see ``known_pods``."""
        self._kubelet = kubelet
        self._pods = pods
        self._devices = devices
        self._servers_in = servers_in
        self._last = _Answer(claims=(), heard_ns=clock.elapsed_ns())
        self._is_settled = False
        self._settling_since_ns: int | None = None
        self._heard = False
        self._before: Holders = {}
        self._watchful_until_ns = 0
        self._view: NodeView | None = None
        self._counted: Mapping[str, str] = {}
        self._clock = clock
        self._sockets = 0
        self._settles_until_ns = 0
        self._allocatable: frozenset[PluginDevice] = frozenset()
        self._allocatable_due_ns = clock.elapsed_ns()
        self._resolved: _Question | None = None
        self._resolution = Resolution(held=(), unresolved=(), others=())
        self._placement = Placement()
        self._held: Holders = {}

    def holders(self) -> Holders | Absent:
        """
        Holders by the UUID of GPU or MIG instance, or by the key of a device that nothing here reads.

        A device that is missing is held by nobody. Absent when unknown.
        """
        view = self._pods.pods()
        claims = self._claims(view)
        if isinstance(claims, Absent):
            return claims
        # So that nobody becomes a stranger for a second, with series of its own for a day.
        if view.stale and view.stale.reason is Trouble.STARTING:
            return Absent(Why.HOLDERS_UNKNOWN)
        counted = self._devices.beyond_bus()
        if self._resolve(claims) or view is not self._view or counted != self._counted:
            held = holders_in(self._resolution, view, self._placement, uncut(self._devices.identities()))
            # A device beyond the bus that has just been heard of is counted from the next look at the devices on.
            beyond = self._placement.beyond
            self._held = {key: each for key, each in held.items() if key in counted or key not in beyond}
        self._view, self._counted = view, counted
        return {**still_in_doubt(self._before, view), **self._held} if self._before else self._held

    def go_on_from(self, before: Holders | Absent) -> None:
        """Know who held what when that was last known, before this process."""
        self._before = {} if isinstance(before, Absent) else before

    def beyond_bus(self) -> Mapping[str, str] | Absent:
        """
        The accelerators, by key, of devices that are given out and that the PCI bus does not show.

        Absent until the kubelet has told.
        """
        return Absent(Why.NO_DATA) if self._resolved is None else self._placement.beyond

    def known_pods(self) -> KnownPods:
        """What is known of this node's pods beside who holds what, as of the last call of ``holders``."""
        return known_pods(self._pods.pods(), self._held, self._servers_in)

    def samples(self, where: Where) -> Iterator[Sample]:
        """How the two are heard, since this process began; may be called from another thread."""
        counters, view = self._pods.counters(), self._pods.pods()
        yield Sample(node_metrics.KUBELET_CONNECTIONS, where, self._kubelet.connections)
        for code, count in dict(self._kubelet.errors).items():
            yield Sample(node_metrics.KUBELET_ERRORS, (*where, code), count)
        for request, count in counters.requests.items():
            yield Sample(node_metrics.API_REQUESTS, (*where, request), count)
        for reason, count in counters.watch_restarts.items():
            if count:
                yield Sample(node_metrics.API_WATCH_RESTARTS, (*where, reason), count)
        stale = view.stale
        yield Sample(node_metrics.PODS_STALE, (*where, stale.reason if stale else ""), 1 if stale else 0)
        for (meaning, reason), count in _meanings(self._resolution, self._placement).items():
            yield Sample(node_metrics.DEVICE_CLAIMS, (*where, meaning, reason), count)

    def _claims(self, view: NodeView) -> tuple[Claim, ...] | Absent:
        """The kubelet's answer; its last one while nothing has changed and it was asked a moment ago."""
        now_ns = self._clock.elapsed_ns()
        if view is not self._view or view.stale:
            self._watchful_until_ns = now_ns + round(WATCHFUL_SECONDS * NANOSECONDS)
        calm = self._is_settled and now_ns >= self._watchful_until_ns
        if calm and now_ns < self._last.heard_ns + CALM_SECONDS * NANOSECONDS:
            return self._last.claims
        found = self._kubelet.list()
        if isinstance(found, Absent):
            self._is_settled = False
            return self._last.claims if self._lasts(now_ns) else found
        found = self._believed(found, now_ns)
        self._last, self._heard = _Answer(claims=found, heard_ns=now_ns), True
        if now_ns >= self._allocatable_due_ns:
            self._ask_allocatable(now_ns)
        return found if self._lasts(now_ns) else Absent(Why.KUBELET_GONE)

    def _believed(self, found: tuple[Claim, ...], now_ns: int) -> tuple[Claim, ...]:
        """The claims, with those of before while the kubelet has just started."""
        if self._kubelet.sockets != self._sockets:
            self._settles_until_ns = now_ns + round(SETTLE_SECONDS * NANOSECONDS)
        self._sockets = self._kubelet.sockets
        self._is_settled = now_ns >= self._settles_until_ns
        if self._is_settled:
            self._before, self._settling_since_ns = {}, None
        elif self._settling_since_ns is None:
            self._settling_since_ns = now_ns
        return found if self._is_settled else tuple(sorted({*self._last.claims, *found}, key=repr))

    def _lasts(self, now_ns: int) -> bool:
        """Whether the last answer counts still: it is not too old, nor from a kubelet that never settles."""
        since_ns = self._last.heard_ns if self._settling_since_ns is None else self._settling_since_ns
        return self._heard and now_ns - since_ns <= GRACE_SECONDS * NANOSECONDS

    def _ask_allocatable(self, now_ns: int) -> None:
        """Without an answer what there was is there still; a kubelet that has just come back only adds."""
        self._allocatable_due_ns = now_ns + round(ALLOCATABLE_SECONDS * NANOSECONDS)
        found = self._kubelet.allocatable()
        if not isinstance(found, Absent):
            self._allocatable = found | self._allocatable if now_ns < self._settles_until_ns else found

    def _resolve(self, claims: tuple[Claim, ...]) -> bool:
        """What an id means changes with the claims and with the devices only; whether it has."""
        question = _Question(claims, self._allocatable, self._devices.identities(), self._devices.on_bus())
        changed = question != self._resolved
        if changed:
            self._resolution = resolve(claims, table_of(question.devices))
            given = (claim.on for claim in self._resolution.others if isinstance(claim, PluginClaim))
            cards = (device for device in question.devices if device.mig is None)
            known = {place(each.pci_bus_id): each.gpu_uuid for each in cards if not isinstance(each.pci_bus_id, Absent)}
            self._placement = placed((*given, *self._allocatable), question.bus, known)
            self._resolved = question
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    claims: tuple[Claim, ...]
    heard_ns: int


class _Question(NamedTuple):
    """All that the meaning of ids depends on."""

    claims: tuple[Claim, ...]
    allocatable: frozenset[PluginDevice]
    devices: tuple[DeviceIdentity, ...]
    bus: tuple[PciGpu, ...]


def _meanings(resolution: Resolution, placement: Placement) -> dict[tuple[str, str], int]:
    """How many claims there are by what they mean, and of the unresolved ones by why."""
    blind = sum(isinstance(claim, PluginClaim) and claim.on in placement.keys for claim in resolution.others)
    counts = {("held", ""): len(resolution.held), ("blind", ""): blind, ("other", ""): len(resolution.others) - blind}
    for each in resolution.unresolved:
        key = ("unresolved", each.reason.value)
        counts[key] = counts.get(key, 0) + 1
    return counts
