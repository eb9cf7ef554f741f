"""
The rows of ``jurisdictions.toml``: groups of countries, dated memberships, and what stands beside Country Group D:5.

Two clocks run for D:5: State's (22 CFR 126.1), and that of the table in the EAR, which BIS conforms later. Both are
kept.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.evidence import Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID


class Governor(StrEnum):
    """Whose dates decide: State's (22 CFR 126.1) or those of the table in the EAR."""

    STATE = "state"
    EAR = "ear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    A group of countries. ``begins``: before this day nothing is known about it.

    ``members``: codes of those that belonged to it on every day from then on; all others have a Membership.
    ``table_of``: the issue of the table that was read, which ``source`` is; what was so before rests on
    ``history_source`` as well.
    """

    id: str
    title: str
    begins: date
    members: tuple[str, ...]
    table_of: date
    source: Source
    history_source: Source | None = None
    note: str = ""

    def sources(self, at: date) -> tuple[Source, ...]:
        """What an answer for a day rests on."""
        if self.history_source is None or at >= self.table_of:
            return (self.source,)
        return self.source, self.history_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A time in which a country belonged to a group. Days of leaving are the first on which it did not."""

    group: str
    country: str
    source: Source
    state_from: date = BEFORE_RECORDS
    ear_from: date = BEFORE_RECORDS
    state_to: date = STILL_VALID
    ear_to: date = STILL_VALID
    governed_by: Governor = Governor.STATE
    note: str = ""

    @property
    def valid_from(self) -> date:
        """The day of joining that decides; the other's where the governing list's is not known."""
        first, second = self._in_order(self.state_from, self.ear_from)
        return second if first == BEFORE_RECORDS else first

    @property
    def valid_to(self) -> date:
        """The day of leaving that decides; the other's where the governing list's is not known."""
        first, second = self._in_order(self.state_to, self.ear_to)
        return second if first == STILL_VALID else first

    def _in_order(self, state: date, ear: date) -> tuple[date, date]:
        return (state, ear) if self.governed_by is Governor.STATE else (ear, state)

    def both_days(self, which: str) -> str:
        """``2025-11-07``, or both days with whose they are where State's and BIS's differ; ``which``: from or to."""
        state, ear = (self.state_from, self.ear_from) if which == "from" else (self.state_to, self.ear_to)
        deciding = self.valid_from if which == "from" else self.valid_to
        known = [(day, whose) for day, whose in ((state, "State"), (ear, "EAR table")) if _is_day(day)]
        if len({day for day, _ in known}) < 2:
            return deciding.isoformat()
        others = ", ".join(f"{whose} {day.isoformat()}" for day, whose in known)
        return f"{deciding.isoformat()} ({others})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBeside:
    """A country that the rules name beside D:5 without its being a member."""

    country: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatedAs:
    """A country or territory whose answer is that of another one, ``counts_as``, in every group."""

    country: str
    counts_as: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A country about which the sources disagree or fall silent. ``why`` completes "not settled: …"."""

    country: str
    why: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID


Beside = NamedBeside | TreatedAs | Watch


def _is_day(day: date) -> bool:
    return day not in (BEFORE_RECORDS, STILL_VALID)
