"""Whose machines a run is on, how they were given, and which activity that could be."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pytest
from support.judgement import a_run, runs_frame
from support.provider import a_cluster, a_site, an_entity, provider_of

from policy.judgement.activity import describe_activities
from policy.kyc.customers import Registers
from policy.kyc.registers.allocations import read_allocations

REGISTER = (
    an_entity("e-us", country="US", us_person="yes")
    + an_entity("e-sg")
    + a_site("s-1", entity="e-sg")
    + a_cluster("c-shared", "node-a*", entity="e-sg", tenancy="shared")
    + a_cluster("c-us", "node-b*", entity="e-us")
)
BARE_METAL = a_cluster("c-metal", "node-m*", entity="e-sg", tenancy="bare_metal")
HEAD = "node,serial,accelerator,devices,tenant_id,from,to,tenancy,source\n"


def described(
    nodes: list[str],
    tenancy: str | None = None,
    paragraph: str = "3A090.a",
    run: Mapping[str, str] = MappingProxyType({}),
    **registers: Any,
) -> dict[str, Any]:
    """Describe one run of a week in June on some nodes, of a tenant with this tenancy on file."""
    first, last = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 8, tzinfo=UTC)
    runs = runs_frame(a_run(run_id="r-1", tenant_id="t-1", nodes=nodes, first_seen=first, last_seen=last, **run))
    links = pl.DataFrame({"run_id": ["r-1"], "tenancy": [tenancy]}, schema={"run_id": pl.String, "tenancy": pl.String})
    hardware = pl.DataFrame({"run_id": ["r-1"], "highest_paragraph": [paragraph]})
    given = {"provider": provider_of(REGISTER), **registers}
    (row,) = describe_activities(links, runs, hardware, Registers(**given)).to_dicts()
    return row


def test_by_the_cluster() -> None:
    """Where the file says nothing, the cluster tells how its machines are given and whose entity stands behind."""
    row = described(["node-a1"])
    assert (row["tenancy"], row["possession"], row["us_person"]) == ("shared", "no", "no")
    assert row["activities"] == ["provision"]


def test_the_file_before_the_cluster() -> None:
    """What the tenant's file says of the tenancy stands before what its cluster usually gives."""
    row = described(["node-a1"], "bare_metal")
    assert (row["tenancy"], row["possession"]) == ("bare_metal", "yes")
    assert row["activities"] == ["provision", "in_country_transfer"]


def test_nothing_known_takes_nothing_away() -> None:
    """Without registers every activity could be, and possession is not known."""
    row = described(["node-a1"], provider=provider_of())
    assert (row["tenancy"], row["possession"], row["us_person"]) == ("unknown", "unknown", "unknown")
    assert row["activities"] == ["provision", "in_country_transfer", "us_person_support"]


def test_on_machines_that_nobody_names() -> None:
    """A run of which nobody knows the nodes, as of a recording, is described by the file, or as not known."""
    assert described([])["tenancy"] == "unknown"
    assert described([], "shared")["possession"] == "no"


def test_several_nodes() -> None:
    """A run on nodes of two entities is supported by a U.S. person where one is; a tenancy not told of one is none."""
    row = described(["node-a1", "node-b1"])
    assert (row["us_person"], row["tenancy"]) == ("yes", "unknown")
    assert described(["node-a1", "node-z"])["us_person"] == "unknown"


@pytest.mark.parametrize(
    ("row", "tenancy"),
    [
        ("node-a1,,,8,t-1,2026-06-03,2026-06-05,colocation,orders\n", "colocation"),
        ("node-a1,,,8,t-1,2026-06-03,,dedicated,orders\nnode-a2,,,8,t-1,2026-06-03,,shared,orders\n", "dedicated"),
        ("node-a1,,,8,t-1,2026-05-01,2026-06-01,colocation,orders\n", "shared"),
        ("node-a1,,,8,t-1,2026-06-08,,colocation,orders\n", "shared"),
        ("node-a1,,,8,t-2,2026-06-03,,colocation,orders\n", "shared"),
    ],
)
def test_by_the_allocation_register(row: str, tenancy: str, tmp_path: Path) -> None:
    """The register's tenancy counts for its tenant and its time; of several the one that hands over most."""
    path = tmp_path / "allocations.csv"
    path.write_text(HEAD + row, encoding="utf-8")
    assert described(["node-a1"], allocations=read_allocations(path))["tenancy"] == tenancy


