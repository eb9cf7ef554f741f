"""
One GET with limits on its time and its size. The one door to httpx.

Nothing is followed and nothing is guessed: no redirect is taken, and proxies from the environment are not used, since
a telemetry page and the token for it are nobody else's business.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

LARGEST_PORT = 65535
OK = int(httpx.codes.OK)


class Fault(StrEnum):
    """Why there is no whole answer."""

    DOWN = "down"
    SLOW = "slow"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    PACKED_BADLY = "packed_badly"


class NoAnswer(Exception):
    """There is no whole answer: the kind of fault, and what was seen."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """
    What is asked for, and how long and how large the answer may be.

    ``check`` is given status and content type before the body is read, and raises what it likes.
    """

    url: str
    check: Callable[[int, str], None]
    accept: str
    timeout_seconds: float
    largest_bytes: int
    bearer_token: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send."""
        token = {"Authorization": f"Bearer {self.bearer_token}"} if self.bearer_token else {}
        return {"Accept": self.accept, **token}


class Cut:
    """
    Ends a connection when its time is up, whatever the other side does.

    httpx limits each wait, so a server that sends a byte now and then would be listened to for ever.
    """

    def __init__(self, seconds: float) -> None:
        self.made = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._make)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn the connection's socket. httpx: ``extensions={"trace": …}``; with TLS a second socket takes over."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.made:
                self._make()

    def _make(self) -> None:
        self.made = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def client(at_once: int, authority: ssl.SSLContext | None = None) -> httpx.Client:
    """
    Connections for this many requests at one time, each made anew so that a :class:`Cut` knows its socket.

    ``authority``: who may vouch for the other side; None for the public authorities.
    """
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=0)
    verify = True if authority is None else authority
    return httpx.Client(follow_redirects=False, trust_env=False, limits=limits, verify=verify)


def authority_of(ca_file: Path) -> ssl.SSLContext:
    """The certificates in this file and no others, to vouch for a server. Raises OSError for a file that is no use."""
    authority = ssl.create_default_context(cafile=ca_file)
    authority.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 sets it; many clusters' own authorities fail it
    return authority


def fault_of_url(url: str, *, whose: str, like: str, flag: str) -> str:
    """Why an address cannot be that of ``whose``, in words that do not repeat it; empty when it can."""
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")
    except (httpx.InvalidURL, ValueError):
        return f"has a host or port that cannot be one; write it as {like}"
    port_is_good = parsed.port is None or 0 < parsed.port <= LARGEST_PORT
    if parsed.userinfo:
        return f"has a user or password in it; give the token with {flag}"
    if parsed.scheme not in ("http", "https") or not parsed.host or not port_is_good:
        return f"is not {whose} URL, as {like}"
    return "has a query, which nothing reads; leave it off" if parsed.query else ""


def fetch(connections: httpx.Client, ask: Ask) -> bytes:
    """The whole body of the answer. Raises NoAnswer, and what ``ask.check`` raises."""
    with Cut(ask.timeout_seconds) as cut:
        try:
            body = _answer(connections, ask, cut)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: a host that IDNA cannot write
            if cut.made or isinstance(error, httpx.TimeoutException):
                raise _slow(ask) from error
            raise NoAnswer(Fault.DOWN, f"{type(error).__name__}: {error}") from error
        if cut.made:
            raise _slow(ask)
    return body


def _answer(connections: httpx.Client, ask: Ask, cut: Cut) -> bytes:
    asked = connections.stream(
        "GET",
        ask.url,
        params=ask.parameters or None,
        headers=ask.headers,
        timeout=ask.timeout_seconds,
        extensions={"trace": cut.trace},
    )
    with asked as response:
        ask.check(response.status_code, response.headers.get("content-type", "none"))
        return _body(response, ask, cut)


def _body(response: httpx.Response, ask: Ask, cut: Cut) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > ask.largest_bytes:
                raise NoAnswer(Fault.TOO_LARGE, f"more than {ask.largest_bytes} bytes")
    except httpx.DecodingError as error:
        raise NoAnswer(Fault.PACKED_BADLY, f"cannot be unpacked: {error}") from error
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        if cut.made:
            raise
        raise NoAnswer(Fault.TRUNCATED, f"after {len(body)} bytes: {error}") from error
    return bytes(body)


def _slow(ask: Ask) -> NoAnswer:
    return NoAnswer(Fault.SLOW, f"no whole answer within {ask.timeout_seconds:g} s")
