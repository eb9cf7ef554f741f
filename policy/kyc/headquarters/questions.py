"""
Whether the party behind an account is headquartered where the rules ask, or its ultimate parent, or for whom it acts.

The rules ask about a party "headquartered in" certain countries, about one "whose ultimate parent company" is, and
about what is done "for or on behalf of" such parties. These are three questions, each answered yes, no or unknown, and
unknown never clears: the whole is no only where all three are.

- An account's customer is the party. Of a resold account the reseller's customers are, and where none is recorded,
  nobody knows who they are; the reseller itself decides nothing. Of several parties one in scope is enough.
- Where a party is headquartered, :mod:`.seat` says; who is at the top above it, :mod:`.parents`.
  Whoever stands between is mentioned where it is in scope, and decides nothing: the rules ask about the top.
- For whom an account acts somebody has to have said, of the account or of its customer. That it acts for nobody else
  is an answer; that nobody asked is none. Whoever is named is asked about like a customer, and whoever that one is said
  to act for in turn. A party that is named, and of which nobody says that it acts for another, is the one acted for.
- A party that is no more answers nothing: who uses the account now is not known.

Left out: affiliates, directors, owners of less than half, payers, addresses, and everything about natural persons. They
are for ownership and for red flags. How good a source is does not decide either; sources are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from policy.facts.evidence import Answer
from policy.facts.jurisdictions import Jurisdictions
from policy.kyc.headquarters.asking import (
    Asked,
    Told,
    contradiction,
    disagreement,
    distinct,
    lines,
    numbers_apart,
    together,
    unknown,
)
from policy.kyc.headquarters.parents import Above, End, parents_of
from policy.kyc.headquarters.seat import head_offices_of, seat_of
from policy.kyc.reply import Reply, any_of
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import SELF


@dataclass(frozen=True, slots=True, kw_only=True)
class Headquarters:
    """
    The three answers about one tenant.

    ``group_id``: of the corporate group: the one ultimate parent that is known, else the highest one on the way there,
    else the party, else the tenant.
    ``conflicts``: a sentence for each contradiction between sources, with all of them; ids and countries, no names.
    """

    own: Reply
    parent: Reply
    behalf: Reply
    group_id: str
    conflicts: tuple[str, ...]

    @property
    def overall(self) -> Answer:
        """Yes where one of the three is, no where all are, else unknown."""
        return any_of(self.own.answer, self.parent.answer, self.behalf.answer)


def ask_headquarters(view: View, tenant_id: str, at: date, jurisdictions: Jurisdictions) -> Headquarters:
    """The answers under the law of one day, by what a view holds to be true on it."""
    asked = Asked(view=view, at=at, jurisdictions=jurisdictions)
    behind = _behind(asked, tenant_id)
    own, parent, behalf = _own(asked, behind), _parent(asked, behind), _behalf(asked, behind)
    numbers = [line for party in behind.parties for line in numbers_apart(asked, party)]
    return Headquarters(
        own=own.reply,
        parent=parent.reply,
        behalf=behalf.reply,
        group_id=_group_id(asked, behind),
        conflicts=distinct((*behind.conflicts, *own.conflicts, *parent.conflicts, *behalf.conflicts, *numbers)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Behind:
    """The parties behind an account, or behind an id that is a party's own; ``missing``: why others may be there."""

    account: str
    parties: tuple[str, ...]
    missing: str = ""
    said: tuple[Statement, ...] = ()
    conflicts: tuple[str, ...] = ()


def _behind(asked: Asked, tenant_id: str) -> _Behind:
    customers, resellers = asked.of(tenant_id, "customer"), asked.of(tenant_id, "reseller")
    parties = distinct(each.value for each in customers)
    missing = "" if parties else "the customer is not known"
    if resellers and not set(parties) - {each.value for each in resellers}:
        missing = "the account is resold, and the reseller's customers are not known"
    return _Behind(
        account=tenant_id,
        parties=parties,
        missing=missing,
        said=(*resellers, *customers),
        conflicts=() if resellers else disagreement(customers),
    )


def _named(asked: Asked, subject: str) -> _Behind:
    """Whoever an id that somebody acts for means: a party, or the parties behind another account."""
    if asked.of(subject, "customer") or asked.of(subject, "reseller"):
        return _behind(asked, subject)
    return _Behind(account=subject, parties=(subject,))


def _own(asked: Asked, behind: _Behind) -> Told:
    return _of_all(behind, [_no_more(asked, party) or seat_of(asked, party) for party in behind.parties])


def _parent(asked: Asked, behind: _Behind) -> Told:
    return _of_all(behind, [_no_more(asked, party) or _top(asked, party) for party in behind.parties])


def _of_all(behind: _Behind, told: Sequence[Told]) -> Told:
    """One answer for all parties behind an account; each is named where there are several."""
    several = len(told) > 1
    named = [one.behind(words=f"{party}: " if several else "") for party, one in zip(behind.parties, told, strict=True)]
    return _of_account(behind, named)


def _of_account(behind: _Behind, told: Sequence[Told]) -> Told:
    missing = [unknown(behind.missing)] if behind.missing else []
    return together([*told, *missing]).behind(behind.account, sources=lines(behind.said))


