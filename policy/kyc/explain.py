"""
Everything behind the answers about one tenant, as a tree: the questions, the way to each answer, and every statement.

It names parties by their ids. Whoever is to see names asks for them, and then they stand beside the ids.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from policy.kyc.dossier import Dossier
from policy.kyc.dossiers import Dossiers
from policy.kyc.flags.raised import Raised, RaisedFlag, not_looked_at
from policy.kyc.reply import Reply
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES, ValueKind

NOT_ON_FILE = "the file has no such tenant, so nothing about it is known"
PRIVATE = (ValueKind.TEXT,)
"""Kinds of value that may hold a name and are shown with names only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One line, and what stands under it."""

    text: str
    branches: tuple["Branch", ...] = ()

    @property
    def plain(self) -> Mapping[str, object]:
        """The same for programs."""
        return {"text": self.text, **({"under": [each.plain for each in self.branches]} if self.branches else {})}


def explain(dossiers: Dossiers, tenant_id: str, at: date, known_on: date | None, *, names: bool = False) -> Branch:
    """
    The whole chain for one tenant, by the law of a day, as known on a day.

    ``known_on``: None is now. ``names``: whether names, addresses and other texts are shown.
    """
    known = f"as known on {known_on.isoformat()}" if known_on else "as known now"
    head = f"{tenant_id}, by the law of {at.isoformat()}, {known}"
    dossier = dossiers.dossier(tenant_id, at, known_on)
    if dossier is None:
        return Branch(text=head, branches=(Branch(text=NOT_ON_FILE),))
    flags = flags_branch(dossiers.flags(tenant_id, at, known_on), not_looked_at(dossiers.facts, at))
    said = _statements(dossiers.view(tenant_id, known_on), tenant_id, at, names=names)
    return Branch(text=head, branches=(*_questions(dossier), flags, said))


def _questions(dossier: Dossier) -> Iterator[Branch]:
    hq, owners, use = dossier.headquarters, dossier.ownership, dossier.end_use
    yield Branch(
        text=f"in scope: {hq.overall}; corporate group {hq.group_id}",
        branches=(
            _reply("headquartered in scope", hq.own),
            _reply("ultimate parent headquartered in scope", hq.parent),
            _reply("on behalf of somebody in scope", hq.behalf),
            *(Branch(text=f"sources contradict one another: {each}") for each in hq.conflicts),
        ),
    )
    yield Branch(
        text=f"lists: {dossier.listed}",
        branches=(
            _reply("restricted at any use", dossier.restricted.for_certain),
            _reply("said or possible to be restricted at any use", dossier.restricted.by_some),
            *(Branch(text=f"{each.state}: {each.reason}", branches=_lines(each.sources)) for each in dossier.listings),
        ),
    )
    yield Branch(
        text=f"listed owners, half or more: {owners.in_force.answer} "
        f"({owners.low_percent:g} to {owners.high_percent:g} %)",
        branches=(
            _reply("by the law of the day", owners.in_force),
            _reply("if the Affiliates Rule is on", owners.rule_on),
            _reply("if it is off", owners.rule_off),
            _reply("a listed owner below half", owners.below),
            _reply("an undecided match of an owner or of somebody above", dossier.owner_possible),
            _reply("controlled by a listed party", owners.control),
        ),
    )
    yield Branch(
        text="end use",
        branches=(
            _reply("weapon of mass destruction", use.wmd),
            _reply("military intelligence", use.military_intelligence),
            _reply("end-use statement", use.statement),
        ),
    )
    yield Branch(text=f"tenancy: {dossier.tenancy or 'not known'}")


def flags_branch(flags: Sequence[RaisedFlag], unasked: Sequence[str]) -> Branch:
    """What is told of red flags. ``unasked``: the ids of those that nothing here asks about."""
    raised = [each for each in flags if each.state is Raised.YES]
    open_flags = sorted(each.id for each in flags if each.state is Raised.UNKNOWN)
    not_told = f"; not told by the file: {', '.join(open_flags)}" if open_flags else ""
    by_people = (Branch(text=f"not looked at here, for people to go through: {', '.join(unasked)}"),)
    return Branch(
        text=f"red flags that the file raises by itself: {len(raised)}, no single one decides{not_told}",
        branches=(
            *(Branch(text=f"{each.id}: {each.reason}", branches=_lines(each.sources)) for each in raised),
            *(by_people if unasked else ()),
        ),
    )


def _reply(question: str, reply: Reply) -> Branch:
    way = (Branch(text=f"way: {' → '.join(reply.path)}"),) if len(reply.path) > 1 else ()
    return Branch(text=f"{question}: {reply.answer}: {reply.reason}", branches=(*way, *_lines(reply.sources)))


def _lines(sources: Iterable[str]) -> tuple[Branch, ...]:
    return tuple(Branch(text=f"source: {line}") for line in sources)


def _statements(view: View, tenant_id: str, at: date, *, names: bool) -> Branch:
    """What is said of the tenant and of everybody on its chain, nearest first."""
    subjects = (tenant_id, *sorted({each.subject for each in view} - {tenant_id}))
    branches = []
    for subject in subjects:
        said = [each for name in PREDICATES for each in view.of(subject, name, at)]
        branches.append(Branch(text=subject, branches=tuple(_statement(each, names=names) for each in said)))
    return Branch(text="what is known", branches=tuple(branches))


def _statement(said: Statement, *, names: bool) -> Branch:
    private = PREDICATES[said.predicate].kind in PRIVATE and not names
    value = "(on file)" if private else said.value
    detail = f" ({said.detail})" if said.detail and (names or not (private or said.has_free_detail)) else ""
    days = f", from {said.begins}" if said.begins else ""
    days += f", until {said.ends}" if said.ends else ""
    return Branch(text=f"{said.predicate} {value}{_share(said)}{detail}{days}", branches=_lines([said.line]))


def _share(said: Statement) -> str:
    if not PREDICATES[said.predicate].shared:
        return ""
    low, high = said.share_low_percent, said.share_high_percent
    if low is None and high is None:
        return ", share not known"
    return f" {low:g} %" if low == high else f" {low or 0:g} to {100 if high is None else high:g} %"
