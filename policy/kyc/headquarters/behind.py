"""
Who is behind an account on a day: its customers, who resells it, and for whom any of these acts, in the end.

Whoever a party acts for is followed from one to the next, over accounts too, until nobody more is named; circles end.
Nothing is decided here about any of them. Where the customers of an account are not known the account's own id stands
in their place among :attr:`Behind.everybody`: nothing is known about it, so no question about all of them is cleared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from policy.kyc.view import View
from policy.kyc.vocabulary import SELF


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """
    The parties behind one account, each in the order in which it was found.

    ``acted_for``: whoever the account, its customers or its resellers act for, and whoever these act for in turn;
    of those who are customers or resellers themselves none is told again.
    """

    account: str
    customers: tuple[str, ...]
    resellers: tuple[str, ...]
    acted_for: tuple[str, ...]

    @property
    def everybody(self) -> tuple[str, ...]:
        """All of them, each once; the account itself where a customer of it is not known."""
        are_known = any(each not in self.resellers for each in self.customers) if self.resellers else self.customers
        missing = () if are_known else (self.account,)
        return _distinct((*self.customers, *missing, *self.resellers, *self.acted_for))


def parties_behind(view: View, tenant_id: str, at: date) -> Behind:
    """Who is behind an account on a day, as far as it is said."""
    customers, resellers = view.values(tenant_id, "customer", at), view.values(tenant_id, "reseller", at)
    own = (tenant_id, *customers, *resellers)
    asked = dict.fromkeys(own)
    waiting = list(asked)
    found: list[str] = []
    for each in waiting:
        for named in view.values(each, "acts_for", at):
            means = _meant(view, named, at)
            found += means
            further = [one for one in (named, *means) if one != SELF and one not in asked]
            asked |= dict.fromkeys(further)
            waiting += further
    acted_for = tuple(each for each in _distinct(found) if each not in own)
    return Behind(account=tenant_id, customers=customers, resellers=resellers, acted_for=acted_for)


def _meant(view: View, named: str, at: date) -> tuple[str, ...]:
    """Whoever an id means that somebody acts for: a party, or everybody who is behind another account."""
    if named == SELF:
        return ()
    customers, resellers = view.values(named, "customer", at), view.values(named, "reseller", at)
    if not customers and not resellers:
        return (named,)
    return Behind(account=named, customers=customers, resellers=resellers, acted_for=()).everybody


def _distinct(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))
