"""
Job records become usage windows: one job, one window, metered by allocation.

A record says that devices were held, not what they did; so nothing here is ever observed, busy, or idle. What a
scheduler calls a job, with a beginning and an end, is batch work: its kind is ``Job`` unless somebody says otherwise.
"""

from datetime import datetime

import polars as pl

from collector.contract import Provenance
from policy.usage.window import NOTHING_TOLD, WINDOWS, Metering

BATCH = "Job"


def job_windows(jobs: pl.DataFrame, start: datetime) -> pl.DataFrame:
    """
    The windows of rows with ``job_id``, ``arrival_s``, ``gpus``, ``duration_s`` and the fillable fields.

    Schema WINDOWS. ``arrival_s`` and ``duration_s`` are seconds, the former from ``start``.
    """
    begins = pl.lit(start) + pl.duration(microseconds=(pl.col("arrival_s") * 1e6).cast(pl.Int64))
    lasts = pl.duration(microseconds=(pl.col("duration_s") * 1e6).cast(pl.Int64))
    none = pl.lit(None, pl.String)
    columns = {
        **NOTHING_TOLD,
        "node": none,
        "provenance": pl.lit(Provenance.MEASURED.value),
        "workload_uid": pl.col("job_id"),
        "workload_pod": pl.col("job_id"),
        "pod_uid": pl.col("job_id"),
        "container": none,
        "workload_kind": pl.col("workload_kind").fill_null(BATCH),
        "metering": pl.lit(Metering.ALLOCATION.value),
        "window_start": begins,
        "window_end": begins + lasts,
        "device_count": pl.col("gpus"),
        "held_seconds": pl.col("gpus") * pl.col("duration_s"),
    }
    return jobs.with_columns(**columns).select(pl.col(name).cast(dtype) for name, dtype in WINDOWS.items())
