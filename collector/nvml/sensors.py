"""Values that NVML has a call of their own for: memory, the clock, and what holds the clock back."""

from typing import Any

import pynvml

from collector.nvml.calls import DeviceCalls
from collector.readings import Absent

HERTZ_PER_MEGAHERTZ = 1_000_000

# Bits of nvml.h, which older drivers call throttle reasons; pynvml has the last two under that name only.
CLOCK_EVENT_REASONS: dict[int, str] = {
    0x001: "gpu_idle",
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
OTHER_REASON = "other"


def memory_used_bytes(device: DeviceCalls, pointer: Any) -> int | Absent:
    """
    Device memory in use, with the part that the driver keeps for itself (some 0.5 GiB on an idle H100).

    NVML: ``nvmlDeviceGetMemoryInfo``, field ``used``, in bytes. The first version of the call, because every driver
    has it; the second (drivers from 510) answers the reserved part apart.
    By hand, the sum of: ``nvidia-smi --id=<uuid> --query-gpu=memory.used,memory.reserved --format=csv``
    """
    memory = device.ask(pynvml.nvmlDeviceGetMemoryInfo, pointer)
    if isinstance(memory, Absent):
        return memory
    if not memory.total or memory.used > memory.total:
        return device.calls.nonsense("nvmlDeviceGetMemoryInfo", "out_of_range")
    return int(memory.used)


def sm_clock_hertz(device: DeviceCalls, pointer: Any) -> int | Absent:
    """
    Clock of the multiprocessors at this moment.

    NVML: ``nvmlDeviceGetClockInfo`` of ``NVML_CLOCK_SM``, in megahertz; multiplied here and nowhere else.
    By hand: ``nvidia-smi --id=<uuid> --query-gpu=clocks.current.sm --format=csv``
    """
    megahertz = device.ask(pynvml.nvmlDeviceGetClockInfo, pointer, pynvml.NVML_CLOCK_SM)
    return megahertz if isinstance(megahertz, Absent) else megahertz * HERTZ_PER_MEGAHERTZ


def clock_event_reasons(device: DeviceCalls, pointer: Any) -> tuple[str, ...] | Absent:
    """
    Why the clock is not higher, sorted by name; empty if nothing holds it back. A bit nobody knows yet is ``other``.

    NVML: ``nvmlDeviceGetCurrentClocksEventReasons``; drivers before 535 know it as ``…ThrottleReasons``.
    By hand: ``nvidia-smi --id=<uuid> --query-gpu=clocks_event_reasons.active --format=csv``
    """
    bits = device.ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons, pointer)
    if isinstance(bits, Absent):
        bits = device.ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, pointer)
    if isinstance(bits, Absent):
        return bits
    names = {name for bit, name in CLOCK_EVENT_REASONS.items() if bits & bit}
    if bits & ~sum(CLOCK_EVENT_REASONS):
        names.add(OTHER_REASON)
    return tuple(sorted(names))
