"""
Frames that cross a function carry a declared schema; this is where that is enforced.

A frame with a missing, extra or wrongly typed column is a defect of the caller and is said at once, by name, instead of
surfacing as a null three steps later.
"""

from collections.abc import Mapping

import polars as pl

DataType = pl.DataType | type[pl.DataType]


class SchemaMismatch(Exception):
    """A frame does not have the columns that it should: which frame, which columns, which types."""

    def __init__(self, name: str, problems: list[str]) -> None:
        super().__init__(f"{name}: " + "; ".join(problems))


def schema(columns: Mapping[str, DataType]) -> pl.Schema:
    """A schema with columns of any types."""
    return pl.Schema(list(columns.items()))


def conform(frame: pl.DataFrame, declared: pl.Schema, name: str) -> pl.DataFrame:
    """The same rows with exactly the schema's columns in its order, or SchemaMismatch."""
    found = frame.schema
    problems = [f"no column {column}" for column in declared if column not in found]
    problems += [f"unexpected column {column}" for column in found if column not in declared]
    problems += [
        f"column {column} is {found[column]}, not {dtype}"
        for column, dtype in declared.items()
        if column in found and found[column] != dtype
    ]
    if problems:
        raise SchemaMismatch(name, problems)
    return frame.select(declared.names())


def empty(declared: pl.Schema) -> pl.DataFrame:
    """No rows, with the schema's columns."""
    return pl.DataFrame(schema=declared)


def plain_zero(number: pl.Expr) -> pl.Expr:
    """The same number, and 0 where it was -0. Adding 0.0 does not do it: polars leaves that out."""
    return pl.when(number == 0).then(0.0).otherwise(number)
