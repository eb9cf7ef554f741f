"""
What the API takes and gives about stitches, as JSON. The rules of ``bodies`` hold here.

Pieces and tenants are opaque ids.
"""

from typing import Any, Self

from pydantic import Field

from policy.judgement.stitch import Across, StitchWord
from policy.review.api.bodies import AnswerBody, Reason, RequestBody, Utc
from policy.review.stitch import NOTICE, WORD_MEANINGS, Stitch, StitchAnswer, StitchProposal, StitchRecord, StitchState

STITCH_ID = r"^stitch-[0-9a-f]{16}$"


class StitchQuery(RequestBody):
    """Which stitches to list; a tenant's are those of which a piece is its own."""

    state: StitchState | None = None
    across: Across | None = None
    tenant_id: str | None = Field(default=None, max_length=512)
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, pattern=STITCH_ID)


class ProposalRequest(RequestBody):
    """What to say to the stitch, and why."""

    word: StitchWord
    reason: Reason


class AnswerRequest(RequestBody):
    """Whether the proposal of this position is approved, and why."""

    position: int = Field(ge=1)
    approved: bool = Field(strict=True)
    reason: Reason


class ToldBody(AnswerBody):
    """What the engine tells of a stitch."""

    earlier_piece: str
    later_piece: str
    earlier_tenant_id: str | None
    later_tenant_id: str | None
    across: Across
    strength: float
    reasons: tuple[str, ...]
    earlier_seen: Utc
    later_seen: Utc


class StitchLine(ToldBody):
    """A stitch in a list: what was told last, the word in force, and whether the two pieces count as one run."""

    id: str
    state: StitchState
    word: StitchWord
    is_joined: bool
    first_told_at: Utc
    last_told_at: Utc

    @classmethod
    def of(cls, record: StitchRecord) -> Self:
        """The line of a stitch."""
        return cls(**_line(record))


class StitchList(AnswerBody):
    """One page of stitches, the newest first; ``next_cursor`` is null on the last."""

    stitches: list[StitchLine]
    next_cursor: str | None


class StitchAnswerBody(AnswerBody):
    """What came of a proposal."""

    actor: str
    at: Utc
    approved: bool
    reason: str

    @classmethod
    def of(cls, given: StitchAnswer | None) -> Self | None:
        """The body of an answer; none while nobody has answered."""
        return None if given is None else cls.model_validate(given)


class ProposalBody(AnswerBody):
    """A proposal, with what its word means and what had been told when it was made."""

    position: int
    word: StitchWord
    meaning: str
    actor: str
    at: Utc
    reason: str
    told: ToldBody
    answer: StitchAnswerBody | None

    @classmethod
    def of(cls, proposal: StitchProposal) -> Self:
        """The body of a proposal."""
        return cls(
            position=proposal.position,
            word=proposal.word,
            meaning=WORD_MEANINGS[proposal.word],
            actor=proposal.actor,
            at=proposal.at,
            reason=proposal.reason,
            told=ToldBody.model_validate(proposal.told),
            answer=StitchAnswerBody.of(proposal.answer),
        )


class StitchDetail(StitchLine):
    """A stitch with its whole record."""

    notice: str = NOTICE
    meaning: str
    proposals: list[ProposalBody]

    @classmethod
    def of_record(cls, record: StitchRecord) -> Self:
        """The detail of a stitch."""
        return cls(
            **_line(record),
            meaning=WORD_MEANINGS[record.word],
            proposals=[ProposalBody.of(each) for each in record.proposals],
        )


def _line(record: StitchRecord) -> dict[str, Any]:
    return {
        **_told(record.stitch),
        "id": record.stitch.stitch_id,
        "state": record.state,
        "word": record.word,
        "is_joined": record.is_joined,
        "first_told_at": record.first_told_at,
        "last_told_at": record.last_told_at,
    }


def _told(stitch: Stitch) -> dict[str, Any]:
    return {name: getattr(stitch, name) for name in ToldBody.model_fields}
