"""Kubelet and API server together: who holds which device, and what is known while one of them is silent."""

import subprocess
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
from support.api_server import ApiServerDouble, Fault, an_api_server
from support.api_server import a_pod as an_api_pod
from support.cluster import MAIN, Node, a_pod, a_view, flags
from support.collectors import COMMAND, ENVIRONMENT, Running, samples
from support.devices import a_dra_claim, a_plugin_claim, gpu_uuid, mig_uuid
from support.drivers import ADriver, well
from support.http import PATIENCE_SECONDS, until
from support.kubelet import a_container, a_kubelet, a_reply, a_socket_path
from support.kubelet import a_pod as a_kubelet_pod
from support.nodes import ToldClock, a_collector
from support.readings import a_reading, an_identity, total
from support.scenarios import a_node, a_scenario, a_script

from collector import contract
from collector.attribution import attribute
from collector.cluster import CALM_SECONDS, GRACE_SECONDS, SETTLE_SECONDS, KubernetesHolders
from collector.contract import GpuState, gpu_metrics, holder_metrics, node_metrics
from collector.kubelet.claims import Claim
from collector.pods.facts import ContainerKind, PodFacts
from collector.pods.troubles import Trouble
from collector.pods.view import NodeView, Stale
from collector.pods.workloads import Workload
from collector.readings import Absent, Holder, MigInstance, Why

STALE = Stale(since_unix_seconds=0.0, reason=Trouble.UNREACHABLE)
IN_DOUBT = [("pod-0", "holders_unknown")]
CROSSED = tuple(an_identity(gpu_uuid(number), index=number, minor_number=1 - number) for number in range(2))
"""Two GPUs that NVML and the kernel number the other way round: a DRA device called by its number may be either."""


@pytest.fixture
def node() -> Node:
    """A node with one pod on its first GPU."""
    return Node()


@pytest.fixture
def api() -> ApiServerDouble:  # type: ignore[misc]  # a generator, which pytest takes for what it yields
    """An API server that knows one pod of this node."""
    with an_api_server() as server:
        server.put(an_api_pod())
        yield server


def a_successor(node: Node) -> KubernetesHolders:
    """The holders of a process that starts now, and goes on from what was known."""
    held = node.source.holders()
    node.source = KubernetesHolders(node, node, devices=node, clock=ToldClock(node.moment))
    node.source.go_on_from(held)
    return node.source


def test_a_holder_is_the_claims_container_and_the_pods_facts() -> None:
    """The kubelet gives device and container, the API server UID, workload and tenant; a free device is missing."""
    (holder,) = Node().holders()[gpu_uuid(0)]
    assert holder == Holder(
        namespace="tenant-a",
        pod="pod-0",
        pod_uid="uid-pod-0",
        container="main",
        workload_kind="Job",
        workload_name="train",
        workload_uid="uid-train",
        tenant_id="t-0001",
    )
    assert (holder.workload_kind, holder.workload_uid, holder.doubt) == ("Job", "uid-train", None)
    assert Node().names() == {0: [("pod-0", "")]}


@pytest.mark.parametrize(
    ("pod", "holds"),
    [
        (a_pod(finished=True), False),
        (a_pod(deleted=True), True),
        (a_pod(finished=True, deleted=True), False),
        (a_pod(containers=(replace(MAIN, kind=ContainerKind.INIT, ended=True),)), False),
        (a_pod(containers=(replace(MAIN, kind=ContainerKind.INIT),)), True),
        (a_pod(containers=(replace(MAIN, kind=ContainerKind.SIDECAR),)), True),
        (a_pod(containers=(replace(MAIN, ended=True),)), True),
    ],
    ids=[
        "finished",
        "deleted by force",
        "finished and then deleted",
        "init ended",
        "init runs",
        "sidecar",
        "between two starts",
    ],
)
def test_what_has_ended_holds_nothing(pod: PodFacts, *, holds: bool) -> None:
    """The kubelet may list what has ended; a pod deleted by force and a container that restarts hold on."""
    assert bool(Node(view=a_view(pod)).holders()) is holds


