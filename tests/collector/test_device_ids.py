import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.devices import (
    NO_DATA,
    a_dra_claim,
    a_gpu,
    a_name,
    a_node,
    a_plugin_claim,
    an_instance,
    gpu_uuid,
    mig_uuid,
)

from collector.kubelet.claims import Claim
from collector.kubelet.dialects import Unclear
from collector.kubelet.ids import DEFAULT_NAMING, Held, Naming, Resolution, Unresolved, resolve
from collector.kubelet.table import Device, DeviceTable

MIG = an_instance(1, on=1, gi=3, place=(9, 4))
OTHER_MIG = an_instance(2, on=1, gi=5, place=(19, 0))
NODE = a_node(4, MIG, OTHER_MIG)
ALL_GPUS = tuple(gpu_uuid(number) for number in range(4))
CROSSED = DeviceTable(  # NVML's order is not the kernel's, as on the machines of PrincetonUniversity/jobstats#34
    gpus=(a_gpu(0, minor=1), a_gpu(1, minor=0), a_gpu(2)), instances=(MIG,)
)


def device_of(claim: Claim, table: DeviceTable = NODE, naming: Naming = DEFAULT_NAMING) -> Device:
    """The device that the claim means for certain."""
    (held,) = resolve([claim], table, naming).held
    return held.device


def doubt_of(
    claim: Claim, table: DeviceTable = NODE, naming: Naming = DEFAULT_NAMING
) -> tuple[Unclear, tuple[str, ...]]:
    """Why the claim means no certain device, and which GPUs it may be."""
    (unresolved,) = resolve([claim], table, naming).unresolved
    return unresolved.reason, unresolved.possible


@pytest.mark.parametrize(
    ("device_id", "device"),
    [
        (gpu_uuid(2), a_gpu(2)),
        (f"{gpu_uuid(2)}::3", a_gpu(2)),
        ("2", a_gpu(2)),
        ("2::0", a_gpu(2)),
        ("nvidia2", a_gpu(2)),
        ("nvidia2/vgpu3", a_gpu(2)),
        (mig_uuid(1), MIG),
        (f"{mig_uuid(1)}::7", MIG),
        (f"MIG-{gpu_uuid(1)}/3/0", MIG),
        (f"MIG-{gpu_uuid(1)}/3/0::2", MIG),
        ("nvidia1/gi3", MIG),
        ("nvidia1/gi3/vgpu0", MIG),
        ("00000000:3D:00.0", a_gpu(2)),
        ("0000:3d:00.0", a_gpu(2)),
    ],
)
def test_every_dialect_leads_to_its_device(device_id: str, device: Device) -> None:
    """Each form of id means one device of the node, with or without a replica's number (dcgm-exporter#272, #307)."""
    assert device_of(a_plugin_claim(device_id)) == device


@pytest.mark.parametrize(
    ("name", "device"),
    [("gpu-2", a_gpu(2)), ("gpu-1-mig-9-4-4", MIG), ("gpu-1-mig-1g12gb-19-0", OTHER_MIG)],
)
def test_dra_names_lead_to_the_same_devices(name: str, device: Device) -> None:
    """A device that DRA hands out is the one a device plugin would have (dcgm-exporter#714, #718)."""
    assert device_of(a_dra_claim(name)) == device


@pytest.mark.parametrize(
    "resource", ["nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb", "nvidia.com/mig-1g.10gb.shared"]
)
def test_nvidias_resources_may_number_devices(resource: str) -> None:
    """In the resources of NVIDIA's and GKE's plugins a mere number means a device."""
    assert device_of(a_plugin_claim("nvidia3", resource=resource)) == a_gpu(3)


@pytest.mark.parametrize("resource", ["nvidia.com/a100", "example.com/h100", "nvidia.com/GH100_H100_SXM5"])
def test_a_uuid_counts_whatever_the_resource_is_called(resource: str) -> None:
    """Resources that a provider named itself need no setting where ids name hardware (dcgm-exporter#314)."""
    for device_id in (gpu_uuid(1), f"{gpu_uuid(1)}::1", "0000:3c:00.0"):
        assert device_of(a_plugin_claim(device_id, resource=resource)) == a_gpu(1)


