from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import COUNTS, H100, a_window, estimates_of, unhurried, unseen

from policy.judgement.estimate import BOUNDS, ESTIMATES

TFLOP = 1e12
H100_TRAINING, H100_DENSEST = 989.5 * TFLOP, 1979 * TFLOP

ACCELERATORS = [H100, "NVIDIA H100 PCIe", "NVIDIA A100-SXM4-80GB", "Tesla T4"]
part = st.integers(0, 1000).map(float)


@st.composite
def some_window(draw: st.DrawFn) -> dict[str, Any]:
    """Any window whose counts could have been measured: busy within observed, observed within held."""
    idle, busy, dark, unwatched = (draw(part) for _ in range(4))
    shared_idle, shared_busy, shared_dark = (draw(part) for _ in range(3))
    return a_window(
        accelerator=draw(st.sampled_from(ACCELERATORS)),
        metering=draw(st.sampled_from(["utilisation", "allocation"])),
        held_seconds=idle + busy + dark,
        observed_seconds=idle + busy,
        busy_seconds=busy,
        unwatched_seconds=unwatched,
        shared_seconds=shared_idle + shared_busy + shared_dark,
        shared_observed_seconds=shared_idle + shared_busy,
        shared_busy_seconds=shared_busy,
    )


def interval_of(*windows: dict[str, Any]) -> tuple[float, float, float]:
    """Add up the estimates of windows."""
    low, likely, high = estimates_of(*windows).select(pl.col(BOUNDS).sum()).row(0)
    return low, likely, high


def test_by_hand() -> None:
    """Eight H100 busy for one hour of two are 8 × 3600 s × 989.5 TFLOP/s at 10 and 40 %, and 1979 TFLOP/s at 70 %."""
    low, likely, high = interval_of(a_window(hours=2, devices=8, busy=0.5))
    assert low == pytest.approx(8 * 3600 * 989.5e12 * 0.10) == pytest.approx(2.84976e18)
    assert likely == pytest.approx(8 * 3600 * 989.5e12 * 0.40) == pytest.approx(1.139904e19)
    assert high == pytest.approx(8 * 3600 * 1979e12 * 0.70) == pytest.approx(3.989664e19)


def test_allocation_by_hand() -> None:
    """Of an allocation nothing is known about activity: the held hours count as busy in the whole interval."""
    window = unseen(metering="allocation", hours=1, devices=1)
    (row,) = estimates_of(window).to_dicts()
    assert row["method"] == "allocation"
    assert row["low_flop"] == pytest.approx(3600 * H100_TRAINING * 0.10)
    assert row["high_flop"] == pytest.approx(3600 * H100_DENSEST * 0.70)


@unhurried
@given(some_window())
def test_order(window: dict[str, Any]) -> None:
    """Low is at most likely, and likely at most high."""
    low, likely, high = interval_of(window)
    assert 0 <= low <= likely <= high


@unhurried
@given(some_window(), st.floats(0, 1), st.floats(0, 1))
def test_removing_readings(window: dict[str, Any], share: float, busy_share: float) -> None:
    """Readings that are lost never lower the high end and never raise the low end, whether they were busy or idle."""
    lost_busy = window["busy_seconds"] * busy_share
    lost_idle = (window["observed_seconds"] - window["busy_seconds"]) * share
    lost = {
        **window,
        "observed_seconds": max(window["observed_seconds"] - lost_busy - lost_idle, 0.0),
        "busy_seconds": window["busy_seconds"] - lost_busy,
    }
    before, after = interval_of(window), interval_of(lost)
    assert after[0] <= before[0]
    assert after[2] >= before[2] * (1 - 1e-12)


@unhurried
@given(some_window(), part)
def test_unwatched_time(window: dict[str, Any], seconds: float) -> None:
    """Time that nobody watched only ever raises the high end."""
    before = interval_of(window)
    after = interval_of({**window, "unwatched_seconds": window["unwatched_seconds"] + seconds})
    assert after[:2] == before[:2]
    assert after[2] >= before[2]


