"""Recorded series beyond busy time: activity by the collector's accounting, rhythm as the node would have told it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.rhythms import Shape, apart, constant, dips, sine
from support.usage import H100

from policy.usage.sources.fill import Fill
from policy.usage.sources.recording import RecordingError, read_recording
from policy.usage.window import ACTIVITY, LEVELS, RHYTHM

START = datetime(2025, 7, 1, tzinfo=UTC)
IDLE_WATTS, WATTS = 80.0, 600.0
Read = Callable[..., pl.DataFrame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The windows of a recording with these rows."""

    def windows(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
        path = tmp_path / "series.parquet"
        pl.DataFrame(list(rows)).write_parquet(path)
        return read_recording(path, fill=Fill(constants={"accelerator": H100}), start=START)

    return windows


def a_row(gpu: int, at: float, **different: object) -> dict[str, object]:
    """A reading of a GPU that is busy all the time."""
    return {"trace": "x", "gpu": str(gpu), "t_s": at, "util_pct": 100.0, **different}


def power(*shapes: Shape, seconds: int = 400, spacing: float = 1.0) -> list[dict[str, object]]:
    """Readings of power by these shapes, one GPU each."""
    return [
        a_row(gpu, at * spacing, power_w=IDLE_WATTS + (WATTS - IDLE_WATTS) * shape(at * spacing))
        for gpu, shape in enumerate(shapes)
        for at in range(round(seconds / spacing))
    ]


def test_activity_is_what_the_collector_would_have_counted(read: Read) -> None:
    """Shares times time, power squared, and levels by multiprocessors, each with the time for which it is known."""
    more = {"power_w": 300.0, "sm_active_pct": 95.0, "tensor_active_pct": 40.0, "dram_active_pct": 25.0}
    (row,) = read(a_row(gpu, at, **more) for gpu in range(2) for at in range(60)).to_dicts()
    amounts = {"sm_active_seconds": 114, "tensor_active_seconds": 48, "dram_active_seconds": 30}
    assert {name: row[name] for name in amounts} == pytest.approx(amounts)
    assert row["power_square_watt2_seconds"] == pytest.approx(300.0**2 * 120)
    known = {name for name in ACTIVITY.values() if row[name] == 120.0}
    assert known == set(ACTIVITY.values()) - {"nvlink_observed_seconds", "pcie_observed_seconds"}
    assert (row["nvlink_bytes"], row["pcie_bytes"]) == (0.0, 0.0)
    assert [row[name] for name in LEVELS] == [0.0, 0.0, 0.0, 120.0]


def test_what_a_recording_lacks_is_not_observed(read: Read) -> None:
    """Without columns of activity nothing of it is observed; levels are then by busy time. An empty cell likewise."""
    (row,) = read(a_row(0, at, tensor_active_pct=50.0 if at < 20 else None) for at in range(60)).to_dicts()
    assert (row["tensor_active_seconds"], row["tensor_observed_seconds"]) == (10.0, 20.0)
    assert (row["sm_observed_seconds"], row["power_observed_seconds"]) == (0.0, 0.0)
    assert row["full_level_seconds"] == 60.0


@pytest.mark.parametrize("name", ["sm_active_pct", "tensor_active_pct", "dram_active_pct"])
def test_a_share_is_no_more_than_all(read: Read, name: str) -> None:
    """A share of more than 100 percent is named, not clipped."""
    with pytest.raises(RecordingError, match=f"column {name}: '100.5' is not a number from 0 to 100"):
        read([a_row(0, 0, **{name: 100.5})])


# Rhythm


def test_eight_gpus_in_lockstep_have_period_phase_and_synchrony(read: Read) -> None:
    """Readings of every second tell what the node tells: the period, the trough's moment, and that they are as one."""
    (row,) = read(power(*(dips(20.0, 4.0, 7.0) for _ in range(8)))).to_dicts()
    assert (row["rhythm_signal"], row["rhythm_window_seconds"]) == ("power_watts", 300.0)
    assert row["period_seconds"] == pytest.approx(20.0, abs=0.1)
    assert row["period_strength_ratio"] > 0.9
    assert row["synchrony_ratio"] == pytest.approx(1.0, abs=1e-6)
    assert apart(row["trough_unix_seconds"] - START.timestamp(), 7.0, 20.0) < 1.0
    assert 0 <= START.timestamp() + 400 - row["trough_unix_seconds"] < 45


def test_gpus_that_take_turns_are_not_as_one(read: Read) -> None:
    """Two that are high in turn have a synchrony of -1, and their mean has no period."""
    (row,) = read(power(sine(40.0), sine(40.0, 20.0))).to_dicts()
    assert row["synchrony_ratio"] == pytest.approx(-1.0, abs=1e-6)
    assert row["period_seconds"] is None


def test_what_does_not_vary_has_no_rhythm(read: Read) -> None:
    """Constant power, and a single GPU, leave synchrony untold, which is not 0."""
    for shapes in ((constant(0.9), constant(0.9)), (sine(40.0),)):
        (row,) = read(power(*shapes)).to_dicts()
        assert row["synchrony_ratio"] is None
        assert row["rhythm_window_seconds"] == 300.0


def test_tensor_pipes_go_before_power(read: Read) -> None:
    """The signal is the best that the recording has, as on the node."""
    shape = sine(30.0)
    (row,) = read(a_row(0, at, power_w=300.0, tensor_active_pct=100 * shape(at)) for at in range(400)).to_dicts()
    assert row["rhythm_signal"] == "tensor_active_ratio"
    assert row["period_seconds"] == pytest.approx(30.0, abs=0.2)


def test_readings_of_every_minute_have_no_rhythm(read: Read) -> None:
    """A handful of readings in the rhythm's window tell neither period nor synchrony."""
    (*_, last) = read(power(sine(240.0), sine(240.0), seconds=6000, spacing=57.0)).to_dicts()
    assert [last[name] for name in RHYTHM[2:]] == [None] * 4


def test_each_window_has_the_rhythm_at_its_end(read: Read) -> None:
    """A job that changes its step has the earlier period in the earlier window, and nothing where nobody read."""
    early, late = sine(20.0), sine(50.0)
    rows = power(lambda at: early(at) if at < 3600 else late(at), seconds=5000)
    periods = read(rows).sort("window_start")["period_seconds"]
    assert periods.to_list() == pytest.approx([20.0, 50.0], abs=0.3)
    silence = [a_row(0, at, power_w=WATTS) for at in (9000.0, 9001.0)]  # an hour without a reading, and a new beginning
    assert read([*rows, *silence]).sort("window_start")["period_seconds"].to_list()[1:] == [None, None]
    shorter = [row for row in rows if row["t_s"] < 3540]  # type: ignore[operator]  # a number
    assert read([*shorter, *silence]).sort("window_start")["rhythm_signal"].to_list()[0] is None


def test_gpus_read_one_after_the_other_are_in_step(read: Read) -> None:
    """A logger that asks one GPU after the other, some milliseconds apart, finds them as one still."""
    shape = dips(25.0, 5.0)
    rows = [a_row(gpu, at + 0.004 * gpu, power_w=600.0 * shape(at)) for gpu in range(8) for at in range(400)]
    (row,) = read(rows).to_dicts()
    assert row["synchrony_ratio"] == pytest.approx(1.0, abs=0.01)
    assert row["period_seconds"] == pytest.approx(25.0, abs=0.1)


def test_a_window_tells_no_more_than_the_node_would(read: Read) -> None:
    """Only the minutes before a window's end count: what a job did before them is not in its rhythm."""
    shape = sine(20.0)
    (row,) = read(power(lambda at: shape(at) if at < 300 else 0.5, seconds=900)).to_dicts()
    assert (row["period_seconds"], row["rhythm_window_seconds"]) == (None, 300.0)
