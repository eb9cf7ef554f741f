"""
Which countries the rules ask about, on a given day.

Scope means Country Group D:5, what the rules name beside it (Macau), and what is treated as a member (Hong Kong as
China). Two things are ``unknown``: a watched country, and a day before the records of the group begin. Membership of
D:5 follows State's dates where State's and BIS's differ, as the note to the table in Supplement No. 1 to 15 CFR Part
740 asks; both are kept and shown. Left out: embargoes on parts of a country (15 CFR Part 746).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from policy.facts.countries import CountryError, normalise_country, note_on, resolve_country
from policy.facts.country_groups import Beside, Group, Membership, NamedBeside, TreatedAs, Watch
from policy.facts.evidence import Answer, Removed, Source, doubt, of_the_overlay, weakest
from policy.facts.period import check_apart, check_order, days_of_change, holds
from policy.facts.tables import Reader, Written, wrong_in

FILE = "jurisdictions.toml"
KEYS = {
    "group": ("id",),
    "membership": ("group", "country", "state_from", "ear_from"),
    "named_beside": ("country", "valid_from"),
    "treated_as": ("country", "valid_from"),
    "watch": ("country", "valid_from"),
}
D5 = "D:5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The answer for one country on one day. ``reason`` is for a reviewer and begins with the code."""

    answer: Answer
    reason: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class Jurisdictions:
    """The rows of the file. On any day at most one row speaks about a country's being in scope."""

    group: tuple[Group, ...]
    membership: tuple[Membership, ...]
    named_beside: tuple[NamedBeside, ...]
    treated_as: tuple[TreatedAs, ...]
    watch: tuple[Watch, ...]
    removed: tuple[Removed, ...] = ()

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """The groups, by id."""
        return {group.id: group for group in self.group}

    @property
    def beside(self) -> tuple[Beside, ...]:
        """What stands beside the groups: named beside D:5, treated as another, watched."""
        return (*self.named_beside, *self.treated_as, *self.watch)

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which an answer about scope may have changed, oldest first."""
        memberships = [row for row in self.membership if row.group == D5]
        return tuple(sorted({*days_of_change([*memberships, *self.beside]), self.groups[D5].begins}))

    @property
    def changes_of_all(self) -> tuple[date, ...]:
        """Every day on which an answer about any group may have changed, oldest first."""
        days = days_of_change([*self.membership, *self.beside])
        return tuple(sorted({*days, *(group.begins for group in self.group)}))

    def members(self, at: date, group: str = D5) -> frozenset[str]:
        """Codes of a group's members on a day: what the table says, without Macau or Hong Kong."""
        dated = (row.country for row in self.membership if row.group == group and holds(row, at))
        return frozenset((*self.groups[group].members, *dated))

    def in_scope(self, country: str, at: date) -> Scope:
        """
        Whether a country is in scope on a day: in D:5, named beside it, or treated as one that is.

        ``country``: an alpha-2 code, or a name (``PRC``, ``Hong Kong SAR``). Raises :class:`CountryError` for a text
        that is no name of one country.
        """
        code = resolve_country(country)
        return self._as_asked(self._through(code, at, self._scope_of), country, code)

    def _scope_of(self, code: str, at: date) -> Scope:
        rows: tuple[NamedBeside | Watch, ...] = (*self.named_beside, *self.watch)
        row = next((row for row in rows if _speaks(row, code, at)), None)
        otherwise = "not a member of Country Group D:5 and not named beside it"
        return self._in_group(code, D5, at, otherwise=otherwise) if row is None else _beside(row)

    def _through(self, code: str, at: date, answer: Callable[[str, date], Scope]) -> Scope:
        """The answer for a country, or for the one that it is treated as."""
        treated = next((row for row in self.treated_as if _speaks(row, code, at)), None)
        if treated is None:
            return answer(code, at)
        other = answer(treated.counts_as, at)
        reason = f"{code}: treated as {other.reason}{doubt(treated.source.evidence)}"
        return Scope(answer=other.answer, reason=reason, sources=(treated.source, *other.sources))

    def in_group(self, country: str, group: str, at: date) -> Scope:
        """Whether a country belongs to a group on a day; raises as :meth:`in_scope`, KeyError for an unknown group."""
        code = resolve_country(country)
        otherwise = f"not a member of {_title(group)}"
        scope = self._through(code, at, lambda code, at: self._in_group(code, group, at, otherwise=otherwise))
        return self._as_asked(scope, country, code)

    def in_one_of(self, country: str, groups: Sequence[str], at: date) -> Scope:
        """Whether a country belongs to one of these groups; an overlay may have taken one away, and nobody knows."""
        scopes = [self.in_group(country, each, at) for each in groups if each in self.groups]
        if not groups or len(scopes) < len(groups):
            missing = ", ".join(each for each in groups if each not in self.groups) or "to ask about"
            reason = f"{country}: the facts have no group {missing}"
            scopes.append(Scope(answer=Answer.UNKNOWN, reason=reason, sources=()))
        answer = min((each.answer for each in scopes), key=(Answer.YES, Answer.UNKNOWN, Answer.NO).index)
        said = [each for each in scopes if each.answer is answer]
        sources = dict.fromkeys(source for each in said for source in each.sources)
        return Scope(answer=answer, reason="; ".join(each.reason for each in said), sources=tuple(sources))

    def _in_group(self, code: str, group: str, at: date, *, otherwise: str) -> Scope:
        about = self.groups[group]
        if at < about.begins:
            reason = f"{code}: the records begin on {about.begins.isoformat()}, after {at.isoformat()}"
            return Scope(answer=Answer.UNKNOWN, reason=reason, sources=about.sources(at))
        if code in about.members:
            return _yes(code, group, *about.sources(at))
        rows = [row for row in self.membership if (row.group, row.country) == (group, code)]
        if member := next((row for row in rows if holds(row, at)), None):
            return _yes(code, group, member.source)
        left = [row for row in rows if row.valid_to <= at]
        reason = f"{code}: {otherwise}{doubt(weakest(*(source.evidence for source in about.sources(at))))}"
        if left:
            last = max(left, key=lambda row: row.valid_to)
            reason = f"{code}: left {_title(group)} on {last.both_days('to')}{doubt(last.source.evidence)}"
        return Scope(answer=Answer.NO, reason=reason, sources=(*about.sources(at), *(row.source for row in left)))

    def _as_asked(self, scope: Scope, asked: str, code: str) -> Scope:
        """The same answer, with who took a row about the country away, how a name was read, and what to know then."""
        read = [] if asked == code else [f"{asked!r} was read as {code}", *filter(None, [note_on(code)])]
        about = {code, *(row.counts_as for row in self.treated_as if row.country == code)}
        removed = [row.words for row in self.removed if any(map(row.is_about, about))]
        return replace(scope, reason="; ".join([scope.reason, *removed, *read]))


