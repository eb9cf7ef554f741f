import csv
import json
from datetime import date
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.imports import assert_accounted
from support.judgement import unhurried
from support.kyc import csv_text

from policy.kyc.importing.accounts import read_accounts
from policy.kyc.importing.problems import NOT_REPEATED, Read
from policy.kyc.importing.statements import COLUMNS, NEEDED, read_statements
from policy.kyc.problems import KycProblem
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import PREDICATES, ValueKind

TODAY = date(2026, 11, 29)
A_ROW = {"subject": "p-1", "predicate": "headquarters_country", "value": "SG"}


def sheet(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS.known) -> bytes:
    """Rows of statements as CSV; columns that a row does not have are empty."""
    out = StringIO()
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def objects(*rows: dict[str, Any]) -> bytes:
    """Rows of statements as JSON Lines."""
    return "\n".join(json.dumps(row) for row in rows).encode()


def read(content: bytes) -> Read:
    """What a file of statements gives."""
    return read_statements("said.csv", content, source="crm", today=TODAY)


def taken(**cells: Any) -> Statement:
    """The one statement of a row that is good."""
    done = read(objects(A_ROW | cells))
    assert not done.problems, done.problems
    (statement,) = done.statements
    return statement


def reported(**cells: Any) -> KycProblem:
    """The one problem of a row that is not."""
    done = read(objects(A_ROW | cells))
    assert (done.rows_in, done.accepted, done.reported, done.statements) == (1, 0, 1, ())
    (problem,) = done.problems
    return problem


def test_all_columns() -> None:
    """Every column of a row arrives in the statement."""
    given = {
        "subject": "p-1",
        "predicate": "controlled_by",
        "value": "p-2",
        "detail": "board",
        "begins": "2020-01-01",
        "ends": "2026-01-01",
        "source": "register",
        "document": "sha256:0af3",
        "confidence": "official",
        "as_of": "2026-07-01",
        "known_from": "2026-07-02",
    }
    assert taken(**given) == Statement(
        subject="p-1",
        predicate="controlled_by",
        value="p-2",
        detail="board",
        begins=date(2020, 1, 1),
        ends=date(2026, 1, 1),
        source="register",
        document="sha256:0af3",
        confidence="official",
        as_of=date(2026, 7, 1),
        known_from=date(2026, 7, 2),
    )


def test_what_stands_for_an_empty_cell() -> None:
    """A row that names no source has that of the import, and one without confidence is stated."""
    assert taken() == Statement("p-1", "headquarters_country", "SG", source="crm", confidence="stated")


def test_csv_and_json_lines_say_the_same() -> None:
    """The two forms of a row give one statement, and columns of CSV may be left out or stand in any order."""
    row = A_ROW | {"as_of": "2026-07-01"}
    columns = ("as_of", "value", "subject", "predicate")
    assert read(sheet(row)).statements == read(objects(row)).statements == read(sheet(row, columns=columns)).statements


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"share_percent": "62.5"}, (62.5, 62.5)),
        ({"share_percent": 50}, (50.0, 50.0)),
        ({"share_low_percent": 25.5, "share_high_percent": "50"}, (25.5, 50.0)),
        ({"share_low_percent": "25"}, (25.0, None)),
        ({}, (None, None)),
    ],
)
def test_shares(shares: dict[str, Any], expected: tuple[float | None, float | None]) -> None:
    """A share is one number or a low and a high one, either of which may not be known."""
    said = taken(predicate="owned_by", value="p-2", **shares)
    assert (said.share_low_percent, said.share_high_percent) == expected


