"""
Red flags as a checklist: what BIS asks people to look at, in our words, and whether the provider's data can show it.

A flag is a reason to ask, never a verdict; the guidance itself says that no single one decides.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.countries import is_code
from policy.facts.evidence import Constant, Countries, Groups, Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID, check_order, those_of
from policy.facts.tables import Reader, Written, wrong_in

FILE = "red_flags.toml"
KEYS = {"flag": ("id",)}
LIMITS = {
    "demand_devices": 1e9, "demand_device_hours": 1e12,
    "payer_days": 36_500, "changed_hands_days": 36_500, "verified_days": 36_500, "end_use_days": 36_500,
}  # fmt: skip
"""The limits that are numbers, each with the most that it may be: so that no sum of days leaves the calendar."""


class FlagList(StrEnum):
    """Where the flag stands: the industry guidance of 13 May 2025, or Supplement No. 3 to 15 CFR Part 732."""

    GUIDANCE_2025 = "guidance_2025"
    SUPPLEMENT_3 = "supplement_3"


class SeenFrom(StrEnum):
    """Which of the provider's own records can show a flag."""

    KYC = "kyc"
    TELEMETRY = "telemetry"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedFlag:
    """
    One flag. ``text``: our paraphrase. ``number``: the regulation's own, where it was read.

    ``seen_from``: empty where neither the know-your-customer file nor the telemetry shows it; ``how`` says what does.
    """

    id: str
    list: FlagList
    text: str
    seen_from: tuple[SeenFrom, ...]
    how: str
    source: Source
    number: int | None = None
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterDay:
    """A day after which something counts as recent."""

    after: date
    why: str
    basis: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class RedFlags:
    """The rows of the file: the flags, and the limits by which some are told from the know-your-customer file."""

    flag: tuple[RedFlag, ...]
    recent_start: AfterDay
    headquarters_elsewhere: Countries
    sits_outside: Groups
    demand_devices: Constant
    demand_device_hours: Constant
    payer_days: Constant
    changed_hands_days: Constant
    verified_days: Constant
    end_use_days: Constant

    def at(self, day: date) -> tuple[RedFlag, ...]:
        """The flags that stood on a day."""
        return those_of(self.flag, day)


def read_red_flags(reader: Reader, written: Written) -> RedFlags:
    """Read the file. Raises :class:`FactsError` for days out of order, a number used twice and a limit of nothing."""
    flags = reader.row(RedFlags, "whole file", written)
    _check_limits(flags)
    owner: dict[tuple[FlagList, int], str] = {}
    for flag in flags.flag:
        table = f"[flag] {flag.id}"
        check_order(flag, flag.source.layer, table)
        if flag.number is not None and owner.setdefault((flag.list, flag.number), flag.id) != flag.id:
            problem = f"is also that of {owner[flag.list, flag.number]}"
            raise wrong_in(flag.source.layer, table, "number", problem, "give it its own")
    return flags


def _check_limits(flags: RedFlags) -> None:
    for name, most in LIMITS.items():
        row = getattr(flags, name)
        if not 0 < row.value <= most:
            problem = f"{row.value:g} is not above 0, or above {most:g}"
            raise wrong_in(row.source.layer, f"[{name}]", "value", problem, "correct it")
    for code in flags.headquarters_elsewhere.countries:
        if not is_code(code):
            layer, table = flags.headquarters_elsewhere.source.layer, "[headquarters_elsewhere]"
            raise wrong_in(layer, table, "countries", f"{code!r} is no alpha-2 code", "use two capital letters")
