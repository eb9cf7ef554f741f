import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest
from support.foreign import a_foreign_driver
from support.odd_drivers import an_odd_driver, answering
from support.scenarios import CONSTANT, Moment, a_driver, a_fault, a_node, a_pod, a_script, a_workload, an_instance

from collector.nvml import WHY_BY_CODE, Driver, NoDriver
from collector.readings import FIELD_NAMES, Absent, DeviceIdentity, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed

GPU_LOST_0 = a_fault("gpu_lost", "600s", "900s", gpus=[0])
DRIVER_GONE = a_fault("driver_gone", "600s", "900s")


def test_readings_are_in_base_units(tmp_path: Path) -> None:
    """Half of an H100's power, busy time and a quarter of its memory arrive as watts, ratio, joules and bytes."""
    script = a_script(tmp_path, a_node(), a_workload(a_pod(signal=CONSTANT)))
    with a_driver(script, Moment(100)) as driver:
        reading = driver.reading(driver.devices()[0])
    product = script.product
    assert isinstance(reading, Reading)
    assert (reading.busy_ratio, reading.power_watts, reading.energy_joules) == (0.5, 385.0, 38500.0)
    assert reading.memory_used_bytes == product.memory_reserved_bytes + product.memory_total_bytes // 4


def test_a_free_device_idles(tmp_path: Path) -> None:
    """A device that nobody holds reads 0 % busy, idle power and the driver's own memory."""
    script = a_script(tmp_path, a_node())
    with a_driver(script, Moment(10)) as driver:
        reading = driver.reading(driver.devices()[1])
    idle_watts = script.product.idle_power_watts
    assert isinstance(reading, Reading)
    assert (reading.busy_ratio, reading.power_watts, reading.energy_joules) == (0.0, idle_watts, 10 * idle_watts)
    assert reading.memory_used_bytes == script.product.memory_reserved_bytes
    assert (reading.sm_clock_hertz, reading.clock_event_reasons) == (345_000_000, ("gpu_idle",))


def test_identity_is_the_hardwares(tmp_path: Path) -> None:
    """Identity carries UUID, product name, bus id and serial as the driver gives them."""
    script = a_script(tmp_path, a_node())
    with a_driver(script, Moment()) as driver:
        assert tuple(driver.identity(device) for device in driver.devices()) == script.gpus
        assert driver.driver_version() == script.product.driver_version


def test_equal_handles_are_the_same_device(tmp_path: Path) -> None:
    """Devices enumerated again in the same session equal those before, and may key a cache."""
    with a_driver(a_script(tmp_path, a_node()), Moment()) as driver:
        assert driver.devices() == driver.devices()
        assert len({*driver.devices(), *driver.devices()}) == 2


def test_a_lost_device_is_absent_and_still_counted(tmp_path: Path) -> None:
    """While a device is lost it is listed, its reading and identity say GPU_LOST, and the others read on."""
    moment = Moment(500)
    with a_driver(a_script(tmp_path, a_node(GPU_LOST_0)), moment) as driver:
        before = driver.devices()
        moment.seconds = 600
        assert driver.reading(before[0]) == Absent(Why.GPU_LOST)
        lost, well = driver.devices()
        assert driver.reading(lost) == driver.identity(lost) == Absent(Why.GPU_LOST)
        assert isinstance(driver.reading(well), Reading)
        assert driver.errors == {
            ("nvmlDeviceGetUtilizationRates", "NVML_ERROR_GPU_IS_LOST"): 1,
            ("nvmlDeviceGetHandleByIndex", "NVML_ERROR_GPU_IS_LOST"): 1,
        }


def test_a_lost_device_comes_back_as_itself(tmp_path: Path) -> None:
    """After the fault the same handle reads again, and energy has gone on."""
    moment = Moment(599)
    with a_driver(a_script(tmp_path, a_node(GPU_LOST_0)), moment) as driver:
        device = driver.devices()[0]
        before = driver.reading(device)
        moment.seconds = 900
        after = driver.reading(driver.devices()[0])
        assert driver.devices()[0] == device
    assert isinstance(before, Reading)
    assert isinstance(after, Reading)
    assert after.energy_joules == pytest.approx(before.energy_joules + 301 * 70)