@pytest.mark.parametrize(
    ("cells", "column", "problem", "expected"),
    [
        ({"value": "DEU"}, "value", "no country code", "here probably DE"),
        ({"value": ""}, "value", "says nothing", "left out"),
        ({"value": "unknown"}, "value", "says nothing", "left out"),
        ({"subject": ""}, "subject", "says nothing", "a value"),
        ({"subject": "self"}, "subject", "a word that is no id", "opaque id"),
        ({"subject": "Example Party"}, "subject", "white space", "opaque id"),
        ({"subject": " p-1"}, "subject", "spaces around", "the value alone"),
        ({"predicate": "nationality"}, "predicate", "not one of the words", "of the vocabulary"),
        ({"predicate": "Headquarters country"}, "predicate", "not one of the words", "probably headquarters_country"),
        ({"predicate": "incorporated_on", "value": "2020"}, "value", "no date", "2026-07-23"),
        ({"predicate": "tenancy", "value": "Bare-Metal"}, "value", "not one of the words", "here probably bare_metal"),
        ({"predicate": "name", "value": "a\nb"}, "value", "line break", "on one line"),
        ({"predicate": "name", "value": "x" * 501}, "value", "too long", "500"),
        ({"predicate": "owned_by", "value": "self"}, "value", "another party", "opaque id"),
        ({"predicate": "parent", "value": "p-1"}, "value", "the subject itself", "'self'"),
        ({"predicate": "branch_of", "value": "p-1"}, "value", "the subject itself", "another party"),
        ({"predicate": "parent", "value": "dispersed"}, "value", "a word that is no id", "opaque id"),
        ({"share_percent": "50"}, "share_percent", "no share", "an empty cell"),
        ({"detail": "office"}, "detail", "no detail", "an empty cell"),
        ({"predicate": "address", "value": "1 Example Street", "detail": "Office"}, "detail", "not one", "office"),
        ({"confidence": "sure"}, "confidence", "not one of the words", "official"),
        ({"as_of": "2026-11-30"}, "as_of", "a day to come", "up to 2026-11-29"),
        ({"known_from": "2026-11-30"}, "known_from", "a day to come", "in UTC"),
        ({"begins": "2026-01-01", "ends": "2026-01-01"}, "ends", "not after begins", "no more"),
        ({"value": 5}, "value", "not a JSON string", "in quotes"),
        ({"value": ["SG"]}, "value", "not a JSON string", "in quotes"),
    ],
)
def test_bad_cells(cells: dict[str, Any], column: str, problem: str, expected: str) -> None:
    """A bad cell gives one problem with line, column, what is wrong and what is expected, and no statement."""
    found = reported(**cells)
    assert (found.file, found.line, found.column) == ("said.csv", 1, column)
    assert problem in found.problem
    assert expected in found.expected


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ({"share_percent": "101"}, "no share"),
        ({"share_percent": True}, "not a JSON string"),
        ({"share_percent": 10**400}, "not a JSON string"),
        ({"share_percent": 50, "share_low_percent": 40}, "beside share_percent"),
        ({"share_low_percent": 60, "share_high_percent": 40}, "above the high one"),
    ],
)
def test_bad_shares(shares: dict[str, Any], problem: str) -> None:
    """A share that is none, or two that contradict each other, are reported."""
    assert problem in reported(predicate="owned_by", value="p-2", **shares).problem


def test_the_rest_of_a_file() -> None:
    """Beside a bad row the good ones give what they say, and every row is one or the other."""
    done = read(sheet(A_ROW, A_ROW | {"value": "XX", "as_of": "soon"}, A_ROW | {"subject": "p-2"}))
    assert [each.subject for each in done.statements] == ["p-1", "p-2"]
    assert (done.rows_in, done.accepted, done.reported, len(done.problems)) == (3, 2, 1, 2)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the column is missing"),
        (sheet(A_ROW, columns=("subject", "predicate")), "the column is missing"),
        (sheet(A_ROW, columns=(*NEEDED, "birth_place")), "not one of this file's"),
        (sheet(A_ROW, columns=(*NEEDED, "value")), "more than once"),
        (sheet(), "has no statement in it"),
        (sheet(A_ROW) + b'p-2,"', "no CSV"),
        (sheet(A_ROW) + b"\xff", "not UTF-8"),
        (objects(A_ROW, A_ROW | {"citizenship": "SG"}, A_ROW), "not one of this file's"),
    ],
)
def test_files_that_are_of_no_use(content: bytes, problem: str) -> None:
    """What spoils a file as a whole leaves nothing of it, however good its other rows are."""
    done = read(content)
    assert done.unreadable
    assert done.statements == ()
    assert (done.accepted, done.reported) == (0, done.rows_in)
    assert any(problem in each.problem for each in done.problems)


@pytest.mark.parametrize(
    "more",
    [
        {"predicate": "headquarters_country", "value": "CN"},
        {"predicate": "registered_country", "value": "DE"},
        {"predicate": "incorporated_on", "value": "1970-01-01"},
        {"predicate": "address_country", "value": "DE"},
        {"predicate": "address", "value": "1 Example Street"},
        {"predicate": "line_of_business", "value": "weather"},
        {"predicate": "name", "value": "Example Person", "begins": "1970-01-01"},
        {"predicate": "name", "value": "Example Person", "ends": "2030-01-01"},
    ],
)
@pytest.mark.parametrize("kind_first", [True, False])
def test_natural_persons(more: dict[str, str], kind_first: bool) -> None:
    """Of a natural person no country, day or relation is taken, wherever the file says that it is one."""
    kind = {"subject": "n-1", "predicate": "kind", "value": "natural_person"}
    said = [kind, {"subject": "n-1"} | more][:: 1 if kind_first else -1]
    done = read(sheet(*said, {"subject": "n-1", "predicate": "alias", "value": "Example Person"}, A_ROW))
    assert {(each.subject, each.predicate) for each in done.statements} == {
        ("n-1", "kind"), ("n-1", "alias"), ("p-1", "headquarters_country")
    }  # fmt: skip
    (problem,) = done.problems
    assert "natural person" in problem.problem
    assert problem.value == NOT_REPEATED


def test_an_account_of_a_natural_person() -> None:
    """What an account does is kept, also where its id is that of a natural person."""
    kind = {"subject": "n-1", "predicate": "kind", "value": "natural_person"}
    assert not read(sheet(kind, {"subject": "n-1", "predicate": "first_order_on", "value": "2026-01-01"})).problems


