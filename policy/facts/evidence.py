"""
Where a fact comes from, how well it is known, and when somebody has to look again.

A fact is as good as its weakest part: an exact figure with a date from memory is unverified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Evidence(StrEnum):
    """
    How well a fact is known, the best first.

    ``official``: read in the official text or a mirror of it. ``secondary``: read in somebody's account of it.
    ``unverified``: from memory, or a choice of ours. A reviewer is shown which.
    """

    OFFICIAL = "official"
    SECONDARY = "secondary"
    UNVERIFIED = "unverified"


class Answer(StrEnum):
    """Yes, no, or nobody knows. ``unknown`` never clears."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def weakest(*evidence: Evidence) -> Evidence:
    """The weakest of them."""
    return max(evidence, key=list(Evidence).index)


def doubt(evidence: Evidence) -> str:
    """What a sentence says besides of what is unverified: ``, which nobody has verified``; else nothing."""
    return ", which nobody has verified" if evidence is Evidence.UNVERIFIED else ""


class LayerKind(StrEnum):
    """
    What a layer of facts is: ``shipped`` with flopwatch, an ``override`` of the provider's, or a ``scenario``.

    A scenario says what is not so, or not yet. It is never in force; only replay and trials of rules take it.
    """

    SHIPPED = "shipped"
    OVERRIDE = "override"
    SCENARIO = "scenario"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Which file a row was written in. ``name``, ``reason``, ``decided_on``: an overlay's own words; ours has none."""

    file: str
    kind: LayerKind = LayerKind.SHIPPED
    name: str = ""
    reason: str = ""
    decided_on: date | None = None

    @property
    def words(self) -> str:
        """For a reviewer; nothing where the row is flopwatch's own."""
        return "" if self.kind is LayerKind.SHIPPED else f"{self.kind} {self.name}: {self.reason}"


def of_the_overlay(*layers: Layer) -> Layer:
    """The last of these layers that is not ours, else the last: of two rows that contradict, the newer is wrong."""
    overlays = [layer for layer in layers if layer.kind is not LayerKind.SHIPPED]
    return (overlays or list(layers))[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """
    One text that rows cite.

    ``read_on``: the day on which it was read. ``review_by``: our own day to read it again, the last one to rely on it.
    ``term_ends``: the last day of which its own text speaks, as of a stay that runs until then, and ``term`` says so.
    """

    id: str
    citation: str
    evidence: Evidence
    read_on: date
    review_by: date
    layer: Layer
    url: str = ""
    term_ends: date | None = None
    term: str = ""

    @property
    def good_through(self) -> date:
        """The last day to rely on it: of our own and the document's the earlier one."""
        return self.review_by if self.term_ends is None else min(self.review_by, self.term_ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a row rests on: documents, how well the row as a whole is known, and the layer it was written in."""

    documents: tuple[Document, ...]
    evidence: Evidence
    layer: Layer

    @property
    def citation(self) -> str:
        """All documents in one line."""
        return "; ".join(document.citation for document in self.documents)

    @property
    def line(self) -> str:
        """The source in one line, for a reviewer."""
        read_on = min(document.read_on for document in self.documents).isoformat()
        layers = dict.fromkeys(filter(None, (self.layer.words, *(each.layer.words for each in self.documents))))
        said_by = "".join(f"; {words}" for words in layers)
        return f"{self.citation} ({self.evidence}; read {read_on}{said_by})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """
    That an overlay took a shipped row away, or put another in its place: which table, the row's key, and why.

    ``about``: the countries and devices that the row named; none: it was about all.
    """

    table: str
    key: Sequence[str]
    reason: str
    done: str
    layer: Layer
    about: tuple[str, ...] = ()

    def is_about(self, subject: str) -> bool:
        """Whether the row named the country or device, or spoke of all."""
        return not self.about or subject in self.about

    @property
    def words(self) -> str:
        """For a reviewer of an answer that might be another with the row."""
        return f"{self.layer.kind} {self.layer.name} {self.done} {self.table} {' '.join(self.key)}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A number that decides something. ``why`` is its reason, ``basis`` what sort of knowledge it rests on."""

    value: float
    unit: str
    why: str
    basis: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Countries:
    """Countries that a question is about, alpha-2."""

    countries: tuple[str, ...]
    why: str
    basis: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Country groups that a question is about, by their ids."""

    groups: tuple[str, ...]
    why: str
    basis: str
    source: Source
