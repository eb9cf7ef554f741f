"""
What a collector must know after a restart, in one JSON file on the node: the codec, and the file at the edge.

The file is replaced whole: written aside, flushed to the disk, renamed, and the folder flushed. So there is always one
whole state, the old or the new. It carries the node, the provenance, a version of the format, and a digest of the rest.
A file that cannot be used is set aside under a name that says why, the newest of each kind, and never read again.
Whoever uses it holds a lock on ``<name>.lock`` until it ends, for two writers would make each other's counters fall.

The file has names of namespaces and pods, so only its owner may read it.
"""

import errno
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from collector.accounting import Books, Holder
from collector.readings import Absent, DeviceIdentity, Why
from collector.state.custody import Custody
from collector.state.plain import Misfit, from_plain, to_plain

log = logging.getLogger("flopwatch.collector")

FORMAT = "flopwatch collector state"
VERSION = 2
"""Of the format. A field that is added needs no new one, see ``collector/state/plain.py``; another meaning does."""

Held = Mapping[str, tuple[Holder, ...]] | Absent
"""Holders by GPU UUID."""


class Found(StrEnum):
    """What a collector found in its state file when it started; the first two go on from it."""

    LOADED = "loaded"
    CLOCK_BACKWARDS = "clock_backwards"
    NONE = "none"
    CORRUPT = "corrupt"
    UNREADABLE = "unreadable"
    OTHER_NODE = "other_node"
    OTHER_PROVENANCE = "other_provenance"
    OTHER_VERSION = "other_version"
    IMPLAUSIBLE_GAP = "implausible_gap"
    IN_USE = "in_use"


class Unsaved(StrEnum):
    """Why a state could not be saved."""

    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    NO_PERMISSION = "no_permission"
    NO_FOLDER = "no_folder"
    IN_USE = "in_use"
    IO_ERROR = "io_error"


REASONS = {
    errno.ENOSPC: Unsaved.DISK_FULL,
    errno.EDQUOT: Unsaved.DISK_FULL,
    errno.EFBIG: Unsaved.DISK_FULL,
    errno.EROFS: Unsaved.READ_ONLY,
    errno.EACCES: Unsaved.NO_PERMISSION,
    errno.EPERM: Unsaved.NO_PERMISSION,
    errno.ENOENT: Unsaved.NO_FOLDER,
    errno.ENOTDIR: Unsaved.NO_FOLDER,
    errno.EWOULDBLOCK: Unsaved.IN_USE,
}
"""By the system's error; all others are IO_ERROR."""


class CannotLoad(Exception):
    """There is no state to go on from: what was found, and what is wrong with it."""

    def __init__(self, found: Found, problem: str) -> None:
        super().__init__(problem)
        self.found = found


