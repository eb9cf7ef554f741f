"""
Red flags of one tenant, from its know-your-customer file, what it used, and lists.

A flag is a reason to ask, and no single one decides: the guidance itself asks for a look at all circumstances, and a
good answer can settle a flag. Which flags stood on a day, and the limits by which they are told, are facts
(``policy/facts/red_flags.toml``); flags of ours, which no list has, begin with ``kyc-``. A flag that is neither raised
nor unknown was looked at and is not there.

Unknown never counts as no: where what would show a flag is not in the file, the flag is there with that state. Two are
only ever shown and never ruled out, because no file can say it: that nobody was before the customer, and that nobody
resells the account. What neither the file nor this module can show at all is told by :func:`not_looked_at`.

Nothing is asked about a natural person but whether it is on a list or directs or owns a party.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.evidence import Answer
from policy.facts.facts import Facts
from policy.facts.red_flags import RedFlag
from policy.kyc.flags import account as flag_account
from policy.kyc.flags import listed as flag_listed
from policy.kyc.flags import party as flag_party
from policy.kyc.flags.end_use import EndUse, end_use
from policy.kyc.flags.look import Demand, Look, normal_address
from policy.kyc.reply import Reply
from policy.kyc.statements import Statement
from policy.kyc.view import View

__all__ = [
    "Demand", "EndUse", "Raised", "RaisedFlag", "addresses_of_the_listed", "end_use", "not_looked_at", "red_flags",
]  # fmt: skip

WMD, MILITARY_INTELLIGENCE = "kyc-wmd-end-use", "kyc-military-intelligence-end-use"
"""What the law is about: knowledge of such an end use or end user. They stand first."""


class Raised(StrEnum):
    """Whether a flag is there; unknown: what would show it is not in the file."""

    YES = "yes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedFlag:
    """
    One flag of one tenant. ``reason``: a sentence without its full stop, with opaque ids and countries and no name.

    ``id``: of ``red_flags.toml``, or one that begins with ``kyc-``.
    """

    id: str
    state: Raised
    reason: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and the flags that it may raise: the first that stands on the day."""

    ids: tuple[str, ...]
    ask: Callable[[Look], Reply]


ASKED = (
    Asked(ids=(WMD,), ask=flag_account.wmd_end_use),
    Asked(ids=(MILITARY_INTELLIGENCE,), ask=flag_account.military_intelligence_end_use),
    Asked(ids=("guidance-2025-like-listed-party", "kyc-like-listed-party"), ask=flag_listed.like_listed),
    Asked(ids=("supplement-3-29-listed-owner-share",), ask=flag_listed.listed_owner_share),
    Asked(ids=("supplement-3-25-assumed-operations",), ask=flag_listed.assumed_operations),
    Asked(ids=("supplement-3-24-shared-management",), ask=flag_listed.shared_management),
    Asked(ids=("guidance-2025-headquarters-elsewhere",), ask=flag_party.headquarters_elsewhere),
    Asked(
        ids=("guidance-2025-no-end-use-given", "supplement-3-01-end-use-reluctance"), ask=flag_account.no_end_use_given
    ),
    Asked(ids=("kyc-old-end-use-statement",), ask=flag_account.old_end_use),
    Asked(ids=("kyc-reseller-without-customers",), ask=flag_account.reseller_without_customers),
    Asked(ids=("kyc-not-verified",), ask=flag_account.not_verified),
    Asked(ids=("guidance-2025-recent-start",), ask=flag_party.recent_start),
    Asked(
        ids=("guidance-2025-line-of-business", "supplement-3-02-product-and-business"), ask=flag_party.line_of_business
    ),
    Asked(ids=("guidance-2025-residential-address",), ask=flag_party.residential_address),
    Asked(ids=("kyc-address-without-business",), ask=flag_party.address_without_business),
    Asked(ids=("guidance-2025-little-presence", "supplement-3-04-little-background"), ask=flag_party.little_presence),
    Asked(ids=("guidance-2025-changed-hands",), ask=flag_party.changed_hands),
    Asked(ids=("guidance-2025-payer",), ask=flag_account.payer),
    Asked(ids=("supplement-3-21-uncertain-owner",), ask=flag_party.uncertain_owner),
)
"""Every question, the most serious first."""


def red_flags(
    view: View,
    tenant_id: str,
    at: date,
    facts: Facts,
    demand: Demand | None,
    listed_addresses: frozenset[str],
    *,
    before: View | None = None,
) -> tuple[RaisedFlag, ...]:
    """
    The flags of a tenant that stand on a day and are raised or cannot be told, the most serious first.

    ``demand``: None where nothing was measured. ``listed_addresses``: of parties that are listed on the day, as
    :func:`addresses_of_the_listed` gives them; none at all means that there was nothing to compare with. ``before``:
    what was once held to be true, too, where changes are to be seen that came with a new file and not with days of
    its own.
    """
    look = Look(
        view=view,
        tenant_id=tenant_id,
        at=at,
        facts=facts,
        demand=demand,
        listed_addresses=listed_addresses,
        before=before,
    )
    standing = {flag.id: flag for flag in facts.red_flags.at(at)}
    found = (_raised(look, asked, standing) for asked in ASKED)
    return tuple(flag for flag in found if flag is not None)


def _raised(look: Look, asked: Asked, standing: dict[str, RedFlag]) -> RaisedFlag | None:
    flag_id = next((each for each in asked.ids if _is_ours(each) or each in standing), None)
    if flag_id is None:
        return None
    reply = asked.ask(look)
    if reply.answer is Answer.NO:
        return None
    of_law = () if _is_ours(flag_id) else (standing[flag_id].source.line,)
    return RaisedFlag(
        id=flag_id, state=Raised(reply.answer.value), reason=reply.reason, sources=(*reply.sources, *of_law)
    )


def _is_ours(flag_id: str) -> bool:
    return flag_id.startswith("kyc-")


def not_looked_at(facts: Facts, at: date) -> tuple[str, ...]:
    """The ids of flags that stood on a day and that nothing here asks about."""
    asked = {each for question in ASKED for each in question.ids}
    return tuple(flag.id for flag in facts.red_flags.at(at) if flag.id not in asked)


def addresses_of_the_listed(statements: Iterable[Statement], at: date) -> frozenset[str]:
    """The addresses, in the form in which they are compared, of every party that somebody determined to be listed."""
    known = [each for each in statements if each.holds(at)]
    listed = {each.subject for each in known if each.predicate == "listed_on"}
    own = (each.value for each in known if each.predicate == "address" and each.subject in listed)
    return frozenset(filter(None, map(normal_address, own)))
