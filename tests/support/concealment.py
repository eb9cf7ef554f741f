"""
Scripts of concealment by what one run shows, each with the pattern that has to be seen and a twin that is innocent.

A twin does the same amount of something ordinary; what tells the two apart is the reason for which the pattern is told.
"""

from dataclasses import dataclass, replace

import polars as pl
from support import activities as of
from support.telemetry import FULL, OUTSIDE, Activity, State, Work, always, windows_of

HOUR = 3600.0
PROFILING = frozenset({"sm", "tensor", "dram", "nvlink"})


@dataclass(frozen=True, kw_only=True)
class Script:
    """What is done, which pattern has to be told of it, and the innocent twin of which it must not be told."""

    pattern: str
    works: tuple[Work, ...]
    twin: tuple[Work, ...]

    def windows(self) -> pl.DataFrame:
        """Of what is done."""
        return windows_of(*self.works)

    def innocent_windows(self) -> pl.DataFrame:
        """Of the twin."""
        return windows_of(*self.twin)


PRETRAINING = of.training(21)
GANG = Work(activity=PRETRAINING, pods=2, hours=3.0)
REPLICAS = Work(activity=of.serving(22, of.diurnal), kind="Deployment", name="chat", pods=2, hours=3.0)
A_DAY = {"hours": 24.0, "window_seconds": 1200.0}


def _even(power: float) -> Activity:
    """Training under a cap: the draw is even, and only its pauses are below it."""
    return of.training(23, power=power / 1.05, tensor=0.3, checkpoint_every=7200.0, step_seconds=1.0)


def _at_work(at: float, device: int) -> State:
    works = 8 * HOUR <= at < 17 * HOUR
    return PRETRAINING(at, device) if works else of.idle()(at, device)


def _part(number: int) -> Work:
    """A part of an effort that is put together seldom: each steps at a pace of its own."""
    pace = of.training(60 + number, step_seconds=11.0 + 2.3 * number)
    return replace(GANG, name=f"part-of-{number:03}", namespace=f"space-{number}", activity=pace, pods=1, hours=1.0)


def _sized(number: int) -> Work:
    """A job of a customer with many jobs of many sizes."""
    return Work(activity=of.alone(30 + number), name=f"job-{number}", devices=1 + number % 8, kind="Job")


def _blind_under_load(at: float) -> frozenset[str]:
    """Busy time is lost in every other hour, while devices work; power is read all the while."""
    return FULL - {"busy"} - PROFILING if at % (2 * HOUR) < HOUR / 2 else FULL


def _blind_by_chance(at: float) -> frozenset[str]:
    """As much is lost, at any time."""
    return FULL - {"busy"} - PROFILING if of.chance(24, int(at // 300)) < 0.25 else FULL


def _hours_about(at: float, device: int) -> State:
    """An hour of work and an hour of rest."""
    return of.taking_turns(PRETRAINING, of.idle(), on_seconds=HOUR, off_seconds=HOUR)(at, device)


def _hidden(at: float, device: int) -> State:
    """Busy time that was made to read nothing, on boards that draw what training draws."""
    return replace(PRETRAINING(at, device), busy=0.0)


def _too_little_energy(at: float, device: int) -> State:
    """Tensor pipes that work all the time at the draw of an idle board."""
    return State(busy=1.0, sm=0.9, tensor=0.8, dram=0.4, power=0.15)


def _every_step(at: float, device: int) -> State:
    """A checkpoint in every step: kernels spin for most of it."""
    return of.training(25, step_seconds=20.0, checkpoint_every=60.0, checkpoint_seconds=55.0)(at, device)


SCRIPTS = {
    "duty cycling": Script(
        pattern="duty_cycling",
        works=(replace(GANG, activity=_hours_about, **A_DAY),),
        twin=(replace(GANG, activity=_at_work, **A_DAY),),
    ),
    "a power cap": Script(
        pattern="power_capped",
        works=(replace(GANG, activity=_even(0.45)),),
        twin=(replace(GANG, activity=_even(0.78)),),
    ),
    "many small jobs": Script(
        pattern="fragmented",
        works=tuple(map(_part, range(10))),
        twin=tuple(map(_sized, range(10))),
    ),
    "bursts as serving has them": Script(
        pattern="bursts_in_step",
        works=(
            replace(
                GANG, kind="Deployment", name="api", hours=4.0,
                activity=of.taking_turns(PRETRAINING, of.idle(), on_seconds=70.0, off_seconds=100.0),
            ),
        ),
        twin=(
            REPLICAS,
            replace(
                REPLICAS, name="api", hours=4.0,
                activity=of.serving(26, of.steady(0.45), full=of.PREFILLING, devices_per_replica=1),
            ),
        ),
    ),
    "a service that trains": Script(
        pattern="steady_service",
        works=(replace(GANG, kind="Deployment", name="api", activity=of.training(27, checkpoint_every=9000.0)),),
        twin=(replace(REPLICAS, hours=24.0, window_seconds=HOUR),),
    ),
    "telemetry that fails under load": Script(
        pattern="gaps_under_load",
        works=(replace(GANG, activity=_hours_about, sight=_blind_under_load, hours=8.0),),
        twin=(replace(GANG, activity=_hours_about, sight=_blind_by_chance, hours=8.0),),
    ),
    "idle by its readings and at full draw": Script(
        pattern="energy_misfit",
        works=(replace(GANG, activity=_hidden, sight=always(OUTSIDE)),),
        twin=(replace(GANG, activity=of.idle(), sight=always(OUTSIDE)),),
    ),
    "tensor time without energy": Script(
        pattern="energy_misfit",
        works=(replace(GANG, activity=_too_little_energy),),
        twin=(GANG,),
    ),
    "a burner as a decoy": Script(
        pattern="power_burner",
        works=(GANG, replace(GANG, name="decoy", activity=of.burner)),
        twin=(GANG, replace(GANG, name="other", activity=of.training(28, power=0.8))),
    ),
    "a checkpoint in every step": Script(
        pattern="waiting_while_busy",
        works=(replace(GANG, activity=_every_step),),
        twin=(GANG,),
    ),
}  # fmt: skip
"""By what is done."""
