"""
What somebody has to look at again: documents past their day, rows that nobody has verified, and unsettled accelerators.

Nothing here changes an answer. A document past its day is still the best that is known, and says so.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.evidence import Document, Evidence, Layer, LayerKind
from policy.facts.facts import Facts
from policy.facts.peaks import NoPeak
from policy.facts.product_names import OneOf, Unclassified
from policy.facts.rows import FactRow, rows_of
from policy.facts.tables import wrong_in


class Why(StrEnum):
    """Why a document is past its day: its own text speaks of no later one, or nobody read it again in time."""

    TERM_ENDED = "term_ended"
    NOT_READ_AGAIN = "not_read_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A document past its day, and the rows that cite it."""

    document: Document
    why: Why
    cited_by: tuple[FactRow, ...]

    def matters(self, at: date, rules: Container[str]) -> bool:
        """
        Whether something rests on it that day: a row that speaks of it, or a rule; ``rules``: what those cite.

        What a provider's overlay brings matters too where nothing cites it: a row that it takes away may rest on it.
        """
        if any(row.speaks(at) for row in self.cited_by) or self.document.id in rules:
            return True
        return not self.cited_by and self.document.layer.kind is not LayerKind.SHIPPED

    @property
    def words(self) -> str:
        """For a reviewer."""
        document = self.document
        if self.why is Why.TERM_ENDED and document.term_ends is not None:
            return f"its own term ended on {document.term_ends.isoformat()}: {document.term}"
        return f"read on {document.read_on.isoformat()}, and not again by {document.review_by.isoformat()}"


class Doubt(StrEnum):
    """What is not settled about an accelerator that the fleet has."""

    UNCLASSIFIED = "unclassified"
    UNVERIFIED = "unverified"
    ONE_OF_SEVERAL = "one_of_several"
    WITHOUT_PEAK = "without_peak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """An accelerator by the name that the fleet gives it; ``device``: empty where it is not in the catalogue."""

    name: str
    device: str
    doubts: tuple[Doubt, ...]
    reason: str


def stale_documents(facts: Facts, at: date) -> tuple[Stale, ...]:
    """The documents whose last good day is before ``at``, the longest past first."""
    rows = rows_of(facts)
    past = sorted(facts.overdue(at), key=lambda each: (each.good_through, each.id))
    return tuple(_stale(document, rows, at) for document in past)


def check_readings(facts: Facts, today: date) -> None:
    """Raise :class:`FactsError` for what was read or decided on a day yet to come: nobody has done it."""
    for document in facts.documents.values():
        _check_past(document.read_on, today, document.layer, f"[{document.id}]", "read_on")
    for layer in facts.layers:
        if layer.decided_on is not None:
            _check_past(layer.decided_on, today, layer, "[overlay]", "decided_on")


def _check_past(day: date, today: date, layer: Layer, table: str, field: str) -> None:
    if day > today:
        raise wrong_in(layer, table, field, f"{day.isoformat()} is yet to come", "give the day on which it was done")


def _stale(document: Document, rows: Iterable[FactRow], at: date) -> Stale:
    ended = document.term_ends is not None and document.term_ends < at
    return Stale(
        document=document,
        why=Why.TERM_ENDED if ended else Why.NOT_READ_AGAIN,
        cited_by=tuple(row for row in rows if document.id in {each.id for each in row.source.documents}),
    )


def unverified_rows(facts: Facts, at: date) -> tuple[FactRow, ...]:
    """The rows that speak of this day and rest on memory, or on a choice of ours."""
    return tuple(row for row in rows_of(facts) if row.source.evidence is Evidence.UNVERIFIED and row.speaks(at))


def doubtful_accelerators(facts: Facts, names: Iterable[str]) -> tuple[Doubtful, ...]:
    """Those of these names that are unverified, in no catalogue, or without a peak, in the order of their names."""
    found = (_doubtful(facts, name) for name in sorted(set(names)))
    return tuple(each for each in found if each.doubts)


def _doubtful(facts: Facts, name: str) -> Doubtful:
    known, peak = facts.product_names.identify(name), facts.peak(name)
    doubts: list[Doubt] = []
    reasons: list[str] = []
    if isinstance(known, OneOf):
        doubts.append(Doubt.ONE_OF_SEVERAL)
        reasons.append(f"it may be {known.words}")
    if isinstance(known, Unclassified):
        doubts.append(Doubt.UNCLASSIFIED)
    elif known.evidence is Evidence.UNVERIFIED:
        doubts.append(Doubt.UNVERIFIED)
        reasons.append("its name or its figures are not verified")
    if isinstance(peak, NoPeak):
        doubts.append(Doubt.WITHOUT_PEAK)
        reasons.append(peak.reason)
    device = "" if isinstance(known, Unclassified) else known.words
    return Doubtful(name=name, device=device, doubts=tuple(doubts), reason="; ".join(reasons))
