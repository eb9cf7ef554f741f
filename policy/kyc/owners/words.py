"""
A count of owners as a reply: the chain that led to it, or what leaves it open. Opaque ids and codes, no name.
"""

from collections.abc import Iterable, Iterator, Sequence

from policy.facts.evidence import Answer
from policy.kyc.owners.chains import OwnersAbove
from policy.kyc.owners.counting import Count
from policy.kyc.owners.stakes import BOUNDLESS, UNIT, WHOLE, Holding, Reach
from policy.kyc.reply import Reply

ROUNDING = UNIT  # one percent: registers round, and nobody is looked for in a smaller slice; a guess
MOST_SAID = 6  # parts of one sentence; a guess at what a reviewer still reads


def because(count: Count, notes: Sequence[str] = (), sources: Sequence[str] = ()) -> Reply:
    """The count's answer with its reason; ``notes`` and ``sources`` are of the law behind it."""
    party_id, owners = count.owners.party_id, count.owners
    asked: tuple[str, ...] = tuple(owners.stated)
    path: tuple[str, ...] = (party_id,)
    said = list(_no_half(count))
    if count.answer is Answer.YES:
        asked = tuple(each for reach in count.reaching for each in count.behind(reach))
        path, said = path_to_listed(count, count.reaching[0]), _chains(count, count.reaching[0])
    elif count.answer is Answer.UNKNOWN:
        doubts = _doubts(count)
        path, said = doubts[0][0], [words for _, words in doubts]
    return Reply(
        answer=count.answer,
        reason="; ".join([_sum_words(count), *shortened(said), *count.changes, *notes]),
        path=path,
        sources=tuple(dict.fromkeys((*owners.lines((party_id, *asked)), *sources))),
    )


def holds_words(holding: Holding, codes: Sequence[str] = ()) -> str:
    """``p-9 (EL) holds 40 to 50 % of p-5``."""
    who = f"{holding.owner} ({', '.join(codes)})" if codes else holding.owner
    return f"{who} holds {_share_words(holding.low, holding.high)} of {holding.owned}"


def is_slice(owners: OwnersAbove, party_id: str) -> bool:
    """Whether somebody who is not known may hold a part of a party that is worth asking about."""
    register = owners.register
    return party_id in register.is_open and register.left[party_id] >= ROUNDING


def slice_words(owners: OwnersAbove, party_id: str) -> str:
    """How much of a party is held by nobody known."""
    left = owners.register.left[party_id]
    if left == WHOLE and not owners.of(party_id):
        return f"no owner of {party_id} is known"
    return f"who holds {_percent(left)} % of {party_id} is not known"


def path_to_listed(count: Count, reach: Reach) -> tuple[str, ...]:
    """From the party through the largest of the stakes that count to an owner who is listed."""
    path = [count.owners.party_id]
    while path[-1] == path[0] or not count.codes_of(path[-1]):
        path.append(max(_before(count, reach, path[-1]), key=lambda each: each.low).owner)
    return tuple(path)


def _before(count: Count, reach: Reach, owned: str) -> list[Holding]:
    """The holdings that reached a party, by those who were reached before it: no circle is among them."""
    return [each for each in count.passed_on(reach, owned) if reach.order[each.owner] < reach.order[owned]]


def _chains(count: Count, reach: Reach) -> list[str]:
    """Who holds what, from the listed owners down, each holding once."""
    party_id = count.owners.party_id
    needed = {party_id: _before(count, reach, party_id)}
    waiting = [party_id]
    for each in waiting:
        for who in (holding.owner for holding in needed[each]):
            if who not in needed:
                needed[who] = [] if count.codes_of(who) else _before(count, reach, who)
                waiting.append(who)
    said: dict[str, list[_Chain]] = {}
    for each in sorted(needed, key=reach.order.__getitem__):
        said[each] = [chain for holding in needed[each] for chain in _down(count, holding, said)]
    return [_in_one(chain) for chain in said[party_id]]


_Chain = list[str]
"""Links: who holds what of whom, then what that one holds of whom, and so on down."""


def _down(count: Count, holding: Holding, said: dict[str, list[_Chain]]) -> list[_Chain]:
    """What was said of the owner, once, and then what the owner holds."""
    before = said.pop(holding.owner, [])
    if not before:
        return [[holds_words(holding, count.codes_of(holding.owner))]]
    before[-1].append(f"holds {_share_words(holding.low, holding.high)} of {holding.owned}")
    return before


def _in_one(chain: _Chain) -> str:
    if len(chain) <= MOST_SAID:
        return ", which ".join(chain)
    left_out = f"passes it on through {len(chain) - MOST_SAID} more"
    return ", which ".join([*chain[: MOST_SAID - 2], left_out, *chain[-2:]])


def _doubts(count: Count) -> list[tuple[tuple[str, ...], str]]:
    """What leaves the answer open, the nearest first: the way to whom it is about, and in words."""
    owners, first = count.owners, count.owners.party_id
    way: dict[str, tuple[str, ...]] = {first: (first,)}
    found: list[tuple[tuple[str, ...], str]] = []
    waiting = [first]
    for each in waiting:
        found += [(way[each], words) for words in open_shares(owners, each)]
        for holding in owners.of(each):
            who = holding.owner
            if who in count.most.order and holding.high > 0:
                is_new = who not in way
                found += [((*way[each], who), words) for words in _doubts_about(count, holding, is_new=is_new)]
                if is_new:
                    way[who] = (*way[each], who)
                    waiting.append(who)
    return found


def open_shares(owners: OwnersAbove, party_id: str) -> Iterator[str]:
    """What is not known of the shares of one party, whoever is known to hold some of it."""
    if owners.register.left[party_id] == BOUNDLESS:
        yield f"the shares of {party_id} that are stated add up to more than the whole"
    elif is_slice(owners, party_id):
        yield slice_words(owners, party_id)


def _doubts_about(count: Count, holding: Holding, *, is_new: bool) -> Iterator[str]:
    codes = count.codes_of(holding.owner)
    if is_new and holding.owner in count.in_doubt:
        yield count.owners.listings[holding.owner].reason
    if codes or holding.low < holding.high:
        yield holds_words(holding, codes)


def _no_half(count: Count) -> Iterator[str]:
    """Holdings that make no half: of those who count, and of those on lists that do not."""
    for each in count.owners.stated:
        for holding in count.owners.of(each):
            codes = count.owners.listings[holding.owner].codes if holding.owner in count.owners.listings else ()
            if holding.high > 0 and (codes or holding.owner in count.most.order):
                counts = not codes or count.codes_of(holding.owner)
                yield holds_words(holding, codes) + ("" if counts else ", on no list that counts")


def _sum_words(count: Count) -> str:
    party_id = count.owners.party_id
    if count.high == 0:
        return f"no listed owner who counts holds a share of {party_id}"
    return f"listed owners who count hold {_share_words(count.low, max(count.low, count.high))} of {party_id}"


def shortened(said: Iterable[str]) -> list[str]:
    """Each part once, and no more of them than somebody reads."""
    words = list(dict.fromkeys(said))
    return words if len(words) <= MOST_SAID else [*words[:MOST_SAID], f"and {len(words) - MOST_SAID} more"]


def _share_words(low: int, high: int) -> str:
    """``50 %``, ``40 to 50 %``, ``a share that is not known``."""
    if (low, high) == (0, WHOLE):
        return "an unknown share"
    return f"{_percent(low)} %" if low == high else f"{_percent(low)} to {_percent(high)} %"


def _percent(amount: int) -> str:
    return f"{amount / UNIT:.10g}"
