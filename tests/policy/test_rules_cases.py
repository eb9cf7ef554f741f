from pathlib import Path
from typing import Any

import pytest
from support.judgement import FACTS, START, a_subject, accelerators_frame, an_accelerator, subjects_frame

import policy.rules
from policy.rules.evaluate import evaluate
from policy.rules.finding import Finding
from policy.rules.pack import load_pack
from policy.rules.strict_yaml import read_yaml
from policy.rules.subject import VOCABULARY, About

FOLDER = Path(policy.rules.__file__).parent / "cases"
PACK = load_pack()
RULES = {rule.id: rule for rule in PACK.rules}
NOTHING = "nothing"


def cases_of(rule_id: str) -> list[dict[str, Any]]:
    """Read the cases of one rule."""
    content = read_yaml((FOLDER / f"{rule_id}.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    assert (set(content), content["rule"]) == ({"rule", "cases"}, rule_id)
    return list(content["cases"])


CASES = [pytest.param(rule, case, id=f"{rule}-{at}") for rule in RULES for at, case in enumerate(cases_of(rule), 1)]


def test_every_rule_has_cases() -> None:
    """Every rule of the pack has a file of cases, and no file is about another rule."""
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(RULES)


@pytest.mark.parametrize("rule_id", RULES)
def test_both_ways(rule_id: str) -> None:
    """Every rule has a case of each strength that its findings can have, and one that finds nothing."""
    assert {case["finds"] for case in cases_of(rule_id)} == {*map(str, RULES[rule_id].strengths), NOTHING}


def found_in(about: About, given: dict[str, Any]) -> tuple[Finding, ...]:
    """Evaluate the shipped rules over one run or one accelerator, and nothing else."""
    runs = subjects_frame(a_subject(**given)) if about is About.RUN else subjects_frame()
    accelerators = accelerators_frame() if about is About.RUN else accelerators_frame(an_accelerator(**given))
    return evaluate(PACK, runs, accelerators, FACTS, START)


@pytest.mark.parametrize(("rule_id", "case"), CASES)
def test_case(rule_id: str, case: dict[str, Any]) -> None:
    """A case finds what it says under its own rule, and under others what it names besides and nothing more."""
    found = found_in(RULES[rule_id].about, case["given"])
    expected = case.get("also", {}) | ({} if case["finds"] == NOTHING else {rule_id: case["finds"]})
    assert {finding.rule_id: str(finding.strength) for finding in found} == expected


@pytest.mark.parametrize(("rule_id", "case"), CASES)
def test_case_is_readable(rule_id: str, case: dict[str, Any]) -> None:
    """A case says why in a sentence, and changes only fields that there are."""
    assert set(case) - {"also"} == {"because", "given", "finds"}
    assert case["because"].endswith(".")
    assert set(case["given"]) <= set(VOCABULARY[RULES[rule_id].about])
    assert rule_id not in case.get("also", {})


def head_of(about: About) -> str:
    """The one head of all files about runs, or about accelerators."""
    ids = [rule.id for rule in PACK.rules if rule.about is about]
    (head,) = {(FOLDER / f"{each}.yaml").read_text(encoding="utf-8").partition("rule:")[0] for each in ids}
    return head


def test_head_is_true() -> None:
    """The head of every file describes the run that its cases change."""
    head, subject = head_of(About.RUN), a_subject()
    assert "2e23 to 3e24 FLOP, against a tier of 1e23 FLOP" in head
    assert "no accelerator of it controlled by letter; 244,444 device-hours of its tenant and its group" in head
    assert (subject["controlled_by_letter"], int(subject["group_device_hours"])) == ("no", 244_444)
    assert int(subject["tenant_device_hours"]) == 244_444
    assert (subject["group_low_flop"], subject["group_high_flop"], FACTS.tiers.flop("review")) == (2e23, 3e24, 1e23)
    assert (subject["verdict"], subject["link_state"], subject["hq_in_scope"]) == ("training", "linked", "no")
    assert "acts for nobody else; on no list, and so are its owners; no red flag; machines shared with others" in head
    told = [subject[name] for name in ("hq_behalf", "listed", "owner_listed", "flag_count", "tenancy")]
    assert told == ["no", "no", "no", 0.0, "shared"]
    assert "all of them observed, by one effort, whose tenant has declared training; no pattern" in head
    told = [subject[name] for name in ("unobserved_seconds", "group_runs", "declared_workload", "pattern_count")]
    assert told == [0.0, 1.0, "training", 0.0]


def test_head_about_accelerators_is_true() -> None:
    """The head of every file about accelerators describes the one that its cases change."""
    head, accelerator = head_of(About.ACCELERATOR), an_accelerator()
    assert "developer known and out of scope; not presumed to be subject to the EAR; not controlled by" in head
    told = [accelerator[name] for name in ("vendor_known", "presumed", "controlled_by_letter", "highest_paragraph")]
    assert told == ["yes", "no", "no", "3A090.a"]
    assert (accelerator["device"], accelerator["nodes"]) == ("NVIDIA H100 SXM", ["node-a"])


LARGE = ("undetermined-but-large", "training-at-systemic-tier", "training-at-frontier-tier")
"""Rules that ask of what has no estimate only where it could be large."""


@pytest.mark.parametrize("rule_id", LARGE)
@pytest.mark.parametrize("tier_flop", [None, 1e20, 1e23])
def test_hours_leave_nothing_out(rule_id: str, tier_flop: float | None) -> None:
    """Whatever the tier, what has no estimate is asked about from half of a known device's hours to it on."""
    tier = RULES[rule_id].reaches.tier  # type: ignore[union-attr]  # a rule without one fails here
    facts = FACTS if tier_flop is None else FACTS.with_tiers({tier: tier_flop}, basis="the provider's choice")
    rates = [rate for each in FACTS.accelerators.accelerator for rate in each.dense_tflop_per_second.values()]
    hours = facts.tiers.flop(tier) / (3600 * max(rates) * 1e12 * FACTS.estimation.utilisation_high.value) / 2
    unknown = {f"{scope}_{bound}_flop": None for scope in ("run", "group") for bound in ("likely", "high")}
    some = {"run_low_flop": 0.0, "group_low_flop": 0.0, "run_device_hours": hours, "group_device_hours": hours}
    subject = subjects_frame(a_subject(verdict="undetermined", **unknown, **some))
    found = {each.rule_id: each.strength for each in evaluate(PACK, subject, accelerators_frame(), facts, START)}
    assert found[rule_id] == "not_evaluable"
