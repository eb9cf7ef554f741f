"""Windows, runs and subjects to judge in tests, where only what matters is written."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import settings

from policy.facts.evidence import Answer
from policy.facts.facts import Facts
from policy.facts.reading import load_facts
from policy.frames import empty
from policy.judgement.estimate import estimate_compute, rate_windows
from policy.judgement.exposure import SCOPES
from policy.judgement.pod_days import fold_days
from policy.judgement.runs import RUNS, find_runs, identified
from policy.judgement.stints import find_stints, judge_stints
from policy.kyc.registers.activity import activity_sentences
from policy.rules.subject import ACCELERATORS, PATTERN_FIELDS, SUBJECTS
from policy.usage.window import COUNTED, RHYTHM, WINDOWS

H100 = "NVIDIA H100 80GB HBM3"
FACTS = load_facts()
START = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = 3600.0

unhurried = settings(deadline=None, max_examples=50)
"""For properties of frames: how long an example takes says more about the machine than about the product."""

COUNTS = ("device_count", *COUNTED)


def a_window(*, hours: float = 1.0, devices: float = 8.0, busy: float = 0.95, **different: Any) -> dict[str, Any]:
    """One pod that held eight H100 for an hour, alone and fully observed, busy for 95 % of it."""
    start = different.pop("window_start", START)
    held = devices * hours * HOUR
    row = {
        **dict.fromkeys(RHYTHM),
        **dict.fromkeys(COUNTS, 0.0),
        "node": "node-a",
        "provenance": "simulated",
        "workload_namespace": "space-a",
        "workload_kind": "PyTorchJob",
        "workload_name": "effort",
        "workload_uid": "u-1",
        "workload_pod": "effort-0",
        "pod_uid": "p-1",
        "container": "main",
        "tenant_id": "t-1",
        "accelerator": H100,
        "metering": "utilisation",
        "window_start": start,
        "window_end": start + timedelta(hours=hours),
        "device_count": devices,
        "held_seconds": held,
        "observed_seconds": held,
        "busy_seconds": held * busy,
    }
    unknown = set(different) - set(WINDOWS)
    assert not unknown, f"a window has no {unknown}"
    return {**row, **different}


def unseen(**different: Any) -> dict[str, Any]:
    """A window in which nothing was read."""
    return a_window(**{"observed_seconds": 0.0, "busy_seconds": 0.0, **different})


def windows_frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Put windows into a frame; none make an empty one."""
    return pl.DataFrame(list(rows), schema=WINDOWS) if rows else empty(WINDOWS)


