"""How ``flopwatch validate`` says what it found: tables for people, one JSON document for programs."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import polars as pl

from policy.commands.sheet import Block, Grid, Sheet
from policy.commands.validate_content import validation_content
from policy.commands.validate_estimates import estimates, number_text, published_models, share_text
from policy.validation import kinds
from policy.validation.bars import Bar, Outcome
from policy.validation.files import Unusable
from policy.validation.folder import MODELS, POWER
from policy.validation.validation import Validation

SHOWN_ROWS = 8  # numbers of rows that are named for one reason; JSON has all
MOST_LACKING = 8
OPENING = (
    "Truth inside: its share of the estimated runs, with Wilson's interval of 95 %. high/low and likely/true: medians. "
    "Series are judged without a kind of workload, jobs as what a batch scheduler ran."
)
CLOSING = "A verdict of undetermined clears nobody, and no estimate is not a small one."


def validation_sheet(found: Validation) -> Sheet:
    """Everything there is to say."""
    blocks: list[Block] = [
        OPENING,
        *estimates("training runs by accelerator, count and time alone", found.runs),
        *estimates("benchmarks, the number format declared", found.benchmarks),
        *estimates("log lines, of whose TFLOP/s three quarters are the model's own", found.lines),
        *published_models(MODELS, found.models),
        *_verdicts(found.verdicts),
        _power(found.power),
        _unusable(found.unusable),
        _faults(found),
        _bars(found.bars),
        CLOSING,
    ]
    return Sheet(blocks=tuple(blocks), content=validation_content(found))


def _verdicts(verdicts: pl.DataFrame) -> Iterable[Block]:
    rows = tuple(
        (row["source"], row["truth"], row["verdict"], str(row["workloads"]), f"{row['gpu_hours']:,.1f}")
        for row in kinds.counts(verdicts).to_dicts()
    )
    columns = ("file", "known to be", "verdict", "workloads", "GPU-hours")
    yield Grid(title="Verdicts on workloads of known kind", columns=columns, rows=rows, empty="Nothing to judge.")
    if verdicts.is_empty():
        return
    shares = tuple((name, share_text(share)) for name, share in kinds.rates(verdicts).items())
    yield Grid(title="", columns=("by workloads", "share"), rows=shares)
    lacking = kinds.abstentions(verdicts).head(MOST_LACKING)
    told = tuple(
        (row["truth"], row["lacking"], str(row["workloads"]), f"{row['gpu_hours']:,.1f}") for row in lacking.to_dicts()
    )
    title = "What is lacking where the verdict is undetermined, the most GPU-hours first"
    yield Grid(title=title, columns=("known to be", "lacking", "workloads", "GPU-hours"), rows=told)


def _power(power: pl.DataFrame) -> Grid:
    rows = tuple(
        (
            row["system"],
            row["benchmark"],
            f"{row['seconds']:,.0f}",
            f"{row['mean_watts']:,.0f}",
            "not known" if row["boards"] is None else f"{row['boards']:g} of {number_text(row['board_watts'])}",
            number_text(row["ratio"]),
        )
        for row in power.to_dicts()
    )
    columns = ("system", "benchmark", "seconds", "node, watts", "boards, watts", "node over boards")
    return Grid(title=f"{POWER}: whole nodes while they train, for information", columns=columns, rows=rows)


def _unusable(unusable: Sequence[Unusable]) -> Grid:
    def key(each: Unusable) -> tuple[str, str]:
        return each.file, each.reason

    rows = tuple(
        (file, str(len(numbers)), _some(numbers), reason)
        for (file, reason), group in groupby(sorted(unusable, key=key), key)
        for numbers in [[each.row for each in group]]
    )
    return Grid(title="Rows that were left out", columns=("file", "count", "rows", "reason"), rows=rows)


def _faults(found: Validation) -> Grid:
    rows = tuple((file, fault) for file, fault in found.faults.items())
    return Grid(title="Files that gave nothing", columns=("file", ""), rows=rows)


def _some(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:SHOWN_ROWS]))
    return named + (", …" if len(numbers) > SHOWN_ROWS else "")


def _bars(bars: Sequence[Bar]) -> Grid:
    rows = tuple((bar.about, bar.name, _figure(bar), _asked(bar), bar.outcome.value) for bar in bars)
    missed = sum(bar.outcome is Outcome.MISSED for bar in bars)
    open_ones = sum(bar.outcome is Outcome.NOT_MEASURED for bar in bars)
    title = f"Bars: {len(bars) - missed - open_ones} met, {missed} missed, {open_ones} not measured"
    return Grid(title=title, columns=("file", "bar", "figure", "asked", ""), rows=rows)


def _figure(bar: Bar) -> str:
    if bar.figure is None:
        return "none"
    return f"{100 * bar.figure:.1f} %" if bar.is_share else number_text(bar.figure)


def _asked(bar: Bar) -> str:
    unit = (100, " %") if bar.is_share else (1, "")
    ends = [
        f"{words} {end * unit[0]:g}{unit[1]}" for words, end in (("≥", bar.least), ("≤", bar.most)) if end is not None
    ]
    return ", ".join(ends)
