"""
What export control says about an accelerator on a day: by its numbers, by letter, and by who developed it.

The paragraph of ECCN 3A090 is arithmetic over the figures of the catalogue and the parameters in force that day. It is
no official classification; that is the exporter's to make. A letter binds whom it is addressed to. Nothing here says
that an item may be exported: a name that is not in the catalogue is ``unclassified``, and figures that are not known
leave the paragraph ``undetermined``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from policy.facts.accelerators import Accelerators, Device
from policy.facts.countries import is_code
from policy.facts.eccn import (
    NONE,
    UNDETERMINED,
    Margin,
    Parameters,
    ReviewPolicy,
    figures_of,
    margins_to,
    margins_to_policy,
)
from policy.facts.evidence import Answer, Constant, Removed, Source, of_the_overlay
from policy.facts.letters import Letter
from policy.facts.period import (
    BEFORE_RECORDS,
    STILL_VALID,
    check_apart,
    check_order,
    check_seamless,
    days_of_change,
    those_of,
)
from policy.facts.tables import Reader, Written, wrong_in

FILE = "control.toml"
KEYS = {
    "parameters": ("valid_from",),
    "related": ("paragraph",),
    "note": ("paragraph", "valid_from"),
    "review_policy": ("valid_from",),
    "letter": ("id",),
    "presumption": ("id",),
}
UNCLASSIFIED = "unclassified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """What computers, boards and other items that contain such a device fall under."""

    paragraph: str
    items: tuple[str, ...]
    text: str
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What stands beside the figures: a paragraph that no accelerator is held against, a scope, a duty of others."""

    paragraph: str
    text: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Presumption:
    """
    Devices of developers in scope that BIS presumes to be subject to the EAR, and those that it names.

    ``switch``: the id of the switch that must be on for it.
    """

    id: str
    title: str
    named_devices: tuple[str, ...]
    developer_scope: str
    text: str
    exception: str
    switch: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


