"""Lists of parties as they are published, broken, and made up."""

import csv
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import REPOSITORY
from support.judgement import unhurried
from support.screening import CODES, EL, PERSONAL, a_list, csl_text, json_text

from policy.kyc.problems import KycError
from policy.kyc.screening.list_rows import SIMPLE_COLUMNS
from policy.kyc.screening.lists import ENTRIES, ScreeningList, read_list

RECORDED = Path(os.environ.get("FLOPWATCH_RECORDED_DATA", REPOSITORY.parent / "shared" / "data")) / "screening"
recorded = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="no recorded lists here; FLOPWATCH_RECORDED_DATA may name the folder that has them"
)
FULL = {
    "name": "Example Works; and any successor, sub-unit, or subsidiary thereof",
    "type": "Entity",
    "programs": "FIRST; SECOND",
    "alt_names": "Example Plant; Example Mill; and Example Yard; and any successor thereof",
    "addresses": "1 Example Road, Kowloon, HK; 2 Example Street, Somewhere; CN",
}


UNREAD_NAME = "name, (not repeated): has nothing in it that could be compared; expected a name with letters or digits"
UNREAD_ENTRY = "entry, (not repeated): has white space or an @ in it; expected an id without them"


def read(folder: Path, text: str, **options: int) -> ScreeningList:
    """Read a text as a list."""
    return read_list(a_list(folder, text), CODES, **options)


def refused(folder: Path, text: str, **options: int) -> str:
    """Why a text is refused."""
    with pytest.raises(KycError) as caught:
        read(folder, text, **options)
    (problem,) = caught.value.problems
    return problem.text


@pytest.mark.parametrize("older", [False, True])
def test_both_layouts(tmp_path: Path, older: bool) -> None:
    """Both layouts of the CSV give the same entry, with several values parted and countries by their code."""
    found = read(tmp_path, csl_text(FULL, older=older))
    assert found.entries.schema == ENTRIES
    row = found.entries.row(0, named=True)
    assert row["list"] == "EL"
    assert row["aliases"] == ["Example Plant", "Example Mill", "Example Yard"]
    assert [each["country"] for each in row["addresses"]] == ["HK", None, "CN"]
    assert row["programmes"] == ["FIRST", "SECOND"]
    assert row["kind"] == "organisation"
    assert (found.rows, found.accepted, found.problems) == (1, 1, ())


def test_json_is_the_same(tmp_path: Path) -> None:
    """A record of the JSON gives what its row in the CSV gives, in an object or a plain array."""
    record = {
        "name": FULL["name"],
        "type": "Entity",
        "programs": ["FIRST", "SECOND"],
        "alt_names": ["Example Plant", "Example Mill", "Example Yard"],
        "addresses": [
            {"address": "1 Example Road", "city": "Kowloon", "state": None, "postal_code": "", "country": "HK"},
            {"address": "2 Example Street", "city": "Somewhere", "country": None},
            {"country": "CN"},
        ],
    }
    whole = read(tmp_path, json_text(record)).entries
    assert whole.equals(read(tmp_path, json_text(record, whole=False)).entries)
    assert whole.equals(read(tmp_path, csl_text(FULL)).entries)


@pytest.mark.parametrize(
    "said", ["any successor, sub-unit, or subsidiary thereof", "and Its Successors", "ALL SUCCESSORS"]
)
def test_what_is_nobodys_name(tmp_path: Path, said: str) -> None:
    """What a list says of successors without a name is no alias, in the CSV and in the JSON."""
    names = ["Example Plant", said]
    for text in (json_text({"alt_names": names}), csl_text({"alt_names": "; ".join(names)})):
        assert read(tmp_path, text).entries["aliases"].to_list() == [["Example Plant"]]


def test_simple_form(tmp_path: Path) -> None:
    """Any list can be written with a list, an entry and a name in each row."""
    found = read(tmp_path, "list,entry,name,aliases\nEL,e-1,Example Works,Example Plant; Example Mill\n")
    assert found.entries["aliases"].to_list() == [["Example Plant", "Example Mill"]]
    assert found.entries["entry"].to_list() == ["e-1"]


