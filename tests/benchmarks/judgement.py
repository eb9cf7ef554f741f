"""
How long the judgement of compute takes, on generated windows of 100,000 devices over three days, or more.

    python tests/benchmarks/judgement.py [--days 3] [--pods 12500] [--keep FOLDER]

Windows of five minutes, as a ledger has them, are read from Parquet files through the steps of :mod:`policy.judge` that
come before customers' files and rules: folded into pod-days, linked, estimated, stitched into runs, judged day by day
and added up. Beside the steps stands what reading alone takes: every column read, and its numbers summed.

The first day, the first three and all of them are measured, each in a process of its own, so that what a million more
windows cost can be compared. ``--keep`` leaves the windows in a folder, and takes them from there if they are there.
Exit code 1 above a bar. Bars of seconds are for two cores that do nothing else; where the machine is shared, compare
the seconds of processors with those of the scan.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder, where a file is called as the package is

import polars as pl  # noqa: E402 - found through the line above
from support.fleet_windows import START, TICKS_OF_DAY, TICKS_OF_FILE, Fleet, write_windows  # noqa: E402

from policy.facts.reading import load_facts  # noqa: E402
from policy.judgement.estimate import estimate_compute, rate_windows  # noqa: E402
from policy.judgement.exposure import accumulate, exposure_parts  # noqa: E402
from policy.judgement.pod_days import fold_days  # noqa: E402
from policy.judgement.runs import find_pieces, find_runs, identified  # noqa: E402
from policy.judgement.stints import find_stints, judge_stints, most_serious_day  # noqa: E402
from policy.judgement.stitch import NO_WORDS, find_stitches, find_stitches_across, joined, with_runs  # noqa: E402
from policy.kyc.registers.mapping import link_windows  # noqa: E402
from policy.usage.parquet import scan_rows  # noqa: E402
from policy.usage.window import WINDOWS  # noqa: E402

CORES = 2
FILES_OF_DAY = TICKS_OF_DAY // TICKS_OF_FILE
TENANTS = 600
MIB = 2**20  # of what the system counts in KiB: one GiB
GROWTH_BAR = 1.3  # what a million windows may cost at most, over what they cost in three days


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """At most so many seconds by the clock, and GiB of memory, for so many days of 12,500 pods."""

    days: int
    seconds: float
    gib: float


BARS = {bar.days: bar for bar in (Bar(days=3, seconds=5.0, gib=4.0), Bar(days=30, seconds=45.0, gib=8.0))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, in seconds by the clock and of processors, and what it left."""

    name: str
    seconds: float
    processor_seconds: float
    rows: int


class Watch:
    """Does steps and notes what each of them takes."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """What the work returns, noted under that name."""
        begin, spent = time.perf_counter(), time.process_time()
        result = work()
        seconds, processor = time.perf_counter() - begin, time.process_time() - spent
        rows = result.height if isinstance(result, pl.DataFrame) else len(result)
        self.steps.append(Step(name=name, seconds=seconds, processor_seconds=processor, rows=rows))
        return result


def scan(paths: Sequence[Path], watch: Watch) -> None:
    """Read every column of the windows, and add its numbers up or count its texts."""
    sums = [pl.col(name).sum() if kind == pl.Float64 else pl.col(name).count() for name, kind in WINDOWS.items()]
    watch("plain scan", lambda: scan_rows(paths, WINDOWS).select(sums).collect(engine="streaming"))


def judge(paths: Sequence[Path], watch: Watch) -> None:
    """The steps of :func:`policy.judge.judge`, without customers' files, hardware and rules; groups are made up."""
    facts, windows = load_facts(), scan_rows(paths, WINDOWS)
    names = windows.select(pl.col("accelerator").unique())
    peaks = watch("peaks", lambda: facts.peaks(names.collect(engine="streaming").to_series()))
    days = watch(
        "rate and fold", lambda: fold_days(rate_windows(windows, peaks, facts.estimation), facts.training_signals)
    )
    linked = watch("link", lambda: link_windows(days, ()))
    told = linked.with_columns(declared_number_format=pl.lit(None, pl.String))
    estimated = watch("estimate", lambda: identified(estimate_compute(told, peaks, facts.estimation)))
    pieces = watch("pieces", lambda: find_pieces(estimated))
    stitches = watch("stitches", lambda: find_stitches(pieces, facts.stitching))
    rows = watch("runs of pieces", lambda: with_runs(estimated, stitches, NO_WORDS))
    runs = watch("runs", lambda: find_runs(rows))
    stints = watch("stints", lambda: find_stints(rows))
    judged = watch("verdicts of stints", lambda: judge_stints(stints, runs, facts.training_signals))
    watch("verdicts of runs", lambda: most_serious_day(stints, judged))
    groups = runs.select("run_id", "tenant_id", group_id=pl.col("tenant_id").str.head(4))
    suspicions = watch("suspicions", lambda: find_stitches_across(runs, groups, facts.stitching))
    firsts = runs.sort("first_seen", "run_id")["run_id"]
    efforts = watch("efforts", lambda: joined(firsts, suspicions, NO_WORDS))
    parts = watch("parts of exposures", lambda: exposure_parts(stints, judged, groups, efforts))
    watch("exposures", lambda: accumulate(parts, facts.tiers, START + timedelta(days=days.height)))


