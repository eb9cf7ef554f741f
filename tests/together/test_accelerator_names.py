import pytest

from collector.pci import KINDS, NAMES, Kind, Vendor
from collector.simulated.products import products
from policy.facts.peaks import Peak
from policy.facts.product_names import Named
from policy.facts.reading import load_facts


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


@pytest.mark.parametrize("name", products())
def test_a_simulated_product_is_one_device_by_its_name_and_by_its_number(name: str) -> None:
    """What the simulated driver calls a board and what the bus calls it without a driver mean the same device."""
    names = load_facts().product_names
    by_name = names.identify(name)
    by_number = names.identify(f"{Vendor.NVIDIA} device {products()[name].pci_device_id >> 16:04x}")
    assert isinstance(by_name, Named)
    assert isinstance(by_number, Named)
    assert by_name.device.device == by_number.device.device
