"""
What happens on one simulated GPU, as a function of the seconds since the scenario began.

Power and activity have exact integrals, summed up to the begin of every span, so that the energy or the mean activity
between two moments does not depend on how often, or whether, anybody looked before.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collector.readings import Absent, Holder, Why
from collector.simulated.instances import Instance
from collector.simulated.pattern import Level, Pattern
from collector.simulated.products import Product

MOMENTS_KEPT = 2  # of what was asked for last


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Playing:
    """One of the activity's ratios of a phase, within a span: ``before`` is its integral up to the span's begin."""

    name: str
    pattern: Pattern
    start: float
    share: float
    before: float

    def until(self, t: float) -> float:
        """Its integral from the span's begin until ``t``, a moment in it."""
        return (self.pattern.ratio_seconds(self.name, t - self.start) - self.before) * self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class _Area:
    """The integral of a ratio: up to a span's begin, and of what plays in the span."""

    before: float
    playing: tuple[_Playing, ...]

    def until(self, t: float) -> float:
        """From the scenario's begin until ``t``, a moment in the span."""
        return self.before + sum(each.until(t) for each in self.playing)


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
        self._activity: dict[str, list[_Area] | Absent] = {}
        self._asked: dict[str, dict[float, float]] = {}
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
        areas = self._activity[name]
        if isinstance(areas, Absent):
            return areas
        asked = self._asked.setdefault(name, {})  # the end of one look is the begin of the next
        if t not in asked:
            if len(asked) == MOMENTS_KEPT:
                del asked[next(iter(asked))]
            asked[t] = areas[max(0, bisect_right(self._starts, t) - 1)].until(t)
        return asked[t]

    def _integrate(self, name: str) -> "list[_Area] | Absent":
        """The integral over each span."""
        areas: list[_Area] = []
        for span in self._spans:
            if not all(phase.pattern.says(name) for phase in span.phases):
                return Absent(Why.NOT_SUPPORTED)
            playing = tuple(self._playing(name, phase, span.start) for phase in span.phases)
            areas.append(_Area(before=areas[-1].until(span.start) if areas else 0.0, playing=playing))
        return areas

    def _playing(self, name: str, phase: Phase, begin: float) -> "_Playing":
        share, start = self._share(phase), phase.start
        before = phase.pattern.ratio_seconds(name, begin - start)
        return _Playing(name=name, pattern=phase.pattern, start=start, share=share, before=before)

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
