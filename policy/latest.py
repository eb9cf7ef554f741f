"""
A file that may change while we run: read again when it does, and a bad one leaves the last good one in force.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")
Refusal = TypeVar("Refusal", bound=Exception)
NOTHING = object()
"""Beside fingerprints, of which None is one: that nothing was told yet."""


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
        insists: bool = False,
    ) -> None:
        """
        Raises what ``read`` raises; a later ``refusal`` is only told.

        ``watched``: the file that changes when a folder does. ``insists``: whether a refusal is told each time, for
        who asks seldom, and not once for each change of the file, for who may be made to ask by anybody.
        """
        self._path = path
        self._watched = watched
        self._read = read
        self._refusal = refusal
        self._tell = tell
        self._insists = insists
        self._told: object = NOTHING
        self._seen = _fingerprint(watched(path))  # before the content: a change in between is then seen the next time
        self._content = read(path)

    def __call__(self) -> Content:
        """The content as it stands now. What cannot be read is tried again each time."""
        now = _fingerprint(self._watched(self._path))
        if now != self._seen:
            try:
                self._content = self._read(self._path)
            except self._refusal as error:
                if self._insists or now != self._told:
                    self._tell(error)
                self._told = now
            else:
                self._seen, self._told = now, NOTHING
        return self._content


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ctime_ns, found.st_size, found.st_ino)  # copying can keep a modification time
