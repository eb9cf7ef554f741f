"""
The rhythm of devices: the period of their common activity, when its trough was, and how far they move together. Pure.

Training steps in lockstep: all devices of a job compute, then all wait for the exchange of gradients or for a
checkpoint (Choukse et al., "Power Stabilization for AI Training Datacenters", arXiv 2508.14318). A rhythm says that
much and no more: it is no verdict, for whatever a timer starts has one too.

Time is counted in slots here, from any beginning. A slot that was missed is not in a series: a gap, never a 0.

*Common activity.* The mean of the devices, each about its own mean, less the straight line of least squares.

*Period.* By ``likeness.py``: the lag at which that comes back. The period is the first peak that is nearly as high as
the highest, for the multiples of a period are peaks too (McLeod and Wyvill, "A Smarter Way to Find Pitch", ICMC 2005).
There has to be room for it three times, and its second to fourth repetition, as far as there is room, must stand out as
well. The multiples then make it exact to a fraction of a slot.

*Trough.* The activity is laid over itself, period upon period; the trough is the middle of what lies lower than halfway
between its lowest and its highest point. For a dip that is the middle of the dip, however short.

*Synchrony.* The mean of the correlations (Pearson's) of all pairs of devices. Where every device is brought to mean 0
and variance 1 it follows from the variance of their sum, without going through the pairs. Of devices that change once
a minute a window holds a handful of changes, and their correlation is chance: alone it says little.

Left out: periods of less than four slots, which a mean over a slot blurs and which then can look like one of their
multiples; two rhythms at once; a rhythm beside a step of the whole level, until the step has left the window.
"""

import cmath
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collector.likeness import Likeness
from collector.readings import Absent, Why

Series = Mapping[int, float]
"""Activity by slot number, in order of time; a slot that was missed is not in it."""

SHORTEST_PERIOD_SLOTS = 4  # two slots for the high and two for the low
LEAST_SLOTS = 30  # known ones; of fewer neither a rhythm nor a correlation can be told: a guess
LEAST_DEVIATION = 0.005  # what varies less is constant: half of the whole percents that NVML counts in, a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """
    A period that was found, in slots; ``trough_slot`` is the middle of the latest trough, in slot numbers.

    ``strength_ratio``: how far the activity one period later is what it was, up to 1 for exactly.
    """

    slots: float
    strength_ratio: float
    trough_slot: float


def find_period(devices: Sequence[Series]) -> Period | Absent:
    """The period of the devices' common activity. Absent(NO_DATA) if there is too little of it, or none stands out."""
    activity = _without_line(_common(devices))
    if len(activity) < LEAST_SLOTS or _deviation(activity.values()) < LEAST_DEVIATION:
        return Absent(Why.NO_DATA)
    likeness = Likeness(activity)
    lag = likeness.first_peak()
    if lag is None or lag < SHORTEST_PERIOD_SLOTS:
        return Absent(Why.NO_DATA)
    slots = likeness.exactly(lag)
    return Period(slots=slots, strength_ratio=likeness.at(lag), trough_slot=_latest_trough(activity, slots))


def synchrony_ratio(devices: Sequence[Series]) -> float | Absent:
    """
    How far devices move together, from 1 (as one) over 0 (independently) down to -1 (two that take turns).

    Over the slots that are known of all of them and the devices that vary. Absent(NO_DATA) if that leaves fewer than
    two devices, or too few slots: what is constant has no correlation, which is not one of 0.
    """
    slots = sorted(set.intersection(*map(set, devices))) if devices else []
    if len(slots) < LEAST_SLOTS:
        return Absent(Why.NO_DATA)
    units = [_unit([series[slot] for slot in slots]) for series in devices]
    varying = [unit for unit in units if unit]
    count = len(varying)
    if count < 2:
        return Absent(Why.NO_DATA)
    sums = map(sum, zip(*varying, strict=True))
    variance = math.fsum(each * each for each in sums) / len(slots)
    return min(1.0, max(-1.0, (variance - count) / (count * (count - 1))))


def _common(devices: Sequence[Series]) -> dict[int, float]:
    """The mean over the devices that are known in a slot, each about its own mean, so that a gap makes no step."""
    found: dict[int, list[float]] = {}
    for series in devices:
        mean = _mean(series.values())
        for slot, value in series.items():
            found.setdefault(slot, []).append(value - mean)
    return {slot: _mean(found[slot]) for slot in sorted(found)}


def _without_line(series: Series) -> dict[int, float]:
    """The series less its straight line of least squares."""
    middle, mean = _mean(series), _mean(series.values())
    spread = sum((slot - middle) ** 2 for slot in series)
    slope = sum((slot - middle) * value for slot, value in series.items()) / spread if spread else 0.0
    return {slot: value - mean - slope * (slot - middle) for slot, value in series.items()}


def _latest_trough(activity: Series, period: float) -> float:
    """The middle of the latest trough. Counted from the middle of the window, where an inexact period matters least."""
    first, *_, last = activity
    middle, cells = (first + last) / 2, round(period)
    folded: list[list[tuple[float, complex]]] = [[] for _ in range(cells)]
    for slot, value in activity.items():
        turn = (slot - middle) / period % 1.0
        folded[int(turn * cells) % cells].append((value, cmath.exp(2j * math.pi * turn)))
    profile = [
        (_mean(value for value, _ in cell), sum(turn for _, turn in cell) / len(cell)) for cell in folded if cell
    ]
    halfway = (min(profile, key=_value)[0] + max(profile, key=_value)[0]) / 2
    direction = sum(max(0.0, halfway - value) * turn for value, turn in profile)
    trough = middle + period * cmath.phase(direction) / (2 * math.pi)
    return trough + period * math.floor((last - trough) / period)


def _value(cell: tuple[float, complex]) -> float:
    return cell[0]


def _unit(values: Sequence[float]) -> list[float]:
    """The same with mean 0 and variance 1; nothing where it is constant."""
    mean, deviation = _mean(values), _deviation(values)
    return [(value - mean) / deviation for value in values] if deviation >= LEAST_DEVIATION else []


def _deviation(values: Iterable[float]) -> float:
    """Standard deviation."""
    known = list(values)
    mean = _mean(known)
    return math.sqrt(_mean((value - mean) ** 2 for value in known))


def _mean(values: Iterable[float]) -> float:
    """The mean; 0 of nothing, which no caller goes on with."""
    known = list(values)
    return sum(known) / len(known) if known else 0.0