class CannotSave(Exception):
    """The state was not saved. ``replaced``: the file is the new one all the same, only not known to be on the disk."""

    def __init__(self, reason: Unsaved, problem: str, *, replaced: bool) -> None:
        super().__init__(problem)
        self.reason = reason
        self.replaced = replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailures:
    """How often a call into NVML has failed with one code; ``published``: whether a page has had it."""

    call: str
    code: str
    count: int
    published: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """
    Everything of a collector that outlives it; moments as Unix time, by the node's clock.

    ``began_unix`` is when the counters began, ``clock_unix`` up to when they have been added up, which was
    ``elapsed_ns`` on the monotonic clock that counts from ``epoch``. ``last_success_unix`` is when every GPU was last
    read (0: not yet). ``held`` is who held what then; ``last_known`` who did when that was last known.
    ``instances`` are the MIG instances that cards were cut into. ``unreadable`` are the accelerators, by key, of the
    devices that nothing read. ``process_mismatches`` are counted by kind.
    """

    began_unix: float
    clock_unix: float
    elapsed_ns: int = 0
    epoch: str | Absent = field(default_factory=lambda: Absent(Why.NO_DATA))
    last_success_unix: float = 0.0
    ticks: int = 0
    lateness_ns: int = 0
    nvml_failures: tuple[CallFailures, ...] = ()
    books: Books = field(default_factory=Books)
    held: Held = field(default_factory=lambda: Absent(Why.HOLDERS_UNKNOWN))
    last_known: Held = field(default_factory=lambda: Absent(Why.HOLDERS_UNKNOWN))
    custody: Custody = field(default_factory=Custody)
    instances: tuple[DeviceIdentity, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    process_mismatches: Mapping[str, int] = field(default_factory=dict)


def to_text(state: State, *, node: str, provenance: str) -> str:
    """The content of the file."""
    body = _dumped(to_plain(state))
    head = {"format": FORMAT, "version": VERSION, "node": node, "provenance": provenance, "sha256": _digest(body)}
    return f'{_dumped(head)[:-1]},"state":{body}}}\n'


def from_text(text: str, *, node: str, provenance: str) -> State:
    """The state in the content of a file. Raises ``CannotLoad``, for whatever content."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotLoad(Found.CORRUPT, f"not JSON ({error})") from error
    _refuse_foreign(whole, node, provenance)
    if whole.get("sha256") != _digest(_dumped(whole.get("state"))):
        raise CannotLoad(Found.CORRUPT, "the digest is of another content")
    try:
        state: State = from_plain(State, whole["state"])
    except Misfit as misfit:
        raise CannotLoad(Found.CORRUPT, str(misfit)) from misfit
    return state


class StateFile:
    """The file of one node. Problems are exceptions here; what follows from them is the caller's."""

    def __init__(self, path: Path, *, node: str, provenance: str) -> None:
        self.path = path
        self._node = node
        self._provenance = provenance
        self._lock: int | None = None

    def close(self) -> None:
        """Let another collector have the file."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def load(self) -> State:
        """
        The state as last saved. Raises ``CannotLoad``; a file that is no use has been set aside then.

        A file that another collector uses is left alone.
        """
        try:
            self._take()
        except BlockingIOError as error:
            raise CannotLoad(Found.IN_USE, "another collector uses it; give each its own --state-file") from error
        except OSError as error:
            log.debug("state.not_locked path=%s problem=%r", self.path, error.strerror)  # saving will say so
        return self._read()

    def _read(self) -> State:
        try:
            text = self.path.read_text(encoding="utf-8")
            return from_text(text, node=self._node, provenance=self._provenance)
        except FileNotFoundError as error:
            raise CannotLoad(Found.NONE, "there is no file yet") from error
        except UnicodeDecodeError as error:
            problem = CannotLoad(Found.CORRUPT, f"not UTF-8 ({error.reason})")
        except OSError as error:
            problem = CannotLoad(Found.UNREADABLE, f"cannot be read ({error.strerror})")
        except CannotLoad as error:
            problem = error
        self.set_aside(problem.found)
        raise problem

    def set_aside(self, found: Found) -> None:
        """Rename the file to ``<name>.<found>``; where that fails it stays, which saving then runs into."""
        aside = self.path.with_name(f"{self.path.name}.{found}")
        try:
            self.path.replace(aside)
        except OSError as error:
            log.warning("state.not_set_aside path=%s reason=%s problem=%r", self.path, found, error.strerror)

    def save(self, state: State) -> int:
        """Replace the file; returns its size in bytes once it is on the disk. Raises ``CannotSave``."""
        content = to_text(state, node=self._node, provenance=self._provenance).encode()
        new, replaced = self.path.with_name(self.path.name + ".new"), False
        try:
            self._take()
            _write(new, content)
            new.replace(self.path)
            replaced = True
            _flush_folder(self.path.parent)
        except OSError as error:
            if self._lock is not None:
                with suppress(OSError):
                    new.unlink(missing_ok=True)  # a full disk is not made fuller
            reason = REASONS.get(error.errno or 0, Unsaved.IO_ERROR)
            raise CannotSave(reason, f"{self.path}: {error.strerror}", replaced=replaced) from error
        return len(content)

    def _take(self) -> None:
        """Take the lock, if it is not ours yet; it ends with the process. Raises BlockingIOError where it is taken."""
        if self._lock is not None:
            return
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._lock = lock


def _refuse_foreign(whole: Any, node: str, provenance: str) -> None:
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or type(whole.get("version")) is not int:
        raise CannotLoad(Found.CORRUPT, f"does not say that it is a {FORMAT}")
    if whole["version"] != VERSION:
        raise CannotLoad(Found.OTHER_VERSION, f"of version {whole['version']}; this collector writes {VERSION}")
    if whole.get("node") != node:
        raise CannotLoad(Found.OTHER_NODE, f"of node {whole.get('node')!r}; this is {node!r}")
    if whole.get("provenance") != provenance:
        raise CannotLoad(Found.OTHER_PROVENANCE, f"{whole.get('provenance')!r}; this collector is {provenance!r}")


def _dumped(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"))


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    """A rename is on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
