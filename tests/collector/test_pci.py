"""GPUs on the PCI bus, read from a folder like sysfs, and what a node makes of those that nothing reads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drivers import ADriver, Device, no_driver, well
from support.nodes import ASource, ToldClock, a_collector, a_played_collector
from support.odd_drivers import an_odd_driver
from support.readings import H100, a_holder, total, values
from support.scenarios import Moment, a_fault, a_node, a_pod, a_script, a_workload, foreign
from support.sysfs import a_sysfs

from collector import contract
from collector.contract import GpuState, gpu_metrics, holder_metrics, node_metrics
from collector.loop import Collector
from collector.nvml import Driver
from collector.pci import KINDS, NO_GROUP, PciGpu, Vendor, pci_gpus, place
from collector.readings import Absent, Why
from collector.simulated.sysfs import simulated_pci_gpus

HERE = place("0")  # where a driver in memory has all its devices
SIMULATED = "NVIDIA GH100 [H100 SXM5 80GB]"


@pytest.mark.parametrize(
    ("vendor", "device", "kind", "accelerator"),
    [
        ("0x10de", "0x2330", "0x030200", SIMULATED),
        ("0x10de", "0x2901", "0x030200", "NVIDIA device 2901"),
        ("0x10de", "0x26b1", "0x030000", "NVIDIA device 26b1"),
        ("0x1002", "0x74a1", "0x120000", "AMD Aqua Vanjaram [Instinct MI300X]"),
        ("0x1002", "0x740f", "0x038000", "AMD device 740f"),
        ("0x19e5", "0xd802", "0x120000", "Huawei device d802"),
        ("0x1da3", "0x1020", "0x120000", "Habana Gaudi 2"),
        ("0x1da3", "0x1060", "0x120000", "Habana Gaudi 3"),
        ("0x19e5", "0xd107", "0x120000", "Huawei device d107"),
        ("0xcabc", "0x0370", "0x120000", "Cambricon device 0370"),
        ("0xcabc", "0x0290", "0x038000", "Cambricon device 0290"),
        ("0x1d22", "0x3684", "0x078000", "Kunlunxin device 3684"),
        ("0x1d22", "0x3688", "0x120000", "Kunlunxin device 3688"),
        ("0x9999", "0x4001", "0x038000", "MetaX device 4001"),
        ("0x1d94", "0x6320", "0x038000", "Hygon device 6320"),
        ("0x1d94", "0x6210", "0x0b4000", "Hygon device 6210"),
        ("0x1ed5", "0x0400", "0x030200", "Moore Threads device 0400"),
        ("0x1ed5", "0x0222", "0x030000", "Moore Threads device 0222"),
        ("0x1e36", "0xc035", "0x120000", "Enflame device c035"),
        ("0x1e3e", "0x0002", "0x120000", "Iluvatar device 0002"),
    ],
)
def test_accelerators_are_known_by_vendor_and_class(
    tmp_path: Path, vendor: str, device: str, kind: str, accelerator: str
) -> None:
    """A device of the table is named as the table has it, and by its number where it has no name."""
    (gpu,) = pci_gpus(a_sysfs(tmp_path, (vendor, device, kind, "")))  # type: ignore[misc]  # it is not absent
    assert (gpu.accelerator, gpu.pci_bus_id, gpu.driver) == (accelerator, "00000000:0A:00.0", Absent(Why.NO_DRIVER))


@pytest.mark.parametrize(
    ("vendor", "device", "kind"),
    [
        ("0x10de", "0x22a3", "0x068000"),  # an NVSwitch
        ("0x10de", "0x16c1", "0x040300"),  # the sound function of a board
        ("0x1002", "0x7448", "0x030000"),  # a desktop GPU
        ("0x1002", "0x7448", "0x038000"),
        ("0x19e5", "0xa250", "0x120000"),  # the compression engine of a Kunpeng CPU
        ("0x19e5", "0x0222", "0x020000"),  # a network card
        ("0xcabc", "0x8000", "0x060400"),  # a bridge
        ("0x1d22", "0x1380", "0x010802"),  # a disk
        ("0x9999", "0x4001", "0x0c0300"),  # something unfinished, of whomever
        ("0x1d94", "0x1456", "0x108000"),  # the security processor of a CPU
        ("0x1ed5", "0x02ff", "0x040300"),  # the sound function of a board
        ("0x1ed5", "0x0201", "0x030000"),  # a desktop GPU
        ("0x1e36", "0x9000", "0x020000"),  # a network card
        ("0x8086", "0x2330", "0x030200"),
        ("0x10de", "rubbish", "0x030200"),
    ],
)
def test_other_devices_are_passed_over(tmp_path: Path, vendor: str, device: str, kind: str) -> None:
    """What is no accelerator of the table, or cannot be read, is not counted."""
    assert pci_gpus(a_sysfs(tmp_path, (vendor, device, kind, ""))) == ()


def test_no_row_takes_all_that_a_vendor_makes() -> None:
    """Every row goes by class or by number, so that a vendor's network card or bridge is not an accelerator."""
    assert [kind.vendor for kind in KINDS if not kind.classes and not kind.devices] == []


