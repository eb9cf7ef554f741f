import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import kyc_store
from support.judgement import unhurried
from support.kyc import a_file
from support.kyc_store import NOON, brought, imported, on_day, said

from policy.kyc.directory import Directory
from policy.kyc.importing.forms import Asked, read_file
from policy.kyc.importing.known import known_leis
from policy.kyc.open import read_directory, watched_file
from policy.kyc.problems import KycError
from policy.kyc.statements import Statement
from policy.kyc.store.changes import changes_between
from policy.kyc.store.storage import HEAD, StoreError
from policy.kyc.store.store import Store
from policy.latest import Latest

TODAY = NOON.date()
HQ = "p-1,headquarters_country,"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with nothing in it."""
    return Store.open(tmp_path / "store")


def values(directory: Directory, day: date, subject: str = "p-1", predicate: str = "headquarters_country") -> list[str]:
    """What is said of a subject, as known on a day."""
    frame = directory.as_known(day).frame.filter(subject=subject, predicate=predicate)
    return sorted(frame["value"])


def files_of(store: Store) -> dict[str, bytes]:
    """Every file of a store, but for the lock."""
    paths = [path for path in store.folder.rglob("*") if path.is_file() and path.name != "store.lock"]
    return {str(path.relative_to(store.folder)): path.read_bytes() for path in paths}


def refused(store: Store, *paths: Path, **how: object) -> KycError:
    """What an import is refused with; the store has to be as it was."""
    before = files_of(store)
    with pytest.raises(KycError) as caught:
        imported(store, *paths, **how)
    assert files_of(store) == before
    return caught.value


# Versions


def test_a_new_store_is_empty(store: Store) -> None:
    """A store that has been begun is there, and says nothing."""
    assert Store.existing(store.folder).read().frame.is_empty()
    assert store.versions() == ()


def test_the_first_import(store: Store, tmp_path: Path) -> None:
    """What a file does not date is known from the day of its import on; the directory has the manifest's digest."""
    _, version = imported(store, said(tmp_path, HQ + "CN"))
    directory = store.read()
    assert version is not None
    assert directory.digest == version.digest
    assert values(directory, TODAY) == ["CN"]
    assert values(directory, TODAY - timedelta(days=1)) == []


def test_a_file_may_date_what_it_says_back(store: Store, tmp_path: Path) -> None:
    """A day since which it was known is kept as the file has it, and the moment of the import beside it."""
    _, version = imported(store, said(tmp_path, HQ + "CN,,2026-03-01"))
    assert values(store.read(), date(2026, 3, 1)) == ["CN"]
    assert version is not None
    assert version.manifest.moment == NOON.isoformat()


def test_a_file_is_the_whole_truth_of_its_source(store: Store, tmp_path: Path) -> None:
    """What a source does not say any more is withdrawn on that day, and is still known for the days before."""
    imported(store, said(tmp_path, HQ + "CN", "p-2,headquarters_country,SG"))
    imported(store, said(tmp_path, HQ + "DE"), day=10)
    directory = store.read()
    assert values(directory, on_day(9).date()) == ["CN"]
    assert values(directory, on_day(10).date()) == ["DE"]
    assert values(directory, on_day(9).date(), "p-2") == ["SG"]
    assert values(directory, on_day(10).date(), "p-2") == []


def test_other_sources_stay(store: Store, tmp_path: Path) -> None:
    """An import takes nothing from another source, and where the two contradict both are there."""
    imported(store, said(tmp_path, HQ + "CN"), source="register")
    imported(store, said(tmp_path, HQ + "SG"), source="crm")
    imported(store, said(tmp_path, HQ + "DE"), source="crm", day=1)
    assert values(store.read(), on_day(1).date()) == ["CN", "DE"]


def test_the_same_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    """The same rows, in another order or twice, make no version and write no byte."""
    imported(store, said(tmp_path, HQ + "CN", "p-2,headquarters_country,SG"))
    before = files_of(store)
    _, version = imported(store, said(tmp_path, "p-2,headquarters_country,SG", HQ + "CN", HQ + "CN"), day=5)
    assert version is None
    assert files_of(store) == before


