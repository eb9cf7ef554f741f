"""
Whether somebody who controls a party other than by shares is on a list, or is owned by listed parties.

Asked of the party, of those who own a half of it or more, of its head office, and of those who control any of these. It
is no part of the 50 % count (OFAC, FAQ 398; BIS's FAQ 43): a flag of its own. Where nobody has said who controls a
party the answer is unknown, and so it is where it hangs on a rule of which nobody knows how it stood. Left out:
directors, which the file may name and which control nothing by that alone.
"""

from dataclasses import replace

from policy.facts.evidence import Answer
from policy.kyc.owners.chains import holdings_of, owners_above
from policy.kyc.owners.counting import Count, Law, count_owners
from policy.kyc.owners.listing import ListState, ask_listing, with_head_offices
from policy.kyc.owners.stakes import HALF
from policy.kyc.reply import Reply, strongest
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import DISPERSED


def ask_control(view: View, party_id: str, law: Law) -> Reply:
    """Whether a listed party, or one that listed owners reach by the law of the day, controls a party."""
    found = [_of_controller(view, each, law) for each in _controls(view, party_id, law)]
    if not found:
        reason = f"nobody has said who controls {party_id} other than by shares, which does not clear it"
        return Reply(answer=Answer.UNKNOWN, reason=reason, path=(party_id,))
    reply = strongest(found)
    return replace(reply, path=(party_id, *reply.path))


def _controls(view: View, party_id: str, law: Law) -> list[Statement]:
    """What is said about control of the party and of whoever stands above it by control or by a half of the shares."""
    found = list(with_head_offices(view, party_id, law.at))
    stated: list[Statement] = []
    for each in found:
        controls = view.of(each, "controlled_by", law.at)
        stated += controls
        holders = [one.owner for one in holdings_of(view, each, law.at) if one.low >= HALF and one.owner != DISPERSED]
        above = [*(control.value for control in controls), *holders]
        found += [one for one in dict.fromkeys(above) if one not in found]
    return stated


def _of_controller(view: View, control: Statement, law: Law) -> Reply:
    """Yes and no only where they hold however the rule stood, if nobody knows how it did."""
    who = control.value
    listing = ask_listing(view, who, law.at, law.lists)
    words = f"{who} controls {control.subject}"
    sources = (control.line, *listing.sources)
    if listing.state is ListState.YES:
        return Reply(answer=Answer.YES, reason=f"{words}; {listing.reason}", path=(who,), sources=sources)
    sure, widest = _counts(view, who, law)
    if sure.answer is Answer.YES:
        reason = f"{words}, of which listed owners hold a half or more"
        return Reply(answer=Answer.YES, reason=reason, path=(who,), sources=sources)
    if listing.state is ListState.NO and widest.answer is Answer.NO:
        reason = f"{words}; {listing.reason}, and listed owners do not hold a half of it"
        return Reply(answer=Answer.NO, reason=reason, path=(who,), sources=sources)
    held = sure.answer if sure.answer is widest.answer else f"{Answer.UNKNOWN}, for {law.words}"
    reason = f"{words}; {listing.reason}; whether listed owners hold a half of it: {held}"
    return Reply(answer=Answer.UNKNOWN, reason=reason, path=(who,), sources=sources)


def _counts(view: View, who: str, law: Law) -> tuple[Count, Count]:
    owners = owners_above(view, who, law.at, law.lists)
    return law.ends(*(count_owners(owners, law, rule_on=is_on) for is_on in (False, True)))
