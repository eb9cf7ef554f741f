"""
Windows of a generated fleet, for measuring: many pods of eight devices, in parts so that little memory is needed.

A fleet is cut into gangs of some nodes. Each gang lives through runs, one after another, and each of its pods through
incarnations: a pod that ends comes back under a new uid on a spare node. Everything is made from one seed. What real
ledgers lack is lacking here as well: tenants, workloads, models, methods, time that was seen, windows as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl

from policy.frames import conform, schema
from policy.usage.window import COUNTED, WINDOWS

START = datetime(2026, 6, 1, tzinfo=UTC)
TICK_SECONDS = 300
TICKS_OF_DAY = 86_400 // TICK_SECONDS
TICKS_OF_FILE = TICKS_OF_DAY // 4
DEVICES = 8.0
HELD = DEVICES * TICK_SECONDS
GANG_SIZES = (1, 1, 1, 1, 2, 2, 4, 8, 16, 32)  # pods, by equal chance: some 1,800 gangs in 12,500 pods
RUN_HOURS = (4, 8, 12, 24, 24, 48)
RESTARTS_PER_DAY = 0.05  # of each pod
LACKING_WINDOWS = 0.005
UNSEEN_WINDOWS = 0.01  # of which half were not watched at all
KINDS = ("Job", "PyTorchJob", "PyTorchJob", "MPIJob", "Deployment", "StatefulSet", None)
ACCELERATORS = (
    "NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-40GB",
    "NVIDIA B200", "Tesla V100-SXM2-32GB", "An accelerator of tomorrow", None,
)  # fmt: skip
BUSY = {"Deployment": 0.45, "StatefulSet": 0.3}
"""Of the time, by kind; of batch work most of it."""

INCARNATIONS = schema(
    {
        **{name: WINDOWS[name] for name in WINDOWS if WINDOWS[name] == pl.String and name != "rhythm_signal"},
        "from_tick": pl.Int64,
        "to_tick": pl.Int64,
        "clock_seconds": pl.Int64,  # by which its node's clock is ahead
        "duty": pl.Float64,
        "step_seconds": pl.Float64,
        "has_sm": pl.Boolean,
        "has_tensor": pl.Boolean,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How large a fleet is, and for how long it is watched."""

    pods: int
    days: int
    tenants: int
    seed: int = 7

    @property
    def ticks(self) -> int:
        """Of five minutes."""
        return self.days * TICKS_OF_DAY


def write_windows(fleet: Fleet, folder: Path) -> int:
    """Write one file for every six hours, named so that they sort by time, and say how many rows there are."""
    incarnations, rows = incarnations_of(fleet), 0
    for first in range(0, fleet.ticks, TICKS_OF_FILE):
        windows = windows_of(incarnations, first, min(first + TICKS_OF_FILE, fleet.ticks))
        windows.write_parquet(folder / f"{first:06d}.parquet", compression="zstd", statistics=True)
        rows += windows.height
    return rows


def incarnations_of(fleet: Fleet) -> pl.DataFrame:
    """Every life of every pod, schema INCARNATIONS, numbered as ``life``."""
    random = Random(fleet.seed)
    rows = [life for gang in _gangs(random, fleet.pods) for life in _lives(random, fleet, gang)]
    return pl.DataFrame(rows, schema=INCARNATIONS, orient="row").with_row_index("life")


def _gangs(random: Random, pods: int) -> Iterator[range]:
    first = 0
    while first < pods:
        size = min(random.choice(GANG_SIZES), pods - first)
        yield range(first, first + size)
        first += size


