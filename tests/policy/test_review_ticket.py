"""Tickets without a database: the moves, and what a finding does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.findings import a_comparison, a_finding

from policy.review import errors
from policy.review.errors import PROBLEMS, ReviewError
from policy.review.reason import checked_reason
from policy.review.ticket import (
    ENDS_THAT_COUNT,
    GROWTH_THAT_REOPENS,
    MOVES,
    OUTCOME_MEANINGS,
    REFUSALS,
    STRENGTH_ORDER,
    Action,
    Effect,
    Outcome,
    Ticket,
    TicketState,
    changes,
    decided,
    effect_of,
    new_ticket,
    reopens,
    taken,
    ticket_id_of,
)
from policy.rules.finding import Finding, Severity, Strength, SubjectKind

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LATER = a_finding().as_of + timedelta(hours=1)


def a_ticket(state: TicketState = TicketState.OPEN, taken_by: str | None = None, **finding: object) -> Ticket:
    """A ticket in a given state about a given finding."""
    return replace(new_ticket(a_finding(**finding), None, AT), state=state, taken_by=taken_by)


def test_every_state_and_action_has_a_move_or_a_refusal() -> None:
    """Every request of a person either moves a ticket or is refused with an error; none is undefined."""
    asked = set(product(TicketState, (Action.TAKE, Action.DECIDE)))
    assert asked == (set(MOVES) | set(REFUSALS)) & asked
    assert not set(MOVES) & set(REFUSALS)


def test_nothing_leads_out_of_decided() -> None:
    """A decided ticket has no move."""
    assert not [move for move in MOVES if move[0] is TicketState.DECIDED]


def test_a_ticket_is_taken_then_decided_by_the_same_person() -> None:
    """Whoever took a ticket can decide it."""
    ticket = taken(a_ticket(), "alice")
    assert (ticket.state, ticket.taken_by) == (TicketState.TAKEN, "alice")
    assert decided(ticket, "alice").state is TicketState.DECIDED


@pytest.mark.parametrize(
    ("ticket", "move", "refusal"),
    [
        (a_ticket(), decided, errors.NotTaken),
        (a_ticket(TicketState.TAKEN, "bob"), taken, errors.AlreadyTaken),
        (a_ticket(TicketState.TAKEN, "bob"), decided, errors.NotTaken),
        (a_ticket(TicketState.DECIDED, "bob"), taken, errors.AlreadyDecided),
        (a_ticket(TicketState.DECIDED, "alice"), taken, errors.AlreadyDecided),
        (a_ticket(TicketState.DECIDED, "alice"), decided, errors.AlreadyDecided),
    ],
)
def test_moves_outside_the_table_are_refused(ticket: Ticket, move: object, refusal: type[ReviewError]) -> None:
    """A move that is not in the table raises the error that says why."""
    assert callable(move)
    with pytest.raises(refusal):
        move(ticket, "alice")


def test_taking_ones_own_ticket_again_changes_nothing() -> None:
    """Taking is repeatable for the person who has the ticket."""
    mine = taken(a_ticket(), "alice")
    assert taken(mine, "alice") is mine


def test_ids_are_the_same_on_every_machine() -> None:
    """A ticket's id follows from its subject key and number alone."""
    assert ticket_id_of("large-training-run/tenant/tenant-7", 1) == "T-5333806888f8"
    assert ticket_id_of("a", 1) != ticket_id_of("a", 2)


def test_a_first_finding_opens() -> None:
    """A finding without a ticket opens one."""
    assert effect_of(a_finding(), None, ()) is Effect.OPEN


