"""
What the words of a name tell: how much, and of what kind; read from two tables that stand beside this module.

A weight is a belief about language and not a count over the list of the day: so a score means the same today and
tomorrow, an answer for a few changed entries is the one that screening everything would give, and what a file of pairs
measures is what runs. A word that no table has is taken for a name of its own and weighs most.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from itertools import product
from string import ascii_uppercase
from typing import Any

from anyascii import anyascii
from rapidfuzz.distance import OSA

from policy.facts.countries import country_name, is_code


class Kind(StrEnum):
    """What a word does in a name."""

    OWN = "own"  # a name of its own
    COMMON = "common"  # many names have it
    NUMBER = "number"  # has a digit, or is a numeral: 18th is not 19th, and no typing error makes it so
    COUNTRY = "country"  # a country, or of one
    DIRECTION = "direction"  # north, southern


OWN_WEIGHT = 1.0
PLACE_WEIGHT = 0.6  # a town or a part of the world: not who, but which
COUNTRY_WEIGHT = 0.7
SECTOR_WEIGHT = 0.5
GENERIC_WEIGHT = 0.25
HOUSE_WEIGHT = 0.1
WEIGHTS = {
    "house": HOUSE_WEIGHT,
    "generic": GENERIC_WEIGHT,
    "sector": SECTOR_WEIGHT,
    "region": SECTOR_WEIGHT,
    "place": PLACE_WEIGHT,
}
"""Guesses, in the order of how many names have such a word; a name of its own weighs one."""


FIRST = ("first", "1st")
"""A number that many names have, and that tells less than another."""


@dataclass(frozen=True, slots=True)
class Word:
    """
    One word of a name.

    ``key`` is what is compared: spellings of one sound are alike in it. ``text`` is what is shown. ``aside``: stands in
    parentheses. ``in_series``: a number beside it tells one fund of a house from the next. ``known``: a table has it,
    so that it is no typing error of another known word.
    """

    text: str
    key: str
    weight: float
    kind: Kind
    aside: bool = False
    in_series: bool = False
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A legal form. ``class_``: forms that are one another in other words; ``is_nonprofit``: it has no owners."""

    class_: str
    is_nonprofit: bool
    at_edge_only: bool


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Both files. Keys are folded; phrases are tuples of words."""

    silent: frozenset[str]
    weights: Mapping[str, float]
    series: frozenset[str]
    directions: frozenset[str]
    numbers: Mapping[str, int]
    same: Mapping[str, str]
    phrases: Mapping[tuple[str, ...], str]
    begins: Mapping[str, str]
    script: Mapping[str, str]
    countries: Mapping[tuple[str, ...], str]
    forms: Mapping[tuple[str, ...], Form]

    @cached_property
    def longest_form(self) -> int:
        """Words of the longest legal form."""
        return max(map(len, self.forms))

    @cached_property
    def form_words(self) -> frozenset[str]:
        """Every word of a legal form that is long enough to be recognised with a typing error in it."""
        return frozenset(word for phrase in self.forms for word in phrase if len(word) >= 5)

    @cached_property
    def form_starts(self) -> frozenset[str]:
        """The first words of all legal forms."""
        return frozenset(phrase[0] for phrase in self.forms)

    @cached_property
    def country_starts(self) -> frozenset[str]:
        """The first words of all names of countries."""
        return frozenset(phrase[0] for phrase in self.countries)

    @cached_property
    def scripted(self) -> re.Pattern[str]:
        """Any of the words that are taken in their own script, the longest first."""
        return re.compile("|".join(map(re.escape, sorted(self.script, key=len, reverse=True))))


@cache
def tables() -> Tables:
    """The tables as shipped."""
    words, forms = _read("words.toml"), _read("legal_forms.toml")["form"]
    weights = {stem(word): weight for name, weight in WEIGHTS.items() for word in words[name]}
    return Tables(
        silent=frozenset(words["silent"]),
        weights=weights,
        series=frozenset(words["series"]),
        directions=frozenset(words["direction"]),
        numbers=words["numbers"],
        same=words["same"],
        phrases={tuple(phrase.split()): said for phrase, said in words["phrases"].items()},
        begins=words["begins"],
        script=words["script"],
        countries={**dict(_country_names()), **{tuple(name.split()): code for name, code in words["country"].items()}},
        forms=dict(_forms(forms)),
    )


def _read(name: str) -> dict[str, Any]:
    """Give a file of ours as it is; a test holds what is in it."""
    return tomllib.loads(files("policy.kyc.screening").joinpath(name).read_text(encoding="utf-8"))


def _forms(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, ...], Form]]:
    for row in rows:
        for name in ("anywhere", "edge"):
            form = Form(class_=row["class"], is_nonprofit=row.get("kind") == "nonprofit", at_edge_only=name == "edge")
            yield from ((tuple(phrase.split()), form) for phrase in row[name])


def _country_names() -> Iterator[tuple[tuple[str, ...], str]]:
    """The facts' names of countries, without what stands behind a comma or in parentheses."""
    for code in map("".join, product(ascii_uppercase, repeat=2)):
        if is_code(code):
            name = re.split(r"[,(]", country_name(code))[0]
            yield tuple(re.findall(r"[a-z]+", anyascii(name).casefold())), code


