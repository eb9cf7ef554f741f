"""
What a node can say about a device, and the value for what it cannot say.

Everything here is frozen: a reading never changes and never fetches. Units are in the names; ratios are 0 to 1.
"""

from dataclasses import dataclass, field
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
    NO_GPUS = "no_gpus"
    LATE_TICK = "late_tick"
    COLLECTOR_DOWN = "collector_down"
    PASSED_THROUGH = "passed_through"
    FOREIGN_VENDOR = "foreign_vendor"
    NOT_CLAIMED = "not_claimed"
    HOLDERS_UNKNOWN = "holders_unknown"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Absent:
    """A value that could not be had, and why. It is never turned into 0, ``nan``, an empty string or ``None``."""

    reason: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity:
    """
    Which piece of hardware a device is.

    ``accelerator`` is the product name exactly as the driver gives it (``nvmlDeviceGetName``); what that product can do
    is looked up in the centre, never on the node.
    """

    gpu_uuid: str
    accelerator: str
    pci_bus_id: str
    serial: str | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What one device reported at one moment.

    ``busy_ratio``: share of the driver's last sample period in which a kernel ran, 0 to 1.
    ``power_watts``: draw of the whole board.
    ``energy_joules``: the driver's own counter since it was loaded; it falls when the driver is reloaded.
    ``memory_used_bytes``: device memory in use.
    """

    busy_ratio: float | Absent
    power_watts: float | Absent
    energy_joules: float | Absent
    memory_used_bytes: int | Absent

    def or_absent(self) -> "Reading | Absent":
        """The reading, or why there is none: one in which every field is absent has read nothing."""
        fields = (self.busy_ratio, self.power_watts, self.energy_joules, self.memory_used_bytes)
        reasons = [each for each in fields if isinstance(each, Absent)]
        return reasons[0] if len(reasons) == len(fields) else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """
    The container that holds devices, its workload (the Kubernetes owner) and the tenant its namespace claims.

    ``tenant_id`` is an opaque account id; ``Absent(NOT_CLAIMED)`` where nothing names one. Two values that differ in
    the workload alone are the same holder: its counters go on when a workload adopts or renames it.
    """

    namespace: str
    pod: str
    pod_uid: str
    container: str
    workload_kind: str = field(compare=False)
    workload_name: str = field(compare=False)
    workload_uid: str = field(compare=False)
    tenant_id: str | Absent
