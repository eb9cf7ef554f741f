import hashlib
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kyc import a_file, csv_text

from policy.kyc.problems import KycError
from policy.kyc.tenants import TENANTS, read_tenants


def problems_of(path: Path) -> KycError:
    """Read a file that must be refused."""
    with pytest.raises(KycError) as caught:
        read_tenants(path)
    return caught.value


def test_a_good_file(tmp_path: Path) -> None:
    """A file comes back in the schema, with the digest of its bytes."""
    path = a_file(tmp_path, {"tenant_id": "t-1"}, {"tenant_id": "t-2", "as_of": "unknown", "headquarters_country": ""})
    tenants = read_tenants(path)
    assert tenants.frame.schema == TENANTS
    assert tenants.frame["as_of"].to_list() == [date(2026, 7, 1), None]
    assert tenants.frame["headquarters_country"].to_list() == ["DE", None]
    assert tenants.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert tenants.path == path


def test_unknown_is_null(tmp_path: Path) -> None:
    """An empty cell and the word unknown, however written, are both a null."""
    rows = [{"tenant_id": f"t-{at}", "declared_use": word} for at, word in enumerate(("", "unknown", "Unknown"))]
    assert read_tenants(a_file(tmp_path, *rows)).frame["declared_use"].null_count() == 3


def test_a_file_without_rows(tmp_path: Path) -> None:
    """A header alone, as a copy leaves it that was broken off, does not make every tenant unknown: it is refused."""
    (problem,) = problems_of(a_file(tmp_path)).problems
    assert "has no tenant in it" in problem.problem


def test_byte_order_mark_and_other_line_ends(tmp_path: Path) -> None:
    """A file as a spreadsheet saves it, with a byte order mark and other line ends, is read like any other."""
    path = tmp_path / "tenants.csv"
    path.write_bytes(b"\xef\xbb\xbf" + csv_text({}).replace("\n", "\r\n").encode())
    assert read_tenants(path).frame["tenant_id"].to_list() == ["t-1"]


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
        ("tenant_id", "acme corp", "white space", "opaque id"),
        ("tenant_id", " t-1", "has spaces around it", "the value alone"),
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
    assert (found.line, found.column, found.value) == (2, "ultimate_parent_share_percent", repr(share))


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
    """A tenant that is there twice is refused with both lines."""
    (found,) = problems_of(a_file(tmp_path, {}, {"tenant_id": "t-2"}, {})).problems
    assert (found.line, found.column, found.value, found.problem) == (4, "tenant_id", "'t-1'", "already in line 2")


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
            "that tenant's own row names 'p-9' above it",
        ),
        (
            [
                {"tenant_id": "t-2", "ultimate_parent_id": "p-1", "ultimate_parent_country": "CN"},
                {"ultimate_parent_id": "p-1", "ultimate_parent_country": "SG"},
            ],
            "ultimate_parent_country",
            "line 2 says CN of the same party",
        ),
        (
            [
                {"tenant_id": "t-2", "headquarters_country": "CN"},
                {"ultimate_parent_id": "t-2", "ultimate_parent_country": "SG"},
            ],
            "ultimate_parent_country",
            "line 2 says CN of the same party",
        ),
    ],
)
def test_rows_that_contradict_each_other(tmp_path: Path, rows: list[dict[str, str]], column: str, problem: str) -> None:
    """Rows that disagree about who is at the top, or where the top is headquartered, are refused together."""
    (found,) = problems_of(a_file(tmp_path, *rows)).problems
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


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", 1, "the column is missing"),
        (csv_text({}).replace(",", ";").encode(), 1, "the column is missing"),
        (csv_text({}).encode() + b"t-2,only two\n", 3, "not as many as the header"),
        (csv_text({}).encode() + b't-2,"never closed\n', 3, "no CSV"),
        (csv_text({}).encode() + b"t-2,M\xfcller\n", 3, "not UTF-8 from here on"),
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
        assert read_tenants(path).frame.schema == TENANTS
