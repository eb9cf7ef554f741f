"""
How long ``flopwatch replay --prometheus`` takes over weeks of dcgm-exporter's series. Prints figures; judges nothing.

    python tests/benchmarks/prometheus.py [--gpus 64] [--days 30] [--spacing 30]

The series are back-filled into a Prometheus of its own, which takes minutes and is not timed. Every node has eight GPUs
that one pod holds for 20 hours; then they are idle for an hour, and the next pod comes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.prometheus import recorded
from support.recorded import HOUR, Recorded, times
from support.usage import START

BLOCK = 2 * HOUR  # of Prometheus' own blocks, so that promtool reads every text once
NODE_GPUS = 8
HELD_HOURS, IDLE_HOURS = 20, 1


def fleet(gpus: int, begin: float, spacing: float) -> str:
    """Two hours of the fleet, as text."""
    series = Recorded()
    for gpu in range(gpus):
        node, number = divmod(gpu, NODE_GPUS)
        for at in times(begin, begin + BLOCK, spacing):
            effort, hour = divmod(at / HOUR + node, HELD_HOURS + IDLE_HOURS)
            pods = [f"job-{node}-{effort:.0f}"] if hour < HELD_HOURS else [""]
            series.gpu([at], gpu=f"n{node}/{number}", pods=pods, util=80.0 + gpu % 20)
    return series.openmetrics()


def blocks(gpus: int, days: float, spacing: float) -> Iterator[str]:
    """The whole time, two hours at a time."""
    return (fleet(gpus, number * BLOCK, spacing) for number in range(round(days * 24 * HOUR / BLOCK)))


def main() -> None:
    """Fill, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=64, help="GPUs, eight to a node [64]")
    parser.add_argument("--days", type=int, default=30, help="days of series [30]")
    parser.add_argument("--spacing", type=int, default=30, help="seconds between two scrapes [30]")
    given = parser.parse_args()
    until = START + timedelta(days=given.days)
    with (
        tempfile.TemporaryDirectory() as folder,
        recorded(blocks(given.gpus, given.days, given.spacing), Path(folder)) as url,
    ):
        replay = ["--prometheus", url, "--since", f"{given.days}d", "--until", until.isoformat()]
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "policy", "replay", *replay])
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    print(
        f"{given.gpus} GPUs, {given.days} days, every {given.spacing} s: {seconds:.1f} s, "
        f"{used.ru_maxrss / 1024:.0f} MiB at most, exit code {os.waitstatus_to_exitcode(status)}"
    )


if __name__ == "__main__":
    main()
