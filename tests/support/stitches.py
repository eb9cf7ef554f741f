"""Stitches for tests: everything has a value, so that a test names only what it is about."""

from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from policy.judgement.stitch import STITCHES, Across, StitchWord
from policy.review.stitch import Stitch, StitchRecord, answer, propose

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REASON = "Both pieces were looked at, and the customer was asked."


def a_stitch(number: int = 1, **different: Any) -> Stitch:
    """A stitch between two pieces of one tenant, the n-th of its kind, with whatever the test wants different."""
    values: dict[str, Any] = {
        "stitch_id": f"stitch-{number:016x}",
        "earlier_piece": f"run-{number:016x}",
        "later_piece": f"run-{number + 1:016x}",
        "earlier_tenant_id": "tenant-7",
        "later_tenant_id": "tenant-7",
        "across": Across.SAME_TENANT,
        "strength": 0.75,
        "reasons": ("The later piece begins three minutes after the earlier one ends.",),
        "earlier_seen": AT - timedelta(hours=2),
        "later_seen": AT - timedelta(hours=1, minutes=57),
    }
    unknown = set(different) - {field.name for field in fields(Stitch)}
    assert not unknown, f"a stitch has no {unknown}"
    return Stitch(**{**values, **different})


def a_suspected_stitch(number: int = 1, **different: Any) -> Stitch:
    """A stitch between pieces of two groups."""
    return a_stitch(number, **{"across": Across.OTHER_GROUP, "later_tenant_id": "tenant-8", **different})


def stitches_frame(*stitches: Stitch) -> pl.DataFrame:
    """What judgement leaves of these stitches, schema STITCHES."""
    return pl.DataFrame([{**asdict(each), "reasons": list(each.reasons)} for each in stitches], schema=STITCHES)


def a_record(stitch: Stitch | None = None) -> StitchRecord:
    """A stitch that was told once and that nobody has said anything to."""
    return StitchRecord(stitch=stitch or a_stitch(), first_told_at=AT, last_told_at=AT, proposals=())


def with_proposal(record: StitchRecord, word: StitchWord, actor: str = "alice") -> StitchRecord:
    """The record after somebody proposed a word."""
    made = propose(record, actor, word, REASON, AT)
    return record if made in record.proposals else replace(record, proposals=(*record.proposals, made))


def with_answer(record: StitchRecord, actor: str = "bob", *, approved: bool = True) -> StitchRecord:
    """The record after somebody answered its newest proposal."""
    newest = record.proposals[-1]
    given = answer(record, newest.position, actor, REASON, AT, approved=approved)
    return replace(record, proposals=(*record.proposals[:-1], replace(newest, answer=given)))
