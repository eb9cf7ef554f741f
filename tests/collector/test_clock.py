import time
from pathlib import Path

import pytest

from collector.clock import ScenarioClock, SystemClock
from collector.readings import Absent, Why

START = 1_780_272_000.0
WALL_NS = 1_800_000_000_000_000_000
BOOTED_NS = 5_000_000_000


class Wall:
    """The machine's clocks under our hand: they agree, and move only when told."""

    def __init__(self) -> None:
        self.passed_ns = 0

    def time_ns(self) -> int:
        """The time of day."""
        return WALL_NS + self.passed_ns

    def monotonic_ns(self) -> int:
        """The monotonic clock."""
        return BOOTED_NS + self.passed_ns


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The clocks that collector.clock reads, replaced: the door to the machine's time."""
    wall = Wall()
    monkeypatch.setattr("collector.clock.time.time_ns", wall.time_ns)
    monkeypatch.setattr("collector.clock.time.monotonic_ns", wall.monotonic_ns)
    return wall


def a_scenario_clock(*, begins_in: float = 0.0, speed: float = 1.0) -> ScenarioClock:
    """A clock whose scenario begins so many wall seconds from now."""
    return ScenarioClock(scenario_start=START, begins_at=WALL_NS / 1e9 + begins_in, speed=speed)


def test_the_system_clock_is_the_machines() -> None:
    """Time of day and monotonic time are the machine's, and seconds are real."""
    clock, before = SystemClock(), time.monotonic_ns()
    assert before <= clock.elapsed_ns() <= time.monotonic_ns()
    assert abs(clock.unix_seconds() - time.time()) < 60
    assert clock.real_seconds(2.5) == 2.5


def test_it_stands_until_the_scenario_begins(wall: Wall) -> None:
    """Before its beginning the clock says the scenario's start, and no time passes."""
    clock = a_scenario_clock(begins_in=10, speed=60)
    for wall.passed_ns in (0, 5_000_000_000, 9_999_000_000):
        assert (clock.elapsed_ns(), clock.seconds_in(), clock.unix_seconds()) == (0, 0.0, START)


def test_it_runs_as_fast_as_told(wall: Wall) -> None:
    """After its beginning one wall second is ``speed`` scenario seconds, and waiting is that much shorter."""
    clock = a_scenario_clock(begins_in=10, speed=60)
    wall.passed_ns = 12_000_000_000
    assert clock.seconds_in() == pytest.approx(120, abs=1e-4)
    assert clock.unix_seconds() == pytest.approx(START + 120, abs=1e-4)
    assert clock.real_seconds(30) == 0.5


def test_it_may_have_begun_before(wall: Wall) -> None:
    """A collector that is started late is in the middle of the scenario."""
    assert a_scenario_clock(begins_in=-100, speed=2).seconds_in() == pytest.approx(200, abs=1e-4)


def test_processes_started_at_different_times_agree(wall: Wall) -> None:
    """The same three numbers give the same time, whenever the clock was made."""
    first = a_scenario_clock(speed=3600)
    wall.passed_ns = 7_000_000_000
    assert a_scenario_clock(speed=3600).elapsed_ns() == pytest.approx(first.elapsed_ns(), abs=3600 * 1000)


def test_the_boot_is_told_by_a_file(tmp_path: Path) -> None:
    """Another boot is another fixed moment, for both clocks; where nothing tells the boot, none is claimed."""
    told = tmp_path / "boot_id"
    clocks = (
        SystemClock(told),
        ScenarioClock(scenario_start=START, begins_at=1.0, speed=1.0, boot_id=told),
    )
    assert {clock.epoch() for clock in clocks} == {Absent(Why.NO_DATA)}
    told.write_text("one\n", encoding="ascii")
    before = [clock.epoch() for clock in clocks]
    assert before == [clock.epoch() for clock in clocks]
    told.write_text("two\n", encoding="ascii")
    assert all(was != clock.epoch() for was, clock in zip(before, clocks, strict=True))
