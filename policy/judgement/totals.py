"""
Sums that say when they are not known, and that do not depend on the order of their parts.

Adding floating-point numbers in another order changes the last bits, and with them a comparison at the edge or a
finding's digest. So every sum is cut to TOTAL_DIGITS significant digits.
"""

import polars as pl

TOTAL_DIGITS = 12  # far finer than any interval here, and coarser than what the order of millions of parts can change


def total(column: str) -> pl.Expr:
    """The sum of what is known: the right sum for a low end, to which an unknown part adds nothing that is certain."""
    return pl.col(column).sum().round_sig_figs(TOTAL_DIGITS)


def known_total(column: str) -> pl.Expr:
    """The sum, or null where a part of it is not known."""
    return pl.when(pl.col(column).is_null().any()).then(None).otherwise(total(column))
