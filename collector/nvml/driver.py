"""An open driver: its devices, their identities and readings."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from ctypes import c_void_p, cast
from functools import partial
from types import TracebackType
from typing import Any, Self

import pynvml

from collector.nvml import boundary
from collector.nvml.calls import Calls, text
from collector.nvml.device import Card, Device, Instance
from collector.nvml.errors import WHY_BY_CODE, DeviceGone, NoDriver, no_driver
from collector.nvml.handles import DeviceHandle
from collector.nvml.identity import card_identity, instance_identity
from collector.readings import Absent, DeviceIdentity, Reading, Why

MOST_DEVICES = 1024  # of a node, or instances of a card: far above any there is; a larger count is no count

_NO_INSTANCE: dict[int, object] = {
    pynvml.NVML_ERROR_NOT_FOUND: None,
    pynvml.NVML_ERROR_INVALID_ARGUMENT: None,
}


class Driver:
    """
    An initialised NVML. Not for use by several threads.

    ``errors`` counts failed calls by C function name and NVML code name. "Not supported" is an answer, not an error.
    Codes of our own are for answers that cannot be what they claim to be: ``out_of_range``; ``undecodable``, of text;
    and ``unreadable``, which the binding could make nothing of.
    """

    def __init__(self, elapsed_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._calls = Calls()
        self.errors = self._calls.errors
        self._elapsed_ns = elapsed_ns
        self._known: dict[DeviceHandle, Device] = {}
        self._mig_modes: dict[DeviceHandle, bool] = {}
        self._untold: dict[DeviceHandle, Counter[int]] = {}
        self._open = True

    @classmethod
    def open(cls, elapsed_ns: Callable[[], int] = time.monotonic_ns) -> Self:
        """
        Initialise NVML. Raises ``NoDriver``, whose cause is the binding's own error.

        ``elapsed_ns`` is the clock that tells how far two looks are apart; a scenario's, if one is played.
        """
        try:
            boundary.load()
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise no_driver(error) from error
        return cls(elapsed_ns)

    @property
    def asking(self) -> str:
        """The call into NVML that is under way, empty if there is none; may be read by another thread."""
        return self._calls.asking

    def close(self) -> None:
        """Let go of the driver, so that it can be upgraded. Harmless when repeated, or when the driver has gone."""
        if self._open:
            self._forget(list(self._known))
            self._calls.ask(pynvml.nvmlShutdown)
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def driver_version(self) -> str | Absent:
        """
        Version of the kernel driver.

        NVML: ``nvmlSystemGetDriverVersion``. By hand: ``nvidia-smi --query-gpu=driver_version --format=csv``
        """
        version = self._calls.ask(pynvml.nvmlSystemGetDriverVersion)
        return text(self._calls, "nvmlSystemGetDriverVersion", version)

    def devices(self) -> tuple[DeviceHandle, ...]:
        """
        Every card the driver counts now, in its order; asked anew at each call. Instances are not among them.

        NVML: ``nvmlDeviceGetCount``, ``nvmlDeviceGetHandleByIndex``, ``nvmlDeviceGetMigMode``.
        By hand: ``nvidia-smi --list-gpus``

        When a card has entered or left MIG mode, what it can tell is found out anew.
        Raises ``NoDriver`` when the driver has gone or will not count: an empty answer means that there are none.
        """
        try:
            count = self._calls.plainly(pynvml.nvmlDeviceGetCount)
        except pynvml.NVMLError as error:
            self._calls.failed("nvmlDeviceGetCount", error.value)
            raise no_driver(error) from error
        if count > MOST_DEVICES:
            self._calls.nonsense("nvmlDeviceGetCount", "out_of_range")
            raise NoDriver(f"NVML counts {count} GPUs: see which libnvidia-ml.so.1 this is", code="out_of_range")
        found = tuple(self._handle(index) for index in range(count))
        for device in found:
            self._watch_mode(device)
        return found

    def instances(self, device: DeviceHandle) -> tuple[DeviceHandle, ...] | Absent:
        """
        The MIG instances on a card now, in the driver's order; asked anew at each call.

        NVML: ``nvmlDeviceGetMaxMigDeviceCount``, ``nvmlDeviceGetMigDeviceHandleByIndex``, ``nvmlDeviceGetUUID``.
        By hand: ``nvidia-smi --list-gpus``

        None on a card that was not in MIG mode when ``devices`` listed it. What was kept for instances that are no more
        is freed. A place of which the card does not say whether there is one has a handle without address or name.
        Absent where they cannot be told: the card is lost, or does not say how many there may be.
        """
        if isinstance(device.address, Absent):
            return device.address
        try:
            found = self._find_instances(device) if self._mig_modes.get(device) else ()
        except DeviceGone as gone:
            return gone.why
        if isinstance(found, Absent):
            return found
        untold = {each.index for each in found if isinstance(each.address, Absent)}
        mine = [known for known in self._known if known.parent == device]
        self._forget([known for known in mine if known not in found and known.index not in untold])
        return found

    def identity(self, device: DeviceHandle) -> DeviceIdentity | Absent:
        """Which hardware this is. It does not change while the handle lives, so ask once. Absent if nameless."""
        if isinstance(device.address, Absent):
            return device.address
        try:
            if device.parent is None:
                return card_identity(self._device(device).calls, device.pointer, device.index)
            card = self.identity(device.parent)
            if isinstance(card, Absent):
                return card
            return instance_identity(self._device(device).calls, device.pointer, device.mig_uuid, card)
        except DeviceGone as gone:
            return gone.why

    def reading(self, device: DeviceHandle) -> Reading | Absent:
        """
        What the device reports now. Absent as a whole if it is lost or the driver has gone, else field by field.

        The first reading finds out what the device can tell. Means are over the time since the reading before.
        """
        return device.address if isinstance(device.address, Absent) else self._device(device).reading()

    def cannot_tell(self, device: DeviceHandle) -> Mapping[str, Absent]:
        """The fields that the device's last reading found it cannot tell, or not to us, and which are asked no more."""
        return self._known[device].cannot_tell() if device in self._known else {}

    def xid_errors(self) -> Mapping[DeviceHandle, Counter[int]]:
        """
        The Xid errors that the driver reported since the last time, by card and number; also of a card that is lost.

        They are recorded from a card's first reading on. ``cannot_tell`` says of which cards they are not.
        """
        untold, self._untold = self._untold, {}
        found = {handle: device.take_xid_errors() for handle, device in self._known.items()}
        for handle, numbers in untold.items():
            found[handle] = numbers + found.get(handle, Counter())
        return {handle: numbers for handle, numbers in found.items() if numbers}

    def _device(self, device: DeviceHandle) -> Device:
        if device not in self._known:
            self._known[device] = (
                Card(self._calls, device.pointer, self._elapsed_ns)
                if device.parent is None
                else Instance(self._calls, device.pointer, device.parent.pointer, self._elapsed_ns)
            )
        return self._known[device]

    def _watch_mode(self, device: DeviceHandle) -> None:
        """Forget what a card can tell when its MIG mode has changed; a card that does not say has not changed it."""
        if isinstance(device.address, Absent):
            return
        try:
            mode = self._device(device).calls.ask(pynvml.nvmlDeviceGetMigMode, device.pointer)
        except DeviceGone:
            return
        if isinstance(mode, Absent):
            return
        enabled = mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE
        if self._mig_modes.get(device, enabled) != enabled:
            self._untold[device] = self._known[device].take_xid_errors() + self._untold.get(device, Counter())
            self._forget([device])
        self._mig_modes[device] = enabled

    def _find_instances(self, device: DeviceHandle) -> tuple[DeviceHandle, ...] | Absent:
        calls = self._device(device).calls
        most = calls.ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, device.pointer)
        if isinstance(most, Absent):
            return most
        places = (self._instance_handle(device, index) for index in range(min(most, MOST_DEVICES)))
        return tuple(handle for handle in places if handle is not None)

    def _instance_handle(self, device: DeviceHandle, index: int) -> DeviceHandle | None:
        """The instance in this place; none if the place is empty, or the instance vanishes while it is asked for."""
        ask = partial(self._device(device).calls.ask, answers=_NO_INSTANCE, of=index)
        pointer = ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, device.pointer, index)
        uuid = ask(pynvml.nvmlDeviceGetUUID, pointer) if pointer and not isinstance(pointer, Absent) else pointer
        if isinstance(uuid, Absent):
            return DeviceHandle(index=index, address=uuid, pointer=uuid, parent=device)
        if not uuid:
            return None
        return DeviceHandle(index=index, address=_address(pointer), pointer=pointer, parent=device, mig_uuid=uuid)

    def _forget(self, devices: list[DeviceHandle]) -> None:
        for device in devices:
            self._known.pop(device).close()

    def _handle(self, index: int) -> DeviceHandle:
        """One device. A lost one is still counted; a driver that has gone raises ``NoDriver``."""
        try:
            pointer = self._calls.plainly(pynvml.nvmlDeviceGetHandleByIndex, index)
        except pynvml.NVMLError as error:
            self._calls.failed("nvmlDeviceGetHandleByIndex", error.value)
            why = WHY_BY_CODE.get(error.value, Why.DRIVER_ERROR)
            if why is Why.DRIVER_GONE:
                raise no_driver(error) from error
            return DeviceHandle(index=index, address=Absent(why), pointer=Absent(why))
        return DeviceHandle(index=index, address=_address(pointer), pointer=pointer)


def _address(pointer: Any) -> int:
    return cast(pointer, c_void_p).value or 0
