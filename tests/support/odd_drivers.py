"""Simulated drivers that do what a scenario cannot make them do, and one that counts what is asked of it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.scenarios import Moment, a_node, a_script

from collector.nvml import Driver
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.playback import NodeScript

Function = Callable[..., int]


class OddDriver(SimulatedDriver):
    """A simulated driver, some of whose C functions are replaced, or missing where the replacement is None."""

    def __init__(self, script: NodeScript, moment: Moment, **odd: Function | None) -> None:
        super().__init__(script, moment)
        self._odd = odd

    def __getattr__(self, name: str) -> Function:
        if name not in self._odd:
            return super().__getattr__(name)
        replacement = self._odd[name]
        if replacement is None:
            raise AttributeError(name)
        return replacement


class CountingDriver(SimulatedDriver):
    """
    ``made`` counts calls by C function; ``inside_seconds`` is the processor time spent in the functions.

    ``answers`` are codes that functions answer with, for as long as they stand there.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.made: Counter[str] = Counter()
        self.answers: dict[str, int] = {}
        self.inside_seconds = 0.0

    def __getattr__(self, name: str) -> Function:
        function = super().__getattr__(name)

        def counted(*arguments: Any) -> int:
            self.made[name] += 1
            began = time.thread_time()
            try:
                return self.answers.get(name) or function(*arguments)
            finally:
                self.inside_seconds += time.thread_time() - began

        return counted


@contextmanager
def an_odd_driver(folder: Path, *tables: str, moment: Moment | None = None, **odd: Function | None) -> Iterator[Driver]:
    """An open driver with odd C functions, on two idle H100 if no tables say otherwise."""
    moment = moment or Moment()
    script = a_script(folder, *(tables or (a_node(),)))
    with installed(OddDriver(script, moment, **odd)), Driver.open(moment.elapsed_ns) as driver:
        yield driver


@contextmanager
def a_counted_driver(script: NodeScript, moment: Moment) -> Iterator[tuple[Driver, CountingDriver]]:
    """An open driver, and the simulated one behind it that counts."""
    behind = CountingDriver(script, moment)
    with installed(behind), Driver.open(moment.elapsed_ns) as driver:
        yield driver, behind


def answering(code: int) -> Function:
    """A C function that only ever answers with this code."""
    return lambda *_: code
