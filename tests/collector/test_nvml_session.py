from pathlib import Path

import pynvml
import pytest
from support.odd_drivers import a_counted_driver, an_odd_driver, answering
from support.scenarios import H100, Moment, a_driver, a_node, a_pod, a_script, a_workload

from collector.nvml import Driver
from collector.readings import FIELD_NAMES, Absent, DeviceIdentity, Reading, Why

A100 = "NVIDIA A100-SXM4-80GB"


def look(driver: Driver) -> list[Reading | Absent]:
    """All cards and their instances, read once."""
    cards = driver.devices()
    return [driver.reading(device) for card in cards for device in (card, *driver.instances(card))]


@pytest.mark.parametrize("product", [H100, A100, "NVIDIA L40S", "Tesla T4", "NVIDIA GB200"])
def test_what_a_card_cannot_tell_is_asked_once(tmp_path: Path, product: str) -> None:
    """From the second look on, no call is made that was not supported in the first."""
    script = a_script(tmp_path, a_node(product=product), a_workload(a_pod()))
    with a_counted_driver(script, moment := Moment(10)) as (driver, behind):
        looks = []
        for moment.seconds in (10, 11, 12, 13):
            behind.made.clear()
            look(driver)
            looks.append(dict(behind.made))
        assert not driver.errors
        missing = driver.cannot_tell(driver.devices()[0])
    assert looks[2] == looks[3]
    assert sum(looks[2].values()) <= 1 + 2 * 11
    assert ("tensor_active_ratio" in missing) == (product in (A100, "NVIDIA L40S", "Tesla T4"))
    assert all(absent == Absent(Why.NOT_SUPPORTED) for absent in missing.values())


def test_mig_mode_saves_the_calls_that_it_forbids(tmp_path: Path) -> None:
    """On a card in MIG mode utilisation is asked for once, and samples never."""
    script = a_script(tmp_path, a_node(more="mig = true", gpus=1))
    with a_counted_driver(script, moment := Moment(10)) as (driver, behind):
        for moment.seconds in (10, 11, 12):
            look(driver)
        assert behind.made["nvmlDeviceGetUtilizationRates"] == 1
        assert behind.made["nvmlDeviceGetSamples"] == 0


def test_nothing_is_known_to_be_missing_before_the_first_reading(tmp_path: Path) -> None:
    """What a device cannot tell is said only after it was asked."""
    with a_driver(a_script(tmp_path, a_node(product=A100)), Moment()) as driver:
        device = driver.devices()[0]
        assert driver.cannot_tell(device) == {}
        driver.reading(device)
        assert driver.cannot_tell(device)["sm_active_ratio"] == Absent(Why.NOT_SUPPORTED)


def test_another_session_asks_anew(tmp_path: Path) -> None:
    """What one session found out does not bind the next: the driver may have been upgraded between them."""
    script = a_script(tmp_path, a_node(product=A100))
    with a_counted_driver(script, moment := Moment()) as (driver, behind):
        look(driver)
        asked = behind.made["nvmlGpmQueryDeviceSupport"]
        with Driver.open(moment.elapsed_ns) as again:
            look(again)
        assert behind.made["nvmlGpmQueryDeviceSupport"] == 2 * asked


def test_the_call_under_way_has_a_name(tmp_path: Path) -> None:
    """While a call hangs, another thread can see which; between calls there is none."""
    seen: list[str] = []
    drivers: list[Driver] = []

    def slow(*_: object) -> int:
        seen.append(drivers[0].asking)
        return int(pynvml.NVML_ERROR_TIMEOUT)

    with an_odd_driver(tmp_path, nvmlDeviceGetMemoryInfo=slow) as driver:
        drivers.append(driver)
        driver.reading(driver.devices()[0])
        assert seen == ["nvmlDeviceGetMemoryInfo"]
        assert driver.asking == ""


def test_a_reading_in_which_nothing_was_read_is_an_absence(tmp_path: Path) -> None:
    """A device that fails at every call has no reading, and the first reason is why."""
    names = (
        "nvmlDeviceGetSamples",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlGpmQueryDeviceSupport",
    )
    odd = dict.fromkeys(names, answering(pynvml.NVML_ERROR_UNKNOWN))
    with an_odd_driver(tmp_path, **odd) as driver:
        reading = driver.reading(driver.devices()[0])
    assert isinstance(reading, Reading)
    assert reading.or_absent() == Absent(Why.DRIVER_ERROR)


