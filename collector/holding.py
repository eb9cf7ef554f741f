"""
Who holds which device, from what the kubelet and the API server have said. Pure.

A container holds what the kubelet says it was given; a GPU that no device here is, by the name that its claim has for
it, in doubt. In doubt it holds a device too when its pod is not known, when its id may mean several, when it has only a
part, and when it is an init container: the kubelet's ``List`` leaves ordinary init containers out (kubernetes
pkg/kubelet/apis/podresources/server_v1.go), so that what such a one asks for and ``List`` does not name for its pod is
some of the vendor's devices that nobody is known to hold. Each of these is ambiguous until it has ended. The devices of
a pod's init containers are handed on to its other containers, so ``List`` may name them all.

Left out: what init containers hold through DRA.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from collector.foreign import DOMAINS, MAKERS, Placement
from collector.kubelet.claims import Claim, ContainerName, PluginClaim
from collector.kubelet.ids import DEFAULT_NAMING, Resolution
from collector.kubelet.table import DeviceTable, Gpu, MigInstance
from collector.pods.facts import ContainerKind, PodContainer, PodFacts, PodKey
from collector.pods.view import NodeView
from collector.processes.reality import KnownPods
from collector.readings import Absent, DeviceIdentity, Holder, Why

Holders = Mapping[str, tuple[Holder, ...]]
"""
By what a device is called: the UUID of a GPU or MIG instance, or the key of one that nothing here reads. What a claim
calls a GPU that nobody has named here stands there as well.
"""

RESOURCES = (*DEFAULT_NAMING.resources, *DOMAINS)
"""How the names begin of all resources whose devices count."""
IsOf = Callable[[str], bool]
"""Whether a resource is one of some."""


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


def uncut(devices: Collection[DeviceIdentity]) -> Iterator[str]:
    """The UUIDs of the GPUs, and for those that are cut of their instances."""
    cut = {device.mig.parent_uuid for device in devices if device.mig is not None}
    yield from (device.gpu_uuid for device in devices if device.gpu_uuid not in cut)


def holders_in(
    resolution: Resolution, view: NodeView, placement: Placement, devices: Iterable[str]
) -> dict[str, tuple[Holder, ...]]:
    """
    Who holds each device, and who may. Order is fixed; a container that holds nothing is left out.

    ``devices``: the UUIDs of all GPUs, or of the MIG instances that they are cut into, for those that nobody holds.
    """
    found: dict[str, dict[Holder, None]] = {}
    for key, container, doubt in _held(resolution, placement):
        holder = _holder(container, view, doubt)
        if holder is not None:
            found.setdefault(key, {}).setdefault(holder, None)
    for is_of, keys in _handed_out(placement, devices):
        starting = tuple(_starting(resolution, view, is_of))
        for key in keys if starting else ():
            if all(holder.doubt for holder in found.get(key, ())):
                found[key] = found.get(key, {}) | dict.fromkeys(starting)
    return {key: tuple(holders) for key, holders in found.items()}


def still_in_doubt(before: Holders, view: NodeView) -> Holders:
    """Who held what before and is not known to have ended, in doubt."""
    unsure = Absent(Why.HOLDERS_UNKNOWN)
    found = {
        key: tuple(replace(each, doubt=unsure) for each in holders if not _is_gone(each, view))
        for key, holders in before.items()
    }
    return {key: holders for key, holders in found.items() if holders}


def known_pods(view: NodeView, held: Holders, servers_in: Collection[str]) -> KnownPods:
    """What the check on processes is told of pods. ``servers_in``: the namespaces whose pods compute for others."""
    holding = {holder.pod_uid for holders in held.values() for holder in holders}
    running = [pod for pod in view.pods.values() if not _is_over(pod)]
    return KnownPods(
        others=tuple(_of(pod, _first(pod), None) for pod in running if pod.uid not in holding),
        initialising=frozenset(pod.uid for pod in running if any(_is_starting(pod, each) for each in pod.containers)),
        servers=frozenset(pod.uid for pod in running if pod.namespace in servers_in),
    )


def _held(resolution: Resolution, placement: Placement) -> Iterator[tuple[str, ContainerName, Absent | None]]:
    """Device, container, doubt; those without doubt first, because of two equal holders the first one stays."""
    for device, containers in resolution.holders().items():
        uuid = device.gpu_uuid if isinstance(device, Gpu) else device.mig_uuid
        yield from ((uuid, container, None) for container in containers)
    yield from _held_unread(resolution.others, placement)
    for gpu_uuid, containers in resolution.possible_by_gpu().items():
        yield from ((gpu_uuid, container, Absent(Why.CLAIM_UNRESOLVED)) for container in containers)
    for each in resolution.unresolved:
        if each.means_no_known_gpu:
            yield each.name, each.claim.container, Absent(Why.CLAIM_UNRESOLVED)


def _held_unread(others: Iterable[Claim], placement: Placement) -> Iterator[tuple[str, ContainerName, Absent | None]]:
    """The same of devices that nothing here reads."""
    claims = [claim for claim in others if isinstance(claim, PluginClaim)]
    for claim in sorted(claims, key=lambda each: each.on in placement.parts):
        doubt = Absent(Why.CLAIM_UNRESOLVED) if claim.on in placement.parts else None
        yield from ((key, claim.container, doubt) for key in placement.keys.get(claim.on, ()))


def _handed_out(placement: Placement, devices: Iterable[str]) -> Iterator[tuple[IsOf, Iterable[str]]]:
    """Which resources hand out what: those of the GPUs that are read here, then each vendor's others."""
    yield (lambda resource: resource.startswith(DEFAULT_NAMING.resources)), devices
    for maker in MAKERS:
        yield maker.hands_out, placement.devices.get(maker.vendor, ())


