"""
How much power the board of a device draws at most, by its row in ``board_power.toml``.

The limit that the maker sets by default, so that a measured draw can be held against it. Left out: hosts, switches and
cooling, and what the parts of a device draw, which no driver measures apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from policy.facts.accelerators import Accelerators
from policy.facts.evidence import Source
from policy.facts.tables import Reader, Written, wrong_in

FILE = "board_power.toml"
KEYS = {"board_power": ("device",)}
MOST_WATTS = 1e6
"""A guess: what a whole wafer draws, times ten and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPower:
    """The board of one device, by the device's name in the catalogue."""

    device: str
    watts: float
    source: Source
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class BoardPowers:
    """The rows of the file."""

    board_power: tuple[BoardPower, ...]

    @cached_property
    def by_device(self) -> Mapping[str, BoardPower]:
        """The boards whose power is known."""
        return {each.device: each for each in self.board_power}


def read_board_power(reader: Reader, written: Written, catalogue: Accelerators) -> BoardPowers:
    """Read the file. Raises :class:`FactsError` for a device nobody knows and for no power."""
    powers = reader.row(BoardPowers, "whole file", written)
    for each in powers.board_power:
        table = f"[board_power] {each.device}"
        if each.device not in catalogue.devices:
            problem = f"no accelerator is called {each.device!r}"
            raise wrong_in(each.source.layer, table, "device", problem, "use a name of the catalogue")
        if each.watts <= 0:
            problem = f"{each.watts:g} is not above 0"
            raise wrong_in(each.source.layer, table, "watts", problem, "leave out what is not known")
        if each.watts > MOST_WATTS:
            problem = f"{each.watts:g} is more than any board draws"
            raise wrong_in(each.source.layer, table, "watts", problem, "give watts")
    return powers
