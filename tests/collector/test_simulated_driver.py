import ctypes
import math
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scenarios import TRAINING, Moment, a_driver, a_fault, a_node, a_pod, a_script, a_workload, an_instance

from collector.readings import Absent, Reading
from collector.simulated.driver import FUNCTIONS, SimulatedDriver, install, installed, uninstall
from collector.simulated.products import products

SERVING = '{ kind = "serving", busy_mean = 0.3, power = 0.9, memory = 0.4 }'


def _raw(folder: Path, *tables: str) -> SimulatedDriver:
    return SimulatedDriver(a_script(folder, *(tables or (a_node(),))), Moment())


def test_pynvml_still_has_the_seams_we_use() -> None:
    """The binding keeps its library, its loader, its lock and its cache of functions under the names that we use."""
    assert hasattr(pynvml, "nvmlLib")
    assert callable(pynvml._LoadNvmlLibrary)
    assert isinstance(pynvml._nvmlGetFunctionPointer_cache, dict)
    assert pynvml.libLoadLock.acquire(blocking=False)
    pynvml.libLoadLock.release()


def test_every_function_bears_a_name_that_pynvml_asks_for() -> None:
    """Each name in the table is one that pynvml looks up, so none is dead."""
    source = Path(pynvml.__file__).read_text(encoding="utf-8")
    assert [name for name in FUNCTIONS if f'"{name}"' not in source] == []


def test_install_and_uninstall_leave_pynvml_as_it_was(tmp_path: Path) -> None:
    """After uninstall pynvml knows no library and no functions, and will look for the real one."""
    install(_raw(tmp_path))
    pynvml.nvmlInit()
    pynvml.nvmlShutdown()
    uninstall()
    assert pynvml.nvmlLib is None
    assert pynvml._nvmlGetFunctionPointer_cache == {}


def test_installed_restores_the_library_before_it(tmp_path: Path) -> None:
    """Nested drivers end with the outer one in place."""
    outer, inner = _raw(tmp_path), _raw(tmp_path)
    with installed(outer):
        with installed(inner):
            assert pynvml.nvmlLib is inner
        assert pynvml.nvmlLib is outer


def test_calls_without_initialisation_are_refused(tmp_path: Path) -> None:
    """Before nvmlInit and after the last nvmlShutdown every call answers UNINITIALIZED."""
    with installed(_raw(tmp_path)):
        with pytest.raises(pynvml.NVMLError_Uninitialized):
            pynvml.nvmlDeviceGetCount()
        pynvml.nvmlInit()
        pynvml.nvmlInit()
        pynvml.nvmlShutdown()
        assert pynvml.nvmlDeviceGetCount() == 2
        pynvml.nvmlShutdown()
        with pytest.raises(pynvml.NVMLError_Uninitialized):
            pynvml.nvmlShutdown()


def test_unknown_functions_are_not_found(tmp_path: Path) -> None:
    """A function that is not simulated looks like one that the driver is too old for."""
    with installed(_raw(tmp_path)):
        pynvml.nvmlInit()
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetFanSpeed(pynvml.nvmlDeviceGetHandleByIndex(0))
        pynvml.nvmlShutdown()


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    """An index beyond the last, a null handle, a stranger's handle and a buffer too small answer as NVML does."""
    with installed(_raw(tmp_path)) as driver:
        pynvml.nvmlInit()
        for bad in (2, 99):
            with pytest.raises(pynvml.NVMLError_InvalidArgument):
                pynvml.nvmlDeviceGetHandleByIndex(bad)
        stranger = pynvml.c_nvmlDevice_t(pynvml.struct_c_nvmlDevice_t())
        for handle in (pynvml.c_nvmlDevice_t(), stranger):
            with pytest.raises(pynvml.NVMLError_InvalidArgument):
                pynvml.nvmlDeviceGetPowerUsage(handle)
        uuid = ctypes.create_string_buffer(40)
        code = driver.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(0), uuid, ctypes.c_uint(40))
        assert code == pynvml.NVML_ERROR_INSUFFICIENT_SIZE
        uuid = ctypes.create_string_buffer(41)
        assert driver.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(0), uuid, ctypes.c_uint(41)) == 0
        pynvml.nvmlShutdown()