@pytest.mark.parametrize(
    ("paragraph", "named"),
    [("3A090.a", "yes"), ("3A090", "yes"), ("3A090.b", "no"), ("none", "no"), ("unclassified", "unclassified")],
)
def test_named_hardware(paragraph: str, named: str) -> None:
    """Whether the statement names the hardware is told, so that training on any does not read like training on all."""
    assert described(["node-a1"], paragraph=paragraph)["named_hardware"] == named


def test_another_machine_of_the_tenant_says_nothing(tmp_path: Path) -> None:
    """Bare metal on one machine does not make the tenant's runs on others its possession."""
    path = tmp_path / "allocations.csv"
    path.write_text(HEAD + "node-x,,,8,t-1,2026-05-01,,bare_metal,orders\n", encoding="utf-8")
    row = described(["node-a1"], allocations=read_allocations(path))
    assert (row["tenancy"], row["possession"]) == ("shared", "no")


@pytest.mark.parametrize(
    ("row", "nodes", "known"),
    [
        ("node-b1,,,8,t-1,2026-05-01,,shared,orders\n", ["node-b1", "node-b2"], ("unknown", "unknown")),
        ("node-b1,,,8,t-1,2026-06-03,2026-06-04,shared,orders\n", ["node-b1"], ("unknown", "unknown")),
        ("node-b1,,,8,t-1,2026-05-01,,bare_metal,orders\n", ["node-b1", "node-b2"], ("bare_metal", "yes")),
        ("node-b1,,,8,t-1,2026-05-01,,shared,orders\n", ["node-b1", "node-a1"], ("shared", "no")),
        ("node-a1,,,8,t-1,2026-05-01,,shared,orders\n", ["node-a1", "node-m1"], ("bare_metal", "yes")),
        (
            "node-b1,,,4,t-1,2026-05-01,2026-06-05,shared,orders\nnode-b1,,,4,t-1,2026-06-05,,shared,orders\n",
            ["node-b1"],
            ("shared", "no"),
        ),
    ],
    ids=[
        "another node",
        "a day of it",
        "more beside it",
        "the cluster tells the rest",
        "more by the cluster",
        "in turn",
    ],
)
def test_a_word_about_one_machine_is_none_about_another(
    row: str, nodes: list[str], known: tuple[str, str], tmp_path: Path
) -> None:
    """A row of the register tells of its machine and its time: "shared" there clears nothing that nobody tells of."""
    path = tmp_path / "allocations.csv"
    path.write_text(HEAD + row, encoding="utf-8")
    provider = provider_of(REGISTER, BARE_METAL)
    found = described(nodes, allocations=read_allocations(path), provider=provider)
    assert (found["tenancy"], found["possession"]) == known


def test_a_machine_known_by_its_serial(tmp_path: Path) -> None:
    """A run that the register alone tells of, by a serial, is on a machine that was given as the register says."""
    path = tmp_path / "allocations.csv"
    path.write_text(HEAD + ",S-9,,8,t-1,2026-05-01,,colocation,orders\n", encoding="utf-8")
    run = {"workload_namespace": "allocation", "workload_name": "S-9"}
    row = described([], run=run, allocations=read_allocations(path))
    assert (row["tenancy"], row["possession"]) == ("colocation", "yes")
    assert (
        described([], run={**run, "workload_name": "S-8"}, allocations=read_allocations(path))["tenancy"] == "unknown"
    )
