"""
Telemetry of pods whose truth is written down: from what devices do at each moment to usage windows.

Nothing here knows how training is told. A script says what every device does (:class:`State`) and which readings exist
(``sight``); this integrates them, tick by tick, as a collector would that ticks every TICK_SECONDS. The rhythm is the
node's own (:mod:`collector.rhythm`), for it belongs to the telemetry and not to the judgement.

A window longer than PLAYED_SECONDS is played for so long at its beginning, and the rest is taken to be the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl
from support.judgement import H100, START

from collector.readings import Absent
from collector.rhythm import Series, find_period, synchrony_ratio
from policy.usage.window import COUNTED, RHYTHM, WINDOWS

TICK_SECONDS = 5.0
PLAYED_SECONDS = 300.0
BOARD_WATTS = {H100: 700.0, "NVIDIA A100-SXM4-80GB": 400.0, "NVIDIA H20": 500.0}
"""Limits of the boards by their makers' data sheets."""


@dataclass(frozen=True, slots=True)
class State:
    """What one device does in one tick: ratios of time, ``power`` of the board's limit, bytes, bytes a second."""

    busy: float = 0.0
    sm: float = 0.0
    tensor: float = 0.0
    dram: float = 0.0
    power: float = 0.15
    memory_bytes: float = 70e9
    nvlink_bytes: float = 0.0  # a second


Activity = Callable[[float, int], State]
"""What the device of this number does, so many seconds after the work began."""
FULL = frozenset({"busy", "sm", "tensor", "dram", "power", "memory", "nvlink"})
OUTSIDE = frozenset({"busy", "power", "memory"})
"""What a driver tells of devices without profiling counters."""
BUSY_ONLY = frozenset({"busy"})
Sight = Callable[[float], frozenset[str]]
"""Which readings exist at a moment, in seconds after the work began."""


def always(readings: frozenset[str]) -> Sight:
    """These readings at every moment."""
    return lambda _: readings


@dataclass(frozen=True, kw_only=True)
class Work:
    """A workload and the truth of what it does: ``pods`` pods of ``devices`` devices for so long from ``begins``."""

    activity: Activity
    name: str = "effort"
    kind: str | None = "PyTorchJob"
    tenant_id: str | None = "t-1"
    namespace: str = "space-a"
    pods: int = 1
    devices: int = 8
    hours: float = 1.0
    begins: datetime = START
    accelerator: str = H100
    window_seconds: float = 300.0
    nodes: str = "node"
    sight: Sight = field(default=always(FULL))

    def windows(self) -> pl.DataFrame:
        """The work's usage windows, schema WINDOWS."""
        return pl.DataFrame(list(self.rows()), schema=WINDOWS)

    def rows(self) -> Iterator[dict[str, object]]:
        """One window after the other, pod by pod."""
        count = round(self.hours * 3600 / self.window_seconds)
        for pod in range(self.pods):
            for number in range(count):
                yield self._row(pod, number * self.window_seconds)

    def _row(self, pod: int, since: float) -> dict[str, object]:
        begins = self.begins + timedelta(seconds=since)
        played = _Played(work=self, pod=pod, since=since)
        return {
            **dict.fromkeys(RHYTHM),
            **dict.fromkeys(COUNTED, 0.0),
            "node": f"{self.nodes}-{pod}",
            "provenance": "simulated",
            "workload_namespace": self.namespace,
            "workload_kind": self.kind,
            "workload_name": self.name,
            "workload_uid": f"uid-{self.name}",
            "workload_pod": f"{self.name}-{pod}",
            "pod_uid": f"pod-{self.tenant_id}-{self.namespace}-{self.name}-{self.begins:%d%H%M}-{pod}",
            "container": "main",
            "tenant_id": self.tenant_id,
            "accelerator": self.accelerator,
            "metering": "utilisation",
            "window_start": begins,
            "window_end": begins + timedelta(seconds=self.window_seconds),
            "device_count": float(self.devices),
            "held_seconds": self.devices * self.window_seconds,
            **played.sums,
            **played.rhythm,
        }


