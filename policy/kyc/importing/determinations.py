"""
What people said about hits: the provider's reviewers, its screening vendor, counsel; read from a file as statements.

``listed``: the party is the entry. ``not_listed``: it is not, which silences the hit while both go by the names that
were decided about, and until the day it ends. Both say who, why and when; a decision without an end is refused where
it clears somebody, and so is one whose end is far off, so that a mistake is looked at again. Such a file only adds:
what it does not repeat stays decided.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date

from policy.kyc.cells import CellError, read_day, read_id, read_line, read_word
from policy.kyc.importing.checks import refused_end
from policy.kyc.importing.problems import Read, Rows, Unreadable
from policy.kyc.importing.records import Columns, Record, records
from policy.kyc.repeated import NOT_REPEATED
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import Confidence

NEEDED = ("party_id", "reference", "answer", "reason", "source", "as_of", "ends")
"""``reference``: as screening shows it, EL:2f7c@9d41…; for ``listed`` without the digest is enough."""
COLUMNS = Columns(known=NEEDED, needed=NEEDED)
LISTED, NOT_LISTED = "listed", "not_listed"


def read_determinations(
    file: str, content: bytes, *, codes: Collection[str] | None = None, today: date | None = None
) -> Read:
    """
    What a file of :data:`NEEDED` says, as CSV or JSON Lines.

    ``codes``: the lists that the facts have; without it any. ``today``: the last day that ``as_of`` may be.
    """
    rows = Rows(file)
    with suppress(Unreadable):
        for line, record in records(rows, content, COLUMNS):
            try:
                rows.give(line, [_statement(record, codes, today)])
            except _Wrong as wrong:
                rows.note(line, wrong.column, NOT_REPEATED, wrong.error.problem, wrong.error.expected)
    return rows.read()


class _Wrong(ValueError):
    """Which column of a row, and what is wrong with it."""

    def __init__(self, column: str, error: CellError) -> None:
        super().__init__(str(error))
        self.column, self.error = column, error


def _statement(record: Record, codes: Collection[str] | None, today: date | None) -> Statement:
    for column in ("party_id", "reference", "reason", "source"):
        if not record[column].strip():
            raise _Wrong(column, CellError("is empty", "who, about which entry, why, and whose word it is"))
    is_listed = _cell(record, "answer", lambda text: read_word(text, (LISTED, NOT_LISTED))) == LISTED
    code, entry = _entry(record, codes)
    statement = Statement(
        subject=_cell(record, "party_id", read_id),
        predicate="listed_on" if is_listed else "not_listed_as",
        value=code if is_listed else record["reference"],
        detail=entry.partition("@")[0] if is_listed else _line(record, "reason"),
        source=_line(record, "source"),
        confidence=Confidence.DOCUMENTED.value,
        as_of=_day(record, "as_of"),
        ends=_day(record, "ends") if record["ends"] else None,
    )
    _check(statement, entry, today)
    return statement


def _check(statement: Statement, entry: str, today: date | None) -> None:
    if today and statement.as_of and statement.as_of > today:
        raise _Wrong("as_of", CellError("a day to come", f"a day up to {today.isoformat()}, in UTC"))
    if statement.predicate == "not_listed_as" and "@" not in entry:
        error = CellError("does not say which names were decided about", "the reference as screening shows it")
        raise _Wrong("reference", error)
    if (error_of_end := refused_end(statement, today)) is not None:
        raise _Wrong("ends", error_of_end)


def _entry(record: Record, codes: Collection[str] | None) -> tuple[str, str]:
    """The list's code and the entry of a reference."""
    code, _, entry = _cell(record, "reference", read_id).partition(":")
    if not entry.strip("@") or not code or (codes is not None and code not in codes):
        raise _Wrong("reference", CellError("names no entry of a list that the facts have", "as in EL:2f7c@9d41"))
    return code, entry


def _cell(record: Record, column: str, read: Callable[[str], str]) -> str:
    try:
        return read(record[column])
    except CellError as error:
        raise _Wrong(column, error) from error


def _line(record: Record, column: str) -> str:
    return _cell(record, column, lambda text: read_line(" ".join(text.split())))


def _day(record: Record, column: str) -> date:
    try:
        return read_day(record[column])
    except CellError as error:
        raise _Wrong(column, error) from error
