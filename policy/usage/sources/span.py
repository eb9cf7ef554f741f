"""
The time that is read from a store of series, in windows and in portions small enough for one answer. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

MILLISECONDS = 1000
PORTION_WINDOWS = 24


def milliseconds(moment: datetime) -> int:
    """Unix time."""
    return round(moment.timestamp() * MILLISECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``begin_ms`` to ``end_ms`` (Unix time), in windows of ``window_ms`` that begin at its multiples."""

    begin_ms: int
    end_ms: int
    window_ms: int

    def __post_init__(self) -> None:
        if self.begin_ms % self.window_ms or self.end_ms % self.window_ms or self.begin_ms >= self.end_ms:
            raise ValueError(f"{self} is not a number of whole windows; take Span.around")

    @classmethod
    def around(cls, begin: datetime, end: datetime, window_seconds: int) -> "Span":
        """The whole windows from the one that ``begin`` lies in to the one that ``end`` lies in."""
        window = window_seconds * MILLISECONDS
        first, last = milliseconds(begin), milliseconds(end)
        return cls(begin_ms=first // window * window, end_ms=-(-last // window) * window, window_ms=window)

    @property
    def ends(self) -> range:
        """When each window ends."""
        return range(self.begin_ms + self.window_ms, self.end_ms + 1, self.window_ms)

    def portions(self) -> Iterator["Span"]:
        """The same time in portions of at most PORTION_WINDOWS windows."""
        length = PORTION_WINDOWS * self.window_ms
        for begin in range(self.begin_ms, self.end_ms, length):
            end = min(begin + length, self.end_ms)
            yield Span(begin_ms=begin, end_ms=end, window_ms=self.window_ms)
