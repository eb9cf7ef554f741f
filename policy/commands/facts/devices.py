"""``flopwatch facts show accelerators``: what export control says about each device."""

from collections.abc import Iterator
from datetime import date

from policy.commands.sheet import Block, Grid, Sheet, cited, plain
from policy.facts.accelerators import Device
from policy.facts.classification import Classification, NoteTwo
from policy.facts.eccn import NONE
from policy.facts.evidence import Answer, Source
from policy.facts.facts import Facts
from policy.facts.letters import Letter
from policy.facts.period import those_of
from policy.facts.presumed import Presumed
from policy.facts.wording import figure_words, is_near, margin_words, percent_words, review_policies

MARK = "(!)"
NOTE_TWO_MARK = {NoteTwo.SEE_EXCEPTIONS: "[2]", NoteTwo.OPEN: "[2?]"}
READING = (
    "? is not known. -> is what Note 2 leaves of it. [2] not designed or marketed for data centres: see License "
    "Exceptions NAC and ACA. [2?] whether it is, people have to decide.",
    "A letter binds whom it is addressed to. GP10 is the presumption of General Prohibition 10: named in the guidance, "
    "presumed by its developer and its numbers, or classify: presumed if it meets ECCN 3A090.",
    "Formats, bandwidth, names and reasons of one device: --name NAME.",
)
ARITHMETIC = (
    "The paragraph is arithmetic over these figures and the parameters in force that day. It is no official "
    "classification; that is the exporter's to make."
)


def show_accelerators(facts: Facts, at: date) -> Sheet:
    """Every device of the catalogue on that day."""
    found = {name: facts.classifier.classify(name, at) for name in facts.accelerators.devices}
    devices = facts.accelerators.devices
    grid = Grid(
        title=f"Accelerators on {at.isoformat()}: {len(devices)}",
        columns=(
            "device", "TPP", "density", "paragraph", "nearest to", "margin", "letter, GP10", "evidence",
        ),
        rows=tuple(_row(facts, devices[name], found[name]) for name in devices),
    )  # fmt: skip
    sources = [*(device.source for device in devices.values()), *law_sources(facts, at)]
    content = {
        "accelerators": [device_content(facts, devices[name], found[name], at) for name in devices],
        "letters": plain(those_of(facts.control.letter, at)),
        "presumptions": plain(those_of(facts.control.presumption, at)),
        "review_policies": plain(those_of(facts.control.review_policy, at)),
    }
    blocks: tuple[Block, ...] = (
        grid,
        "",
        *READING,
        _review_grid(facts, at),
        "",
        *law_lines(facts, at),
        cited(sources, at),
    )
    return Sheet(blocks=blocks, content=content)


def _row(facts: Facts, device: Device, found: Classification) -> tuple[str, ...]:
    margin = found.margin
    return (
        device.device,
        f"{device.tpp.value:,.0f}" if device.tpp else "?",
        "?" if device.performance_density is None else f"{device.performance_density:.2f}",
        _paragraph(found),
        "-" if margin is None else figure_words(margin.quantity, margin.threshold),
        "-" if margin is None else f"{percent_words(margin)}{f' {MARK}' if is_near(margin, facts) else ''}",
        ", ".join(_beside(found)) or "-",
        "; ".join(filter(None, (device.source.evidence, device.source.layer.name))),
    )


def _paragraph(found: Classification) -> str:
    """``3A090.b.1``; with what Note 2 makes of it where that is not the same, or not settled."""
    if found.paragraph != found.by_numbers:
        return f"{found.by_numbers} -> {found.paragraph}"
    mark = NOTE_TWO_MARK.get(found.note_2, "") if found.by_numbers != NONE else ""
    return f"{found.by_numbers} {mark}".rstrip()


def _beside(found: Classification) -> Iterator[str]:
    """What a device falls under, or may, whatever its numbers say: a letter, the presumption of the guidance."""
    yield from (f"{letter.addressee} letter" for letter in found.letters)
    if found.letter is Answer.UNKNOWN:
        yield "letter unknown"
    if found.presumed is not Presumed.NO:
        yield f"GP10 {found.presumed}"


def _review_grid(facts: Facts, at: date) -> Grid:
    """The devices by how an application for them is looked at."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, device in facts.accelerators.devices.items():
        for to, (policy, _) in review_policies(facts, device, at).items():
            alike.setdefault((to, policy), []).append(name)
    return Grid(
        title="Review of applications to export them",
        columns=("to", "policy", "number", "devices"),
        rows=tuple((*asked, str(len(names)), "; ".join(names)) for asked, names in alike.items()),
        below=("devices",),
    )


def law_sources(facts: Facts, at: date) -> Iterator[Source]:
    """What the lines of :func:`law_lines` and the paragraphs of that day rest on."""
    control = facts.control
    yield control.parameters_of(at).source
    yield from (row.source for row in those_of(control.letter, at))
    yield from (row.source for row in those_of(control.presumption, at))
    yield from (row.source for row in those_of(control.review_policy, at))


def law_lines(facts: Facts, at: date) -> Iterator[str]:
    """What has to be known beside the table: what the paragraph is not, letters, the presumption, the review."""
    yield ARITHMETIC
    yield (
        f"{MARK} within {facts.control.knife_edge.value * 100:g} % of the threshold: a rounded figure, or one of "
        "another board, may fall on the other side."
    )
    for letter in those_of(facts.control.letter, at):
        yield letter_line(letter)
    for row in those_of(facts.control.presumption, at):
        yield f"Presumed, by {row.title} ({row.source.evidence}): {row.text} Excepted: {row.exception}."
    for policy in those_of(facts.control.review_policy, at):
        to = ", ".join(policy.destinations)
        yield f"Review of applications for {to} ({policy.source.evidence}): {policy.text}"


def letter_line(letter: Letter) -> str:
    """A letter, about what it is, and what it says."""
    devices = ", ".join(letter.devices) or "no device of the catalogue"
    return f"Letter, {letter.words} ({letter.source.evidence}), about {devices}: {letter.text}"


def device_content(facts: Facts, device: Device, found: Classification, at: date) -> dict[str, object]:
    """All that programs are told of one device."""
    density = device.performance_density
    return {
        **plain(device),
        "tpp": plain(device.tpp),
        "performance_density": density,
        "board_power": plain(facts.board_power.by_device.get(device.device)),
        **answer_content(found),
        "near": is_near(found.margin, facts),
        "nearest_threshold": None if found.margin is None else margin_words(found.margin),
        "review": {to: policy for to, (policy, _) in review_policies(facts, device, at).items()},
    }


def answer_content(found: Classification) -> dict[str, object]:
    """What is answered of an accelerator, whether a device is known or not."""
    return {
        "by_numbers": found.by_numbers,
        "paragraph": found.paragraph,
        "note_2": found.note_2,
        "margin": plain(found.margin),
        "letter": found.letter,
        "letters": [letter.id for letter in found.letters],
        "presumed": found.presumed,
        "reason": found.reason,
        "sources": [plain(source) for source in found.sources],
    }
