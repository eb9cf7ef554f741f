"""
Which lists of parties there are, who keeps them, and whether what a listed party owns counts as listed.

A row is about a list as a whole. Left out: what an entry's own programme, footnote or order adds, and who is on a list
on a day, which is read from the list itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from policy.facts.countries import is_code
from policy.facts.evidence import Constant, Countries, Groups, Removed, Source
from policy.facts.tables import Reader, Written, wrong_in

FILE = "party_lists.toml"
KEYS = {"list": ("code",)}


class Owners(StrEnum):
    """
    Whether owners on a list count towards the half that makes what they own count as listed.

    ``affiliates_rule``: on the days on which the switch of that name is on.
    """

    ALWAYS = "always"
    AFFILIATES_RULE = "affiliates_rule"
    NEVER = "never"


class Added(StrEnum):
    """Whose stakes are added up: those of all counted lists, or of this list alone."""

    WITH_OTHERS = "with_others"
    ALONE = "alone"


class YesNo(StrEnum):
    """Yes or no; no third answer."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyList:
    """
    One list.

    ``title``: as the column ``source`` of the Consolidated Screening List writes it, where ``consolidated`` says that
    the list is part of it. ``blocking``: whether property of those on it is blocked. ``rank``: the smaller, the more
    restrictive; the most restrictive of several lists governs.
    """

    code: str
    title: str
    agency: str
    consolidated: YesNo
    owners: Owners
    blocking: YesNo
    rank: int
    source: Source
    added: Added = Added.WITH_OTHERS
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PartyLists:
    """
    The rows of the file.

    ``possible_from``: the score from which on a name may be an entry's. ``not_reached``: who is registered there the
    Affiliates Rule does not reach. ``any_use``: the groups in which a headquarters is a question at any use.
    """

    list: tuple[PartyList, ...]
    possible_from: Constant
    not_reached: Countries
    any_use: Groups
    removed: tuple[Removed, ...] = ()

    @cached_property
    def by_code(self) -> Mapping[str, PartyList]:
        """The lists, by code, the most restrictive first."""
        return {each.code: each for each in sorted(self.list, key=lambda each: each.rank)}

    @cached_property
    def code_of(self) -> Mapping[str, str]:
        """The code of each list, by its title and by the code itself, be it part of the consolidated one or not."""
        return {each.title: each.code for each in self.list} | {code: code for code in self.by_code}

    def in_order(self, codes: Iterable[str]) -> tuple[str, ...]:
        """These codes, the most restrictive list first; codes of lists that are not here stand before all others."""
        return tuple(sorted(set(codes), key=lambda code: (self._rank(code), code)))

    def _rank(self, code: str) -> int:
        return self.by_code[code].rank if code in self.by_code else -1

    def changes_about(self, codes: Iterable[str]) -> tuple[str, ...]:
        """What overlays did to the rows of these lists, in words: an answer might be another without them."""
        wanted = set(codes)
        return tuple(each.words for each in self.removed if wanted & set(each.about))


def read_party_lists(reader: Reader, written: Written) -> PartyLists:
    """Read the file. Raises :class:`FactsError` for a rank or a title that is used twice, and a rank below zero."""
    lists = reader.row(PartyLists, "whole file", written)
    ranks: dict[int, str] = {}
    titles: dict[str, str] = {}
    for each in lists.list:
        layer, table = each.source.layer, f"[list] {each.code}"
        if each.rank < 0:
            raise wrong_in(layer, table, "rank", "is below zero", "give zero or more")
        if ranks.setdefault(each.rank, each.code) != each.code:
            raise wrong_in(layer, table, "rank", f"is also that of {ranks[each.rank]}", "give it its own")
        if titles.setdefault(each.title, each.code) != each.code:
            raise wrong_in(layer, table, "title", f"is also that of {titles[each.title]}", "give it its own")
    if not 0 < lists.possible_from.value <= 1:
        layer, problem = lists.possible_from.source.layer, f"{lists.possible_from.value:g} is not above 0, or above 1"
        raise wrong_in(layer, "[possible_from]", "value", problem, "give a score")
    if strangers := [each for each in lists.not_reached.countries if not is_code(each)]:
        layer, problem = lists.not_reached.source.layer, f"{strangers[0]!r} is no alpha-2 code"
        raise wrong_in(layer, "[not_reached]", "countries", problem, "use two capital letters")
    return lists