@pytest.mark.parametrize("state", [TicketState.OPEN, TicketState.TAKEN])
@pytest.mark.parametrize(
    ("new", "effect"),
    [
        ({"inputs_digest": "x"}, Effect.REPLACE),
        ({"summary": "Other words."}, Effect.REPLACE),
        ({"severity": Severity.HIGH}, Effect.UPDATE),
        ({"severity": Severity.LOW}, Effect.UPDATE),
        ({"strength": Strength.CROSSED}, Effect.UPDATE),
        ({"strength": Strength.NOT_EVALUABLE}, Effect.UPDATE),
        ({"run_ids": ("run-1", "run-2")}, Effect.UPDATE),
        ({"run_ids": ()}, Effect.UPDATE),
        ({"nodes": ("node-a",)}, Effect.UPDATE),
    ],
)
def test_an_undecided_ticket_notes_what_a_reviewer_cares_about(
    state: TicketState, new: dict[str, object], effect: Effect
) -> None:
    """Severity, strength and the set of runs are worth an entry; other numbers are only brought up to date."""
    ticket = a_ticket(state, "alice")
    assert effect_of(a_finding(as_of=LATER, **new), ticket, {ticket.finding_id}) is effect


AN_ACCELERATOR: dict[str, object] = {
    "subject_kind": SubjectKind.ACCELERATOR,
    "subject_id": "Huawei device d802",
    "strength": Strength.PRESENT,
    "severity": Severity.HIGH,
    "run_ids": (),
    "comparisons": (),
}


@pytest.mark.parametrize(
    ("nodes", "undecided", "decided_then"),
    [
        (("node-a", "node-b"), Effect.REPLACE, Effect.NOTHING),
        (("node-b", "node-a"), Effect.REPLACE, Effect.NOTHING),
        (("node-a",), Effect.UPDATE, Effect.NOTHING),
        (("node-a", "node-b", "node-c"), Effect.UPDATE, Effect.OPEN),
        (("node-c",), Effect.UPDATE, Effect.OPEN),
    ],
)
def test_a_new_node_is_what_a_new_run_is(nodes: tuple[str, ...], undecided: Effect, decided_then: Effect) -> None:
    """An accelerator on a node that was not decided on is a new question; one that is gone from a node is none."""
    known = {**AN_ACCELERATOR, "nodes": ("node-a", "node-b")}
    finding = a_finding(**{**known, "nodes": nodes}, as_of=LATER)
    for state, effect in ((TicketState.OPEN, undecided), (TicketState.DECIDED, decided_then)):
        ticket = a_ticket(state, **known)
        assert effect_of(finding, ticket, {ticket.finding_id}) is effect


def test_what_is_present_is_as_serious_as_what_was_reached() -> None:
    """Whether an amount was reached or something is there, neither is in doubt, and neither outdoes the other."""
    assert STRENGTH_ORDER[Strength.PRESENT] == STRENGTH_ORDER[Strength.CROSSED] == max(STRENGTH_ORDER.values())
    assert set(STRENGTH_ORDER) == set(Strength)


def test_the_order_of_runs_is_no_change() -> None:
    """The same runs in another order are not worth an entry."""
    ticket = a_ticket(run_ids=("run-1", "run-2"))
    again = a_finding(run_ids=("run-2", "run-1"), as_of=LATER)
    assert effect_of(again, ticket, {ticket.finding_id}) is Effect.REPLACE


def test_an_earlier_moment_that_adds_nothing_is_a_repetition() -> None:
    """A finding as of an earlier moment changes an undecided ticket only when it names a run or is more serious."""
    ticket, earlier = a_ticket(), a_finding().as_of - timedelta(hours=1)
    assert effect_of(a_finding(as_of=earlier, severity=Severity.LOW), ticket, ()) is Effect.NOTHING
    assert effect_of(a_finding(as_of=earlier, run_ids=("run-0",)), ticket, ()) is Effect.UPDATE


