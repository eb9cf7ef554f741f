"""
Red flags about the account: what it is for, who pays, whether anybody verified it, and whose customers stand behind it.
"""

from datetime import date, timedelta

from policy.facts.evidence import Answer
from policy.kyc.flags.end_use import end_use, signed_on
from policy.kyc.flags.history import changes_within, days_up_to, is_covered
from policy.kyc.flags.look import Look, joined, no, unknown, yes
from policy.kyc.reply import Reply
from policy.kyc.vocabulary import SELF


def wmd_end_use(look: Look) -> Reply:
    """Somebody said that a weapon of mass destruction is the end use."""
    return end_use(look.view, look.tenant_id, look.at).wmd


def military_intelligence_end_use(look: Look) -> Reply:
    """Somebody said that military intelligence is the end use or end user."""
    return end_use(look.view, look.tenant_id, look.at).military_intelligence


def no_end_use_given(look: Look) -> Reply:
    """There is no end-use statement; where parts of it are lacking it is not known what it says."""
    found = end_use(look.view, look.tenant_id, look.at, before=look.before).statement
    match found.answer:
        case Answer.YES:
            return no()
        case Answer.NO:
            return yes(found.reason, path=found.path)
        case Answer.UNKNOWN:
            return found


def old_end_use(look: Look) -> Reply:
    """The newest end-use statement is older than the limit. Where there is none another flag says so."""
    limit = look.limits.end_use_days
    signed = signed_on(look.view, look.tenant_id, look.at, look.before)
    if not signed:
        return unknown("when an end-use statement was signed is not known", path=(look.tenant_id,))
    if date.fromisoformat(signed[0].value) >= look.since(limit):
        return no(signed[0])
    reason = f"the end-use statement is of {signed[0].value}, {limit.value:g} days ago or more"
    return yes(reason, signed[0], path=(look.tenant_id,), lines=(limit.source.line,))


def payer(look: Look) -> Reply:
    """Somebody else pays, or who pays changed near the first use."""
    return joined((_third_party(look), _payer_changed(look)))


def _third_party(look: Look) -> Reply:
    said = look.said(look.tenant_id, "payer")
    others = [each for each in said if each.value not in (SELF, *look.parties)]
    if not said:
        return unknown("who pays is not known", path=(look.tenant_id,))
    if others and not look.customers:
        return unknown("whether the payer is the customer is not known", *others, path=(look.tenant_id,))
    if others:
        who = ", ".join(sorted({each.value for each in others}))
        return yes(f"{who} pays, who is not the customer", *others, path=(look.tenant_id, who))
    return no(*said)


def _payer_changed(look: Look) -> Reply:
    limit = look.limits.payer_days
    first = _first_use(look)
    if first is None:
        return unknown("the first use is not known, so neither is whether the payer changed near it", path=_self(look))
    said = look.ever(look.tenant_id, "payer")
    reach = timedelta(days=limit.value)
    low, high = first - min(reach, first - date.min), first + min(reach, date.max - first)
    if found := changes_within(said, low, min(look.at, high)):
        reason = f"who pays changed within {limit.value:g} days of the first use on {first.isoformat()}"
        return yes(reason, *found, path=_self(look), lines=(limit.source.line,))
    if is_covered(said, first):
        return no(*said)
    return unknown(f"who paid on {first.isoformat()}, the first use, is not known", path=_self(look))


def _first_use(look: Look) -> date | None:
    """As measured, or the first order, whichever came first: what was measured may have begun long after."""
    measured = (look.demand.first_use,) if look.demand and look.demand.first_use else ()
    ordered = look.said(look.tenant_id, "first_order_on")
    return min((*(date.fromisoformat(each.value) for each in ordered), *measured), default=None)


def not_verified(look: Look) -> Reply:
    """A customer's file was never verified, or not within the limit. A day after the one asked about does not count."""
    replies = [_verified(look, party) for party in look.customers or look.resellers or (look.tenant_id,)]
    return joined(replies)


def _verified(look: Look, party: str) -> Reply:
    limit = look.limits.verified_days
    of_either = dict.fromkeys((look.tenant_id, party))
    now = [each for subject in of_either for each in look.view.ever(subject, "verified_on")]
    ever = [each for subject in of_either for each in look.ever(subject, "verified_on")]
    done = days_up_to(now, ever, look.at)
    if not done:
        when = f"verified by {look.at.isoformat()}" if now else "ever verified"
        return yes(f"the file does not say that {party} was {when}", path=(party,))
    last = done[0]
    if date.fromisoformat(last.value) >= look.since(limit):
        return no(last)
    reason = f"{party} was last verified on {last.value}, more than {limit.value:g} days ago"
    return yes(reason, last, path=(party,), lines=(limit.source.line,))


def reseller_without_customers(look: Look) -> Reply:
    """The account's use is resold, and nobody says to whom."""
    others = set(look.customers) - set(look.resellers)
    sold = look.said(look.tenant_id, "reseller")
    if sold and not others:
        who = ", ".join(look.resellers)
        return yes(f"{who} resells the account's use, and its customers are not known", *sold, path=(look.tenant_id,))
    if not look.customers:
        return unknown("neither a customer nor a reseller is known", path=(look.tenant_id,))
    return no()


def _self(look: Look) -> tuple[str, ...]:
    return (look.tenant_id,)
