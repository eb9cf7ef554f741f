"""What a collector says about the GPUs of its node: what they are, what they do, and where their seconds went."""

from collector.contract.vocabulary import (
    ACCELERATOR_LABELS,
    GPU_LABELS,
    NODE_LABELS,
    UNKNOWN_ACCELERATOR,
    counter,
    gauge,
)

GPUS = gauge(
    "gpus",
    "",
    ACCELERATOR_LABELS,
    f"GPUs that this node is known to have, read or not; accelerator {UNKNOWN_ACCELERATOR}: never identified. Those "
    "that no driver here reads have the name of the PCI table, or vendor and device number.",
)
GPU_INFO = gauge(
    "gpu_info",
    "",
    (*GPU_LABELS, "accelerator", "pci_bus_id", "serial"),
    "1 for every GPU that was identified; accelerator is the product name as the driver gives it.",
)
MIG_INSTANCE_INFO = gauge(
    "mig_instance_info",
    "",
    (*GPU_LABELS, "accelerator", "parent_uuid", "profile", "multiprocessors"),
    "1 for every MIG instance there is now, under its own UUID: its card's name and UUID, its profile, its weight.",
)
GPU_BUSY = gauge(
    "gpu_busy_ratio",
    "ratio",
    GPU_LABELS,
    "Share of the time since the last reading in which a kernel ran, 0 to 1. Absent while it cannot be read.",
)
GPU_POWER = gauge("gpu_power_watts", "watts", GPU_LABELS, "Draw of the board. Absent while it cannot be read.")
GPU_SM_ACTIVE = gauge(
    "gpu_sm_active_ratio",
    "ratio",
    GPU_LABELS,
    "Share of its multiprocessors that had work, mean since the last reading, 0 to 1. Absent where it cannot be told.",
)
GPU_TENSOR_ACTIVE = gauge(
    "gpu_tensor_active_ratio",
    "ratio",
    GPU_LABELS,
    "Share of the time in which its tensor pipes worked, mean since the last reading, 0 to 1; at which rate, and in "
    "which format, it does not say. Absent where it cannot be told.",
)
GPU_DRAM_ACTIVE = gauge(
    "gpu_dram_active_ratio",
    "ratio",
    GPU_LABELS,
    "Share of its memory bandwidth in use, mean since the last reading, 0 to 1. Absent where it cannot be told.",
)
GPU_SM_CLOCK = gauge("gpu_sm_clock_hertz", "hertz", GPU_LABELS, "Clock of the multiprocessors at the last reading.")
GPU_CLOCK_EVENT = gauge(
    "gpu_clock_event",
    "",
    (*GPU_LABELS, "reason"),
    "1 for everything that held the clock back at the last reading, by NVML's own reason.",
)
GPU_ECC_UNCORRECTED = gauge(
    "gpu_ecc_uncorrected_errors",
    "",
    GPU_LABELS,
    "Memory errors that could not be corrected, since the driver was loaded.",
)
GPU_MEMORY_REPAIRS = gauge(
    "gpu_memory_repairs",
    "",
    GPU_LABELS,
    "Rows remapped (before Ampere pages retired) for uncorrectable errors in the life of the board.",
)
GPU_MEMORY_REPAIR_PENDING = gauge(
    "gpu_memory_repair_pending", "", GPU_LABELS, "1 while such a repair waits for a reset of the GPU, else 0."
)
GPU_XID_ERRORS = counter(
    "gpu_xid_errors",
    "",
    (*GPU_LABELS, "xid"),
    "Errors that the driver reported about this GPU since this process began, by NVIDIA's Xid number. A series begins "
    "with its first error; of a GPU that cannot tell gpu_unsupported has the field xid_errors.",
)
GPU_UNSUPPORTED = gauge(
    "gpu_unsupported",
    "",
    (*GPU_LABELS, "field", "reason"),
    "1 for everything that a reading of this GPU cannot tell, or not to this collector, and why.",
)
GPU_HELD = gauge(
    "gpu_held",
    "",
    (*GPU_LABELS, "workload_namespace", "workload_pod", "container", "tenant_id"),
    "1 for every holder of a GPU now; a shared GPU has one series for each of its holders.",
)
GPU_PHYSICAL = counter(
    "gpu_physical_seconds",
    "seconds",
    ACCELERATOR_LABELS,
    "Clock times inventory: what the states of flopwatch_gpu_seconds_total must add up to.",
)
GPU_SECONDS = counter(
    "gpu_seconds",
    "seconds",
    (*ACCELERATOR_LABELS, "state", "reason"),
    "GPU-seconds by where they went, and why.",
)
GPU_RESIDUAL = gauge(
    "gpu_residual_seconds",
    "seconds",
    ACCELERATOR_LABELS,
    "Physical GPU-seconds less the sum of all states. Not 0 means that the collector lost count.",
)
CUSTODY_EVENTS = counter(
    "custody_events",
    "",
    (*NODE_LABELS, "event"),
    "Changes in the inventory of devices: appeared, vanished, returned, uuid_changed, address_changed, slot_changed.",
)
CUSTODY_FIRST_SEEN = gauge(
    "custody_first_seen_timestamp_seconds",
    "seconds",
    (*GPU_LABELS, "accelerator", "pci_bus_id", "serial"),
    "When a device of the inventory was first seen here, as Unix time; also of devices that have vanished.",
)
CUSTODY_LAST_SEEN = gauge(
    "custody_last_seen_timestamp_seconds",
    "seconds",
    (*GPU_LABELS, "accelerator", "pci_bus_id", "serial"),
    "When it was last read, as Unix time.",
)

METRICS = (
    GPUS,
    GPU_INFO,
    MIG_INSTANCE_INFO,
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
    GPU_XID_ERRORS,
    GPU_UNSUPPORTED,
    GPU_HELD,
    GPU_PHYSICAL,
    GPU_SECONDS,
    GPU_RESIDUAL,
    CUSTODY_EVENTS,
    CUSTODY_FIRST_SEEN,
    CUSTODY_LAST_SEEN,
)
