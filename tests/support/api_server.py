"""An API server on loopback that knows pods and namespaces, keeps what it was asked, and plays faults."""

import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.http import PATIENCE_SECONDS

TLS = Path(__file__).parent / "tls"
CA_FILE = TLS / "ca.pem"
TOKEN = "a-service-accounts-token"

KINDS = ("list", "watch", "namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: its kind, query, headers, and when it came (seconds of the monotonic clock)."""

    kind: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An answer in place of the right one. With ``silent`` the connection stays open and nothing is said at all."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False


class ApiServerDouble(ThreadingTCPServer):
    """
    Answers a list of pods, one watch at a time, and namespaces by name.

    A watch says what :meth:`event` and :meth:`say` were told, since its start or before it, until :meth:`close_watch`
    or :meth:`drop_watch`.
    """

    allow_reuse_address = True
    daemon_threads = False  # closing the server waits for their ends

    def __init__(self, *, tls: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = _tls_context() if tls else None
        self.asked: list[Asked] = []
        self.version = 100
        self.namespaces: dict[str, dict[str, str]] = {"tenant-a": {"flopwatch.io/tenant-id": "t-0001"}}
        self.pods: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, deque[Fault]] = {kind: deque() for kind in KINDS}
        self.outage: Fault | None = None  # the answer to everything, while there is one
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._to_say: deque[bytes | None] = deque()
        self._watches = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def count(self, kind: str) -> int:
        """How many requests of a kind there were."""
        return sum(each.kind == kind for each in self.asked)

    def last(self, kind: str) -> Asked:
        """The last request of a kind."""
        return [each for each in self.asked if each.kind == kind][-1]

    def fail(self, kind: str, *faults: Fault) -> None:
        """Play these faults on the next requests of a kind."""
        self.faults[kind].extend(faults)

    def put(self, pod: dict[str, Any], event: str = "ADDED") -> None:
        """A pod that is there, or is as it is now, and the watch that says so."""
        self.pods[pod["metadata"]["uid"]] = pod
        self.event(event, pod)

    def delete(self, pod: dict[str, Any]) -> None:
        """A pod that goes, and the watch that says so."""
        del self.pods[pod["metadata"]["uid"]]
        self.event("DELETED", pod)

    def event(self, kind: str, thing: dict[str, Any]) -> None:
        """The watch says this; the version goes up."""
        self.version += 1
        stamped = {**thing, "metadata": {**thing.get("metadata", {}), "resourceVersion": str(self.version)}}
        self.say(json.dumps({"type": kind, "object": stamped}).encode() + b"\n")

    def bookmark(self) -> None:
        """The watch says that nothing else has happened up to here."""
        self.event("BOOKMARK", {"kind": "Pod", "apiVersion": "v1"})

    def say(self, text: bytes) -> None:
        """The watch says this, whatever it is."""
        self._will_say(text)

    def hush(self) -> None:
        """What no watch has heard is said to none: the next one begins with a list that has it."""
        with self._changed:
            self._to_say.clear()

    def close_watch(self) -> None:
        """The watch ends as it does when its time is up."""
        self._will_say(b"")

    def drop_watch(self, half: bytes = b"") -> None:
        """The watch says this and its connection breaks."""
        self._will_say(half, None)

    def words(self) -> Iterator[bytes]:
        """What a new watch has to say, and an older one no longer; ends where the connection breaks."""
        with self._changed:
            self._watches += 1
            number = self._watches
        while (text := self._next_words(number)) is not None:
            yield text

    def _next_words(self, number: int) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._to_say or number != self._watches or self.stopping.is_set())
            return self._to_say.popleft() if self._to_say and number == self._watches else None

    def _will_say(self, *words: bytes | None) -> None:
        with self._changed:
            self._to_say.extend(each for each in words if each != b"" or len(words) == 1)
            self._changed.notify_all()

    def stop_saying(self) -> None:
        """Let every answer under way end."""
        with self._changed:
            self.stopping.set()
            self._changed.notify_all()

    def listing(self) -> bytes:
        """The list of all pods."""
        head = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": str(self.version)}}
        return json.dumps({**head, "items": list(self.pods.values())}).encode()

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection, which speaks TLS if this server does."""
        connection, address = super().get_request()
        connection.settimeout(PATIENCE_SECONDS)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what is being tested."""


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServerDouble

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        kind = "namespace" if "/namespaces/" in address.path else "watch" if "watch" in query else "list"
        headers = dict(self.headers.items())
        asked = Asked(kind=kind, path=address.path, query=query, headers=headers, at=time.monotonic())
        self.server.asked.append(asked)
        if self.server.outage is not None:
            self._play(self.server.outage)
        elif self.server.faults[kind]:
            self._play(self.server.faults[kind].popleft())
        else:
            getattr(self, f"_{kind}")(address.path)

    def _play(self, fault: Fault) -> None:
        if fault.silent:
            self.server.stopping.wait(PATIENCE_SECONDS)
            self.close_connection = True
            return
        self._answer(fault.status, fault.body, fault.headers)

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _list(self, _: str) -> None:
        self._answer(200, self.server.listing())

    def _namespace(self, path: str) -> None:
        name = path.rpartition("/")[2]
        if name not in self.server.namespaces:
            self._answer(404, b'{"kind": "Status", "code": 404}')
            return
        metadata = {"name": name, "labels": self.server.namespaces[name], "resourceVersion": "7"}
        self._answer(200, json.dumps({"kind": "PartialObjectMetadata", "metadata": metadata}).encode())

    def _watch(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for text in self.server.words():
            self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            if not text:
                return
        self.close_connection = True  # without the chunk that ends an answer

    def log_message(self, *_: object) -> None:
        """The requests are kept, not printed."""


@contextmanager
def an_api_server(*, tls: bool = False) -> Iterator[ApiServerDouble]:
    """The server, answering for the length of the block; all its threads have ended after it."""
    server = ApiServerDouble(tls=tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stop_saying()
        server.shutdown()
        thread.join(PATIENCE_SECONDS)
        server.server_close()
        assert not thread.is_alive()


def a_pod(name: str = "pod-0", *, namespace: str = "tenant-a", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    """A pod as the API server tells of it, with what is none of our business."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "50",
            "labels": {"app": "secret-project"},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "uid-train", "controller": True}
            ],
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {}}}],
        },
        "spec": {
            "nodeName": "node-a",
            "containers": [{"name": "main", "image": "registry/secret:1", "env": [{"name": "KEY", "value": "secret"}]}],
            **spec,
        },
        "status": {"phase": phase, "containerStatuses": [{"name": "main", "state": {"running": {}}}]},
    }
