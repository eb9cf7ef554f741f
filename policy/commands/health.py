"""
Whether the engine's cycles go on, for who restarts it when they do not: ``GET /healthz``.

The answer has no name, no number of anybody and no text of an error, so it may be given to anybody: the standard
library's server is enough, with few connections, each for a short time.
"""

import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from policy.settings import UnusableSettings

FLAG = "--health-listen"
PATH = "/healthz"
LEAST_PATIENCE_SECONDS = 60.0  # however short the cycles are: a restart costs more than it takes to see
MOST_CONNECTIONS = 16  # a guess; the oldest makes room
REQUEST_SECONDS = 5.0  # between two parts of a request
LARGEST_PORT = 65535

log = logging.getLogger("flopwatch.engine")


@dataclass(slots=True, kw_only=True)
class Health:
    """How the cycles go. Told by one thread, and read by others: every change is one assignment."""

    patience_seconds: float
    clock: Callable[[], float] = time.monotonic
    _last_good: float = field(init=False)
    _failure: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._last_good = self.clock()

    @classmethod
    def of_cycles(cls, stale_after_cycles: float, cycle_seconds: float) -> "Health":
        """Patient for as long as a node may be silent before it counts as unwatched."""
        return cls(patience_seconds=max(LEAST_PATIENCE_SECONDS, stale_after_cycles * cycle_seconds))

    def cycle_done(self) -> None:
        """Note that a cycle has ended well."""
        self._last_good, self._failure = self.clock(), None

    def cycle_failed(self, error: Exception) -> None:
        """Note the kind of an error; its text may name things and stays in the log."""
        self._failure = type(error).__name__

    def told(self) -> tuple[bool, dict[str, object]]:
        """Whether all is well, and the answer."""
        seconds = self.clock() - self._last_good
        is_well = seconds <= self.patience_seconds
        return is_well, {
            "status": "ok" if is_well else "no good cycle for too long",
            "seconds_since_good_cycle": round(seconds, 3),  # before the first one, since the start
            "patience_seconds": self.patience_seconds,
            "last_failure": self._failure,
        }


def read_address(text: str) -> tuple[str, int]:
    """Host and port of ADDRESS:PORT, IPv6 with brackets or without. Raises UnusableSettings; looks up no name."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") and host.endswith("]") else host
    try:
        address = str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
        number = int(port) if port.isascii() and port.isdigit() else -1
    except ValueError:
        address, number = "", -1
    if not 0 <= number <= LARGEST_PORT:
        raise UnusableSettings(f"{FLAG} {text}: is not ADDRESS:PORT, as 127.0.0.1:9480, 0.0.0.0:9480 or [::1]:9480")
    return address, number


@contextmanager
def serving(health: Health, listen: str) -> Iterator[str]:
    """
    Answer while the block runs, at ``listen`` or, when that is empty, nowhere; the address, as a URL.

    Raises UnusableSettings. No thread and no connection is left after the block.
    """
    if not listen:
        yield ""
        return
    with _server(health, listen) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="health")
        thread.start()
        try:
            log.info("health.listening address=%s", server.url)
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def _server(health: Health, listen: str) -> "_Server":
    address = read_address(listen)
    try:
        return _Server(address, health)
    except OSError as error:
        raise UnusableSettings(f"{FLAG} {listen}: cannot listen there ({error.strerror})") from error


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    timeout = REQUEST_SECONDS
    server_version, sys_version = "flopwatch", ""

    def do_GET(self) -> None:
        """Tell how the cycles go."""
        if self.path.partition("?")[0] != PATH:
            self._answer(404, {"status": f"only {PATH} is here"})
            return
        is_well, told = self.server.health.told()
        self._answer(200 if is_well else 503, told)

    def _answer(self, status: int, told: dict[str, object]) -> None:
        body = json.dumps(told).encode() + b"\n"
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a probe comes every few seconds."""


class _Server(ThreadingTCPServer):
    """Not ``HTTPServer``: that one looks up the name of its own address, which takes long where there is no DNS."""

    allow_reuse_address = True
    request_queue_size = 4 * MOST_CONNECTIONS  # with five, as by default, a probe behind a burst waits for seconds
    daemon_threads = False  # closing waits for them, after it has cut their connections

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        self.health = health
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if self.address_family == socket.AF_INET6 else host
        return f"http://{name!s}:{port}{PATH}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; when there are too many, the one that has taken longest is cut off."""
        with self._lock:
            for oldest in list(self._open)[: len(self._open) + 1 - MOST_CONNECTIONS]:
                self._cut(oldest)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Let a connection go."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Let all of them go, and wait for their threads."""
        with self._lock:
            for request in list(self._open):
                self._cut(request)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who hangs up on the health's answer is no trouble of the engine's."""

    def _cut(self, request: socket.socket) -> None:
        self._open.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
