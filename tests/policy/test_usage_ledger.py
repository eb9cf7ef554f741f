import json
import os
import subprocess
import sys
from datetime import timedelta, timezone
from pathlib import Path
from threading import Event, Thread

import polars as pl
import pytest
from support.usage import ANode, a_holder, a_moment, a_window, windows_frame

from collector.contract import Provenance
from policy.frames import SchemaMismatch
from policy.usage.counters import COUNTERS
from policy.usage.ledger import Ledger, LedgerError, LedgerLocked, MixedProvenance
from policy.usage.parquet import LATER
from policy.usage.window import ACTIVITY, BALANCE, LEVELS, RHYTHM, WINDOWS

NOON = a_moment(12 * 3600)
ONE = windows_frame(a_window())
TOLD = a_window(tensor_active_seconds=900.0, tensor_observed_seconds=3600.0, synchrony_ratio=0.5)
READS = {"sm_active_ratio": 0.5, "nvlink_receive_bytes_per_second": 1e9}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A new ledger for measured windows."""
    return Ledger.open(tmp_path / "ledger", Provenance.MEASURED)


def files_of(ledger: Ledger) -> dict[str, bytes]:
    """Every file but the lock, by its path in the ledger."""
    found = (path for path in ledger.folder.rglob("*") if path.is_file() and path.name != "ledger.lock")
    return {str(path.relative_to(ledger.folder)): path.read_bytes() for path in found}


def test_what_is_written_is_read(ledger: Ledger) -> None:
    """Rows come back as they were, partitioned by the day of their moment."""
    ledger.write("windows", NOON, ONE)
    assert ledger.read("windows").equals(ONE)
    assert ledger.has("windows", NOON)
    assert not ledger.has("balance", NOON)
    assert "windows/date=2026-06-01/20260601T120000.000000Z.parquet" in files_of(ledger)


def test_a_table_day_by_day(ledger: Ledger) -> None:
    """Each day's files are told apart, and what is made of all of them is made of the whole table."""
    assert list(ledger.by_day("windows")) == []
    for number in range(5):
        ledger.write("windows", NOON + timedelta(hours=8 * number), ONE)
    days = list(ledger.by_day("windows"))
    assert [len(paths) for paths in days] == [2, 3]
    counted = [ledger.reduce("windows", paths, lambda rows: rows.select(pl.len())).item() for paths in days]
    assert sum(counted) == ledger.read("windows").height
    since = NOON + timedelta(days=1)
    assert list(ledger.by_day("windows", since=since)) == days[1:]


def test_a_scan_reads_what_is_asked(ledger: Ledger) -> None:
    """A scan of any number of files, none as well, is what reading them gives, and knows its schema beforehand."""
    assert ledger.scan("windows").collect().equals(ledger.read("windows"))
    for number in range(4):
        ledger.write("windows", NOON + timedelta(hours=8 * number), windows_frame(TOLD))
    scanned = ledger.scan("windows")
    assert scanned.collect_schema() == WINDOWS
    assert scanned.collect().equals(ledger.read("windows"))
    assert scanned.select(pl.col("tensor_active_seconds").sum()).collect().item() == 4 * 900.0
    since = NOON + timedelta(days=1)
    assert ledger.scan("windows", since=since).collect().equals(ledger.read("windows", since=since))


@pytest.mark.parametrize("number", [0, 2])
def test_a_scan_that_cannot_be_read_is_named(ledger: Ledger, number: int) -> None:
    """A bad file is named by whoever collects, the first one by the scan already."""
    for hour in range(3):
        ledger.write("windows", a_moment(3600 * hour), ONE)
    bad = ledger.folder / "windows" / "date=2026-06-01" / f"20260601T0{number}0000.000000Z.parquet"
    bad.write_bytes(b"nothing of the kind")
    with pytest.raises(LedgerError, match=bad.name), ledger.naming("windows"):
        ledger.scan("windows").select("node").collect()


def test_a_day_that_cannot_be_read(ledger: Ledger) -> None:
    """A file that is none is named, also when only a part of the rows is asked for."""
    ledger.write("windows", NOON, ONE)
    (paths,) = ledger.by_day("windows")
    paths[0].write_bytes(b"nothing of the kind")
    with pytest.raises(LedgerError, match=paths[0].name):
        ledger.reduce("windows", paths, lambda rows: rows.select(pl.len()))


