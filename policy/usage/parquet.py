"""
Rows in Parquet files, read whole or lazily, also of files from before their table got its latest columns.

A file of the ledger's schema version 1 has windows without what devices did beyond busy time, and counters without the
labels of it. Such a window reads as 0.0 observed seconds and no rhythm. That is honest: nothing of it was observed by
this ledger, and 0 observed seconds say so, where 0 active seconds alone would say idle.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from policy.frames import DataType, SchemaMismatch, conform, empty
from policy.usage.window import ACTIVITY, LEVELS, NOTHING_TOLD, RHYTHM

LATER = {
    **{name: NOTHING_TOLD[name] for name in (*ACTIVITY, *ACTIVITY.values(), *LEVELS, *RHYTHM)},
    **{label: pl.lit(None, pl.String) for label in ("direction", "level", "signal")},
}
"""What a file of schema version 1 lacks, and what it reads as."""
FILES_AT_ONCE = 256  # all of 26,000 small files in one call took 1.1 GB, in groups about half


class Unreadable(Exception):
    """A file that cannot be read: which one, why, what to do."""


def scan_rows(paths: Sequence[Path], declared: pl.Schema) -> pl.LazyFrame:
    """
    The rows of these files in order, the oldest file first, to be read only as far as is asked.

    Raises Unreadable for the first file; of the others whoever collects is to say it, within ``naming_unreadable``.
    """
    if not paths:
        return pl.LazyFrame(schema=declared)
    lacking = [name for name in declared if name in LATER and name not in _columns(paths[0])]
    rows = pl.scan_parquet(
        list(paths),
        schema=declared,
        hive_partitioning=False,
        missing_columns="insert" if lacking else "raise",  # files of version 1 are the oldest, so the first is one
    )
    return rows.with_columns(pl.coalesce(name, LATER[name]).alias(name) for name in lacking)


def read_rows(paths: Sequence[Path], declared: pl.Schema) -> pl.DataFrame:
    """The rows of these files in order. Raises Unreadable with the file that cannot be read."""
    with naming_unreadable(paths, declared):
        frames = [scan_rows(group, declared).collect() for group in _groups(paths)]
        return conform(pl.concat([empty(declared), *frames]), declared, "columns in the ledger")


@contextmanager
def naming_unreadable(paths: Sequence[Path], declared: pl.Schema) -> Iterator[None]:
    """
    While the block reads these files: raise Unreadable with the one that it could not read.

    Where all of them can be read it was none of theirs, and what was raised stays as it is.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, SchemaMismatch):
        for path in paths:
            _try([path], declared, path)
        if paths:
            _try(paths, declared, paths[0].parent)  # each may be read by itself, and not beside the others
        raise


def _try(paths: Sequence[Path], declared: pl.Schema, name: Path) -> None:
    """Read all that there is, and keep nothing of it."""
    try:
        scan_rows(paths, declared).select(pl.all().null_count()).collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(name, error) from error


def _columns(path: Path) -> dict[str, DataType]:
    try:
        return dict(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> Unreadable:
    return Unreadable(f"{path}: cannot be read ({error}); restore it from a copy")


def _groups(paths: Sequence[Path]) -> list[Sequence[Path]]:
    return [paths[first : first + FILES_AT_ONCE] for first in range(0, len(paths), FILES_AT_ONCE)]
