"""
What ``flopwatch tenants screen`` has to tell: hits, or what thresholds find of pairs.

A party's name is told only where it is asked for; the names of entries are public and always are.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from policy.commands.sheet import Grid, Sheet
from policy.kyc.screening.lists import ScreeningList
from policy.kyc.screening.outcome import unread
from policy.kyc.screening.pairs import Measured, measure, read_pairs
from policy.kyc.screening.screen import Screening, Verdict

THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def hits_sheet(
    screening: Screening, hits: pl.DataFrame, lists: Sequence[ScreeningList], at: date, *, with_names: bool
) -> Sheet:
    """What was compared, and each hit. ``hits``: after decisions; ``with_names``: print the parties' names too."""
    names = dict(screening.parties.select("party_id", "name").iter_rows()) if with_names else {}
    rows, nameless = hits.to_dicts(), sorted(unread(screening.parties))
    possible = len({row["party_id"] for row in rows if row["verdict"] == Verdict.POSSIBLE.value})
    said = _said(screening, at, possible)
    content = {
        "at": at.isoformat(),
        "threshold": screening.threshold,
        "parties": screening.parties.height,
        "entries": screening.entries.height,
        "parties_possible": possible,
        "parties_unread": nameless,
        "lists": [_of_list(each) for each in lists],
        "hits": [{**row, **_named(row, names)} for row in rows],
    }
    return Sheet(blocks=(said, *_unread_words(nameless), _grid(rows, names, with_names=with_names)), content=content)


def _said(screening: Screening, at: date, possible: int) -> str:
    return (
        f"Parties compared with {screening.entries.height} entries: {screening.parties.height}, as known on "
        f"{at.isoformat()}; a person has to look at {possible}. A score is how much names resemble each other; "
        f"{screening.threshold:g} or more is possible, and so is whoever has a listed party's address; no match clears "
        "nobody."
    )


def _of_list(each: ScreeningList) -> dict[str, object]:
    return {"file": each.path.name, "rows": each.rows, "accepted": each.accepted, "digest": each.digest}


def _grid(rows: Sequence[Mapping[str, object]], names: Mapping[str, str], *, with_names: bool) -> Grid:
    columns = ("party", *(("name",) if with_names else ()), "entry", "listed as", "score", "verdict", "beside", "why")
    cells = tuple(_row(row, names) for row in rows)
    return Grid(title="Hits", columns=columns, rows=cells, empty="No name comes near an entry.")


def _unread_words(parties: Sequence[str]) -> tuple[str, ...]:
    """One sentence where there are such parties."""
    words = "so that they stay unknown where no address of theirs is found"
    return (f"Parties of which no name can be read, {words}: {len(parties)}: {', '.join(parties)}.",) if parties else ()


def _named(row: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    return {"party_name": names[str(row["party_id"])]} if names else {}


def _row(row: Mapping[str, object], names: Mapping[str, str]) -> tuple[str, ...]:
    listed = str(row["entry_name"])
    if row["matched_name"] not in ("", row["entry_name"]):
        listed += f", by its alias {row['matched_name']}"
    party = str(row["party_id"])
    return (
        party,
        *((names[party],) if names else ()),
        str(row["reference"]),
        listed,
        f"{row['score']:.2f}",
        str(row["verdict"]),
        _beside(row),
        str(row["explanation"]) + ("; by an alias of the party" if row["party_alias"] else ""),
    )


def _beside(row: Mapping[str, object]) -> str:
    """What stands beside the names and is in no score."""
    agree = {"yes": "same country", "no": "another country", "unknown": "country unknown"}[str(row["countries_agree"])]
    return f"{agree}, same address" if row["shares_address"] else agree


def measured_sheet(path: Path, threshold: float) -> Sheet:
    """What a threshold finds of a file of pairs, and others beside it. Raises KycError."""
    pairs = read_pairs(path)
    measured = {each: measure(pairs, each) for each in sorted({*THRESHOLDS, threshold})}
    at = measured[threshold]
    said = (
        f"Pairs: {len(pairs)}, of one party: {at.right + at.missed}. At the threshold {threshold:g}: "
        f"F1 {_share(at.f1)}, precision {_share(at.precision)}, recall {_share(at.recall)}."
    )
    columns = ("threshold", "F1", "precision", "recall", "right", "wrong", "missed")
    grid = Grid(title="At other thresholds", columns=columns, rows=tuple(map(_measured_row, measured.values())))
    content = {"pairs": len(pairs), "threshold": threshold, "at": [_plain(each) for each in measured.values()]}
    return Sheet(blocks=(said, grid), content=content)


def _measured_row(each: Measured) -> tuple[str, ...]:
    counts = (each.right, each.wrong, each.missed)
    return f"{each.threshold:g}", *map(_share, (each.f1, each.precision, each.recall)), *map(str, counts)


def _plain(each: Measured) -> dict[str, float | None]:
    names = ("threshold", "f1", "precision", "recall", "right", "wrong", "missed")
    return {name: getattr(each, name) for name in names}


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.3f}"
