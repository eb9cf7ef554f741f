"""
The embedded source: read the collectors' pages, without a Prometheus in between.

No target can hold up the others for longer than its time, and none can make the engine read more than a page's worth.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import polars as pl

from collector.contract import Provenance, node_metrics
from policy.usage.sources import fetch
from policy.usage.sources.fetch import Ask, Fault, NoAnswer
from policy.usage.sources.page import parse_page
from policy.usage.sources.target import Heard, TargetState, Unusable, unheard

OPENMETRICS = "application/openmetrics-text"
STATES = {
    Fault.DOWN: TargetState.DOWN,
    Fault.SLOW: TargetState.SLOW,
    Fault.TOO_LARGE: TargetState.TOO_LARGE,
    Fault.TRUNCATED: TargetState.TRUNCATED,
    Fault.PACKED_BADLY: TargetState.NOT_METRICS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how large a page may be, and how many are read at once."""

    timeout_seconds: float = 10.0
    page_bytes: int = 16 * 1024 * 1024
    at_once: int = 16
    bearer_token: str = ""


def fault_of_url(url: str) -> str:
    """Why an address cannot be a collector's, in words that do not repeat it; empty when it can."""
    return fetch.fault_of_url(url, whose="a collector's", like="http://node:9478/metrics", flag="--scrape-token-file")


def scrape(targets: Sequence[str], provenance: Provenance, limits: Limits) -> Iterator[Heard]:
    """Every target's answer, in the order of ``targets``. Never raises for what a target does."""
    with fetch.client(limits.at_once) as connections, ThreadPoolExecutor(limits.at_once) as pool:

        def hear(target: str) -> Heard:
            return _hear(target, partial(fetch.fetch, connections), provenance, limits)

        yield from pool.map(hear, targets)


def _hear(target: str, get: Callable[[Ask], bytes], provenance: Provenance, limits: Limits) -> Heard:
    try:
        counters = parse_page(target, _page(target, get, limits), provenance)
    except Unusable as problem:
        return unheard(target, problem)
    node = counters["node"][0]
    blind = counters.filter((pl.col("metric") == node_metrics.COLLECTOR_BLIND.name) & (pl.col("value") > 0))
    if blind.height:
        detail = f"node {node}: {blind['reason'][0]}"
        return Heard(target=target, state=TargetState.BLIND, detail=detail, node=node, counters=counters)
    return Heard(target=target, state=TargetState.OK, detail="", node=node, counters=counters)


def _page(target: str, get: Callable[[Ask], bytes], limits: Limits) -> str:
    ask = Ask(
        url=target,
        check=_refuse_other_than_metrics,
        accept=f"{OPENMETRICS}; version=1.0.0",
        timeout_seconds=limits.timeout_seconds,
        largest_bytes=limits.page_bytes,
        bearer_token=limits.bearer_token,
    )
    try:
        return get(ask).decode("utf-8", errors="replace")
    except NoAnswer as problem:
        raise Unusable(STATES[problem.fault], str(problem)) from problem


def _refuse_other_than_metrics(status: int, content_type: str) -> None:
    if status != fetch.OK:
        raise Unusable(TargetState.HTTP_ERROR, f"HTTP {status}")
    if not content_type.startswith(OPENMETRICS):
        raise Unusable(TargetState.NOT_METRICS, f"content type {content_type}")
