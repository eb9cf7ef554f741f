"""Holders by allocation, init containers, and what the check on processes is told of pods, in memory."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cluster import MAIN, Node, a_pod, a_view
from support.devices import a_plugin_claim, gpu_uuid
from support.nodes import ASource, ToldClock, a_collector
from support.readings import an_identity, total

from collector.attribution import attribute
from collector.cluster import ALLOCATABLE_SECONDS, CALM_SECONDS, SETTLE_SECONDS, KubernetesHolders
from collector.contract import GpuState, Metric, gpu_metrics, holder_metrics, node_metrics
from collector.kubelet.claims import Claim, PluginDevice
from collector.loop import Collector
from collector.nvml import NoDriver
from collector.pci import PciGpu, Vendor
from collector.pods.facts import ContainerKind, PodContainer, PodFacts
from collector.pods.troubles import Trouble
from collector.pods.view import Stale
from collector.readings import Absent, Why
from collector.state.file import StateFile
from collector.state.keeper import Keeper

ASCEND = "huawei.com/Ascend910"
BLIND = Absent(Why.FOREIGN_VENDOR)
NPUS = tuple(
    PciGpu(
        pci_bus_id=f"00000000:0{number}:00.0",
        vendor=Vendor.HUAWEI,
        accelerator="Huawei device d802",
        driver="davinci",
    )
    for number in range(2)
)

OF_VENDORS = tuple(
    PciGpu(pci_bus_id=f"00000000:{number}0:00.0", vendor=vendor, accelerator=f"{vendor} device", driver=driver)
    for number, (vendor, driver) in enumerate(
        [(Vendor.NVIDIA, "vfio-pci"), (Vendor.AMD, "amdgpu"), (Vendor.HUAWEI, "davinci"), (Vendor.NVIDIA, "nvidia")]
    )
)
"""A GPU that was given away, one of AMD's, an Ascend chip, and a GPU that NVML reads."""


def ascends(*numbers: int) -> frozenset[PluginDevice]:
    """Ascend chips as their plugin registers them."""
    return frozenset(PluginDevice(resource=ASCEND, device_id=f"Ascend910-{number}") for number in numbers)


def an_ascend(number: int, *, pod: str = "pod-0") -> Claim:
    """A claim on one."""
    return a_plugin_claim(f"Ascend910-{number}", resource=ASCEND, pod=pod)


def an_init(
    name: str = "warm-up", *, gpus: int = 1, resource: str = "nvidia.com/gpu", ended: bool = False
) -> PodContainer:
    """An ordinary init container that asks for so many devices of a resource."""
    return PodContainer(name=name, kind=ContainerKind.INIT, ended=ended, asks=((resource, gpus),))


def a_starting_pod(name: str = "pod-0", *inits: PodContainer, **other: object) -> PodFacts:
    """A pod whose init containers run."""
    return a_pod(name, containers=(*(inits or (an_init(),)), MAIN), **other)