def test_a_statement_that_stays_keeps_its_day(store: Store, tmp_path: Path) -> None:
    """What is said again is known since it was said first."""
    imported(store, said(tmp_path, HQ + "CN"))
    imported(store, said(tmp_path, HQ + "CN", "p-2,headquarters_country,SG"), day=5)
    assert values(store.read(), TODAY) == ["CN"]
    assert store.versions()[-1].manifest.added == 1


def test_a_statement_that_comes_back(store: Store, tmp_path: Path) -> None:
    """What is said, not said, and said again is known on the days on which it was, also when all is on one day."""
    with_it, without = said(tmp_path, HQ + "CN", "p-2,kind,branch"), said(tmp_path, "p-2,kind,branch", name="less.csv")
    for day, path in ((0, with_it), (3, without), (3, with_it), (3, without), (6, with_it)):
        imported(store, path, day=day)
    directory = store.read()
    known = [values(directory, on_day(day).date()) for day in range(8)]
    assert known == [["CN"]] * 3 + [[]] * 3 + [["CN"]] * 2


def test_several_files_are_one_truth(store: Store, tmp_path: Path) -> None:
    """Files that are imported together are together what the source says."""
    first, second = said(tmp_path, HQ + "CN"), said(tmp_path, "p-2,kind,branch", name="more.csv")
    _, version = imported(store, first, second)
    assert version is not None
    assert [each.name for each in version.manifest.files] == ["said.csv", "more.csv"]
    assert imported(store, second, first, day=1)[1] is None


def test_files_that_contradict_each_other(store: Store, tmp_path: Path) -> None:
    """Files of one source that say two things of one day are refused together, by the party's id and what is said."""
    first, second = said(tmp_path, HQ + "CN", "p-1,name,Example"), said(tmp_path, HQ + "SG", name="other.csv")
    assert "'p-1' headquarters_country is said in two ways" in str(refused(store, first, second))
    imported(store, first, said(tmp_path, HQ + "SG,2026-01-01", "p-1,name,Example Ltd", name="other.csv"))


# What is not the whole truth


def test_partial_adds(store: Store, tmp_path: Path) -> None:
    """With a file that is not the whole truth, whatever it does not speak of stays."""
    imported(store, said(tmp_path, HQ + "CN", "p-1,owned_by,p-7"))
    imported(store, said(tmp_path, "p-1,owned_by,p-8"), whole=False, day=1)
    assert values(store.read(), on_day(1).date()) == ["CN"]
    assert values(store.read(), on_day(1).date(), "p-1", "owned_by") == ["p-7", "p-8"]


@pytest.mark.parametrize(
    ("first", "then", "known"),
    [
        ("CN", "SG", ["SG"]),
        ("CN,2026-06-01", "SG", ["CN", "SG"]),
        ("CN", "SG,2026-06-30", ["CN", "SG"]),
        ("CN", "SG,2026-07-01", ["SG"]),
        ("CN,,2026-06-01", "SG,2026-05-31", ["CN", "SG"]),
        ("CN,,2026-06-01", "SG,2026-06-01", ["SG"]),
        ("CN,,2026-06-01", "SG,,2026-05-01", ["CN", "SG"]),
        ("CN,2026-06-01", "SG,2026-06-01", ["SG"]),
        ("CN,2026-06-01", "SG,2026-05-01", ["CN", "SG"]),
    ],
)
def test_a_partial_correction(store: Store, tmp_path: Path, first: str, then: str, known: list[str]) -> None:
    """Of what has one value the new one takes the old one's place, unless it is of a day before, or has none."""
    imported(store, said(tmp_path, HQ + first))
    imported(store, said(tmp_path, HQ + then), whole=False, day=1)
    assert values(store.read(), on_day(1).date()) == known