def test_one_field_is_a_reading() -> None:
    """Whichever field is there, the reading is one."""
    for name in FIELD_NAMES:
        values = dict.fromkeys(FIELD_NAMES, Absent(Why.NO_DATA)) | {name: 0}
        reading = Reading(**values)  # type: ignore[arg-type]
        assert reading.or_absent() is reading
    assert Reading.absent(Why.GPU_LOST).or_absent() == Absent(Why.GPU_LOST)


def test_identity_says_generation_and_board(tmp_path: Path) -> None:
    """Architecture, compute capability, part number, VBIOS and minor number are the driver's."""
    with a_driver(a_script(tmp_path, a_node()), Moment()) as driver:
        identity = driver.identity(driver.devices()[1])
    assert isinstance(identity, DeviceIdentity)
    assert (identity.architecture, identity.compute_capability) == ("hopper", "9.0")
    assert (identity.board_part_number, identity.vbios_version) == ("692-2G520-0200-000", "96.00.A5.00.01")
    assert (identity.index, identity.minor_number) == (1, 1)


def test_boards_of_one_fabric_say_so(tmp_path: Path) -> None:
    """Nodes of one NVLink domain name the same cluster, others another; where it ends at the node, none."""

    def fabric(**node: str) -> tuple[str | Absent, int | Absent]:
        with a_driver(a_script(tmp_path, a_node(**node)), Moment()) as driver:  # type: ignore[arg-type]
            identity = driver.identity(driver.devices()[0])
        assert isinstance(identity, DeviceIdentity)
        return identity.fabric_cluster_uuid, identity.fabric_clique_id

    gb200 = {"product": "NVIDIA GB200"}
    one, two = (fabric(**gb200, name=name, more='fabric = "rack-1"') for name in ("a", "b"))
    assert one == two
    assert one[1] == 0
    assert fabric(**gb200, more='fabric = "rack-2"')[0] not in (one[0], Absent(Why.NO_DATA))
    assert fabric(**gb200) == (Absent(Why.NO_DATA), Absent(Why.NO_DATA))
    assert fabric(product=A100) == (Absent(Why.NOT_SUPPORTED), Absent(Why.NOT_SUPPORTED))


@pytest.mark.parametrize(
    ("call", "field", "why"),
    [
        ("nvmlDeviceGetSerial", "serial", Why.NO_PERMISSION),
        ("nvmlDeviceGetBoardPartNumber", "board_part_number", Why.NOT_SUPPORTED),
        ("nvmlDeviceGetVbiosVersion", "vbios_version", Why.DRIVER_ERROR),
        ("nvmlDeviceGetMinorNumber", "minor_number", Why.DRIVER_ERROR),
        ("nvmlDeviceGetCudaComputeCapability", "compute_capability", Why.DRIVER_ERROR),
        ("nvmlDeviceGetArchitecture", "architecture", Why.NOT_SUPPORTED),
        ("nvmlDeviceGetGpuFabricInfoV", "fabric_cluster_uuid", Why.NOT_SUPPORTED),
    ],
)
def test_what_identity_lacks_is_absent_for_itself(tmp_path: Path, call: str, field: str, why: Why) -> None:
    """A device is known by UUID, name and bus id, whatever else it does not say."""
    codes = {
        Why.NO_PERMISSION: pynvml.NVML_ERROR_NO_PERMISSION,
        Why.NOT_SUPPORTED: pynvml.NVML_ERROR_NOT_SUPPORTED,
        Why.DRIVER_ERROR: pynvml.NVML_ERROR_UNKNOWN,
    }
    with an_odd_driver(tmp_path, **{call: answering(codes[why])}) as driver:
        identity = driver.identity(driver.devices()[0])
    assert isinstance(identity, DeviceIdentity)
    assert getattr(identity, field) == Absent(why)
    assert identity.gpu_uuid


@pytest.mark.parametrize("call", ["nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetPciInfo_v3"])
def test_without_its_name_a_device_is_nobody(tmp_path: Path, call: str) -> None:
    """A device that does not say who it is has no identity, and the reason is why."""
    with an_odd_driver(tmp_path, **{call: answering(pynvml.NVML_ERROR_UNKNOWN)}) as driver:
        assert driver.identity(driver.devices()[0]) == Absent(Why.DRIVER_ERROR)
