"""
A ticket: one rule about one subject, waiting for a person to look at it and to decide.

This module believes that a queue which repeats itself is not read. A finding that says nothing new adds nothing to the
record, and a decided ticket stays decided until a finding names a run or a node that the decision did not know, has
become more serious, or has grown by an order of magnitude. It leaves out deadlines, second signatures and handing a
ticket on.

Pure: the time arrives as an argument.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from policy.review.errors import AlreadyDecided, AlreadyTaken, NotTaken, ReviewError
from policy.rules.finding import Comparison, Finding, Severity, Strength

ENGINE = "engine"
"""The actor of everything that the software does by itself; no person can have this id."""

NOTICE = "A ticket asks for review. It is not a finding that any law was broken, and it is not legal advice."


class TicketState(StrEnum):
    """Where a ticket stands."""

    OPEN = "open"
    TAKEN = "taken"
    DECIDED = "decided"


class Action(StrEnum):
    """What can be done to a ticket: the engine updates, people take and decide."""

    UPDATE = "update"
    TAKE = "take"
    DECIDE = "decide"


class EventKind(StrEnum):
    """What an entry of a ticket's record says."""

    OPENED = "opened"
    FINDING_UPDATED = "finding_updated"
    TAKEN = "taken"
    DECIDED = "decided"


class Outcome(StrEnum):
    """How a ticket can end. ``OUTCOME_MEANINGS`` says what each one means."""

    NOT_TRAINING = "not_training"
    OUT_OF_SCOPE = "out_of_scope"
    AUTHORISED = "authorised"
    CLEARED_AFTER_INQUIRY = "cleared_after_inquiry"
    RESTRICTED = "restricted"
    REFERRED_TO_COUNSEL = "referred_to_counsel"
    DISCLOSED = "disclosed"


OUTCOME_MEANINGS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.NOT_TRAINING: "The work was looked at and is not the training of an AI model.",
        Outcome.OUT_OF_SCOPE: "The party, the hardware or the place is not one that the rule is about.",
        Outcome.AUTHORISED: "A licence, licence exception or other authorisation covers the work; the reason names it.",
        Outcome.CLEARED_AFTER_INQUIRY: "The customer was asked, the answers were checked, and no question is open.",
        Outcome.RESTRICTED: "Service to the customer was limited, paused or ended.",
        Outcome.REFERRED_TO_COUNSEL: "Counsel has the question; the reason says which one.",
        Outcome.DISCLOSED: "The matter was disclosed to an authority.",
    }
)

MOVES: Mapping[tuple[TicketState, Action], TicketState] = MappingProxyType(
    {
        (TicketState.OPEN, Action.UPDATE): TicketState.OPEN,
        (TicketState.TAKEN, Action.UPDATE): TicketState.TAKEN,
        (TicketState.OPEN, Action.TAKE): TicketState.TAKEN,
        (TicketState.TAKEN, Action.DECIDE): TicketState.DECIDED,
    }
)
"""Every move there is. What is not here is refused."""

STRENGTH_ORDER: Mapping[Strength, int] = MappingProxyType(
    {Strength.NOT_EVALUABLE: 0, Strength.MAY_HAVE_CROSSED: 1, Strength.CROSSED: 2, Strength.PRESENT: 2}
)
"""How serious a strength is. What is there is as serious as an amount that was reached: neither is in doubt."""
SEVERITY_ORDER = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)

GROWTH_THAT_REOPENS = 10.0
"""How many times the decided amount is a new question: an order of magnitude is what tiers differ by. A guess."""

ENDS_THAT_COUNT: Mapping[Strength, tuple[str, ...]] = MappingProxyType(
    {
        Strength.PRESENT: (),
        Strength.CROSSED: ("low",),
        Strength.MAY_HAVE_CROSSED: ("high",),
        Strength.NOT_EVALUABLE: ("low", "high"),
    }
)
"""The ends of the compared interval that carry a finding of this strength; their growth is what counts. No amount
decides what is present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """
    One ticket as it stands, with its latest finding.

    ``ordinal`` counts the tickets of one subject key from 1. ``finding_id`` is the id under which the finding was kept.
    ``taken_by`` is None while nobody has taken it; ``previous_ticket_id`` is None for a subject key's first ticket.
    """

    ticket_id: str
    subject_key: str
    ordinal: int
    state: TicketState
    opened_at: datetime
    taken_by: str | None
    previous_ticket_id: str | None
    finding_id: str
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFinding:
    """A finding in the record of a ticket, and when it came in. Every finding that an event names is kept."""

    finding_id: str
    noted_at: datetime
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketEvent:
    """One entry of a ticket's record: who did what, when, and on which finding. Entries are numbered from 1."""

    ticket_id: str
    position: int
    at: datetime
    kind: EventKind
    actor: str
    finding_id: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How a ticket ended: who decided, when, why, and on which finding."""

    ticket_id: str
    actor: str
    at: datetime
    outcome: Outcome
    reason: str
    finding_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketRecord:
    """A ticket with all that is recorded about it, oldest first."""

    ticket: Ticket
    findings: tuple[KeptFinding, ...]
    events: tuple[TicketEvent, ...]
    decisions: tuple[Decision, ...]


class Effect(StrEnum):
    """What a new finding does to the tickets of its subject key."""

    NOTHING = "nothing"
    OPEN = "open"
    UPDATE = "update"
    REPLACE = "replace"


def ticket_id_of(subject_key: str, ordinal: int) -> str:
    """The id of a subject's n-th ticket: always the same one, so that a repeated engine makes the same tickets."""
    digest = hashlib.sha256(f"{subject_key}\n{ordinal}".encode()).hexdigest()
    return f"T-{digest[:12]}"