@pytest.mark.parametrize("stale", [None, STALE])
def test_a_pod_that_nobody_told_of_holds_in_doubt(stale: Stale | None) -> None:
    """While the API server is silent known pods go on as they are, and a new one makes its device ambiguous."""
    node = Node(
        answer=(a_plugin_claim(gpu_uuid(0)), a_plugin_claim(gpu_uuid(1), pod="new")),
        view=a_view(a_pod(), stale=stale),
    )
    assert node.names() == {0: [("pod-0", "")], 1: [("new", "pod_unknown")]}
    found = attribute(a_reading(), node.holders()[gpu_uuid(1)])
    assert (found.state, found.reason, found.is_sole) == (GpuState.AMBIGUOUS, "pod_unknown", False)
    (stranger,) = node.holders()[gpu_uuid(1)]
    assert stranger.tenant_id == Absent(Why.NAMESPACE_UNKNOWN), "nobody's"


def test_a_claim_that_means_no_certain_device_makes_each_that_it_may_be_ambiguous() -> None:
    """A GPU that an unresolved claim may mean is not free."""
    node = Node(answer=(a_dra_claim("gpu-0"),), devices=CROSSED)
    assert node.names() == {0: [("pod-0", "claim_unresolved")], 1: [("pod-0", "claim_unresolved")]}


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        (a_plugin_claim(f"{gpu_uuid(9)}::3"), gpu_uuid(9)),
        (a_plugin_claim("7"), "7"),
        (a_dra_claim("gpu-7", cdi=(f"nvidia.com/gpu={gpu_uuid(9)}",)), gpu_uuid(9)),
        (a_dra_claim("gpu-7"), "node-0/gpu-7"),
    ],
)
def test_a_gpu_that_nobody_has_named_is_held_by_what_its_claim_calls_it(claim: Claim, name: str) -> None:
    """In doubt: a slip, or a GPU that the driver does not name now."""
    assert Node(answer=(claim,)).names() == {name: [("pod-0", "claim_unresolved")]}


def test_a_gpu_that_the_driver_does_not_name_has_its_holder_among_the_candidates() -> None:
    """Its time is lost, and shared by whoever holds a GPU that nothing here is called; others have nothing of it."""
    answer = (a_plugin_claim(gpu_uuid(0)), a_plugin_claim(gpu_uuid(9), pod="pod-1"))
    node = Node(answer=answer, view=a_view(a_pod(), a_pod("pod-1")), devices=(an_identity(gpu_uuid(0)),))
    nameless = Absent(Why.GPU_LOST)
    driver = ADriver(lambda: [well(gpu_uuid(0)), (nameless, nameless)])
    collector = a_collector(ToldClock(node.moment), node.source, open_driver=lambda: driver)
    node.moment.seconds += 10
    collector.tick()
    node.answer, node.moment.seconds = Absent(Why.KUBELET_GONE), node.moment.seconds + GRACE_SECONDS + 1
    collector.tick()
    page, seconds = collector.samples(), GRACE_SECONDS + 11
    shared = partial(total, page, holder_metrics.SHARED.name)
    assert total(page, gpu_metrics.GPU_SECONDS.name, state="lost", reason="gpu_lost") == seconds
    assert shared(accelerator="unknown") == shared(accelerator="unknown", pod_uid="uid-pod-1") == seconds
    assert total(page, holder_metrics.HELD.name, pod_uid="uid-pod-1") == 0


def test_both_ways_to_a_device_make_the_same_holder() -> None:
    """A pod has its UID, workload and tenant whether a device plugin or DRA gave it the GPU (dcgm-exporter#718)."""
    (plugin,) = Node(answer=(a_plugin_claim(gpu_uuid(0)),)).holders()[gpu_uuid(0)]
    (dra,) = Node(answer=(a_dra_claim("gpu-0"),)).holders()[gpu_uuid(0)]
    assert asdict(dra) == asdict(plugin)