@pytest.mark.parametrize("predicate", ["ultimate_parent", "parent", "acts_for", "payer"])
@pytest.mark.parametrize(
    ("first", "then", "known"),
    [
        ("p-2,2026-05-01", "self,2026-06-01", ["self"]),
        ("self,2026-05-01", "p-2,2026-06-01", ["p-2"]),
        ("p-2,2026-06-01", "self,2026-05-01", ["p-2", "self"]),
        ("p-2,2026-06-01", "self", ["p-2", "self"]),
        ("p-2", "p-3,2026-06-01", ["p-2", "p-3"]),
    ],
)
def test_a_partial_correction_to_nobody(
    store: Store, tmp_path: Path, predicate: str, first: str, then: str, known: list[str]
) -> None:
    """That nobody is there takes the place of somebody, or the reverse, unless it is older; two ids stand both."""
    imported(store, said(tmp_path, f"p-1,{predicate},{first}"))
    imported(store, said(tmp_path, f"p-1,{predicate},{then}"), whole=False, day=1)
    assert values(store.read(), on_day(1).date(), "p-1", predicate) == known


def test_the_rest_keeps_what_is_of_a_later_day(store: Store, tmp_path: Path) -> None:
    """Beside rows that are reported one without a day takes nothing from what has one."""
    imported(store, said(tmp_path, HQ + "CN,2026-06-01", "p-2,headquarters_country,DE"))
    rows = [HQ + "SG", "p-2,headquarters_country,FR", "p-3,headquarters_country,Chinatown"]
    plan, _ = imported(store, said(tmp_path, *rows), rest=True, day=1)
    assert values(store.read(), on_day(1).date()) == ["CN", "SG"]
    assert values(store.read(), on_day(1).date(), "p-2") == ["FR"]
    assert (plan.difference.withdrawn, plan.difference.left_standing) == (1, 1)


# Files that are broken off


def countries(first: int, end: int, country: str = "DE") -> list[str]:
    """Where so many parties are headquartered."""
    return [f"p-{number},headquarters_country,{country}" for number in range(first, end)]


def test_a_file_that_is_broken_off(store: Store, tmp_path: Path) -> None:
    """A file without most of what its source said is refused, unless it only adds or that is what is meant."""
    imported(store, said(tmp_path, *countries(0, 1000)))
    half = said(tmp_path, *countries(0, 7))
    (problem,) = refused(store, half, day=1).problems
    assert problem.problem == "has nothing for 993 of the 1000 statements that stand by its source's word"
    assert "--withdraw-many" in problem.expected
    imported(store, half, day=1, whole=False)
    assert store.read().frame["known_to"].null_count() == 1000
    imported(store, half, day=1, many=True)
    assert store.read().frame["known_to"].null_count() == 7


@pytest.mark.parametrize(("stood", "left", "taken"), [(100, 80, True), (100, 79, False), (21, 1, True), (22, 1, False)])
def test_how_much_is_withdrawn_unasked(store: Store, tmp_path: Path, stood: int, left: int, taken: bool) -> None:
    """A fifth of what a source said is withdrawn unasked, or 20 statements, and not one more of both."""
    imported(store, said(tmp_path, *countries(0, stood)))
    path = said(tmp_path, *countries(0, left))
    if taken:
        assert imported(store, path, day=1)[0].difference.withdrawn == stood - left
    else:
        refused(store, path, day=1)


def test_what_is_said_otherwise_is_no_loss(store: Store, tmp_path: Path) -> None:
    """A file that says all of it otherwise, or of another day, is taken: nothing is missing in it."""
    imported(store, said(tmp_path, *countries(0, 100), *(f"p-{each},parent,p-500" for each in range(100))))
    now = [*countries(0, 100, "SG,2026-06-30"), *(f"p-{each},parent,p-501" for each in range(100))]
    assert imported(store, said(tmp_path, *now), day=1)[0].difference.withdrawn == 200


def test_owners_that_are_missing_are_a_loss(store: Store, tmp_path: Path) -> None:
    """Of many values of one party those that are missing count one by one."""
    imported(store, said(tmp_path, *(f"p-1,owned_by,p-{each}" for each in range(2, 100))))
    refused(store, said(tmp_path, "p-1,owned_by,p-2"), day=1)


def test_a_source_can_be_withdrawn_whole(store: Store, tmp_path: Path) -> None:
    """That a source is none any more is said on purpose, and withdraws all of it."""
    imported(store, said(tmp_path, *countries(0, 100)))
    assert imported(store, day=1)[0].difference.withdrawn == 100


