"""
Who is known already: decisions are about these, and a register, which knows millions of parties, is asked about them.
"""

import polars as pl

from policy.kyc.directory import Directory
from policy.kyc.lei import told_leis
from policy.kyc.vocabulary import DISPERSED, PREDICATES, SELF, ValueKind

LEI_PARTY = "lei:"
"""What the id of a party begins with that is known by its legal entity identifier alone."""
_OF_PARTIES = [name for name, each in PREDICATES.items() if each.kind is ValueKind.PARTY]


def known_ids(directory: Directory) -> frozenset[str]:
    """Whoever something is said of, and whom something said leads to."""
    told = directory.frame.filter(pl.col("predicate").is_in(_OF_PARTIES))["value"]
    return frozenset((*directory.frame["subject"].unique(), *told.unique())) - {SELF, DISPERSED}


def known_leis(directory: Directory) -> frozenset[str]:
    """The legal entity identifiers that are told of any party, or by which one is called."""
    called = (each for each in known_ids(directory) if each.startswith(LEI_PARTY))
    return frozenset((*told_leis(directory.frame)["value"], *(each.removeprefix(LEI_PARTY) for each in called)))
