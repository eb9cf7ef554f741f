"""
The one door to gRPC: asks the kubelet, over its pod-resources socket, which container holds which device.

Of version v1 ``List`` and ``GetAllocatableResources`` are called: v1alpha1 has no DRA and leaves out native sidecars
(NVIDIA/dcgm-exporter#498), and ``Get`` would be one call a pod. Every failure is a reason with what to do next, is
counted, and is tried again by the next call. By hand, from this folder's parent: ``grpcurl -plaintext -unix -proto
collector/kubelet/podresources/api.proto <socket> v1.PodResourcesLister/List``

Four things that callers must know. ``List`` leaves out init containers other than sidecars (kubernetes
pkg/kubelet/apis/podresources/server_v1.go). Older kubelets list pods that have ended (kubernetes/kubernetes#132020):
only the Kubernetes API tells them apart. Before Kubernetes 1.34 devices held through DRA are listed only with the
feature gate KubeletPodResourcesDynamicResources; without it nothing is said about them. And a kubelet that has just
started may answer before it knows its pods again: a claim that is missing right after ``sockets`` rose need not have
ended.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError

from collector.kubelet.claims import Claim, ContainerName, DynamicClaim, PluginClaim, PluginDevice
from collector.kubelet.podresources.api_pb2 import (
    AllocatableResourcesRequest,
    AllocatableResourcesResponse,
    ClaimResource,
    ContainerResources,
    DynamicResource,
    ListPodResourcesRequest,
    ListPodResourcesResponse,
)
from collector.readings import Absent, Why

log = logging.getLogger("flopwatch.collector")

DEFAULT_SOCKET = Path("/var/lib/kubelet/pod-resources/kubelet.sock")
DEADLINE_SECONDS = 2.0  # a guess: a kubelet that is well answers in milliseconds
LONGEST_REPLY_BYTES = 16 * 2**20  # a guess: 3.5 times the one of NVIDIA/dcgm-exporter#509; gRPC's own limit is 4 MiB
LONGEST_PATH_BYTES = 107  # sun_path in unix(7), less its end

Reply = TypeVar("Reply", ListPodResourcesResponse, AllocatableResourcesResponse)

_SERVICE = "/v1.PodResourcesLister"
_LACKS_ALLOCATABLE = frozenset({"UNIMPLEMENTED", "UNKNOWN"})
"""An old kubelet does not know the method, or says in words of its own that its feature gate is off (server_v1.go)."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why there is no answer, and in words what is wrong and what to do next."""

    why: Why
    words: str


