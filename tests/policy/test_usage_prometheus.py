from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.prometheus import recorded
from support.recorded import HOUR, JOB, Recorded, labels_of, times
from support.usage import H100, START

from policy.usage.sources.fill import Fill
from policy.usage.sources.prometheus import Found, Kind, read_prometheus
from policy.usage.sources.query import PrometheusError, Server, asking
from policy.usage.window import COUNTED, LEVELS, WINDOWS

EXACT = 0.005
OF_A_POD = ("held_seconds", "busy_seconds", "shared_seconds", "unwatched_seconds")
NAMESPACE = Fill(columns={"tenant_id": "namespace"})


def read(url: str, hours: float = 6, **different: Any) -> Found:
    """What this Prometheus says of the hours since the tests' START."""
    asked: dict[str, Any] = {"begin": START, "end": START + timedelta(hours=hours), "window_seconds": HOUR}
    with asking(Server(url=url)) as api:
        return read_prometheus(api, **{**asked, "fill": NAMESPACE, **different})


@contextmanager
def found_in(series: Recorded, folder: Path, **different: Any) -> Iterator[Found]:
    """What a Prometheus with these series says."""
    with recorded(series.openmetrics(), folder) as url:
        yield read(url, **different)


def hours_of(found: Found, pod: str) -> dict[str, float]:
    """What a pod used over all windows, in device-hours."""
    rows = found.windows.filter(pl.col("workload_pod") == pod)
    return {name: float(rows[name].sum()) / 3600 for name in OF_A_POD}


def used(held: float = 0.0, busy: float = 0.0, shared: float = 0.0, unwatched: float = 0.0) -> dict[str, float]:
    """The truth about a pod, in device-hours, from which windows may differ by half a percent."""
    values = dict(zip(OF_A_POD, (held, busy, shared, unwatched), strict=True))
    return {name: pytest.approx(value, rel=EXACT, abs=1e-6) for name, value in values.items()}


# A fleet with everything that makes counting hard


