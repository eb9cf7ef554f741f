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
from policy.usage.sources.target import Heard, Target, TargetState, Unusable, unheard

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


def scrape(targets: Sequence[Target], provenance: Provenance, limits: Limits) -> Iterator[Heard]:
    """Every target's answer, in the order of ``targets``. Never raises for what a target does."""
    with fetch.client(limits.at_once) as connections, ThreadPoolExecutor(limits.at_once) as pool:

        def hear(target: Target) -> Heard:
            return _hear(target, partial(fetch.fetch, connections), provenance, limits)

        yield from pool.map(hear, targets)


def _hear(target: Target, get: Callable[[Ask], bytes], provenance: Provenance, limits: Limits) -> Heard:
    try:
        counters = parse_page(target.name, _page(target.url, get, limits), provenance)
        node = counters["node"][0]
        _refuse_other_node(target, node)
    except Unusable as problem:
        return unheard(target.name, problem)
    blind = counters.filter((pl.col("metric") == node_metrics.COLLECTOR_BLIND.name) & (pl.col("value") > 0))
    if blind.height:
        detail = f"node {node}: {blind['reason'][0]}"
        return Heard(target=target.name, state=TargetState.BLIND, detail=detail, node=node, counters=counters)
    return Heard(target=target.name, state=TargetState.OK, detail="", node=node, counters=counters)


def _refuse_other_node(target: Target, node: str) -> None:
    """An address that has come to another pod must not bring that one's counters under this name."""
    if target.node and node != target.node:
        raise Unusable(TargetState.OTHER_NODE, f"the page there is of node {node}")


def _page(url: str, get: Callable[[Ask], bytes], limits: Limits) -> str:
    ask = Ask(
        url=url,
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
