"""
One look at one tenant: what red flags are asked of, and how answers about several parties become one.

Looked at are the customers behind the account and, where it is resold, who resells it. Where no customer is known every
question about one has at least the answer unknown.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from policy.facts.evidence import Answer, Constant
from policy.facts.facts import Facts
from policy.facts.red_flags import RedFlags
from policy.kyc.reply import Reply, any_of
from policy.kyc.statements import Statement
from policy.kyc.view import View

FEWEST_WORDS = 4
"""Of an address without a number, so that a city and a country are none: a guess."""
FEWEST_WIDE = 8
"""The same where words are not told apart by spaces, in characters: a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """
    What a tenant used: the most devices at a time, device-hours in all, and the first day, as far as it was measured.

    ``first_use``: None where it is not known, as where the tenant was there already when what was looked at begins.
    """

    peak_devices: float
    device_hours: float
    first_use: date | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """One tenant on one day, with what its flags are told from. ``before``: what was once held to be true as well."""

    view: View
    tenant_id: str
    at: date
    facts: Facts
    demand: Demand | None
    listed_addresses: frozenset[str]
    before: View | None = None

    @property
    def limits(self) -> RedFlags:
        """The limits, beside the flags."""
        return self.facts.red_flags

    @cached_property
    def customers(self) -> tuple[str, ...]:
        """The parties behind the account."""
        return tuple(sorted(self.view.values(self.tenant_id, "customer", self.at)))

    @cached_property
    def resellers(self) -> tuple[str, ...]:
        """Who resells the account's use."""
        return tuple(sorted(self.view.values(self.tenant_id, "reseller", self.at)))

    @cached_property
    def parties(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(sorted({*self.customers, *self.resellers}))

    def said(self, subject: str, predicate: str) -> tuple[Statement, ...]:
        """What is said of a subject on the day."""
        return self.view.of(subject, predicate, self.at)

    def ever(self, subject: str, predicate: str) -> tuple[Statement, ...]:
        """What is or was said of a subject, of whatever day."""
        earlier = self.before.ever(subject, predicate) if self.before else ()
        return tuple(dict.fromkeys((*self.view.ever(subject, predicate), *earlier)))

    def since(self, limit: Constant) -> date:
        """The day that lies so many days back, or the calendar's first."""
        days = min(limit.value, (self.at - date.min).days)
        return self.at - timedelta(days=days)

    def of_parties(self, ask: Callable[["Look", str], Reply]) -> Reply:
        """Yes where it is so of one party, no where it is of none, else unknown."""
        lacking = [] if self.customers else [unknown("the customer is not known", path=(self.tenant_id,))]
        return joined([*(ask(self, party) for party in self.parties), *lacking])


def joined(replies: Iterable[Reply]) -> Reply:
    """One answer of several: yes where one is, no where all are, else unknown; only those that decide are told."""
    found = tuple(replies)
    answer = any_of(*(each.answer for each in found))
    deciding = [each for each in found if each.answer is answer]
    return Reply(
        answer=answer,
        reason="; ".join(dict.fromkeys(each.reason for each in deciding)),
        path=tuple(dict.fromkeys(step for each in deciding for step in each.path)),
        sources=tuple(dict.fromkeys(line for each in deciding for line in each.sources)),
    )


def yes(reason: str, *rests_on: Statement, path: tuple[str, ...] = (), lines: tuple[str, ...] = ()) -> Reply:
    """A yes that rests on these statements and on facts with these lines."""
    return Reply(answer=Answer.YES, reason=reason, path=path, sources=(*(each.line for each in rests_on), *lines))


def no(*rests_on: Statement) -> Reply:
    """A no that rests on these statements; nobody is told of it."""
    return Reply(answer=Answer.NO, reason="", sources=tuple(each.line for each in rests_on))


def unknown(reason: str, *rests_on: Statement, path: tuple[str, ...] = ()) -> Reply:
    """Nobody knows, and why."""
    return Reply(answer=Answer.UNKNOWN, reason=reason, path=path, sources=tuple(each.line for each in rests_on))


def normal_address(text: str) -> str:
    """
    The address without case, punctuation and the width of letters; empty where it is too little to be one.

    Lists give some parties no more than a city and a country, which half a country would share.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(each if each.isalnum() else " " for each in folded).split()
    wide = sum(unicodedata.east_asian_width(each) == "W" for each in folded)
    is_one = any(each.isdigit() for each in folded) or len(words) >= FEWEST_WORDS or wide >= FEWEST_WIDE
    return " ".join(words) if is_one else ""
