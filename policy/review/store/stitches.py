"""
The store of stitches: what the engine tells, and what people say to it, each in one transaction.

The store decides nothing. ``policy.review.stitch`` says who may say what; the store reads, asks, and writes it down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import ColumnElement, Engine

from policy.judgement.settled import Pairs, Settled
from policy.judgement.stitch import Across, StitchWord
from policy.review.stitch import (
    StitchProposal,
    StitchRecord,
    StitchState,
    answer,
    propose,
    state_of,
    stitches_of,
    word_of,
)
from policy.review.store import stitch_rows as rows
from policy.review.store.engine import writing
from policy.review.store.tables import stitches


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchPage:
    """Some stitches, the newest first, and the cursor that asks for the ones after them; None on the last page."""

    records: tuple[StitchRecord, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchFilter:
    """Which stitches to list: each of these, where it is not None. A tenant's are those of either piece."""

    state: StitchState | None = None
    across: Across | None = None
    tenant_id: str | None = None

    def conditions(self, made: rows.Proposals) -> list[ColumnElement[bool]]:
        """What has to hold of a row, where these are all the proposals."""
        found: list[ColumnElement[bool]] = []
        if self.state is not None:
            found.append(_in_state(self.state, made))
        if self.across is not None:
            found.append(stitches.c.across == self.across)
        if self.tenant_id is not None:
            found.append(rows.of_tenant(self.tenant_id))
        return found


EVERY_STITCH = StitchFilter()


class StitchStore:
    """Stitches, proposals and answers in a database. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._reading = engine
        self._writing = writing(engine)

    def tell(self, told: pl.DataFrame, at: datetime) -> None:
        """Take in the stitches of a cycle, schema STITCHES, all or none. Telling them again changes nothing."""
        # Always in the same order, so that two engines wait for each other instead of blocking each other.
        if found := sorted(stitches_of(told), key=lambda stitch: stitch.stitch_id):
            with self._writing.begin() as connection:
                rows.put_stitches(connection, found, at)

    def words(self) -> Mapping[str, StitchWord]:
        """The words in force, by the id of the stitch; none for a stitch of which no proposal was ever approved."""
        with self._reading.connect() as connection:
            known = rows.proposals(connection)
        return {key: word_of(made) for key, made in known.items() if any(each.approved_by for each in made)}

    def settled(self) -> Settled:
        """The pieces of every stitch that is confirmed, and of every one that is undone, by the word in force."""
        with self._reading.connect() as connection:
            known = rows.proposals(connection)

        def of_word(word: StitchWord) -> Pairs:
            told = (made[-1].told for made in known.values() if word_of(made) is word)
            return [(each.earlier_piece, each.later_piece) for each in told]

        return Settled(one=of_word(StitchWord.CONFIRMED), two=of_word(StitchWord.UNDONE))

    def list(self, which: StitchFilter = EVERY_STITCH, limit: int = 50, cursor: str | None = None) -> StitchPage:
        """One page of stitches, the newest first. The cursor is the id of the last stitch already seen."""
        with self._reading.connect() as connection:
            after = None if cursor is None else rows.read_stitch(connection, cursor)
            conditions = which.conditions(rows.proposals(connection))
            found = rows.page_of_stitches(connection, conditions, limit + 1, after)
        page = found[:limit]
        return StitchPage(records=page, next_cursor=page[-1].stitch.stitch_id if len(found) > limit else None)

    def read(self, stitch_id: str) -> StitchRecord:
        """A stitch with all that is recorded about it, or StitchNotFound."""
        with self._reading.connect() as connection:
            return rows.read_stitch(connection, stitch_id)

    def propose(self, stitch_id: str, actor: str, word: StitchWord, reason: str, at: datetime) -> StitchProposal:
        """The proposal, on what was told last. StitchNotFound, ReasonMissing, WordInForce."""
        with self._writing.begin() as connection:
            record = rows.read_stitch(connection, stitch_id, to_write=True)
            made = propose(record, actor, word, reason, at)
            if made not in record.proposals:
                rows.add_proposal(connection, made)
        return made

    def answer(
        self, stitch_id: str, position: int, actor: str, reason: str, at: datetime, *, approved: bool
    ) -> StitchRecord:
        """
        The stitch after the answer to its newest proposal.

        StitchNotFound, ReasonMissing, ProposalNotOpen, OwnProposal.
        """
        with self._writing.begin() as connection:
            record = rows.read_stitch(connection, stitch_id, to_write=True)
            given = answer(record, position, actor, reason, at, approved=approved)
            if given is not record.proposals[-1].answer:
                rows.add_answer(connection, stitch_id, position, given)
            return rows.read_stitch(connection, stitch_id)


def _in_state(state: StitchState, made: rows.Proposals) -> ColumnElement[bool]:
    """Only few stitches have proposals; all others are as told."""
    if state is StitchState.TOLD:
        return stitches.c.stitch_id.not_in([key for key, each in made.items() if state_of(each) is not state])
    return stitches.c.stitch_id.in_([key for key, each in made.items() if state_of(each) is state])
