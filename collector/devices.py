"""
The devices of this node: through the driver, opened, opened again with back-off; else by what is on the PCI bus.

What is known stays known: a device that stops answering is counted on, as lost, until whoever keeps the inventory says
that it has vanished. A GPU that the driver counts but has never let anybody identify has no UUID, so nobody can be said
to hold it; it is counted too. So is a GPU that is on the bus and that nothing here reads, as blind, by its address.

MIG instances are parts of GPUs that are counted already. Those there now are looked at, and none is remembered: a
layout that was changed is the operator's doing and no loss.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from collector.clock import Clock
from collector.contract import UNKNOWN_ACCELERATOR
from collector.nvml import DeviceHandle, Driver, NoDriver
from collector.pci import PciGpu, Vendor, place
from collector.readings import Absent, DeviceIdentity, Reading, Why

log = logging.getLogger("flopwatch.collector")

NVIDIA_DRIVER = "nvidia"  # the kernel driver that NVML speaks to; it counts what it holds
FIRST_RETRY_SECONDS = 1.0
PCI_SECONDS = 60.0  # between two looks at the PCI bus: a guess; what is bound to what changes by hand
LONGEST_RETRY_SECONDS = 60.0  # a guess: soon enough after a driver upgrade, and no burden while there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLook:
    """What one look found out about one MIG instance."""

    identity: DeviceIdentity
    reading: Reading | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """
    A GPU that is known by its place on the PCI bus only, or by being given out, and why nothing here reads it.

    ``key`` stands where a device that is read has its UUID, also among the holders.
    """

    accelerator: str
    key: str
    why: Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """
    What one look at the node's GPUs found; it never changes, so a scrape may read it while the next look is under way.

    ``readings`` has every device of ``known``, by GPU UUID. ``unidentified`` has one reason for each GPU that is
    counted and has no UUID. ``instances`` are the MIG instances there are now, by their own UUIDs. ``unreadable`` are
    the GPUs on the PCI bus that no driver here names, and those that are given out and not on the bus. ``blind`` says
    why no GPU at all could be read, if so. ``errors`` are failed calls into NVML since the start, by call and code.
    ``unsupported`` has, for each device that was read, the fields that it cannot tell, or not to us.
    """

    readings: Mapping[str, Reading | Absent]
    known: Mapping[str, DeviceIdentity]
    unidentified: tuple[Absent, ...]
    instances: Mapping[str, InstanceLook]
    unreadable: tuple[Unreadable, ...]
    blind: Absent | None
    driver_version: str | Absent
    errors: Mapping[tuple[str, str], int]
    unsupported: Mapping[str, Mapping[str, Absent]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether there are GPUs and every one of them was read."""
        absent = any(isinstance(reading, Absent) for reading in self.readings.values())
        return bool(self.readings) and not absent and not self.unidentified and not self.unreadable

    def seen(self) -> tuple[DeviceIdentity, ...]:
        """The devices that were read."""
        return tuple(self.known[uuid] for uuid, reading in self.readings.items() if isinstance(reading, Reading))

    def inventory(self) -> Counter[str]:
        """The number of GPUs by accelerator model."""
        models = Counter(identity.accelerator for identity in self.known.values())
        if self.unidentified:
            models[UNKNOWN_ACCELERATOR] += len(self.unidentified)
        models.update(gpu.accelerator for gpu in self.unreadable)
        return models

    def unread(self, why: Why) -> "Survey":
        """The same GPUs, none of them read; those that were not keep their own reason."""
        readings = {uuid: _unread(each, why) for uuid, each in self.readings.items()}
        instances = {uuid: replace(each, reading=_unread(each.reading, why)) for uuid, each in self.instances.items()}
        return replace(self, readings=readings, instances=instances)


NOT_YET = Survey(
    readings={},
    known={},
    unidentified=(),
    instances={},
    unreadable=(),
    blind=Absent(Why.NO_DATA),
    driver_version=Absent(Why.NO_DATA),
    errors={},
)
"""Before the first look."""


