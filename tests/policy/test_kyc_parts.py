"""A register that publishes several files, each about something else: GLEIF's level 1, level 2 and exceptions."""

import csv
import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.kyc_store import brought, imported, on_day
from support.packed import gzipped, zipped

from policy.kyc.importing.files import beginning, beginning_of
from policy.kyc.importing.forms import part_of
from policy.kyc.importing.gleif import read_gleif
from policy.kyc.problems import KycError
from policy.kyc.store.inbox import arrived
from policy.kyc.store.store import Store


def lei(prefix: str) -> str:
    """An LEI that GLEIF never issued, its check digits right."""
    body = prefix.ljust(18, "0")
    return body + f"{98 - int(''.join(str(int(each, 36)) for each in body + '00')) % 97:02}"


ONE, TWO, THREE = lei("FLOPWATCHONE"), lei("FLOPWATCHTWO"), lei("FLOPWATCHTHREE")
ENTITY = {"LEI": ONE, "Entity.LegalName": "Example Holdings", "Registration.RegistrationStatus": "ISSUED"}
RELATION = {
    "Relationship.StartNode.NodeID": ONE,
    "Relationship.EndNode.NodeID": TWO,
    "Relationship.RelationshipType": "IS_ULTIMATELY_CONSOLIDATED_BY",
    "Registration.RegistrationStatus": "ISSUED",
}
EXCEPTION = {
    "LEI": THREE,
    "Exception.Category": "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT",
    "Exception.Reason.1": "NATURAL_PERSONS",
}
LEVELS = {"lei2": ENTITY, "rr": RELATION, "repex": EXCEPTION}
KINDS = {"lei2": "lei-records", "rr": "relationship-records", "repex": "reporting-exceptions"}


def golden(*rows: Mapping[str, str]) -> bytes:
    """A golden copy with these rows."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def levels(folder: Path) -> dict[str, Path]:
    """One file of each kind, settled."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for age, (name, row) in enumerate(LEVELS.items()):
        paths[name] = folder / f"20260630-0800-gleif-goldencopy-{name}-golden-copy.csv"
        paths[name].write_bytes(golden(row))
        os.utime(paths[name], (time.time() - 60 - age,) * 2)
    return paths


def standing(store: Store) -> set[tuple[str, str, str]]:
    """What is held to be true."""
    held = store.read().as_known(on_day(900).date()).frame
    return set(held.select("subject", "predicate", "value").iter_rows())


PARENTS = {
    (f"lei:{ONE}", "ultimate_parent", f"lei:{TWO}"),
    (f"lei:{THREE}", "ultimate_parent", "self"),
}
NAME = (f"lei:{ONE}", "name", "Example Holdings")


@pytest.mark.parametrize("order", [("lei2", "rr", "repex"), ("repex", "lei2", "rr"), ("rr", "repex", "lei2")])
def test_parts_take_nothing_from_each_other(tmp_path: Path, order: tuple[str, ...]) -> None:
    """Each kind of file is all that its source says of that kind, in whatever order they come."""
    store, paths = Store.open(tmp_path / "store"), levels(tmp_path / "in")
    for day, name in enumerate(order):
        imported(store, paths[name], source="gleif", day=day)
    assert standing(store) >= {*PARENTS, NAME}
    assert [each.manifest.withdrawn for each in store.versions()] == [0, 0, 0]


def test_a_part_takes_back_its_own(tmp_path: Path) -> None:
    """What a file of one kind does not say any more is withdrawn, and only what came by that kind."""
    store, paths = Store.open(tmp_path / "store"), levels(tmp_path / "in")
    imported(store, *paths.values(), source="gleif")
    paths["rr"].write_bytes(golden({**RELATION, "Relationship.EndNode.NodeID": THREE}))
    imported(store, paths["rr"], source="gleif", day=1)
    now = {(f"lei:{ONE}", "ultimate_parent", f"lei:{THREE}"), (f"lei:{THREE}", "ultimate_parent", "self"), NAME}
    assert standing(store) >= now
    assert standing(store).isdisjoint(PARENTS - now)


