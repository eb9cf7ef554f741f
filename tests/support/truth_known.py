"""
What a collector can know at a moment of a written day: which pods there are, by which name, and what it can read.

Mostly there is one right answer. While one thing gives way to another there are several; the first one is the truth.
The promises that are taken at their word: a kubelet's last answer counts on for GRACE_SECONDS, its first ones only add
for SETTLE_SECONDS, and a driver that is back is found within RETRY_SECONDS; all of that at the next tick.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from support.truth_day import Day, Holder, Pod
from support.truth_lives import Life

GRACE_SECONDS = 120
SETTLE_SECONDS = 10
RETRY_SECONDS = 60

Pods = frozenset[Pod]
Named = list[tuple[Pod, Holder, bool]]


class Known:
    """What can be known in each life of a day."""

    def __init__(self, day: Day, lives: Sequence[Life]) -> None:
        self._day = day
        self._lives = lives
        self._tick = day.longest_tick
        self._hearing = [[tick for tick in life.ticks if not self._is_away(tick)] for life in lives]

    def edges(self) -> list[int]:
        """Between two of these nothing changes, neither what is true nor what can be known."""
        born, back = [life.born for life in self._lives], [away.end for away in self._day.kubelet_away]
        edges = {*self._day.moments, *born}
        edges |= {gone.end + RETRY_SECONDS + self._tick for gone in self._day.driver_gone}
        edges |= {moment + SETTLE_SECONDS + self._tick for moment in (*born, *back)}
        for away in self._day.kubelet_away:
            edges.add(away.end + away.forgetful_seconds + self._tick)
            heard = [tick for hearing in self._hearing for tick in hearing if tick < away.start]
            edges |= {heard[-1] + GRACE_SECONDS + 1} if heard else set()
        return sorted(edges)

    def lists(self, life: int, t: int) -> list[Pods | None]:
        """The pods that are known to be there; None when that is not known."""
        if self._is_away(t):
            return self._without_kubelet(life, t)
        listed = self._running(t)
        returns = [away for away in self._day.kubelet_away if self._lives[life].born <= away.end <= t]
        back = max([self._lives[life].born, *(away.end for away in returns)])
        if t >= back + SETTLE_SECONDS + self._tick:
            return [listed]
        heard = self._heard(life, back - 1)
        before = Pods() if heard is None else self._may_run(self._listed(heard), t)
        since = self._may_run((pod for pod in self._day.pods if pod.start <= t and pod.listed.end > back), t)
        forgets = any(t < away.end + away.forgetful_seconds + self._tick for away in returns)
        return [listed, listed | before | since, *([before] if forgets else [])]

    def last_named(self, life: int, t: int) -> Iterator[tuple[int, Named]]:
        """When any collector had its last answer, and its pods by name, without and with those that went since."""
        until = [*(each.saved[-1] for each in self._lives[:life]), t]  # of what was not saved nothing outlives a life
        answers = [(number, tick) for number, end in enumerate(until) if (tick := self._heard(number, end)) is not None]
        number, tick = answers[-1] if answers else (life, 0)
        last = self._listed(tick) if answers else Pods()
        for pods in (last & self._running(t), self._may_run(last, t), last):
            yield tick, self.named(number, pods, tick)
            if number == life:  # which may have been told of them after that answer
                yield tick, self.named(life, pods, t)

    def named(self, life: int, pods: Iterable[Pod], t: int) -> Named:
        """The pods in a fixed order, each as who it is known, and whether for certain."""
        return [
            (pod, pod.holder, True) if self._is_told(life, pod, t) else (pod, self._recalled(life, pod), False)
            for pod in sorted(pods, key=str)
        ]

    def _recalled(self, life: int, pod: Pod) -> Holder:
        """The pod of this name that an earlier process had saved; else a stranger."""
        for earlier in range(life - 1, -1, -1):
            saved = self._lives[earlier].saved[-1]
            for other in self._listed(saved):
                if other.name == pod.name and self._is_told(earlier, other, saved):
                    return other.holder
        return pod.stranger

    def first_heard(self, life: int) -> int | None:
        """The first tick of a life at which the kubelet is there."""
        return next(iter(self._hearing[life]), None)

    def unread(self, life: int, card: int, t: int) -> list[str]:
        """Why the card cannot be read; empty if it can."""
        off_bus = "gpu_lost" if any(lost.card == card and lost.has(t) for lost in self._day.lost) else ""
        for gone in self._day.driver_gone:
            if gone.has(t):
                return ["driver_gone"]
            if gone.end <= t < gone.end + RETRY_SECONDS + self._tick and self._lives[life].born < gone.end:
                return [off_bus, "driver_gone"]
        return [off_bus]

    def _without_kubelet(self, life: int, t: int) -> list[Pods | None]:
        heard = self._heard(life, t)
        if heard is None or t - heard > GRACE_SECONDS:
            return [None]
        last = self._listed(heard)
        return [last & self._running(t), self._may_run(last, t)]

    def _heard(self, life: int, t: int) -> int | None:
        """The last tick of a life by then at which the kubelet was there."""
        number = bisect_right(self._hearing[life], t)
        return self._hearing[life][number - 1] if number else None

    def _listed(self, t: int) -> Pods:
        """The pods that the kubelet lists."""
        return Pods(pod for pod in self._day.pods if pod.listed.has(t))

    def _running(self, t: int) -> Pods:
        """Those of them that the API server has not said to have finished."""
        return Pods(pod for pod in self._day.pods if pod.has(t))

    def _may_run(self, pods: Iterable[Pod], t: int) -> Pods:
        """Pods of earlier, less those that the API server says, or said before they went, have finished."""
        return Pods(pod for pod in pods if pod.has(t) or pod.listed_until is None)

    def _is_away(self, t: int) -> bool:
        return any(away.has(t) for away in self._day.kubelet_away)

    def _is_told(self, life: int, pod: Pod, t: int) -> bool:
        """Whether the API server, while it was up and had the pod, has told this collector of it."""
        ups = [0, *(down.end for down in self._day.api_down)]
        downs = [*(down.start for down in self._day.api_down), self._day.seconds + 1]
        told = [max(self._lives[life].born, up, pod.in_api.start) for up in ups]
        return any(first <= t and first < min(down, pod.in_api.end) for first, down in zip(told, downs, strict=True))
