"""
Countries: ISO 3166-1 alpha-2 codes in capitals, and the names under which people write them.

A code is what everything else works with. A name is resolved only where the caller asks for that, and never where it
could mean two countries: which country a party belongs to decides too much for a guess. A name is compared as the set
of its words in Latin letters without marks, so that neither order nor punctuation tells: ``Korea, Republic of`` and
``Republic of Korea`` are one name, ``People’s`` and ``Peoples`` one word. Left out on purpose: the three digits of ISO
3166-1, since some are also the dialling code of another country (218, 850), codes that ISO took back (SU, YU, ZR), and
cities. The one door to the ``iso3166`` package. Names are no law, and no overlay reaches them.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import filterfalse

from iso3166 import countries_by_alpha2, countries_by_alpha3, countries_by_name

from policy.facts.evidence import Layer
from policy.facts.tables import Reader, Written, parse

FILE = "countries.toml"
KEYS = {"country": ("code",)}
SAYS_NOTHING = frozenset(("the", "of", "and"))
"""Words by which no two names of countries differ."""
SHORT_FOR = {"st": "saint", "rep": "republic", "dem": "democratic"}


class CountryError(ValueError):
    """
    A text that is no ISO 3166-1 alpha-2 code, or no name of one country.

    ``suggestion``: the codes that were probably meant; none, one, or several where it could mean each of them.
    """

    def __init__(self, text: str, suggestion: tuple[str, ...]) -> None:
        self.text = text
        self.suggestion = suggestion
        hint = f"; did you mean {' or '.join(map(repr, suggestion))}?" if suggestion else ""
        super().__init__(f"{text!r} is no ISO 3166-1 alpha-2 code (two capital letters, as in 'DE'){hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """One country: what the EAR calls it if that is not ISO's name, and what else people write."""

    code: str
    ear_name: str = ""
    aliases: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """A text that could mean each of these countries, or none at all."""

    text: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    country: tuple[Country, ...]
    ambiguous: tuple[Ambiguous, ...]


def is_code(text: str) -> bool:
    """Whether the text is an alpha-2 code in capitals."""
    return text in countries_by_alpha2


def normalise_country(text: str) -> str:
    """Give the code back if it is an ISO 3166-1 alpha-2 code in capitals; raise :class:`CountryError` otherwise."""
    if not is_code(text):
        raise CountryError(text, _meant(text))
    return text


def resolve_country(text: str) -> str:
    """The code of a country that is called so: a code, ISO's or the EAR's name, an alias. Raises CountryError."""
    if is_code(text):
        return text
    meant = _meant(text)
    if len(meant) != 1 or _folded(text) in _never_guessed():
        raise CountryError(text, meant)
    return meant[0]


def country_name(code: str) -> str:
    """The EAR's name of a country, else ISO's."""
    row = _by_code().get(code)
    return row.ear_name if row and row.ear_name else str(countries_by_alpha2[code].name)


def note_on(code: str) -> str:
    """What has to be known where a name was read as this code; nothing for most."""
    row = _by_code().get(code)
    return row.note.rstrip(".") if row else ""


def alpha3(code: str) -> str:
    """The alpha-3 code of an alpha-2 code."""
    return str(countries_by_alpha2[code].alpha3)


def read_names(written: Written) -> dict[str, tuple[str, ...]]:
    """Every name in the file, folded, with the codes that it may mean. Raises FactsError."""
    names = Reader().row(_Names, "whole file", written)
    meant: dict[str, tuple[str, ...]] = {}
    for row in names.country:
        table = f"[country] {row.code}"
        _check_code(row.code, written, table, "code")
        for name in filter(None, (row.ear_name, *row.aliases)):
            if meant.setdefault(_folded(name), (row.code,)) != (row.code,):
                raise written.wrong(
                    table, "aliases", f"{name!r} already names another", "make it ambiguous, or drop it"
                )
    for each in names.ambiguous:
        for code in each.candidates:
            _check_code(code, written, f"[ambiguous] {each.text}", "candidates")
        if _folded(each.text) in meant:
            raise written.wrong(f"[ambiguous] {each.text}", "text", "already names one country", "drop it there")
        meant[_folded(each.text)] = each.candidates
    return meant


def _check_code(code: str, written: Written, table: str, name: str) -> None:
    if not is_code(code):
        raise written.wrong(table, name, f"{code!r} is no ISO 3166-1 alpha-2 code", "use two capital letters")


def _folded(text: str) -> str:
    """Give a name's words in one order, without case, marks and what says nothing: ``P.R. of China``: ``china pr``."""
    unmarked = unicodedata.normalize("NFKD", re.sub(r"[.'’‘ʼ`´]", "", text))
    words = re.findall(r"[^\W_]+", "".join(filterfalse(unicodedata.combining, unmarked)).casefold())
    return " ".join(sorted(SHORT_FOR.get(word, word) for word in words if word not in SAYS_NOTHING))


@cache
def _shipped() -> Written:
    return parse(files("policy.facts").joinpath(FILE).read_text(encoding="utf-8"), Layer(file=FILE))


@cache
def _by_code() -> dict[str, Country]:
    return {row.code: row for row in Reader().row(_Names, "whole file", _shipped()).country}


@cache
def _never_guessed() -> frozenset[str]:
    return frozenset(_folded(row.text) for row in Reader().row(_Names, "whole file", _shipped()).ambiguous)


@cache
def _by_name() -> dict[str, tuple[str, ...]]:
    iso = {_folded(name): (country.alpha2,) for name, country in countries_by_name.items()}
    return iso | read_names(_shipped())


def _meant(text: str) -> tuple[str, ...]:
    """Look for the codes meant: a name, the code in small letters, an alpha-3 code."""
    folded = _folded(text)
    if folded in _by_name():
        return _by_name()[folded]
    key = unicodedata.normalize("NFKC", text).strip(" .,;").upper()
    country = countries_by_alpha2.get(key) or countries_by_alpha3.get(key)
    return (country.alpha2,) if country else ()
