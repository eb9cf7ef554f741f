"""
What whole nodes drew while they trained, over what their boards may draw: a check of the boards' power in the facts.

For information: a node has processors, fans and losses besides its boards, and its boards need not draw all they may.
The boards of a node are those of training runs of the same system.
"""

from pathlib import Path

import polars as pl

from policy.facts.facts import Facts
from policy.frames import conform, schema
from policy.validation.files import MOST, Row, number_of

NODE_POWER = schema(
    {
        "system": pl.String,
        "benchmark": pl.String,
        "seconds": pl.Float64,  # of training, of all nodes
        "mean_watts": pl.Float64,  # of one node, at the wall
        "boards": pl.Float64,  # in one node; null: not known
        "board_watts": pl.Float64,  # of one board at most; null: not known
        "ratio": pl.Float64,  # the node over its boards
    }
)
System = tuple[str, float, str]
"""A system's name, the accelerators of one node, and what they are called."""


def system_of(row: Row) -> System:
    """Of a row of the training runs. Raises BadCell."""
    nodes = number_of(row.word("n_nodes")) or 1.0
    return row.text("system"), row.amount("n_accelerators", MOST) / nodes, row.text("accelerator")


def node_power(path: Path, systems: frozenset[System], facts: Facts) -> pl.DataFrame:
    """By system and benchmark, schema NODE_POWER. Raises PolarsError where the file has other columns."""
    drawn = pl.read_parquet(path).filter((pl.col("phase") == "train") & (pl.col("power_w") > 0))
    means = (
        drawn.group_by("system", "benchmark", "run", "device")
        .agg(seconds=pl.col("time_ms").max() - pl.col("time_ms").min(), mean=pl.col("power_w").mean())
        .group_by("system", "benchmark")
        .agg(seconds=pl.col("seconds").sum() / 1e3, mean_watts=pl.col("mean").mean())
        .sort("system", "benchmark")
    )
    known = _boards(systems, facts)
    rows = means.join(known, on="system", how="left", maintain_order="left").with_columns(
        ratio=pl.col("mean_watts") / (pl.col("boards") * pl.col("board_watts"))
    )
    return conform(rows.select(NODE_POWER.names()), NODE_POWER, "power of nodes")


def _boards(systems: frozenset[System], facts: Facts) -> pl.DataFrame:
    """By system, boards of a node and the power of one; systems of which different things are told are left out."""
    columns = {"system": pl.String(), "boards": pl.Float64(), "accelerator": pl.String()}
    told = pl.DataFrame(sorted(systems), schema=columns, orient="row").unique("system", keep="none")
    peaks = facts.peaks(told["accelerator"]).filter(pl.col("number_format").is_null())
    watts = peaks.select("accelerator", board_watts="board_power_watts")
    return told.join(watts, on="accelerator", how="left")