@dataclass(frozen=True, kw_only=True)
class Control:
    """The rows of the file. ``knife_edge``: how near to a threshold, as a ratio of it, is worth a second look."""

    parameters: tuple[Parameters, ...]
    related: tuple[Related, ...]
    note: tuple[Note, ...]
    review_policy: tuple[ReviewPolicy, ...]
    letter: tuple[Letter, ...]
    presumption: tuple[Presumption, ...]
    knife_edge: Constant
    removed: tuple[Removed, ...] = ()

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which an answer may have changed, oldest first."""
        return days_of_change((*self.parameters, *self.review_policy, *self.letter, *self.presumption))

    def parameters_of(self, at: date) -> Parameters:
        """The version in force on a day."""
        return those_of(self.parameters, at)[0]

    def by_letter(self, device: Device, paragraph: str, at: date) -> tuple[Answer, tuple[Letter, ...]]:
        """
        Whether a letter in force is about a device, and which.

        Of a device that a paragraph of 3A090 controls anyway only a letter that names it counts: what letters say of
        "any other circuit" adds nothing there.
        """
        letters = those_of(self.letter, at)
        if paragraph not in (NONE, UNDETERMINED):
            letters = tuple(each for each in letters if device.device in each.devices)
        answers = {each.id: each.about(device) for each in letters}
        about = tuple(each for each in letters if answers[each.id] is Answer.YES)
        unknown = Answer.UNKNOWN in answers.values()
        return Answer.YES if about else Answer.UNKNOWN if unknown else Answer.NO, about

    def is_edge(self, margin: Margin) -> bool:
        """Whether the threshold is so near that a rounded figure may lie beyond it, and would change the answer."""
        return margin.decides and abs(margin.ratio) <= self.knife_edge.value

    @property
    def entries(self) -> frozenset[str]:
        """The entries that are all about such circuits and what holds them; of others only paragraphs are."""
        items = (item for row in self.related for item in (row.paragraph, *row.items))
        return frozenset(item.partition(".")[0] for item in items if ".z." not in f"{item}.")

    def related_to(self, paragraph: str) -> tuple[str, ...]:
        """What contains a device of this paragraph falls under these."""
        return tuple(item for row in self.related if paragraph.startswith(row.paragraph) for item in row.items)


def nearest_threshold(device: Device, control: Control, at: date) -> Margin | None:
    """
    The margin to the nearest threshold in force, of those on whose edge the device is if there are any.

    None: no threshold, or none of the figures is known.
    """
    figures = figures_of(device)
    of_policies = (margins_to_policy(policy, figures) for policy in those_of(control.review_policy, at))
    margins = chain(margins_to(control.parameters_of(at), figures), *of_policies)
    return min(margins, key=lambda margin: (not control.is_edge(margin), abs(margin.ratio)), default=None)


def read_control(reader: Reader, written: Written, accelerators: Accelerators) -> Control:
    """Read the file. Raises :class:`FactsError` for versions with a gap or an overlap, and for devices nobody knows."""
    control = reader.row(Control, "whole file", written)
    if not control.parameters or min(each.valid_from for each in control.parameters) != BEFORE_RECORDS:
        raise written.wrong("[parameters]", "valid_from", "there is no first version", "give one without a first day")
    layer = of_the_overlay(*(version.source.layer for version in control.parameters))
    for version in control.parameters:
        check_order(version, version.source.layer, f"[parameters] {version.valid_from.isoformat()}")
    check_seamless(control.parameters, layer, "[parameters]")
    _check_versions(control)
    for note in control.note:
        check_order(note, note.source.layer, f"[note] {note.paragraph}")
    if not 0 <= control.knife_edge.value < 1:
        raise wrong_in(control.knife_edge.source.layer, "[knife_edge]", "value", "not in 0 to 1", "give a ratio")
    about_devices: tuple[Letter | Presumption, ...] = (*control.letter, *control.presumption)
    for row in about_devices:
        check_order(row, row.source.layer, _table(row))
        names = row.devices if isinstance(row, Letter) else row.named_devices
        _check_devices(row, names, accelerators)
    for policy in control.review_policy:
        _check_policy(policy)
    for code in {code for policy in control.review_policy for code in policy.destinations}:
        about = [policy for policy in control.review_policy if code in policy.destinations]
        check_apart(about, of_the_overlay(*(each.source.layer for each in about)), f"[review_policy] {code}")
    return control


def _check_versions(control: Control) -> None:
    """Raise FactsError for a criterion that cannot be meant."""
    for version in control.parameters:
        table = f"[parameters] {version.valid_from.isoformat()}"
        for criterion in version.criteria:
            if fault := criterion.fault():
                raise wrong_in(version.source.layer, table, "criteria", f"{criterion.paragraph}: {fault}", "correct it")


def _check_devices(row: Letter | Presumption, names: Sequence[str], accelerators: Accelerators) -> None:
    field = "devices" if isinstance(row, Letter) else "named_devices"
    for name in names:
        if name not in accelerators.devices:
            raise wrong_in(
                row.source.layer, _table(row), field, f"no accelerator is called {name!r}", "use the device's name"
            )


def _check_policy(policy: ReviewPolicy) -> None:
    table = f"[review_policy] {policy.valid_from.isoformat()}"
    check_order(policy, policy.source.layer, table)
    limits = {name: getattr(policy, name) for name in ("tpp_below", "dram_bandwidth_gb_per_second_below")}
    for name, limit in limits.items():
        if limit is not None and limit <= 0:
            problem = f"nothing is below {limit:g}"
            raise wrong_in(policy.source.layer, table, name, problem, "correct it, or leave it out")
    for code in policy.destinations:
        if not is_code(code):
            raise wrong_in(
                policy.source.layer, table, "destinations", f"{code!r} is no alpha-2 code", "use two capital letters"
            )


def _table(row: Letter | Presumption) -> str:
    return f"[{'letter' if isinstance(row, Letter) else 'presumption'}] {row.id}"
