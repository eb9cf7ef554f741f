"""
The bars: what the product is held to on recorded truth, each with its figure.

A bar whose file is there and gives no figure is not met: what could not be measured was not shown. One whose file is
absent is neither met nor missed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from policy.facts.accelerators import BITS, Format
from policy.judgement.verdict import Verdict
from policy.validation import kinds
from policy.validation.figures import FACTOR, coverage, near, whole
from policy.validation.labelled import Truth


class Outcome(StrEnum):
    """Of a bar."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """
    One bar. ``figure``: None where nothing gave one; ``least`` and ``most`` are included.

    ``is_there``: whether its file is.
    """

    about: str
    name: str
    figure: float | None
    least: float | None = None
    most: float | None = None
    is_there: bool = True
    is_share: bool = True

    @property
    def outcome(self) -> Outcome:
        """Whether the figure is within the bar."""
        if not self.is_there:
            return Outcome.NOT_MEASURED
        if self.figure is None:
            return Outcome.MISSED
        above = self.least is None or self.figure >= self.least
        below = self.most is None or self.figure <= self.most
        return Outcome.MET if above and below else Outcome.MISSED


NARROW = [each.value for each in (Format.FP6, Format.FP4) if BITS[each] < BITS[Format.FP8]]
WIDTHS = ((False, 12.0, "8 bits or wider"), (True, 24.0, "6 or 4 bits"))
"""Whether the densest format is narrower than 8 bits, the most that high over low may be, and how it is called."""


def bars_of_runs(about: str, compared: pl.DataFrame, figures: pl.DataFrame, *, is_there: bool) -> Iterator[Bar]:
    """Of training runs whose number format nobody tells."""
    inside, median = coverage(compared).ratio, whole(figures)["median_likely_ratio"]
    yield Bar(about=about, name="truth inside", figure=inside, least=0.99, is_there=is_there)
    for is_narrow, most, words in WIDTHS:
        of_width = compared.filter(pl.col("densest_format").is_in(NARROW) == is_narrow)
        yield Bar(
            about=about,
            name=f"median high/low where the densest format has {words}",
            figure=_median(of_width, "width"),
            most=most,
            is_there=is_there and not of_width.is_empty(),
            is_share=False,
        )
    yield Bar(
        about=about,
        name="median likely/true",
        figure=median,
        least=0.67,
        most=1.5,
        is_there=is_there,
        is_share=False,
    )
    name = f"likely within a factor of {FACTOR:g}"
    yield Bar(about=about, name=name, figure=near(compared).ratio, least=0.9, is_there=is_there)


def bars_of_benchmarks(about: str, compared: pl.DataFrame, *, is_there: bool) -> Iterator[Bar]:
    """Of runs whose number format is declared."""
    yield Bar(about=about, name="truth inside", figure=coverage(compared).ratio, least=0.97, is_there=is_there)
    width = _median(compared, "width")
    yield Bar(about=about, name="median high/low", figure=width, most=6.0, is_there=is_there, is_share=False)


def bars_of_series(about: str, verdicts: pl.DataFrame, *, is_there: bool) -> Iterator[Bar]:
    """Of series with labels."""
    on_h100 = verdicts.filter(pl.col("hardware").str.contains("H100"))
    training, serving = kinds.judged(on_h100, [Truth.TRAINING], Verdict.TRAINING), [Truth.SERVING]
    told = kinds.judged(verdicts, serving, Verdict.NOT_TRAINING)
    yield Bar(about=about, name="H100 training judged training", figure=training.ratio, least=1.0, is_there=is_there)
    yield Bar(about=about, name="serving judged not_training", figure=told.ratio, least=0.9, is_there=is_there)
    for truth in (Truth.SERVING, Truth.RENDERING):
        called = kinds.judged(verdicts, [truth], Verdict.TRAINING)
        yield Bar(about=about, name=f"{truth} judged training", figure=called.ratio, most=0.0, is_there=is_there)


def bars_of_jobs(about: str, verdicts: pl.DataFrame, *, is_there: bool) -> Iterator[Bar]:
    """Of job records."""
    pretraining = [Truth.PRETRAIN]
    right = kinds.hours_judged(verdicts, pretraining, Verdict.TRAINING)
    wrong = kinds.hours_judged(verdicts, pretraining, Verdict.NOT_TRAINING)
    yield Bar(about=about, name="GPU-hours of Pretrain judged training", figure=right, least=0.9, is_there=is_there)
    yield Bar(about=about, name="GPU-hours of Pretrain judged not_training", figure=wrong, most=0.0, is_there=is_there)


def bar_of_abstentions(about: str, verdicts: pl.DataFrame, *, is_there: bool) -> Bar:
    """How much is left open, of everything with a label."""
    left_open = kinds.hours_judged(verdicts, kinds.LABELLED, Verdict.UNDETERMINED)
    return Bar(about=about, name="labelled GPU-hours left undetermined", figure=left_open, most=0.2, is_there=is_there)


def all_met(bars: Sequence[Bar]) -> bool:
    """Whether none is missed."""
    return all(bar.outcome is not Outcome.MISSED for bar in bars)


def _median(compared: pl.DataFrame, column: str) -> float | None:
    found = compared.select(pl.col(column).median()).item()
    return None if found is None else float(found)
