"""
A recording as a source: job records, or per-GPU time series, become the same usage windows that live collectors yield.

Two formats, as CSV (UTF-8, with a header) or Parquet; columns beyond these are allowed and unused unless mapped:

``jobs``    ``job_id``, ``arrival_s``, ``gpus``, ``duration_s``: one row for each job, or for each time it was started.
            Nothing is known about activity, so its windows are metered by allocation. What has no kind is a Job.
``series``  ``trace``, ``gpu``, ``t_s``, ``util_pct``, and optionally ``power_w`` and ``mem_mib``: one row for each GPU
            and moment, integrated by the collector's own accounting. A value holds until the next row of its GPU, at
            most three usual spacings; what lies beyond that, and an empty cell, is unobserved.

Seconds count from the moment given as ``start``. What a file lacks (tenant, accelerator, namespace, kind) can be filled
from another of its columns, by a constant, or from a table; what is still lacking stays unknown.

A bad cell is named by file, row (as a spreadsheet counts them, the header is row 1) and column, and nothing is used.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from policy.frames import conform
from policy.usage.sources.fill import FILLABLE, ROW, Fill, UnusableFill, columns_of, fault_of_column, filled, is_empty
from policy.usage.sources.jobs import job_windows
from policy.usage.sources.series import OPTIONAL, series_windows
from policy.usage.sources.sheet import SheetError, read_sheet
from policy.usage.window import WINDOWS

JOBS = ("job_id", "arrival_s", "gpus", "duration_s")
SERIES = ("trace", "gpu", "t_s", "util_pct")
LARGEST = {name: 100.0 for name in ("util_pct", *OPTIONAL) if name.endswith("_pct")}
LARGEST_OTHER = 1e10  # three centuries in seconds, ten gigawatts, ten pebibytes: no recording has more, a slip may
MOST_PROBLEMS = 20

Progress = Callable[[int, int], None]
"""Told how many parts are done, of how many."""


class RecordingError(Exception):
    """A recording that cannot be used: file, row, column, what is wrong, what is expected. Nothing of it is used."""


def read_recording(path: Path, *, fill: Fill, start: datetime, progress: Progress = lambda *_: None) -> pl.DataFrame:
    """The recording's usage windows, schema WINDOWS. Raises RecordingError; a bad row is named, not skipped."""
    rows = _load(path)
    if set(JOBS) <= set(rows.columns):
        jobs = _filled(path, _numbers(path, _named(path, rows, "job_id"), JOBS[1:], ()), "job_id", fill)
        _refuse_repeated(path, jobs, ("job_id", "arrival_s"))
        _refuse_overflow(path, start, jobs.select(pl.col("arrival_s") + pl.col("duration_s")).to_series())
        progress(1, 1)
        return _conform(job_windows(jobs, start.astimezone(UTC)))
    if set(SERIES) <= set(rows.columns):
        optional = tuple(name for name in OPTIONAL if name in rows.columns)
        named = _named(path, rows, "trace", "gpu")
        series = _filled(path, _numbers(path, named, ("t_s",), ("util_pct", *optional)), "trace", fill)
        _refuse_repeated(path, series, ("trace", "gpu", "t_s"))
        _refuse_changing(path, series)
        _refuse_overflow(path, start, 2 * series["t_s"])  # the last reading holds as long as the usual spacing
        return _conform(series_windows(series, start.astimezone(UTC), progress))
    raise RecordingError(
        f"{path}: neither a recording of jobs (no column {_lacking(JOBS, rows)}) nor of series "
        f"(no column {_lacking(SERIES, rows)}); it has {columns_of(rows)}. Rename its columns"
    )


def _lacking(names: Iterable[str], rows: pl.DataFrame) -> str:
    return ", ".join(name for name in names if name not in rows.columns)


def _conform(windows: pl.DataFrame) -> pl.DataFrame:
    return conform(windows.sort(WINDOWS.names()), WINDOWS, "windows of a recording")


