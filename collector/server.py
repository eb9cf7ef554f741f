"""
``/metrics``, ``/healthz``, ``/readyz`` over HTTP or HTTPS, from memory.

Answers on loopback to everybody. On any other address ``/metrics`` answers only to a bearer token, or to a certificate
of the given authority: namespaces and pod names are a tenant's business. ``/healthz`` and ``/readyz`` say nothing about
anybody and are open to the kubelet.

Each connection has a thread of its own, in which also the TLS handshake is made: a reader that is slow or silent keeps
nobody else waiting. How many there may be at once is in collector/connections.py.
"""

import gzip
import ipaddress
import logging
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.message import Message
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from collector.answers import Answer, Page, of_json, pages_of
from collector.connections import Connections
from collector.headers import accepts_gzip, is_bearer
from collector.loop import Collector
from collector.tls import HANDSHAKE, Tls, shows_certificate

log = logging.getLogger("flopwatch.collector")

WAITING = 128  # a guess, net.core.somaxconn up to Linux 5.3; who finds no place in the queue asks again after 1 s only
SILENCE_SECONDS = 10.0  # a guess: for so long a connection may say nothing
LARGEST_REQUEST_BYTES = 65536  # of one that is not read; http.server takes as long a line
OFFERED = "GET, HEAD"
HEADERS: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "Bearer"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", OFFERED),
}
"""What goes with a status: RFC 9110, sections 15.5.2 and 15.5.6."""


class NotLoopback(Exception):
    """The address would be open to others, and neither bearer token nor authority for readers was given."""


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
    request_queue_size = WAITING

    def __init__(
        self, address: tuple[str, int], handler: "type[_Handler]", *, tls: Tls | None, connections: Connections
    ) -> None:
        self._tls = tls
        self._connections = connections
        self._handler = handler
        super().__init__(address, handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        place = f"[{host!s}]" if self.address_family == socket.AF_INET6 else f"{host!s}"
        return f"{'http' if self._tls is None else 'https'}://{place}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or turn away at once where there are too many."""
        if self._connections.admit(request, peer=client_address[0]):
            super().process_request(request, client_address)
            return
        if self._tls is None:
            request.setblocking(False)
            with suppress(OSError):  # it fits into what the kernel keeps for a new connection, or the reader has gone
                request.sendall(_bare(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections at once: ask again"))
        self.shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's thread: agree on TLS where it is spoken, then answer."""
        request.settimeout(SILENCE_SECONDS)
        heard = partial(self._connections.heard, request)
        if self._tls is None:
            self._handler(request, client_address, self, heard=heard)
        elif request.recv(1, socket.MSG_PEEK) == HANDSHAKE:
            with self._tls.context().wrap_socket(request, server_side=True) as secured:
                self._handler(secured, client_address, self, heard=heard)
        elif request.recv(LARGEST_REQUEST_BYTES):
            request.sendall(_bare(HTTPStatus.BAD_REQUEST, "this port speaks TLS: ask by https"))

    def shutdown_request(self, request: Any) -> None:
        """At the end of every connection, however it went."""
        self._connections.leave(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Every half second or so."""
        self._connections.cut_overdue()

    def server_close(self) -> None:
        """Stop listening, and end what is under way."""
        super().server_close()
        self._connections.cut_all()

    def handle_error(self, *_: object) -> None:
        """A reader that hangs up early is its own business; anything else is a defect and is logged whole."""
        error = sys.exception()
        log.log(logging.DEBUG if isinstance(error, OSError) else logging.ERROR, "http.failed", exc_info=error)


class ServerV6(Server):
    """The same over IPv6."""

    address_family = socket.AF_INET6


def make_server(
    collector: Collector,
    *,
    host: str,
    port: int,
    bearer_token: str,
    tls: Tls | None = None,
    connections: Connections | None = None,
) -> Server:
    """
    A server ready for ``serve_forever``; port 0 takes a free one. Raises NotLoopback, or OSError when taken.

    ``connections`` says how many there may be; as many as usual without it.
    """
    certified = tls is not None and tls.asks_readers
    if not is_loopback(host):
        _check_open(host, has_token=bool(bearer_token), certified=certified, in_clear_text=tls is None)
    about = {"pages": pages_of(collector), "token": bearer_token, "certified": certified}
    kind = ServerV6 if ":" in host else Server
    try:
        handler = type("Handler", (_Handler,), about)
        return kind((host, port), handler, tls=tls, connections=connections or Connections())
    except UnicodeError as error:  # a name that IDNA cannot write
        raise OSError("not a host's name") from error


def _check_open(host: str, *, has_token: bool, certified: bool, in_clear_text: bool) -> None:
    """What holds for an address that others may reach."""
    if not has_token and not certified:
        raise NotLoopback(
            f"{host or 'every address'} is open to other machines: give --bearer-token-file or --tls-client-ca-file, "
            "or listen on 127.0.0.1 behind a proxy"
        )
    if in_clear_text:
        log.warning("http.token_in_clear_text host=%s next=%r", host, "give --tls-cert-file, or put TLS in front")


def _bare(status: HTTPStatus, problem: str) -> bytes:
    """A whole answer, for a connection whose request nobody reads."""
    _, content_type, body = of_json(status, {"error": problem})
    head = f"HTTP/1.0 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Handler(BaseHTTPRequestHandler):
    pages: Mapping[str, Page]
    token: str
    certified: bool
    headers = Message()  # until they are read: some requests are refused before
    server_version = "flopwatch-collector"
    sys_version = ""
    default_request_version = "HTTP/1.0"  # who names none, or one that nobody speaks, gets a status all the same
    timeout = SILENCE_SECONDS

    def __init__(self, request: Any, client_address: Any, server: Server, *, heard: Callable[[], None]) -> None:
        """Answers before it returns; ``heard`` is called once the request is whole."""
        self._heard = heard
        super().__init__(request, client_address, server)

    def parse_request(self) -> bool:
        """Whether there is a request, with all its headers."""
        is_whole = super().parse_request()
        if is_whole:
            self._heard()
        return is_whole

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path not in self.pages:
            self._send(of_json(HTTPStatus.NOT_FOUND, {"error": f"no such page; there are {', '.join(self.pages)}"}))
        else:
            self._send((self._refusal() if path == "/metrics" else None) or self.pages[path](self.headers))

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses by itself, in the form of all answers. It says 501 for a method that is not here."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, f"there are {OFFERED}"
        status = HTTPStatus(code)
        self.close_connection = True
        self._send(of_json(status, {"error": ": ".join(filter(None, (message or status.phrase, explain)))}))

    def _refusal(self) -> Answer | None:
        """Why this reader may not have the metrics; None if it may."""
        if self.certified and not shows_certificate(self.connection):
            problem = "show a certificate of an authority in the collector's --tls-client-ca-file"
            return of_json(HTTPStatus.FORBIDDEN, {"error": problem})
        if self.token and not is_bearer(self.headers.get("Authorization", ""), self.token):
            return of_json(HTTPStatus.UNAUTHORIZED, {"error": "send the collector's bearer token"})
        return None

    def _send(self, answer: Answer) -> None:
        status, content_type, body = answer
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if accepts_gzip(", ".join(self.headers.get_all("Accept-Encoding", ()))):
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        if status in HEADERS:
            self.send_header(*HEADERS[status])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Scrapes are not logged: they come every few seconds."""
