"""
Which rules and lists were on, stayed or only printed, on a given day.

A switch is a fact with a source, and a provider may set it otherwise in an overlay, with a reason that findings cite.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

from policy.facts.evidence import Source
from policy.facts.period import BEFORE_RECORDS, FIELD, STILL_VALID, check_history, days_of_change, those_of
from policy.facts.tables import Reader, Written, wrong_in

FILE = "switches.toml"
KEYS = {"switch": ("id",)}
RECORDS_BEGIN = date(2020, 1, 1)
"""From this day on every switch has a state: one that has none would be neither on nor off, and what it governs no."""
WHOLE = "repeat the earlier states: 'flopwatch facts show switches --rows' has them"


class State(StrEnum):
    """Whether a rule applies. ``printed_not_enforced``: it stands in the regulations, and BIS says it will not act."""

    ON = "on"
    OFF = "off"
    STAYED = "stayed"
    PRINTED_NOT_ENFORCED = "printed_not_enforced"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """A time in which a switch had one state."""

    state: State
    source: Source
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One rule or list, what it governs, and its history without a gap."""

    id: str
    title: str
    governs: str
    state: tuple[SwitchState, ...]

    def at(self, day: date) -> SwitchState | None:
        """The state on a day; None: before the records of it begin."""
        return next(iter(those_of(self.state, day)), None)


@dataclass(frozen=True, kw_only=True)
class Switches:
    """The rows of the file."""

    switch: tuple[Switch, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Switch]:
        """The switches, by id."""
        return {switch.id: switch for switch in self.switch}

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which a state may have changed, oldest first."""
        return days_of_change(state for switch in self.switch for state in switch.state)


def read_switches(reader: Reader, written: Written) -> Switches:
    """Read the file. Raises :class:`FactsError` for histories with a gap or an overlap, or that begin too late."""
    switches = reader.row(Switches, "whole file", written)
    for switch, row in zip(switches.switch, written["switch"], strict=True):
        table = f"[switch] {switch.id}"
        check_history(switch.state, row.layer, table, "state")
        first = min(state.valid_from for state in switch.state)
        if first > RECORDS_BEGIN:
            problem = f"nothing is said from {RECORDS_BEGIN.isoformat()} until {first.isoformat()}"
            raise wrong_in(row.layer, table, FIELD, problem, WHOLE)
    return switches
