"""NVML's codes become reasons, and for people what to do next."""

import pynvml

from collector.readings import Absent, Why

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
RESTING = (Why.NOT_SUPPORTED, Why.NO_PERMISSION)  # reasons that stay: the first for good, the other as a rule

_CODE_NAMES: dict[int, str] = {getattr(pynvml, name): name for name in dir(pynvml) if name.startswith("NVML_ERROR_")}
_NEXT_STEP: dict[int, str] = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "libnvidia-ml.so.1 is not here: give the container the nvidia runtime class",
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "this libnvidia-ml.so.1 is no NVML: put the driver's own first",
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


class DeviceGone(Exception):
    """Nothing can be had of a device now; ``why`` holds for all of it."""

    def __init__(self, why: Absent) -> None:
        super().__init__(why.reason)
        self.why = why


def why(code: int) -> Absent:
    """The reason that a code stands for."""
    return Absent(WHY_BY_CODE.get(code, Why.DRIVER_ERROR))


def code_name(code: int) -> str:
    """The code as NVML names it."""
    return _CODE_NAMES.get(code, f"NVML_ERROR_{code}")


def no_driver(error: pynvml.NVMLError) -> NoDriver:
    """The error to raise where NVML will not work at all."""
    reason = _unloadable(error.__context__) or _NEXT_STEP.get(error.value, "NVML refuses to work")
    return NoDriver(reason, code=code_name(error.value))


def _unloadable(why: BaseException | None) -> str:
    """What the linker says of a library that is there and cannot be loaded, empty if there is none."""
    said = str(why) if isinstance(why, OSError) else ""
    missing = "libnvidia-ml.so.1" in said and "No such file" in said
    step = "it has to be built for this machine's processor and C library"
    return f"libnvidia-ml.so.1 cannot be loaded ({said}): {step}" if said and not missing else ""
