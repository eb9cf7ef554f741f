"""
Letters by which BIS told single companies that they need a licence. A letter binds whom it is addressed to.
"""

from dataclasses import dataclass
from datetime import date

from policy.facts.accelerators import Device
from policy.facts.eccn import Quantity, figures_of
from policy.facts.evidence import Answer, Source, doubt
from policy.facts.period import BEFORE_RECORDS, STILL_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """
    One letter, and the addressee's devices that it names.

    ``reaches_…``: it is also about any other of the addressee's devices that has this or more.
    """

    id: str
    addressee: str
    devices: tuple[str, ...]
    destinations: str
    text: str
    source: Source
    reaches_dram_bandwidth_gb_per_second: float | None = None
    reaches_interconnect_gb_per_second: float | None = None
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    note: str = ""

    def about(self, device: Device) -> Answer:
        """
        Whether the letter is about a device: it names it, or the figures reach those that it speaks of.

        Between chips a device has what a document says, and where none says anything it has no such link.
        """
        if device.device in self.devices:
            return Answer.YES
        bounds = {
            Quantity.DRAM_BANDWIDTH: self.reaches_dram_bandwidth_gb_per_second,
            Quantity.INTERCONNECT: self.reaches_interconnect_gb_per_second,
        }
        asked = {quantity: bound for quantity, bound in bounds.items() if bound is not None}
        if device.vendor != self.addressee or not asked:
            return Answer.NO
        figures = figures_of(device)
        known = {each: figure for each in asked if (figure := figures[each]) is not None}
        if any(figure >= asked[each] for each, figure in known.items()):
            return Answer.YES
        return Answer.NO if Quantity.DRAM_BANDWIDTH in known else Answer.UNKNOWN

    @property
    def words(self) -> str:
        """For a reviewer."""
        since = self.valid_from.isoformat()
        to = f"addressed to {self.addressee} from {since} on, for {self.destinations}"
        return f"{to}{doubt(self.source.evidence)}; ask counsel whether it reaches you"
