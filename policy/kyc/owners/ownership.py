"""
Whether listed parties own a half or more of a party, by the law of a day, and as if the Affiliates Rule were on or off.

Owners on Treasury's list count always; owners on two lists of BIS while the switch ``affiliates_rule`` is on; which
list is which the facts say. A party that is registered where the Affiliates Rule does not reach, by the facts in the
United States, and nowhere else by any source, is not reached by it; what it holds itself passes a stake on all the
same, for what it owns abroad is owned indirectly. Owners who count always reach it too.

Not knowing the owners, their shares, or whether they are listed leaves the answer open and never makes it a no; nor
does it make it a yes. Control other than by shares is a flag of its own and no part of the count, and so is a listed
owner, on whatever list, who does not reach a half: BIS and OFAC both ask for caution there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from policy.facts.evidence import Answer
from policy.facts.party_lists import PartyLists
from policy.facts.switches import Switches
from policy.kyc.owners.below import ask_below
from policy.kyc.owners.chains import owners_above
from policy.kyc.owners.control import ask_control
from policy.kyc.owners.counting import Count, Law, count_owners
from policy.kyc.owners.stakes import UNIT
from policy.kyc.owners.words import because
from policy.kyc.reply import Reply, strongest
from policy.kyc.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """
    Who owns a party; of several parties the one that matters most.

    ``low_percent``, ``high_percent``: what counted owners hold at least and at most, by the law of the day.
    ``governing``: codes of the lists whose owners' stakes make the half, the most restrictive first; none where the
    answer is not yes. ``below``: a listed owner, on whatever list, who is no part of a half that counts. ``control``:
    who controls it other than by shares is listed or reached. ``shares_unknown``: shares or owners that are not known
    leave it open whether a half is reached as if the rule were on, whatever is known about lists.
    """

    in_force: Reply
    rule_on: Reply
    rule_off: Reply
    low_percent: float
    high_percent: float
    governing: tuple[str, ...]
    below: Reply
    control: Reply
    shares_unknown: bool


def ask_ownership(view: View, party_ids: Sequence[str], at: date, lists: PartyLists, switches: Switches) -> Ownership:
    """Whether listed parties owned a half of one of these parties, or controlled it, on a day."""
    law = Law.of(lists, switches, at)
    found = [_of_one(view, each, law) for each in dict.fromkeys(party_ids)]
    return Ownership(
        in_force=strongest([each.in_force for each in found]),
        rule_on=strongest([each.rule_on for each in found]),
        rule_off=strongest([each.rule_off for each in found]),
        low_percent=max((each.low_percent for each in found), default=0.0),
        high_percent=max((each.high_percent for each in found), default=100.0),
        governing=lists.in_order(code for each in found for code in each.governing),
        below=strongest([each.below for each in found]),
        control=strongest([each.control for each in found]),
        shares_unknown=any(each.shares_unknown for each in found) or not found,
    )


def _of_one(view: View, party_id: str, law: Law) -> Ownership:
    owners = owners_above(view, party_id, law.at, law.lists)
    spared = _spared(view, party_id, law)
    off = count_owners(owners, law, rule_on=False)
    on = off if spared else count_owners(owners, law, rule_on=True)
    sure, widest = law.ends(off, on)
    where = ", ".join(sorted(spared))
    notes = [f"{party_id} is registered where the Affiliates Rule does not reach ({where})"] if spared else []
    lines = [law.lists.not_reached.source.line] if spared else []
    in_force = _in_force(sure, widest, law, notes, lines)
    reaching = sure if in_force.answer is Answer.YES else None
    return Ownership(
        in_force=in_force,
        rule_on=because(on, notes, lines),
        rule_off=because(off),
        low_percent=sure.low / UNIT,
        high_percent=widest.high / UNIT,
        governing=_governing(reaching, law.lists) if reaching else (),
        below=ask_below(owners, _behind(reaching) if reaching else ()),
        control=ask_control(view, party_id, law),
        shares_unknown=on.by_shares,
    )


def _spared(view: View, party_id: str, law: Law) -> set[str]:
    """Where it is registered, if the rule reaches none of what sources say; a branch is where its head office is."""
    registered = set(view.values(party_id, "registered_country", law.at))
    is_spared = registered <= set(law.lists.not_reached.countries) and not view.of(party_id, "branch_of", law.at)
    return registered if is_spared else set()


def _in_force(sure: Count, widest: Count, law: Law, notes: Sequence[str], lines: Sequence[str]) -> Reply:
    """By the switch; where nobody knows how it stood, what holds either way."""
    about_law = [*notes, law.words]
    sources = (*lines, *([law.state.source.line] if law.state else []))
    reply = because(sure if sure.answer is Answer.YES else widest, about_law, sources)
    return reply if sure.answer is widest.answer else replace(reply, answer=Answer.UNKNOWN)


def _governing(count: Count, lists: PartyLists) -> tuple[str, ...]:
    return lists.in_order(code for each in _behind(count) for code in count.codes_of(each))


def _behind(count: Count) -> tuple[str, ...]:
    """All owners from whom a half comes."""
    return tuple(dict.fromkeys(each for reach in count.reaching for each in count.behind(reach)))
