"""
One cell of a know-your-customer file: from text to a value, or what is wrong with it.

An empty cell and the word ``unknown`` both mean that the answer is not known; there is then no value.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date

from policy.facts.countries import CountryError, normalise_country
from policy.kyc.vocabulary import DISPERSED, SELF

UNKNOWN = "unknown"
LONGEST_TEXT = 500
LONGEST_ID = 200
"""Both guesses: far more than a name, an address or an id needs, and too little for a document."""

CellValue = str | float | date | None
RESERVED = (SELF, DISPERSED, UNKNOWN)
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


class CellError(ValueError):
    """What is wrong with a cell and what was expected in it."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(f"{problem}; expected {expected}")
        self.problem = problem
        self.expected = expected


def is_unknown(text: str) -> bool:
    """Whether the cell says that the answer is not known."""
    return text.casefold() in ("", UNKNOWN)


def read_cell(read: Callable[[str], CellValue], text: str) -> CellValue:
    """Read a cell with the reader of its column; a null where it says unknown. Raises :class:`CellError`."""
    if text != text.strip():
        raise CellError("has spaces around it", "the value alone")
    if read is not read_tenant_id and is_unknown(text):
        return None
    return read(text)


def read_text(text: str) -> str:
    """Read any text; a line break in it becomes a space."""
    return read_line(" ".join(text.split()))


def read_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Read any text that stands on one line."""
    expected = f"text on one line, at most {longest} characters"
    if len(text) > longest:
        raise CellError("too long", expected)
    if not text.isprintable() and _is_no_line(text):  # the first is quick, and true of nearly every text
        raise CellError("has a line break or a control character inside", expected)
    return text


def _is_no_line(text: str) -> bool:
    return len(text.splitlines()) > 1 or any(unicodedata.category(each) in ("Cc", "Cs") for each in text)


def read_tenant_id(text: str) -> str:
    """Read an opaque id: there, no white space, and not one of the words that mean something else here."""
    expected = "an opaque account id without spaces"
    if is_unknown(text):
        raise CellError("every row needs a tenant", expected)
    if text.casefold() == SELF:
        raise CellError(f"{SELF!r} is no account", expected)
    return read_id(text)


def read_id(text: str) -> str:
    """Read an id: no white space, nothing invisible, and no word that means something else here."""
    expected = "an opaque id without spaces"
    if re.search(r"\s", text):
        raise CellError("has white space inside", expected)
    if not text.isprintable() or len(text) > LONGEST_ID:
        raise CellError(f"invisible characters inside, or more than {LONGEST_ID}", expected)
    if text.casefold() in RESERVED:
        raise CellError("a word that is no id", expected)
    return text


def read_party(text: str) -> str:
    """Read an opaque id, or ``self`` in small letters: ``Self`` would be one and the same party in every row."""
    if text.casefold() == SELF and text != SELF:
        raise CellError("another way of writing a word", f"the word {SELF!r} in small letters, or an opaque id")
    return text if text == SELF else read_id(text)


def read_parties(text: str) -> str:
    """Read ``self``, or opaque ids with spaces between; given back in order, each once."""
    ids = sorted({read_party(each) for each in text.split()})
    if SELF in ids and len(ids) > 1:
        raise CellError(f"{SELF!r} beside others", f"the word {SELF!r} alone, or ids with spaces between")
    return " ".join(ids)


def read_word(text: str, words: tuple[str, ...], among: str = "") -> str:
    """Read one of a few words. ``among``: what they are called, where they are too many to list."""
    if text not in words:
        close = re.sub(r"[\s-]+", "_", text.casefold())
        meant = f", here probably {close}" if close in words else ""
        raise CellError("not one of the words", (among or "one of " + ", ".join(words)) + meant)
    return text


def read_country(text: str) -> str:
    """Read an ISO 3166-1 alpha-2 code in capitals."""
    try:
        return normalise_country(text)
    except CountryError as error:
        meant = f", here probably {' or '.join(error.suggestion)}" if error.suggestion else ""
        raise CellError("no country code", f"an ISO 3166-1 alpha-2 code in capitals{meant}") from error


def read_percent(text: str) -> float:
    """Read a share of 0 to 100 percent."""
    if not _DECIMAL.fullmatch(text) or float(text) > 100:
        raise CellError("no share", "a number from 0 to 100, as in 62.5")
    return float(text)


def read_day(text: str) -> date:
    """Read a day in the form 2026-07-23, and in no other."""
    expected = "a day as in 2026-07-23"
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise CellError("no date", expected) from error
    if day.isoformat() != text:
        raise CellError("another way of writing a date", expected)
    return day