def test_a_virtual_function_is_a_part_of_a_device(tmp_path: Path) -> None:
    """Only the physical function is counted."""
    sysfs = a_sysfs(tmp_path, *[("0x10de", "0x2330", "0x030200", "vfio-pci")] * 2)
    (sysfs / "bus/pci/devices/0000:0a:00.1/physfn").mkdir()
    assert len(pci_gpus(sysfs)) == 1  # type: ignore[arg-type]  # it is not absent


@pytest.mark.parametrize(
    ("vendor", "kind", "driver", "reason"),
    [
        ("0x10de", "0x030200", "vfio-pci", Why.PASSED_THROUGH),
        ("0x10de", "0x030200", "nouveau", Why.NO_DRIVER),
        ("0x10de", "0x030200", "", Why.NO_DRIVER),
        ("0x1da3", "0x120000", "habanalabs", Why.FOREIGN_VENDOR),
        ("0x1da3", "0x120000", "vfio-pci", Why.PASSED_THROUGH),
    ],
)
def test_the_driver_that_holds_it_says_why_nothing_reads_it(
    tmp_path: Path, vendor: str, kind: str, driver: str, reason: Why
) -> None:
    """Given to a virtual machine, of another vendor, or without a driver."""
    (gpu,) = pci_gpus(a_sysfs(tmp_path, (vendor, "0x1020", kind, driver)))  # type: ignore[misc]  # it is not absent
    assert gpu.why_unread() == Absent(reason)


def test_the_iommu_group_is_the_one_that_the_kernel_links_to(tmp_path: Path) -> None:
    """Devices that are passed through together have one number; without an IOMMU there is none."""
    sysfs = a_sysfs(tmp_path, *[("0x10de", "0x2330", "0x030200", "vfio-pci")] * 2)
    (sysfs / "bus/pci/devices/0000:0a:00.1/iommu_group").symlink_to("../../../kernel/iommu_groups/65")
    groups = [gpu.iommu_group for gpu in pci_gpus(sysfs)]  # type: ignore[union-attr]  # it is not absent
    assert groups == [NO_GROUP, "65"]


def test_without_sysfs_nothing_is_known(tmp_path: Path) -> None:
    """A folder without a PCI bus is no answer, which is not the same as no GPUs."""
    assert pci_gpus(tmp_path) == Absent(Why.NO_DATA)


