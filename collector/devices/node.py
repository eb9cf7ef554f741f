"""
A node's devices, look by look.

What is known stays known: a device that stops answering is counted on, as lost, until whoever keeps the inventory says
that it has vanished. A GPU that the driver counts but has never let anybody identify has no UUID, so nobody can be said
to hold it; it is counted too. So is a GPU that is on the bus and that nothing here reads, as blind, by its address.

MIG instances are parts of GPUs that are counted already. Those there now are looked at. A layout that was changed is
the operator's doing and no loss, so none is remembered once its card has been read without it; while a card cannot be
read, nobody can say that its layout has changed, and it is the last one known.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from collector.clock import Clock
from collector.devices.bus import Bus
from collector.devices.session import DriverSession, Released
from collector.devices.survey import NOT_YET, InstanceLook, Survey, Unreadable
from collector.nvml import DeviceHandle, Driver, NoDriver, xid_name
from collector.pci import PciGpu
from collector.readings import Absent, DeviceIdentity, Reading, Why

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
SELDOM_SECONDS = 5  # a guess: cards come and go by hand, and what is recorded of them waits

Readings = dict[str, Reading | Absent]


class NodeDevices:
    """
    Looks at every GPU of the node. For one thread, but for ``release``, ``take_back`` and ``asking``.

    ``pci`` says what is on the PCI bus now. ``errors`` counts failed calls into NVML since the start; who asks the
    driver further adds its own.
    """

    def __init__(
        self, open_driver: Callable[[], Driver], clock: Clock, *, pci: Callable[[], tuple[PciGpu, ...] | Absent]
    ) -> None:
        self.errors: Counter[tuple[str, str]] = Counter()
        self._session = DriverSession(open_driver, clock, self.errors, before_release=self._note_xid_errors)
        self._bus = Bus(pci, clock)
        self._clock = clock
        self._driver: Driver | None = None  # whose the handles are
        self._cards: tuple[DeviceHandle, ...] = ()
        self._list_at_ns = 0
        self._by_handle: dict[DeviceHandle, DeviceIdentity] = {}
        self._known: dict[str, DeviceIdentity] = {}
        self._unidentified: tuple[Absent, ...] = ()
        self._instances: dict[str, InstanceLook] = {}
        self._answering: dict[str, DeviceHandle] = {}
        self._unsupported: dict[str, Mapping[str, Absent]] = {}
        self._xid_errors: Counter[tuple[str, int]] = Counter()
        self._blind: Absent | None = None
        self._is_absent = False

    @property
    def asking(self) -> str:
        """The call into NVML that is under way, empty if there is none; may be read by another thread."""
        return self._session.asking

    def release(self, seconds: float) -> None:
        """
        Let go of the driver before the next look, and leave it alone for so long; may be asked by another thread.

        Until then every GPU is lost, as DRIVER_RELEASED. Asked again, the time begins anew.
        """
        self._session.release(seconds)

    def take_back(self) -> None:
        """Open the driver again at the next look; may be asked by another thread."""
        self._session.take_back()

    def remember(
        self,
        known: Iterable[DeviceIdentity],
        errors: Mapping[tuple[str, str], int],
        instances: Iterable[DeviceIdentity],
        unreadable: Mapping[str, str],
    ) -> Survey:
        """
        Know these from before, as if they had been seen; what is known before the first look.

        ``unreadable``: the accelerators of the devices that nothing read, by key.
        """
        unread = Absent(Why.NO_DATA)
        self._known = {identity.gpu_uuid: identity for identity in known}
        looks = [InstanceLook(identity=identity, reading=unread) for identity in instances]
        self._instances = {look.identity.gpu_uuid: look for look in looks if _card_of(look) in self._known}
        self._bus.remember(unreadable)
        self.errors.clear()
        self.errors.update(errors)
        return replace(
            NOT_YET,
            readings=dict.fromkeys(self._known, unread),
            known=dict(self._known),
            instances=dict(self._instances),
            unreadable=tuple(Unreadable(accelerator=name, key=key, why=unread) for key, name in unreadable.items()),
            errors=dict(errors),
        )

    def count_also(self, allocated: Callable[[], Mapping[str, str] | Absent]) -> None:
        """Count further devices of other vendors, which the bus does not show: at each look, accelerators by key."""
        self._bus.count_also(allocated)

    def beyond_bus(self) -> Mapping[str, str]:
        """Those that the last look counted, or before the first look those that are known from before."""
        return self._bus.beyond

    def on_bus(self) -> tuple[PciGpu, ...]:
        """What the last look at the PCI bus found, whether a driver here reads it or not."""
        return self._bus.gpus

    def forget(self, gpu_uuids: Iterable[str]) -> None:
        """Count these no longer; a device that is seen again is known again."""
        for gpu_uuid in gpu_uuids:
            self._known.pop(gpu_uuid, None)
            self._drop_instances(gpu_uuid)

    def survey(self) -> Survey:
        """A reading, or the reason for none, for every GPU ever seen here."""
        self._bus.look()
        self._unsupported = {}
        readings, otherwise = self._read_or_why()
        readings |= self._bus.passed_through(readings, self._known)
        unreadable = self._bus.unreadable(
            self._known.values(), nameless=len(self._unidentified), driver_holds=self._driver_holds()
        )
        reasons = (gpu.why for gpu in unreadable)
        blind = _why_blind((*readings.values(), *self._unidentified, *reasons), otherwise=otherwise)
        if blind is not None and blind != self._blind:
            log.warning("node.blind reason=%s", blind.reason)
        self._blind = blind
        return Survey(
            readings=readings,
            known=dict(self._known),
            unidentified=self._unidentified,
            instances={uuid: _with_its_card(look, readings) for uuid, look in self._instances.items()},
            unreadable=unreadable,
            blind=blind,
            driver_version=self._session.version,
            errors=dict(self.errors),
            unsupported=self._unsupported,
            xid_errors=dict(self._xid_errors),
        )

    def identities(self) -> tuple[DeviceIdentity, ...]:
        """Every GPU ever seen here, and the MIG instances that are known to be there."""
        return (*self._known.values(), *(look.identity for look in self._instances.values()))

    def whole_cards(self) -> Mapping[str, DeviceHandle]:
        """The GPUs that answered at the last look, by UUID, but for those that are cut into MIG instances."""
        cut = {_card_of(look) for look in self._instances.values()}
        return {uuid: handle for uuid, handle in self._answering.items() if uuid not in cut}

    def close(self) -> None:
        """Let go of the driver."""
        self._session.close()
        self._forget_session()

    def _read_or_why(self) -> tuple[Readings, Why]:
        """All readings, and why there would be none if there were no GPU to say so."""
        try:
            readings, self._is_absent = self._read(), False
        except Released:
            return self._unread(Why.DRIVER_RELEASED), Why.DRIVER_RELEASED
        except NoDriver as error:
            if not self._is_absent:
                log.warning("driver.absent code=%s next=%r", error.code, error.reason)
            self._is_absent = True
            return self._unread(Why.DRIVER_GONE), Why.NO_DRIVER
        return readings, Why.NO_GPUS

    def _read(self) -> Readings:
        try:
            driver = self._session.driver()
            if driver is not self._driver:  # let go of and taken back since the last look
                self._forget_session()
            self._driver = driver
            found, unnamed = self._ask_all(driver)
        except NoDriver:
            self._session.give_up()
            self._forget_session()
            raise
        self._session.note_answer()
        return self._with_vanished(found, unnamed)

    def _unread(self, why: Why) -> Readings:
        """Without a driver: every device is absent for this reason."""
        self._unsupported = {}
        self._unidentified = (Absent(why),) * len(self._unidentified)
        return dict.fromkeys(self._known, Absent(why))

    def _driver_holds(self) -> Why:
        """Why NVML does not name a GPU that its kernel driver holds: it has failed in it, or nobody asks it."""
        if self._session.is_open:
            return Why.DRIVER_ERROR
        return Why.DRIVER_RELEASED if self._session.is_released else Why.NO_DRIVER

    def _forget_session(self) -> None:
        """What was good for one session of the driver only."""
        self._by_handle.clear()
        self._answering = {}
        self._list_at_ns = 0

    def _ask_all(self, driver: Driver) -> tuple[Readings, list[Absent]]:
        """
        Readings of the devices that say who they are, and for each of the others why it does not.

        Which cards there are, and what was recorded of them, is asked seldom while all of them answer.
        """
        found: Readings = {}
        unnamed: list[Absent] = []
        self._answering = {}
        listing = self._clock.elapsed_ns() >= self._list_at_ns
        if listing:
            self._cards = driver.devices()
        for handle in self._cards:
            identity = self._identity(driver, handle)
            if isinstance(identity, Absent):
                unnamed.append(identity)
            elif identity.gpu_uuid in found:  # two devices under one UUID: which of them holders mean, nobody can say
                self.errors["nvmlDeviceGetUUID", "duplicate"] += 1
                unnamed.append(Absent(Why.DRIVER_ERROR))
            else:
                self._known[identity.gpu_uuid] = identity
                found[identity.gpu_uuid] = self._ask(driver, handle, identity.gpu_uuid)
        if listing:
            self._note_xid_errors(driver)
            self._list_at_ns = self._clock.elapsed_ns() + SELDOM_SECONDS * NANOSECONDS
        if unnamed or not found or any(isinstance(each, Absent) for each in found.values()):
            self._list_at_ns = 0  # something may have changed: ask again at the next look
        return found, unnamed

    def _ask(self, driver: Driver, handle: DeviceHandle, gpu_uuid: str) -> Reading | Absent:
        """A card's reading; of a card that answers, its instances and what it cannot tell are noted."""
        reading = driver.reading(handle)
        if isinstance(reading, Absent):
            return reading
        self._unsupported[gpu_uuid] = driver.cannot_tell(handle)
        if isinstance(nothing := reading.or_absent(), Absent):
            return nothing
        self._answering[gpu_uuid] = handle
        self._look_at_instances(driver, handle, gpu_uuid)
        return reading

    def _look_at_instances(self, driver: Driver, card: DeviceHandle, gpu_uuid: str) -> None:
        """The instances that say who they are; each is asked that only once. Those of before stay if it cannot tell."""
        handles = driver.instances(card)
        untold = _untold(handles)
        before = {uuid: look for uuid, look in self._instances.items() if _card_of(look) == gpu_uuid}
        self._drop_instances(gpu_uuid)
        if untold is not None:
            self._instances |= {uuid: replace(look, reading=untold) for uuid, look in before.items()}
        for handle in () if isinstance(handles, Absent) else handles:
            identity = self._identity(driver, handle)
            if not isinstance(identity, Absent):
                reading = driver.reading(handle)
                self._instances[identity.gpu_uuid] = InstanceLook(
                    identity=identity, reading=reading if isinstance(reading, Absent) else reading.or_absent()
                )

    def _drop_instances(self, gpu_uuid: str) -> None:
        self._instances = {uuid: look for uuid, look in self._instances.items() if _card_of(look) != gpu_uuid}

    def _note_xid_errors(self, driver: Driver) -> None:
        """Count and tell what the driver reported since the last look."""
        for handle, numbers in driver.xid_errors().items():
            gpu_uuid = self._by_handle[handle].gpu_uuid
            for xid, count in numbers.items():
                self._xid_errors[gpu_uuid, xid] += count
                log.warning("gpu.xid gpu_uuid=%s xid=%d count=%d name=%r", gpu_uuid, xid, count, xid_name(xid))

    def _with_vanished(self, found: Readings, unnamed: list[Absent]) -> Readings:
        """Every known device. Nameless ones are taken for the known ones that are missing; those left are strangers."""
        missing = [uuid for uuid in self._known if uuid not in found]
        why = dict(zip(missing, unnamed, strict=False))
        self._unidentified = tuple(unnamed[len(missing) :])
        return {uuid: found.get(uuid, why.get(uuid, Absent(Why.GPU_LOST))) for uuid in self._known}

    def _identity(self, driver: Driver, handle: DeviceHandle) -> DeviceIdentity | Absent:
        if handle in self._by_handle:
            return self._by_handle[handle]
        identity = driver.identity(handle)
        if not isinstance(identity, Absent):
            self._by_handle[handle] = identity
        return identity


def _card_of(look: InstanceLook) -> str:
    """The UUID of the card that the instance is on."""
    return "" if look.identity.mig is None else look.identity.mig.parent_uuid


def _untold(handles: tuple[DeviceHandle, ...] | Absent) -> Absent | None:
    """Why the card cannot tell of one of its instances or more, if so."""
    if isinstance(handles, Absent):
        return handles
    return next((each.address for each in handles if isinstance(each.address, Absent)), None)


def _with_its_card(look: InstanceLook, readings: Mapping[str, Reading | Absent]) -> InstanceLook:
    """An instance cannot be read while its card cannot, and for the same reason."""
    card = readings[_card_of(look)]
    return replace(look, reading=card) if isinstance(card, Absent) else look


def _why_blind(readings: Sequence[Reading | Absent], *, otherwise: Why) -> Absent | None:
    """Why no GPU could be read; ``otherwise`` if there is none."""
    if any(isinstance(reading, Reading) for reading in readings):
        return None
    return next((reading for reading in readings if isinstance(reading, Absent)), Absent(otherwise))
