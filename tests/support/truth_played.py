"""
Plays a written day to a collector: what the driver, the kubelet, the API server and the clock do, and who dies when.

The driver is the simulated one behind the real pynvml. The collector is made of the parts of which its command makes
it, with a state file; to be killed is to be dropped without another save.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from support.nodes import NODE, ToldClock
from support.readings import values
from support.scenarios import Moment, a_fault, a_node, a_pod, a_script, a_workload, an_instance
from support.truth_check import Page
from support.truth_day import Day, Device

from collector.cluster import Kubelet, KubernetesHolders, Pods
from collector.devices import NodeDevices
from collector.loop import Collector
from collector.nvml import Driver
from collector.record import NodeFacts, Timing
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.playback import NodeScript
from collector.simulated.sysfs import simulated_pci_gpus
from collector.state.file import StateFile
from collector.state.keeper import Keeper


class Doors(Protocol):
    """The kubelet and the API server of a node."""

    def arrange(self, t: int) -> None:
        """Make everything as the day has it at this moment, and wait until the collector that lives has noticed."""
        ...

    def life(self, clock: ToldClock) -> AbstractContextManager[tuple[Kubelet, Pods]]:
        """What one process speaks to them through."""
        ...


class Eyes(Protocol):
    """Who looks at the pages."""

    def glance(self, at: int, page: Page) -> None:
        """At the page of a collector that has not ticked yet."""
        ...

    def look(self, at: int, page: Page) -> None:
        """At the page right after a tick."""
        ...


class NodeClock(ToldClock):
    """The clock of a node that may be booted: the time that has passed begins anew then."""

    booted_at = 0

    def boot(self) -> None:
        """Now."""
        self.boots += 1
        self.booted_at = round(self.moment.seconds)

    def elapsed_ns(self) -> int:
        """Since the boot."""
        return round((self.moment.seconds - self.booted_at) * 1e9)


Id = Callable[[Device], tuple[str, str]]
"""Resource and id by which the kubelet knows a device."""


def a_script_of(day: Day, folder: Path) -> NodeScript:
    """The day as a scenario of the simulated driver: its cards and instances, and what befalls them."""
    cut = {instance.card for instance in day.instances}
    whole = [card for card in range(day.cards) if card not in cut]
    parts = [
        *(a_fault("gpu_lost", f"{each.start}s", f"{each.end}s", gpus=[each.card]) for each in day.lost),
        *(a_fault("driver_gone", f"{each.start}s", f"{each.end}s") for each in day.driver_gone),
        *(an_instance(each.card, each.profile, f"{each.start}s", f"{each.end}s") for each in day.instances),
    ]
    duration = f"{max(day.seconds, *day.moments)}s"
    work = [a_workload(a_pod(gpus=whole, end=duration))] if whole else []
    return a_script(folder, a_node(*parts, gpus=day.cards), *work, duration=duration)


def names_of(script: NodeScript, day: Day) -> Id:
    """How a device plugin of NVIDIA's names this node's devices."""

    def name(device: Device) -> tuple[str, str]:
        replica = "" if device.replica is None else f"::{device.replica}"
        if device.instance is None:
            return "nvidia.com/gpu", script.gpus[device.card].gpu_uuid + replica
        instance = day.instances[device.instance]
        return f"nvidia.com/mig-{instance.profile}", script.instances[device.instance].mig_uuid + replica

    return name


class Player:
    """A day, the doors to play it through, and the collector of the life that is lived."""

    def __init__(self, day: Day, folder: Path, doors: Callable[[Day, Id, Moment, ExitStack], Doors]) -> None:
        self._day = day
        self._path = folder / "state.json"
        self._moment = Moment()
        self._at = -1
        self._clock = NodeClock(self._moment)
        self._script = a_script_of(day, folder)
        self._make_doors = doors

    def play(self, eyes: Eyes) -> None:
        """All of it, before these eyes."""
        with ExitStack() as stack:
            self._doors = self._make_doors(self._day, names_of(self._script, self._day), self._moment, stack)
            ends = [*(death.start for death in self._day.deaths), self._day.seconds]
            begins = [0, *(death.end for death in self._day.deaths)]
            for number, (born, end) in enumerate(zip(begins, ends, strict=True)):
                if number and self._day.deaths[number - 1].boots:
                    self._clock.boot()
                self._to(born)
                with self._life() as collector:
                    eyes.glance(born, values(collector.samples()))
                    for tick in (born, *(tick for tick in self._day.grid if born < tick <= end)):
                        self._to(tick)
                        collector.tick()
                        eyes.look(tick, values(collector.samples()))
                    self._to(end)

    def _to(self, moment: int) -> None:
        """Let everything happen up to this moment, and at it."""
        for t in (t for t in self._day.moments if self._at < t <= moment):
            self._moment.seconds = t
            self._clock.ahead_seconds += sum(step.seconds for step in self._day.clock_set if step.at == t)
            self._doors.arrange(t)
            self._at = t
        self._moment.seconds = moment

    @contextmanager
    def _life(self) -> Iterator[Collector]:
        """As collector/command puts it together."""
        file = StateFile(self._path, node=NODE, provenance="simulated")
        pci = simulated_pci_gpus(self._script)
        with installed(SimulatedDriver(self._script, self._moment)), self._doors.life(self._clock) as (kubelet, pods):
            devices = NodeDevices(partial(Driver.open, self._clock.elapsed_ns), self._clock, pci=lambda: pci)
            holders = KubernetesHolders(kubelet, pods, devices=devices, clock=self._clock)
            devices.count_also(holders.beyond_bus)
            yield Collector(
                facts=NodeFacts(node=NODE, provenance="simulated", version="0"),
                devices=devices,
                holders=holders,
                also=holders.samples,
                clock=self._clock,
                timing=Timing(interval_seconds=10.0, max_gap_seconds=60.0, retention_seconds=86_400.0),
                keeper=Keeper(file, interval_seconds=self._day.save_seconds),
            )
        file.close()  # as the kernel does for a process that was killed
