"""
Which names are worth comparing with a name, of many: those that can come to the floor.

Names meet in a word of their own, typing errors included, or in several words that one of them writes as one, or in
initials; names of general words alone meet in their two heaviest. From what they meet in follows the most that the
comparison can come to, and only where that is enough are they compared. What is found depends on the two names only,
never on what else is indexed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, pairwise
from math import inf

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extract

from policy.kyc.screening.alignment import may_be_initials, runs_of_initials
from policy.kyc.screening.match import REPLACED
from policy.kyc.screening.names import Name
from policy.kyc.screening.spelling import (
    JOINED_LETTERS,
    allowed_errors,
    joined_key,
    may_be_joined,
    may_be_joined_as_they_are,
)
from policy.kyc.screening.words import SHORT, Kind, Word, consonants


class Traits:
    """What a name is found by. Built once for each name, so it is a plain class with slots."""

    __slots__ = ("general", "initials", "joined", "joined_as_is", "known", "numbers", "own", "pair", "texts", "weight")

    def __init__(self, name: Name) -> None:
        words = [word for word in name.words if word.weight]
        general = sorted({word for word in words if word.kind is not Kind.OWN}, key=_rank)
        self.own = tuple(word.key for word in words if word.kind is Kind.OWN)
        self.general = tuple(dict.fromkeys(word.key for word in general))
        self.pair = None if self.own else _telling(general)
        self.joined = tuple(_joined(name.words))
        two = (run for run in pairwise(name.words) if may_be_joined_as_they_are(run))
        self.joined_as_is = tuple(map(joined_key, two))
        self.initials = tuple(dict.fromkeys(runs_of_initials(name)))
        self.texts = tuple(word.text for word in words if may_be_initials(word) and len(word.text) >= SHORT)
        # Numbers may be a series, whose difference costs little: they can only raise the most that a score can be.
        self.numbers = frozenset(word.key for word in general if word.kind is Kind.NUMBER)
        self.known = {word.key: word.weight for word in general if word.kind is not Kind.NUMBER}
        self.weight = len(self.own) + sum(self.known.values())


def _telling(general: list[Word]) -> tuple[str, ...]:
    """The two heaviest of general words, or the heaviest alone where the second tells less than half as much."""
    two = [word for at, word in enumerate(general[:2]) if at == 0 or word.weight * 2 > general[0].weight]
    return tuple(dict.fromkeys(word.key for word in two))


def _rank(word: Word) -> tuple[float, int, str]:
    return (-word.weight, -len(word.key), word.key)


def _joined(words: tuple[Word, ...]) -> Iterator[str]:
    """What two or three words in a row are when they are written as one."""
    for length in (2, 3):
        for at in range(len(words) - length + 1):
            if may_be_joined(words[at : at + length]):
                yield joined_key(words[at : at + length])


class Index:
    """Names by their traits, each under its place in the sequence."""

    def __init__(self, names: Iterable[Traits]) -> None:
        self._names = tuple(names)
        self._sets: dict[str, frozenset[int]] = {}
        self._having: dict[str, list[int]] = defaultdict(list)
        self._paired: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._initialled: dict[str, list[int]] = defaultdict(list)
        self._joined: dict[str, list[int]] = defaultdict(list)
        self._joined_as_is: dict[str, list[int]] = defaultdict(list)
        self._texts: dict[str, list[int]] = defaultdict(list)
        for number, traits in enumerate(self._names):
            self._add(number, traits)
        self._spellings = Spellings(self._having)
        self._runs = Spellings(self._joined, only_long=True)

    def _add(self, number: int, traits: Traits) -> None:
        for key in (*traits.own, *traits.general):
            self._having[key].append(number)
        for key in traits.joined:
            self._joined[key].append(number)
        for key in traits.joined_as_is:
            self._joined_as_is[key].append(number)
        for text in traits.texts:
            self._texts[text].append(number)
        if traits.pair:
            self._paired[traits.pair].append(number)
        for letters in traits.initials:
            self._initialled[letters].append(number)

    def near(self, traits: Traits, floor: float) -> set[int]:
        """The places of the names whose comparison with one of these traits may come to the floor."""
        found, agreeing = self._by_other_writing(traits), self._agreeing(traits)
        for number in self._by_general_words(traits):
            agreeing.setdefault(number, 0)
        found.update(self._reaching(traits, agreeing, floor))
        return found

    def _reaching(self, traits: Traits, agreeing: Mapping[int, int], floor: float) -> Iterator[int]:
        """
        Those that can come to the floor, by the most that a comparison can come to.

        What neither the words that agree nor general words account for stands on one side in place of what is left on
        the other. Written out flat: this is asked some hundred times for each name.
        """
        names, known, weight = self._names, tuple(traits.known.items()), traits.weight
        least = floor * REPLACED / (1 - floor) if floor < 1 else inf  # both / (both + REPLACED * replaced) >= floor
        for number, count in agreeing.items():
            other, both = names[number], float(count)
            for key, each in known:
                if key in other.known:
                    both += each
            replaced = min(weight, other.weight) - both
            if traits.numbers:
                both += len(traits.numbers & other.numbers)
            if replaced <= 1e-9 or both >= least * replaced - 1e-9:
                yield number

    def _agreeing(self, traits: Traits) -> dict[int, int]:
        """How many words agree, typing errors included, where one of the two is a name of its own."""
        count = dict[int, int]()
        for key in traits.own:
            hit = set[int]()
            for other in self._spellings.of(key):
                hit.update(self._having[other])
            for number in hit:
                count[number] = count.get(number, 0) + 1
        for key in traits.general:
            for other in self._spellings.of(key):
                if other != key:
                    for number in self._having[other]:
                        count[number] = count.get(number, 0) + 1
        return count

    def _by_other_writing(self, traits: Traits) -> set[int]:
        """Names in which words are written as one that are several here, or the other way round, or as initials."""
        found = set[int]()
        for key in traits.own:
            found.update(self._joined_as_is.get(key, ()))
            for other in self._runs.of(key):
                found.update(self._joined[other])
        for key in traits.joined:
            for other in self._spellings.of(key, only_long=True):
                found.update(self._having[other])
        for key in traits.joined_as_is:
            found.update(self._having.get(key, ()))
        for text in traits.texts:
            found.update(self._initialled.get(text, ()))
        for letters in traits.initials:
            found.update(self._texts.get(letters, ()))
        return found

    def _by_general_words(self, traits: Traits) -> set[int]:
        found = set[int]()
        for pair in combinations(traits.general, 2):
            found.update(self._paired.get(pair, ()))
        for key in traits.general:
            found.update(self._paired.get((key,), ()))
        if traits.pair:
            first, *others = (self._set_of(key) for key in traits.pair)
            found.update(first.intersection(*others))
        return found

    def _set_of(self, key: str) -> frozenset[int]:
        if key not in self._sets:
            self._sets[key] = frozenset(self._having.get(key, ()))
        return self._sets[key]


class Spellings:
    """
    Words, to be found by words that are typing errors apart.

    A word is cut into one piece more than errors are allowed, so that one piece at least has none: words are found by
    the pieces that they share at nearly the same place.
    """

    def __init__(self, words: Iterable[str], *, only_long: bool = False) -> None:
        self._words = frozenset(words)
        self._only_long = only_long
        self._found: dict[tuple[str, bool], tuple[str, ...]] = {}
        self._by_consonants: dict[str, list[str]] = defaultdict(list)
        self._pieces: dict[tuple[int, int, str], list[str]] = defaultdict(list)
        for word in self._words:
            if not only_long and (left := consonants(word)):
                self._by_consonants[left].append(word)
            if _may_err(word, only_long=only_long):
                for number, (start, end) in enumerate(_cuts(len(word))):
                    self._pieces[len(word), number, word[start:end]].append(word)

    def of(self, key: str, *, only_long: bool = False) -> tuple[str, ...]:
        """The word itself and those that are typing errors apart, as far as there are any."""
        asked = (key, only_long)
        if asked not in self._found:
            found = {key, consonants(key), *self._by_consonants.get(key, ())} & self._words
            if _may_err(key, only_long=only_long or self._only_long):
                found.update(self._erring(key))
            self._found[asked] = tuple(found)
        return self._found[asked]

    def _erring(self, key: str) -> Iterator[str]:
        most = allowed_errors(len(key) + 3)
        for length in range(len(key) - most, len(key) + most + 1):
            allowed = allowed_errors(max(length, len(key)))
            if abs(length - len(key)) <= allowed and length >= SHORT:
                sharing = self._sharing(key, length, allowed)
                close = extract(key, sharing, scorer=Levenshtein.distance, score_cutoff=allowed, limit=None)
                yield from (word for word, _, _ in close)
        for at in range(len(key) - 1):  # two letters that changed places may lie on both sides of a cut
            turned = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
            if turned in self._words and len(key) > SHORT:
                yield turned

    def _sharing(self, key: str, length: int, allowed: int) -> set[str]:
        sharing = set[str]()
        for number, (start, end) in enumerate(_cuts(length)):
            size = end - start
            for place in range(max(0, start - allowed), min(len(key) - size, start + allowed) + 1):
                sharing.update(self._pieces.get((length, number, key[place : place + size]), ()))
        return sharing


def _may_err(key: str, *, only_long: bool) -> bool:
    return len(key) >= (JOINED_LETTERS - 1 if only_long else SHORT) and key.isalpha() and key.islower()


def _cuts(length: int) -> tuple[tuple[int, int], ...]:
    """Where a word of this many letters is cut, so that a word that it may be one with has one piece whole."""
    number = allowed_errors(length + allowed_errors(length + 3)) + 1
    bounds = [length * at // number for at in range(number + 1)]
    return tuple(pairwise(bounds))
