"""Single pieces of evidence, and single patterns: when each is there, and when it is not."""

from datetime import timedelta
from typing import Any

import pytest
from support.judgement import HOUR, START, a_window, days_of, unseen, verdicts_on_days

HELD = 8 * HOUR


def verdict_on(*windows: dict[str, Any]) -> dict[str, Any]:
    """The verdict on one run of one day."""
    (row,) = verdicts_on_days(days_of(*windows)).to_dicts()
    return row


def signals_of(**window: Any) -> set[str]:
    """The pieces of evidence of one run of one window."""
    return {piece["signal"] for piece in verdict_on(a_window(**window))["evidence"]}


def patterns_of(*windows: dict[str, Any]) -> set[str]:
    """The patterns of one run of one day."""
    return {each["pattern"] for each in verdict_on(*windows)["patterns"]}


def drawing(watts: float) -> dict[str, float]:
    """Eight boards that draw so much without a change, for an hour."""
    known = dict.fromkeys(("energy_observed_seconds", "power_observed_seconds"), HELD)
    return known | {"energy_joules": HELD * watts, "power_square_watt2_seconds": HELD * watts**2}


def after_start_up(hours: int) -> list[dict[str, Any]]:
    """An hour of training with all readings, after so many idle ones."""
    waits = {"busy": 0.0, **drawing(100.0)}
    trains = {"busy": 1.0, "tensor_active_seconds": 0.4 * HELD, **drawing(560.0)}
    return [
        a_window(window_start=START + timedelta(hours=number), tensor_observed_seconds=HELD, **does)
        for number, does in enumerate([*[waits] * hours, trains])
    ]


@pytest.mark.parametrize(
    ("levels", "comes_and_goes"),
    [
        ({"high_level_seconds": HELD}, False),
        ({"high_level_seconds": 0.94 * HELD, "low_level_seconds": 0.06 * HELD}, False),
        ({"high_level_seconds": 0.5 * HELD, "low_level_seconds": 0.5 * HELD}, True),
        ({"full_level_seconds": HELD}, False),
    ],
)
def test_only_load_that_is_low_at_times_comes_and_goes(levels: dict[str, float], comes_and_goes: bool) -> None:
    """Multiprocessors at work by four fifths throughout, with a pause now and then, are no load of requests."""
    assert ("requests" in signals_of(**levels)) is comes_and_goes


def test_start_up_leaves_the_busy_time_as_it_is() -> None:
    """Hours of waiting before the first activity change nothing about what tensor pipes and power say of it."""
    row, alone = verdict_on(*after_start_up(20)), verdict_on(*after_start_up(0))
    assert "tensor pipes at work in 40 % of the busy time" in {piece["sentence"] for piece in row["evidence"]}
    assert (row["verdict"], row["score"]) == (alone["verdict"], alone["score"]) == ("training", 3.4)
    assert row["patterns"] == []
    told = "busy for 100 % of the observed device time after its start-up, at or above 60 %"
    assert told in {piece["sentence"] for piece in row["evidence"]}


def test_a_board_that_the_facts_do_not_know() -> None:
    """Energy of boards of unknown power is not held against the power of the others."""
    known, unknown = a_window(**drawing(300.0)), a_window(accelerator="NVIDIA X1", **drawing(300.0))
    assert patterns_of(known, unknown) == set()
    assert patterns_of(a_window(**drawing(600.0))) == {"power_burner"}


def test_a_sensor_that_reads_no_power() -> None:
    """Power that is 0 throughout does not swing."""
    assert "swing" not in signals_of(**drawing(0.0), synchrony_ratio=0.9)


def test_hours_that_nobody_saw_are_no_start_up() -> None:
    """Activity that is seen after hours that nobody saw is told as it was seen, neither as nothing nor as more."""
    dark = [unseen(window_start=START + timedelta(hours=number)) for number in range(3)]
    for busy, is_sustained in ((0.95, True), (0.4, False)):
        seen = [a_window(window_start=START + timedelta(hours=number), busy=busy) for number in range(3, 8)]
        signals = {piece["signal"] for piece in verdict_on(*dark, *seen)["evidence"]}
        assert ("sustained" in signals) is is_sustained


def test_what_is_not_known_is_no_zero() -> None:
    """A figure that nobody read is told as unknown."""
    told = drawing(900.0) | {"observed_seconds": 0.0, "busy_seconds": 0.0}
    (pattern,) = (each for each in verdict_on(a_window(**told))["patterns"] if each["pattern"] == "energy_misfit")
    assert pattern["sentence"] == "busy for an unknown % of the time, at 129 % of the boards' power"


def test_pods_that_differ_turn_nothing() -> None:
    """A pod that is busy all day beside one that is idle all day is no day that goes back and forth."""
    hours = [START + timedelta(hours=number) for number in range(12)]
    beside = [a_window(busy=busy, workload_pod=f"pod-{busy}", window_start=at) for at in hours for busy in (0.95, 0.02)]
    in_turn = [a_window(busy=(0.95, 0.02)[at.hour % 2], window_start=at) for at in hours]
    assert (patterns_of(*beside), patterns_of(*in_turn)) == (set(), {"duty_cycling"})


def test_dark_hours_are_not_calm() -> None:
    """Hours of which nothing at all is known are left out of the calm time that load is held against."""
    shares = [(0.9, 0.94)] * 4 + [(0.1, 0.96)] * 4 + [(0.0, 0.0)] * 7
    rows = [
        a_window(busy=busy * seen, observed_seconds=HELD * seen, window_start=START + timedelta(hours=number))
        for number, (busy, seen) in enumerate(shares)
    ]
    assert patterns_of(*rows) == set()
