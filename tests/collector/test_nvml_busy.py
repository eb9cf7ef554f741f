import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pynvml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_drivers import a_counted_driver, an_odd_driver, answering
from support.scenarios import CONSTANT, TRAINING, Moment, a_driver, a_fault, a_node, a_pod, a_script, a_workload

from collector.nvml import Driver
from collector.readings import Absent, Reading, Why
from collector.simulated.playback import NodeScript

FROM_10_TO_20 = a_workload(
    a_pod(start="10s", end="20s", signal='{ kind = "constant", busy = 1, power = 1, memory = 0 }')
)
PERIOD_US = 200_000


def busy_at(driver: Driver, moment: Moment, *seconds: float) -> list[float | Absent]:
    """What the first device says at these moments."""
    found: list[float | Absent] = []
    for moment.seconds in seconds:
        reading = driver.reading(driver.devices()[0])
        assert isinstance(reading, Reading)
        found.append(reading.busy_ratio)
    return found


def test_busy_time_is_the_mean_since_the_last_reading(tmp_path: Path) -> None:
    """Ten busy seconds out of twenty are half, wherever the readings fall, and nothing of them is seen twice."""
    with a_driver(a_script(tmp_path, a_node(), FROM_10_TO_20), moment := Moment()) as driver:
        assert busy_at(driver, moment, 5, 15, 25, 30) == [0.0, pytest.approx(0.5), pytest.approx(0.5), 0.0]


def test_the_first_reading_is_the_newest_sample(tmp_path: Path) -> None:
    """What happened before the first reading is nobody's: it says what is now."""
    with a_driver(a_script(tmp_path, a_node(), FROM_10_TO_20), moment := Moment()) as driver:
        assert busy_at(driver, moment, 21) == [0.0]


def test_an_interval_longer_than_the_buffer_is_its_last_part(tmp_path: Path) -> None:
    """After a minute without a reading the mean is of the twenty seconds that the buffer has."""
    with a_driver(a_script(tmp_path, a_node(), FROM_10_TO_20), moment := Moment()) as driver:
        assert busy_at(driver, moment, 1, 35) == [0.0, pytest.approx(5 / 20, abs=0.05)]


def test_nothing_new_is_the_drivers_last_period(tmp_path: Path) -> None:
    """Two readings within one sample period: the second is the driver's own rate, and no error."""
    script = a_script(tmp_path, a_node(), a_workload(a_pod(signal=CONSTANT)))
    with a_counted_driver(script, moment := Moment(10)) as (driver, behind):
        assert busy_at(driver, moment, 10, 10.01) == [0.5, 0.5]
        assert behind.made["nvmlDeviceGetUtilizationRates"] == 2  # the first to see whether there is one
        assert not driver.errors


def test_without_samples_the_rate_does(tmp_path: Path) -> None:
    """A driver without the call is asked for it once, and for its rate at each reading."""
    tables = (a_node(), a_workload(a_pod(signal=CONSTANT)))
    with an_odd_driver(tmp_path, *tables, moment=(moment := Moment()), nvmlDeviceGetSamples=None) as driver:
        assert busy_at(driver, moment, 10, 11) == [0.5, 0.5]
        assert not driver.errors


