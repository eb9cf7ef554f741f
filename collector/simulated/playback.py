"""
What happens on one simulated node, as a function of the seconds since the scenario began.

Nothing here remembers what was asked before: the same moment always gives the same answer, and the energy of a moment
is an exact integral. A device between pods idles. Pods that share a device add up their busy time (up to 1) and their
memory (up to the total); where their peak powers together exceed the board's limit, each is scaled down alike.

A lost device goes on drawing power and counting it, unseen, for a driver that is not reloaded does not forget. A driver
that is loaded again counts energy from 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from collector.readings import Absent, DeviceIdentity, Holder, Why
from collector.simulated.foreign import Foreign
from collector.simulated.gpus import DeviceState, GpuScript, Phase, total
from collector.simulated.instances import Instance
from collector.simulated.products import Product

SAMPLES_PER_SECOND = 6  # nvml.h: the sample period is between 1/6 s and 1 s, by product
SAMPLES_KEPT = 120  # a guess: 20 s of them


class FaultKind(StrEnum):
    """What can go wrong on a node."""

    GPU_LOST = "gpu_lost"
    DRIVER_GONE = "driver_gone"
    HOLDERS_UNKNOWN = "holders_unknown"
    XID = "xid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    A fault from ``start`` up to ``end``, in seconds; ``gpus`` are the indices it concerns, all of them if empty.

    An Xid error happens at ``start`` and takes no time; ``code`` is its number, 0 for any other fault.
    """

    kind: FaultKind
    gpus: tuple[int, ...]
    start: float
    end: float
    code: int = 0