def _load(path: Path) -> pl.DataFrame:
    is_parquet = path.suffix == ".parquet"
    try:
        rows = pl.read_parquet(path) if is_parquet else read_sheet(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SheetError as error:
        raise RecordingError(f"{path}: {error}") from error
    except pl.exceptions.PolarsError as error:
        raise RecordingError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    if ROW in rows.columns:
        raise RecordingError(f"{path}: column {ROW!r}: a name that is in use here; rename it")
    if not rows.height:
        raise RecordingError(f"{path}: has no rows")
    return rows.with_row_index(ROW, offset=1 if is_parquet else 2)


def _named(path: Path, rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The same rows with these columns as text; no cell is empty."""
    texts = rows.with_columns(_texts(path, rows, names))
    for name in names:
        nameless = texts.filter(is_empty(pl.col(name)))
        if nameless.height:
            raise RecordingError(f"{path}: row {nameless[ROW][0]}, column {name}: is empty")
    return texts


def _texts(path: Path, rows: pl.DataFrame, names: Iterable[str]) -> list[pl.Expr]:
    for name in names:
        if fault := fault_of_column(rows, name):
            raise RecordingError(f"{path}: {fault}")
    return [pl.col(name).cast(pl.String) for name in names]


def _numbers(path: Path, rows: pl.DataFrame, required: tuple[str, ...], optional: tuple[str, ...]) -> pl.DataFrame:
    """The same rows with these columns as numbers. An optional cell may be empty; nothing may be negative."""
    names = (*required, *optional)
    texts = rows.with_columns(_texts(path, rows, names))
    problems = [
        f"row {row[ROW]}, column {name}: {row[name] or ''!r} is not a number from 0 to {_largest(name):g}"
        for name in names
        for row in texts.filter(_is_bad(name, may_be_empty=name in optional)).head(MOST_PROBLEMS).to_dicts()
    ]
    if problems:
        raise RecordingError(f"{path}: " + "; ".join(problems[:MOST_PROBLEMS]))
    return rows.with_columns(_number(name) for name in names)


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)


def _largest(name: str) -> float:
    return LARGEST.get(name, LARGEST_OTHER)


def _is_bad(name: str, *, may_be_empty: bool) -> pl.Expr:
    good = _number(name).is_between(0, _largest(name)).fill_null(value=False)
    return ~(good | is_empty(pl.col(name))) if may_be_empty else ~good


def _filled(path: Path, rows: pl.DataFrame, key: str, fill: Fill) -> pl.DataFrame:
    """Add the FILLABLE columns; a workload without a name is named by the key."""
    try:
        rows = filled(rows, key, fill)
    except UnusableFill as error:
        raise RecordingError(f"{path}: {error}") from error
    return rows.with_columns(workload_name=pl.coalesce("workload_name", key))


def _refuse_repeated(path: Path, rows: pl.DataFrame, key: tuple[str, ...]) -> None:
    """One GPU has one reading at one moment, and a job starts once at one moment; two would count its time twice."""
    again = rows.filter(~pl.struct(key).is_first_distinct())
    if again.height:
        row = again.row(0, named=True)
        what = ", ".join(f"{name} {row[name]}" for name in key)
        raise RecordingError(f"{path}: row {row[ROW]}, column {key[-1]}: a second row for {what}")


def _refuse_overflow(path: Path, start: datetime, ends: pl.Series) -> None:
    """A year is the margin for everything that is computed from the last moment."""
    try:
        start.astimezone(UTC) + timedelta(seconds=float(ends.max() or 0)) + timedelta(days=366)  # type: ignore[arg-type]
    except OverflowError as error:
        raise RecordingError(
            f"{path}: its last time is beyond the year 9998 when second 0 is {start.date()}; give an earlier --start"
        ) from error


def _refuse_changing(path: Path, series: pl.DataFrame) -> None:
    """A trace is one container of one tenant on one accelerator model; splitting it is the recording's task."""
    for name in FILLABLE:
        changed = series.filter(pl.col(name).ne_missing(pl.col(name).first().over("trace")))
        if changed.height:
            row = changed.row(0, named=True)
            raise RecordingError(
                f"{path}: row {row[ROW]}, column {name}: {row[name]} differs within trace {row['trace']}"
            )
