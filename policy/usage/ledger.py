"""
The ledger: every usage window ever measured, as Hive-partitioned Parquet in a folder.

    ledger.json                                 schema version, provenance
    counters/<moment>.parquet                   the two newest snapshots of the fleet's counters
    windows/date=2026-06-01/<moment>.parquet    what was used between two snapshots
    balance/date=2026-06-01/<moment>.parquet    where every physical GPU-second went
    targets/date=2026-06-01/<moment>.parquet    what became of every scrape
    kept/<name>.parquet                         what an engine knew at its last cycle, and can do without
    cited/<kind>/<digest>.json                  what findings cite by a digest, see :mod:`policy.usage.cited`

One writer, kept by a lock on ``ledger.lock``. A file appears whole or not at all (written aside, flushed, renamed), and
windows follow from the two snapshots alone: writing them again gives the same bytes. So a writer killed anywhere
leaves a ledger that the next one completes.

A ledger holds measured or simulated windows, never both.

A ledger of schema version 1 is read as it stands, and goes on as one of version 2 from its next writer on. Its old
files are left as they are: :mod:`policy.usage.parquet` says what they read as.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import polars as pl

from collector.contract import Provenance
from policy.files import CannotWrite, Locked, forget_left_behind, locked, make_folder, write_whole
from policy.frames import conform, schema
from policy.usage.counters import COUNTERS
from policy.usage.parquet import Unreadable, naming_unreadable, read_rows, scan_rows
from policy.usage.window import BALANCE, UTC_TIME, WINDOWS

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, SCHEMA_VERSION)
MOMENT = "%Y%m%dT%H%M%S.%fZ"
TARGETS = schema(
    {
        "at": UTC_TIME,
        "target": pl.String,
        "node": pl.String,  # null: the page could not be read
        "state": pl.String,  # of policy.usage.sources.target.TargetState
        "detail": pl.String,  # what was wrong and what to do, empty when nothing was
    }
)
TABLES = {"windows": WINDOWS, "balance": BALANCE, "targets": TARGETS}


class LedgerError(Exception):
    """The ledger cannot be used: which folder, what is wrong, what to do."""


class MixedProvenance(LedgerError):
    """Somebody tried to write simulated rows into a measured ledger, or measured ones into a simulated one."""


class LedgerLocked(LedgerError):
    """Another process is writing this ledger."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A folder of Parquet that belongs to one fleet. Reading needs no lock."""

    folder: Path
    provenance: Provenance

    @classmethod
    def open(cls, folder: Path, provenance: Provenance) -> "Ledger":
        """Open the ledger, or begin one. Raises MixedProvenance for the other kind, LedgerError for a broken one."""
        about = folder / "ledger.json"
        if not about.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _begin(folder, provenance)
        _, found = _read_about(about)
        if found != provenance:
            raise MixedProvenance(
                f"{folder} holds {found} windows and cannot take {provenance} ones; give another folder with --ledger"
            )
        return cls(folder, provenance)

    @classmethod
    def existing(cls, folder: Path) -> "Ledger":
        """A ledger to read, of either kind. Raises LedgerError where there is none."""
        about = folder / "ledger.json"
        if not about.exists():
            raise LedgerError(f"{folder}: no ledger here; give the folder that the engine writes with --ledger")
        return cls(folder, Provenance(_read_about(about)[1]))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer while the block runs. Raises LedgerLocked at once when there is another."""
        with _locked(self.folder):
            forget_left_behind(self.folder)
            self._renew()
            yield

    def snapshots(self) -> list[datetime]:
        """The moments whose counters are still here, oldest first."""
        return sorted(_moment(path) for path in (self.folder / "counters").glob("*.parquet"))

    def counters(self, at: datetime) -> pl.DataFrame:
        """The snapshot of one moment, schema COUNTERS."""
        with _as_ledger_error():
            return read_rows([self._counters_path(at)], COUNTERS)

    def write_counters(self, at: datetime, counters: pl.DataFrame) -> None:
        """Put down a snapshot. From here on its windows will be in the ledger, whatever happens."""
        self._refuse_others(counters)
        _write_frame(self._counters_path(at), conform(counters, COUNTERS, "counters"))

    def forget_counters_before(self, at: datetime) -> None:
        """Drop the snapshots older than ``at``; their windows are in the ledger."""
        for moment in self.snapshots():
            if moment < at:
                self._counters_path(moment).unlink(missing_ok=True)

    def write(self, table: str, at: datetime, frame: pl.DataFrame) -> None:
        """Put down the rows of one moment; writing them again replaces them by the same bytes."""
        if "provenance" in frame.columns:
            self._refuse_others(frame)
        _write_frame(self._path(table, at), conform(frame, TABLES[table], table))

    def keep(self, name: str, frame: pl.DataFrame) -> None:
        """Put down what the next cycle is to find, in place of what was kept under that name."""
        _write_frame(self._kept_path(name), frame)

    def kept(self, name: str, declared: pl.Schema) -> pl.DataFrame:
        """What was kept under a name; no rows where nothing was. Raises LedgerError."""
        path = self._kept_path(name)
        with _as_ledger_error():
            return read_rows([path] if path.exists() else [], declared)

    def write_text(self, path: Path, text: str) -> None:
        """Put down a file of text in the ledger's folder, whole or not at all. Raises LedgerError."""
        _write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))

    def has(self, table: str, at: datetime) -> bool:
        """Whether the rows of that moment have been written."""
        return self._path(table, at).exists()

    def read(self, table: str, *, since: datetime | None = None) -> pl.DataFrame:
        """All rows of a table, oldest file first; with ``since`` only files of that day or later."""
        with _as_ledger_error():
            return read_rows(self._paths(table, since), TABLES[table])

    def scan(self, table: str, *, since: datetime | None = None) -> pl.LazyFrame:
        """
        The same rows, read when they are collected and only as far as is asked; collect within :meth:`naming`.

        Raises LedgerError for the first file already.
        """
        with _as_ledger_error():
            return scan_rows(self._paths(table, since), TABLES[table])

    @contextmanager
    def naming(self, table: str, *, since: datetime | None = None) -> Iterator[None]:
        """While the block collects a scan: raise LedgerError with the file that cannot be read, if there is one."""
        with _as_ledger_error(), naming_unreadable(self._paths(table, since), TABLES[table]):
            yield

    def by_day(self, table: str, *, since: datetime | None = None) -> Iterator[tuple[Path, ...]]:
        """The files of each day, the oldest first. What was made of a day's files stays true while it has no others."""
        for _, paths in groupby(self._paths(table, since), key=lambda path: path.parent):
            yield tuple(paths)

    def reduce(
        self, table: str, paths: Sequence[Path], reduced: Callable[[pl.LazyFrame], pl.LazyFrame]
    ) -> pl.DataFrame:
        """What ``reduced`` makes of the rows of some files, read only as far as it asks. Raises LedgerError."""
        with _as_ledger_error(), naming_unreadable(paths, TABLES[table]):
            return reduced(scan_rows(paths, TABLES[table])).collect()

    def _paths(self, table: str, since: datetime | None) -> list[Path]:
        first = f"date={since.astimezone(UTC):%Y-%m-%d}" if since else ""
        paths = sorted((self.folder / table).glob("date=*/*.parquet"))
        return [path for path in paths if path.parent.name >= first]

    def _counters_path(self, at: datetime) -> Path:
        return self.folder / "counters" / f"{at.astimezone(UTC).strftime(MOMENT)}.parquet"

    def _kept_path(self, name: str) -> Path:
        return self.folder / "kept" / f"{name}.parquet"

    def _path(self, table: str, at: datetime) -> Path:
        utc = at.astimezone(UTC)
        return self.folder / table / f"date={utc:%Y-%m-%d}" / f"{utc.strftime(MOMENT)}.parquet"

    def _renew(self) -> None:
        """Let a ledger of an older version be one of this version, for what is written from now on."""
        about = self.folder / "ledger.json"
        if about.exists() and _read_about(about)[0] != SCHEMA_VERSION:
            _write_whole(about, lambda path: _write_about(path, self.provenance))

    def _refuse_others(self, frame: pl.DataFrame) -> None:
        others = set(frame["provenance"].unique()) - {self.provenance.value}
        if others:
            raise MixedProvenance(
                f"{self.folder} holds {self.provenance} windows and was given {sorted(map(str, others))}"
            )


