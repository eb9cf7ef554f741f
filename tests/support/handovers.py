"""
Scripts of one effort in several pieces, and of twins that are several efforts: who, when, where, under which name.

All train; whether pieces belong together is told by lineage, size, time, place and pace, and who their parties are.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from support import activities as of
from support.judgement import START
from support.kyc import a_tenant, customers_of
from support.telemetry import Work

from policy.judgement.stitch import Across

FIRST = Work(activity=of.training(41), name="llama-run1", pods=2, hours=2.0, nodes="rack-a")
AN_HOUR_LATER = START + timedelta(hours=2, minutes=20)
TWO_DAYS_LATER = START + timedelta(days=2)
CUSTOMERS = customers_of(
    a_tenant(tenant_id="t-1", party_name="One", headquarters_country="SG", ultimate_parent_id="p-1"),
    a_tenant(tenant_id="t-2", party_name="Two", headquarters_country="SG", ultimate_parent_id="p-1"),
    a_tenant(tenant_id="t-3", party_name="Three", headquarters_country="DE", ultimate_parent_id="p-3"),
)
"""t-1 and t-2 have one ultimate parent, t-3 has another."""


@dataclass(frozen=True, kw_only=True)
class Handover:
    """Two pieces of one effort, between whom the stitch lies, and a later piece that is an effort of its own."""

    across: Across
    later: Work
    stranger: Work
    earlier: Work = FIRST


def _later(**different: object) -> Work:
    return replace(FIRST, begins=AN_HOUR_LATER, **different)  # type: ignore[arg-type]  # fields by name


STRANGER = Work(
    activity=of.alone(42), name="render-cats", kind="Job", devices=3, hours=2.0, begins=TWO_DAYS_LATER, nodes="rack-z",
)  # fmt: skip
HANDOVERS = {
    "started again under another number": Handover(
        across=Across.SAME_TENANT, later=_later(name="llama-run2"), stranger=STRANGER
    ),
    "started again under another name": Handover(
        across=Across.SAME_TENANT, later=_later(name="nightly-report"), stranger=STRANGER
    ),
    "handed over to another namespace": Handover(
        across=Across.SAME_TENANT, later=_later(namespace="space-b"), stranger=replace(STRANGER, namespace="space-b")
    ),
    "moved to other nodes under another number": Handover(
        across=Across.SAME_TENANT, later=_later(name="llama-run3", nodes="rack-b"), stranger=STRANGER
    ),
    "handed over to a sister": Handover(
        across=Across.SAME_GROUP, later=_later(tenant_id="t-2"), stranger=replace(STRANGER, tenant_id="t-2")
    ),
    "handed over to another group": Handover(
        across=Across.OTHER_GROUP, later=_later(tenant_id="t-3"), stranger=replace(STRANGER, tenant_id="t-3")
    ),
}
"""By what is done. The stranger is of another lineage, size and kind, and comes two days later."""
