"""
Statements as files: one a row, as CSV or JSON Lines, held to what the vocabulary allows.

Of a natural person nothing is accepted but what the vocabulary allows of one: no country, no day, no relation. Where a
file says anywhere that a subject is one, the rows that say more of it are reported.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from functools import partial

from policy.kyc.cells import (
    LONGEST_TEXT,
    CellError,
    is_unknown,
    read_country,
    read_day,
    read_id,
    read_line,
    read_party,
    read_percent,
    read_word,
)
from policy.kyc.importing.checks import contradictions, natural_persons, refused_end, refused_entry, too_much
from policy.kyc.importing.problems import Read, Rows, Unreadable
from policy.kyc.importing.records import Columns, Record, records
from policy.kyc.repeated import NOT_REPEATED, repeated
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import DISPERSED, PREDICATES, SELF, Confidence, Predicate, ValueKind

NEEDED = ("subject", "predicate", "value")
SHARES = ("share_percent", "share_low_percent", "share_high_percent")
OTHERS = ("detail", *SHARES, "begins", "ends", "source", "document", "confidence", "as_of", "known_from")
COLUMNS = Columns(known=(*NEEDED, *OTHERS), needed=NEEDED, numbers=SHARES)
DAYS = ("begins", "ends", "as_of", "known_from")
TO_COME = ("as_of", "known_from")
"""Days that cannot lie ahead: nobody said or knew anything on them yet."""
_NOT_SHOWN = (ValueKind.TEXT, ValueKind.PARTY)


def read_statements(file: str, content: bytes, *, source: str = "", today: date | None = None) -> Read:
    """
    What a file says. ``file``: its name, for problems. ``source``: whose word it is where a row does not say.

    ``today``: the last day of which it may speak; without it any.
    """
    rows = Rows(file)
    with suppress(Unreadable):
        _read(rows, content, source, today)
    return rows.read()


def _read(rows: Rows, content: bytes, source: str, today: date | None) -> None:
    found = {
        line: _Reading(rows=rows, line=line, record=record, today=today).statement(source)
        for line, record in records(rows, content, COLUMNS)
    }
    if not found and not rows.read().problems:
        rows.stop(1, "has no statement in it, as a copy that was broken off", "one row for each statement")
    _check_clearances(rows, found, today)
    _check_natural_persons(rows, found)
    _check_contradictions(rows, found)
    for line, statement in found.items():
        rows.give(line, [statement])


class _Reading:
    """One row, whose problems are noted while it is read. What is noted is not accepted, so stand-ins do no harm."""

    def __init__(self, rows: Rows, line: int, record: Record, today: date | None) -> None:
        self._rows, self._line, self._record, self._today = rows, line, record, today
        self._given = {column: record.get(column, "") for column in COLUMNS.known}

    def statement(self, source: str) -> Statement:
        name = self._given["predicate"]
        predicate = PREDICATES.get(name)
        if predicate is None:
            self._note_predicate(name)
            return Statement("", "", "")
        low, high = self._share(predicate)
        days = self._days()
        subject = str(self._needed("subject", read_id))
        return Statement(
            subject=subject,
            predicate=name,
            value=self._value(subject, predicate),
            detail=self._detail(predicate),
            share_low_percent=low,
            share_high_percent=high,
            source=self._text("source") or source,
            document=self._text("document"),
            confidence=self._confidence(),
            begins=days["begins"],
            ends=days["ends"],
            as_of=days["as_of"],
            known_from=days["known_from"],
        )

    def _note(self, column: str, error: CellError, *, shown: bool = False) -> None:
        text = self._given[column]
        value = repeated(text) if shown else NOT_REPEATED
        self._rows.note(self._line, column, value, error.problem, error.expected)

    def _note_predicate(self, name: str) -> None:
        try:
            read_word(name, tuple(PREDICATES), "a predicate of the vocabulary")
        except CellError as error:
            self._note("predicate", error)

    def _cell(self, column: str, read: Callable[[str], object], *, shown: bool = False) -> object | None:
        """The value of a cell; nothing where it is empty or, which is noted, wrong."""
        text = self._given[column]
        try:
            if text != text.strip():
                raise CellError("has spaces around it", "the value alone")
            return None if is_unknown(text) else read(text)
        except CellError as error:
            self._note(column, error, shown=shown)
            return None

    def _needed(self, column: str, read: Callable[[str], object], *, shown: bool = False) -> object:
        if is_unknown(self._given[column]):
            self._note(column, CellError("says nothing", "a value; what is not known is left out, row and all"))
            return ""
        return self._cell(column, read, shown=shown) or ""

    def _value(self, subject: str, predicate: Predicate) -> str:
        value = str(self._needed("value", _reader(predicate), shown=predicate.kind not in _NOT_SHOWN))
        if value and value == subject and predicate.about != "tenant" and predicate.kind is ValueKind.PARTY:
            expected = f"the word {SELF!r}, or another" if predicate.may_be_self else "another party"
            self._note("value", CellError("the subject itself", expected))
        return value

    def _text(self, column: str, longest: int = LONGEST_TEXT) -> str | None:
        found = self._cell(column, partial(read_line, longest=longest))
        return str(found) if found is not None else None

    def _detail(self, predicate: Predicate) -> str | None:
        detail = self._text("detail", predicate.longest_detail or LONGEST_TEXT)
        if detail is None:
            return None
        if not predicate.detail_is:
            self._note("detail", CellError("this predicate has no detail", "an empty cell"))
        elif predicate.details:
            self._cell("detail", partial(read_word, words=predicate.details), shown=True)
        return detail

    def _confidence(self) -> str:
        words = tuple(each.value for each in Confidence)
        return str(self._cell("confidence", partial(read_word, words=words), shown=True) or Confidence.STATED)

    def _share(self, predicate: Predicate) -> tuple[float | None, float | None]:
        whole, low, high = (_number(self._cell(column, read_percent, shown=True)) for column in SHARES)
        filled = [column for column in SHARES if not is_unknown(self._given[column])]
        if filled and not predicate.shared:
            self._note(filled[0], CellError("this predicate has no share", "an empty cell"))
        elif "share_percent" in filled and len(filled) > 1:
            self._note(filled[1], CellError("given beside share_percent", "the one share, or a low and a high one"))
        elif low is not None and high is not None and low > high:
            self._note("share_low_percent", CellError("above the high one", "a low share not above the high one"))
        return (whole, whole) if whole is not None else (low, high)

    def _days(self) -> Mapping[str, date | None]:
        days = {column: _day(self._cell(column, read_day, shown=True)) for column in DAYS}
        begins, ends = days["begins"], days["ends"]
        if begins and ends and begins >= ends:
            self._note("ends", CellError("not after begins", "the first day on which it was true no more"))
        for column in TO_COME:
            day = days[column]
            if day and self._today and day > self._today:
                expected = f"a day up to {self._today.isoformat()}, in UTC"
                self._note(column, CellError("a day to come", expected), shown=True)
        return days


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None


def _reader(predicate: Predicate) -> Callable[[str], object]:
    """What reads a value of this predicate."""
    if predicate.kind is ValueKind.PARTY:
        return partial(_read_party, predicate)
    if predicate.words:
        return partial(read_word, words=tuple(str(each) for each in predicate.words))
    return _READERS[predicate.kind]


def _read_party(predicate: Predicate, text: str) -> str:
    if text == DISPERSED and predicate.shared:
        return text
    if text == SELF and not predicate.may_be_self:
        raise CellError("this predicate leads to another party", "an opaque id without spaces")
    return read_party(text)


def _read_day_text(text: str) -> str:
    return read_day(text).isoformat()


_READERS: Mapping[ValueKind, Callable[[str], object]] = {
    ValueKind.COUNTRY: read_country,
    ValueKind.DAY: _read_day_text,
    ValueKind.WORD: read_id,
    ValueKind.TEXT: read_line,
}


def _check_clearances(rows: Rows, found: Mapping[int, Statement], today: date | None) -> None:
    for line, each in found.items():
        for column, error in (("value", refused_entry(each)), ("ends", refused_end(each, today))):
            if error is not None:
                rows.note(line, column, NOT_REPEATED, error.problem, error.expected)


def _check_natural_persons(rows: Rows, found: Mapping[int, Statement]) -> None:
    natural = natural_persons(found.values())
    for line, each in found.items():
        if each.subject in natural and (column := too_much(each)):
            expected = "of a natural person only what the vocabulary allows"
            rows.note(line, column, NOT_REPEATED, "not kept of a natural person", expected)


def _check_contradictions(rows: Rows, found: Mapping[int, Statement]) -> None:
    for line, other in contradictions(found):
        problem = f"line {other} says otherwise of the same, by the same source and as of the same day"
        rows.note(line, "value", NOT_REPEATED, problem, "one of the two, or the days on which each was true")
