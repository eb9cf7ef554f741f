"""
The documents that the facts rest on, each with the day on which it was read and the last day to rely on that.

A review date lies in the document's own terms and is moved by reading again, never by itself: an overlay that dates a
document's review later without a later reading is refused.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from policy.facts.evidence import Document, weakest
from policy.facts.tables import Reader, Written

FILE = "sources.toml"
LONGEST = timedelta(days=731)
"""A choice: whoever relies on a text for longer without looking has stopped asking whether it still stands."""


def read_documents(written: Written) -> Mapping[str, Document]:
    """Read the tables, by id. Raises :class:`policy.facts.tables.FactsError`."""
    return MappingProxyType({key: _document(key, table, written) for key, table in written.items()})


def _document(key: str, table: object, whole: Written) -> Document:
    name = f"[{key}]"
    if not isinstance(table, Written):
        raise whole.wrong(name, "rows", "is no table", "write the document's id in single brackets, and its keys below")
    if not key.isascii():
        problem = f"{key!a} has letters beyond ASCII, which may look like others"
        raise table.wrong(name, "id", problem, "write it in plain letters")
    if "id" in table:
        raise table.wrong(name, "id", "unknown key", "the table's own name is its id")
    document = Reader().row(Document, name, Written({"id": key, **table}, table.layer))
    if document.review_by <= document.read_on:
        raise table.wrong(name, "review_by", "not after read_on", "set a later day")
    if document.review_by - document.read_on > LONGEST:
        raise table.wrong(name, "review_by", "more than two years after read_on", "set an earlier day")
    if (document.term_ends is None) != (document.term == ""):
        raise table.wrong(name, "term", "term and term_ends stand together", "add the other, or leave out both")
    return document


def check_newer(old: Document, new: Document, written: Written) -> None:
    """Raise FactsError where a document's review was moved, or it became better known, without reading it again."""
    if new.read_on < old.read_on:  # else a second overlay could call an older reading the newer one
        problem = f"{new.read_on.isoformat()} is before {old.read_on.isoformat()}, when it was last read"
        raise written.wrong(f"[{new.id}]", "read_on", problem, "give that day, or the day of a newer reading")
    if weakest(old.evidence, new.evidence) is not new.evidence and new.read_on <= old.read_on:
        problem = f"is {new.evidence} and was {old.evidence}, without a newer reading"
        remedy = f"read the document again; it was last read on {old.read_on.isoformat()}"
        raise written.wrong(f"[{new.id}]", "evidence", problem, remedy)
    if new.good_through > old.good_through and new.read_on <= old.read_on:
        raise written.wrong(
            f"[{new.id}]",
            "review_by",
            f"moved from {old.good_through.isoformat()} to {new.good_through.isoformat()} without a newer reading",
            f"read the document again; it was last read on {old.read_on.isoformat()}",
        )