def test_one_statement_in_two_parts(tmp_path: Path) -> None:
    """What two kinds of file say stays as long as one of them says it."""
    store, paths = Store.open(tmp_path / "store"), levels(tmp_path / "in")
    head = {"Entity.EntityCategory": "BRANCH", "Entity.AssociatedEntity.AssociatedLEI": TWO}
    paths["lei2"].write_bytes(golden({**ENTITY, **head}))
    paths["rr"].write_bytes(golden({**RELATION, "Relationship.RelationshipType": "IS_INTERNATIONAL_BRANCH_OF"}))
    imported(store, paths["lei2"], paths["rr"], source="gleif")
    paths["lei2"].write_bytes(golden(ENTITY))
    imported(store, paths["lei2"], source="gleif", day=1)
    assert (f"lei:{ONE}", "branch_of", f"lei:{TWO}") in standing(store)
    imported(store, source="gleif", day=2)
    assert standing(store) == set()


def test_a_file_of_two_kinds() -> None:
    """Records of two kinds in one file are reported: what such a file leaves out could not be told."""
    exception = {"lei": ONE, "category": EXCEPTION["Exception.Category"], "reason": "NATURAL_PERSONS"}
    relation = {"type": "relationship-records", "attributes": {}}
    page = [{"type": "reporting-exceptions", "attributes": exception}, relation]
    found = read_gleif("page.json", json.dumps({"data": page}).encode())
    assert [(each.line, each.problem) for each in found.problems] == [(2, "another kind of record than the first")]
    assert found.part == "reporting-exceptions"
    assert found.accepted == 1


def test_a_watched_folder_holds_all_parts(tmp_path: Path) -> None:
    """Of each kind the newest file waits, packed or not, the oldest first; of other forms the newest alone."""
    paths = levels(tmp_path / "gleif")
    newer = paths["rr"].with_name("newer.csv.gz")
    newer.write_bytes(gzipped(golden(RELATION)))
    os.utime(newer, (time.time() - 30,) * 2)
    (tmp_path / "crm").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "crm" / name).write_text("subject,predicate,value\n", encoding="utf-8")
    found = arrived(tmp_path, time.time(), part_of)
    assert [(each.source, each.path.name) for each in found] == [
        ("crm", "b.csv"),
        ("gleif", paths["repex"].name),
        ("gleif", paths["lei2"].name),
        ("gleif", "newer.csv.gz"),
    ]


@pytest.mark.parametrize(
    ("seconds_ahead", "is_settled"), [(-3600, True), (-2, True), (-1, False), (0, False), (1, False), (3600, True)]
)
def test_when_a_file_is_settled(tmp_path: Path, seconds_ahead: int, is_settled: bool) -> None:
    """A file waits while its time is near the clock's, before it or after, and no longer, wherever its time is from."""
    path, now = tmp_path / "crm" / "said.csv", 1_780_000_000
    path.parent.mkdir()
    path.touch()
    os.utime(path, (now + seconds_ahead,) * 2)
    (found,) = arrived(tmp_path, now, part_of)
    assert found.is_settled is is_settled


@pytest.mark.parametrize("name", list(LEVELS))
def test_a_part_is_told_from_the_beginning(tmp_path: Path, name: str) -> None:
    """Which part a file is shows in its first characters, plain, packed, or as an answer of the API."""
    content = golden(LEVELS[name])
    answer = json.dumps({"meta": {}, "data": [{"type": KINDS[name], "id": ONE, "attributes": {}}]}).encode()
    for each in (content, gzipped(content), zipped(content), answer):
        path = tmp_path / "file"
        path.write_bytes(each)
        assert part_of(path) == KINDS[name]
        assert beginning_of(path) == beginning(each)
    assert read_gleif(path.name, content).part == KINDS[name]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x1f\x8b", b"tenant_id,party_name\n", b'{"schema": "Person"}']
)
def test_what_has_no_parts(tmp_path: Path, content: bytes) -> None:
    """A file of another form, or one that cannot be read, is no part of anything."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert part_of(path) == part_of(tmp_path / "missing") == ""


def test_half_of_a_part(tmp_path: Path) -> None:
    """A file of one kind is held against what came by that kind, however much more the source says."""
    store, folder = Store.open(tmp_path / "store"), tmp_path / "in"
    paths = levels(folder)
    many = [{**ENTITY, "LEI": lei(f"FLOPWATCH{number:04}X")} for number in range(400)]
    paths["lei2"].write_bytes(golden(*many))
    relations = [{**RELATION, "Relationship.StartNode.NodeID": each["LEI"]} for each in many[:50]]
    paths["rr"].write_bytes(golden(*relations))
    imported(store, *paths.values(), source="gleif")
    paths["rr"].write_bytes(golden(*relations[:25]))
    with pytest.raises(KycError, match="nothing for 25 of the 50"):
        store.plan(brought(paths["rr"], source="gleif", day=1), on_day(1))