WORK: dict[str, Callable[[Sequence[Path], Watch], None]] = {"scan": scan, "judge": judge}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process took, of which the steps are parts."""

    steps: tuple[Step, ...]
    gib: float

    @property
    def seconds(self) -> float:
        """By the clock."""
        return sum(step.seconds for step in self.steps)

    @property
    def processor_seconds(self) -> float:
        """Of all cores together."""
        return sum(step.processor_seconds for step in self.steps)


def in_a_child(work: str, folder: Path, days: int) -> Measured:
    """Measure in a process of its own, with two threads."""
    command = [sys.executable, __file__, "--days", str(days), "--keep", str(folder), "--only", work]
    environment = {**os.environ, "POLARS_MAX_THREADS": str(CORES)}
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)
    return Measured(steps=tuple(Step(**step) for step in told["steps"]), gib=told["gib"])


def tell(work: str, paths: Sequence[Path]) -> None:
    """What a child does: the work, and its figures as JSON."""
    watch = Watch()
    WORK[work](paths, watch)
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    steps = [{name: getattr(step, name) for name in Step.__dataclass_fields__} for step in watch.steps]
    print(json.dumps({"steps": steps, "gib": gib}))


def compare(folder: Path, days: int, rows: int) -> tuple[float, bool]:
    """Print what so many days take; seconds of processors for a million windows, and whether all is within the bars."""
    read, judged = in_a_child("scan", folder, days), in_a_child("judge", folder, days)
    print(f"\n{days} days, {rows:,} windows\n{'':24}{'seconds':>10}{'processors':>12}{'rows':>12}")
    for step in (*read.steps, *judged.steps):
        print(f"{step.name:24}{step.seconds:10.2f}{step.processor_seconds:12.2f}{step.rows:12,}")
    bar, of_a_million = BARS.get(days), judged.processor_seconds / rows * 1e6
    print(f"{'judgement in all':24}{judged.seconds:10.2f}{judged.processor_seconds:12.2f}"
          f"{'' if bar is None else f'   bar {bar.seconds:g} s'}")  # fmt: skip
    print(f"{'peak memory':24}{judged.gib:10.2f} GiB{'' if bar is None else f', bar {bar.gib:g} GiB'}")
    print(f"of processors: {judged.processor_seconds / read.processor_seconds:.1f} plain scans,"
          f" {of_a_million:.2f} s for a million windows", flush=True)  # fmt: skip
    return of_a_million, bar is None or (judged.seconds <= bar.seconds and judged.gib <= bar.gib)


def measure(folder: Path, days: int) -> int:
    """Measure one day, three, and all. Returns 1 above a bar."""
    files, costs, is_within = sorted(folder.glob("*.parquet")), {}, True
    for each in sorted({1, 3, days} & set(range(1, days + 1))):
        rows = sum(_rows(files[: each * FILES_OF_DAY]))
        costs[each], within = compare(folder, each, rows)
        is_within = is_within and within
    growth = costs[days] / costs.get(3, costs[days])
    print(f"\na million windows of {days} days cost {growth:.2f} times those of three (bar {GROWTH_BAR:g})")
    return 0 if is_within and growth <= GROWTH_BAR else 1


def _rows(files: Sequence[Path]) -> Iterator[int]:
    return (pl.scan_parquet(file).select(pl.len()).collect().item() for file in files)


def written(fleet: Fleet, folder: Path) -> None:
    """Write the windows unless the folder holds as many files already."""
    if len(list(folder.glob("*.parquet"))) < fleet.days * FILES_OF_DAY:
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{write_windows(fleet, folder):,} windows written to {folder}", flush=True)


def main() -> int:
    """Generate the windows and measure. Returns 1 above a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--pods", type=int, default=12_500, help="of eight devices; bars are for 12,500")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the windows here and use them again")
    parser.add_argument("--only", choices=WORK, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        tell(given.only, sorted(given.keep.glob("*.parquet"))[: given.days * FILES_OF_DAY])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        kept = given.keep or Path(folder)
        written(Fleet(pods=given.pods, days=given.days, tenants=TENANTS), kept)
        return measure(kept, given.days)


if __name__ == "__main__":
    sys.exit(main())