def test_handles_end_with_their_session(tmp_path: Path) -> None:
    """A handle from before a driver reload is refused by the session after it."""
    moment = Moment()
    script = a_script(tmp_path, a_node(a_fault("driver_gone", "10s", "20s")))
    with installed(SimulatedDriver(script, moment)):
        pynvml.nvmlInit()
        old = pynvml.nvmlDeviceGetHandleByIndex(0)
        moment.seconds = 30
        pynvml.nvmlInit()
        new = pynvml.nvmlDeviceGetHandleByIndex(0)
        with pytest.raises(pynvml.NVMLError_InvalidArgument):
            pynvml.nvmlDeviceGetPowerUsage(old)
        assert pynvml.nvmlDeviceGetPowerUsage(new) == 70_000
        pynvml.nvmlShutdown()


@pytest.mark.parametrize("name", products())
def test_products_are_handed_out_as_written(tmp_path: Path, name: str) -> None:
    """Name, memory, limits, PCI id, part number and driver of every product reach pynvml unchanged."""
    product = products()[name]
    with installed(_raw(tmp_path, a_node(product=name))):
        pynvml.nvmlInit()
        device = pynvml.nvmlDeviceGetHandleByIndex(0)
        assert pynvml.nvmlDeviceGetName(device) == name
        assert pynvml.nvmlSystemGetDriverVersion() == product.driver_version
        assert pynvml.nvmlDeviceGetMemoryInfo(device).total == product.memory_total_bytes
        assert pynvml.nvmlDeviceGetEnforcedPowerLimit(device) == product.power_limit_watts * 1000
        assert pynvml.nvmlDeviceGetPowerUsage(device) == product.idle_power_watts * 1000
        assert pynvml.nvmlDeviceGetPciInfo(device).pciDeviceId == product.pci_device_id
        assert pynvml.nvmlDeviceGetBoardPartNumber(device) == product.board_part_number
        pynvml.nvmlShutdown()


def test_products_are_possible() -> None:
    """Every product has a source, room besides its reserved memory, and power between idle and limit."""
    for product in products().values():
        assert product.source
        assert product.memory_reserved_bytes < product.memory_total_bytes / 10
        assert 0 < product.power_span_watts < product.power_limit_watts


def test_generations_have_what_they_are_known_for() -> None:
    """GPM, and counters of PCIe, come with Hopper; pages are retired before Ampere; instances fit their board."""
    for product in products().values():
        assert product.gpm == (product.architecture in ("hopper", "blackwell"))
        assert product.remaps_rows == (product.architecture != "turing")
        assert product.fabric <= (product.nvlink_bytes_per_second > 0)
        for profile in product.mig_profiles.values():
            assert profile.multiprocessors <= product.multiprocessors
            assert profile.memory_bytes <= product.memory_total_bytes


def _refusals(driver: SimulatedDriver) -> dict[str, tuple[int, int]]:
    """What the first card answers to calls that ask too much, and what it should."""
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    kind, count, version = ctypes.c_uint(), ctypes.c_uint(1), pynvml.c_nvmlGpuFabricInfo_v2_t()
    version.version = 1
    sample = pynvml.nvmlGpmSampleAlloc()
    pair = pynvml.c_nvmlGpmMetricsGet_t(version=1, numMetrics=1, sample1=sample, sample2=sample)
    samples = (ctypes.byref(kind), ctypes.byref(count), (pynvml.c_nvmlSample_t * 1)())
    after = ctypes.c_ulonglong(0)
    memory, busy = (ctypes.c_uint(number) for number in (2, pynvml.NVML_GPU_UTILIZATION_SAMPLES))
    return {
        "other samples": (driver.nvmlDeviceGetSamples(card, memory, after, *samples), pynvml.NVML_ERROR_NOT_SUPPORTED),
        "small buffer": (driver.nvmlDeviceGetSamples(card, busy, after, *samples), pynvml.NVML_ERROR_INSUFFICIENT_SIZE),
        "old fabric": (
            driver.nvmlDeviceGetGpuFabricInfoV(card, ctypes.byref(version)),
            pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        ),
        "samples not taken": (driver.nvmlGpmMetricsGet(ctypes.byref(pair)), pynvml.NVML_ERROR_INVALID_ARGUMENT),
        "null sample": (driver.nvmlGpmSampleGet(card, pynvml.c_nvmlGpmSample_t()), pynvml.NVML_ERROR_INVALID_ARGUMENT),
        "no such instance": (driver.nvmlGpmMigSampleGet(card, 9, sample), pynvml.NVML_ERROR_NOT_FOUND),
        "attributes of a card": (
            driver.nvmlDeviceGetAttributes_v2(card, ctypes.byref(pynvml.c_nvmlDeviceAttributes())),
            pynvml.NVML_ERROR_NOT_SUPPORTED,
        ),
    }


