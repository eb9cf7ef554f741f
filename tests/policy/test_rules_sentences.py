"""
What a reviewer reads, held against approved texts in tests/golden/findings.

To approve a text anew, delete its golden file and run this test: it writes the file from what the product says, and
fails once, so that nothing is approved without having been read.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.facts import an_overlay
from support.judgement import FACTS, START, a_subject, accelerators_frame, an_accelerator, subjects_frame

import policy.judgement
import policy.kyc
import policy.rules
from policy.facts.evidence import Answer
from policy.facts.facts import Facts
from policy.facts.overlays import read_overlay
from policy.facts.presumed import Presumed
from policy.facts.reading import load_facts
from policy.judgement.full_rate import METHODS
from policy.judgement.patterns import INNOCENT
from policy.judgement.verdict import Verdict
from policy.kyc.registers.activity import activity_sentences
from policy.kyc.vocabulary import PREDICATES
from policy.rules import observed, sentences
from policy.rules.evaluate import evaluate
from policy.rules.finding import Finding, Strength
from policy.rules.pack import WITH_AMOUNT, WITHOUT_AMOUNT, load_pack, parse_pack
from policy.rules.strict_yaml import read_yaml
from policy.rules.subject import ACCELERATORS, SUBJECTS

GOLDEN = Path(__file__).parents[1] / "golden" / "findings"
PACK = load_pack()
SHIPPED = [Path(module.__path__[0]) for module in (policy.judgement, policy.rules, policy.kyc)]
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
NO_HIGH = {
    "group_low_flop": 0.0,
    "group_likely_flop": None,
    "group_high_flop": None,
    "group_device_hours": 90_000.0,
}
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
H20 = {
    "verdict": "not_training",
    "controlled_by_letter": "yes",
    "highest_paragraph": "none",
    "hardware_reason": "By the law of 2026-06-20, NVIDIA H20: ECCN 3A090 none by its numbers (TPP 2,368 at fp16_bf16, "
    "2.91 per mm²); controlled by letter, addressed to NVIDIA from 2025-04-09 on; ask counsel whether it reaches you.",
}
NOT_NAMED = "One accelerator or more is not named, so what controls it is not known."
SUBJECTS_OF |= {
    "letter-controlled": [a_subject(**IN_SCOPE, **H20)],
    "letter-controlled-headquarters-unknown": [
        a_subject(**H20, hq_in_scope="unknown", hq_reason="headquarters not known, which does not clear it")
    ],
    "accelerator-not-named-in-scope": [
        a_subject(**IN_SCOPE, verdict="not_training", controlled_by_letter="unknown", hardware_reason=NOT_NAMED)
    ],
    "letter-undecided": [a_subject(**H20, hq_in_scope=None, hq_reason="not looked up")],
}
SERVING = {"verdict": "not_training"}
OWNED = {
    "owner_listed_rule_on": "yes",
    "list_reason": "p-1 was compared with lists: no match; listed owners who count hold nothing of p-1; the Affiliates "
    "Rule is stayed from 2025-11-10 on; p-3 (EL) holds 30 % of p-1; p-4 (EL) holds 30 % of p-1",
}
SUBJECTS_OF |= {
    "restricted": [
        a_subject(
            **SERVING, restricted="yes", hq_in_scope="yes", hq_own="yes",
            hq_reason="headquartered in IR: member of Country Group D:5; the party is its own ultimate parent",
            list_reason="headquarters of p-1: IR: member of Country Group E:1",
        )
    ],
    "listed": [a_subject(**SERVING, listed="yes", list_reason="p-1 is on a list: EL")],
    "list-match-undecided": [
        a_subject(**SERVING, listed="possible", list_reason="p-1 may be on a list: entry e-1 not cleared")
    ],
    "listed-owners-while-stayed": [a_subject(**SERVING, **OWNED)],
    "listed-owners": [a_subject(**SERVING, **OWNED, owner_listed="yes")],
    "on-behalf": [
        a_subject(
            hq_in_scope="yes", hq_behalf="yes",
            hq_reason="headquartered in AE: not a member of Country Group D:5 and not named beside it; the party is "
            "its own ultimate parent; acts for p-2: headquartered in CN: member of Country Group D:5",
        )
    ],
    "possession": [
        a_subject(
            **SERVING, **IN_SCOPE, tenancy="bare_metal", possession="yes",
            activities=["provision", "in_country_transfer", "us_person_support"],
            activity_reason=" ".join(activity_sentences("bare_metal", Answer.YES, "3A090.a")),
        )
    ],
    "possession-headquarters-unknown": [
        a_subject(
            **SERVING, hq_in_scope="unknown", hq_reason="headquarters not known, which does not clear it",
            tenancy="colocation", possession="yes",
            activity_reason=" ".join(activity_sentences("colocation", Answer.UNKNOWN, "3A090.a")),
        )
    ],
    "end-use": [
        a_subject(
            end_use_military_intelligence="yes",
            end_use_reason="military intelligence is named as end use or end user",
        )
    ],
    "red-flags": [
        a_subject(
            flag_count=4.0,
            flag_reason="p-1 was incorporated on 2024-02-01; its address is a mail box; no end-use statement is in the "
            "file; the file does not say that p-1 was ever verified",
        )
    ],
    "look-back": [
        a_subject(
            **SERVING, **IN_SCOPE, changed="worse",
            changed_reason="known on 2026-06-20, when the run ended, and known now: headquarters in scope no then, "
            "yes now",
        )
    ],
    "training-on-other-hardware": [
        a_subject(
            **IN_SCOPE, accelerators=["Tesla V100-SXM2-32GB"], highest_paragraph="none", named_hardware="no",
            hardware_reason="By the law of 2026-06-20, NVIDIA V100 SXM2: ECCN 3A090 none by its numbers.",
            activity_reason=" ".join(activity_sentences("shared", Answer.YES, "none")),
        )
    ],
}  # fmt: skip
GAPS = {
    "pattern": "gaps_under_load",
    "value": 0.31,
    "sentence": "31 % of the time under load was seen by nobody, and 2 % of the calm time",
    "innocent": INNOCENT["gaps_under_load"],
}
STEADY = {
    "pattern": "steady_service",
    "value": 0.96,
    "sentence": "a service that is busy for 96 % of the time and never idle",
    "innocent": INNOCENT["steady_service"],
}
OTHERS = {"group_largest_share": 0.4, "group_largest_low_flop": 8e22, "group_largest_high_flop": 1.2e24}
SUBJECTS_OF |= {
    "undetermined-but-large": [a_subject(**UNDETERMINED, run_low_flop=0.0, run_likely_flop=0.0)],
    "split-runs": [
        a_subject(
            **IN_SCOPE, **OTHERS, group_runs=3.0, piece_count=2.0, init_seconds=7.2e6,
            pieces=["run-0000000000000001", "run-0000000000000009"], effort_id="run-0000000000000000",
            methods=["busy", "sm", "tensor"], number_formats=["fp8"],
        )
    ],
    "repeated-totals": [a_subject(near_tier_runs=3.0, group_runs=5.0, group_largest_share=None)],
    "declared-use-contradicted": [
        a_subject(
            workload_kind="Deployment", declared_workload="inference", declared_use_contradicted="yes",
            patterns=[STEADY], pattern_count=1.0, pattern_steady_service="seen",
        )
    ],
    "blind-under-load": [
        a_subject(
            **IN_SCOPE, unobserved_seconds=4.4e8, unobserved_ratio=0.33, methods=["power"],
            patterns=[GAPS], pattern_count=1.0, pattern_gaps_under_load="seen",
        )
    ],
}  # fmt: skip
ACCELERATORS_OF = {
    "accelerator-named": an_accelerator(
        accelerator="Huawei device d802",
        device="Huawei Ascend 910B",
        subject_id="Huawei device d802",
        presumed="named",
        highest_paragraph="undetermined",
        hardware_reason="By the law of 2026-06-20, Huawei Ascend 910B: 3A090 undetermined by its numbers (TPP not "
        "known, density not known); named in BIS's guidance of 13 May 2025 on General Prohibition Ten.",
        nodes=[f"node-{number:02}" for number in range(12)],
        node_count=12.0,
        gpu_hours=2304.0,
    ),
    "accelerator-developer-unknown": an_accelerator(
        accelerator="X 1",
        device=None,
        subject_id="X 1",
        presumed="unknown",
        controlled_by_letter="unknown",
        highest_paragraph="unclassified",
        hardware_reason="By the law of 2026-06-20, X 1: unclassified, of a developer that nobody knows, and not in the "
        "catalogue; who developed it is not known, so neither is whether BIS's guidance of 13 May 2025 on General "
        "Prohibition Ten reaches it.",
    ),
}


def findings_of(name: str) -> tuple[Finding, ...]:
    """Give the findings that the shipped pack makes of one subject."""
    runs = subjects_frame(*SUBJECTS_OF.get(name, []))
    accelerators = accelerators_frame(*(ACCELERATORS_OF[each] for each in [name] if each in ACCELERATORS_OF))
    return evaluate(PACK, runs, accelerators, FACTS, START)


def text_of(finding: Finding) -> str:
    """Write all that a finding says in words."""
    head = [f"{finding.title} ({finding.strength}, {finding.severity})", finding.summary]
    return "\n".join([*head, *(f"- {reason}" for reason in finding.reasons), f"? {finding.asks}", ""])


@pytest.mark.parametrize("name", [*SUBJECTS_OF, *ACCELERATORS_OF])
def test_golden(name: str) -> None:
    """Every sentence of a finding equals its approved text."""
    said, approved = "\n".join(map(text_of, findings_of(name))), GOLDEN / f"{name}.txt"
    if not approved.exists():
        approved.parent.mkdir(exist_ok=True)
        approved.write_text(said, encoding="utf-8")
        pytest.fail(f"{approved.name} was not there and has been written: read it, then run again")
    assert said == approved.read_text(encoding="utf-8")


def test_no_other_golden() -> None:
    """There is no approved text that nothing says any more."""
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted([*SUBJECTS_OF, *ACCELERATORS_OF])


def test_every_strength_and_verdict() -> None:
    """Every strength, every verdict, every method and every kind of work that can be declared has words."""
    assert tuple(observed.METHODS) == METHODS
    assert tuple(observed.DECLARED) == PREDICATES["declared_workload"].words
    assert {*sentences.STRENGTHS, *sentences.STRENGTHS_WITHOUT_AMOUNT} == set(Strength)
    assert (set(sentences.VERDICTS), set(sentences.PRESUMED)) == (set(Verdict), set(Presumed))
    assert (set(sentences.STRENGTHS), set(sentences.STRENGTHS_WITHOUT_AMOUNT)) == (
        set(WITH_AMOUNT),
        set(WITHOUT_AMOUNT),
    )


DIFFERENT = {
    "named_hardware": (
        "no",
        "They differ in whether the policy statement names the hardware: yes of the one shown, no of 1.",
    ),
    "possession": (
        "yes",
        "They differ in whether the machines are in the tenant's possession: no of the one shown, yes of 1.",
    ),
    "us_person": ("no", "They differ in whether a U.S. person supports it: yes of the one shown, no of 1."),
    "changed_reason": (
        "known then and known now: headquarters in scope no then, yes now",
        "They differ in what has changed since: nothing of the one shown, "
        "known then and known now: headquarters in scope no then, yes now of 1.",
    ),
}
"""Of each field in which runs of one finding may differ another value than that of the one shown, and what is said."""


def differences_of(findings: tuple[Finding, ...]) -> set[str]:
    """The sentences on what further runs differ in."""
    return {reason for each in findings for reason in each.reasons if reason.startswith("They differ")}


def test_further_runs_say_in_what_they_differ() -> None:
    """Where a further run differs from the one shown a sentence says in what and how many; else there is none."""
    assert set(DIFFERENT) == set(sentences.DIFFERING)
    for name, (value, sentence) in DIFFERENT.items():
        other = a_subject(**IN_SCOPE, run_id="run-0000000000000002", run_high_flop=1e20, **{name: value})
        found = evaluate(PACK, subjects_frame(a_subject(**IN_SCOPE), other), accelerators_frame(), FACTS, START)
        assert differences_of(found) == {sentence}
    assert not differences_of(findings_of("crossed-with-further-runs"))


def said() -> Iterator[tuple[str, str]]:
    """Everything shipped that a person reads about a finding, with its place."""
    for name in (*SUBJECTS_OF, *ACCELERATORS_OF):
        yield from ((name, text_of(finding)) for finding in findings_of(name))
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
    assert not {name for name in (*SUBJECTS, *ACCELERATORS) if "party" in name or "parent_name" in name}


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
    sources: [cfr_744_6]
"""


