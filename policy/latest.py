"""
A file that may change while we run: read again when it does, and a bad one leaves the last good one in force.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")
Refusal = TypeVar("Refusal", bound=Exception)


class Latest(Generic[Content]):
    """The content of the newest good file."""

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[Path], Content],
        refusal: type[Refusal],
        tell: Callable[[Refusal], None],
        watched: Callable[[Path], Path] = lambda path: path,
    ) -> None:
        """
        Raises what ``read`` raises; a later ``refusal`` is only told.

        ``watched``: the file that changes when a folder does.
        """
        self._path = path
        self._watched = watched
        self._read = read
        self._refusal = refusal
        self._tell = tell
        self._seen = _fingerprint(watched(path))  # before the content: a change in between is then seen the next time
        self._content = read(path)

    def __call__(self) -> Content:
        """The content as it stands now. What cannot be read is tried again each time, and told each time."""
        now = _fingerprint(self._watched(self._path))
        if now != self._seen:
            try:
                self._content = self._read(self._path)
            except self._refusal as error:
                self._tell(error)
            else:
                self._seen = now
        return self._content


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ctime_ns, found.st_size, found.st_ino)  # copying can keep a modification time
