"""The processes of a written day: when each was born, when it ticked, and what of it outlived it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from support.truth_day import Day, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process: when it began, its ticks, and those at which it saved. What came after died with it."""

    born: int
    ticks: tuple[int, ...]
    saved: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Span):
    """From one tick to the next, or from the last save of a life to the birth of the next one, ``life``."""

    life: int
    watched: bool
    published: bool


def lives_of(day: Day) -> Iterator[Life]:
    """In order. A collector ticks when it starts; it saves at its first tick and then when the time has come."""
    ends = [*(death.start for death in day.deaths), day.seconds]
    for born, end in zip([0, *(death.end for death in day.deaths)], ends, strict=True):
        ticks = (born, *(tick for tick in day.grid if born < tick <= end))
        saved = [born]
        for tick in ticks[1:]:
            if tick - saved[-1] >= day.save_seconds:
                saved.append(tick)
        yield Life(born=born, ticks=ticks, saved=tuple(saved))


def steps_of(lives: Sequence[Life]) -> Iterator[Step]:
    """The whole day without a gap, up to when the last life saved for the last time."""
    before = 0
    for number, life in enumerate(lives):
        if number:
            yield Step(start=before, end=life.born, life=number, watched=False, published=False)
        before = life.born
        for tick in (tick for tick in life.ticks if tick <= life.saved[-1]):
            yield Step(start=before, end=tick, life=number, watched=True, published=tick in life.saved)
            before = tick
