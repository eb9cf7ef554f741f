"""
The embedded source: read the collectors' pages, without a Prometheus in between. The one door to httpx.

No target can hold up the others for longer than its time, and none can make the engine read more than a page's worth.
Proxies from the environment are not used: a node's page, and the token for it, are nobody else's business.
"""

import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import polars as pl

from collector import contract
from collector.contract import Provenance
from policy.usage.sources.page import parse_page
from policy.usage.sources.target import Heard, TargetState, Unusable, unheard

OPENMETRICS = "application/openmetrics-text"
LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how large a page may be, and how many are read at once."""

    timeout_seconds: float = 10.0
    page_bytes: int = 16 * 1024 * 1024
    at_once: int = 16
    bearer_token: str = ""


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


def fault_of_url(url: str) -> str:
    """Why an address cannot be a collector's, in words that do not repeat it; empty when it can."""
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")
    except (httpx.InvalidURL, ValueError):
        return "has a host or port that cannot be one; write it as http://node:9478/metrics"
    port_is_good = parsed.port is None or 0 < parsed.port <= LARGEST_PORT
    if parsed.userinfo:
        return "has a user or password in it; give the token with --scrape-token-file"
    if parsed.scheme not in ("http", "https") or not parsed.host or not port_is_good:
        return "is not a collector's URL, as http://node:9478/metrics"
    return "has a query, which no collector reads; leave it off" if parsed.query else ""


def scrape(targets: Sequence[str], provenance: Provenance, limits: Limits) -> Iterator[Heard]:
    """Every target's answer, in the order of ``targets``. Never raises for what a target does."""
    connections = httpx.Limits(max_connections=limits.at_once, max_keepalive_connections=0)
    with (
        httpx.Client(follow_redirects=False, trust_env=False, limits=connections) as client,
        ThreadPoolExecutor(limits.at_once) as pool,
    ):
        yield from pool.map(lambda target: _hear(client, target, provenance, limits), targets)


def _hear(client: httpx.Client, target: str, provenance: Provenance, limits: Limits) -> Heard:
    try:
        counters = parse_page(target, _fetch(client, target, limits), provenance)
    except Unusable as problem:
        return unheard(target, problem)
    node = counters["node"][0]
    blind = counters.filter((pl.col("metric") == contract.COLLECTOR_BLIND.name) & (pl.col("value") > 0))
    if blind.height:
        detail = f"node {node}: {blind['reason'][0]}"
        return Heard(target=target, state=TargetState.BLIND, detail=detail, node=node, counters=counters)
    return Heard(target=target, state=TargetState.OK, detail="", node=node, counters=counters)


def _fetch(client: httpx.Client, target: str, limits: Limits) -> str:
    with Cut(limits.timeout_seconds) as cut:
        try:
            page = _page(client, target, limits, cut)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: a host that IDNA cannot write
            if cut.made or isinstance(error, httpx.TimeoutException):
                raise _slow(limits) from error
            raise Unusable(TargetState.DOWN, f"{type(error).__name__}: {error}") from error
        if cut.made:
            raise _slow(limits)
    return page.decode("utf-8", errors="replace")


def _page(client: httpx.Client, target: str, limits: Limits, cut: Cut) -> bytes:
    headers = {"Accept": f"{OPENMETRICS}; version=1.0.0"}
    if limits.bearer_token:
        headers["Authorization"] = f"Bearer {limits.bearer_token}"
    asked = client.stream(
        "GET", target, headers=headers, timeout=limits.timeout_seconds, extensions={"trace": cut.trace}
    )
    with asked as response:
        if response.status_code != httpx.codes.OK:
            raise Unusable(TargetState.HTTP_ERROR, f"HTTP {response.status_code}")
        content_type = response.headers.get("content-type", "none")
        if not content_type.startswith(OPENMETRICS):
            raise Unusable(TargetState.NOT_METRICS, f"content type {content_type}")
        return _body(response, limits, cut)


def _body(response: httpx.Response, limits: Limits, cut: Cut) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limits.page_bytes:
                raise Unusable(TargetState.TOO_LARGE, f"more than {limits.page_bytes} bytes")
    except httpx.DecodingError as error:
        raise Unusable(TargetState.NOT_METRICS, f"cannot be unpacked: {error}") from error
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        if cut.made:
            raise
        raise Unusable(TargetState.TRUNCATED, f"after {len(body)} bytes: {error}") from error
    return bytes(body)


def _slow(limits: Limits) -> Unusable:
    return Unusable(TargetState.SLOW, f"no whole page within {limits.timeout_seconds:g} s")
