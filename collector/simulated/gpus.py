"""
What happens on one simulated GPU, as a function of the seconds since the scenario began.

Power and activity have exact integrals, summed up to the begin of every span, so that the energy or the mean activity
between two moments does not depend on how often, or whether, anybody looked before.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from collector.readings import Absent, Holder, Why
from collector.simulated.instances import Instance
from collector.simulated.pattern import Level, Pattern
from collector.simulated.products import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A pod's hold on a GPU, or an instance of it, from ``start`` up to ``end`` in seconds, and what it does there."""

    gpu: int
    instance: Instance | None
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
    """
    One device: its spans, in order and without gaps, the last one open.

    What runs on an instance of a board counts for the board by the instance's part in it.
    """

    def __init__(self, product: Product, phases: Sequence[Phase]) -> None:
        self._product = product
        self.knows_energy = all(phase.pattern.knows_power for phase in phases)
        edges = sorted({0.0, *(phase.start for phase in phases), *(phase.end for phase in phases)})
        self._spans: list[_Span] = []
        self._activity: dict[str, list[float] | Absent] = {}
        for edge in edges:
            running = tuple(phase for phase in phases if phase.start <= edge < phase.end)
            peak = sum(phase.pattern.peak_power_ratio * self._share(phase) for phase in running)
            joules = self.joules(edge) if self._spans and self.knows_energy else 0.0
            self._spans.append(_Span(start=edge, joules=joules, phases=running, power_scale=1 / max(1.0, peak)))
        self._starts = [span.start for span in self._spans]

    def phases(self, t: float) -> tuple[Phase, ...]:
        """Who is on the device at ``t``."""
        return self._span(t).phases

    def busy(self, t: float) -> float | Absent:
        """How busy the device is at ``t``, at most 1."""
        share = total(
            times(phase.pattern.level(t - phase.start).busy_ratio, self._share(phase)) for phase in self.phases(t)
        )
        return share if isinstance(share, Absent) else min(1.0, share)

    def state(self, t: float) -> DeviceState:
        """What the device does at ``t``."""
        span = self._span(t)
        levels = [(phase, phase.pattern.level(t - phase.start)) for phase in span.phases]
        power = total(times(level.power_ratio, self._share(phase)) for phase, level in levels)
        return DeviceState(
            busy_ratio=self.busy(t),
            power_watts=power if isinstance(power, Absent) else self._watts(power * span.power_scale),
            memory_used_bytes=self._memory(levels),
        )

    def joules(self, t: float) -> float:
        """Energy drawn from the scenario's begin until ``t``. Needs ``knows_energy``."""
        span = self._spans[-1] if t >= self._spans[-1].start else self._span(t)
        shares = sum(
            (phase.pattern.power_seconds(t - phase.start) - phase.pattern.power_seconds(span.start - phase.start))
            * self._share(phase)
            for phase in span.phases
        )
        scripted = self._product.power_span_watts * span.power_scale * shares
        return span.joules + self._product.idle_power_watts * (t - span.start) + scripted

    def activity_seconds(self, name: str, t: float) -> float | Absent:
        """
        Integral of one of the activity's ratios from the scenario's begin until ``t``; pods that share add up.

        NOT_SUPPORTED throughout on a device that ever plays a recording, which does not say.
        """
        if name not in self._activity:
            self._activity[name] = self._integrate(name)
        before = self._activity[name]
        if isinstance(before, Absent):
            return before
        place = max(0, bisect_right(self._starts, t) - 1)
        within = self._within(name, self._spans[place], t)
        return within if isinstance(within, Absent) else before[place] + within

    def _integrate(self, name: str) -> list[float] | Absent:
        """The integral up to each span's begin."""
        areas = [0.0]
        for span, following in pairwise(self._spans):
            area = self._within(name, span, following.start)
            if isinstance(area, Absent):
                return area
            areas.append(areas[-1] + area)
        return areas

    def _within(self, name: str, span: _Span, t: float) -> float | Absent:
        """The integral from the span's begin until ``t``, a moment in it."""
        area = 0.0
        for phase in span.phases:
            after = phase.pattern.ratio_seconds(name, t - phase.start)
            before = phase.pattern.ratio_seconds(name, span.start - phase.start)
            if isinstance(after, Absent) or isinstance(before, Absent):
                return Absent(Why.NOT_SUPPORTED)
            area += (after - before) * self._share(phase)
        return area

    def _share(self, phase: Phase) -> float:
        """The phase's part in the board's multiprocessors."""
        return phase.instance.profile.multiprocessors / self._product.multiprocessors if phase.instance else 1.0

    def _span(self, t: float) -> _Span:
        return self._spans[max(0, bisect_right(self._starts, t) - 1)]

    def _watts(self, ratio: float) -> float:
        return min(
            self._product.idle_power_watts + ratio * self._product.power_span_watts, self._product.power_limit_watts
        )

    def _memory(self, levels: Sequence[tuple[Phase, Level]]) -> int | Absent:
        most = self._product.memory_total_bytes
        used = total(
            times(level.memory_ratio, phase.instance.profile.memory_bytes if phase.instance else most)
            for phase, level in levels
        )
        if isinstance(used, Absent):
            return used
        return min(most, self._product.memory_reserved_bytes + round(used))


def times(ratio: float | Absent, whole: float) -> float | Absent:
    """A ratio of a whole."""
    return ratio if isinstance(ratio, Absent) else ratio * whole


def total(parts: Iterable[float | Absent]) -> float | Absent:
    """The sum, or the first reason why there is none."""
    added = 0.0
    for part in parts:
        if isinstance(part, Absent):
            return part
        added += part
    return added