def test_bad_rows_refuse_the_file(store: Store, tmp_path: Path) -> None:
    """One bad row and nothing is imported, with all problems in one error."""
    error = refused(store, said(tmp_path, HQ + "China", "p-2,kind,branch", "p-3,kind,club"))
    assert [each.line for each in error.problems] == [2, 4]


def test_the_rest_may_be_accepted(store: Store, tmp_path: Path) -> None:
    """By choice the good rows are taken, and the manifest has the place and the reason of the others, no content."""
    _, version = imported(store, said(tmp_path, HQ + "Chinatown", "p-2,kind,branch"), rest=True)
    assert values(store.read(), TODAY, "p-2", "kind") == ["branch"]
    assert version is not None
    (file,) = version.manifest.files
    assert (file.rows_in, file.accepted, file.reported) == (2, 1, 1)
    (reported,) = version.manifest.reported
    assert reported.place == "said.csv:2, value"
    assert "country" in reported.problem
    assert b"Chinatown" not in b"".join(files_of(store).values())


def test_what_stands_in_a_bad_row_is_not_withdrawn(store: Store, tmp_path: Path) -> None:
    """Where the rest of a file is accepted, nothing is withdrawn for not being there: a bad row may have it."""
    imported(store, said(tmp_path, HQ + "CN", "p-2,kind,branch"))
    _, version = imported(store, said(tmp_path, HQ + "China", "p-2,kind,government"), rest=True, day=1)
    assert values(store.read(), on_day(1).date()) == ["CN"]
    assert values(store.read(), on_day(1).date(), "p-2", "kind") == ["government"]
    assert version is not None
    assert version.manifest.left_standing == 1


@pytest.mark.parametrize(
    ("rows", "header"),
    [([HQ + "China"], kyc_store.HEADER), ([HQ + "CN"], kyc_store.HEADER + ",nationality"), ([], kyc_store.HEADER)],
)
def test_what_is_refused_in_any_case(store: Store, tmp_path: Path, rows: list[str], header: str) -> None:
    """A file without a good row, or with a column that is not its own, is not imported by any choice."""
    refused(store, said(tmp_path, *rows, header=header), rest=True)


def test_a_natural_person_of_another_source(store: Store, tmp_path: Path) -> None:
    """Where one source calls a subject a natural person no other says where it is, whichever comes first."""
    kind = said(tmp_path, "n-1,kind,natural_person", "n-1,name,Example Person")
    place = said(tmp_path, "n-1,headquarters_country,CN", name="place.csv")
    for number, (first, then) in enumerate([(kind, place), (place, kind)]):
        twin = Store.open(store.folder.with_name(f"twin-{number}"))
        imported(twin, first, source="crm")
        assert "natural person" in str(refused(twin, then, source="other"))
        imported(twin, said(tmp_path, "p-9,kind,branch", name="corrected.csv"), source="crm", day=1)
        imported(twin, then, source="other", day=1)


# What must not happen to it


def test_a_store_that_is_sound(store: Store, tmp_path: Path) -> None:
    """Every version names the one before it by its digest, and the rows that its manifest counts are there."""
    for day, country in enumerate(("CN", "DE", "SG")):
        imported(store, said(tmp_path, HQ + country), day=day)
    first, second, third = store.verify()
    assert (second.manifest.previous, third.manifest.previous) == (first.digest, second.digest)
    assert (third.manifest.added, third.manifest.withdrawn) == (1, 1)


@pytest.mark.parametrize("which", [HEAD, "versions/000001.json", "versions/000001.parquet", "versions/000002.json"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_what_was_changed_is_not_read(store: Store, tmp_path: Path, which: str, how: str) -> None:
    """A file of the store that is not as it was written is named, and nothing is read or imported."""
    imported(store, said(tmp_path, HQ + "CN"))
    imported(store, said(tmp_path, HQ + "DE"), day=1)
    path = store.folder / which
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"0", b"1"))
    for use in (store.read, lambda: imported(store, said(tmp_path, HQ + "SG"), day=2)):
        with pytest.raises(StoreError, match=r"copy|no store"):
            use()


