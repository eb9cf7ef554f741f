"""
The folder of recorded truth: which files it may have, and what each gives. Any of them may be absent or broken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from policy.facts.facts import Facts
from policy.frames import empty
from policy.usage.sources.recording import RecordingError
from policy.validation.files import NOT_THERE, Row, T, Unusable, read_rows
from policy.validation.labelled import VERDICTS, job_verdicts, label, series_verdicts
from policy.validation.node_power import NODE_POWER, node_power, system_of

RUNS, BENCHMARKS, LINES = "llm_training_runs.csv", "mpt_mfu.csv", "bloom_log_lines.csv"
MODELS, POWER = "models_with_hardware.csv", "node_power_while_training.parquet"
SERIES, LABELS, JOBS = "gpu_series.parquet", "gpu_series_labels.csv", "kalos_jobs.csv"
FILES = (RUNS, BENCHMARKS, MODELS, LINES, SERIES, LABELS, JOBS, POWER)

Progress = Callable[[str], None]
"""Told which file is being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The folder, and what could not be used of it so far. ``faults``: by file, why it gave nothing."""

    path: Path
    progress: Progress
    faults: dict[str, str] = field(default_factory=dict)
    unusable: list[Unusable] = field(default_factory=list)

    def rows(self, name: str, make: Callable[[Row], T]) -> tuple[T, ...]:
        """What ``make`` makes of the rows of a CSV."""
        self.progress(name)
        read = read_rows(self.path / name, make)
        self.unusable.extend(read.unusable)
        if read.fault:
            self.faults[name] = read.fault
        return read.found

    def series(self, facts: Facts) -> pl.DataFrame:
        """The verdicts on the series that have labels, schema VERDICTS."""
        labels = {each.trace: each for each in self.rows(LABELS, lambda row: label(row, facts.product_names))}
        return self._verdicts(SERIES, lambda path: series_verdicts(path, labels, facts))

    def jobs(self, facts: Facts) -> pl.DataFrame:
        """The verdicts on the jobs, schema VERDICTS."""
        return self._verdicts(JOBS, lambda path: job_verdicts(path, facts))

    def power(self, facts: Facts) -> pl.DataFrame:
        """What nodes drew, schema NODE_POWER; their boards are told by the training runs."""
        systems = read_rows(self.path / RUNS, system_of).found
        return self._frame(POWER, NODE_POWER, lambda path: node_power(path, frozenset(systems), facts))

    def _verdicts(self, name: str, judge: Callable[[Path], tuple[pl.DataFrame, tuple[Unusable, ...]]]) -> pl.DataFrame:
        def verdicts(path: Path) -> pl.DataFrame:
            found, unusable = judge(path)
            self.unusable.extend(unusable)
            return found

        return self._frame(name, VERDICTS, verdicts)

    def _frame(self, name: str, declared: pl.Schema, read: Callable[[Path], pl.DataFrame]) -> pl.DataFrame:
        """What the file gives; nothing, and the reason, where it cannot be used."""
        self.progress(name)
        try:
            return read(self.path / name)
        except FileNotFoundError:
            self.faults[name] = NOT_THERE
        except (OSError, pl.exceptions.PolarsError, RecordingError) as error:
            self.faults[name] = f"cannot be used: {str(error).splitlines()[0]}"
        return empty(declared)
