"""
Red flags about lists: what leads from a tenant's parties to somebody who is on one.

Being on a list is what somebody determined (``listed_on``). A comparison that found an entry alike is no determination:
until each entry is decided on it is a question. A party that was never compared is not known to be on none.

Left out, because others ask it: how much listed owners hold together, and what follows from it.
"""

from collections.abc import Iterator
from dataclasses import replace

from policy.facts.evidence import Answer
from policy.kyc.flags.look import Look, joined, no, normal_address, unknown, yes
from policy.kyc.owners.chains import OwnersAbove, owners_above
from policy.kyc.owners.listing import Listing, ListState, ask_listing
from policy.kyc.owners.stakes import Holding
from policy.kyc.owners.words import holds_words, open_shares, shortened
from policy.kyc.reply import Reply
from policy.kyc.statements import Statement

SHOWN = 3
"""How many parties a sentence names that only leave a question open."""


def is_listed(look: Look, party: str) -> Reply:
    """Whether a party, or whose branch it is, is on a list: a likeness is unknown, as is never having looked."""
    found = _listing(look, party)
    answer = {ListState.YES: Answer.YES, ListState.NO: Answer.NO}.get(found.state, Answer.UNKNOWN)
    return Reply(answer=answer, reason=found.reason, path=(party,), sources=found.sources)


def _listing(look: Look, party: str) -> Listing:
    return ask_listing(look.view, party, look.at, look.facts.party_lists)


def like_listed(look: Look) -> Reply:
    """A name, or an address, that is like that of a listed party."""
    return joined((look.of_parties(_named_like), look.of_parties(_same_address)))


def _named_like(look: Look, party: str) -> Reply:
    reply = is_listed(look, party)
    return replace(reply, answer=Answer.YES) if _listing(look, party).is_open else reply


def _same_address(look: Look, party: str) -> Reply:
    addresses = look.said(party, "address")
    if shared := [each for each in addresses if normal_address(each.value) in look.listed_addresses]:
        return yes(f"{party} shares an address with a listed party", *shared, path=(party,))
    if not addresses:
        return unknown(f"no address of {party} is known", path=(party,))
    if not look.listed_addresses:
        return unknown("no addresses of listed parties were at hand", *addresses, path=(party,))
    return no(*addresses)


def assumed_operations(look: Look) -> Reply:
    """Whoever was before the party is listed. That nobody was before it cannot be said in the file."""
    return look.of_parties(_succeeds)


def _succeeds(look: Look, party: str) -> Reply:
    before = [each for each in look.view.whose("successor", party, look.at) if each.subject != party]
    return (
        joined(_through(look, each.subject, f"{party} took over from {each.subject}", each) for each in before)
        if (before)
        else no()
    )


def shared_management(look: Look) -> Reply:
    """A director of the party is listed, or directs a listed party too."""
    return look.of_parties(_directed)


def _directed(look: Look, party: str) -> Reply:
    directors = [each for each in look.said(party, "directed_by") if each.value != party]
    if not directors:
        return unknown(f"who directs {party} is not known", path=(party,))
    return joined(reply for each in directors for reply in _of_director(look, party, each))


def _of_director(look: Look, party: str, directs: Statement) -> Iterator[Reply]:
    director = directs.value
    yield _through(look, director, f"{director} directs {party}", directs)
    others = [each for each in look.view.whose("directed_by", director, look.at) if each.subject != party]
    found = {each: is_listed(look, each.subject) for each in others}
    for each in others:
        if found[each].answer is Answer.YES:
            yield _through(look, each.subject, f"{director} directs {party} and {each.subject}", directs, each)
    if untold := [each for each in others if found[each].answer is Answer.UNKNOWN]:
        yield unknown(_untold(director, party, untold), directs, path=(party, director))


def _untold(director: str, party: str, others: list[Statement]) -> str:
    """One sentence for all of them: a director by trade may have thousands."""
    who = sorted({each.subject for each in others})
    more = f" and {len(who) - SHOWN} more" if len(who) > SHOWN else ""
    named = f"{', '.join(who[:SHOWN])}{more}"
    return f"{director} directs {party} and {named}, of which it is not known whether they are on lists"


def listed_owner_share(look: Look) -> Reply:
    """
    An owner, at any remove, is listed, and its share is not known exactly. Of any list, not of the flag's two.

    Whoever may hold what nobody known holds may be listed.
    """
    return look.of_parties(_owners)


def _owners(look: Look, party: str) -> Reply:
    owners = owners_above(look.view, party, look.at, look.facts.party_lists)
    held = [each for owned in owners.stated for each in owners.of(owned)]
    shares = [_share(look, owners, each) for each in held if each.low != each.high]
    untold = [each for each in owners.stated if any(open_shares(owners, each))]
    open_ones = [_untold_shares(owners, untold)] if untold else []
    return joined([no(*owners.stated[party]), *shares, *open_ones])


def _share(look: Look, owners: OwnersAbove, holding: Holding) -> Reply:
    links = [each for each in owners.stated[holding.owned] if each.value == holding.owner]
    return _through(look, holding.owner, holds_words(holding), *links)


def _untold_shares(owners: OwnersAbove, parties: list[str]) -> Reply:
    reason = "; ".join(shortened(words for each in parties for words in open_shares(owners, each)))
    said = (each for party in parties for each in owners.stated[party])
    return unknown(reason, *said, path=(owners.party_id,))


def _through(look: Look, other: str, how: str, *links: Statement) -> Reply:
    """What lists say of another party, with how the way led there."""
    found = is_listed(look, other)
    return Reply(
        answer=found.answer,
        reason="" if found.answer is Answer.NO else f"{how}, and {found.reason}",
        path=(*dict.fromkeys((*(each.subject for each in links), other)),),
        sources=(*(each.line for each in links), *found.sources),
    )
