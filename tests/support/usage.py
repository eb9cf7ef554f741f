"""Nodes, snapshots, windows and pages to test with, where only what matters is written."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import polars as pl

from collector.accounting import Absent, Accounts, DeviceInterval, Holder, Reading, Why, attribute
from collector.contract import CONTRACT_VERSION, Metric, Sample, node_metrics
from collector.exposition import render
from policy.frames import empty
from policy.usage.counters import COUNTERS, KEPT, LABELS, balance_between, carry_forward, windows_between
from policy.usage.window import COUNTED, WINDOWS

H100 = "NVIDIA H100 80GB HBM3"
START = datetime(2026, 6, 1, tzinfo=UTC)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
BUSY = 0.5


def a_moment(seconds: float) -> datetime:
    """The moment so many seconds after the tests' beginning."""
    return START + timedelta(seconds=seconds)


def a_holder(name: str = "pod-0", *, tenant_id: str | None = "t-1", **different: Any) -> Holder:
    """A container that holds devices, named after its pod."""
    values: dict[str, Any] = {
        "namespace": "team-a",
        "pod": name,
        "pod_uid": f"uid-{name}",
        "container": "main",
        "workload_kind": "Job",
        "workload_name": name,
        "workload_uid": f"owner-{name}",
        "tenant_id": Absent(Why.NOT_CLAIMED) if tenant_id is None else tenant_id,
    }
    return Holder(**{**values, **different})


@dataclass
class ANode:
    """A node that lives through what a test tells it: time with holders, restarts of its collector, pages."""

    name: str = "node-a"
    provenance: str = "measured"
    accelerator: str = H100
    now: float = 0.0
    began: float = 0.0
    contract_version: str = CONTRACT_VERSION
    blind: str = ""
    accounts: Accounts = field(default_factory=Accounts)
    reads: Mapping[str, float] = field(default_factory=dict)  # what its devices tell besides, by field
    rhythm: Mapping[Metric, float] = field(default_factory=dict)  # of every holder of its devices

    def run(self, seconds: float, *gpus: Iterable[Holder], busy: float = BUSY) -> "ANode":
        """Let time pass; one entry for each GPU says who holds it."""
        told: dict[str, Any] = {"busy_ratio": busy, "power_watts": 400.0, "memory_used_bytes": 1 << 30, **self.reads}
        reading = replace(Reading.absent(Why.NOT_SUPPORTED), **told)
        elapsed_ns = round(seconds * 1e9)
        self.accounts.advance(elapsed_ns, {self.accelerator: len(gpus)})
        self.accounts.integrate(
            elapsed_ns,
            [
                DeviceInterval(
                    gpu_uuid=f"GPU-{number}",
                    accelerator=self.accelerator,
                    reading=reading,
                    attribution=attribute(reading, holders),
                )
                for number, holders in enumerate(gpus)
            ],
        )
        self.now += seconds
        return self

    def restart(self, down_seconds: float = 0.0) -> "ANode":
        """Let the collector die and begin anew some time later."""
        self.now += down_seconds
        self.began, self.accounts = self.now, Accounts()
        return self

    def resume(self, down_seconds: float, *held: tuple[Holder, ...]) -> "ANode":
        """Let the collector die and go on from its state file; these were holding devices before or after."""
        self.accounts = Accounts.of(self.accounts.books())
        down_ns = round(down_seconds * 1e9)
        self.accounts.pass_unwatched(down_ns)
        self.accounts.may_have_held((self.accelerator, holders, down_ns) for holders in held)
        self.now += down_seconds
        return self

    def samples(self) -> tuple[Sample, ...]:
        """Everything that the node's collector serves."""
        where = (self.name, self.provenance)
        return (
            Sample(node_metrics.COLLECTOR_INFO, (*where, "0", self.contract_version, ""), 1),
            Sample(node_metrics.COLLECTOR_BLIND, (*where, self.blind), 1 if self.blind else 0),
            Sample(node_metrics.COLLECTOR_START, where, START.timestamp() + self.began),
            Sample(node_metrics.COLLECTOR_CLOCK, where, START.timestamp() + self.now),
            *self.accounts.samples(*where),
            *self._rhythms(),
        )

    def _rhythms(self) -> Iterator[Sample]:
        """The rhythm of everybody who holds devices now, told from their tensor pipes."""
        for book in self.accounts.books().holders if self.rhythm else ():
            labels = (self.name, self.provenance, *book.holder.labels, book.accelerator)
            for metric, value in self.rhythm.items() if book.devices_now else ():
                beside = ("tensor_active_ratio",) if "signal" in metric.labels else ()
                yield Sample(metric, (*labels, *beside), value)

    def page(self) -> str:
        """Its page, as the collector renders it."""
        return render(self.samples(), OPENMETRICS)[1].decode()

    def snapshot(self) -> pl.DataFrame:
        """Its counters as they stand."""
        return a_snapshot(*self.samples())