def test_a_driver_that_goes_raises_and_comes_back_anew(tmp_path: Path) -> None:
    """A driver that dies mid-run raises NoDriver from devices(), refuses to open, and later counts energy from 0."""
    moment = Moment(599)
    with installed(SimulatedDriver(a_script(tmp_path, a_node(DRIVER_GONE)), moment)):
        driver = Driver.open()
        device = driver.devices()[0]
        moment.seconds = 600
        assert driver.reading(device) == Absent(Why.DRIVER_GONE)
        with pytest.raises(NoDriver) as gone:
            driver.devices()
        assert gone.value.code == "NVML_ERROR_UNINITIALIZED"
        assert isinstance(gone.value.__cause__, pynvml.NVMLError)
        driver.close()
        with pytest.raises(NoDriver, match="not loaded") as refused:
            Driver.open()
        assert refused.value.code == "NVML_ERROR_DRIVER_NOT_LOADED"
        moment.seconds = 910
        with Driver.open() as again:
            reading = again.reading(again.devices()[0])
    assert isinstance(reading, Reading)
    assert reading.energy_joules == pytest.approx(10 * 70)


def test_a_reload_that_nobody_saw_ends_the_session(tmp_path: Path) -> None:
    """A driver reloaded between two calls leaves the old session unusable, not silently renewed."""
    moment = Moment(599)
    with installed(SimulatedDriver(a_script(tmp_path, a_node(DRIVER_GONE)), moment)):
        driver = Driver.open()
        moment.seconds = 1000
        with pytest.raises(NoDriver, match="NVML_ERROR_UNINITIALIZED"):
            driver.devices()


def test_closing_twice_or_without_driver_is_harmless(tmp_path: Path) -> None:
    """close() never raises; a shutdown that fails is counted."""
    moment = Moment()
    with installed(SimulatedDriver(a_script(tmp_path, a_node(DRIVER_GONE)), moment)):
        driver = Driver.open()
        moment.seconds = 700
        driver.close()
        driver.close()
    assert driver.errors == {("nvmlShutdown", "NVML_ERROR_UNINITIALIZED"): 1}


def test_passthrough_has_no_driver(tmp_path: Path) -> None:
    """A node whose GPUs belong to virtual machines cannot be opened, and says what may be the matter."""
    script = a_script(tmp_path, a_node(more="passthrough = true"))
    with installed(SimulatedDriver(script, Moment())), pytest.raises(NoDriver, match="passed through to a VM"):
        Driver.open()


def test_mig_has_no_busy_time_but_power_and_memory(tmp_path: Path) -> None:
    """A card in MIG mode does not say how busy it is, which is no error, and never reads 0."""
    with a_driver(a_script(tmp_path, a_node(more="mig = true"), a_workload(a_pod())), Moment(10)) as driver:
        reading = driver.reading(driver.devices()[0])
        assert not driver.errors
    assert isinstance(reading, Reading)
    assert reading.busy_ratio == Absent(Why.NOT_SUPPORTED)
    assert reading.power_watts == 385.0
    assert isinstance(reading.memory_used_bytes, int)


def test_an_old_card_counts_no_energy(tmp_path: Path) -> None:
    """A board without energy counter lacks only that field."""
    script = a_script(tmp_path, a_node(product="Tesla T4", more="no_energy_counter = true"))
    with a_driver(script, Moment(10)) as driver:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    assert reading.energy_joules == Absent(Why.NOT_SUPPORTED)
    assert reading.power_watts == script.product.idle_power_watts


CODES = (*WHY_BY_CODE, pynvml.NVML_ERROR_UNKNOWN, pynvml.NVML_ERROR_TIMEOUT, 12345)


