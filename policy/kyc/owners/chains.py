"""
Who owns whom, above one party, as statements tell it, and which of the owners are on lists.

Several statements about one share are one range that covers them all; one that names the owner and no share adds
nothing to those that name both. A branch is the whole of its head office's. A natural person and a government are
owned by nobody. Left out: what became of parties that are no more, for whose shares their successors would have to be
asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from policy.facts.party_lists import PartyLists
from policy.kyc.owners.listing import Listing, ask_listing
from policy.kyc.owners.stakes import WHOLE, Holding, Register, in_units, make_register
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import DISPERSED, PartyKind

OWNED_BY_NOBODY = {PartyKind.NATURAL_PERSON, PartyKind.GOVERNMENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersAbove:
    """
    The party and all who stand above it by shares.

    ``holdings``: of each party, by others who have an id, the largest first. ``listings``: of every owner, the party
    itself not among them. ``stated``: the statements about the owners of each.
    """

    party_id: str
    holdings: Mapping[str, tuple[Holding, ...]]
    register: Register
    listings: Mapping[str, Listing]
    stated: Mapping[str, tuple[Statement, ...]]

    def of(self, owned: str) -> tuple[Holding, ...]:
        """The holdings of one party by others who have an id, the largest first."""
        return self.holdings.get(owned, ())

    def lines(self, parties: Sequence[str]) -> tuple[str, ...]:
        """The sources of what is said about the owners of these parties and about their being on lists."""
        found: list[str] = []
        for each in parties:
            found += [statement.line for statement in self.stated.get(each, ())]
            found += self.listings[each].sources if each in self.listings else ()
        return tuple(dict.fromkeys(found))


def owners_above(view: View, party_id: str, at: date, lists: PartyLists) -> OwnersAbove:
    """The owners of a party on a day, theirs, and so on; circles end."""
    stated: dict[str, tuple[Statement, ...]] = {}
    holdings: dict[str, tuple[Holding, ...]] = {}
    waiting, seen = [party_id], {party_id, DISPERSED}
    for each in waiting:
        stated[each] = stated_owners(view, each, at)
        holdings[each] = tuple(holdings_in(each, stated[each]))
        above = [one.owner for one in holdings[each] if one.owner not in seen]
        waiting += above
        seen |= set(above)
    closed = {each for each in waiting if _is_closed(view, each, at)}
    return OwnersAbove(
        party_id=party_id,
        holdings={each: _by_size(found) for each, found in holdings.items()},
        register=make_register((one for found in holdings.values() for one in found), closed, waiting),
        listings={each: ask_listing(view, each, at, lists) for each in waiting[1:]},
        stated=stated,
    )


def _is_closed(view: View, party_id: str, at: date) -> bool:
    """Whether all sources that say what it is call it one that nobody owns; of several one alone is not enough."""
    kinds = set(view.values(party_id, "kind", at))
    return bool(kinds) and kinds <= OWNED_BY_NOBODY


def holdings_of(view: View, owned: str, at: date) -> tuple[Holding, ...]:
    """Who holds what of a party directly."""
    return tuple(holdings_in(owned, stated_owners(view, owned, at)))


def stated_owners(view: View, owned: str, at: date) -> tuple[Statement, ...]:
    """What is said about who owns a party directly; a branch is owned by its head office."""
    return (*view.of(owned, "branch_of", at), *view.of(owned, "owned_by", at))


def _by_size(holdings: Sequence[Holding]) -> tuple[Holding, ...]:
    named = (each for each in holdings if each.owner not in (DISPERSED, each.owned))
    return tuple(sorted(named, key=lambda each: (-each.high, each.owner)))


def holdings_in(owned: str, stated: Sequence[Statement]) -> Iterator[Holding]:
    """Who holds what of a party by these statements about its owners."""
    by_owner: dict[str, list[Statement]] = {}
    for each in stated:
        by_owner.setdefault(each.value, []).append(each)
    heads = {each.value for each in stated if each.predicate == "branch_of"}
    for owner, about in by_owner.items():
        low, high = _range(about) if owner not in heads else (WHOLE if len(heads) == 1 else 0, WHOLE)
        yield Holding(owned, owner, low, high)


def _range(about: Sequence[Statement]) -> tuple[int, int]:
    """From the smallest share that is told to the largest; from nothing to all where none is."""
    lows = [each.share_low_percent for each in about if each.share_low_percent is not None]
    highs = [each.share_high_percent for each in about if each.share_high_percent is not None]
    return in_units(min(lows, default=0.0)), in_units(max(highs, default=100.0))