def findings_by_kind(text: str, **different: Any) -> tuple[Finding, ...]:
    """Evaluate a rule on the workload's kind over a run whose kind is not known."""
    rows = subjects_frame(a_subject(workload_kind=None, **different))
    return evaluate(parse_pack(text, "own.yaml"), rows, accelerators_frame(), FACTS, START)


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


SUPPOSED = an_overlay("", kind="scenario", name="no-letter")


def first_finding(facts: Facts = FACTS, at: datetime = START, **different: Any) -> Finding:
    """Give the first finding about a run of a party in scope that uses an accelerator controlled by letter."""
    runs = subjects_frame(a_subject(**IN_SCOPE, **{**H20, **different}))
    return evaluate(PACK, runs, accelerators_frame(), facts, at)[0]


def test_scenario_comes_first() -> None:
    """A finding of facts that are supposed says so before anything else, with the scenario's name and reason."""
    supposed = first_finding(replace(FACTS, overlays=(SUPPOSED,)))
    said = "This finding is of a scenario and not in force: no-letter (counsel has read it)."
    assert supposed.reasons == (said, *first_finding().reasons)


def outdated(finding: Finding) -> list[str]:
    """Give what a finding says about documents past their day."""
    return [reason for reason in finding.reasons if "should have been read again" in reason]


