"""
The one door to NVML, NVIDIA's management library, through its own Python binding ``pynvml``.

Base units from here on: watts, joules, bytes, ratios from 0 to 1. Each conversion stands in one method below and
nowhere else. A call that fails becomes ``Absent(reason)`` and is counted under NVML's own names; nothing fails into a
zero.

Left out on purpose: process lists (who holds a device is the kubelet's to say), samples and GPM (not in this first
form), and every call that changes the state of a device.
"""

from collections import Counter
from collections.abc import Callable
from ctypes import c_void_p, cast
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import pynvml

from collector.readings import Absent, DeviceIdentity, Reading, Why

# Codes that are not in this table are Why.DRIVER_ERROR.
WHY_BY_CODE: dict[int, Why] = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: Why.NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: Why.NOT_SUPPORTED,  # the driver is older than the call
    pynvml.NVML_ERROR_NO_PERMISSION: Why.NO_PERMISSION,
    pynvml.NVML_ERROR_NO_DATA: Why.NO_DATA,
    pynvml.NVML_ERROR_GPU_IS_LOST: Why.GPU_LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED: Why.GPU_LOST,
    pynvml.NVML_ERROR_UNINITIALIZED: Why.DRIVER_GONE,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: Why.DRIVER_GONE,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: Why.DRIVER_GONE,
}
WHOLE_DEVICE = (Why.GPU_LOST, Why.DRIVER_GONE)  # reasons that hold for every field of a reading

_CODE_NAMES: dict[int, str] = {getattr(pynvml, name): name for name in dir(pynvml) if name.startswith("NVML_ERROR_")}
_NEXT_STEP: dict[int, str] = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "libnvidia-ml.so.1 is not here: give the container the nvidia runtime class",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the kernel driver is not loaded, or the GPUs are passed through to a VM",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver was upgraded under this process: restart it",
    pynvml.NVML_ERROR_NO_PERMISSION: "the device files may not be opened: see the permissions in k8s/README.md",
    # After `systemctl daemon-reload` a container loses its devices: NVIDIA/nvidia-container-toolkit#48.
    pynvml.NVML_ERROR_UNKNOWN: "the container may have lost its device files: restart it",
}


