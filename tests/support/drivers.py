"""A driver in memory, for what no scripted one does: answers that change under the collector."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from support.readings import a_reading, an_identity

from collector.nvml import DeviceHandle, Driver, NoDriver
from collector.readings import Absent, DeviceIdentity, Reading

Device = tuple[str | Absent, Reading | Absent]
"""What a device answers: its UUID, and its reading."""


class ADriver(Driver):
    """A driver whose devices are what ``devices_now`` says at each call."""

    def __init__(self, devices_now: Callable[[], Sequence[Device]]) -> None:
        self.errors: Counter[tuple[str, str]] = Counter()
        self.closed = 0
        self._devices_now = devices_now

    def driver_version(self) -> str:
        """Some version."""
        return "590.1"

    def devices(self) -> tuple[DeviceHandle, ...]:
        """A handle for each device; a device of another name has another handle."""
        return tuple(
            DeviceHandle(index=index, address=hash(name), pointer=(name, reading))
            for index, (name, reading) in enumerate(self._devices_now())
        )

    def instances(self, device: DeviceHandle) -> tuple[DeviceHandle, ...]:
        """None."""
        return ()

    def identity(self, device: DeviceHandle) -> DeviceIdentity | Absent:
        """An H100 of this name."""
        name = device.pointer[0]
        if isinstance(name, Absent):
            return name
        return an_identity(name)

    def reading(self, device: DeviceHandle) -> Reading | Absent:
        """As it says."""
        reading: Reading | Absent = device.pointer[1]
        return reading

    def cannot_tell(self, device: DeviceHandle) -> Mapping[str, Absent]:
        """Nothing is known of it."""
        return {}

    @property
    def asking(self) -> str:
        """Nothing: it answers at once."""
        return ""

    def xid_errors(self) -> Mapping[DeviceHandle, Counter[int]]:
        """It reports none."""
        return {}

    def close(self) -> None:
        """Counted."""
        self.closed += 1


def well(name: str) -> Device:
    """A device that answers."""
    return name, a_reading()


def no_driver() -> Driver:
    """What opens where there is no driver."""
    raise NoDriver("the kernel driver is not loaded", code="NVML_ERROR_DRIVER_NOT_LOADED")