def _lives(random: Random, fleet: Fleet, gang: range) -> Iterator[tuple[object, ...]]:
    """The runs of one gang, one after another, each with the lives of its pods."""
    tick, number, tenant = 0, 0, random.randrange(fleet.tenants)
    accelerator, methods = random.choice(ACCELERATORS), random.choice((0, 1, 2, 2))
    while tick < fleet.ticks:
        end = min(tick + random.choice(RUN_HOURS) * 3600 // TICK_SECONDS, fleet.ticks)
        name, kind = f"{random.choice(('train', 'serve', 'sweep'))}-{gang.start}-{number}", random.choice(KINDS)
        shared = (kind, BUSY.get(kind or "", 0.93), random.uniform(20.0, 90.0))
        claimed = random.random() >= 0.03
        metering = "utilisation" if random.random() >= 0.05 else "allocation"
        for pod in gang:
            for life, begins, ends in _incarnations(random, tick, end):
                node = pod if life == 0 else fleet.pods + random.randrange(max(fleet.pods // 50, 1))
                yield (
                    f"node-{node:05d}", "simulated", f"space-{tenant % 97}", kind, name if kind else None,
                    f"owner-{name}" if kind else None, f"{name}-{pod - gang.start}", f"uid-{pod}-{number}-{life}",
                    "main", f"t-{tenant:03d}" if claimed else None, accelerator, metering, begins, ends, node % 23,
                    shared[1], shared[2], methods >= 1, methods >= 2,
                )  # fmt: skip
        tick, number = end, number + 1


def _incarnations(random: Random, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The lives of one pod between two moments: their number, and from when to when."""
    life = 0
    while begin < end:
        lasts = max(1, round(random.expovariate(RESTARTS_PER_DAY) * TICKS_OF_DAY))
        yield life, begin, min(begin + lasts, end)
        begin, life = begin + lasts, life + 1


def windows_of(incarnations: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """The windows from the first tick to before the last, by time, schema WINDOWS."""
    alive = incarnations.filter(pl.col("from_tick") < last, pl.col("to_tick") > first)
    begins, ends = pl.max_horizontal("from_tick", pl.lit(first)), pl.min_horizontal("to_tick", pl.lit(last))
    rows = (
        alive.with_columns(tick=pl.int_ranges(begins, ends))
        .explode("tick")
        .sort("tick", maintain_order=True)
        .with_columns(drawn=(pl.col("life").cast(pl.UInt64) * 100_000 + pl.col("tick")).hash(seed=7))
        .with_columns(window=_chance(0), unseen=_chance(1), noise=_chance(2))
        .filter(pl.col("window") >= LACKING_WINDOWS)
        .with_columns(seen=_seen())
        .with_columns(busy=pl.col("seen") * pl.col("duty") * (0.9 + 0.1 * pl.col("noise")))
    )
    return conform(_told(rows).select(WINDOWS.names()), WINDOWS, "windows of a generated fleet")


def _chance(of: int) -> pl.Expr:
    """A number from 0 to 1 for each row, the same in every run: sixteen bits of what was drawn for the row."""
    bits: pl.Expr = pl.col("drawn") // 2 ** (16 * of) % 2**16
    return bits.cast(pl.Float64) / 2**16


def _seen() -> pl.Expr:
    """Device-seconds of which busy time is known."""
    blind = (pl.col("unseen") < UNSEEN_WINDOWS) | (pl.col("metering") == "allocation")
    return pl.when(blind).then(0.0).otherwise(HELD)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    seen, busy, noise = pl.col("seen"), pl.col("busy"), pl.col("noise")
    start = pl.lit(START) + pl.duration(seconds=pl.col("tick") * TICK_SECONDS + pl.col("clock_seconds"))
    watched = ~(pl.col("unseen") < UNSEEN_WINDOWS / 2)
    sm, tensor = (pl.when(f"has_{name}").then(seen).otherwise(0.0) for name in ("sm", "tensor"))
    beats = (busy > HELD / 2) & pl.col("has_tensor")
    told = {
        "window_start": start.dt.cast_time_unit("us"),
        "window_end": (start + timedelta(seconds=TICK_SECONDS)).dt.cast_time_unit("us"),
        "device_count": pl.lit(DEVICES),
        "held_seconds": pl.when(watched).then(HELD).otherwise(0.0),
        "unwatched_seconds": pl.when(watched).then(0.0).otherwise(HELD),
        "observed_seconds": seen,
        "busy_seconds": busy,
        "energy_joules": seen * 90.0 + busy * (400.0 + 150.0 * noise),
        "energy_observed_seconds": seen,
        "memory_byte_seconds": seen * (5e10 + 1e10 * noise),
        "memory_observed_seconds": seen,
        "sm_active_seconds": pl.when("has_sm").then(busy * 0.8).otherwise(0.0),
        "sm_observed_seconds": sm,
        "tensor_active_seconds": pl.when("has_tensor").then(busy * (0.3 + 0.2 * noise)).otherwise(0.0),
        "tensor_observed_seconds": tensor,
        "dram_active_seconds": pl.when("has_sm").then(busy * 0.5).otherwise(0.0),
        "dram_observed_seconds": sm,
        "nvlink_bytes": busy * 1e11 * noise,
        "nvlink_observed_seconds": seen,
        "pcie_bytes": busy * 1e9 * noise,
        "pcie_observed_seconds": seen,
        "power_square_watt2_seconds": seen * (9e4 + 2e5 * noise),
        "power_observed_seconds": seen,
        "idle_level_seconds": seen - busy,
        "full_level_seconds": busy,
        "rhythm_signal": pl.when(beats).then(pl.lit("tensor_active_ratio")),
        "rhythm_window_seconds": pl.when(beats).then(300.0),
        "period_seconds": pl.when(beats).then(pl.col("step_seconds") * (0.99 + 0.02 * noise)),
        "period_strength_ratio": pl.when(beats).then(0.3 + 0.6 * noise),
        "trough_unix_seconds": pl.when(beats).then(start.dt.timestamp("us") / 1e6 + 200.0 + 60.0 * noise),
        "synchrony_ratio": pl.when(beats).then(0.7 + 0.3 * noise),
    }
    nothing = {name: pl.lit(0.0) for name in COUNTED if name not in told}
    return rows.with_columns(**told, **nothing)
