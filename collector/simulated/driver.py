"""
A GPU driver that is not there, at the boundary where pynvml calls NVML's C functions.

pynvml keeps its loaded library in ``pynvml.nvmlLib`` and looks functions up in it by name; ``install`` puts this object
there. All of pynvml's own marshalling runs unchanged: the functions below take the ctypes arguments it passes, write
through its references, and answer with NVML's codes. Values are integers in NVML's units, as from a real driver.

A function that is not in the table is unknown, which pynvml reports as ``NVML_ERROR_FUNCTION_NOT_FOUND``, as for a
driver older than the call. ``pynvml.nvmlLib`` and its cache are not a public interface; tests hold them in place.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pynvml

from collector.readings import Absent, Why
from collector.simulated.playback import DeviceState, NodeScript

_CODE_BY_REASON = {
    Why.NOT_SUPPORTED: pynvml.NVML_ERROR_NOT_SUPPORTED,
    Why.NO_DATA: pynvml.NVML_ERROR_NO_DATA,
    Why.GPU_LOST: pynvml.NVML_ERROR_GPU_IS_LOST,
    Why.DRIVER_GONE: pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    Why.NO_DRIVER: pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
}


class _Refused(Exception):
    """Ends a call with an NVML code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class SimulatedDriver:
    """
    One node's driver. ``clock`` says the seconds since the scenario began, 0 or more.

    Like NVML it counts initialisations, and its handles are good only for the driver session that gave them out.
    """

    def __init__(self, node: NodeScript, clock: Callable[[], float]) -> None:
        self._node = node
        self._clock = clock
        self._initialised = 0
        self._session: float | Absent = Absent(Why.NO_DRIVER)  # when the driver was loaded that was initialised
        self._block = (ctypes.c_ubyte * len(node.gpus))()
        self._index_by_address: dict[int, int] = {}

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name not in FUNCTIONS:
            raise AttributeError(f"the simulated driver has no function {name}")
        function = FUNCTIONS[name]

        def call(*arguments: Any) -> int:
            try:
                function(self, *arguments)
            except _Refused as refused:
                return refused.code
            return int(pynvml.NVML_SUCCESS)

        return call

    def initialise(self, _flags: int) -> None:
        """``nvmlInitWithFlags``."""
        loaded_at = self._node.driver_loaded_at(self._clock())
        if isinstance(loaded_at, Absent):
            raise _Refused(_CODE_BY_REASON[loaded_at.reason])
        if not self._initialised or loaded_at != self._session:
            self._initialised = 0
            self._session = loaded_at
            self._block = (ctypes.c_ubyte * len(self._node.gpus))()
            begin = ctypes.addressof(self._block)
            self._index_by_address = {begin + index: index for index in range(len(self._node.gpus))}
        self._initialised += 1

    def shut_down(self) -> None:
        """``nvmlShutdown``."""
        self._now()
        self._initialised -= 1

    def driver_version(self, buffer: Any, size: Any) -> None:
        """``nvmlSystemGetDriverVersion``."""
        self._now()
        _fill(buffer, size, self._node.product.driver_version)

    def count(self, count: Any) -> None:
        """``nvmlDeviceGetCount_v2``: lost devices are still counted."""
        self._now()
        count._obj.value = len(self._node.gpus)

    def handle_by_index(self, index: Any, device: Any) -> None:
        """``nvmlDeviceGetHandleByIndex_v2``: refuses a lost device."""
        now = self._now()
        if index.value >= len(self._node.gpus):
            raise _Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        self._refuse_lost(index.value, now)
        address = ctypes.addressof(self._block) + index.value
        device._obj.contents = pynvml.struct_c_nvmlDevice_t.from_address(address)

    def uuid(self, device: Any, buffer: Any, size: Any) -> None:
        """``nvmlDeviceGetUUID``."""
        _fill(buffer, size, self._node.gpus[self._index(device)].gpu_uuid)

    def name(self, device: Any, buffer: Any, size: Any) -> None:
        """``nvmlDeviceGetName``."""
        _fill(buffer, size, self._node.gpus[self._index(device)].accelerator)

    def serial(self, device: Any, buffer: Any, size: Any) -> None:
        """``nvmlDeviceGetSerial``."""
        _fill(buffer, size, _known(self._node.gpus[self._index(device)].serial))

    def board_part_number(self, device: Any, buffer: Any, size: Any) -> None:
        """``nvmlDeviceGetBoardPartNumber``."""
        self._index(device)
        _fill(buffer, size, self._node.product.board_part_number)

    def pci_info(self, device: Any, info: Any) -> None:
        """``nvmlDeviceGetPciInfo_v3``."""
        bus_id = self._node.gpus[self._index(device)].pci_bus_id
        domain, bus, slot = bus_id.split(":")
        info._obj.busId = bus_id
        info._obj.busIdLegacy = f"{domain[-4:]}:{bus}:{slot}"
        info._obj.domain, info._obj.bus, info._obj.device = int(domain, 16), int(bus, 16), int(slot[:2], 16)
        info._obj.pciDeviceId = self._node.product.pci_device_id

    def utilization_rates(self, device: Any, rates: Any) -> None:
        """``nvmlDeviceGetUtilizationRates``, in whole percent. Memory traffic is not simulated and says 0."""
        rates._obj.gpu = round(_known(self._state(device).busy_ratio) * 100)
        rates._obj.memory = 0

    def power_usage(self, device: Any, milliwatts: Any) -> None:
        """``nvmlDeviceGetPowerUsage``."""
        milliwatts._obj.value = round(_known(self._state(device).power_watts) * 1000)

    def enforced_power_limit(self, device: Any, milliwatts: Any) -> None:
        """``nvmlDeviceGetEnforcedPowerLimit``."""
        self._index(device)
        milliwatts._obj.value = round(self._node.product.power_limit_watts * 1000)

    def total_energy(self, device: Any, millijoules: Any) -> None:
        """``nvmlDeviceGetTotalEnergyConsumption``."""
        now = self._now()
        millijoules._obj.value = int(_known(self._node.energy_joules(self._index_of(device), now)) * 1000)

    def memory_info(self, device: Any, memory: Any) -> None:
        """``nvmlDeviceGetMemoryInfo``: ``used`` contains the reserved part."""
        used = _known(self._state(device).memory_used_bytes)
        total = self._node.product.memory_total_bytes
        memory._obj.total, memory._obj.used, memory._obj.free = total, used, total - used

    def memory_info_v2(self, device: Any, memory: Any) -> None:
        """``nvmlDeviceGetMemoryInfo_v2``: the reserved part stands apart."""
        if memory._obj.version != pynvml.nvmlMemory_v2:
            raise _Refused(pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
        self.memory_info(device, memory)
        memory._obj.reserved = self._node.product.memory_reserved_bytes
        memory._obj.used -= self._node.product.memory_reserved_bytes

    def _now(self) -> float:
        """The moment of the call; refuses without initialisation, or when the driver has gone since."""
        now = self._clock()
        if not self._initialised or self._node.driver_loaded_at(now) != self._session:
            self._initialised = 0
            raise _Refused(pynvml.NVML_ERROR_UNINITIALIZED)
        return now

    def _state(self, device: Any) -> DeviceState:
        now = self._now()
        state: DeviceState = _known(self._node.state(self._index_of(device), now))
        return state

    def _index(self, device: Any) -> int:
        """The device's index; refuses a lost one."""
        now = self._now()
        index = self._index_of(device)
        self._refuse_lost(index, now)
        return index

    def _refuse_lost(self, index: int, now: float) -> None:
        if self._node.is_lost(index, now):
            raise _Refused(pynvml.NVML_ERROR_GPU_IS_LOST)

    def _index_of(self, device: Any) -> int:
        address = ctypes.addressof(device.contents) if device else 0
        if address not in self._index_by_address:
            raise _Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return self._index_by_address[address]


FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlInitWithFlags": SimulatedDriver.initialise,
    "nvmlShutdown": SimulatedDriver.shut_down,
    "nvmlSystemGetDriverVersion": SimulatedDriver.driver_version,
    "nvmlDeviceGetCount_v2": SimulatedDriver.count,
    "nvmlDeviceGetHandleByIndex_v2": SimulatedDriver.handle_by_index,
    "nvmlDeviceGetUUID": SimulatedDriver.uuid,
    "nvmlDeviceGetName": SimulatedDriver.name,
    "nvmlDeviceGetSerial": SimulatedDriver.serial,
    "nvmlDeviceGetBoardPartNumber": SimulatedDriver.board_part_number,
    "nvmlDeviceGetPciInfo_v3": SimulatedDriver.pci_info,
    "nvmlDeviceGetUtilizationRates": SimulatedDriver.utilization_rates,
    "nvmlDeviceGetPowerUsage": SimulatedDriver.power_usage,
    "nvmlDeviceGetEnforcedPowerLimit": SimulatedDriver.enforced_power_limit,
    "nvmlDeviceGetTotalEnergyConsumption": SimulatedDriver.total_energy,
    "nvmlDeviceGetMemoryInfo": SimulatedDriver.memory_info,
    "nvmlDeviceGetMemoryInfo_v2": SimulatedDriver.memory_info_v2,
}


def install(driver: SimulatedDriver) -> None:
    """Make pynvml, in this whole process, talk to ``driver``."""
    _use(driver)


def uninstall() -> None:
    """Make pynvml look for the real library again at its next initialisation."""
    _use(None)


@contextmanager
def installed(driver: SimulatedDriver) -> Iterator[SimulatedDriver]:
    """``driver`` for the length of a ``with`` block, then whatever was there before."""
    before = pynvml.nvmlLib
    _use(driver)
    try:
        yield driver
    finally:
        _use(before)


def _use(library: object) -> None:
    with pynvml.libLoadLock:
        pynvml.nvmlLib = library
        pynvml._nvmlGetFunctionPointer_cache.clear()


def _fill(buffer: Any, size: Any, text: str) -> None:
    encoded = text.encode()
    if len(encoded) >= size.value:
        raise _Refused(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    buffer.value = encoded


def _known(value: Any) -> Any:
    if isinstance(value, Absent):
        raise _Refused(_CODE_BY_REASON[value.reason])
    return value
