import pytest

from collector.pci import KINDS, NAMES, Kind
from policy.facts.facts import load_facts
from policy.facts.peaks import Peak


@pytest.mark.parametrize("number", NAMES)
def test_what_the_bus_names_is_in_the_facts(number: tuple[int, int]) -> None:
    """A device that the collector names by its PCI number has a peak, so that what is held of it can be estimated."""
    vendor = next(kind.vendor for kind in KINDS if kind.vendor_id == number[0])
    assert isinstance(load_facts().peak(f"{vendor} {NAMES[number]}"), Peak)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.vendor}-{kind.vendor_id:04x}")
def test_the_facts_know_every_vendor_by_the_collectors_word(kind: Kind) -> None:
    """Whatever number a device has, its name tells the vendor, whose seat a presumption may need; never another's."""
    names = load_facts().product_names
    for number in (*kind.devices, 0xFFFF):
        vendor = names.identify(f"{kind.vendor} device {number:04x}").vendor
        assert vendor is not None
        assert vendor.pci == f"{kind.vendor_id:04x}"