def a_snapshot(*samples: Sample) -> pl.DataFrame:
    """Put samples into a frame in the schema of the counters."""
    return pl.DataFrame([_row(sample) for sample in samples if sample.metric.name in KEPT], schema=COUNTERS)


def without(snapshot: pl.DataFrame, pod: str) -> pl.DataFrame:
    """Leave out a pod's series, as a collector does that has retired it."""
    return snapshot.filter(pl.col("workload_pod").ne_missing(pod))


def with_value(snapshot: pl.DataFrame, metric: Metric, value: float) -> pl.DataFrame:
    """Set all series of one metric."""
    changed = pl.when(pl.col("metric") == metric.name).then(value).otherwise("value")
    return snapshot.with_columns(value=changed)


def a_window(**different: Any) -> dict[str, object]:
    """One row of a windows' frame: an hour of one device, half of it busy."""
    values = dict.fromkeys(WINDOWS) | {
        "node": "node-a",
        "provenance": "measured",
        "workload_namespace": "team-a",
        "workload_kind": "Job",
        "workload_name": "job-0",
        "workload_pod": "pod-0",
        "pod_uid": "uid-pod-0",
        "container": "main",
        "tenant_id": "t-1",
        "accelerator": H100,
        "metering": "utilisation",
        "window_start": START,
        "window_end": a_moment(3600),
        "device_count": 1.0,
        **dict.fromkeys(COUNTED, 0.0),
        "held_seconds": 3600.0,
        "observed_seconds": 3600.0,
        "busy_seconds": 1800.0,
    }
    assert set(different) <= set(WINDOWS), f"a window has no {set(different) - set(WINDOWS)}"
    return values | different


def windows_frame(*rows: dict[str, object]) -> pl.DataFrame:
    """Put windows into a frame in their schema."""
    return pl.DataFrame(list(rows), schema=WINDOWS)


@dataclass
class Cycles:
    """What an engine does with snapshots, without its files: the windows and balances of cycle after cycle."""

    latest: pl.DataFrame = field(default_factory=lambda: empty(COUNTERS))
    windows: list[pl.DataFrame] = field(default_factory=list)
    balances: list[pl.DataFrame] = field(default_factory=list)

    def hear(self, *answered: pl.DataFrame) -> pl.DataFrame:
        """One cycle, in which these nodes answered; its windows."""
        after = carry_forward(self.latest, pl.concat([empty(COUNTERS), *answered]))
        self.windows.append(windows_between(self.latest, after))
        self.balances.append(balance_between(self.latest, after))
        self.latest = after
        return self.windows[-1]


class Handler(BaseHTTPRequestHandler):
    """An HTTP handler that says nothing on the terminal; a test gives it ``reply``."""

    def do_GET(self) -> None:
        """Reply."""
        self.reply()

    def do_POST(self) -> None:
        """Reply."""
        self.reply_to_post()

    def reply(self) -> None:
        """Answer a GET."""
        raise NotImplementedError

    def reply_to_post(self) -> None:
        """Answer a POST."""
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """Send a whole answer; ``Content_Length`` and others may say something else than the truth."""
        self.send_response(status)
        for name, value in {"Content_Type": content_type, "Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(handler: type[Handler]) -> Iterator[str]:
    """A real server on a free loopback port; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _row(sample: Sample) -> dict[str, object]:
    labels = dict(zip(sample.metric.labels, sample.label_values, strict=True))
    return {
        "target": f"http://{labels['node']}/metrics",
        "metric": sample.metric.name,
        **{name: labels.get(name) or None for name in LABELS},
        "value": float(sample.value),
    }
