"""
What every question about a party is put with: what is known, the day of the law, and which countries the law names.

Sources that contradict one another are shown side by side, each value with who says it. Which of them is right is for
people to find out; until then the answer is the one that clears nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from policy.facts.evidence import Answer
from policy.facts.jurisdictions import Jurisdictions
from policy.kyc.lei import told_lei
from policy.kyc.reply import Reply, any_of
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import PREDICATES, SELF, PartyKind

Each = TypeVar("Each")
DOES_NOT_CLEAR = "which does not clear it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``view``: what is known on the caller's day; ``at``: the day whose law is applied, and on which it was true."""

    view: View
    at: date
    jurisdictions: Jurisdictions

    def of(self, subject: str, predicate: str) -> tuple[Statement, ...]:
        """What is said of a subject on the day."""
        return self.view.of(subject, predicate, self.at)

    def is_only(self, party: str, kind: PartyKind) -> bool:
        """Whether every source that says what the party is says this."""
        return self.view.values(party, "kind", self.at) == (kind.value,)

    def may_be(self, party: str, kind: PartyKind) -> bool:
        """Whether a source says that the party is this."""
        return kind.value in self.view.values(party, "kind", self.at)

    def gone(self, party: str) -> tuple[Statement, ...]:
        """Who says that the party is no more. The day itself decides, whenever it was said."""
        return tuple(each for each in self.of(party, "dissolved_on") if date.fromisoformat(each.value) <= self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A reply, with a sentence for each contradiction between sources that was met on the way to it."""

    reply: Reply
    conflicts: tuple[str, ...] = ()

    def behind(self, *path: str, sources: Iterable[str] = (), words: str = "") -> "Told":
        """The same, seen from further away: with the ids and sources that lead to it, and words before its reason."""
        reply = replace(
            self.reply,
            reason=f"{words}{self.reply.reason}",
            path=distinct((*path, *self.reply.path)),
            sources=distinct((*sources, *self.reply.sources)),
        )
        return replace(self, reply=reply)


def unknown(
    reason: str, *, path: tuple[str, ...] = (), sources: Iterable[str] = (), conflicts: Iterable[str] = ()
) -> Told:
    """An answer that nobody knows, and that clears nobody."""
    reply = Reply(answer=Answer.UNKNOWN, reason=f"{reason}, {DOES_NOT_CLEAR}", path=path, sources=distinct(sources))
    return Told(reply=reply, conflicts=distinct(conflicts))


def together(told: Sequence[Told]) -> Told:
    """Yes where one is yes, no where all are no, else unknown; those that decide come first. Takes at least one."""
    answer = any_of(*(each.reply.answer for each in told))
    ordered = sorted(told, key=lambda each: each.reply.answer is not answer)
    reply = Reply(
        answer=answer,
        reason="; ".join(distinct(each.reply.reason for each in ordered)),
        path=ordered[0].reply.path,
        sources=distinct(line for each in ordered for line in each.reply.sources),
    )
    return Told(reply=reply, conflicts=distinct(line for each in told for line in each.conflicts))


def distinct(each: Iterable[Each]) -> tuple[Each, ...]:
    """Each of them once, in their order."""
    return tuple(dict.fromkeys(each))


def lines(statements: Iterable[Statement]) -> tuple[str, ...]:
    """The sources of statements, one line for each."""
    return distinct(each.line for each in statements)


def contradiction(statements: Sequence[Statement]) -> str:
    """Every value that is said of one subject with its sources, in one sentence. Not for texts: they hold names."""
    sources: dict[str, dict[str, None]] = {}
    for each in statements:
        sources.setdefault(each.value, {})[each.line] = None
    sides = (f"{value} ({'; '.join(said)})" for value, said in sources.items())
    return f"{who_disagree(statements)} on {statements[0].subject}: {' against '.join(sides)}"


def who_disagree(statements: Iterable[Statement]) -> str:
    """How a sentence about statements that cannot all be right begins: one source may say several things."""
    return "sources disagree" if len({each.source for each in statements}) > 1 else "one source disagrees with itself"


def numbers_apart(asked: Asked, party: str) -> tuple[str, ...]:
    """
    That sentence where more than one Legal Entity Identifier is said of a party; else none.

    What registers say under either of them does not reach the party, and somebody has to know that.
    """
    said = [each for each in asked.of(party, "identifier") if told_lei(each)]
    if len(set(map(told_lei, said))) < 2:
        return ()
    why = "so neither joins it to what a register says"
    return (f"{who_disagree(said)} on the LEI of {party}, {why} ({'; '.join(lines(said))})",)


def disagreement(statements: Sequence[Statement]) -> tuple[str, ...]:
    """
    That sentence where statements of one predicate cannot all be right; else none.

    Of a predicate with one value that is every second value. Of one with many, that not every source names the same
    ones, or that ``self`` stands beside another.
    """
    values = {each.value for each in statements}
    if len(values) < 2:
        return ()
    of_sources: dict[str, set[str]] = {}
    for each in statements:
        of_sources.setdefault(each.source, set()).add(each.value)
    single = not PREDICATES[statements[0].predicate].many
    at_odds = single or SELF in values or any(said != values for said in of_sources.values())
    return (contradiction(statements),) if at_odds else ()
