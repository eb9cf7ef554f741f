"""
Red flags about who the customer is: since when, where, what it does, who owns it, and what changed.

What is asked is about parties; of a natural person the file keeps neither place nor day, so of one these are not known.
"""

from collections.abc import Iterator
from datetime import date
from functools import partial

from policy.facts.evidence import Answer
from policy.kyc.flags.history import changes_within, is_covered
from policy.kyc.flags.look import Look, joined, no, unknown, yes
from policy.kyc.headquarters.asking import Asked
from policy.kyc.headquarters.parents import parents_of
from policy.kyc.reply import Reply, any_of
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import OF_SEAT, AddressType

WITHOUT_BUSINESS = {
    AddressType.VIRTUAL_OFFICE: "a virtual office",
    AddressType.MAIL_BOX: "a mail box",
    AddressType.FREIGHT_FORWARDER: "a freight forwarder",
}
"""Types of address at which nobody works."""
SEAT = ("registered_country", "address_country")
CHANGES = {
    "name": ("name",),
    "owner": ("owned_by", "parent", "ultimate_parent"),
    "place": ("address", "headquarters_country", "principal_place_country", "registered_country"),
}
"""What a customer may have changed, and the predicates that tell it."""


def recent_start(look: Look) -> Reply:
    """
    The customer came into being, or first ordered, only after the controls of October 2022.

    The first order is the one with this provider: of a customer that was served elsewhere before nothing is known.
    """
    orders = _after(look, look.tenant_id, "first_order_on", "the first order")
    return joined((look.of_parties(partial(_after, predicate="incorporated_on", what="incorporation")), orders))


def _after(look: Look, subject: str, predicate: str, what: str) -> Reply:
    limit = look.limits.recent_start
    said = look.said(subject, predicate)
    if late := [each for each in said if date.fromisoformat(each.value) > limit.after]:
        days = ", ".join(sorted({each.value for each in late}))
        reason = f"the day of {what} of {subject} is {days}, after {limit.after.isoformat()}"
        return yes(reason, *late, path=(subject,), lines=(limit.source.line,))
    return no(*said) if said else unknown(f"the day of {what} of {subject} is not known", path=(subject,))


def residential_address(look: Look) -> Reply:
    """An address where somebody lives; raised unless what was used is known to be less than commercial amounts."""
    return look.of_parties(partial(_address, types={AddressType.RESIDENTIAL: "where somebody lives"}))


def address_without_business(look: Look) -> Reply:
    """An address at which nobody works: a virtual office, a mail box, a freight forwarder's."""
    return look.of_parties(partial(_address, types=WITHOUT_BUSINESS))


def _address(look: Look, party: str, types: dict[AddressType, str]) -> Reply:
    said = look.said(party, "address")
    found = [each for each in said if each.detail in types]
    if found and not (AddressType.RESIDENTIAL in types and is_large(look) is Answer.NO):
        what = " and ".join(words for each, words in types.items() if each in {one.detail for one in found})
        return yes(f"an address of {party} is {what}", *found, path=(party,))
    if not said:
        return unknown(f"no address of {party} is known", path=(party,))
    if untold := [each for each in said if not each.detail]:
        return unknown(f"what stands at an address of {party} is not known", *untold, path=(party,))
    return no(*said)


def is_large(look: Look) -> Answer:
    """Whether the tenant uses as much as a business that needs accelerators; unknown where nothing was measured."""
    if look.demand is None:
        return Answer.UNKNOWN
    many = look.demand.peak_devices >= look.limits.demand_devices.value
    return Answer.YES if many or look.demand.device_hours >= look.limits.demand_device_hours.value else Answer.NO


def line_of_business(look: Look) -> Reply:
    """The business calls for no accelerators, and many are used."""
    return look.of_parties(_business)


def _business(look: Look, party: str) -> Reply:
    said = look.said(party, "needs_accelerators")
    large = is_large(look)
    if large is Answer.NO or {each.value for each in said} == {Answer.YES.value}:
        return no(*said)
    if not said:
        told = look.said(party, "line_of_business")
        what = f"whether the business of {party} calls for accelerators" if told else f"the business of {party}"
        return unknown(f"{what} is not known, and neither is its use small", *told, path=(party,))
    if large is Answer.UNKNOWN:
        return unknown(f"{party} needs no accelerators, and how much it uses is not known", *said, path=(party,))
    reason = f"the business of {party} calls for no accelerators, and {_amount(look)}"
    limits = (look.limits.demand_devices.source.line, look.limits.demand_device_hours.source.line)
    return yes(reason, *said, path=(party,), lines=tuple(dict.fromkeys(limits)))


def _amount(look: Look) -> str:
    demand = look.demand
    return (
        f"up to {demand.peak_devices:,.0f} devices were used for {demand.device_hours:,.0f} device-hours"
        if (demand)
        else "how much it uses is not known"
    )


def little_presence(look: Look) -> Reply:
    """Little or nothing could be found about the customer's business."""
    return look.of_parties(_presence)


