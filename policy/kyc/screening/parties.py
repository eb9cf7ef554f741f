"""
The parties to screen: whoever the know-your-customer file gives a name.

Every name that a party is known to have or to have had is compared, whichever source said so: who has a reason to
change a name has one not to be found by the older. Who has no name in the file is not compared and stays unknown.
"""

from datetime import date

import polars as pl

from policy.kyc.directory import Directory
from policy.kyc.screening.screen import PARTIES
from policy.kyc.statements import STATEMENTS
from policy.kyc.vocabulary import OF_LISTS

NAMES = ("name", "alias")
COUNTRIES = ("address_country", "headquarters_country", "registered_country", "principal_place_country")

is_name = pl.col("predicate").is_in(NAMES)
is_address = pl.col("predicate") == "address"
is_country = pl.col("predicate").is_in(COUNTRIES)


def parties_of(directory: Directory, at: date) -> pl.DataFrame:
    """Schema ``PARTIES``: everybody with a name, as known on a day; the newest name first, the others as aliases."""
    known = directory.as_known(at).frame.filter(is_name | is_address | is_country)
    newest_first = known.with_columns(is_alias=pl.col("predicate") == "alias").sort(
        "is_alias", "as_of", "source", "value", descending=[False, True, False, False], nulls_last=True
    )
    names = pl.col("value").filter(is_name).unique(maintain_order=True)
    found = newest_first.group_by("subject").agg(
        names.first().alias("name"),
        names.slice(1).alias("aliases"),
        pl.col("value").filter(is_address).unique().sort().alias("addresses"),
        pl.col("value").filter(is_country).unique().sort().alias("countries"),
    )
    return (
        found.filter(pl.col("name").is_not_null())
        .rename({"subject": "party_id"})
        .select(PARTIES.names())
        .sort("party_id")
    )


def said_of_lists(directory: Directory, at: date) -> pl.DataFrame:
    """What is decided about entries of lists, and what screening came to, as known on a day; schema ``STATEMENTS``."""
    known = directory.as_known(at).frame
    return known.filter(pl.col("predicate").is_in(OF_LISTS)).select(STATEMENTS.names())
