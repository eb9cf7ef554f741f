from pathlib import Path
from typing import Any

import pytest
from support.judgement import FACTS, START, a_subject, subjects_frame

import policy.rules
from policy.rules.evaluate import evaluate
from policy.rules.finding import Strength
from policy.rules.pack import load_pack
from policy.rules.strict_yaml import read_yaml
from policy.rules.subject import SUBJECTS

FOLDER = Path(policy.rules.__file__).parent / "cases"
PACK = load_pack()
RULES = [rule.id for rule in PACK.rules]
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
    """Every rule has a case of each strength, and one that finds nothing."""
    assert {case["finds"] for case in cases_of(rule_id)} == {*map(str, Strength), NOTHING}


@pytest.mark.parametrize(("rule_id", "case"), CASES)
def test_case(rule_id: str, case: dict[str, Any]) -> None:
    """A case finds what it says under its own rule, and nothing under any other."""
    found = evaluate(PACK, subjects_frame(a_subject(**case["given"])), FACTS, START)
    expected = {} if case["finds"] == NOTHING else {rule_id: case["finds"]}
    assert {finding.rule_id: str(finding.strength) for finding in found} == expected


@pytest.mark.parametrize(("rule_id", "case"), CASES)
def test_case_is_readable(rule_id: str, case: dict[str, Any]) -> None:
    """A case says why in a sentence, and changes only fields that there are."""
    assert set(case) == {"because", "given", "finds"}
    assert case["because"].endswith(".")
    assert set(case["given"]) <= set(SUBJECTS)


def test_head_is_true() -> None:
    """The head of every file describes the run that its cases change."""
    heads = {(FOLDER / f"{rule}.yaml").read_text(encoding="utf-8").partition("rule:")[0] for rule in RULES}
    subject = a_subject()
    assert len(heads) == 1
    assert "2e23 to 3e24 FLOP, against a tier of 1e23 FLOP" in heads.pop()
    assert (subject["group_low_flop"], subject["group_high_flop"], FACTS.tiers.flop("review")) == (2e23, 3e24, 1e23)
    assert (subject["verdict"], subject["link_state"], subject["hq_in_scope"]) == ("training", "linked", "no")
