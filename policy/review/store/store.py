"""
The store of tickets: what the engine submits and what people do to it, each in one transaction.

The store decides nothing. ``policy.review.ticket`` says what a finding does and which moves there are; the store reads,
asks, and writes the answer down together with its entry in the record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, Engine

from policy.review.errors import StoreSchemaOutdated
from policy.review.reason import checked_reason
from policy.review.store import rows
from policy.review.store.engine import engine_of, sqlite_file, writing
from policy.review.store.schema import NO_SCHEMA, newest, require_newest
from policy.review.store.stitches import StitchStore
from policy.review.ticket import (
    ENGINE,
    Decision,
    Effect,
    EventKind,
    Outcome,
    Ticket,
    TicketRecord,
    TicketState,
    changes,
    decided,
    effect_of,
    new_ticket,
    taken,
)
from policy.rules.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """
    The tickets that a cycle's findings opened, and those to whose record they added an entry.

    A finding that only brings numbers up to date, or says nothing new, is in neither.
    """

    opened: tuple[str, ...]
    updated: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPage:
    """Some tickets, the newest first, and the cursor that asks for the ones after them; None on the last page."""

    tickets: tuple[Ticket, ...]
    next_cursor: str | None


class TicketStore:
    """
    Tickets, findings, events and decisions in a database. Safe to share between threads.

    ``stitches`` is the store of stitches, over the same connections.
    """

    def __init__(self, engine: Engine) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self.stitches = StitchStore(engine)

    @classmethod
    def open(cls, url: str) -> Self:
        """The store at a database address; StoreSchemaOutdated unless ``upgrade(url)`` has been run."""
        file = sqlite_file(url)
        if file is not None and not file.exists():
            raise StoreSchemaOutdated(found=NO_SCHEMA, expected=newest())
        engine = engine_of(url)
        try:
            with engine.connect() as connection:
                require_newest(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Give back every connection."""
        self._reading.dispose()

    def submit(self, findings: Iterable[Finding], at: datetime) -> Submission:
        """Take in the findings of a cycle, all or none. Submitting them again changes nothing."""
        ids: dict[Effect, dict[str, None]] = {effect: {} for effect in Effect}
        with self._writing.begin() as connection:
            # Always in the same order, so that two engines wait for each other instead of blocking each other.
            for finding in sorted(findings, key=lambda finding: finding.subject_key):
                effect, ticket_id = _take_in(connection, finding, at)
                ids[effect][ticket_id] = None
        opened, updated = ids[Effect.OPEN], ids[Effect.UPDATE]
        return Submission(opened=tuple(opened), updated=tuple(key for key in updated if key not in opened))

    def list(self, state: TicketState | None = None, limit: int = 50, cursor: str | None = None) -> TicketPage:
        """One page of tickets, the newest first. The cursor is the id of the last ticket already seen."""
        with self._reading.connect() as connection:
            after = None if cursor is None else rows.read_ticket(connection, cursor)
            found = rows.page_of_tickets(connection, state, limit + 1, after)
        page = found[:limit]
        return TicketPage(tickets=page, next_cursor=page[-1].ticket_id if len(found) > limit else None)

    def read(self, ticket_id: str) -> TicketRecord:
        """A ticket with all that is recorded about it, or TicketNotFound."""
        with self._reading.connect() as connection:
            return TicketRecord(
                ticket=rows.read_ticket(connection, ticket_id),
                findings=rows.kept_findings(connection, ticket_id),
                events=rows.events_of(connection, ticket_id),
                decisions=rows.decisions_of(connection, ticket_id),
            )

    def take(self, ticket_id: str, actor: str, at: datetime) -> Ticket:
        """The ticket, now the actor's; the same again when it is theirs already. AlreadyTaken, AlreadyDecided."""
        with self._writing.begin() as connection:
            before, after = _take(connection, ticket_id, actor)
            if after != before:
                rows.add_event(connection, after, EventKind.TAKEN, actor, at)
        return after

    def decide(self, ticket_id: str, actor: str, outcome: Outcome, reason: str, at: datetime) -> Decision:
        """The decision, on the ticket's latest finding. ReasonMissing, NotTaken, AlreadyDecided."""
        text = checked_reason(f"ticket {ticket_id}", reason)
        with self._writing.begin() as connection:
            ticket = _decide(connection, ticket_id, actor)
            decision = Decision(
                ticket_id=ticket_id, actor=actor, at=at, outcome=outcome, reason=text, finding_id=ticket.finding_id
            )
            rows.add_decision(connection, decision)
            rows.add_event(connection, ticket, EventKind.DECIDED, actor, at)
        return decision


def _take_in(connection: Connection, finding: Finding, at: datetime) -> tuple[Effect, str]:
    latest = rows.latest_ticket(connection, finding.subject_key)
    kept_ids = frozenset[str]() if latest is None else rows.kept_ids(connection, latest.ticket_id)
    effect = effect_of(finding, latest, kept_ids)
    if latest is None or effect is Effect.OPEN:
        ticket = new_ticket(finding, latest, at)
        rows.add_ticket(connection, ticket)
        rows.add_event(connection, ticket, EventKind.OPENED, ENGINE, at)
        return effect, ticket.ticket_id
    if effect is not Effect.NOTHING:
        ticket = rows.put_finding(connection, latest, finding, at)
        changed = changes(finding, latest.finding)
        if effect is Effect.UPDATE:
            rows.add_event(connection, ticket, EventKind.FINDING_UPDATED, ENGINE, at, changed)
    return effect, latest.ticket_id


def _take(connection: Connection, ticket_id: str, actor: str) -> tuple[Ticket, Ticket]:
    """The ticket before and after. When somebody was faster, it is judged again as it stands now."""
    before = rows.read_ticket(connection, ticket_id)
    after = taken(before, actor)
    if after == before or rows.swap_ticket(connection, before, after):
        return before, after
    return _take(connection, ticket_id, actor)


def _decide(connection: Connection, ticket_id: str, actor: str) -> Ticket:
    """The ticket after the decision. When somebody was faster, it is judged again as it stands now."""
    before = rows.read_ticket(connection, ticket_id)
    after = decided(before, actor)
    if rows.swap_ticket(connection, before, after):
        return after
    return _decide(connection, ticket_id, actor)
