"""Allocation from end to end: the kubelet's gRPC socket, the API server's HTTP, the loop, and the page."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api_server import ApiServerDouble, an_api_server
from support.api_server import a_pod as an_api_pod
from support.cluster import MAIN, Node, a_pod, a_view, flags
from support.collectors import Running, samples
from support.devices import gpu_uuid
from support.drivers import ADriver
from support.http import until
from support.kubelet import a_container, a_kubelet, a_reply, a_socket_path, an_allocatable
from support.kubelet import a_pod as a_kubelet_pod
from support.nodes import ToldClock, a_collector
from support.nvml_library import ADevice, ALibrary, in_use
from support.procs import AProc, a_pod_cgroup, a_uid
from support.readings import a_reading, total
from support.scenarios import a_node, a_scenario
from support.sysfs import a_sysfs

from collector.contract import Metric, gpu_metrics, holder_metrics, node_metrics
from collector.devices import NodeDevices
from collector.nvml.processes import NvmlProcesses
from collector.pods.facts import ContainerKind, PodContainer, PodFacts
from collector.processes.check import ProcessCheck
from collector.processes.look import ProcessLook

ASCEND = "huawei.com/Ascend910"
ASCENDS = tuple(f"Ascend910-{number}" for number in range(3))
A_GPU_EACH = {"resources": {"limits": {"nvidia.com/gpu": "1", "memory": "1Gi"}}}


@pytest.fixture
def api() -> Iterator[ApiServerDouble]:
    """An API server without pods."""
    with an_api_server() as server:
        yield server


def of(running: Running, metric: Metric, **labels: str) -> float:
    """The sum of a served metric's samples with these labels."""
    return of_page(samples(running.page()), metric, **labels)


def of_page(page: Iterable[Any], metric: Metric, **labels: str) -> float:
    """The same of a page that has been read, for what is compared must be of one moment."""
    wanted = labels.items()
    return sum(each.value for each in page if each.name == metric.name and wanted <= each.labels.items())


def test_ascends_are_metered_by_allocation(tmp_path: Path, api: ApiServerDouble) -> None:
    """
    Two chips on the bus and a third that only the kubelet tells of: all are blind, and who was given one holds it.

    Nothing of it is observed, the third is called by its resource, and when the pod ends its chips are nobody's.
    """
    sysfs = a_sysfs(tmp_path, *[("0x19e5", "0xd802", "0x120000", "davinci")] * 2)
    api.put(an_api_pod())
    given = a_reply(a_kubelet_pod("pod-0", a_container(resource=ASCEND, devices=ASCENDS[1:])))
    every = an_allocatable(huawei_com_Ascend910=ASCENDS)
    with (
        a_socket_path() as socket,
        a_kubelet(socket, given, allocatable=every),
        Running(*flags(tmp_path, socket, api), f"--sysfs-root={sysfs}") as running,
    ):
        beyond = f"Huawei {ASCEND}"
        until(lambda: of(running, holder_metrics.HELD, accelerator=beyond, tenant_id="t-0001") > 0.3, "it is held")
        assert of(running, holder_metrics.HELD, accelerator="Huawei device d802", pod_uid="uid-pod-0") > 0.3
        assert of(running, holder_metrics.HOLDER_DEVICES) == 2
        assert of(running, holder_metrics.OBSERVED) == of(running, holder_metrics.BUSY) == 0
        assert of(running, gpu_metrics.GPUS) == 3
        assert of(running, gpu_metrics.GPU_SECONDS, state="blind", reason="foreign_vendor") > 0.9
        page = samples(running.page())
        assert of_page(page, gpu_metrics.GPU_SECONDS) == of_page(page, gpu_metrics.GPU_SECONDS, state="blind")
        assert of(running, gpu_metrics.GPU_RESIDUAL) == 0
        assert of(running, node_metrics.DEVICE_CLAIMS, meaning="blind") == 2
        assert of(running, node_metrics.KUBELET_ERRORS) == 0
        api.put(an_api_pod(phase="Succeeded"), "MODIFIED")
        until(lambda: of(running, holder_metrics.HOLDER_DEVICES) == 0, "nobody holds a chip")
        _, errors = running.stop(15)
    assert "Traceback" not in errors
    assert "holders.unknown_devices" not in errors


