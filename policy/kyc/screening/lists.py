"""
Lists of parties: the US Consolidated Screening List, and any list in a simple form, as entries.

Four forms are read: the CSL's CSV in today's 29 columns and in the older ones without ``_id``, its JSON, and a CSV of
the columns ``list``, ``entry``, ``name`` and, where there is something to say, ``aliases``, ``addresses``,
``programmes``, ``type``. A file that is none of them is refused, and so is one with too few rows, as a download that
was broken off. A row that cannot be read is reported: every row of a file is either accepted or reported, none is both.

Left behind on reading: citizenship, nationality, day and place of birth, titles, remarks, numbers of papers. No column
here could hold them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import cast

import polars as pl

from policy.facts.countries import CountryError, resolve_country
from policy.frames import empty, schema
from policy.kyc.problems import KycError, KycProblem
from policy.kyc.screening.list_rows import (
    COLUMNS,
    OLDER_COLUMNS,
    SIMPLE_COLUMNS,
    SIMPLE_NEEDED,
    Row,
    RowError,
    of_csl,
    of_record,
    of_simple,
)
from policy.kyc.screening.names import read_names
from policy.kyc.written import Broken, content_of, csv_records, text_of

ADDRESS = pl.Struct({"text": pl.String, "country": pl.String})
ENTRIES = schema(
    {
        "list": pl.String,  # the list's code in the facts, as EL
        "list_title": pl.String,  # what the file calls it
        "entry": pl.String,  # the entry's id in its list; of a list without ids a digest of list and name
        "name": pl.String,  # as written
        "aliases": pl.List(pl.String),  # other names
        "addresses": pl.List(ADDRESS),  # as written, with the alpha-2 code; null: it names no country that is known
        "programmes": pl.List(pl.String),  # as written
        "kind": pl.String,  # of EntryKind
    }
)


class EntryKind(StrEnum):
    """What an entry is. The lists of the Bureau of Industry and Security do not say: ``unknown``, not a person."""

    INDIVIDUAL = "individual"
    ORGANISATION = "organisation"
    VESSEL = "vessel"
    AIRCRAFT = "aircraft"
    UNKNOWN = "unknown"


KINDS = {
    "individual": EntryKind.INDIVIDUAL,
    "entity": EntryKind.ORGANISATION,
    "organisation": EntryKind.ORGANISATION,
    "organization": EntryKind.ORGANISATION,
    "vessel": EntryKind.VESSEL,
    "aircraft": EntryKind.AIRCRAFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningList:
    """
    A file as read.

    ``rows``: how many the file has; ``accepted``: how many of them are in ``entries``, in the schema :data:`ENTRIES`;
    ``problems``: one for each of the others. ``digest``: SHA-256, in hex, of the file's bytes.
    """

    entries: pl.DataFrame
    rows: int
    accepted: int
    problems: tuple[KycProblem, ...]
    digest: str
    path: Path


@dataclass(slots=True, kw_only=True)
class _Reading:
    """The file being read: what was accepted and what was not."""

    path: Path
    codes: Mapping[str, str]
    rows: int = 0
    accepted: int = 0
    entries: dict[tuple[str, str], Row] = field(default_factory=dict)
    problems: list[KycProblem] = field(default_factory=list)

    def problem(self, line: int, column: str, problem: str, expected: str) -> KycProblem:
        """One problem; the cell itself is not repeated, for it may be a person's name."""
        return KycProblem(
            file=self.path.name, line=line, column=column, value="(not repeated)", problem=problem, expected=expected
        )

    def stop(self, line: int, problem: str, expected: str) -> KycError:
        """The error for a file of which nothing is used."""
        return KycError(self.path, [self.problem(line, "whole file", problem, expected)])


def read_list(path: Path, codes: Mapping[str, str], *, min_rows: int = 1) -> ScreeningList:
    """
    Read a list. Raises :class:`KycError` for a file that is none, or has fewer rows than ``min_rows``.

    ``codes``: the code of each list by its title and by itself, as the facts have them; a row of another is reported.
    """
    reading = _Reading(path=path, codes=codes)
    try:
        content = content_of(path)
        text = text_of(content)
        for line, row in _json_rows(text) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text):
            reading.rows += 1
            _take(reading, line, row)
    except Broken as broken:
        raise reading.stop(*broken.said) from broken
    if reading.rows < min_rows:
        raise reading.stop(1, f"has {reading.rows} rows, as a copy that was broken off", f"{min_rows} rows or more")
    return ScreeningList(
        entries=pl.DataFrame(list(reading.entries.values()), schema=ENTRIES, orient="row"),
        rows=reading.rows,
        accepted=reading.accepted,
        problems=tuple(reading.problems),
        digest=hashlib.sha256(content).hexdigest(),
        path=path,
    )


