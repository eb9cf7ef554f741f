"""
A day on a GPU node, written down: who holds what, and what goes wrong, in whole seconds since it began.

What is true is written here and worked out in ``truth_sums``. Neither uses a line of the collector.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

NAMESPACE, CONTAINER, TENANT = "tenant-a", "main", "t-0001"

Holder = tuple[str, str, str, str, str]
"""Namespace, pod, UID, container, tenant: what tells a holder's series from another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``start`` up to ``end``."""

    start: int
    end: int

    def has(self, t: int) -> bool:
        """Whether the moment lies in it."""
        return self.start <= t < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Span):
    """A MIG instance of a card: made at ``start``, destroyed at ``end``."""

    card: int
    profile: str
    multiprocessors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A card, or one of the day's MIG instances by its place in the list; a replica of it where it is time-sliced."""

    card: int
    instance: int | None = None
    replica: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod(Span):
    """
    A pod whose one container holds these devices from ``start`` up to ``end``.

    ``listed_until``: it finishes at ``end``, and kubelet and API server go on listing it. ``deleted_at``: it is deleted
    by force before its container ends.
    """

    name: str
    uid: str
    devices: tuple[Device, ...]
    listed_until: int | None = None
    deleted_at: int | None = None

    @property
    def listed(self) -> Span:
        """While the kubelet lists it."""
        return Span(start=self.start, end=self.listed_until or self.end)

    @property
    def in_api(self) -> Span:
        """While the API server has it."""
        return Span(start=self.start, end=self.deleted_at or self.listed.end)

    @property
    def holder(self) -> Holder:
        """As who it holds what it holds."""
        return (NAMESPACE, self.name, self.uid, CONTAINER, TENANT)

    @property
    def stranger(self) -> Holder:
        """As who it holds while only the kubelet has told of it: a name, and nobody's."""
        return (NAMESPACE, self.name, f"{NAMESPACE}/{self.name}", CONTAINER, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletAway(Span):
    """The kubelet is away; back, it answers at first that it knows no pods."""

    forgetful_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LostCard(Span):
    """A card that has fallen off the bus."""

    card: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Death(Span):
    """The collector is killed once it has ticked for the last time by ``start``; another one is there at ``end``."""

    boots: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSet:
    """Somebody sets the node's clock forward or back."""

    at: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """All of it. ``grid`` are the moments of the ticks, while a collector lives; it ticks when it starts as well."""

    seconds: int
    cards: int
    grid: tuple[int, ...]
    pods: tuple[Pod, ...]
    multiprocessors: int = 132
    instances: tuple[Instance, ...] = ()
    lost: tuple[LostCard, ...] = ()
    driver_gone: tuple[Span, ...] = ()
    kubelet_away: tuple[KubeletAway, ...] = ()
    api_down: tuple[Span, ...] = ()
    watch_expires: tuple[int, ...] = ()
    clock_set: tuple[ClockSet, ...] = ()
    deaths: tuple[Death, ...] = ()
    save_seconds: int = 10

    @property
    def longest_tick(self) -> int:
        """The longest distance between two ticks."""
        return max(after - before for before, after in pairwise(self.grid))

    @property
    def moments(self) -> list[int]:
        """When anything happens that is not a tick."""
        spans: list[Span] = [*self.instances, *self.lost, *self.driver_gone, *self.kubelet_away, *self.api_down]
        spans += [span for pod in self.pods for span in (pod, pod.listed, pod.in_api)]
        forgetful = [away.end + away.forgetful_seconds for away in self.kubelet_away]
        edges = {0, *self.watch_expires, *forgetful, *(step.at for step in self.clock_set)}
        return sorted(edges | {edge for span in (*spans, *self.deaths) for edge in (span.start, span.end)})


def irregular(chance: random.Random, *stretches: tuple[int, int, int]) -> tuple[int, ...]:
    """Ticks up to the end of each stretch (end, least, most), at distances between least and most seconds."""
    found = [0]
    for end, least, most in stretches:
        while found[-1] < end:
            found.append(min(end, found[-1] + chance.randint(least, most)))
    return tuple(found)


def random_deaths(chance: random.Random, number: int, seconds: int, beside: Iterable[Span]) -> tuple[Death, ...]:
    """Deaths at random moments, down for a second to ten minutes, clear of each other and of these spans."""
    taken, found = list(beside), list[Death]()
    while len(found) < number:
        start = chance.randrange(60, seconds - 900)
        death = Death(start=start, end=start + round(600 ** chance.random()))
        if all(death.end + 60 < span.start or span.end + 60 < death.start for span in taken):
            found.append(death)
            taken.append(death)
    return tuple(sorted(found, key=lambda death: death.start))
