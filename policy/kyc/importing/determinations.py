"""
What people said about hits: the provider's reviewers, its screening vendor, counsel; read from a file as statements.

``listed``: the party is the entry. ``not_listed``: it is not, which silences the hit while both go by the names that
were decided about, and until the day it ends. Both say who, why and when; a decision without an end is refused where
it clears somebody, and so is one whose end is far off, so that a mistake is looked at again. Such a file only adds:
what it does not repeat stays decided.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import date
from functools import partial

from policy.kyc.cells import read_day, read_word
from policy.kyc.importing.checks import refused_end
from policy.kyc.importing.problems import Read, Rows, Unreadable
from policy.kyc.importing.records import Columns, Record, records
from policy.kyc.importing.values import Unfit, cell_of, id_of, row_of, text_of
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
            with row_of(rows, line) as said:
                said.append(_statement(record, codes, today))
    return rows.read()


def _statement(record: Record, codes: Collection[str] | None, today: date | None) -> Statement:
    for column in ("party_id", "reference", "reason", "source"):
        if not record[column].strip():
            raise Unfit(column, "is empty", "who, about which entry, why, and whose word it is")
    is_listed = cell_of(partial(read_word, words=(LISTED, NOT_LISTED)), record["answer"], "answer") == LISTED
    code, entry = _entry(record, codes)
    statement = Statement(
        subject=id_of(record["party_id"], "party_id"),
        predicate="listed_on" if is_listed else "not_listed_as",
        value=code if is_listed else record["reference"],
        detail=entry.partition("@")[0] if is_listed else text_of(record["reason"], "reason"),
        source=text_of(record["source"], "source"),
        confidence=Confidence.DOCUMENTED.value,
        as_of=cell_of(read_day, record["as_of"], "as_of"),
        ends=cell_of(read_day, record["ends"], "ends") if record["ends"] else None,
    )
    _check(statement, entry, today)
    return statement


def _check(statement: Statement, entry: str, today: date | None) -> None:
    if today and statement.as_of and statement.as_of > today:
        raise Unfit("as_of", "a day to come", f"a day up to {today.isoformat()}, in UTC")
    if statement.predicate == "not_listed_as" and "@" not in entry:
        problem = "does not say which names were decided about"
        raise Unfit("reference", problem, "the reference as screening shows it")
    if (error := refused_end(statement, today)) is not None:
        raise Unfit("ends", error.problem, error.expected)


def _entry(record: Record, codes: Collection[str] | None) -> tuple[str, str]:
    """The list's code and the entry of a reference."""
    code, _, entry = id_of(record["reference"], "reference").partition(":")
    if not entry.strip("@") or not code or (codes is not None and code not in codes):
        raise Unfit("reference", "names no entry of a list that the facts have", "as in EL:2f7c@9d41")
    return code, entry
