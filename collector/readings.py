"""
What a node can say about a device, and the value for what it cannot say.

Everything here is frozen: a reading never changes and never fetches. Units are in the names; ratios are 0 to 1.
"""

from dataclasses import dataclass, fields
from enum import StrEnum


class Why(StrEnum):
    """The closed set of reasons for not knowing. They become label values, so there are few."""

    NOT_SUPPORTED = "not_supported"
    NO_PERMISSION = "no_permission"
    NO_DATA = "no_data"
    GPU_LOST = "gpu_lost"
    DRIVER_ERROR = "driver_error"
    NO_DRIVER = "no_driver"
    DRIVER_GONE = "driver_gone"
    DRIVER_RELEASED = "driver_released"
    NO_GPUS = "no_gpus"
    LATE_TICK = "late_tick"
    COLLECTOR_DOWN = "collector_down"
    PASSED_THROUGH = "passed_through"
    FOREIGN_VENDOR = "foreign_vendor"
    NOT_CLAIMED = "not_claimed"
    NAMESPACE_UNKNOWN = "namespace_unknown"
    TENANT_CONFLICT = "tenant_conflict"
    TENANT_INVALID = "tenant_invalid"
    NO_SITE_KEY = "no_site_key"
    HOLDERS_UNKNOWN = "holders_unknown"
    SHARED = "shared"
    POD_UNKNOWN = "pod_unknown"
    CLAIM_UNRESOLVED = "claim_unresolved"
    MIG_INSTANCE = "mig_instance"
    INIT = "init"
    PROCESSES_HIDDEN = "processes_hidden"
    CHECK_FAILED = "check_failed"
    KUBELET_GONE = "kubelet_gone"
    KUBELET_SLOW = "kubelet_slow"
    KUBELET_REPLY_TOO_LARGE = "kubelet_reply_too_large"
    KUBELET_ERROR = "kubelet_error"


