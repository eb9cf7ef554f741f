"""
What the Global LEI System knows: files of GLEIF's, golden copies in CSV and answers of its API in JSON.

Read are LEI-CDF 3.1, RR-CDF 2.1 and the reporting exceptions 2.1; which of them it is, a header or each record tells.
A record of the API is read as the row of the golden copy that it is: both ways give the same statements. Who a party is
stands in :mod:`policy.kyc.importing.gleif_entities`, who stands above it in :mod:`policy.kyc.importing.gleif_parents`.
The subject is ``lei:`` and the LEI. No language of a name or an address is read.

Each of the three is a file of its own, and a part of what GLEIF says: none takes back what another says. So a file
holds one kind of record.

A record that GLEIF has withdrawn, and a reason that tells nothing, are accepted and give no statement: not known.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

from policy.kyc.importing.files import Json, beginning, is_json, json_documents, packed_records
from policy.kyc.importing.gleif_entities import ENTITY_COLUMNS, statements_of_entity
from policy.kyc.importing.gleif_json import CELLS_OF, published_on, records_of
from policy.kyc.importing.gleif_parents import (
    EXCEPTION_COLUMNS,
    RELATION_COLUMNS,
    statements_of_exception,
    statements_of_relation,
)
from policy.kyc.importing.problems import WHOLE_ROW, Read, Rows, Unreadable
from policy.kyc.importing.values import Unfit, row_of
from policy.kyc.statements import Statement
from policy.kyc.written import Broken

Cells = dict[str, str]
"""The cells of one row that are not empty, by the golden copy's names of the columns."""
Said = Callable[[], list[Statement]]
"""What a row says, once it is asked; raises Unfit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of record: what a header must have, which columns are read, and how a row becomes statements."""

    record: str  # what the API calls it
    needs: frozenset[str]
    columns: re.Pattern[str]
    read: Callable[[Cells, date | None], list[Statement]]


_KINDS = (
    _Kind(
        record="lei-records",
        needs=frozenset({"LEI", "Entity.LegalName", "Registration.RegistrationStatus"}),
        columns=ENTITY_COLUMNS,
        read=statements_of_entity,
    ),
    _Kind(
        record="relationship-records",
        needs=frozenset(
            {"Relationship.StartNode.NodeID", "Relationship.EndNode.NodeID", "Relationship.RelationshipType"}
        ),
        columns=RELATION_COLUMNS,
        read=statements_of_relation,
    ),
    _Kind(
        record="reporting-exceptions",
        needs=frozenset({"LEI", "Exception.Category", "Exception.Reason.1"}),
        columns=EXCEPTION_COLUMNS,
        read=statements_of_exception,
    ),
)
_BY_RECORD = {kind.record: kind for kind in _KINDS}
_DAY_IN_NAME = re.compile(r"(\d{4})(\d\d)(\d\d)-", re.ASCII)  # as in 20240706-0800-gleif-goldencopy-rr-golden-copy.csv


def read_gleif(file: str, content: bytes, *, today: date | None = None, only: Collection[str] | None = None) -> Read:
    """
    What a file of GLEIF's says, plain or packed. ``file``: its name, for problems, and for the day in a golden copy's.

    ``today``: the last day as of which it may speak; without it any. ``only``: the LEIs of the parties of whom
    something is kept; without it all. The other rows are held to the format as well. A problem's line is the line of a
    CSV file; in JSON it is the so many-th record.
    """
    rows = Rows(file)
    parties = None if only is None else frozenset(f"lei:{each}" for each in only)
    records = _json_records(rows, content) if is_json(content) else _csv_records(rows, file, content)
    line = 0
    try:
        for line, read in records:
            with row_of(rows, line, today) as said:
                said += [each for each in read() if parties is None or each.subject in parties]
        if not line:
            rows.stop(1, "has no record in it, as a copy that was broken off", "one record at least")
    except Broken as broken:
        rows.spoil_file(*broken.said)
    except Unreadable:
        pass
    return rows.read()


def is_gleif(content: bytes) -> bool:
    """Whether a file looks like one of GLEIF's: a golden copy's header, or an answer of the API."""
    return bool(gleif_part(beginning(content)))


def gleif_part(start: str) -> str:
    """Which kind of record a file has whose first characters these are; empty where it is none of GLEIF's."""
    if start.lstrip()[:1] == "{":
        found = {kind.record: start.find(f'"{kind.record}"') for kind in _KINDS}
        return min((name for name, at in found.items() if at >= 0), key=found.__getitem__, default="")
    header = start.partition("\n")[0]
    return next((kind.record for kind in _KINDS if all(column in header for column in kind.needs)), "")


def _csv_records(rows: Rows, file: str, content: bytes) -> Iterator[tuple[int, Said]]:
    """How to read each row, with its line. Raises Broken, Unreadable."""
    records = packed_records(content)
    _, header = next(records, (1, []))
    kind = next((kind for kind in _KINDS if kind.needs <= set(header)), None)
    if kind is None or len(header) != len(set(header)):
        expected = "the columns of a golden copy of GLEIF's, each of them once"
        rows.stop(1, "no header of level 1, level 2 or the reporting exceptions", expected)
    rows.part = kind.record
    wanted = [(name, at) for at, name in enumerate(header) if kind.columns.fullmatch(name)]
    published = _day_in(file)
    for line, record in records:
        yield line, partial(_statements_of_row, kind, record, len(header), wanted, published)


def _statements_of_row(
    kind: _Kind, record: list[str], width: int, wanted: list[tuple[str, int]], published: date | None
) -> list[Statement]:
    if len(record) != width:
        raise Unfit(WHOLE_ROW, "not as many cells as the header", f"{width} cells")
    return kind.read({name: record[at] for name, at in wanted if record[at]}, published)


def _day_in(file: str) -> date | None:
    found = _DAY_IN_NAME.match(file)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _json_records(rows: Rows, content: bytes) -> Iterator[tuple[int, Said]]:
    """How to read each record, with its number. Raises Broken."""
    number = 0
    for document in json_documents(content):
        published = published_on(document)
        for record in records_of(document):
            number += 1
            yield number, partial(_statements_of_record, rows, record, published)


def _statements_of_record(rows: Rows, record: Json, published: date | None) -> list[Statement]:
    record_type = record.get("type") if isinstance(record, dict) else None
    kind = _BY_RECORD.get(record_type) if isinstance(record_type, str) else None
    if kind is None:
        raise Unfit("type", "no record that is read here", f"one of {', '.join(_BY_RECORD)}")
    rows.part = rows.part or kind.record
    if rows.part != kind.record:
        raise Unfit("type", "another kind of record than the first", "a file for each kind; an import takes several")
    cells: Iterator[tuple[str, str]] = CELLS_OF[kind.record](record)
    return kind.read({name: text for name, text in cells if text}, published)
