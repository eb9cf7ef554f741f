from collections.abc import Iterator
from ctypes import byref, c_uint
from itertools import count
from pathlib import Path
from typing import Any

import pynvml
import pytest
from support.foreign import a_foreign_driver
from support.odd_drivers import an_odd_driver, answering

from collector.nvml import NoDriver, boundary
from collector.nvml.boundary import OLDER_NAMES, Library
from collector.nvml.processes import NvmlProcesses
from collector.readings import FIELD_NAMES, Absent, DeviceIdentity, Reading, Why


def test_every_function_in_the_tables_is_one_that_the_binding_asks_for() -> None:
    """Names in the tables are those that the binding looks up, so none is dead."""
    source = Path(pynvml.__file__).read_text(encoding="utf-8")
    names = {*OLDER_NAMES, *boundary._OUTPUTS, *boundary._LISTS}
    assert [name for name in names if f'"{name}"' not in source] == []


def test_what_was_not_written_is_not_supported(tmp_path: Path) -> None:
    """Success without an answer is no 0: every field of the reading is absent, settled, and no call is an error."""
    with a_foreign_driver(tmp_path, "STUBS") as driver:
        device = driver.devices()[0]
        first, second = driver.reading(device), driver.reading(device)
        errors = dict(driver.errors)
    assert first == second == Reading.absent(Why.NOT_SUPPORTED)
    assert errors == {}


def test_half_an_answer_is_told_by_its_halves(tmp_path: Path) -> None:
    """Of a library that is wrong in every way a reading keeps what can be true, and of everything else says why not."""
    seconds: Iterator[int] = count()
    with a_foreign_driver(tmp_path, "ODD", elapsed_ns=lambda: next(seconds) * 10**9) as driver:
        driver.devices()  # the first time it counts none
        device = driver.devices()[0]
        first, second = driver.reading(device), driver.reading(device)
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    known = {name for name in FIELD_NAMES if not isinstance(getattr(second, name), Absent)}
    assert known == {"busy_ratio", "energy_joules", "clock_event_reasons"}
    assert (first.busy_ratio, second.busy_ratio) == (0.6, pytest.approx((20 * 100 + 60 * 200) / 300 / 100))
    assert first.energy_joules == second.energy_joules == (9_000_000_000 - 2000) / 1000
    assert second.clock_event_reasons == ("other",)
    impossible = {name for name in FIELD_NAMES if getattr(second, name) == Absent(Why.DRIVER_ERROR)}
    assert impossible == {
        "power_watts",
        "memory_used_bytes",
        "sm_active_ratio",
        "tensor_active_ratio",
        "pcie_received_bytes",
        "pcie_transmitted_bytes",
        "ecc_uncorrected_errors",
        "memory_repairs",
        "memory_repair_pending",
    }
    unwritten = {name for name in FIELD_NAMES if getattr(second, name) == Absent(Why.NOT_SUPPORTED)}
    assert unwritten == set(FIELD_NAMES) - known - impossible


def test_lists_that_are_longer_than_their_room_are_refused(tmp_path: Path) -> None:
    """A process list with more entries than it announced is unreadable, counted, and ends nothing."""
    with a_foreign_driver(tmp_path, "ODD") as driver:
        driver.devices()  # the first time it counts none
        device = driver.devices()[0]
        lists = NvmlProcesses(lambda: {"odd": device})
        assert lists.processes() == {"odd": Absent(Why.DRIVER_ERROR)}
        assert lists.errors == {("nvmlDeviceGetComputeRunningProcesses_v3", "unreadable"): 1}


def test_a_count_without_room_is_no_empty_list(tmp_path: Path) -> None:
    """A library that says success when it is asked how many processes there are, and counts one, lists it."""
    with a_foreign_driver(tmp_path, "TWINS") as driver:
        device = driver.devices()[0]
        ((_, processes),) = NvmlProcesses(lambda: {"twin": device}).processes().items()
    assert not isinstance(processes, Absent)
    assert [(process.pid, process.memory_bytes) for process in processes] == [(4711, 2**30)]


def test_odd_texts_are_not_identities(tmp_path: Path) -> None:
    """Texts lose what surrounds them; what is no text, no address or no number is absent, each for itself."""
    with a_foreign_driver(tmp_path, "ODD") as driver:
        assert driver.devices() == ()
        identities = [driver.identity(device) for device in driver.devices()]
    for index, identity in enumerate(identities):
        assert isinstance(identity, DeviceIdentity)
        assert identity.gpu_uuid == f"GPU-{index}".ljust(pynvml.NVML_DEVICE_UUID_V2_BUFFER_SIZE, "x")
        assert identity.accelerator == 'Mock "GPU" \\ 1'
        assert (identity.pci_bus_id, identity.serial) == (Absent(Why.NO_DATA), Absent(Why.NO_DATA))
        assert identity.board_part_number == identity.vbios_version == Absent(Why.DRIVER_ERROR)
        assert identity.minor_number == Absent(Why.DRIVER_ERROR)
        assert identity.compute_capability == Absent(Why.NOT_SUPPORTED)
        assert identity.architecture == Absent(Why.NO_DATA)


