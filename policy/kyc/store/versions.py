"""
What an import makes of what a source said before, and what is known after any number of imports.

Each version adds statements of one source and takes some of its earlier ones back; nothing is deleted. A statement
that a file does not date is known from the day of the import on, and one that is not taken back keeps the day since
which it is known. A register that publishes several files, each about something else, has as many parts, and what one
part does not say is no reason to doubt another. Frames in, frames out; the day is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from policy.frames import conform, empty, schema
from policy.kyc.statements import STATEMENTS
from policy.kyc.vocabulary import PREDICATES, SELF

ADDED, WITHDRAWN = "added", "withdrawn"
VERSIONED = schema(
    {
        "change": pl.String,  # added, or withdrawn with its known_to
        "statement": pl.Int64,  # its number in the whole store; when it is withdrawn the one that it was added with
        "part": pl.String,  # which of the source's parts says it, as GLEIF's level 2; empty: the source has one
        **STATEMENTS,
    }
)
HELD = schema({"statement": pl.Int64, "part": pl.String, **STATEMENTS})
"""Statements with their numbers."""
TOLD = schema({"part": pl.String, **STATEMENTS})
"""Statements as files have them."""

CLOCKS = ("known_from", "known_to")
CONTENT = ["part", *(name for name in STATEMENTS if name not in CLOCKS)]
DATED = [*CONTENT, "known_from"]
PLACE = ["part", "subject", "predicate", "source", "begins", "ends"]
"""What two statements have in common of which the newer one takes the place, where both cannot be."""
ABOUT = ["part", "subject", "predicate"]

is_held = pl.col("known_to").is_null()
is_dated = pl.col("known_from").is_not_null()
has_one_value = pl.col("predicate").is_in([name for name, each in PREDICATES.items() if not each.many])
may_be_self = pl.col("predicate").is_in([name for name, each in PREDICATES.items() if each.may_be_self])
is_self = pl.col("value") == SELF


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    What one import changes. ``rows`` in the schema :data:`VERSIONED`.

    ``left_standing``: statements that the file does not have any more and that stay all the same. ``standing``: how
    many there were; ``lost``: how many of these are taken back with nothing about the same in their place.
    """

    rows: pl.DataFrame
    left_standing: int
    standing: int
    lost: int

    @property
    def added(self) -> int:
        """How many statements are new."""
        return self.rows.filter(change=ADDED).height

    @property
    def withdrawn(self) -> int:
        """How many are taken back."""
        return self.rows.filter(change=WITHDRAWN).height


def difference(held: pl.DataFrame, told: pl.DataFrame, *, first: int, day: date, is_whole: bool) -> Difference:
    """
    Hold what a source says now (schema TOLD) against all that the same parts of it said before (schema HELD).

    ``first``: the number of the next statement. ``is_whole``: what is not said any more is withdrawn. Otherwise it
    stays, unless what is said now cannot be beside it and is no older word: a correction counts. A word without a day
    takes nothing from one that has one, and is held to be of the day since which it is known by one that has.
    """
    standing = held.filter(is_held)
    new = _new(standing, told, day)
    gone = _without(_without(standing, told.filter(~is_dated), CONTENT), told.filter(is_dated), DATED)
    withdrawn = gone if is_whole else _corrected(gone, new)
    rows = pl.concat(
        [
            new.with_columns(statement=pl.int_range(first, first + pl.len()), change=pl.lit(ADDED)),
            withdrawn.with_columns(known_to=pl.lit(day), change=pl.lit(WITHDRAWN)),
        ],
        how="diagonal",
    ).select(VERSIONED.names())
    return Difference(
        rows=conform(rows, VERSIONED, "difference"),
        left_standing=gone.height - withdrawn.height,
        standing=standing.height,
        lost=_lost(standing, told) if is_whole else 0,
    )


def fold(versions: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All statements ever added by some versions (schema VERSIONED), as they stand after the last, schema HELD."""
    rows = pl.concat([empty(VERSIONED), *versions])
    taken_back = rows.filter(change=WITHDRAWN).select("statement", back_on="known_to")
    return (
        rows.filter(change=ADDED)
        .join(taken_back, on="statement", how="left", maintain_order="left")
        .with_columns(known_to="back_on")
        .select(HELD.names())
    )


def _new(standing: pl.DataFrame, told: pl.DataFrame, day: date) -> pl.DataFrame:
    undated, dated = told.filter(~is_dated), told.filter(is_dated)
    found = pl.concat([_without(undated, standing, CONTENT), _without(dated, standing, DATED)])
    return found.with_columns(known_from=pl.coalesce("known_from", pl.lit(day))).unique(maintain_order=True)


def _without(left: pl.DataFrame, right: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    how: Literal["anti"] = "anti"
    return left.join(right, on=columns, how=how, nulls_equal=True, maintain_order="left")


def _corrected(gone: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    by = new.select(*PLACE, now="value", now_as_of="as_of", now_known_from="known_from")
    pairs = gone.select("statement", "value", "as_of", "known_from", *PLACE).join(by, on=PLACE, nulls_equal=True)
    exclude = has_one_value | (may_be_self & (is_self != (pl.col("now") == SELF)))
    replaced = pairs.filter(exclude, _is_no_older())
    return gone.join(replaced, on="statement", how="semi", maintain_order="left")


def _is_no_older() -> pl.Expr:
    """Whether the word of now is of no earlier day than the one that is held; what tells no day tells when it came."""
    held_on = pl.coalesce("as_of", "known_from")
    now_on = pl.when(pl.col("as_of").is_null()).then(pl.coalesce("now_as_of", "now_known_from")).otherwise("now_as_of")
    return (now_on >= held_on).fill_null(value=False)


def _lost(standing: pl.DataFrame, told: pl.DataFrame) -> int:
    """How many statements fewer there are, over all subjects and predicates: one in the place of another is no loss."""
    now = told.group_by(ABOUT).agg(now=pl.len())
    before = standing.group_by(ABOUT).agg(before=pl.len()).join(now, on=ABOUT, how="left")
    fewer = pl.col("before").cast(pl.Int64) - pl.col("now").fill_null(0)
    return int(before.select(fewer.clip(lower_bound=0).sum()).item())