def of(collector: Collector, metric: contract.Metric, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    return total(collector.samples(), metric.name, **labels)


def tick_at(collector: Collector, moment: Moment, *seconds: float) -> None:
    """Tick at these moments."""
    for moment.seconds in seconds:
        collector.tick()


def a_gpu(number: int = 0, *, driver: str = "", vendor: Vendor = Vendor.NVIDIA) -> PciGpu:
    """One on the bus at an address made of this number."""
    held = driver or Absent(Why.NO_DRIVER)
    name = f"{vendor} device 2330"
    return PciGpu(pci_bus_id=f"00000000:{number:02X}:00.0", vendor=vendor, accelerator=name, driver=held)


def test_a_passed_through_node_counts_its_gpus_as_blind(tmp_path: Path) -> None:
    """Eight GPUs that belong to virtual machines are eight blind ones, with their reason, and no residual."""
    moment = Moment()
    with a_played_collector(tmp_path, a_node(gpus=8, more="passthrough = true"), moment=moment) as collector:
        tick_at(collector, moment, 10, 20, 200)
    assert of(collector, gpu_metrics.GPUS, accelerator=SIMULATED) == of(collector, gpu_metrics.GPUS) == 8
    assert of(collector, gpu_metrics.GPU_SECONDS, state="blind", reason="passed_through") == 8 * 200
    assert of(collector, gpu_metrics.GPU_PHYSICAL) == of(collector, gpu_metrics.GPU_SECONDS) == 8 * 200
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
    assert of(collector, node_metrics.COLLECTOR_BLIND, reason="passed_through") == 1
    assert of(collector, node_metrics.COLLECTOR_LAST_SUCCESS) == of(collector, gpu_metrics.GPU_INFO) == 0


def test_a_played_node_counts_foreign_accelerators_as_blind(tmp_path: Path) -> None:
    """Beside GPUs that are read they are blind, by vendor and number, whatever the GPUs are doing."""
    moment, more = Moment(), foreign(more=', driver = "davinci"')
    node = a_node(a_fault("driver_gone", "100s", "200s"), gpus=2, more=more)
    with a_played_collector(tmp_path, node, a_workload(a_pod()), moment=moment) as collector:
        tick_at(collector, moment, *range(10, 301, 10))
    assert of(collector, gpu_metrics.GPUS, accelerator="Huawei device d802") == 8
    assert of(collector, gpu_metrics.GPUS, accelerator=H100) == 2
    ascends = {"accelerator": "Huawei device d802", "state": "blind", "reason": "foreign_vendor"}
    assert of(collector, gpu_metrics.GPU_SECONDS, **ascends) == of(collector, gpu_metrics.GPU_SECONDS, state="blind")
    assert of(collector, gpu_metrics.GPU_SECONDS, **ascends) == 8 * 300
    assert of(collector, holder_metrics.HELD, accelerator="Huawei device d802") == 0
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_foreign_accelerators_may_belong_to_virtual_machines_and_be_of_several_kinds(tmp_path: Path) -> None:
    """Each kind has its own places on the bus, and its own driver."""
    kinds = foreign(count=2, more=', driver = "vfio-pci"')[:-1] + ', { pci = "1d22:3688", class = "1200", count = 3 }]'
    gpus = simulated_pci_gpus(a_script(tmp_path, a_node(gpus=16, more=kinds)))
    assert not isinstance(gpus, Absent)
    assert len({gpu.pci_bus_id for gpu in gpus}) == 16 + 2 + 3
    found = Counter((gpu.vendor, gpu.why_unread().reason) for gpu in gpus if gpu.driver != "nvidia")
    assert found == {(Vendor.HUAWEI, Why.PASSED_THROUGH): 2, (Vendor.KUNLUNXIN, Why.FOREIGN_VENDOR): 3}


def test_a_played_node_counts_no_gpu_twice(tmp_path: Path) -> None:
    """Devices that the driver reads, loses or never named are not counted on the bus again."""
    moment = Moment()
    faults = (a_fault("gpu_lost", "0s", "60s", gpus=[0]), a_fault("driver_gone", "100s", "200s"))
    with a_played_collector(tmp_path, a_node(*faults, gpus=3), a_workload(a_pod()), moment=moment) as collector:
        for at in range(10, 400, 10):
            tick_at(collector, moment, at)
            assert of(collector, gpu_metrics.GPUS) == 3
    assert of(collector, gpu_metrics.GPU_SECONDS, state="blind") == of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_gpus_move_to_the_drivers_name_when_it_comes() -> None:
    """Before the driver is there a GPU is blind under its PCI name; then it is read, under the driver's."""
    moment = Moment()

    def open_driver() -> Driver:
        return no_driver() if moment.seconds < 100 else ADriver(lambda: [well("GPU-0")])

    bus = [replace(a_gpu(), pci_bus_id=HERE)]
    collector = a_collector(ToldClock(moment), ASource(dict), open_driver=open_driver, pci=lambda: tuple(bus))
    tick_at(collector, moment, 50)
    assert of(collector, gpu_metrics.GPUS, accelerator="NVIDIA device 2330") == 1
    bus[:] = [replace(a_gpu(driver="nvidia"), pci_bus_id=HERE)]
    tick_at(collector, moment, *range(60, 161, 10))
    assert of(collector, gpu_metrics.GPUS) == of(collector, gpu_metrics.GPUS, accelerator=H100) == 1
    assert of(collector, gpu_metrics.GPU_SECONDS, state="blind", reason="no_driver") > 0
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_a_known_gpu_that_is_given_to_a_virtual_machine_is_blind(tmp_path: Path) -> None:
    """Bound to vfio-pci it is lost no longer: the same GPU, blind, counted once, and its holder keeps it."""
    moment = Moment()
    devices: list[Device] = [well("GPU-0")]
    bus: list[PciGpu] = [PciGpu(pci_bus_id=HERE, vendor=Vendor.NVIDIA, accelerator="x", driver="nvidia")]
    source = ASource(lambda: {"GPU-0": (a_holder("pod"),)})
    collector = a_collector(
        ToldClock(moment), source, open_driver=lambda: ADriver(lambda: devices), pci=lambda: tuple(bus)
    )
    tick_at(collector, moment, 10)
    devices.clear()
    bus[:] = [PciGpu(pci_bus_id=HERE, vendor=Vendor.NVIDIA, accelerator="x", driver="vfio-pci")]
    tick_at(collector, moment, 20, 80, 80)
    assert of(collector, gpu_metrics.GPUS) == of(collector, gpu_metrics.GPUS, accelerator=H100) == 1
    assert of(collector, gpu_metrics.GPU_SECONDS, state="blind", reason="passed_through") >= 10
    assert of(collector, holder_metrics.HELD) == 80
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_a_blind_gpu_has_the_holder_that_its_key_has(caplog: pytest.LogCaptureFixture) -> None:
    """Held seconds grow by allocation alone, none is observed; while nobody can tell, its last holder may hold it."""
    moment, bus = Moment(), (a_gpu(1, driver="vfio-pci"), a_gpu(2, driver="vfio-pci"))
    answers: list[object] = [{bus[0].key: (a_holder("vm"),)}]
    collector = a_collector(ToldClock(moment), ASource(lambda: answers[0]), open_driver=no_driver, pci=lambda: bus)
    tick_at(collector, moment, 10, 20)
    assert of(collector, holder_metrics.HELD, workload_pod="vm", accelerator=bus[0].accelerator) == 20
    answers[0] = Absent(Why.HOLDERS_UNKNOWN)
    tick_at(collector, moment, 30, 30)
    assert of(collector, holder_metrics.HELD) == 20
    assert of(collector, holder_metrics.SHARED, workload_pod="vm") == 10
    assert of(collector, holder_metrics.OBSERVED) == of(collector, holder_metrics.SHARED_OBSERVED) == 0
    assert of(collector, gpu_metrics.GPU_SECONDS, state="blind", reason="passed_through") == 60
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
    assert "holders.unknown_devices" not in caplog.text


def test_gpus_of_another_vendor_stand_beside_those_that_are_read() -> None:
    """A node that reads its own GPUs is not blind, and the others are, each with its reason."""
    moment = Moment()
    bus = (a_gpu(1, vendor=Vendor.AMD, driver="amdgpu"), a_gpu(2, driver="vfio-pci"), a_gpu(3, driver="nvidia"))
    collector = a_collector(
        ToldClock(moment), ASource(dict), open_driver=lambda: ADriver(lambda: [well("GPU-0")]), pci=lambda: bus
    )
    tick_at(collector, moment, 10, 10)
    assert of(collector, node_metrics.COLLECTOR_BLIND) == 0
    assert of(collector, gpu_metrics.GPU_SECONDS, reason="foreign_vendor") == 10
    assert of(collector, gpu_metrics.GPU_SECONDS, reason="passed_through") == 10
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="driver_error") == 10, "held, and not listed"
    assert of(collector, gpu_metrics.GPUS) == 4