def test_one_writer(store: Store) -> None:
    """While one import writes another one is refused at once."""
    with store.writing(), pytest.raises(StoreError, match="another import is writing"), Store(store.folder).writing():
        pass


def test_a_plan_that_was_overtaken(store: Store, tmp_path: Path) -> None:
    """A plan is not put down over a version that it did not know."""
    with store.writing():
        old = store.plan(brought(said(tmp_path, HQ + "SG")), NOON)
        store.commit(store.plan(brought(said(tmp_path, HQ + "CN")), NOON))
        with pytest.raises(StoreError, match="changed since"):
            store.commit(old)


def test_a_clock_that_goes_back(store: Store, tmp_path: Path) -> None:
    """An import before the newest version's moment is refused: the days of what is known would be wrong."""
    imported(store, said(tmp_path, HQ + "CN"), day=5)
    assert "clock" in str(refused(store, said(tmp_path, HQ + "SG"), day=4))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    """No store is begun among other files, nor in the place of one, and none is read where none is."""
    path = a_file(tmp_path, {})
    for folder in (tmp_path, path):
        with pytest.raises(StoreError, match="neither a store nor an empty folder"):
            Store.open(folder)
    with pytest.raises(StoreError, match="no store here"):
        Store.existing(tmp_path / "nowhere")


@pytest.mark.parametrize("failing", range(1, 7))
def test_a_disk_that_fails(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """A disk that fails at any flush but the last leaves the version before in force, and the next import goes well."""
    imported(store, said(tmp_path, HQ + "CN"))
    seen, flush = 0, os.fsync

    def fail(file: int) -> None:
        nonlocal seen
        seen += 1
        if seen == failing:
            raise OSError(28, "No space left on device")
        flush(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="No space left"):
            imported(store, said(tmp_path, HQ + "DE"), day=1)
    assert values(store.read(), on_day(1).date()) == (["DE"] if failing == 6 else ["CN"])
    imported(store, said(tmp_path, HQ + "SG"), day=2)
    assert values(store.read(), on_day(2).date()) == ["SG"]


def a_folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("which", "put_there"),
    [
        ("store.lock", a_folder),
        ("versions", Path.touch),
        ("versions", lambda path: path.symlink_to("nowhere")),
        ("HEAD.json.aside.tmp", lambda path: path.with_name(f".{path.name}").mkdir()),
    ],
)
def test_what_stands_in_the_way(store: Store, tmp_path: Path, which: str, put_there: Callable[[Path], object]) -> None:
    """Where a file or folder of the store cannot be made or cleared away, the store's own error says which."""
    put_there(store.folder / which)
    with pytest.raises(StoreError, match="check the disk and its rights") as caught:
        imported(store, said(tmp_path, HQ + "CN"))
    assert str(store.folder) in str(caught.value)


def test_a_writer_that_is_killed(tmp_path: Path) -> None:
    """Wherever a writer is killed, the version before it is in force or its own, and the next import goes well."""
    first, then = said(tmp_path, HQ + "CN"), said(tmp_path, HQ + "DE", name="then.csv")
    stores = [Store.open(tmp_path / f"store-{place}") for place in range(1, 8)]
    for store in stores:
        imported(store, first)
    killed = [killed_at(store, then, place) for place, store in enumerate(stores, 1)]
    for place, (store, process) in enumerate(zip(stores, killed, strict=True), 1):
        assert process.wait(60) == (0 if place == 7 else -signal.SIGKILL)
        assert values(store.read(), on_day(1).date()) == (["DE"] if place >= 6 else ["CN"])
        imported(store, then, day=1)
        imported(store, said(tmp_path, HQ + "SG"), day=2)
        assert values(store.read(), on_day(1).date()) == ["DE"]
        assert values(store.read(), on_day(2).date()) == ["SG"]
        assert sorted(files_of(store)) == sorted(
            [HEAD, *(f"versions/00000{number}.{kind}" for number in (1, 2, 3) for kind in ("json", "parquet"))]
        )


