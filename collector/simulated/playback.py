"""
What happens on one simulated node, as a function of the seconds since the scenario began.

Nothing here remembers what was asked before: the same moment always gives the same answer, and the energy of a moment
is an exact integral. A device between pods idles. Pods that share a device add up their busy time (up to 1) and their
memory (up to the total); where their peak powers together exceed the board's limit, each is scaled down alike.

A lost device goes on drawing power and counting it, unseen, for a driver that is not reloaded does not forget. A driver
that is loaded again counts energy from 0.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from collector.readings import Absent, DeviceIdentity, Holder, Why
from collector.simulated.pattern import Level, Pattern
from collector.simulated.products import Product


class FaultKind(StrEnum):
    """What can go wrong on a node."""

    GPU_LOST = "gpu_lost"
    DRIVER_GONE = "driver_gone"
    HOLDERS_UNKNOWN = "holders_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault from ``start`` up to ``end``, in seconds; ``gpus`` are the indices it concerns, all of them if empty."""

    kind: FaultKind
    gpus: tuple[int, ...]
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A pod's hold on one device from ``start`` up to ``end``, in seconds, and what it does there."""

    gpu: int
    holder: Holder
    pattern: Pattern
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """What the device's sensors would say; ``memory_used_bytes`` with the driver's reserved part."""

    busy_ratio: float | Absent
    power_watts: float | Absent
    memory_used_bytes: int | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A stretch of time during which the same phases run on a device; ``joules`` were drawn before it."""

    start: float
    joules: float
    phases: tuple[Phase, ...]
    power_scale: float


class GpuScript:
    """One device: its spans, in order and without gaps, the last one open."""

    def __init__(self, product: Product, phases: Sequence[Phase]) -> None:
        self._product = product
        self.knows_energy = all(phase.pattern.knows_power for phase in phases)
        edges = sorted({0.0, *(phase.start for phase in phases), *(phase.end for phase in phases)})
        self._spans: list[_Span] = []
        for edge in edges:
            running = tuple(phase for phase in phases if phase.start <= edge < phase.end)
            peak = sum(phase.pattern.peak_power_ratio for phase in running)
            joules = self.joules(edge) if self._spans and self.knows_energy else 0.0
            self._spans.append(_Span(start=edge, joules=joules, phases=running, power_scale=1 / max(1.0, peak)))
        self._starts = [span.start for span in self._spans]

    def phases(self, t: float) -> tuple[Phase, ...]:
        """Who is on the device at ``t``."""
        return self._span(t).phases

    def state(self, t: float) -> DeviceState:
        """What the device does at ``t``."""
        span = self._span(t)
        levels = [phase.pattern.level(t - phase.start) for phase in span.phases]
        power = _total(level.power_ratio for level in levels)
        return DeviceState(
            busy_ratio=_busy(levels),
            power_watts=power if isinstance(power, Absent) else self._watts(power * span.power_scale),
            memory_used_bytes=self._memory(levels),
        )

    def joules(self, t: float) -> float:
        """Energy drawn from the scenario's begin until ``t``. Needs ``knows_energy``."""
        span = self._spans[-1] if t >= self._spans[-1].start else self._span(t)
        shares = sum(
            phase.pattern.power_seconds(t - phase.start) - phase.pattern.power_seconds(span.start - phase.start)
            for phase in span.phases
        )
        scripted = self._product.power_span_watts * span.power_scale * shares
        return span.joules + self._product.idle_power_watts * (t - span.start) + scripted

    def _span(self, t: float) -> _Span:
        return self._spans[max(0, bisect_right(self._starts, t) - 1)]

    def _watts(self, ratio: float) -> float:
        return min(
            self._product.idle_power_watts + ratio * self._product.power_span_watts, self._product.power_limit_watts
        )

    def _memory(self, levels: Sequence[Level]) -> int | Absent:
        share = _total(level.memory_ratio for level in levels)
        if isinstance(share, Absent):
            return share
        total = self._product.memory_total_bytes
        return min(total, self._product.memory_reserved_bytes + round(share * total))


class NodeScript:
    """
    One node: its devices, who holds them, and its faults. Moments are seconds since the scenario began, 0 or more.

    ``mig``: its cards do not say how busy they are. ``passthrough``: its devices belong to virtual machines, and no
    driver loads here. ``energy_counter``: false for boards that do not count energy (before Volta).
    """

    def __init__(
        self,
        *,
        node_name: str,
        product: Product,
        gpus: Sequence[DeviceIdentity],
        phases: Sequence[Phase],
        faults: Sequence[Fault],
        mig: bool,
        passthrough: bool,
        energy_counter: bool,
    ) -> None:
        self.node_name = node_name
        self.product = product
        self.gpus = tuple(gpus)
        self.faults = tuple(sorted(faults, key=lambda fault: fault.start))
        self.mig = mig
        self.passthrough = passthrough
        self._energy_counter = energy_counter
        self._scripts = [
            GpuScript(product, [phase for phase in phases if phase.gpu == index]) for index in range(len(self.gpus))
        ]

    def driver_loaded_at(self, t: float) -> float | Absent:
        """When the driver that runs at ``t`` was loaded. Absent: DRIVER_GONE during that fault, NO_DRIVER if never."""
        if self.passthrough:
            return Absent(Why.NO_DRIVER)
        if self._faulty(FaultKind.DRIVER_GONE, t):
            return Absent(Why.DRIVER_GONE)
        ends = (fault.end for fault in self.faults if fault.kind is FaultKind.DRIVER_GONE and fault.end <= t)
        return max(ends, default=0.0)

    def is_lost(self, index: int, t: float) -> bool:
        """Whether the device has fallen off the bus."""
        return self._faulty(FaultKind.GPU_LOST, t, index)

    def state(self, index: int, t: float) -> DeviceState | Absent:
        """What the device's sensors would say. Absent(GPU_LOST) while it is lost."""
        if self.is_lost(index, t):
            return Absent(Why.GPU_LOST)
        state = self._scripts[index].state(t)
        if self.mig:
            return DeviceState(
                busy_ratio=Absent(Why.NOT_SUPPORTED),
                power_watts=state.power_watts,
                memory_used_bytes=state.memory_used_bytes,
            )
        return state

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
        """Holders by GPU UUID; a device that nobody holds is missing. Absent(HOLDERS_UNKNOWN) during that fault."""
        if self._faulty(FaultKind.HOLDERS_UNKNOWN, t):
            return Absent(Why.HOLDERS_UNKNOWN)
        found = {
            gpu.gpu_uuid: tuple(phase.holder for phase in script.phases(t))
            for gpu, script in zip(self.gpus, self._scripts, strict=True)
        }
        return {gpu_uuid: holders for gpu_uuid, holders in found.items() if holders}

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


def _busy(levels: Sequence[Level]) -> float | Absent:
    total = _total(level.busy_ratio for level in levels)
    return total if isinstance(total, Absent) else min(1.0, total)


def _total(parts: Iterable[float | Absent]) -> float | Absent:
    """The sum, or the first reason why there is none."""
    total = 0.0
    for part in parts:
        if isinstance(part, Absent):
            return part
        total += part
    return total