@pytest.mark.parametrize(
    ("one", "other", "contradict"),
    [
        ({"value": "CN"}, {"value": "SG"}, True),
        ({"value": "CN"}, {"value": "SG", "as_of": "2026-01-01"}, False),
        ({"value": "CN"}, {"value": "SG", "source": "register"}, False),
        ({"value": "CN", "ends": "2020-01-01"}, {"value": "SG", "begins": "2020-01-01"}, False),
        ({"value": "CN", "ends": "2020-01-02"}, {"value": "SG", "begins": "2020-01-01"}, True),
        ({"value": "CN"}, {"value": "CN", "confidence": "official"}, False),
        ({"predicate": "acts_for", "value": "self"}, {"predicate": "acts_for", "value": "p-2"}, True),
        ({"predicate": "acts_for", "value": "p-3"}, {"predicate": "acts_for", "value": "p-2"}, False),
    ],
)
def test_a_source_that_contradicts_itself(one: dict[str, str], other: dict[str, str], contradict: bool) -> None:
    """Of what one source says two ways of one day neither is taken; sources and days may differ."""
    done = read(sheet(A_ROW | one, A_ROW | other, A_ROW | {"subject": "p-7"}))
    assert [each.line for each in done.problems] == ([2, 3] if contradict else [])
    assert len(done.statements) == (1 if contradict else 3)


SECRETS = st.sampled_from(["Example Person", "Beispiel\tPerson", "Example Party GmbH (Berlin)", "Example, Person"])


@given(st.sampled_from([column for column in COLUMNS.known if column not in ("source", "document")]), SECRETS)
@unhurried
def test_no_name_is_repeated(column: str, secret: str) -> None:
    """A name that stands in the wrong cell is in no problem's words and no problem's place."""
    done = read(sheet(A_ROW | {column: secret}))
    for each in done.problems:
        assert secret not in each.text
        assert "Person" not in each.text
        assert "Example Party" not in each.text


def test_every_predicate_has_a_reader() -> None:
    """Something can be said with every predicate of the vocabulary."""
    of_kind = {ValueKind.COUNTRY: "SG", ValueKind.DAY: "2020-01-01", ValueKind.TEXT: "some text", ValueKind.WORD: "us"}
    for name, predicate in PREDICATES.items():
        value = predicate.words[0] if predicate.words else of_kind.get(predicate.kind, "p-2")
        ends = {"ends": "2026-12-31"} if name == "not_listed_as" else {}
        assert taken(predicate=name, value=str(value), **ends).value == str(value)


GOOD = {
    "statements": (read_statements, sheet(A_ROW, A_ROW | {"predicate": "name", "value": 'M"ü, ller'}, A_ROW)),
    "statements as JSON": (read_statements, objects(A_ROW, A_ROW | {"value": "DE"}, A_ROW | {"as_of": "2026-07-01"})),
    "accounts": (read_accounts, csv_text({}, {"tenant_id": "t-2"}, {"tenant_id": "t-3", "acts_for": "p-1"}).encode()),
    "accounts as JSON": (read_accounts, objects({"tenant_id": "t-1", "acts_for": "self"}, {"tenant_id": "t-2"})),
}


@given(st.sampled_from(sorted(GOOD)), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 9))))
@unhurried
def test_mutated_files(which: str, cuts: list[tuple[float, bytes, int]]) -> None:
    """Whatever is cut out of a good file and put into it, every row is accepted or reported."""
    reader, content = GOOD[which]
    for place, put_in, taken_out in cuts:
        at = int(place * len(content))
        content = content[:at] + put_in + content[at + taken_out :]
    assert_accounted(reader("file", content, source="crm", today=TODAY))


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "self", "dispersed", "unknown", "t-1", "p-1", "SG", "2026-07-01", "50", "natural_person", "kind", "name",
         "owned_by", "headquarters_country", "\ud800", "\0", "\u2028", "1e5", "-0", "٥"]
    ),
)  # fmt: skip
VALUES = st.one_of(CELLS, st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers(), max_size=2))


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS.known), VALUES), max_size=6))
@unhurried
def test_any_statements(rows: list[dict[str, Any]]) -> None:
    """Whatever stands in the cells, every row is accepted or reported, and a good neighbour stays good."""
    done = read(objects(*rows, A_ROW | {"subject": "p-good"}))
    assert_accounted(done)
    assert done.rows_in == len(rows) + 1
    assert "p-good" in {each.subject for each in done.statements}


@given(st.lists(st.dictionaries(st.sampled_from(tuple(csv_text().strip().split(","))), VALUES), max_size=6))
@unhurried
def test_any_accounts(rows: list[dict[str, Any]]) -> None:
    """The same of the file with one row for each tenant."""
    done = read_accounts("file", objects(*rows, {"tenant_id": "t-good"}), today=TODAY)
    assert_accounted(done)
    assert done.rows_in == len(rows) + 1
    assert "t-good" in {each.subject for each in done.statements}