def united(lists: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All entries of several files, schema :data:`ENTRIES`; one that is in two has the names and addresses of both."""
    whole = pl.concat([empty(ENTRIES), *lists])
    ids = ["list", "entry"]
    if whole.select(ids).is_unique().all():
        return whole
    entries = dict[tuple[str, str], Row]()
    for row in whole.reverse().iter_rows(named=True):  # the later file's comes first, and its name stays the name
        key = (row["list"], row["entry"])
        if key in entries:
            row["aliases"] = [row["name"], *row["aliases"]]
        _add(entries, key, row)
    rows = [{**row, "aliases": _others(row)} for row in reversed(entries.values())]
    return pl.DataFrame(rows, schema=ENTRIES, orient="row")


def _others(row: Row) -> list[str]:
    return [each for each in dict.fromkeys(_texts(row["aliases"])) if each != row["name"]]


def _take(reading: _Reading, line: int, found: Row | RowError) -> None:
    """Accept a row or report it."""
    try:
        if isinstance(found, RowError):
            raise found
        row = _entry(found, reading.codes)
        key, has_id = (str(row["list"]), str(row["entry"])), bool(found["entry"])
        if has_id and key in reading.entries:
            raise RowError("entry", "the list has an entry of this id already", "one row for each entry")
    except RowError as error:
        reading.problems.append(reading.problem(line, error.column, error.problem, error.expected))
        return
    reading.accepted += 1
    _add(reading.entries, key, row)


def _add(entries: dict[tuple[str, str], Row], key: tuple[str, str], row: Row) -> None:
    """Keep an entry; rows of one list and name, in a list without ids, are one entry with all that they say."""
    known = entries.setdefault(key, row)
    if known is not row:
        for column in ("aliases", "addresses", "programmes"):
            before, more = _texts(known[column]), _texts(row[column])
            before.extend(each for each in more if each not in before)


def _entry(found: Row, codes: Mapping[str, str]) -> Row:
    """A row in the schema. ``found``: the texts of source, entry, name and type, and lists of texts for the others."""
    title, name = str(found["source"]), str(found["name"])
    code = codes.get(title)
    if code is None:
        raise RowError("source", "no list that the facts have", "a list's title or code as in the facts")
    if not name:
        raise RowError("name", "is empty", "a name in every row")
    if not any(map(read_names, (name, *_texts(found["aliases"])))):
        raise RowError("name", "has nothing in it that could be compared", "a name with letters or digits")
    entry = str(found["entry"]) or hashlib.sha256(f"{title}\n{name}".encode()).hexdigest()[:24]
    if any(each.isspace() for each in entry) or "@" in entry:
        raise RowError("entry", "has white space or an @ in it", "an id without them")
    return {
        "list": code,
        "list_title": title,
        "entry": entry,
        "name": name,
        "aliases": found["aliases"],
        "addresses": [_address(text) for text in _texts(found["addresses"])],
        "programmes": found["programmes"],
        "kind": KINDS.get(str(found["type"]).casefold(), EntryKind.UNKNOWN).value,
    }


def _texts(value: object) -> list[str]:
    return cast("list[str]", value)


def _address(text: str) -> dict[str, str | None]:
    """An address with its country, which is the last of its parts."""
    last = text.rpartition(",")[2].strip()
    try:
        return {"text": text, "country": resolve_country(last)}
    except CountryError:
        return {"text": text, "country": None}


def _csv_rows(text: str) -> Iterator[tuple[int, Row | RowError]]:
    records = csv_records(text)
    _, header = next(records, (1, []))
    simple = _is_simple(header)
    for line, record in records:
        if len(record) != len(header):
            yield line, RowError("whole row", f"has {len(record)} cells", f"{len(header)} cells, as the header has")
            continue
        cells = dict(zip(header, map(str.strip, record), strict=True))
        yield line, of_simple(cells) if simple else of_csl(cells)


def _is_simple(header: list[str]) -> bool:
    """Whether it is the simple form, by the header alone; raises for a header of no form."""
    if len(set(header)) == len(header):
        if set(header) in (set(COLUMNS), set(OLDER_COLUMNS)):
            return False
        if set(SIMPLE_NEEDED) <= set(header) <= set(SIMPLE_COLUMNS):
            return True
    expected = f"the columns of the Consolidated Screening List, or {', '.join(SIMPLE_COLUMNS)}"
    raise Broken(1, "a header of no form that is known", expected)


def _json_rows(text: str) -> Iterator[tuple[int, Row | RowError]]:
    """Records with their number in place of a line."""
    try:
        whole = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise Broken(line, "no JSON from here on", "a list as JSON, whole") from error
    records = whole.get("results") if isinstance(whole, dict) else whole
    if not isinstance(records, list):
        raise Broken(1, "has no list of results", "an array, or an object with one called results")
    for number, record in enumerate(records, 1):
        yield number, of_record(record)