class Buffer:
    """A C function that answers with these samples: (microseconds, percent), as many as there is room for."""

    def __init__(self, *samples: tuple[int, float], grows: int = 0) -> None:
        self.samples: Sequence[tuple[int, float]] = samples
        self.grows = grows
        self.kind, self.member = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, "uiVal"

    def __call__(self, _device: object, _type: object, after: Any, kind: Any, count: Any, buffer: Any) -> int:
        """``nvmlDeviceGetSamples``."""
        found = [sample for sample in self.samples if sample[0] > after.value]
        kind._obj.value = self.kind
        if buffer is None:
            count._obj.value = 120
            return 0
        if self.grows:
            self.grows -= 1
            return int(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
        for slot, (stamp_us, percent) in zip(buffer, found, strict=False):
            slot.timeStamp = stamp_us
            setattr(slot.sampleValue, self.member, percent)
        count._obj.value = len(found)
        return 0


def every_period(begin_us: int, *percents: float) -> tuple[tuple[int, float], ...]:
    """Samples of one period each, the first ending one period after the begin."""
    return tuple((begin_us + PERIOD_US * (number + 1), percent) for number, percent in enumerate(percents))


def test_a_buffer_that_grows_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """The race between asking the size and reading is lost once, without error and without loss."""
    buffer = Buffer(*every_period(0, 100))
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        assert busy_at(driver, moment, 0) == [1.0]
        buffer.samples, buffer.grows = every_period(PERIOD_US, 0, 100), 1
        assert busy_at(driver, moment, 1) == [0.5]
        assert not driver.errors


def test_a_race_lost_twice_is_made_up_for_by_the_next_reading(tmp_path: Path) -> None:
    """The reading falls back on the rate, and what it did not read is in the mean of the next one."""
    buffer = Buffer(*every_period(0, 100))
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        busy_at(driver, moment, 0)
        buffer.samples, buffer.grows = every_period(PERIOD_US, 100, 0), 2
        assert busy_at(driver, moment, 1, 2) == [0.0, 0.5]
        assert not driver.errors


def test_a_sample_speaks_for_one_second_at_most(tmp_path: Path) -> None:
    """After a gap in the samples the first one does not stand for all of it."""
    buffer = Buffer(*every_period(0, 0))
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        busy_at(driver, moment, 0)
        buffer.samples = ((9_000_000, 100), (9_500_000, 0))
        assert busy_at(driver, moment, 10) == [pytest.approx(1 / 1.5)]


def test_a_clock_set_back_is_noticed(tmp_path: Path) -> None:
    """Samples that are older than the last one seen are not new; after five looks they are taken as they are."""
    buffer = Buffer(*every_period(10**9, 100))
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        busy_at(driver, moment, 0)
        buffer.samples = every_period(0, 100)
        assert busy_at(driver, moment, 1, 2, 3, 4, 5, 6) == [0.0] * 5 + [1.0]


@pytest.mark.parametrize("percent", [101, 2**31])
def test_wild_samples_are_left_out(tmp_path: Path, percent: int) -> None:
    """More than all of the time is no sample, and counted; the others say how busy it was."""
    buffer = Buffer(*every_period(0, 100))
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        busy_at(driver, moment, 0)
        buffer.samples = every_period(PERIOD_US, 100, percent, 0)
        assert busy_at(driver, moment, 1) == [pytest.approx(1 / 3)]
        assert driver.errors == {("nvmlDeviceGetSamples", "out_of_range"): 1}


def test_nothing_but_wild_samples_is_the_rate(tmp_path: Path) -> None:
    """Where no sample can be believed the driver's rate says how busy it is."""
    buffer = Buffer(*every_period(0, 290_000, 300_000))
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        assert busy_at(driver, moment, 0) == [0.0]
        assert driver.errors == {("nvmlDeviceGetSamples", "out_of_range"): 2}


def test_a_card_without_a_rate_is_not_asked_for_samples(tmp_path: Path) -> None:
    """In MIG mode a driver may hand out samples that are not in percent: they are not even asked for."""
    buffer = Buffer(*every_period(0, 50))
    rates = answering(pynvml.NVML_ERROR_NOT_SUPPORTED)
    with an_odd_driver(
        tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer, nvmlDeviceGetUtilizationRates=rates
    ) as driver:
        assert busy_at(driver, moment, 0, 1) == [Absent(Why.NOT_SUPPORTED)] * 2


@pytest.mark.parametrize(
    ("kind", "member", "expected"),
    [
        (pynvml.NVML_VALUE_TYPE_DOUBLE, "dVal", 0.25),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ullVal", 0.25),
        (pynvml.NVML_VALUE_TYPE_SIGNED_INT, "siVal", 0.25),
        (77, "uiVal", 0.0),
    ],
)
def test_samples_say_of_which_type_they_are(tmp_path: Path, kind: int, member: str, expected: object) -> None:
    """The type that comes with the samples is believed; of one that nobody knows no sample is, and the rate does."""
    buffer = Buffer(*every_period(0, 25))
    buffer.kind, buffer.member = kind, member
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=buffer) as driver:
        assert busy_at(driver, moment, 0) == [expected]


def test_a_failing_buffer_is_counted_and_the_rate_does(tmp_path: Path) -> None:
    """An error of the samples is not an error of the reading."""
    failing = answering(pynvml.NVML_ERROR_UNKNOWN)
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlDeviceGetSamples=failing) as driver:
        assert busy_at(driver, moment, 0, 1) == [0.0, 0.0]
        assert driver.errors == {("nvmlDeviceGetSamples", "NVML_ERROR_UNKNOWN"): 2}


def test_a_device_that_comes_back_begins_anew(tmp_path: Path) -> None:
    """The time for which a device was lost is in no mean."""
    script = a_script(tmp_path, a_node(a_fault("gpu_lost", "12s", "18s", gpus=[0])), FROM_10_TO_20)
    with a_driver(script, moment := Moment()) as driver:
        device = driver.devices()[0]
        for moment.seconds in (5, 13):
            driver.reading(device)
        assert busy_at(driver, moment, 19, 24) == [1.0, pytest.approx(0.2)]


def truth(script: NodeScript, begin: float, end: float) -> float:
    """Busy seconds of the first device between two moments on the samples' grid, by the script."""
    numbers = range(round(begin * 6), round(end * 6))
    states = [script.state(0, (number + 0.5) / 6) for number in numbers]
    return (
        math.fsum(
            state.busy_ratio
            for state in states
            if not isinstance(state, Absent) and not isinstance(state.busy_ratio, Absent)
        )
        / 6
    )


@settings(max_examples=30, deadline=None)
@given(gaps=st.lists(st.floats(0.05, 19), min_size=2, max_size=20))
def test_readings_at_any_cadence_add_up_to_the_truth(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float]
) -> None:
    """Whatever the cadence, the means times the time that they are of add up to the busy seconds."""
    script = a_script(tmp_path_factory.mktemp("cadence"), a_node(), a_workload(a_pod(signal=TRAINING)))
    with a_driver(script, moment := Moment(1)) as driver:
        busy_at(driver, moment, 1)
        seen, busy = 1.0, 0.0
        for gap in gaps:
            (ratio,) = busy_at(driver, moment, moment.seconds + gap)
            newest = math.floor(moment.seconds * 6 + 1e-6) / 6
            assert not isinstance(ratio, Absent)
            busy, seen = busy + ratio * (newest - seen), newest
    assert busy == pytest.approx(truth(script, 1, seen), abs=1e-3)
