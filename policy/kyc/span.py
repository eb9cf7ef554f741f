"""
What the file says about a tenant over a span of days: of every question the most serious answer, and when it was so.

Between two changes of the law, or of what is true of the tenant, nothing changes: such a time is an era, and a span is
a row of eras. Of each question the most serious answer counts for itself, and of eras that agree the last. What is told
of an era that is not the span's last says until when it was so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import polars as pl

from policy.frames import DataType, schema
from policy.kyc.dossier import ALWAYS_TOLD, END_USE, HEADQUARTERS, LISTS, QUESTIONS, STRIKING, Dossier, Told
from policy.kyc.vocabulary import most_handed_over

BEGINNING = date.min
"""The era before the first change that is known of."""


def _texts(about: str) -> dict[str, DataType]:
    return {f"{about}_reason": pl.String, f"{about}_sources": pl.List(pl.String)}


ANSWERS = schema(
    {
        "group_id": pl.String,  # parties under one ultimate parent share it
        **dict.fromkeys(QUESTIONS, pl.String),
        **_texts("hq"),
        **_texts("list"),
        **_texts("end_use"),
        "list_codes": pl.List(pl.String),  # of lists that have a party, or owners who make a half
        "tenancy": pl.String,  # of policy.kyc.vocabulary.Tenancy, the one that hands over most; null: not known
        "hq_era": pl.Date,  # the beginning of the era whose answer about headquarters counts
        "list_era": pl.Date,  # the same of the most serious question about lists
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A time in which nothing changes, and the answers in it. ``ends``: the next change; None: none is known of."""

    begins: date
    ends: date | None
    dossier: Dossier


@dataclass(frozen=True, slots=True)
class _Worst:
    """The most serious answer to a question, and the era that gives it."""

    told: Told
    era: Era


def answers_over(eras: Sequence[Era]) -> Mapping[str, object]:
    """A row of :data:`ANSWERS` for eras in their order, one or more."""
    worst = {name: _worst(name, answers, eras) for name, answers in QUESTIONS.items()}
    last = eras[-1]
    of_lists = [worst[name] for name in LISTS]
    striking = next((each for each in of_lists if each.told.answer in STRIKING), of_lists[0])
    shown = [worst[name] for name in LISTS if name in ALWAYS_TOLD or worst[name].told.answer in STRIKING]
    return MappingProxyType(
        {
            "group_id": last.dossier.headquarters.group_id,
            **{name: each.told.answer for name, each in worst.items() if name not in HEADQUARTERS},
            **{name: worst["hq_in_scope"].era.dossier.told[name].answer for name in HEADQUARTERS},
            **_said("hq", [worst["hq_in_scope"]], last),
            **_said("list", shown, last),
            **_said("end_use", [worst[name] for name in END_USE], last),
            "list_codes": list(dict.fromkeys(code for each in eras for code in each.dossier.codes)),
            "tenancy": most_handed_over(each.dossier.tenancy for each in eras),
            "hq_era": worst["hq_in_scope"].era.begins,
            "list_era": striking.era.begins,
        }
    )


def _worst(name: str, answers: Sequence[str], eras: Iterable[Era]) -> _Worst:
    found = [_Worst(told=each.dossier.told[name], era=each) for each in eras]
    ranks = [str(each) for each in answers]
    return min(reversed(found), key=lambda each: ranks.index(each.told.answer))


def _said(about: str, worst: Sequence[_Worst], last: Era) -> dict[str, object]:
    """The sentences, each piece once, those of an earlier era with its days."""
    pieces: dict[str, None] = {}
    for each in worst:
        when = "" if each.era is last or about == "hq" else _days(each.era)
        pieces |= dict.fromkeys(f"{when}{piece}" for piece in each.told.reason.split("; ") if piece)
    sources = dict.fromkeys(line for each in worst for line in each.told.sources)
    return {f"{about}_reason": "; ".join(pieces), f"{about}_sources": list(sources)}


def _days(era: Era) -> str:
    begins = "" if era.begins == BEGINNING else f"from {era.begins.isoformat()} "
    return f"{begins}until {era.ends.isoformat()}: " if era.ends else begins
