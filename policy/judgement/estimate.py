"""
How many floating-point operations may have been done for a model: an interval, with its methods.

The interval is conditional on the time having been training; whether it was is the verdict's question. Operations are
counted as ECCN 4E091 Note 2 counts them: the model's own, forward and backward, fine-tuning included. What hardware did
beyond that, such as computing activations again, is not counted, which is why the shares of the peak are the model's
(MFU) and not the hardware's (HFU).

It begins with windows, for each of which :mod:`policy.judgement.full_rate` says how many device-seconds at full rate
it may stand for, and ends with operations: seconds times peak. Between them lies only addition, so however time is cut
into windows, pods and runs, sums stay what they are.

*Peaks.* Low and likely use the dense 16-bit peak, high the peak of the densest format that the part supports, unless
the tenant has declared its format: then all three use that format's. A declaration is the tenant's word, and the run
says that it was used. Of a MIG instance or a virtual GPU the name tells how much of the device it stands for, at least
and at most.

An accelerator that the facts do not know has no estimate, and says so; so has time of which a count is missing.
"""

import polars as pl

from policy.facts.accelerators import BITS, Format
from policy.facts.estimation import Estimation
from policy.frames import schema
from policy.judgement.full_rate import PARTS, full_rate_seconds, held, is_misfit, methods_used, window_parts
from policy.usage.window import WINDOWS

RATED = schema({**WINDOWS, "board_power_watts": pl.Float64, **dict.fromkeys(PARTS, pl.Float64)})
BOUNDS = ("low_flop", "likely_flop", "high_flop")
ESTIMATE = {
    **dict.fromkeys(BOUNDS, pl.Float64),  # null: no estimate, see no_estimate_reason
    "methods": pl.List(pl.String),  # of METHODS; empty: no estimate
    "number_format": pl.String,  # as declared, and used; null: the densest is taken for the top
    "no_estimate_reason": pl.String,  # null: there is one
    "misfit_seconds": pl.Float64,  # held, where the energy cannot be what the activity says
    "board_power_watts": pl.Float64,  # at most; null: not known
}
FORMAT_OF = {"bf16": Format.FP16_BF16.value, "fp16": Format.FP16_BF16.value}
"""The format of the facts by the word that a tenant declares, where they differ."""
NARROW = [each.value for each in Format if BITS[each] <= 8]
LIKELY_PEAK, HIGH_PEAK = "training_peak_flop_per_second", "densest_peak_flop_per_second"

has_peak = pl.col(LIKELY_PEAK).is_not_null() & pl.col(HIGH_PEAK).is_not_null()
no_estimate_reason = (
    pl.when(pl.col("accelerator").is_null())
    .then(pl.lit("the accelerator is not known"))
    .when(~has_peak)
    .then(pl.format("the facts have no peak for accelerator {}", pl.col("accelerator").fill_null("")))
    .when(pl.col("uncounted_windows") > 0)
    .then(pl.lit("a count of the window's seconds is missing"))
)


def rate_windows(windows: pl.LazyFrame, peaks: pl.DataFrame, estimation: Estimation) -> pl.LazyFrame:
    """
    Every window with its seconds at full rate, schema RATED; lazily, for there may be a hundred million.

    ``peaks``: of every accelerator in the windows, schema :data:`policy.facts.peaks.PEAKS`.
    """
    rated = windows.with_columns(board_power_watts=_board_power(peaks)).with_columns(**window_parts(estimation))
    return rated.with_columns(**full_rate_seconds(estimation))


def _board_power(peaks: pl.DataFrame) -> pl.Expr:
    """By accelerator. A chain of comparisons, because a join or a table would keep the windows from being streamed."""
    known = peaks.filter(pl.col("number_format").is_null()).drop_nulls("board_power_watts")
    by_watts = known.group_by("board_power_watts").agg("accelerator").sort("board_power_watts")
    power = pl.lit(None, pl.Float64)
    for watts, names in by_watts.iter_rows():
        power = pl.when(pl.col("accelerator").is_in(names)).then(watts).otherwise(power)
    return power


def estimate_compute(days: pl.DataFrame, peaks: pl.DataFrame, estimation: Estimation) -> pl.DataFrame:
    """
    The rows with the columns of ESTIMATE beside; as many, in their order.

    ``days``: pod-days with ``declared_number_format``, the tenant's word; null: none, or sources contradict.
    """
    rows = _with_peaks(days, peaks).with_columns(no_estimate_reason=no_estimate_reason)
    estimated = pl.col("no_estimate_reason").is_null()
    low = pl.col("low_seconds") * pl.col(LIKELY_PEAK) * pl.col("low_part")
    likely = pl.col("likely_seconds") * pl.col(LIKELY_PEAK) * pl.col("likely_part") * _likely_factor(estimation)
    high = pl.col("high_seconds") * pl.col(HIGH_PEAK) * pl.col("high_part")
    flops = {"low_flop": low, "likely_flop": pl.min_horizontal(pl.max_horizontal(low, likely), high), "high_flop": high}
    return rows.with_columns(
        **{name: pl.when(estimated).then(flop) for name, flop in flops.items()},
        methods=pl.when(estimated).then(pl.concat_list(*methods_used()).list.drop_nulls()).otherwise([]),
        misfit_seconds=pl.when(is_misfit(estimation)).then(held).otherwise(0.0),
    ).select(*days.columns, *ESTIMATE)


def _with_peaks(days: pl.DataFrame, peaks: pl.DataFrame) -> pl.DataFrame:
    """The rows with the peaks of the declared format; of none, or one that the device lacks, of all that it can do."""
    declared = pl.col("declared_number_format").replace(FORMAT_OF)
    there = peaks.select("accelerator", "number_format", declared="number_format").drop_nulls("declared")
    return (
        days.with_columns(declared=declared)
        .join(there, on=("accelerator", "declared"), how="left", maintain_order="left")
        .join(peaks, on=("accelerator", "number_format"), how="left", nulls_equal=True, maintain_order="left")
    )


def _likely_factor(estimation: Estimation) -> pl.Expr:
    """What the likely value is multiplied by, for the format that is or may be in use."""
    narrow = estimation.utilisation_likely_narrow.value / estimation.utilisation_likely.value
    may_be_narrow = pl.col("number_format").is_null() & (pl.col(HIGH_PEAK) > pl.col(LIKELY_PEAK))
    declared_narrow = pl.col("number_format").is_in(NARROW).fill_null(value=False)
    return pl.when(declared_narrow).then(narrow).when(may_be_narrow).then(estimation.likely_gain.value).otherwise(1.0)
