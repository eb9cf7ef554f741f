"""
A target: one collector's name and address, and what became of asking it.

Every answer is one state with one sentence that says what was seen and what to do. Only ``ok`` and ``blind`` bring
counters; in every other state the node's last known ones stay, and the next whole page carries the sum. A collector
that has no address is not a target with a hole in it, but an answer at once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl

from collector.contract import CONTRACT_VERSION
from collector.contract.node_metrics import COLLECTOR_CLOCK
from policy.frames import conform, empty
from policy.usage.counters import COUNTERS
from policy.usage.ledger import TARGETS


class TargetState(StrEnum):
    """What became of one scrape. Everything but ``ok`` and ``blind`` means that the node was not heard this time."""

    OK = "ok"
    DOWN = "down"
    SLOW = "slow"
    TOO_LARGE = "too_large"
    HTTP_ERROR = "http_error"
    NOT_METRICS = "not_metrics"
    TRUNCATED = "truncated"
    FOREIGN_CONTRACT = "foreign_contract"
    OTHER_PROVENANCE = "other_provenance"
    DUPLICATE_NODE = "duplicate_node"
    OTHER_NODE = "other_node"
    NO_COLLECTOR = "no_collector"
    UNDISCOVERED = "undiscovered"
    CLOCK_OFF = "clock_off"
    BLIND = "blind"


LONGEST_DETAIL = 200
WHAT_NEXT = {
    TargetState.DOWN: "check that the collector runs and that the engine may reach its address",
    TargetState.SLOW: "look at the node's load, or raise --scrape-timeout-seconds",
    TargetState.TOO_LARGE: "a collector's page is some ten kilobytes; check the address",
    TargetState.HTTP_ERROR: "check the address and the bearer token",
    TargetState.NOT_METRICS: "the address serves something else than a collector's OpenMetrics page",
    TargetState.TRUNCATED: "the page ended early and was not used; the next whole one carries the sum",
    TargetState.FOREIGN_CONTRACT: f"run a collector that speaks wire contract {CONTRACT_VERSION}",
    TargetState.OTHER_PROVENANCE: "keep simulated and measured nodes in ledgers of their own",
    TargetState.DUPLICATE_NODE: "two targets have one node name and only one counts; give each its own --node",
    TargetState.OTHER_NODE: "the collector's --node has to be the name that its node has in the cluster",
    TargetState.NO_COLLECTOR: "nobody measures there; look at the collector's DaemonSet and its pods",
    TargetState.UNDISCOVERED: "check the engine's role and token and its way to the API server; nobody counts as gone",
    TargetState.CLOCK_OFF: "set the clocks of node and engine (NTP); if they are right, the collector hangs",
    TargetState.BLIND: "no GPU can be read on this node; its collector's log says why",
}  # fmt: skip


def one_line(text: str) -> str:
    """What a target said, as printable ASCII and not too long, so that nobody forges a log with it."""
    plain = "".join(each if each.isascii() and each.isprintable() else "?" for each in text)
    return plain if len(plain) <= LONGEST_DETAIL else plain[: LONGEST_DETAIL - 3] + "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    Whom to ask: ``name`` is the same for as long as it is the same collector, ``url`` is where its page is just now.

    ``node``: whose page it has to be; empty for a target of which only the address is known.
    """

    name: str
    url: str
    node: str = ""

    @classmethod
    def at(cls, url: str) -> "Target":
        """A target that is known by its address alone."""
        return cls(name=url, url=url)


class Unusable(Exception):
    """A page that cannot be used: the state it puts its target in, and what was seen."""

    def __init__(self, state: TargetState, detail: str) -> None:
        super().__init__(detail)
        self.state = state


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One target's answer: its state, why, and its counters (no rows unless the state is ``ok`` or ``blind``)."""

    target: str
    state: TargetState
    detail: str
    node: str | None
    counters: pl.DataFrame

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", one_line(self.detail))  # what a target says reaches logs and terminals

    def row(self, at: datetime) -> dict[str, object]:
        """The answer as a row of TARGETS."""
        detail = f"{self.detail}; {WHAT_NEXT[self.state]}" if self.state is not TargetState.OK else ""
        return {"at": at, "target": self.target, "node": self.node, "state": self.state.value, "detail": detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Who is to be asked, and the answers of those that cannot be."""

    targets: Sequence[Target]
    unheard: Sequence[Heard] = ()


Find = Callable[[Collection[str]], Found]
"""Finds this cycle's targets, given the names of those whose counters the ledger still holds for true."""


def unheard(target: str, problem: Unusable) -> Heard:
    """The answer of a target whose page cannot be used."""
    return Heard(target=target, state=problem.state, detail=str(problem), node=None, counters=empty(COUNTERS))


def one_for_each_node(heard: Sequence[Heard], before: pl.DataFrame) -> Iterator[Heard]:
    """
    The same answers, in which every node speaks through one target only; further ones become ``duplicate_node``.

    It is the target that spoke for the node in the snapshot ``before``, as long as that one is still asked, answering
    or not; else the first. Two collectors under one name that took turns would look like restarts, and count twice.
    """
    asked = {each.target for each in heard}
    known = before.select("node", "target").unique().sort("node", "target").iter_rows()
    speaks_for = {node: target for node, target in known if target in asked}
    spoken: set[str] = set()
    for each in heard:
        if each.node is None:
            yield each
        elif each.node in spoken or speaks_for.setdefault(each.node, each.target) != each.target:
            other = speaks_for[each.node]
            yield unheard(each.target, Unusable(TargetState.DUPLICATE_NODE, f"node {each.node} is {other} already"))
        else:
            spoken.add(each.node)
            yield each


def with_right_clocks(heard: Iterable[Heard], at: datetime, tolerance: timedelta) -> Iterator[Heard]:
    """
    The same answers without those whose clock is further from ``at`` than ``tolerance``; these become ``clock_off``.

    A node's clock dates its usage, and so the law and the look-back that apply to it. Nothing is lost by waiting: when
    the clock is right, the counters carry the sum.
    """
    for each in heard:
        off = _clock_of(each.counters) - at if each.counters.height else timedelta()
        if abs(off) > tolerance:
            ahead = "ahead of" if off > timedelta() else "behind"
            problem = Unusable(TargetState.CLOCK_OFF, f"node {each.node} is {abs(off)} {ahead} the engine")
            yield unheard(each.target, problem)
        else:
            yield each


def _clock_of(counters: pl.DataFrame) -> datetime:
    unix = counters.filter(pl.col("metric") == COLLECTOR_CLOCK.name)["value"][0]
    return datetime.fromtimestamp(unix, UTC)


def targets_frame(heard: Iterable[Heard], at: datetime) -> pl.DataFrame:
    """What became of every scrape, schema TARGETS."""
    return conform(pl.DataFrame([each.row(at) for each in heard], schema=TARGETS), TARGETS, "targets")