@unhurried
@given(some_window(), st.floats(0, 1))
def test_splitting(window: dict[str, Any], share: float) -> None:
    """A window cut in two has the same sums."""
    first = {**window, **{name: window[name] * share for name in COUNTS}}
    second = {**window, **{name: window[name] - first[name] for name in COUNTS}}
    assert interval_of(first, second) == pytest.approx(interval_of(window))


@unhurried
@given(st.lists(some_window(), max_size=6), some_window())
def test_monotone(windows: list[dict[str, Any]], more: dict[str, Any]) -> None:
    """A further window never lowers a sum, wherever in the row it stands."""
    before, after, before_it = interval_of(*windows), interval_of(*windows, more), interval_of(more, *windows)
    assert all(now >= then for now, then in zip(after, before, strict=True))
    assert after == pytest.approx(before_it)


@pytest.mark.parametrize(
    ("accelerator", "reason"),
    [
        (None, "the accelerator is not known"),
        ("NVIDIA X1", "the facts have no peak for accelerator NVIDIA X1"),
        (f"{H100} MIG 9g.10gb", f"the facts have no peak for accelerator {H100} MIG 9g.10gb"),
    ],
)
def test_unknown_accelerator(accelerator: str | None, reason: str) -> None:
    """Without a peak there is no estimate, never 0, and the window says why."""
    (row,) = estimates_of(a_window(accelerator=accelerator)).to_dicts()
    assert [row[name] for name in BOUNDS] == [None, None, None]
    assert (row["method"], row["no_estimate_reason"]) == (None, reason)


def test_parts_by_hand() -> None:
    """An instance of three slices of an H100 has 60 of its 132 multiprocessors, in the whole interval."""
    whole, part = interval_of(a_window()), interval_of(a_window(accelerator=f"{H100} MIG 3g.40gb"))
    assert part == pytest.approx([each * 60 / 132 for each in whole])


def test_virtual_gpus() -> None:
    """A virtual GPU shares the device in time: nothing for certain, likely as its memory, at most the whole."""
    whole, virtual = interval_of(a_window()), interval_of(a_window(accelerator="NVIDIA H100XM-20C"))
    assert virtual == pytest.approx((0, whole[1] / 4, whole[2]))


@pytest.mark.parametrize("count", ["held_seconds", "busy_seconds", "shared_observed_seconds", "unwatched_seconds"])
def test_missing_count(count: str) -> None:
    """A window with a missing count has no estimate: the rest of it is not the whole."""
    (row,) = estimates_of(a_window(**{count: None})).to_dicts()
    assert [row[name] for name in BOUNDS] == [None, None, None]
    assert row["no_estimate_reason"] == "a count of the window's seconds is missing"


@pytest.mark.parametrize("metering", ["utilisation", "allocation"])
def test_shared_time(metering: str) -> None:
    """Time on a shared device counts in the high end only."""
    alone = a_window(metering=metering)
    shared = {**alone, "shared_seconds": 100.0, "shared_observed_seconds": 60.0, "shared_busy_seconds": 50.0}
    before, after = interval_of(alone), interval_of(shared)
    counted = {"utilisation": 50 + (100 - 60), "allocation": 100}[metering]
    assert after[:2] == before[:2]
    assert after[2] - before[2] == pytest.approx(counted * H100_DENSEST * 0.70)


def test_one_row_for_each_window() -> None:
    """Every window stays one row, in its place, in the declared schema; no windows are no rows."""
    names = ["NVIDIA X1", H100, None, "Tesla T4"]
    got = estimates_of(*(a_window(accelerator=name) for name in names))
    assert got["accelerator"].to_list() == names
    nothing = estimates_of()
    assert got.schema == nothing.schema == ESTIMATES
    assert nothing.is_empty()
