"""
What devices do, by what they are used for: the truths of which scripts are made.

Figures are shares of any board and follow published ones: H100 training draws 540 to 575 of 700 W, waits for a
checkpoint at a fifth of its power while its kernels spin, and works its tensor pipes for a third to a half of the time.
Generating text reads all weights for each word, so memory is busy for more than half of the time and tensor pipes
for a tenth; reading prompts and diffusion multiply matrices as training does.

Chance is a hash of seed, device and moment: the same again gives the same.
"""

from collections.abc import Callable
from dataclasses import replace
from math import pi, sin

from support.telemetry import Activity, State

DAY = 86_400.0
CHANCES = 1_000_003


def chance(*numbers: int) -> float:
    """A number from 0 to 1 that depends on these alone."""
    return hash(numbers) % CHANCES / CHANCES


def training(
    seed: int,
    *,
    tensor: float = 0.45,
    power: float = 0.78,
    step_seconds: float = 24.0,
    checkpoint_every: float = 1500.0,
    checkpoint_seconds: float = 45.0,
    starved: float = 0.0,
    nvlink_bytes: float = 40e9,
) -> Activity:
    """One computation over all devices. ``starved``: share of each step in which all wait, idle, for input."""

    def act(at: float, device: int) -> State:
        wobble = 0.98 + 0.04 * chance(seed, device, int(at), 1)
        phase = at % step_seconds / step_seconds
        if at % checkpoint_every >= checkpoint_every - checkpoint_seconds:
            return State(busy=0.9, sm=0.1, dram=0.02, power=0.21)
        if phase < starved:
            return State(busy=0.12, sm=0.05, dram=0.03, power=0.22)
        if phase > 0.8:  # gradients are exchanged and weights updated
            return State(
                busy=1.0, sm=0.6, tensor=0.25 * tensor, dram=0.5, power=0.75 * power, nvlink_bytes=3 * nvlink_bytes
            )
        return State(
            busy=1.0, sm=0.9 * wobble, tensor=1.15 * tensor * wobble, dram=0.38, power=min(1.0, 1.05 * power * wobble),
            nvlink_bytes=0.5 * nvlink_bytes,
        )  # fmt: skip

    return act


def alone(seed: int, *, tensor: float = 0.35, dram: float = 0.4) -> Activity:
    """A fine-tune on each device by itself, with steps of its own length and an evaluation now and then."""

    def act(at: float, device: int) -> State:
        step = 11.0 + 20.0 * chance(seed, device)
        evaluates = at % 1800 > 1700
        wobble = 0.9 + 0.2 * chance(seed, device, int(at), 2)
        loads = at % step > 0.9 * step
        scale = 0.5 if evaluates else 0.8 if loads else 1.0
        return State(
            busy=min(1.0, scale * wobble * 0.98), sm=0.8 * scale, tensor=tensor * scale * wobble, dram=dram * scale,
            power=0.2 + 0.45 * scale * wobble, memory_bytes=40e9,
        )  # fmt: skip

    return act


Load = Callable[[float], float]
"""The share of their ability that is asked of replicas, by seconds; above 1 requests queue."""


def saturated(_: float) -> float:
    """More requests than can be answered."""
    return 1.6


def diurnal(at: float) -> float:
    """High in the day and low in the night; it begins in the middle of the rise."""
    return 0.45 + 0.35 * sin(2 * pi * at / DAY)


def steady(load: float) -> Load:
    """The same load all the time."""
    return lambda _: load


DECODING = State(busy=1.0, sm=0.85, tensor=0.08, dram=0.6, power=0.5, nvlink_bytes=14e9)
CHATTING = State(busy=1.0, sm=0.8, tensor=0.2, dram=0.5, power=0.58, nvlink_bytes=18e9)
PREFILLING = State(busy=1.0, sm=0.9, tensor=0.42, dram=0.3, power=0.75, nvlink_bytes=30e9)
DIFFUSING = State(busy=1.0, sm=0.95, tensor=0.4, dram=0.35, power=0.85, memory_bytes=20e9)
"""What a device does at full load: generating words; answering prompts of some length; reading prompts; images."""