def with_review(facts: Facts, last: date, *ids: str) -> Facts:
    """Let documents be good until a day only, wherever they are cited."""
    documents = {key: replace(each, review_by=last) if key in ids else each for key, each in facts.documents.items()}
    return replace(facts, documents=documents)


def test_only_what_a_finding_rests_on_can_make_it_outdated() -> None:
    """A document past its day is told by the findings that rest on it, and by no others."""
    past = START.date() - timedelta(days=1)
    assert outdated(first_finding(with_review(FACTS, past, "state_cyprus_2025", "gp10_guidance_2025_05_13"))) == []
    (said,) = outdated(first_finding(with_review(FACTS, past, "amd_8k_2025_04", "state_cyprus_2025")))
    assert said.startswith(
        "1 of the documents behind this finding should have been read again by now, the first by 2026-"
    )
    assert FACTS.documents["amd_8k_2025_04"].citation in said


def test_a_document_is_good_through_its_last_day() -> None:
    """On the last day of a document a finding says nothing of it, on the day after it does."""
    facts = with_review(FACTS, START.date(), "amd_8k_2025_04")
    assert outdated(first_finding(facts)) == []
    assert len(outdated(first_finding(facts, START + timedelta(days=1)))) == 1


def test_outdated_lines_are_those_of_hardware_and_headquarters() -> None:
    """Rows of the facts that a run's answers cite count, by their lines, with all documents behind them."""
    far = max(document.good_through for document in FACTS.documents.values()) + timedelta(days=1)
    late = datetime(far.year, far.month, far.day, tzinfo=UTC)
    without = first_finding(at=late, hardware_sources=[], hq_sources=[])
    for field in ("hardware_sources", "hq_sources"):
        source = FACTS.accelerators.devices["NVIDIA H20"].source
        finding = first_finding(at=late, **{"hardware_sources": [], "hq_sources": [], field: [source.line]})
        assert source.line in finding.sources
        assert count_of(finding) == count_of(without) + len(source.documents)


