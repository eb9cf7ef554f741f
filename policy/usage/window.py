"""
The usage window: what one container used of one accelerator model on one node between two moments.

It is the unit of the ledger and the only thing the judgement ever sees of the telemetry. Seconds are device-seconds:
two devices held for a minute are 120.
"""

from enum import StrEnum

import polars as pl

from policy.frames import schema

UTC_TIME = pl.Datetime("us", "UTC")


class Metering(StrEnum):
    """
    How the window came about.

    ``utilisation``: devices were read; what was not read is unobserved and widens the top of an estimate.
    ``allocation``: the source knows who held devices and nothing about what they did, such as job records.
    """

    UTILISATION = "utilisation"
    ALLOCATION = "allocation"


WINDOWS = schema(
    {
        "node": pl.String,  # where it ran
        "provenance": pl.String,  # measured or simulated; a ledger holds one of them
        "workload_namespace": pl.String,
        "workload_kind": pl.String,  # Kubernetes kind of the owner; null: not known
        "workload_name": pl.String,  # name of the owner; null: not known
        "workload_uid": pl.String,
        "workload_pod": pl.String,
        "pod_uid": pl.String,
        "container": pl.String,
        "tenant_id": pl.String,  # the claim at the time of use; null: nobody claimed it
        "accelerator": pl.String,  # product name as the driver gives it; null: not known
        "metering": pl.String,
        "window_start": UTC_TIME,
        "window_end": UTC_TIME,
        "device_count": pl.Float64,  # devices held at the end of the window, alone or shared
        "held_seconds": pl.Float64,  # held alone
        "observed_seconds": pl.Float64,  # of those, with a reading of busy time
        "busy_seconds": pl.Float64,  # of those, in which a kernel ran
        "energy_joules": pl.Float64,
        "energy_observed_seconds": pl.Float64,
        "memory_byte_seconds": pl.Float64,
        "memory_observed_seconds": pl.Float64,
        "shared_seconds": pl.Float64,  # shared, or perhaps held, whole for each: an upper bound
        "shared_observed_seconds": pl.Float64,
        "shared_busy_seconds": pl.Float64,  # busy time of shared devices, whole for each: an upper bound
        "unwatched_seconds": pl.Float64,  # nobody watched, and it may have held devices
        # What devices did while it held them alone. Beside each is for how much of the held time it is known: where
        # that is 0.0 the other is 0.0 as well, and nothing was observed, which is not idle.
        "sm_active_seconds": pl.Float64,  # times the share of multiprocessors at work
        "sm_observed_seconds": pl.Float64,
        "tensor_active_seconds": pl.Float64,  # the tensor pipes worked, at whatever rate and in whatever format
        "tensor_observed_seconds": pl.Float64,
        "dram_active_seconds": pl.Float64,  # times the share of memory bandwidth in use
        "dram_observed_seconds": pl.Float64,
        "nvlink_bytes": pl.Float64,  # received and transmitted, as the devices see it
        "nvlink_observed_seconds": pl.Float64,  # in both directions: the lesser of the two
        "pcie_bytes": pl.Float64,
        "pcie_observed_seconds": pl.Float64,
        "power_square_watt2_seconds": pl.Float64,  # power of the boards squared, times the time
        "power_observed_seconds": pl.Float64,
        "idle_level_seconds": pl.Float64,  # by how busy a device was, below 0.05; the four add up to what is known
        "low_level_seconds": pl.Float64,  # below 0.5
        "high_level_seconds": pl.Float64,  # below 0.9
        "full_level_seconds": pl.Float64,
        # The rhythm of its devices in the last minutes of the window; null: not told.
        "rhythm_signal": pl.String,  # tensor_active_ratio, sm_active_ratio, power_watts, busy_ratio
        "rhythm_window_seconds": pl.Float64,  # of the last minutes, those in which the signal is known
        "period_seconds": pl.Float64,
        "period_strength_ratio": pl.Float64,  # up to 1: one period later the activity is the same
        "trough_unix_seconds": pl.Float64,  # the middle of the latest trough
        "synchrony_ratio": pl.Float64,  # mean correlation over all pairs of devices, -1 to 1
    }
)

ACTIVITY = {
    "sm_active_seconds": "sm_observed_seconds",
    "tensor_active_seconds": "tensor_observed_seconds",
    "dram_active_seconds": "dram_observed_seconds",
    "nvlink_bytes": "nvlink_observed_seconds",
    "pcie_bytes": "pcie_observed_seconds",
    "power_square_watt2_seconds": "power_observed_seconds",
}
"""What devices did, and beside it for how much of the held time that is known."""
LEVELS = ("idle_level_seconds", "low_level_seconds", "high_level_seconds", "full_level_seconds")
RHYTHM = (
    "rhythm_signal", "rhythm_window_seconds", "period_seconds", "period_strength_ratio", "trough_unix_seconds",
    "synchrony_ratio",
)  # fmt: skip
COUNTED = tuple(
    name for name, dtype in WINDOWS.items() if dtype == pl.Float64 and name not in ("device_count", *RHYTHM)
)
"""Columns that add up over windows."""
NOTHING_TOLD = {
    **{name: pl.lit(0.0) for name in COUNTED},
    **{name: pl.lit(None, WINDOWS[name]) for name in RHYTHM},
}
"""A source that tells nothing: every count is 0.0, observed time as well, and the rhythm is null."""

HOLDER = (
    "node", "provenance", "workload_namespace", "workload_pod", "pod_uid", "container", "tenant_id", "accelerator",
)  # fmt: skip
WORKLOAD = ("workload_kind", "workload_name", "workload_uid")

BALANCE = schema(
    {
        "node": pl.String,
        "provenance": pl.String,
        "accelerator": pl.String,
        "window_start": UTC_TIME,
        "window_end": UTC_TIME,
        "state": pl.String,  # of GpuState, or "physical": what the others must add up to
        "reason": pl.String,
        "gpu_seconds": pl.Float64,
    }
)

unobserved_seconds = (pl.col("held_seconds") - pl.col("observed_seconds") + pl.col("unwatched_seconds")).clip(
    lower_bound=0.0
)
"""Device-seconds that this container held, or may have held, while nobody could tell how busy they were."""
