"""
What a reviewer reads, held against approved texts in tests/golden/findings.

To approve a text anew, delete its golden file and run this test: it writes the file from what the product says, and
fails once, so that nothing is approved without having been read.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.judgement import FACTS, START, a_subject, subjects_frame

import policy.judgement
import policy.rules
from policy.judgement.verdict import Verdict
from policy.rules import sentences
from policy.rules.evaluate import evaluate
from policy.rules.finding import Finding, Strength
from policy.rules.pack import load_pack, parse_pack
from policy.rules.strict_yaml import read_yaml
from policy.rules.subject import SUBJECTS

GOLDEN = Path(__file__).parents[1] / "golden" / "findings"
PACK = load_pack()
SHIPPED = [Path(module.__path__[0]) for module in (policy.judgement, policy.rules)]
ACCUSING = re.compile(
    r"\w*(violat|suspect|suspic|guilt|illegal|illicit|unlawful|criminal|crime|evad|evasi|smuggl|launder|fraud|culprit"
    r"|offend|conceal|disguis|cheat|nefarious|malicious|breach)\w*",
    re.IGNORECASE,
)
IN_SCOPE = {
    "hq_in_scope": "yes",
    "hq_own": "yes",
    "hq_reason": "headquartered in CN: member of Country Group D:5; the party is its own ultimate parent",
}
NO_HIGH = {"group_low_flop": 0.0, "group_likely_flop": None, "group_high_flop": None}
UNLINKED = {
    "tenant_id": None,
    "group_id": None,
    "subject_kind": "workload",
    "subject_id": "run-0000000000000001",
    "link_state": "unlinked",
    "link_reason": "no tenant was claimed for the workload",
    "hq_in_scope": "unknown",
    "hq_own": "unknown",
    "hq_parent": "unknown",
    "hq_reason": "no tenant was claimed for the workload, so its headquarters is not known, and that does not clear it",
    "hq_sources": [],
}
UNDETERMINED = {
    "verdict": "undetermined",
    "score": 0.7,
    "evidence": a_subject()["evidence"][1:2],
    "lacking": ["less than 50 % of its device time was observed while it held the devices alone"],
    "group_low_flop": 0.0,
    "group_likely_flop": 0.0,
}
SUBJECTS_OF: dict[str, list[dict[str, Any]]] = {
    "crossed": [a_subject(**IN_SCOPE)],
    "crossed-with-further-runs": [
        a_subject(**IN_SCOPE),
        a_subject(**IN_SCOPE, run_id="run-0000000000000000", run_high_flop=1e20),
        a_subject(**IN_SCOPE, run_id="run-0000000000000002", run_high_flop=2e20),
    ],
    "may-have-crossed": [a_subject(**IN_SCOPE, **{**UNDETERMINED, "unobserved_seconds": 7.2e8})],
    "not-evaluable": [
        a_subject(**IN_SCOPE, **NO_HIGH, no_estimate_reasons=["the facts have no peak for accelerator NVIDIA X1"])
    ],
    "not-evaluable-for-another-run": [a_subject(**IN_SCOPE, **NO_HIGH)],
    "headquarters-unknown": [
        a_subject(hq_in_scope="unknown", hq_reason="headquarters not known, which does not clear it")
    ],
    "unlinked": [a_subject(**UNLINKED)],
    "unseen-and-shared": [a_subject(**IN_SCOPE, unobserved_seconds=90_000.0, shared_seconds=5_400.0)],
    "allocation": [
        a_subject(
            **IN_SCOPE, **{**UNDETERMINED, "lacking": ["no reading of activity at all"], "evidence": []},
            methods=["allocation"], unobserved_seconds=8.8e8,
        )
    ],
}  # fmt: skip


def finding_of(rows: list[dict[str, Any]]) -> Finding:
    """Give the one finding that the shipped pack makes of one subject."""
    (finding,) = evaluate(PACK, subjects_frame(*rows), FACTS, START)
    return finding


def text_of(finding: Finding) -> str:
    """Write all that a finding says in words."""
    head = [f"{finding.title} ({finding.strength}, {finding.severity})", finding.summary]
    return "\n".join([*head, *(f"- {reason}" for reason in finding.reasons), f"? {finding.asks}", ""])


@pytest.mark.parametrize("name", SUBJECTS_OF)
def test_golden(name: str) -> None:
    """Every sentence of a finding equals its approved text."""
    said, approved = text_of(finding_of(SUBJECTS_OF[name])), GOLDEN / f"{name}.txt"
    if not approved.exists():
        approved.parent.mkdir(exist_ok=True)
        approved.write_text(said, encoding="utf-8")
        pytest.fail(f"{approved.name} was not there and has been written: read it, then run again")
    assert said == approved.read_text(encoding="utf-8")


def test_no_other_golden() -> None:
    """There is no approved text that nothing says any more."""
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(SUBJECTS_OF)


def test_every_strength_and_verdict() -> None:
    """Every strength, and every verdict, has words."""
    assert (set(sentences.STRENGTHS), set(sentences.VERDICTS)) == (set(Strength), set(Verdict))


def said() -> Iterator[tuple[str, str]]:
    """Everything shipped that a person reads about a finding, with its place."""
    for name, rows in SUBJECTS_OF.items():
        yield name, text_of(finding_of(rows))
    for rule in PACK.rules:
        yield rule.id, f"{rule.title}\n{rule.asks}"
    for folder in SHIPPED:
        for path in sorted({*folder.rglob("*.py"), *folder.rglob("*.yaml")}):
            yield path.name, path.read_text(encoding="utf-8").partition("\n    sources:")[0]
    for path in sorted((SHIPPED[1] / "cases").glob("*.yaml")):
        content: Any = read_yaml(path.read_text(encoding="utf-8"))
        yield path.name, "\n".join(case["because"] for case in content["cases"])


def test_accuses_nobody() -> None:
    """No word of accusation is in a sentence, a title, a question, or the text of judgement, rules and cases."""
    found = {(place, word.group()) for place, text in said() for word in ACCUSING.finditer(text)}
    assert found == set()


@pytest.mark.parametrize("word", ["Violation", "violate", "suspects", "guilty", "evasion", "evaded", "smuggling"])
def test_word_list(word: str) -> None:
    """The list of words finds them in any form."""
    assert ACCUSING.search(f"a {word} here")


def test_no_party_names() -> None:
    """The subjects, which are all that a sentence is made of, have no column for the name of a party."""
    assert not {name for name in SUBJECTS if "party" in name or "parent_name" in name}


@pytest.mark.parametrize(
    ("flop", "text"), [(None, "not known"), (0.0, "0"), (5.4721e20, "5.47e20"), (9.999e22, "1.00e23"), (1.0, "1.00e0")]
)
def test_flop_text(flop: float | None, text: str) -> None:
    """An amount has three digits; one that is not known is said to be so and is no 0."""
    assert sentences.flop_text(flop) == text


BY_KIND = """
pack: own
rules:
  - id: by-kind
    version: 1
    title: By kind
    when: {all: [{field: verdict, equals: training}, {field: workload_kind, equals: Job}]}
    reaches: {measure: run_flop, tier: review}
    severity: {crossed: high, may_have_crossed: low, not_evaluable: low}
    when_unknown: finding
    asks: Who?
    sources: [somewhere]
"""


def findings_by_kind(text: str, **different: Any) -> tuple[Finding, ...]:
    """Evaluate a rule on the workload's kind over a run whose kind is not known."""
    rows = subjects_frame(a_subject(workload_kind=None, **different))
    return evaluate(parse_pack(text, "own.yaml"), rows, FACTS, START)


def test_undecided_rule() -> None:
    """A rule that a missing field leaves open makes a finding that names the field."""
    (finding,) = findings_by_kind(BY_KIND)
    assert finding.strength == Strength.NOT_EVALUABLE
    assert finding.reasons[-1] == "The rule could not be decided: workload_kind is not known."


def test_undecided_rule_that_does_not_matter() -> None:
    """Where the rule says so, or its tier is out of reach, or another field decides, a missing field finds nothing."""
    assert findings_by_kind(BY_KIND.replace("when_unknown: finding", "when_unknown: no_finding")) == ()
    assert findings_by_kind(BY_KIND, run_low_flop=1e20, run_high_flop=1e22) == ()
    assert findings_by_kind(BY_KIND, verdict="not_training") == ()