@pytest.mark.parametrize("code", CODES)
def test_every_code_becomes_a_reason(tmp_path: Path, code: int) -> None:
    """A code becomes its reason, for the field or the whole device; only 'not supported' goes uncounted."""
    why = WHY_BY_CODE.get(code, Why.DRIVER_ERROR)
    missing = code == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    power = None if missing else answering(code)
    with an_odd_driver(tmp_path, nvmlDeviceGetFieldValues=None, nvmlDeviceGetPowerUsage=power) as driver:
        reading = driver.reading(driver.devices()[0])
    if why in (Why.GPU_LOST, Why.DRIVER_GONE):
        assert reading == Absent(why)
    else:
        assert isinstance(reading, Reading)
        assert reading.power_watts == Absent(why)
        assert reading.busy_ratio == 0.0
    assert sum(driver.errors.values()) == (why is not Why.NOT_SUPPORTED)
    assert all(call == "nvmlDeviceGetPowerUsage" for call, _ in driver.errors)


def test_impossible_utilisation_is_not_clamped(tmp_path: Path) -> None:
    """More than 100 % busy is an error of the driver, counted, and not 100 %."""

    def overdone(_device: object, rates: Any) -> int:
        rates._obj.gpu = 150
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetUtilizationRates=overdone) as driver:
        reading = driver.reading(driver.devices()[0])
        assert driver.errors == {("nvmlDeviceGetUtilizationRates", "out_of_range"): 1}
    assert isinstance(reading, Reading)
    assert reading.busy_ratio == Absent(Why.DRIVER_ERROR)


def test_undecodable_text_is_absent(tmp_path: Path) -> None:
    """Bytes that are no text, which drivers in odd states give as names, make the identity absent and are counted."""

    def garbled(_device: object, buffer: Any, _size: object) -> int:
        buffer.value = b"\xff\xfe"
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetName=garbled) as driver:
        assert driver.identity(driver.devices()[0]) == Absent(Why.DRIVER_ERROR)
        assert driver.errors == {("nvmlDeviceGetName", "undecodable"): 1}