@pytest.mark.parametrize("claim", [a_dra_claim("gpu-0"), a_plugin_claim(gpu_uuid(0))], ids=["dra", "plugin"])
def test_a_claim_on_one_gpu_hides_no_other(claim: Claim) -> None:
    """The GPUs that nobody holds stay on the page, as unallocated, once one is held (dcgm-exporter#569)."""
    node = Node(answer=(claim,))
    driver = ADriver(lambda: [well(identity.gpu_uuid) for identity in node.devices])
    collector = a_collector(ToldClock(node.moment), node.source, open_driver=lambda: driver)
    node.moment.seconds += 10
    collector.tick()
    collector.tick()
    page = collector.samples()
    assert total(page, gpu_metrics.GPU_INFO.name) == 2
    assert total(page, gpu_metrics.GPU_SECONDS.name, state="attributed") == 10
    assert total(page, gpu_metrics.GPU_SECONDS.name, state="unallocated") == 10


def test_a_holder_of_an_instance_holds_it_and_not_the_card() -> None:
    """A MIG instance is held under its own UUID."""
    mig = MigInstance(
        parent_uuid=gpu_uuid(1), gpu_instance_id=1, compute_instance_id=0,
        profile="3g.40gb", multiprocessors=60, memory_bytes=1,
    )  # fmt: skip
    cards = (an_identity(gpu_uuid(0), index=0), an_identity(gpu_uuid(1), index=1))
    node = Node(
        answer=(a_plugin_claim(mig_uuid(7), resource="nvidia.com/mig-3g.40gb"),),
        devices=(*cards, an_identity(mig_uuid(7), index=1, mig=mig)),
    )
    held = node.holders()
    assert {uuid: [(each.pod, each.doubt) for each in holders] for uuid, holders in held.items()} == {
        mig_uuid(7): [("pod-0", None)]
    }


def test_of_two_claims_on_one_device_the_certain_one_stays() -> None:
    """A container that holds a device for certain is not in doubt about it because of another claim."""
    node = Node(answer=(a_plugin_claim(gpu_uuid(0)), a_dra_claim("gpu-0")), devices=CROSSED)
    assert node.names() == {0: [("pod-0", "")], 1: [("pod-0", "claim_unresolved")]}


def test_while_the_kubelet_is_away_its_last_answer_counts_on_for_a_while() -> None:
    """A kubelet restart changes nothing for those who hold; after the grace holders are unknown, with its reason."""
    node = Node()
    node.holders()
    node.answer = Absent(Why.KUBELET_GONE)
    node.moment.seconds += GRACE_SECONDS
    assert node.names() == {0: [("pod-0", "")]}
    node.view = a_view(a_pod(finished=True))
    assert node.names() == {}, "a pod that has finished meanwhile holds nothing"
    node.moment.seconds += 1
    assert node.source.holders() == Absent(Why.KUBELET_GONE)


def test_a_kubelet_that_never_answered_leaves_holders_unknown() -> None:
    """Without a first answer nobody is said to hold nothing."""
    assert Node(answer=Absent(Why.KUBELET_SLOW)).source.holders() == Absent(Why.KUBELET_SLOW)


def test_before_the_api_server_has_said_anything_nobody_is_known() -> None:
    """In the first second of a process no pod becomes a stranger, with series of its own for a day."""
    node = Node(view=a_view(stale=Stale(since_unix_seconds=0.0, reason=Trouble.STARTING)))
    assert node.source.holders() == Absent(Why.HOLDERS_UNKNOWN)
    node.view = a_view(stale=STALE)
    assert node.names() == {0: [("pod-0", "pod_unknown")]}


def test_the_kubelet_is_asked_seldom_while_nothing_changes() -> None:
    """Every few seconds; at every look for a while after the pods have changed, and while nobody tells of changes."""
    node, asked = Node(), []

    def looks(seconds: int) -> int:
        before = node.asked
        for _ in range(seconds):
            node.moment.seconds += 1
            node.holders()
        return node.asked - before

    looks(1)  # the first look: all is new
    asked.append(looks(60))
    node.view = a_view(a_pod(), a_pod("new"))
    asked.append(looks(10))
    asked.append(looks(60))
    node.view = a_view(a_pod(), stale=STALE)
    asked.append(looks(60))
    assert [asked[1], asked[3]] == [10, 60]
    assert asked[0] <= 10 + 60 / CALM_SECONDS
    assert asked[2] == 60 / CALM_SECONDS