@pytest.mark.parametrize(
    ("new", "effect"),
    [
        ({}, Effect.NOTHING),
        ({"severity": Severity.LOW}, Effect.NOTHING),
        ({"severity": Severity.HIGH}, Effect.OPEN),
        ({"strength": Strength.NOT_EVALUABLE}, Effect.NOTHING),
        ({"strength": Strength.CROSSED}, Effect.OPEN),
        ({"run_ids": ()}, Effect.NOTHING),
        ({"run_ids": ("run-1", "run-2")}, Effect.OPEN),
        ({"nodes": ("node-a",)}, Effect.OPEN),
        ({"strength": Strength.PRESENT}, Effect.OPEN),
    ],
)
def test_a_decided_ticket_stays_decided_until_there_is_more(new: dict[str, object], effect: Effect) -> None:
    """Without growth, only a run that was not decided on, or a more serious finding, opens a new ticket."""
    ticket = a_ticket(TicketState.DECIDED, "alice")
    assert effect_of(a_finding(as_of=LATER, **new), ticket, {ticket.finding_id}) is effect


def after_a_decision(strength: Strength, decided_on: dict[str, object], now: dict[str, object]) -> Effect:
    """What a finding with these ends does after a decision on a finding with those, both of one strength."""
    known = a_finding(strength=strength, comparisons=(a_comparison(**decided_on),))
    ticket = replace(new_ticket(known, None, AT), state=TicketState.DECIDED, taken_by="alice")
    finding = a_finding(strength=strength, comparisons=(a_comparison(**now),), as_of=LATER)
    return effect_of(finding, ticket, {known.finding_id})


@pytest.mark.parametrize(
    ("strength", "decided_on", "now", "effect"),
    [
        (Strength.CROSSED, {"low": 1e20}, {"low": 9.9e20}, Effect.NOTHING),
        (Strength.CROSSED, {"low": 1e20}, {"low": 1e21}, Effect.OPEN),
        (Strength.CROSSED, {"low": 1e20}, {"low": 1e24}, Effect.OPEN),
        (Strength.CROSSED, {"high": 1e22}, {"high": 1e26}, Effect.NOTHING),
        (Strength.CROSSED, {"low": 1e21}, {"low": 1e20}, Effect.NOTHING),
        (Strength.MAY_HAVE_CROSSED, {"high": 1e22}, {"high": 9.9e22}, Effect.NOTHING),
        (Strength.MAY_HAVE_CROSSED, {"high": 1e22}, {"high": 1e23}, Effect.OPEN),
        (Strength.MAY_HAVE_CROSSED, {"low": 0.0}, {"low": 1e19}, Effect.NOTHING),
        (Strength.MAY_HAVE_CROSSED, {"high": 0.0}, {"high": 1.0}, Effect.OPEN),
        (Strength.MAY_HAVE_CROSSED, {"high": 1.0}, {"high": 0.0}, Effect.NOTHING),
        (Strength.MAY_HAVE_CROSSED, {"high": float("inf")}, {"high": float("inf")}, Effect.NOTHING),
        (Strength.MAY_HAVE_CROSSED, {"high": 1e22}, {"high": float("inf")}, Effect.OPEN),
        (Strength.NOT_EVALUABLE, {"high": 1e22}, {"high": None}, Effect.OPEN),
        (Strength.NOT_EVALUABLE, {"high": None}, {"high": 1e22}, Effect.NOTHING),
        (Strength.NOT_EVALUABLE, {"high": None}, {"high": None}, Effect.NOTHING),
        (Strength.NOT_EVALUABLE, {"low": 1e20, "high": None}, {"low": 1e21, "high": None}, Effect.OPEN),
        (Strength.NOT_EVALUABLE, {"low": 0.0, "high": None}, {"low": 0.0, "high": None}, Effect.NOTHING),
        (Strength.CROSSED, {"name": "the run"}, {"name": "the group"}, Effect.OPEN),
    ],
)
def test_growth_by_an_order_of_magnitude_opens_a_new_ticket(
    strength: Strength, decided_on: dict[str, object], now: dict[str, object], effect: Effect
) -> None:
    """The end that carries the finding, grown tenfold, from 0, or from known to not known, is a new question."""
    assert after_a_decision(strength, decided_on, now) is effect


def test_growth_by_and_by_is_growth() -> None:
    """Many small steps are held against the decided amount, so that tenfold is tenfold however slowly it came."""
    steps = [1e20 * 2**step for step in range(6)]
    effects = [after_a_decision(Strength.CROSSED, {"low": 1e20}, {"low": low}) for low in steps]
    assert effects == [Effect.NOTHING] * 4 + [Effect.OPEN] * 2
    assert GROWTH_THAT_REOPENS == 10.0


