from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import (
    COUNTS,
    FACTS,
    H100,
    START,
    a_window,
    days_of,
    estimates_of,
    unhurried,
    unseen,
    windows_frame,
)

from policy.judgement.estimate import BOUNDS, estimate_compute, rate_windows
from policy.judgement.pod_days import fold_days

TFLOP = 1e12
H100_TRAINING, H100_DENSEST = 989.5 * TFLOP, 1979 * TFLOP

ACCELERATORS = [H100, "NVIDIA H100 PCIe", "NVIDIA A100-SXM4-80GB", "Tesla T4"]
part = st.integers(0, 1000).map(float)
READ = ("sm", "tensor", "energy")
LEAST_BOARD_WATTS = 70.0  # no board of these draws more than it can


@st.composite
def some_window(draw: st.DrawFn) -> dict[str, Any]:
    """
    Any window whose counts could have been measured: busy within observed, observed within held.

    Of an allocation nobody read anything: it is of a record of jobs or of a register.
    """
    idle, busy, dark, unwatched = (draw(part) for _ in range(4))
    if draw(st.booleans()):
        return unseen(
            accelerator=draw(st.sampled_from(ACCELERATORS)),
            metering="allocation",
            held_seconds=idle + busy + dark,
            unwatched_seconds=unwatched,
            shared_seconds=draw(part),
        )
    shared_idle, shared_busy, shared_dark = (draw(part) for _ in range(3))
    return a_window(
        accelerator=draw(st.sampled_from(ACCELERATORS)),
        held_seconds=idle + busy + dark,
        observed_seconds=idle + busy,
        busy_seconds=busy,
        unwatched_seconds=unwatched,
        shared_seconds=shared_idle + shared_busy + shared_dark,
        shared_observed_seconds=shared_idle + shared_busy,
        shared_busy_seconds=shared_busy,
        **readings(draw, idle + busy + dark),
    )


def readings(draw: st.DrawFn, held: float) -> dict[str, float]:
    """What else was read: of each some share of the held time, and some share of that active."""
    share = st.floats(0, 1)
    known = {name: held * draw(share) for name in READ}
    active = {name: draw(share) for name in READ}
    return {
        "sm_observed_seconds": known["sm"],
        "sm_active_seconds": known["sm"] * active["sm"],
        "tensor_observed_seconds": known["tensor"],
        "tensor_active_seconds": known["tensor"] * active["tensor"],
        "energy_observed_seconds": known["energy"],
        "energy_joules": known["energy"] * active["energy"] * LEAST_BOARD_WATTS,
    }


def interval_of(*windows: dict[str, Any]) -> tuple[float, float, float]:
    """Add up the estimates of windows."""
    low, likely, high = estimates_of(*windows).select(pl.col(BOUNDS).sum()).row(0)
    return low, likely, high


def test_by_hand() -> None:
    """Eight H100 busy for one hour of two are 8 × 3600 s × 989.5 TFLOP/s at 11.7 and 43 %, and 1979 TFLOP/s at 70 %."""
    low, likely, high = interval_of(a_window(hours=2, devices=8, busy=0.5))
    assert low == pytest.approx(8 * 3600 * 989.5e12 * 0.117) == pytest.approx(3.334219e18, rel=1e-6)
    assert likely == pytest.approx(8 * 3600 * 989.5e12 * 0.43 * 1.25) == pytest.approx(1.531746e19, rel=1e-6)
    assert high == pytest.approx(8 * 3600 * 1979e12 * 0.70) == pytest.approx(3.989664e19)


def test_allocation_by_hand() -> None:
    """Of an allocation nothing is known about activity: the held hours count as busy in the whole interval."""
    window = unseen(metering="allocation", hours=1, devices=1)
    (row,) = estimates_of(window).to_dicts()
    assert row["methods"] == ["allocation"]
    assert row["low_flop"] == pytest.approx(3600 * H100_TRAINING * 0.117)
    assert row["high_flop"] == pytest.approx(3600 * H100_DENSEST * 0.70)


def of_busy_hour(**different: float) -> dict[str, Any]:
    """One H100 for an hour in which a kernel always ran, with whatever else is known of it."""
    return a_window(hours=1, devices=1, busy=1.0, **different)


TENSOR = {"tensor_active_seconds": 1440.0, "tensor_observed_seconds": 3600.0}
SM = {"sm_active_seconds": 2880.0, "sm_observed_seconds": 3600.0}
POWER = {"energy_joules": 3600 * 140.0, "energy_observed_seconds": 3600.0}


