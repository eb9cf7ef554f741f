"""
Whether two addresses are the same place, however they are written.

The same house or box, the same numbers besides as far as both have them, the same street, and most of the same words.
An address of a country or a town alone is no place that two parties share, and a postal code is none either: half a
town has it. Which numbers are postal codes is a guess by their length and by where they stand.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii

from policy.kyc.screening.words import fold

SHARED_WORDS = 0.6
"""How many of the shorter address's words must be in the other; a guess, held by a test on ways of writing."""
LEAST_WORDS = 2
LONGEST_NUMBER = 4
"""A longer number is a postal code, but before a street; so is one of four, but where a house or a room has it."""
_STREET_WORDS = """street str st road rd avenue ave lane boulevard blvd strasse strase drive highway square ul ulitsa
rue via calle rua prospekt pr per"""
_STREETS = frozenset(_STREET_WORDS.split())
_NUMBERED_WORDS = "room rm unit suite ste flat apt office floor fl no nr building bldg block house d dom kv"
_NUMBERED = frozenset(_NUMBERED_WORDS.split())
_BOX = "box"
_NOISE_WORDS = """th nd rd of the and district city county province region town village po box"""
_NOISE = (_STREETS | _NUMBERED | frozenset(_NOISE_WORDS.split())) - {"square"}
_CODES = re.compile(
    r"\b(?:[a-z]{1,2}[0-9][a-z0-9]? ?[0-9][a-z]{2}|[a-z][0-9][a-z] ?[0-9][a-z][0-9]|[0-9]{5}-[0-9]{4})\b"
)
"""Postal codes with letters, of the United Kingdom and of Canada, and long ones of the United States."""


@dataclass(frozen=True, slots=True)
class Address:
    """What is compared, folded: the numbers that are no postal codes, what names the street, and all words."""

    numbers: frozenset[str]
    streets: frozenset[str]
    words: frozenset[str]

    def is_same_place(self, other: "Address") -> bool:
        """Whether both are one place."""
        fewer, more = sorted((self.numbers, other.numbers), key=len)
        shared, words = self.words & other.words, min(len(self.words), len(other.words))
        return (
            bool(self.streets & other.streets)
            and fewer <= more
            and len(shared) >= max(LEAST_WORDS, SHARED_WORDS * words)
        )

    @property
    def keys(self) -> Iterator[tuple[str, str]]:
        """By what it is found: each of its numbers with each word of its street."""
        for number in sorted(self.numbers):
            for word in sorted(self.streets):
                yield number, word


@lru_cache(maxsize=1 << 16)
def read_address(text: str) -> Address | None:
    """An address that can be compared; none where it names no place that two parties could share."""
    plain = (text if text.isascii() else anyascii(text)).casefold()
    plain = _CODES.sub(" ", plain.replace(".", " "))
    parts = [re.findall(r"[0-9]+|[a-z]+", part) for part in plain.split(",")]
    numbers = frozenset(number for at, part in enumerate(parts) for number in _numbers(part, is_first=at == 0))
    words = frozenset(fold(token) for part in parts for token in part if _is_word(token))
    streets = frozenset(word for part in parts for word in _street(part)) or _of_houses(parts)
    return Address(numbers, streets or words, words) if numbers and len(words) >= LEAST_WORDS else None


def _is_word(token: str) -> bool:
    return token.isalpha() and len(token) > 1 and token not in _NOISE


def _numbers(part: list[str], *, is_first: bool) -> Iterator[str]:
    """The numbers of houses, rooms and boxes in one part of an address."""
    is_street = not _STREETS.isdisjoint(part)
    for at, token in enumerate(part):
        before = part[at - 1] if at else ""
        is_led = before in _NUMBERED or (at == 0 and is_first) or is_street
        is_long_house = at == 0 and is_street and len(token) == LONGEST_NUMBER + 1
        is_short = len(token) < LONGEST_NUMBER or (len(token) == LONGEST_NUMBER and is_led) or is_long_house
        if token.isdigit() and (before == _BOX or is_short):
            yield token.lstrip("0") or "0"


def _street(part: list[str]) -> Iterator[str]:
    """The word beside a word for street: the one before it, or else the one behind it."""
    for at, token in enumerate(part):
        if token in _STREETS:
            beside = [part[place] for place in (at - 1, at + 1) if 0 <= place < len(part) and _is_word(part[place])]
            yield from map(fold, beside[:1])


def _of_houses(parts: list[list[str]]) -> frozenset[str]:
    """The words that stand in one part with a number."""
    of_houses = [part for at, part in enumerate(parts) if any(_numbers(part, is_first=at == 0))]
    return frozenset(fold(token) for part in of_houses for token in part if _is_word(token))


class Addresses:
    """Addresses, each under the number of whose it is, to be found by others that are the same place."""

    def __init__(self, addresses: Iterable[tuple[int, str]]) -> None:
        self._by_key: dict[tuple[str, str], list[tuple[int, Address]]] = defaultdict(list)
        for number, text in addresses:
            if (address := read_address(text)) is not None:
                for key in address.keys:
                    self._by_key[key].append((number, address))

    def at(self, texts: Iterable[str]) -> set[int]:
        """Whose addresses are the same place as one of these."""
        found = set[int]()
        for address in filter(None, map(read_address, texts)):
            for key in address.keys:
                near = self._by_key.get(key, ())
                found.update(number for number, other in near if number not in found and address.is_same_place(other))
        return found