def test_an_empty_ledger_has_empty_tables(ledger: Ledger) -> None:
    """A table nobody has written is empty, in its schema."""
    assert ledger.read("windows").schema == WINDOWS
    assert ledger.read("balance").schema == BALANCE
    assert ledger.snapshots() == []


def test_the_same_rows_are_the_same_bytes(ledger: Ledger, tmp_path: Path) -> None:
    """Writing again changes no byte, and another ledger given the same has the same files."""
    many = windows_frame(*(a_window(workload_pod=f"pod-{number}", busy_seconds=number / 7) for number in range(5000)))
    twin = Ledger.open(tmp_path / "twin", Provenance.MEASURED)
    for each in (ledger, twin):
        each.write("windows", NOON, many)
        each.write_counters(NOON, ANode().run(60, [a_holder()]).snapshot())
    before = files_of(ledger)
    ledger.write("windows", NOON, many)
    assert files_of(ledger) == before == files_of(twin)


def test_a_moment_is_one_file_in_any_time_zone(ledger: Ledger) -> None:
    """The same moment said in another zone names the same file, and a day begins at midnight UTC."""
    late = a_moment(23.5 * 3600)
    elsewhere = late.astimezone(timezone(timedelta(hours=9)))
    ledger.write("windows", elsewhere, ONE)
    assert ledger.has("windows", late)
    assert ledger.read("windows", since=elsewhere).equals(ONE)
    assert ledger.read("windows", since=late + timedelta(hours=1)).is_empty()


