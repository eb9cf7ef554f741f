import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.kubelet import (
    Held,
    a_container,
    a_dra_container,
    a_full_node,
    a_kubelet,
    a_pod,
    a_reply,
    a_socket_path,
    an_allocatable,
    refusing,
)

from collector.kubelet.claims import Claim, ContainerName, DynamicClaim, PluginClaim, PluginDevice
from collector.kubelet.client import DEFAULT_SOCKET, LONGEST_REPLY_BYTES, Kubelet
from collector.kubelet.podresources.api_pb2 import ListPodResourcesRequest, ListPodResourcesResponse
from collector.readings import Absent, Why

NO_DATA = Absent(Why.NO_DATA)
FOUR_MIB = 4 * 2**20
ONE_GPU = a_reply(a_pod("pod-0", a_container(devices=("GPU-0",))))


@pytest.fixture
def socket() -> Iterator[Path]:
    """Where the kubelet's socket is, or will be."""
    with a_socket_path() as path:
        yield path


@pytest.fixture
def kubelet(socket: Path) -> Iterator[Kubelet]:
    """The client, which nobody has asked anything yet."""
    with Kubelet(socket) as client:
        yield client


def a_claim(device_id: str = "GPU-0", *, container: str = "main", pod: str = "pod-0") -> PluginClaim:
    """A claim of ``nvidia.com/gpu`` in ``tenant-a``."""
    name = ContainerName(namespace="tenant-a", pod=pod, container=container)
    return PluginClaim(container=name, resource="nvidia.com/gpu", device_id=device_id)


def listed(kubelet: Kubelet) -> tuple[Claim, ...]:
    """The claims, of a kubelet that must answer."""
    claims = kubelet.list()
    assert not isinstance(claims, Absent), kubelet.problem
    return claims


def test_a_claim_is_container_resource_and_id(socket: Path, kubelet: Kubelet) -> None:
    """Every device of every container is a claim; a container without devices makes none."""
    reply = a_reply(
        a_pod("pod-0", a_container("main", devices=("GPU-0", "GPU-1")), a_container("logs")),
        a_pod("pod-1", a_container("x", resource="amd.com/gpu", devices=("0",)), namespace="tenant-b"),
    )
    with a_kubelet(socket, reply):
        assert listed(kubelet) == (
            a_claim("GPU-0"),
            a_claim("GPU-1"),
            PluginClaim(
                container=ContainerName(namespace="tenant-b", pod="pod-1", container="x"),
                resource="amd.com/gpu",
                device_id="0",
            ),
        )
    assert kubelet.problem == ""
    assert not kubelet.errors


def test_nobody_is_an_answer(socket: Path, kubelet: Kubelet) -> None:
    """A node on which nobody holds a device answers with no claims, which is not Absent."""
    with a_kubelet(socket, a_reply(a_pod("pod-0", a_container()))):
        assert kubelet.list() == ()


def test_native_sidecars_are_containers(socket: Path, kubelet: Kubelet) -> None:
    """An init container that goes on beside the main one, as v1 lists it, holds what it holds (dcgm-exporter#498)."""
    reply = a_reply(a_pod("pod-0", a_container("sidecar", devices=("GPU-1",)), a_container(devices=("GPU-0",))))
    with a_kubelet(socket, reply):
        assert set(listed(kubelet)) == {a_claim("GPU-0"), a_claim("GPU-1", container="sidecar")}


def test_pods_that_have_ended_are_passed_on(socket: Path, kubelet: Kubelet) -> None:
    """A finished pod that is still listed still claims: only the Kubernetes API knows that it ended (K8s#132020)."""
    reply = a_reply(*(a_pod(pod, a_container(devices=("GPU-0",))) for pod in ("ended", "running")))
    with a_kubelet(socket, reply):
        assert listed(kubelet) == (a_claim(pod="ended"), a_claim(pod="running"))


def test_a_resource_that_is_listed_for_each_numa_node_counts_once(socket: Path, kubelet: Kubelet) -> None:
    """An id that stands in the entries of two NUMA nodes is one claim, and two entries of a resource are all read."""
    container = a_container(devices=("GPU-0", "GPU-1"))
    for node, devices in ((0, ("GPU-0",)), (1, ("GPU-2",))):
        entry = container.devices.add(resource_name="nvidia.com/gpu", device_ids=devices)
        entry.topology.nodes.add(ID=node)
    with a_kubelet(socket, a_reply(a_pod("pod-0", container))):
        assert listed(kubelet) == (a_claim("GPU-0"), a_claim("GPU-1"), a_claim("GPU-2"))