def new_ticket(finding: Finding, former: Ticket | None, at: datetime) -> Ticket:
    """The open ticket that a finding begins; ``former`` is the latest ticket of the same subject key."""
    ordinal = 1 if former is None else former.ordinal + 1
    return Ticket(
        ticket_id=ticket_id_of(finding.subject_key, ordinal),
        subject_key=finding.subject_key,
        ordinal=ordinal,
        state=TicketState.OPEN,
        opened_at=at,
        taken_by=None,
        previous_ticket_id=None if former is None else former.ticket_id,
        finding_id=finding.finding_id,
        finding=finding,
    )


def effect_of(finding: Finding, latest: Ticket | None, kept_ids: Collection[str]) -> Effect:
    """
    What a finding does, given the latest ticket of its subject key and the ids of the findings kept with that ticket.

    ``UPDATE`` is worth an entry in the record; ``REPLACE`` only brings the numbers up to date.
    A finding as of an earlier moment than the latest is a repetition, unless it is more serious or names another run or
    node.
    """
    if latest is None:
        return Effect.OPEN
    if finding.finding_id in kept_ids:
        return Effect.NOTHING
    if (latest.state, Action.UPDATE) not in MOVES:
        return Effect.OPEN if reopens(finding, latest.finding) else Effect.NOTHING
    if finding.as_of < latest.finding.as_of and not adds_to(finding, latest.finding):
        return Effect.NOTHING
    return Effect.UPDATE if changes(finding, latest.finding) else Effect.REPLACE


def reopens(finding: Finding, decided_on: Finding) -> bool:
    """Whether a finding says more than the one that was decided on, so that the decision does not cover it."""
    return adds_to(finding, decided_on) or has_grown(finding, decided_on)


def has_grown(finding: Finding, known: Finding) -> bool:
    """
    Whether what a finding compares is at least GROWTH_THAT_REOPENS times what the known one compared under that name.

    From 0 to anything is growth; so is from known to not known, and a comparison that the known finding did not have.
    """
    before = {comparison.name: comparison for comparison in known.comparisons}
    return any(
        comparison.name not in before or _grew(comparison, before[comparison.name], end)
        for comparison in finding.comparisons
        for end in ENDS_THAT_COUNT[finding.strength]
    )


def _grew(comparison: Comparison, before: Comparison, end: str) -> bool:
    now, then = getattr(comparison, end), getattr(before, end)
    if now is None or then is None:
        return now is None and then is not None
    return bool(now > then and now >= GROWTH_THAT_REOPENS * then)


def adds_to(finding: Finding, known: Finding) -> bool:
    """Whether a finding names a run, a node or an answer that the known one does not, or is more serious than it."""
    return (
        not set(finding.run_ids) <= set(known.run_ids)
        or not set(finding.nodes) <= set(known.nodes)
        or not set(finding.answers) <= set(known.answers)
        or SEVERITY_ORDER.index(finding.severity) > SEVERITY_ORDER.index(known.severity)
        or STRENGTH_ORDER[finding.strength] > STRENGTH_ORDER[known.strength]
    )


def changes(finding: Finding, known: Finding) -> tuple[str, ...]:
    """Which of the things a reviewer cares about differ, by name."""
    differs = {
        "severity": finding.severity != known.severity,
        "strength": finding.strength != known.strength,
        "run_ids": set(finding.run_ids) != set(known.run_ids),
        "nodes": set(finding.nodes) != set(known.nodes),
        "answers": set(finding.answers) != set(known.answers),
    }
    return tuple(name for name, different in differs.items() if different)


def taken(ticket: Ticket, actor: str) -> Ticket:
    """The ticket after the actor took it; the same ticket when it is theirs already."""
    if ticket.state is TicketState.TAKEN and ticket.taken_by == actor:
        return ticket
    return replace(ticket, state=_moved(ticket, Action.TAKE), taken_by=actor)


def decided(ticket: Ticket, actor: str) -> Ticket:
    """The ticket after the actor decided it, who must be the one who took it."""
    if ticket.state is TicketState.TAKEN and ticket.taken_by != actor:
        raise NotTaken(ticket_id=ticket.ticket_id)
    return replace(ticket, state=_moved(ticket, Action.DECIDE))


def _moved(ticket: Ticket, action: Action) -> TicketState:
    state = MOVES.get((ticket.state, action))
    if state is None:
        raise REFUSALS[ticket.state, action](ticket)
    return state


REFUSALS: Mapping[tuple[TicketState, Action], Callable[[Ticket], ReviewError]] = MappingProxyType(
    {
        (TicketState.OPEN, Action.DECIDE): lambda ticket: NotTaken(ticket_id=ticket.ticket_id),
        (TicketState.TAKEN, Action.TAKE): lambda ticket: AlreadyTaken(
            ticket_id=ticket.ticket_id, taken_by=str(ticket.taken_by)
        ),
        (TicketState.DECIDED, Action.TAKE): lambda ticket: AlreadyDecided(ticket_id=ticket.ticket_id),
        (TicketState.DECIDED, Action.DECIDE): lambda ticket: AlreadyDecided(ticket_id=ticket.ticket_id),
    }
)
"""What a person hears who asks for a move that is not in ``MOVES``."""
