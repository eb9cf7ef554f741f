"""
Accelerators of a node that none of its drivers reads, as written: ``foreign`` in ``[[nodes]]``.

They are on the PCI bus and nowhere else, all the time; nobody is known to hold them. What the collector's PCI table
does not have is refused, for it would be passed over in silence.
"""

import re
from dataclasses import dataclass

from collector.pci import Vendor, kind_of
from collector.simulated.tables import Table

MOST_OF_A_KIND = 64  # a guess: four times what the largest servers have, and enough to catch a slip

_PCI, _CLASS = re.compile("[0-9a-f]{4}:[0-9a-f]{4}"), re.compile("[0-9a-f]{4}")
_DRIVER = re.compile("(?!nvidia$)[0-9A-Za-z_-]+")  # what NVIDIA's holds is taken for one of those that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """So many accelerators of one kind. ``driver``: the kernel driver that holds them, empty if none does."""

    vendor_id: int
    device_id: int
    class_id: int
    driver: str
    count: int


def read_foreign(node: Table) -> tuple[Foreign, ...]:
    """All kinds of a node, in the order of the file. Raises ``ScenarioError``."""
    return tuple(_foreign(table) for table in node.tables("foreign"))


def _foreign(table: Table) -> Foreign:
    vendor_id, device_id = (int(number, 16) for number in _text(table, "pci", _PCI, '"19e5:d802"').split(":"))
    class_id = int(_text(table, "class", _CLASS, '"1200"'), 16)
    kind = kind_of(vendor_id, device_id, class_id)
    if kind is None:
        device = f"{vendor_id:04x}:{device_id:04x} of class {class_id:04x}"
        raise table.wrong("pci", f"{device} is no accelerator of the table in collector/pci.py; choose one that is")
    if kind.vendor is Vendor.NVIDIA:
        raise table.wrong(
            "pci", f"{vendor_id:04x} is {kind.vendor}, whose GPUs are not foreign; write product and gpus"
        )
    found = Foreign(
        vendor_id=vendor_id,
        device_id=device_id,
        class_id=class_id,
        driver=_text(table, "driver", _DRIVER, '"davinci"') if table.has("driver") else "",
        count=table.whole("count", least=1, most=MOST_OF_A_KIND),
    )
    table.finish()
    return found


def _text(table: Table, field: str, form: re.Pattern[str], example: str) -> str:
    text = table.text(field)
    if not form.fullmatch(text):
        raise table.wrong(field, f"{text!r} must be written like {example}")
    return text
