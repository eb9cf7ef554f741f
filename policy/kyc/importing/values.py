"""
Values in the files of registers: a day, a country, a text, an id. Each is read in one way, or :class:`Unfit`.

No error repeats what was written, whatever the column: in a shifted row any cell may hold a name.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TypeVar

from policy.kyc.cells import CellError, read_country, read_id, read_text
from policy.kyc.importing.problems import WHOLE_ROW, Rows
from policy.kyc.repeated import NOT_REPEATED
from policy.kyc.statements import Statement

Each = TypeVar("Each")

OF_THEIR_OWN = {
    f"{country}-{part}": part
    for country, parts in {
        "CN": ("HK", "MO", "TW"),
        "FI": ("AX",),
        "FR": ("BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"),
        "NL": ("AW", "CW", "SX"),
        "US": ("AS", "GU", "MP", "PR", "UM", "VI"),
    }.items()
    for part in parts
}
"""Parts of countries in ISO 3166-2 that ISO 3166-1 has as well, where both write them alike."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ][0-9:.]{2,18}(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_PREFIX = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ].{2,28})?)?)?", re.ASCII)
_LEI = re.compile(r"[0-9A-Z]{18}[0-9]{2}", re.ASCII)


class Unfit(ValueError):
    """A row that cannot be taken: in which column, what is wrong, what was expected."""

    def __init__(self, column: str, problem: str, expected: str) -> None:
        super().__init__(f"{column}: {problem}; expected {expected}")
        self.column = column
        self.problem = problem
        self.expected = expected


@contextmanager
def row_of(rows: Rows, line: int, today: date | None = None) -> Iterator[list[Statement]]:
    """
    A row: what is put into the list is what it says, unless something in it is :class:`Unfit`.

    ``today``: the last day as of which it may say something; without it any.
    """
    said: list[Statement] = []
    rows.begin(line)
    try:
        yield said
        _check_said(said, today)
        rows.give(line, said)
    except Unfit as unfit:
        rows.note(line, unfit.column, NOT_REPEATED, unfit.problem, unfit.expected)


def cell_of(read: Callable[[str], Each], text: str, column: str) -> Each:
    """What a reader of :mod:`policy.kyc.cells` makes of a text; Unfit where it is none for it."""
    try:
        return read(text)
    except CellError as error:
        raise Unfit(column, error.problem, error.expected) from error


def text_of(text: str, column: str) -> str:
    """The text on one line, single spaces in it; empty where there is nothing to read."""
    return cell_of(read_text, text, column)


def id_of(text: str, column: str) -> str:
    """An opaque id."""
    if not text:
        raise Unfit(column, "is empty", "an opaque id without spaces")
    return cell_of(read_id, text, column)


def lei_of(text: str, column: str) -> str:
    """A legal entity identifier, its check digits right (ISO 17442, ISO 7064 mod 97-10)."""
    if not _LEI.fullmatch(text):
        raise Unfit(column, "no LEI", "18 capital letters or digits and 2 digits")
    if int("".join(str(int(character, 36)) for character in text)) % 97 != 1:
        raise Unfit(column, "an LEI whose check digits are wrong", "an LEI as GLEIF has issued it")
    return text


def country_of(text: str, column: str) -> str:
    """
    The country of a code, or of a code of a part of it: ``US-DE`` is in the US, FollowTheMoney writes ``us``.

    A part that has a code of its own as a country is that: ``CN-HK`` is ``HK``.
    """
    code = text.upper()
    return cell_of(read_country, OF_THEIR_OWN.get(code, code.partition("-")[0]), column)


def day_of(text: str, column: str) -> date:
    """The day of a moment as it is written, whatever the time zone: at most one day off."""
    found = _MOMENT.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError as error:
        raise Unfit(column, "no day", "a day or moment as in 2026-07-23T00:00:00Z") from error


def period_of(text: str, column: str) -> tuple[date, date]:
    """The first day of a date that may leave out its month or day, and the first one after it: ``2021`` is a year."""
    found = _PREFIX.fullmatch(text)
    try:
        if not found:
            raise ValueError(text)
        year, month, day = (int(part) if part else 0 for part in found.groups())
        first = date(year, month or 1, day or 1)
        return first, first + timedelta(days=1) if day else _month_after(first, 1 if month else 12)
    except (ValueError, OverflowError) as error:
        raise Unfit(column, "no date", "a date as in 2026, 2026-07 or 2026-07-23") from error


def day_after(day: date) -> date | None:
    """The next day; none after the last one that there is."""
    return None if day == date.max else day + timedelta(days=1)


def distinct(values: Iterable[str]) -> list[str]:
    """The different ones that are not empty, in their order."""
    return list(dict.fromkeys(filter(None, values)))


def _month_after(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _check_said(statements: Iterable[Statement], today: date | None) -> None:
    """Raise Unfit if something is said as of a day that is still to come."""
    if today and any(each.as_of and each.as_of > today for each in statements):
        raise Unfit(WHOLE_ROW, "as of a day to come", f"a day until {today.isoformat()}")
