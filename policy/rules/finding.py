"""
A finding: what a rule found, with everything needed to check it years later.

A finding says that something should be looked at. It never says that a law was broken, and it holds no name of a party:
subjects are opaque ids, or names of products.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum


class Strength(StrEnum):
    """
    How far what is known carries the rule.

    ``crossed``: the low end of the interval is at or above the tier. ``may_have_crossed``: only the high end is.
    ``present``: what the rule looks for is there; no amount decides. ``not_evaluable``: a fact that the rule needs is
    missing, which is itself a finding.
    """

    PRESENT = "present"
    CROSSED = "crossed"
    MAY_HAVE_CROSSED = "may_have_crossed"
    NOT_EVALUABLE = "not_evaluable"


class Severity(StrEnum):
    """How soon somebody should look, from the rule pack. ``critical``: at once, at any use."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class SubjectKind(StrEnum):
    """What a finding is about: a tenant, a workload that no tenant could be found for, or an accelerator."""

    TENANT = "tenant"
    WORKLOAD = "workload"
    ACCELERATOR = "accelerator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    One number the rule compared: an interval, and the tier it was held against, both in ``unit`` (``FLOP``).

    ``likely`` and ``high`` are ``None`` where a part has no estimate; the finding's reasons say which and why.
    """

    name: str
    low: float
    likely: float | None
    high: float | None
    tier_name: str
    tier: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    What one rule found about one subject, as of one moment.

    ``law_at`` is the day whose law was applied. The digests name the exact facts, rules and inputs that were used;
    ``reasons`` are sentences a reviewer reads, ``asks`` is what the rule wants a person to find out, ``sources`` are
    the citations behind the rule and behind the answers on headquarters and hardware. ``comparisons`` is empty where no
    amount decides; ``run_ids`` is empty and ``nodes`` says where it stands where it is about an accelerator.
    ``activities`` are those of the policy statement that the use could be, none where it is about nobody's use.
    ``answers`` are those about the tenant that carry it, as ``listed yes`` or ``list EL``. ``named_hardware`` tells
    whether the hardware is of a class that the statement names: yes, no or unclassified. Findings that were kept before
    these came have none of the three.
    """

    rule_id: str
    rule_version: int
    title: str
    severity: Severity
    strength: Strength
    subject_kind: SubjectKind
    subject_id: str
    run_ids: tuple[str, ...]
    as_of: datetime
    law_at: date
    summary: str
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    asks: str
    sources: tuple[str, ...]
    facts_digest: str
    rules_digest: str
    inputs_digest: str
    nodes: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    named_hardware: str = ""

    @property
    def finding_id(self) -> str:
        """A digest of all that the finding says: the same finding always has the same id."""
        text = json.dumps(asdict(self), sort_keys=True, default=str, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def subject_key(self) -> str:
        """What a ticket is about: one rule and one subject, whatever the numbers of the day."""
        return f"{self.rule_id}/{self.subject_kind}/{self.subject_id}"
