"""
Which countries the rules ask about, on a given day.

Scope means Country Group D:5, what the rules name beside it (Macau), and what is treated as a member (Hong Kong as
China). Two things are ``unknown``: a watched country, and a day before the records begin. Membership follows State's
dates where State's and BIS's differ, as the note to the table in Supplement No. 1 to 15 CFR Part 740 asks. Left out:
every other country group, and embargoes on parts of a country (15 CFR Part 746).
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from policy.facts.countries import CountryError, normalise_country
from policy.facts.evidence import Source
from policy.facts.tables import FactsError, parse, read_row

FILE = "jurisdictions.toml"
BEFORE_RECORDS = date.min
STILL_VALID = date.max


class ScopeAnswer(StrEnum):
    """Whether a country is in scope. ``unknown`` never clears."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Governor(StrEnum):
    """Whose date of leaving decides: State's (22 CFR 126.1) or that of the table in the EAR."""

    STATE = "state"
    EAR = "ear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The answer for one country on one day. ``reason`` is for a reviewer and begins with the code."""

    answer: ScopeAnswer
    reason: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Since when the lists are known, and the list that a ``no`` rests on."""

    begin: date
    note: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A time in which a country belonged to D:5. Days of leaving are the first on which it did not."""

    country: str
    name: str
    source: Source
    valid_from: date = BEFORE_RECORDS
    state_to: date = STILL_VALID
    ear_to: date = STILL_VALID
    governed_by: Governor = Governor.STATE
    note: str = ""

    @property
    def valid_to(self) -> date:
        """The day of leaving that decides."""
        return self.state_to if self.governed_by is Governor.STATE else self.ear_to

    def scope(self) -> Scope:
        """In scope, as a member."""
        reason = f"{self.country}: member of Country Group D:5"
        return Scope(answer=ScopeAnswer.YES, reason=reason, sources=(self.source,))


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBeside:
    """A country that the rules name beside D:5 without its being a member."""

    country: str
    name: str
    note: str
    source: Source
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID

    def scope(self) -> Scope:
        """In scope, and not as a member."""
        reason = f"{self.country}: named beside D:5 in the rules"
        return Scope(answer=ScopeAnswer.YES, reason=reason, sources=(self.source,))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatedAs:
    """A country or territory whose answer is that of another one, ``counts_as``."""

    country: str
    name: str
    counts_as: str
    note: str
    source: Source
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A country about which the sources disagree or fall silent. ``why`` completes "not settled: …"."""

    country: str
    name: str
    why: str
    note: str
    source: Source
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID

    def scope(self) -> Scope:
        """Unknown, with the reason."""
        reason = f"{self.country}: not settled: {self.why}"
        return Scope(answer=ScopeAnswer.UNKNOWN, reason=reason, sources=(self.source,))


Entry = Member | NamedBeside | TreatedAs | Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdictions:
    """The rows of the file. On any day at most one row speaks about a country."""

    records: Records
    member: tuple[Member, ...]
    named_beside: tuple[NamedBeside, ...]
    treated_as: tuple[TreatedAs, ...]
    watch: tuple[Watch, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All rows about countries."""
        return (*self.member, *self.named_beside, *self.treated_as, *self.watch)

    @property
    def changes(self) -> tuple[date, ...]:
        """Every day on which an answer may have changed, oldest first."""
        days = {day for row in self.entries for day in (row.valid_from, row.valid_to)}
        return tuple(sorted(days - {BEFORE_RECORDS, STILL_VALID}))

    def members(self, at: date) -> frozenset[str]:
        """Codes of the members of D:5 on a day: what the table says, without Macau or Hong Kong."""
        return frozenset(row.country for row in self.member if row.valid_from <= at < row.valid_to)

    def in_scope(self, country: str, at: date) -> Scope:
        """Whether a country is in scope on a day. Raises :class:`CountryError` for anything but an alpha-2 code."""
        code = normalise_country(country)
        if at < self.records.begin:
            reason = f"{code}: the records begin on {self.records.begin.isoformat()}, after {at.isoformat()}"
            return Scope(answer=ScopeAnswer.UNKNOWN, reason=reason, sources=(self.records.source,))
        for row in self.entries:
            if row.country == code and row.valid_from <= at < row.valid_to:
                return self._as_another(row, at) if isinstance(row, TreatedAs) else row.scope()
        return self._outside(code, at)

    def _as_another(self, row: TreatedAs, at: date) -> Scope:
        other = self.in_scope(row.counts_as, at)
        reason = f"{row.country}: treated as {other.reason}"
        return Scope(answer=other.answer, reason=reason, sources=(row.source, *other.sources))

    def _outside(self, code: str, at: date) -> Scope:
        left = [row for row in self.member if row.country == code and row.valid_to <= at]
        reason = f"{code}: not a member of Country Group D:5 and not named beside it"
        if left:
            reason = f"{code}: left Country Group D:5 on {max(row.valid_to for row in left).isoformat()}"
        sources = (self.records.source, *(row.source for row in left))
        return Scope(answer=ScopeAnswer.NO, reason=reason, sources=sources)


def read_jurisdictions(text: str) -> Jurisdictions:
    """Read the file's text. Raises :class:`FactsError` for wrong codes, days out of order and overlapping rows."""
    jurisdictions = read_row(Jurisdictions, FILE, "whole file", parse(FILE, text))
    for row in jurisdictions.entries:
        _check_codes(row)
        _check_days(row)
    _check_chains(jurisdictions.treated_as)
    _check_overlaps(jurisdictions.entries)
    return jurisdictions


def _wrong(row: Entry, field: str, problem: str, remedy: str) -> FactsError:
    table = f"[{_TABLES[type(row)]}] {row.country}"
    return FactsError(file=FILE, table=table, field=field, problem=problem, remedy=remedy)


_TABLES = {Member: "member", NamedBeside: "named_beside", TreatedAs: "treated_as", Watch: "watch"}


def _check_codes(row: Entry) -> None:
    codes = {"country": row.country} | ({"counts_as": row.counts_as} if isinstance(row, TreatedAs) else {})
    for field, code in codes.items():
        try:
            normalise_country(code)
        except CountryError as error:
            raise _wrong(row, field, str(error), "use the alpha-2 code") from error


def _check_days(row: Entry) -> None:
    if row.valid_to <= row.valid_from:
        raise _wrong(row, "valid_from", "the row ends before it begins", "put the days in order")


def _check_chains(treated_as: tuple[TreatedAs, ...]) -> None:
    pointing = {row.country for row in treated_as}
    for row in treated_as:
        if row.counts_as in pointing:
            raise _wrong(
                row, "counts_as", f"{row.counts_as} is itself treated as another", "name the last of the chain"
            )


def _check_overlaps(entries: tuple[Entry, ...]) -> None:
    ordered = sorted(entries, key=lambda row: (row.country, row.valid_from))
    for earlier, later in pairwise(ordered):
        if earlier.country == later.country and later.valid_from < earlier.valid_to:
            problem = f"overlaps another row in [{_TABLES[type(earlier)]}]"
            raise _wrong(later, "valid_from", problem, "end the other row first: on any day one row speaks")
