"""
Files that outlast a crash: written aside, flushed, renamed, by one writer at a time.

What a file is about, and what an error is called, is the caller's affair.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl


class CannotWrite(Exception):
    """A file that could not be written; what was there before is there still."""


class Locked(Exception):
    """Somebody else holds the lock."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write aside, flush to disk, rename: a reader or a later writer finds all of it or nothing. Raises CannotWrite."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
        _flush_folder(path.parent)
    except (OSError, pl.exceptions.PolarsError) as error:  # PolarsError: how a full disk is told by its writer
        raise CannotWrite(f"{path}: cannot be written ({_first_line(error)}); check the disk and its rights") from error
    finally:
        with suppress(OSError):  # the disk that could not be written to; the next writer forgets what is left
            aside.unlink(missing_ok=True)


def forget_left_behind(folder: Path) -> None:
    """Remove what a writer left aside that was ended while it wrote. Only for who holds the lock."""
    for left_behind in folder.rglob(".*.tmp"):
        left_behind.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder that outlasts a power cut, and the ones above it."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _flush_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file, which is made where it is missing. Raises Locked at once where another does."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(str(path)) from error
        yield


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _flush_folder(path: Path) -> None:
    """Make the names in a folder last, which flushing the files alone does not."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
