"""
One cell of a know-your-customer file: from text to a value, or what is wrong with it.

An empty cell and the word ``unknown`` both mean that the answer is not known; the frame then holds a null.
"""

import re
from collections.abc import Callable
from datetime import date

from policy.facts.countries import CountryError, normalise_country

UNKNOWN = "unknown"
SELF = "self"

CellValue = str | float | date | None
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
    """Any text."""
    return text


def read_tenant_id(text: str) -> str:
    """Read an opaque id: there, no white space, and not one of the words that mean something else here."""
    expected = "an opaque account id without spaces"
    if is_unknown(text):
        raise CellError("every row needs a tenant", expected)
    if text.casefold() == SELF:
        raise CellError(f"{SELF!r} is no account", expected)
    return read_id(text)


def read_id(text: str) -> str:
    """Read an id without white space."""
    if re.search(r"\s", text):
        raise CellError("has white space inside", "an opaque id without spaces")
    return text


def read_parent_id(text: str) -> str:
    """Read an opaque id, or ``self`` in small letters: ``Self`` would be one and the same party in every row."""
    if text.casefold() == SELF and text != SELF:
        raise CellError("another way of writing a word", f"the word {SELF!r} in small letters, or an opaque id")
    return read_id(text)


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
