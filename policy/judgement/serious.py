"""
The most serious of several answers to a question, by the order in which its answers are written down.
"""

from collections.abc import Sequence

import polars as pl


def rank(question: str, answers: Sequence[str]) -> pl.Expr:
    """How serious an answer is: 0 is the most serious."""
    ranks = {str(each): place for place, each in enumerate(answers)}
    return pl.col(question).replace_strict(ranks, return_dtype=pl.Int8)


def most_serious(question: str, answers: Sequence[str], over: str) -> pl.Expr:
    """The most serious answer of each key."""
    words = {place: str(each) for place, each in enumerate(answers)}
    return rank(question, answers).min().over(over).replace_strict(words, return_dtype=pl.String)
