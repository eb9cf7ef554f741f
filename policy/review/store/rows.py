"""Rows to values and values to rows: each statement that the store needs, once."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table, func, insert, select, tuple_, update

from policy.review.errors import TicketNotFound
from policy.review.store.documents import document_of, finding_of
from policy.review.store.tables import decisions, findings, ticket_events, tickets
from policy.review.ticket import Decision, EventKind, KeptFinding, Outcome, Ticket, TicketEvent, TicketState
from policy.rules.finding import Finding

_TICKETS = select(tickets, findings.c.document).join(
    findings, (findings.c.ticket_id == tickets.c.ticket_id) & (findings.c.finding_id == tickets.c.finding_id)
)


def read_ticket(connection: Connection, ticket_id: str) -> Ticket:
    """The ticket with this id, or TicketNotFound."""
    row = connection.execute(_TICKETS.where(tickets.c.ticket_id == ticket_id)).one_or_none()
    if row is None:
        raise TicketNotFound(ticket_id=ticket_id)
    return _ticket(row)


def latest_ticket(connection: Connection, subject_key: str) -> Ticket | None:
    """The newest ticket of a subject key, locked until the transaction ends where the database locks rows."""
    newest = _TICKETS.where(tickets.c.subject_key == subject_key).order_by(tickets.c.ordinal.desc()).limit(1)
    row = connection.execute(newest.with_for_update(of=tickets)).one_or_none()
    return None if row is None else _ticket(row)


def page_of_tickets(
    connection: Connection, state: TicketState | None, limit: int, after: Ticket | None
) -> tuple[Ticket, ...]:
    """Tickets, the newest first, beginning after a given one."""
    order = (tickets.c.opened_at, tickets.c.ticket_id)
    query: Select[Any] = _TICKETS.order_by(*(column.desc() for column in order)).limit(limit)
    if state is not None:
        query = query.where(tickets.c.state == state)
    if after is not None:
        query = query.where(tuple_(*order) < tuple_(after.opened_at, after.ticket_id, types=[c.type for c in order]))
    return tuple(_ticket(row) for row in connection.execute(query))


def add_ticket(connection: Connection, ticket: Ticket) -> None:
    """Write a new ticket and its finding."""
    connection.execute(insert(tickets).values(_values(tickets, ticket)))
    _add_finding(connection, ticket.ticket_id, ticket.finding, ticket.opened_at)


def put_finding(connection: Connection, ticket: Ticket, finding: Finding, at: datetime) -> Ticket:
    """The ticket with its newest finding, which takes the place of the one before unless an event names that one."""
    if _is_named(connection, ticket):
        _add_finding(connection, ticket.ticket_id, finding, at)
    else:
        same = (findings.c.ticket_id == ticket.ticket_id) & (findings.c.finding_id == ticket.finding_id)
        connection.execute(update(findings).where(same).values(_finding_values(finding, at)))
    ours = tickets.c.ticket_id == ticket.ticket_id
    connection.execute(update(tickets).where(ours).values(finding_id=finding.finding_id))
    return replace(ticket, finding_id=finding.finding_id, finding=finding)


def swap_ticket(connection: Connection, before: Ticket, after: Ticket) -> bool:
    """Write a ticket's new state, if it still stands as it did; False when somebody was faster."""
    unchanged = (
        (tickets.c.ticket_id == before.ticket_id)
        & (tickets.c.state == before.state)
        & (tickets.c.finding_id == before.finding_id)
    )
    swap = update(tickets).where(unchanged).values(state=after.state, taken_by=after.taken_by)
    return connection.execute(swap).rowcount == 1


def add_event(
    connection: Connection, ticket: Ticket, kind: EventKind, actor: str, at: datetime, changed: Collection[str] = ()
) -> None:
    """Append to the record of a ticket. The transaction has written to the ticket before, so numbers do not clash."""
    number = _next(connection, ticket_events.c.position, ticket_events.c.ticket_id == ticket.ticket_id)
    event = TicketEvent(
        ticket_id=ticket.ticket_id,
        position=number,
        at=at,
        kind=kind,
        actor=actor,
        finding_id=ticket.finding_id,
        changed=tuple(changed),
    )
    connection.execute(insert(ticket_events).values(_values(ticket_events, event)))


def add_decision(connection: Connection, decision: Decision) -> None:
    """Append a decision."""
    connection.execute(insert(decisions).values(_values(decisions, decision)))


def kept_findings(connection: Connection, ticket_id: str) -> tuple[KeptFinding, ...]:
    """The findings of a ticket, oldest first."""
    rows = connection.execute(select(findings).where(findings.c.ticket_id == ticket_id).order_by(findings.c.position))
    return tuple(
        KeptFinding(finding_id=row.finding_id, noted_at=row.noted_at, finding=finding_of(row.document)) for row in rows
    )


def kept_ids(connection: Connection, ticket_id: str) -> frozenset[str]:
    """The ids of the findings of a ticket."""
    return frozenset(connection.scalars(select(findings.c.finding_id).where(findings.c.ticket_id == ticket_id)))


def events_of(connection: Connection, ticket_id: str) -> tuple[TicketEvent, ...]:
    """The record of a ticket, oldest entry first."""
    rows = connection.execute(
        select(ticket_events).where(ticket_events.c.ticket_id == ticket_id).order_by(ticket_events.c.position)
    ).mappings()
    return tuple(
        TicketEvent(**{**row, "kind": EventKind(row["kind"]), "changed": tuple(row["changed"])}) for row in rows
    )


def decisions_of(connection: Connection, ticket_id: str) -> tuple[Decision, ...]:
    """The decisions on a ticket: none or one."""
    rows = connection.execute(select(decisions).where(decisions.c.ticket_id == ticket_id)).mappings()
    return tuple(Decision(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows)


def _ticket(row: Row[Any]) -> Ticket:
    values = dict(row._mapping)
    document = values.pop("document")
    return Ticket(**{**values, "state": TicketState(values["state"]), "finding": finding_of(document)})


def _add_finding(connection: Connection, ticket_id: str, finding: Finding, at: datetime) -> None:
    number = _next(connection, findings.c.position, findings.c.ticket_id == ticket_id)
    values = {"ticket_id": ticket_id, "position": number, **_finding_values(finding, at)}
    connection.execute(insert(findings).values(values))


def _finding_values(finding: Finding, at: datetime) -> dict[str, Any]:
    return {"finding_id": finding.finding_id, "noted_at": at, "document": document_of(finding)}


def _is_named(connection: Connection, ticket: Ticket) -> bool:
    named = (ticket_events.c.ticket_id == ticket.ticket_id) & (ticket_events.c.finding_id == ticket.finding_id)
    return connection.execute(select(ticket_events.c.position).where(named).limit(1)).first() is not None


def _next(connection: Connection, position: Column[int], where: ColumnElement[bool]) -> int:
    return 1 + (connection.scalar(select(func.max(position)).where(where)) or 0)


def _values(table: Table, value: object) -> dict[str, Any]:
    return {column.name: getattr(value, column.name) for column in table.columns}
