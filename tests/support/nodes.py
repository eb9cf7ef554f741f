"""A node for tests: a scripted driver behind pynvml, a clock that is told the time, and the collector upon them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from support.scenarios import Moment, a_script

from collector.contract import Metric
from collector.devices import NodeDevices
from collector.holders import HolderSource
from collector.loop import Collector
from collector.nvml import Driver
from collector.pci import PciGpu
from collector.processes.port import Check
from collector.readings import Absent
from collector.record import NodeFacts, Timing
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.playback import ScriptedHolders
from collector.simulated.sysfs import simulated_pci_gpus
from collector.state.keeper import Keeper

NODE = "node-a"
EPOCH = 1_780_272_000.0


class ToldClock:
    """A clock whose time is that of a Moment, which also a scenario can be played by."""

    def __init__(self, moment: Moment, *, speed: float = 1.0) -> None:
        self.moment = moment
        self.ahead_seconds = 0.0  # how far the time of day is ahead
        self.boots = 0
        self._speed = speed

    def unix_seconds(self) -> float:
        """An arbitrary date plus the moment."""
        return EPOCH + self.moment.seconds + self.ahead_seconds

    def epoch(self) -> str:
        """The boot."""
        return f"boot {self.boots}"

    def elapsed_ns(self) -> int:
        """The moment."""
        return round(self.moment.seconds * 1e9)

    def real_seconds(self, seconds: float) -> float:
        """As a clock that runs so fast."""
        return seconds / self._speed


class ASource:
    """A source of holders that answers what the function says."""

    def __init__(self, answer: Callable[[], object]) -> None:
        self.holders: Callable[[], object] = answer


def a_collector(
    clock: ToldClock,
    holders: HolderSource,
    *,
    open_driver: Callable[[], Driver] | None = None,
    interval_seconds: float = 10.0,
    max_gap_seconds: float = 30.0,
    retention_seconds: float = 86400.0,
    keeper: Keeper | None = None,
    pci: Callable[[], tuple[PciGpu, ...] | Absent] = tuple,
    left_out: frozenset[Metric] = frozenset(),
    check: Callable[[NodeDevices], Check] | None = None,
) -> Collector:
    """A collector of node-a that has not ticked yet."""
    devices = NodeDevices(open_driver or partial(Driver.open, clock.elapsed_ns), clock, pci=pci)
    return Collector(
        facts=NodeFacts(node=NODE, provenance="simulated", version="0"),
        devices=devices,
        holders=holders,
        clock=clock,
        timing=Timing(
            interval_seconds=interval_seconds, max_gap_seconds=max_gap_seconds, retention_seconds=retention_seconds
        ),
        keeper=keeper,
        left_out=left_out,
        check=check(devices) if check else None,
    )


@contextmanager
def a_played_collector(
    folder: Path,
    *tables: str,
    moment: Moment,
    keeper: Keeper | None = None,
    left_out: frozenset[Metric] = frozenset(),
    interval_seconds: float = 10.0,
) -> Iterator[Collector]:
    """A collector on the first node of a scenario, through the real pynvml."""
    script = a_script(folder, *tables)
    with installed(SimulatedDriver(script, moment)):
        pci = simulated_pci_gpus(script)
        holders = ScriptedHolders(script, moment)
        yield a_collector(
            ToldClock(moment),
            holders,
            pci=lambda: pci,
            keeper=keeper,
            left_out=left_out,
            interval_seconds=interval_seconds,
        )
