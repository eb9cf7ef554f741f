"""
The driver of a node: open, opened again with back-off, or let go of for a while because somebody asked for it.

A driver is not upgraded, and a card is not reset or cut anew, while a process holds its device files. So whoever does
that asks the collector to let go. It takes the driver back by itself when the time is over: a request that nobody takes
back must not leave a node unwatched.
"""

import logging
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue

from collector.clock import Clock
from collector.nvml import Driver, NoDriver
from collector.readings import Absent, Why

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0  # a guess: soon enough after a driver upgrade, and no burden while there is none
OPENING = "nvmlInit"  # the call that opens a driver, by NVML's name


class Released(NoDriver):
    """The driver was let go of on request, and the time is not over."""


class DriverSession:
    """
    Opens the driver, keeps it, and lets go of it.

    For one thread, but for ``release``, ``take_back`` and ``asking``, which any other may use. ``errors`` counts failed
    calls into NVML, into the counter that is given. ``before_release`` may ask the driver a last time before it is let
    go of on request. Seconds are those of ``clock``.
    """

    def __init__(
        self,
        open_driver: Callable[[], Driver],
        clock: Clock,
        errors: Counter[tuple[str, str]],
        *,
        before_release: Callable[[Driver], None],
    ) -> None:
        self._before_release = before_release
        self._open_driver = open_driver
        self._clock = clock
        self._errors = errors
        self._driver: Driver | None = None
        self._opening = False
        self._requests: SimpleQueue[float] = SimpleQueue()
        self._released_until_ns: int | None = None
        self._has_answered = False
        self._retry_at_ns = 0
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.version: str | Absent = Absent(Why.NO_DRIVER)

    @property
    def is_open(self) -> bool:
        """Whether there is a driver now."""
        return self._driver is not None

    @property
    def is_released(self) -> bool:
        """Whether it has been let go of on request."""
        return self._released_until_ns is not None

    @property
    def asking(self) -> str:
        """The call into NVML that is under way, empty if there is none."""
        driver = self._driver
        return OPENING if self._opening else "" if driver is None else driver.asking

    def release(self, seconds: float) -> None:
        """Let go of the driver before it is asked anything more, and leave it for so long, from then on."""
        self._requests.put(seconds)

    def take_back(self) -> None:
        """End a release; try at once to open a driver that is not open."""
        self._requests.put(0.0)

    def driver(self) -> Driver:
        """The open driver. Raises ``NoDriver``, of which ``Released`` is one."""
        self._heed_requests()
        if self._released_until_ns is not None:
            raise Released("let go of on request; SIGUSR2 takes it back", code="RELEASED")
        return self._driver or self._open()

    def close(self) -> None:
        """Let go of the driver. Harmless when repeated."""
        if self._driver is not None:
            self._driver.close()
            self._errors.update(self._driver.errors)
            self._driver, self.version = None, Absent(Why.DRIVER_GONE)

    def give_up(self) -> None:
        """Let go of a driver that does not answer. One that has not done so since it was opened is left for a while."""
        if self._driver is not None and not self._has_answered:
            self._back_off()
        self.close()

    def note_answer(self) -> None:
        """The driver has answered, so the next wait is a short one again; add up what it has counted since."""
        self._has_answered, self._retry_seconds = True, FIRST_RETRY_SECONDS
        if self._driver is not None:
            self._errors.update(self._driver.errors)
            self._driver.errors.clear()

    def _heed_requests(self) -> None:
        """The last request counts; then the time, if it is over."""
        while not self._requests.empty():
            self._heed(self._requests.get_nowait())
        if self._released_until_ns is not None and self._clock.elapsed_ns() >= self._released_until_ns:
            self._heed(0.0)

    def _heed(self, seconds: float) -> None:
        self._retry_at_ns, self._retry_seconds = 0, FIRST_RETRY_SECONDS
        if seconds > 0:
            if self._driver is not None:
                self._before_release(self._driver)
            self.close()
            self.version = Absent(Why.DRIVER_RELEASED)
            self._released_until_ns = self._clock.elapsed_ns() + round(seconds * NANOSECONDS)
            log.warning("driver.released seconds=%g", seconds)
        elif self._released_until_ns is not None:
            self._released_until_ns = None
            log.info("driver.release_over")

    def _open(self) -> Driver:
        if self._clock.elapsed_ns() < self._retry_at_ns:
            raise NoDriver("waiting before the next attempt", code="RETRY_LATER")
        self._opening = True
        try:
            driver = self._open_driver()
        except NoDriver as error:
            self._back_off()
            self._errors[OPENING, error.code] += 1
            raise
        finally:
            self._opening = False
        self._has_answered = False
        self._driver, self.version = driver, driver.driver_version()
        log.info("driver.open version=%s", self.version)
        return driver

    def _back_off(self) -> None:
        """Each attempt without an answer makes the wait before the next one longer."""
        self._retry_at_ns = self._clock.elapsed_ns() + round(self._retry_seconds * NANOSECONDS)
        self._retry_seconds = min(self._retry_seconds * 2, LONGEST_RETRY_SECONDS)
