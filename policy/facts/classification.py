"""
All that export control says about the name of an accelerator on a day, in one answer.

For a reviewer, not instead of one: the paragraph is arithmetic, a letter may bind somebody else, and a presumption can
be rebutted. What is not known is said to be so and clears nothing.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TypeVar

from policy.facts.accelerators import Device, ForDataCentres, Vendor
from policy.facts.control import UNCLASSIFIED, Control, nearest_threshold
from policy.facts.eccn import NONE, UNDETERMINED, Margin, Parameters, Quantity, figures_of, least_of
from policy.facts.evidence import Answer, Evidence, LayerKind, Source, doubt, weakest
from policy.facts.letters import Letter
from policy.facts.presumed import Presumed, Presuming, presumed_of_each, presumed_words
from policy.facts.product_names import Named, OneOf, ProductNames, Unclassified

Given = TypeVar("Given")


class NoteTwo(StrEnum):
    """
    What Note 2 to 3A090 makes of an item, by whether it is designed or marketed for data centres.

    ``applies_not``: it is. ``outside``: it is not, and below the limit. ``see_exceptions``: it is not, and at or above
    it (License Exceptions NAC and ACA). ``open``: people have to decide which it is.
    """

    APPLIES_NOT = "applies_not"
    OUTSIDE = "outside"
    SEE_EXCEPTIONS = "see_exceptions"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """
    The answer for one name. ``device``, ``vendor``: empty where they are not known.

    ``by_numbers``: the paragraph that the figures meet, or the part of the entry where only that is known;
    ``paragraph``: the same after Note 2. Both may be ``none``, ``undetermined`` or ``unclassified``. ``reason`` is for
    a reviewer.
    """

    name: str
    device: str
    vendor: str
    by_numbers: str
    paragraph: str
    note_2: NoteTwo
    margin: Margin | None
    letter: Answer
    letters: tuple[Letter, ...]
    presumed: Presumed
    reason: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """What a classification rests on."""

    names: ProductNames
    control: Control
    presuming: Presuming

    def classify(self, name: str, at: date) -> Classification:
        """Classify an accelerator by any of its names, by what was in force on that day."""
        match self.names.identify(name):
            case Named(device=device) as named if device.variants:
                return self._one_of_variants(named, at)
            case Named() as named:
                return self._known(named, at)
            case OneOf() as several:
                return self._one_of(several, at)
            case Unclassified() as unknown:
                return self._unknown(unknown, at)

    def _known(self, named: Named, at: date) -> Classification:
        device, parameters = named.device, self.control.parameters_of(at)
        by_numbers = parameters.paragraph(figures_of(device), least_of(device))
        note_2 = _note_2(device, parameters)
        paragraph = NONE if note_2 is NoteTwo.OUTSIDE and by_numbers != UNDETERMINED else by_numbers
        letter, letters = self.control.by_letter(device, paragraph, at)
        presumed, presumption = self.presuming.of(device, by_numbers, named.vendor, at)
        said = [
            _by_numbers(named, by_numbers, note_2, weakest(named.evidence, parameters.source.evidence)),
            *(f"controlled by letter, {each.words}" for each in letters),
            *presumed_words(presumed, presumption, named.vendor),
            *(removed.words for removed in self.control.removed if removed.is_about(device.device)),
        ]
        of_presumption = [presumption.source] if presumption and presumed is not Presumed.NO else []
        return Classification(
            name=named.name,
            device=device.device,
            vendor=named.vendor.id,
            by_numbers=by_numbers,
            paragraph=paragraph,
            note_2=note_2,
            margin=nearest_threshold(device, self.control, at),
            letter=letter,
            letters=letters,
            presumed=presumed,
            reason="; ".join(said),
            sources=(
                device.source,
                parameters.source,
                *(each.source for each in letters),
                *of_presumption,
                *_of_vendor(named.vendor, presumed),
            ),
        )

    def _one_of(self, several: OneOf, at: date) -> Classification:
        """What is so of each of the devices; wherein they differ is not known."""
        found = [self._known(_one(several, device), at) for device in several.devices]
        letters = {each.letters for each in found}
        which = f"{several.name}: one of {len(found)} devices, and nothing tells which"
        return Classification(
            name=several.name,
            device="",
            vendor=several.vendor.id,
            by_numbers=_agreed_paragraph({each.by_numbers for each in found}),
            paragraph=_agreed_paragraph({each.paragraph for each in found}),
            note_2=_agreed((each.note_2 for each in found), NoteTwo.OPEN),
            margin=None,
            letter=_agreed((each.letter for each in found), Answer.UNKNOWN),
            letters=letters.pop() if len(letters) == 1 else (),
            presumed=presumed_of_each({each.presumed for each in found}),
            reason="; ".join([which, *(each.reason for each in found)]),
            sources=tuple(dict.fromkeys(source for each in found for source in each.sources)),
        )

    def _one_of_variants(self, named: Named, at: date) -> Classification:
        """As of one of several, by the figures of the variants; what names the device itself still does."""
        variants = tuple(self.names.accelerators.devices[each] for each in named.device.variants)
        several = OneOf(
            name=named.name, devices=variants, vendor=named.vendor, evidence=named.evidence, part=named.part
        )
        itself, each = self._known(named, at), self._one_of(several, at)
        return replace(
            each,
            device=named.device.device,
            letter=itself.letter if itself.letter is Answer.YES else each.letter,
            letters=itself.letters or each.letters,
            presumed=itself.presumed if itself.presumed is Presumed.NAMED else each.presumed,
            sources=tuple(dict.fromkeys((*itself.sources, *each.sources))),
        )

    def _unknown(self, unknown: Unclassified, at: date) -> Classification:
        presumed, presumption = self.presuming.of(None, UNCLASSIFIED, unknown.vendor, at)
        of_vendor = [] if unknown.vendor is None else [unknown.vendor.source]
        of_family = [] if unknown.family is None else [unknown.family.source]
        of_presumption = [presumption.source] if presumption and presumed is not Presumed.NO else []
        who = f"a part of {unknown.vendor.id}" if unknown.vendor else "of a developer that nobody knows"
        said = [f"{unknown.name}: unclassified, {who}, and not in the catalogue"]
        return Classification(
            name=unknown.name,
            device="",
            vendor=unknown.vendor.id if unknown.vendor else "",
            by_numbers=UNCLASSIFIED,
            paragraph=UNCLASSIFIED,
            note_2=NoteTwo.OPEN,
            margin=None,
            letter=Answer.UNKNOWN,
            letters=(),
            presumed=presumed,
            reason="; ".join([*said, *presumed_words(presumed, presumption, unknown.vendor)]),
            sources=(*of_vendor, *of_family, *of_presumption),
        )

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which a classification may change, oldest first."""
        return tuple(sorted({*self.control.changes, *self.presuming.changes}))


