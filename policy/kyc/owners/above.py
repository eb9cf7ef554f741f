"""
Who stands above a party: its head office, its parents, owners of a half or more, and whoever controls it otherwise.

Some are known to stand there. Of others it is only possible: of an owner who may hold a half, and of one who controls
the party other than by shares, which is no share and makes nobody a parent, but which a reviewer has to see. Affiliates
and directors are not above.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from policy.kyc.owners.chains import holdings_in, stated_owners
from policy.kyc.owners.stakes import HALF, WHOLE, Holding
from policy.kyc.view import View
from policy.kyc.vocabulary import DISPERSED, SELF


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """
    A party that stands above another, or is it.

    ``way``: from the one that was asked about. ``doubt``: why it is not certain that it stands there; empty: it is.
    ``sources``: who says so.
    """

    way: tuple[str, ...]
    doubt: str = ""
    sources: tuple[str, ...] = ()

    def then(self, step: "Above") -> "Above":
        """One step further up; of two doubts the nearer one is told."""
        doubt, sources = self.doubt or step.doubt, (*self.sources, *step.sources)
        return Above(way=(*self.way, *step.way), doubt=doubt, sources=sources)


def all_above(view: View, party_id: str, at: date) -> dict[str, Above]:
    """The party itself, who stands above it, above these, and so on; by a way without doubt where there is one."""
    found = {party_id: Above(way=(party_id,))}
    waiting = [party_id]
    for each in waiting:
        for step in _directly(view, each, at):
            who, above = step.way[-1], found[each].then(step)
            if who not in found or (found[who].doubt and not above.doubt):
                found[who] = above
                waiting.append(who)
    return found


def _directly(view: View, party_id: str, at: date) -> Iterator[Above]:
    for predicate in ("ultimate_parent", "parent"):
        for each in view.of(party_id, predicate, at):
            if each.value != SELF:
                yield Above(way=(each.value,), sources=(each.line,))
    yield from _holders(view, party_id, at)
    for each in view.of(party_id, "controlled_by", at):
        doubt = f"it controls {party_id} other than by shares"
        yield Above(way=(each.value,), doubt=doubt, sources=(each.line,))


def _holders(view: View, party_id: str, at: date) -> Iterator[Above]:
    """Owners who hold a half or may; none may hold more than what others are known to hold leaves."""
    stated = stated_owners(view, party_id, at)
    holdings = tuple(holdings_in(party_id, stated))
    for each in holdings:
        if each.owner != DISPERSED and min(each.high, _left_for(each, holdings)) >= HALF:
            lines = tuple(one.line for one in stated if one.value == each.owner)
            doubt = "" if each.low >= HALF else f"it may hold a half of {party_id}"
            yield Above(way=(each.owner,), doubt=doubt, sources=lines)


def _left_for(holding: Holding, holdings: Sequence[Holding]) -> int:
    others = sum(each.low for each in holdings if each.owner != holding.owner)
    return WHOLE - others if others + holding.low <= WHOLE else WHOLE