def _starting(resolution: Resolution, view: NodeView, is_of: IsOf) -> Iterator[Holder]:
    """The init containers that ask for more of these resources than the kubelet names for their pod, in doubt."""
    named = Counter(_named(resolution, is_of))
    for key, pod in sorted(view.pods.items()):
        for container in pod.containers:
            asked = sum(count for resource, count in container.asks if is_of(resource))
            if asked > named[key] and _is_starting(pod, container):
                yield _of(pod, container.name, Absent(Why.INIT))


def _named(resolution: Resolution, is_of: IsOf) -> Iterator[PodKey]:
    """The pod of each claim that counts as a device of these of its limits."""
    known = (*(each.claim for each in resolution.held), *(each.claim for each in resolution.unresolved))
    for claim in (*known, *resolution.others):
        if isinstance(claim, PluginClaim) and is_of(claim.resource):
            yield claim.container.namespace, claim.container.pod


def _holder(container: ContainerName, view: NodeView, doubt: Absent | None) -> Holder | None:
    """The holder, in doubt if its pod is not known; None if it holds nothing any longer."""
    pod = view.pods.get((container.namespace, container.pod))
    if pod is None:
        return _stranger(container)
    return None if _has_ended(pod, container.container) else _of(pod, container.container, doubt)


def _of(pod: PodFacts, container: str, doubt: Absent | None) -> Holder:
    workload = pod.workload
    return Holder(
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.uid,
        container=container,
        workload_kind=workload.kind,
        workload_name=workload.name,
        workload_uid=_uid_or_name(workload.uid, pod.namespace, workload.kind, workload.name),
        tenant_id=pod.tenant_id,
        doubt=doubt,
    )


def _first(pod: PodFacts) -> str:
    """The container to name a pod by: the first that has not ended."""
    running = (each for each in pod.containers if not each.ended)
    return next((each.name for each in (*running, *pod.containers)), "")


def _is_over(pod: PodFacts) -> bool:
    """Whether nothing of it runs any longer; of a pod that was deleted by force something may."""
    return pod.finished


def _is_gone(holder: Holder, view: NodeView) -> bool:
    """Whether its pod is known to be over, or to be there no more."""
    pod = view.pods.get((holder.namespace, holder.pod))
    if pod is None or pod.uid != holder.pod_uid:
        return view.synced
    return _is_over(pod)


def _has_ended(pod: PodFacts, name: str) -> bool:
    ended_init = (each for each in pod.containers if each.kind is ContainerKind.INIT and each.ended)
    return _is_over(pod) or any(each.name == name for each in ended_init)


def _is_starting(pod: PodFacts, container: PodContainer) -> bool:
    """
    Whether this is an ordinary init container that runs, or will.

    Of a pod that was deleted nobody reports its end, and mostly that was the kubelet's word that it is over.
    """
    return container.kind is ContainerKind.INIT and not container.ended and not (pod.finished or pod.deleted)


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
