"""
Fields that a source lacks, such as the tenant, are filled by what the person who replays it says.

What is still lacking afterwards stays unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

FILLABLE = ("tenant_id", "accelerator", "workload_namespace", "workload_kind", "workload_name")
ROW = "row of the file"
"""A column that counts a file's rows for messages; it can be mapped from by nobody."""


class UnusableFill(Exception):
    """A fill that does not fit the source: which column, and which there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """
    Where fields come from that a source lacks; keys are of FILLABLE.

    ``columns``: another column of the source. ``constants``: one value for all rows. ``table``: rows by the source's
    key, with any of the fields as columns. The key is ``job_id``, ``trace`` or ``namespace``.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    table: pl.DataFrame | None = None


def filled(rows: pl.DataFrame, key: str, fill: Fill) -> pl.DataFrame:
    """
    Add the FILLABLE columns: from the table, else the named or the source's own column, the constant, or null.

    Raises UnusableFill.
    """
    missing = [column for column in fill.columns.values() if column not in rows.columns]
    if missing:
        raise UnusableFill(f"no column {', '.join(missing)} to map from; it has {columns_of(rows)}")
    for column in sorted({fill.columns.get(name, name) for name in FILLABLE} & set(rows.columns)):
        if fault := fault_of_column(rows, column):
            raise UnusableFill(fault)
    rows = rows.with_columns(_given(rows, name, fill).alias(name) for name in FILLABLE)
    if fill.table is None:
        return rows
    rows = rows.join(_table(fill.table, key, rows[key]), on=key, how="left", suffix="_table", maintain_order="left")
    named = [name for name in FILLABLE if f"{name}_table" in rows.columns]
    return rows.with_columns(pl.coalesce(f"{name}_table", name).alias(name) for name in named)


def columns_of(rows: pl.DataFrame) -> str:
    """The columns that a person may map from, for messages."""
    return ", ".join(name for name in rows.columns if name != ROW)


def is_empty(text: pl.Expr) -> pl.Expr:
    """Whether a text says nothing."""
    return text.is_null() | (text.str.strip_chars() == "")


def fault_of_column(rows: pl.DataFrame, name: str) -> str:
    """Why a column's values are neither numbers nor texts, as lists and spans of time are not; empty when they are."""
    dtype = rows.schema[name]
    odd = dtype.is_nested() or dtype in (pl.Binary, pl.Duration, pl.Object)
    return f"column {name} holds {dtype}, not one number or text in each row" if odd else ""


def _given(rows: pl.DataFrame, name: str, fill: Fill) -> pl.Expr:
    column = fill.columns.get(name, name)
    own = pl.col(column).cast(pl.String).str.strip_chars() if column in rows.columns else pl.lit(None, pl.String)
    return pl.coalesce(pl.when(~is_empty(own)).then(own), pl.lit(fill.constants.get(name), pl.String))


def _table(table: pl.DataFrame, key: str, keys: pl.Series) -> pl.DataFrame:
    """The table's fields by its key. One that could fill nothing is a slip, and is refused."""
    told = ", ".join(table.columns)
    if key not in table.columns:
        raise UnusableFill(f"the table given with --map has no column {key}; it has {told}")
    twice = table.filter(pl.col(key).is_duplicated())
    if twice.height:
        raise UnusableFill(f"the table given with --map has {key} {twice[key][0]!r} more than once")
    if not set(FILLABLE) & set(table.columns):
        raise UnusableFill(f"the table given with --map has none of the columns {', '.join(FILLABLE)}; it has {told}")
    if not table[key].is_in(keys.implode()).any():
        raise UnusableFill(f"the table given with --map has no {key} that is in what is replayed")
    texts = table.select(key, *(name for name in FILLABLE if name in table.columns)).cast(pl.String)
    cells = pl.exclude(key).str.strip_chars()
    return texts.with_columns(pl.when(cells != "").then(cells))
