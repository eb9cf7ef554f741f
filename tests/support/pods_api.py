"""An API server on loopback that lists the collectors' pods page by page, knows nodes, and plays faults."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.usage import Handler

from policy.usage.sources.pods import SELECTOR

TLS = Path(__file__).parent / "tls"
TOKEN = "a-service-accounts-token"
NAMESPACE = "flopwatch-nodes"
JSON = "application/json"

Answer = Callable[[Handler], None]
Pod = dict[str, Any]


def a_pod(node: str, address: str = "", *, port: int = 9478, name: str = "", **status: Any) -> Pod:
    """A collector's pod on a node, with what is none of the engine's business."""
    return {
        "metadata": {
            "name": name or f"collector-of-{node}",
            "namespace": NAMESPACE,
            "creationTimestamp": "2026-06-01T00:00:00Z",
            "labels": {"app.kubernetes.io/name": "flopwatch-collector"},
            "annotations": {"prometheus.io/scrape": "true"},
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {}}}],
        },
        "spec": {
            "nodeName": node,
            "containers": [
                {"name": "side", "image": "secret"},
                {"name": "collector", "ports": [{"name": "metrics", "containerPort": port, "protocol": "TCP"}]},
            ],
        },
        "status": {"phase": "Running" if address else "Pending", **({"podIP": address} if address else {}), **status},
    }


def a_status(code: int, reason: str, message: str = "", **details: str) -> bytes:
    """What an API server says in place of an answer."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return json.dumps({**told, "message": message, "details": details}).encode()


def says(status: int, body: bytes, content_type: str = JSON) -> Answer:
    """One answer, whatever was asked."""
    return lambda handler: handler.answer(status, content_type, body)


FORBIDDEN = says(403, a_status(403, "Forbidden", 'pods is forbidden: User "engine" cannot list resource "pods"'))


@dataclass
class PodsApi:
    """What the cluster is like, and what was asked."""

    address: str = ""
    pods: list[Pod] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)
    token: str = TOKEN
    largest_page: int = 500
    fault: Answer | None = None
    fault_of_nodes: Answer | None = None
    fault_of_page: dict[str, Answer] = field(default_factory=dict)  # by the value of "continue"
    asked: list[str] = field(default_factory=list)

    def answer(self, handler: Handler) -> None:
        """Answer as the API server would."""
        self.asked.append(handler.path)
        url = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.fault:
            self.fault(handler)
        elif handler.headers["Authorization"] != f"Bearer {self.token}":
            handler.answer(401, JSON, a_status(401, "Unauthorized", "Unauthorized"))
        elif url.path == f"/api/v1/namespaces/{NAMESPACE}/pods" and query["labelSelector"] == SELECTOR:
            self.fault_of_page.get(query.get("continue", ""), lambda handler: self._list(handler, query))(handler)
        elif url.path.startswith("/api/v1/nodes/"):
            (self.fault_of_nodes or self._node)(handler)
        else:
            handler.answer(404, "text/plain", b"404 page not found\n")

    def _list(self, handler: Handler, query: dict[str, str]) -> None:
        first = int(query.get("continue", "0"))
        last = first + min(int(query["limit"]), self.largest_page)
        more = {"continue": str(last), "remainingItemCount": len(self.pods) - last} if last < len(self.pods) else {}
        told = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7", **more}}
        handler.answer(200, JSON, json.dumps({**told, "items": self.pods[first:last]}).encode())

    def _node(self, handler: Handler) -> None:
        name = handler.path.rpartition("/")[2]
        if name in self.nodes:
            handler.answer(200, JSON, json.dumps({"kind": "Node", "metadata": {"name": name}, "spec": {}}).encode())
        else:
            handler.answer(404, JSON, a_status(404, "NotFound", f'nodes "{name}" not found', name=name, kind="nodes"))


@contextmanager
def a_pods_api(*, tls: bool = False) -> Iterator[PodsApi]:
    """The server, for the length of the block; all its threads have ended after it."""
    api = PodsApi()

    class Answers(Handler):
        def reply(self) -> None:
            api.answer(self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = False
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    api.address = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
