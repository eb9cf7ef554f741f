"""Every part of every rule that ships decides in one of its cases: whoever changes it, a case comes out otherwise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.judgement import FACTS, a_subject, accelerators_frame, an_accelerator, subjects_frame

import policy.rules
from policy.rules.pack import Rule
from policy.rules.strength import strength_of
from policy.rules.strict_yaml import read_yaml
from policy.rules.subject import About

FOLDER = Path(policy.rules.__file__).parent
Written = dict[str, Any]


def written(place: str) -> Any:
    """What a file of the rules says."""
    return read_yaml((FOLDER / place).read_text(encoding="utf-8"))


RULES: dict[str, Written] = {rule["id"]: rule for rule in written("packs/default.yaml")["rules"]}


def others(when: Written) -> Iterator[Written]:
    """The condition with one part turned round, left out, or put a factor of two away."""
    yield {"not": when}
    for key in {"all", "any"} & set(when):
        parts = when[key]
        for at, part in enumerate(parts):
            before, after = parts[:at], parts[at + 1 :]
            if before or after:
                yield {key: [*before, *after]}
            yield from ({key: [*before, other, *after]} for other in others(part))
    if "not" in when:
        yield from ({"not": other} for other in others(when["not"]))
    words = when.get("in", [])
    yield from ({**when, "in": [each for each in words if each != word]} for word in words if len(words) > 1)
    if limit := when.get("at_least"):  # no sum is below 0
        yield from ({**when, "at_least": limit * factor} for factor in (0.5, 2.0))


def mutants(rule: Written) -> Iterator[Written]:
    """The rule with another condition, another tier, or another answer to what is not known."""
    yield from ({**rule, "when": when} for when in others(rule["when"]))
    otherwise = {"finding": "no_finding", "no_finding": "finding"}[rule["when_unknown"]]
    yield {**rule, "when_unknown": otherwise}
    if reaches := rule.get("reaches"):
        tiers = [tier for tier in FACTS.tiers.amounts if tier != reaches["tier"]]
        yield from ({**rule, "reaches": {**reaches, "tier": tier}} for tier in tiers)
        without = [name for name in ("not_alone", "unestimated") if name in reaches]
        yield from ({**rule, "reaches": {key: reaches[key] for key in reaches if key != name}} for name in without)


@pytest.mark.parametrize("rule_id", RULES)
def test_every_part_of_a_rule_decides_in_a_case(rule_id: str) -> None:
    """Whatever part of a rule is changed, one of its cases notices."""
    cases = written(f"cases/{rule_id}.yaml")["cases"]
    about = Rule.model_validate(RULES[rule_id]).about
    given = [case["given"] for case in cases]
    subjects = (
        subjects_frame(*(a_subject(**each) for each in given))
        if about is About.RUN
        else accelerators_frame(*(an_accelerator(**each) for each in given))
    )

    def found(rule: Written) -> list[str]:
        strength = strength_of(Rule.model_validate(rule), FACTS)
        return subjects.select(strength.fill_null("nothing")).to_series().to_list()

    expected = [case["finds"] for case in cases]
    assert found(RULES[rule_id]) == expected
    assert [mutant for mutant in mutants(RULES[rule_id]) if found(mutant) == expected] == []
