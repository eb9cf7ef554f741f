"""
Red flags as a checklist: what BIS asks people to look at, in our words, and whether the provider's data can show it.

A flag is a reason to ask, never a verdict; the guidance itself says that no single one decides.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.evidence import Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID, check_order, those_of
from policy.facts.tables import Reader, Written, wrong_in

FILE = "red_flags.toml"
KEYS = {"flag": ("id",)}


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
class RedFlags:
    """The rows of the file."""

    flag: tuple[RedFlag, ...]

    def at(self, day: date) -> tuple[RedFlag, ...]:
        """The flags that stood on a day."""
        return those_of(self.flag, day)


def read_red_flags(reader: Reader, written: Written) -> RedFlags:
    """Read the file. Raises :class:`FactsError` for days out of order and a number used twice."""
    flags = reader.row(RedFlags, "whole file", written)
    owner: dict[tuple[FlagList, int], str] = {}
    for flag in flags.flag:
        table = f"[flag] {flag.id}"
        check_order(flag, flag.source.layer, table)
        if flag.number is not None and owner.setdefault((flag.list, flag.number), flag.id) != flag.id:
            problem = f"is also that of {owner[flag.list, flag.number]}"
            raise wrong_in(flag.source.layer, table, "number", problem, "give it its own")
    return flags
