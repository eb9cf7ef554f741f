"""
Legal entity identifiers (ISO 17442) as anybody writes them: registers in capitals, people also in small letters.

Whoever asks whether two are equal asks here, so that no two parts of flopwatch take one party for two.
"""

import polars as pl

from policy.kyc.statements import Statement

LEI = "lei"
_is_lei = (pl.col("predicate") == "identifier") & (pl.col("detail").str.to_lowercase() == LEI)


def told_leis(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows (schema STATEMENTS) that tell an LEI of a party, with the LEI in capitals as value."""
    return frame.filter(_is_lei).with_columns(pl.col("value").str.to_uppercase())


def told_lei(statement: Statement) -> str:
    """The LEI that a statement tells of a party, in capitals; empty where it tells none."""
    is_lei = statement.predicate == "identifier" and (statement.detail or "").lower() == LEI
    return statement.value.upper() if is_lei else ""
