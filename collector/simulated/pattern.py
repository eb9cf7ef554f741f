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

POWER = "power_ratio"
OF_LEVELS = (POWER, "busy_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """
    What keeps a device busy, as ratios from 0 to 1; Absent where nobody says.

    ``sm``: multiprocessors with work. ``hmma``, ``imma``, ``dfma``: the tensor pipes for floating point of 16 bits and
    fewer, for integers, and for doubles. ``dram``, ``nvlink``, ``pcie``: of the bandwidth, each way.
    """

    sm: float | Absent
    hmma: float | Absent
    imma: float | Absent
    dfma: float | Absent
    dram: float | Absent
    nvlink: float | Absent
    pcie: float | Absent


STILL = Activity(sm=0.0, hmma=0.0, imma=0.0, dfma=0.0, dram=0.0, nvlink=0.0, pcie=0.0)


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
    activity: Activity


NOTHING = Level(busy_ratio=0.0, power_ratio=0.0, memory_ratio=0.0, activity=STILL)


class Pattern:
    """Steps of (seconds, level), each longer than 0 s; begun anew if it repeats, followed by nothing if not."""

    __slots__ = ("_integrals", "_levels", "_seconds", "_starts", "knows_power", "length_seconds", "repeats")

    def __init__(self, steps: Sequence[tuple[float, Level]], *, repeats: bool) -> None:
        edges = [0.0, *accumulate(seconds for seconds, _ in steps)]
        self.length_seconds = edges.pop()
        self.repeats = repeats
        self._starts = edges
        self._seconds = [seconds for seconds, _ in steps]
        self._levels = [level for _, level in steps]
        self._integrals: dict[str, tuple[list[float], list[float]] | Absent] = {}
        self.knows_power = self.says(POWER)

    @property
    def peak_power_ratio(self) -> float:
        """The highest power of all steps; 0 where the power is not known throughout."""
        power = self._integral(POWER)
        return 0.0 if isinstance(power, Absent) else max(0.0, *power[0])

    def level(self, seconds: float) -> Level:
        """The step in force ``seconds`` after the pattern began; ``seconds`` is 0 or more."""
        if self.repeats:
            seconds %= self.length_seconds
        elif seconds >= self.length_seconds:
            return NOTHING
        return self._levels[bisect_right(self._starts, seconds) - 1]

    def power_seconds(self, seconds: float) -> float:
        """Integral of the power ratio from the pattern's begin until ``seconds``, exact. Needs ``knows_power``."""
        return self.ratio_seconds(POWER, seconds)

    def says(self, name: str) -> bool:
        """Whether every step says this ratio: ``power_ratio``, ``busy_ratio``, or an activity's."""
        return not isinstance(self._integral(name), Absent)

    def ratio_seconds(self, name: str, seconds: float) -> float:
        """Integral of a ratio that the pattern ``says``. Raises ValueError for any other."""
        integral = self._integral(name)
        if isinstance(integral, Absent):
            raise ValueError(f"not every step says {name}: ask says({name!r}) first")
        ratios, areas = integral
        cycles = 0.0
        if self.repeats:
            cycles, seconds = divmod(seconds, self.length_seconds)
        seconds = min(seconds, self.length_seconds)
        step = bisect_right(self._starts, seconds) - 1
        return cycles * areas[-1] + areas[step] + ratios[step] * (seconds - self._starts[step])

    def _integral(self, name: str) -> tuple[list[float], list[float]] | Absent:
        """Each step's ratio, and the integral up to each step's begin and to the end."""
        if name not in self._integrals:
            self._integrals[name] = self._integrate(name)
        return self._integrals[name]

    def _integrate(self, name: str) -> tuple[list[float], list[float]] | Absent:
        ratios: list[float] = []
        for level in self._levels:
            ratio = getattr(level if name in OF_LEVELS else level.activity, name)
            if isinstance(ratio, Absent):
                return ratio
            ratios.append(ratio)
        areas = (seconds * ratio for seconds, ratio in zip(self._seconds, ratios, strict=True))
        return ratios, [0.0, *accumulate(areas)]
