"""What a collector says about those who hold GPUs: for how long, how hard, and for how much of it that is known."""

from collector.contract.vocabulary import HOLDER_LABELS, counter, gauge, observed

HOLDER_INFO = gauge(
    "holder_info",
    "",
    (*HOLDER_LABELS, "workload_kind", "workload_name", "workload_uid"),
    "1 for every holder: the workload (Kubernetes owner) that it was last said to belong to.",
)
HOLDER_DEVICES = gauge(
    "holder_devices",
    "",
    HOLDER_LABELS,
    "GPUs that the holder has now, alone or shared; a MIG instance is its part of one.",
)
HELD = counter(
    "holder_held_seconds",
    "seconds",
    HOLDER_LABELS,
    "Device-seconds for which this holder alone held "
    "the device, and of a shared one its part where the use of each holder is known. They add up over holders.",
)
OBSERVED = counter(
    "holder_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those with a reading of busy time.",
)
BUSY = counter(
    "holder_busy_seconds", "seconds", HOLDER_LABELS, "Of the observed device-seconds, those in which a kernel ran."
)
ENERGY = counter(
    "holder_energy_joules",
    "joules",
    HOLDER_LABELS,
    "Energy drawn by the boards while held by this holder alone; that of a divided device is nobody's.",
)
ENERGY_OBSERVED = counter(
    "holder_energy_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those whose energy is known.",
)
MEMORY = counter(
    "holder_memory_byte_seconds",
    "byte_seconds",
    HOLDER_LABELS,
    "Device memory in use, times the time it was in use; that of a divided device is nobody's.",
)
MEMORY_OBSERVED = counter(
    "holder_memory_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those whose memory is known.",
)
SHARED = counter(
    "holder_shared_seconds",
    "seconds",
    HOLDER_LABELS,
    "Device-seconds shared with others, or in which nobody could tell whether this holder still held the device. "
    "An upper bound for each of them; never add it over holders.",
)
SHARED_OBSERVED = counter(
    "holder_shared_observed_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the shared device-seconds, those with a reading of busy time.",
)
SHARED_BUSY = counter(
    "holder_shared_busy_seconds",
    "seconds",
    HOLDER_LABELS,
    "Busy time of shared devices, whole for each holder. An upper bound for each; never add it over holders.",
)
UNWATCHED = counter(
    "holder_unwatched_seconds",
    "seconds",
    HOLDER_LABELS,
    "Device-seconds in which no collector ran and that this holder may have held. Not in the held or shared seconds.",
)
SM_ACTIVE = counter(
    "holder_sm_active_seconds",
    "seconds",
    HOLDER_LABELS,
    "Held device-seconds times the share of multiprocessors that had work.",
)
SM_OBSERVED = observed("sm", "share of multiprocessors at work")
TENSOR_ACTIVE = counter(
    "holder_tensor_active_seconds",
    "seconds",
    HOLDER_LABELS,
    "Of the held device-seconds, those in which the tensor pipes worked, at whatever rate and in whatever format.",
)
TENSOR_OBSERVED = observed("tensor", "tensor activity")
TENSOR_PIPE_ACTIVE = counter(
    "holder_tensor_pipe_active_seconds",
    "seconds",
    (*HOLDER_LABELS, "pipe"),
    "The same for one pipe: hmma, floating point of 16 bits and fewer; imma, integers; dfma, doubles.",
)
TENSOR_PIPE_OBSERVED = observed("tensor_pipe", "activity of this pipe", "pipe")
DRAM_ACTIVE = counter(
    "holder_dram_active_seconds",
    "seconds",
    HOLDER_LABELS,
    "Held device-seconds times the share of memory bandwidth in use.",
)
DRAM_OBSERVED = observed("dram", "memory bandwidth in use")
NVLINK = counter(
    "holder_nvlink_bytes",
    "bytes",
    (*HOLDER_LABELS, "direction"),
    "Bytes over all NVLinks of the held devices, as the devices see it: receive, transmit.",
)
NVLINK_OBSERVED = observed("nvlink", "NVLink traffic in this direction", "direction")
PCIE = counter(
    "holder_pcie_bytes",
    "bytes",
    (*HOLDER_LABELS, "direction"),
    "Bytes over PCIe of the held devices, as the devices see it: receive, transmit.",
)
PCIE_OBSERVED = observed("pcie", "PCIe traffic in this direction", "direction")
POWER_SQUARE = counter(
    "holder_power_square_watt2_seconds",
    "watt2_seconds",
    HOLDER_LABELS,
    "Power of the boards squared, times the time. By its observed seconds, less the square of the mean power, it is "
    "the variance of power from reading to reading.",
)
POWER_OBSERVED = observed("power", "power")
ACTIVITY_LEVEL = counter(
    "holder_activity_level_seconds",
    "seconds",
    (*HOLDER_LABELS, "level"),
    "Held device-seconds by how busy the device was then, by its multiprocessors where it tells, else by the time in "
    "which a kernel ran: idle, below 0.05; low, below 0.5; high, below 0.9; full. They add up to what is known.",
)

HOLDER_COUNTERS = (HELD, OBSERVED, BUSY, ENERGY, ENERGY_OBSERVED)
"""What every page has for every holder; the centre refuses one that lacks any."""
HOLDER_OCCASIONS = (SHARED, SHARED_OBSERVED, SHARED_BUSY, UNWATCHED)
"""
What a page has for the holders to whom it has happened, from the first time on: to share, or to be unwatched.

Of one that is not there it is 0: it has not happened.
"""
HOLDER_ACTIVITY = (
    MEMORY,
    MEMORY_OBSERVED,
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
    ACTIVITY_LEVEL,
)
"""What a page has for the holders of devices that could tell it once: a series that is not there is not 0."""

METRICS = (HOLDER_INFO, HOLDER_DEVICES, *HOLDER_COUNTERS, *HOLDER_OCCASIONS, *HOLDER_ACTIVITY)