def test_blank_type_is_no_person(tmp_path: Path) -> None:
    """An entry of which the list does not say what it is stays unknown."""
    kinds = read(tmp_path, csl_text(*({"type": each} for each in ("", "Individual", "Vessel", "Else")))).entries["kind"]
    assert kinds.to_list() == ["unknown", "individual", "vessel", "unknown"]


def test_ids_of_a_list_without_ids(tmp_path: Path) -> None:
    """Without ids an entry is known by its list and name, whatever else changes, and its rows are one entry."""
    first = read(tmp_path, csl_text({**FULL, "addresses": "A 1, CN"}, {**FULL, "addresses": "B 2, HK"}, older=True))
    later = read(tmp_path, csl_text({"name": "Other"}, {**FULL, "alt_names": "", "addresses": ""}, older=True))
    assert first.entries.height == 1
    assert len(first.entries["addresses"][0]) == 2
    assert (first.rows, first.accepted) == (2, 2)
    assert first.entries["entry"][0] in later.entries["entry"].to_list()


@pytest.mark.parametrize("older", [False, True])
def test_nothing_personal_is_kept(tmp_path: Path, older: bool) -> None:
    """Nationality, citizenship, day and place of birth, titles, remarks and papers are in no column of any entry."""
    kept = str(read(tmp_path, csl_text({"type": "Individual"}, older=older)).entries.to_dicts())
    kept += str(read(tmp_path, json_text({"type": "Individual"})).entries.to_dicts())
    assert not [value for value in PERSONAL.values() if value in kept]
    assert set(ENTRIES) == {"list", "list_title", "entry", "name", "aliases", "addresses", "programmes", "kind"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a header of no form"),
        ("list,entry\nEL,1\n", "a header of no form"),
        ("list,entry,name,nationalities\nEL,1,Example,CN\n", "a header of no form"),
        ("list,entry,name,name\nEL,1,Example,Example\n", "a header of no form"),
        ('list,entry,name\nEL,1,"Example\n', "no CSV"),
        ("list,entry,name\n", "has 0 rows"),
        ("{", "no JSON"),
        ('{"results": 3}', "no list of results"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, reason: str) -> None:
    """A file of no known form is refused in one line that says why."""
    assert reason in refused(tmp_path, text)


def test_a_file_that_was_broken_off(tmp_path: Path) -> None:
    """A list with fewer rows than it must have is refused."""
    assert "has 2 rows" in refused(tmp_path, csl_text({}, {}), min_rows=3)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is refused like a bad one."""
    with pytest.raises(KycError, match="cannot be read"):
        read_list(tmp_path / "absent.csv", CODES)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"source": "Secret List"},
            "source, (not repeated): no list that the facts have; expected a list's title or code as in the facts",
        ),
        ({"name": ""}, "name, (not repeated): is empty; expected a name in every row"),
        ({"name": "---"}, UNREAD_NAME),
        ({"name": "***", "alt_names": "???; ..."}, UNREAD_NAME),
        (
            {"_id": "id-0"},
            "entry, (not repeated): the list has an entry of this id already; expected one row for each entry",
        ),
        ({"_id": "Secret space"}, UNREAD_ENTRY),
        ({"_id": "Secret@sign"}, UNREAD_ENTRY),
    ],
)
def test_bad_rows_are_reported(tmp_path: Path, row: dict[str, str], said: str) -> None:
    """A bad row is reported with its line, its column and what to write, without its text, and the others are read."""
    found = read(tmp_path, csl_text({}, {"name": "Example Secret", **row}, {}))
    assert [each.text for each in found.problems] == [f"list.csv:3, {said}"]
    assert (found.rows, found.accepted) == (3, 2)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("EL,e-2,Secret", "whole row, (not repeated): has 3 cells; expected 4 cells, as the header has"),
        ("EL,,Secret,", "entry, (not repeated): is empty; expected an id in every row"),
    ],
)
def test_bad_rows_of_the_simple_form_are_reported(tmp_path: Path, row: str, said: str) -> None:
    """A row of the simple form that is none is reported with what to write, and the others are read."""
    found = read(tmp_path, f"list,entry,name,aliases\nEL,e-1,Example,\n{row}\nEL,e-3,Example,\n")
    assert [each.text for each in found.problems] == [f"list.csv:3, {said}"]
    assert found.entries["entry"].to_list() == ["e-1", "e-3"]


NO_TEXT = "name, (not repeated): is no text; expected a text, or null"
NO_ADDRESSES = (
    "addresses, (not repeated): is no array of addresses; expected an array of objects with address, city, country"
)
NO_OBJECT = "whole row, (not repeated): is no object; expected an object for each entry"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (3, NO_OBJECT),
        (None, NO_OBJECT),
        ({"name": 5}, NO_TEXT),
        ({"name": []}, NO_TEXT),
        ({"alt_names": [1]}, "alt_names, (not repeated): is no array of texts; expected an array of texts"),
        ({"addresses": [1]}, NO_ADDRESSES),
        ({"addresses": [{"city": 2}]}, NO_ADDRESSES),
    ],
)
def test_bad_records_are_reported(tmp_path: Path, record: object, said: str) -> None:
    """A record of another shape is reported with what to write, whatever it is."""
    good = json.loads(json_text({}, whole=False))
    bad = {**good[0], "id": "other", **record} if isinstance(record, dict) else record
    found = read(tmp_path, json.dumps([*good, bad]))
    assert (found.rows, found.accepted) == (2, 1)
    assert [each.text for each in found.problems] == [f"list.csv:2, {said}"]


cells = st.text(alphabet=st.sampled_from("ab ;,\"'\n@é中1"), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["EL", EL, "other", ""]), cells, cells, cells), max_size=8))
@unhurried
def test_every_row_is_accepted_or_reported(rows: list[tuple[str, ...]]) -> None:
    """Whatever cells say, each row is accepted or reported, and none is both."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(SIMPLE_COLUMNS[:4])
            writer.writerows(rows)
        found = read_list(path, CODES, min_rows=0)
        assert found.rows == len(rows) == found.accepted + len(found.problems)
        assert found.entries.height == found.accepted


@pytest.mark.parametrize("seed", range(150))
def test_damaged_files(tmp_path: Path, seed: int) -> None:
    """A file with bytes changed, lost or doubled is refused in words or read with every row accounted for."""
    random = Random(seed)
    text = random.choice([csl_text(FULL, {}, {}), csl_text(FULL, {}, older=True), json_text({}, {}, {})])
    content = bytearray(text.encode())
    for _ in range(random.choice([1, 3, 20])):
        at = random.randrange(len(content))
        match random.randrange(3):
            case 0:
                content[at] = random.randrange(256)
            case 1:
                del content[at : at + random.randrange(40)]
            case _:
                content[at:at] = content[at : at + random.randrange(40)]
    path = tmp_path / "damaged"
    path.write_bytes(bytes(content))
    found = None
    with suppress(KycError):
        found = read_list(path, CODES)
    assert found is None or found.rows == found.accepted + len(found.problems)


@recorded
@pytest.mark.parametrize(("file", "rows"), [("csl_2019_layout.csv", 49), ("csl_current_layout.csv", 7)])
def test_recorded_lists(file: str, rows: int) -> None:
    """Rows of the published list are read to the last, in both layouts, and every address has its country."""
    with (RECORDED / file).open(encoding="utf-8-sig", newline="") as opened:
        sources = {row["source"] for row in csv.DictReader(opened)}
    titles = {source: re.sub(r"[^A-Z]", "", source) for source in sources}
    found = read_list(RECORDED / file, titles)
    assert (found.rows, found.accepted) == (rows, rows)
    addresses = found.entries["addresses"].explode().drop_nulls().struct.field("country")
    assert addresses.null_count() == 0
