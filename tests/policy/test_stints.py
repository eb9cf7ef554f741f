from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import FACTS, START, a_window, days_of, unhurried, unseen, verdicts_on_days, windows_frame
from support.kyc import a_tenant, customers_of

from policy.judge import Judgement, judge
from policy.judgement.inventory import inventory_of
from policy.judgement.stints import STINT_VERDICTS, STINTS, find_stints, most_serious_day
from policy.rules.pack import load_pack

TIERS = FACTS.with_tiers({"review": 1e19}, basis="of a test")
CUSTOMERS = customers_of(a_tenant(tenant_id="t-cn", headquarters_country="CN", ultimate_parent_id="self"))
SERVICE = {"workload_kind": "StatefulSet", "devices": 4.0}


def on_day(day: int, **different: Any) -> dict[str, Any]:
    """One workload on one day, for all of it unless told otherwise."""
    return a_window(**{"tenant_id": "t-cn", "hours": 24.0, "window_start": START + timedelta(days=day), **different})


def judged(*windows: dict[str, Any]) -> Judgement:
    """Judge windows by the shipped rules and a small tier."""
    at = START + timedelta(days=60)
    whole = windows_frame(*windows)
    return judge(whole, inventory_of(whole), customers=CUSTOMERS, facts=TIERS, pack=load_pack(), at=at)


def high_of(judgement: Judgement) -> float:
    """Give the high end of the one group."""
    high: float = judgement.subjects["group_high_flop"].unique().item()
    return high


def test_a_stint_is_a_day_of_a_run() -> None:
    """Every run has a stint for each day on which it used anything."""
    stints = find_stints(days_of(on_day(0), on_day(1), on_day(1, workload_name="other")))
    assert stints.schema == STINTS
    assert sorted(stints["day"].to_list()) == [date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 2)]


def test_the_most_serious_day_is_the_runs_verdict() -> None:
    """A run that trained on one day of three is training, and its evidence is that day's."""
    days = days_of(on_day(0, busy=0.1), on_day(1, busy=0.95), on_day(2, busy=0.1))
    (row,) = most_serious_day(find_stints(days), verdicts_on_days(days)).to_dicts()
    assert (row["verdict"], row["day"]) == ("training", date(2026, 6, 2))


@pytest.mark.parametrize(("days", "is_large"), [(range(0, 140, 7), False), (range(20), True)])
def test_a_run_lasts_while_it_is_there(days: range, is_large: bool) -> None:
    """An hour in every week is no long run, and twenty days are; the sentence tells the hours it was there."""
    hours = 24.0 if is_large else 1.0
    (row, *_) = verdicts_on_days(days_of(*(on_day(day, hours=hours) for day in days))).to_dicts()
    told = [piece["sentence"] for piece in row["evidence"] if piece["signal"] == "large"]
    assert told == (["8 devices together for 480 hours"] if is_large else [])


def test_idling_afterwards_takes_nothing_back() -> None:
    """Fifteen idle days under the same name leave the compute of five busy ones, and their finding, as they were."""
    trained = [on_day(day, busy=0.97, **SERVICE) for day in range(5)]
    idle = [on_day(day, busy=0.02, **SERVICE) for day in range(5, 20)]
    before, after = judged(*trained), judged(*trained, *idle)
    assert high_of(after) == high_of(before) > 0
    assert [each.rule_id for each in after.findings] == [each.rule_id for each in before.findings] != []


def test_hours_that_nobody_saw_clear_nobody() -> None:
    """Half a day of training that goes unseen leaves the day undetermined, with a higher top than before."""
    noon = START + timedelta(hours=12)
    idle = on_day(0, hours=12.0, busy=0.02, window_start=noon, **SERVICE)
    seen = judged(on_day(0, hours=12.0, busy=0.97, **SERVICE), idle)
    half_seen = judged(unseen(hours=12.0, tenant_id="t-cn", **SERVICE), idle)
    assert half_seen.subjects["verdict"].to_list() == ["undetermined"]
    assert high_of(half_seen) >= high_of(seen) > 0
    assert {each.subject_id for each in half_seen.findings} == {"t-cn"}
    assert "undetermined-in-scope-headquarters" in {each.rule_id for each in half_seen.findings}


@unhurried
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.booleans()), min_size=1, max_size=8),
    st.sampled_from(["PyTorchJob", "StatefulSet", "Pod"]),
)
def test_losing_readings_never_lowers_the_top(parts: list[tuple[int, float, bool]], kind: str) -> None:
    """Whatever readings are lost, a group's high end does not fall and no finding goes away."""
    seen = [on_day(day, busy=busy, workload_kind=kind, hours=3.0) for day, busy, _ in parts]
    gone = {"observed_seconds": 0.0, "busy_seconds": 0.0}
    lost = [window | gone if part[2] else window for window, part in zip(seen, parts, strict=True)]
    before, after = judged(*seen), judged(*lost)
    assert high_of(after) >= high_of(before) * (1 - 1e-9)
    assert {each.subject_id for each in before.findings} <= {each.subject_id for each in after.findings}


def test_no_windows() -> None:
    """No windows are no stints, in the same schema."""
    stints = find_stints(days_of())
    assert stints.is_empty()
    assert stints.schema == STINTS
    assert most_serious_day(stints, verdicts_on_days(days_of())).schema == STINT_VERDICTS


def test_patterns_of_all_days() -> None:
    """A pattern of one day is the run's, as on the day of its greatest value, whichever day was judged."""
    waits = {"energy_joules": 8 * 24 * 3600 * 100.0, "energy_observed_seconds": 8 * 24 * 3600.0}
    days = days_of(on_day(0, busy=0.95, **waits), on_day(1, busy=0.97))
    (row,) = most_serious_day(find_stints(days), verdicts_on_days(days)).to_dicts()
    assert row["day"] == date(2026, 6, 2)
    assert [each["pattern"] for each in row["patterns"]] == ["waiting_while_busy"]