def test_growth_opens_once() -> None:
    """The ticket that growth opened is the one that growth is held against from then on."""
    grown = a_finding(strength=Strength.CROSSED, comparisons=(a_comparison(low=1e21),), as_of=LATER)
    ticket = replace(new_ticket(grown, a_ticket(), AT), state=TicketState.DECIDED)
    again = replace(grown, as_of=LATER + timedelta(hours=1))
    assert effect_of(again, ticket, {grown.finding_id}) is Effect.NOTHING


def test_growth_of_an_undecided_ticket_only_brings_its_numbers_up_to_date() -> None:
    """While nobody has decided, growth is no entry, and an earlier moment's greater number is a repetition."""
    ticket = a_ticket(comparisons=(a_comparison(high=1e22),))
    greater = (a_comparison(high=1e26),)
    assert effect_of(a_finding(comparisons=greater, as_of=LATER), ticket, {ticket.finding_id}) is Effect.REPLACE
    earlier = a_finding(comparisons=greater, as_of=a_finding().as_of - timedelta(hours=1))
    assert effect_of(earlier, ticket, {ticket.finding_id}) is Effect.NOTHING


def test_every_strength_has_ends_that_count() -> None:
    """There is no strength whose growth is not looked at."""
    assert set(ENDS_THAT_COUNT) == set(Strength)


FINDINGS = st.builds(
    a_finding,
    severity=st.sampled_from(Severity),
    strength=st.sampled_from(Strength),
    run_ids=st.lists(st.sampled_from(["run-1", "run-2", "run-3"]), unique=True).map(tuple),
    as_of=st.integers(0, 5).map(lambda hours: a_finding().as_of + timedelta(hours=hours)),
)


@given(finding=FINDINGS, state=st.sampled_from(TicketState))
def test_the_same_finding_again_does_nothing(finding: Finding, state: TicketState) -> None:
    """Whatever a ticket's state, its own finding has no effect on it."""
    ticket = replace(new_ticket(finding, None, AT), state=state)
    assert effect_of(finding, ticket, {finding.finding_id}) is Effect.NOTHING


@pytest.mark.parametrize(
    "reason", ["", " " * 40, "ok", "  too short ", "\u200b" * 40, "\u200b" + " " * 40 + "\u200b", "\x1b\x00" * 20]
)
def test_a_reason_must_say_something(reason: str) -> None:
    """A reason of fewer than ten characters that can be seen is refused, whatever stands around them."""
    with pytest.raises(errors.ReasonMissing, match="ticket T-1"):
        checked_reason("ticket T-1", reason)


def test_every_outcome_has_a_meaning_of_one_sentence() -> None:
    """Each outcome means one sentence."""
    assert set(OUTCOME_MEANINGS) == set(Outcome)
    assert all(text.endswith(".") and text.count(".") == 1 for text in OUTCOME_MEANINGS.values())


def test_every_error_has_a_row_of_its_own() -> None:
    """Every error class has a row in the problem table, no two rows share a slug, and every row's sentences fill in."""
    assert set(PROBLEMS) == set(ReviewError.__subclasses__())
    assert len({problem.slug for problem in PROBLEMS.values()}) == len(PROBLEMS)
    for kind in PROBLEMS:
        fields = {name: f"<{name}>" for name in getattr(kind, "__dataclass_fields__", {})}
        error = kind(**fields)
        assert all(f"<{name}>" in str(error) for name in fields)


def test_another_answer_is_not_covered_by_a_decision() -> None:
    """A decision on one answer about a tenant does not cover another, and an open ticket says that it changed."""
    known = a_finding(answers=("list UVL", "listed yes"))
    other = a_finding(answers=("list EL", "list UVL", "listed yes"))
    assert reopens(other, known)
    assert not reopens(known, other)
    assert changes(other, known) == ("answers",)
