"""The figures by which estimates are held against the truth, and how sure a share of few rows is."""

import math
from dataclasses import dataclass

import polars as pl

from policy.frames import conform, schema

CONFIDENCE_Z = 1.959964  # of the normal distribution: 95 % lie within
FACTOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many."""

    count: int
    total: int

    @property
    def ratio(self) -> float | None:
        """None: of nothing."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """
        Within which the true ratio lies with a probability of 95 %, by Wilson's score; None: of nothing.

        https://doi.org/10.1080/01621459.1927.10502953
        """
        if not self.total:
            return None
        n, square = self.total, CONFIDENCE_Z**2
        ratio = self.count / n
        middle = (ratio + square / (2 * n)) / (1 + square / n)
        half = CONFIDENCE_Z / (1 + square / n) * math.sqrt(ratio * (1 - ratio) / n + square / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


FIGURES = schema(
    {
        "accelerator": pl.String,
        "densest_format": pl.String,
        "methods": pl.String,
        "number_format": pl.String,  # as declared; null: not told
        "runs": pl.Int64,
        "estimated": pl.Int64,
        "inside": pl.Int64,  # of those
        "median_width": pl.Float64,  # high over low; null where nothing was estimated, as the next two
        "median_likely_ratio": pl.Float64,  # likely over true
        "within_factor": pl.Int64,  # whose likely value is within FACTOR of the truth
    }
)
ALL = "all"
KEYS = ("accelerator", "densest_format", "methods", "number_format")


def figures_of(compared: pl.DataFrame) -> pl.DataFrame:
    """By accelerator and method, and at the end of all, schema FIGURES."""
    grouped = compared.group_by(KEYS).agg(_figures()).sort(KEYS)
    together = compared.select(_figures()).with_columns(
        **{name: pl.lit(None, pl.String) for name in KEYS} | {"accelerator": pl.lit(ALL)}
    )
    rows = pl.concat([each.select(FIGURES.names()) for each in (grouped, together)])
    return conform(rows, FIGURES, "figures of estimates")


def whole(figures: pl.DataFrame) -> dict[str, float | None]:
    """The last row: of all."""
    numbers = figures.row(-1, named=True)
    return {name: numbers[name] for name in FIGURES if name not in KEYS}


def coverage(compared: pl.DataFrame) -> Share:
    """How many of the estimated have the truth inside."""
    return Share(count=int(compared["is_inside"].sum()), total=int(compared["is_inside"].count()))


def near(compared: pl.DataFrame) -> Share:
    """How many of the estimated have a likely value within FACTOR of the truth."""
    return Share(count=int(compared.select(_is_near.sum()).item()), total=int(compared["likely_ratio"].count()))


_is_near = pl.col("likely_ratio").is_between(1 / FACTOR, FACTOR)


def _figures() -> list[pl.Expr]:
    return [
        pl.len().cast(pl.Int64).alias("runs"),
        pl.col("likely_flop").count().cast(pl.Int64).alias("estimated"),
        pl.col("is_inside").sum().cast(pl.Int64).alias("inside"),
        pl.col("width").median().alias("median_width"),
        pl.col("likely_ratio").median().alias("median_likely_ratio"),
        _is_near.sum().cast(pl.Int64).alias("within_factor"),
    ]