def _presence(look: Look, party: str) -> Reply:
    said = look.said(party, "presence")
    if little := [each for each in said if each.value in ("little", "none")]:
        how_little = "nothing" if any(each.value == "none" for each in little) else "little"
        return yes(f"{how_little} could be found about the business of {party}", *little, path=(party,))
    return no(*said) if said else unknown(f"nobody has looked for the business of {party}", path=(party,))


def headquarters_elsewhere(look: Look) -> Reply:
    """The customer sits outside some country groups, and it or who stands above it is headquartered in China."""
    return look.of_parties(_elsewhere)


def _elsewhere(look: Look, party: str) -> Reply:
    sits, above = _sits_outside(look, party), _headquartered(look, party)
    if Answer.NO in (sits.answer, above.answer):
        return no()
    parts = [each for each in (sits, above) if each.answer is Answer.UNKNOWN] or [sits, above]
    return Reply(
        answer=parts[0].answer,
        reason=" and ".join(each.reason for each in parts),
        path=tuple(dict.fromkeys(step for each in parts for step in each.path)),
        sources=tuple(dict.fromkeys(line for each in parts for line in each.sources)),
    )


def _sits_outside(look: Look, party: str) -> Reply:
    said = [each for predicate in SEAT for each in look.said(party, predicate)]
    answers = {each: _is_outside(look, each.value) for each in said}
    if outside := [each for each in said if answers[each] is Answer.YES]:
        where = ", ".join(sorted({each.value for each in outside}))
        return yes(f"{party} sits in {where}", *outside, path=(party,), lines=(look.limits.sits_outside.source.line,))
    if any_of(*(Answer.YES if each is Answer.NO else each for each in answers.values())) is Answer.YES:
        return no(*said)
    return unknown(f"where {party} sits is not known", *said, path=(party,))


def _is_outside(look: Look, country: str) -> Answer:
    inside = look.facts.jurisdictions.in_one_of(country, look.limits.sits_outside.groups, look.at).answer
    return {Answer.YES: Answer.NO, Answer.NO: Answer.YES}.get(inside, Answer.UNKNOWN)


def _headquartered(look: Look, party: str) -> Reply:
    """Whether a party or anybody above it is headquartered where the flag asks; no only where the top is told."""
    limit = look.limits.headquarters_elsewhere
    chain, open_ends = _above(look, party)
    told = {each: _headquarters(look, each) for each in chain}
    there = [each for said in told.values() for each in said if each.value in limit.countries]
    if there:
        where = ", ".join(f"{each.subject} in {each.value}" for each in there)
        path = tuple(dict.fromkeys((party, *(each.subject for each in there))))
        return yes(f"headquarters are elsewhere ({where})", *there, path=path, lines=(limit.source.line,))
    if untold := [each for each in chain if not told[each]]:
        open_ends = (f"the headquarters of {', '.join(untold)} are not known", *open_ends)
    if open_ends:
        return unknown("; ".join(open_ends), path=(party,))
    return no(*(each for said in told.values() for each in said))


def _headquarters(look: Look, party: str) -> list[Statement]:
    return [each for predicate in OF_SEAT for each in look.said(party, predicate)]


def _above(look: Look, party: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A party and whoever stands above it, and why it is not known who stands above all; empty: it is."""
    asked = Asked(view=look.view, at=look.at, jurisdictions=look.facts.jurisdictions)
    above = parents_of(asked, party)
    chain = dict.fromkeys((party, *above.passed, *(end.party for end in above.ends)))
    return tuple(chain), tuple(end.untold for end in above.ends if end.untold)


def uncertain_owner(look: Look) -> Reply:
    """Nothing is said of who owns the customer, or stands above it."""
    return look.of_parties(_owner)


def _owner(look: Look, party: str) -> Reply:
    said = [each for predicate in CHANGES["owner"] for each in look.said(party, predicate)]
    kinds = look.said(party, "kind")
    if said or {each.value for each in kinds} == {"natural_person"}:
        return no(*said, *kinds)
    return yes(f"the file says nothing of who owns {party} or stands above it", path=(party,))


def changed_hands(look: Look) -> Reply:
    """The customer's name, owner or place changed within the limit."""
    return look.of_parties(lambda look, party: joined(_changed(look, party)))


def _changed(look: Look, party: str) -> Iterator[Reply]:
    limit = look.limits.changed_hands_days
    low = look.since(limit)
    for what, predicates in CHANGES.items():
        known = {predicate: look.ever(party, predicate) for predicate in predicates}
        found = [change for said in known.values() for change in changes_within(said, low, look.at)]
        if found:
            reason = f"the {what} of {party} changed after {low.isoformat()}"
            yield yes(reason, *found, path=(party,), lines=(limit.source.line,))
        elif any(is_covered(said, low) for said in known.values()):
            yield no(*(each for said in known.values() for each in said))
        else:
            reason = f"whether the {what} of {party} changed after {low.isoformat()} is not known"
            yield unknown(reason, path=(party,))
