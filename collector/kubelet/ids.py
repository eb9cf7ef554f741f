"""
Which device a claim means. Pure.

An id that names a piece of hardware (a UUID, a PCI address) is believed in any resource, if this node has that
hardware. An id that numbers it (``0``, ``nvidia0``) means something only in a resource that is known to be GPUs. What
does not lead to exactly one device stays unresolved, with the reason and the GPUs that it may be; a claim on anything
else is given back apart. No claim is lost on the way.

Left out on purpose: which device a container really uses. MPS can run everything on one GPU whatever was claimed
(NVIDIA/dcgm-exporter#568), and a claim with administrator's access watches and does not use.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from collector.kubelet.claims import Claim, ContainerName, DynamicClaim, PluginClaim
from collector.kubelet.dialects import DRA_DIALECTS, PLUGIN_DIALECTS, Candidates, Unclear, anything, by_uuid, uuids_in
from collector.kubelet.table import Device, DeviceTable
from collector.readings import Absent

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How the names begin of resources and DRA drivers that hand out this node's NVIDIA GPUs and nothing else."""

    resources: tuple[str, ...] = ("nvidia.com/gpu", "nvidia.com/mig-")
    drivers: tuple[str, ...] = ("gpu.nvidia.com",)


DEFAULT_NAMING = Naming()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A claim, and the one device that it means."""

    claim: Claim
    device: Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """A claim on a GPU that means no certain device: why, and the UUIDs of the GPUs that it may be or lie on."""

    claim: Claim
    reason: Unclear
    possible: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the claim calls its device: a UUID, or else an id or name."""
        if isinstance(self.claim, PluginClaim):
            return self.claim.device_id.partition("::")[0]
        return next(iter(uuids_in(self.claim.cdi_names)), f"{self.claim.pool}/{self.claim.device}")

    @property
    def means_no_known_gpu(self) -> bool:
        """Whether it is on a GPU that the driver may have and has not named."""
        return not self.possible and self.reason is not Unclear.PASSED_THROUGH


Meaning = Held | Unresolved | Claim
"""A claim that is not on a GPU of this driver means itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Every claim exactly once: resolved, unresolved, or on something else. In a fixed order."""

    held: tuple[Held, ...]
    unresolved: tuple[Unresolved, ...]
    others: tuple[Claim, ...]

    def holders(self) -> dict[Device, tuple[ContainerName, ...]]:
        """The containers that hold each device; more than one share it. Replicas in one container count once."""
        return _grouped((each.device, each.claim.container) for each in self.held)

    def holders_by_gpu(self) -> dict[str, tuple[ContainerName, ...]]:
        """The containers that hold each GPU, by its UUID, whole or by an instance on it."""
        return _grouped((each.device.gpu_uuid, each.claim.container) for each in self.held)

    def possible_by_gpu(self) -> dict[str, tuple[ContainerName, ...]]:
        """The containers whose unresolved claims may mean each GPU: one that nobody is known to hold may be held."""
        return _grouped((gpu_uuid, each.claim.container) for each in self.unresolved for gpu_uuid in each.possible)


def resolve(claims: Iterable[Claim], table: DeviceTable, naming: Naming = DEFAULT_NAMING) -> Resolution:
    """What each claim means on this node. The order of claims does not matter, and repeating one changes nothing."""
    meanings = [_meaning(claim, table, naming) for claim in sorted(set(claims), key=repr)]
    return Resolution(
        held=tuple(each for each in meanings if isinstance(each, Held)),
        unresolved=tuple(each for each in meanings if isinstance(each, Unresolved)),
        others=tuple(each for each in meanings if isinstance(each, PluginClaim | DynamicClaim)),
    )


def _meaning(claim: Claim, table: DeviceTable, naming: Naming) -> Meaning:
    if isinstance(claim, PluginClaim):
        ours = claim.resource.startswith(naming.resources)
        candidates = _of_plugin(claim.device_id, table, numbers=ours)
    else:
        ours = claim.driver.startswith(naming.drivers)
        candidates = _of_dra(claim, table, numbers=ours)
    if not ours and not candidates.devices:
        return claim
    return _decided(claim, candidates)


def _decided(claim: Claim, candidates: Candidates) -> Held | Unresolved:
    devices = candidates.devices
    if len(devices) == 1 and candidates.why_not is None:
        return Held(claim=claim, device=devices[0])
    reason = candidates.why_not or (Unclear.SEVERAL_DEVICES if devices else Unclear.NO_SUCH_DEVICE)
    return Unresolved(claim=claim, reason=reason, possible=tuple(sorted({device.gpu_uuid for device in devices})))


def _of_plugin(device_id: str, table: DeviceTable, *, numbers: bool) -> Candidates:
    """
    ``numbers``: whether ids that only number devices mean anything here.

    An id that is a device's UUID, or a replica of it, is that device, whatever UUIDs look like on this driver.
    """
    exactly = by_uuid([device_id.partition("::")[0]], table)
    if exactly.devices:
        return exactly
    for dialect in PLUGIN_DIALECTS:
        if (numbers or dialect.unique) and (match := dialect.form.fullmatch(device_id)):
            return dialect.find(match, table)
    return anything(device_id, table) if numbers else Candidates(())


def _of_dra(claim: DynamicClaim, table: DeviceTable, *, numbers: bool) -> Candidates:
    """A UUID, published or in a CDI name, says more than the device's name, which only numbers it."""
    if isinstance(claim.device, str) and (uuid := table.published.get((claim.pool, claim.device))):
        return by_uuid([uuid], table)
    if uuids := uuids_in(claim.cdi_names):
        return by_uuid(uuids, table)
    if not numbers:
        return Candidates(())
    if isinstance(claim.device, Absent):
        return anything(claim, table)
    matches = ((dialect, dialect.form.fullmatch(claim.device)) for dialect in DRA_DIALECTS)
    found = (dialect.find(match, table) for dialect, match in matches if match)
    return next(found, anything(claim, table))


def _grouped(pairs: Iterable[tuple[Key, ContainerName]]) -> dict[Key, tuple[ContainerName, ...]]:
    found: dict[Key, set[ContainerName]] = {}
    for key, container in pairs:
        found.setdefault(key, set()).add(container)
    return {key: tuple(sorted(containers)) for key, containers in found.items()}
