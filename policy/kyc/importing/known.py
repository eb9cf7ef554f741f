"""
Whom a register is asked about: it knows millions of parties, and what is kept is about those that matter here.
"""

import polars as pl

from policy.kyc.lei import told_leis
from policy.kyc.statements import Directory

LEI_PARTY = "lei:"
"""What the id of a party begins with that is known by its legal entity identifier alone."""


def known_leis(directory: Directory) -> frozenset[str]:
    """The legal entity identifiers that are told of any party, or by which one is called."""
    frame = directory.frame
    told = told_leis(frame)["value"]
    called = pl.concat([frame["subject"], frame["value"].rename("subject")]).unique()
    by_id = called.filter(called.str.starts_with(LEI_PARTY)).str.strip_prefix(LEI_PARTY)
    return frozenset((*told, *by_id))
