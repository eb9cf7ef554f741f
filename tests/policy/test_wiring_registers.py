"""The registers as the engine reads them: each newest good file, and what follows from them in a judgement."""

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.judgement import FACTS, START, a_window, unseen, windows_frame
from support.kyc import a_file
from support.provider import a_cluster, a_site, an_entity

from collector.contract import Provenance
from policy.frames import empty
from policy.judge import Judgement, judge
from policy.judgement.inventory import inventory_of
from policy.kyc.customers import Customers
from policy.kyc.registers.allocations import NO_ALLOCATIONS, allocation_windows
from policy.kyc.registers.covered import COVERED
from policy.kyc.registers.provider import Provider
from policy.rules.pack import load_pack
from policy.settings import Settings
from policy.wiring import latest_customers, read_registers

TIERED = FACTS.with_tiers({"review": 1e20}, basis="a test")
MAPPING = '[[mapping]]\ntenant = "t-1"\nnamespace = "lab"\nbecause = "order 7"\ndecided_by = "sales"\n'
PROVIDER = an_entity() + a_site() + a_cluster("c-1", "node-*", tenancy="bare_metal")
ALLOCATION = "node,serial,accelerator,devices,tenant_id,from,to,tenancy,source\n"
A_ROW = "rack-9,,NVIDIA H100 80GB HBM3,8,t-1,2026-06-01,2026-06-20,dedicated,orders\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that name four registers."""
    (tmp_path / "mappings.toml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "provider.toml").write_text(PROVIDER, encoding="utf-8")
    (tmp_path / "allocations.csv").write_text(ALLOCATION + A_ROW, encoding="utf-8")
    return Settings(
        tenants=a_file(tmp_path, {"headquarters_country": "CN"}),
        mappings=tmp_path / "mappings.toml",
        provider=tmp_path / "provider.toml",
        allocations=tmp_path / "allocations.csv",
    )


def judged(customers: Customers, *windows: dict[str, object]) -> Judgement:
    """Judge windows by the shipped rules and a tier of 1e20 FLOP."""
    whole = windows_frame(*windows)
    return judge(whole, inventory_of(whole), customers=customers, facts=TIERED, pack=load_pack(), at=START)


def found(judgement: Judgement) -> set[tuple[str, str]]:
    """Which rule found something about whom."""
    return {(finding.rule_id, finding.subject_id) for finding in judgement.findings}


def test_nothing_named_is_nothing_known() -> None:
    """Without a register nobody is known, nothing is mapped, and nothing is known of a node."""
    registers = read_registers(Settings())
    assert registers.directory.tenants == frozenset()
    assert (registers.mappings, registers.allocations, registers.provider) == ((), NO_ALLOCATIONS, Provider())


def test_a_mapped_workload_is_its_tenants(settings: Settings) -> None:
    """A workload that claims nobody is judged by the answers about the tenant that a rule names, and says by which."""
    customers = latest_customers(settings, TIERED)()
    judgement = judged(customers, a_window(hours=240, tenant_id=None, workload_namespace="lab"))
    assert ("training-in-scope-headquarters", "t-1") in found(judgement)
    (row,) = judgement.subjects.to_dicts()
    assert row["link_reason"] == (
        "no tenant was claimed; mapping rule 1 names t-1; the know-your-customer file has that tenant"
    )


def test_a_contradiction_is_nobodys(settings: Settings) -> None:
    """A workload that claims one tenant and is mapped to another is nobody's, is found as such, and names both."""
    customers = latest_customers(settings, TIERED)()
    judgement = judged(customers, a_window(hours=240, tenant_id="t-2", workload_namespace="lab"))
    (row,) = judgement.subjects.to_dicts()
    assert (row["link_state"], row["tenant_id"], row["hq_in_scope"]) == ("ambiguous", None, "unknown")
    assert {"t-1", "t-2"} <= set(row["link_reason"].replace(";", "").split())
    assert ("training-unlinked", row["run_id"]) in found(judgement)


def test_the_clusters_tenancy_is_possession(settings: Settings) -> None:
    """Bare metal of the provider's cluster, used by a party in scope, is found whatever it does with it."""
    customers = latest_customers(settings, TIERED)()
    judgement = judged(customers, a_window(workload_kind="Deployment", devices=1, busy=0.05))
    assert ("possession-in-scope", "t-1") in found(judgement)
    (finding,) = (each for each in judgement.findings if each.rule_id == "possession-in-scope")
    assert (finding.named_hardware, finding.activities) == ("yes", ("provision", "in_country_transfer"))


def test_each_register_is_read_anew(settings: Settings) -> None:
    """A register that changes takes effect at once; while none does the customers are the same."""
    customers = latest_customers(settings, TIERED)
    first = customers()
    assert customers() is first
    assert settings.mappings is not None
    settings.mappings.write_text(MAPPING.replace("lab", "laboratory"), encoding="utf-8")
    second = customers()
    assert second is not first
    assert second.registers.mappings[0].namespace == "laboratory"
    assert second.registers.directory is first.registers.directory


@pytest.mark.parametrize("name", ["tenants", "mappings", "allocations", "provider"])
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "broken"])
def test_a_bad_register_leaves_the_last_good_one(
    settings: Settings, name: str, gone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A register that is broken or gone leaves the last good one in force, and the log says which it is, and where."""
    customers = latest_customers(settings, TIERED)
    first, path = customers(), getattr(settings, name)
    path.unlink()
    if not gone:
        path.write_text("Secret Party = [", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        assert customers() is first
    assert f"{name}.refused" in caplog.text
    assert re.search(rf"{name}\.problem at=\S*{path.name}\b", caplog.text)
    assert "Secret" not in caplog.text


def test_what_no_collector_saw_is_judged_all_the_same(settings: Settings) -> None:
    """Machines that the register gives to a tenant count as undetermined use, and reach the rules about it."""
    customers = latest_customers(settings, TIERED)()
    register = customers.registers.allocations
    assert register is not None
    until = datetime(2026, 6, 21, tzinfo=UTC)
    windows = allocation_windows(
        register, empty(COVERED), datetime(2026, 5, 1, tzinfo=UTC), until, Provenance.SIMULATED
    )
    judgement = judge(windows, inventory_of(windows), customers=customers, facts=TIERED, pack=load_pack(), at=until)
    (row,) = judgement.subjects.to_dicts()
    assert (row["verdict"], row["tenant_id"], row["tenancy"]) == ("undetermined", "t-1", "dedicated")
    assert ("undetermined-in-scope-headquarters", "t-1") in found(judgement)
    assert ("possession-in-scope", "t-1") in found(judgement)


def test_unseen_time_is_linked_too(settings: Settings) -> None:
    """What nobody observed is linked like everything else."""
    customers = latest_customers(settings, TIERED)()
    judgement = judged(customers, unseen(hours=240, tenant_id=None, workload_namespace="lab"))
    assert ("undetermined-in-scope-headquarters", "t-1") in found(judgement)


def test_what_could_not_be_read_once_is_read_again(settings: Settings, tmp_path: Path) -> None:
    """A register that was gone for a while takes effect when it is back, also where it is the same file again."""
    customers = latest_customers(settings, TIERED)
    first, path = customers(), settings.provider
    assert path is not None
    path.rename(tmp_path / "elsewhere")
    assert customers() is first
    (tmp_path / "elsewhere").write_text(PROVIDER.replace("bare_metal", "shared"), encoding="utf-8")
    (tmp_path / "elsewhere").rename(path)
    assert customers().registers.provider.cluster[0].tenancy == "shared"
