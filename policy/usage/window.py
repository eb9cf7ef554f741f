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
    }
)

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
