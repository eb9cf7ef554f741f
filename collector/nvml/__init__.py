"""
The one door to NVML, NVIDIA's management library, through its own Python binding ``pynvml``.

Base units from here on: watts, joules, bytes, hertz, ratios from 0 to 1. Each conversion stands in one place and
nowhere else. A call that fails becomes ``Absent(reason)`` and is counted under NVML's own names; nothing fails into a
zero. What a device cannot tell is found out by its first reading, and not asked again while the driver stays open.

Which processes are on a device is asked in ``processes``, and only where a check is asked for. Left out on purpose:
PCIe throughput by ``nvmlDeviceGetPcieThroughput``, which blocks 20 ms a direction; and every call that changes the
state of a device.

A call into a driver that hangs cannot be ended from outside: a thread for each call would leave threads behind, and
the handles they hold. So it hangs the tick, which the loop's health shows, and ``Driver.asking`` names the call.
Closed, a driver keeps no file of a device open; the library stays loaded, so that another version of the kernel's
driver needs another process.
"""

from collector.nvml.driver import Driver
from collector.nvml.errors import WHY_BY_CODE, NoDriver
from collector.nvml.events import xid_name
from collector.nvml.handles import DeviceHandle

__all__ = ["WHY_BY_CODE", "DeviceHandle", "Driver", "NoDriver", "xid_name"]
