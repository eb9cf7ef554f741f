"""Activity for tests of rhythm: shapes over time, sampled as means over slots of a second, with noise and gaps."""

import math
import random
from collections.abc import Callable, Collection

Shape = Callable[[float], float]
"""A ratio by the moment, in slots; slot 0 is from 0 to 1."""

WORK, DIP = 0.97, 0.05
POINTS = 20  # of which a slot's mean is made


def dips(period: float, length: float, middle: float = 0.0) -> Shape:
    """At work, but for a dip of this length around ``middle`` and every period from there."""
    return lambda at: DIP if (at - middle + length / 2) % period < length else WORK


def sine(period: float, middle: float = 0.0) -> Shape:
    """From 0 to 1 and back, lowest at ``middle``."""
    return lambda at: 0.5 - 0.5 * math.cos(2 * math.pi * (at - middle) / period)


def square(period: float, middle: float = 0.0) -> Shape:
    """Half of the time 0, around ``middle``, and half of it 1."""
    return lambda at: 0.0 if (at - middle + period / 4) % period < period / 2 else 1.0


def constant(ratio: float) -> Shape:
    """Always the same."""
    return lambda at: ratio


def a_series(
    shape: Shape, *, slots: int = 300, noise: float = 0.0, seed: int = 0, missing: Collection[int] = ()
) -> dict[int, float]:
    """The means of a shape over slots, each with noise of this deviation, but for those that are missing."""
    drawn = random.Random(seed)
    means = (sum(shape(slot + (point + 0.5) / POINTS) for point in range(POINTS)) / POINTS for slot in range(slots))
    noisy = {slot: mean + drawn.gauss(0.0, noise) for slot, mean in enumerate(means)}
    return {slot: value for slot, value in noisy.items() if slot not in missing}


def apart(one: float, other: float, period: float) -> float:
    """How far two moments are apart on the circle of a period."""
    return abs((one - other + period / 2) % period - period / 2)