@dataclass(frozen=True, slots=True)
class Absent:
    """A value that could not be had, and why. It is never turned into 0, ``nan``, an empty string or ``None``."""

    reason: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """
    Which part of a card a MIG instance is.

    ``profile`` as the driver names it, such as ``3g.40gb``; ``multiprocessors`` and ``memory_bytes`` are its own.
    """

    parent_uuid: str
    gpu_instance_id: int
    compute_instance_id: int
    profile: str
    multiprocessors: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity:
    """
    Which piece of hardware a device is.

    ``accelerator`` is the product name exactly as the driver gives it (``nvmlDeviceGetName``); what that product can do
    is looked up in the centre, never on the node.

    ``pci_bus_id`` has eight digits of domain and capitals, ``00000000:0A:00.0``, however the driver writes it.
    ``index`` is the driver's, from 0 in the order of bus ids; ``minor_number`` is the N of ``/dev/nvidiaN``, and the
    two may differ. ``fabric_cluster_uuid`` and ``fabric_clique_id`` name the NVLink domain, which may span nodes.
    ``multiprocessors``: how many the whole card has. ``mig`` is None for a whole card; of an instance all else is its
    card's, but for the ``gpu_uuid``.
    """

    gpu_uuid: str
    accelerator: str
    pci_bus_id: str | Absent
    serial: str | Absent
    board_part_number: str | Absent
    vbios_version: str | Absent
    index: int
    minor_number: int | Absent
    compute_capability: str | Absent
    architecture: str | Absent
    fabric_cluster_uuid: str | Absent
    fabric_clique_id: int | Absent
    mig: MigInstance | None
    multiprocessors: int | Absent = Absent(Why.NO_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What one device reported at one moment.

    ``busy_ratio``: share of the time since the last reading in which a kernel ran, 0 to 1.
    ``power_watts``: draw of the whole board.
    ``energy_joules``: the driver's own counter since it was loaded; it falls when the driver is reloaded.
    ``memory_used_bytes``: device memory in use.

    Means over the time since the last reading, from Hopper on: ``sm_active_ratio``, multiprocessors with work;
    ``tensor_active_ratio``, tensor pipes at work, and of those ``tensor_hmma_…`` floating point of 16 bits and fewer,
    ``tensor_imma_…`` integers, ``tensor_dfma_…`` doubles; ``dram_active_ratio``, memory bandwidth in use; bytes per
    second over all NVLinks and over PCIe, as the GPU sees them.

    Counters since the driver was loaded, as it gives them: ``nvlink_…ed_bytes``, ``pcie_…ed_bytes``.

    ``sm_clock_hertz``: clock of the multiprocessors now. ``clock_event_reasons``: why it is not higher, sorted; empty
    if nothing holds it back. ``ecc_uncorrected_errors``: since the driver was loaded. ``memory_repairs``: rows
    remapped, before Ampere pages retired, for uncorrectable errors in the board's life. ``memory_repair_pending``:
    whether one waits for a reset of the GPU.
    """

    busy_ratio: float | Absent
    power_watts: float | Absent
    energy_joules: float | Absent
    memory_used_bytes: int | Absent
    sm_active_ratio: float | Absent
    tensor_active_ratio: float | Absent
    tensor_hmma_active_ratio: float | Absent
    tensor_imma_active_ratio: float | Absent
    tensor_dfma_active_ratio: float | Absent
    dram_active_ratio: float | Absent
    nvlink_receive_bytes_per_second: float | Absent
    nvlink_transmit_bytes_per_second: float | Absent
    pcie_receive_bytes_per_second: float | Absent
    pcie_transmit_bytes_per_second: float | Absent
    nvlink_received_bytes: int | Absent
    nvlink_transmitted_bytes: int | Absent
    pcie_received_bytes: int | Absent
    pcie_transmitted_bytes: int | Absent
    sm_clock_hertz: int | Absent
    clock_event_reasons: tuple[str, ...] | Absent
    ecc_uncorrected_errors: int | Absent
    memory_repairs: int | Absent
    memory_repair_pending: bool | Absent

    @classmethod
    def absent(cls, why: Why) -> "Reading":
        """A reading that knows nothing, to be filled with ``dataclasses.replace``."""
        return cls(**dict.fromkeys(FIELD_NAMES, Absent(why)))

    def or_absent(self) -> "Reading | Absent":
        """The reading, or why there is none: one in which every field is absent has read nothing."""
        if any(not isinstance(getattr(self, name), Absent) for name in FIELD_NAMES):
            return self
        nothing: Absent = getattr(self, FIELD_NAMES[0])
        return nothing


FIELD_NAMES = tuple(each.name for each in fields(Reading))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holder:
    """
    The container that holds devices, its workload (the Kubernetes owner) and the tenant its namespace claims.

    ``tenant_id`` is an opaque account id; ``Absent(NOT_CLAIMED)`` where nothing names one. Two values that differ in
    the workload alone are the same holder: its counters go on when a workload adopts or renames it. So are two that
    differ in why there is no tenant, which no series tells. ``doubt`` says why it is not certain that it holds the
    device, if so.
    """

    namespace: str
    pod: str
    pod_uid: str
    container: str
    workload_kind: str
    workload_name: str
    workload_uid: str
    tenant_id: str | Absent
    doubt: Absent | None = None

    @property
    def labels(self) -> tuple[str, str, str, str, str]:
        """What tells it from others, in the contract's order. No claim is the empty label, which Prometheus drops."""
        tenant_id = "" if isinstance(self.tenant_id, Absent) else self.tenant_id
        return (self.namespace, self.pod, self.pod_uid, self.container, tenant_id)

    def __eq__(self, other: object) -> bool:
        """Whether its series are the same."""
        return self.labels == other.labels if isinstance(other, Holder) else NotImplemented

    def __hash__(self) -> int:
        """Of what is mostly enough to tell them apart: holders are looked up several times a tick."""
        return hash((self.pod_uid, self.container))
