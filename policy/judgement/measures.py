"""
What is measured of a run or a stint, as named ratios: the words in which evidence and patterns are written.

A ratio is null where nothing of it was observed, so that what nobody could see never reads as idle, low or calm.
"""

import polars as pl

from policy.facts.training_signals import TrainingSignals


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


seen_seconds = pl.col("observed_seconds") + pl.col("shared_observed_seconds")
"""Device-seconds with a reading of busy time."""
started_seconds = (seen_seconds - pl.col("init_seconds")).clip(lower_bound=0.0)
"""Of those, after anything ran on the device for the first time; at most."""
fewest_started_seconds = (seen_seconds - pl.col("most_init_seconds")).clip(lower_bound=0.0)
busy_seconds = pl.col("busy_seconds") + pl.col("shared_busy_seconds")
unseen_seconds = pl.col("unobserved_seconds") + pl.col("shared_seconds") - pl.col("shared_observed_seconds")
seen_seconds_per_device = seen_seconds / pl.max_horizontal("peak_devices", 1.0)

duty_ratio = _ratio(busy_seconds, started_seconds)
most_duty_ratio = _ratio(busy_seconds + unseen_seconds, fewest_started_seconds + unseen_seconds)
"""Its most, if all that nobody saw was busy: idle is believed only where not seeing cannot have hidden activity."""
sole_seen_ratio = _ratio(
    pl.col("observed_seconds"), pl.col("observed_seconds") + pl.col("unobserved_seconds") + pl.col("shared_seconds")
)
possible_seconds = pl.col("observed_seconds") + pl.col("unobserved_seconds") + pl.col("shared_seconds")
"""Held, or perhaps held, by anybody's count."""


def least(active: str) -> pl.Expr:
    """Share of the possible time that is known to have been active: what nobody saw counts as none."""
    return _ratio(pl.col(active), possible_seconds)


def most(active: str, known: str) -> pl.Expr:
    """Share of the possible time that may have been active: what nobody saw counts in full."""
    unknown = (possible_seconds - pl.col(known)).clip(lower_bound=0.0)
    return _ratio(pl.col(active) + unknown, possible_seconds)


busy_ratio = _ratio(pl.col("busy_seconds"), pl.col("observed_seconds"))
"""Of all the time that was seen, start-up as well: what other readings, which know no start-up, are held against."""
tensor_ratio = _ratio(pl.col("tensor_active_seconds"), pl.col("tensor_observed_seconds"))
tensor_of_busy_ratio = tensor_ratio / pl.max_horizontal(busy_ratio, 0.01)
sm_ratio = _ratio(pl.col("sm_active_seconds"), pl.col("sm_observed_seconds"))
dram_ratio = _ratio(pl.col("dram_active_seconds"), pl.col("dram_observed_seconds"))
dram_of_busy_ratio = dram_ratio / pl.max_horizontal(busy_ratio, 0.01)
most_tensor_ratio = most("tensor_active_seconds", "tensor_observed_seconds")
least_dram_ratio = least("dram_active_seconds")
least_duty_ratio = least("busy_seconds")
least_memory_bytes = least("memory_byte_seconds")
nvlink_bytes_per_second = _ratio(pl.col("nvlink_bytes"), pl.col("nvlink_observed_seconds"))
memory_bytes = _ratio(pl.col("memory_byte_seconds"), pl.col("memory_observed_seconds"))
"""In use, mean over the devices."""
synchrony = _ratio(pl.col("synchrony_sum"), pl.col("synchrony_windows"))
"""Mean correlation of the devices of a container, over the windows that told one."""
untold_windows = pl.col("windows") - pl.col("rhythm_windows")
"""That told nothing of rhythm, not even that there is none."""
most_synchrony = _ratio(pl.col("synchrony_sum") + untold_windows, pl.col("synchrony_windows") + untold_windows)
"""Mean correlation if devices moved as one in every window that told none."""
correlations = pl.col("synchrony_windows") * (pl.col("largest_pod_devices") - 1)
"""How many correlations of a device with others there were: windows times the devices beside the first."""
beat_ratio = _ratio(pl.col("beat_windows"), pl.col("windows"))
most_beat_ratio = _ratio(pl.col("beat_windows") + untold_windows, pl.col("windows"))
mean_period = _ratio(pl.col("period_sum"), pl.col("beat_windows"))
period_spread = (pl.col("period_square_sum") / pl.col("beat_windows") - mean_period**2).clip(lower_bound=0.0).sqrt()


def at_one_pace(by: TrainingSignals) -> pl.Expr:
    """Whether containers pause, in most windows, and all with one period."""
    return (beat_ratio >= by.beat_windows_ratio.value) & (period_spread <= by.same_pace_ratio.value * mean_period)


def maybe_at_one_pace(by: TrainingSignals) -> pl.Expr:
    """The same if they did in every window that told nothing."""
    maybe = (most_beat_ratio >= by.beat_windows_ratio.value) & (untold_windows > 0)
    return at_one_pace(by).fill_null(value=False) | maybe


power_watts = _ratio(pl.col("energy_joules"), pl.col("energy_observed_seconds"))
boards_known = pl.col("board_seconds") >= (1 - 1e-9) * pl.col("energy_observed_seconds")
power_ratio = pl.when(boards_known).then(_ratio(pl.col("energy_joules"), pl.col("board_joules")))
"""Of the boards' full power; null where the facts know no board's. Of mixed boards only if all are known."""
power_square = _ratio(pl.col("power_square_watt2_seconds"), pl.col("power_observed_seconds"))
swing_ratio = _ratio((power_square - power_watts**2).clip(lower_bound=0.0).sqrt(), power_watts)
"""Standard deviation of the boards' power over its mean."""

level_seconds = pl.sum_horizontal("idle_level_seconds", "low_level_seconds", "high_level_seconds", "full_level_seconds")
between_ratio = _ratio(pl.col("low_level_seconds") + pl.col("high_level_seconds"), level_seconds)
"""Share of the time in which devices were neither idle nor full."""
low_ratio = _ratio(pl.col("low_level_seconds"), level_seconds)
"""Share of the time in which they did less than half of what they could."""
least_low_ratio = least("low_level_seconds")
least_between_ratio = least_low_ratio + least("high_level_seconds")

blind_loaded_ratio = _ratio(pl.col("blind_loaded_seconds"), pl.col("loaded_seconds"))
"""Of the time under load, what nobody saw."""
blind_calm_ratio = _ratio(pl.col("blind_calm_seconds"), pl.col("calm_seconds"))
