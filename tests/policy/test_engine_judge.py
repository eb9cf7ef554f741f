from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.judgement import FACTS, START, a_window, unhurried, unseen, windows_frame
from support.kyc import a_tenant, customers_of, directory_of

import policy.rules
from policy.judge import Judgement, judge
from policy.judgement.inventory import inventory_of
from policy.kyc.directory import Directory
from policy.kyc.statements import Statement, statements_of
from policy.rules.finding import Finding
from policy.rules.pack import load_pack, parse_pack
from policy.rules.subject import SUBJECTS

PACK = load_pack()
TIERED = FACTS.with_tiers({"review": 1e20}, basis="a test")
CUSTOMERS = customers_of(
    a_tenant(tenant_id="t-cn", party_name="Secret One", headquarters_country="CN", ultimate_parent_id="self"),
    a_tenant(tenant_id="t-mo", headquarters_country="MO", ultimate_parent_id="self"),
    a_tenant(
        tenant_id="t-parent",
        headquarters_country="SG",
        ultimate_parent_id="p-1",
        ultimate_parent_name="Secret Two",
        ultimate_parent_country="CN",
    ),
    a_tenant(tenant_id="t-unknown", headquarters_country="SG"),
    a_tenant(tenant_id="t-out", headquarters_country="DE", ultimate_parent_id="self"),
)
IN_SCOPE, UNKNOWN, MAY_BE = (
    "training-in-scope-headquarters",
    "training-headquarters-unknown",
    "undetermined-in-scope-headquarters",
)
UNLINKED, LETTER, LETTER_UNKNOWN = (
    "training-unlinked",
    "letter-controlled-used-in-scope",
    "letter-controlled-use-unknown",
)
TENANT_IDS = ("t-cn", "t-mo", "t-parent", "t-unknown", "t-out", None, "t-nobody")


def large(tenant_id: str | None, **different: Any) -> dict[str, Any]:
    """A training run of ten days on eight devices: 6.5e20 to 9.1e21 FLOP."""
    return a_window(tenant_id=tenant_id, **{"hours": 240, **different})


def judged(*windows: dict[str, Any], **different: Any) -> Judgement:
    """Judge windows by the shipped rules and a tier of 1e20 FLOP."""
    given_by = {"customers": CUSTOMERS, "facts": TIERED, "pack": PACK, "at": START, **different}
    whole = windows_frame(*windows)
    return judge(whole, inventory_of(whole), **given_by)