def test_numbers_in_a_custom_resource_need_the_setting() -> None:
    """An id that only numbers a device means nothing in an unknown resource, and a device once its prefix is set."""
    claim = a_plugin_claim("nvidia1", resource="example.com/h100-large")
    assert resolve([claim], NODE).others == (claim,)
    assert device_of(claim, naming=Naming(resources=("nvidia.com/gpu", "example.com/"))) == a_gpu(1)


@pytest.mark.parametrize(
    ("resource", "device_id"),
    [
        ("amd.com/gpu", "0"),
        ("amd.com/gpu", "0000:83:00.0"),
        ("huawei.com/Ascend910", "Ascend910-1"),
        ("habana.ai/gaudi", "0"),
        ("gpu.intel.com/i915", "card0-1"),
        ("iluvatar.ai/MR-V100-vgpu", gpu_uuid(99)),  # Iluvatar's UUIDs begin like NVIDIA's
        ("nvidia.com/hostdev", "0000:03:00.0"),  # a network card
        ("nvidia.com/GH100_H100_SXM5", "13"),  # passed through to a virtual machine: the id is an IOMMU group
    ],
)
def test_what_is_not_a_gpu_of_this_driver_is_given_back_apart(resource: str, device_id: str) -> None:
    """Other makers' accelerators and other devices keep resource and id, and never become a GPU of the same number."""
    claim = a_plugin_claim(device_id, resource=resource)
    assert resolve([claim], NODE) == Resolution(held=(), unresolved=(), others=(claim,))


@pytest.mark.parametrize("driver", ["gpu.amd.com", "compute-domain.nvidia.com", "dra.net"])
def test_other_dra_drivers_are_given_back_apart(driver: str) -> None:
    """A device of another driver is not a GPU of ours, though it be called ``gpu-0``."""
    claim = a_dra_claim("gpu-0", driver=driver)
    assert resolve([claim], NODE).others == (claim,)


@pytest.mark.parametrize(
    ("device_id", "doubt"),
    [
        (gpu_uuid(99), (Unclear.NO_SUCH_DEVICE, ())),
        (mig_uuid(99), (Unclear.NO_SUCH_DEVICE, ())),
        (f"MIG-{gpu_uuid(1)}/7/0", (Unclear.NO_SUCH_DEVICE, ())),
        ("nvidia9", (Unclear.NO_SUCH_DEVICE, ())),
        ("nvidia1/gi9", (Unclear.NO_SUCH_DEVICE, ())),
        ("17", (Unclear.NO_SUCH_DEVICE, ())),
        (f"{gpu_uuid(1)}-17", (Unclear.CHOSEN_ELSEWHERE, ALL_GPUS)),
        (f"{gpu_uuid(1)}-_-4", (Unclear.CHOSEN_ELSEWHERE, ALL_GPUS)),
        (f"shared/{gpu_uuid(1)}", (Unclear.UNKNOWN_FORM, ALL_GPUS)),
        ("9" * 5000, (Unclear.UNKNOWN_FORM, ALL_GPUS)),  # int() refuses so many digits
        ("٣", (Unclear.UNKNOWN_FORM, ALL_GPUS)),  # a digit, and not one of ours
        ("tegra", (Unclear.UNKNOWN_FORM, ALL_GPUS)),
        ("", (Unclear.UNKNOWN_FORM, ALL_GPUS)),
    ],
)
def test_what_cannot_be_resolved_says_why(device_id: str, doubt: tuple[Unclear, tuple[str, ...]]) -> None:
    """A claim without a certain device is kept, with its reason and the GPUs that it may be."""
    assert doubt_of(a_plugin_claim(device_id)) == doubt


@pytest.mark.parametrize("uuid", ["GPU-mock-0", "GPU-ABCDEF", "mock 0"])
@pytest.mark.parametrize("replica", ["", "::3"])
def test_a_uuid_of_any_form_is_its_device(uuid: str, replica: str) -> None:
    """What the driver calls a device means that device, though no NVIDIA driver has UUIDs like it."""
    odd = dataclasses.replace(a_gpu(1), gpu_uuid=uuid)
    table = DeviceTable(gpus=(a_gpu(0), odd))
    assert device_of(a_plugin_claim(uuid + replica, resource="example.com/gpu"), table) == odd


