from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import FACTS, START, a_window, unhurried, unseen, windows_frame

from policy.judgement.estimate import rate_windows
from policy.judgement.pod_days import KEY, POD_DAYS, fold_days
from policy.usage.window import COUNTED


def folded(*rows: dict[str, Any]) -> pl.DataFrame:
    """Fold windows by the shipped facts."""
    windows = windows_frame(*rows)
    return fold_days(
        rate_windows(windows.lazy(), FACTS.peaks(windows["accelerator"]), FACTS.estimation), FACTS.training_signals
    )


def of_day(*rows: dict[str, Any]) -> dict[str, Any]:
    """Fold windows that are one pod-day."""
    (row,) = folded(*rows).to_dicts()
    return row


def at(hours: float) -> datetime:
    """Say a moment in hours after the start of the day."""
    return START + timedelta(hours=hours)


some_window = st.builds(
    a_window,
    window_start=st.sampled_from([at(hours) for hours in (0, 1, 12, 23.5, 24, 30)]),
    workload_pod=st.sampled_from(["pod-1", "pod-2"]),
    tenant_id=st.sampled_from([None, "t-1"]),
    pod_uid=st.sampled_from([None, "p-1"]),
    devices=st.sampled_from([1.0, 8.0]),
    busy=st.sampled_from([0.0, 0.5, 1.0]),
    sm_observed_seconds=st.sampled_from([0.0, 3600.0]),
    energy_joules=st.floats(0, 1e6),
)


@unhurried
@given(st.lists(some_window, min_size=1, max_size=12))
def test_nothing_is_lost(windows: list[dict[str, Any]]) -> None:
    """Whatever is counted adds up to what it was, and every key is there once."""
    days = folded(*windows)
    for name in COUNTED:
        assert days[name].sum() == pytest.approx(sum(window[name] for window in windows))
    assert days["windows"].sum() == len(windows)
    assert days.select(KEY).is_unique().all()


@unhurried
@given(st.lists(some_window, min_size=1, max_size=8), st.randoms())
def test_order_of_windows(windows: list[dict[str, Any]], random: Any) -> None:
    """In which order windows are read changes nothing."""
    mixed = list(windows)
    random.shuffle(mixed)
    before, after = folded(*windows), folded(*mixed)
    assert before.drop(pl.selectors.float()).equals(after.drop(pl.selectors.float()))
    for name in before.select(pl.selectors.float()).columns:
        assert after[name].to_list() == pytest.approx(before[name].to_list())


def test_a_window_belongs_to_the_day_on_which_it_begins() -> None:
    """A window over midnight is of the day before."""
    days = folded(a_window(window_start=at(23.5)), a_window(window_start=at(24.0)))
    assert days["day"].to_list() == [date(2026, 6, 1), date(2026, 6, 2)]
    assert days["window_end"].to_list() == [at(24.5), at(25.0)]


def test_busy_and_idle_windows() -> None:
    """Windows are counted by how busy their observed time was, with the hours in which they begin."""
    windows = [a_window(window_start=at(hour), busy=busy) for hour, busy in ((0, 0.6), (1, 0.1), (2, 0.3), (3, 0.7))]
    row = of_day(*windows, unseen(window_start=at(4)))
    names = ("windows", "known_windows", "busy_windows", "idle_windows", "busy_hours", "idle_hours")
    assert [row[name] for name in names] == [5, 4, 2, 1, 0b1001, 0b0010]


def test_unseen_time_beside_load() -> None:
    """Unobserved time is told apart by whether the rest of its window was under load, by activity or by power."""
    half = {"observed_seconds": 4 * 3600.0}
    loaded = a_window(window_start=at(0), busy=0.4, **half)
    calm = a_window(window_start=at(1), busy=0.1, **half)
    drawing = unseen(window_start=at(2), energy_joules=8 * 3600 * 500.0, energy_observed_seconds=8 * 3600.0)
    row = of_day(loaded, calm, drawing, unseen(window_start=at(3)))
    assert row["blind_loaded_seconds"] == 4 * 3600 + 8 * 3600
    assert row["blind_calm_seconds"] == 4 * 3600
    assert (row["loaded_seconds"], row["calm_seconds"]) == (2 * 8 * 3600, 8 * 3600)
    assert row["unobserved_seconds"] == (4 + 4 + 8 + 8) * 3600


def test_first_activity() -> None:
    """The first window in which anything ran is told, and none where nothing did."""
    idle, busy = a_window(busy=0.0), a_window(window_start=at(1), busy=0.5)
    assert of_day(idle, busy)["first_active"] == at(1)
    assert of_day(idle)["first_active"] is None


def test_rhythm() -> None:
    """Periods that stand out are summed with their number, and so are correlations; what was not told adds nothing."""
    told = {"period_seconds": 60.0, "period_strength_ratio": 0.8, "trough_unix_seconds": 5.0, "synchrony_ratio": 0.9}
    faint = {"period_seconds": 70.0, "period_strength_ratio": 0.3, "trough_unix_seconds": 9.0}
    none = {"rhythm_signal": "power_watts", "rhythm_window_seconds": 600.0}
    row = of_day(*(a_window(window_start=at(hour), **each) for hour, each in enumerate((told, faint, none, {}))))
    assert (row["windows"], row["rhythm_windows"]) == (4, 3)
    assert (row["beat_windows"], row["period_sum"], row["period_square_sum"]) == (1, 60.0, 3600.0)
    assert row["latest_trough_unix"] == 5.0
    assert (row["synchrony_windows"], row["synchrony_sum"]) == (1, 0.9)


def test_a_missing_count() -> None:
    """A window with a missing count is counted as such."""
    row = of_day(a_window(), a_window(window_start=at(1), busy_seconds=None))
    assert row["uncounted_windows"] == 1


def test_no_windows() -> None:
    """No windows are no pod-days, in the same schema."""
    assert folded().schema == POD_DAYS
    assert folded().is_empty()
