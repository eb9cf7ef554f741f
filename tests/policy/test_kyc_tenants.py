import hashlib
import json
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kyc import ROW, a_file, csv_text

from policy.kyc.importing.accounts import TENANTS
from policy.kyc.open import read_directory
from policy.kyc.problems import KycError
from policy.kyc.repeated import repeated
from policy.kyc.statements import STATEMENTS, statements_of


def problems_of(path: Path) -> KycError:
    """Read a file that must be refused."""
    with pytest.raises(KycError) as caught:
        read_directory(path)
    return caught.value


def said(path: Path) -> set[tuple[str, str, str]]:
    """What a good file says: of whom, what, and which value."""
    return set(read_directory(path).frame.select("subject", "predicate", "value").iter_rows())


def test_a_good_file(tmp_path: Path) -> None:
    """A row becomes statements about an account and the party of the same id, with its source and its day."""
    directory = read_directory(a_file(tmp_path, {"declared_use": "weather", "acts_for": "p-2 p-1"}))
    assert directory.frame.schema == STATEMENTS
    view = directory.around(["t-1"])
    expected = {
        "customer": ("t-1",),
        "name": ("Example Party GmbH",),
        "registered_country": ("DE",),
        "headquarters_country": ("DE",),
        "ultimate_parent": ("self",),
        "declared_use": ("weather",),
        "acts_for": ("p-1", "p-2"),
    }
    assert {name: view.values("t-1", name, date(2026, 7, 1)) for name in expected} == expected
    assert directory.frame.height == 8
    for each in view.of("t-1", "headquarters_country", date(2026, 7, 1)):
        assert (each.source, each.as_of, each.confidence) == ("register", date(2026, 7, 1), "stated")
        assert (each.known_from, each.known_to) == (None, None)