def _moment(path: Path) -> datetime:
    try:
        return datetime.strptime(path.name.removesuffix(".parquet"), MOMENT).replace(tzinfo=UTC)
    except ValueError as error:
        raise LedgerError(f"{path}: not named after a moment, so not of the ledger; move it elsewhere") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        with locked(folder / "ledger.lock"):
            yield
    except Locked as error:
        raise LedgerLocked(f"{folder} is being written by another engine; stop that one first") from error


def _begin(folder: Path, provenance: Provenance) -> None:
    """Write the description, unless somebody was faster: what a ledger holds is settled once."""
    about = folder / "ledger.json"
    with _locked(folder):
        if not about.exists():
            _write_whole(about, lambda path: _write_about(path, provenance))


def _write_about(path: Path, provenance: Provenance) -> None:
    path.write_text(json.dumps({"schema_version": SCHEMA_VERSION, "provenance": provenance}) + "\n", encoding="utf-8")


def _read_about(path: Path) -> tuple[int, str]:
    """Schema version and provenance."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version, provenance = about["schema_version"], about["provenance"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{path}: not a ledger's description ({error}); restore it or begin a new folder") from error
    if version not in READABLE_VERSIONS:
        raise LedgerError(
            f"{path}: schema version {version}, this flopwatch writes {SCHEMA_VERSION}; use a matching one"
        )
    if provenance not in set(Provenance):
        raise LedgerError(f"{path}: provenance {provenance!r} is neither of {', '.join(Provenance)}; restore it")
    return int(version), str(provenance)


@contextmanager
def _as_ledger_error() -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise LedgerError(str(error)) from error


def _write_frame(path: Path, frame: pl.DataFrame) -> None:
    _write_whole(path, lambda aside: frame.write_parquet(aside, compression="zstd", statistics=True))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    try:
        make_folder(path.parent)
        write_whole(path, write)
    except CannotWrite as error:
        raise LedgerError(str(error)) from error
    except OSError as error:
        raise LedgerError(f"{path.parent}: cannot be made ({error.strerror}); check the disk and its rights") from error
