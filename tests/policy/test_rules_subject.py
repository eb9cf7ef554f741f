"""What a rule may look at beside what judgement tells: the largest effort of a group, and the share of unseen time."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.judgement import FACTS, START, a_subject, subjects_frame

from policy.judgement.exposure import PARTS, accumulate
from policy.rules.subject import _unobserved_ratio

AT = START + timedelta(days=30)


def a_part(run_id: str, flop: float | None, **different: Any) -> dict[str, Any]:
    """A day of training of one effort of a group: low, likely and high at 1, 4 and 14 times an amount."""
    low, likely, high = (None if flop is None else flop * factor for factor in (1, 4, 14))
    return {
        "run_id": run_id,
        "effort": run_id,
        "tenant": "t-1",
        "group": "g-1",
        "day": START.date(),
        "verdict": "training",
        "last_seen": START,
        "low_flop": low,
        "likely_flop": likely,
        "high_flop": high,
        "device_hours": 1.0,
        **different,
    }


def largest_of(*parts: dict[str, Any]) -> tuple[float | None, ...]:
    """What the first row of the exposures says of the group's largest effort: low, high, share."""
    row = accumulate(pl.DataFrame(list(parts), schema=PARTS), FACTS.tiers, AT).row(0, named=True)
    return tuple(row[f"group_largest_{name}"] for name in ("low_flop", "high_flop", "share"))


def test_the_largest_effort_is_told_whatever_the_run() -> None:
    """Every run of a group has the group's largest effort beside it, of whichever runs and tenants that is."""
    parts = (a_part("r-1", 1e22), a_part("r-2", 2e22, tenant="t-2"), a_part("r-3", 1e22, effort="r-2", tenant="t-2"))
    assert largest_of(*parts) == pytest.approx((3e22, 4.2e23, 0.75))


def test_the_largest_is_not_known_where_one_effort_is_not() -> None:
    """An effort with a part without an estimate may be the largest: its group's has no high end and no share."""
    assert largest_of(a_part("r-1", 1e22), a_part("r-2", None)) == (1e22, None, None)


@pytest.mark.parametrize(
    ("observed", "unobserved", "shared", "ratio"),
    [(3.0, 1.0, 0.0, 0.25), (0.0, 2.0, 0.0, 1.0), (1.0, 1.0, 2.0, 0.25), (0.0, 0.0, 0.0, None)],
)
def test_unseen_time_is_a_share_of_all_of_it(
    observed: float, unobserved: float, shared: float, ratio: float | None
) -> None:
    """What was held, alone or shared, or may have been, is the whole; of nothing there is no share."""
    seconds = {"observed_seconds": observed, "unobserved_seconds": unobserved, "shared_seconds": shared}
    assert subjects_frame(a_subject(**seconds)).select(_unobserved_ratio()).item() == ratio