def test_a_kubelet_that_has_just_come_back_only_adds() -> None:
    """A restarted kubelet answers before it knows its pods again: what is missing right then has not ended."""
    node = Node()
    node.moment.seconds += CALM_SECONDS
    node.answer, node.sockets = (), 2
    assert node.names() == {0: [("pod-0", "")]}
    node.answer = (a_plugin_claim(gpu_uuid(1)),)
    assert node.names() == {0: [("pod-0", "")], 1: [("pod-0", "")]}
    node.moment.seconds += SETTLE_SECONDS
    assert node.names() == {1: [("pod-0", "")]}


def test_a_call_that_fails_is_no_restart_of_the_kubelet(node: Node) -> None:
    """However often calls fail at the same socket, whoever is missing from the answers in between has ended."""
    node.holders()
    for _ in range(4):
        node.answer = Absent(Why.KUBELET_SLOW)
        node.moment.seconds += CALM_SECONDS
        node.source.holders()
        node.answer, node.connections = (), node.connections + 1
        node.moment.seconds += 1
        assert node.names() == {}
        node.answer = (a_plugin_claim(gpu_uuid(0)),)
        node.moment.seconds += CALM_SECONDS
        assert node.names() == {0: [("pod-0", "")]}


def test_a_kubelet_that_starts_all_the_time_extends_nothing_endlessly(node: Node) -> None:
    """What its answers leave out counts for the grace of a kubelet that is away; then nobody knows, until it stays."""
    node.holders()
    node.answer, known = (), []
    for _ in range(round(GRACE_SECONDS / 5 + CALM_SECONDS / 5) + 4):
        node.sockets += 1
        node.moment.seconds += 5
        found = node.source.holders()
        known.append(found if isinstance(found, Absent) else len(found))
    assert known == [1] * round(GRACE_SECONDS / 5 + CALM_SECONDS / 5) + [Absent(Why.KUBELET_GONE)] * 4
    node.moment.seconds += SETTLE_SECONDS
    assert node.names() == {}


class TestTheFirstAnswer:
    """A collector that has just started may meet a kubelet that has just started as well."""

    def test_whoever_it_leaves_out_holds_in_doubt_until_the_kubelet_has_settled(self) -> None:
        """An empty list does not say that the devices are free, and a list of some not that the others are."""
        node = Node(answer=(a_plugin_claim(gpu_uuid(1)), a_plugin_claim(gpu_uuid(0), pod="pod-1")))
        node.view = a_view(a_pod(), a_pod("pod-1"))
        anew = a_successor(node)
        node.answer = ()
        assert node.names() == {0: [("pod-1", "holders_unknown")], 1: [("pod-0", "holders_unknown")]}
        assert attribute(a_reading(), anew.holders()[gpu_uuid(0)]).state is GpuState.AMBIGUOUS  # type: ignore[index]
        node.answer = (a_plugin_claim(gpu_uuid(1)),)
        assert node.names() == {0: [("pod-1", "holders_unknown")], 1: [("pod-0", "")]}
        node.moment.seconds += SETTLE_SECONDS
        assert node.names() == {1: [("pod-0", "")]}

    @pytest.mark.parametrize("view", [a_view(), a_view(a_pod(finished=True)), a_view(a_pod(uid="another"))])
    def test_a_pod_that_is_known_to_be_gone_holds_nothing(self, view: NodeView) -> None:
        """The API server is believed about pods that finished, are no more, or were made anew."""
        node = Node()
        a_successor(node)
        node.answer, node.view = (), view
        assert node.names() == {}
        node.view = replace(view, stale=STALE)
        assert node.names() == ({} if view.pods.get(a_pod().key) == a_pod(finished=True) else {0: IN_DOUBT})

    def test_the_command_goes_on_from_what_its_state_file_has(self, tmp_path: Path, api: ApiServerDouble) -> None:
        """After a restart of both, a GPU that was held has its holder on the page while the kubelet names nobody."""
        (uuid, _) = (identity.gpu_uuid for identity in a_script(tmp_path, a_node()).gpus)
        scenario, state = a_scenario(tmp_path, a_node()), tmp_path / "state.json"

        def is_held(running: Running) -> bool:
            found = (s for s in samples(running.page()) if s.name == gpu_metrics.GPU_HELD.name)
            return any(sample.labels["gpu_uuid"] == uuid for sample in found)

        with a_socket_path() as socket:
            keeping = (f"--state-file={state}", "--state-interval-seconds=0.2", f"--begins-at={time.time():.3f}")
            command = (f"--simulate={scenario}", *keeping, *flags(tmp_path, socket, api))
            for devices in ((uuid,), ()):
                reply = a_reply(a_kubelet_pod("pod-0", a_container(devices=devices)))
                with a_kubelet(socket, reply), Running(*command) as running:
                    until(lambda: is_held(running), "it is held")
                    running.stop(15)


