"""
The store: every statement ever imported, as versions in a folder. Nothing in it is deleted or written twice.

    HEAD.json                  the number of the version in force, and the digest of its manifest
    versions/000001.json       its manifest: who, when, from which files, what became of their rows
    versions/000001.parquet    the statements that it added, and those that it withdrew
    store.lock                 held by the one writer

A version is in force once ``HEAD.json`` names it, which is replaced last: a writer killed anywhere leaves the version
before in force, and the next one writes over what was begun. Reading needs no lock, and reads nothing whose bytes are
not those that the manifests name. What this cannot show is that somebody put back an older folder as a whole; whoever
wants to know keeps the newest digest elsewhere, as findings do.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from policy.frames import SchemaMismatch, conform, empty
from policy.kyc.directory import Directory
from policy.kyc.importing.checks import natural_persons, too_much
from policy.kyc.importing.forms import FileRead
from policy.kyc.importing.problems import whole_file_error
from policy.kyc.repeated import repeated
from policy.kyc.statements import STATEMENTS, frame_of, statements_of
from policy.kyc.store.brought import Brought
from policy.kyc.store.manifest import NOTHING_BEFORE, FromFile, Manifest, Reported, parsed, written
from policy.kyc.store.storage import (
    StoreError,
    begin,
    bytes_as_written,
    is_store,
    make,
    one_writer,
    put_in_force,
    version_in_force,
    write,
)
from policy.kyc.store.versions import ADDED, TOLD, VERSIONED, WITHDRAWN, Difference, difference, fold, is_held

VERSIONS = "versions"
MANY = 20
LARGEST_PART = 0.2
"""
More than so many statements, and more than this part of all that a source said, are not withdrawn unasked: a copy that
was broken off looks the same. Both are a choice: customers leave one by one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version: its manifest, and the digest of that."""

    manifest: Manifest
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an import would do, nothing of which has been done. ``before``, ``after``: all that is known, either way."""

    brought: Brought
    at: datetime
    base: Sequence[Version]
    difference: Difference
    before: Directory
    after: Directory

    @property
    def changes_nothing(self) -> bool:
        """Whether the store says all of it already."""
        return self.difference.rows.is_empty()


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of versions."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open the store, or begin one where nothing is. Raises StoreError."""
        if not is_store(folder):
            begin(folder)
        return cls(folder)

    @classmethod
    def existing(cls, folder: Path) -> "Store":
        """A store to read. Raises StoreError where there is none."""
        if not is_store(folder):
            raise StoreError(folder, "no store here", "import a file into it: flopwatch tenants import")
        return cls(folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer while the block runs. Raises StoreError at once when there is another."""
        with one_writer(self.folder):
            yield

    def versions(self) -> tuple[Version, ...]:
        """All that are in force, the oldest first. Raises StoreError where one is not what the next one names."""
        number, digest = version_in_force(self.folder)
        found = []
        for each in range(number, 0, -1):
            version = _version(self._path(each, "json"), digest)
            found.append(version)
            digest = version.manifest.previous
        if digest != NOTHING_BEFORE:
            raise StoreError(self.folder, "the first version names one before it", "restore it from a copy")
        return tuple(reversed(found))

    def read(self) -> Directory:
        """Everything ever known, with its clocks; the digest is that of the newest manifest. Raises StoreError."""
        versions = self.versions()
        return _directory([self.rows(each) for each in versions], _digest(versions))

    def verify(self) -> tuple[Version, ...]:
        """Hold every byte against the manifests, and every version's rows against its own. Raises StoreError."""
        versions = self.versions()
        for each in versions:
            changes = self.rows(each)["change"]
            if (sum(changes == ADDED), sum(changes == WITHDRAWN)) != (each.manifest.added, each.manifest.withdrawn):
                path = self._path(each.manifest.number, "parquet")
                raise StoreError(path, "not as many rows as its manifest says", "restore it from a copy")
        return versions

    def plan(self, brought: Brought, at: datetime) -> Plan:
        """What an import at this moment would do. Raises KycError where it must not be done."""
        brought.check()
        versions = self.versions()
        if versions and at < versions[-1].manifest.at:
            raise StoreError(self.folder, "the newest version is of a time to come", "set this machine's clock right")
        frames = [self.rows(each) for each in versions]
        before = _directory(frames, _digest(versions))
        brought.check_parties(before)
        changed = _difference(brought, versions, frames, at)
        _check_not_broken_off(brought, changed)
        after = _directory([*frames, changed.rows], "")
        _check_natural_persons(brought, after)
        return Plan(brought=brought, at=at, base=versions, difference=changed, before=before, after=after)

    def commit(self, plan: Plan) -> Version:
        """Put a plan down as the version in force. Only while :meth:`writing`. Raises StoreError."""
        if self.versions() != plan.base:
            raise StoreError(self.folder, "changed since the import was planned", "import again")
        number, rows = len(plan.base) + 1, _parquet(plan.difference.rows)
        content = written(_manifest(plan, number, hashlib.sha256(rows).hexdigest()))
        make(self.folder / VERSIONS)
        write(self._path(number, "parquet"), rows)
        write(self._path(number, "json"), content)
        version = Version(manifest=parsed(content), digest=hashlib.sha256(content).hexdigest())
        put_in_force(self.folder, number, version.digest)
        return version

    def rows(self, version: Version) -> pl.DataFrame:
        """What a version changed, schema VERSIONED. Raises StoreError where the file is not what was written."""
        path = self._path(version.manifest.number, "parquet")
        content = bytes_as_written(path, version.manifest.rows_sha256)
        try:
            return conform(pl.read_parquet(BytesIO(content)), VERSIONED, "version")
        except (SchemaMismatch, pl.exceptions.PolarsError) as error:
            raise StoreError(path, "of another form than this flopwatch reads", "use a matching one") from error

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / VERSIONS / f"{number:06}.{suffix}"


def _version(path: Path, digest: str) -> Version:
    content = bytes_as_written(path, digest)
    try:
        return Version(manifest=parsed(content), digest=digest)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(path, f"no manifest that this flopwatch reads ({error})", "use a matching one") from error


def _digest(versions: Sequence[Version]) -> str:
    return versions[-1].digest if versions else NOTHING_BEFORE


def _directory(frames: Sequence[pl.DataFrame], digest: str) -> Directory:
    return Directory(frame=fold(frames).select(STATEMENTS.names()), digest=digest)


def _difference(
    brought: Brought, versions: Sequence[Version], frames: Sequence[pl.DataFrame], at: datetime
) -> Difference:
    pairs = zip(versions, frames, strict=True)
    held = fold([frame for version, frame in pairs if version.manifest.source == brought.source])
    return difference(
        held.filter(pl.col("part").is_in(brought.parts)) if brought.files else held,
        _told(brought),
        first=1 + sum(each.manifest.added for each in versions),
        day=at.astimezone(UTC).date(),
        is_whole=brought.is_whole and not brought.problems,
    )


def _told(brought: Brought) -> pl.DataFrame:
    frames = [frame_of(each.read.statements).with_columns(part=pl.lit(each.read.part)) for each in brought.files]
    return pl.concat([empty(TOLD), *(each.select(TOLD.names()) for each in frames)])


def _check_not_broken_off(brought: Brought, changed: Difference) -> None:
    """Half a file looks like a source that has taken the other half back."""
    if not brought.files or brought.withdraw_many or changed.lost <= MANY:
        return
    if changed.lost > LARGEST_PART * changed.standing:
        problem = f"has nothing for {changed.lost} of the {changed.standing} statements that stand by its source's word"
        expected = "the whole file; or --partial, which only adds; or --withdraw-many, where so much is true no more"
        raise whole_file_error(brought.path, problem, expected)


def _check_natural_persons(brought: Brought, after: Directory) -> None:
    """A subject that one source calls a natural person has nothing said of it by another that is not kept of one."""
    held = after.frame.filter(is_held)
    natural = natural_persons(statements_of(held.filter(predicate="kind")))
    for each in statements_of(held.filter(pl.col("subject").is_in(sorted(natural)))):
        if too_much(each):
            problem = f"with it {repeated(each.subject)} is a natural person, and {each.predicate} is said of it"
            expected = "that left out, or its kind corrected, in the source that is wrong"
            raise whole_file_error(brought.path, problem, expected)


def _manifest(plan: Plan, number: int, rows_sha256: str) -> Manifest:
    return Manifest(
        number=number,
        moment=plan.at.astimezone(UTC).isoformat(),
        author=plan.brought.author,
        source=plan.brought.source,
        is_whole=plan.brought.is_whole,
        files=tuple(map(_from_file, plan.brought.files)),
        reported=tuple(Reported(place=each.place, problem=each.problem) for each in plan.brought.problems),
        added=plan.difference.added,
        withdrawn=plan.difference.withdrawn,
        left_standing=plan.difference.left_standing,
        rows_sha256=rows_sha256,
        previous=_digest(plan.base),
    )


def _from_file(each: FileRead) -> FromFile:
    return FromFile(
        name=each.path.name,
        form=each.form,
        sha256=each.sha256,
        rows_in=each.read.rows_in,
        accepted=each.read.accepted,
        reported=each.read.reported,
        part=each.read.part,
        left_out=each.read.left_out,
    )


def _parquet(rows: pl.DataFrame) -> bytes:
    out = BytesIO()
    rows.write_parquet(out, compression="zstd")
    return out.getvalue()