def _one(several: OneOf, device: Device) -> Named:
    return Named(name=several.name, device=device, vendor=several.vendor, evidence=several.evidence, part=several.part)


def _agreed(answers: Iterable[Given], otherwise: Given) -> Given:
    """The one answer that all give."""
    given = set(answers)
    return given.pop() if len(given) == 1 else otherwise


def _agreed_paragraph(paragraphs: AbstractSet[str]) -> str:
    """The one that all meet; of several of one part of the entry, as ``3A090.a.1`` and ``3A090.a.2``, that part."""
    parts = {each.rpartition(".")[0] for each in paragraphs}
    return _agreed(paragraphs, _agreed(parts, "") or UNDETERMINED)


def _of_vendor(vendor: Vendor, presumed: Presumed) -> tuple[Source, ...]:
    """What the developer's seat rests on, where it decides or is not as we ship it."""
    decides = presumed is not Presumed.NO or vendor.source.layer.kind is not LayerKind.SHIPPED
    return (vendor.source,) if decides else ()


def _note_2(device: Device, parameters: Parameters) -> NoteTwo:
    limit = parameters.note_2_tpp
    match device.designed_for_data_centres:
        case _ if limit is None:
            return NoteTwo.APPLIES_NOT
        case ForDataCentres.YES:
            return NoteTwo.APPLIES_NOT
        case ForDataCentres.DISPUTED:
            return NoteTwo.OPEN
    if device.tpp is None:
        return NoteTwo.OPEN
    if device.tpp.value >= limit:
        return NoteTwo.SEE_EXCEPTIONS
    return NoteTwo.OPEN if Quantity.TPP in least_of(device) else NoteTwo.OUTSIDE


NOTE_2_WORDS = {
    NoteTwo.APPLIES_NOT: "",
    NoteTwo.OUTSIDE: ", outside by Note 2 because it is not designed or marketed for data centres",
    NoteTwo.SEE_EXCEPTIONS: ", not designed or marketed for data centres: see License Exceptions NAC and ACA",
    NoteTwo.OPEN: ", and whether it is designed or marketed for data centres (Note 2) is for people to decide",
}


def _by_numbers(named: Named, paragraph: str, note_2: NoteTwo, evidence: Evidence) -> str:
    device = named.device
    whole = f"{device.device} ({named.part} of it)" if named.part else device.device
    density = device.performance_density
    tpp = f"TPP {device.tpp.value:,.0f} at {device.tpp.format}" if device.tpp else "TPP not known"
    per_area = f"{density:.2f} per mm²" if density is not None else "density not known"
    said = f"3A090 {paragraph}" if paragraph in (NONE, UNDETERMINED) else paragraph
    return f"{whole}: {said} by its numbers ({tpp}, {per_area}){doubt(evidence)}{NOTE_2_WORDS[note_2]}"