class TestAccelerators:
    """Devices that nothing here reads, held by allocation."""

    def test_a_container_holds_what_it_was_given(self) -> None:
        """An Ascend chip on the bus has the container as its sole holder, and stays blind."""
        node = Node(answer=(an_ascend(1),), bus=NPUS, all_devices=ascends(0, 1))
        assert node.names() == {NPUS[1].key: [("pod-0", "")]}
        found = attribute(BLIND, node.holders()[NPUS[1].key])
        assert (found.state, found.reason, found.is_sole) == (GpuState.BLIND, "foreign_vendor", True)

    def test_an_id_keeps_its_device_whoever_else_comes(self) -> None:
        """All devices that could be given are placed, not only those that are: a new claim moves nobody."""
        node = Node(answer=(an_ascend(1),), bus=NPUS, all_devices=ascends(0, 1))
        node.answer = (an_ascend(0, pod="pod-1"), an_ascend(1))
        node.view = a_view(a_pod(), a_pod("pod-1"))
        assert node.names() == {NPUS[0].key: [("pod-1", "")], NPUS[1].key: [("pod-0", "")]}

    def test_two_containers_on_one_device_share_it(self) -> None:
        """Neither holds it alone."""
        node = Node(answer=(an_ascend(0), an_ascend(0, pod="pod-1")), view=a_view(a_pod(), a_pod("pod-1")), bus=NPUS)
        holders = node.holders()[NPUS[0].key]
        assert [holder.pod for holder in holders] == ["pod-0", "pod-1"]
        assert not attribute(BLIND, holders).is_sole

    def test_a_part_of_a_device_is_held_in_doubt(self) -> None:
        """A virtual chip is a part of a chip, and not its whole."""
        claim = a_plugin_claim("Ascend910-2c-100-0", resource=ASCEND + "-2c")
        assert Node(answer=(claim,), bus=NPUS).names() == {NPUS[0].key: [("pod-0", "claim_unresolved")]}

    def test_a_virtual_machine_holds_the_gpus_of_its_group(self) -> None:
        """KubeVirt's virt-launcher pod holds the GPU that was passed through; one that NVML had read by its UUID."""
        bus = tuple(
            PciGpu(
                pci_bus_id=f"00000000:{number:02X}:00.0",
                vendor=Vendor.NVIDIA,
                accelerator="NVIDIA device 2330",
                driver="vfio-pci",
                iommu_group=str(60 + number),
            )
            for number in range(2)
        )
        node = Node(
            answer=tuple(a_plugin_claim(str(60 + number), resource="nvidia.com/pgpu") for number in range(2)),
            bus=bus,
            devices=(an_identity(gpu_uuid(3), pci_bus_id="00000000:01:00.0"),),
        )
        assert node.names() == {bus[0].key: [("pod-0", "")], 3: [("pod-0", "")]}

    def test_claims_are_counted_by_what_they_mean(self) -> None:
        """A claim on a blind accelerator is neither held like a GPU that is read nor something else."""
        other = a_plugin_claim("x", resource="example.com/widget")
        node = Node(answer=(a_plugin_claim(gpu_uuid(0)), an_ascend(0), other), bus=NPUS)
        node.holders()
        samples = [each for each in node.source.samples(("n", "p")) if each.metric is node_metrics.DEVICE_CLAIMS]
        assert {each.label_values[2]: each.value for each in samples} == {"held": 1, "blind": 1, "other": 1}

    def test_all_devices_are_asked_for_once_a_minute(self) -> None:
        """However often the holders are asked for; what was there before is there still while there is no answer."""
        node = Node(answer=(), all_devices=ascends(0))
        assert node.source.beyond_bus() == {"Huawei-Ascend910-0": f"Huawei {ASCEND}"}
        for node.moment.seconds in (10.0, 30.0, ALLOCATABLE_SECONDS - CALM_SECONDS):
            node.holders()
        assert node.asked_for_all == 1
        node.all_devices, node.moment.seconds = Absent(Why.KUBELET_ERROR), ALLOCATABLE_SECONDS
        node.holders()
        assert (node.asked_for_all, len(node.source.beyond_bus())) == (2, 1)
        node.all_devices, node.moment.seconds = frozenset(), 2 * ALLOCATABLE_SECONDS
        node.holders()
        assert node.source.beyond_bus() == {}

    def test_a_kubelet_that_has_just_come_back_takes_no_device_away(self) -> None:
        """Device plugins register anew after it: what is missing right then is there."""
        node = Node(answer=(), all_devices=ascends(0, 1))
        node.sockets, node.all_devices, node.moment.seconds = 2, ascends(0), ALLOCATABLE_SECONDS
        node.holders()
        assert len(node.source.beyond_bus()) == 2

    def test_a_device_beyond_the_bus_has_holders_once_it_is_counted(self) -> None:
        """The devices were looked at before the kubelet told of it: from the next look on it is there."""
        node = Node(answer=())
        node.answer = (an_ascend(0),)
        assert node.names() == {}
        assert node.names() == {"Huawei-Ascend910-0": [("pod-0", "")]}

    def test_a_silent_kubelet_leaves_the_holders_unknown(self) -> None:
        """Without an answer no device is said to be held by nobody."""
        assert Node(answer=Absent(Why.KUBELET_GONE), bus=NPUS).source.holders() == Absent(Why.KUBELET_GONE)