def test_what_cannot_be_answered_is_refused(tmp_path: Path) -> None:
    """Other samples, small buffers, other versions and strangers' handles answer as NVML does, as far as is known."""
    with installed(SimulatedDriver(a_script(tmp_path, a_node()), Moment(10))) as driver:
        pynvml.nvmlInit()
        refusals = _refusals(driver)
        pynvml.nvmlShutdown()
    assert {name: found for name, (found, _) in refusals.items()} == {name: due for name, (_, due) in refusals.items()}


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (pynvml.nvmlDeviceGetPowerUsage, ()),
        (pynvml.nvmlDeviceGetClockInfo, (pynvml.NVML_CLOCK_SM,)),
        (pynvml.nvmlDeviceGetUtilizationRates, ()),
        (pynvml.nvmlDeviceGetTotalEnergyConsumption, ()),
        (pynvml.nvmlDeviceGetFieldValues, ([pynvml.NVML_FI_DEV_POWER_AVERAGE],)),
        (pynvml.nvmlDeviceGetVbiosVersion, ()),
    ],
)
def test_an_instance_does_not_answer_for_its_card(
    tmp_path: Path, call: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    """What only a card can tell is not supported on the handle of an instance."""
    script = a_script(tmp_path, a_node(an_instance(0, "1g.10gb")))
    with installed(SimulatedDriver(script, Moment(10))):
        pynvml.nvmlInit()
        card = pynvml.nvmlDeviceGetHandleByIndex(0)
        with pytest.raises(pynvml.NVMLError_NotSupported):
            call(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, 0), *arguments)
        pynvml.nvmlShutdown()


def test_both_memory_calls_agree(tmp_path: Path) -> None:
    """The first version's used memory is the second's used and reserved; both leave the same free."""
    with installed(_raw(tmp_path, a_node(), a_workload(a_pod()))) as driver:
        pynvml.nvmlInit()
        device = pynvml.nvmlDeviceGetHandleByIndex(0)
        first = pynvml.nvmlDeviceGetMemoryInfo(device)
        second = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2)
        assert first.used == second.used + second.reserved
        assert first.free == second.free == first.total - first.used
        wrong = ctypes.byref(pynvml.c_nvmlMemory_v2_t())
        assert driver.nvmlDeviceGetMemoryInfo_v2(device, wrong) == pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
        pynvml.nvmlShutdown()


def test_sharing_adds_up_to_the_boards_limits(tmp_path: Path) -> None:
    """Two pods on one device are at most fully busy, draw at most the limit, and use at most all memory."""
    hungry = '{ kind = "constant", busy = 0.8, power = 0.9, memory = 0.7 }'
    pods = (a_pod("one", signal=hungry), a_pod("two", signal=hungry))
    with a_driver(a_script(tmp_path, a_node(), a_workload(*pods)), Moment(10)) as driver:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    assert (reading.busy_ratio, reading.power_watts, reading.energy_joules) == (1.0, 700.0, 7000.0)
    assert reading.memory_used_bytes == products()["NVIDIA H100 80GB HBM3"].memory_total_bytes


def test_a_training_signal_dips_once_a_period(tmp_path: Path) -> None:
    """Training is busy and hot but for the last part of every period."""
    script = a_script(tmp_path, a_node(), a_workload(a_pod(signal=TRAINING)))
    states = {second: script.state(0, second) for second in (0, 17, 18, 19, 20, 3618)}
    busy = {second: state if isinstance(state, Absent) else state.busy_ratio for second, state in states.items()}
    assert busy == {0: 0.97, 17: 0.97, 18: 0.05, 19: 0.05, 20: 0.97, 3618: 0.05}


