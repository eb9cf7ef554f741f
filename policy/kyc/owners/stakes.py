"""
The arithmetic of the 50 % rule over any number of holdings.

A party is reached when owners who are listed or reached themselves directly hold a half of it or more, all together.
One that is reached passes its whole stake on, one below passes nothing, and shares are never multiplied (OFAC, FAQ 401;
Supplement No. 8 to 15 CFR Part 744). What reaches itself only in a circle is not reached.

Shares may be known as ranges or not at all, and not all owners may be known, so every sum is a range. Its low end
counts what is known to be held by those known to be listed. Its high end counts whatever may be held by whoever may be
listed: an unknown share takes what the other owners leave of 100 %, and so does a slice of which no owner is known.
Where the shares that are stated add up to more than 100 % they contradict one another, and nothing is concluded from
what they leave. What a party holds of itself is nobody's share of it, and is left open as if no owner were known.

Left out: classes of shares and votes; a share is a share of ownership.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from policy.kyc.vocabulary import DISPERSED

UNIT = 1_000_000  # millionths of a percent: whole numbers, so that no sum depends on its order
WHOLE, HALF = 100 * UNIT, 50 * UNIT
BOUNDLESS = 1 << 60


@dataclass(frozen=True, slots=True)
class Holding:
    """What an owner holds of a party, in :data:`UNIT`; of several statements the range that covers them all."""

    owned: str
    owner: str
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """
    Who is reached. ``order``: the listed and the reached, each with the number in which it was found.

    ``held``: of each party what those hold of it, in :data:`UNIT`; who is not here has nothing held.
    """

    order: Mapping[str, int]
    held: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """
    Holdings, by owner, with what is needed to bound a sum.

    ``left``: of each party what the known shares leave of the whole; BOUNDLESS where they contradict one another.
    ``is_open``: the parties of which somebody who is not known may hold a share.
    """

    parties: Collection[str]
    by_owner: Mapping[str, list[Holding]]
    left: Mapping[str, int]
    is_open: Collection[str]

    def reached(self, listed: Iterable[str]) -> Reach:
        """Who is reached for certain, by owners who are listed for certain."""
        return self._spread(listed, dict.fromkeys(self.parties, 0), {}, at_most=False)

    def may_be_reached(self, listed: Iterable[str]) -> Reach:
        """Who may be reached, by owners who may be listed, and by whoever is not known."""
        held = {each: BOUNDLESS if each in self.is_open else 0 for each in self.parties}
        return self._spread(listed, held, dict(self.left), at_most=True)

    def told_of(self, party_id: str, listed: Iterable[str]) -> int:
        """What these may hold of a party by the shares that are told, whatever may be held by nobody known."""
        among = (each for each in listed if each != party_id)
        return self._spread(among, dict.fromkeys(self.parties, 0), dict(self.left), at_most=True).held[party_id]

    def _spread(self, listed: Iterable[str], held: dict[str, int], bound: dict[str, int], *, at_most: bool) -> Reach:
        """
        From the listed to what they hold, until nobody more is reached; each party is taken once.

        ``held`` grows by the share that an owner holds, or may hold; ``bound`` by the one that the owner is known to
        hold, for so much more of what is left may be held by somebody listed. The sum is the smaller of the two.
        """
        order = dict.fromkeys(listed, 0)
        order |= {each: 0 for each in self.parties if min(held[each], bound.get(each, BOUNDLESS)) >= HALF}
        waiting = list(order)
        for number, owner in enumerate(waiting, start=1):
            order[owner] = number
            for holding in self.by_owner.get(owner, ()):
                owned = holding.owned
                held[owned] += holding.high if at_most else holding.low
                if owned in bound:
                    bound[owned] += holding.low
                if owned not in order and min(held[owned], bound.get(owned, BOUNDLESS)) >= HALF:
                    order[owned] = 0
                    waiting.append(owned)
        sums = {each: min(held[each], bound.get(each, BOUNDLESS), WHOLE) for each in held}
        return Reach(order=order, held=sums)


@dataclass(slots=True)
class _Shares:
    """What is known of the owners of one party, while its register is made."""

    low: int = 0
    closed: bool = False


def make_register(holdings: Iterable[Holding], closed: Collection[str] = (), parties: Iterable[str] = ()) -> Register:
    """
    Put holdings together, one for each pair of owned and owner.

    ``closed``: parties that nobody owns, as natural persons; ``parties``: who is there beside those of the holdings.
    """
    found = {each: _Shares(closed=each in closed) for each in parties}
    by_owner: dict[str, list[Holding]] = {}
    for each in holdings:
        shares = found.setdefault(each.owned, _Shares(closed=each.owned in closed))
        if each.owner == each.owned:
            continue
        shares.low += each.low
        if each.owner == DISPERSED:
            shares.closed |= each.low == 0 and each.high == WHOLE  # however much: the rest is theirs
        else:
            found.setdefault(each.owner, _Shares(closed=each.owner in closed))
            by_owner.setdefault(each.owner, []).append(each)
    left = {party: WHOLE - each.low if each.low <= WHOLE else BOUNDLESS for party, each in found.items()}
    is_open = {party for party, each in found.items() if not each.closed and each.low <= WHOLE}
    return Register(parties=found.keys(), by_owner=by_owner, left=left, is_open=is_open)


def in_units(percent: float) -> int:
    """A share as a whole number of :data:`UNIT`."""
    return round(percent * UNIT)
