"""What the loop asks of a check on the plan, so that a node without one loads nothing that sees processes. Pure."""

from collections.abc import Mapping
from typing import Protocol

from collector.attribution import Attribution
from collector.readings import Absent, Holder, Reading


class Checked(Protocol):
    """What one look at the processes came to."""

    @property
    def failure(self) -> Absent | None:
        """Why not every device that was read could be checked; None if each was."""
        ...

    @property
    def mismatches(self) -> Mapping[str, int]:
        """Devices by kind of mismatch."""
        ...

    def attribution(
        self, gpu_uuid: str, reading: Reading | Absent, elapsed_ns: int, claimed: Attribution
    ) -> Attribution:
        """Who held a device over an interval, after the claims were looked at by themselves."""
        ...


class Check(Protocol):
    """Holds claims against processes, once a tick. It raises nothing. ``kinds`` are those of all mismatches."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of mismatch."""
        ...

    def look(
        self, readings: Mapping[str, Reading | Absent], held: Mapping[str, tuple[Holder, ...]] | Absent
    ) -> Checked:
        """What is true now of the devices that were read, by UUID; ``held`` is who is said to hold them."""
        ...