def found(*windows: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Say which rule found something about whom, and how far the numbers carry it."""
    findings = judged(*windows).findings
    said = {(finding.rule_id, finding.subject_id, str(finding.strength)) for finding in findings}
    assert len(said) == len(findings)
    return said


@pytest.mark.parametrize(
    ("tenant_id", "rule"),
    [("t-cn", IN_SCOPE), ("t-mo", IN_SCOPE), ("t-parent", IN_SCOPE), ("t-unknown", UNKNOWN), ("t-nobody", UNLINKED)],
)
def test_large_training(tenant_id: str, rule: str) -> None:
    """Large training is found under the one rule that its tenant's headquarters, parent or link calls for."""
    assert found(large(tenant_id)) == {(rule, tenant_id, "crossed")}


def test_out_of_scope() -> None:
    """Large training of a tenant out of scope is nothing to find."""
    assert found(large("t-out")) == set()


def test_unlinked() -> None:
    """Large training that nobody claimed is found, about the workload itself."""
    (finding,) = judged(large(None)).findings
    assert (finding.rule_id, finding.subject_kind, finding.strength) == (UNLINKED, "workload", "crossed")
    assert finding.run_ids == (finding.subject_id,)


def test_small() -> None:
    """Training whose high end is below the tier is nothing to find."""
    assert found(*(large(who, hours=1) for who in ("t-cn", "t-unknown", None))) == set()


def test_serving() -> None:
    """Serving is nothing to find, whoever does it and however long."""
    assert found(large("t-cn", workload_kind="Deployment", devices=1, busy=0.1, hours=5000)) == set()


def test_silent_node() -> None:
    """What nobody saw may have crossed: the run is undetermined, and its whole time is in the high end."""
    assert found(unseen(tenant_id="t-cn", hours=240)) == {(MAY_BE, "t-cn", "may_have_crossed")}


def test_unknown_accelerator() -> None:
    """Training on a device that the facts do not know is a finding of its own, and says which device."""
    finding, of_letter = judged(large("t-cn", accelerator="NVIDIA X1")).findings
    assert (finding.rule_id, finding.strength) == (IN_SCOPE, "not_evaluable")
    assert (of_letter.rule_id, of_letter.strength) == (LETTER_UNKNOWN, "present")
    assert "No estimate for a part of the run: the facts have no peak for accelerator NVIDIA X1." in finding.reasons


def test_split_over_a_group() -> None:
    """Runs that are each below the tier are found together, for each tenant of the group."""
    siblings = customers_of(
        *(
            a_tenant(
                tenant_id=f"t-{n}", headquarters_country="SG", ultimate_parent_id="p", ultimate_parent_country="CN"
            )
            for n in range(4)
        )
    )
    parts = [a_window(tenant_id=f"t-{n}", workload_name=f"part-{n}", hours=20) for n in range(4)]
    alone = judged(parts[0], customers=siblings).findings
    together = judged(*parts, customers=siblings).findings
    assert [finding.strength for finding in alone] == ["may_have_crossed"]
    for rule in ("training-in-scope-headquarters", "group-total-over-split-runs"):
        found = [(each.subject_id, each.strength) for each in together if each.rule_id == rule]
        assert found == [(f"t-{n}", "crossed") for n in range(4)]


def test_one_finding_for_each_rule_and_tenant() -> None:
    """Several runs of a tenant are one finding, which explains the largest of them and counts the others."""
    runs = [large("t-cn", workload_name=f"run-{n}", hours=240 + n) for n in range(3)]
    judgement = judged(*runs)
    (finding,) = judgement.findings
    (largest,) = judgement.subjects.filter(pl.col("workload_name") == "run-2")["run_id"]
    assert len(finding.run_ids) == 3
    assert any(reason.startswith(f"Verdict on {largest}, from its day 2026-") for reason in finding.reasons)
    assert (
        "What is shown is of the largest of those runs of which most is certain; further runs in this finding: 2."
        in finding.reasons
    )


def test_nothing() -> None:
    """No windows at all are no findings, in frames of the declared schemas."""
    judgement = judged()
    assert judgement.findings == ()
    assert judgement.subjects.schema == SUBJECTS
    assert judgement.subjects.is_empty()


def test_no_names() -> None:
    """No name of a party is in a finding."""
    text = str(judged(*map(large, TENANT_IDS)).findings)
    assert "Secret" not in text
    assert "t-parent" in text


def awkward_windows() -> list[dict[str, Any]]:
    """Windows whose sums depend, in the last bits, on the order in which they are added."""
    return [
        large(tenant_id, hours=60 + n / 7, node=f"node-{n}", pod_uid=f"p-{n}", shared_seconds=n / 3, busy=0.9 + n / 99)
        for n, tenant_id in enumerate(TENANT_IDS * 3)
    ]


@settings(unhurried, max_examples=20)
@given(st.permutations(awkward_windows()))
def test_order_of_rows(windows: Sequence[dict[str, Any]]) -> None:
    """The same windows in any order make equal findings, digests and ids."""
    findings, shuffled = judged(*awkward_windows()).findings, judged(*windows).findings
    assert findings == shuffled
    assert [each.finding_id for each in findings] == [each.finding_id for each in shuffled]


def digests(finding: Finding) -> tuple[str, str, str]:
    """Give the digests of facts, rules and inputs."""
    return finding.facts_digest, finding.rules_digest, finding.inputs_digest


def one(*windows: dict[str, Any], **different: Any) -> Finding:
    """Give the one finding that there is."""
    (finding,) = judged(*windows, **different).findings
    return finding


def test_digests() -> None:
    """Each of the three digests changes when what it stands for does, and only then; the finding's id with any."""
    before = one(large("t-cn"))
    text = (Path(policy.rules.__file__).parent / "packs" / "default.yaml").read_text(encoding="utf-8")
    others = [
        one(large("t-cn"), facts=FACTS.with_tiers({"review": 1e20}, basis="another reason")),
        one(large("t-cn"), pack=parse_pack(text + "# a remark\n", "own.yaml")),
        one(large("t-cn", hours=240.01)),
    ]
    for place, other in enumerate(others):
        changed = [a != b for a, b in zip(digests(before), digests(other), strict=True)]
        assert changed == [at == place for at in range(3)]
        assert other.finding_id != before.finding_id
    assert one(large("t-cn")) == before


@pytest.mark.parametrize(
    "tenant",
    [
        a_tenant(tenant_id="t-cn", headquarters_country="CN", ultimate_parent_id="p-9", ultimate_parent_country="SG"),
        a_tenant(tenant_id="t-cn", headquarters_country="BY", ultimate_parent_id="self"),
    ],
)
def test_inputs_digest_has_the_answers(tenant: dict[str, str]) -> None:
    """Another answer in the know-your-customer file is another input."""
    assert one(large("t-cn")).inputs_digest != one(large("t-cn"), customers=customers_of(tenant)).inputs_digest


def test_runs_that_differ_are_not_read_as_one() -> None:
    """A finding over several runs names the most serious hardware and every activity, and says in what they differ."""
    large_one = large("t-cn", accelerator="Tesla V100-SXM2-32GB", hours=2000, workload_name="large")
    small_one = large("t-cn", hours=240, workload_name="small")
    (finding,) = (each for each in judged(large_one, small_one).findings if each.rule_id == IN_SCOPE)
    assert finding.named_hardware == "yes"
    said = "They differ in whether the policy statement names the hardware: yes of the one shown, no of 1."
    assert said in finding.reasons


def test_a_group_is_never_less_than_its_tenant() -> None:
    """A tenant whose parent changed while its runs went on is found by their sum all the same."""
    parents = [
        Statement("t-1", "ultimate_parent", each, begins=begins, ends=ends, source="register")
        for each, begins, ends in (("p-1", None, date(2026, 6, 5)), ("p-2", date(2026, 6, 5), None))
    ]
    seats = [Statement(each, "headquarters_country", "CN", source="register") for each in ("t-1", "p-1", "p-2")]
    tops = [Statement(each, "ultimate_parent", "self", source="register") for each in ("p-1", "p-2")]
    account = [Statement("t-1", "customer", "t-1", source="crm"), Statement("t-1", "acts_for", "self", source="crm")]
    customers = customers_of(directory=Directory.of([*account, *parents, *seats, *tops]))
    days = [
        large("t-1", hours=24, window_start=START + timedelta(days=day), workload_name=f"run-{day}") for day in (0, 8)
    ]
    judgement = judged(*days, customers=customers)
    assert judgement.subjects["group_id"].n_unique() == 2
    assert judgement.subjects["group_high_flop"].n_unique() == 1
    assert (judgement.subjects["group_high_flop"] == judgement.subjects["tenant_high_flop"]).all()


def test_a_finding_names_the_answers_that_carry_it() -> None:
    """What about the tenant carries a finding is in it, with the lists, so that a decision covers no other answer."""
    directory = Directory.of(
        [
            *statements_of(directory_of(a_tenant(headquarters_country="DE", ultimate_parent_id="self")).frame),
            Statement("t-1", "listed_on", "UVL", source="counsel"),
        ]
    )
    findings = judged(large("t-1"), customers=customers_of(directory=directory)).findings
    (finding,) = (each for each in findings if each.rule_id == "listed-tenant")
    assert {"listed yes", "list UVL"} <= set(finding.answers)