def stem(word: str) -> str:
    """A word without the ending of a plural."""
    if len(word) < 5 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word[:-1]


_SOUNDS = (
    ("oo", "u"), ("ee", "i"),  # Noor is Nur, Kareem is Karim
    ("shch", "sh"), ("tsch", "sh"), ("sch", "sh"), ("tch", "ch"), ("ph", "f"), ("kh", "h"), ("ck", "k"), ("q", "k"),
    ("ce", "se"), ("ci", "si"), ("cy", "si"), ("ch", "\0"), ("c", "k"), ("\0", "ch"), ("x", "ks"), ("z", "s"),
    ("ae", "a"),  # what a German writes for an umlaut, and others for a long vowel
    ("oe", "o"), ("ue", "u"), ("ou", "u"), ("y", "i"), ("j", "i"), ("w", "v"),
)  # fmt: skip
"""Spellings of one sound, as they come of different ways of writing a name in Latin letters. In this order."""
_TWICE = re.compile(r"(.)\1+")
_ADJECTIVE = re.compile(r"(?<=.{4})sk(ii|iy|iyi|yy|yi|i|y|aia|aya|oe|oye|oie|ogo|om|ikh)$")
CONSONANTS = "~"
"""Begins the key of a word from a script that leaves vowels out: what follows are its consonants."""
SHORT = 3
"""Words of so few letters are initials as often as not: they keep their spelling."""


def fold(word: str) -> str:
    """The word as it sounds, roughly: Tsentral'nyi and Centralnyy come nearer to one another, Gasprom is Gazprom."""
    if len(word) <= SHORT or not word.isalpha():
        return word
    word = _ADJECTIVE.sub("", word)
    for spelling, sound in _SOUNDS:
        word = word.replace(spelling, sound)
    return _TWICE.sub(r"\1", word)  # Wallmart


@lru_cache(maxsize=1 << 18)
def consonants(key: str) -> str:
    """The key of the same word in a script that leaves vowels out; empty where too little would be left to tell."""
    left = re.sub(r"[aeiouv]", "", key)
    return CONSONANTS + left if len(left) >= SHORT else ""


@lru_cache(maxsize=1 << 18)
def words_of(token: str) -> tuple[Word, ...]:
    """
    What one token is: one word, or several where another language has one for them.

    ``token``: small ASCII letters and digits. Countries of several words and numerals are for the caller, who sees what
    stands beside them.
    """
    table = tables()
    if token.startswith(CONSONANTS):
        key = consonants(fold(token[1:]))
        return (Word(token[1:], key or token[1:], OWN_WEIGHT, Kind.OWN),)
    if token in table.silent:
        return (Word(token, token, 0.0, Kind.COMMON, known=True),)
    if token in FIRST:
        return (_number("1", GENERIC_WEIGHT),)
    if any(each.isdigit() for each in token):
        return (_number(re.sub(r"^([0-9]+)(st|nd|rd|th)$", r"\1", token)),)
    if token in table.numbers:
        return (_number(str(table.numbers[token])),)
    said = table.same.get(token) or table.same.get(stem(token)) or _begun(token)
    if said is not None and said != token:
        return tuple(word for each in said.split() for word in words_of(each))
    return (_plain(token),)


def _begun(token: str) -> str | None:
    """What the word says by its beginning, in a language that declines."""
    return next((said for start, said in tables().begins.items() if token.startswith(start)), None)


def _number(text: str, weight: float = OWN_WEIGHT) -> Word:
    return Word(text, text.lstrip("0") or "0", weight, Kind.NUMBER)


def is_compound(first: str, second: str) -> bool:
    """Whether two words are one that the tables have: micro electronics."""
    if min(len(first), len(second)) < SHORT or not (first + second).isalpha():
        return False
    table, whole = tables(), stem(first + second)
    return whole in table.weights or whole in table.same


def _plain(token: str) -> Word:
    table, base = tables(), stem(token)
    if code := table.countries.get((token,)):
        return country_word(token, code)
    if base in table.directions:
        return Word(token, base, COUNTRY_WEIGHT, Kind.DIRECTION, known=True)
    weight = table.weights.get(base)
    if weight is None:
        return Word(token, fold(base), OWN_WEIGHT, Kind.OWN)
    return Word(token, fold(base), weight, Kind.COMMON, in_series=base in table.series, known=True)


def country_word(text: str, code: str) -> Word:
    """A country; its key is its code, which no word of a name can be."""
    return Word(text, code, COUNTRY_WEIGHT, Kind.COUNTRY, known=True)


@lru_cache(maxsize=1 << 16)
def form_word(token: str) -> str:
    """The word of a legal form that a token is, with one typing error in five letters or more and two in ten."""
    known = tables().form_words
    if token in known or len(token) < 5:
        return token
    allowed = 2 if len(token) >= 10 else 1
    near = (each for each in known if OSA.distance(token, each, score_cutoff=allowed) <= allowed)
    return next(iter(sorted(near)), token)
