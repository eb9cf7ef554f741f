"""
Everything there is to validate in one folder: each file that is there is read, compared and held to its bars.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from policy.facts.facts import Facts
from policy.validation.bars import (
    Bar,
    all_met,
    bar_of_abstentions,
    bars_of_benchmarks,
    bars_of_jobs,
    bars_of_runs,
    bars_of_series,
)
from policy.validation.cases import Case, benchmark, log_line, training_run
from policy.validation.compared import compare
from policy.validation.figures import figures_of
from policy.validation.files import NOT_THERE, Unusable
from policy.validation.folder import BENCHMARKS, JOBS, LABELS, LINES, MODELS, RUNS, SERIES, Folder, Progress
from policy.validation.kinds import joined
from policy.validation.published import compare_published, published

BOTH = f"{SERIES}, {JOBS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """A file of runs whose compute is known: ``compared`` row by row, and their ``figures``."""

    file: str
    compared: pl.DataFrame
    figures: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was found. ``faults``: by file, why it gave nothing."""

    runs: Estimated
    benchmarks: Estimated
    lines: Estimated
    models: pl.DataFrame  # schema PUBLISHED
    verdicts: pl.DataFrame  # schema VERDICTS, with the file as source
    power: pl.DataFrame  # schema NODE_POWER
    bars: tuple[Bar, ...]
    unusable: tuple[Unusable, ...]
    faults: Mapping[str, str]

    @property
    def is_met(self) -> bool:
        """Whether no bar is missed."""
        return all_met(self.bars)


def validate(folder: Path, facts: Facts, progress: Progress = lambda _: None) -> Validation:
    """Hold the product against what is recorded in the folder."""
    reading = Folder(path=folder, progress=progress)
    runs, benchmarks, lines = (
        _estimated(name, reading.rows(name, make), facts)
        for name, make in ((RUNS, training_run), (BENCHMARKS, benchmark), (LINES, log_line))
    )
    models = compare_published(reading.rows(MODELS, partial(published, facts=facts)), facts)
    verdicts = joined({SERIES: reading.series(facts), JOBS: reading.jobs(facts)})
    power = reading.power(facts)
    return Validation(
        runs=runs,
        benchmarks=benchmarks,
        lines=lines,
        models=models,
        verdicts=verdicts,
        power=power,
        bars=tuple(_bars(runs, benchmarks, verdicts, reading.faults)),
        unusable=tuple(reading.unusable),
        faults=reading.faults,
    )


def _estimated(file: str, cases: Sequence[Case], facts: Facts) -> Estimated:
    compared = compare(cases, facts)
    return Estimated(file=file, compared=compared, figures=figures_of(compared))


def _bars(runs: Estimated, benchmarks: Estimated, verdicts: pl.DataFrame, faults: Mapping[str, str]) -> Iterable[Bar]:
    def there(*files: str) -> bool:
        return all(faults.get(file) != NOT_THERE for file in files)

    of_series, of_jobs = (verdicts.filter(pl.col("source") == file) for file in (SERIES, JOBS))
    yield from bars_of_runs(RUNS, runs.compared, runs.figures, is_there=there(RUNS))
    yield from bars_of_benchmarks(BENCHMARKS, benchmarks.compared, is_there=there(BENCHMARKS))
    yield from bars_of_series(SERIES, of_series, is_there=there(SERIES, LABELS))
    yield from bars_of_jobs(JOBS, of_jobs, is_there=there(JOBS))
    yield bar_of_abstentions(BOTH, verdicts, is_there=there(SERIES, LABELS) or there(JOBS))