def test_dynamic_claims_carry_all_their_names(socket: Path, kubelet: Kubelet) -> None:
    """A DRA device brings claim, driver, pool, device, CDI names and share; what is not there is Absent."""
    shared = a_dra_container("shared", devices=("gpu-1",), share_id="3f2a")
    whole = a_dra_container("whole", devices=("gpu-0",))
    whole.dynamic_resources[0].claim_resources[0].ClearField("device_name")
    with a_kubelet(socket, a_reply(a_pod("pod-0", shared, whole))):
        assert listed(kubelet) == tuple(
            DynamicClaim(
                container=ContainerName(namespace="tenant-a", pod="pod-0", container=container),
                claim_namespace="tenant-a",
                claim="gpus",
                driver="gpu.nvidia.com",
                pool="node-0",
                device=device,
                cdi_names=(cdi,),
                share_id=share,
            )
            for container, device, cdi, share in (
                ("shared", "gpu-1", "k8s.gpu.nvidia.com/claim=0b5e-gpu-1", "3f2a"),
                ("whole", NO_DATA, "k8s.gpu.nvidia.com/claim=0b5e-gpu-0", NO_DATA),
            )
        )


def test_a_container_may_have_both_kinds(socket: Path, kubelet: Kubelet) -> None:
    """Device plugin and DRA side by side in one container give a claim each (dcgm-exporter#569, #718)."""
    container = a_dra_container(devices=("gpu-1",))
    container.devices.add(resource_name="nvidia.com/gpu", device_ids=["GPU-0"])
    with a_kubelet(socket, a_reply(a_pod("pod-0", container))):
        assert {type(claim) for claim in listed(kubelet)} == {PluginClaim, DynamicClaim}


def test_the_kubelets_order_means_nothing(socket: Path, kubelet: Kubelet) -> None:
    """Kubelets list pods in the order of a Go map: the same claims in another order are an equal answer."""
    pods = list(a_full_node(8, 4).pod_resources)
    answers = []
    for seed in range(3):
        random.Random(seed).shuffle(pods)
        with a_kubelet(socket, a_reply(*pods)):
            answers.append(listed(kubelet))
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == 32


