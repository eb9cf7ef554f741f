"""How ``flopwatch exposure`` says what it found: tables for people, one JSON document for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from policy.commands.layers import layer_lines, overridden
from policy.commands.sheet import Block, Grid, Sheet
from policy.facts.facts import Facts
from policy.judgement.crossings import STRENGTHS
from policy.judgement.exposure import SCOPES
from policy.judgement.full_rate import METHODS
from policy.judgement.progress import GROWTH_DAYS
from policy.judgement.serious import rank
from policy.rules.sentences import flop_text
from policy.usage.ledger import Ledger

SHOWN_ROWS = 40
AT_THE_GROWTH = "at the growth of the last seven days"
COLUMNS = (
    "scope", "id", "tenants", "days", "FLOP low", "likely", "high", "methods", "GPU-hours", "peak GPUs", "growth a day",
    "next tier, " + AT_THE_GROWTH,
)  # fmt: skip
STRENGTH_WORDS = {"crossed": "crossed", "may_have_crossed": "may have crossed"}
CLOSING = "A tier is an amount at which somebody wants to look. Reaching it does not say that any law was broken."


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """
    What there is to say: totals (schema PROGRESS) and tiers reached (CROSSINGS), as of a moment.

    ``looked_back``: over which time the tiers were reached. ``has_words``: whether there was a database of words.
    """

    totals: pl.DataFrame
    reached: pl.DataFrame
    at: datetime
    looked_back: timedelta
    ledger: Ledger
    facts: Facts
    has_words: bool


def exposure_sheet(exposed: Exposed, scope: str | None, *, whole: bool) -> Sheet:
    """The tables for people, the largest first. ``scope``: only that; ``whole``: all rows, not only the largest."""
    chosen = pl.col("scope").is_in([scope] if scope else list(SCOPES))
    totals, reached = _sorted_totals(exposed.totals.filter(chosen)), _sorted_reached(exposed.reached.filter(chosen))
    blocks = (*_lines(exposed), *_totals(totals, whole=whole), *_reached(reached, whole=whole), CLOSING)
    return Sheet(blocks=blocks, content=_content(exposed, totals, reached))


def _sorted_totals(totals: pl.DataFrame) -> pl.DataFrame:
    """By scope; of one scope the largest high sum first, before it those that are not known."""
    largest = pl.col("high_flop").fill_null(float("inf")).max().over("scope", "id")
    return totals.sort(rank("scope", tuple(SCOPES)), -largest, "id", "look_back_days")


def _sorted_reached(reached: pl.DataFrame) -> pl.DataFrame:
    return reached.sort(-pl.col("tier_flop"), rank("strength", STRENGTHS), rank("scope", tuple(SCOPES)), "day", "id")


def _lines(exposed: Exposed) -> Iterator[Block]:
    yield f"As of {exposed.at:%Y-%m-%d %H:%M}Z, by the {exposed.ledger.provenance} ledger {exposed.ledger.folder}."
    yield "FLOP low and likely: of days judged to be training. High: of undetermined ones as well."
    yield "GPU-hours, and peak GPUs held at once: whatever they were used for, at most."
    yield f"Next tier: the likely sum would be there if each day were as the last {GROWTH_DAYS}. It is no forecast."
    if not exposed.has_words:
        yield "There is no database (--database), so nobody has said anything to a stitch."
    for line in layer_lines(exposed.facts):
        yield f"Facts: {line}."


def _totals(totals: pl.DataFrame, *, whole: bool) -> Iterator[Block]:
    shown = totals if whole else totals.head(SHOWN_ROWS)
    rows = tuple(_cells(row) for row in shown.iter_rows(named=True))
    yield Grid(title="Totals", columns=COLUMNS, rows=rows, empty="None: nobody has held anything.")
    yield from _more(totals, shown)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    flop = (flop_text(row[name]) for name in ("low_flop", "likely_flop", "high_flop"))
    return (
        row["scope"],
        row["id"],
        ", ".join(row["tenants"]) or "(nobody)",
        str(row["look_back_days"]),
        *flop,
        ", ".join(_methods(row)) or ("" if row["high_flop"] == 0 else "no reading"),
        f"{row['device_hours']:,.1f}",
        f"{row['peak_devices'] or 0:,.0f}",
        flop_text(row["growth_flop_per_day"]),
        _next(row),
    )


def _methods(row: dict[str, Any]) -> list[str]:
    """The best first."""
    return [each for each in METHODS if each in row["methods"]]


def _next(row: dict[str, Any]) -> str:
    if row["likely_flop"] is None:
        return flop_text(None)
    if row["next_tier"] is None:
        return "above all"
    return f"{row['next_tier']} {row['next_tier_on'] or 'not in sight'}"


def _reached(reached: pl.DataFrame, *, whole: bool) -> Iterator[Block]:
    shown = reached if whole else reached.head(SHOWN_ROWS)
    rows = tuple(
        (
            row["tier"],
            flop_text(row["tier_flop"]),
            row["scope"],
            row["id"],
            row["day"].isoformat(),
            STRENGTH_WORDS[row["strength"]],
        )
        for row in shown.iter_rows(named=True)
    )
    columns = ("tier", "FLOP", "scope", "id", "reached on", "")
    yield Grid(title="Tiers reached", columns=columns, rows=rows, empty="No tier was reached, nor may have been.")
    yield from _more(reached, shown)


def _more(rows: pl.DataFrame, shown: pl.DataFrame) -> Iterator[Block]:
    if shown.height < rows.height:
        yield f"… and {rows.height - shown.height} more (--all shows them)"


def _content(exposed: Exposed, totals: pl.DataFrame, reached: pl.DataFrame) -> dict[str, object]:
    return {
        "as_of": exposed.at,
        "provenance": exposed.ledger.provenance,
        "looked_back_days": exposed.looked_back / timedelta(days=1),
        "growth_days": GROWTH_DAYS,
        "tiers": dict(exposed.facts.tiers.amounts),
        "facts_digest": exposed.facts.digest,
        "overridden": overridden(exposed.facts),
        "words_on_stitches": exposed.has_words,
        "totals": [row | {"methods": _methods(row)} for row in totals.to_dicts()],
        "reached": reached.to_dicts(),
    }
