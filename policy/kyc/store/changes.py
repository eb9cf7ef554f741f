"""
What is said differently in two directories, and whom that may touch.

Whoever is affected is found by going down the ways on which answers rest: a tenant is, if any party above it, however
far, has something new or something less said of it, before or after.
"""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from policy.kyc.directory import Directory
from policy.kyc.statements import STATEMENTS
from policy.kyc.vocabulary import BACKWARD, DISPERSED, SELF, UPWARD

SAID = [name for name in STATEMENTS if name not in ("known_from", "known_to")]
OF_A_DAY = [name for name in SAID if name != "document"]
SUBSTANCE = [name for name in OF_A_DAY if name != "as_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """
    Between two directories, each frame in the schema STATEMENTS.

    ``renewed`` is what both say with another day or another document, as they stand after. ``affected``: ids of
    tenants, of which another answer may be given now. Another day may give one, for the newest word of a source stands;
    another document alone gives none.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    renewed: pl.DataFrame
    affected: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return self.added.is_empty() and self.removed.is_empty() and self.renewed.is_empty()


def changes_between(before: Directory, after: Directory) -> Changes:
    """
    What is said after and was not before, and the other way round, whenever it came to be known.

    To compare what was known on two days give ``directory.as_known(day)`` twice.
    """
    new, gone = _without(after.frame, before.frame, SAID), _without(before.frame, after.frame, SAID)
    added, removed = _without(new, gone, SUBSTANCE), _without(gone, new, SUBSTANCE)
    renewed = new.join(gone, on=SUBSTANCE, how="semi", nulls_equal=True, maintain_order="left")
    subjects = {*_without(new, gone, OF_A_DAY)["subject"], *_without(gone, new, OF_A_DAY)["subject"]}
    return Changes(added=added, removed=removed, renewed=renewed, affected=affected(subjects, before, after))


def affected(subjects: Collection[str], *directories: Directory) -> tuple[str, ...]:
    """The tenants of which an answer may rest on one of these subjects, in any of the directories."""
    ways = pl.concat([_ways(each) for each in directories]).unique()
    tenants = frozenset().union(*(each.tenants for each in directories))
    reached: set[str] = set()
    found = set(subjects)
    while found:
        reached |= found
        below = ways.join(pl.DataFrame({"value": sorted(found)}, schema={"value": pl.String}), on="value", how="semi")
        found = set(below["subject"]) - reached
    return tuple(sorted(reached & tenants))


def _ways(directory: Directory) -> pl.DataFrame:
    """From each subject to whom its answers may rest on, and to who leads back to it."""
    frame = directory.frame.filter(~pl.col("value").is_in([SELF, DISPERSED]))
    up = frame.filter(pl.col("predicate").is_in(UPWARD)).select("subject", "value")
    back = frame.filter(pl.col("predicate").is_in(BACKWARD)).select(subject="value", value="subject")
    return pl.concat([up, back])


def _without(left: pl.DataFrame, right: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    return left.join(right, on=columns, how="anti", nulls_equal=True, maintain_order="left")