def test_held_seconds_grow_by_allocation_and_none_is_observed() -> None:
    """A blind chip's holder has its device-seconds under the chip's name, no observed ones, and the books balance."""
    node = Node(answer=(an_ascend(0), an_ascend(2)), bus=NPUS, all_devices=ascends(0, 1, 2))
    collector = a_collector(ToldClock(node.moment), node.source, open_driver=_no_driver, pci=lambda: NPUS)
    collector._devices.count_also(node.source.beyond_bus)
    for _ in range(4):
        node.moment.seconds += 10
        collector.tick()
    samples = collector.samples()

    def of(metric: str, **labels: str) -> float:
        return total(samples, metric, **labels)

    assert of(gpu_metrics.GPUS.name) == 3
    assert of(gpu_metrics.GPUS.name, accelerator=f"Huawei {ASCEND}") == 1
    assert of(holder_metrics.HELD.name, accelerator="Huawei device d802") == 40
    assert of(holder_metrics.HELD.name, accelerator=f"Huawei {ASCEND}") == 40
    assert of(holder_metrics.OBSERVED.name) == of(holder_metrics.BUSY.name) == of(holder_metrics.SHARED.name) == 0
    assert of(holder_metrics.HOLDER_DEVICES.name) == 2
    assert of(gpu_metrics.GPU_SECONDS.name, state="blind", reason="foreign_vendor") == 3 * 40
    assert of(gpu_metrics.GPU_PHYSICAL.name) == of(gpu_metrics.GPU_SECONDS.name)
    assert of(gpu_metrics.GPU_RESIDUAL.name) == 0


class ARestart:
    """A node with one chip beyond the bus, whose collector is killed and started again as its command does it."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(answer=(an_ascend(0),), view=a_view(a_pod(), a_pod("pod-1")))
        self._file = StateFile(folder / "state.json", node="node-a", provenance="simulated")

    def life(self, *seconds: float) -> Collector:
        """A collector that begins at the first of these moments and ticks at the others."""
        node, clock = self.node, ToldClock(self.node.moment)
        node.moment.seconds = seconds[0]
        sources: list[KubernetesHolders] = []
        keeper = Keeper(self._file, interval_seconds=0.0)
        later = ASource(lambda: sources[0].holders())
        collector = a_collector(clock, later, open_driver=_no_driver, pci=lambda: node.bus, keeper=keeper)
        sources.append(KubernetesHolders(node, node, devices=collector._devices, clock=clock))
        collector._devices.count_also(sources[0].beyond_bus)
        for node.moment.seconds in seconds[1:]:
            collector.tick()
        self._file.close()
        return collector


class TestARestart:
    """Time in which no collector ran, of a device that neither the driver nor the bus shows."""

    CHIP = f"Huawei {ASCEND}"

    @pytest.fixture
    def restart(self, tmp_path: Path) -> ARestart:
        """Pod 0 has held the chip for a while, and the collector has been killed."""
        restart = ARestart(tmp_path)
        restart.life(0, 10, 20, 30)
        return restart

    def found(self, collector: Collector, metric: Metric, **labels: str) -> float:
        """The sum of a metric of the chip; the books balance."""
        samples = collector.samples()
        assert total(samples, gpu_metrics.GPU_RESIDUAL.name) == 0
        assert total(samples, gpu_metrics.GPU_SECONDS.name) == total(samples, gpu_metrics.GPU_PHYSICAL.name)
        return total(samples, metric.name, accelerator=self.CHIP, **labels)

    def test_who_held_it_at_either_end_may_have_held_it(self, restart: ARestart) -> None:
        """The chip is there from the first look on: the time is lost, and unwatched for both pods."""
        restart.node.answer = (an_ascend(0, pod="pod-1"),)
        collector = restart.life(80, 90, 100)
        assert self.found(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="collector_down") == 50
        assert [self.found(collector, holder_metrics.UNWATCHED, workload_pod=f"pod-{n}") for n in (0, 1)] == [50, 50]
        assert self.found(collector, holder_metrics.HELD, workload_pod="pod-1") == 20

    @pytest.mark.parametrize("silent", ["kubelet", "API server"])
    def test_it_stays_counted_while_nobody_tells_of_it(self, restart: ARestart, silent: str) -> None:
        """Until kubelet and API server are heard, the chip is blind, and who held it last may hold it on."""
        if silent == "kubelet":
            restart.node.answer = Absent(Why.KUBELET_GONE)
        else:
            restart.node.view = a_view(stale=Stale(since_unix_seconds=0.0, reason=Trouble.STARTING))
        collector = restart.life(80, 90, 100, 110)
        assert self.found(collector, gpu_metrics.GPUS) == 1
        assert self.found(collector, holder_metrics.UNWATCHED, workload_pod="pod-0") == 50
        assert self.found(collector, holder_metrics.SHARED, workload_pod="pod-0") == 30

    def test_one_that_has_gone_is_let_go_when_the_kubelet_says_so(self, restart: ARestart) -> None:
        """The time before the restart is its holder's all the same; after the first answer it is counted no more."""
        restart.node.answer = ()
        collector = restart.life(80, 90, 100)
        assert self.found(collector, holder_metrics.UNWATCHED, workload_pod="pod-0") == 50
        assert self.found(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="collector_down") == 50
        assert self.found(collector, gpu_metrics.GPUS) == 0

    def test_one_that_has_gone_from_the_bus_was_its_holders(self, tmp_path: Path) -> None:
        """A chip that the bus showed, and that was taken out while no collector ran, is its holder's until then."""
        restart = ARestart(tmp_path)
        restart.node.bus = NPUS[:1]
        restart.life(0, 10, 20, 30)
        restart.node.bus, restart.node.answer = (), ()
        samples = restart.life(80, 90, 100).samples()
        assert total(samples, holder_metrics.UNWATCHED.name, accelerator=NPUS[0].accelerator) == 50
        assert total(samples, gpu_metrics.GPU_RESIDUAL.name) == 0


