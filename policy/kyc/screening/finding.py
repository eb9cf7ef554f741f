"""
Of many subjects with names and addresses, those that resemble one: with an index, over several processes if asked.

A subject is a party or an entry of a list; what is done is the same from either side, so that a few changed entries can
look for parties as parties look for entries, and the answers are the same. No frame and no file is known here, so that
a process that only compares starts at once.
"""

import gc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from multiprocessing import get_context

from policy.kyc.screening.addresses import Addresses
from policy.kyc.screening.index import Index, Traits
from policy.kyc.screening.match import Comparison, compare
from policy.kyc.screening.names import Name, read_names

CHUNK = 2_000
"""Parties that a process takes at once."""
WORTH_PROCESSES = 20_000
"""From how many parties on further processes are worth their start of a second or two. Measured."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A party or an entry: its names as written, the first being the name and the others aliases."""

    names: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    countries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """One party and one entry that resemble one another, by their numbers, and the best of their names' comparisons."""

    party: int
    entry: int
    party_name: int
    entry_name: int
    score: float
    explanation: str
    shares_address: bool


@dataclass(frozen=True, slots=True)
class _Read:
    """A name as read: whose it is, and which of its names as written."""

    subject: int
    text: int
    name: Name
    traits: Traits


@dataclass(frozen=True, slots=True)
class _Near:
    """A subject that resembles the one that was looked for, the best of their names' comparisons, and the address."""

    subject: int
    own_text: int
    text: int
    comparison: Comparison
    shares_address: bool


class Side:
    """All parties, or all entries, ready to be found."""

    def __init__(self, subjects: Sequence[Subject], *, are_parties: bool = False) -> None:
        self.subjects = subjects
        self._are_parties = are_parties
        self._reads = tuple(read for number, subject in enumerate(subjects) for read in _read(number, subject))
        self._index = Index(read.traits for read in self._reads)
        self._addresses = Addresses((number, text) for number, each in enumerate(subjects) for text in each.addresses)

    @cached_property
    def _reads_of(self) -> Mapping[int, list[int]]:
        reads: dict[int, list[int]] = defaultdict(list)
        for place, read in enumerate(self._reads):
            reads[read.subject].append(place)
        return reads

    def near(self, subject: Subject, floor: float) -> list[_Near]:
        """Whatever resembles a subject by at least ``floor``, or is at its address."""
        shared = self._addresses.at(subject.addresses)
        best = dict[int, _Near]()
        for own in _read(0, subject):
            places = self._index.near(own.traits, floor)
            places.update(place for number in shared for place in self._reads_of[number])
            for place in sorted(places):
                self._compare(subject, own, self._reads[place], best, shared)
        return [near for _, near in sorted(best.items()) if near.comparison.score >= floor or near.shares_address]

    def _compare(self, subject: Subject, own: _Read, other: _Read, best: dict[int, _Near], shared: set[int]) -> None:
        """Keep the higher score; of equal ones that of the party's first name, and then of the entry's."""
        home = subject.countries | self.subjects[other.subject].countries
        first, second = (other, own) if self._are_parties else (own, other)
        comparison = compare(first.name, second.name, home)
        known, number = best.get(other.subject), other.subject
        if known is None or self._rank(known.own_text, known.text, known.comparison) < self._rank(
            own.text, other.text, comparison
        ):
            best[number] = _Near(number, own.text, other.text, comparison, number in shared)

    def _rank(self, own: int, other: int, comparison: Comparison) -> tuple[float, int, int]:
        party, entry = (other, own) if self._are_parties else (own, other)
        return comparison.score, -party, -entry


NOTHING = Name(words=())
"""In the place of names of which none can be read, so that their addresses can be compared."""


def _read(number: int, subject: Subject) -> Iterator[_Read]:
    """Every name that can be read out of a subject's names; where there is none one with nothing in it."""
    names = [(text, name) for text, written in enumerate(subject.names) for name in read_names(written)]
    for text, name in names or [(0, NOTHING)]:
        yield _Read(number, text, name, Traits(name))


def find(parties: Sequence[Subject], entries: Side, floor: float, first: int = 0) -> list[Found]:
    """Look for every party among the entries. ``first``: the number of the first of these parties."""
    return [
        Found(number, near.subject, near.own_text, near.text, *_said(near))
        for number, party in enumerate(parties, first)
        for near in entries.near(party, floor)
    ]


def find_reversed(entries: Sequence[Subject], parties: Side, floor: float) -> list[Found]:
    """Look for every entry among the parties: what :func:`find` finds, and quicker where there are few entries."""
    return [
        Found(near.subject, number, near.text, near.own_text, *_said(near))
        for number, entry in enumerate(entries)
        for near in parties.near(entry, floor)
    ]


def _said(near: _Near) -> tuple[float, str, bool]:
    return near.comparison.score, near.comparison.explain(), near.shares_address


def find_in_processes(
    parties: Sequence[Subject], entries: Sequence[Subject], floor: float, processes: int
) -> list[Found]:
    """The same as :func:`find`, with the parties shared out to processes that are started for it."""
    if processes < 2 or len(parties) < WORTH_PROCESSES:
        return find(parties, Side(entries), floor)
    starts = range(0, len(parties), CHUNK)
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (entries, floor)) as pool:
        chunks = pool.map(_work, starts, (parties[start : start + CHUNK] for start in starts))
        return list(chain.from_iterable(chunks))


_WORK: list[tuple[Side, float]] = []
"""What a process that was started for it compares with."""


def _begin(entries: Sequence[Subject], floor: float) -> None:
    gc.disable()  # nothing here is in a circle, and looking for circles among millions of words takes a third longer
    _WORK[:] = [(Side(entries), floor)]


def _work(first: int, parties: Sequence[Subject]) -> list[Found]:
    entries, floor = _WORK[0]
    return find(parties, entries, floor, first)
