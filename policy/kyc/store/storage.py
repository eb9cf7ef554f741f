"""
The files of a store: which version is in force, bytes that must be those that were written, one writer at a time.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from policy.files import CannotWrite, Locked, forget_left_behind, locked, make_folder, write_whole
from policy.kyc.problems import KycError, KycProblem
from policy.kyc.store.manifest import NOTHING_BEFORE

HEAD = "HEAD.json"
LOCK = "store.lock"


class StoreError(KycError):
    """A store that cannot be used: which folder or file, what is wrong, what to do."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        found = KycProblem(file=path.name, line=1, column="store", value="", problem=problem, expected=remedy)
        super().__init__(path, [found])
        self.args = (f"{path}: {problem}; {remedy}",)


def is_store(folder: Path) -> bool:
    """Whether a store has been begun there."""
    return (folder / HEAD).exists()


def bytes_as_written(path: Path, digest: str) -> bytes:
    """The bytes of a file that is never written again. Raises StoreError where they are others."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(path, f"cannot be read: {error.strerror}", "restore it from a copy") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise StoreError(path, "not the bytes that were written", "restore it from a copy")
    return content


def version_in_force(folder: Path) -> tuple[int, str]:
    """Its number and the digest of its manifest. Raises StoreError."""
    path = folder / HEAD
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        return int(head["version"]), str(head["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(path, "does not say which version is in force", "restore it from a copy") from error


def put_in_force(folder: Path, number: int, digest: str) -> None:
    """Make a version the one in force. Raises StoreError."""
    write(folder / HEAD, (json.dumps({"version": number, "digest": digest}) + "\n").encode())


def begin(folder: Path) -> None:
    """Begin a store, unless somebody was faster. A folder with other things in it is not made one."""
    if folder.exists() and (not folder.is_dir() or any(map(_is_of_others, folder.iterdir()))):
        raise StoreError(folder, "neither a store nor an empty folder", "give a folder of its own with --tenants")
    make(folder)
    with one_writer(folder):
        if not is_store(folder):
            put_in_force(folder, 0, NOTHING_BEFORE)


def make(folder: Path) -> None:
    """Make a folder, where it is missing. Raises StoreError."""
    try:
        make_folder(folder)
    except OSError as error:
        raise StoreError(folder, f"cannot be made: {error.strerror}", "check the disk and its rights") from error


def write(path: Path, content: bytes) -> None:
    """Write a file whole. Raises StoreError."""
    try:
        write_whole(path, lambda aside: aside.write_bytes(content))
    except CannotWrite as error:
        problem, _, remedy = str(error).removeprefix(f"{path}: ").rpartition("; ")
        raise StoreError(path, problem, remedy) from error


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Hold the lock while the block runs, and clear away what a writer left aside that was ended. Raises StoreError."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / LOCK))
            forget_left_behind(folder)
        except Locked as error:
            raise StoreError(folder, "another import is writing it", "wait until that one has ended") from error
        except OSError as error:
            problem = f"cannot be written to: {error.strerror}"
            raise StoreError(folder, problem, "check the disk and its rights") from error
        yield


def _is_of_others(path: Path) -> bool:
    """Whether it was not left by somebody who began a store here."""
    return path.name != LOCK and not path.name.startswith(f".{HEAD}.")