def killed_at(store: Store, path: Path, place: int) -> subprocess.Popen[bytes]:
    """An import by a process of its own that dies before its so many-th flush."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(kyc_store.__file__).parents[1]), *sys.path])}
    program = [sys.executable, kyc_store.__file__, str(store.folder), str(path), str(place)]
    return subprocess.Popen(program, env=environment)


# What is read of it


def test_a_directory_of_any_kind(tmp_path: Path, store: Store) -> None:
    """A file of accounts, a file of statements, either as JSON Lines, and a store are all read by one function."""
    accounts = a_file(tmp_path, {"tenant_id": "t-1"})
    statements = said(tmp_path, "t-1,customer,p-1", HQ + "DE")
    as_json = tmp_path / "said.jsonl"
    as_json.write_text(json.dumps({"subject": "t-1", "predicate": "customer", "value": "p-1"}))
    imported(store, statements)
    for path in (accounts, statements, as_json, store.folder):
        assert read_directory(path).tenants == {"t-1"}


def test_a_file_of_no_form(tmp_path: Path) -> None:
    """What is of no form that shows is refused by name, as is a folder that is no store."""
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(KycError, match="of no form that shows"):
        read_directory(path)
    with pytest.raises(KycError, match="no store here"):
        read_directory(tmp_path)


def test_a_store_is_watched(tmp_path: Path, store: Store) -> None:
    """Whoever reads a store again when it changes sees each import, and a store that broke leaves the last good one."""
    imported(store, said(tmp_path, HQ + "CN"))
    told: list[KycError] = []
    latest = Latest(
        store.folder, read=read_directory, refusal=KycError, tell=told.append, watched=watched_file
    )  # fmt: skip
    first = latest()
    assert latest() is first
    imported(store, said(tmp_path, HQ + "DE"), day=1)
    assert values(latest(), on_day(1).date()) == ["DE"]
    for times, text in enumerate(["{}", "[]"], 1):
        (store.folder / HEAD).write_text(text)
        assert [values(latest(), on_day(1).date()) for _ in range(3)] == [["DE"]] * 3
        assert len(told) == times


def test_whom_a_register_is_asked_about() -> None:
    """Known are LEIs that are told of a party, however written, and by which one is called, as subject or above."""
    directory = Directory.of(
        [
            Statement("p-1", "identifier", "A" * 20, detail="lei"),
            Statement("p-2", "identifier", "d" * 20, detail="LEI"),
            Statement("p-1", "identifier", "HRB 1", detail="handelsregister"),
            Statement("p-1", "parent", "lei:" + "B" * 20),
            Statement("lei:" + "C" * 20, "kind", "branch"),
        ]
    )
    assert known_leis(directory) == {"A" * 20, "B" * 20, "C" * 20, "D" * 20}


# What changed, and for whom


def of(*statements: tuple[str, str, str], **more: object) -> Directory:
    """A directory of statements: who, what, which."""
    return Directory.of(Statement(*each, **more) for each in statements)  # type: ignore[arg-type]


CHAIN = [("t-1", "customer", "p-1"), ("p-1", "ultimate_parent", "p-2"), ("t-2", "customer", "p-3")]


def test_who_is_affected() -> None:
    """A tenant is affected by what changes of a party above it, however far, and by nothing else."""
    before = of(*CHAIN, ("p-2", "headquarters_country", "SG"))
    after = of(*CHAIN, ("p-2", "headquarters_country", "CN"))
    changes = changes_between(before, after)
    assert changes.affected == ("t-1",)
    assert changes.added["value"].to_list() == ["CN"]
    assert changes.removed["value"].to_list() == ["SG"]


def test_who_was_affected() -> None:
    """A tenant is affected too where the way that led to the change is gone with it, or is new."""
    longer = of(*CHAIN, ("t-2", "acts_for", "p-2"))
    shorter = of(*CHAIN)
    assert changes_between(longer, shorter).affected == changes_between(shorter, longer).affected == ("t-2",)


def test_what_is_only_renewed() -> None:
    """The same word by another document is a renewal and affects nobody."""
    changes = changes_between(of(*CHAIN, document="ref-1"), of(*CHAIN, document="ref-2"))
    assert changes.renewed.height == 3
    assert (changes.added.height, changes.removed.height, changes.affected) == (0, 0, ())


def told_in_months(first: int, second: int) -> Directory:
    """One source's two words of where the party behind a tenant is headquartered, each of its month."""
    words = [
        Statement("p-1", "headquarters_country", country, as_of=date(2026, month, 1))
        for country, month in (("CN", first), ("SG", second))
    ]
    return Directory.of([*(Statement(*each) for each in CHAIN), *words])


