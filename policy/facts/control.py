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
from policy.facts.eccn import Margin, Parameters, ReviewPolicy, figures_of, margins_to, margins_to_policy
from policy.facts.evidence import Constant, Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID, check_order, check_seamless, days_of_change, those_of
from policy.facts.tables import FactsError, Reader, Written

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
    """A paragraph that no accelerator of the catalogue is held against, and why."""

    paragraph: str
    text: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter by which BIS told one company that it needs a licence for its devices. It binds the addressee."""

    id: str
    addressee: str
    devices: tuple[str, ...]
    destinations: str
    text: str
    source: Source
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    note: str = ""

    @property
    def words(self) -> str:
        """For a reviewer."""
        return (
            f"addressed to {self.addressee} from {self.valid_from.isoformat()} on; ask counsel whether it reaches you"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Presumption:
    """Devices of developers in scope that BIS presumes to be subject to the EAR, and those that it names."""

    id: str
    title: str
    named_devices: tuple[str, ...]
    developer_scope: str
    text: str
    exception: str
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

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which an answer may have changed, oldest first."""
        return days_of_change((*self.parameters, *self.review_policy, *self.letter, *self.presumption))

    def parameters_of(self, at: date) -> Parameters:
        """The version in force on a day."""
        return those_of(self.parameters, at)[0]

    def letters_about(self, device: Device, at: date) -> tuple[Letter, ...]:
        """The letters in force that name the device."""
        return tuple(each for each in those_of(self.letter, at) if device.device in each.devices)

    def related_to(self, paragraph: str) -> tuple[str, ...]:
        """What contains a device of this paragraph falls under these."""
        return tuple(item for row in self.related if paragraph.startswith(row.paragraph) for item in row.items)


def nearest_threshold(device: Device, control: Control, at: date) -> Margin | None:
    """The margin to the nearest threshold in force; None: no threshold, or none of the figures is known."""
    figures = figures_of(device)
    of_policies = (margins_to_policy(policy, figures) for policy in those_of(control.review_policy, at))
    margins = chain(margins_to(control.parameters_of(at), figures), *of_policies)
    return min(margins, key=lambda margin: abs(margin.ratio), default=None)


def read_control(reader: Reader, written: Written, accelerators: Accelerators) -> Control:
    """Read the file. Raises :class:`FactsError` for versions with a gap or an overlap, and for devices nobody knows."""
    control = reader.row(Control, "whole file", written)
    if not control.parameters or min(each.valid_from for each in control.parameters) != BEFORE_RECORDS:
        raise written.wrong("[parameters]", "valid_from", "there is no first version", "give one without a first day")
    layer = control.parameters[-1].source.layer
    for version in control.parameters:
        check_order(version, version.source.layer, f"[parameters] {version.valid_from.isoformat()}")
    check_seamless(control.parameters, layer, "[parameters]")
    about_devices: tuple[Letter | Presumption, ...] = (*control.letter, *control.presumption)
    for row in about_devices:
        check_order(row, row.source.layer, _table(row))
        names = row.devices if isinstance(row, Letter) else row.named_devices
        _check_devices(row, names, accelerators)
    for policy in control.review_policy:
        _check_destinations(policy)
    return control


def _check_devices(row: Letter | Presumption, names: Sequence[str], accelerators: Accelerators) -> None:
    field = "devices" if isinstance(row, Letter) else "named_devices"
    for name in names:
        if name not in accelerators.devices:
            raise _wrong(row.source, _table(row), field, f"no accelerator is called {name!r}", "use the device's name")


def _check_destinations(policy: ReviewPolicy) -> None:
    table = f"[review_policy] {policy.valid_from.isoformat()}"
    check_order(policy, policy.source.layer, table)
    for code in policy.destinations:
        if not is_code(code):
            raise _wrong(
                policy.source, table, "destinations", f"{code!r} is no alpha-2 code", "use two capital letters"
            )


def _table(row: Letter | Presumption) -> str:
    return f"[{'letter' if isinstance(row, Letter) else 'presumption'}] {row.id}"


def _wrong(source: Source, table: str, field: str, problem: str, remedy: str) -> FactsError:
    return FactsError(file=source.layer.file, table=table, field=field, problem=problem, remedy=remedy)
