"""
What is true of a written day, as seconds in series; and how much each of them may grow from one look to the next.

Every moment has, card by card, the answers that are right: where its second goes, and who is given how much of it.
The least and the most that any of them gives, added up over a step, bound what a collector may count in it. The first
answer alone, added up over the day, is the truth.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, pairwise, product

from support.truth_day import Day, Holder, Pod
from support.truth_known import Known, Named
from support.truth_lives import Step, lives_of, steps_of

Key = tuple[str, ...]
"""A series: ("state", state, reason), or ("held" | "shared" | "unwatched", *holder)."""
Rates = dict[Key, float]
"""Seconds a second."""


class Truth:
    """The truth of a day."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.lives = tuple(lives_of(day))
        self.steps = tuple(steps_of(self.lives))
        self._known = Known(day, self.lives)
        self._edges = self._known.edges()
        self._answers = lru_cache(maxsize=None)(self._answers_of_segment)

    @property
    def end(self) -> int:
        """Up to when the day was published."""
        return self.steps[-1].end

    def bounds(self, step: Step) -> tuple[Rates, Rates]:
        """The least and the most seconds that each series may grow by in this step."""
        least, most = Counter[Key](), Counter[Key]()
        for card in range(self.day.cards):
            answers = self._over(step, card) if step.watched else self._dead(step, card)
            for key in {key for rates in answers for key in rates}:
                found = [rates.get(key, 0.0) for rates in answers]
                least[key] += (step.end - step.start) * min(found)
                most[key] += (step.end - step.start) * max(found)
        most.update(self._told_of_late(step))
        return least, most

    def totals(self) -> Rates:
        """The seconds of each series that are true, but for those in which no collector lived."""
        found = Counter[Key]()
        for number, life in enumerate(self.lives):
            edges = [life.born, *(edge for edge in self._edges if life.born < edge < life.saved[-1]), life.saved[-1]]
            for segment, (start, end) in enumerate(pairwise(edges), self._segment(life.born)):
                for card in range(self.day.cards):
                    for key, rate in self._answers(number, card, segment)[0].items():
                        found[key] += (end - start) * rate
        return found

    def held_by_name(self) -> dict[str, float]:
        """Device-seconds that the pods of each name have truly held, alone or not, known or not."""
        found = Counter[str]()
        for pod in self.day.pods:
            for device in pod.devices:
                found[pod.name] += (min(pod.end, self.end) - min(pod.start, self.end)) * self._weight(device.instance)
        return found

    def _segment(self, t: int) -> int:
        return bisect_right(self._edges, t) - 1

    def _over(self, step: Step, card: int) -> list[Rates]:
        """Every answer that is right at some moment of a step."""
        segments = range(self._segment(step.start), self._segment(step.end) + 1)
        return [rates for segment in segments for rates in self._answers(step.life, card, segment)]

    def _dead(self, step: Step, card: int) -> list[Rates]:
        """No collector lived: who held the card at either end may have held it."""
        ends = [self._candidates(step.life - 1, card, step.start), self._candidates(step.life, card, step.end)]
        both = [[*before, *after] for before, after in product(*ends)]
        if any(self._is_cut(card, t) for t in (step.start, step.end)):
            both.append([])
        return [_unknown("lost", "collector_down", "unwatched", each) for each in (*chain(*ends), *both)]

    def _told_of_late(self, step: Step) -> Rates:
        """Where a life begins without the kubelet, those of whom it then tells may have held in the time before it."""
        life = self.lives[step.life]
        hears = step.watched and step.end == self._known.first_heard(step.life)
        if not hears or step.life == 0 or step.end == life.born:
            return {}
        down = life.born - self.lives[step.life - 1].saved[-1]
        cards = range(self.day.cards)
        names = ({name for each in self._candidates(step.life, card, step.end) for name in each} for card in cards)
        found = Counter[Key]()
        for on_card in names:
            found.update({("unwatched", *name): down for name in on_card})
        return dict(found)

    def _candidates(self, life: int, card: int, t: int) -> list[list[Holder]]:
        """Who holds the card, as far as anybody can tell."""
        lists = [pods for pods in self._known.lists(life, t) if pods is not None]
        if lists:
            known = [self._known.named(life, pods, t) for pods in lists]
            ever = [] if self._known.unread(life, card, t) == [""] else [_ever(card, named) for named in known]
            return [*(self._names(card, named, t) for named in known), *ever]
        return [
            self._names(card, named, moment)  # an instance may have been destroyed since
            for tick, named in self._known.last_named(life, t)
            for moment in (t, tick)
        ]

    def _answers_of_segment(self, life: int, card: int, segment: int) -> list[Rates]:
        t = max(self._edges[segment], self.lives[life].born)
        found: list[Rates] = []
        for unread, pods in product(self._known.unread(life, card, t), self._known.lists(life, t)):
            if pods is None:
                found += self._of_unknown(card, t, unread, self._candidates(life, card, t))
                continue
            named = self._known.named(life, pods, t)
            if self._is_cut(card, t):
                found += self._of_cut_card(card, t, unread, self._on(card, named, t))
                found += [_unknown("lost", unread, "shared", _ever(card, named))] if unread else []
            else:
                found.append(_of_whole_card(unread, self._on(card, named, t)))
        return [rates for number, rates in enumerate(found) if rates not in found[:number]]

    def _of_unknown(self, card: int, t: int, unread: str, candidates: Iterable[list[Holder]]) -> Iterator[Rates]:
        """Nobody says who holds anything: whoever held the card last may hold it still."""
        state = ("lost", unread) if unread else ("ambiguous", "kubelet_gone")
        for names in candidates:
            yield _unknown(*state, "shared", names)
        if self._is_cut(card, t):
            cut = sum(each.multiprocessors for each in self.day.instances if each.card == card and each.has(t))
            yield {("state", *state): cut / self.day.multiprocessors, ("state", "unallocated", ""): 1.0}

    def _of_cut_card(self, card: int, t: int, unread: str, named: Named) -> Iterator[Rates]:
        """Each instance has its multiprocessors' part of the card; what no instance has, or nobody holds, is free."""
        weights = {name: sum(map(self._weight, self._places(pod, card, t))) for pod, name, _ in named}
        strange = [name for _, name, certain in named if not certain]
        held = {("held", *name): weight for name, weight in weights.items() if name not in strange}
        if unread:
            yield {("state", "lost", unread): 1.0, **held}
            yield {("state", "lost", unread): 1.0}
            yield _unknown("lost", unread, "shared", weights)
        elif contested := self._contested(card, named, t):
            yield contested
        else:
            free = {("state", "unallocated", ""): 1.0 - sum(weights.values())}
            doubtful = {("state", "ambiguous", "pod_unknown"): sum(weights[name] for name in strange)}
            known = {("state", "attributed", ""): sum(held.values()), **held}
            yield {**free, **(known if held else {}), **(doubtful if strange else {})}
            if strange:
                yield _unknown("ambiguous", "pod_unknown", "shared", weights)

    def _contested(self, card: int, named: Named, t: int) -> Rates:
        """The answer where one who may have gone and one who came have the same instance; empty if none have."""
        having: dict[int | None, list[tuple[Holder, bool]]] = {}
        for pod, name, certain in named:
            for place in self._places(pod, card, t):
                having.setdefault(place, []).append((name, certain))
        if all(len(names) == 1 for names in having.values()):
            return {}
        found = Counter[Key]({("state", "unallocated", ""): 1.0 - sum(map(self._weight, having))})
        for place, names in having.items():
            weight, is_told = self._weight(place), all(certain for _, certain in names)
            alone = is_told and len(names) == 1
            state = ("attributed", "") if alone else ("ambiguous", "shared" if is_told else "pod_unknown")
            found["state", *state] += weight
            found.update({("held" if alone else "shared", *name): weight for name, _ in names})
        return dict(found)

    def _names(self, card: int, named: Named, t: int) -> list[Holder]:
        return [name for _, name, _ in self._on(card, named, t)]

    def _on(self, card: int, named: Named, t: int) -> Named:
        return [each for each in named if self._places(each[0], card, t)]

    def _places(self, pod: Pod, card: int, t: int) -> list[int | None]:
        """The instances of the card that the pod has; None for the whole card."""
        found = [device.instance for device in pod.devices if device.card == card]
        return [number for number in found if number is None or self.day.instances[number].has(t)]

    def _weight(self, number: int | None) -> float:
        return 1.0 if number is None else self.day.instances[number].multiprocessors / self.day.multiprocessors

    def _is_cut(self, card: int, t: int) -> bool:
        return any(instance.card == card and instance.has(t) for instance in self.day.instances)


def _ever(card: int, named: Named) -> list[Holder]:
    """Who has the card or an instance of it, be it one that was destroyed while the card could not be read."""
    return [name for pod, name, _ in named if any(device.card == card for device in pod.devices)]


def _of_whole_card(unread: str, named: Named) -> Rates:
    """One pod that is known has it alone; of several, or of one that nobody told of, each may have had it."""
    names = [name for _, name, _ in named]
    if not all(certain for _, _, certain in named):
        return _unknown(*(("lost", unread) if unread else ("ambiguous", "pod_unknown")), "shared", names)
    if len(names) > 1:
        return _unknown(*(("lost", unread) if unread else ("ambiguous", "shared")), "shared", names)
    if unread:
        return _alone("lost", unread, names)
    return _alone("attributed" if names else "unallocated", "", names)


def _alone(state: str, reason: str, names: Iterable[Holder]) -> Rates:
    return {("state", state, reason): 1.0, **{("held", *name): 1.0 for name in names}}


def _unknown(state: str, reason: str, what: str, names: Iterable[Holder]) -> Rates:
    return {("state", state, reason): 1.0, **{(what, *name): 1.0 for name in names}}