@pytest.mark.parametrize(
    ("known", "methods", "low", "likely", "high"),
    [
        ({}, ["busy"], 0.117, 0.43, 0.7),
        (SM, ["sm"], 0.8 * 0.13, 0.8 * 0.5, 0.8 * 0.85),
        (TENSOR, ["tensor"], 0.4 * 0.3, 0.4 * 0.8, 0.4),
        (TENSOR | SM, ["tensor"], 0.4 * 0.3, 0.4 * 0.8, 0.4),
        ({"energy_joules": 3600 * 560.0, "energy_observed_seconds": 3600.0}, ["power"], 0.117, 0.43, 0.7),
        (POWER, ["power"], 0.0, 0.0, 0.4),
    ],
)
def test_methods_by_hand(known: dict[str, float], methods: list[str], low: float, likely: float, high: float) -> None:
    """The best counter there is decides low and likely, and the high end is the least that any of them allows."""
    (row,) = estimates_of(of_busy_hour(**known)).to_dicts()
    assert row["methods"] == methods
    assert row["low_flop"] == pytest.approx(3600 * H100_TRAINING * low)
    assert row["likely_flop"] == pytest.approx(3600 * H100_TRAINING * likely * 1.25)
    assert row["high_flop"] == pytest.approx(3600 * H100_DENSEST * high)


def test_half_of_the_time_with_tensor_readings() -> None:
    """Busy time beyond that for which tensor time is known counts as busy time, in the low end and in the high end."""
    half = {"tensor_active_seconds": 720.0, "tensor_observed_seconds": 1800.0}
    (row,) = estimates_of(of_busy_hour(**half)).to_dicts()
    assert row["methods"] == ["tensor", "busy"]
    assert row["low_flop"] == pytest.approx(H100_TRAINING * (720 * 0.3 + 1800 * 0.117))
    assert row["high_flop"] == pytest.approx(H100_DENSEST * 0.7 * 3600)


@pytest.mark.parametrize(
    ("accelerator", "declared", "used", "peak", "likely"),
    [
        (H100, "bf16", "fp16_bf16", 989.5, 0.43),
        (H100, "fp8", "fp8", 1979.0, 0.25),
        (H100, "fp4", None, None, None),
        ("NVIDIA A100-SXM4-80GB", "tf32", "tf32", 156.0, 0.43),
    ],
)
def test_declared_format(
    accelerator: str, declared: str, used: str | None, peak: float | None, likely: float | None
) -> None:
    """A declared format that the device has gives all three their peak; another one changes nothing."""
    window = a_window(hours=1, devices=1, busy=1.0, accelerator=accelerator)
    (row,) = days_of(window, formats={"t-1": declared}).to_dicts()
    assert row["number_format"] == used
    if peak is None or likely is None:
        (undeclared,) = days_of(window).to_dicts()
        assert [row[name] for name in BOUNDS] == [undeclared[name] for name in BOUNDS]
        return
    expected = [3600 * peak * TFLOP * share for share in (0.117, likely, 0.7)]
    assert [row[name] for name in BOUNDS] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("known", "misfit"),
    [
        (POWER, 0.0),
        ({"energy_joules": 3600 * 900.0, "energy_observed_seconds": 3600.0}, 3600.0),
        (POWER | {"tensor_active_seconds": 3000.0, "tensor_observed_seconds": 3600.0}, 3600.0),
        (POWER | {"tensor_active_seconds": 300.0, "tensor_observed_seconds": 3600.0}, 0.0),
    ],
)
def test_energy_that_does_not_fit(known: dict[str, float], misfit: float) -> None:
    """More energy than the board can draw is told, and so is less than its tensor pipes must have drawn."""
    (row,) = estimates_of(of_busy_hour(**known)).to_dicts()
    assert row["misfit_seconds"] == misfit


@unhurried
@given(some_window())
def test_order(window: dict[str, Any]) -> None:
    """Low is at most likely, and likely at most high."""
    low, likely, high = interval_of(window)
    assert 0 <= low <= likely <= high