def serving(seed: int, load: Load, *, full: State = CHATTING, devices_per_replica: int = 8) -> Activity:
    """Replicas that answer requests, each moving by itself; within one, devices move as one."""

    def act(at: float, device: int) -> State:
        replica = device // devices_per_replica
        asked = load(at) * (0.6 + 0.8 * chance(seed, replica, int(at // 15), 3))
        mixture = 0.85 + 0.3 * chance(seed, replica, int(at // 20), 12)  # of prompts and words, from batch to batch
        wobble = mixture * (0.98 + 0.04 * chance(seed, device, int(at), 4))
        return _partly(full, min(1.0, max(0.0, asked)), wobble)

    return act


def _partly(full: State, share: float, wobble: float) -> State:
    return replace(
        full, busy=full.busy * share, sm=full.sm * share,
        tensor=full.tensor * share * wobble, dram=full.dram * share, nvlink_bytes=full.nvlink_bytes * share,
        power=0.15 + (full.power * wobble - 0.15) * share,
    )  # fmt: skip


def requests_in_series(seed: int, load: float, full: State = DIFFUSING) -> Activity:
    """Replicas of one device that answer one request after the other, each wholly or not at all."""

    def act(at: float, device: int) -> State:
        asked = chance(seed, device, int(at // 10), 5) < load
        wobble = 0.96 + 0.08 * chance(seed, device, int(at), 6)
        return _partly(full, 0.97 if asked else 0.0, wobble)

    return act


def idle(*, memory_bytes: float = 70e9) -> Activity:
    """Devices that are held and do nothing, with a model in memory or without."""
    return lambda _, __: State(power=0.16 if memory_bytes else 0.11, memory_bytes=memory_bytes)


def batch_inference(seed: int) -> Activity:
    """Each device works through its own part of a list, reading the next part in between."""

    def act(at: float, device: int) -> State:
        part = 120.0 + 90.0 * chance(seed, device)
        reads = (at + 400 * chance(seed, device, 8)) % part > 0.95 * part
        wobble = 0.96 + 0.08 * chance(seed, device, int(at), 7)
        return _partly(replace(CHATTING, nvlink_bytes=0.0), 0.1 if reads else 1.0, wobble)

    return act


def rendering(seed: int) -> Activity:
    """Each device renders frames of its own; between them a scene is loaded. Tensor pipes rest but for denoising."""

    def act(at: float, device: int) -> State:
        frame = 60.0 + 120.0 * chance(seed, device)
        loads = (at + 300 * chance(seed, device, 9)) % frame > 0.9 * frame
        wobble = 0.95 + 0.1 * chance(seed, device, int(at), 10)
        if loads:
            return State(busy=0.1, sm=0.03, dram=0.1, power=0.25, memory_bytes=12e9)
        return State(
            busy=min(1.0, 0.98 * wobble), sm=0.85, tensor=0.005, dram=0.3, power=0.65 * wobble, memory_bytes=12e9
        )

    return act


def notebook(seed: int) -> Activity:
    """A person who runs a cell now and then."""

    def act(at: float, device: int) -> State:
        runs = chance(seed, int(at // 240), 11) < 0.2
        return _partly(replace(CHATTING, tensor=0.25, nvlink_bytes=0.0), 0.8 if runs else 0.0, 1.0)

    return act


def taking_turns(works: Activity, rests: Activity, *, on_seconds: float, off_seconds: float) -> Activity:
    """First the one for so long and then the other, again and again."""

    def act(at: float, device: int) -> State:
        return works(at, device) if at % (on_seconds + off_seconds) < on_seconds else rests(at, device)

    return act


def burner(_: float, __: int) -> State:
    """A program made to draw power."""
    return State(busy=1.0, sm=1.0, tensor=0.7, dram=0.3, power=0.97, memory_bytes=70e9)