@dataclass(frozen=True, kw_only=True)
class _Played:
    """The played part of one window of one pod."""

    work: Work
    pod: int
    since: float

    @cached_property
    def ticks(self) -> Sequence[tuple[frozenset[str], list[State]]]:
        """By tick: which readings there are, and what each device does."""
        count = round(min(self.work.window_seconds, PLAYED_SECONDS) / TICK_SECONDS)
        moments = [self.since + number * TICK_SECONDS for number in range(count)]
        first = self.pod * self.work.devices
        own = range(first, first + self.work.devices)
        return [(self.work.sight(at), [self.work.activity(at, device) for device in own]) for at in moments]

    @property
    def sums(self) -> dict[str, float]:
        """Device-seconds, joules and bytes, scaled from the played part to the whole window."""
        scale = self.work.window_seconds / len(self.ticks)
        together: dict[frozenset[str], list[State]] = {}
        for seen, states in self.ticks:
            together.setdefault(seen, []).extend(states)
        added: dict[str, float] = {}
        for seen, states in together.items():
            for name, amount in _amounts(states, seen, BOARD_WATTS[self.work.accelerator]):
                added[name] = added.get(name, 0.0) + amount * scale
        return added

    @property
    def rhythm(self) -> dict[str, object]:
        """What the node would tell of the best signal that there is; nothing where none is seen throughout."""
        common = frozenset.intersection(*(seen for seen, _ in self.ticks))
        signal = next((name for name in SIGNALS if name in common), None)
        if signal is None:
            return {}
        devices = [self._series(signal, place) for place in range(self.work.devices)]
        period, synchrony = find_period(devices), synchrony_ratio(devices)
        told: dict[str, object] = {"rhythm_signal": SIGNALS[signal], "rhythm_window_seconds": PLAYED_SECONDS}
        if not isinstance(period, Absent):
            began = self.work.begins.timestamp() + self.since
            told["period_seconds"] = period.slots * TICK_SECONDS
            told["period_strength_ratio"] = period.strength_ratio
            told["trough_unix_seconds"] = began + (period.trough_slot + 0.5) * TICK_SECONDS
        if not isinstance(synchrony, Absent):
            told["synchrony_ratio"] = synchrony
        return told

    def _series(self, signal: str, place: int) -> Series:
        values = [getattr(states[place], signal) for _, states in self.ticks]
        mean = sum(values) / len(values)
        scale = mean if signal == "power" and mean > 0 else 1.0
        return {slot: value / scale for slot, value in enumerate(values)}


SIGNALS: Mapping[str, str] = {
    "tensor": "tensor_active_ratio",
    "sm": "sm_active_ratio",
    "power": "power_watts",
    "busy": "busy_ratio",
}
"""What a rhythm is told from, best first: a State's name and the contract's."""
INSIDE = ("sm", "tensor", "dram")


def _amounts(states: Sequence[State], seen: frozenset[str], board_watts: float) -> Iterator[tuple[str, float]]:
    """What devices in these states add in one second each."""
    seconds = float(len(states))
    if "busy" in seen:
        yield from (("observed_seconds", seconds), ("busy_seconds", sum(state.busy for state in states)))
        yield from ((level, float(count)) for level, count in Counter(_level(state.busy) for state in states).items())
    for name in INSIDE:
        if name in seen:
            active = sum(getattr(state, name) for state in states)
            yield from ((f"{name}_active_seconds", active), (f"{name}_observed_seconds", seconds))
    if "power" in seen:
        watts = [state.power * board_watts for state in states]
        yield from (("energy_joules", sum(watts)), ("energy_observed_seconds", seconds))
        yield from (
            ("power_square_watt2_seconds", sum(each * each for each in watts)),
            ("power_observed_seconds", seconds),
        )
    if "memory" in seen:
        memory = sum(state.memory_bytes for state in states)
        yield from (("memory_byte_seconds", memory), ("memory_observed_seconds", seconds))
    if "nvlink" in seen:
        sent = sum(state.nvlink_bytes for state in states)
        yield from (("nvlink_bytes", sent), ("nvlink_observed_seconds", seconds))


def _level(busy: float) -> str:
    """The column of the contract's levels of being busy."""
    if busy < 0.05:
        return "idle_level_seconds"
    if busy < 0.5:
        return "low_level_seconds"
    return "high_level_seconds" if busy < 0.9 else "full_level_seconds"


def windows_of(*works: Work) -> pl.DataFrame:
    """The windows of all of them in one frame."""
    return pl.concat(work.windows() for work in works)