class NodeDevices:
    """
    Looks at every GPU of the node. For one thread. ``pci`` says what is on the PCI bus now.

    ``errors`` counts failed calls into NVML since the start; who asks the driver further adds its own.
    """

    def __init__(
        self, open_driver: Callable[[], Driver], clock: Clock, *, pci: Callable[[], tuple[PciGpu, ...] | Absent]
    ) -> None:
        self._open_driver = open_driver
        self._clock = clock
        self._ask_pci = pci
        self._pci: tuple[PciGpu, ...] = ()
        self._pci_due_ns = clock.elapsed_ns()
        self._allocated: Callable[[], Mapping[str, str]] = dict
        self._driver: Driver | None = None
        self._driver_version: str | Absent = Absent(Why.NO_DRIVER)
        self._retry_at_ns = 0
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._by_handle: dict[DeviceHandle, DeviceIdentity] = {}
        self._known: dict[str, DeviceIdentity] = {}
        self._unidentified: tuple[Absent, ...] = ()
        self._instances: dict[DeviceHandle, InstanceLook] = {}
        self._answering: dict[str, DeviceHandle] = {}
        self.errors: Counter[tuple[str, str]] = Counter()
        self._unsupported: dict[str, Mapping[str, Absent]] = {}
        self._blind: Absent | None = None
        self._is_absent = False

    def remember(self, known: Iterable[DeviceIdentity], errors: Mapping[tuple[str, str], int]) -> Survey:
        """Know these from before, as if they had been seen; what is known before the first look."""
        self._known = {identity.gpu_uuid: identity for identity in known}
        self.errors.clear()
        self.errors.update(errors)
        readings = dict.fromkeys(self._known, Absent(Why.NO_DATA))
        return replace(NOT_YET, readings=readings, known=dict(self._known), errors=dict(errors))

    def count_also(self, allocated: Callable[[], Mapping[str, str]]) -> None:
        """Count further devices of other vendors, which the bus does not show: at each look, accelerators by key."""
        self._allocated = allocated

    def on_bus(self) -> tuple[PciGpu, ...]:
        """What the last look at the PCI bus found, whether a driver here reads it or not."""
        return self._pci

    def forget(self, gpu_uuids: Iterable[str]) -> None:
        """Count these no longer; a device that is seen again is known again."""
        for gpu_uuid in gpu_uuids:
            self._known.pop(gpu_uuid, None)

    def survey(self) -> Survey:
        """A reading, or the reason for none, for every GPU ever seen here."""
        self._look_at_pci()
        self._unsupported = {}
        try:
            readings, otherwise, self._is_absent = self._read(), Why.NO_GPUS, False
        except NoDriver as error:
            readings, otherwise = dict.fromkeys(self._known, Absent(Why.DRIVER_GONE)), Why.NO_DRIVER
            self._unsupported = {}
            self._unidentified = (Absent(Why.DRIVER_GONE),) * len(self._unidentified)
            if not self._is_absent:
                log.warning("driver.absent code=%s next=%r", error.code, error.reason)
            self._is_absent = True
        readings |= self._passed_through(readings)
        unreadable = self._unreadable()
        reasons = (gpu.why for gpu in unreadable)
        blind = _why_blind((*readings.values(), *self._unidentified, *reasons), otherwise=otherwise)
        if blind is not None and blind != self._blind:
            log.warning("node.blind reason=%s", blind.reason)
        self._blind = blind
        return Survey(
            readings=readings,
            known=dict(self._known),
            unidentified=self._unidentified,
            instances={look.identity.gpu_uuid: look for look in self._instances.values()},
            unreadable=unreadable,
            blind=blind,
            driver_version=self._driver_version,
            errors=dict(self.errors),
            unsupported=self._unsupported,
        )

    def identities(self) -> tuple[DeviceIdentity, ...]:
        """Every GPU ever seen here, and the MIG instances of the last look."""
        return (*self._known.values(), *(look.identity for look in self._instances.values()))

    def whole_cards(self) -> Mapping[str, DeviceHandle]:
        """The GPUs that answered at the last look, by UUID, but for those that are cut into MIG instances."""
        cut = {instance.parent for instance in self._instances}
        return {uuid: handle for uuid, handle in self._answering.items() if handle not in cut}

    def close(self) -> None:
        """Let go of the driver."""
        if self._driver is not None:
            self._driver.close()
            self.errors.update(self._driver.errors)
        self._driver, self._driver_version = None, Absent(Why.DRIVER_GONE)
        self._by_handle.clear()
        self._answering = {}
        self._instances = {}

    def _look_at_pci(self) -> None:
        """Ask now and then; without an answer what was there before is there still."""
        if self._clock.elapsed_ns() >= self._pci_due_ns:
            self._pci_due_ns = self._clock.elapsed_ns() + round(PCI_SECONDS * 1e9)
            found = self._ask_pci()
            if not isinstance(found, Absent):
                self._pci = found

    def _passed_through(self, readings: Mapping[str, Reading | Absent]) -> dict[str, Reading | Absent]:
        """Of the known devices that were not read, those that have been given to a virtual machine."""
        given = {gpu.pci_bus_id for gpu in self._pci if gpu.why_unread().reason is Why.PASSED_THROUGH}
        unread = [uuid for uuid, reading in readings.items() if isinstance(reading, Absent)]
        return {uuid: Absent(Why.PASSED_THROUGH) for uuid in unread if _place(self._known[uuid]) in given}

    def _unreadable(self) -> tuple[Unreadable, ...]:
        """GPUs on the bus that are counted nowhere else. Of those without an address there is only a number."""
        known = [_place(identity) for identity in self._known.values()]
        found, nameless = [], len(self._unidentified) + sum(isinstance(each, Absent) for each in known)
        for gpu in self._pci:
            why = self._why_unread(gpu)
            if gpu.pci_bus_id in known:
                continue
            if nameless and gpu.vendor is Vendor.NVIDIA and self._may_be_nameless(why):
                nameless -= 1
                continue
            found.append(Unreadable(accelerator=gpu.accelerator, key=gpu.key, why=why))
        foreign = Absent(Why.FOREIGN_VENDOR)
        beyond = (Unreadable(accelerator=name, key=key, why=foreign) for key, name in self._allocated().items())
        return (*found, *beyond)

    def _why_unread(self, gpu: PciGpu) -> Absent:
        """As the bus has it; but what the driver holds and NVML, which answers, does not list has failed in it."""
        failed = self._driver is not None and gpu.driver == NVIDIA_DRIVER
        return Absent(Why.DRIVER_ERROR) if failed else gpu.why_unread()

    def _may_be_nameless(self, why: Absent) -> bool:
        """Whether this can be one of those that the driver counted, or while it was there has counted."""
        return why.reason is (Why.NO_DRIVER if self._driver is None else Why.DRIVER_ERROR)

    def _read(self) -> dict[str, Reading | Absent]:
        driver = self._driver or self._reopen()
        try:
            found, unnamed = self._ask_all(driver)
        except NoDriver:
            self.close()
            raise
        self.errors.update(driver.errors)
        driver.errors.clear()
        return self._with_vanished(found, unnamed)

    def _ask_all(self, driver: Driver) -> tuple[dict[str, Reading | Absent], list[Absent]]:
        """Readings of the devices that say who they are, and for each of the others why it does not."""
        found: dict[str, Reading | Absent] = {}
        unnamed: list[Absent] = []
        answering: dict[str, DeviceHandle] = {}
        cards = driver.devices()
        for handle in cards:
            identity = self._identity(driver, handle)
            if isinstance(identity, Absent):
                unnamed.append(identity)
            elif identity.gpu_uuid in found:  # two devices under one UUID: which of them holders mean, nobody can say
                self.errors["nvmlDeviceGetUUID", "duplicate"] += 1
                unnamed.append(Absent(Why.DRIVER_ERROR))
            else:
                self._known[identity.gpu_uuid] = identity
                reading = driver.reading(handle)
                found[identity.gpu_uuid] = reading if isinstance(reading, Absent) else reading.or_absent()
                if not isinstance(reading, Absent):
                    self._unsupported[identity.gpu_uuid] = driver.cannot_tell(handle)
                if isinstance(reading, Reading):
                    answering[identity.gpu_uuid] = handle
        self._instances = dict(self._look_at_instances(driver, cards))
        self._answering = answering
        return found, unnamed

    def _look_at_instances(
        self, driver: Driver, cards: Iterable[DeviceHandle]
    ) -> Iterator[tuple[DeviceHandle, InstanceLook]]:
        """The instances that say who they are; each is asked that only once."""
        for handle in (instance for card in cards for instance in driver.instances(card)):
            before = self._instances.get(handle)
            identity = before.identity if before else driver.identity(handle)
            if not isinstance(identity, Absent):
                reading = driver.reading(handle)
                yield (
                    handle,
                    InstanceLook(
                        identity=identity, reading=reading if isinstance(reading, Absent) else reading.or_absent()
                    ),
                )

    def _with_vanished(self, found: dict[str, Reading | Absent], unnamed: list[Absent]) -> dict[str, Reading | Absent]:
        """Every known device. Nameless ones are taken for the known ones that are missing; those left are strangers."""
        missing = [uuid for uuid in self._known if uuid not in found]
        why = dict(zip(missing, unnamed, strict=False))
        self._unidentified = tuple(unnamed[len(missing) :])
        return {uuid: found.get(uuid, why.get(uuid, Absent(Why.GPU_LOST))) for uuid in self._known}

    def _reopen(self) -> Driver:
        if self._clock.elapsed_ns() < self._retry_at_ns:
            raise NoDriver("waiting before the next attempt", code="RETRY_LATER")
        try:
            driver = self._open_driver()
        except NoDriver as error:
            self._retry_at_ns = self._clock.elapsed_ns() + round(self._retry_seconds * 1e9)
            self._retry_seconds = min(self._retry_seconds * 2, LONGEST_RETRY_SECONDS)
            self.errors["nvmlInit", error.code] += 1
            raise
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._driver, self._driver_version = driver, driver.driver_version()
        log.info("driver.open version=%s", self._driver_version)
        return driver

    def _identity(self, driver: Driver, handle: DeviceHandle) -> DeviceIdentity | Absent:
        if handle in self._by_handle:
            return self._by_handle[handle]
        identity = driver.identity(handle)
        if not isinstance(identity, Absent):
            self._by_handle[handle] = identity
        return identity


def _place(identity: DeviceIdentity) -> str | Absent:
    return identity.pci_bus_id if isinstance(identity.pci_bus_id, Absent) else place(identity.pci_bus_id)


def _unread(reading: Reading | Absent, why: Why) -> Absent:
    return reading if isinstance(reading, Absent) else Absent(why)


def _why_blind(readings: Sequence[Reading | Absent], *, otherwise: Why) -> Absent | None:
    """Why no GPU could be read; ``otherwise`` if there is none."""
    if any(isinstance(reading, Reading) for reading in readings):
        return None
    return next((reading for reading in readings if isinstance(reading, Absent)), Absent(otherwise))
