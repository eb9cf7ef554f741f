"""What the PCI bus adds to the driver's answers: GPUs that nothing here reads, and those given to virtual machines."""

from collections.abc import Callable, Iterable, Mapping

from collector.clock import Clock
from collector.devices.survey import Unreadable
from collector.pci import KEY_PREFIX, PciGpu, Vendor, place
from collector.readings import Absent, DeviceIdentity, Reading, Why

NVIDIA_DRIVER = "nvidia"  # the kernel driver that NVML speaks to; it counts what it holds
PCI_SECONDS = 60.0  # between two looks at the PCI bus: a guess; what is bound to what changes by hand


class Bus:
    """The GPUs on the bus, as ``ask`` said when it was last asked. For one thread."""

    def __init__(self, ask: Callable[[], tuple[PciGpu, ...] | Absent], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._gpus: tuple[PciGpu, ...] = ()
        self._due_ns = clock.elapsed_ns()
        self._allocated: Callable[[], Mapping[str, str] | Absent] = dict
        self._beyond: Mapping[str, str] = {}

    @property
    def gpus(self) -> tuple[PciGpu, ...]:
        """What the last look found, whether a driver here reads it or not."""
        return self._gpus

    @property
    def beyond(self) -> Mapping[str, str]:
        """The accelerators by key of the devices that the bus does not show, as the last look counted them."""
        return self._beyond

    def count_also(self, allocated: Callable[[], Mapping[str, str] | Absent]) -> None:
        """
        Count further devices of other vendors, which the bus does not show: at each look, accelerators by key.

        While they are not known, what was there before is there still.
        """
        self._allocated = allocated

    def remember(self, unreadable: Mapping[str, str]) -> None:
        """Know from before those of these devices that the bus does not show."""
        self._beyond = {key: name for key, name in unreadable.items() if not key.startswith(KEY_PREFIX)}

    def look(self) -> None:
        """Ask now and then; without an answer what was there before is there still."""
        if self._clock.elapsed_ns() >= self._due_ns:
            self._due_ns = self._clock.elapsed_ns() + round(PCI_SECONDS * 1e9)
            found = self._ask()
            if not isinstance(found, Absent):
                self._gpus = found

    def passed_through(
        self, readings: Mapping[str, Reading | Absent], known: Mapping[str, DeviceIdentity]
    ) -> dict[str, Reading | Absent]:
        """Of the known devices that were not read, those that have been given to a virtual machine."""
        given = {gpu.pci_bus_id for gpu in self._gpus if gpu.why_unread().reason is Why.PASSED_THROUGH}
        unread = [uuid for uuid, reading in readings.items() if isinstance(reading, Absent)]
        return {uuid: Absent(Why.PASSED_THROUGH) for uuid in unread if _place(known[uuid]) in given}

    def unreadable(
        self, known: Iterable[DeviceIdentity], *, nameless: int, driver_holds: Why
    ) -> tuple[Unreadable, ...]:
        """
        GPUs on the bus that are counted nowhere else; ``driver_holds`` is why those of NVIDIA's driver are not.

        ``nameless`` are GPUs that NVML counts, or while it was there has counted, without identity. Of these, and of
        those without an address, there is only a number, so as many of those that can be meant are left out.
        """
        places = [_place(identity) for identity in known]
        nameless += sum(isinstance(each, Absent) for each in places)
        found = []
        for gpu in self._gpus:
            why = Absent(driver_holds) if gpu.driver == NVIDIA_DRIVER else gpu.why_unread()
            if gpu.pci_bus_id in places:
                continue
            if nameless and gpu.vendor is Vendor.NVIDIA and _may_be_nameless(why.reason, driver_holds):
                nameless -= 1
                continue
            found.append(Unreadable(accelerator=gpu.accelerator, key=gpu.key, why=why))
        allocated, foreign = self._allocated(), Absent(Why.FOREIGN_VENDOR)
        self._beyond = self._beyond if isinstance(allocated, Absent) else allocated
        beyond = (Unreadable(accelerator=name, key=key, why=foreign) for key, name in self._beyond.items())
        return (*found, *beyond)


def _place(identity: DeviceIdentity) -> str | Absent:
    return identity.pci_bus_id if isinstance(identity.pci_bus_id, Absent) else place(identity.pci_bus_id)


def _may_be_nameless(why: Why, driver_holds: Why) -> bool:
    """While NVML answers it counts what its driver holds, and nothing else; later also what has no driver now."""
    return why is driver_holds or (driver_holds is not Why.DRIVER_ERROR and why is Why.NO_DRIVER)
