"""
Which owners count towards a half, by the facts about lists and by how the switch of the Affiliates Rule stands.

Stakes on lists that are added up with others make one sum, those on a list that is added up alone one each: the low
end of an answer needs one of these sums to reach a half, its high end has them all in one. An owner who may be on a
list, was never compared with one, or is on a list that the facts do not know, is in the high end only.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from policy.facts.evidence import Answer, doubt
from policy.facts.party_lists import Added, Owners, PartyLists
from policy.facts.period import BEFORE_RECORDS
from policy.facts.switches import State, Switches, SwitchState
from policy.kyc.owners.chains import OwnersAbove
from policy.kyc.owners.listing import ListState
from policy.kyc.owners.stakes import HALF, Holding, Reach

SWITCH = "affiliates_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The lists, and how the switch stood on a day; ``state`` None: nobody knows."""

    lists: PartyLists
    at: date
    state: SwitchState | None

    @classmethod
    def of(cls, lists: PartyLists, switches: Switches, at: date) -> "Law":
        """The law of a day."""
        switch = switches.by_id.get(SWITCH)
        return cls(lists=lists, at=at, state=switch.at(at) if switch else None)

    @property
    def is_on(self) -> bool | None:
        """Whether the rule applies; None: not known, or printed and not enforced, which is no answer either."""
        known = {State.ON: True, State.OFF: False, State.STAYED: False}
        return known.get(self.state.state) if self.state else None

    def ends(self, off: "Count", on: "Count") -> "tuple[Count, Count]":
        """What counts for certain and what may: one count twice where it is known how the rule stood, else each."""
        return on if self.is_on else off, off if self.is_on is False else on

    def counted(self, *, rule_on: bool) -> tuple[frozenset[str], ...]:
        """The codes of the lists that count, those that are added up with one another first."""
        kinds = {Owners.ALWAYS, Owners.AFFILIATES_RULE} if rule_on else {Owners.ALWAYS}
        counted = [each for each in self.lists.list if each.owners in kinds]
        alone = [frozenset({each.code}) for each in counted if each.added is Added.ALONE]
        return (frozenset(each.code for each in counted if each.added is Added.WITH_OTHERS), *alone)

    @property
    def words(self) -> str:
        """How the switch stands, and from when on, for a reviewer."""
        if self.state is None:
            return "how the Affiliates Rule stood is not known"
        first = "" if self.state.valid_from == BEFORE_RECORDS else f" from {self.state.valid_from.isoformat()} on"
        how = self.state.state.replace("_", " ")
        return f"the Affiliates Rule is {how}{first}{doubt(self.state.source.evidence)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """
    One way of counting.

    ``codes``: of the lists that count. ``reaching``: the sums that reach a half for certain, the largest first; where
    there is none, the largest. ``most``: all that may be. ``in_doubt``: owners who may be on a list that counts.
    ``changes``: what overlays did to the rows of lists that owners are on. ``by_shares``: whether shares and owners
    that are not known leave the answer open, were every listing settled.
    """

    owners: OwnersAbove
    codes: frozenset[str]
    reaching: tuple[Reach, ...]
    most: Reach
    in_doubt: frozenset[str]
    changes: tuple[str, ...]
    by_shares: bool

    @property
    def low(self) -> int:
        """What counted owners are known to hold of the party."""
        return self.reaching[0].held[self.owners.party_id]

    @property
    def high(self) -> int:
        """What they may hold at most."""
        return self.most.held[self.owners.party_id]

    @property
    def answer(self) -> Answer:
        """Whether they hold a half."""
        if self.low >= HALF:
            return Answer.YES
        return Answer.UNKNOWN if self.high >= HALF else Answer.NO

    def codes_of(self, party_id: str) -> tuple[str, ...]:
        """The counted lists that an owner is on."""
        listing = self.owners.listings.get(party_id)
        return tuple(code for code in listing.codes if code in self.codes) if listing else ()

    def behind(self, reach: Reach) -> tuple[str, ...]:
        """The owners from whom stakes of the sum come, the nearest first; of a listed one that is reached, its too."""
        found = [self.owners.party_id]
        seen = set(found)
        for each in found:
            if reach.held[each] >= HALF:
                nearer = [holding.owner for holding in self.passed_on(reach, each) if holding.owner not in seen]
                found += nearer
                seen |= set(nearer)
        return tuple(found[1:])

    def passed_on(self, reach: Reach, owned: str) -> Iterator[Holding]:
        """What counts of the holdings of one party."""
        return (each for each in self.owners.of(owned) if each.owner in reach.order and each.low > 0)


def count_owners(owners: OwnersAbove, law: Law, *, rule_on: bool) -> Count:
    """Count as if the rule were on or off."""
    return count_sums(owners, law.lists, law.counted(rule_on=rule_on))


def count_sums(owners: OwnersAbove, lists: PartyLists, sums: Sequence[frozenset[str]]) -> Count:
    """Count the owners on these lists: each set of codes is one sum."""
    codes = frozenset(code for each in sums for code in each)
    register, party = owners.register, owners.party_id
    by_size = sorted(
        (register.reached(_on(owners, each)) for each in sums), key=lambda reach: reach.held[party], reverse=True
    )
    listed = _on(owners, codes)
    in_doubt = frozenset(_in_doubt(owners, lists))
    certain = register.may_be_reached(listed)
    is_settled = register.reached(listed).held[party] >= HALF
    return Count(
        owners=owners,
        codes=codes,
        reaching=tuple(each for each in by_size if each.held[party] >= HALF) or tuple(by_size[:1]),
        most=register.may_be_reached({*listed, *in_doubt}),
        in_doubt=in_doubt,
        changes=lists.changes_about(code for each in owners.listings.values() for code in each.codes),
        by_shares=not is_settled and certain.held[party] >= HALF,
    )


def _on(owners: OwnersAbove, codes: Collection[str]) -> list[str]:
    return [each for each, listing in owners.listings.items() if not set(codes).isdisjoint(listing.codes)]


def _in_doubt(owners: OwnersAbove, lists: PartyLists) -> Iterator[str]:
    """Who may be on a list that counts."""
    for each, listing in owners.listings.items():
        in_doubt = listing.is_open or listing.state is ListState.NOT_SCREENED
        if in_doubt or any(code not in lists.by_code for code in listing.codes):
            yield each
