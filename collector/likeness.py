"""
How like a series is to itself some slots later, and the lags at which it comes back: autocorrelation with gaps. Pure.

``Σ x(t)·x(t+lag)`` by the geometric mean of the energies of the two stretches that are compared: 1 for what repeats
exactly, and never more (Cauchy and Schwarz). A gap counts as the mean, 0: it takes from a peak and adds to none, so
that gaps make no period. Computed lag by lag: at the 300 slots of a window that takes a fraction of the time of a
Fourier transform in the same language, see tests/benchmarks/rhythm.py.

*What is a peak.* The highest lag of each stretch above 0 after the first fall below it: McLeod and Wyvill, "A Smarter
Way to Find Pitch", ICMC 2005, who also choose among them as done here.

*How high it has to be.* In a series without period the likeness at a lag deviates from 0 by about the square root of
``(1 + 2·Σ ρ²) / pairs``, the sum over the lags at which neighbours are still alike (Bartlett 1946; Box and Jenkins,
*Time Series Analysis*, 2.1.6). A peak needs a multiple of that, and never less than ``LEAST_STRENGTH``.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import accumulate, groupby, takewhile
from operator import mul

LEAST_CYCLES = 3  # what has been seen twice only may be chance
LEAST_STRENGTH = 0.5  # a guess; dips of 2 s in 60 s need to be six times as deep as the noise's deviation
DEVIATIONS = 2.5  # above chance; with the next, below 1 % of all noise has a period: tests/collector/test_rhythm.py
LEAST_WIDTH = 4.0  # the sum is no less; makes it 5 deviations for noise without memory, which offers the most lags
REPETITION_SHARE = 0.5  # of that height for each repetition: a guess, for the steps of training differ in length
REPETITIONS = 4  # so many must stand out, where there is room: a guess
NEARLY_AS_HIGH = 0.7  # McLeod and Wyvill take 0.8 to 1 of finely sampled sound; a dip of two slots blurs more
FOOT_SHARE = 0.7  # how far down a peak its middle is taken: a guess


class Likeness:
    """
    Of one series, by slot number, with mean 0. Each lag is computed when it is asked for, once.

    A lag is at most the number of slots less 1.
    """

    def __init__(self, series: Mapping[int, float]) -> None:
        first, last = min(series), max(series)
        self._values = [series.get(slot, 0.0) for slot in range(first, last + 1)]
        self._energy = list(accumulate((value * value for value in self._values), initial=0.0))
        self._found = {0: 1.0}
        self._known, self._slots = len(series), len(self._values)
        alike = takewhile(lambda likeness: likeness > 0, map(self.at, range(1, self._longest + 1)))
        self._width = max(LEAST_WIDTH, 1 + 2 * sum(likeness**2 for likeness in alike))

    @property
    def _longest(self) -> int:
        """The longest period that there is room for."""
        return self._slots // LEAST_CYCLES

    def at(self, lag: int) -> float:
        """The likeness at a lag, from -1 to 1; 0 where there is nothing to compare."""
        if lag not in self._found:
            energies = self._energy[self._slots - lag] * (self._energy[-1] - self._energy[lag])
            product = sum(map(mul, self._values, self._values[lag:]))
            self._found[lag] = product / math.sqrt(energies) if energies > 0 else 0.0
        return self._found[lag]

    def first_peak(self) -> int | None:
        """The shortest lag at which the series comes back nearly as well as at any, and again after that; if any."""
        peaks = [lag for lag in self._peaks() if self.at(lag) >= self._needed(lag)]
        nearly = NEARLY_AS_HIGH * max(map(self.at, peaks), default=0.0)
        return next((lag for lag in peaks if self.at(lag) >= nearly and self._repeats(lag)), None)

    def exactly(self, lag: int) -> float:
        """The period at this peak, to a fraction of a slot: the longer the multiple, the less a slot matters."""
        return list(self._refined(lag))[-1]

    def _peaks(self) -> Iterator[int]:
        """The highest lag of each stretch above 0, but for the one that begins at lag 0."""
        for is_above, stretch in groupby(range(1, self._longest + 2), key=lambda lag: self.at(lag) > 0):
            lags = list(stretch)
            top = max(lags, key=self.at)
            if is_above and lags[0] > 1 and top <= self._longest:
                yield top

    def _needed(self, lag: int) -> float:
        """How high a peak has to be at this lag."""
        return max(LEAST_STRENGTH, DEVIATIONS * math.sqrt(self._width / max(1, self._known - lag)))

    def _repeats(self, lag: int) -> bool:
        """Whether the series comes back at the multiples too: once more at least, and as often as there is room."""
        found = list(self._refined(lag))
        return len(found) >= min(REPETITIONS, max(2, self._room // found[-1]))

    @property
    def _room(self) -> int:
        """The longest lag at which enough is left to compare, and one more, for a period is seldom whole."""
        return self._slots - self._longest + 1

    def _refined(self, lag: int) -> Iterator[float]:
        """The period by the peak, then by its second multiple, and so on for as long as they stand out."""
        needed, near = REPETITION_SHARE * self._needed(lag), max(1, lag // 10)
        period, multiple = self._middle(lag), 2
        yield period
        while multiple * period <= self._room:
            at = round(multiple * period)
            top = max(range(at - near, min(at + near, self._slots - 2) + 1), key=self.at)
            if self.at(top) < needed:
                return
            period = self._middle(top) / multiple
            multiple += 1
            yield period

    def _middle(self, top: int) -> float:
        """The middle of a peak's upper part, which is as far to either side."""
        foot, reach = FOOT_SHARE * self.at(top), 1
        while top - reach > 1 and top + reach + 1 < self._slots and self._lower(top, reach + 1) > foot:
            reach += 1
        heights = {lag: max(0.0, self.at(lag) - foot) for lag in range(top - reach, top + reach + 1)}
        return sum(lag * height for lag, height in heights.items()) / sum(heights.values())

    def _lower(self, top: int, reach: int) -> float:
        return min(self.at(top - reach), self.at(top + reach))
