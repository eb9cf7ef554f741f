from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.prometheus import recorded
from support.recorded import HOUR, SPACING, Recorded
from support.usage import BUSY, START, ANode, a_holder

from collector.accounting import Holder
from collector.contract import rhythm_metrics
from policy.usage.sources.fill import Fill
from policy.usage.sources.prometheus import Found, Kind, read_prometheus
from policy.usage.sources.query import PrometheusError, Server, asking
from policy.usage.window import WINDOWS

EXACT = 1e-6  # the collectors' own counters are read, and nothing is extrapolated


def read(url: str, hours: float, **different: Any) -> Found:
    """What this Prometheus says of the hours since the tests' START."""
    asked: dict[str, Any] = {
        "begin": START,
        "end": START + timedelta(hours=hours),
        "window_seconds": HOUR,
        "fill": Fill(),
    }
    with asking(Server(url=url)) as api:
        return read_prometheus(api, **{**asked, **different})


class Scraped:
    """Collectors and the Prometheus that scrapes them, until a test says that it does not."""

    def __init__(self) -> None:
        self.series = Recorded()
        self.labels: dict[str, str] = {}

    def live(self, node: ANode, seconds: float, *gpus: Iterable[Holder], heard: bool = True) -> None:
        """Let the node live and be scraped every 30 s; ``heard=False``: only its time goes on."""
        for _ in range(round(seconds / SPACING)):
            node.run(SPACING, *gpus)
            if heard:
                self.series.page(node, f"{node.name}-{node.began:g}:9478", **self.labels)


def held(found: Found, pod: str) -> float:
    """The hours for which a pod held devices alone."""
    return float(found.windows.filter(pl.col("workload_pod") == pod)["held_seconds"].sum()) / 3600


JOB, SERVE, SHORT, LATE = (a_holder(name) for name in ("job-0", "serve-0", "short-0", "late-0"))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """Six hours: one collector begins anew twice, one is not scraped for long, one is short-lived, one falls silent."""
    scraped = Scraped()
    anew, unheard, silent = ANode("anew"), ANode("unheard"), ANode("silent")
    scraped.live(anew, 1.5 * HOUR, [JOB], [JOB])
    anew.restart(down_seconds=300)
    scraped.live(anew, 600, [JOB], [JOB])
    anew.restart(down_seconds=60)
    scraped.live(anew, 4.5 * HOUR - 960, [JOB], [JOB])
    scraped.live(unheard, 1.75 * HOUR, [SERVE], [SERVE, LATE])
    scraped.live(unheard, 2 * HOUR, [SERVE], [SERVE, LATE], heard=False)
    scraped.live(unheard, 2.25 * HOUR, [SERVE], [LATE])
    short = ANode("short", now=2.2 * HOUR, began=2.2 * HOUR)
    scraped.live(short, 1200, [SHORT])
    scraped.live(silent, 4.5 * HOUR, [a_holder("silent-0", tenant_id=None)])
    folder = tmp_path_factory.mktemp("collectors")
    with recorded(scraped.series.openmetrics(), folder) as url:
        yield read(url, 6)


def test_a_collector_that_begins_anew_loses_nothing_it_published(fleet: Found) -> None:
    """What was scraped before each new beginning counts, once, and the time between is unwatched."""
    rows = fleet.windows.filter(pl.col("node") == "anew")
    assert held(fleet, "job-0") == pytest.approx(2 * (6 - 360 / 3600), rel=EXACT)
    assert rows["unwatched_seconds"].sum() == pytest.approx(2 * 360, rel=EXACT)
    assert rows["busy_seconds"].sum() == pytest.approx(BUSY * rows["held_seconds"].sum(), rel=EXACT)


def test_a_scrape_gap_is_carried_by_the_next_scrape(fleet: Found) -> None:
    """Two hours without a scrape are one longer window with the whole sum, and nothing of it is unwatched."""
    rows = fleet.windows.filter(pl.col("node") == "unheard")
    assert held(fleet, "serve-0") == pytest.approx(6, rel=EXACT)
    assert held(fleet, "late-0") == pytest.approx(2.25, rel=EXACT)
    assert rows["shared_seconds"].sum() == pytest.approx(2 * 3.75 * HOUR, rel=EXACT)
    assert rows["unwatched_seconds"].sum() == 0


def test_a_node_that_lived_between_two_windows_ends_counts(fleet: Found) -> None:
    """A collector that came and went within an hour is read at its last scrape, and may hold its GPU still."""
    assert held(fleet, "short-0") == pytest.approx(1200 / 3600, rel=EXACT)


def test_a_node_silent_at_the_end_is_unwatched(fleet: Found) -> None:
    """Whoever held its devices last may hold them still."""
    rows = fleet.windows.filter(pl.col("node") == "silent")
    assert held(fleet, "silent-0") == pytest.approx(4.5, rel=EXACT)
    assert rows["unwatched_seconds"].sum() == pytest.approx(1.5 * HOUR, rel=EXACT)


def test_windows_have_what_the_collectors_say(fleet: Found) -> None:
    """Tenant and workload are the collectors' own; the source says what it read."""
    assert fleet.windows.schema == WINDOWS
    assert (fleet.kind, fleet.nodes, fleet.nobodys_gpu_hours) == (Kind.FLOPWATCH, 4, None)
    workloads = dict(fleet.windows.select("workload_pod", "workload_kind").iter_rows())
    assert set(workloads.values()) == {"Job"}
    assert set(fleet.windows["tenant_id"]) == {"t-1", None}
    assert any("were without a tenant" in each for each in fleet.remarks)


