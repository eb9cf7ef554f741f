from pathlib import Path
from typing import Any

import pynvml
import pytest
from support.odd_drivers import a_counted_driver, an_odd_driver, answering
from support.scenarios import Moment, a_driver, a_node, a_pod, a_script, a_workload

from collector.nvml.fields import HEALTH, METERED
from collector.readings import Absent, Reading, Why
from collector.simulated.sensors import field_values
from collector.simulated.session import Session

LINKS = '{ kind = "constant", busy = 1, power = 0.5, memory = 0, nvlink = 0.5, pcie = 0.25 }'
A100 = "NVIDIA A100-SXM4-80GB"


def the_reading(folder: Path, product: str, *, seconds: float = 100) -> Reading:
    """The reading of a card of this product that moves data all the time."""
    script = a_script(folder, a_node(product=product), a_workload(a_pod(signal=LINKS)))
    with a_driver(script, Moment(seconds)) as driver:
        reading = driver.reading(driver.devices()[0])
        assert not driver.errors
    assert isinstance(reading, Reading)
    return reading


@pytest.mark.parametrize(
    ("product", "nvlink_bytes", "pcie_bytes"),
    [
        ("NVIDIA H100 80GB HBM3", 478116000000 * 50 // 1024 * 1024, 64000000000 * 25),
        ("NVIDIA B200", 956250000000 * 50, 128000000000 * 25),
        (A100, 309372000000 * 50 // 1024 * 1024, Absent(Why.NOT_SUPPORTED)),
        ("NVIDIA L40S", Absent(Why.NOT_SUPPORTED), Absent(Why.NOT_SUPPORTED)),
    ],
)
def test_link_counters_are_bytes(tmp_path: Path, product: str, nvlink_bytes: object, pcie_bytes: object) -> None:
    """Counted in KiB up to NVLink 4 and in bytes from NVLink 5, they arrive as bytes since the driver was loaded."""
    reading = the_reading(tmp_path, product)
    assert reading.nvlink_received_bytes == reading.nvlink_transmitted_bytes == nvlink_bytes
    assert reading.pcie_received_bytes == reading.pcie_transmitted_bytes == pcie_bytes


@pytest.mark.parametrize("product", ["NVIDIA H100 80GB HBM3", A100, "Tesla T4"])
def test_power_and_energy_are_there_on_every_board(tmp_path: Path, product: str) -> None:
    """Where there is no mean of the power, the power usage says it."""
    reading = the_reading(tmp_path, product)
    assert isinstance(reading.power_watts, float)
    assert reading.energy_joules == pytest.approx(100 * reading.power_watts)


@pytest.mark.parametrize("product", ["NVIDIA H100 80GB HBM3", A100, "Tesla T4"])
def test_memory_health_is_rows_or_pages(tmp_path: Path, product: str) -> None:
    """Boards that remap rows and boards that retire pages say the same things under the same names."""
    reading = the_reading(tmp_path, product)
    assert (reading.ecc_uncorrected_errors, reading.memory_repairs, reading.memory_repair_pending) == (0, 0, False)


def test_one_call_has_all_of_it(tmp_path: Path) -> None:
    """A card that has every field is asked in one call a look, and in one more every ten seconds for its health."""
    with a_counted_driver(a_script(tmp_path, a_node()), moment := Moment(10)) as (driver, behind):
        for moment.seconds in range(10, 30):
            driver.reading(driver.devices()[0])
        assert behind.made["nvmlDeviceGetFieldValues"] == 20 + 2
        assert behind.made["nvmlDeviceGetClockInfo"] == 2
        assert behind.made["nvmlDeviceGetPowerUsage"] == behind.made["nvmlDeviceGetTotalEnergyConsumption"] == 0


@pytest.mark.parametrize("code", [None, pynvml.NVML_ERROR_UNKNOWN])
def test_without_the_call_power_and_energy_are_had_singly(tmp_path: Path, code: int | None) -> None:
    """A driver that cannot answer fields at all still says power and energy, and nothing else of them."""
    fields = None if code is None else answering(code)
    with an_odd_driver(tmp_path, moment=Moment(10), nvmlDeviceGetFieldValues=fields) as driver:
        reading = driver.reading(driver.devices()[0])
        assert sum(driver.errors.values()) == 2 * (code is not None)
    assert isinstance(reading, Reading)
    assert (reading.power_watts, reading.energy_joules) == (70.0, 700.0)
    assert isinstance(reading.ecc_uncorrected_errors, Absent)


class OddField:
    """An ``nvmlDeviceGetFieldValues`` in which one field has a code, a value or a type of its own."""

    def __init__(self, session: Session, field_id: int, **odd: object) -> None:
        self.session, self.field_id, self.odd = session, field_id, odd
        self.asked: list[int] = []

    def __call__(self, device: object, count: Any, values: Any) -> int:
        """``nvmlDeviceGetFieldValues``."""
        field_values(self.session, device, count, values)
        self.asked.append(count.value)
        for value in values._obj[: count.value]:
            if value.fieldId == self.field_id:
                for name, what in self.odd.items():
                    setattr(value.value if name.endswith("Val") else value, name, what)
        return 0


def test_each_value_has_a_code_of_its_own(tmp_path: Path) -> None:
    """One field that fails is absent with its reason and counted; the others are there."""
    with a_counted_driver(a_script(tmp_path, a_node()), Moment(10)) as (driver, behind):
        odd = OddField(behind, pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL, nvmlReturn=pynvml.NVML_ERROR_TIMEOUT)
        pynvml._nvmlGetFunctionPointer_cache["nvmlDeviceGetFieldValues"] = odd
        reading = driver.reading(driver.devices()[0])
        assert isinstance(reading, Reading)
        assert reading.ecc_uncorrected_errors == Absent(Why.DRIVER_ERROR)
        assert reading.power_watts == 70.0
        assert driver.errors == {("nvmlDeviceGetFieldValues", "NVML_ERROR_TIMEOUT"): 1}


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_INVALID_ARGUMENT])
def test_a_field_that_is_not_there_is_asked_once(tmp_path: Path, code: int) -> None:
    """A field that the card does not have, or the driver does not know, is left out of later calls."""
    with a_counted_driver(a_script(tmp_path, a_node()), moment := Moment(10)) as (driver, behind):
        odd = OddField(behind, pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, nvmlReturn=code)
        pynvml._nvmlGetFunctionPointer_cache["nvmlDeviceGetFieldValues"] = odd
        for moment.seconds in (11, 12, 13):
            reading = driver.reading(driver.devices()[0])
            assert isinstance(reading, Reading)
            assert reading.pcie_transmitted_bytes == Absent(Why.NOT_SUPPORTED)
            assert reading.pcie_received_bytes == 0
        others = len(METERED) - 3  # the NVLink 5 counters, and the odd one
        assert odd.asked == [len(METERED), len(HEALTH), others, others]
        assert not driver.errors