def a_fleet() -> Recorded:
    """Two nodes for six hours; what each GPU was used for is the truth of the tests below."""
    fleet = Recorded()
    whole = times(0, 6 * HOUR)
    fleet.gpu(whole, gpu="a/0", pods=["train-1"], util=90.0)
    fleet.gpu(times(0, 2.25 * HOUR), gpu="a/1", pods=["train-1"], util=90.0)
    fleet.gpu(times(2.25 * HOUR, 2.75 * HOUR), gpu="a/1")
    fleet.gpu(times(2.75 * HOUR, 6 * HOUR), gpu="a/1", pods=["serve-1"], util=10.0)
    fleet.gpu(times(0, 1.5 * HOUR), gpu="a/2", pods=["serve-2"])
    fleet.gpu(times(1.5 * HOUR, 4 * HOUR), gpu="a/2", pods=["serve-2", "serve-3"])
    fleet.gpu(times(4 * HOUR, 6 * HOUR), gpu="a/2")
    heard = [*times(0, 2 * HOUR), *times(3.5 * HOUR, 6 * HOUR)]  # nobody scraped node b for an hour and a half
    fleet.gpu(heard, gpu="b/0", pods=["train-2"], util=80.0)
    fleet.gpu(times(0, 2 * HOUR), gpu="b/1", pods=["old-1"])
    fleet.gpu(times(3.5 * HOUR, 6 * HOUR), gpu="b/1", pods=["new-1"])
    for number, pod in (("1", "mig-1"), ("2", "")):
        slice_ = {"GPU_I_ID": number, "GPU_I_PROFILE": "3g.40gb"}
        engine = {"DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.25}
        fleet.gpu(heard, gpu="b/2", pods=[pod], util=None, more=engine, **slice_)
    return fleet


@pytest.fixture(scope="module")
def fleets_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The fleet's Prometheus."""
    with recorded(a_fleet().openmetrics(), tmp_path_factory.mktemp("fleet")) as url:
        yield url


@pytest.fixture(scope="module")
def fleet(fleets_url: str) -> Found:
    """The fleet, as its Prometheus tells it."""
    return read(fleets_url)


HOLDS = (90 - 23) / 3600  # the last value before a silence, of 1:59:37, is believed for three scrape intervals
TRUTH = {
    "train-1": used(held=6 + 2.25, busy=0.9 * 8.25),
    "serve-1": used(held=3.25, busy=0.1 * 3.25),
    "serve-2": used(held=1.5, busy=0.75, shared=2.5),
    "serve-3": used(shared=2.5),
    "train-2": used(held=6, busy=0.8 * (4.5 + HOLDS)),
    "old-1": used(held=2 + HOLDS, busy=1 + HOLDS / 2, unwatched=1.5 - HOLDS),
    "new-1": used(held=2.5, busy=1.25, unwatched=1.5 - HOLDS),
    "mig-1": used(held=6, busy=0.25 * (4.5 + HOLDS)),
}


@pytest.mark.parametrize("pod", TRUTH)
def test_the_hours_of_every_pod_are_the_truth(fleet: Found, pod: str) -> None:
    """Held, busy, shared and unwatched time are within half a percent of what was so, over ends, gaps and sharing."""
    assert set(fleet.windows["workload_pod"]) == set(TRUTH)
    assert hours_of(fleet, pod) == TRUTH[pod]


def test_nothing_of_a_gpu_is_counted_twice(fleet: Found) -> None:
    """All that is held, shared once, and nobody's adds up to the hours that the GPUs were there."""
    held = fleet.windows["held_seconds"].sum() / 3600
    assert held == pytest.approx(sum(truth["held_seconds"].expected for truth in TRUTH.values()), rel=EXACT)
    assert fleet.nobodys_gpu_hours == pytest.approx(0.5 + 2 + 4.5 + HOLDS, rel=EXACT)
    assert (fleet.kind, fleet.gpus, fleet.nodes) == (Kind.DCGM, 6, 2)


@pytest.mark.parametrize("minutes", [5, 15, 360])
def test_the_length_of_windows_changes_no_sum(fleets_url: str, minutes: int) -> None:
    """Whole windows and samples tell the same: how much is read as which depends on the length of windows."""
    found = read(fleets_url, window_seconds=minutes * 60)
    assert {pod: hours_of(found, pod) for pod in TRUTH} == TRUTH


def test_only_the_time_that_was_asked_for_counts(fleets_url: str) -> None:
    """A beginning and an end within an hour cut the windows there."""
    found = read(fleets_url, begin=START + timedelta(minutes=30), end=START + timedelta(minutes=75))
    assert hours_of(found, "train-1") == used(held=1.5, busy=0.9 * 1.5)


def test_windows_are_hourly_and_say_who_and_what(fleet: Found) -> None:
    """No window is longer than its hour; each has node, namespace, pod, container, tenant and accelerator."""
    windows = fleet.windows
    assert windows.schema == WINDOWS
    assert windows.filter(
        pl.col("window_end").dt.truncate("1h") - pl.col("window_start") > timedelta(hours=1)
    ).is_empty()
    (row,) = windows.filter((pl.col("workload_pod") == "train-1") & (pl.col("window_start") == START)).to_dicts()
    assert (row["node"], row["workload_namespace"], row["container"], row["tenant_id"]) == (
        "a",
        "train",
        "main",
        "train",
    )
    assert (row["accelerator"], row["device_count"], row["metering"]) == (H100, 2.0, "utilisation")
    assert (row["workload_kind"], row["workload_name"]) == (None, None)
    assert row["energy_joules"] == pytest.approx(2 * 400.0 * HOUR, rel=EXACT)
    assert row["memory_byte_seconds"] == pytest.approx(2 * 1024.0 * 1024 * 1024 * HOUR, rel=EXACT)


PROFILED = {
    "DCGM_FI_PROF_SM_ACTIVE": 0.8,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.4,
    "DCGM_FI_PROF_DRAM_ACTIVE": 0.3,
    "DCGM_FI_PROF_NVLINK_RX_BYTES": 3e9,
    "DCGM_FI_PROF_NVLINK_TX_BYTES": 2e9,
}


@pytest.mark.parametrize("hours", [2.0, 1.75], ids=["whole windows", "a window read by its samples"])
def test_what_profiling_tells_is_in_the_windows(tmp_path: Path, hours: float) -> None:
    """Tensor pipes, multiprocessors, memory and links are read as rates, and power squared from its samples."""
    series = Recorded()
    for number, at in enumerate(times(0, hours * HOUR)):
        watts = {"DCGM_FI_DEV_POWER_USAGE": 500.0 if number % 2 else 300.0}
        series.gpu([at], gpu="a/0", pods=["train-1"], more=PROFILED | watts)
    with found_in(series, tmp_path, hours=2) as found:
        windows = found.windows
    told = windows.select(pl.col(pl.Float64).sum()).row(0, named=True)
    held = told["held_seconds"]
    assert held == pytest.approx(hours * HOUR, rel=0.01)
    for name, rate in {"sm_active": 0.8, "tensor_active": 0.4, "dram_active": 0.3}.items():
        assert told[f"{name}_seconds"] == pytest.approx(rate * held, rel=EXACT)
    assert told["nvlink_bytes"] == pytest.approx(5e9 * held, rel=EXACT)
    assert told["power_square_watt2_seconds"] == pytest.approx(170_000 * held, rel=0.01)
    for name in ("sm", "tensor", "dram", "nvlink", "power"):
        assert told[f"{name}_observed_seconds"] == pytest.approx(held, rel=EXACT)
    assert told["pcie_observed_seconds"] == sum(told[name] for name in LEVELS) == 0.0
    assert windows["period_seconds"].null_count() == windows.height


def test_a_metric_that_falls_silent_is_known_only_while_it_speaks(tmp_path: Path) -> None:
    """A counter told for six minutes of an hour says nothing of the others, however well the rest is sampled."""
    series = Recorded()
    for number, at in enumerate(times(0, 2 * HOUR)):
        idle = {"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.02} if number % 120 < 12 else {}
        series.gpu([at], gpu="a/0", pods=["train-1"], util=100.0, more=idle)
    with found_in(series, tmp_path, hours=2) as found:
        told = found.windows.select(pl.col(pl.Float64).sum()).row(0, named=True)
    assert told["observed_seconds"] == pytest.approx(2 * HOUR, rel=0.01)
    assert told["tensor_observed_seconds"] == pytest.approx(2 * 360, rel=0.1)
    assert told["tensor_active_seconds"] == pytest.approx(0.02 * told["tensor_observed_seconds"], rel=EXACT)


def test_what_is_not_profiled_is_not_observed(fleet: Found) -> None:
    """A fleet whose exporter tells busy time, power and memory alone has no observed second of anything else."""
    observed = ("sm_observed_seconds", "tensor_observed_seconds", "dram_observed_seconds", "nvlink_observed_seconds")
    assert fleet.windows.select(pl.sum_horizontal(pl.col(observed).sum())).item() == 0.0
    assert fleet.windows.select(pl.sum_horizontal(pl.col(COUNTED).is_null().sum())).item() == 0
    train = fleet.windows.filter(pl.col("workload_pod") == "train-1")
    assert train["power_square_watt2_seconds"].sum() == pytest.approx(400.0**2 * train["held_seconds"].sum(), rel=EXACT)


def test_a_gap_within_a_pod_is_held_and_unobserved(fleet: Found) -> None:
    """What nobody scraped is in the held time of a pod that was there before and after, and not in the observed."""
    rows = fleet.windows.filter(pl.col("workload_pod") == "train-2")
    unobserved = (rows["held_seconds"] - rows["observed_seconds"]).sum()
    assert unobserved == pytest.approx(1.5 * HOUR, abs=3 * 30)


def test_a_mig_instance_is_a_device_of_its_own_name(fleet: Found) -> None:
    """It has its profile in its accelerator's name, and no power, which is the whole board's."""
    rows = fleet.windows.filter(pl.col("workload_pod") == "mig-1")
    assert set(rows["accelerator"]) == {f"{H100} MIG 3g.40gb"}
    assert rows["energy_observed_seconds"].sum() == 0
    assert rows["memory_observed_seconds"].sum() > 0


def test_what_was_missing_is_said(fleet: Found) -> None:
    """Sharing, silence, slices and owners that nobody named have a sentence each."""
    said = "\n".join(fleet.remarks)
    for words in ("no kube_pod_owner", "on a shared GPU", "while nobody read", "watched by nobody", "on MIG instances"):
        assert words in said
    assert "without a tenant" not in said


# Labels


def test_exported_labels_are_the_holders(tmp_path: Path) -> None:
    """Where a scrape keeps its own labels the exporter's pod holds nothing, also on a GPU that nobody has."""
    series, exporter = Recorded(), {"namespace": "gpu-operator", "pod": "monitor-x", "container": "exporter"}
    theirs = {"exported_namespace": "team-a", "exported_pod": "job-0", "exported_container": "main"}
    series.gpu(times(0, HOUR), gpu="a/0", **exporter, **theirs)
    series.gpu(times(0, HOUR), gpu="a/1", **exporter)
    with found_in(series, tmp_path, hours=1) as found:
        (row,) = found.windows.to_dicts()
    assert (row["workload_namespace"], row["workload_pod"], row["container"]) == ("team-a", "job-0", "main")
    assert found.nobodys_gpu_hours == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("own", ["nvidia-dcgm-exporter-x7k2p", "gpu-metrics-0"])
def test_the_exporters_own_pod_holds_nothing(tmp_path: Path, own: str) -> None:
    """The scraped pod is known from ``up``, else by its usual name; that no other pod is named is said."""
    series = Recorded()
    series.gpu(times(0, HOUR), gpu="a/0", namespace="gpu-operator", pod=own)
    if own == "gpu-metrics-0":
        for at in times(0, HOUR):
            series.put("up", {"job": JOB, "instance": "a:9400", "namespace": "gpu-operator", "pod": own}, at, 1)
    with found_in(series, tmp_path, hours=1) as found:
        assert found.windows.is_empty()
    assert found.nobodys_gpu_hours == pytest.approx(1.0, rel=0.01)
    assert "no series names a pod" in found.remarks[0]


def test_two_exporters_of_one_gpu_count_it_once(tmp_path: Path) -> None:
    """A GPU that two jobs scrape, one of which knows no pods, is one GPU."""
    series = Recorded()
    series.gpu(times(0, HOUR), gpu="a/0", pods=["job-0"])
    series.gpu(times(0, HOUR), gpu="a/0", job="other", instance="a:9401", hostname="a", Hostname="")
    series.gpu(times(0, HOUR), gpu="a/0", pods=["job-0"], job="third")
    with found_in(series, tmp_path, hours=1) as found:
        assert hours_of(found, "job-0") == used(held=1, busy=0.5)


def test_energy_comes_from_the_counter_where_there_is_no_power(tmp_path: Path) -> None:
    """The rate of the energy counter stands in for power, for whole windows and for parts, and falls with no reset."""
    series = Recorded()
    for at in times(0, 2.5 * HOUR):
        labels = labels_of("a/0", "job-0")
        series.put("DCGM_FI_DEV_GPU_UTIL", labels, at, 50.0)
        since_loaded = at if at < 2.25 * HOUR else at - 2.25 * HOUR
        series.put("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", labels, at, 1e9 + since_loaded * 300e3)
    with found_in(series, tmp_path, hours=3) as found:
        windows = found.windows
    assert windows["energy_joules"].sum() == pytest.approx(300 * windows["energy_observed_seconds"].sum(), rel=EXACT)
    assert windows["energy_observed_seconds"].sum() == pytest.approx(2.5 * HOUR, abs=5 * 30)


@pytest.mark.parametrize("spacing", [15, 60, 300])
def test_the_scrape_interval_is_found_out(tmp_path: Path, spacing: int) -> None:
    """Any usual interval gives the same hours, at full hours as between them."""
    series = Recorded()
    series.gpu(times(0, 2.5 * HOUR, spacing), gpu="a/0", pods=["job-0"])
    series.gpu(times(2.5 * HOUR, 4 * HOUR, spacing), gpu="a/0")
    series.gpu([float(at) for at in range(0, 4 * HOUR, spacing)], gpu="a/1", pods=["job-1"])
    with found_in(series, tmp_path, hours=4) as found:
        assert hours_of(found, "job-0")["held_seconds"] == pytest.approx(2.5, abs=spacing / 3600)
        assert hours_of(found, "job-1")["held_seconds"] == pytest.approx(4, rel=EXACT)


def test_another_scrape_interval_from_one_day_to_the_next_changes_no_hours(tmp_path: Path) -> None:
    """A third of an hour stays one when the interval that filled an hour before is a quarter of what it was."""
    series, day = Recorded(), 24 * HOUR
    series.gpu(times(0, day, 60), gpu="a/0", pods=["long-0"])
    series.gpu(times(day, day + 2 * HOUR, 15), gpu="a/0", pods=["long-0"])
    series.gpu(times(day + 2 * HOUR, day + 2 * HOUR + 1200, 15), gpu="a/0", pods=["short-0"])
    series.gpu(times(day + 2 * HOUR + 1200, day + 3 * HOUR, 15), gpu="a/0")
    with found_in(series, tmp_path, hours=48) as found:
        assert hours_of(found, "long-0") == used(held=26, busy=13)
        assert hours_of(found, "short-0")["held_seconds"] == pytest.approx(1 / 3, abs=15 / 3600)


def test_a_gpu_that_is_always_busy_is_seen_to_be(tmp_path: Path) -> None:
    """Full use is observed use, however the mean of many hundreds was rounded."""
    series = Recorded()
    series.gpu(times(0, 3 * HOUR, 7), gpu="a/0", pods=["job-0"], util=100.0)
    with found_in(series, tmp_path, hours=3) as found:
        assert found.windows["busy_seconds"].sum() == pytest.approx(3 * HOUR, rel=EXACT)
        assert found.windows["observed_seconds"].sum() == pytest.approx(3 * HOUR, rel=EXACT)


# Owners and tenants


def owners(series: Recorded, hours: int, *owned: Sequence[str]) -> None:
    """What kube-state-metrics says: metric, namespace, name, kind and name of the owner."""
    for metric, namespace, name, kind, owner in owned:
        key = "pod" if metric == "kube_pod_owner" else "replicaset"
        labels = {"namespace": namespace, key: name, "owner_kind": kind, "owner_name": owner}
        for at in range(0, hours * HOUR, 60):
            series.put(metric, labels | {"owner_is_controller": "true", "job": "ksm"}, at, 1)


def test_a_pod_belongs_to_its_owner(tmp_path: Path) -> None:
    """Pods have their owner's kind and name; a ReplicaSet its Deployment's only where that is said; others none."""
    series = Recorded()
    for number, pod in enumerate(["job-0", "web-1-x", "odd-7d9f8b6c5-x", "bare-0"]):
        series.gpu(times(0, HOUR), gpu=f"a/{number}", pods=[pod])
    owners(
        series,
        1,
        ("kube_pod_owner", "job", "job-0", "PyTorchJob", "pretraining"),
        ("kube_pod_owner", "web", "web-1-x", "ReplicaSet", "web-1"),
        ("kube_replicaset_owner", "web", "web-1", "Deployment", "web"),
        ("kube_pod_owner", "odd", "odd-7d9f8b6c5-x", "ReplicaSet", "odd-7d9f8b6c5"),
        ("kube_pod_owner", "bare", "bare-0", "<none>", "<none>"),
    )
    with found_in(series, tmp_path, hours=1) as found:
        columns = ("workload_pod", "workload_kind", "workload_name")
        workloads = {pod: (kind, name) for pod, kind, name in found.windows.select(columns).iter_rows()}
    assert workloads == {
        "job-0": ("PyTorchJob", "pretraining"),
        "web-1-x": ("Deployment", "web"),
        "odd-7d9f8b6c5-x": ("ReplicaSet", "odd-7d9f8b6c5"),
        "bare-0": (None, None),
    }
    assert not any("kube_pod_owner" in each for each in found.remarks)


def test_a_table_says_whose_namespace_it_is(tmp_path: Path) -> None:
    """A CSV with namespace and tenant_id gives tenants; hours of namespaces that it lacks are told."""
    series = Recorded()
    series.gpu(times(0, HOUR), gpu="a/0", pods=["job-0"])
    series.gpu(times(0, HOUR), gpu="a/1", pods=["web-0"])
    table = pl.DataFrame({"namespace": ["job"], "tenant_id": ["t-1"]})
    with found_in(series, tmp_path, hours=1, fill=Fill(table=table)) as found:
        tenants = dict(found.windows.select("workload_pod", "tenant_id").iter_rows())
    assert tenants == {"job-0": "t-1", "web-0": None}
    assert any(each.startswith("1.0 GPU-hours were without a tenant") for each in found.remarks)


def test_no_gpu_series_is_an_error_that_names_what_was_looked_for(tmp_path: Path) -> None:
    """An empty answer is never an empty fleet."""
    series = Recorded()
    series.put("up", {"job": "node"}, 0, 1)
    with (
        recorded(series.openmetrics(), tmp_path) as url,
        pytest.raises(PrometheusError, match=r"no GPU series.*flopwatch_collector_clock.*DCGM_FI_DEV_GPU_UTIL"),
    ):
        read(url)
