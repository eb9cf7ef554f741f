"""
Who holds which device on a Kubernetes node: the kubelet's claims, joined with the pods that the API server tells of.

The kubelet says which container was given which device. Whose pod that is, and whether it has ended, only the API
server knows. Where one of the two does not answer, what is known stays known:

- a pod that the API server has not told of holds its device in doubt, so that the device is ambiguous;
- while the kubelet is away its last answer counts on for GRACE_SECONDS, less the pods that are known to have ended;
- a kubelet that has just come back may not know its pods again yet, so for SETTLE_SECONDS its answer only adds.

An init container that has ended holds nothing, and a pod that has finished holds nothing. A pod that was deleted by
force holds what the kubelet says it holds.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from collector.clock import Clock
from collector.contract import Sample, node_metrics
from collector.kubelet.claims import Claim, ContainerName
from collector.kubelet.ids import Resolution, resolve
from collector.kubelet.table import DeviceTable, Gpu, MigInstance
from collector.pods.facts import ContainerKind, PodFacts
from collector.pods.view import ApiCounters, NodeView
from collector.readings import Absent, DeviceIdentity, Holder, Why

NANOSECONDS = 1_000_000_000
GRACE_SECONDS = 120.0  # a guess: a kubelet is restarted in seconds, and containers run on without it
SETTLE_SECONDS = 10.0  # a guess: a restarted kubelet has read its pods again by then

Where = tuple[str, str]


class Kubelet(Protocol):
    """What is asked of the kubelet's door, see collector/kubelet/client.py."""

    errors: Counter[str]
    connections: int

    def list(self) -> tuple[Claim, ...] | Absent:
        """Every device that a container was given, or why the kubelet did not say."""
        ...


class Pods(Protocol):
    """What is asked of the API server's watch, see collector/pods/watch.py."""

    def pods(self) -> NodeView:
        """The pods as they are known now."""
        ...

    def counters(self) -> ApiCounters:
        """What was asked since the start."""
        ...


class KubernetesHolders:
    """Holders of this node's devices. For one thread, but for ``samples``."""

    def __init__(
        self, kubelet: Kubelet, pods: Pods, *, devices: Callable[[], tuple[DeviceIdentity, ...]], clock: Clock
    ) -> None:
        """``devices`` gives the node's devices as the last look at them left them."""
        self._kubelet = kubelet
        self._pods = pods
        self._devices = devices
        self._last = _Answer(claims=(), heard_ns=clock.elapsed_ns())
        self._heard = False
        self._clock = clock
        self._connections = 0
        self._settles_until_ns = 0
        self._resolved: tuple[tuple[Claim, ...], tuple[DeviceIdentity, ...]] | None = None
        self._resolution = Resolution(held=(), unresolved=(), others=())

    def holders(self) -> Mapping[str, tuple[Holder, ...]] | Absent:
        """Holders by the UUID of GPU or MIG instance; one that is missing is held by nobody. Absent when unknown."""
        claims = self._claims()
        if isinstance(claims, Absent):
            return claims
        key = (claims, self._devices())
        if key != self._resolved:  # what an id means changes with the claims and with the devices only
            self._resolution, self._resolved = resolve(claims, table_of(key[1])), key
        return holders_in(self._resolution, self._pods.pods())

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
        for (meaning, reason), count in _meanings(self._resolution).items():
            yield Sample(node_metrics.DEVICE_CLAIMS, (*where, meaning, reason), count)

    def _claims(self) -> tuple[Claim, ...] | Absent:
        now_ns, found = self._clock.elapsed_ns(), self._kubelet.list()
        if isinstance(found, Absent):
            lasts = self._heard and now_ns - self._last.heard_ns <= GRACE_SECONDS * NANOSECONDS
            return self._last.claims if lasts else found
        if self._kubelet.connections != self._connections:
            self._settles_until_ns = now_ns + round(SETTLE_SECONDS * NANOSECONDS)
        self._connections = self._kubelet.connections
        if now_ns < self._settles_until_ns:
            found = tuple(sorted({*self._last.claims, *found}, key=repr))
        self._last, self._heard = _Answer(claims=found, heard_ns=now_ns), True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    claims: tuple[Claim, ...]
    heard_ns: int


