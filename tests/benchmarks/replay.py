"""
How long ``flopwatch replay`` takes on job records and on GPU series. Prints figures; judges nothing.

    python tests/benchmarks/replay.py                         generated recordings
    python tests/benchmarks/replay.py FILE [replay flags …]   a recording of your own
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

ACCELERATOR = "NVIDIA A100-SXM4-80GB"
LOW_TIER = "review=1e15"  # so that nearly every run becomes a finding, which is where a judgement is slowest


def jobs(rows: int) -> pl.DataFrame:
    """Job records of a large cluster: mostly small jobs, some large."""
    number = pl.int_range(rows)
    return pl.select(
        job_id=number,
        arrival_s=number * 60.0,
        gpus=pl.lit(2.0) ** (number % 11),
        duration_s=60.0 + (number * 7919) % 86_400,
        account=pl.format("t-{}", number % 500),
    )


def series(gpus: int, seconds: int) -> pl.DataFrame:
    """One reading a second of every GPU, eight GPUs a trace."""
    row = pl.int_range(gpus * seconds)
    return pl.select(
        trace=pl.format("trace-{}", row // seconds // 8),
        gpu=row // seconds % 8,
        t_s=row % seconds,
        util_pct=(row * 37 % 101).cast(pl.Float64),
        power_w=(300 + row % 400).cast(pl.Float64),
    )


def timed(name: str, command: list[str]) -> None:
    """Run one replay and print its figures."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "policy", "replay", *command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{name:36}  {seconds:6.2f} s  {peak_mib:7.0f} MiB at most so far")


def main() -> None:
    """Time the given recording, or generated ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000, help="generated job records [100000]")
    parser.add_argument("--gpus", type=int, default=64, help="GPUs in the generated series, an hour each [64]")
    given, rest = parser.parse_known_args()
    if rest:
        timed(Path(rest[0]).name, rest)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in (("jobs", jobs(given.jobs)), ("series", series(given.gpus, 3600))):
            path = Path(folder) / f"{name}.parquet"
            frame.write_parquet(path)
            timed(f"{frame.height:,} rows of {name}", [str(path), "--accelerator", ACCELERATOR])
            timed("  the same, a finding for each run", [str(path), "--accelerator", ACCELERATOR, "--tier", LOW_TIER])


if __name__ == "__main__":
    main()
