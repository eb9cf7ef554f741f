"""Ids of other vendors' device plugins, and the devices on the bus that they mean."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.foreign import MAKERS, Placement, placed
from collector.kubelet.claims import PluginDevice
from collector.pci import NO_GROUP, PciGpu, Vendor
from collector.readings import Absent, Why

AMD, ASCEND, GAUDI, PGPU = "amd.com/gpu", "huawei.com/Ascend910", "habana.ai/gaudi", "nvidia.com/pgpu"


def a_device(device_id: str, resource: str = ASCEND) -> PluginDevice:
    """A device as its plugin calls it."""
    return PluginDevice(resource=resource, device_id=device_id)


def on_bus(number: int, vendor: Vendor = Vendor.HUAWEI, *, driver: str = "davinci", group: int | None = None) -> PciGpu:
    """An accelerator at an address made of this number."""
    return PciGpu(
        pci_bus_id=f"00000000:{number:02X}:00.0",
        vendor=vendor,
        accelerator=f"{vendor} device d802",
        driver=driver or Absent(Why.NO_DRIVER),
        iommu_group=NO_GROUP if group is None else str(group),
    )


def found(*given: PluginDevice, bus: tuple[PciGpu, ...] = (), known: dict[str, str] | None = None) -> Placement:
    """Where they are, without what there is to be had."""
    return replace(placed(given, bus, known or {}), devices={})


def key(number: int) -> str:
    """What the device at this address is called."""
    return f"pci-00000000:{number:02X}:00.0"


@pytest.mark.parametrize("device_id", ["0000:0b:00.0", "0000:0B:00.0", "0000:0b:00.0-slice-3"])
def test_an_address_names_its_device(device_id: str) -> None:
    """An AMD id is the card's address, also with the number of a time slice, whatever the order."""
    device = a_device(device_id, AMD)
    bus = tuple(on_bus(number, Vendor.AMD, driver="amdgpu") for number in (10, 11))
    assert found(device, bus=bus) == Placement(keys={device: (key(11),)})


def test_every_vendors_devices_are_what_its_resources_can_hand_out() -> None:
    """Those on the bus, of NVIDIA's those that were given away; and those that were handed out and are not on it."""
    bus = (on_bus(1), on_bus(2, Vendor.NVIDIA, driver="nvidia"), on_bus(3, Vendor.NVIDIA, driver="vfio-pci"))
    assert placed((a_device("gaudi-0", GAUDI),), bus, {}).devices == {
        Vendor.AMD: (), Vendor.HUAWEI: (key(1),), Vendor.HABANA: ("Habana-gaudi-0",), Vendor.NVIDIA: (key(3),),
    }  # fmt: skip


def test_an_address_that_is_not_on_the_bus_is_a_device_all_the_same() -> None:
    """It takes no other card's place, and its accelerator is called by the resource."""
    here, gone = a_device("0000:0a:00.0", AMD), a_device("0000:0c:00.0", AMD)
    assert found(here, gone, bus=(on_bus(10, Vendor.AMD), on_bus(11, Vendor.AMD))) == Placement(
        keys={here: (key(10),), gone: ("AMD-00000000:0C:00.0",)}, beyond={"AMD-00000000:0C:00.0": "AMD amd.com/gpu"}
    )


def test_a_name_of_its_own_is_the_next_device_in_order() -> None:
    """Ids are put in order by number and devices by address; what is more than the bus shows is beyond it."""
    ids = [a_device(f"Ascend910-{number}") for number in (2, 10, 1)]
    assert found(*ids, bus=(on_bus(5), on_bus(3))) == Placement(
        keys={ids[2]: (key(3),), ids[0]: (key(5),), ids[1]: ("Huawei-Ascend910-10",)},
        beyond={"Huawei-Ascend910-10": "Huawei huawei.com/Ascend910"},
    )


def test_vendors_do_not_mix() -> None:
    """A Gaudi's serial number means none of the devices of another vendor, nor one that a virtual machine has."""
    device = a_device("AN04005692", GAUDI)
    bus = (on_bus(1), on_bus(2, Vendor.HABANA, driver="vfio-pci"), on_bus(3, Vendor.HABANA, driver="habanalabs"))
    assert found(device, bus=bus).keys == {device: (key(3),)}


def test_a_part_is_in_doubt() -> None:
    """A virtual Ascend chip is a part of the chip whose number it ends in, and counts as no device of its own."""
    part, whole = a_device("Ascend910-2c-100-1", ASCEND + "-2c"), a_device("Ascend910-0")
    assert found(part, whole, bus=(on_bus(1), on_bus(2))) == Placement(
        keys={whole: (key(1),), part: (key(2),)}, parts=frozenset({part})
    )
    assert found(part).beyond == {"Huawei-Ascend910-1": "Huawei huawei.com/Ascend910"}


def test_partitions_make_no_cards() -> None:
    """A cut AMD card has one id with its address and others that do not say whose part they are: all are in doubt."""
    first, other = a_device("0000:0a:00.0", "amd.com/cpx_nps4"), a_device("amdgpu_xcp_30", "amd.com/cpx_nps4")
    bus = (on_bus(10, Vendor.AMD, driver="amdgpu"), on_bus(11, Vendor.AMD, driver="amdgpu"))
    assert found(first, other, bus=bus) == Placement(
        keys={first: (key(10),), other: (key(10), key(11))}, parts=frozenset({first, other})
    )
    assert found(other) == Placement(), "a part of nothing that is known"


