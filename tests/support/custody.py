"""Devices that come, go and change, for tests of the inventory."""

from hypothesis import strategies as st
from support.readings import an_identity

from collector.readings import Absent, DeviceIdentity, Why
from collector.state.custody import Custody


def a_device(uuid: str = "GPU-0", *, serial: str = "", address: str = "00000000:0A:00.0") -> DeviceIdentity:
    """A device; without serial number unless one is given, and without address if that is empty."""
    unknown = Absent(Why.NO_DATA)
    return an_identity(uuid, pci_bus_id=address or unknown, serial=serial or unknown)


devices = st.builds(
    a_device,
    uuid=st.sampled_from(["GPU-0", "GPU-1", "GPU-2"]),
    serial=st.sampled_from(["", "1", "2", "3"]),
    address=st.sampled_from(["00000000:0A:00.0", "00000000:0B:00.0", ""]),
)
looks = st.lists(st.tuples(st.lists(devices, max_size=4), st.floats(0, 100_000)), max_size=8)


def custody_after(history: list[tuple[list[DeviceIdentity], float]]) -> Custody:
    """The inventory after these looks, each so many seconds after the one before it."""
    custody, at = Custody(), 1e9
    for seen, elapsed in history:
        at += elapsed
        custody = custody.look(seen, at_unix=at, elapsed_seconds=elapsed)
    return custody


histories = looks.map(custody_after)