def test_an_address_means_no_gpu_that_tells_none() -> None:
    """A GPU whose driver does not tell its PCI address is never taken for the one at an address."""
    table = DeviceTable(gpus=(dataclasses.replace(a_gpu(0), pci_bus_id=NO_DATA), a_gpu(1)))
    assert device_of(a_plugin_claim("0000:3c:00.0"), table) == a_gpu(1)
    assert doubt_of(a_plugin_claim("0000:3b:00.0"), table) == (Unclear.NO_SUCH_DEVICE, ())


def test_a_place_holder_never_becomes_its_device() -> None:
    """HAMi's ids carry the UUID of a GPU that the container need not have got: 5 named, 8 used (HAMi#1741)."""
    claims = [a_plugin_claim(f"{gpu_uuid(gpu)}-{number}") for gpu, number in ((0, 17), (0, 6), (1, 1))]
    resolution = resolve(claims, NODE)
    assert resolution.holders() == {}
    assert resolution.possible_by_gpu() == dict.fromkeys(ALL_GPUS, (a_name(),))


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("gpu-9", (Unclear.NO_SUCH_DEVICE, ())),
        ("gpu-1-mig-9-0-4", (Unclear.NO_SUCH_DEVICE, ())),
        ("gpu-vfio-0", (Unclear.PASSED_THROUGH, ())),
        ("imex-channel-0", (Unclear.UNKNOWN_FORM, ALL_GPUS)),
        (NO_DATA, (Unclear.UNKNOWN_FORM, ALL_GPUS)),
    ],
)
def test_a_dra_claim_that_cannot_be_resolved_says_why(name: str, doubt: tuple[Unclear, tuple[str, ...]]) -> None:
    """DRA claims too are kept, with reason."""
    assert doubt_of(a_dra_claim(name)) == doubt


def test_index_and_minor_number_are_not_the_same() -> None:
    """Where NVML and the kernel count differently, each id goes by its own number."""
    assert device_of(a_plugin_claim("0"), CROSSED) == CROSSED.gpus[0]
    assert device_of(a_plugin_claim("nvidia0"), CROSSED) == CROSSED.gpus[1]
    assert device_of(a_plugin_claim("nvidia0/gi3"), CROSSED) == MIG


def test_a_dra_number_counts_only_where_both_countings_agree() -> None:
    """DRA names gave NVML's index once and give the minor number now: where the two differ, the device is in doubt."""
    assert device_of(a_dra_claim("gpu-2"), CROSSED) == CROSSED.gpus[2]
    assert doubt_of(a_dra_claim("gpu-0"), CROSSED) == (Unclear.SEVERAL_DEVICES, (gpu_uuid(0), gpu_uuid(1)))


def test_a_lost_gpus_number_is_not_anothers_index() -> None:
    """When a GPU falls off, the next one takes its index: the old claim does not move to it."""
    table = DeviceTable(gpus=(a_gpu(0), a_gpu(1, minor=2)))
    assert doubt_of(a_dra_claim("gpu-1"), table) == (Unclear.NUMBER_UNKNOWN, (gpu_uuid(1),))
    assert device_of(a_dra_claim("gpu-2"), table) == table.gpus[1]


def test_what_the_driver_publishes_decides() -> None:
    """A UUID that the DRA driver publishes, or names in CDI, stands above the number in a name."""
    published = dataclasses.replace(CROSSED, published={("node-0", "gpu-0"): gpu_uuid(2)})
    assert device_of(a_dra_claim("gpu-0"), published) == CROSSED.gpus[2]
    assert device_of(a_dra_claim("gpu-0", cdi=(f"nvidia.com/gpu={gpu_uuid(1)}",)), CROSSED) == CROSSED.gpus[1]
    assert device_of(a_dra_claim("whole", driver="gpu.example.com", cdi=(f"x/y={mig_uuid(1)}",))) == MIG
    stale = dataclasses.replace(CROSSED, published={("node-0", "gpu-2"): gpu_uuid(99)})
    assert doubt_of(a_dra_claim("gpu-2"), stale) == (Unclear.NO_SUCH_DEVICE, ())