@unhurried
@given(some_window(), st.floats(0, 1), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_removing_readings(window: dict[str, Any], share: float, busy_share: float, others: list[float]) -> None:
    """Readings that are lost never lower the high end, whether they were busy or idle, and of whichever counter."""
    lost_busy = window["busy_seconds"] * busy_share
    lost_idle = (window["observed_seconds"] - window["busy_seconds"]) * share
    lost = {
        **window,
        "observed_seconds": max(window["observed_seconds"] - lost_busy - lost_idle, 0.0),
        "busy_seconds": window["busy_seconds"] - lost_busy,
        **_fewer(window, others),
    }
    assert interval_of(lost)[2] >= interval_of(window)[2] * (1 - 1e-9)


def _fewer(window: dict[str, Any], shares: list[float]) -> dict[str, float]:
    """The same readings without some of the active and some of the idle time of each counter."""
    left = {}
    pairs = (
        ("sm_active_seconds", "sm_observed_seconds", 1.0),
        ("tensor_active_seconds", "tensor_observed_seconds", 1.0),
    )
    for at, (active, known, _) in enumerate(pairs):
        lost_active = window[active] * shares[2 * at]
        lost_idle = (window[known] - window[active]) * shares[2 * at + 1]
        left |= {active: window[active] - lost_active, known: max(window[known] - lost_active - lost_idle, 0.0)}
    power = window["energy_joules"] / window["energy_observed_seconds"] if window["energy_observed_seconds"] else 0.0
    seconds = window["energy_observed_seconds"] * shares[4]
    return {**left, "energy_observed_seconds": seconds, "energy_joules": seconds * power}


@unhurried
@given(some_window(), st.floats(0, 1), st.floats(0, 1))
def test_low_without_readings(window: dict[str, Any], share: float, busy_share: float) -> None:
    """Where only busy time is known, losing some of it never raises the low end."""
    plain = {**window, **dict.fromkeys((f"{name}_observed_seconds" for name in READ), 0.0)}
    plain |= {"sm_active_seconds": 0.0, "tensor_active_seconds": 0.0, "energy_joules": 0.0}
    busy, observed = plain["busy_seconds"], plain["observed_seconds"]
    lost = {
        **plain,
        "busy_seconds": busy * busy_share,
        "observed_seconds": busy * busy_share + (observed - busy) * share,
    }
    assert interval_of(lost)[0] <= interval_of(plain)[0] * (1 + 1e-9)


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
    assert (row["methods"], row["no_estimate_reason"]) == ([], reason)


def test_parts_by_hand() -> None:
    """An instance of three slices of an H100 has 60 of its 132 multiprocessors, in the whole interval."""
    whole, part = interval_of(a_window()), interval_of(a_window(accelerator=f"{H100} MIG 3g.40gb"))
    assert part == pytest.approx([each * 60 / 132 for each in whole])


def test_a_format_that_is_little_denser() -> None:
    """Where the densest format is a tenth faster than 16 bits, the likely value is still no more than the high one."""
    window = windows_frame(of_busy_hour(**POWER, **(TENSOR | {"tensor_active_seconds": 3600.0})))
    densest = 1.1 * pl.col("training_peak_flop_per_second")
    peaks = FACTS.peaks(window["accelerator"]).with_columns(densest_peak_flop_per_second=densest)
    days = fold_days(rate_windows(window.lazy(), peaks, FACTS.estimation), FACTS.training_signals)
    undeclared = days.with_columns(declared_number_format=pl.lit(None, pl.String))
    (row,) = estimate_compute(undeclared, peaks, FACTS.estimation).to_dicts()
    assert 0 < row["low_flop"] <= row["likely_flop"] <= row["high_flop"]


def test_readings_that_contradict_each_other() -> None:
    """Tensor time that the energy cannot have paid for gives no more for an hour in which the energy could have."""
    drawn = {"energy_joules": 3600 * 20.0, "energy_observed_seconds": 3600.0}
    paid = {"energy_joules": 3600 * 690.0, "energy_observed_seconds": 3600.0}
    odd = of_busy_hour(**drawn, **(TENSOR | {"tensor_active_seconds": 3600.0}))
    later = {"window_start": START + timedelta(hours=1)}
    one, two = (
        days_of(odd, of_busy_hour(**paid) | later | {"pod_uid": pod}).select(pl.col(BOUNDS).sum()).row(0)
        for pod in ("p-1", "p-2")
    )
    assert one == pytest.approx(two)


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


def test_shared_devices_are_seen() -> None:
    """What a container used of shared devices only is told by their busy time, not as something that nobody saw."""
    shared = dict.fromkeys(("shared_seconds", "shared_observed_seconds", "shared_busy_seconds"), 100.0)
    none = dict.fromkeys(("held_seconds", "observed_seconds", "busy_seconds"), 0.0)
    (row,) = estimates_of(a_window(**none, **shared)).to_dicts()
    assert row["methods"] == ["busy"]


@pytest.mark.parametrize(
    ("metering", "observed", "busy", "counted"),
    [("utilisation", 60.0, 50.0, 50 + (100 - 60)), ("allocation", 0.0, 0.0, 100)],
)
def test_shared_time(metering: str, observed: float, busy: float, counted: float) -> None:
    """Time on a shared device counts in the high end only."""
    alone = a_window(metering=metering)
    shared = {**alone, "shared_seconds": 100.0, "shared_observed_seconds": observed, "shared_busy_seconds": busy}
    before, after = interval_of(alone), interval_of(shared)
    assert after[:2] == before[:2]
    assert after[2] - before[2] == pytest.approx(counted * H100_DENSEST * 0.70)