class NodeScript:
    """
    One node: its devices, who holds them, and its faults. Moments are seconds since the scenario began, 0 or more.

    ``mig``: all its cards are in MIG mode; without, those with ``instances`` are. They do not say how busy they are.
    ``passthrough``: its devices belong to virtual machines, and no driver loads here. ``energy_counter``: false for
    boards that do not count energy (before Volta). ``processes`` is the file that lists the processes on the cards.
    ``foreign`` are on the PCI bus besides; without other GPUs no driver loads here either.
    """

    def __init__(
        self,
        *,
        node_name: str,
        product: Product,
        gpus: Sequence[DeviceIdentity],
        phases: Sequence[Phase],
        faults: Sequence[Fault],
        instances: Sequence[Instance],
        mig: bool,
        passthrough: bool,
        energy_counter: bool,
        processes: Path | None = None,
        foreign: Sequence[Foreign] = (),
    ) -> None:
        self.node_name = node_name
        self.product = product
        self.gpus = tuple(gpus)
        self.faults = tuple(sorted(faults, key=lambda fault: fault.start))
        self.instances = tuple(instances)
        self.passthrough = passthrough
        self.processes = processes
        self.foreign = tuple(foreign)
        self._mig = set(range(len(gpus))) if mig else {instance.gpu for instance in instances}
        self._energy_counter = energy_counter
        self._scripts = [
            GpuScript(product, [phase for phase in phases if phase.gpu == index]) for index in range(len(self.gpus))
        ]
        self._by_instance = [
            GpuScript(product, [replace(phase, instance=None) for phase in phases if phase.instance == instance])
            for instance in self.instances
        ]

    def driver_loaded_at(self, t: float) -> float | Absent:
        """When the driver that runs at ``t`` was loaded. Absent: DRIVER_GONE during that fault, NO_DRIVER if never."""
        if self.passthrough or not self.gpus:
            return Absent(Why.NO_DRIVER)
        if self._faulty(FaultKind.DRIVER_GONE, t):
            return Absent(Why.DRIVER_GONE)
        ends = (fault.end for fault in self.faults if fault.kind is FaultKind.DRIVER_GONE and fault.end <= t)
        return max(ends, default=0.0)

    def is_lost(self, index: int, t: float) -> bool:
        """Whether the device has fallen off the bus."""
        return self._faulty(FaultKind.GPU_LOST, t, index)

    def xid_errors(self, index: int, after: float, until: float) -> list[int]:
        """The numbers of the Xid errors of a card after one moment and until another, in the order of time."""
        return [
            fault.code
            for fault in self.faults
            if fault.kind is FaultKind.XID and after < fault.start <= until and index in fault.gpus
        ]

    def state(self, index: int, t: float) -> DeviceState | Absent:
        """What the device's sensors would say. Absent(GPU_LOST) while it is lost."""
        if self.is_lost(index, t):
            return Absent(Why.GPU_LOST)
        state = self._scripts[index].state(t)
        return replace(state, busy_ratio=Absent(Why.NOT_SUPPORTED)) if index in self._mig else state

    def is_held(self, index: int, t: float) -> bool:
        """Whether anything is on the card, or on an instance of it."""
        return bool(self._scripts[index].phases(t))

    def mig_mode(self, index: int) -> bool:
        """Whether the card is in MIG mode; it stays so through the scenario."""
        return index in self._mig

    def instances_of(self, index: int, t: float) -> tuple[Instance, ...]:
        """The instances that exist on a card at ``t``."""
        return tuple(each for each in self.instances if each.gpu == index and each.exists(t))

    def instance_memory_bytes(self, instance: Instance, t: float) -> int | Absent:
        """Memory in use on an instance."""
        ratio = total(
            phase.pattern.level(t - phase.start).memory_ratio for phase in self._by_instance[instance.number].phases(t)
        )
        if isinstance(ratio, Absent):
            return ratio
        return min(instance.profile.memory_bytes, instance.idle_bytes + round(ratio * instance.profile.memory_bytes))

    def activity_seconds(self, place: int | Instance, name: str, t: float) -> float | Absent:
        """Integral of ``busy_ratio`` or an activity's ratio, on a card or an instance, from the scenario's begin."""
        script = self._by_instance[place.number] if isinstance(place, Instance) else self._scripts[place]
        return script.activity_seconds(name, t)

    def busy_samples(self, index: int, after_us: int, t: float) -> list[tuple[int, float]]:
        """
        What the driver's buffer of utilisation samples holds at ``t``: (microseconds since the begin, busy ratio).

        Only those later than ``after_us``, and none from before the driver was loaded or while the device was lost.
        A sample tells the middle of the period that it ends. Where a recording has a gap there is no sample.
        """
        loaded_at = self.driver_loaded_at(t)
        if isinstance(loaded_at, Absent):
            return []
        newest = int(t * SAMPLES_PER_SECOND + 1e-6)
        oldest = max(
            newest - SAMPLES_KEPT + 1,
            (after_us * SAMPLES_PER_SECOND + SAMPLES_PER_SECOND // 2) // 1_000_000 + 1,
            int(loaded_at * SAMPLES_PER_SECOND + 1e-6) + 1,
        )
        found: list[tuple[int, float]] = []
        for number in range(oldest, newest + 1):
            middle = (number - 0.5) / SAMPLES_PER_SECOND
            busy = self._scripts[index].busy(middle)
            if not isinstance(busy, Absent) and not self.is_lost(index, middle):
                found.append((round(number * 1_000_000 / SAMPLES_PER_SECOND), busy))
        return found

    def energy_joules(self, index: int, t: float) -> float | Absent:
        """Energy drawn since the driver was loaded; NOT_SUPPORTED also where a recording leaves power out."""
        if self.is_lost(index, t):
            return Absent(Why.GPU_LOST)
        script, loaded_at = self._scripts[index], self.driver_loaded_at(t)
        if isinstance(loaded_at, Absent):
            return loaded_at
        if not (self._energy_counter and script.knows_energy):
            return Absent(Why.NOT_SUPPORTED)
        return script.joules(t) - script.joules(loaded_at)

    def holders(self, t: float) -> Mapping[str, tuple[Holder, ...]] | Absent:
        """Holders by UUID of GPU or MIG instance, where there are any. Absent(HOLDERS_UNKNOWN) during that fault."""
        if self._faulty(FaultKind.HOLDERS_UNKNOWN, t):
            return Absent(Why.HOLDERS_UNKNOWN)
        found: dict[str, tuple[Holder, ...]] = {}
        for gpu, script in zip(self.gpus, self._scripts, strict=True):
            for phase in script.phases(t):
                uuid = phase.instance.mig_uuid if phase.instance else gpu.gpu_uuid
                found[uuid] = (*found.get(uuid, ()), phase.holder)
        return found

    def _faulty(self, kind: FaultKind, t: float, index: int = -1) -> bool:
        for fault in self.faults:  # a loop and not any(…): this is asked with every call of the driver
            if fault.kind is kind and fault.start <= t < fault.end and (not fault.gpus or index in fault.gpus):
                return True
        return False


class ScriptedHolders:
    """The holders of a node's script at the time of a clock that says the seconds since the scenario began."""

    def __init__(self, node: NodeScript, clock: Callable[[], float]) -> None:
        self._node = node
        self._clock = clock

    def holders(self) -> Mapping[str, tuple[Holder, ...]] | Absent:
        """Holders by GPU UUID now, or Absent(HOLDERS_UNKNOWN)."""
        return self._node.holders(self._clock())
