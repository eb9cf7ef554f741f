"""
The node's two clocks: one that says what time it is, one that says how much time has passed.

They are one port, so that a simulated scenario can run faster than the wall. Only the clock is accelerated then:
readings are what they would be at that moment, and nothing is multiplied afterwards.
"""

import time
from pathlib import Path
from typing import Protocol

from collector.readings import Absent, Why

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""A random number that Linux makes at every boot: Documentation/admin-guide/sysctl/kernel.rst."""


class Clock(Protocol):
    """Wall time and elapsed time."""

    def unix_seconds(self) -> float:
        """The time of day, as Unix time."""
        ...

    def elapsed_ns(self) -> int:
        """Nanoseconds since some fixed moment; never runs backwards."""
        ...

    def epoch(self) -> str | Absent:
        """Which fixed moment that is: two processes that are told the same have the same elapsed time."""
        ...

    def real_seconds(self, seconds: float) -> float:
        """How long to wait in real seconds until ``seconds`` of this clock have passed."""
        ...


class SystemClock:
    """The machine's own clocks. ``boot_id``: the file that tells the boot."""

    def __init__(self, boot_id: Path = BOOT_ID) -> None:
        self._boot_id = boot_id

    def unix_seconds(self) -> float:
        """The time of day, as Unix time."""
        return time.time()

    def elapsed_ns(self) -> int:
        """The monotonic clock, which on Linux counts from the boot and is the same for every process."""
        return time.monotonic_ns()

    def epoch(self) -> str | Absent:
        """The boot. Absent(NO_DATA) where the kernel does not say."""
        return _boot(self._boot_id)

    def real_seconds(self, seconds: float) -> float:
        """The same number."""
        return seconds


class ScenarioClock:
    """
    A scenario's clock: it stands until ``begins_at``, then runs ``speed`` times as fast as the wall.

    ``scenario_start`` and ``begins_at`` are Unix times, the one in the scenario and the other on the wall.
    Every process that is given the same three numbers has the same clock, until the machine is booted: what has passed
    since the scenario began is the wall clock's word then. ``boot_id``: the file that tells the boot.
    """

    def __init__(self, *, scenario_start: float, begins_at: float, speed: float, boot_id: Path = BOOT_ID) -> None:
        self._scenario_start = scenario_start
        self._boot_id = boot_id
        self._numbers = f"scenario {scenario_start!r} at {begins_at!r}, {speed!r} times as fast"
        self._begins_ns = round(begins_at * 1e9) - time.time_ns() + time.monotonic_ns()
        self._speed = speed

    def unix_seconds(self) -> float:
        """Scenario time, as Unix time."""
        return self._scenario_start + self.seconds_in()

    def seconds_in(self) -> float:
        """Scenario seconds since its start; 0 before it begins."""
        return self.elapsed_ns() / 1e9

    def elapsed_ns(self) -> int:
        """Scenario nanoseconds since its start."""
        return round(max(0, time.monotonic_ns() - self._begins_ns) * self._speed)

    def epoch(self) -> str | Absent:
        """The three numbers and the boot. Absent(NO_DATA) where the kernel does not say which that is."""
        boot = _boot(self._boot_id)
        return boot if isinstance(boot, Absent) else f"{self._numbers}, boot {boot}"

    def real_seconds(self, seconds: float) -> float:
        """Scenario seconds pass faster."""
        return seconds / self._speed


def _boot(boot_id: Path) -> str | Absent:
    try:
        return boot_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return Absent(Why.NO_DATA)