def a_large_reply(at_least_bytes: int) -> ListPodResourcesResponse:
    """A reply of at least this size."""
    pod_bytes = a_full_node(1, 8).ByteSize()
    return a_full_node(at_least_bytes // pod_bytes + 1, 8)


def test_a_reply_above_grpcs_own_limit_is_read(socket: Path, kubelet: Kubelet) -> None:
    """A reply of 6 MiB, which gRPC refuses unless told otherwise, is read whole (dcgm-exporter#509)."""
    reply = a_large_reply(6 * 2**20)
    assert FOUR_MIB < reply.ByteSize() < LONGEST_REPLY_BYTES
    with a_kubelet(socket, reply):
        assert len(listed(kubelet)) == 8 * len(reply.pod_resources)


def test_a_reply_above_the_cap_is_its_own_reason(socket: Path) -> None:
    """What is larger than the cap is refused unread, with a reason of its own that says what to raise."""
    with Kubelet(socket, longest_reply_bytes=1000) as kubelet, a_kubelet(socket, a_large_reply(2000)):
        assert kubelet.list() == Absent(Why.KUBELET_REPLY_TOO_LARGE)
        assert "raise longest_reply_bytes (RESOURCE_EXHAUSTED)" in kubelet.problem
        assert kubelet.errors == {"RESOURCE_EXHAUSTED": 1}


def test_a_kubelet_that_limits_the_rate_is_not_a_large_reply(socket: Path, kubelet: Kubelet) -> None:
    """The kubelet answers more than 100 calls a second with the same code; it is not taken for a reply too large."""
    with a_kubelet(socket, refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit")):
        assert kubelet.list() == Absent(Why.KUBELET_ERROR)
    assert "asked too often" in kubelet.problem


def test_one_call_however_many_pods(socket: Path, kubelet: Kubelet) -> None:
    """A node full of pods costs one call a look over one connection (gpu-manager#99)."""
    reply, calls = a_full_node().SerializeToString(), list[str]()

    def answer(_request: ListPodResourcesRequest, context: Any) -> bytes:
        calls.append(context.peer())
        return reply

    with a_kubelet(socket, answer):
        assert len(listed(kubelet)) == len(listed(kubelet)) == 16 * 8
    assert (len(calls), kubelet.connections) == (2, 1)


def test_a_slow_kubelet_is_left_at_the_deadline(socket: Path) -> None:
    """No answer within the deadline is a reason, and the call ends there."""
    slow = Held()
    with Kubelet(socket, deadline_seconds=0.05) as kubelet, a_kubelet(socket, slow):
        try:
            assert kubelet.list() == Absent(Why.KUBELET_SLOW)
            assert "overloaded" in kubelet.problem
        finally:
            slow.release()
        assert kubelet.errors == {"DEADLINE_EXCEEDED": 1}


def test_after_a_failure_the_connection_is_a_new_one(socket: Path, kubelet: Kubelet) -> None:
    """A failed connection is not used again: gRPC would wait longer and longer before it tries it."""
    answers = [b"\xff", b""]
    with a_kubelet(socket, lambda _request, _context: answers.pop(0)):
        assert isinstance(kubelet.list(), Absent)
        assert kubelet.list() == ()
    assert (kubelet.connections, kubelet.sockets) == (2, 1)


def test_no_socket_is_said_without_a_call(socket: Path, kubelet: Kubelet) -> None:
    """Where there is no socket no connection is tried, and the words name the path."""
    assert kubelet.list() == Absent(Why.KUBELET_GONE)
    assert kubelet.problem.startswith(f"{socket}: there is no socket")
    assert kubelet.errors == {"no_socket": 1}
    assert kubelet.connections == 0


def test_a_socket_that_nobody_serves_is_another_reason_in_words(socket: Path, kubelet: Kubelet) -> None:
    """A file at the socket's path, with nobody behind it, says that nothing answers."""
    socket.touch()
    assert kubelet.list() == Absent(Why.KUBELET_GONE)
    assert "nothing answers" in kubelet.problem
    assert kubelet.errors == {"UNAVAILABLE": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
@pytest.mark.parametrize("forbid", ["socket", "folder"])
def test_a_socket_that_may_not_be_opened_is_no_permission(socket: Path, kubelet: Kubelet, forbid: str) -> None:
    """Permission denied, at the socket or on the way to it, is told apart from a kubelet that is gone."""
    forbidden = socket if forbid == "socket" else socket.parent
    with a_kubelet(socket, ONE_GPU):
        before = forbidden.stat().st_mode
        forbidden.chmod(0)
        try:
            assert kubelet.list() == Absent(Why.NO_PERMISSION)
        finally:
            forbidden.chmod(before)
        assert kubelet.errors == {"no_permission": 1}
        assert listed(kubelet) == (a_claim(),)


def test_a_kubelet_with_v1alpha1_alone_is_not_supported(socket: Path, kubelet: Kubelet) -> None:
    """An old kubelet is not asked in the version that leaves out sidecars and DRA; the words say what is needed."""
    with a_kubelet(socket, ONE_GPU, version="v1alpha1"):
        assert kubelet.list() == Absent(Why.NOT_SUPPORTED)
    assert "Kubernetes 1.20 or newer (UNIMPLEMENTED)" in kubelet.problem


@pytest.mark.parametrize("nonsense", [b"\xff\xff", b"\x0a\x04\x12\x02\xff\xfe"])
def test_a_reply_that_is_none_is_an_error(socket: Path, kubelet: Kubelet, nonsense: bytes) -> None:
    """Bytes that are no message, or a name that is no text, are counted under a code of our own."""
    with a_kubelet(socket, lambda _request, _context: nonsense):
        assert kubelet.list() == Absent(Why.KUBELET_ERROR)
    assert kubelet.errors == {"undecodable": 1}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_is_a_reason_and_is_counted(socket: Path, kubelet: Kubelet, code: grpc.StatusCode) -> None:
    """Whatever code the kubelet refuses with, the answer is Absent, the code is counted, and words say what to do."""
    with a_kubelet(socket, refusing(code, "tenant-a/pod-0 is the matter")):
        answer = kubelet.list()
    assert isinstance(answer, Absent)
    assert kubelet.errors == {code.name: 1}
    assert kubelet.problem.endswith(f"({code.name})")
    assert "tenant-a" not in kubelet.problem


def test_one_connection_is_kept(socket: Path, kubelet: Kubelet) -> None:
    """Calls that succeed share one connection."""
    with a_kubelet(socket, ONE_GPU):
        assert [listed(kubelet) for _ in range(5)] == [(a_claim(),)] * 5
    assert kubelet.connections == 1


def test_a_kubelet_that_comes_back_is_heard_at_once(
    socket: Path, kubelet: Kubelet, caplog: pytest.LogCaptureFixture
) -> None:
    """Gone and back at the same path: Absent meanwhile, logged once, and the first call after it is answered."""
    with caplog.at_level(logging.INFO):
        for device in ("GPU-0", "GPU-1"):
            with a_kubelet(socket, a_reply(a_pod("pod-0", a_container(devices=(device,))))):
                assert listed(kubelet) == (a_claim(device),)
            assert [kubelet.list() for _ in range(3)] == [Absent(Why.KUBELET_GONE)] * 3
    assert [record.message.split()[0] for record in caplog.records] == [
        "kubelet.silent",
        "kubelet.heard",
        "kubelet.silent",
    ]
    assert (kubelet.connections, kubelet.sockets) == (2, 2)
    assert sum(kubelet.errors.values()) == 6


def test_a_replaced_socket_is_followed(socket: Path, kubelet: Kubelet) -> None:
    """A new socket at the path is the kubelet, for new clients and old, even while the one of before still answers."""
    with a_kubelet(socket, a_reply(a_pod("old", a_container(devices=("GPU-0",))))):
        assert listed(kubelet) == (a_claim(pod="old"),)
        socket.rename(socket.with_name("moved.sock"))
        with a_kubelet(socket, a_reply(a_pod("new", a_container(devices=("GPU-0",))))), Kubelet(socket) as another:
            assert listed(another) == listed(kubelet) == (a_claim(pod="new"),)
    assert kubelet.connections == 2


def test_closing_twice_or_before_asking_is_harmless(socket: Path, kubelet: Kubelet) -> None:
    """close() may come at any time, and a client that was closed can be asked again."""
    kubelet.close()
    kubelet.close()
    with a_kubelet(socket, ONE_GPU):
        assert listed(kubelet) == (a_claim(),)
        kubelet.close()
        assert listed(kubelet) == (a_claim(),)


def test_any_path_will_do(socket: Path) -> None:
    """A path with characters that mean something in an address is taken as it is."""
    odd = socket.with_name("a b%20#?.sock")
    with a_kubelet(socket, ONE_GPU), Kubelet(odd) as kubelet:
        odd.symlink_to(socket)
        assert listed(kubelet) == (a_claim(),)


def test_a_path_that_no_socket_can_have_is_refused_at_once() -> None:
    """A path longer than a socket's may be is an error of whoever set it, not of the kubelet."""
    with pytest.raises(ValueError, match="at most 107 bytes"):
        Kubelet(Path("/" + "x" * 107))
    assert Kubelet(DEFAULT_SOCKET).problem == ""


ASCENDS = an_allocatable(huawei_com_Ascend910=("Ascend910-0", "Ascend910-1"))


def test_what_could_be_given_away_is_told_whoever_has_it(socket: Path, kubelet: Kubelet) -> None:
    """Every device of every plugin is allocatable, held or not; over the same connection as the list."""
    with a_kubelet(socket, ONE_GPU, allocatable=ASCENDS):
        assert len(listed(kubelet)) == 1
        assert kubelet.allocatable() == {
            PluginDevice(resource="huawei.com/Ascend910", device_id=f"Ascend910-{number}") for number in range(2)
        }
    assert kubelet.connections == 1


@pytest.mark.parametrize("code", [None, grpc.StatusCode.UNKNOWN], ids=["before the method", "with its gate off"])
def test_a_kubelet_without_allocatable_is_asked_once_a_connection(socket: Path, kubelet: Kubelet, code: object) -> None:
    """It is no error, is not asked again until it comes back, and its list goes on as if nothing were."""
    calls = []

    def refuse(request: object, context: object) -> bytes:
        calls.append(request)
        return refusing(code or grpc.StatusCode.UNIMPLEMENTED, "disabled")(request, context)  # type: ignore[arg-type]

    for _ in range(2):
        with a_kubelet(socket, ONE_GPU, allocatable=refuse):
            for _ in range(2):
                assert len(listed(kubelet)) == 1
                assert kubelet.allocatable() == Absent(Why.NOT_SUPPORTED)
    with a_kubelet(socket, ONE_GPU):
        assert kubelet.allocatable() == Absent(Why.NOT_SUPPORTED)
    with a_kubelet(socket, ONE_GPU, allocatable=ASCENDS):
        assert not isinstance(kubelet.allocatable(), Absent)
    assert (len(calls), kubelet.connections, dict(kubelet.errors), kubelet.problem) == (2, 4, {}, "")


def test_a_failed_question_for_all_devices_keeps_the_connection(socket: Path, kubelet: Kubelet) -> None:
    """It is counted, and the list, which says who holds what, goes on over the connection that there is."""
    too_often = refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit exceeded")
    with a_kubelet(socket, ONE_GPU, allocatable=too_often):
        assert len(listed(kubelet)) == 1
        assert kubelet.allocatable() == Absent(Why.KUBELET_ERROR)
        assert len(listed(kubelet)) == 1
    assert (kubelet.connections, dict(kubelet.errors), kubelet.problem) == (1, {"RESOURCE_EXHAUSTED": 1}, "")


def test_without_a_socket_nothing_is_known_of_all_devices(kubelet: Kubelet) -> None:
    """A kubelet that is not there could give away nothing that is known."""
    assert kubelet.allocatable() == Absent(Why.KUBELET_GONE)
