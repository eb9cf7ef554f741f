"""
What the rhythm of holders costs on a node: a tick, a computation, and memory. Prints figures.

    python tests/benchmarks/rhythm.py [--seconds 900]

For 8 and 64 devices, all of one holder or each of its own, in noisy lockstep, at one tick a second. Beside it a Fourier
transform written in the same language, for the choice made in collector/likeness.py.
"""

import argparse
import cmath
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder, where a file is called as the package is

from support.readings import SECOND, a_holder, a_reading, an_interval  # noqa: E402 - found through the line above
from support.rhythms import a_series, dips  # noqa: E402

from collector.accounting import DeviceInterval  # noqa: E402
from collector.likeness import Likeness  # noqa: E402
from collector.rhythm import find_period  # noqa: E402
from collector.rhythms import LONGEST_WINDOW_SLOTS, Rhythms  # noqa: E402

SETTLED = 310  # ticks until every ring is full


def intervals_of(tick: int, activity: list[dict[int, float]], holders: int) -> list[DeviceInterval]:
    """What every device did in this tick."""
    return [
        an_interval(
            a_reading(tensor_active_ratio=series[tick % len(series)]),
            a_holder(f"pod-{device % holders}"),
            gpu=f"GPU-{device}",
        )
        for device, series in enumerate(activity)
    ]


def measure(devices: int, holders: int, seconds: int) -> None:
    """Tick for so long, and print what it took."""
    activity = [a_series(dips(20.0, 2.0), noise=0.05, seed=seed) for seed in range(devices)]
    rhythms, took = Rhythms(interval_seconds=1.0), []
    for tick in range(SETTLED + seconds):
        intervals = intervals_of(tick, activity, holders)
        began = time.thread_time()
        rhythms.look(intervals, at_ns=tick * SECOND, at_unix=float(tick))
        took.append((time.thread_time() - began) * 1e6)
    settled = sorted(took[SETTLED:])
    computing, share = statistics.median(settled[-seconds // 20 :]), sum(settled) / seconds / 10_000
    print(f"{devices} devices of {holders} holders:")
    print(
        f"  {settled[0]:5.0f} µs a tick, {computing:5.0f} µs one with a computation; {share:.3f} % of one core in all"
    )
    print(f"  {memory(devices, holders, activity) / devices:5.0f} bytes a device")


def memory(devices: int, holders: int, activity: list[dict[int, float]]) -> int:
    """Bytes that stay allocated once every ring is full."""
    tracemalloc.start()
    rhythms = Rhythms(interval_seconds=1.0)
    before, _ = tracemalloc.get_traced_memory()
    for tick in range(SETTLED):
        rhythms.look(intervals_of(tick, activity, holders), at_ns=tick * SECOND, at_unix=float(tick))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


def transform(values: list[complex]) -> list[complex]:
    """The discrete Fourier transform of 2^n values."""
    if len(values) == 1:
        return values
    even, odd = transform(values[::2]), transform(values[1::2])
    half = len(even)
    turned = [cmath.exp(-1j * cmath.pi * index / half) * odd[index] for index in range(half)]
    return [even[i] + turned[i] for i in range(half)] + [even[i] - turned[i] for i in range(half)]


def microseconds(call: object, times: int = 50) -> float:
    """What one call takes."""
    assert callable(call)
    began = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - began) / times * 1e6


def main() -> None:
    """Measure nodes of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=900)
    given = parser.parse_args()
    for devices, holders in ((8, 1), (8, 8), (64, 8), (64, 64)):
        measure(devices, holders, given.seconds)
    series = a_series(dips(20.0, 2.0), noise=0.05)
    padded = [complex(series[slot]) for slot in series] + [0j] * (1024 - LONGEST_WINDOW_SLOTS)
    print(f"one period      {microseconds(lambda: find_period([series])):7.0f} µs")
    lags = range(1, LONGEST_WINDOW_SLOTS // 3)
    print(f"all its lags    {microseconds(lambda: list(map(Likeness(series).at, lags))):7.0f} µs")
    print(f"two transforms  {2 * microseconds(lambda: transform(padded), 5):7.0f} µs")


if __name__ == "__main__":
    main()
