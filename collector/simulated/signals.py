"""
The kinds of signal that a scenario can give a pod, each brought into patterns, one for every device of the pod.

Nothing here is random: what varies is drawn from a digest of names, so the same file always plays the same.

``training``  busy, power, memory during the steps; every ``period`` ends with a ``dip`` (checkpoint, evaluation) during
              which the device does ``dip_busy`` and draws ``dip_power``. All devices of the pod in step.
``serving``   ``busy_mean`` varied every ``slot`` (60 s); ``power`` is the draw when fully busy; memory stays resident.
``constant``  busy, power, memory.
``idle``      held and unused; ``memory`` if something stays loaded.
``recording`` a series from ``file`` (see ``recording.py``), ``trace`` where the file has several; ``loop`` repeats it.

What the device does while it is busy may be said as ratios too: ``sm``, ``tensor``, ``dram``, ``nvlink``, ``pcie``,
and ``tensor_pipe`` (``hmma``, ``imma`` or ``dfma``); while it is less busy, they are less in proportion. Left out, they
follow from how busy it is by ``TYPICAL``. A recording does not tell them, and neither does its playback.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import shake_256
from pathlib import Path

from collector.simulated.pattern import NOTHING, Activity, Level, Pattern
from collector.simulated.products import Product
from collector.simulated.recording import Recordings, patterns
from collector.simulated.tables import SECONDS_PER_UNIT, Table

DIP_BUSY_RATIO = 0.05  # a guess: one rank writes while the others wait
DIP_POWER_RATIO = 0.13  # some 150 W on an H100, what published checkpoint-heavy traces draw
SLOT_SECONDS = 60.0  # a guess: load at a service changes within minutes
SERVING_CYCLE_SECONDS = SECONDS_PER_UNIT["d"]
TENSOR_PIPES = ("hmma", "imma", "dfma")
# Shares of the busy time, or of the bandwidth when always busy: guesses, all of them. Training so that tensor pipes
# active for 0.35 of the time go with busy 0.97, which is near the utilisation of FLOP that good training runs reach.
TYPICAL: dict[str, dict[str, float]] = {
    "training": {"sm": 0.85, "tensor": 0.36, "dram": 0.45, "nvlink": 0.25, "pcie": 0.02},
    "serving": {"sm": 0.6, "tensor": 0.12, "dram": 0.5, "nvlink": 0.02, "pcie": 0.01},
    "constant": {"sm": 0.8, "tensor": 0.2, "dram": 0.4, "nvlink": 0.0, "pcie": 0.01},
}


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
    memory, busy, activity = signal.ratio("memory"), signal.ratio("busy"), _activity(signal, "training")
    dip_busy = signal.ratio("dip_busy") if signal.has("dip_busy") else DIP_BUSY_RATIO
    dip_power = signal.ratio("dip_power") if signal.has("dip_power") else DIP_POWER_RATIO
    work = Level(busy_ratio=busy, power_ratio=signal.ratio("power"), memory_ratio=memory, activity=activity(busy, busy))
    dip = Level(busy_ratio=dip_busy, power_ratio=dip_power, memory_ratio=memory, activity=activity(dip_busy, busy))
    period_seconds, dip_seconds = signal.seconds("period"), signal.seconds("dip")
    if not 0 < dip_seconds < period_seconds:
        raise signal.wrong("dip", "must be longer than 0 s and shorter than the period; for no dips use kind constant")
    return (Pattern([(period_seconds - dip_seconds, work), (dip_seconds, dip)], repeats=True),) * stage.devices


def _serving(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    mean, power, memory = signal.ratio("busy_mean"), signal.ratio("power"), signal.ratio("memory")
    slot_seconds = signal.seconds("slot") if signal.has("slot") else SLOT_SECONDS
    if not 1 <= slot_seconds <= SERVING_CYCLE_SECONDS / 2:
        raise signal.wrong("slot", "must be from 1 s to half a day")
    pairs, activity = int(SERVING_CYCLE_SECONDS / slot_seconds / 2), _activity(signal, "serving")

    def level(busy: float) -> Level:
        return Level(busy_ratio=busy, power_ratio=power * busy, memory_ratio=memory, activity=activity(busy, mean))

    def one(device: int) -> Pattern:
        busy = _around(mean, pairs, f"{stage.seed}/{device}")
        return Pattern([(slot_seconds, level(ratio)) for ratio in busy], repeats=True)

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
    busy = signal.ratio("busy")
    level = Level(
        busy_ratio=busy,
        power_ratio=signal.ratio("power"),
        memory_ratio=signal.ratio("memory"),
        activity=_activity(signal, "constant")(busy, busy),
    )
    return (Pattern([(1.0, level)], repeats=True),) * stage.devices


def _idle(signal: Table, stage: Stage) -> tuple[Pattern, ...]:
    memory = signal.ratio("memory") if signal.has("memory") else 0.0
    level = replace(NOTHING, memory_ratio=memory)
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


def _activity(signal: Table, kind: str) -> Callable[[float, float], Activity]:
    """What a device does at some busy ratio, told what it does at the usual one; in proportion, and at most all."""
    written = {name: signal.ratio(name) for name in TYPICAL[kind] if signal.has(name)}
    pipe = signal.text("tensor_pipe") if signal.has("tensor_pipe") else TENSOR_PIPES[0]
    if pipe not in TENSOR_PIPES:
        raise signal.wrong("tensor_pipe", f"{pipe!r} is unknown; choose one of {', '.join(TENSOR_PIPES)}")

    def at(busy: float, usual: float) -> Activity:
        share = busy / usual if usual else 1.0
        now = {
            name: min(1.0, written[name] * share) if name in written else typical * busy
            for name, typical in TYPICAL[kind].items()
        }
        tensor = dict.fromkeys(TENSOR_PIPES, 0.0) | {pipe: now.pop("tensor")}
        return Activity(**now, **tensor)

    return at


SIGNALS: dict[str, Callable[[Table, Stage], tuple[Pattern, ...]]] = {
    "training": _training,
    "serving": _serving,
    "constant": _constant,
    "idle": _idle,
    "recording": _recording,
}