def test_gpus_are_ambiguous_while_an_init_container_runs(tmp_path: Path, api: ApiServerDouble) -> None:
    """What a running init container asks for and the kubelet does not list may be any free GPU, until it has ended."""
    scenario = a_scenario(tmp_path, a_node(gpus=2))
    pod = an_api_pod(phase="Pending", initContainers=[{"name": "warm-up", **A_GPU_EACH}])
    api.put(pod)
    with (
        a_socket_path() as socket,
        a_kubelet(socket, a_reply(a_kubelet_pod("pod-0", a_container()))),
        Running(f"--simulate={scenario}", *flags(tmp_path, socket, api)) as running,
    ):
        until(lambda: of(running, gpu_metrics.GPU_SECONDS, state="ambiguous", reason="init") > 0.3, "it may hold them")
        assert of(running, holder_metrics.SHARED, container="warm-up", tenant_id="t-0001") > 0.3
        assert of(running, holder_metrics.HELD) == 0
        ended = {"name": "warm-up", "state": {"terminated": {"exitCode": 0}}}
        api.put({**pod, "status": {"phase": "Running", "initContainerStatuses": [ended]}}, "MODIFIED")
        until(lambda: of(running, holder_metrics.HOLDER_DEVICES) == 0, "it holds nothing")
        assert of(running, gpu_metrics.GPU_RESIDUAL) == 0


# The check on processes, upon kubelet and API server


def a_starting_pod(number: int) -> PodFacts:
    """A pod whose init container asks for a GPU."""
    init = PodContainer(name="warm-up", kind=ContainerKind.INIT, ended=False, asks=(("nvidia.com/gpu", 1),))
    return a_pod(f"pod-{number}", uid=a_uid(number), containers=(init, MAIN))


@pytest.mark.parametrize(
    ("pods", "states", "shared"),
    [
        ([a_pod("pod-1", uid=a_uid(1))], {("ambiguous", "not_held"): 10, ("unallocated", ""): 10}, {"pod-1": 10}),
        ([a_starting_pod(1)], {("ambiguous", "init"): 20}, {"pod-1": 20}),
        (
            [a_pod("pod-1", uid=a_uid(1)), a_starting_pod(2)],
            {("ambiguous", "not_held"): 10, ("ambiguous", "init"): 10},
            {"pod-1": 10, "pod-2": 20},
        ),
    ],
    ids=["without a claim", "starting", "beside one that starts"],
)
def test_a_pod_without_a_claim_that_computes_is_named(
    tmp_path: Path, pods: list[PodFacts], states: dict[tuple[str, str], float], shared: dict[str, float]
) -> None:
    """Pod 1 computes on a GPU of two that the kubelet lists for nobody: it is a candidate, by name, and not sole."""
    node, proc = Node(answer=(), view=a_view(*pods)), AProc(tmp_path)
    proc.put(101, a_pod_cgroup(a_uid(1)))
    library = ALibrary(**{gpu_uuid(0): ADevice(compute=[(101, 1)]), gpu_uuid(1): ADevice()})
    readings = {gpu_uuid(0): a_reading(busy=0.5), gpu_uuid(1): a_reading(busy=0.0)}

    def check(devices: NodeDevices) -> ProcessCheck:
        lists = NvmlProcesses(devices.whole_cards, devices.errors)
        look = ProcessLook(lists, proc=proc.path, boot_ns=lambda: 10**12)
        return ProcessCheck(look, pods=node.source.known_pods)

    collector = a_collector(
        ToldClock(node.moment), node.source, open_driver=lambda: ADriver(lambda: tuple(readings.items())), check=check
    )
    node.moment.seconds += 10
    with in_use(library):
        for _ in range(2):  # at one moment: on its first page a holder's counters are 0
            collector.tick()
    found = collector.samples()
    for (state, reason), seconds in states.items():
        assert total(found, gpu_metrics.GPU_SECONDS.name, state=state, reason=reason) == seconds
    for pod, seconds in shared.items():
        assert total(found, holder_metrics.SHARED.name, workload_pod=pod) == seconds
    assert total(found, holder_metrics.HELD.name) == total(found, gpu_metrics.GPU_RESIDUAL.name) == 0
