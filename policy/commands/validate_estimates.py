"""How ``flopwatch validate`` shows estimates beside the truth."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from policy.commands.sheet import Block, Grid
from policy.facts.accelerators import Format
from policy.rules.sentences import flop_text
from policy.validation.figures import Share, coverage, near
from policy.validation.validation import Estimated

FIGURES = (
    "accelerator", "densest", "method", "runs", "estimated", "truth inside", "high/low", "likely/true",
    "within 2 times",
)  # fmt: skip
NOTHING = "Nothing to compare."


def estimates(words: str, found: Estimated) -> Iterable[Block]:
    """The figures of one file, what has no estimate, and every outlier."""
    rows = () if found.compared.is_empty() else tuple(_figures(row) for row in found.figures.to_dicts())
    yield Grid(title=f"{found.file}: {words}", columns=FIGURES, rows=rows, empty=NOTHING)
    yield _without(found.compared)
    outside = found.compared.filter(~pl.col("is_inside")).to_dicts()
    told = tuple((row["id"], row["name"], row["accelerator"], *_flops(row), _outside(row)) for row in outside)
    columns = ("row", "run", "accelerator", "true", "low", "likely", "high", "outside by")
    yield Grid(title="Outside the interval", columns=columns, rows=told)


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    told = f"{_format(row['number_format'])} declared" if row["number_format"] else ""
    inside = Share(count=row["inside"], total=row["estimated"])
    near_truth = Share(count=row["within_factor"], total=row["estimated"])
    return (
        row["accelerator"],
        _format(row["densest_format"] or ""),
        ", ".join(filter(None, (row["methods"], told))),
        str(row["runs"]),
        str(row["estimated"]),
        _percent_text(inside),
        number_text(row["median_width"]),
        number_text(row["median_likely_ratio"]),
        "" if near_truth.ratio is None else f"{100 * near_truth.ratio:.1f} %",
    )


def _format(name: str) -> str:
    return "16-bit" if name == Format.FP16_BF16 else name


def _without(compared: pl.DataFrame) -> Grid:
    without = compared.filter(pl.col("reason").is_not_null())
    counted = without.group_by("accelerator", "reason").len().sort("accelerator", "reason")
    rows = tuple((str(count), accelerator, reason) for accelerator, reason, count in counted.iter_rows())
    return Grid(title="Without estimate", columns=("runs", "accelerator", "reason"), rows=rows)


def _flops(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(flop_text(row[name]) for name in ("true_flop", "low_flop", "likely_flop", "high_flop"))


def _outside(row: dict[str, Any]) -> str:
    """By which factor the truth lies below the low end, or above the high one."""
    if row["true_flop"] > row["high_flop"]:
        return f"{number_text(row['true_flop'] / row['high_flop'])} above"
    return f"{number_text(row['low_flop'] / row['true_flop'])} below"


def published_models(file: str, models: pl.DataFrame) -> Iterable[Block]:
    """Coverage, every outlier with its likely cause, and rows that contradict themselves."""
    title = f"{file}: published models whose compute was not taken from the hardware"
    if models.is_empty():
        yield Grid(title=title, columns=("",), rows=(), empty=NOTHING)
        return
    possible = models.filter(~pl.col("is_impossible"))
    rows = (
        ("truth inside", share_text(coverage(models))),
        ("without the physically impossible", share_text(coverage(possible))),
        ("likely within 2 times", share_text(near(models))),
    )
    yield Grid(title=title, columns=("", ""), rows=rows)
    yield _without(models)
    outside = tuple(_outlier(row) for row in models.filter(~pl.col("is_inside")).to_dicts())
    columns = ("model", "accelerator", "true", "low", "high", "outside by", "of 16-bit peak", "likely cause")
    yield Grid(title="Outside the interval", columns=columns, rows=outside)
    yield _contradictions(models)


def _outlier(row: dict[str, Any]) -> tuple[str, ...]:
    true, low, _, high = _flops(row)
    impossible = "physically impossible: " if row["is_impossible"] else ""
    share = number_text(row["share_of_16_bit_peak"])
    return row["name"], row["accelerator"], true, low, high, _outside(row), share, impossible + row["likely_cause"]


def _contradictions(models: pl.DataFrame) -> Grid:
    rows = tuple(
        (row["name"], number_text(row["reported_mfu"]), number_text(row["share_of_16_bit_peak"]))
        for row in models.filter("mfu_contradicts").to_dicts()
    )
    title = "Reported share of the peak (MFU) that compute and hours of the same row contradict"
    return Grid(title=title, columns=("model", "reported", "by compute and hours"), rows=rows)


def share_text(share: Share) -> str:
    """So many of so many, with the ratio and its interval."""
    if share.interval is None or share.ratio is None:
        return "0 of 0"
    low, high = share.interval
    return f"{share.count} of {share.total}, {100 * share.ratio:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f} %)"


def _percent_text(share: Share) -> str:
    if share.interval is None or share.ratio is None:
        return ""
    low, high = share.interval
    return f"{100 * share.ratio:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def number_text(value: float | None) -> str:
    """A number to four digits."""
    return "" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
