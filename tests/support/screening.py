"""Lists, parties and entries to screen in tests, where only what matters is written. All names are made up."""

import csv
import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl

from policy.facts.reading import load_facts
from policy.kyc.screening.list_rows import COLUMNS, OLDER_COLUMNS
from policy.kyc.screening.lists import ENTRIES
from policy.kyc.screening.screen import PARTIES, Screening, screen

LISTS = load_facts().party_lists
CODES, THRESHOLD = LISTS.code_of, LISTS.possible_from.value
EL = "Entity List (EL) - Bureau of Industry and Security"
PERSONAL = {
    "citizenships": "Personalia Citizen",
    "dates_of_birth": "1971-02-03",
    "nationalities": "Personalia National",
    "places_of_birth": "Personalia Birthplace",
    "title": "Personalia Doctor",
    "remarks": "Personalia remark",
    "ids": "Passport, PERSONALIA-1",
}
"""What a list says of natural persons and nobody here keeps."""


def csl_text(*rows: Mapping[str, str], older: bool = False) -> str:
    """Write rows of the Consolidated Screening List; every row has what is personal, too."""
    out = StringIO()
    writer = csv.DictWriter(out, OLDER_COLUMNS if older else COLUMNS, restval="", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for at, row in enumerate(rows):
        number = {} if older else {"_id": f"id-{at}"}
        writer.writerow({"source": EL, "name": f"Example Works {at}", **number, **PERSONAL, **row})
    return out.getvalue()


def json_text(*rows: Mapping[str, Any], whole: bool = True) -> str:
    """Write records as the API does."""
    records = [
        {"source": EL, "id": f"id-{at}", "name": f"Example Works {at}", **PERSONAL, **row}
        for at, row in enumerate(rows)
    ]
    return json.dumps({"search_performed_at": "2026-11-29", "results": records} if whole else records)


def a_list(folder: Path, text: str, name: str = "list.csv") -> Path:
    """Put a list into a folder."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def parties_frame(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Put parties into a frame; each has an id and a name unless it says otherwise."""
    filled = [
        {"party_id": f"p-{at}", "name": "Example", "aliases": [], "addresses": [], "countries": [], **row}
        for at, row in enumerate(rows)
    ]
    return pl.DataFrame(filled, schema=PARTIES, orient="row")


def entries_frame(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Put entries into a frame; addresses are written as (text, country)."""
    unsaid = {"list": "EL", "list_title": EL, "name": "Example", "aliases": [], "programmes": [], "kind": "unknown"}
    filled = [{**unsaid, "entry": f"e-{at}", **row, "addresses": _addresses(row)} for at, row in enumerate(rows)]
    return pl.DataFrame(filled, schema=ENTRIES, orient="row")


def _addresses(row: Mapping[str, Any]) -> list[dict[str, str | None]]:
    return [{"text": text, "country": code} for text, code in row.get("addresses", ())]


def compared(
    parties: pl.DataFrame, entries: pl.DataFrame, threshold: float = THRESHOLD, *, processes: int = 1
) -> Screening:
    """All parties compared with all entries, by the threshold that ships."""
    return screen(parties, entries, threshold, processes=processes)