def _title(group: str) -> str:
    """``Country Group D:5``; a list that the regulations give in a paragraph is named by that."""
    return f"Country Group {group}" if ":" in group else f"the countries of 15 CFR {group}"


def _speaks(row: Beside, code: str, at: date) -> bool:
    return row.country == code and holds(row, at)


def _beside(row: NamedBeside | Watch) -> Scope:
    if isinstance(row, Watch):
        reason = f"{row.country}: not settled: {row.why}{doubt(row.source.evidence)}"
        return Scope(answer=Answer.UNKNOWN, reason=reason, sources=(row.source,))
    reason = f"{row.country}: named beside D:5 in the rules{doubt(row.source.evidence)}"
    return Scope(answer=Answer.YES, reason=reason, sources=(row.source,))


def _yes(code: str, group: str, *sources: Source) -> Scope:
    how_known = doubt(weakest(*(source.evidence for source in sources)))
    return Scope(answer=Answer.YES, reason=f"{code}: member of {_title(group)}{how_known}", sources=sources)


def read_jurisdictions(reader: Reader, written: Written) -> Jurisdictions:
    """Read the file. Raises :class:`FactsError` for wrong codes, days out of order and overlapping rows."""
    jurisdictions = reader.row(Jurisdictions, "whole file", written)
    if D5 not in jurisdictions.groups:
        raise written.wrong("[group]", "id", f"there is no group {D5}", "add it")
    for table, row in _rows(jurisdictions):
        for field, code in _codes(row):
            _check_code(row, table, field, code)
        if not isinstance(row, Group):
            check_order(row, row.source.layer, table)
    _check_groups(jurisdictions)
    _check_chains(jurisdictions.treated_as)
    _check_one_speaks(jurisdictions)
    return jurisdictions


Row = Group | Membership | Beside
_TABLES = {NamedBeside: "named_beside", TreatedAs: "treated_as", Watch: "watch"}


def _rows(jurisdictions: Jurisdictions) -> Iterator[tuple[str, Row]]:
    """Every row with how it is called in an error."""
    for group in jurisdictions.group:
        yield f"[group] {group.id}", group
    for row in jurisdictions.membership:
        yield f"[membership] {row.group} {row.country}", row
    for beside in jurisdictions.beside:
        yield f"[{_TABLES[type(beside)]}] {beside.country}", beside


def _codes(row: Row) -> Iterator[tuple[str, str]]:
    match row:
        case Group():
            yield from (("members", code) for code in row.members)
        case TreatedAs():
            yield from (("country", row.country), ("counts_as", row.counts_as))
        case _:
            yield "country", row.country


def _check_code(row: Row, table: str, field: str, code: str) -> None:
    try:
        normalise_country(code)
    except CountryError as error:
        raise wrong_in(row.source.layer, table, field, str(error), "use the alpha-2 code") from error


def _check_groups(jurisdictions: Jurisdictions) -> None:
    for row in jurisdictions.membership:
        table = f"[membership] {row.group} {row.country}"
        if row.group not in jurisdictions.groups:
            known = ", ".join(jurisdictions.groups)
            raise wrong_in(row.source.layer, table, "group", f"there is no group {row.group!r}", f"use one of: {known}")
        if row.country in jurisdictions.groups[row.group].members:
            raise wrong_in(
                row.source.layer, table, "country", "is among the group's members already", "keep it in one place"
            )


def _check_chains(treated_as: tuple[TreatedAs, ...]) -> None:
    pointing = {row.country for row in treated_as}
    for row in treated_as:
        if row.counts_as in pointing:
            problem = f"{row.counts_as} is itself treated as another"
            raise wrong_in(
                row.source.layer, f"[treated_as] {row.country}", "counts_as", problem, "name the last of the chain"
            )


def _check_one_speaks(jurisdictions: Jurisdictions) -> None:
    """On any day one row speaks about a country's being in a group, and one about its being in scope."""
    histories: dict[tuple[str, str], list[Membership | Beside]] = {}
    for row in jurisdictions.membership:
        histories.setdefault((row.group, row.country), []).append(row)
    for beside in jurisdictions.beside:
        histories.setdefault((D5, beside.country), []).append(beside)
    standing = jurisdictions.groups[D5].members
    for (group, country), rows in histories.items():
        layer, table = of_the_overlay(*(row.source.layer for row in rows)), f"[{group}] {country}"
        check_apart(rows, layer, table)
        if group == D5 and country in standing:
            raise wrong_in(rows[-1].source.layer, table, "country", "is a member on every day", "keep it in one place")