def test_the_digest(tmp_path: Path) -> None:
    """The digest is of the file's bytes."""
    path = a_file(tmp_path, {})
    assert read_directory(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_said_of_the_parent(tmp_path: Path) -> None:
    """What a row says of its ultimate parent is said of that party, and its share of the tenant."""
    parent = {"ultimate_parent_id": "p-1", "ultimate_parent_name": "Above", "ultimate_parent_country": "CN"}
    directory = read_directory(a_file(tmp_path, parent | {"ultimate_parent_share_percent": "62.5"}))
    found = {(each.subject, each.predicate): each for each in statements_of(directory.frame)}
    assert found["t-1", "ultimate_parent"].value == "p-1"
    assert found["p-1", "name"].value == "Above"
    assert found["p-1", "headquarters_country"].value == "CN"
    owner = found["t-1", "owned_by"]
    assert (owner.value, owner.share_low_percent, owner.share_high_percent) == ("p-1", 62.5, 62.5)


@pytest.mark.parametrize(
    "told",
    [{"ultimate_parent_country": "CN"}, {"ultimate_parent_name": "Above"}, {"ultimate_parent_share_percent": "51"}],
)
def test_a_parent_without_id(tmp_path: Path, told: dict[str, str]) -> None:
    """A parent of which something is known but its id is there all the same: a country of it is not lost."""
    path = a_file(tmp_path, {"ultimate_parent_id": ""} | told)
    assert ("t-1", "ultimate_parent", "t-1:ultimate-parent") in said(path)
    is_told = ("t-1:ultimate-parent", "headquarters_country", "CN") in said(path)
    assert is_told == ("ultimate_parent_country" in told)


def test_no_parent_is_no_statement(tmp_path: Path) -> None:
    """Where nothing is known of a parent nothing is said, and in particular not that there is none."""
    assert "ultimate_parent" not in {
        predicate for _, predicate, _ in said(a_file(tmp_path, {"ultimate_parent_id": ""}))
    }


def test_unknown_is_no_statement(tmp_path: Path) -> None:
    """An empty cell and the word unknown, however written, both say nothing."""
    rows = [{"tenant_id": f"t-{at}", "acts_for": word} for at, word in enumerate(("", "unknown", "Unknown"))]
    assert "acts_for" not in {predicate for _, predicate, _ in said(a_file(tmp_path, *rows))}


def test_one_parent_of_many(tmp_path: Path) -> None:
    """What several rows say alike of one parent is there once."""
    above = {"ultimate_parent_id": "p-1", "ultimate_parent_country": "SG"}
    path = a_file(tmp_path, above, above | {"tenant_id": "t-2"})
    assert read_directory(path).frame.filter(subject="p-1").height == 1


def test_json_lines(tmp_path: Path) -> None:
    """The same rows as JSON Lines say the same; a number may be one, and a key with nothing may be left out."""
    row = {"ultimate_parent_id": "p-1", "ultimate_parent_share_percent": "62.5"}
    written = a_file(tmp_path, row)
    as_json = tmp_path / "tenants.jsonl"
    as_json.write_text(json.dumps(ROW | row | {"ultimate_parent_share_percent": 62.5, "declared_use": None}) + "\n")
    assert statements_of(read_directory(as_json).frame) == statements_of(read_directory(written).frame)


def test_a_file_without_rows(tmp_path: Path) -> None:
    """A header alone, as a copy leaves it that was broken off, does not make every tenant unknown: it is refused."""
    (problem,) = problems_of(a_file(tmp_path)).problems
    assert "has no tenant in it" in problem.problem


def test_byte_order_mark_and_other_line_ends(tmp_path: Path) -> None:
    """A file as a spreadsheet saves it, with a byte order mark and other line ends, is read like any other."""
    path = tmp_path / "tenants.csv"
    path.write_bytes(b"\xef\xbb\xbf" + csv_text({}).replace("\n", "\r\n").encode())
    assert ("t-1", "customer", "t-1") in said(path)


@pytest.mark.parametrize(
    ("column", "cell", "problem", "expected"),
    [
        ("headquarters_country", "DEU", "no country code", "here probably DE"),
        ("headquarters_country", "UK", "no country code", "here probably GB"),
        ("registered_country", "cn", "no country code", "here probably CN"),
        ("registered_country", "XX", "no country code", "alpha-2"),
        ("tenant_id", "", "every row needs a tenant", "opaque account id"),
        ("tenant_id", "unknown", "every row needs a tenant", "opaque account id"),
        ("tenant_id", "self", "'self' is no account", "opaque account id"),
        ("tenant_id", " t-1", "has spaces around it", "the value alone"),
        ("ultimate_parent_id", "dispersed", "a word that is no id", "opaque id"),
        ("ultimate_parent_id", "Self", "another way of writing a word", "the word 'self' in small letters"),
        ("as_of", "2026-02-30", "no date", "2026-07-23"),
        ("as_of", "20260701", "another way of writing a date", "2026-07-23"),
        ("as_of", "01/07/2026", "no date", "2026-07-23"),
    ],
)
def test_bad_cells(tmp_path: Path, column: str, cell: str, problem: str, expected: str) -> None:
    """A bad cell gives one problem with file, line, column, value, what is wrong and what is expected."""
    error = problems_of(a_file(tmp_path, {"tenant_id": "t-0"}, {column: cell}))
    (found,) = error.problems
    assert (found.file, found.line, found.column, found.value) == ("tenants.csv", 3, column, repr(cell))
    assert problem in found.problem
    assert expected in found.expected
    assert found.text in str(error)


@pytest.mark.parametrize("share", ["-5", "100.1", "nan", "50%", "1e1", "1_0", "٥"])
def test_bad_shares(tmp_path: Path, share: str) -> None:
    """A share is a plain number from 0 to 100 and nothing that merely converts to one."""
    row = {"ultimate_parent_id": "p-1", "ultimate_parent_share_percent": share}
    (found,) = problems_of(a_file(tmp_path, row)).problems
    assert (found.line, found.column) == (2, "ultimate_parent_share_percent")
    assert found.value == repeated(share)


def test_missing_column(tmp_path: Path) -> None:
    """A column that is not there is named, at line 1."""
    columns = tuple(column for column in TENANTS if column != "headquarters_country")
    (found,) = problems_of(a_file(tmp_path, {}, columns=columns)).problems
    assert (found.line, found.column, found.problem) == (1, "headquarters_country", "the column is missing")


def test_extra_column(tmp_path: Path) -> None:
    """A column too many is refused by name, so that nothing about natural persons slips in."""
    (found,) = problems_of(a_file(tmp_path, {}, columns=(*TENANTS, "contact_nationality"))).problems
    assert (found.line, found.column) == (1, "contact_nationality")
    assert "not one of this file's" in found.problem


def test_column_twice(tmp_path: Path) -> None:
    """A column that is there twice is refused: one of the two would be overlooked."""
    (found,) = problems_of(a_file(tmp_path, {}, columns=(*TENANTS, "as_of"))).problems
    assert (found.line, found.column, found.problem) == (1, "as_of", "the column is there more than once")


def test_tenant_twice(tmp_path: Path) -> None:
    """Of a tenant that is there twice both rows are refused, each with the other's line: either may be right."""
    first, found = problems_of(a_file(tmp_path, {}, {"tenant_id": "t-2"}, {})).problems
    assert (found.line, found.column, found.value, found.problem) == (4, "tenant_id", "'t-1'", "already in line 2")
    assert (first.line, first.problem) == (2, "there again in line 4")


@pytest.mark.parametrize(
    ("column", "cell"),
    [("ultimate_parent_name", "Above"), ("ultimate_parent_country", "CN"), ("ultimate_parent_share_percent", "51")],
)
def test_nothing_above_the_top(tmp_path: Path, column: str, cell: str) -> None:
    """A party that is its own ultimate parent has no other parent described beside it."""
    (found,) = problems_of(a_file(tmp_path, {column: cell})).problems
    assert (found.line, found.column) == (2, column)
    assert "ultimate_parent_id is 'self'" in found.problem


@pytest.mark.parametrize(
    ("rows", "column", "problem"),
    [
        ([{"ultimate_parent_id": "t-1"}], "ultimate_parent_id", "the tenant itself"),
        (
            [{"tenant_id": "t-2", "ultimate_parent_id": "p-9"}, {"ultimate_parent_id": "t-2"}],
            "ultimate_parent_id",
            "that tenant's own row names another one above it",
        ),
        (
            [
                {"tenant_id": "t-2", "ultimate_parent_id": "p-1", "ultimate_parent_country": "CN"},
                {"ultimate_parent_id": "p-1", "ultimate_parent_country": "SG"},
            ],
            "ultimate_parent_country",
            "line 2 says another country of the same party",
        ),
        (
            [
                {"tenant_id": "t-2", "headquarters_country": "CN"},
                {"ultimate_parent_id": "t-2", "ultimate_parent_country": "SG"},
            ],
            "ultimate_parent_country",
            "line 2 says another country of the same party",
        ),
    ],
)
def test_rows_that_contradict_each_other(tmp_path: Path, rows: list[dict[str, str]], column: str, problem: str) -> None:
    """Rows that disagree about who is at the top, or where the top is headquartered, are refused together."""
    *others, found = problems_of(a_file(tmp_path, *rows)).problems
    assert [(each.line, each.column) for each in others] == [(2, column)] * (column == "ultimate_parent_country")
    assert (found.line, found.column, found.problem) == (len(rows) + 1, column, problem)


def test_lines_after_a_quoted_line_break(tmp_path: Path) -> None:
    """A problem is reported at the line its row begins on, after quoted line breaks and empty lines too."""
    path = a_file(tmp_path, {"tenant_id": "t-0", "declared_use": "weather\nand\u2028climate"}, {"as_of": "soon"})
    path.write_text(path.read_text(encoding="utf-8").replace("t-1", "\n\nt-1"), encoding="utf-8")
    (found,) = problems_of(path).problems
    assert path.read_text(encoding="utf-8").split("\n")[found.line - 1].startswith("t-1")


def test_all_problems_at_once(tmp_path: Path) -> None:
    """All problems of a file come in one error, the first 20 in its text, and nothing is loaded."""
    rows = [{"tenant_id": f"t-{at}", "headquarters_country": "XX"} for at in range(25)]
    error = problems_of(a_file(tmp_path, *rows))
    assert [each.line for each in error.problems] == list(range(2, 27))
    assert str(error).count("no country code") == 20
    assert str(error).endswith("and 5 more")


def test_names_are_not_repeated(tmp_path: Path) -> None:
    """No error repeats a name, because errors reach logs."""
    error = problems_of(a_file(tmp_path, {"party_name": " Secret Party "}))
    assert "Secret" not in str(error)
    assert error.problems[0].column == "party_name"


@pytest.mark.parametrize("column", ["tenant_id", "ultimate_parent_id"])
def test_a_name_in_the_place_of_an_id(tmp_path: Path, column: str) -> None:
    """What stands for an id and has a space inside is likely a name, and no error repeats it."""
    error = problems_of(a_file(tmp_path, {column: "Secret Party"}))
    assert "Secret" not in str(error)
    assert "white space" in error.problems[0].problem


@pytest.mark.parametrize(
    ("acts_for", "problem"),
    [("self p-1", "'self' beside others"), ("Self", "another way of writing"), ("t-1 p-1", "the tenant itself")],
)
def test_for_whom_it_acts(tmp_path: Path, acts_for: str, problem: str) -> None:
    """The word self stands alone, and a tenant does not act for itself in any other way."""
    (found,) = problems_of(a_file(tmp_path, {"acts_for": acts_for})).problems
    assert found.column == "acts_for"
    assert problem in found.problem


def test_a_sheet_without_header(tmp_path: Path) -> None:
    """Where the first line is no header its cells are no names of columns, and no error repeats them."""
    path = tmp_path / "tenants.csv"
    path.write_text("t-1,Secret,DE,DE,self,,,,,self,register,2026-07-01\n")
    error = problems_of(path)
    assert "Secret" not in str(error)
    assert "Secret" not in "".join(each.place for each in error.problems)


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", 1, "of no form that shows"),
        (csv_text({}).replace(",", ";").encode(), 1, "the column is missing"),
        (csv_text({}).encode() + b"t-2,only two\n", 3, "not as many as the header"),
        (csv_text({}).encode() + b't-2,"never closed\n', 3, "no CSV"),
        (csv_text({}).encode() + b"t-2,M\xfcller\n", 3, "not UTF-8 from here on"),
        (b'{"tenant_id": "t-1", "contact_nationality": "DE"}', 1, "the key is not one of this file's"),
        (b'{"tenant_id": "t-1"}\n{"tenant_id": "t-2", "tenant_id": "t-3"}', 2, "the same key more than once"),
        (b'{"tenant_id": "t-1"}\n["t-2"]', 2, "no object"),
        (b'{"tenant_id": 1}', 1, "not a JSON string"),
        (b'{"tenant_id": "t-1", "ultimate_parent_share_percent": NaN}', 1, "a number that is none"),
        (b'{"tenant_id": "t-1", "party_name": "\\ud800"}', 1, "control character"),
        (b'{"tenant_id": ' + b"[" * 100_000, 1, "no JSON"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, line: int, problem: str) -> None:
    """What is no CSV file in UTF-8 with these columns is refused with the line where that shows."""
    path = tmp_path / "tenants.csv"
    path.write_bytes(content)
    first = problems_of(path).problems[0]
    assert first.line == line
    assert problem in first.problem


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is an error of the same kind, with its path."""
    error = problems_of(tmp_path / "nowhere.csv")
    assert str(tmp_path / "nowhere.csv") in str(error)
    assert "cannot be read" in error.problems[0].problem


@given(st.binary(max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever follows a good header, the file is loaded or refused with problems, and nothing else happens."""
    path = tmp_path_factory.mktemp("kyc") / "tenants.csv"
    path.write_bytes(csv_text({}).encode() + content)
    with suppress(KycError):
        assert read_directory(path).frame.schema == STATEMENTS