def count_of(finding: Finding) -> int:
    """Give how many documents a finding says are past their day."""
    (said,) = outdated(finding)
    return int(said.partition(" of the documents")[0])


def test_sources_are_cited_as_in_the_facts() -> None:
    """A rule's documents are cited with how well each is known and when it was read; each line once."""
    finding = first_finding()
    document = FACTS.documents["nvidia_8k_2025_04"]
    assert f"{document.citation} ({document.evidence}; read {document.read_on.isoformat()})" == finding.sources[0]
    assert len(finding.sources) == len(set(finding.sources))


OWN_TERMS = """
[overlay]
kind = "override"
name = "own-terms"
reason = "our terms ask for more"
decided_on = 2026-05-01

[sources.own_terms]
citation = "Terms of use, version 3"
evidence = "official"
read_on = 2026-05-01
review_by = 2027-05-01
"""


def test_a_source_of_an_override_says_so() -> None:
    """A document that the provider added is cited with the override's name and reason."""
    facts = load_facts([read_overlay(OWN_TERMS, "own.toml")])
    pack = parse_pack(BY_KIND.replace("cfr_744_6", "own_terms"), "own.yaml")
    (finding,) = evaluate(pack, subjects_frame(a_subject(workload_kind="Job")), accelerators_frame(), facts, START)
    said = "Terms of use, version 3 (official; read 2026-05-01; override own-terms: our terms ask for more)"
    assert finding.sources[0] == said


