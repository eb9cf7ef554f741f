"""How a driver session tells its devices apart."""

from dataclasses import dataclass, field
from typing import Any

from collector.readings import Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHandle:
    """
    A device as this driver session knows it; equal handles are the same device until the driver is closed.

    ``address`` is ``Absent(reason)`` for a device that the driver counts but will not hand out, such as a lost one, and
    for a card's place of which it does not say whether a MIG instance is there.
    Of a MIG instance ``parent`` is its card and ``mig_uuid`` its name: the driver may give the address of an instance
    that was destroyed to another one.
    """

    index: int
    address: int | Absent
    pointer: Any = field(compare=False, repr=False)
    parent: "DeviceHandle | None" = None
    mig_uuid: str = ""
