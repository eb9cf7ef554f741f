"""``flopwatch facts show accelerators --name``: all that is known and answered of one accelerator."""

from collections.abc import Iterator
from datetime import date

from policy.commands.facts.devices import ARITHMETIC, MARK, answer_content, device_content, letter_line
from policy.commands.sheet import LABELLED, Block, Grid, Sheet, cited, ids
from policy.facts.accelerators import BITS, Device
from policy.facts.classification import Classification, NoteTwo
from policy.facts.control import UNCLASSIFIED
from policy.facts.eccn import UNDETERMINED
from policy.facts.evidence import Answer
from policy.facts.facts import Facts
from policy.facts.parts import WHOLE
from policy.facts.peaks import NoPeak, Peak
from policy.facts.presumed import Presumed
from policy.facts.product_names import Named, OneOf, Unclassified
from policy.facts.wording import is_near, margin_words, review_policies

NOT_KNOWN = "not known"
NOTE_TWO = {
    NoteTwo.APPLIES_NOT: "does not apply",
    NoteTwo.OUTSIDE: "outside: not designed or marketed for data centres, and below the limit",
    NoteTwo.SEE_EXCEPTIONS: "not designed or marketed for data centres: see License Exceptions NAC and ACA",
    NoteTwo.OPEN: "open: whether it is designed or marketed for data centres is for people to decide",
}
PRESUMED = {
    Presumed.NAMED: "yes: named in the guidance",
    Presumed.PRESUMED: "yes: its developer is in scope, and its numbers meet ECCN 3A090",
    Presumed.CLASSIFY: "if it meets ECCN 3A090: its developer is in scope, and its numbers are not known",
    Presumed.UNKNOWN: "unknown, which clears nothing: it is not known whether its developer is in scope",
    Presumed.NO: "no",
}


def show_name(facts: Facts, at: date, name: str) -> Sheet:
    """The whole answer for one accelerator by any of its names; an unknown one is unclassified, never uncontrolled."""
    found, known = facts.classifier.classify(name, at), facts.product_names.identify(name)
    match known:
        case Named():
            return _show_known(facts, at, known, found)
        case OneOf():
            return _show_several(facts, at, known, found)
        case Unclassified():
            return _show_unknown(facts, at, known, found)


def _show_known(facts: Facts, at: date, known: Named, found: Classification) -> Sheet:
    device = known.device
    rows = [
        ("name", name_words(known)),
        *_developer(facts, at, known.vendor.id),
        *_figures(device),
        ("board power", _board_power(facts, device)),
        *_control(facts, at, device, found),
        *((("note", device.note),) if device.note else ()),
        ("in words", found.reason),
        ("evidence", device.source.evidence),
        ("sources", ids(*found.sources)),
    ]
    content = {
        "asked": known.name,
        "part": known.part or None,
        "name_evidence": known.evidence,
        **device_content(facts, device, found, at),
        "related": list(_related(facts, found)),
    }
    return _answer_sheet(at, found, rows, content)


def _show_several(facts: Facts, at: date, known: OneOf, found: Classification) -> Sheet:
    rows = [
        ("name", f"{known.name}: {name_part(known.part)}{known.words}; nothing in it tells which"),
        *_developer(facts, at, known.vendor.id),
        ("by numbers", found.by_numbers),
        ("Note 2", NOTE_TWO[found.note_2]),
        ("after Note 2", found.paragraph),
        ("by letter", "; ".join(map(letter_line, found.letters)) or found.letter),
        ("presumed under EAR", PRESUMED[found.presumed]),
        ("related items", ", ".join(_related(facts, found)) or "-"),
        ("estimates use", _peak_words(facts.peak(found.name))),
        ("in words", found.reason),
        ("evidence", known.evidence),
        ("sources", ids(*found.sources)),
    ]
    content = {
        "asked": known.name,
        "part": known.part or None,
        "device": None,
        "one_of": [device.device for device in known.devices],
        "name_evidence": known.evidence,
        "vendor": found.vendor,
        **answer_content(found),
        "related": list(_related(facts, found)),
    }
    return _answer_sheet(at, found, rows, content)


def _answer_sheet(at: date, found: Classification, rows: list[tuple[str, str]], content: dict[str, object]) -> Sheet:
    title = f"{found.device or found.name} on {at.isoformat()}"
    blocks: tuple[Block, ...] = (Grid(title=title, columns=LABELLED, rows=tuple(rows)), "", ARITHMETIC)
    return Sheet(blocks=(*blocks, cited(found.sources, at)), content=content)


def name_words(known: Named) -> str:
    """What the name means, and how well that is known."""
    return f"{known.name}: {name_part(known.part)}{known.words} (name: {known.evidence})"


def name_part(part: str) -> str:
    """What stands before the device where the name is of a part of it."""
    return f"{part} of one " if part else ""


def _developer(facts: Facts, at: date, vendor: str) -> Iterator[tuple[str, str]]:
    row = facts.accelerators.vendors[vendor]
    scope = facts.jurisdictions.in_scope(row.headquarters, at)
    yield (
        "developer",
        f"{vendor}, headquartered in {row.headquarters}; in scope: {scope.answer} ({row.source.evidence})",
    )


