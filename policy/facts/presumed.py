"""
Whether BIS presumes that an accelerator is subject to the EAR: by its name, or by who developed it and its numbers.

A presumption can be rebutted; what is not known about the developer or the numbers is said to be so and clears nothing.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.accelerators import Device, Vendor
from policy.facts.control import UNCLASSIFIED, Presumption
from policy.facts.eccn import ENTRY, UNDETERMINED
from policy.facts.evidence import Answer, doubt
from policy.facts.jurisdictions import Jurisdictions
from policy.facts.period import days_of_change, those_of
from policy.facts.switches import State, Switches


class Presumed(StrEnum):
    """
    Whether BIS presumes that an accelerator of a developer in scope is subject to the EAR, the most serious first.

    ``named``: its guidance names the device. ``presumed``: the developer is in scope and the numbers meet 3A090.
    ``classify``: the developer is in scope and the numbers are not known. ``unknown``: nobody knows who developed it.
    """

    NAMED = "named"
    PRESUMED = "presumed"
    CLASSIFY = "classify"
    UNKNOWN = "unknown"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presuming:
    """What a presumption is asked of: those that BIS has published, where developers sit, and what is switched on."""

    presumptions: tuple[Presumption, ...]
    jurisdictions: Jurisdictions
    switches: Switches

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which an answer may change, oldest first."""
        presumptions = days_of_change(self.presumptions)
        return tuple(sorted({*presumptions, *self.jurisdictions.changes, *self.switches.changes}))

    def of(
        self, device: Device | None, by_numbers: str, vendor: Vendor | None, at: date
    ) -> tuple[Presumed, Presumption | None]:
        """The most serious answer of all presumptions in force, and whose it is; no where none is in force."""
        order = list(Presumed)
        in_force = [each for each in those_of(self.presumptions, at) if self._is_on(each.switch, at)]
        answers = [(self._by(each, device, by_numbers, vendor, at), each) for each in in_force]
        return min(answers, key=lambda answer: order.index(answer[0]), default=(Presumed.NO, None))

    def _is_on(self, switch: str, at: date) -> bool:
        state = self.switches.by_id[switch].at(at)
        return state is not None and state.state is State.ON

    def _by(
        self, presumption: Presumption, device: Device | None, by_numbers: str, vendor: Vendor | None, at: date
    ) -> Presumed:
        if device and device.device in presumption.named_devices:
            return Presumed.NAMED
        if vendor is None:
            return Presumed.UNKNOWN
        match self.jurisdictions.in_scope(vendor.headquarters, at).answer:
            case Answer.NO:
                return Presumed.NO
            case Answer.UNKNOWN:
                return Presumed.UNKNOWN
        if by_numbers in (UNDETERMINED, UNCLASSIFIED):
            return Presumed.CLASSIFY
        return Presumed.PRESUMED if by_numbers.startswith(ENTRY) else Presumed.NO


def presumed_of_each(answers: set[Presumed]) -> Presumed:
    """What is certain whichever device it is; where the numbers of one decide and not of another, they are open."""
    if len(answers) == 1:
        return next(iter(answers))
    if answers <= {Presumed.NAMED, Presumed.PRESUMED}:
        return Presumed.PRESUMED
    return Presumed.UNKNOWN if Presumed.UNKNOWN in answers else Presumed.CLASSIFY


def presumed_words(presumed: Presumed, presumption: Presumption | None, vendor: Vendor | None) -> tuple[str, ...]:
    """Why, for a reviewer; nothing where nothing is presumed."""
    if presumption is None:
        return ()
    if presumed is Presumed.NO:
        return ()
    return (f"{_why_presumed(presumed, presumption, vendor)}{doubt(presumption.source.evidence)}",)


def _why_presumed(presumed: Presumed, presumption: Presumption, vendor: Vendor | None) -> str:
    seat = f"{vendor.headquarters}{doubt(vendor.source.evidence)}" if vendor else ""
    who = f"its developer {vendor.id} is headquartered in {seat}" if vendor else ""
    match presumed:
        case Presumed.NAMED:
            return f"named in {presumption.title}"
        case Presumed.PRESUMED:
            return f"{who}, and its numbers meet ECCN 3A090, so {presumption.title} reaches it"
        case Presumed.CLASSIFY:
            return f"{who}, and its numbers are not known; if they meet ECCN 3A090, {presumption.title} reaches it"
        case Presumed.UNKNOWN if vendor:
            return f"{who}, which is not settled, so neither is whether {presumption.title} reaches it"
        case Presumed.UNKNOWN:
            return f"who developed it is not known, so neither is whether {presumption.title} reaches it"
        case Presumed.NO:
            return ""