def test_what_collectors_say_of_activity_and_rhythm_is_read(tmp_path: Path) -> None:
    """Windows from a Prometheus have what devices did and their rhythm, like those of pages; no page need tell it."""
    scraped = Scraped()
    rhythm = {rhythm_metrics.RHYTHM_PERIOD: 20.0, rhythm_metrics.RHYTHM_SYNCHRONY: -0.5}
    reads = {"tensor_active_ratio": 0.25, "pcie_receive_bytes_per_second": 1e9, "pcie_transmit_bytes_per_second": 2e9}
    scraped.live(ANode("telling", reads=reads, rhythm=rhythm), 2 * HOUR, [JOB])
    scraped.live(ANode("plain"), 2 * HOUR, [SERVE])
    with recorded(scraped.series.openmetrics(), tmp_path) as url:
        windows = read(url, hours=2).windows
    told, plain = (windows.filter(pl.col("node") == name) for name in ("telling", "plain"))
    assert told["tensor_active_seconds"].sum() == pytest.approx(0.25 * told["held_seconds"].sum(), rel=EXACT)
    assert told["pcie_bytes"].sum() == pytest.approx(3e9 * told["pcie_observed_seconds"].sum(), rel=EXACT)
    assert set(told["period_seconds"]) == {20.0}
    assert set(told["synchrony_ratio"]) == {-0.5}
    assert plain["tensor_observed_seconds"].sum() == 0.0
    assert plain["period_seconds"].null_count() == plain.height


def of_one_node(change: Callable[[Scraped], None] = lambda _: None, hours: float = 2.0) -> str:
    """The series of one collector, as text."""
    scraped = Scraped()
    change(scraped)
    scraped.live(ANode(), hours * HOUR, [JOB])
    return scraped.series.openmetrics()


def test_labels_that_a_scrape_renamed_are_read(tmp_path: Path) -> None:
    """A scrape with a node and a container of its own leaves the collector's under exported names."""

    def rename(scraped: Scraped) -> None:
        scraped.labels = {
            "node": "k8s-1",
            "container": "collector",
            "exported_node": "node-a",
            "exported_container": "main",
        }

    with recorded(of_one_node(rename), tmp_path) as url:
        found = read(url, 2)
    assert set(found.windows["node"]) == {"node-a"}
    assert set(found.windows["container"]) == {"main"}
    assert held(found, "job-0") == pytest.approx(2, rel=EXACT)


def test_what_was_counted_before_the_span_is_not_in_it(tmp_path: Path) -> None:
    """Of a collector that runs for long, only what it counted since the beginning of the span is used."""
    with recorded(of_one_node(hours=5), tmp_path) as url:
        found = read(url, 5, begin=START + timedelta(hours=3))
        part = read(url, begin=START + timedelta(hours=3.25), hours=4.5)
    assert held(found, "job-0") == pytest.approx(2, rel=EXACT)
    assert held(part, "job-0") == pytest.approx(1.25, rel=EXACT)


def test_a_namespace_fills_only_what_nobody_claimed(tmp_path: Path) -> None:
    """The tenant that a series names stands; the others come from their namespace."""
    scraped = Scraped()
    scraped.live(ANode(), HOUR, [JOB], [a_holder("own-0", tenant_id=None)])
    with recorded(scraped.series.openmetrics(), tmp_path) as url:
        found = read(url, 1, fill=Fill(columns={"tenant_id": "namespace"}))
    tenants = dict(found.windows.select("workload_pod", "tenant_id").iter_rows())
    assert tenants == {"job-0": "t-1", "own-0": "team-a"}


def test_simulated_series_are_said_to_be_so(tmp_path: Path) -> None:
    """Nobody takes the numbers of a demo for measured ones."""
    scraped = Scraped()
    scraped.live(ANode(provenance="simulated"), HOUR, [JOB])
    with recorded(scraped.series.openmetrics(), tmp_path) as url:
        found = read(url, 1)
    assert set(found.windows["provenance"]) == {"simulated"}
    assert any("simulated" in each for each in found.remarks)


def test_a_series_that_was_not_kept_is_an_error(tmp_path: Path) -> None:
    """A Prometheus that drops the busy seconds would make everybody look idle."""
    text = of_one_node()
    lines = [line for line in text.split("\n") if "flopwatch_holder_busy_seconds_total" not in line]
    with (
        recorded("\n".join(lines), tmp_path) as url,
        pytest.raises(PrometheusError, match="there is no flopwatch_holder_busy_seconds_total"),
    ):
        read(url, 1)


def test_one_of_two_kinds_of_series_is_read(tmp_path: Path) -> None:
    """Where both kinds are there the collectors' are read, the others on demand, and never both."""
    scraped = Scraped()
    scraped.live(ANode(), HOUR, [JOB])
    scraped.series.gpu(range(7, HOUR, SPACING), gpu="node-a/0", pods=["job-0"])
    with recorded(scraped.series.openmetrics(), tmp_path) as url:
        ours, theirs = read(url, 1), read(url, 1, kind=Kind.DCGM)
    assert (ours.kind, theirs.kind) == (Kind.FLOPWATCH, Kind.DCGM)
    assert held(ours, "job-0") == pytest.approx(1, rel=EXACT)
    assert held(theirs, "job-0") == pytest.approx(1, rel=0.005)
    assert "--series dcgm" in ours.remarks[0]