def test_a_gpu_that_the_driver_counts_without_a_name_is_the_one_on_the_bus() -> None:
    """It has no address to compare; so as many as are counted without one are not counted on the bus again."""
    moment = Moment()
    bus = (a_gpu(1, driver="nvidia"), a_gpu(2, driver="vfio-pci"))
    lost: Device = (Absent(Why.GPU_LOST), Absent(Why.GPU_LOST))

    def devices() -> list[Device]:
        return (no_driver() and []) if moment.seconds > 10 else [lost]

    collector = a_collector(ToldClock(moment), ASource(dict), open_driver=lambda: ADriver(devices), pci=lambda: bus)
    for at in (10, 20):
        tick_at(collector, moment, at)
        assert of(collector, gpu_metrics.GPUS, accelerator="unknown") == 1
        assert of(collector, gpu_metrics.GPUS) == 2


def test_gpus_that_tell_no_address_are_those_on_the_bus(tmp_path: Path) -> None:
    """Two GPUs whose driver does not tell where they are, and two that it holds on the bus, are two."""
    moment, bus = Moment(), (a_gpu(1, driver="nvidia"), a_gpu(2, driver="nvidia"), a_gpu(3, driver="vfio-pci"))
    with an_odd_driver(tmp_path, nvmlDeviceGetPciInfo_v3=None) as driver:
        collector = a_collector(ToldClock(moment), ASource(dict), open_driver=lambda: driver, pci=lambda: bus)
        tick_at(collector, moment, 10)
    assert of(collector, gpu_metrics.GPUS, accelerator=H100) == 2
    assert of(collector, gpu_metrics.GPUS) == 3
    assert of(collector, gpu_metrics.GPU_INFO, pci_bus_id="") == 2


