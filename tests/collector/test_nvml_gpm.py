from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_drivers import a_counted_driver, an_odd_driver, answering
from support.scenarios import Moment, a_driver, a_fault, a_node, a_pod, a_script, a_workload

from collector.nvml import Driver
from collector.nvml.gpm import METRICS
from collector.readings import Absent, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed

KNOWN = (
    '{ kind = "constant", busy = 1, power = 1, memory = 0,'
    " sm = 0.8, tensor = 0.4, dram = 0.5, nvlink = 0.25, pcie = 0.1 }"
)
TRAINING = '{ kind = "training", busy = 0.97, power = 0.8, memory = 0.8, period = "20s", dip = "2s" }'
FIELDS = tuple(metric.field for metric in METRICS)


def read_at(driver: Driver, moment: Moment, *seconds: float) -> Reading:
    """The first device's reading at the last of these moments, read at all of them."""
    reading: Reading | Absent = Absent(Why.NO_DATA)
    for moment.seconds in seconds:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    return reading


def metrics_of(reading: Reading) -> set[object]:
    """The different values of a reading's metrics."""
    return {getattr(reading, field) for field in FIELDS}


def test_metrics_are_in_base_units(tmp_path: Path) -> None:
    """Shares arrive as ratios, and rates as bytes per second of all the links."""
    script = a_script(tmp_path, a_node(), a_workload(a_pod(signal=KNOWN)))
    with a_driver(script, moment := Moment()) as driver:
        reading = read_at(driver, moment, 10, 11)
        assert not driver.errors
    assert reading.sm_active_ratio == pytest.approx(0.8)
    assert reading.tensor_active_ratio == reading.tensor_hmma_active_ratio == pytest.approx(0.4)
    assert reading.tensor_imma_active_ratio == reading.tensor_dfma_active_ratio == 0
    assert reading.dram_active_ratio == pytest.approx(0.5)
    assert reading.nvlink_receive_bytes_per_second == pytest.approx(0.25 * script.product.nvlink_bytes_per_second)
    assert reading.nvlink_transmit_bytes_per_second == reading.nvlink_receive_bytes_per_second
    assert reading.pcie_receive_bytes_per_second == pytest.approx(0.1 * script.product.pcie_bytes_per_second)
    assert reading.pcie_transmit_bytes_per_second == reading.pcie_receive_bytes_per_second


def test_typical_training_keeps_a_third_of_the_tensor_pipes_busy(tmp_path: Path) -> None:
    """A scenario that says nothing about tensor pipes has them active for 0.35 of the time at busy 0.97."""
    with a_driver(a_script(tmp_path, a_node(), a_workload(a_pod(signal=TRAINING))), moment := Moment()) as driver:
        assert read_at(driver, moment, 1, 2).tensor_active_ratio == pytest.approx(0.35, abs=0.005)


@pytest.mark.parametrize("pipe", ["hmma", "imma", "dfma"])
def test_each_pipe_is_told_apart(tmp_path: Path, pipe: str) -> None:
    """Work on one pipe shows on that pipe, and in the sum."""
    signal = KNOWN.replace(" }", f', tensor_pipe = "{pipe}" }}')
    with a_driver(a_script(tmp_path, a_node(), a_workload(a_pod(signal=signal))), moment := Moment()) as driver:
        reading = read_at(driver, moment, 10, 11)
    for name in ("hmma", "imma", "dfma"):
        assert getattr(reading, f"tensor_{name}_active_ratio") == pytest.approx(0.4 if name == pipe else 0)
    assert reading.tensor_active_ratio == pytest.approx(0.4)


def test_two_samples_make_the_first_metrics(tmp_path: Path) -> None:
    """The first reading has no time before it, and says so."""
    with a_driver(a_script(tmp_path, a_node()), moment := Moment()) as driver:
        assert metrics_of(read_at(driver, moment, 1)) == {Absent(Why.NO_DATA)}
        assert metrics_of(read_at(driver, moment, 2)) == {0.0}