class DriverContract:
    """What any driver must keep, simulated or real. Subclasses give the ``driver`` fixture."""

    def test_counts_its_devices(self, driver: Driver) -> None:
        """Devices are numbered from 0 without gaps."""
        assert [device.index for device in driver.devices()] == list(range(len(driver.devices())))

    def test_names_its_version(self, driver: Driver) -> None:
        """The version is numbers with dots."""
        assert re.fullmatch(r"\d+(\.\d+)+", str(driver.driver_version()))

    def test_identities_are_well_formed(self, driver: Driver) -> None:
        """Each device that answers has a UUID of its own, a name, and a bus id."""
        identities = [driver.identity(device) for device in driver.devices()]
        known = [identity for identity in identities if isinstance(identity, DeviceIdentity)]
        assert len({identity.gpu_uuid for identity in known}) == len(known)
        for identity in known:
            assert re.fullmatch(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identity.gpu_uuid)
            assert re.fullmatch(r"[0-9A-F]{8}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-7]", identity.pci_bus_id)
            assert identity.accelerator
            assert identity.mig is None
            texts = (identity.serial, identity.board_part_number, identity.vbios_version, identity.architecture)
            assert all(isinstance(text, Absent) or text for text in texts)
            assert isinstance(identity.compute_capability, Absent) or re.fullmatch(
                r"\d+\.\d", identity.compute_capability
            )
            assert isinstance(identity.fabric_cluster_uuid, Absent) == isinstance(identity.fabric_clique_id, Absent)

    def test_instances_name_their_card(self, driver: Driver) -> None:
        """Each MIG instance has a UUID of its own, fits its card, and reads its memory."""
        for device in driver.devices():
            card, instances = driver.identity(device), driver.instances(device)
            for instance in () if isinstance(instances, Absent) else instances:
                identity, reading = driver.identity(instance), driver.reading(instance)
                assert isinstance(identity, DeviceIdentity)
                assert isinstance(card, DeviceIdentity)
                assert identity.mig is not None
                assert identity.mig.parent_uuid == card.gpu_uuid
                assert re.fullmatch(r"MIG-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identity.gpu_uuid)
                assert re.fullmatch(r"\d+c?\.?\d*g\.\d+gb.*", identity.mig.profile)
                assert isinstance(reading, Reading)
                assert isinstance(reading.memory_used_bytes, int)
                assert reading.memory_used_bytes <= identity.mig.memory_bytes

    def test_readings_are_possible(self, driver: Driver) -> None:
        """Ratios are 0 to 1, power is that of one board, memory is whole bytes, and nothing is negative."""
        for device in driver.devices():
            reading = driver.reading(device)
            if isinstance(reading, Absent):
                continue
            assert isinstance(reading.busy_ratio, Absent) or 0 <= reading.busy_ratio <= 1
            assert isinstance(reading.power_watts, Absent) or 0 < reading.power_watts < 3000
            assert isinstance(reading.energy_joules, Absent) or reading.energy_joules >= 0
            assert isinstance(reading.memory_used_bytes, Absent | int)
            for name in FIELD_NAMES:
                value = getattr(reading, name)
                if not isinstance(value, Absent | tuple):
                    assert value >= 0, name
                if name.endswith("_ratio") and not isinstance(value, Absent):
                    assert value <= 1, name
            assert isinstance(reading.clock_event_reasons, Absent | tuple)

    def test_what_is_settled_stays_settled(self, driver: Driver) -> None:
        """A field that the first reading found unsupported is absent in the second, and nothing else joins it."""
        for device in driver.devices():
            if isinstance(driver.reading(device), Absent):
                continue
            first = driver.cannot_tell(device)
            second = driver.reading(device)
            assert isinstance(second, Reading)
            assert first.items() <= driver.cannot_tell(device).items()

    def test_errors_are_recorded_or_it_is_said_why_not(self, driver: Driver) -> None:
        """From its first reading on a card reports Xid errors by number, or says that it cannot."""
        for device in driver.devices():
            if isinstance(driver.reading(device), Absent):
                continue
            why = driver.cannot_tell(device).get("xid_errors")
            assert why is None or why.reason is Why.NOT_SUPPORTED
        for numbers in driver.xid_errors().values():
            assert all(xid > 0 for xid in numbers)
        assert not [call for call, _ in driver.errors if "EventSet" in call or "RegisterEvents" in call]

    def test_energy_does_not_fall(self, driver: Driver) -> None:
        """A later reading of the same session has at least the energy of an earlier one."""
        for device in driver.devices():
            first, second = driver.reading(device), driver.reading(device)
            if (
                isinstance(first, Reading)
                and isinstance(second, Reading)
                and not isinstance(first.energy_joules, Absent)
            ):
                assert not isinstance(second.energy_joules, Absent)
                assert second.energy_joules >= first.energy_joules


class TestSimulatedDriverKeepsTheContract(DriverContract):
    """The simulated driver, with a lost, a busy and a free device, and one with instances."""

    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[Driver]:
        """Four devices, the first of which is lost, and the last cut in two."""
        node = a_node(GPU_LOST_0, an_instance(3, "3g.40gb"), an_instance(3, "1g.10gb"), gpus=4)
        script = a_script(tmp_path, node, a_workload(a_pod(gpus=[0, 1])))
        with a_driver(script, Moment(700)) as driver:
            yield driver


class TestLibraryInCKeepsTheContract(DriverContract):
    """A library that is none of ours, behind the C boundary: nothing is replaced on the way but the hardware."""

    @pytest.fixture(params=["FULL", "MIG"])
    def driver(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Driver]:
        """Two GPUs of its own, whole or cut."""
        with a_foreign_driver(tmp_path, request.param) as driver:
            yield driver


class TestRealDriverKeepsTheContract(DriverContract):
    """The machine's own driver, where there is one."""

    @pytest.fixture
    def driver(self) -> Iterator[Driver]:
        """The real NVML."""
        try:
            driver = Driver.open()
        except NoDriver as error:
            pytest.skip(f"no NVML here: {error}")
        with driver:
            yield driver
