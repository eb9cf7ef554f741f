"""Findings for tests: everything has a value, so that a test names only what it is about."""

from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

from policy.rules.finding import Comparison, Finding, Severity, Strength, SubjectKind


def a_comparison(**different: Any) -> Comparison:
    """A number that crosses its tier, with whatever the test wants different."""
    values: dict[str, Any] = {
        "name": "training compute of the group",
        "low": 1.1e26,
        "likely": 2.0e26,
        "high": 4.0e26,
        "tier_name": "large run",
        "tier": 1.0e26,
        "unit": "FLOP",
    }
    return Comparison(**{**values, **different})


def a_finding(**different: Any) -> Finding:
    """A finding about one tenant and one run, with whatever the test wants different."""
    values: dict[str, Any] = {
        "rule_id": "large-training-run",
        "rule_version": 3,
        "title": "Large training run",
        "severity": Severity.MEDIUM,
        "strength": Strength.MAY_HAVE_CROSSED,
        "subject_kind": SubjectKind.TENANT,
        "subject_id": "tenant-7",
        "run_ids": ("run-1",),
        "as_of": datetime(2026, 3, 1, tzinfo=UTC),
        "law_at": date(2026, 3, 1),
        "summary": "One run may have used more compute than the tier.",
        "reasons": ("The high end of the estimate is above the tier.",),
        "comparisons": (a_comparison(low=0.5e26),),
        "asks": "Find out what the run was for.",
        "sources": ("15 CFR 744.23",),
        "facts_digest": "f" * 64,
        "rules_digest": "r" * 64,
        "inputs_digest": "i" * 64,
    }
    unknown = set(different) - {field.name for field in fields(Finding)}
    assert not unknown, f"a finding has no {unknown}"
    return Finding(**{**values, **different})
