"""
The C library as the binding sees it through us: any ``libnvidia-ml.so.1``, also one that is older, or half of one.

Where it lacks a function's newest name, one of an older name and the same arguments stands in: the binding asks for the
newest only. And where a function says success and writes nothing, as the stubs of stand-in libraries do, its answer is
"not supported": ctypes zeroes what it hands to C, so a thing nobody wrote would be a measured 0. What has to be written
is therefore filled with ones before the call, which no answer of these functions can be.

``pynvml.nvmlLib``, its cache and its loader are not a public interface; tests hold them in place.
"""

from collections.abc import Callable, Mapping
from ctypes import Structure, memset, sizeof, string_at
from typing import Any

import pynvml

UNWRITTEN = 0xFFFFFFFF
"""In a field's code and type: the library has not written them."""

OLDER_NAMES: Mapping[str, tuple[str, ...]] = {
    "nvmlInitWithFlags": ("nvmlInit_v2", "nvmlInit"),  # these take no argument; in C a further one does no harm
    "nvmlDeviceGetCount_v2": ("nvmlDeviceGetCount",),
    "nvmlDeviceGetHandleByIndex_v2": ("nvmlDeviceGetHandleByIndex",),
    "nvmlDeviceGetPciInfo_v3": ("nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"),  # these write ``busIdLegacy`` only
}

# By function, the places of the arguments that point to what it has to write.
_OUTPUTS: Mapping[str, tuple[int, ...]] = {
    "nvmlDeviceGetCount_v2": (0,),
    "nvmlDeviceGetMinorNumber": (1,),
    "nvmlDeviceGetNumGpuCores": (1,),
    "nvmlDeviceGetCudaComputeCapability": (1, 2),
    "nvmlDeviceGetMigMode": (1,),
    "nvmlDeviceGetMaxMigDeviceCount": (1,),
    "nvmlDeviceGetGpuInstanceId": (1,),
    "nvmlDeviceGetComputeInstanceId": (1,),
    "nvmlDeviceGetAttributes_v2": (1,),
    "nvmlDeviceGetUtilizationRates": (1,),
    "nvmlDeviceGetMemoryInfo": (1,),
    "nvmlDeviceGetClockInfo": (2,),
    "nvmlDeviceGetCurrentClocksEventReasons": (1,),
    "nvmlDeviceGetCurrentClocksThrottleReasons": (1,),
    "nvmlDeviceGetPowerUsage": (1,),
    "nvmlDeviceGetTotalEnergyConsumption": (1,),
}

# By function that lists processes, the place of the argument that points to how many there are.
_LISTS: Mapping[str, int] = {
    "nvmlDeviceGetComputeRunningProcesses_v3": 1,
    "nvmlDeviceGetComputeRunningProcesses_v2": 1,
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": 1,
    "nvmlDeviceGetMPSComputeRunningProcesses_v2": 1,
    "nvmlDeviceGetProcessUtilization": 2,
}
MOST = 100_000  # of anything: a guess, far above what a device has of samples or processes

Function = Callable[..., int]


class FieldRow(Structure):
    """The binding's structure without the conversions that it makes at every access."""

    _fields_ = pynvml.c_nvmlFieldValue_t._fields_


class Library:
    """A C library with its functions by the names that the binding asks for."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        function = self._function(name)
        if name == "nvmlDeviceGetFieldValues":
            return _marking_fields(function)
        if name == "nvmlDeviceGetSamples":
            return _bounded(_marking_type(function), 4)
        if name in _LISTS:
            return _listing(_bounded(function, _LISTS[name]), _LISTS[name])
        return _written(function, _OUTPUTS[name]) if name in _OUTPUTS else function

    def _function(self, name: str) -> Any:
        for each in (name, *OLDER_NAMES.get(name, ())):
            if (function := getattr(self._library, each, None)) is not None:
                return function
        raise AttributeError(name)


def load() -> None:
    """Load the library if it is not loaded yet, and stand between it and the binding. Raises the binding's error."""
    pynvml._LoadNvmlLibrary()
    with pynvml.libLoadLock:
        if not isinstance(pynvml.nvmlLib, Library):
            pynvml.nvmlLib = Library(pynvml.nvmlLib)
            pynvml._nvmlGetFunctionPointer_cache.clear()


def _written(function: Function, places: tuple[int, ...]) -> Function:
    """The function; "not supported" if it says success and has left one of these arguments as it was."""

    def call(*arguments: Any) -> int:
        for place in places:
            _fill_with_ones(arguments[place])
        code = function(*arguments)
        untouched = code == pynvml.NVML_SUCCESS and any(_is_all_ones(arguments[place]) for place in places)
        return int(pynvml.NVML_ERROR_NOT_SUPPORTED) if untouched else code

    return call


def _marking_fields(function: Function) -> Function:
    """``nvmlDeviceGetFieldValues``: codes and types that it does not write stay ``UNWRITTEN``."""

    def call(device: Any, count: Any, values: Any) -> int:
        for row in (FieldRow * len(values._obj)).from_buffer(values._obj):
            row.nvmlReturn = row.valueType = UNWRITTEN
        return function(device, count, values)

    return call


def _marking_type(function: Function) -> Function:
    """``nvmlDeviceGetSamples``: a type that it does not write is none that there is."""

    def call(*arguments: Any) -> int:
        _fill_with_ones(arguments[3])
        return function(*arguments)

    return call


def _bounded(function: Function, place: int) -> Function:
    """The function, which never says that there are more than ``MOST``: the binding makes room for all there are."""

    def call(*arguments: Any) -> int:
        code = function(*arguments)
        count = arguments[place]._obj
        count.value = min(count.value, MOST)
        return code

    return call


def _listing(function: Function, place: int) -> Function:
    """
    The function; "too small" where it was asked how many there are, counts some, and says success.

    NVML says success only where there are none, and so the binding takes it.
    """

    def call(*arguments: Any) -> int:
        code = function(*arguments)
        only_counted = None in arguments and arguments[place]._obj.value > 0
        return int(pynvml.NVML_ERROR_INSUFFICIENT_SIZE) if code == pynvml.NVML_SUCCESS and only_counted else code

    return call


def _fill_with_ones(reference: Any) -> None:
    memset(reference, 0xFF, sizeof(reference._obj))


def _is_all_ones(reference: Any) -> bool:
    size = sizeof(reference._obj)
    return string_at(reference, size) == b"\xff" * size