def test_a_workload_without_uid_goes_by_its_name() -> None:
    """Where only a label names the workload its namespace, kind and name stand for its UID."""
    workload = Workload(kind="JobSet", name="set", uid=Absent(Why.NO_DATA))
    (holder,) = Node(view=a_view(a_pod(workload=workload))).holders()[gpu_uuid(0)]
    assert holder.workload_uid == "tenant-a/JobSet/set"


# The whole, as a process


def test_the_command_attributes_by_kubelet_and_api_server(tmp_path: Path, api: ApiServerDouble) -> None:
    """Over a real unix socket and real HTTP a pod's seconds are its tenant's; when it finishes it holds nothing."""
    scenario = a_scenario(tmp_path, a_node())
    with a_socket_path() as socket, Running(f"--simulate={scenario}", *flags(tmp_path, socket, api)) as running:

        def of(metric: contract.Metric, **labels: str) -> float:
            wanted = labels.items()
            found = [s for s in samples(running.page()) if s.name == metric.name and wanted <= s.labels.items()]
            return sum(sample.value for sample in found)

        until(lambda: of(gpu_metrics.GPU_SECONDS, reason="kubelet_gone") > 0, "the kubelet is missed")
        gpus = [s.labels["gpu_uuid"] for s in samples(running.page()) if s.name == gpu_metrics.GPU_INFO.name]
        with a_kubelet(socket, a_reply(a_kubelet_pod("pod-0", a_container(devices=(gpus[0],))))):
            until(lambda: of(holder_metrics.HELD, tenant_id="t-0001", pod_uid="uid-pod-0") > 0.3, "the tenant holds it")
            assert of(holder_metrics.HOLDER_INFO, workload_kind="Job", workload_name="train") == 1
            assert of(node_metrics.PODS_STALE) == 0
            assert of(node_metrics.DEVICE_CLAIMS, meaning="held") == 1
            assert of(gpu_metrics.GPU_RESIDUAL) == 0
            api.put(an_api_pod(phase="Succeeded"), "MODIFIED")
            until(lambda: of(holder_metrics.HOLDER_DEVICES) == 0, "the pod holds nothing")
        assert (api.count("list"), api.count("watch"), api.count("namespace")) == (1, 1, 1), "and nothing more"
        code, errors = running.stop(15)
    assert code == 0, errors
    assert "Traceback" not in errors


def looked(*arguments: str) -> str:
    """What the command prints when it is told to look once; every GPU was read."""
    command = [*COMMAND, "--once", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_one_look_says_how_kubelet_and_api_server_answer(tmp_path: Path, api: ApiServerDouble) -> None:
    """With --once both are asked, the table has what they say, and one that is silent says what to do."""
    scenario = a_scenario(tmp_path, a_node())
    with a_socket_path() as socket:
        told = looked(f"--simulate={scenario}", *flags(tmp_path, socket, api))
        assert f"kubelet:    {socket}: there is no socket" in told
        assert "API server: connected, 1 pod on this node" in told
        assert told.count("kubelet gone") == 2
        (uuid, _) = (identity.gpu_uuid for identity in a_script(tmp_path, a_node()).gpus)
        with a_kubelet(socket, a_reply(a_kubelet_pod("pod-0", a_container(devices=(uuid,))))):
            told = looked(f"--simulate={scenario}", *flags(tmp_path, socket, api))
            assert "kubelet:    connected" in told
            assert "tenant-a/pod-0/main" in told
            api.fail("list", Fault(status=403))
            told = looked(f"--simulate={scenario}", *flags(tmp_path, socket, api))
            assert "API server: stale: it may not be asked for the pods of this node" in told