def test_numbers_that_the_driver_does_not_give_leave_a_doubt() -> None:
    """Without minor numbers every GPU may be ``nvidia0``; one that is known to have it is meant alone."""
    unnumbered = DeviceTable(gpus=tuple(a_gpu(number, minor=NO_DATA) for number in range(2)), instances=(MIG,))
    assert doubt_of(a_plugin_claim("nvidia0"), unnumbered) == (Unclear.NUMBER_UNKNOWN, (gpu_uuid(0), gpu_uuid(1)))
    assert doubt_of(a_plugin_claim("nvidia1/gi3"), unnumbered) == (Unclear.NUMBER_UNKNOWN, (gpu_uuid(1),))
    half = DeviceTable(gpus=(a_gpu(0), a_gpu(1, minor=NO_DATA)))
    assert device_of(a_plugin_claim("nvidia0"), half) == half.gpus[0]


def test_placements_that_the_driver_does_not_give_leave_a_doubt() -> None:
    """A DRA name goes by placement: without it the instance is in doubt, and its GPU is not."""
    table = a_node(2, dataclasses.replace(MIG, placement=NO_DATA), an_instance(9, on=0, gi=3))
    assert doubt_of(a_dra_claim("gpu-1-mig-9-4-4"), table) == (Unclear.NUMBER_UNKNOWN, (gpu_uuid(1),))


def test_a_dra_instance_counts_where_one_gpu_alone_has_it() -> None:
    """Either counting may be meant: an instance on one GPU alone is certain, one on a GPU without number not."""
    assert device_of(a_dra_claim("gpu-0-mig-9-4-4"), CROSSED) == MIG
    both = dataclasses.replace(CROSSED, instances=(MIG, an_instance(9, on=0, gi=1, place=(9, 4))))
    assert doubt_of(a_dra_claim("gpu-0-mig-9-4-4"), both) == (Unclear.SEVERAL_DEVICES, (gpu_uuid(0), gpu_uuid(1)))
    unnumbered = DeviceTable(gpus=(a_gpu(1, minor=NO_DATA),), instances=(MIG,))
    assert doubt_of(a_dra_claim("gpu-1-mig-9-4-4"), unnumbered) == (Unclear.NUMBER_UNKNOWN, (gpu_uuid(1),))


def test_a_gpu_instance_with_several_compute_instances_is_in_doubt() -> None:
    """GKE names a GPU instance: divided further, which part is held is not said."""
    table = a_node(2, MIG, an_instance(3, on=1, gi=3, ci=1))
    assert doubt_of(a_plugin_claim("nvidia1/gi3"), table) == (Unclear.SEVERAL_DEVICES, (gpu_uuid(1),))


def test_partitioning_anew_moves_no_claim() -> None:
    """After MIG was partitioned anew, a claim on an instance of before means none of those of now."""
    anew = a_node(4, an_instance(7, on=1, gi=3, place=(9, 4)))
    assert doubt_of(a_plugin_claim(mig_uuid(1)), anew) == (Unclear.NO_SUCH_DEVICE, ())


def test_several_containers_on_one_device_share_it() -> None:
    """Replicas of one GPU in two containers are one device with two holders; two replicas in one are one holder."""
    claims = [
        a_plugin_claim(f"{gpu_uuid(0)}::0", pod="a"),
        a_plugin_claim(f"{gpu_uuid(0)}::1", pod="a"),
        a_plugin_claim(f"{gpu_uuid(0)}::2", pod="b"),
        a_dra_claim("gpu-1", pod="c", share_id="1"),
        a_dra_claim("gpu-1", pod="d", share_id="2"),
    ]
    assert resolve(claims, NODE).holders() == {
        a_gpu(0): (a_name("a"), a_name("b")),
        a_gpu(1): (a_name("c"), a_name("d")),
    }


