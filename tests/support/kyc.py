"""Know-your-customer files, tenants and facts to test with, where only what matters is written."""

import csv
from datetime import date
from io import StringIO
from pathlib import Path

import polars as pl

from policy.kyc.tenants import TENANTS

ROW = {
    "tenant_id": "t-1",
    "party_name": "Example Party GmbH",
    "registered_country": "DE",
    "headquarters_country": "DE",
    "ultimate_parent_id": "self",
    "source": "register",
    "as_of": "2026-07-01",
}
"""A party of its own, headquartered in Germany; columns that are not here are empty."""


def csv_text(*rows: dict[str, str], columns: tuple[str, ...] = tuple(TENANTS)) -> str:
    """Write rows, each filled up from :data:`ROW`, under a header."""
    out = StringIO()
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(ROW | row for row in rows)
    return out.getvalue()


def a_file(folder: Path, *rows: dict[str, str], columns: tuple[str, ...] = tuple(TENANTS)) -> Path:
    """Put a file with these rows into a folder."""
    path = folder / "tenants.csv"
    path.write_text(csv_text(*rows, columns=columns), encoding="utf-8")
    return path


def a_tenant(**cells: str | float | date | None) -> dict[str, object]:
    """One row of a tenants' frame: the columns named, the others null."""
    return dict.fromkeys(TENANTS) | {"tenant_id": "t-1"} | cells


def tenants_frame(*rows: dict[str, object]) -> pl.DataFrame:
    """Put rows into a frame in the schema of the tenants."""
    return pl.DataFrame(list(rows), schema=TENANTS)


def claims_frame(*claims: tuple[str | None, date]) -> pl.DataFrame:
    """Put claims (tenant id or none, day of the law) into a frame."""
    return pl.DataFrame(list(claims), schema={"tenant_id": pl.String, "law_at": pl.Date}, orient="row")
