"""
Where a fact comes from and how well it is known.

A fact is as good as its weakest part: an exact figure with a date from memory is unverified.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Evidence(StrEnum):
    """
    How well a fact is known.

    ``official``: read in the official text or a mirror of it. ``secondary``: read in somebody's account of it.
    ``unverified``: from memory, or a choice of ours. A reviewer is shown which.
    """

    OFFICIAL = "official"
    SECONDARY = "secondary"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a fact rests on. ``read_on``: the day the source was read; ``review_by``: the last day to rely on that."""

    citation: str
    evidence: Evidence
    read_on: date
    review_by: date

    @property
    def line(self) -> str:
        """The source in one line, for a reviewer."""
        return f"{self.citation} ({self.evidence}; read {self.read_on.isoformat()})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A number that decides something. ``why`` is its reason, ``basis`` what sort of knowledge it rests on."""

    value: float
    unit: str
    why: str
    basis: str
    source: Source