def test_instances_belong_to_their_gpu() -> None:
    """Holders of two instances are apart by device, and together by GPU."""
    resolution = resolve([a_plugin_claim(mig_uuid(1), pod="a"), a_plugin_claim("nvidia1/gi5", pod="b")], NODE)
    assert resolution.holders() == {MIG: (a_name("a"),), OTHER_MIG: (a_name("b"),)}
    assert resolution.holders_by_gpu() == {gpu_uuid(1): (a_name("a"), a_name("b"))}


def test_one_container_may_hold_both_ways() -> None:
    """Device plugin and DRA add up in one container, and leave the other GPUs free (dcgm-exporter#569)."""
    resolution = resolve([a_plugin_claim(gpu_uuid(0)), a_dra_claim("gpu-1")], NODE)
    assert set(resolution.holders_by_gpu()) == {gpu_uuid(0), gpu_uuid(1)}


numbers = st.integers(0, 5)
ids = st.one_of(
    numbers.map(gpu_uuid),
    numbers.map(mig_uuid),
    numbers.map(str),
    st.builds("{}::{}".format, numbers.map(gpu_uuid), numbers),
    st.builds("nvidia{}/gi{}/vgpu{}".format, numbers, numbers, numbers),
    st.builds("nvidia{}/vgpu{}".format, numbers, numbers),
    st.builds("{}-{}".format, numbers.map(gpu_uuid), numbers),
    st.text(max_size=20),
)
pods = st.sampled_from(["a", "b", "c"])
resources = st.sampled_from(["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu", "example.com/h100"])
names = st.one_of(
    numbers.map("gpu-{}".format),
    st.builds("gpu-{}-mig-{}-{}-4".format, numbers, numbers, numbers),
    st.text(max_size=20),
)
claims = st.lists(
    st.one_of(
        st.builds(a_plugin_claim, ids, resource=resources, pod=pods),
        st.builds(a_dra_claim, names, pod=pods, cdi=st.lists(ids, max_size=1).map(tuple)),
    ),
    max_size=8,
)
tables = st.sampled_from([NODE, CROSSED, a_node(0), a_node(1)])


@given(claims, tables, st.randoms(use_true_random=False))
def test_the_order_of_claims_means_nothing(claims: list[Claim], table: DeviceTable, order: random.Random) -> None:
    """Shuffled or repeated, the same claims have the same resolution (dcgm-exporter#432)."""
    shuffled = claims + claims[:2]
    order.shuffle(shuffled)
    assert resolve(shuffled, table) == resolve(claims, table)


@given(claims, tables)
def test_no_claim_is_lost(claims: list[Claim], table: DeviceTable) -> None:
    """Every claim comes out exactly once: with its device, with its doubt, or apart."""
    resolution = resolve(claims, table)
    out: list[Claim] = [each.claim for each in (*resolution.held, *resolution.unresolved)]
    assert sorted((*out, *resolution.others), key=repr) == sorted(set(claims), key=repr)


@given(claims, tables)
def test_claims_do_not_speak_about_each_other(claims: list[Claim], table: DeviceTable) -> None:
    """A claim means the same alone as among others."""
    alone = [resolve([claim], table) for claim in claims]
    together = resolve(claims, table)
    assert set(together.held) == {each for one in alone for each in one.held}
    assert set(together.unresolved) == {each for one in alone for each in one.unresolved}


@given(claims, tables)
def test_only_devices_of_the_node_are_named(claims: list[Claim], table: DeviceTable) -> None:
    """Whatever an id says, a device that the driver does not list is never held, nor possible."""
    resolution = resolve(claims, table)
    assert {each.device for each in resolution.held} <= set(table.devices)
    assert set(resolution.possible_by_gpu()) <= {gpu.gpu_uuid for gpu in table.gpus}


@given(claims)
def test_without_devices_nothing_is_held(claims: list[Claim]) -> None:
    """On a node whose driver lists nothing no claim is resolved, and those on GPUs are still told."""
    resolution = resolve(claims, a_node(0))
    assert resolution.held == ()
    assert all(isinstance(each, Unresolved) and not each.possible for each in resolution.unresolved)


def test_a_resolution_is_by_claim() -> None:
    """What is held names the claim it comes from."""
    claim = a_plugin_claim(gpu_uuid(0))
    assert resolve([claim], NODE).held == (Held(claim=claim, device=a_gpu(0)),)
