"""The queue over HTTP: list tickets, read one, take it, decide it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from policy.review.api.bodies import (
    DecisionRequest,
    ListQuery,
    TakeRequest,
    TicketDetail,
    TicketLine,
    TicketList,
)
from policy.review.store import TicketStore

router = APIRouter(prefix="/v1/tickets")


async def _store(request: Request) -> TicketStore:
    store: TicketStore = request.app.state.store
    return store


async def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


async def _actor(request: Request) -> str:
    """Whoever holds the token; never anything that the request says."""
    actor: str = request.state.actor
    return actor


Store = Annotated[TicketStore, Depends(_store)]
Now = Annotated[datetime, Depends(_now)]
Actor = Annotated[str, Depends(_actor)]


@router.get("")
def list_tickets(store: Store, query: Annotated[ListQuery, Query()]) -> TicketList:
    """One page of tickets, the newest first."""
    page = store.list(state=query.state, limit=query.limit, cursor=query.cursor)
    return TicketList(tickets=[TicketLine.of(ticket) for ticket in page.tickets], next_cursor=page.next_cursor)


@router.get("/{ticket_id}")
def read_ticket(store: Store, ticket_id: str) -> TicketDetail:
    """A ticket with its whole record."""
    return TicketDetail.of_record(store.read(ticket_id))


@router.post("/{ticket_id}/take")
def take_ticket(store: Store, now: Now, actor: Actor, ticket_id: str, _body: TakeRequest | None = None) -> TicketDetail:
    """The ticket, now the caller's."""
    store.take(ticket_id, actor, now)
    return TicketDetail.of_record(store.read(ticket_id))


@router.post("/{ticket_id}/decision")
def decide_ticket(store: Store, now: Now, actor: Actor, ticket_id: str, body: DecisionRequest) -> TicketDetail:
    """The ticket, decided by the caller."""
    store.decide(ticket_id, actor, body.outcome, body.reason, now)
    return TicketDetail.of_record(store.read(ticket_id))