def test_a_reading_that_comes_too_soon_repeats_the_last_one(tmp_path: Path) -> None:
    """Within 100 ms no sample is taken, the old one is kept, and the next mean is over all of the time."""
    signal = KNOWN.replace('"constant"', '"training"').replace(" }", ', period = "2s", dip = "1s", dip_busy = 0 }')
    with a_counted_driver(a_script(tmp_path, a_node(), a_workload(a_pod(signal=signal))), moment := Moment()) as (
        driver,
        behind,
    ):
        assert read_at(driver, moment, 0, 0.5).dram_active_ratio == pytest.approx(0.5)
        assert behind.made["nvmlGpmSampleGet"] == 2
        assert read_at(driver, moment, 0.55, 0.6).dram_active_ratio == pytest.approx(0.5)
        assert behind.made["nvmlGpmSampleGet"] == 2
        assert read_at(driver, moment, 1.5).dram_active_ratio == pytest.approx(0.25)


@pytest.mark.parametrize("product", ["NVIDIA A100-SXM4-80GB", "NVIDIA L40S", "Tesla T4"])
def test_boards_before_hopper_have_none(tmp_path: Path, product: str) -> None:
    """They say so, without error, and no sample is taken."""
    script = a_script(tmp_path, a_node(product=product), a_workload(a_pod()))
    with a_counted_driver(script, moment := Moment()) as (driver, behind):
        assert metrics_of(read_at(driver, moment, 1, 2)) == {Absent(Why.NOT_SUPPORTED)}
        assert behind.made["nvmlGpmSampleAlloc"] == 0
        assert not driver.errors


@pytest.mark.parametrize("product", ["NVIDIA H100 80GB HBM3", "NVIDIA B200", "NVIDIA GB200"])
def test_hopper_and_blackwell_have_all(tmp_path: Path, product: str) -> None:
    """Every metric is there."""
    with a_driver(a_script(tmp_path, a_node(product=product), a_workload(a_pod())), moment := Moment()) as driver:
        assert not any(isinstance(value, Absent) for value in metrics_of(read_at(driver, moment, 1, 2)))


def test_samples_are_freed_when_the_driver_is_closed(tmp_path: Path) -> None:
    """Two samples for each device are allocated once, and all are freed."""
    behind = SimulatedDriver(a_script(tmp_path, a_node(gpus=3)), moment := Moment())
    with installed(behind):
        with Driver.open(moment.elapsed_ns) as driver:
            for moment.seconds in (1, 2, 3):
                for device in driver.devices():
                    driver.reading(device)
            assert len(behind.gpm_samples) == 6
        assert not behind.gpm_samples


def test_the_time_for_which_a_device_was_lost_is_in_no_mean(tmp_path: Path) -> None:
    """A device that comes back begins with NO_DATA."""
    script = a_script(tmp_path, a_node(a_fault("gpu_lost", "10s", "20s", gpus=[0])), a_workload(a_pod(signal=KNOWN)))
    with a_driver(script, moment := Moment()) as driver:
        device = driver.devices()[0]
        for moment.seconds in (8, 9, 15):
            driver.reading(device)
        assert metrics_of(read_at(driver, moment, 20)) == {Absent(Why.NO_DATA)}
        assert read_at(driver, moment, 21).dram_active_ratio == pytest.approx(0.5)


def test_no_permission_is_asked_for_now_and_then(tmp_path: Path) -> None:
    """A driver that keeps the metrics for root is asked every sixty looks, and the rest of the reading is there."""
    refusing = answering(pynvml.NVML_ERROR_NO_PERMISSION)
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlGpmSampleGet=refusing) as driver:
        reading = read_at(driver, moment, *range(1, 121))
        assert driver.errors == {("nvmlGpmSampleGet", "NVML_ERROR_NO_PERMISSION"): 2}
        assert driver.cannot_tell(driver.devices()[0])["tensor_active_ratio"] == Absent(Why.NO_PERMISSION)
    assert metrics_of(reading) == {Absent(Why.NO_PERMISSION)}
    assert reading.busy_ratio == 0.0


@pytest.mark.parametrize("call", ["nvmlGpmSampleAlloc", "nvmlGpmSampleGet", "nvmlGpmMetricsGet"])
def test_an_error_is_an_absence_and_counted(tmp_path: Path, call: str) -> None:
    """Whatever call fails, the metrics are absent with the reason, and are tried again."""
    odd: dict[str, Callable[..., int] | None] = {call: answering(pynvml.NVML_ERROR_UNKNOWN)}
    with an_odd_driver(tmp_path, moment=(moment := Moment()), **odd) as driver:
        assert metrics_of(read_at(driver, moment, 1, 2, 3)) == {Absent(Why.DRIVER_ERROR)}
        assert driver.errors[call, "NVML_ERROR_UNKNOWN"] >= 2