def days_of(*rows: dict[str, Any], facts: Facts = FACTS, formats: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Fold windows into pod-days and estimate them, each piece a run. ``formats``: declared, by tenant."""
    windows = windows_frame(*rows)
    peaks = facts.peaks(windows["accelerator"])
    folded = fold_days(rate_windows(windows.lazy(), peaks, facts.estimation), facts.training_signals)
    declared = pl.col("tenant_id").replace_strict(formats or {}, default=None, return_dtype=pl.String)
    named = identified(estimate_compute(folded.with_columns(declared_number_format=declared), peaks, facts.estimation))
    return named.with_columns(run_id="piece_id")


def estimates_of(*rows: dict[str, Any], facts: Facts = FACTS) -> pl.DataFrame:
    """Estimate windows, each by itself, in their order."""
    alone = [days_of(row, facts=facts) for row in rows]
    return pl.concat(alone) if alone else days_of(facts=facts)


def runs_of(*rows: dict[str, Any]) -> pl.DataFrame:
    """Find the runs of windows."""
    return find_runs(days_of(*rows))


def a_run(**different: Any) -> dict[str, Any]:
    """One run of one window as in a_window, with whatever the test wants different."""
    return {**runs_of(a_window()).row(0, named=True), **different}


def runs_frame(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Put runs into a frame."""
    return pl.DataFrame(list(rows), schema=RUNS)


def verdicts_on_days(days: pl.DataFrame, facts: Facts = FACTS) -> pl.DataFrame:
    """Judge every day of the runs of pod-days."""
    return judge_stints(find_stints(days), find_runs(days), facts.training_signals)


SUMS = (*SCOPES, "group_largest")
SUBJECT: dict[str, Any] = {
    "run_id": "run-0000000000000001",
    "tenant_id": "t-1",
    "workload_namespace": "space-a",
    "workload_kind": "PyTorchJob",
    "workload_name": "effort",
    "nodes": ["node-a"],
    "accelerators": [H100],
    "first_seen": START,
    "last_seen": START + timedelta(days=20),
    "peak_devices": 512.0,
    "largest_pod_devices": 8.0,
    "held_seconds": 8.8e8,
    "observed_seconds": 8.8e8,
    "busy_seconds": 8.3e8,
    "verdict": "training",
    "score": 4.3,
    "evidence": [
        {
            "signal": "sustained",
            "value": 0.94,
            "weight": 1.6,
            "sentence": "busy for 94 % of the observed device time, at or above 60 %",
        },
        {"signal": "batch_kind", "value": 1.0, "weight": 0.7, "sentence": "its kind, PyTorchJob, runs to an end"},
        {"signal": "gang", "value": 512.0, "weight": 2.0, "sentence": "512 devices held together"},
    ],
    "lacking": [],
    "patterns": [],
    "day": date(2026, 6, 1),
    "pieces": ["run-0000000000000001"],
    "piece_count": 1.0,
    "methods": ["busy"],
    "number_formats": [],
    "no_estimate_reasons": [],
    "law_at": date(2026, 6, 20),
    "link_state": "linked",
    "link_reason": "the claim names t-1; no mapping rule fits; the know-your-customer file has that tenant",
    "group_id": "p-1",
    "hq_in_scope": "no",
    "hq_own": "no",
    "hq_parent": "no",
    "hq_reason": "headquartered in SG: not a member of Country Group D:5 and not named beside it; "
    "ultimate parent headquartered in DE: not a member of Country Group D:5 and not named beside it",
    "hq_sources": ["Supplement No. 1 to 15 CFR Part 740 (official; read 2026-10-03)"],
    "hq_behalf": "no",
    "restricted": "no",
    "restricted_by_some": "no",
    "listed": "no",
    "owner_possible": "no",
    "list_codes": [],
    "list_law_at": date(2026, 6, 20),
    **dict.fromkeys(("owner_listed", "owner_listed_rule_on", "owner_listed_rule_off"), "no"),
    **dict.fromkeys(("owner_listed_below", "controlled_by_listed"), "no"),
    "list_reason": "no list has it, and no listed party is known to own or control it",
    "list_sources": [],
    "end_use_wmd": "no",
    "end_use_military_intelligence": "no",
    "end_use_reason": "neither question is answered with yes",
    "end_use_sources": [],
    "tenancy": "shared",
    "flags": [],
    "flag_count": 0.0,
    "flag_reason": "",
    "flag_sources": [],
    "changed": "no",
    "changed_reason": None,
    "differing": None,
    "us_person": "yes",
    "possession": "no",
    "named_hardware": "yes",
    "activities": ["provision", "us_person_support"],
    "activity_reason": " ".join(activity_sentences("shared", Answer.YES, "3A090.a")),
    "controlled_by_letter": "no",
    "highest_paragraph": "3A090.a",
    "hardware_reason": "By the law of 2026-06-20, NVIDIA H100 SXM: ECCN 3A090.a.1 by its numbers "
    "(TPP 15,832 at fp16_bf16, 19.45 per mm²).",
    "hardware_sources": ["15 CFR Part 774, Supplement No. 1, ECCN 3A090 (official; read 2026-11-29)"],
    "declared_workload": "training",
    "declared_use_contradicted": "no",
    **dict.fromkeys(PATTERN_FIELDS, "not_seen"),
    "effort_id": "run-0000000000000001",
    "group_runs": 1.0,
    "group_largest_share": 1.0,
    "subject_kind": "tenant",
    "subject_id": "t-1",
    **dict.fromkeys(("run_device_hours", "tenant_device_hours", "group_device_hours"), 244_444.4),
    **dict.fromkeys(("low_flop", *(f"{scope}_low_flop" for scope in SUMS)), 2e23),
    **dict.fromkeys(("likely_flop", *(f"{scope}_likely_flop" for scope in SCOPES)), 8e23),
    **dict.fromkeys(("high_flop", *(f"{scope}_high_flop" for scope in SUMS)), 3e24),
}
"""Judged to be training; linked; out of scope; 2e23 to 3e24 FLOP. Numbers that are not here are 0."""


def a_subject(**different: Any) -> dict[str, Any]:
    """One row of the subjects: a large training run of a tenant out of scope."""
    unknown = set(different) - set(SUBJECTS)
    assert not unknown, f"a subject has no {unknown}"
    numbers = {name: 0.0 for name, dtype in SUBJECTS.items() if dtype == pl.Float64}
    return {**numbers, **SUBJECT, **different}


ACCELERATOR: dict[str, Any] = {
    "accelerator": H100,
    "device": "NVIDIA H100 SXM",
    "vendor": "NVIDIA",
    "vendor_known": "yes",
    "controlled_by_letter": "no",
    "highest_paragraph": "3A090.a",
    "presumed": "no",
    "named_hardware": "yes",
    "hardware_reason": SUBJECT["hardware_reason"],
    "hardware_sources": SUBJECT["hardware_sources"],
    "node_count": 1.0,
    "nodes": ["node-a"],
    "gpu_hours": 192.0,
    "first_seen": START,
    "last_seen": START + timedelta(days=20),
    "law_at": date(2026, 6, 20),
    "subject_kind": "accelerator",
    "subject_id": H100,
}
"""A known accelerator of a developer out of scope, on one node."""


def an_accelerator(**different: Any) -> dict[str, Any]:
    """One row of the fleet's accelerators: one that no rule asks about."""
    unknown = set(different) - set(ACCELERATORS)
    assert not unknown, f"an accelerator has no {unknown}"
    return {**ACCELERATOR, **different}


def accelerators_frame(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Put accelerators into a frame."""
    return pl.DataFrame(list(rows), schema=ACCELERATORS)


def subjects_frame(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Put subjects into a frame."""
    return pl.DataFrame(list(rows), schema=SUBJECTS)