@pytest.mark.parametrize("failing", ["write", "flush", "rename"])
def test_a_failed_write_leaves_the_old_file(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """A disk that fails at any step leaves the rows that were there, and nothing beside them."""
    ledger.write("windows", NOON, ONE)
    before = files_of(ledger)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    whom = {"write": (pl.DataFrame, "write_parquet"), "flush": (os, "fsync"), "rename": (Path, "replace")}
    monkeypatch.setattr(*whom[failing], fail)
    with pytest.raises(LedgerError, match=r"cannot be written .*No space left"):
        ledger.write("windows", NOON, windows_frame(a_window(busy_seconds=1.0)))
    assert files_of(ledger) == before


def test_a_frame_of_another_schema_is_refused(ledger: Ledger) -> None:
    """Rows with a column too few are a defect, and are not written."""
    with pytest.raises(SchemaMismatch, match="no column busy_seconds"):
        ledger.write("windows", NOON, ONE.drop("busy_seconds"))
    assert not ledger.has("windows", NOON)


# Provenance


@pytest.mark.parametrize("first", list(Provenance))
def test_a_ledger_holds_one_provenance(tmp_path: Path, first: Provenance) -> None:
    """Simulated and measured never meet, whichever came first: not on opening, not in windows, not in counters."""
    other = next(each for each in Provenance if each is not first)
    ledger = Ledger.open(tmp_path, first)
    with pytest.raises(MixedProvenance, match=f"holds {first} windows and cannot take {other} ones"):
        Ledger.open(tmp_path, other)
    with pytest.raises(MixedProvenance):
        ledger.write("windows", NOON, windows_frame(a_window(provenance=first), a_window(provenance=other)))
    with pytest.raises(MixedProvenance):
        ledger.write_counters(NOON, ANode(provenance=other).snapshot())
    assert set(files_of(ledger)) == {"ledger.json"}


def test_rows_of_no_provenance_are_refused(ledger: Ledger) -> None:
    """A window that does not say whether it was measured is not taken for a measured one."""
    with pytest.raises(MixedProvenance):
        ledger.write("windows", NOON, windows_frame(a_window(provenance=None)))


# An older ledger


def as_version_1(ledger: Ledger) -> None:
    """Let all that is in the ledger be as a flopwatch of schema version 1 wrote it."""
    about = ledger.folder / "ledger.json"
    about.write_text(f'{{"schema_version": 1, "provenance": "{ledger.provenance}"}}\n', encoding="utf-8")
    for path in ledger.folder.rglob("*.parquet"):
        pl.read_parquet(path, hive_partitioning=False).drop(*LATER, strict=False).write_parquet(path)


@pytest.fixture
def old(ledger: Ledger) -> Ledger:
    """A ledger of schema version 1 with one window, some time after which came a snapshot."""
    ledger.write("windows", NOON, windows_frame(TOLD))
    ledger.write_counters(NOON, ANode(reads=READS).run(60, [a_holder()]).snapshot())
    as_version_1(ledger)
    return Ledger.existing(ledger.folder)


def test_an_old_window_was_not_observed_beyond_busy_time(old: Ledger) -> None:
    """A window of version 1 has its counts, 0 observed seconds of all else, and no rhythm."""
    (row,) = old.read("windows").to_dicts()
    assert (row["busy_seconds"], row["device_count"]) == (1800.0, 1.0)
    assert {row[name] for name in (*ACTIVITY, *ACTIVITY.values(), *LEVELS)} == {0.0}
    assert {row[name] for name in RHYTHM} == {None}


def test_old_and_new_files_are_one_table(old: Ledger) -> None:
    """A ledger that is continued has old and new windows in order, read at once, lazily, or day by day."""
    tomorrow = NOON + timedelta(days=1)
    old.write("windows", tomorrow, windows_frame(TOLD))
    whole = old.read("windows")
    assert whole["tensor_active_seconds"].to_list() == [0.0, 900.0]
    assert whole["synchrony_ratio"].to_list() == [None, 0.5]
    assert old.scan("windows").collect().equals(whole)
    every = [old.reduce("windows", paths, lambda rows: rows) for paths in old.by_day("windows")]
    assert pl.concat(every).equals(whole)
    assert old.scan("windows", since=tomorrow).collect().equals(whole[1:])


def test_an_old_snapshot_is_compared_with(old: Ledger) -> None:
    """A snapshot of version 1 is read with empty labels in place of those it lacks."""
    counters = old.counters(NOON)
    assert counters.schema == COUNTERS
    assert counters["direction"].null_count() == counters.height


def test_a_writer_makes_an_old_ledger_a_new_one(old: Ledger) -> None:
    """Reading leaves the version as it is; whoever writes makes it 2, which an older flopwatch will not touch."""
    about = old.folder / "ledger.json"
    old.read("windows")
    Ledger.open(old.folder, Provenance.MEASURED)
    assert json.loads(about.read_text(encoding="utf-8"))["schema_version"] == 1
    with old.writing():
        assert json.loads(about.read_text(encoding="utf-8")) == {"schema_version": 2, "provenance": "measured"}
    assert Ledger.existing(old.folder).provenance is Provenance.MEASURED


@pytest.mark.parametrize("lost", ["busy_seconds", "tensor_active_seconds"])
def test_no_other_column_may_be_lacking(old: Ledger, lost: str) -> None:
    """A file without a column that its version has is refused by name, whatever else it lacks."""
    old.write("windows", NOON, windows_frame(TOLD))
    (paths,) = old.by_day("windows")
    bad = old.folder / "windows" / "date=2026-06-01" / "20260601T130000.000000Z.parquet"
    windows_frame(TOLD).drop(lost).write_parquet(bad)
    with pytest.raises(LedgerError, match=lost):
        old.read("windows")
    with pytest.raises(LedgerError, match=lost):
        old.reduce("windows", [*paths, bad], lambda rows: rows.select(lost))


# Damage


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": 1', "[]", '{"schema_version": 1}', "\x00\x00"])
def test_a_broken_description_is_said_by_name(ledger: Ledger, text: str) -> None:
    """A truncated or foreign ledger.json stops the engine with the file and what to do; nothing is overwritten."""
    about = ledger.folder / "ledger.json"
    about.write_text(text, encoding="utf-8")
    with pytest.raises(LedgerError, match=r"ledger\.json: not a ledger's description .*begin a new folder"):
        Ledger.open(ledger.folder, Provenance.MEASURED)
    assert about.read_text(encoding="utf-8") == text


def test_another_schema_version_is_refused(ledger: Ledger) -> None:
    """A ledger of a later flopwatch is not guessed at."""
    (ledger.folder / "ledger.json").write_text('{"schema_version": 99, "provenance": "measured"}', encoding="utf-8")
    with pytest.raises(LedgerError, match="schema version 99"):
        Ledger.open(ledger.folder, Provenance.MEASURED)


@pytest.mark.parametrize("damage", [b"", b"PAR1", None], ids=["empty", "not Parquet", "cut in half"])
def test_a_damaged_file_is_named(ledger: Ledger, damage: bytes | None) -> None:
    """A table with one unreadable file is not read around: the error names that file."""
    for hour in range(3):
        ledger.write("windows", a_moment(hour * 3600), ONE)
    bad = ledger.folder / "windows" / "date=2026-06-01" / "20260601T010000.000000Z.parquet"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(LedgerError, match=r"20260601T010000\.000000Z\.parquet: cannot be read"):
        ledger.read("windows")


def test_a_foreign_file_among_the_counters_is_named(ledger: Ledger) -> None:
    """A file that somebody put there is pointed at, not taken for a snapshot."""
    ledger.write_counters(NOON, ANode().snapshot())
    (ledger.folder / "counters" / "copy of old.parquet").write_bytes(b"")
    with pytest.raises(LedgerError, match=r"copy of old\.parquet: not named after a moment"):
        ledger.snapshots()


def test_what_a_killed_writer_left_aside_is_not_read(ledger: Ledger) -> None:
    """A half-written file under its temporary name is neither rows nor a snapshot."""
    ledger.write("windows", NOON, ONE)
    ledger.write_counters(NOON, ANode().snapshot())
    for folder in (ledger.folder / "windows" / "date=2026-06-01", ledger.folder / "counters"):
        (folder / ".20260601T130000.000000Z.parquet.77.tmp").write_bytes(b"PAR1")
    assert ledger.read("windows").equals(ONE)
    assert ledger.snapshots() == [NOON]


def test_what_is_kept_for_the_next_cycle(ledger: Ledger) -> None:
    """What is kept under a name is there until something else is; under another name there is nothing."""
    known = pl.DataFrame({"id": ["t-1"]})
    assert ledger.kept("known", known.schema).is_empty()
    for frame in (known, known.clear(), known):
        ledger.keep("known", frame)
        assert ledger.kept("known", known.schema).equals(frame)
    assert ledger.kept("other", known.schema).is_empty()
    assert ledger.read("windows").is_empty()


# One writer, many readers


def test_a_second_writer_is_refused(ledger: Ledger) -> None:
    """Another engine on the same ledger is told so at once, here or in another process; afterwards the lock is free."""
    again = Ledger.open(ledger.folder, Provenance.MEASURED)
    program = (
        "import sys; from pathlib import Path; from policy.usage.ledger import Ledger, LedgerLocked\n"
        "ledger = Ledger.open(Path(sys.argv[1]), 'measured')\n"
        "try:\n    with ledger.writing(): print('written')\n"
        "except LedgerLocked as error: print(error)\n"
    )

    def elsewhere() -> str:
        command = [sys.executable, "-c", program, str(ledger.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with ledger.writing():
        with pytest.raises(LedgerLocked, match="is being written by another engine"), again.writing():
            pass
        assert elsewhere().endswith("is being written by another engine; stop that one first")
    assert elsewhere() == "written"


def test_two_that_begin_a_ledger_at_once_agree_or_are_refused(tmp_path: Path) -> None:
    """When a measured and a simulated engine begin one folder together, at most one provenance gets in."""
    for attempt in range(20):
        folder, opened = tmp_path / str(attempt), []

        def begin(provenance: Provenance, folder: Path = folder, opened: list[Provenance] = opened) -> None:
            try:
                opened.append(Ledger.open(folder, provenance).provenance)
            except LedgerError:
                return

        threads = [Thread(target=begin, args=(each,)) for each in Provenance]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(opened)) == 1


def test_reading_while_writing_sees_whole_files_only(ledger: Ledger) -> None:
    """A reader without a lock, beside a writer that adds moments and repeats them, always finds complete files."""
    frame = windows_frame(*(a_window() for _ in range(2000)))
    ledger.write("windows", NOON, frame)
    done = Event()

    def write() -> None:
        minute = 0
        while not done.is_set():
            minute += 1
            ledger.write("windows", NOON, frame)
            ledger.write("windows", NOON + timedelta(minutes=minute), frame)

    writer = Thread(target=write)
    writer.start()
    try:
        seen = [ledger.read("windows") for _ in range(60)]
    finally:
        done.set()
        writer.join()
    heights = [frame.height for frame in seen]
    assert heights == sorted(heights)
    assert {height % 2000 for height in heights} == {0}


def test_only_older_snapshots_are_forgotten(ledger: Ledger) -> None:
    """Forgetting drops what lies before the moment and keeps the moment itself."""
    for hour in range(3):
        ledger.write_counters(a_moment(hour * 3600), ANode().snapshot())
    ledger.forget_counters_before(a_moment(2 * 3600))
    assert ledger.snapshots() == [a_moment(2 * 3600)]
