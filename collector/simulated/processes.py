"""
The simulated driver's functions that list processes, for tests of the check on them with real processes.

A node of a scenario may name a file, with a card's index and a process id a line; it is read anew at every call. The
processes on a card share its busy time and its memory alike. As with the real driver one that did nothing has no
sample, and the ids are those of whoever wrote the file. A node that names none supports none of these calls.
"""

from collections.abc import Callable
from typing import Any

import pynvml

from collector.simulated.session import Refused, Session, known

US_PER_SECOND = 1_000_000
FIRST_SAMPLE_US = 1  # a stamp of 0 would say that nothing was seen yet


def compute_processes(session: Session, device: Any, count: Any, rows: Any) -> None:
    """``nvmlDeviceGetComputeRunningProcesses_v3``."""
    index = session.index(device)
    pids = _pids(session, index)
    _make_room(count, rows, len(pids))
    for row, pid in zip(rows or (), pids, strict=False):
        row.pid, row.usedGpuMemory = pid, known(session.state(device).memory_used_bytes) // len(pids)


def mps_processes(session: Session, device: Any, count: Any, _rows: Any) -> None:
    """``nvmlDeviceGetMPSComputeRunningProcesses_v3``: no scenario has a Multi-Process Service."""
    _pids(session, session.index(device))
    count._obj.value = 0


def process_utilization(session: Session, device: Any, rows: Any, count: Any, after_us: Any) -> None:
    """``nvmlDeviceGetProcessUtilization``: one sample for each process that computed, as of now, in whole percent."""
    now_us = round(session.now() * US_PER_SECOND) + FIRST_SAMPLE_US
    pids, busy = _pids(session, session.index(device)), known(session.state(device).busy_ratio)
    if not pids or not busy or now_us <= after_us.value:
        raise Refused(pynvml.NVML_ERROR_NOT_FOUND)
    _make_room(count, rows, len(pids))
    for row, pid in zip(rows or (), pids, strict=False):
        row.pid, row.timeStamp, row.smUtil = pid, now_us, max(round(busy * 100 / len(pids)), 1)


def _pids(session: Session, index: int) -> list[int]:
    """The processes on a card; refuses where the scenario names none."""
    path = session.node.processes
    if path is None:
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return []  # nobody has written yet that anything runs
    found = (line.split() for line in lines if line.strip())
    return [int(pid) for card, pid in found if int(card) == index]


def _make_room(count: Any, rows: Any, number: int) -> None:
    """Say how many there are; refuses where the caller has not given that much room."""
    room, count._obj.value = count._obj.value if rows else 0, number
    if number > room:
        raise Refused(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)


FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlDeviceGetComputeRunningProcesses_v3": compute_processes,
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": mps_processes,
    "nvmlDeviceGetProcessUtilization": process_utilization,
}
