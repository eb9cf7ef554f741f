"""
What the engine is connected to: a source that hears nodes, a queue that takes findings, a book of stitches.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

import polars as pl

from policy.judgement.settled import NOTHING_SETTLED, Settled
from policy.judgement.stitch import NO_WORDS, Words
from policy.rules.finding import Finding
from policy.usage.sources.target import Heard


class Source(Protocol):
    """Hears every node once. Never raises for what a node does."""

    def __call__(self, known: Collection[str], /) -> Sequence[Heard]:
        """
        Every target's answer. A target that is not among them is no longer asked, and its node is retired.

        ``known``: the names of the targets whose nodes the newest snapshot has and has not retired.
        """
        ...


class Queue(Protocol):
    """Takes findings and makes them tickets: all of a cycle or none, and the same again changes nothing."""

    def submit(self, findings: Sequence[Finding], at: datetime) -> object:
        """Take the findings of one cycle."""
        ...


class StitchBook(Protocol):
    """What people say to stitches, and where they find what the engine tells of them."""

    def words(self) -> Words:
        """The words in force, by the stitch's id. A stitch without one stands as it is told."""
        ...

    def settled(self) -> Settled:
        """Of which pieces these words say that they are one effort, or two; also where their stitch is not told."""
        ...

    def tell(self, stitches: pl.DataFrame, at: datetime) -> None:
        """Take the stitches of one cycle, schema STITCHES: all or none, and the same again changes nothing."""
        ...


class BlankBook:
    """A book in which nobody writes: it has no word, and forgets what it is told."""

    def words(self) -> Words:
        """None."""
        return NO_WORDS

    def settled(self) -> Settled:
        """Nothing."""
        return NOTHING_SETTLED

    def tell(self, stitches: pl.DataFrame, at: datetime) -> None:
        """Forget them."""


BLANK_BOOK = BlankBook()

Observer = Callable[[str], None]
"""Told the name of each step when it is done."""
