"""
What the file says about a tenant on a day of the law, as known on a day: every question of the rules, answered.

Each question is asked where it belongs (headquarters, owners, flags); here the answers come together. Lists and owners
are asked of everybody behind the account: its customers, who resells it, and for whom it acts. Nothing is decided anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import MappingProxyType

from policy.facts.evidence import Answer
from policy.facts.facts import Facts
from policy.kyc.flags.end_use import EndUse, end_use
from policy.kyc.headquarters.behind import parties_behind
from policy.kyc.headquarters.questions import Headquarters, ask_headquarters
from policy.kyc.owners.listing import STRONGEST_FIRST, Listing, ListState, ask_listing
from policy.kyc.owners.ownership import Ownership, ask_ownership
from policy.kyc.owners.possible import owner_possible
from policy.kyc.owners.restricted import Restricted, ask_restricted
from policy.kyc.reply import Reply
from policy.kyc.view import View
from policy.kyc.vocabulary import most_handed_over

YES_UNKNOWN_NO = (Answer.YES, Answer.UNKNOWN, Answer.NO)
HEADQUARTERS = MappingProxyType(dict.fromkeys(("hq_in_scope", "hq_own", "hq_parent", "hq_behalf"), YES_UNKNOWN_NO))
LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "restricted": YES_UNKNOWN_NO,  # of E:1, E:2 or under a blocking programme
        "restricted_by_some": YES_UNKNOWN_NO,  # some source says so, or an undecided match or half would make it so
        "listed": STRONGEST_FIRST,
        "owner_listed": YES_UNKNOWN_NO,  # listed owners reach half, by the law of the day
        "owner_listed_rule_on": YES_UNKNOWN_NO,  # the same as if the Affiliates Rule were on
        "owner_listed_rule_off": YES_UNKNOWN_NO,  # the same as if it were off
        "owner_listed_below": YES_UNKNOWN_NO,  # a listed owner who is no part of a half that counts
        "owner_possible": YES_UNKNOWN_NO,  # an undecided match of an owner or of somebody above
        "controlled_by_listed": YES_UNKNOWN_NO,  # a listed party controls it other than by shares
    }
)
END_USE = MappingProxyType(dict.fromkeys(("end_use_wmd", "end_use_military_intelligence"), YES_UNKNOWN_NO))
QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType({**HEADQUARTERS, **LISTS, **END_USE})
"""Every question with its answers, the most serious first."""
ALWAYS_TOLD = ("listed", "owner_listed")
"""Of the other questions about lists a reviewer is told where something is so or may be."""
STRIKING = (Answer.YES, ListState.YES, ListState.POSSIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of one question: the answer, why, and what it rests on."""

    answer: str
    reason: str
    sources: tuple[str, ...]

    @classmethod
    def of(cls, *replies: Reply, answer: str, more: Iterable[str] = ()) -> "Told":
        """The sentences of some replies in one."""
        reasons = dict.fromkeys((*(each.reason for each in replies), *more))
        sources = dict.fromkeys(line for each in replies for line in each.sources)
        return cls(answer=str(answer), reason="; ".join(filter(None, reasons)), sources=tuple(sources))


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """One tenant's answers on one day."""

    headquarters: Headquarters
    ownership: Ownership
    listings: tuple[Listing, ...]  # of each party behind the account
    restricted: Restricted
    owner_possible: Reply
    end_use: EndUse
    tenancy: str | None

    @property
    def listed(self) -> ListState:
        """The most serious of what lists say of the parties; of none at all nobody can have compared anything."""
        return min((each.state for each in self.listings), key=STRONGEST_FIRST.index, default=ListState.NOT_SCREENED)

    @property
    def codes(self) -> tuple[str, ...]:
        """Of the lists that have a party, or owners who make a half."""
        return tuple(
            dict.fromkeys([code for each in self.listings for code in each.codes] + [*self.ownership.governing])
        )

    @cached_property
    def told(self) -> Mapping[str, Told]:
        """What is told of every question."""
        hq, owners, use = self.headquarters, self.ownership, self.end_use
        whole = Told.of(hq.own, hq.parent, hq.behalf, answer=hq.overall, more=hq.conflicts)
        single = {
            "hq_own": hq.own,
            "hq_parent": hq.parent,
            "hq_behalf": hq.behalf,
            "restricted": self.restricted.for_certain,
            "restricted_by_some": self.restricted.by_some,
            "owner_listed": owners.in_force,
            "owner_listed_rule_on": owners.rule_on,
            "owner_listed_rule_off": owners.rule_off,
            "owner_listed_below": owners.below,
            "owner_possible": self.owner_possible,
            "controlled_by_listed": owners.control,
            "end_use_wmd": use.wmd,
            "end_use_military_intelligence": use.military_intelligence,
        }
        answered = {name: Told.of(reply, answer=reply.answer) for name, reply in single.items()}
        return {"hq_in_scope": whole, "listed": _of_lists(self.listed, self.listings), **answered}


def _of_lists(state: ListState, listings: Sequence[Listing]) -> Told:
    deciding = [each for each in listings if each.state is state]
    return Told(
        answer=state.value,
        reason="; ".join(dict.fromkeys(each.reason for each in deciding)) or "no party behind the account is known",
        sources=tuple(dict.fromkeys(line for each in deciding for line in each.sources)),
    )


def ask(view: View, tenant_id: str, at: date, facts: Facts, before: View | None = None) -> Dossier:
    """Every question about one tenant but its red flags. ``before``: what was once held to be true, too."""
    parties = parties_behind(view, tenant_id, at).everybody
    lists, law = facts.party_lists, facts.jurisdictions
    return Dossier(
        headquarters=ask_headquarters(view, tenant_id, at, law),
        ownership=ask_ownership(view, parties, at, lists, facts.switches),
        listings=tuple(ask_listing(view, each, at, lists) for each in parties),
        restricted=ask_restricted(view, parties, at, law, lists),
        owner_possible=owner_possible(view, parties, at, lists),
        end_use=end_use(view, tenant_id, at, before=before),
        tenancy=_tenancy(view, tenant_id, at),
    )


def _tenancy(view: View, tenant_id: str, at: date) -> str | None:
    """How machines are given to it; of several ways the one that hands over most."""
    return most_handed_over(view.values(tenant_id, "tenancy", at))
