"""Rows to stitches, proposals and answers, and back: each statement that the store of stitches needs, once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, insert, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from policy.judgement.stitch import Across, StitchWord
from policy.review.errors import StitchNotFound
from policy.review.stitch import Stitch, StitchAnswer, StitchProposal, StitchRecord
from policy.review.store.documents import document_of_stitch, stitch_of
from policy.review.store.tables import stitch_answers, stitch_proposals, stitches

UPSERTS: Mapping[str, Callable[[Table], Any]] = MappingProxyType(
    {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
)
"""Insert or update in one statement; SQL has it, each database in words of its own."""

Proposals = Mapping[str, tuple[StitchProposal, ...]]
"""All that was proposed, oldest first, by the id of the stitch. People make them, so they are few."""

_TOLD_COLUMNS = [column.name for column in stitches.columns if not column.name.endswith("_told_at")]
_SAME_PROPOSAL = (stitch_answers.c.stitch_id == stitch_proposals.c.stitch_id) & (
    stitch_answers.c.position == stitch_proposals.c.position
)
_PROPOSALS = (
    select(
        stitch_proposals,
        stitch_answers.c.actor.label("answered_by"),
        stitch_answers.c.at.label("answered_at"),
        stitch_answers.c.approved,
        stitch_answers.c.reason.label("answer_reason"),
    )
    .join(stitch_answers, _SAME_PROPOSAL, isouter=True)
    .order_by(stitch_proposals.c.stitch_id, stitch_proposals.c.position)
)


def put_stitches(connection: Connection, told: Sequence[Stitch], at: datetime) -> None:
    """Write what the engine told. What was told of a later moment stays."""
    upsert = UPSERTS[connection.dialect.name](stitches)
    changed = {name: upsert.excluded[name] for name in (*_TOLD_COLUMNS, "last_told_at")}
    newer = upsert.excluded.last_told_at >= stitches.c.last_told_at
    values = [{**_told(each), "first_told_at": at, "last_told_at": at} for each in told]
    connection.execute(upsert.on_conflict_do_update(index_elements=["stitch_id"], set_=changed, where=newer), values)


def read_stitch(connection: Connection, stitch_id: str, *, to_write: bool = False) -> StitchRecord:
    """
    The stitch with this id, or StitchNotFound.

    ``to_write`` locks it until the transaction ends where the database locks rows, so that two people's words on one
    stitch come one after the other.
    """
    query = select(stitches).where(stitches.c.stitch_id == stitch_id)
    row = connection.execute(query.with_for_update() if to_write else query).one_or_none()
    if row is None:
        raise StitchNotFound(stitch_id=stitch_id)
    return _record(row, proposals(connection, stitch_id).get(stitch_id, ()))


def page_of_stitches(
    connection: Connection, where: Collection[ColumnElement[bool]], limit: int, after: StitchRecord | None
) -> tuple[StitchRecord, ...]:
    """Stitches for which all of that holds, the newest first, beginning after a given one."""
    order = (stitches.c.first_told_at, stitches.c.stitch_id)
    query = select(stitches).where(*where).order_by(*(column.desc() for column in order)).limit(limit)
    if after is not None:
        last = tuple_(after.first_told_at, after.stitch.stitch_id, types=[column.type for column in order])
        query = query.where(tuple_(*order) < last)
    known = proposals(connection)
    return tuple(_record(row, known.get(row.stitch_id, ())) for row in connection.execute(query))


def proposals(connection: Connection, stitch_id: str | None = None) -> Proposals:
    """All that was proposed on one stitch, or on any."""
    query = _PROPOSALS if stitch_id is None else _PROPOSALS.where(stitch_proposals.c.stitch_id == stitch_id)
    found: dict[str, tuple[StitchProposal, ...]] = {}
    for row in connection.execute(query):
        found[row.stitch_id] = (*found.get(row.stitch_id, ()), _proposal(row))
    return found


def add_proposal(connection: Connection, proposal: StitchProposal) -> None:
    """Append a proposal."""
    values = {name: getattr(proposal, name) for name in ("position", "word", "actor", "at", "reason")}
    told = {"stitch_id": proposal.told.stitch_id, "told": document_of_stitch(proposal.told)}
    connection.execute(insert(stitch_proposals).values({**values, **told}))


def add_answer(connection: Connection, stitch_id: str, position: int, answer: StitchAnswer) -> None:
    """Append the answer to a proposal."""
    values = {name: getattr(answer, name) for name in ("actor", "at", "approved", "reason")}
    connection.execute(insert(stitch_answers).values({"stitch_id": stitch_id, "position": position, **values}))


def of_tenant(tenant_id: str) -> ColumnElement[bool]:
    """Stitches of which one piece or both are a tenant's."""
    return or_(stitches.c.earlier_tenant_id == tenant_id, stitches.c.later_tenant_id == tenant_id)


def _record(row: Row[Any], made: tuple[StitchProposal, ...]) -> StitchRecord:
    values = {name: row._mapping[name] for name in _TOLD_COLUMNS}
    stitch = Stitch(**{**values, "across": Across(values["across"]), "reasons": tuple(values["reasons"])})
    return StitchRecord(stitch=stitch, first_told_at=row.first_told_at, last_told_at=row.last_told_at, proposals=made)


def _proposal(row: Row[Any]) -> StitchProposal:
    return StitchProposal(
        position=row.position,
        word=StitchWord(row.word),
        actor=row.actor,
        at=row.at,
        reason=row.reason,
        told=stitch_of(row.told),
        answer=_answer(row),
    )


def _answer(row: Row[Any]) -> StitchAnswer | None:
    if row.answered_by is None:
        return None
    return StitchAnswer(actor=row.answered_by, at=row.answered_at, approved=row.approved, reason=row.answer_reason)


def _told(stitch: Stitch) -> dict[str, Any]:
    return {**{name: getattr(stitch, name) for name in _TOLD_COLUMNS}, "reasons": list(stitch.reasons)}
