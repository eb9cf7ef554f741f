"""
What the API takes and gives, as JSON, about tickets; ``stitch_bodies`` has what is about stitches.

Requests with a key that is not here are refused. Times are UTC and end in Z; a number without bound is the text "inf".
Subjects are opaque ids or names of products: no name of a party is in any of these.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from policy.review.ticket import (
    NOTICE,
    OUTCOME_MEANINGS,
    Decision,
    EventKind,
    KeptFinding,
    Outcome,
    Ticket,
    TicketRecord,
    TicketState,
)
from policy.rules.finding import Severity, Strength, SubjectKind


def _in_utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


Utc = Annotated[datetime, PlainSerializer(_in_utc)]

Reason = Annotated[str, Field(max_length=20_000)]

TICKET_ID = r"^T-[0-9a-f]{12}$"


class RequestBody(BaseModel):
    """What is asked: a key that is not declared is refused."""

    model_config = ConfigDict(extra="forbid")


class AnswerBody(BaseModel):
    """What is answered: made from a value with the same fields."""

    model_config = ConfigDict(from_attributes=True, ser_json_inf_nan="strings")


class ListQuery(RequestBody):
    """Which tickets to list."""

    state: TicketState | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, pattern=TICKET_ID)


class TakeRequest(RequestBody):
    """Nothing: the actor is whoever holds the token."""


class DecisionRequest(RequestBody):
    """How the ticket ends, and why."""

    outcome: Outcome
    reason: Reason


class TicketLine(AnswerBody):
    """A ticket in a list."""

    id: str
    state: TicketState
    severity: Severity
    strength: Strength
    rule_id: str
    title: str
    subject_kind: SubjectKind
    subject_id: str
    opened_at: Utc
    taken_by: str | None
    summary: str

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        """The line of a ticket."""
        return cls(**_line(ticket))


class TicketList(AnswerBody):
    """One page of tickets, the newest first; ``next_cursor`` is null on the last."""

    tickets: list[TicketLine]
    next_cursor: str | None


class ComparisonBody(AnswerBody):
    """One number the rule compared, as an interval; null where there is no estimate, and then the reasons say why."""

    name: str
    low: float
    likely: float | None
    high: float | None
    tier_name: str
    tier: float
    unit: str


class Digests(AnswerBody):
    """The exact facts, rules and inputs that were used."""

    facts: str
    rules: str
    inputs: str


class FindingLine(AnswerBody):
    """One of the findings that the ticket has had."""

    finding_id: str
    noted_at: Utc
    as_of: Utc
    severity: Severity
    strength: Strength
    run_ids: tuple[str, ...]
    nodes: tuple[str, ...]

    @classmethod
    def of(cls, kept: KeptFinding) -> Self:
        """The line of a finding."""
        found = kept.finding
        return cls(
            finding_id=kept.finding_id,
            noted_at=kept.noted_at,
            as_of=found.as_of,
            severity=found.severity,
            strength=found.strength,
            run_ids=found.run_ids,
            nodes=found.nodes,
        )


class EventBody(AnswerBody):
    """One entry of the record."""

    position: int
    at: Utc
    kind: EventKind
    actor: str
    finding_id: str
    changed: tuple[str, ...]


class DecisionBody(AnswerBody):
    """A decision, with what its outcome means."""

    actor: str
    at: Utc
    outcome: Outcome
    meaning: str
    reason: str
    finding_id: str

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """The body of a decision."""
        return cls(
            actor=decision.actor,
            at=decision.at,
            outcome=decision.outcome,
            meaning=OUTCOME_MEANINGS[decision.outcome],
            reason=decision.reason,
            finding_id=decision.finding_id,
        )


class TicketDetail(TicketLine):
    """A ticket with its latest finding and its whole record."""

    notice: str = NOTICE
    previous_ticket_id: str | None
    finding_id: str
    rule_version: int
    run_ids: tuple[str, ...]
    nodes: tuple[str, ...]
    activities: tuple[str, ...]
    answers: tuple[str, ...]
    named_hardware: str
    as_of: Utc
    law_at: date
    reasons: tuple[str, ...]
    asks: str
    comparisons: tuple[ComparisonBody, ...]
    sources: tuple[str, ...]
    digests: Digests
    findings: list[FindingLine]
    events: list[EventBody]
    decisions: list[DecisionBody]

    @classmethod
    def of_record(cls, record: TicketRecord) -> Self:
        """The detail of a ticket."""
        ticket, found = record.ticket, record.ticket.finding
        return cls(
            **_line(ticket),
            previous_ticket_id=ticket.previous_ticket_id,
            finding_id=ticket.finding_id,
            rule_version=found.rule_version,
            run_ids=found.run_ids,
            nodes=found.nodes,
            activities=found.activities,
            answers=found.answers,
            named_hardware=found.named_hardware,
            as_of=found.as_of,
            law_at=found.law_at,
            reasons=found.reasons,
            asks=found.asks,
            comparisons=tuple(ComparisonBody.model_validate(comparison) for comparison in found.comparisons),
            sources=found.sources,
            digests=Digests(facts=found.facts_digest, rules=found.rules_digest, inputs=found.inputs_digest),
            findings=[FindingLine.of(kept) for kept in record.findings],
            events=[EventBody.model_validate(event) for event in record.events],
            decisions=[DecisionBody.of(decision) for decision in record.decisions],
        )


def _line(ticket: Ticket) -> dict[str, Any]:
    found = ticket.finding
    return {
        "id": ticket.ticket_id,
        "state": ticket.state,
        "severity": found.severity,
        "strength": found.strength,
        "rule_id": found.rule_id,
        "title": found.title,
        "subject_kind": found.subject_kind,
        "subject_id": found.subject_id,
        "opened_at": ticket.opened_at,
        "taken_by": ticket.taken_by,
        "summary": found.summary,
    }