def table_of(devices: Iterable[DeviceIdentity]) -> DeviceTable:
    """The devices as ids may name them."""
    gpus, instances = [], []
    for device in devices:
        if device.mig is None:
            gpus.append(
                Gpu(
                    gpu_uuid=device.gpu_uuid,
                    index=device.index,
                    minor_number=device.minor_number,
                    pci_bus_id=device.pci_bus_id,
                )
            )
        else:
            instances.append(
                MigInstance(
                    mig_uuid=device.gpu_uuid,
                    gpu_uuid=device.mig.parent_uuid,
                    gpu_instance_id=device.mig.gpu_instance_id,
                    compute_instance_id=device.mig.compute_instance_id,
                    placement=Absent(Why.NOT_SUPPORTED),
                )
            )
    return DeviceTable(gpus=tuple(gpus), instances=tuple(instances))


def holders_in(resolution: Resolution, view: NodeView) -> dict[str, tuple[Holder, ...]]:
    """Who holds each GPU or MIG instance, by its UUID, and who may. Order is fixed; who holds nothing is left out."""
    found: dict[str, dict[Holder, None]] = {}
    for uuid, container, doubt in _held(resolution):
        holder = _holder(container, view, doubt)
        if holder is not None:
            found.setdefault(uuid, {}).setdefault(holder, None)
    return {uuid: tuple(holders) for uuid, holders in found.items()}


def _held(resolution: Resolution) -> Iterator[tuple[str, ContainerName, Absent | None]]:
    """Device, container, doubt; those without doubt first, because of two equal holders the first one stays."""
    for device, containers in resolution.holders().items():
        uuid = device.gpu_uuid if isinstance(device, Gpu) else device.mig_uuid
        yield from ((uuid, container, None) for container in containers)
    for gpu_uuid, containers in resolution.possible_by_gpu().items():
        yield from ((gpu_uuid, container, Absent(Why.CLAIM_UNRESOLVED)) for container in containers)


def _holder(container: ContainerName, view: NodeView, doubt: Absent | None) -> Holder | None:
    """The holder, in doubt if its pod is not known; None if it holds nothing any longer."""
    pod = view.pods.get((container.namespace, container.pod))
    if pod is None:
        return _stranger(container)
    if _has_ended(pod, container.container):
        return None
    workload = pod.workload
    return Holder(
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.uid,
        container=container.container,
        workload_kind=workload.kind,
        workload_name=workload.name,
        workload_uid=_uid_or_name(workload.uid, pod.namespace, workload.kind, workload.name),
        tenant_id=pod.tenant_id,
        doubt=doubt,
    )


def _has_ended(pod: PodFacts, name: str) -> bool:
    if pod.finished and not pod.deleted:
        return True
    return any(each.name == name and each.kind is ContainerKind.INIT and each.ended for each in pod.containers)


def _stranger(container: ContainerName) -> Holder:
    """A container whose pod the API server has not told of: by name only, nobody's, and in doubt."""
    name = f"{container.namespace}/{container.pod}"
    return Holder(
        namespace=container.namespace,
        pod=container.pod,
        pod_uid=name,
        container=container.container,
        workload_kind="Pod",
        workload_name=container.pod,
        workload_uid=name,
        tenant_id=Absent(Why.NAMESPACE_UNKNOWN),
        doubt=Absent(Why.POD_UNKNOWN),
    )


def _uid_or_name(uid: str | Absent, namespace: str, kind: str, name: str) -> str:
    """What tells a workload from others of its name, or its name where the pod does not tell its UID."""
    return f"{namespace}/{kind}/{name}" if isinstance(uid, Absent) else uid


def _meanings(resolution: Resolution) -> dict[tuple[str, str], int]:
    """How many claims there are by what they mean, and of the unresolved ones by why."""
    counts = {("held", ""): len(resolution.held), ("other", ""): len(resolution.others)}
    for each in resolution.unresolved:
        key = ("unresolved", each.reason.value)
        counts[key] = counts.get(key, 0) + 1
    return counts