@pytest.mark.parametrize("written", ["0000:0a:00.0", "00000000:0A:00.0", "a:0a:0.0"])
def test_an_address_has_one_form(tmp_path: Path, written: str) -> None:
    """However the library writes a PCI address, it is one text."""

    def pci_info(_device: object, info: Any) -> int:
        info._obj.busId = written
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetPciInfo_v3=pci_info) as driver:
        identity = driver.identity(driver.devices()[0])
    assert isinstance(identity, DeviceIdentity)
    assert identity.pci_bus_id == f"{0xA if written[0] == 'a' else 0:08X}:0A:00.0"


def test_the_log_names_the_call_that_leaves_a_device_nameless(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A library without nvmlDeviceGetUUID leaves its GPUs unidentified, and says so once for each."""
    with an_odd_driver(tmp_path, nvmlDeviceGetUUID=None) as driver:
        for device in driver.devices() * 2:
            assert driver.identity(device) == Absent(Why.NOT_SUPPORTED)
    assert [record.getMessage() for record in caplog.records] == [
        f"device.nameless index={index} call=nvmlDeviceGetUUID reason=not_supported" for index in (0, 1)
    ]


@pytest.mark.parametrize("trouble", [TypeError, AttributeError, MemoryError, IndexError, OSError])
def test_whatever_the_binding_raises_is_an_absent_answer(tmp_path: Path, trouble: type[Exception]) -> None:
    """An error that is not NVML's makes the field absent and is counted as unreadable; the rest is read."""

    def raising(*_: object) -> int:
        raise trouble

    with an_odd_driver(tmp_path, nvmlDeviceGetMemoryInfo=raising) as driver:
        reading = driver.reading(driver.devices()[0])
        assert driver.errors == {("nvmlDeviceGetMemoryInfo", "unreadable"): 1}
    assert isinstance(reading, Reading)
    assert reading.memory_used_bytes == Absent(Why.DRIVER_ERROR)
    assert reading.busy_ratio == 0.0


@pytest.mark.parametrize("count", [1025, 2**32 - 2])
def test_a_count_of_gpus_that_cannot_be_is_no_driver(tmp_path: Path, count: int) -> None:
    """More GPUs than any node has are not asked for one by one: that is no driver, and its errors are counted."""

    def counting(number: Any) -> int:
        number._obj.value = count
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetCount_v2=counting) as driver:
        with pytest.raises(NoDriver, match=f"counts {count} GPUs"):
            driver.devices()
        assert driver.errors == {("nvmlDeviceGetCount", "out_of_range"): 1}


@pytest.mark.parametrize(("total", "used"), [(0, 0), (1, 2), (80 * 2**30, 2**64 - 1)])
def test_memory_that_cannot_be_is_absent(tmp_path: Path, total: int, used: int) -> None:
    """More memory in use than there is, or none at all, is no measurement."""

    def memory(_device: object, info: Any) -> int:
        info._obj.total, info._obj.used = total, used
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetMemoryInfo=memory) as driver:
        reading = driver.reading(driver.devices()[0])
        assert driver.errors == {("nvmlDeviceGetMemoryInfo", "out_of_range"): 1}
    assert isinstance(reading, Reading)
    assert reading.memory_used_bytes == Absent(Why.DRIVER_ERROR)


def test_a_told_zero_stays_a_zero(tmp_path: Path) -> None:
    """A library that writes 0 has said 0."""

    def idle(_device: object, rates: Any) -> int:
        rates._obj.gpu = rates._obj.memory = 0
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetUtilizationRates=idle, nvmlDeviceGetSamples=None) as driver:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    assert reading.busy_ratio == 0.0


@pytest.mark.parametrize("newest", OLDER_NAMES)
def test_the_newest_name_wins_and_older_ones_stand_in(newest: str) -> None:
    """Of a function's names the first that the library has is called; without any it has none, as the binding says."""

    class Names:
        """A library with functions of these names, which answer with a code of their own."""

        def __init__(self, *names: str) -> None:
            for number, name in enumerate(names):
                setattr(self, name, answering(100 + number))

    older = OLDER_NAMES[newest]
    reference = byref(c_uint())
    assert getattr(Library(Names(newest, *older)), newest)(reference) == 100
    for number, name in enumerate(older):
        assert getattr(Library(Names(*older)), newest)(reference) == 100, name
        assert getattr(Library(Names(*older[number:])), newest)(reference) == 100
    assert not hasattr(Library(Names()), newest)
