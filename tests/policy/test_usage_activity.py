"""What devices did beyond busy time, and their rhythm, from snapshots of counters to windows."""

from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.usage import ANode, Cycles, a_holder, a_moment

from collector.contract import Metric, holder_metrics, rhythm_metrics
from policy.frames import empty
from policy.usage.counters import COUNTERS, pending_windows, windows_between
from policy.usage.window import ACTIVITY, COUNTED, LEVELS, RHYTHM

A, B = a_holder("pod-a"), a_holder("pod-b")
READS = {
    "sm_active_ratio": 0.75,
    "tensor_active_ratio": 0.5,
    "tensor_hmma_active_ratio": 0.5,
    "dram_active_ratio": 0.25,
    "nvlink_receive_bytes_per_second": 3e9,
    "nvlink_transmit_bytes_per_second": 2e9,
    "pcie_receive_bytes_per_second": 5e8,
    "pcie_transmit_bytes_per_second": 1e8,
}
PER_SECOND = {
    "sm_active_seconds": 0.75,
    "tensor_active_seconds": 0.5,
    "dram_active_seconds": 0.25,
    "nvlink_bytes": 5e9,
    "pcie_bytes": 6e8,
    "power_square_watt2_seconds": 400.0**2,
}
BEAT = {
    rhythm_metrics.RHYTHM_WINDOW: 300.0,
    rhythm_metrics.RHYTHM_PERIOD: 20.0,
    rhythm_metrics.RHYTHM_STRENGTH: 0.9,
    rhythm_metrics.RHYTHM_PHASE: 1.7e9,
    rhythm_metrics.RHYTHM_SYNCHRONY: -0.5,
}
ACTIVE = (*ACTIVITY, *ACTIVITY.values(), *LEVELS)


def activity(row: Mapping[str, object]) -> dict[str, object]:
    """What the devices did in a window that is not 0."""
    return {name: row[name] for name in ACTIVE if row[name] != 0.0}


def without_series(snapshot: pl.DataFrame, metric: Metric, **labels: str) -> pl.DataFrame:
    """Leave out a metric, or of it the series with these labels."""
    is_it = pl.all_horizontal(pl.col("metric") == metric.name, *(pl.col(name) == each for name, each in labels.items()))
    return snapshot.filter(~is_it)


def since_nothing(snapshot: pl.DataFrame) -> dict[str, object]:
    """The one window of a node that is seen for the first time."""
    return windows_between(empty(COUNTERS), snapshot).row(0, named=True)


def test_a_window_has_what_the_devices_did() -> None:
    """Every amount grows by its rate, known for all of the time; traffic is that of both directions."""
    row = since_nothing(ANode(reads=READS).run(60, [A], [A]).snapshot())
    assert {name: row[name] for name in ACTIVITY} == pytest.approx({name: 120 * PER_SECOND[name] for name in ACTIVITY})
    assert {row[observed] for observed in ACTIVITY.values()} == {120.0}
    assert {name: row[name] for name in LEVELS if row[name]} == {"high_level_seconds": 120.0}


def test_what_devices_do_not_tell_is_not_observed() -> None:
    """A board that tells busy time and power has no observed seconds of anything else, and no nulls among counts."""
    row = since_nothing(ANode().run(60, [A]).snapshot())
    told = {"power_square_watt2_seconds", "power_observed_seconds", "high_level_seconds"}
    assert set(activity(row)) == told
    assert None not in [row[name] for name in COUNTED]


@pytest.mark.parametrize("amount", ACTIVITY)
@pytest.mark.parametrize("dropped", ["the amount", "its time"])
def test_half_of_a_pair_tells_nothing(amount: str, dropped: str) -> None:
    """Where one of active and observed is not there, as in a Prometheus that drops series, both are 0: not idle."""
    base = ACTIVITY[amount] if dropped == "its time" else amount
    metric = {each.name: each for each in holder_metrics.HOLDER_ACTIVITY}[f"flopwatch_holder_{base}_total"]
    row = since_nothing(without_series(ANode(reads=READS).run(60, [A]).snapshot(), metric))
    assert (row[amount], row[ACTIVITY[amount]]) == (0.0, 0.0)
    assert set(activity(row)) == set(ACTIVE) - {amount, ACTIVITY[amount]} - set(LEVELS) | {"high_level_seconds"}


@pytest.mark.parametrize("metric", [holder_metrics.PCIE, holder_metrics.PCIE_OBSERVED])
def test_traffic_is_known_in_both_directions_or_not(metric: Metric) -> None:
    """Of what is received alone nobody knows how much went over the link."""
    row = since_nothing(without_series(ANode(reads=READS).run(60, [A]).snapshot(), metric, direction="transmit"))
    assert (row["pcie_bytes"], row["pcie_observed_seconds"]) == (0.0, 0.0)
    assert row["nvlink_observed_seconds"] == 60.0


def test_traffic_is_known_for_the_shorter_of_both_directions() -> None:
    """Where one direction was read for a part of the time, traffic is known for that part."""
    node = ANode(reads=READS).run(60, [A])
    node.reads = {name: each for name, each in READS.items() if name != "nvlink_transmit_bytes_per_second"}
    assert since_nothing(node.run(30, [A]).snapshot())["nvlink_observed_seconds"] == 60.0


