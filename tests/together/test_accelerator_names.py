import pytest

from collector.pci import KINDS, NAMES
from policy.facts.facts import load_facts
from policy.facts.peaks import Peak


@pytest.mark.parametrize("number", NAMES)
def test_what_the_bus_names_is_in_the_facts(number: tuple[int, int]) -> None:
    """A device that the collector names by its PCI number has a peak, so that what is held of it can be estimated."""
    vendor = next(kind.vendor for kind in KINDS if kind.vendor_id == number[0])
    assert isinstance(load_facts().peak(f"{vendor} {NAMES[number]}"), Peak)