_NO_SOCKET = _Problem(Why.KUBELET_GONE, "there is no socket: mount the kubelet's pod-resources folder or name its path")
_NO_PERMISSION = _Problem(Why.NO_PERMISSION, "the socket may not be opened: run as a user that may, see k8s/README.md")
_UNDECODABLE = _Problem(Why.KUBELET_ERROR, "the answer is not a pod-resources reply: is this the kubelet's socket?")
_TOO_LARGE = _Problem(Why.KUBELET_REPLY_TOO_LARGE, "the reply is larger than the limit: raise longest_reply_bytes")
_OTHER = _Problem(Why.KUBELET_ERROR, "the kubelet refuses to answer: look into its own log")
_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: _Problem(Why.KUBELET_GONE, "nothing answers at the socket: is the kubelet running?"),
    grpc.StatusCode.UNIMPLEMENTED: _Problem(
        Why.NOT_SUPPORTED, "the kubelet has no pod-resources API v1: it needs Kubernetes 1.20 or newer"
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: _Problem(
        Why.KUBELET_ERROR, "the kubelet is asked too often: look for others on this node that ask it all the time"
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: _Problem(
        Why.KUBELET_SLOW, "no answer within the deadline: the kubelet or the node is overloaded"
    ),
}


class _NoAnswer(Exception):
    """Ends a call: the problem, and its code as it is counted."""

    def __init__(self, problem: _Problem, code: str) -> None:
        super().__init__(problem.words)
        self.problem = problem
        self.code = code


class Kubelet:
    """
    The kubelet behind one socket. For one thread; a call lasts no longer than the deadline.

    One connection is kept; a new one is made after a failure, and when the socket has been replaced.

    ``errors`` counts failed calls by gRPC status code. Three codes are our own: ``no_socket``, ``no_permission`` and
    ``undecodable``. ``connections`` counts the connections that were made, and ``sockets`` the sockets that were found
    at the path: each kubelet that starts makes a new one. ``problem`` is why the last call had no answer, in words;
    empty when it had one.
    """

    def __init__(
        self,
        socket: Path = DEFAULT_SOCKET,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        longest_reply_bytes: int = LONGEST_REPLY_BYTES,
    ) -> None:
        """Connects only when asked. Raises ``ValueError`` for a path that no unix socket can have."""
        if len(os.fsencode(socket.absolute())) > LONGEST_PATH_BYTES:
            raise ValueError(f"{socket}: a socket's path has at most {LONGEST_PATH_BYTES} bytes; name a shorter one")
        self.errors: Counter[str] = Counter()
        self.connections = 0
        self.sockets = 0
        self.problem = ""
        self._socket = socket.absolute()
        self._deadline_seconds = deadline_seconds
        self._options = (
            ("grpc.max_receive_message_length", longest_reply_bytes),
            ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, not the process's old one
        )
        self._channel: Any = None
        self._identity: tuple[int, ...] = ()
        self._lacks_allocatable = False

    def list(self) -> tuple[Claim, ...] | Absent:
        """Every device that a container holds now, in a fixed order; or why the kubelet did not say."""
        try:
            reply = self._ask("List", ListPodResourcesRequest().SerializeToString(), ListPodResourcesResponse)
        except _NoAnswer as error:
            self.close()
            self.errors[error.code] += 1
            self._note(f"{self._socket}: {error.problem.words} ({error.code})")
            return Absent(error.problem.why)
        self._note("")
        return tuple(sorted(_claims(reply), key=repr))

    def allocatable(self) -> frozenset[PluginDevice] | Absent:
        """
        Every device that could be given to a container, whether one has it or not; or why the kubelet did not say.

        A device that its plugin calls unhealthy is missing. ``Absent(NOT_SUPPORTED)`` from a kubelet without the
        method, which is not asked again over the same connection. The connection, which ``list`` needs, is kept.
        """
        try:
            self._connect()
            if self._lacks_allocatable:
                return Absent(Why.NOT_SUPPORTED)
            request = AllocatableResourcesRequest().SerializeToString()
            reply = self._ask("GetAllocatableResources", request, AllocatableResourcesResponse)
        except _NoAnswer as error:
            self._lacks_allocatable = error.code in _LACKS_ALLOCATABLE
            if self._lacks_allocatable:
                return Absent(Why.NOT_SUPPORTED)
            self.errors[error.code] += 1
            return Absent(error.problem.why)
        entries = ((entry.resource_name, each) for entry in reply.devices for each in entry.device_ids)
        return frozenset(PluginDevice(resource=resource, device_id=device_id) for resource, device_id in entries)

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one. Harmless when repeated."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, request: bytes, form: type[Reply]) -> Reply:
        self._connect()
        try:
            call = self._channel.unary_unary(f"{_SERVICE}/{method}")
            reply: bytes = call(request, timeout=self._deadline_seconds)
        except grpc.RpcError as error:
            raise self._no_answer(error) from error
        try:
            return form.FromString(reply)
        except DecodeError as error:
            raise _NoAnswer(_UNDECODABLE, "undecodable") from error

    def _connect(self) -> None:
        """A connection to the socket that is there now: a restarted kubelet leaves another one at the same path."""
        identity = self._look()
        if self._channel is None or identity != self._identity:
            self.close()
            self._channel = grpc.insecure_channel(f"unix:{quote(str(self._socket))}", options=self._options)
            self.sockets += identity != self._identity
            self._identity = identity
            self._lacks_allocatable = False
            self.connections += 1

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._socket.stat()
        except PermissionError as error:
            raise _NoAnswer(_NO_PERMISSION, "no_permission") from error
        except OSError as error:
            raise _NoAnswer(_NO_SOCKET, "no_socket") from error
        return status.st_dev, status.st_ino, status.st_ctime_ns

    def _no_answer(self, error: Any) -> _NoAnswer:
        """Two codes of gRPC have two meanings each: unavailable may be forbidden, and exhausted may be too often."""
        code: grpc.StatusCode = error.code()
        if code is grpc.StatusCode.UNAVAILABLE and not os.access(self._socket, os.W_OK):
            return _NoAnswer(_NO_PERMISSION, "no_permission")
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or ""):
            return _NoAnswer(_TOO_LARGE, code.name)
        return _NoAnswer(_BY_CODE.get(code, _OTHER), code.name)

    def _note(self, problem: str) -> None:
        """Logged when it changes, not at every call."""
        if problem and problem != self.problem:
            log.warning("kubelet.silent problem=%r", problem)
        elif self.problem and not problem:
            log.info("kubelet.heard socket=%s", self._socket)
        self.problem = problem


def _claims(reply: ListPodResourcesResponse) -> Iterator[Claim]:
    for pod in reply.pod_resources:
        for container in pod.containers:
            name = ContainerName(namespace=pod.namespace, pod=pod.name, container=container.name)
            yield from _of_plugins(name, container)
            for dynamic in container.dynamic_resources:
                for resource in dynamic.claim_resources:
                    yield _dynamic_claim(name, dynamic, resource)


def _of_plugins(name: ContainerName, container: ContainerResources) -> Iterator[PluginClaim]:
    """The kubelet repeats a resource's entry for each NUMA node; an id stands in one of them, or in all."""
    found = {(entry.resource_name, device_id) for entry in container.devices for device_id in entry.device_ids}
    for resource, device_id in found:
        yield PluginClaim(container=name, resource=resource, device_id=device_id)


def _dynamic_claim(name: ContainerName, dynamic: DynamicResource, resource: ClaimResource) -> DynamicClaim:
    return DynamicClaim(
        container=name,
        claim_namespace=dynamic.claim_namespace,
        claim=dynamic.claim_name,
        driver=resource.driver_name,
        pool=resource.pool_name,
        device=resource.device_name or Absent(Why.NO_DATA),
        cdi_names=tuple(sorted(device.name for device in resource.cdi_devices)),
        share_id=resource.share_id if resource.HasField("share_id") else Absent(Why.NO_DATA),
    )
