"""
Whether a party is one to whom nothing is given without counsel, training or not.

That is a party who is headquartered in Country Group E:1 or E:2, or on a list that blocks property, or of whom blocked
owners hold a half; and one above whom such a party stands, as parent or as owner of a half or more. What is said of
headquarters, principal place of business and management counts alike, as it does for the headquarters test.

The answer is yes only where nothing that is known speaks against it. A single source among several, a match that nobody
has decided, an owner who may hold a half, and control other than by shares leave it unknown; that something of the kind
is there at all ``by_some`` tells, for nobody may look like one of whom nothing is known whom a source places in an
embargoed country.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from policy.facts.evidence import Answer
from policy.facts.jurisdictions import Jurisdictions
from policy.facts.party_lists import PartyLists, YesNo
from policy.kyc.owners.above import Above, all_above
from policy.kyc.owners.chains import owners_above
from policy.kyc.owners.counting import count_sums
from policy.kyc.owners.listing import Listing, ListState, ask_listing
from policy.kyc.owners.possible import may_reach
from policy.kyc.owners.words import because
from policy.kyc.reply import Reply, strongest
from policy.kyc.view import View
from policy.kyc.vocabulary import OF_SEAT, PartyKind

ONE_OF_SEVERAL = "what is said disagrees, and at least one source names a country of Country Group {groups}"
OF_A_BRANCH = "a branch, and of the branch itself a source names a country of Country Group {groups}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restricted:
    """
    Whether one of some parties, or somebody above it, is restricted at any use on a day.

    ``by_some``: whether a source, a match that nobody has decided, or a share that may be a half makes one of them so;
    no only where ``for_certain`` is no.
    """

    for_certain: Reply
    by_some: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """An answer, and whether anything that is said, however little it settles, speaks for a yes."""

    reply: Reply
    by_some: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """``blocking``: the codes of the lists that block property."""

    view: View
    at: date
    jurisdictions: Jurisdictions
    lists: PartyLists
    blocking: frozenset[str]


def ask_restricted(
    view: View, party_ids: Sequence[str], at: date, jurisdictions: Jurisdictions, lists: PartyLists
) -> Restricted:
    """Whether one of these parties, or somebody above it, is restricted at any use on a day."""
    blocking = frozenset(each.code for each in lists.list if each.blocking is YesNo.YES)
    asked = _Asked(view=view, at=at, jurisdictions=jurisdictions, lists=lists, blocking=blocking)
    told = [each for party_id in dict.fromkeys(party_ids) for each in _of_one(asked, party_id)]
    for_certain = strongest([each.reply for each in told])
    found = [replace(each.reply, answer=Answer.YES) for each in told if each.by_some]
    return Restricted(for_certain=for_certain, by_some=strongest(found) if found else for_certain)


def _of_one(asked: _Asked, party_id: str) -> Iterator[_Told]:
    """Of the party itself, of those above it, and of what blocked owners hold of it."""
    owners = owners_above(asked.view, party_id, asked.at, asked.lists)
    count = count_sums(owners, asked.lists, [asked.blocking])
    yield _Told(reply=because(count), by_some=may_reach(owners, _may_be_blocked(asked, owners.listings)))
    for who, above in all_above(asked.view, party_id, asked.at).items():
        yield from (_seen_from(above, each) for each in (_blocked(asked, who), *_embargoed(asked, who)))
    if not asked.view.of(party_id, "ultimate_parent", asked.at):
        reason = f"the ultimate parent of {party_id} is not known, which does not clear it"
        yield _Told(reply=Reply(answer=Answer.UNKNOWN, reason=reason, path=(party_id,)), by_some=False)


def _seen_from(above: Above, told: _Told) -> _Told:
    """What an answer about somebody above says of the party: a yes is none where nobody knows that it stands there."""
    reply = replace(told.reply, path=above.way, sources=tuple(dict.fromkeys((*above.sources, *told.reply.sources))))
    if above.doubt and reply.answer is not Answer.NO:
        reply = replace(reply, answer=Answer.UNKNOWN, reason=f"{reply.reason}; {above.doubt}")
    return replace(told, reply=reply)


def _may_be_blocked(asked: _Asked, listings: Mapping[str, Listing]) -> list[str]:
    return [each for each, listing in listings.items() if _is_told(asked, listing)]


def _is_told(asked: _Asked, listing: Listing) -> bool:
    """Whether something speaks for a list that blocks property; a match that nobody has decided does, too."""
    is_there = any(code in asked.blocking or code not in asked.lists.by_code for code in listing.codes)
    return is_there or listing.is_open


def _blocked(asked: _Asked, who: str) -> _Told:
    """Whether a party is itself on a list that blocks property."""
    listing = ask_listing(asked.view, who, asked.at, asked.lists)
    is_told = _is_told(asked, listing)
    answer = Answer.UNKNOWN if is_told or listing.state is ListState.NOT_SCREENED else Answer.NO
    answer = answer if asked.blocking.isdisjoint(listing.codes) else Answer.YES
    reply = Reply(answer=answer, reason=listing.reason, path=(who,), sources=listing.sources)
    return _Told(reply=reply, by_some=is_told)


def _embargoed(asked: _Asked, who: str) -> Iterator[_Told]:
    """Whether a party is headquartered so. Of a natural person nobody asks; a branch is its head office."""
    said = [each for predicate in OF_SEAT for each in asked.view.of(who, predicate, asked.at)]
    is_branch = bool(asked.view.of(who, "branch_of", asked.at))
    if asked.view.values(who, "kind", asked.at) == (PartyKind.NATURAL_PERSON,):
        return
    scopes = {each.value: _in_embargoed(asked, each.value) for each in said}
    answers = {each.answer for each in scopes.values()}
    if is_branch and Answer.YES not in answers:
        return
    answer = answers.pop() if len(answers) == 1 and not is_branch else Answer.UNKNOWN
    is_told = any(each.answer is Answer.YES for each in scopes.values())
    words = list(dict.fromkeys(f"{OF_SEAT[each.predicate]} {scopes[each.value].reason}" for each in said))
    words = words or ["not known, which does not clear it"]
    if is_told and answer is Answer.UNKNOWN:
        groups = " or ".join(asked.lists.any_use.groups)
        words.insert(0, (OF_A_BRANCH if is_branch else ONE_OF_SEVERAL).format(groups=groups))
    lines = (*(each.line for each in said), *(line for each in scopes.values() for line in each.sources))
    reply = Reply(answer=answer, reason=f"headquarters of {who}: {'; '.join(words)}", path=(who,), sources=lines)
    yield _Told(reply=reply, by_some=is_told)


def _in_embargoed(asked: _Asked, country: str) -> Reply:
    asks = asked.lists.any_use
    scope = asked.jurisdictions.in_one_of(country, asks.groups, asked.at)
    lines = (source.line for source in (asks.source, *scope.sources))
    return Reply(answer=scope.answer, reason=scope.reason, sources=tuple(lines))
