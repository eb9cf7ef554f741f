"""
How many floating-point operations a window may have done for a model: an interval, with its method.

The interval is conditional on the window being training; whether it was is the verdict's question. Operations are
counted as ECCN 4E091 Note 2 counts them: the model's own, forward and backward, fine-tuning included.

``busy``        low and likely: busy seconds at the dense 16-bit peak, times the model-FLOP utilisation that training is
                known to reach. High: the highest utilisation at the peak of the densest format. It takes what nobody
                could see (lost readings, unwatched hours) as busy throughout, and counts the busy time of a shared
                device whole for each holder.
``allocation``  nothing is known about activity: held seconds in place of busy ones; shared and unwatched time only in
                the high end.

Left out on purpose: utilisation as a FLOP meter (a device waiting for a checkpoint reads 100 % busy), a likely share of
what was not seen, and sparsity. A window on an accelerator that the facts do not know, or with a missing count of
seconds, has no estimate, and says so.
"""

import polars as pl

from policy.facts.estimation import Estimation
from policy.frames import conform, schema
from policy.usage.window import WINDOWS, Metering, unobserved_seconds

ESTIMATES = schema(
    {
        **WINDOWS,
        "low_flop": pl.Float64,  # null: no estimate, see no_estimate_reason
        "likely_flop": pl.Float64,
        "high_flop": pl.Float64,
        "method": pl.String,  # busy, allocation; null: no estimate
        "no_estimate_reason": pl.String,  # null: there is one
    }
)


is_allocation = pl.col("metering") == Metering.ALLOCATION.value
active_seconds = pl.when(is_allocation).then("held_seconds").otherwise("busy_seconds")
shared_unseen_seconds = pl.col("shared_seconds") - pl.col("shared_observed_seconds")
possibly_active_seconds = (
    pl.when(is_allocation)
    .then(pl.col("held_seconds") + pl.col("shared_seconds") + pl.col("unwatched_seconds"))
    .otherwise(pl.col("busy_seconds") + unobserved_seconds + pl.col("shared_busy_seconds") + shared_unseen_seconds)
)
peak = pl.col("training_peak_flop_per_second")
densest_peak = pl.col("densest_peak_flop_per_second")
no_estimate_reason = (
    pl.when(pl.col("accelerator").is_null())
    .then(pl.lit("the accelerator is not known"))
    .when(peak.is_null() | densest_peak.is_null())
    .then(pl.format("the facts have no peak for accelerator {}", pl.col("accelerator").fill_null("")))
    .when(possibly_active_seconds.is_null())
    .then(pl.lit("a count of the window's seconds is missing"))
)
BOUNDS = ("low_flop", "likely_flop", "high_flop")


def estimate_compute(windows: pl.DataFrame, peaks: pl.DataFrame, estimation: Estimation) -> pl.DataFrame:
    """
    Every window with its interval in FLOP, schema ESTIMATES; as many rows as windows.

    ``peaks``: of every accelerator in the windows, schema :data:`policy.facts.peaks.PEAKS`.
    """
    parts = ("low_part", "likely_part", "high_part")
    of_device = peaks.filter(pl.col("number_format").is_null()).select("accelerator", peak, densest_peak, *parts)
    rows = windows.join(of_device, on="accelerator", how="left", validate="m:1", maintain_order="left").with_columns(
        low_flop=active_seconds * peak * pl.col("low_part") * estimation.utilisation_low.value,
        likely_flop=active_seconds * peak * pl.col("likely_part") * estimation.utilisation_likely.value,
        high_flop=possibly_active_seconds * densest_peak * pl.col("high_part") * estimation.utilisation_high.value,
        no_estimate_reason=no_estimate_reason,
    )
    method = pl.when(is_allocation).then(pl.lit("allocation")).otherwise(pl.lit("busy"))
    estimated = pl.when(pl.col("no_estimate_reason").is_null())
    rows = rows.with_columns(*(estimated.then(name).alias(name) for name in BOUNDS), method=estimated.then(method))
    return conform(rows.select(ESTIMATES.names()), ESTIMATES, "estimates")