class Answers:
    """An ``nvmlGpmMetricsGet`` in which one metric has a code or a value of its own."""

    def __init__(self, metric_id: int, *, code: int = 0, value: float = 0.0) -> None:
        self.metric_id, self.code, self.value = metric_id, code, value
        self.asked: list[list[int]] = []

    def __call__(self, wanted: Any) -> int:
        """``nvmlGpmMetricsGet``."""
        metrics = wanted._obj.metrics[: wanted._obj.numMetrics]
        self.asked.append([metric.metricId for metric in metrics])
        for metric in metrics:
            odd = metric.metricId == self.metric_id
            metric.nvmlReturn, metric.value = (self.code, self.value) if odd else (0, 10.0)
        return 0


def test_each_metric_has_a_code_of_its_own(tmp_path: Path) -> None:
    """A board without NVLink lacks only that, and is not asked for it again."""
    answers = Answers(pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC, code=pynvml.NVML_ERROR_NOT_SUPPORTED)
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlGpmMetricsGet=answers) as driver:
        reading = read_at(driver, moment, 1, 2, 3)
        assert not driver.errors
    assert reading.nvlink_receive_bytes_per_second == Absent(Why.NOT_SUPPORTED)
    assert reading.nvlink_transmit_bytes_per_second == 10 * 2**20
    assert reading.sm_active_ratio == pytest.approx(0.1)
    assert [len(asked) for asked in answers.asked] == [len(METRICS), len(METRICS) - 1]
    assert answers.metric_id not in answers.asked[-1]


def test_a_metric_that_fails_is_asked_again(tmp_path: Path) -> None:
    """An error of one metric is counted, and says nothing about the next reading."""
    answers = Answers(pynvml.NVML_GPM_METRIC_SM_UTIL, code=pynvml.NVML_ERROR_UNKNOWN)
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlGpmMetricsGet=answers) as driver:
        assert read_at(driver, moment, 1, 2).sm_active_ratio == Absent(Why.DRIVER_ERROR)
        answers.code = 0
        assert read_at(driver, moment, 3).sm_active_ratio == 0.0
        assert driver.errors == {("nvmlGpmMetricsGet", "NVML_ERROR_UNKNOWN"): 1}


def test_a_metric_can_lose_the_device(tmp_path: Path) -> None:
    """A metric whose code says that the device is lost makes the whole reading absent."""
    answers = Answers(pynvml.NVML_GPM_METRIC_SM_UTIL, code=pynvml.NVML_ERROR_GPU_IS_LOST)
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlGpmMetricsGet=answers) as driver:
        read_at(driver, moment, 1)
        moment.seconds = 2
        assert driver.reading(driver.devices()[0]) == Absent(Why.GPU_LOST)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (100.4, 1.0),
        (102.0, Absent(Why.DRIVER_ERROR)),
        (-1.0, Absent(Why.DRIVER_ERROR)),
        (float("nan"), Absent(Why.DRIVER_ERROR)),
    ],
)
def test_impossible_metrics_are_an_error(tmp_path: Path, value: float, expected: object) -> None:
    """A little over all of it is all of it; what cannot be is no reading, and counted."""
    answers = Answers(pynvml.NVML_GPM_METRIC_SM_UTIL, value=value)
    with an_odd_driver(tmp_path, moment=(moment := Moment()), nvmlGpmMetricsGet=answers) as driver:
        assert read_at(driver, moment, 1, 2).sm_active_ratio == expected
        assert sum(driver.errors.values()) == isinstance(expected, Absent)


@settings(max_examples=30, deadline=None)
@given(gaps=st.lists(st.floats(0.101, 500), min_size=1, max_size=12))
def test_readings_at_any_cadence_add_up_to_the_truth(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float]
) -> None:
    """Whatever the cadence, the means times the time between the readings add up to the tensor seconds."""
    script = a_script(tmp_path_factory.mktemp("cadence"), a_node(), a_workload(a_pod(signal=TRAINING)))
    with a_driver(script, moment := Moment(1)) as driver:
        read_at(driver, moment, 1)
        active = 0.0
        for gap in gaps:
            ratio = read_at(driver, moment, moment.seconds + gap).tensor_active_ratio
            assert not isinstance(ratio, Absent)
            active += ratio * gap
    before, after = (script.activity_seconds(0, "hmma", t) for t in (1, moment.seconds))
    assert not isinstance(before, Absent)
    assert not isinstance(after, Absent)
    assert active == pytest.approx(after - before, rel=1e-6)
