"""
The kinds of signal that a scenario can give a pod, each brought into patterns, one for every device of the pod.

Nothing here is random: what varies is drawn from a digest of names, so the same file always plays the same.

``training``  busy, power, memory during the steps; every ``period`` ends with a ``dip`` (checkpoint, evaluation) during
              which the device does ``dip_busy`` and draws ``dip_power``. All devices of the pod in step.
``serving``   ``busy_mean`` varied every ``slot`` (60 s); ``power`` is the draw when fully busy; memory stays resident.
``constant``  busy, power, memory.
``idle``      held and unused; ``memory`` if something stays loaded.
``recording`` a series from ``file`` (see ``recording.py``), ``trace`` where the file has several; ``loop`` repeats it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import shake_256
from pathlib import Path

from collector.simulated.pattern import Level, Pattern
from collector.simulated.products import Product
from collector.simulated.recording import Recordings, patterns
from collector.simulated.tables import SECONDS_PER_UNIT, Table

DIP_BUSY_RATIO = 0.05  # a guess: one rank writes while the others wait
DIP_POWER_RATIO = 0.13  # some 150 W on an H100, what published checkpoint-heavy traces draw
SLOT_SECONDS = 60.0  # a guess: load at a service changes within minutes
SERVING_CYCLE_SECONDS = SECONDS_PER_UNIT["d"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a signal is played: the names it is drawn from, how many devices of which product, the files at hand."""

    seed: str
    devices: int
    product: Product
    folder: Path
    recordings: Recordings


def signal_patterns(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    """One pattern per device. Raises ``ScenarioError``."""
    kind = signal.text("kind")
    if kind not in SIGNALS:
        raise signal.wrong("kind", f"{kind!r} is unknown; choose one of {', '.join(SIGNALS)}")
    made = SIGNALS[kind](signal, stage)
    signal.finish()
    return made


def _training(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    memory = signal.ratio("memory")
    work = Level(busy_ratio=signal.ratio("busy"), power_ratio=signal.ratio("power"), memory_ratio=memory)
    dip = Level(
        busy_ratio=signal.ratio("dip_busy") if signal.has("dip_busy") else DIP_BUSY_RATIO,
        power_ratio=signal.ratio("dip_power") if signal.has("dip_power") else DIP_POWER_RATIO,
        memory_ratio=memory,
    )
    period_seconds, dip_seconds = signal.seconds("period"), signal.seconds("dip")
    if not 0 < dip_seconds < period_seconds:
        raise signal.wrong("dip", "must be longer than 0 s and shorter than the period; for no dips use kind constant")
    return (Pattern([(period_seconds - dip_seconds, work), (dip_seconds, dip)], repeats=True),) * stage.devices


def _serving(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    mean, power, memory = signal.ratio("busy_mean"), signal.ratio("power"), signal.ratio("memory")
    slot_seconds = signal.seconds("slot") if signal.has("slot") else SLOT_SECONDS
    if not 1 <= slot_seconds <= SERVING_CYCLE_SECONDS / 2:
        raise signal.wrong("slot", "must be from 1 s to half a day")
    pairs = int(SERVING_CYCLE_SECONDS / slot_seconds / 2)

    def one(device: int) -> Pattern:
        busy = _around(mean, pairs, f"{stage.seed}/{device}")
        levels = (Level(busy_ratio=ratio, power_ratio=power * ratio, memory_ratio=memory) for ratio in busy)
        return Pattern([(slot_seconds, level) for level in levels], repeats=True)

    return tuple(one(device) for device in range(stage.devices))


def _around(mean: float, pairs: int, seed: str) -> Iterator[float]:
    """Ratios in pairs at equal distance from the mean, so that the mean holds exactly and none leaves 0 to 1."""
    reach = min(mean, 1 - mean)
    drawn = shake_256(seed.encode()).digest(2 * pairs)
    for high, low in zip(drawn[::2], drawn[1::2], strict=True):
        offset = reach * (((high << 8) | low) / 65535 * 2 - 1)
        yield mean + offset
        yield mean - offset


def _constant(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    level = Level(
        busy_ratio=signal.ratio("busy"), power_ratio=signal.ratio("power"), memory_ratio=signal.ratio("memory")
    )
    return (Pattern([(1.0, level)], repeats=True),) * stage.devices


def _idle(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    memory = signal.ratio("memory") if signal.has("memory") else 0.0
    level = Level(busy_ratio=0.0, power_ratio=0.0, memory_ratio=memory)
    return (Pattern([(1.0, level)], repeats=True),) * stage.devices


def _recording(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    path = stage.folder / signal.text("file")
    traces = stage.recordings.traces(path)
    if not signal.has("trace") and len(traces) > 1:
        raise signal.wrong("trace", f"is missing; {path.name} has several: {', '.join(sorted(traces)[:5])}, …")
    trace = signal.text("trace") if signal.has("trace") else next(iter(traces))
    if trace not in traces:
        raise signal.wrong("trace", f"{path.name} has no trace {trace!r}; it has {', '.join(sorted(traces)[:5])}, …")
    recorded = traces[trace]
    if len(recorded) < stage.devices:
        raise signal.wrong("file", f"{trace or path.name} has {len(recorded)} GPUs, the pod has {stage.devices}")
    return patterns(path, recorded, stage.product, loop=signal.flag("loop"))[: stage.devices]


SIGNALS: dict[str, Callable[[Table, Stage], tuple[Pattern, ...]]] = {
    "training": _training,
    "serving": _serving,
    "constant": _constant,
    "idle": _idle,
    "recording": _recording,
}