def _no_driver() -> object:
    raise NoDriver("there is none", code="LIBRARY_NOT_FOUND")


class TestInitContainers:
    """What the kubelet's list leaves out."""

    def test_free_gpus_are_ambiguous_while_an_init_container_runs(self) -> None:
        """It holds some of the GPUs that nobody is known to hold; which, nobody says, until it has ended."""
        node = Node(answer=(a_plugin_claim(gpu_uuid(0)),), view=a_view(a_pod(), a_starting_pod("pod-1")))
        assert node.names() == {0: [("pod-0", "")], 1: [("pod-1", "init")]}
        assert node.holders()[gpu_uuid(1)][0].container == "warm-up"
        node.view = a_view(a_pod(), a_starting_pod("pod-1", an_init(ended=True)))
        assert node.names() == {0: [("pod-0", "")]}

    @pytest.mark.parametrize(
        ("named", "asked", "holds"),
        [((), 1, True), ((0,), 1, False), ((0,), 2, True), ((0, 1), 2, False), ((), 0, False)],
    )
    def test_only_what_the_list_leaves_out_is_missing(self, named: tuple[int, ...], asked: int, holds: bool) -> None:
        """Devices that the list names for the pod's other containers are those that the init container hands on."""
        node = Node(
            answer=tuple(a_plugin_claim(gpu_uuid(number)) for number in named),
            view=a_view(a_starting_pod("pod-0", an_init(gpus=asked))),
            devices=tuple(an_identity(gpu_uuid(number), index=number) for number in range(3)),
        )
        free = {number: [("pod-0", "init")] for number in range(3) if number not in named}
        assert node.names() == {number: [("pod-0", "")] for number in named} | (free if holds else {})

    def test_every_pod_that_starts_is_a_candidate(self) -> None:
        """Of two pods either may hold a free GPU, and one in doubt may be theirs as well."""
        stranger = a_plugin_claim(gpu_uuid(1), pod="new")
        node = Node(answer=(stranger,), view=a_view(a_starting_pod("pod-0"), a_starting_pod("pod-1")))
        both = [("pod-0", "init"), ("pod-1", "init")]
        assert node.names() == {0: both, 1: [("new", "pod_unknown"), *both]}

    @pytest.mark.parametrize(
        "other",
        [
            {"finished": True},
            {"deleted": True},
            {"containers": (replace(an_init(), kind="sidecar"),)},
        ],
    )
    def test_others_hold_what_the_list_says(self, other: dict[str, object]) -> None:
        """A pod that has finished or was deleted starts nothing any longer, and a sidecar is in the list."""
        assert Node(answer=(), view=a_view(a_pod(**{"containers": (an_init(),), **other}))).names() == {}

    @pytest.mark.parametrize(
        ("resource", "may_hold"),
        [
            ("nvidia.com/gpu", {0, 1}),
            ("nvidia.com/mig-1g.10gb", {0, 1}),
            ("nvidia.com/pgpu", {OF_VENDORS[0].key}),
            ("amd.com/gpu", {OF_VENDORS[1].key}),
            (ASCEND, {OF_VENDORS[2].key}),
            ("habana.ai/gaudi", {"Habana-x"}),
            ("example.com/widget", set()),
        ],
    )
    def test_an_init_container_may_hold_what_its_resource_hands_out(
        self, resource: str, may_hold: set[int | str]
    ) -> None:
        """Of each vendor's devices those that nobody is known to hold, and never another vendor's."""
        gaudi = PluginDevice(resource="habana.ai/gaudi", device_id="x")
        init = a_view(a_pod(), a_starting_pod("pod-1", an_init(resource=resource)))
        node = Node(answer=(), view=init, bus=OF_VENDORS, all_devices=frozenset({gaudi}))
        assert node.names() == {key: [("pod-1", "init")] for key in may_hold}

    def test_a_chip_that_is_held_or_handed_on_is_none_of_an_init_containers(self) -> None:
        """One chip is another pod's, and the other is the one that the list names for the pod itself."""
        view = a_view(a_pod(), a_starting_pod("pod-1", an_init(resource=ASCEND)))
        node = Node(answer=(an_ascend(0),), view=view, bus=NPUS)
        assert node.names() == {NPUS[0].key: [("pod-0", "")], NPUS[1].key: [("pod-1", "init")]}
        node.answer, node.moment.seconds = (an_ascend(1, pod="pod-1"), an_ascend(0)), 2 * SETTLE_SECONDS
        assert node.names() == {NPUS[0].key: [("pod-0", "")], NPUS[1].key: [("pod-1", "")]}

    def test_other_resources_do_not_count(self) -> None:
        """A device of another resource that the list names is none of the GPUs that the init container asks for."""
        node = Node(answer=(an_ascend(0),), view=a_view(a_starting_pod()), bus=NPUS)
        assert node.names() == {NPUS[0].key: [("pod-0", "")], 0: [("pod-0", "init")], 1: [("pod-0", "init")]}


