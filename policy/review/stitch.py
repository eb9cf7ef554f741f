"""
A stitch in review: what the engine told of it last, and what people said to it.

One person proposes a word, with a reason; it is in force once another person has approved it. Only the newest proposal
of a stitch can be answered, so that a later one supersedes it; all are kept, each with what the engine told when it was
made. A stitch that is told again, or no longer, keeps its word, for the word is about the two pieces.

It leaves out deadlines, and says nothing about why work is in pieces. Pure: the time arrives as an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import polars as pl

from policy.frames import conform
from policy.judgement.stitch import STITCHES, Across, StitchWord
from policy.review.errors import OwnProposal, ProposalNotOpen, WordInForce
from policy.review.reason import checked_reason

NOTICE = (
    "A stitch says that one piece of work may go on where another stopped. It does not say why, and it is not a finding"
    " that any law was broken."
)

WORD_MEANINGS: Mapping[StitchWord, str] = MappingProxyType(
    {
        StitchWord.CONFIRMED: "The two pieces are one effort and count as one run.",
        StitchWord.UNDONE: "The two pieces are two efforts and count apart.",
        StitchWord.AS_TOLD: "Nobody settles it: pieces of one tenant or group count as one run, other pieces apart.",
    }
)


class StitchState(StrEnum):
    """Where a stitch stands: only told, with a proposal that waits for a second person, or with a word in force."""

    TOLD = "told"
    PROPOSED = "proposed"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitch:
    """What the engine tells of one stitch. A tenant id is None where nobody claimed the piece."""

    stitch_id: str
    earlier_piece: str
    later_piece: str
    earlier_tenant_id: str | None
    later_tenant_id: str | None
    across: Across
    strength: float
    reasons: tuple[str, ...]
    earlier_seen: datetime
    later_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchAnswer:
    """What came of a proposal: approved by a second person, or declined by one, or withdrawn by who made it."""

    actor: str
    at: datetime
    approved: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchProposal:
    """
    A word that one person proposes, on what the engine had told last. Proposals of a stitch are numbered from 1.

    ``answer`` is None while nobody has answered, which nobody can any more once there is a newer proposal.
    """

    position: int
    word: StitchWord
    actor: str
    at: datetime
    reason: str
    told: Stitch
    answer: StitchAnswer | None = None

    @property
    def approved_by(self) -> str | None:
        """The second person, or None where no one approved."""
        return self.answer.actor if self.answer is not None and self.answer.approved else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchRecord:
    """A stitch as the engine told it last, when it did so first and last, and all that was proposed, oldest first."""

    stitch: Stitch
    first_told_at: datetime
    last_told_at: datetime
    proposals: tuple[StitchProposal, ...]

    @property
    def state(self) -> StitchState:
        """Where it stands."""
        return state_of(self.proposals)

    @property
    def word(self) -> StitchWord:
        """The word in force."""
        return word_of(self.proposals)

    @property
    def is_joined(self) -> bool:
        """Whether the two pieces count as one run."""
        return is_joined(self.stitch.across, self.word)


def stitches_of(frame: pl.DataFrame) -> tuple[Stitch, ...]:
    """The stitches of a frame with schema STITCHES, in its order. SchemaMismatch for any other frame."""
    rows = conform(frame, STITCHES, "stitches").iter_rows(named=True)
    return tuple(Stitch(**{**row, "across": Across(row["across"]), "reasons": tuple(row["reasons"])}) for row in rows)


def is_joined(across: Across, word: StitchWord) -> bool:
    """Whether two pieces count as one run: as people say, else unless they are of different groups."""
    return word is StitchWord.CONFIRMED or (word is StitchWord.AS_TOLD and across is not Across.OTHER_GROUP)


def word_of(proposals: Sequence[StitchProposal]) -> StitchWord:
    """The word in force: that of the newest approved proposal."""
    approved = [each.word for each in proposals if each.approved_by is not None]
    return approved[-1] if approved else StitchWord.AS_TOLD


def state_of(proposals: Sequence[StitchProposal]) -> StitchState:
    """Where a stitch with these proposals stands. Who takes a word back by approving ``as_told`` has decided, too."""
    if proposals and proposals[-1].answer is None:
        return StitchState.PROPOSED
    return StitchState.DECIDED if any(each.approved_by for each in proposals) else StitchState.TOLD


def propose(record: StitchRecord, actor: str, word: StitchWord, reason: str, at: datetime) -> StitchProposal:
    """
    The next proposal on a stitch; the newest one itself when the same person proposes the same again.

    ReasonMissing; WordInForce when it would change nothing.
    """
    text = checked_reason(f"stitch {record.stitch.stitch_id}", reason)
    newest = record.proposals[-1] if record.proposals else None
    if newest and newest.answer is None and (newest.actor, newest.word, newest.reason) == (actor, word, text):
        return newest
    if word is record.word:
        raise WordInForce(stitch_id=record.stitch.stitch_id, word=word)
    return StitchProposal(
        position=len(record.proposals) + 1, word=word, actor=actor, at=at, reason=text, told=record.stitch
    )


def answer(
    record: StitchRecord, position: int, actor: str, reason: str, at: datetime, *, approved: bool
) -> StitchAnswer:
    """
    The answer to the newest proposal of a stitch; the one it has, when the same person answers the same again.

    ReasonMissing; ProposalNotOpen for any other proposal and for an answered one; OwnProposal for who approves theirs.
    """
    stitch_id = record.stitch.stitch_id
    text = checked_reason(f"stitch {stitch_id}", reason)
    newest = record.proposals[-1] if record.proposals else None
    if newest is None or newest.position != position:
        raise ProposalNotOpen(stitch_id=stitch_id, position=position)
    if newest.answer is not None:
        if (newest.answer.actor, newest.answer.approved) == (actor, approved):
            return newest.answer
        raise ProposalNotOpen(stitch_id=stitch_id, position=position)
    if approved and actor == newest.actor:
        raise OwnProposal(stitch_id=stitch_id, position=position)
    return StitchAnswer(actor=actor, at=at, approved=approved, reason=text)
