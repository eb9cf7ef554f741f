"""A provider's own register to test with, row by row, where only what matters is written."""

import json

from policy.kyc.registers.provider import Provider
from policy.kyc.registers.provider_file import parse_provider


def provider_of(*rows: str) -> Provider:
    """The register that these rows make."""
    return parse_provider("".join(rows).encode(), "provider.toml")


def a_row(table: str, day: str = "", **cells: object) -> str:
    """One row of a table, in TOML; ``day`` is a line of its own, for a day stands without quotes."""
    return "\n".join([f"\n[[{table}]]", *(f"{key} = {json.dumps(value)}" for key, value in cells.items()), day, ""])


def an_entity(own: str = "e-1", *, country: str = "SG", us_person: str = "no") -> str:
    """A legal person of the provider's."""
    cells = {"headquarters_country": country, "us_person": us_person, "source": "register"}
    return a_row("entity", "as_of = 2026-01-01", id=own, **cells)


def a_site(own: str = "s-1", *, country: str = "SG", entity: str = "e-1") -> str:
    """A place where machines stand."""
    return a_row("site", id=own, country=country, entity=entity)


def a_cluster(own: str = "c-1", *nodes: str, site: str = "s-1", entity: str = "e-1", tenancy: str = "") -> str:
    """A cluster of nodes by patterns; without ``tenancy`` nobody tells how its machines are given."""
    told = {"tenancy": tenancy} if tenancy else {}
    return a_row("cluster", id=own, site=site, entity=entity, nodes=nodes, **told)