@pytest.mark.parametrize(("was", "now"), [((1, 6), (7, 6)), ((7, 6), (1, 6))])
def test_another_day_may_affect(was: tuple[int, int], now: tuple[int, int]) -> None:
    """The same word of another day is a renewal and affects the tenants below, for another word may stand by it."""
    changes = changes_between(*(told_in_months(*months) for months in (was, now)))
    assert (changes.added.height, changes.removed.height, changes.renewed.height) == (0, 0, 1)
    assert changes.affected == ("t-1",)


def test_changes_between_two_days(store: Store, tmp_path: Path) -> None:
    """One store as known on two days tells what became known in between."""
    imported(store, said(tmp_path, "t-1,customer,p-1", HQ + "SG"))
    imported(store, said(tmp_path, "t-1,customer,p-1", HQ + "CN"), day=9)
    directory = store.read()
    changes = changes_between(directory.as_known(TODAY), directory.as_known(on_day(9).date()))
    assert (changes.added["value"].to_list(), changes.affected) == (["CN"], ("t-1",))


PLACE = "p-1,address_country,"
ROWS = st.sampled_from(
    [PLACE + "CN", PLACE + "DE", PLACE + "DE,2026-01-01", PLACE + "DE,,2026-01-01", "p-1,kind,branch"]
)
HISTORY = st.lists(
    st.tuples(st.sampled_from(["crm", "register"]), st.lists(ROWS, min_size=1, max_size=4), st.integers(0, 2)),
    max_size=6,
)


@given(HISTORY)
@unhurried
def test_any_history(history: Sequence[tuple[str, list[str], int]]) -> None:
    """After any imports each source says what its newest file does, and every day before is known as it was then."""
    with tempfile.TemporaryDirectory() as name:
        folder, day = Path(name), 0
        store = Store.open(folder / "store")
        newest: dict[str, set[str]] = {}
        then: dict[int, set[tuple[str, str]]] = {}
        for source, rows, later in history:
            day += later
            imported(store, said(folder, *rows), source=source, day=day)
            newest[source] = {row.split(",")[2] for row in rows}
            then[day] = known_on(store.read(), day)
            assert then[day] == {(source, value) for source, values in newest.items() for value in values}
        for each, was in then.items():
            backdated = {(source, "DE") for source in newest}
            assert known_on(store.read(), each) - backdated == was - backdated


def known_on(directory: Directory, day: int) -> set[tuple[str, str]]:
    """The sources and values known on a day."""
    frame = directory.as_known(on_day(day).date()).frame
    return set(frame.select("source", "value").iter_rows())


@given(st.lists(ROWS, min_size=1, max_size=5), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=5)), max_size=5))
@unhurried
def test_mutated_imports(rows: list[str], cuts: list[tuple[float, bytes]]) -> None:
    """Whatever happens to a file, it is imported as a whole or the store is as it was."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store.open(folder / "store")
        imported(store, said(folder, HQ + "SG"))
        path = said(folder, *rows, name="mutated.csv")
        content = path.read_bytes()
        for place, put_in in cuts:
            at = int(place * len(content))
            content = content[:at] + put_in + content[at + 1 :]
        path.write_bytes(content)
        before = files_of(store)
        try:
            imported(store, path, day=1)
        except KycError:
            assert files_of(store) == before
        else:
            read = read_file(path, Asked(source="crm", today=on_day(1).date())).read
            assert read.accepted == read.rows_in
            known = store.read().as_known(on_day(1).date()).frame
            assert set(known["value"]) == {each.value for each in read.statements}