def _figures(device: Device) -> Iterator[tuple[str, str]]:
    tpp = f"{device.tpp.value:,.0f} at {device.tpp.format}" if device.tpp else NOT_KNOWN
    rates = [*device.dense_tflop_per_second.items(), *device.dense_teraop_per_second.items()]
    yield "TPP", tpp
    yield "density", _density(device)
    yield (
        "dense rates",
        ", ".join(f"{each} {rate:g} ({BITS[each]} bits)" for each, rate in rates) or NOT_KNOWN,
    )
    yield "logic dies", NOT_KNOWN if device.die_area_mm2 is None else f"{device.die_area_mm2:g} mm²"
    yield "memory", _amounts(device.memory_gb, "GB")
    yield "DRAM bandwidth", _amounts(device.memory_bandwidth_gb_per_second, "GB/s")
    between = device.interconnect_gb_per_second
    yield "interconnect", NOT_KNOWN if between is None else f"{between:g} GB/s, both directions"
    yield "for data centres", device.designed_for_data_centres
    yield "names", ", ".join(device.names) or "-"
    yield "written as", ", ".join(device.written_names) or "-"
    yield "names from memory", ", ".join(f"{each} (unverified)" for each in device.unverified_names) or "-"
    yield "vGPU and PCI", ", ".join((*device.vgpu_names, *device.pci)) or "-"
    if device.dies > 1:
        yield f"each of {device.dies} dies", ", ".join((*device.die_names, *device.die_pci)) or "-"


def _board_power(facts: Facts, device: Device) -> str:
    """With its own evidence and sources: what is known of the peaks is not of the board."""
    board = facts.board_power.by_device.get(device.device)
    if board is None:
        return NOT_KNOWN
    return f"{board.watts:g} W at most ({board.source.evidence}; {ids(board.source)}) {board.note}".rstrip()


def _amounts(amounts: tuple[float, ...], unit: str) -> str:
    return f"{', '.join(f'{each:g}' for each in amounts)} {unit}" if amounts else NOT_KNOWN


def _control(facts: Facts, at: date, device: Device, found: Classification) -> Iterator[tuple[str, str]]:
    yield "by numbers", found.by_numbers
    yield "Note 2", NOTE_TWO[found.note_2]
    yield "after Note 2", found.paragraph
    if found.margin is not None:
        yield "nearest threshold", f"{_margin(facts, found)}; on its other side: {found.margin.beyond}"
    yield "by letter", "; ".join(map(letter_line, found.letters)) or found.letter
    yield "presumed under EAR", PRESUMED[found.presumed]
    for to, (policy, row) in review_policies(facts, device, at).items():
        yield f"review to {to}", f"{policy} ({row.source.evidence}). {row.text}"
    yield "related items", ", ".join(_related(facts, found)) or "-"
    yield "estimates use", _peak_words(facts.peak(found.name))


def _peak_words(peak: Peak | NoPeak) -> str:
    """The peak of the training estimate, and how much of it a part has."""
    if isinstance(peak, NoPeak):
        return f"no peak: {peak.reason}"
    whole, part = f"{peak.training_peak_flop_per_second:.3g} FLOP/s", peak.part
    if part == WHOLE:
        return whole
    return f"{part.low:.3g} to {part.high:.3g}, likely {part.likely:.3g}, of {whole}"


def _related(facts: Facts, found: Classification) -> tuple[str, ...]:
    return () if found.paragraph in (UNCLASSIFIED, UNDETERMINED) else facts.control.related_to(found.paragraph)


def _show_unknown(facts: Facts, at: date, known: Unclassified, found: Classification) -> Sheet:
    rows = [
        ("name", f"{known.name}: not in the catalogue"),
        ("paragraph", f"{found.paragraph}; that is not uncontrolled: its numbers are in no catalogue of ours"),
        *(_developer(facts, at, known.vendor.id) if known.vendor else (("developer", "nobody knows"),)),
        *((("family", _family(known)),) if known.family else ()),
        ("by letter", Answer.UNKNOWN),
        ("presumed under EAR", PRESUMED[found.presumed]),
        ("did you mean", ", ".join(known.suggestions) or "no name looks like it"),
        ("in words", found.reason),
        ("sources", ids(*found.sources) or "-"),
    ]
    content = {
        "asked": known.name,
        "device": None,
        "vendor": found.vendor or None,
        "suggestions": list(known.suggestions),
        **answer_content(found),
    }
    return _answer_sheet(at, found, rows, content)


def _family(known: Unclassified) -> str:
    family = known.family
    return "" if family is None else f"{family.vendor} ({family.source.evidence}). {family.note}"


def _density(device: Device) -> str:
    density = device.performance_density
    return NOT_KNOWN if density is None else f"{density:.2f} TPP per mm²"


def _margin(facts: Facts, found: Classification) -> str:
    if found.margin is None:
        return "-"
    return margin_words(found.margin) + (f" {MARK}" if is_near(found.margin, facts) else "")
