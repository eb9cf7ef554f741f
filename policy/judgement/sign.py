"""
A sign: one possible piece of evidence for or against training, and how the figures in its sentence are written.
"""

from dataclasses import dataclass

import polars as pl

EVIDENCE = pl.Struct(
    {
        "signal": pl.String,
        "value": pl.Float64,  # in the unit that the sentence names
        "weight": pl.Float64,  # log-odds; above 0 speaks for training
        "sentence": pl.String,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One possible piece of evidence: when it is there, its value and its sentence."""

    signal: str
    applies: pl.Expr
    value: pl.Expr
    weight: float
    sentence: pl.Expr
    at_best: pl.Expr | None = None  # None: what was not seen changes nothing about it

    @property
    def best_weight(self) -> pl.Expr:
        """Its weight where it is there even if all that nobody saw spoke for training, else 0."""
        is_there = self.applies if self.at_best is None else self.at_best
        return pl.when(is_there.fill_null(value=False)).then(self.weight).otherwise(0.0)

    @property
    def piece(self) -> pl.Expr:
        """A struct where it applies; null where it does not or cannot be known."""
        piece = pl.struct(
            signal=pl.lit(self.signal),
            value=self.value.cast(pl.Float64),
            weight=pl.lit(self.weight, pl.Float64),
            sentence=self.sentence,
        )
        return pl.when(self.applies.fill_null(value=False)).then(piece)


def percent(ratio: pl.Expr) -> pl.Expr:
    """In whole percent, to stand before the sign."""
    return whole(ratio * 100).cast(pl.String).fill_null("an unknown")


def whole(number: pl.Expr) -> pl.Expr:
    """Without decimals; null where it is not known."""
    return number.round(0).cast(pl.Int64, strict=False)
