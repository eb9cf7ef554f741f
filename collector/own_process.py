"""
What the collector itself costs the node: its memory and its processor time, as the kernel counts them.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from collector.contract import Sample, node_metrics
from collector.readings import Absent, Why

STATM = Path("/proc/self/statm")
"""Sizes of this process in pages: proc(5). The second number is what lies in memory."""


def own_process_samples(where: tuple[str, str], *, statm: Path = STATM) -> Iterator[Sample]:
    """Memory, where the kernel tells it, and processor time since the process began; for any thread."""
    resident = resident_memory_bytes(statm)
    if not isinstance(resident, Absent):
        yield Sample(node_metrics.COLLECTOR_MEMORY, where, resident)
    yield Sample(node_metrics.COLLECTOR_CPU, where, time.process_time())


def resident_memory_bytes(statm: Path) -> int | Absent:
    """
    How much memory the process has, in bytes.

    By hand: ``ps -o rss= -p <pid>``, in KiB. Absent(NO_DATA) on a kernel without such a file.
    """
    try:
        pages = int(statm.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return Absent(Why.NO_DATA)
    return pages * os.sysconf("SC_PAGE_SIZE")
