"""
A watched folder: ``DIR/<source>/<file>``, where the newest file of a source's folder is all that the source says.

Of a register that publishes several files, each about something else, it is the newest file of each part.

A file is looked at once nothing has written to it for a few seconds, so that a copy under way is not taken for a whole
file; whoever can, writes aside under a name that begins with a dot, and renames. Only folders: a bucket or a share is
brought here by the provider's own means of copying, which has the credentials that flopwatch does not want.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SETTLED_SECONDS = 2.0
"""
For how long a file has to be left alone. A guess: a copy that stalls for longer is taken for one that is done.

What was written to after somebody looked at the clock is of a moment to come. So is a file that keeps the time of
another machine, whose clock is ahead; that one is settled unless it is as near, and then soon.
"""
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A file that waits. ``part``: of its source's parts. ``mark`` is another one after each change of it."""

    source: str
    part: str
    path: Path
    mark: tuple[int, int, int]
    is_settled: bool


def arrived(folder: Path, now: float, part_of: Callable[[Path], str]) -> tuple[Arrived, ...]:
    """
    The newest file of each part of each source, the oldest first. Raises OSError where there is no folder.

    ``now``: seconds since the epoch. ``part_of`` tells from a file which part it is.
    """
    folders = (each for each in sorted(folder.iterdir()) if each.is_dir() and _is_meant(each))
    return tuple(found for each in folders for found in _newest(each, now, part_of))


def _newest(folder: Path, now: float, part_of: Callable[[Path], str]) -> list[Arrived]:
    files = sorted(_files(folder, now, part_of), key=_age)
    return sorted({each.part: each for each in files}.values(), key=_age)


def _age(file: Arrived) -> tuple[tuple[int, int, int], str]:
    return file.mark, file.path.name


def _files(folder: Path, now: float, part_of: Callable[[Path], str]) -> Iterator[Arrived]:
    for path in folder.iterdir():
        if not path.is_file() or not _is_meant(path):
            continue
        about = path.stat()
        mark = (about.st_mtime_ns, about.st_size, about.st_ino)
        is_settled = abs(now - about.st_mtime) >= SETTLED_SECONDS
        yield Arrived(source=folder.name, part=part_of(path), path=path, mark=mark, is_settled=is_settled)


def _is_meant(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix not in UNFINISHED
