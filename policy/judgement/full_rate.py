"""
For how many device-seconds a window may have worked at full rate, if it was training: an interval, with its methods.

Full rate is the device's peak. Low and likely are seconds at the dense 16-bit peak, high is seconds at the peak of the
densest format; which peaks those are is for :mod:`policy.judgement.estimate` to say. Here stands what counters tell,
best first:

``tensor``      the time in which tensor pipes worked, whatever for.
``sm``          the time in which multiprocessors had work.
``power``       busy time, of which what draws no more than an idle board counts as waiting: a device that waits for a
                checkpoint is 100 % busy at a fifth of its power.
``busy``        the time in which a kernel ran.
``allocation``  the time for which it was held: nothing is known about activity.
``unseen``      nothing: its devices should have been read and were not, so only the high end is more than 0.

*Low* is the share that training reaches at least of the best time that is known; of busy seconds for which nothing
better is known, busy seconds. Time that was measured idle counts 0, and so does time that nobody saw.

*High* is the least of what each method allows, each of which takes what that method did not see as worked throughout.
So a reading can lower the top and losing one never does. Tensor time is taken at the full peak of the densest format:
no counter tells FP8 or FP4 from wider formats. What is shared counts whole for each sharer, in the high end only.

All is told window by window (:func:`window_parts`, :func:`full_rate_seconds`), so that sums are the same however
windows are dealt out to pods and runs. Where readings contradict each other low and likely are no more than high. Left
out on purpose: utilisation as a FLOP meter, a likely share of what was not seen, and sparsity.
"""

from collections.abc import Iterable

import polars as pl

from policy.facts.estimation import Estimation
from policy.usage.window import Metering, unobserved_seconds

METHODS = ("tensor", "sm", "power", "busy", "allocation", "unseen")
"""The best first."""
PARTS = ("sm_only_seconds", "rest_seconds", "high_seconds", "low_seconds", "likely_seconds")
"""
Of a window: multiprocessor time where tensor time is not known; busy time for which neither is known, less what draws
no power; the high end; and of what is known the low and the likely one, neither above it. Null: a count that it needs
is missing.
"""

held, busy, watts = pl.col("held_seconds"), pl.col("busy_seconds"), pl.col("board_power_watts")
energy, energy_known = pl.col("energy_joules"), pl.col("energy_observed_seconds")
sm, sm_known = pl.col("sm_active_seconds"), pl.col("sm_observed_seconds")
tensor, tensor_known = pl.col("tensor_active_seconds"), pl.col("tensor_observed_seconds")
is_allocation = pl.col("metering") == Metering.ALLOCATION.value
maybe_held = held + pl.col("unwatched_seconds")
maybe_by_sharing = pl.col("shared_busy_seconds") + pl.col("shared_seconds") - pl.col("shared_observed_seconds")


def window_parts(of: Estimation) -> dict[str, pl.Expr]:
    """PARTS of every window, which has ``board_power_watts`` beside its own columns; null: not known."""
    better_known = pl.when(tensor_known > 0).then(tensor_known).otherwise(sm_known)
    drawn = pl.min_horizontal(busy, _drawn_seconds(of) + (busy - energy_known).clip(lower_bound=0.0))
    return {
        "sm_only_seconds": pl.when(tensor_known > 0).then(0.0).otherwise(sm),
        "rest_seconds": pl.when(better_known > 0).then((busy - better_known).clip(lower_bound=0.0)).otherwise(drawn),
        "high_seconds": _high_seconds(of),
    }


def _drawn_seconds(of: Estimation) -> pl.Expr:
    """Seconds of full use that the energy above an idle board's would make; all of them where power is not known."""
    idle, full = of.power_idle.value, of.power_training.value
    drawn = (energy / watts - idle * energy_known) / (full - idle)
    return pl.when((energy_known > 0) & watts.is_not_null()).then(drawn.clip(lower_bound=0.0)).otherwise(busy)


def _high_seconds(of: Estimation) -> pl.Expr:
    """
    The least of what each method allows; null where a count is missing.

    A method that told nothing allows no less than busy time does, so nobody has to ask which there are.
    """
    most_power = of.power_most.value * of.power_excess.value
    by_busy = of.utilisation_high.value * (busy + unobserved_seconds)
    by_sm = of.sm_high.value * (maybe_held + sm - sm_known)
    by_tensor = of.tensor_high.value * (maybe_held + tensor - tensor_known)
    by_power = of.power_most.value * energy / watts + most_power * (maybe_held - energy_known)
    least = pl.min_horizontal(by_busy, by_sm, by_tensor, by_power)
    return least + by_busy * 0.0 + of.utilisation_high.value * maybe_by_sharing


def full_rate_seconds(of: Estimation) -> dict[str, pl.Expr]:
    """Low and likely seconds of windows with their other parts."""
    high = pl.col("high_seconds")
    likely = pl.min_horizontal(_share(of, "likely"), high)
    return {"low_seconds": pl.min_horizontal(_share(of, "low"), likely), "likely_seconds": likely}


def _share(of: Estimation, bound: str) -> pl.Expr:
    of_tensor, of_sm, of_busy = (getattr(of, f"{name}_{bound}").value for name in ("tensor", "sm", "utilisation"))
    known = (of_tensor * tensor, of_sm * pl.col("sm_only_seconds"), of_busy * pl.col("rest_seconds"))
    measured = pl.sum_horizontal(known)  # what is missing adds nothing
    return pl.when(is_allocation).then(of_busy * held).otherwise(measured)


def methods_used() -> Iterable[pl.Expr]:
    """Of rows that are sums of windows, the name of each method if some of the time rests on it, else null."""
    known = pl.max_horizontal(tensor_known, sm_known)
    by_power = pl.when(watts.is_not_null()).then(energy_known).otherwise(0.0)
    observed, shared_observed = pl.col("observed_seconds"), pl.col("shared_observed_seconds")
    by_busy = (observed > pl.max_horizontal(known, by_power)) | (shared_observed > 0)
    used = {
        "tensor": tensor_known > 0,
        "sm": sm_known > tensor_known,
        "power": ~is_allocation & (by_power > known),
        "busy": ~is_allocation & by_busy,
        "allocation": is_allocation,
        "unseen": ~is_allocation & (observed + shared_observed + known + by_power == 0),
    }
    return (pl.when(is_used).then(pl.lit(name)) for name, is_used in used.items())


def is_misfit(of: Estimation) -> pl.Expr:
    """Whether the energy is more than the board can draw, or less than its tensor pipes must have drawn."""
    mean_power = energy / energy_known / watts
    too_much = mean_power > of.power_excess.value
    too_little = (tensor_known > 0) & (tensor / tensor_known > of.power_most.value * mean_power)
    return ((energy_known > 0) & (too_much | too_little)).fill_null(value=False)