class NoDriver(Exception):
    """NVML cannot be used now: ``reason`` in words with what to do, ``code`` as NVML names it. Close, and try again."""

    def __init__(self, reason: str, *, code: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHandle:
    """
    A device as this driver session knows it; equal handles are the same device until the driver is closed.

    ``address`` is ``Absent(reason)`` for a device that the driver counts but will not hand out, such as a lost one.
    """

    index: int
    address: int | Absent
    pointer: Any = field(compare=False, repr=False)


class Driver:
    """
    An initialised NVML. Not for use by several threads.

    ``errors`` counts failed calls by C function name and NVML code name. "Not supported" is an answer, not an error.
    Two codes are our own: ``out_of_range`` and ``undecodable``, for answers that cannot be what they claim to be.
    """

    def __init__(self) -> None:
        self.errors: Counter[tuple[str, str]] = Counter()
        self._open = True

    @classmethod
    def open(cls) -> Self:
        """Initialise NVML. Raises ``NoDriver``, whose cause is the binding's own error."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise _no_driver(error) from error
        return cls()

    def close(self) -> None:
        """Let go of the driver, so that it can be upgraded. Harmless when repeated, or when the driver has gone."""
        if self._open:
            self._ask(pynvml.nvmlShutdown)
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
        version: str | Absent = self._ask(pynvml.nvmlSystemGetDriverVersion)
        return version

    def devices(self) -> tuple[DeviceHandle, ...]:
        """
        Every device the driver counts now, in its order; asked anew at each call.

        NVML: ``nvmlDeviceGetCount``, ``nvmlDeviceGetHandleByIndex``. By hand: ``nvidia-smi --list-gpus``

        Raises ``NoDriver`` when the driver has gone or will not count: an empty answer means that there are none.
        """
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            self._note("nvmlDeviceGetCount", error)
            raise _no_driver(error) from error
        return tuple(self._handle(index) for index in range(count))

    def identity(self, device: DeviceHandle) -> DeviceIdentity | Absent:
        """
        Which hardware this is. It does not change while the handle lives, so ask once.

        NVML: ``nvmlDeviceGetUUID``, ``nvmlDeviceGetName``, ``nvmlDeviceGetPciInfo``, ``nvmlDeviceGetSerial``.
        By hand: ``nvidia-smi --query-gpu=uuid,name,pci.bus_id,serial --format=csv``

        Absent when any of the first three is; boards without a serial number are common.
        """
        if isinstance(device.address, Absent):
            return device.address
        gpu_uuid = self._ask(pynvml.nvmlDeviceGetUUID, device.pointer)
        name = self._ask(pynvml.nvmlDeviceGetName, device.pointer)
        bus_id: Any = self._pci_bus_id(device)
        for answer in (gpu_uuid, name, bus_id):
            if isinstance(answer, Absent):
                return answer
        serial = self._ask(pynvml.nvmlDeviceGetSerial, device.pointer)
        return DeviceIdentity(
            gpu_uuid=gpu_uuid, accelerator=name, pci_bus_id=bus_id, serial=serial or Absent(Why.NO_DATA)
        )

    def reading(self, device: DeviceHandle) -> Reading | Absent:
        """What the device reports now. Absent as a whole if it is lost or the driver has gone, else field by field."""
        if isinstance(device.address, Absent):
            return device.address
        answers: list[Any] = []
        for ask in (self._busy_ratio, self._board_power_watts, self._energy_joules, self._memory_used_bytes):
            answer = ask(device)
            if isinstance(answer, Absent) and answer.reason in WHOLE_DEVICE:
                return answer
            answers.append(answer)
        busy, power, energy, memory = answers
        return Reading(busy_ratio=busy, power_watts=power, energy_joules=energy, memory_used_bytes=memory)

    def _busy_ratio(self, device: DeviceHandle) -> float | Absent:
        """
        Share of the driver's last sample period (1/6 s to 1 s, by product) in which a kernel ran.

        NVML: ``nvmlDeviceGetUtilizationRates``, field ``gpu``, in percent; divided here and nowhere else.
        By hand: ``nvidia-smi --id=<uuid> --query-gpu=utilization.gpu --format=csv``

        Absent(NOT_SUPPORTED) on a card in MIG mode.
        """
        rates = self._ask(pynvml.nvmlDeviceGetUtilizationRates, device.pointer)
        if isinstance(rates, Absent):
            return rates
        percent: int = rates.gpu
        if percent > 100:
            self.errors["nvmlDeviceGetUtilizationRates", "out_of_range"] += 1
            return Absent(Why.DRIVER_ERROR)
        return percent / 100

    def _board_power_watts(self, device: DeviceHandle) -> float | Absent:
        """
        Draw of the whole board, as the driver last measured it; a one-second average on Ampere and later.

        NVML: ``nvmlDeviceGetPowerUsage``, in milliwatts; divided here and nowhere else.
        By hand: ``nvidia-smi --id=<uuid> --query-gpu=power.draw --format=csv``
        """
        milliwatts = self._ask(pynvml.nvmlDeviceGetPowerUsage, device.pointer)
        return milliwatts if isinstance(milliwatts, Absent) else milliwatts / 1000

    def _energy_joules(self, device: DeviceHandle) -> float | Absent:
        """
        Energy drawn by the board since the driver was loaded.

        NVML: ``nvmlDeviceGetTotalEnergyConsumption``, in millijoules; divided here and nowhere else.
        By hand: ``nvidia-smi`` does not show it; ``dcgmi dmon --field-id 156`` does, in millijoules.

        Absent(NOT_SUPPORTED) on boards before Volta.
        """
        millijoules = self._ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, device.pointer)
        return millijoules if isinstance(millijoules, Absent) else millijoules / 1000

    def _memory_used_bytes(self, device: DeviceHandle) -> int | Absent:
        """
        Device memory in use, with the part that the driver keeps for itself (some 0.5 GiB on an idle H100).

        NVML: ``nvmlDeviceGetMemoryInfo``, field ``used``, in bytes. The first version of the call, because every driver
        has it; the second (drivers from 510) answers the reserved part apart.
        By hand, the sum of: ``nvidia-smi --id=<uuid> --query-gpu=memory.used,memory.reserved --format=csv``
        """
        memory = self._ask(pynvml.nvmlDeviceGetMemoryInfo, device.pointer)
        return memory if isinstance(memory, Absent) else int(memory.used)

    def _pci_bus_id(self, device: DeviceHandle) -> str | Absent:
        info = self._ask(pynvml.nvmlDeviceGetPciInfo, device.pointer)
        return info if isinstance(info, Absent) else str(info.busId)

    def _handle(self, index: int) -> DeviceHandle:
        """One device. A lost one is still counted; a driver that has gone raises ``NoDriver``."""
        try:
            pointer = pynvml.nvmlDeviceGetHandleByIndex(index)
        except pynvml.NVMLError as error:
            self._note("nvmlDeviceGetHandleByIndex", error)
            why = WHY_BY_CODE.get(error.value, Why.DRIVER_ERROR)
            if why is Why.DRIVER_GONE:
                raise _no_driver(error) from error
            return DeviceHandle(index=index, address=Absent(why), pointer=Absent(why))
        return DeviceHandle(index=index, address=cast(pointer, c_void_p).value or 0, pointer=pointer)

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The call's answer, or Absent. The binding's functions bear the names of the C functions without version."""
        try:
            return function(*arguments)
        except pynvml.NVMLError as error:
            self._note(function.__name__, error)
            return Absent(WHY_BY_CODE.get(error.value, Why.DRIVER_ERROR))
        except UnicodeDecodeError:
            self.errors[function.__name__, "undecodable"] += 1
            return Absent(Why.DRIVER_ERROR)

    def _note(self, call: str, error: pynvml.NVMLError) -> None:
        if WHY_BY_CODE.get(error.value) is not Why.NOT_SUPPORTED:
            self.errors[call, _code_name(error)] += 1


def _code_name(error: pynvml.NVMLError) -> str:
    return _CODE_NAMES.get(error.value, f"NVML_ERROR_{error.value}")


def _no_driver(error: pynvml.NVMLError) -> NoDriver:
    return NoDriver(_NEXT_STEP.get(error.value, "NVML refuses to work"), code=_code_name(error))