def test_a_series_that_begins_within_a_window_has_grown_from_nothing() -> None:
    """Devices that begin to tell have told since then, and no longer."""
    node = ANode().run(60, [A])
    before = node.snapshot()
    node.reads = READS
    (row,) = windows_between(before, node.run(30, [A]).snapshot()).to_dicts()
    assert (row["sm_active_seconds"], row["sm_observed_seconds"], row["held_seconds"]) == (22.5, 30.0, 30.0)


def test_counters_that_reach_back_beyond_the_window_are_not_of_it() -> None:
    """A snapshot that did not keep activity yet makes one window without it, and none with that of days."""
    node = ANode(reads=READS).run(3600, [A])
    kept = {metric.name for metric in holder_metrics.HOLDER_COUNTERS}
    others = {metric.name for metric in holder_metrics.METRICS} - kept - {"flopwatch_holder_devices"}
    before = node.snapshot().filter(~pl.col("metric").is_in(list(others)))
    now = node.run(60, [A]).snapshot()
    (row,) = windows_between(before, now).to_dicts()
    assert activity(row) == {}
    assert (row["held_seconds"], row["busy_seconds"]) == (60.0, 30.0)
    (row,) = windows_between(now, node.run(60, [A]).snapshot()).to_dicts()
    assert row["tensor_active_seconds"] == 30.0


def test_a_level_of_another_name_is_left_out() -> None:
    """A level or direction that this centre does not know adds to nothing."""
    snapshot = ANode(reads=READS).run(60, [A]).snapshot()
    renamed = pl.when(pl.col("level") == "high").then(pl.lit("extreme")).otherwise("level")
    row = since_nothing(snapshot.with_columns(level=renamed))
    assert {row[name] for name in LEVELS} == {0.0}


def test_what_is_shared_has_no_activity() -> None:
    """Of a device with two holders nobody knows who did what: nothing of it is observed of either."""
    found = windows_between(empty(COUNTERS), ANode(reads=READS).run(60, [A, B]).snapshot()).to_dicts()
    assert [activity(row) for row in found] == [{}, {}]


# Rhythm


def test_a_window_has_the_rhythm_that_the_newer_snapshot_tells() -> None:
    """Gauges are not subtracted: a window has them as they stand at its end."""
    node = ANode(rhythm=BEAT).run(300, [A])
    before = node.snapshot()
    node.rhythm = BEAT | {rhythm_metrics.RHYTHM_PERIOD: 30.0}
    (row,) = windows_between(before, node.run(60, [A]).snapshot()).to_dicts()
    assert [row[name] for name in RHYTHM] == ["tensor_active_ratio", 300.0, 30.0, 0.9, 1.7e9, -0.5]


def test_a_rhythm_that_is_not_told_is_null() -> None:
    """Without a period its numbers are null; of a holder that ended, and of pending time, all are."""
    node = ANode(rhythm={rhythm_metrics.RHYTHM_WINDOW: 300.0}).run(300, [A])
    row = since_nothing(node.snapshot())
    assert [row[name] for name in RHYTHM] == ["tensor_active_ratio", 300.0, None, None, None, None]
    node.rhythm = BEAT
    before = node.run(60, [A]).snapshot()
    (ended,) = windows_between(before, node.run(60, [A]).run(1, []).snapshot()).to_dicts()
    (pending,) = pending_windows(before, a_moment(9999), 60).to_dicts()
    assert {ended[name] for name in RHYTHM} == {pending[name] for name in RHYTHM} == {None}
    assert activity(pending) == {}


# Any history

step = st.tuples(st.integers(1, 5000), st.sampled_from([(), (A,), (B,), (A, B)]), st.booleans(), st.booleans())


@settings(deadline=None, max_examples=40)
@given(st.lists(step, min_size=1, max_size=8))
def test_however_it_is_scraped_the_windows_add_up(steps: list[tuple[int, tuple[object, ...], bool, bool]]) -> None:
    """Over any history the windows add up to what one window over all of it has, and no more is known than was held."""
    node, cycles = ANode(reads=READS), Cycles()
    for seconds, holders, tells, scraped in steps:
        node.reads = READS if tells else {}
        node.run(seconds, holders)  # type: ignore[arg-type]  # a strategy of samples has no narrower type
        if scraped:
            cycles.hear(node.snapshot())
    cycles.hear(node.snapshot())
    parts = pl.concat(cycles.windows)
    whole = windows_between(empty(COUNTERS), node.snapshot())
    for name in (*(each for each in ACTIVE if not each.startswith(("nvlink", "pcie"))), "held_seconds"):
        assert parts[name].sum() == pytest.approx(whole[name].sum(), rel=1e-9, abs=1e-6)
    for amount, observed in ACTIVITY.items():
        assert (parts[observed] <= parts["held_seconds"] + 1e-3).all()
        assert parts.filter(pl.col(observed) == 0)[amount].sum() == 0.0
