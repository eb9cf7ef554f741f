"""A kubelet's pod-resources service: a real gRPC server on a real unix socket, with the kubelet's own messages."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from support.devices import gpu_uuid

from collector.kubelet.podresources.api_pb2 import (
    AllocatableResourcesResponse,
    ContainerResources,
    ListPodResourcesRequest,
    ListPodResourcesResponse,
    PodResources,
)

Answer = Callable[[ListPodResourcesRequest, Any], bytes]
"""What the service does with a call: the reply's bytes, or an abort of the context it is given."""


@contextmanager
def a_socket_path() -> Iterator[Path]:
    """A path for a socket: short, because pytest's folders can be longer than a socket's path may be."""
    with tempfile.TemporaryDirectory(prefix="fw-", dir="/tmp") as folder:
        yield Path(folder) / "kubelet.sock"


@contextmanager
def a_kubelet(
    socket: Path,
    answer: ListPodResourcesResponse | Answer,
    *,
    allocatable: AllocatableResourcesResponse | Answer | None = None,
    version: str = "v1",
) -> Iterator[None]:
    """
    Serves for the length of the block; after it the server's threads have ended and the socket is gone.

    Without ``allocatable`` it is an old kubelet, which does not know ``GetAllocatableResources``.
    """
    handlers = {"List": _handler(answer)}
    if allocatable is not None:
        handlers["GetAllocatableResources"] = _handler(allocatable)
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        service = grpc.method_handlers_generic_handler(f"{version}.PodResourcesLister", handlers)
        server.add_generic_rpc_handlers((service,))
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        try:
            yield
        finally:
            server.stop(None).wait()


def _handler(answer: ListPodResourcesResponse | AllocatableResourcesResponse | Answer) -> Any:
    if isinstance(answer, ListPodResourcesResponse | AllocatableResourcesResponse):
        reply = answer.SerializeToString()
        method: Answer = lambda _request, _context: reply  # noqa: E731 - one of two forms of one thing
    else:
        method = answer
    # Both requests are empty messages.
    return grpc.unary_unary_rpc_method_handler(
        method, request_deserializer=ListPodResourcesRequest.FromString, response_serializer=bytes
    )


class Held:
    """An answer that comes only when the block ends: later than any deadline, without waiting for the clock."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def __call__(self, _request: ListPodResourcesRequest, _context: Any) -> bytes:
        """Wait to be released."""
        assert self._released.wait(30)
        return b""

    def release(self) -> None:
        """Let every held call return."""
        self._released.set()


def refusing(code: Any, details: str) -> Answer:
    """A service that refuses every call with this code."""

    def refuse(_request: ListPodResourcesRequest, context: Any) -> bytes:
        context.abort(code, details)
        return b""

    return refuse


def a_container(
    name: str = "main", *, resource: str = "nvidia.com/gpu", devices: tuple[str, ...] = ()
) -> ContainerResources:
    """A container with these devices of one resource."""
    container = ContainerResources(name=name)
    if devices:
        container.devices.add(resource_name=resource, device_ids=devices)
    return container


def a_dra_container(name: str = "main", *, devices: tuple[str, ...], share_id: str = "") -> ContainerResources:
    """A container whose claim ``gpus`` has these devices of NVIDIA's DRA driver, in the pool ``node-0``."""
    container = ContainerResources(name=name)
    dynamic = container.dynamic_resources.add(claim_name="gpus", claim_namespace="tenant-a")
    for device in devices:
        resource = dynamic.claim_resources.add(driver_name="gpu.nvidia.com", pool_name="node-0", device_name=device)
        resource.cdi_devices.add(name=f"k8s.gpu.nvidia.com/claim=0b5e-{device}")
        if share_id:
            resource.share_id = share_id
    return container


def a_pod(name: str = "pod-0", *containers: ContainerResources, namespace: str = "tenant-a") -> PodResources:
    """A pod as the kubelet lists it."""
    return PodResources(name=name, namespace=namespace, containers=containers)


def a_reply(*pods: PodResources) -> ListPodResourcesResponse:
    """What ``List`` answers."""
    return ListPodResourcesResponse(pod_resources=pods)


def an_allocatable(**devices: tuple[str, ...]) -> AllocatableResourcesResponse:
    """What ``GetAllocatableResources`` answers: ids by resource, whose domain's dot and slash are underscores here."""
    reply = AllocatableResourcesResponse()
    for resource, ids in devices.items():
        domain, top, name = resource.split("_", 2)
        reply.devices.add(resource_name=f"{domain}.{top}/{name}", device_ids=ids)
    return reply


def a_full_node(containers: int = 16, devices: int = 8) -> ListPodResourcesResponse:
    """So many pods of one container, each with a replica of every GPU, and names as long as they are in use."""
    reply = a_reply()
    for number in range(containers):
        gpus = tuple(f"{gpu_uuid(each)}::{number}" for each in range(devices))
        name = f"llm-pretraining-worker-{number}-7b946ccdf5-q8spz"
        reply.pod_resources.append(a_pod(name, a_container(devices=gpus), namespace=f"tenant-{number:04}"))
    return reply