def test_without_an_amount_nothing_is_compared() -> None:
    """A rule that compares no amount cites no peaks and no utilisation, and its finding has no comparison."""
    finding = first_finding()
    assert (finding.strength, finding.comparisons) == (Strength.PRESENT, ())
    assert not any(line.startswith(("peaks of", "utilisation")) for line in finding.sources)


def test_a_finding_about_an_accelerator_names_nodes_and_nobody() -> None:
    """It has all nodes, no run, and no word about a tenant but that it says nothing of any."""
    (finding,) = findings_of("accelerator-named")
    assert (len(finding.nodes), finding.run_ids, finding.comparisons) == (12, (), ())
    assert "and 2 more" in text_of(finding)
    assert text_of(finding).count("tenant") == 1


def test_a_format_that_was_declared_for_a_part() -> None:
    """The sentence on formats holds also of a run for days of which, or for devices of which, none is declared."""
    (said,) = observed.measured(a_subject(methods=["busy"], number_formats=["fp8"]))
    assert "Where the tenant has declared its number format (fp8)" in said
    assert "elsewhere the high end is at the peak of the densest" in said


def test_the_run_that_is_shown_is_not_called_larger_than_one_of_unknown_size() -> None:
    """A run without an estimate may be the largest, and the one that is shown is not said to be that."""
    large = {**UNDETERMINED, "run_low_flop": 0.0, "run_likely_flop": 0.0}
    unknown = {"run_high_flop": None, "run_likely_flop": None, "run_device_hours": 5e6}
    rows = subjects_frame(
        a_subject(**{**large, "run_id": "run-a", "run_high_flop": 2e24}),
        a_subject(**{**large, **unknown, "run_id": "run-b"}),
    )
    (found,) = (each for each in evaluate(PACK, rows, accelerators_frame(), FACTS, START) if len(each.run_ids) == 2)
    assert not any("the largest run" in reason for reason in found.reasons)
    assert any("the largest of those runs of which most is certain" in reason for reason in found.reasons)
