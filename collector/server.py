"""
``/metrics``, ``/healthz``, ``/readyz`` over HTTP, from memory.

Answers on loopback without a token. On any other address it answers only to a bearer token: namespaces and pod names
are a tenant's business. ``/healthz`` and ``/readyz`` say nothing about anybody and are open to the kubelet.
"""

import gzip
import hmac
import ipaddress
import json
import logging
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from collector.exposition import render
from collector.loop import Collector

log = logging.getLogger("flopwatch.collector")


class NotLoopback(Exception):
    """The address would be open to others and no bearer token was given."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. A host name other than localhost counts as reachable."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Server(ThreadingTCPServer):
    """HTTP over TCP. Not ``http.server.HTTPServer``, which looks its own name up in DNS before it serves."""

    allow_reuse_address = True
    daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    def handle_error(self, *_: object) -> None:
        """A reader that hangs up early is its own business; anything else is a defect and is logged whole."""
        error = sys.exception()
        log.log(logging.DEBUG if isinstance(error, OSError) else logging.ERROR, "http.failed", exc_info=error)


class ServerV6(Server):
    """The same over IPv6."""

    address_family = socket.AF_INET6


def make_server(collector: Collector, *, host: str, port: int, bearer_token: str) -> Server:
    """A server ready for ``serve_forever``; port 0 takes a free one. Raises NotLoopback, or OSError when taken."""
    if not is_loopback(host) and not bearer_token:
        raise NotLoopback(
            f"{host or 'every address'} is open to other machines: give --bearer-token-file, "
            "or listen on 127.0.0.1 behind a proxy"
        )
    handler = type("Handler", (_Handler,), {"pages": _pages(collector), "token": bearer_token})
    try:
        return (ServerV6 if ":" in host else Server)((host, port), handler)
    except UnicodeError as error:  # a name that IDNA cannot write
        raise OSError("not a host's name") from error


Answer = tuple[HTTPStatus, str, bytes]
Page = Callable[[str], Answer]


def _pages(collector: Collector) -> dict[str, Page]:
    def metrics(accept: str) -> Answer:
        content_type, body = render(collector.samples(), accept)
        return HTTPStatus.OK, content_type, body

    def health(_: str) -> Answer:
        state = collector.health()
        status = HTTPStatus.SERVICE_UNAVAILABLE if state.hangs else HTTPStatus.OK
        return _json(status, {"ticks": state.ticks, "seconds_since_tick": round(state.seconds_since_tick, 3)})

    def ready(_: str) -> Answer:
        state = collector.health()
        reason = state.blind.reason if state.blind else ""
        if not state.ticks:
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"state": "starting", "reason": reason})
        return _json(HTTPStatus.OK, {"state": "blind" if state.blind else "observing", "reason": reason})

    return {"/metrics": metrics, "/healthz": health, "/readyz": ready}


def _json(status: HTTPStatus, body: dict[str, object]) -> Answer:
    return status, "application/json", json.dumps(body).encode() + b"\n"


class _Handler(BaseHTTPRequestHandler):
    pages: dict[str, Page]
    token: str
    server_version = "flopwatch-collector"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path not in self.pages:
            answer = _json(HTTPStatus.NOT_FOUND, {"error": f"no such page; there are {', '.join(self.pages)}"})
        elif path == "/metrics" and not self._may_read():
            answer = _json(HTTPStatus.UNAUTHORIZED, {"error": "send the collector's bearer token"})
        else:
            answer = self.pages[path](self.headers.get("Accept", ""))
        self._send(*answer)

    def _may_read(self) -> bool:
        given = self.headers.get("Authorization", "").encode("latin-1")  # the bytes as sent
        return not self.token or hmac.compare_digest(given, b"Bearer " + self.token.encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Scrapes are not logged: they come every few seconds."""
