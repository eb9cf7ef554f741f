"""
The class that the provider has on record for its hardware, beside the one that arithmetic gives.

Neither decides: the paragraph is no official classification, and a record may be old, of another board, or wrong. Where
they differ a person has to look. The computed paragraph is that of the circuit; a computer, board or other item that
holds one has an entry of its own, which agrees where it is one that such a circuit leads to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.classification import Classification, Classifier, NoteTwo
from policy.facts.control import UNCLASSIFIED
from policy.facts.eccn import NONE, UNDETERMINED
from policy.facts.evidence import Answer
from policy.facts.product_names import Named
from policy.kyc.registers.provider import Hardware, Provider


class Comparison(StrEnum):
    """
    What record and arithmetic come to.

    ``not_recorded``: nobody has recorded a class by that day. ``not_computed``: the accelerator is not in the
    catalogue, or its figures are not known.
    """

    AGREE = "agree"
    DIFFER = "differ"
    NOT_RECORDED = "not_recorded"
    NOT_COMPUTED = "not_computed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Both for one accelerator on a day. ``recorded``: the newest records about it. ``reason``: without full stop."""

    accelerator: str
    recorded: tuple[Hardware, ...]
    computed: Classification
    comparison: Comparison
    reason: str


def recorded_and_computed(
    provider: Provider, classifier: Classifier, accelerator: str, day: date, *, node: str = "", serial: str = ""
) -> SideBySide:
    """
    The record and the arithmetic for an accelerator by any of its names.

    With ``node`` or ``serial`` for that one: a record about it goes before one about the accelerator. Without them
    every record about the accelerator counts, also those about some nodes.
    """
    records = tuple(_newest(_closest(_about(provider, classifier, accelerator, node, serial)), day))
    computed = classifier.classify(accelerator, day)
    comparison = _compare(records, computed, classifier)
    return SideBySide(
        accelerator=accelerator,
        recorded=records,
        computed=computed,
        comparison=comparison,
        reason=_reason(records, computed, comparison),
    )


def _about(
    provider: Provider, classifier: Classifier, accelerator: str, node: str, serial: str
) -> Iterator[tuple[int, Hardware]]:
    """The records that fit, each with how near it is to what was asked: serial, node, accelerator."""
    for item in provider.hardware:
        named = _is_same(classifier, item.accelerator, accelerator)
        on_it = bool(node) and item.is_on(node)
        is_it = bool(serial) and serial in item.serials
        if node or serial:
            fits = all((not item.accelerator or named, not item.nodes or on_it, not item.serials or is_it))
        else:
            fits = named
        if fits:
            yield (2 if is_it else 1 if on_it else 0), item


def _is_same(classifier: Classifier, one: str, other: str) -> bool:
    """Whether two names mean one device of the catalogue, or are the same name."""
    known = classifier.names.identify(one) if one else None
    asked = classifier.names.identify(other)
    if isinstance(known, Named) and isinstance(asked, Named):
        return known.device.device == asked.device.device
    return bool(one) and one.casefold() == other.casefold()


def _closest(found: Iterator[tuple[int, Hardware]]) -> list[Hardware]:
    rows = list(found)
    nearest = max((near for near, _ in rows), default=0)
    return [item for near, item in rows if near == nearest]


def _newest(items: list[Hardware], day: date) -> list[Hardware]:
    """Of each subject the newest records up to the day."""
    by_then = [item for item in items if item.classified_on <= day]
    last = {
        item.subject: max(each.classified_on for each in by_then if each.subject == item.subject) for item in by_then
    }
    return [item for item in by_then if item.classified_on == last[item.subject]]


def _compare(records: tuple[Hardware, ...], computed: Classification, classifier: Classifier) -> Comparison:
    if not records:
        return Comparison.NOT_RECORDED
    if len({item.eccn for item in records}) > 1:
        return Comparison.DIFFER
    if computed.paragraph in (UNCLASSIFIED, UNDETERMINED):
        return Comparison.NOT_COMPUTED
    return Comparison.AGREE if agrees(records[0].eccn, computed.paragraph, classifier) else Comparison.DIFFER


def agrees(recorded: str, paragraph: str, classifier: Classifier) -> bool:
    """Whether a recorded class is one that a circuit of this paragraph leads to, as far as both are divided."""
    if paragraph == NONE:
        return not _is_controlled(recorded, classifier)
    items = (paragraph, *classifier.control.related_to(_part(paragraph)))
    return any(_is_within(recorded, item) or _is_within(item, recorded) for item in items)


def _part(paragraph: str) -> str:
    """``3A090.a`` of ``3A090.a.1``."""
    return ".".join(paragraph.split(".")[:2])


def _is_within(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.")


def _is_controlled(eccn: str, classifier: Classifier) -> bool:
    """Whether it is of an entry of such circuits or of computers; of other entries it is the .z paragraphs."""
    return any(_is_within(eccn, entry) for entry in classifier.control.entries) or ".z." in f"{eccn}."


def _reason(records: tuple[Hardware, ...], computed: Classification, comparison: Comparison) -> str:
    recorded = "; ".join(
        f"recorded as {item.eccn} by {item.classified_by} on {item.classified_on.isoformat()} ({item.basis})"
        for item in records
    )
    said = [recorded or "no class is on record by that day", f"by its numbers {computed.paragraph}"]
    if comparison is Comparison.DIFFER and computed.note_2 is NoteTwo.OPEN:
        said.append("whether it is designed or marketed for data centres (Note 2) is for people to decide")
    if computed.letter is not Answer.NO:
        about = "is" if computed.letter is Answer.YES else "may be"
        said.append(f"a letter {about} about it")
    return ", ".join(said)