@pytest.mark.parametrize("written", ["0000:0a:00.0", "00000000:0A:00.0", "00000000:0a:00.0"])
def test_an_address_is_the_same_however_it_is_written(written: str) -> None:
    """Digits of domain and capital letters make no other place; what is no address is left as it is."""
    assert place(written) == "00000000:0A:00.0"
    assert place("somewhere") == "somewhere"


def test_a_bus_that_does_not_answer_keeps_what_was_there() -> None:
    """When sysfs cannot be read any longer the GPUs that it had are counted on."""
    moment, answers = Moment(), [(a_gpu(driver="vfio-pci"),), Absent(Why.NO_DATA)]
    collector = a_collector(ToldClock(moment), ASource(dict), open_driver=no_driver, pci=lambda: answers.pop(0))
    tick_at(collector, moment, 0, 60)
    assert of(collector, gpu_metrics.GPUS) == 1


drivers = st.sampled_from(["", "nvidia", "vfio-pci"])
buses = st.lists(st.builds(a_gpu, number=st.integers(0, 3), driver=drivers, vendor=st.sampled_from(Vendor)), max_size=4)
nodes = st.lists(
    st.sampled_from([well("GPU-0"), well("GPU-1"), (Absent(Why.GPU_LOST), Absent(Why.GPU_LOST))]), max_size=3
)


@given(st.lists(st.tuples(buses, st.none() | nodes), min_size=1, max_size=6))
def test_whatever_is_on_the_bus_the_books_balance(history: list[tuple[list[PciGpu], Sequence[Device] | None]]) -> None:
    """Over any change of bus, driver and devices: states are the physical time, blind has one of three reasons."""
    moment = Moment()

    def now() -> tuple[list[PciGpu], Sequence[Device] | None]:
        return history[round(moment.seconds / 60) - 1]

    def devices() -> Sequence[Device]:
        found = now()[1]
        return (no_driver() and []) if found is None else found

    collector = a_collector(
        ToldClock(moment), ASource(dict), open_driver=lambda: ADriver(devices), pci=lambda: tuple(now()[0])
    )
    for step in range(len(history)):
        tick_at(collector, moment, 60 * (step + 1))
        assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
        assert of(collector, gpu_metrics.GPU_PHYSICAL) == of(collector, gpu_metrics.GPU_SECONDS)
    blind = {
        key[-1]
        for key in values(collector.samples())
        if key[0] == gpu_metrics.GPU_SECONDS.name and GpuState.BLIND in key
    }
    assert blind <= {"passed_through", "no_driver", "foreign_vendor"}
