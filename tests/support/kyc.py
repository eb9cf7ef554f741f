"""Know-your-customer files, tenants and facts to test with, where only what matters is written."""

import csv
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
from support.provider import a_cluster, a_site, an_entity, provider_of

from policy.facts.facts import Facts
from policy.facts.reading import load_facts
from policy.frames import conform
from policy.judgement.link import BASES
from policy.kyc.customers import Customers, Registers
from policy.kyc.directory import Directory
from policy.kyc.importing.accounts import TENANTS, read_accounts
from policy.kyc.statements import Statement

ROW = {
    "tenant_id": "t-1",
    "party_name": "Example Party GmbH",
    "registered_country": "DE",
    "headquarters_country": "DE",
    "ultimate_parent_id": "self",
    "acts_for": "self",
    "source": "register",
    "as_of": "2026-07-01",
}
"""A party of its own that acts for nobody else, headquartered in Germany; columns that are not here are empty."""


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


def a_tenant(**cells: str | float | date | None) -> dict[str, str]:
    """One row of the provider's file: the columns named, and that it acts for itself; the others empty."""
    row = {"tenant_id": "t-1", "acts_for": "self", **cells}
    return dict.fromkeys(TENANTS, "") | {name: "" if value is None else str(value) for name, value in row.items()}


def directory_of(*rows: dict[str, str]) -> Directory:
    """What a file with these rows says, and that every party was compared with lists and found on none."""
    if not rows:
        return Directory.of(())
    read = read_accounts("tenants.csv", csv_text(*rows).encode())
    assert not read.problems, read.problems
    screened = [Statement(row["tenant_id"], "screened", "no_match", source="screening") for row in rows]
    return Directory.of(dict.fromkeys((*read.statements, *screened)))


SHARED = provider_of(an_entity(), a_site(), a_cluster("c-1", "*", tenancy="shared"))
"""A provider whose machines are shared, wherever they stand."""


def customers_of(*rows: dict[str, str], facts: Facts | None = None, **registers: Any) -> Customers:
    """The customers of a file with these rows, on shared machines unless the test names other registers."""
    given = {"directory": directory_of(*rows), "provider": SHARED, **registers}
    return Customers.of(Registers(**given), facts or load_facts())


def bases_of_claims(runs: pl.DataFrame) -> pl.DataFrame:
    """That each run came to its tenant by what it claims, or that nobody claimed it."""
    basis = pl.when(pl.col("tenant_id").is_null()).then(pl.lit("none")).otherwise(pl.lit("claim"))
    note = (
        pl.when(pl.col("tenant_id").is_null())
        .then(pl.lit("no tenant was claimed"))
        .otherwise(pl.lit("the claim names ") + pl.col("tenant_id"))
    )
    return conform(runs.select("run_id", link_basis=basis, link_note=note), BASES, "bases")