@pytest.mark.parametrize(("vendor", "resource"), [(Vendor.AMD, AMD), (Vendor.NVIDIA, PGPU)])
def test_a_virtual_machine_has_its_whole_iommu_group(vendor: Vendor, resource: str) -> None:
    """KubeVirt's ids are IOMMU groups: all devices of that group, and none that the host kept."""
    bus = (
        on_bus(1, vendor, driver="vfio-pci", group=65),
        on_bus(2, vendor, driver="vfio-pci", group=65),
        on_bus(3, vendor, driver="vfio-pci", group=66),
        on_bus(4, vendor, driver="nvidia", group=67),
    )
    device = a_device("65", resource)
    assert found(device, bus=bus) == Placement(keys={device: (key(1), key(2))})


def test_a_passed_through_gpu_that_was_known_keeps_its_uuid() -> None:
    """A GPU that the driver read before it was given away is held under its UUID."""
    device = a_device("65", "nvidia.com/GH100_H100_SXM5_80GB")
    bus = (on_bus(1, Vendor.NVIDIA, driver="vfio-pci", group=65),)
    assert found(device, bus=bus, known={"00000000:01:00.0": "GPU-0"}).keys == {device: ("GPU-0",)}


@pytest.mark.parametrize(
    "device",
    [
        a_device("67", PGPU),
        a_device("GPU-0", "nvidia.com/gpu"),
        a_device("65", "nvidia.com/gpu"),
        a_device("5a1c2b1e-0000-4000-8000-000000000000", "nvidia.com/NVIDIA_A40-4Q"),
        a_device("x", "huawei.com/Ascend910-memory"),
        a_device("x", "example.com/widget"),
        a_device("x", "habana.ai/goya"),
    ],
)
def test_other_things_are_left_alone(device: PluginDevice) -> None:
    """GPUs that the driver reads, vGPUs, counts of memory and other vendors' things are none of these."""
    bus = (
        on_bus(1, Vendor.NVIDIA, driver="vfio-pci", group=65),
        on_bus(2, Vendor.NVIDIA, driver="nvidia", group=67),
    )
    assert found(device, bus=bus) == Placement()


resources = st.sampled_from([AMD, ASCEND, GAUDI, PGPU, "amd.com/cpx_nps4", "huawei.com/Ascend910-2c"])
ids = st.one_of(
    st.integers(0, 12).map(lambda number: f"Ascend910-{number}"),
    st.integers(0, 12).map(lambda number: f"AN{number:06}"),
    st.integers(0, 5).map(lambda number: f"0000:{number:02x}:00.0"),
    st.integers(0, 5).map(str),
    st.builds("Ascend910-2c-{}-{}".format, st.integers(100, 102), st.integers(0, 5)),
    st.integers(0, 5).map(lambda number: f"amdgpu_xcp_{number}"),
)
given_out = st.lists(st.builds(a_device, ids, resources), max_size=12)
buses = st.lists(
    st.builds(
        on_bus,
        st.integers(0, 7),
        st.sampled_from(Vendor),
        driver=st.sampled_from(["", "vfio-pci", "host"]),
        group=st.none() | st.integers(0, 5),
    ),
    max_size=8,
    unique_by=lambda gpu: gpu.pci_bus_id,
)


@given(given_out, buses, st.randoms(use_true_random=False))
def test_no_order_matters(devices: list[PluginDevice], bus: list[PciGpu], random: st.DataObject) -> None:
    """Shuffled and repeated ids, and a shuffled bus, give the same answer."""
    expected = placed(devices, bus, {})
    shuffled, turned = devices * 2, list(bus)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random, which hypothesis made
    random.shuffle(turned)  # type: ignore[attr-defined]
    again = placed(shuffled, turned, {})
    assert again == expected
    assert list(again.beyond) == list(expected.beyond)


@given(st.integers(0, 9), st.integers(0, 9), st.sampled_from([(Vendor.HUAWEI, ASCEND), (Vendor.HABANA, GAUDI)]))
def test_each_name_has_a_device_and_each_device_one_name(count: int, size: int, of: tuple[Vendor, str]) -> None:
    """Whole devices that their ids do not place: one each, none twice, and none lost, however many the bus shows."""
    vendor, resource = of
    bus = tuple(on_bus(number, vendor) for number in range(size))
    made = found(*(a_device(f"Ascend910-{number}", resource) for number in range(count)), bus=bus)
    every = [each for keys in made.keys.values() for each in keys]
    assert len(made.keys) == len(every) == len(set(every)) == count
    assert len(made.beyond) == max(0, count - size)
    assert set(every) >= {key(number) for number in range(min(count, size))} | made.beyond.keys()


@given(given_out, buses)
def test_every_key_is_a_device_that_is_counted(devices: list[PluginDevice], bus: list[PciGpu]) -> None:
    """An id means devices of its vendor on the bus or beyond it, and whole ids for certain no more than a group."""
    made = placed(devices, bus, {})
    on = {gpu.key: gpu for gpu in bus}
    for device, keys in made.keys.items():
        (maker,) = (maker for maker in MAKERS if maker.resources.fullmatch(device.resource))
        assert keys
        assert all(each in made.beyond or on[each].vendor is maker.vendor for each in keys)
        if device not in made.parts and len(keys) > 1:
            assert {on[each].iommu_group for each in keys} == {device.device_id}
    assert not made.beyond.keys() & on.keys()
