"""
What each path answers, from memory, and within the time that the reader gives.
"""

import json
import math
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus

from collector.exposition import Renderer
from collector.loop import Collector, NotInTime

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"  # Prometheus sends it with every scrape: scrape/scrape.go
USUAL_TIMEOUT_SECONDS = 10.0  # scrape_timeout where a configuration of Prometheus names none
LONGEST_TIMEOUT_SECONDS = 60.0  # a guess: a page that is not there after a minute will not come
MARGIN_SECONDS = 0.5  # for rendering and the network; as --timeout-offset of blackbox_exporter
PROBE_SECONDS = 0.8  # a guess: the kubelet waits for 1 s where a probe says nothing else

Answer = tuple[HTTPStatus, str, bytes]
"""Status, content type, body."""
Page = Callable[[Message], Answer]
"""Answers to the headers of a request."""


def pages_of(collector: Collector) -> dict[str, Page]:
    """By path."""
    renderer = Renderer()

    def metrics(headers: Message) -> Answer:
        page = collector.page(timeout_seconds=patience_seconds(headers.get(TIMEOUT_HEADER, "")))
        content_type, body = renderer.render(page.kept, page.live, headers.get("Accept", ""))
        return HTTPStatus.OK, content_type, body

    def health(_: Message) -> Answer:
        state = collector.health(timeout_seconds=PROBE_SECONDS)
        status = HTTPStatus.SERVICE_UNAVAILABLE if state.hangs else HTTPStatus.OK
        return of_json(status, {"ticks": state.ticks, "seconds_since_tick": round(state.seconds_since_tick, 3)})

    def ready(_: Message) -> Answer:
        state = collector.health(timeout_seconds=PROBE_SECONDS)
        reason = state.blind.reason if state.blind else ""
        if state.hanging:
            return of_json(HTTPStatus.SERVICE_UNAVAILABLE, {"state": "hanging", "reason": state.hanging})
        if not state.ticks:
            return of_json(HTTPStatus.SERVICE_UNAVAILABLE, {"state": "starting", "reason": reason})
        return of_json(HTTPStatus.OK, {"state": "blind" if state.blind else "observing", "reason": reason})

    return {path: _in_time(page) for path, page in (("/metrics", metrics), ("/healthz", health), ("/readyz", ready))}


def patience_seconds(header: str) -> float:
    """How long to wait for a page, by what the reader's header says of its own patience; as usual if it says none."""
    try:
        given = float(header)
    except ValueError:
        given = math.nan
    if not 0 < given < math.inf:
        given = USUAL_TIMEOUT_SECONDS
    given = min(given, LONGEST_TIMEOUT_SECONDS)
    return max(given - MARGIN_SECONDS, given / 2)


def of_json(status: HTTPStatus, body: dict[str, object]) -> Answer:
    """An answer for programs and people alike."""
    return status, "application/json", json.dumps(body).encode() + b"\n"


def _in_time(page: Page) -> Page:
    def answer(headers: Message) -> Answer:
        try:
            return page(headers)
        except NotInTime as error:
            return of_json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})

    return answer
