"""The queue over HTTP: list tickets, read one, take it, decide it."""

from typing import Annotated

from fastapi import APIRouter, Query

from policy.review.api.bodies import (
    DecisionRequest,
    ListQuery,
    TakeRequest,
    TicketDetail,
    TicketLine,
    TicketList,
)
from policy.review.api.given import Actor, Now, Store

router = APIRouter(prefix="/v1/tickets")


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
