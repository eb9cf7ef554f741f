"""
How the compute of one run came about: of each accelerator the time that each method knows, its shares and the peaks.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
from rich.tree import Tree

from policy.facts.estimation import Estimation
from policy.facts.facts import Facts
from policy.facts.peaks import Peak
from policy.usage.window import Metering

LEAST_SHOWN_HOURS = 0.05  # below it the hours would read 0.0
BY = ("accelerator", "number_format", "metering")
SUMMED = (
    "held_seconds", "observed_seconds", "busy_seconds", "unobserved_seconds", "tensor_active_seconds",
    "tensor_observed_seconds", "sm_only_seconds", "rest_seconds", "high_seconds", "energy_joules",
    "energy_observed_seconds",
)  # fmt: skip
TFLOP = 1e12


def add_amounts(branch: Tree, days: pl.DataFrame, facts: Facts) -> None:
    """A branch for each accelerator of a run's pod-days. ``days``: with their estimate."""
    groups = days.group_by(BY, maintain_order=True).agg(
        *(pl.col(name).sum() for name in SUMMED), methods=pl.col("methods").explode().drop_nulls().unique().sort()
    )
    for row in groups.sort(BY).to_dicts():
        name = row["accelerator"] or "an accelerator that is not known"
        grown = branch.add(f"{name}: by {', '.join(row['methods']) or 'nothing, so there is no estimate'}")
        for line in (*_measured(row), *_known(row, facts.estimation), *_at_peaks(row, facts)):
            grown.add(line)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f}"


def _measured(row: dict[str, Any]) -> Iterator[str]:
    yield (
        f"measured: {_hours(row['busy_seconds'])} busy of {_hours(row['observed_seconds'])} observed GPU-hours; "
        f"{_hours(row['unobserved_seconds'])} unseen"
    )
    if row["energy_observed_seconds"] > 0:
        watts = row["energy_joules"] / row["energy_observed_seconds"]
        yield f"power: {watts:.0f} W, the mean of {_hours(row['energy_observed_seconds'])} GPU-hours"


def _known(row: dict[str, Any], of: Estimation) -> Iterator[str]:
    """What each method knows of, with the shares of the peak that training reaches in it: low, likely."""
    for seconds, name, words in _times(row):
        if seconds / 3600 >= LEAST_SHOWN_HOURS:
            low, likely = (getattr(of, f"{name}_{bound}").value for bound in ("low", "likely"))
            yield f"low, likely: {_hours(seconds)} GPU-hours × {low:g}, {likely:g} ({words})"


def _times(row: dict[str, Any]) -> Iterator[tuple[float, str, str]]:
    """Seconds, the shares that they are taken with, and what they are; each second once."""
    if row["metering"] == Metering.ALLOCATION.value:
        yield row["held_seconds"], "utilisation", "held, and nothing known of activity"
        return
    seen = _hours(row["tensor_observed_seconds"])
    yield row["tensor_active_seconds"], "tensor", f"tensor pipes worked, of {seen} seen"
    yield row["sm_only_seconds"], "sm", "multiprocessors worked, where tensor time is not known"
    yield row["rest_seconds"], "utilisation", "busy and drawing power, where neither is known"


def _at_peaks(row: dict[str, Any], facts: Facts) -> Iterator[str]:
    """The peaks of the declared format, else of 16 bits and of the densest format; or why there is none."""
    chip = facts.peak(row["accelerator"]) if row["accelerator"] else None
    if not isinstance(chip, Peak):
        yield chip.reason if chip else "the accelerator is not known"
        return
    peaks = facts.peaks(pl.Series([row["accelerator"]])).filter(
        pl.col("number_format").eq_missing(pl.lit(row["number_format"], pl.String))
    )
    training, densest = peaks.select("training_peak_flop_per_second", "densest_peak_flop_per_second").row(0)
    width = f"{row['number_format']}, declared" if row["number_format"] else "16 bit"
    yield f"low, likely: × {training / TFLOP:g} TFLOP/s (dense, {width})"
    top = width if row["number_format"] else chip.densest_format
    hours = _hours(row["high_seconds"])
    yield f"high: {hours} GPU-hours that may have been at full rate × {densest / TFLOP:g} TFLOP/s (dense, {top})"
    for source in chip.sources:
        yield f"{chip.device}: {source.line}"
