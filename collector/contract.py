"""
The wire contract: every metric a collector serves, with its kind, unit, labels and meaning.

This table is the only place where a metric's name is written. The exposition is built from it, the policy engine reads
by it, and dashboards are checked against it. Standard library only, so that anything may import it.

Three rules hold for the whole table. Units are base units and stand in the name. A counter only grows while
``flopwatch_collector_start_timestamp_seconds`` stays the same (with a state file, over restarts too); the series of a
holder that ended are dropped after the retention time, and begin at 0 should it come back. Counters of talk with the
kubelet and the API server begin with each process. For every counter of active time there is one of observed time
beside it, so that what was not seen is never read as zero.

No label holds a process id, an image, a command, a country, or a customer's name: whoever can read a board can query
any series (policy/decisions/0002).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

CONTRACT_VERSION = "1"
UNKNOWN_ACCELERATOR = "unknown"  # of a GPU that the driver counts and has never let this collector identify


class Provenance(StrEnum):
    """Whether a series was measured on hardware or played by the simulated driver. On every series."""

    MEASURED = "measured"
    SIMULATED = "simulated"


class GpuState(StrEnum):
    """
    Where a physical GPU-second went. The states add up to the physical GPU-seconds.

    ``attributed``: one known holder, or several whose parts are known, and the device was read. ``unallocated``: nobody
    holds it.
    ``ambiguous``: held, but by whom or by how much cannot be said. ``lost``: the device was there and was not read.
    ``blind``: it is on the PCI bus and nothing on the node can read it: passed_through, no_driver, foreign_vendor.
    """

    ATTRIBUTED = "attributed"
    UNALLOCATED = "unallocated"
    AMBIGUOUS = "ambiguous"
    LOST = "lost"
    BLIND = "blind"


NODE_LABELS = ("node", "provenance")
ACCELERATOR_LABELS = (*NODE_LABELS, "accelerator")
GPU_LABELS = (*NODE_LABELS, "gpu_uuid")
HOLDER_LABELS = (*NODE_LABELS, "workload_namespace", "workload_pod", "pod_uid", "container", "tenant_id", "accelerator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the contract. ``name`` is the name as served; a counter's ends in ``_total``."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    labels: tuple[str, ...]
    help: str


def _counter(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name=f"flopwatch_{name}_total", kind="counter", unit=unit, labels=labels, help=text)


def _observed(name: str, what: str, *labels: str) -> Metric:
    text = f"Of the held device-seconds, those whose {what} is known."
    return _counter(f"holder_{name}_observed_seconds", "seconds", (*HOLDER_LABELS, *labels), text)


def _gauge(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name=f"flopwatch_{name}", kind="gauge", unit=unit, labels=labels, help=text)


COLLECTOR_INFO = _gauge(
    "collector_info",
    "",
    (*NODE_LABELS, "version", "contract_version", "driver_version"),
    "1. The collector's version, the version of this contract, and the GPU driver's version.",
)
COLLECTOR_START = _gauge(
    "collector_start_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "When the counters of this node began, as Unix time; before the last restart if they were kept in a state file. "
    "Another value means that they began anew.",
)
COLLECTOR_CLOCK = _gauge(
    "collector_clock_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "The moment up to which the counters have been added up, as Unix time.",
)
COLLECTOR_BLIND = _gauge(
    "collector_blind",
    "",
    (*NODE_LABELS, "reason"),
    "1 while the collector can read no GPU, with the reason (no_data: it has not tried yet); else 0, with none.",
)
COLLECTOR_TICKS = _counter("collector_ticks", "", NODE_LABELS, "Ticks of the collector's timer.")
COLLECTOR_LATENESS = _counter(
    "collector_tick_lateness_seconds",
    "seconds",
    NODE_LABELS,
    "How much later than due the ticks began, added up.",
)
COLLECTOR_DURATION = _gauge(
    "collector_tick_duration_seconds",
    "seconds",
    NODE_LABELS,
    "How long the last tick took, in seconds of work.",
)
COLLECTOR_LAST_SUCCESS = _gauge(
    "collector_last_success_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "The last moment at which every GPU was read, as Unix time; 0 if there was none yet.",
)
STATE_FOUND = _gauge(
    "collector_state_found",
    "",
    (*NODE_LABELS, "found"),
    "1, with what the collector found in its state file when it started: loaded, none, or why it is no use "
    "(clock_backwards: loaded, and the time since is not known). Absent without a state file, as the next two.",
)
STATE_SAVED = _gauge(
    "collector_state_saved_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "The moment of the last state on the disk, as Unix time: no counter on this page is younger. 0 if there is none.",
)
STATE_UNSAVED = _gauge(
    "collector_state_unsaved",
    "",
    (*NODE_LABELS, "reason"),
    "1 while the state cannot be saved, with the reason: the counters on this page stand still and go on being added "
    "up; where no state was ever saved they do not stand still. Else 0, with none.",
)
NVML_ERRORS = _counter(
    "collector_nvml_errors",
    "",
    (*NODE_LABELS, "call", "code"),
    "Calls into NVML that failed, by call and by NVML's own error code.",
)
KUBELET_CONNECTIONS = _counter(
    "collector_kubelet_connections",
    "",
    NODE_LABELS,
    "Connections to the kubelet since this process began; one more after each failure and each kubelet restart.",
)
KUBELET_ERRORS = _counter(
    "collector_kubelet_errors",
    "",
    (*NODE_LABELS, "code"),
    "Calls to the kubelet's pod-resources API that failed since this process began, by gRPC status code.",
)
API_REQUESTS = _counter(
    "collector_api_requests",
    "",
    (*NODE_LABELS, "request"),
    "Requests to the Kubernetes API server since this process began: list, watch, namespace.",
)
API_WATCH_RESTARTS = _counter(
    "collector_api_watch_restarts",
    "",
    (*NODE_LABELS, "reason"),
    "Watches of this node's pods that were opened anew since this process began, by why the one before ended.",
)
PODS_STALE = _gauge(
    "collector_pods_stale",
    "",
    (*NODE_LABELS, "reason"),
    "1 while the Kubernetes API server does not tell, with the reason: pods that came since are unknown; else 0.",
)
DEVICE_CLAIMS = _gauge(
    "collector_device_claims",
    "",
    (*NODE_LABELS, "meaning", "reason"),
    "Devices that the kubelet says containers were given: held, unresolved (with why), or other than NVIDIA GPUs.",
)
GPUS = _gauge(
    "gpus",
    "",
    ACCELERATOR_LABELS,
    f"GPUs that this node is known to have, read or not; accelerator {UNKNOWN_ACCELERATOR}: never identified. Those "
    "that no driver here reads have the name of the PCI table, or vendor and device number.",
)
GPU_INFO = _gauge(
    "gpu_info",
    "",
    (*GPU_LABELS, "accelerator", "pci_bus_id", "serial"),
    "1 for every GPU that was identified; accelerator is the product name as the driver gives it.",
)
GPU_BUSY = _gauge(
    "gpu_busy_ratio",
    "ratio",
    GPU_LABELS,
    "Share of the time since the last reading in which a kernel ran, 0 to 1. Absent while it cannot be read.",
)
GPU_POWER = _gauge("gpu_power_watts", "watts", GPU_LABELS, "Draw of the board. Absent while it cannot be read.")
GPU_SM_ACTIVE = _gauge(
    "gpu_sm_active_ratio",
    "ratio",
    GPU_LABELS,
    "Share of its multiprocessors that had work, mean since the last reading, 0 to 1. Absent where it cannot be told.",
)
GPU_TENSOR_ACTIVE = _gauge(
    "gpu_tensor_active_ratio",
    "ratio",
    GPU_LABELS,
    "Share of the time in which its tensor pipes worked, mean since the last reading, 0 to 1; at which rate, and in "
    "which format, it does not say. Absent where it cannot be told.",
)
GPU_DRAM_ACTIVE = _gauge(
    "gpu_dram_active_ratio",
    "ratio",
    GPU_LABELS,
    "Share of its memory bandwidth in use, mean since the last reading, 0 to 1. Absent where it cannot be told.",
)
GPU_SM_CLOCK = _gauge("gpu_sm_clock_hertz", "hertz", GPU_LABELS, "Clock of the multiprocessors at the last reading.")
GPU_CLOCK_EVENT = _gauge(
    "gpu_clock_event",
    "",
    (*GPU_LABELS, "reason"),
    "1 for everything that held the clock back at the last reading, by NVML's own reason.",
)
GPU_ECC_UNCORRECTED = _gauge(
    "gpu_ecc_uncorrected_errors",
    "",
    GPU_LABELS,
    "Memory errors that could not be corrected, since the driver was loaded.",
)
GPU_MEMORY_REPAIRS = _gauge(
    "gpu_memory_repairs",
    "",
    GPU_LABELS,
    "Rows remapped (before Ampere pages retired) for uncorrectable errors in the life of the board.",
)
GPU_MEMORY_REPAIR_PENDING = _gauge(
    "gpu_memory_repair_pending", "", GPU_LABELS, "1 while such a repair waits for a reset of the GPU, else 0."
)
GPU_UNSUPPORTED = _gauge(
    "gpu_unsupported",
    "",
    (*GPU_LABELS, "field", "reason"),
    "1 for everything that a reading of this GPU cannot tell, or not to this collector, and why.",
)
GPU_HELD = _gauge(
    "gpu_held",
    "",
    (*GPU_LABELS, "workload_namespace", "workload_pod", "container", "tenant_id"),
    "1 for every holder of a GPU now; a shared GPU has one series for each of its holders.",
)
GPU_PHYSICAL = _counter(
    "gpu_physical_seconds",
    "seconds",
    ACCELERATOR_LABELS,
    "Clock times inventory: what the states of flopwatch_gpu_seconds_total must add up to.",
)
GPU_SECONDS = _counter(
    "gpu_seconds",
    "seconds",
    (*ACCELERATOR_LABELS, "state", "reason"),
    "GPU-seconds by where they went, and why.",
)
GPU_RESIDUAL = _gauge(
    "gpu_residual_seconds",
    "seconds",
    ACCELERATOR_LABELS,
    "Physical GPU-seconds less the sum of all states. Not 0 means that the collector lost count.",
)
CUSTODY_EVENTS = _counter(
    "custody_events",
    "",
    (*NODE_LABELS, "event"),
    "Changes in the inventory of devices: appeared, vanished, returned, uuid_changed, address_changed, slot_changed.",
)
CUSTODY_FIRST_SEEN = _gauge(
    "custody_first_seen_timestamp_seconds",
    "seconds",
    (*GPU_LABELS, "accelerator", "pci_bus_id", "serial"),
    "When a device of the inventory was first seen here, as Unix time; also of devices that have vanished.",
)
CUSTODY_LAST_SEEN = _gauge(
    "custody_last_seen_timestamp_seconds",
    "seconds",
    (*GPU_LABELS, "accelerator", "pci_bus_id", "serial"),
    "When it was last read, as Unix time.",
)
PROCESS_CHECK = _gauge(
    "process_check",
    "",
    (*NODE_LABELS, "reason"),
    "1 while every GPU that was read is held against the processes on it; else 0, with the reason. Cards that are cut "
    "into MIG instances are left out. Absent without --process-check, as the next one.",
)
PROCESS_MISMATCHES = _counter(
    "process_mismatches",
    "",
    (*NODE_LABELS, "kind"),
    "GPUs on which the processes did not fit the holders, added up over the ticks: other_device, not_held, mps_server, "
    "unknown_pod, host_process, unknown_process, hidden_process, no_process.",
)
HOLDER_INFO = _gauge(
    "holder_info",
    "",
    (*HOLDER_LABELS, "workload_kind", "workload_name", "workload_uid"),
    "1 for every holder: the workload (Kubernetes owner) that it was last said to belong to.",
)
HOLDER_DEVICES = _gauge("holder_devices", "", HOLDER_LABELS, "Devices that the holder has now, alone or shared.")
HELD = _counter(
    "holder_held_seconds",
    "seconds",
    HOLDER_LABELS,
    "Device-seconds for which this holder alone held "
    "the device, and of a shared one its part where the use of each holder is known. They add up over holders.",
)
OBSERVED = _counter(
    "holder_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those with a reading of busy time.",
)
BUSY = _counter(
    "holder_busy_seconds", "seconds", HOLDER_LABELS, "Of the observed device-seconds, those in which a kernel ran."
)
ENERGY = _counter(
    "holder_energy_joules",
    "joules",
    HOLDER_LABELS,
    "Energy drawn by the boards while held by this holder alone; that of a divided device is nobody's.",
)
ENERGY_OBSERVED = _counter(
    "holder_energy_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those whose energy is known.",
)
MEMORY = _counter(
    "holder_memory_byte_seconds",
    "byte_seconds",
    HOLDER_LABELS,
    "Device memory in use, times the time it was in use; that of a divided device is nobody's.",
)
MEMORY_OBSERVED = _counter(
    "holder_memory_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those whose memory is known.",
)
SHARED = _counter(
    "holder_shared_seconds",
    "seconds",
    HOLDER_LABELS,
    "Device-seconds shared with others, or in which nobody could tell whether this holder still held the device. "
    "An upper bound for each of them; never add it over holders.",
)
SHARED_OBSERVED = _counter(
    "holder_shared_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the shared device-seconds, those with a reading of busy time.",
)
SHARED_BUSY = _counter(
    "holder_shared_busy_seconds",
    "seconds",
    HOLDER_LABELS,
    "Busy time of shared devices, whole for each holder. An upper bound for each; never add it over holders.",
)
UNWATCHED = _counter(
    "holder_unwatched_seconds",
    "seconds",
    HOLDER_LABELS,
    "Device-seconds in which no collector ran and that this holder may have held. Not in the held or shared seconds.",
)

SM_ACTIVE = _counter(
    "holder_sm_active_seconds",
    "seconds",
    HOLDER_LABELS,
    "Held device-seconds times the share of multiprocessors that had work.",
)
SM_OBSERVED = _observed("sm", "share of multiprocessors at work")
TENSOR_ACTIVE = _counter(
    "holder_tensor_active_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those in which the tensor pipes worked, at whatever rate and in whatever format.",
)
TENSOR_OBSERVED = _observed("tensor", "tensor activity")
TENSOR_PIPE_ACTIVE = _counter(
    "holder_tensor_pipe_active_seconds",
    "seconds",
    (*HOLDER_LABELS, "pipe"),
    "The same for one pipe: hmma, floating point of 16 bits and fewer; imma, integers; dfma, doubles.",
)
TENSOR_PIPE_OBSERVED = _observed("tensor_pipe", "activity of this pipe", "pipe")
DRAM_ACTIVE = _counter(
    "holder_dram_active_seconds",
    "seconds",
    HOLDER_LABELS,
    "Held device-seconds times the share of memory bandwidth in use.",
)
DRAM_OBSERVED = _observed("dram", "memory bandwidth in use")
NVLINK = _counter(
    "holder_nvlink_bytes",
    "bytes",
    (*HOLDER_LABELS, "direction"),
    "Bytes over all NVLinks of the held devices, as the devices see it: receive, transmit.",
)
NVLINK_OBSERVED = _observed("nvlink", "NVLink traffic in this direction", "direction")
PCIE = _counter(
    "holder_pcie_bytes",
    "bytes",
    (*HOLDER_LABELS, "direction"),
    "Bytes over PCIe of the held devices, as the devices see it: receive, transmit.",
)
PCIE_OBSERVED = _observed("pcie", "PCIe traffic in this direction", "direction")
POWER_SQUARE = _counter(
    "holder_power_square_watt2_seconds",
    "watt2_seconds",
    HOLDER_LABELS,
    "Power of the boards squared, times the time. By its observed seconds, less the square of the mean power, it is "
    "the variance of power from reading to reading.",
)
POWER_OBSERVED = _observed("power", "power")

HOLDER_COUNTERS = (
    HELD,
    OBSERVED,
    BUSY,
    ENERGY,
    ENERGY_OBSERVED,
    MEMORY,
    MEMORY_OBSERVED,
    SHARED,
    SHARED_OBSERVED,
    SHARED_BUSY,
    UNWATCHED,
)
"""What every page has for every holder; the centre refuses one that lacks any."""
HOLDER_ACTIVITY = (
    SM_ACTIVE,
    SM_OBSERVED,
    TENSOR_ACTIVE,
    TENSOR_OBSERVED,
    TENSOR_PIPE_ACTIVE,
    TENSOR_PIPE_OBSERVED,
    DRAM_ACTIVE,
    DRAM_OBSERVED,
    NVLINK,
    NVLINK_OBSERVED,
    PCIE,
    PCIE_OBSERVED,
    POWER_SQUARE,
    POWER_OBSERVED,
)
"""What a page has for the holders of devices that could tell it once: a series that is not there is not 0."""
METRICS: tuple[Metric, ...] = (
    COLLECTOR_INFO,
    COLLECTOR_START,
    COLLECTOR_CLOCK,
    COLLECTOR_BLIND,
    COLLECTOR_TICKS,
    COLLECTOR_LATENESS,
    COLLECTOR_DURATION,
    COLLECTOR_LAST_SUCCESS,
    STATE_FOUND,
    STATE_SAVED,
    STATE_UNSAVED,
    NVML_ERRORS,
    KUBELET_CONNECTIONS,
    KUBELET_ERRORS,
    API_REQUESTS,
    API_WATCH_RESTARTS,
    PODS_STALE,
    DEVICE_CLAIMS,
    GPUS,
    GPU_INFO,
    GPU_BUSY,
    GPU_POWER,
    GPU_SM_ACTIVE,
    GPU_TENSOR_ACTIVE,
    GPU_DRAM_ACTIVE,
    GPU_SM_CLOCK,
    GPU_CLOCK_EVENT,
    GPU_ECC_UNCORRECTED,
    GPU_MEMORY_REPAIRS,
    GPU_MEMORY_REPAIR_PENDING,
    GPU_UNSUPPORTED,
    GPU_HELD,
    GPU_PHYSICAL,
    GPU_SECONDS,
    GPU_RESIDUAL,
    CUSTODY_EVENTS,
    CUSTODY_FIRST_SEEN,
    CUSTODY_LAST_SEEN,
    PROCESS_CHECK,
    PROCESS_MISMATCHES,
    HOLDER_INFO,
    HOLDER_DEVICES,
    *HOLDER_COUNTERS,
    *HOLDER_ACTIVITY,
)
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
DETAIL = frozenset(metric for metric in METRICS if "gpu_uuid" in metric.labels) | {
    TENSOR_PIPE_ACTIVE,
    TENSOR_PIPE_OBSERVED,
    NVLINK,
    NVLINK_OBSERVED,
    PCIE,
    PCIE_OBSERVED,
    POWER_SQUARE,
    POWER_OBSERVED,
}
"""What a page of the minimal profile leaves out: every series of a single GPU, and of holders what explains."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value: the metric, its label values in the order of ``metric.labels``, and the number."""

    metric: Metric
    label_values: tuple[str, ...]
    value: float
