"""
What is known about tenants and parties, as statements: who, what, by whom, as of when, and since when we know it.

A statement has two clocks. ``begins`` and ``ends`` are the days between which it was true; null: not known, which
counts as always, for a parent that is found on day 40 speaks about days 1 to 39 too. ``known_from`` and ``known_to``
are the days between which the provider held it to be true; null: from the beginning, and still.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from policy.frames import conform, schema
from policy.kyc.repeated import is_reference
from policy.kyc.vocabulary import PREDICATES

STATEMENTS = schema(
    {
        "subject": pl.String,  # opaque id of a tenant or a party
        "predicate": pl.String,  # of policy.kyc.vocabulary.PREDICATES
        "value": pl.String,  # in the one way of writing of the predicate's kind
        "detail": pl.String,  # what the predicate's detail_is says; null: none
        "share_low_percent": pl.Float64,  # 0 to 100; null: not known
        "share_high_percent": pl.Float64,  # the same as the low one where it is exact; null: not known
        "begins": pl.Date,  # the first day on which it was true
        "ends": pl.Date,  # the first day on which it was true no more
        "source": pl.String,  # whose word it is, as a register or a questionnaire
        "document": pl.String,  # a reference or a hash of what was seen; null: none
        "confidence": pl.String,  # of policy.kyc.vocabulary.Confidence
        "as_of": pl.Date,  # the day for which the source says it
        "known_from": pl.Date,  # the first day on which the provider held it to be true
        "known_to": pl.Date,  # the first day on which it did so no more
    }
)

ORIGINAL = schema(
    {
        "as_subject": pl.String,  # the id of which it was said, where another one stands for that; null: the subject
        "as_value": pl.String,  # the id that was said, likewise; null: the value
    }
)
"""What a directory has beside, in which each party has one id. No source says it, and no store keeps it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One row of :data:`STATEMENTS`, with :data:`ORIGINAL`."""

    subject: str
    predicate: str
    value: str
    detail: str | None = None
    share_low_percent: float | None = None
    share_high_percent: float | None = None
    begins: date | None = None
    ends: date | None = None
    source: str = ""
    document: str | None = None
    confidence: str = "stated"
    as_of: date | None = None
    known_from: date | None = None
    known_to: date | None = None
    as_subject: str | None = None
    as_value: str | None = None

    def holds(self, at: date) -> bool:
        """Whether it was true on a day, as far as it says."""
        return (self.begins is None or self.begins <= at) and (self.ends is None or at < self.ends)

    def is_known(self, day: date) -> bool:
        """Whether the provider held it to be true at the end of a day."""
        since = self.known_from is None or self.known_from <= day
        return since and (self.known_to is None or day < self.known_to)

    @property
    def has_free_detail(self) -> bool:
        """Whether its detail is in anybody's words, which may name somebody."""
        return bool(self.detail and not PREDICATES[self.predicate].details and not is_reference(self.detail))

    @property
    def line(self) -> str:
        """Its source in one line, for a reviewer. Holds no value, and of a document a reference but no words."""
        about = [self.source, f"{self.confidence}"]
        if self.as_of:
            about.append(f"as of {self.as_of.isoformat()}")
        if self.known_from:
            about.append(f"known from {self.known_from.isoformat()}")
        if self.document:
            about.append(f"document {self.document}" if is_reference(self.document) else "a document")
        said_of, says = (f" (as {each})" if each else "" for each in (self.as_subject, self.as_value))
        return f"KYC {self.subject}{said_of} {self.predicate}{says}: {', '.join(about)}"


def frame_of(statements: Iterable[Statement]) -> pl.DataFrame:
    """These statements, schema :data:`STATEMENTS`."""
    rows = [tuple(getattr(each, name) for name in STATEMENTS) for each in statements]
    return conform(pl.DataFrame(rows, schema=STATEMENTS, orient="row"), STATEMENTS, "statements")


def statements_of(frame: pl.DataFrame) -> list[Statement]:
    """The rows of a frame, one by one."""
    names = [*STATEMENTS.names(), *(name for name in ORIGINAL if name in frame.columns)]
    return [Statement(*row) for row in frame.select(names).iter_rows()]


def by_subject(statements: Iterable[Statement]) -> Mapping[str, list[Statement]]:
    """The statements of each subject."""
    found: dict[str, list[Statement]] = {}
    for each in statements:
        found.setdefault(each.subject, []).append(each)
    return found
