import signal
from collections.abc import Iterable, Mapping
from ctypes import byref, c_uint
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml
import pytest
from support.collectors import Running, samples
from support.foreign import NAME, a_foreign_driver, a_library
from support.http import until
from support.odd_drivers import an_odd_driver, answering

from collector.contract import UNKNOWN_ACCELERATOR, gpu_metrics, holder_metrics, node_metrics
from collector.nvml import NoDriver
from collector.nvml.library import OLDER_NAMES, Library
from collector.nvml.processes import NvmlProcesses
from collector.readings import Absent, DeviceIdentity, Reading, Why

H100_UUID = "GPU-0b1c2d3e-4f50-6172-8394-a5b6c7d8e900"
H100 = "NVIDIA H100 80GB HBM3"
TOLD_AS_NUMBERS = (
    gpu_metrics.GPU_BUSY,
    gpu_metrics.GPU_POWER,
    gpu_metrics.GPU_SM_ACTIVE,
    gpu_metrics.GPU_TENSOR_ACTIVE,
    gpu_metrics.GPU_DRAM_ACTIVE,
    gpu_metrics.GPU_SM_CLOCK,
    gpu_metrics.GPU_ECC_UNCORRECTED,
    gpu_metrics.GPU_MEMORY_REPAIRS,
    gpu_metrics.GPU_MEMORY_REPAIR_PENDING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """
    What the collector says of a library: GPUs by name, why it is blind if so, and what it tells of single GPUs.

    ``told`` has the value of every GPU that has one, by metric and in order; what is not in it is on no page.
    ``states`` are those that GPU-seconds go to. ``holds`` is the GPU that the holders file names.
    """

    gpus: Mapping[str, int]
    told: Mapping[Any, tuple[float, ...]]
    states: set[tuple[str, str]]
    blind: str = ""
    holds: str = ""


METRICS = {gpu_metrics.GPU_SM_ACTIVE, gpu_metrics.GPU_TENSOR_ACTIVE, gpu_metrics.GPU_DRAM_ACTIVE}
HEALTH = {gpu_metrics.GPU_ECC_UNCORRECTED, gpu_metrics.GPU_MEMORY_REPAIRS, gpu_metrics.GPU_MEMORY_REPAIR_PENDING}
HOPPER = {
    gpu_metrics.GPU_POWER: (300.0, 300.0),
    gpu_metrics.GPU_SM_CLOCK: (1.98e9, 1.98e9),
    **dict.fromkeys(METRICS, (0.25, 0.25)),
    **dict.fromkeys(HEALTH, (0.0, 0.0)),
}
SIMPLE = {gpu_metrics.GPU_BUSY: (0.75, 0.75), gpu_metrics.GPU_POWER: (250.0, 250.0)}
HELD, FREE = ("attributed", ""), ("unallocated", "")
EXPECTED = {
    "FULL": Expected(
        gpus={H100: 2}, told=HOPPER | {gpu_metrics.GPU_BUSY: (0.4, 0.5)}, states={HELD, FREE}, holds=H100_UUID
    ),
    "MIG": Expected(gpus={H100: 2}, told=HOPPER | {gpu_metrics.GPU_BUSY: (0.5,)}, states={HELD, FREE}, holds=H100_UUID),
    "MINIMAL": Expected(gpus={"NVIDIA A100-SXM4-40GB": 2}, told=SIMPLE, states={HELD, FREE}, holds="GPU-mock-0"),
    "OLD": Expected(gpus={"NVIDIA A100-SXM4-40GB": 2}, told=SIMPLE, states={HELD, FREE}, holds="GPU-mock-0"),
    "STUBS": Expected(gpus={"Mock GPU": 2}, told={}, states={("lost", "not_supported")}, blind="not_supported"),
    "REFUSING": Expected(gpus={"Mock GPU": 2}, told={}, states={("lost", "not_supported")}, blind="not_supported"),
    "ODD": Expected(
        gpus={'Mock "GPU" \\ 1': 2},
        told={gpu_metrics.GPU_BUSY: (pytest.approx((20 * 100 + 60 * 200) / 300 / 100),)},
        states={FREE},
    ),
    "TWINS": Expected(
        gpus={"Mock GPU": 1, UNKNOWN_ACCELERATOR: 1},
        told={gpu_metrics.GPU_BUSY: (0.35,)},
        states={FREE, ("lost", "driver_error")},
    ),
}


def _collector(folder: Path, library: Path, *, holds: str = "", **environment: str) -> Running:
    """The command on a node with this library and without PCI bus, where one pod holds one GPU if any."""
    holders = f'[[holders]]\ndevices = ["{holds}"]\nnamespace = "a"\npod = "b"\ncontainer = "c"\n'
    (folder / "holders.toml").write_text(holders if holds else "holders = []\n", encoding="utf-8")
    return Running(
        "--node=node-a",
        f"--sysfs-root={folder}",
        f"--holders-file={folder / 'holders.toml'}",
        LD_LIBRARY_PATH=str(library),
        **environment,
    )


def _values(found: Iterable[Any], metric: Any) -> list[float]:
    return [sample.value for sample in found if sample.name == metric.name]


def _reasons(found: Iterable[Any]) -> set[str]:
    return {sample.labels["reason"] for sample in found if sample.name == node_metrics.COLLECTOR_BLIND.name}


@pytest.mark.parametrize("what", EXPECTED)
def test_any_library_is_read_for_what_it_tells(tmp_path: Path, what: str) -> None:
    """GPUs are counted, the books balance, what was told is on the page and nothing else is, and it stops in order."""
    expected = EXPECTED[what]
    with _collector(tmp_path, a_library(tmp_path / "lib", what), holds=expected.holds) as running:
        until(lambda: _values(samples(running.page()), node_metrics.COLLECTOR_TICKS)[0] >= 5, "it goes on looking")
        found = samples(running.page())
        code, errors = running.stop(signal.SIGTERM)
    assert (code, "Traceback" in errors) == (0, False), errors
    gpus = {sample.labels["accelerator"]: sample.value for sample in found if sample.name == gpu_metrics.GPUS.name}
    assert gpus == expected.gpus
    assert _reasons(found) == {expected.blind}
    assert {metric: tuple(_values(found, metric)) for metric in TOLD_AS_NUMBERS if _values(found, metric)} == (
        expected.told
    )
    assert set(_values(found, gpu_metrics.GPU_RESIDUAL)) == {0.0}
    states = {
        (sample.labels["state"], sample.labels["reason"])
        for sample in found
        if sample.name == gpu_metrics.GPU_SECONDS.name and sample.value
    }
    assert states == expected.states
    assert bool(_values(found, holder_metrics.HELD)) == bool(expected.holds)


def test_a_driver_that_comes_late_is_taken_up(tmp_path: Path) -> None:
    """A library that is there before its kernel driver is no driver, says so, and is read as soon as it is loaded."""
    switch = tmp_path / "switch"
    library = a_library(tmp_path / "lib", "SWITCHED")
    with _collector(tmp_path, library, NVML_C_SWITCH=str(switch)) as running:
        assert _reasons(samples(running.page())) == {Why.NO_DRIVER}
        switch.touch()
        until(lambda: _reasons(samples(running.page())) == {""}, "the GPUs are read")
        switch.unlink()
        until(lambda: _reasons(samples(running.page())) == {Why.DRIVER_GONE}, "they are missed")
        found = samples(running.page())
        _, errors = running.stop(signal.SIGTERM)
    assert _values(found, gpu_metrics.GPUS) == [2.0]
    assert "driver.absent code=NVML_ERROR_DRIVER_NOT_LOADED" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("content", [b"", b"not a library\n" * 100])
def test_a_library_that_does_not_load_is_no_driver(tmp_path: Path, content: bytes) -> None:
    """A file of that name for another machine, or none at all, is no driver; the log has the linker's own words."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / NAME).write_bytes(content)
    with _collector(tmp_path, tmp_path / "lib") as running:
        found = samples(running.page())
        _, errors = running.stop(signal.SIGTERM)
    assert _reasons(found) == {Why.NO_DRIVER}
    assert f"{NAME} cannot be loaded ({tmp_path / 'lib' / NAME}: " in errors
    assert "built for this machine's processor" in errors
    assert "Traceback" not in errors


def test_a_library_that_is_no_nvml_is_no_driver(tmp_path: Path) -> None:
    """A library without a single function of NVML is no driver, and the log says which one to put first."""
    (tmp_path / "nothing.c").write_text("int nothing;\n", encoding="utf-8")
    library = a_library(tmp_path / "lib", source=tmp_path / "nothing.c")
    with _collector(tmp_path, library) as running:
        found = samples(running.page())
        _, errors = running.stop(signal.SIGTERM)
    assert _reasons(found) == {Why.NO_DRIVER}
    assert "code=NVML_ERROR_FUNCTION_NOT_FOUND next=\"this libnvidia-ml.so.1 is no NVML: put the driver's own" in errors
    assert "Traceback" not in errors


def test_what_was_not_written_is_not_supported(tmp_path: Path) -> None:
    """Success without an answer is no 0: every field of the reading is absent, settled, and no call is an error."""
    with a_foreign_driver(tmp_path, "STUBS") as driver:
        device = driver.devices()[0]
        first, second = driver.reading(device), driver.reading(device)
        errors = dict(driver.errors)
    assert first == second == Reading.absent(Why.NOT_SUPPORTED)
    assert errors == {}


def test_lists_that_are_longer_than_their_room_are_refused(tmp_path: Path) -> None:
    """A process list with more entries than it announced is unreadable, counted, and ends nothing."""
    with a_foreign_driver(tmp_path, "ODD") as driver:
        driver.devices()  # the first time it counts none
        device = driver.devices()[0]
        lists = NvmlProcesses(lambda: {"odd": device})
        assert lists.processes() == {"odd": Absent(Why.DRIVER_ERROR)}
        assert lists.errors == {("nvmlDeviceGetComputeRunningProcesses_v3", "unreadable"): 1}


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
