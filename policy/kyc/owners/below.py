"""
Whether a listed owner, on whatever list, stands above a party without being part of a half that counts.

The share may be small, lie behind an owner who passes nothing on, or be on a list that does not count on that day: BIS
and OFAC ask for caution there, so it is a flag and no answer to the 50 % question.
"""

from collections.abc import Collection, Iterator

from policy.facts.evidence import Answer
from policy.kyc.owners.chains import OwnersAbove
from policy.kyc.owners.listing import ListState
from policy.kyc.owners.words import holds_words, is_slice, shortened, slice_words
from policy.kyc.reply import Reply


def ask_below(owners: OwnersAbove, counted: Collection[str]) -> Reply:
    """Whether there is such an owner; ``counted``: the owners from whom a half comes that counts."""
    way = _ways(owners)
    above = [each for each in way if each != owners.party_id]
    listed = [each for each in above if owners.listings[each].codes and each not in counted]
    sources = owners.lines((owners.party_id, *above))
    if listed:
        reason = "; ".join(shortened(_held_by(owners, listed)))
        return Reply(answer=Answer.YES, reason=reason, path=way[listed[0]], sources=sources)
    doubts = list(_doubts(owners, above))
    if doubts:
        reason = "; ".join(shortened(doubts))
        return Reply(answer=Answer.UNKNOWN, reason=reason, path=(owners.party_id,), sources=sources)
    reason = f"no {'other ' if counted else ''}listed owner stands above {owners.party_id}"
    return Reply(answer=Answer.NO, reason=reason, path=(owners.party_id,), sources=sources)


def _ways(owners: OwnersAbove) -> dict[str, tuple[str, ...]]:
    """Who may hold a share of the party, or of an owner who may, and so on; each with the way that leads there."""
    way: dict[str, tuple[str, ...]] = {owners.party_id: (owners.party_id,)}
    waiting = [owners.party_id]
    for each in waiting:
        for holding in owners.of(each):
            if holding.high > 0 and holding.owner not in way:
                way[holding.owner] = (*way[each], holding.owner)
                waiting.append(holding.owner)
    return way


def _held_by(owners: OwnersAbove, listed: Collection[str]) -> Iterator[str]:
    for owned in owners.stated:
        for holding in owners.of(owned):
            if holding.owner in listed and holding.high > 0:
                yield holds_words(holding, owners.listings[holding.owner].codes)


def _doubts(owners: OwnersAbove, above: Collection[str]) -> Iterator[str]:
    for each in (owners.party_id, *above):
        if is_slice(owners, each):
            yield slice_words(owners, each)
    for each in above:
        if owners.listings[each].state in (ListState.POSSIBLE, ListState.NOT_SCREENED):
            yield owners.listings[each].reason
