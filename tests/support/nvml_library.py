"""
A small NVML library with processes on its devices, at the boundary where pynvml calls C functions.

Handles are the devices' names, or those of ``support.drivers``, which begin with one. Functions answer with NVML's
codes and write through the references that pynvml passes, so that all of pynvml's own marshalling runs. ``calls``
counts them by name.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pynvml

from collector.nvml import DeviceHandle
from collector.nvml.processes import NvmlProcesses

NOT_TOLD = pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value


@dataclass(slots=True)
class ADevice:
    """
    What one device answers.

    ``compute`` and ``mps``: (pid, memory in bytes). ``samples``: (pid, microseconds, SM percent). ``newcomers`` are
    appended to the samples one at a time, each between the question for their number and the one for the samples.
    """

    compute: list[tuple[int, int]] = field(default_factory=list)
    mps: list[tuple[int, int]] = field(default_factory=list)
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    newcomers: list[tuple[int, int, int]] = field(default_factory=list)


class ALibrary:
    """A library with these devices. ``refusals``: codes that functions answer with; FUNCTION_NOT_FOUND hides one."""

    def __init__(self, **devices: ADevice) -> None:
        self.devices = devices
        self.refusals: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.asked_since: list[int] = []

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name not in _FUNCTIONS or self.refusals.get(name) == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise AttributeError(name)

        def call(handle: Any, *arguments: Any) -> int:
            self.calls[name] += 1
            device = handle if isinstance(handle, str) else handle[0]
            return self.refusals.get(name) or _FUNCTIONS[name](self, device, *arguments)

        return call

    def compute(self, device: str, count: Any, rows: Any) -> int:
        """``nvmlDeviceGetComputeRunningProcesses_v3`` and ``_v2``."""
        return _list(self.devices[device].compute, count, rows)

    def mps(self, device: str, count: Any, rows: Any) -> int:
        """``nvmlDeviceGetMPSComputeRunningProcesses_v3`` and ``_v2``."""
        return _list(self.devices[device].mps, count, rows)

    def utilization(self, device: str, rows: Any, count: Any, since: Any) -> int:
        """``nvmlDeviceGetProcessUtilization``."""
        answer, found = self._samples(device, since.value, None if rows is None else count._obj.value)
        count._obj.value = len(found)
        return answer if rows is None else _fill(answer, found, rows)

    def utilization_info(self, device: str, info: Any) -> int:
        """``nvmlDeviceGetProcessesUtilizationInfo``."""
        if info._obj.version != pynvml.ProcessesUtilizationInfo_v1:
            return int(pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
        fetch = bool(info._obj.procUtilArray)
        room = info._obj.processSamplesCount if fetch else None
        answer, found = self._samples(device, info._obj.lastSeenTimeStamp, room)
        info._obj.processSamplesCount = len(found)
        return _fill(answer, found, info._obj.procUtilArray) if fetch else answer

    def _samples(self, device: str, since: int, room: int | None) -> tuple[int, list[tuple[int, int, int]]]:
        state = self.devices[device]
        if room is None:
            self.asked_since.append(since)
        elif state.newcomers:
            state.samples.append(state.newcomers.pop(0))
        found = [sample for sample in state.samples if sample[1] > since]
        if not found:
            return int(pynvml.NVML_ERROR_NOT_FOUND), found
        enough = room is not None and len(found) <= room
        return int(pynvml.NVML_SUCCESS if enough else pynvml.NVML_ERROR_INSUFFICIENT_SIZE), found


def _list(processes: list[tuple[int, int]], count: Any, rows: Any) -> int:
    room, count._obj.value = count._obj.value, len(processes)
    if len(processes) > room:
        return int(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    for row, (pid, memory) in zip(rows or (), processes, strict=False):
        row.pid, row.usedGpuMemory = pid, memory
    return int(pynvml.NVML_SUCCESS)


def _fill(answer: int, samples: list[tuple[int, int, int]], rows: Any) -> int:
    if answer == pynvml.NVML_SUCCESS:
        for place, (pid, stamp, percent) in enumerate(samples):
            rows[place].pid, rows[place].timeStamp, rows[place].smUtil = pid, stamp, percent
    return answer


_FUNCTIONS: dict[str, Callable[..., int]] = {
    "nvmlDeviceGetComputeRunningProcesses_v3": ALibrary.compute,
    "nvmlDeviceGetComputeRunningProcesses_v2": ALibrary.compute,
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": ALibrary.mps,
    "nvmlDeviceGetMPSComputeRunningProcesses_v2": ALibrary.mps,
    "nvmlDeviceGetProcessUtilization": ALibrary.utilization,
    "nvmlDeviceGetProcessesUtilizationInfo": ALibrary.utilization_info,
}


@contextmanager
def lists_of(library: ALibrary) -> Iterator[NvmlProcesses]:
    """The process lists of this library's devices, through pynvml."""
    handles = {
        name: DeviceHandle(index=index, address=index + 1, pointer=name) for index, name in enumerate(library.devices)
    }
    with in_use(library):
        yield NvmlProcesses(lambda: handles)


@contextmanager
def in_use(library: ALibrary) -> Iterator[None]:
    """Let pynvml call this library for the length of a ``with`` block."""
    before = pynvml.nvmlLib
    _use(library)
    try:
        yield
    finally:
        _use(before)


def _use(library: object) -> None:
    with pynvml.libLoadLock:
        pynvml.nvmlLib = library
        pynvml._nvmlGetFunctionPointer_cache.clear()
