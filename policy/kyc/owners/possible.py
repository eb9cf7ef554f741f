"""
Whether an owner who may hold a half, or somebody else above a party, may be on a list: a match that nobody has decided.

It is no answer to the 50 % question, which it leaves unknown. But it is more than not knowing: somebody found a match,
and somebody has to decide it. Owners who only together may hold a half are asked together.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date

from policy.facts.evidence import Answer
from policy.facts.party_lists import PartyLists
from policy.kyc.owners.above import all_above
from policy.kyc.owners.chains import OwnersAbove, owners_above
from policy.kyc.owners.listing import Listing, ListState, ask_listing
from policy.kyc.owners.stakes import HALF
from policy.kyc.owners.words import is_slice, shortened, slice_words
from policy.kyc.reply import Reply, strongest
from policy.kyc.view import View


def owner_possible(view: View, party_ids: Sequence[str], at: date, lists: PartyLists) -> Reply:
    """
    Whether such a match stands above one of these parties on a day; one of the party itself is another question.

    No only where every owner is known, and everybody above was compared with lists and has no such match.
    """
    return strongest([_of_one(view, each, at, lists) for each in dict.fromkeys(party_ids)])


def may_reach(owners: OwnersAbove, parties: Collection[str]) -> bool:
    """Whether these owners together may hold a half of a party, by the shares that are told and nobody unknown."""
    return owners.register.told_of(owners.party_id, parties) >= HALF


def _of_one(view: View, party_id: str, at: date, lists: PartyLists) -> Reply:
    owners = owners_above(view, party_id, at, lists)
    above = {each: one for each, one in all_above(view, party_id, at).items() if each != party_id}
    listings = dict(owners.listings) | {each: ask_listing(view, each, at, lists) for each in above}
    undecided = {each: listing for each, listing in listings.items() if listing.is_open}
    found = [each for each in undecided if each in above] or _together(owners, undecided)
    sources = (*owners.lines((party_id, *owners.listings)), *(line for each in above.values() for line in each.sources))
    if found:
        told = [line for each in found for line in undecided[each].sources]
        reason = "; ".join(shortened(f"above {party_id}: {undecided[each].reason}" for each in found))
        path = above[found[0]].way if found[0] in above else (party_id, found[0])
        return Reply(answer=Answer.YES, reason=reason, path=path, sources=tuple(dict.fromkeys((*told, *sources))))
    doubts = shortened(_doubts(owners, listings))
    answer = Answer.UNKNOWN if doubts else Answer.NO
    reason = "; ".join(doubts) or f"nobody above {party_id} has a match that is not decided"
    return Reply(answer=answer, reason=reason, path=(party_id,), sources=tuple(dict.fromkeys(sources)))


def _together(owners: OwnersAbove, undecided: Collection[str]) -> list[str]:
    """Those with a match who may hold a half only with one another, or with owners who are listed."""
    listed = [each for each, listing in owners.listings.items() if listing.codes]
    those = [each for each in undecided if each in owners.listings]
    return those if may_reach(owners, [*listed, *those]) and not may_reach(owners, listed) else []


def _doubts(owners: OwnersAbove, listings: dict[str, Listing]) -> Iterator[str]:
    for each in (owners.party_id, *owners.listings):
        if is_slice(owners, each):
            yield slice_words(owners, each)
    for listing in listings.values():
        if listing.is_open or listing.state is ListState.NOT_SCREENED:
            yield listing.reason