def test_a_serving_signal_varies_around_its_mean(tmp_path: Path) -> None:
    """Serving is never the same for long, keeps its mean over a day, and differs between devices."""
    pod = a_pod(signal=SERVING, gpus=[0, 1], end="24h")
    script = a_script(tmp_path, a_node(), a_workload(pod), duration="24h")
    busy = [[script._scripts[gpu].state(minute * 60).busy_ratio for minute in range(1440)] for gpu in (0, 1)]
    assert math.fsum(busy[0]) / 1440 == pytest.approx(0.3)
    assert 0 <= min(busy[0]) < 0.1 < 0.5 < max(busy[0]) <= 1
    assert busy[0] != busy[1]


_seconds = st.integers(0, 3600)
_signals = st.sampled_from(
    (
        TRAINING,
        SERVING,
        '{ kind = "idle" }',
        '{ kind = "constant", busy = 1, power = 1, memory = 1 }',
        '{ kind = "training", busy = 1, power = 0.3, memory = 0.5, period = "7s", dip = "3s", dip_power = 0.9 }',
    )
)
_pods = st.lists(st.tuples(_seconds, _seconds, _signals).filter(lambda pod: pod[0] < pod[1]), max_size=4)


@settings(max_examples=40, deadline=None)
@given(pods=_pods, moments=st.lists(st.integers(1, 3600), min_size=1, max_size=8, unique=True), reload=st.booleans())
def test_energy_is_the_integral_of_power(
    tmp_path_factory: pytest.TempPathFactory, pods: list[tuple[int, int, str]], moments: list[int], reload: bool
) -> None:
    """Energy equals the integral of power since the driver was loaded, never falls, and cares for no cadence."""
    tables = [
        a_pod(f"pod-{number}", start=f"{start}s", end=f"{end}s", signal=signal)
        for number, (start, end, signal) in enumerate(pods)
    ]
    fault = a_fault("driver_gone", "0s", "1s") if reload else ""
    script = a_script(tmp_path_factory.mktemp("energy"), a_node(fault), a_workload(*tables))
    # All steps begin on whole seconds, so the sum of the seconds' middles is the integral.
    power = [script.state(0, second + 0.5) for second in range(3600)]
    watts = [
        0.0 if isinstance(state, Absent) or isinstance(state.power_watts, Absent) else state.power_watts
        for state in power
    ]
    assert all(70 <= value <= 700 for value in watts)
    seen = 0.0
    with a_driver(script, moment := Moment(1)) as driver:
        for moment.seconds in sorted(moments):
            reading = driver.reading(driver.devices()[0])
            assert isinstance(reading, Reading)
            assert not isinstance(reading.energy_joules, Absent)
            expected = math.fsum(watts[int(reload) : int(moment.seconds)])
            assert reading.energy_joules == pytest.approx(expected, rel=1e-3, abs=1e-3)
            assert reading.energy_joules >= seen
            seen = reading.energy_joules


@settings(max_examples=40, deadline=None)
@given(moments=st.lists(st.floats(0, 7000), min_size=2, max_size=30))
def test_energy_never_falls_at_odd_moments(tmp_path_factory: pytest.TempPathFactory, moments: list[float]) -> None:
    """At any moments whatever, a later reading has no less energy."""
    pods = (a_pod("one", signal=TRAINING), a_pod("two", signal=SERVING, start="100s"))
    script = a_script(tmp_path_factory.mktemp("odd"), a_node(), a_workload(*pods))
    energies = []
    with a_driver(script, moment := Moment()) as driver:
        for moment.seconds in sorted(moments):
            reading = driver.reading(driver.devices()[0])
            assert isinstance(reading, Reading)
            energies.append(reading.energy_joules)
    assert energies == sorted(energies)


def test_many_readings_leave_no_errors(tmp_path: Path) -> None:
    """Eight devices read two hundred times in one session answer every time."""
    with a_driver(a_script(tmp_path, a_node(gpus=8)), moment := Moment()) as driver:
        for moment.seconds in range(200):
            assert all(isinstance(driver.reading(device), Reading) for device in driver.devices())
        assert not driver.errors
