"""
Whether the tick under way hangs, and in what; the same for one look.

A call into a driver that hangs cannot be ended from outside: a thread for each call would leave threads behind, and the
handles they hold. So it is told: on the page, which else only stands still, in ``/readyz`` and in the log. If the call
comes back, its time is lost as late; if it never does, ``/healthz`` fails, and who asks it starts another process. One
look, which nobody looks after, is given up.
"""

import logging
import threading
from collections.abc import Callable
from typing import Self, TypeVar

from collector.clock import Clock
from collector.contract import Sample, node_metrics

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
OWN_WORK = "collector"  # between the steps: adding up

POLL_SECONDS = 0.05  # how often to see whether what is worked at in another thread hangs

T = TypeVar("T")


class Hangs(Exception):
    """What somebody waits for does not come; the text is what it hangs in, as of :meth:`TickWatch.hanging`."""


class TickWatch:
    """
    What the tick under way is doing, and since when.

    One thread ticks, in a ``with`` block; any other may ask, at any time and without a lock. ``asking`` names the call
    into NVML that is under way, if there is one. A tick hangs after ``limit_seconds``, in real seconds.
    """

    def __init__(self, clock: Clock, *, limit_seconds: float, asking: Callable[[], str]) -> None:
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._asking = asking
        self._began_ns: int | None = None
        self._step = OWN_WORK
        self._is_told = False

    def __enter__(self) -> Self:
        self._began_ns = self._clock.elapsed_ns()
        return self

    def __exit__(self, *_: object) -> None:
        self._began_ns = None

    def during(self, step: str, work: Callable[[], T]) -> T:
        """What ``work`` answers; until it does the tick is at this step."""
        self._step = step
        try:
            return work()
        finally:
            self._step = OWN_WORK

    def hanging(self) -> str:
        """What the tick hangs in: an NVML function, or the step; empty while none hangs."""
        began_ns, step = self._began_ns, self._step
        if began_ns is None:
            return ""
        age_seconds = self._clock.real_seconds((self._clock.elapsed_ns() - began_ns) / NANOSECONDS)
        return (self._asking() or step) if age_seconds > self._limit_seconds else ""

    def samples(self, where: tuple[str, str]) -> tuple[Sample, ...]:
        """Whether a tick hangs, as it stands now."""
        call = self.hanging()
        return (Sample(node_metrics.COLLECTOR_HANGING, (*where, call), 1 if call else 0),)

    def tell(self) -> None:
        """Say once in the log that a tick hangs, and once that it goes on. For one thread, which calls now and then."""
        call = self.hanging()
        if call and not self._is_told:
            log.error("tick.hangs call=%s next=%r", call, "ask the kernel's log; /healthz will ask for a restart")
        if self._is_told and not call:
            log.warning("tick.goes_on")
        self._is_told = bool(call)


def unless_it_hangs(watch: TickWatch, work: Callable[[], T]) -> T:
    """
    What ``work`` answers or raises; it enters the watch itself, as often as it likes.

    Raises ``Hangs``. It works in a thread of its own, which is then left behind, and ends with the process.
    """
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)

    working = threading.Thread(target=run, name="look", daemon=True)
    working.start()
    while working.is_alive():
        working.join(POLL_SECONDS)
        if call := watch.hanging():
            raise Hangs(call)
    for error in errors:
        raise error
    return answers[0]
