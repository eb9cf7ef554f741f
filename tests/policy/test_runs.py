from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import START, a_window, days_of, runs_of, unhurried, unseen

from policy.judgement.runs import IDENTITY, RUNS, find_runs

word = st.sampled_from([None, "a", "b"])
some_identity = st.fixed_dictionaries(dict.fromkeys(IDENTITY, word))


def at(hours: float) -> Any:
    """Say when a window starts, in hours after the first."""
    return START + timedelta(hours=hours)


def peak_of(*windows: dict[str, Any]) -> float:
    """Give the peak of the one run that these windows are."""
    (run,) = runs_of(*windows).to_dicts()
    return float(run["peak_devices"])


def test_restart_is_one_run() -> None:
    """A job that is started again under its name, as another pod on another node, goes on as the same run."""
    again = {"pod_uid": "p-2", "workload_uid": "u-2", "workload_pod": "effort-1", "node": "node-b"}
    (run,) = runs_of(a_window(), a_window(window_start=at(5), **again)).to_dicts()
    assert (run["first_seen"], run["last_seen"]) == (START, at(6))
    assert run["held_seconds"] == 2 * 8 * 3600
    assert run["peak_devices"] == 8


@pytest.mark.parametrize("name", IDENTITY)
def test_another_identity(name: str) -> None:
    """Another tenant, namespace, kind or name is another run, and so is none at all."""
    runs = runs_of(a_window(), a_window(**{name: "other"}), a_window(**{name: None}, workload_pod="pod-9"))
    assert runs.height == 3


def test_unknown_workload() -> None:
    """Pods whose workload is not known stand for themselves: nothing is tied together on a guess."""
    one, two = (unseen(workload_name=None, workload_kind=None, workload_pod=pod) for pod in ("pod-1", "pod-2"))
    runs = runs_of(one, two, one)
    assert sorted(runs["workload_name"]) == ["pod-1", "pod-2"]


@unhurried
@given(st.lists(some_identity, min_size=1, max_size=12))
def test_partition(identities: list[dict[str, str | None]]) -> None:
    """Every window is in exactly one run: nothing is lost and nothing counted twice."""
    runs = runs_of(*(a_window(**identity) for identity in identities))
    assert runs["held_seconds"].sum() == len(identities) * 8 * 3600
    assert runs["run_id"].n_unique() == runs.height


def test_stable_id() -> None:
    """A run keeps its id whatever else there is, in whatever order."""
    (alone,) = runs_of(a_window()).to_dicts()
    others = [a_window(tenant_id=f"t-{number}") for number in range(2, 9)]
    ids = set(runs_of(*others, a_window())["run_id"])
    assert alone["run_id"] == "run-71e7c9f2937ec2cc"
    assert alone["run_id"] in ids
    assert len(ids) == 8


def test_separators_in_names() -> None:
    """Names that would look alike when strung together keep apart."""
    runs = runs_of(
        a_window(workload_kind='a", "b', workload_name="c"),
        a_window(workload_kind="a", workload_name='b", "c'),
    )
    assert runs["run_id"].n_unique() == 2


def test_peak_over_pods() -> None:
    """Pods that hold devices at the same time add up, on however many nodes."""
    pods = [a_window(node=f"node-{number}", pod_uid=f"p-{number}") for number in range(4)]
    assert peak_of(*pods) == 32


def test_peak_one_after_the_other() -> None:
    """Pods that hold devices one after the other do not add up."""
    pods = [a_window(pod_uid=f"p-{number}", window_start=at(number)) for number in range(4)]
    assert peak_of(*pods) == 8


def test_peak_of_uneven_windows() -> None:
    """Windows of any length, which end at different moments, still overlap: one long window beside many short ones."""
    long = a_window(hours=3, pod_uid="p-long")
    short = [a_window(hours=0.25, pod_uid="p-short", window_start=at(0.1 + number / 4)) for number in range(8)]
    assert peak_of(long, *short) == 16


def test_largest_pod() -> None:
    """The largest pod counts by itself, however many there are."""
    windows = (a_window(devices=4, pod_uid="p-1"), a_window(devices=8, pod_uid="p-2"))
    (run,) = runs_of(*windows).to_dicts()
    assert (run["largest_pod_devices"], run["peak_devices"]) == (8, 12)


def test_part_without_estimate() -> None:
    """With a part that has no estimate likely and high are not known; low counts what could be estimated."""
    (whole,) = runs_of(a_window()).to_dicts()
    (run,) = runs_of(a_window(), a_window(accelerator="NVIDIA X1")).to_dicts()
    assert (run["likely_flop"], run["high_flop"]) == (None, None)
    assert run["low_flop"] == whole["low_flop"] > 0
    assert run["no_estimate_reasons"] == ["the facts have no peak for accelerator NVIDIA X1"]
    assert run["accelerators"] == ["NVIDIA H100 80GB HBM3", "NVIDIA X1"]


def test_hours_that_nobody_saw_are_no_start_up() -> None:
    """Hours that nobody saw may have been busy: of the start-up they leave only the most that it can have been."""
    dark = [unseen(window_start=at(hour)) for hour in range(3)]
    (run,) = runs_of(*dark, *[a_window(window_start=at(hour)) for hour in range(3, 8)]).to_dicts()
    assert (run["init_seconds"], run["most_init_seconds"]) == (0.0, 3 * 8 * 3600)
    (seen,) = runs_of(a_window(busy=0.0), a_window(window_start=at(1))).to_dicts()
    assert (seen["init_seconds"], seen["most_init_seconds"]) == (8 * 3600, 8 * 3600)


def test_a_run_has_the_name_of_its_first_piece() -> None:
    """Of pieces that begin in the same moment the one that gives a run its id gives it its name as well."""
    names = ("alpha", "beta", "gamma", "delta")
    pods = [a_window(workload_name=name, node=f"node-{place}") for place, name in enumerate(names)]
    for order in (names, names[::-1]):
        nodes = {name: f"node-{place}" for place, name in enumerate(order)}
        days = days_of(*({**pod, "node": nodes[pod["workload_name"]]} for pod in pods))
        (run,) = find_runs(days.with_columns(run_id=pl.col("piece_id").min())).to_dicts()
        (first,) = days.filter(pl.col("piece_id") == run["run_id"]).to_dicts()
        assert run["workload_name"] == first["workload_name"]


def test_no_windows() -> None:
    """No windows are no runs, in the same schema."""
    runs = runs_of()
    assert runs.is_empty()
    assert runs.schema == RUNS
