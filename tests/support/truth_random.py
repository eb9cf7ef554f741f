"""Random days on two cards, of sixty ticks: for what nobody thought of writing down."""

from collections.abc import Callable

from hypothesis import strategies as st
from support.truth_day import ClockSet, Day, Death, Device, Instance, KubeletAway, LostCard, Pod, Span

TICKS = 60
LONGEST = 30
CUT = 1
"""The card that may be in MIG mode."""


@st.composite
def days(draw: st.DrawFn) -> Day:
    """A day of at most half an hour."""
    grid = [0]
    for distance in draw(st.lists(st.integers(1, LONGEST), min_size=TICKS, max_size=TICKS)):
        grid.append(grid[-1] + distance)
    seconds = grid[-1]
    instances = draw(st.just(()) | _layouts(seconds))
    api_down = draw(st.lists(_spans(Span, seconds), max_size=1))
    boots = draw(st.booleans())
    return Day(
        seconds=seconds,
        cards=2,
        grid=tuple(grid),
        instances=instances,
        pods=draw(_pods(seconds, instances, may_finish=not api_down)),
        lost=tuple(draw(st.lists(_spans(lambda **span: LostCard(card=0, **span), seconds), max_size=1))),
        driver_gone=tuple(draw(st.lists(_spans(Span, seconds), max_size=1))),
        kubelet_away=tuple(draw(st.lists(_spans(KubeletAway, seconds), max_size=1))),
        api_down=tuple(api_down),
        clock_set=() if boots else tuple(draw(st.lists(_clock_steps(seconds), max_size=2))),
        deaths=draw(_deaths(seconds, boots=boots)),
        save_seconds=draw(st.sampled_from([0, 10, 60])),
    )


@st.composite
def _spans(draw: st.DrawFn, make: Callable[..., Span], seconds: int, longest: int = 400) -> Span:
    start = draw(st.integers(1, seconds - 1))
    return make(start=start, end=min(seconds, start + draw(st.integers(1, longest))))


def _clock_steps(seconds: int) -> st.SearchStrategy[ClockSet]:
    return st.builds(ClockSet, at=st.integers(1, seconds), seconds=st.sampled_from([-3600, -1, 1, 3600]))


@st.composite
def _layouts(draw: st.DrawFn, seconds: int) -> tuple[Instance, ...]:
    """The card is cut into small instances, and at some moment into large ones."""
    anew = draw(st.integers(1, seconds - 1))
    small = Instance(card=CUT, profile="1g.10gb", multiprocessors=16, start=0, end=anew)
    large = Instance(card=CUT, profile="3g.40gb", multiprocessors=60, start=anew, end=seconds)
    return (*[small] * draw(st.integers(1, 7)), *[large] * 2)


@st.composite
def _pods(draw: st.DrawFn, seconds: int, instances: tuple[Instance, ...], *, may_finish: bool) -> tuple[Pod, ...]:
    """Pods on whole cards, several on one where they come together; on a cut card on instances while these are."""
    found = []
    for number in range(draw(st.integers(0, 5))):
        span = draw(_spans(Span, seconds, seconds))
        cards = draw(st.sets(st.integers(0, 1), min_size=1))
        devices = [Device(card=card, replica=number) for card in sorted(cards) if card != CUT or not instances]
        if CUT in cards and instances:
            place = draw(st.integers(0, len(instances) - 1))
            start, end = max(span.start, instances[place].start), min(span.end, instances[place].end)
            if start >= end or any(_meet(pod, place, start, end) for pod in found):
                continue
            span = Span(start=start, end=end)
            devices.append(Device(card=CUT, instance=place))
        end = draw(st.sampled_from(["deleted", "forced", *(["finished"] if may_finish else [])]))
        found.append(
            Pod(
                name=f"pod-{number}",
                uid=f"uid-{number}",
                start=span.start,
                end=span.end,
                devices=tuple(devices),
                listed_until=span.end + draw(st.integers(1, 300)) if end == "finished" else None,
                deleted_at=draw(st.integers(span.start + 1, span.end)) if end == "forced" else None,
            )
        )
    return tuple(found)


def _meet(pod: Pod, place: int, start: int, end: int) -> bool:
    """Whether a pod has this instance at some moment of the span."""
    return any(device.instance == place for device in pod.devices) and pod.start < end and start < pod.end


@st.composite
def _deaths(draw: st.DrawFn, seconds: int, *, boots: bool) -> tuple[Death, ...]:
    """Up to three, one after the other."""
    edges = draw(st.lists(st.integers(1, seconds - 1), max_size=6, unique=True).map(sorted))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(Death(start=start, end=end, boots=boots) for start, end in pairs)
