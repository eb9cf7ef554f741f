"""
How alike two pieces of work are: the signs that they are one effort, each with its weight and its sentence.

Each piece is described under the prefix ``earlier_`` or ``later_``. What is not known of one is no sign.
"""

from collections.abc import Iterable

import polars as pl

from policy.facts.stitching import Stitching

SIDES = ("earlier", "later")

gap_seconds = (pl.col("later_begins") - pl.col("earlier_ends")).dt.total_microseconds() / 1e6
same_lineage = pl.col("earlier_lineage") == pl.col("later_lineage")
larger_period = pl.max_horizontal("earlier_period", "later_period")
trough_difference = (pl.col("earlier_trough") - pl.col("later_trough")).abs()
apart = trough_difference % larger_period
phase_difference = pl.min_horizontal(apart, larger_period - apart) / larger_period
shared_nodes = pl.col("earlier_nodes").list.set_intersection("later_nodes").list.len()
fewest_nodes = pl.min_horizontal(pl.col("earlier_nodes").list.len(), pl.col("later_nodes").list.len())


def _same_period(of: Stitching) -> pl.Expr:
    difference = (pl.col("earlier_period") - pl.col("later_period")).abs()
    return difference <= of.same_period_ratio.value * larger_period


def _in_phase(of: Stitching) -> pl.Expr:
    """Whether both ran at the same time and paused together; of troughs hours apart nobody can tell it."""
    together = gap_seconds < -of.overlap_seconds.value
    comparable = trough_difference <= of.overlap_seconds.value + larger_period
    return together & comparable & _same_period(of) & (phase_difference <= of.in_phase_ratio.value)


def _follows(of: Stitching, within: float) -> pl.Expr:
    return gap_seconds.is_between(-of.overlap_seconds.value, within)


def may_be_one(of: Stitching) -> pl.Expr:
    """Whether time fits and, where the names tell nothing, kind and activity do."""
    in_time = _follows(of, of.resume_seconds.value) | _in_phase(of).fill_null(value=False)
    same_kind = pl.col("earlier_kind") == pl.col("later_kind")
    duty_difference = (pl.col("earlier_duty") - pl.col("later_duty")).abs()
    same_duty = (duty_difference <= of.same_duty_ratio.value).fill_null(value=False)
    return in_time & (same_lineage.fill_null(value=False) | (same_kind & same_duty))


def signs(of: Stitching) -> Iterable[tuple[pl.Expr, float, pl.Expr]]:
    """Every sign: whether it holds, its weight, and its sentence."""
    sizes = (pl.col("earlier_size") - pl.col("later_size")).abs()
    same_size = sizes <= of.same_size_ratio.value * pl.max_horizontal("earlier_size", "later_size")
    prompt = _follows(of, of.prompt_seconds.value)
    minutes = (gap_seconds.abs() / 60).round(0).cast(pl.Int64)
    side = pl.when(gap_seconds < 0).then(pl.lit("before")).otherwise(pl.lit("after"))
    hours = (gap_seconds / 3600).round(0).cast(pl.Int64)
    earlier, later = (pl.col(f"{side}_size").round(0).cast(pl.Int64) for side in SIDES)
    yield same_lineage, of.w_lineage.value, pl.format("both names are {} up to their ending", "later_lineage")
    yield same_size, of.w_size.value, pl.format("{} and {} devices, all {}", earlier, later, "later_models")
    yield prompt, of.w_prompt.value, pl.format("the later begins {} minutes {} the earlier ends", minutes, side)
    yield (
        ~prompt & _follows(of, of.resume_seconds.value),
        of.w_resumed.value,
        pl.format("the later begins {} hours after the earlier ends", hours),
    )
    yield (
        (fewest_nodes > 0) & (shared_nodes >= of.shared_nodes_ratio.value * fewest_nodes),
        of.w_nodes.value,
        pl.format("{} of {} nodes are the same", shared_nodes, fewest_nodes),
    )
    yield _same_period(of), of.w_period.value, pl.format("both step every {} seconds", larger_period.round(1))
    yield _in_phase(of), of.w_phase.value, pl.lit("both ran at the same time and paused together")