class TestKnownPods:
    """What the check on processes is told."""

    def test_pods_without_a_device_can_be_named(self) -> None:
        """Each once, by its first container that runs; neither those that hold one nor those that have finished."""
        sidecar = PodContainer(name="proxy", kind=ContainerKind.SIDECAR, ended=False)
        node = Node(
            view=a_view(
                a_pod(),
                a_pod("pod-1", containers=(an_init(ended=True), sidecar, MAIN)),
                a_pod("pod-2", finished=True),
                a_pod("pod-3", deleted=True),
            )
        )
        node.holders()
        known = node.source.known_pods()
        assert [(each.pod_uid, each.container) for each in known.others] == [
            ("uid-pod-1", "proxy"),
            ("uid-pod-3", "main"),
        ]
        assert (known.initialising, known.servers) == (frozenset(), frozenset())

    def test_pods_of_the_operators_namespaces_are_servers(self) -> None:
        """Where the MPS control daemon runs, by the setting; nobody else is one."""
        node = Node(
            view=a_view(a_pod(), a_pod("mps", namespace="gpu-operator")), servers_in=frozenset({"gpu-operator"})
        )
        node.holders()
        assert node.source.known_pods().servers == {"uid-mps"}

    def test_pods_that_start_are_known(self) -> None:
        """Those whose ordinary init containers have not ended."""
        node = Node(view=a_view(a_pod(), a_starting_pod("pod-1", an_init(gpus=0))))
        node.holders()
        assert node.source.known_pods().initialising == {"uid-pod-1"}


counts = st.integers(0, 3)


@given(st.lists(st.tuples(counts, counts, st.booleans()), max_size=3), st.integers(0, 4))
def test_an_init_container_takes_nobodys_gpu(pods: list[tuple[int, int, bool]], gpus: int) -> None:
    """Whoever is known to hold a GPU holds it alone; the others are everybody's who may, or nobody's."""
    claims, views, next_gpu = [], [], 0
    for number, (asked, named, ended) in enumerate(pods):
        claims += [a_plugin_claim(gpu_uuid(next_gpu + each), pod=f"pod-{number}") for each in range(named)]
        next_gpu += named
        views.append(a_starting_pod(f"pod-{number}", an_init(gpus=asked, ended=ended)))
    devices = tuple(an_identity(gpu_uuid(number), index=number) for number in range(next_gpu + gpus))
    held = Node(answer=tuple(claims), view=a_view(*views), devices=devices).holders()
    missing = {f"pod-{number}" for number, (asked, named, ended) in enumerate(pods) if asked > named and not ended}
    for number, device in enumerate(devices):
        holders = held.get(device.gpu_uuid, ())
        if number < next_gpu:
            assert [holder.doubt for holder in holders] == [None]
        else:
            assert {holder.pod for holder in holders} == missing
            assert all(holder.doubt == Absent(Why.INIT) for holder in holders)
