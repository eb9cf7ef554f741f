"""
Which of a holder's series is which column of a window. Pure.

What a device did counts only with the time for which it is known. Where one of the two is not there, as on a page of
the minimal profile or in a Prometheus that drops series, both are 0.0: not observed, which is not idle. So they are
where more is known than was held, for then the counters reach back beyond the window: the older snapshot did not keep
them yet.

Left out: the single tensor pipes.
"""

from collections.abc import Iterator

import polars as pl

from collector.contract import Metric, holder_metrics, rhythm_metrics
from policy.usage.window import ACTIVITY, COUNTED, HOLDER, LEVELS, RHYTHM

DIRECTIONS = ("receive", "transmit")
PLAIN: dict[Metric, str] = {
    holder_metrics.HELD: "held_seconds",
    holder_metrics.OBSERVED: "observed_seconds",
    holder_metrics.BUSY: "busy_seconds",
    holder_metrics.ENERGY: "energy_joules",
    holder_metrics.ENERGY_OBSERVED: "energy_observed_seconds",
    holder_metrics.MEMORY: "memory_byte_seconds",
    holder_metrics.MEMORY_OBSERVED: "memory_observed_seconds",
    holder_metrics.SHARED: "shared_seconds",
    holder_metrics.SHARED_OBSERVED: "shared_observed_seconds",
    holder_metrics.SHARED_BUSY: "shared_busy_seconds",
    holder_metrics.UNWATCHED: "unwatched_seconds",
    holder_metrics.SM_ACTIVE: "sm_active_seconds",
    holder_metrics.SM_OBSERVED: "sm_observed_seconds",
    holder_metrics.TENSOR_ACTIVE: "tensor_active_seconds",
    holder_metrics.TENSOR_OBSERVED: "tensor_observed_seconds",
    holder_metrics.DRAM_ACTIVE: "dram_active_seconds",
    holder_metrics.DRAM_OBSERVED: "dram_observed_seconds",
    holder_metrics.POWER_SQUARE: "power_square_watt2_seconds",
    holder_metrics.POWER_OBSERVED: "power_observed_seconds",
}
DIRECTED: dict[Metric, str] = {
    holder_metrics.NVLINK: "nvlink_bytes",
    holder_metrics.NVLINK_OBSERVED: "nvlink_observed_seconds",
    holder_metrics.PCIE: "pcie_bytes",
    holder_metrics.PCIE_OBSERVED: "pcie_observed_seconds",
}
SERIES = {
    **{metric.name: column for metric, column in PLAIN.items()},
    **{f"{metric.name} {way}": f"{column} {way}" for metric, column in DIRECTED.items() for way in DIRECTIONS},
    **{f"{holder_metrics.ACTIVITY_LEVEL.name} {column.partition('_')[0]}": column for column in LEVELS},
}
"""By a series' metric and its direction or level: its column, of a directed one for each direction."""
RHYTHM_SERIES = {
    rhythm_metrics.RHYTHM_WINDOW.name: "rhythm_window_seconds",
    rhythm_metrics.RHYTHM_PERIOD.name: "period_seconds",
    rhythm_metrics.RHYTHM_STRENGTH.name: "period_strength_ratio",
    rhythm_metrics.RHYTHM_PHASE.name: "trough_unix_seconds",
    rhythm_metrics.RHYTHM_SYNCHRONY.name: "synchrony_ratio",
}
COUNTER_NAMES = tuple(dict.fromkeys(name.partition(" ")[0] for name in SERIES))
KEY = (*HOLDER, "direction", "level")
"""What tells the series of one metric apart."""
ROUNDING_SECONDS = 1e-3  # counters of decades are exact to a microsecond; anything above is more than was held

_series = pl.concat_str("metric", "direction", "level", separator=" ", ignore_nulls=True)
_longest_told_seconds = pl.col("held_seconds") + ROUNDING_SECONDS


def columns_of(amounts: pl.DataFrame) -> pl.DataFrame:
    """One row for each holder with the columns COUNTED; ``amounts``: how much each series grew, by KEY and metric."""
    named = amounts.with_columns(column=_series.replace_strict(SERIES, default=None, return_dtype=pl.String))
    wide = named.drop_nulls("column").pivot(on="column", on_columns=list(SERIES.values()), index=HOLDER, values="value")
    return counted(wide).select(*HOLDER, *COUNTED)


def counted(wide: pl.DataFrame) -> pl.DataFrame:
    """The same rows with the columns COUNTED, from the columns of SERIES; null there: the series is not there."""
    both = wide.with_columns(*_in_both_directions())
    return both.with_columns(*_where_known(), *_levels()).with_columns(pl.col(COUNTED).fill_null(0.0))


def series_name(metric: str, *labels: str) -> str:
    """A series' name in SERIES, from its metric and its direction or level."""
    return " ".join((metric, *labels))


def rhythms_of(counters: pl.DataFrame) -> pl.DataFrame:
    """One row for each holder of whose rhythm this snapshot tells, with the columns RHYTHM."""
    found = counters.filter(pl.col("metric").is_in(list(RHYTHM_SERIES))).unique(
        (*HOLDER, "metric"), keep="first", maintain_order=True
    )
    named = found.with_columns(column=pl.col("metric").replace_strict(RHYTHM_SERIES, return_dtype=pl.String))
    wide = named.pivot(on="column", on_columns=list(RHYTHM_SERIES.values()), index=HOLDER, values="value")
    signals = found.filter(pl.col("metric") == rhythm_metrics.RHYTHM_WINDOW.name)
    signals = signals.select(*HOLDER, rhythm_signal="signal")
    return wide.join(signals, on=HOLDER, how="left", nulls_equal=True).select(*HOLDER, *RHYTHM)


def _in_both_directions() -> Iterator[pl.Expr]:
    """The bytes of both directions, known for the time in which both are; null where one of them is not there."""
    for metric, column in DIRECTED.items():
        ways = [pl.col(f"{column} {way}") for way in DIRECTIONS]
        both = pl.min_horizontal(ways) if metric.unit == "seconds" else pl.sum_horizontal(ways)
        yield pl.when(pl.all_horizontal(way.is_not_null() for way in ways)).then(both).alias(column)


def _where_known() -> Iterator[pl.Expr]:
    """Every amount of activity and its observed time where both are told; else neither."""
    for amount, observed in ACTIVITY.items():
        is_told = pl.col(amount).is_not_null() & pl.col(observed).is_between(0.0, _longest_told_seconds, closed="right")
        yield from (pl.when(is_told).then(name).alias(name) for name in (amount, observed))


def _levels() -> Iterator[pl.Expr]:
    """The seconds at each level, where they are not more than was held."""
    is_told = pl.sum_horizontal(LEVELS) <= _longest_told_seconds
    return (pl.when(is_told).then(name).alias(name) for name in LEVELS)
