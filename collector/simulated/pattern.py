"""
A pattern: what one device does over time, as steps that hold until the next one, repeated or not.

Every signal, scripted or recorded, is brought into this one form. Its integral is then a sum that is known beforehand,
so the energy at a moment does not depend on how often, or whether, anybody looked before.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from collector.readings import Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """
    What a device does during one step, as ratios; Absent where a recording does not say.

    ``power_ratio`` is a share of the way from idle to the board's limit (a recorded board may sit a little below 0),
    ``memory_ratio`` a share of the total, without the driver's reserved part.
    """

    busy_ratio: float | Absent
    power_ratio: float | Absent
    memory_ratio: float | Absent


NOTHING = Level(busy_ratio=0.0, power_ratio=0.0, memory_ratio=0.0)


class Pattern:
    """Steps of (seconds, level), each longer than 0 s; begun anew if it repeats, followed by nothing if not."""

    __slots__ = ("_integrals", "_levels", "_powers", "_starts", "length_seconds", "repeats")

    def __init__(self, steps: Sequence[tuple[float, Level]], *, repeats: bool) -> None:
        edges = [0.0, *accumulate(seconds for seconds, _ in steps)]
        self.length_seconds = edges.pop()
        self.repeats = repeats
        self._starts = edges
        self._levels = [level for _, level in steps]
        powers = [level.power_ratio for level in self._levels if not isinstance(level.power_ratio, Absent)]
        self._powers = powers if len(powers) == len(edges) else []
        areas = (seconds * power for (seconds, _), power in zip(steps, self._powers, strict=False))
        self._integrals = [0.0, *accumulate(areas)]

    @property
    def knows_power(self) -> bool:
        """Whether every step says its power, without which there is no integral."""
        return bool(self._powers)

    @property
    def peak_power_ratio(self) -> float:
        """The highest power of all steps; 0 where the power is not known throughout."""
        return max(self._powers, default=0.0)

    def level(self, seconds: float) -> Level:
        """The step in force ``seconds`` after the pattern began; ``seconds`` is 0 or more."""
        if self.repeats:
            seconds %= self.length_seconds
        elif seconds >= self.length_seconds:
            return NOTHING
        return self._levels[bisect_right(self._starts, seconds) - 1]

    def power_seconds(self, seconds: float) -> float:
        """Integral of the power ratio from the pattern's begin until ``seconds``, exact. Needs ``knows_power``."""
        cycles = 0.0
        if self.repeats:
            cycles, seconds = divmod(seconds, self.length_seconds)
        seconds = min(seconds, self.length_seconds)
        step = bisect_right(self._starts, seconds) - 1
        partial = self._integrals[step] + self._powers[step] * (seconds - self._starts[step])
        return cycles * self._integrals[-1] + partial