@pytest.mark.parametrize(
    "odd",
    [
        {"valueType": 99},
        {"valueType": pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG, "sllVal": -1},
        {"valueType": pynvml.NVML_VALUE_TYPE_DOUBLE, "dVal": float("nan")},
    ],
)
def test_impossible_values_are_an_error(tmp_path: Path, odd: dict[str, object]) -> None:
    """A type that nobody knows and a negative count are no reading, and counted."""
    with a_counted_driver(a_script(tmp_path, a_node()), Moment(10)) as (driver, behind):
        field = OddField(behind, pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, **odd)
        pynvml._nvmlGetFunctionPointer_cache["nvmlDeviceGetFieldValues"] = field
        reading = driver.reading(driver.devices()[0])
        assert isinstance(reading, Reading)
        assert reading.pcie_transmitted_bytes == Absent(Why.DRIVER_ERROR)
        assert driver.errors == {("nvmlDeviceGetFieldValues", "out_of_range"): 1}


def test_refused_health_leaves_the_meters_asked(tmp_path: Path) -> None:
    """The memory's health is asked by the same call as power and links, and a refusal of it is of nothing else."""
    with a_counted_driver(a_script(tmp_path, a_node()), Moment(10)) as (driver, behind):

        def refusing_health(device: object, count: Any, values: Any) -> int:
            if values._obj[0].fieldId == HEALTH[0].field_id:
                return int(pynvml.NVML_ERROR_NO_PERMISSION)
            field_values(behind, device, count, values)
            return 0

        pynvml._nvmlGetFunctionPointer_cache["nvmlDeviceGetFieldValues"] = refusing_health
        readings = [driver.reading(driver.devices()[0]) for _ in range(2)]
    for reading in readings:
        assert isinstance(reading, Reading)
        assert isinstance(reading.pcie_received_bytes, int)
        assert reading.memory_repairs == Absent(Why.NO_PERMISSION)


def test_a_value_can_lose_the_device(tmp_path: Path) -> None:
    """A field whose code says that the device is lost makes the whole reading absent."""
    with a_counted_driver(a_script(tmp_path, a_node()), Moment(10)) as (driver, behind):
        odd = OddField(behind, pynvml.NVML_FI_DEV_POWER_AVERAGE, nvmlReturn=pynvml.NVML_ERROR_GPU_IS_LOST)
        pynvml._nvmlGetFunctionPointer_cache["nvmlDeviceGetFieldValues"] = odd
        assert driver.reading(driver.devices()[0]) == Absent(Why.GPU_LOST)


def reasons_of(bits: int) -> Any:
    """A C function that answers these clock event reasons."""

    def answer(_device: object, reasons: Any) -> int:
        reasons._obj.value = bits
        return 0

    return answer


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        (0, ()),
        (1, ("gpu_idle",)),
        (0x4 | 0x40, ("hw_thermal_slowdown", "sw_power_cap")),
        (1 << 40, ("other",)),
    ],
)
def test_clock_event_reasons_have_names(tmp_path: Path, bits: int, names: tuple[str, ...]) -> None:
    """Each bit has its name, none is an empty list, and a bit of a later driver is 'other'."""
    with an_odd_driver(tmp_path, nvmlDeviceGetCurrentClocksEventReasons=reasons_of(bits)) as driver:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    assert reading.clock_event_reasons == names


def test_older_drivers_call_them_throttle_reasons(tmp_path: Path) -> None:
    """A driver before 535 is asked by the older name."""
    with an_odd_driver(
        tmp_path,
        nvmlDeviceGetCurrentClocksEventReasons=None,
        nvmlDeviceGetCurrentClocksThrottleReasons=reasons_of(0x80),
    ) as driver:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    assert reading.clock_event_reasons == ("hw_power_brake_slowdown",)


def test_the_clock_is_in_hertz(tmp_path: Path) -> None:
    """A card at work clocks as high as it goes, and nothing holds it back."""
    reading = the_reading(tmp_path, "NVIDIA H100 80GB HBM3")
    assert (reading.sm_clock_hertz, reading.clock_event_reasons) == (1_980_000_000, ())
