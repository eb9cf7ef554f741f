"""Random days on two cards, of sixty ticks: for what nobody thought of writing down."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from support.truth_day import ClockSet, Day, Death, Device, Instance, KubeletAway, LostCard, Pod, Span

TICKS = 60
LONGEST = 30
CUT = 1
"""The card that may be in MIG mode."""

Thing = TypeVar("Thing")


def a_day(chance: Random) -> Day:
    """A day of at most half an hour. The same chance makes the same day, whatever else has changed."""
    grid = [0]
    for _ in range(TICKS):
        grid.append(grid[-1] + chance.randint(1, LONGEST))
    seconds = grid[-1]
    instances = _layouts(chance, seconds) if chance.random() < 0.5 else ()
    api_down = _perhaps(chance, lambda: _span(chance, Span, seconds))
    boots = chance.random() < 0.5
    return Day(
        seconds=seconds,
        cards=2,
        grid=tuple(grid),
        instances=instances,
        pods=_pods(chance, seconds, instances, may_finish=not api_down),
        lost=_perhaps(chance, lambda: _span(chance, lambda **span: LostCard(card=0, **span), seconds)),
        driver_gone=_perhaps(chance, lambda: _span(chance, Span, seconds)),
        kubelet_away=_perhaps(chance, lambda: _span(chance, KubeletAway, seconds)),
        api_down=api_down,
        clock_set=() if boots else tuple(_clock_step(chance, seconds) for _ in range(chance.randint(0, 2))),
        deaths=_deaths(chance, seconds, boots=boots),
        save_seconds=chance.choice([0, 10, 60]),
    )


def _perhaps(chance: Random, make: Callable[[], Thing]) -> tuple[Thing, ...]:
    return (make(),) if chance.random() < 0.5 else ()


def _span(chance: Random, make: Callable[..., Thing], seconds: int, longest: int = 400) -> Thing:
    start = chance.randint(1, seconds - 1)
    return make(start=start, end=min(seconds, start + chance.randint(1, longest)))


def _clock_step(chance: Random, seconds: int) -> ClockSet:
    return ClockSet(at=chance.randint(1, seconds), seconds=chance.choice([-3600, -1, 1, 3600]))


def _layouts(chance: Random, seconds: int) -> tuple[Instance, ...]:
    """The card is cut into small instances, and at some moment into large ones."""
    anew = chance.randint(1, seconds - 1)
    small = Instance(card=CUT, profile="1g.10gb", multiprocessors=16, start=0, end=anew)
    large = Instance(card=CUT, profile="3g.40gb", multiprocessors=60, start=anew, end=seconds)
    return (*[small] * chance.randint(1, 7), *[large] * 2)


def _pods(chance: Random, seconds: int, instances: Sequence[Instance], *, may_finish: bool) -> tuple[Pod, ...]:
    """Pods on whole cards, several on one where they come together; on a cut card on instances while these are."""
    found: list[Pod] = []
    for number in range(chance.randint(0, 5)):
        span = _span(chance, Span, seconds, seconds)
        cards = chance.choice([(0,), (1,), (0, 1)])
        devices = [Device(card=card, replica=number) for card in cards if card != CUT or not instances]
        if CUT in cards and instances:
            place = chance.randrange(len(instances))
            start, end = max(span.start, instances[place].start), min(span.end, instances[place].end)
            if start >= end or any(_meet(pod, place, start, end) for pod in found):
                continue
            span = Span(start=start, end=end)
            devices.append(Device(card=CUT, instance=place))
        ends = chance.choice(["deleted", "forced", *(["finished"] if may_finish else [])])
        found.append(
            Pod(
                name=f"pod-{number}",
                uid=f"uid-{number}",
                start=span.start,
                end=span.end,
                devices=tuple(devices),
                listed_until=span.end + chance.randint(1, 300) if ends == "finished" else None,
                deleted_at=chance.randint(span.start + 1, span.end) if ends == "forced" else None,
            )
        )
    return tuple(found)


def _meet(pod: Pod, place: int, start: int, end: int) -> bool:
    """Whether a pod has this instance at some moment of the span."""
    return any(device.instance == place for device in pod.devices) and pod.start < end and start < pod.end


def _deaths(chance: Random, seconds: int, *, boots: bool) -> tuple[Death, ...]:
    """Up to three, one after the other."""
    edges = sorted(chance.sample(range(1, seconds), chance.randint(0, 6)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(Death(start=start, end=end, boots=boots) for start, end in pairs)
