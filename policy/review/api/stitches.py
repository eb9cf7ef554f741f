"""Stitches over HTTP: list them, read one, propose a word, answer another person's proposal."""

from typing import Annotated

from fastapi import APIRouter, Query

from policy.review.api.given import Actor, Now, Store
from policy.review.api.stitch_bodies import (
    AnswerRequest,
    ProposalRequest,
    StitchDetail,
    StitchLine,
    StitchList,
    StitchQuery,
)
from policy.review.store import StitchFilter

router = APIRouter(prefix="/v1/stitches")


@router.get("")
def list_stitches(store: Store, query: Annotated[StitchQuery, Query()]) -> StitchList:
    """One page of stitches, the newest first."""
    which = StitchFilter(state=query.state, across=query.across, tenant_id=query.tenant_id)
    page = store.stitches.list(which, limit=query.limit, cursor=query.cursor)
    return StitchList(stitches=[StitchLine.of(each) for each in page.records], next_cursor=page.next_cursor)


@router.get("/{stitch_id}")
def read_stitch(store: Store, stitch_id: str) -> StitchDetail:
    """A stitch with its whole record."""
    return StitchDetail.of_record(store.stitches.read(stitch_id))


@router.post("/{stitch_id}/proposal")
def propose_word(store: Store, now: Now, actor: Actor, stitch_id: str, body: ProposalRequest) -> StitchDetail:
    """The stitch, with the caller's proposal, which waits for a second person."""
    store.stitches.propose(stitch_id, actor, body.word, body.reason, now)
    return StitchDetail.of_record(store.stitches.read(stitch_id))


@router.post("/{stitch_id}/answer")
def answer_proposal(store: Store, now: Now, actor: Actor, stitch_id: str, body: AnswerRequest) -> StitchDetail:
    """The stitch, its newest proposal approved or declined by the caller."""
    record = store.stitches.answer(stitch_id, body.position, actor, body.reason, now, approved=body.approved)
    return StitchDetail.of_record(record)
