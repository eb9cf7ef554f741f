"""
Whether a party is on a list, by what somebody determined and by what comparing it with lists came to.

A determination is stronger than a comparison: where one says that the party is on a list it is, whatever a comparison
found, and entries of a comparison are cleared one by one, as long as each clearance holds. Of a party that is known to
be one entry, another one that nobody cleared leaves it open whether it is on further lists. Sources are not played off
against one another: what one of them found possible and nobody cleared stays possible when another found nothing. A
branch is the party whose branch it is. Left out: whether a comparison is old, and whether it was with every list.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from policy.facts.party_lists import PartyLists
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import MORE, Screened


class ListState(StrEnum):
    """Whether a party is on a list. ``not_screened``: nobody compared it with any; never clears."""

    YES = "yes"
    POSSIBLE = "possible"
    NO = "no"
    NOT_SCREENED = "not_screened"


STRONGEST_FIRST = (ListState.YES, ListState.POSSIBLE, ListState.NOT_SCREENED, ListState.NO)
"""Of a branch and its head office the state that comes first holds for both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """
    The answer for one party.

    ``codes``: of the lists that it is on, the most restrictive first; of a possible one none is said. ``reason``: a
    sentence without its full stop, with ids and no name. ``sources``: one line for each statement or fact.
    ``is_open``: whether it may be on a list that it is not known to be on.
    """

    state: ListState
    codes: tuple[str, ...]
    reason: str
    sources: tuple[str, ...]
    is_open: bool = False


def ask_listing(view: View, party_id: str, at: date, lists: PartyLists) -> Listing:
    """Whether a party, or the party whose branch it is, was on a list on a day."""
    found = [_own(view, each, at, lists) for each in with_head_offices(view, party_id, at)]
    first = min((each.state for each in found), key=STRONGEST_FIRST.index)
    deciding = [each for each in found if each.state in (first, ListState.YES)]
    return Listing(
        state=first,
        codes=lists.in_order(code for each in found for code in each.codes),
        reason="; ".join(each.reason for each in deciding),
        sources=tuple(dict.fromkeys(line for each in deciding for line in each.sources)),
        is_open=any(each.is_open for each in found),
    )


def with_head_offices(view: View, party_id: str, at: date) -> tuple[str, ...]:
    """The party, and the parties whose branch it is, directly or as a branch of a branch."""
    found = [party_id]
    for each in found:
        found.extend(head for head in view.values(each, "branch_of", at) if head not in found)
    return tuple(found)


def _own(view: View, party_id: str, at: date, lists: PartyLists) -> Listing:
    """The answer by what is said of the party itself."""
    determined = view.of(party_id, "listed_on", at)
    compared = view.of(party_id, "screened", at)
    cleared = view.of(party_id, "not_listed_as", at)
    if determined:
        listed = _listed(party_id, determined, lists)
        others = _other_matches(determined, compared, cleared)
        reason = f"{listed.reason}; {_entry_words(sorted(others))} not cleared"
        sources = (*listed.sources, *_lines(each for each in compared if _entries(each) & others))
        return replace(listed, reason=reason, sources=sources, is_open=True) if others else listed
    if not compared:
        reason = f"{party_id} was not compared with any list, which does not clear it"
        return Listing(state=ListState.NOT_SCREENED, codes=(), reason=reason, sources=())
    return _screened(party_id, compared, cleared)


def _other_matches(
    determined: tuple[Statement, ...], compared: tuple[Statement, ...], cleared: tuple[Statement, ...]
) -> set[str]:
    """
    The entries that a comparison found beside those that were determined, and that nobody cleared.

    A determination that names no entry may be about any of them.
    """
    if any(not each.detail for each in determined):
        return set()
    decided = {each.detail for each in determined if each.detail} | _cleared_entries(cleared)
    return {entry for each in compared if each.value != Screened.NO_MATCH for entry in _entries(each)} - decided


def _cleared_entries(cleared: tuple[Statement, ...]) -> set[str]:
    """The entries that the party is not; what only counts entries names none, and so clears none."""
    return {each.value for each in cleared if not each.value.startswith(MORE)}


def _listed(party_id: str, determined: tuple[Statement, ...], lists: PartyLists) -> Listing:
    codes = lists.in_order(each.value for each in determined)
    words = [code if code in lists.by_code else f"{code}, a list not known to the facts" for code in codes]
    rows = [lists.by_code[code].source.line for code in codes if code in lists.by_code]
    reason = "; ".join([f"{party_id} is on a list: {', '.join(words)}", *lists.changes_about(codes)])
    return Listing(state=ListState.YES, codes=codes, reason=reason, sources=(*_lines(determined), *rows))


def _screened(party_id: str, compared: tuple[Statement, ...], cleared: tuple[Statement, ...]) -> Listing:
    """By the newest comparison of each source, and the entries that somebody cleared."""
    not_it = _cleared_entries(cleared)
    possible = [each for each in compared if each.value != Screened.NO_MATCH]
    open_ones = [each for each in possible if not _entries(each) or _entries(each) - not_it]
    if open_ones:
        left = sorted({entry for each in open_ones for entry in _entries(each) - not_it})
        reason = f"{party_id} may be on a list: {_entry_words(left)} not cleared"
        sources = _lines((*open_ones, *cleared))
        return Listing(state=ListState.POSSIBLE, codes=(), reason=reason, sources=sources, is_open=True)
    reason = f"{party_id} was compared with lists: no match"
    if possible:
        count = len({entry for each in possible for entry in _entries(each)})
        reason = f"{party_id} was compared with lists: {count} possible, cleared for now"
    used = [each for each in cleared if any(each.value in _entries(other) for other in possible)]
    return Listing(state=ListState.NO, codes=(), reason=reason, sources=_lines((*compared, *used)))


def _entries(compared: Statement) -> set[str]:
    return set((compared.detail or "").split())


def _entry_words(entries: list[str]) -> str:
    return (
        f"{', '.join(entries)} {'is' if len(entries) == 1 else 'are'}" if entries else "entries that nobody named are"
    )


def _lines(statements: Iterable[Statement]) -> tuple[str, ...]:
    return tuple(each.line for each in statements)