def _no_more(asked: Asked, party: str) -> Told | None:
    gone = asked.gone(party)
    if not gone:
        return None
    days = " or ".join(distinct(each.value for each in gone))
    return unknown(f"dissolved on {days}, and who is there now is not known", path=(party,), sources=lines(gone))


def _top(asked: Asked, party: str) -> Told:
    """Whether an ultimate parent of a party is headquartered in scope."""
    above = parents_of(asked, party)
    told = together([_end(asked, party, end) for end in above.ends])
    noted = _noted(asked, told.reply, above)
    return Told(reply=noted, conflicts=distinct((*above.conflicts, *told.conflicts)))


def _end(asked: Asked, party: str, end: End) -> Told:
    if end.untold:
        return unknown(f"ultimate parent not known: {end.untold}", path=end.path, sources=end.sources)
    words = "the party is its own ultimate parent, " if end.party == party else f"ultimate parent {end.party}, "
    return seat_of(asked, end.party).behind(*end.path, sources=end.sources, words=words)


def _noted(asked: Asked, reply: Reply, above: Above) -> Reply:
    """The reply with whoever stands between and is in scope, which a reviewer wants to know."""
    there = [party for party in above.passed if not (asked.gone(party) or asked.of(party, "branch_of"))]
    seats = {party: seat_of(asked, party).reply for party in there}
    noted = {party: seat for party, seat in seats.items() if seat.answer is Answer.YES}
    words = [
        f"{party} on the way is no ultimate parent as far as known, {seat.reason}" for party, seat in noted.items()
    ]
    sources = (line for seat in noted.values() for line in seat.sources)
    return replace(reply, reason="; ".join([reply.reason, *words]), sources=distinct((*reply.sources, *sources)))


def _behalf(asked: Asked, behind: _Behind) -> Told:
    of_account = asked.of(behind.account, "acts_for")
    if not behind.parties and any(each.value != SELF for each in of_account):
        return _of_account(behind, [_acting(asked, of_account)])
    said = [distinct((*of_account, *asked.of(party, "acts_for"))) for party in behind.parties]
    return _of_all(behind, [_acting(asked, each) for each in said])


def _acting(asked: Asked, said: Sequence[Statement]) -> Told:
    """Whether one of those for whom it is said to act is in scope; so is whoever these are said to act for."""
    if not said:
        return unknown("nobody has said for whom it acts")
    ways = _ways(asked, said)
    conflicts = [contradiction(each) for each in (said, *(way.further for way in ways)) if _at_odds(each)]
    if not ways:
        reply = Reply(answer=Answer.NO, reason="said to act for nobody else", sources=lines(said))
        return Told(reply=reply)
    told = together([_acted_for(asked, way) for way in ways])
    return Told(reply=told.reply, conflicts=distinct((*conflicts, *told.conflicts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From a subject to one for whom it acts, over others; ``further``: what is said of whom that one acts for."""

    path: tuple[str, ...]
    sources: tuple[str, ...]
    behind: _Behind
    further: tuple[Statement, ...]


def _ways(asked: Asked, said: Sequence[Statement]) -> tuple[_Way, ...]:
    """A way to each for whom somebody acts in the end or in between; each once, so that circles end."""
    found: dict[str, _Way] = {}
    waiting: list[tuple[tuple[str, ...], tuple[str, ...], Statement]] = [((each.subject,), (), each) for each in said]
    for path, sources, each in waiting:
        if each.value != SELF and each.value not in found:
            behind = _named(asked, each.value)
            further = distinct(
                one for subject in (each.value, *behind.parties) for one in asked.of(subject, "acts_for")
            )
            way = _Way(path=(*path, each.value), sources=(*sources, each.line), behind=behind, further=further)
            found[each.value] = way
            waiting += [(way.path, way.sources, one) for one in further]
    return tuple(found.values())


def _acted_for(asked: Asked, way: _Way) -> Told:
    told = together([_own(asked, way.behind), _parent(asked, way.behind)])
    return told.behind(*way.path, sources=way.sources, words=f"acts for {way.behind.account}: ")


def _at_odds(said: Sequence[Statement]) -> bool:
    """Whether it is said to act for nobody else, and for another. That it acts for two is no contradiction."""
    values = {each.value for each in said}
    return SELF in values and len(values) > 1


def _group_id(asked: Asked, behind: _Behind) -> str:
    if behind.missing:
        return behind.account
    there = [party for party in behind.parties if not asked.gone(party)]
    ends = [end for party in there for end in parents_of(asked, party).ends]
    for parties in ([end.party for end in ends if not end.untold], _in_common(asked, ends), behind.parties):
        heads = distinct(_head_office(asked, party) for party in parties)
        if len(heads) == 1:
            return heads[0]
    return behind.account


def _in_common(asked: Asked, ends: Sequence[End]) -> tuple[str, ...]:
    """The highest one there that every way upward leads over, though nobody knows who is at the top; or none."""
    ways = [[each for each in end.way_of_group if not asked.gone(each)] for end in ends]
    return tuple(each for each in ways[0] if all(each in way for way in ways))[-1:] if ways else ()


def _head_office(asked: Asked, party: str) -> str:
    """Whose branch a party is, where that is one; else the party."""
    offices = head_offices_of(asked, party).offices
    return offices[0] if len(offices) == 1 else party
