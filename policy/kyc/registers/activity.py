"""
Which activities of the policy statement of 13 May 2025 could apply to a tenant's use, and on which legal path.

The statement names three: that items are exported, reexported or transferred to whoever will use them to train, here
the provider's *provision* of its machines; that items in somebody's possession change hands within a country
(*in-country transfer*); and that a U.S. person supports it. Which of them is one in law is for counsel: renting out
computing is by itself no export. Each asks besides for knowledge of an end use or end user that none of this tells.

*Possession* is another path: a party headquartered in scope that owns, leases or takes possession of the hardware needs
no training and no weapon to come under the licence requirement (15 CFR 742.6(a)(6)(iii)(A), 744.23(a)(3)). A machine
that is one tenant's alone lies between the two, and the contract decides.

What is not known could apply: no word about the tenancy, or about the entity, takes an activity away.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from policy.facts.control import UNCLASSIFIED
from policy.facts.eccn import ENTRY, NONE
from policy.facts.evidence import Answer
from policy.kyc.vocabulary import Tenancy


class Activity(StrEnum):
    """An activity that the statement names, as far as a provider of computing does it."""

    PROVISION = "provision"
    IN_COUNTRY_TRANSFER = "in_country_transfer"
    US_PERSON_SUPPORT = "us_person_support"


class Named(StrEnum):
    """Whether the statement names the hardware. ``unclassified``: nobody knows which paragraph it falls under."""

    YES = "yes"
    NO = "no"
    UNCLASSIFIED = UNCLASSIFIED


STATEMENT = ("policy_statement_2025_05_13", "policy_statement_summary_jetro")
SOURCES: Mapping[Activity, tuple[str, ...]] = MappingProxyType(
    {
        Activity.PROVISION: STATEMENT,
        Activity.IN_COUNTRY_TRANSFER: STATEMENT,
        Activity.US_PERSON_SUPPORT: (*STATEMENT, "cfr_744_6"),
    }
)
"""The documents that each activity rests on, by id."""
POSSESSION_SOURCES = ("cfr_742_6", "cfr_744_23", "headquarters_guidance_2026_05_31")
NAMED_SOURCES = (*STATEMENT, "eccn_3a090", "eccn_4a090")

HANDS_OVER: Mapping[Tenancy, Answer] = MappingProxyType(
    {each: Answer.NO if each is Tenancy.SHARED else Answer.YES for each in Tenancy}
)
"""Whether a machine is given to one tenant alone, by the tenancy."""
POSSESSES: Mapping[Tenancy, Answer] = MappingProxyType(
    {
        Tenancy.SHARED: Answer.NO,
        Tenancy.DEDICATED: Answer.UNKNOWN,
        Tenancy.BARE_METAL: Answer.YES,
        Tenancy.COLOCATION: Answer.YES,
        Tenancy.CUSTOMER_OWNED: Answer.YES,
    }
)
"""Whether the tenant has the hardware in its possession, by the tenancy."""
NAMED = re.compile(r"[34]A090(\.a(\.\w+)*)?|[345][A-E]\d{3}\.z(\.\w+)*", re.ASCII)
"""3A090.a, 4A090.a and the .z items of the categories 3 to 5; an entry that is not divided counts as its .a."""
NOT_NAMED = re.compile(rf"[34]A090\.b(\.\w+)*|{NONE}", re.ASCII)


def activities(tenancy: str | None, us_person: Answer) -> tuple[Activity, ...]:
    """
    The activities that could apply, in the statement's order.

    ``tenancy``: a word of :class:`policy.kyc.vocabulary.Tenancy`; None where it is not known. ``us_person``: whether
    the entity that runs the machines is a U.S. person.
    """
    return tuple(each for each in Activity if applies(each, tenancy, us_person) is not Answer.NO)


def applies(activity: Activity, tenancy: str | None, us_person: Answer) -> Answer:
    """Whether one activity could apply, as far as tenancy and entity tell."""
    match activity:
        case Activity.PROVISION:
            return Answer.YES
        case Activity.IN_COUNTRY_TRANSFER:
            return _by(HANDS_OVER, tenancy)
        case Activity.US_PERSON_SUPPORT:
            return us_person


def possession(tenancy: str | None) -> Answer:
    """Whether the tenant has the hardware in its possession; of a machine of its own the contract decides."""
    return _by(POSSESSES, tenancy)


def named_hardware(highest_paragraph: str) -> Named:
    """
    Whether the statement names hardware of this paragraph.

    Of 3A090.b it says nothing, although the licence requirements for possession reach it. What is unclassified,
    undetermined or of another entry is no no.
    """
    if NAMED.fullmatch(highest_paragraph):
        return Named.YES
    return Named.NO if NOT_NAMED.fullmatch(highest_paragraph) else Named.UNCLASSIFIED


def activity_sentences(tenancy: str | None, us_person: Answer, highest_paragraph: str) -> tuple[str, ...]:
    """What a reviewer reads: the activities, the other path, and whether the statement names the hardware."""
    return (
        activity_sentence(tenancy, us_person),
        _POSSESSION[possession(tenancy)],
        named_sentence(highest_paragraph),
    )


def activity_sentence(tenancy: str | None, us_person: Answer) -> str:
    """Which activities could apply, and why."""
    words = [
        "provision, because the tenant computes at the provider's sites",
        *filter(None, (_transfer(tenancy), _SUPPORT[us_person])),
    ]
    return f"Activities of the policy statement that could apply: {'; '.join(words)}."


def named_sentence(highest_paragraph: str) -> str:
    """Whether the statement names the hardware."""
    match named_hardware(highest_paragraph):
        case Named.YES:
            return f"The policy statement names such hardware ({highest_paragraph})."
        case Named.NO:
            what = f"no paragraph of {ENTRY}" if highest_paragraph == NONE else highest_paragraph
            return f"The policy statement does not name such hardware ({what}); other rules may."
        case Named.UNCLASSIFIED:
            return f"Whether the policy statement names such hardware is not known ({highest_paragraph})."


_SUPPORT = {
    Answer.YES: "support by a U.S. person, because an entity of the provider's is one",
    Answer.UNKNOWN: "support by a U.S. person, because it is not known whether an entity of the provider's is one",
    Answer.NO: "",
}
_OTHER_PATH = "a legal path of its own that asks for no training"
_POSSESSION = {
    Answer.YES: f"The tenant has the hardware in its possession, {_OTHER_PATH}.",
    Answer.UNKNOWN: f"Whether the tenant has the hardware in its possession, {_OTHER_PATH}, is not known.",
    Answer.NO: "The tenant does not have the hardware in its possession.",
}


def _transfer(tenancy: str | None) -> str:
    match _by(HANDS_OVER, tenancy):
        case Answer.YES:
            return f"in-country transfer, because the tenancy is {str(tenancy).replace('_', ' ')}"
        case Answer.UNKNOWN:
            return "in-country transfer, because the tenancy is not known"
        case Answer.NO:
            return ""


def _by(table: Mapping[Tenancy, Answer], tenancy: str | None) -> Answer:
    """What the table says of a tenancy; of none, or a word that is none of ours, nobody knows."""
    return table[Tenancy(tenancy)] if tenancy in set(Tenancy) else Answer.UNKNOWN
