"""
All that is known about tenants and parties, as one table, out of which those who are asked about are taken.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from policy.kyc.statements import Statement, frame_of, statements_of
from policy.kyc.view import View, with_heads
from policy.kyc.vocabulary import BACKWARD, DISPERSED, OF_LISTING, PREDICATES, SELF, UPWARD


@dataclass(frozen=True, kw_only=True)
class Directory:
    """
    All statements, schema :data:`policy.kyc.statements.STATEMENTS`.

    ``digest``: SHA-256, in hex, of what they were read from.
    """

    frame: pl.DataFrame
    digest: str

    @classmethod
    def of(cls, statements: Iterable[Statement]) -> "Directory":
        """A directory of these statements; the digest is of them, whatever their order."""
        rows = sorted(statements, key=repr)
        digest = hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()
        return cls(frame=frame_of(rows), digest=digest)

    @cached_property
    def tenants(self) -> frozenset[str]:
        """The ids of all tenants: whatever an account's predicate is said of."""
        of_accounts = [name for name, each in PREDICATES.items() if each.about == "tenant"]
        found = self.frame.filter(pl.col("predicate").is_in(of_accounts))
        return frozenset(found["subject"])

    def as_known(self, day: date) -> "Directory":
        """The statements that the provider held to be true at the end of a day."""
        since = pl.col("known_from").is_null() | (pl.col("known_from") <= day)
        until = pl.col("known_to").is_null() | (pl.col("known_to") > day)
        return Directory(frame=self.frame.filter(since & until), digest=self.digest)

    def around(self, subjects: Collection[str]) -> View:
        """What is said of some subjects, and of all that their answers may rest on."""
        upward = self.upward(subjects)
        led_to = upward.filter(pl.col("predicate").is_in(UPWARD))["value"]
        reached = pl.concat([upward["subject"], led_to, pl.Series(sorted(subjects), dtype=pl.String)]).unique()
        return View(statements_of(pl.concat([upward, self._backward(reached)])))

    def _backward(self, reached: pl.Series) -> pl.DataFrame:
        """
        The rows by which others lead to those that were reached, and what decides whether these are on lists.

        Not what leads on from them: who directs a thousand companies would bring in all that stand above each.
        """
        others = self.frame.filter(~pl.col("subject").is_in(reached.implode()))
        leading = others.filter(pl.col("predicate").is_in(BACKWARD), pl.col("value").is_in(reached.implode()))
        subjects = pl.Series(with_heads(leading["subject"], self._heads_of), dtype=pl.String)
        of_lists = others.filter(pl.col("predicate").is_in(OF_LISTING), pl.col("subject").is_in(subjects.implode()))
        return pl.concat([leading, of_lists])

    def _heads_of(self, party: str) -> Sequence[str]:
        return self._heads.get(party, ())

    @cached_property
    def _heads(self) -> Mapping[str, list[str]]:
        """Whose branch each branch is, by any source and on any day."""
        found: dict[str, list[str]] = {}
        said = self.frame.filter(pl.col("predicate") == "branch_of").select("subject", "value")
        for subject, head in said.iter_rows():
            found.setdefault(subject, []).append(head)
        return found

    def upward(self, subjects: Collection[str]) -> pl.DataFrame:
        """The rows about the subjects and about whom these rows lead to, until none leads further."""
        parts: list[pl.DataFrame] = [self.frame.clear()]
        asked: set[str] = set()
        wanted = set(subjects)
        while wanted:
            part = self.frame.filter(pl.col("subject").is_in(sorted(wanted)))
            parts.append(part)
            asked |= wanted
            led_to = part.filter(pl.col("predicate").is_in(UPWARD))["value"].unique()
            wanted = {each for each in led_to if each not in (SELF, DISPERSED)} - asked
        return pl.concat(parts)

    @property
    def changes(self) -> Sequence[date]:
        """The days on which what is known changed, the oldest first."""
        days = pl.concat([self.frame["known_from"], self.frame["known_to"].rename("known_from")])
        return days.drop_nulls().unique().sort().to_list()
