from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import FACTS, a_window, days_of, unhurried, unseen, verdicts_on_days

from policy.judgement.stints import STINT_VERDICTS
from policy.judgement.verdict import Verdict

SIGNALS = FACTS.training_signals


def verdict_on(*windows: dict[str, Any]) -> dict[str, Any]:
    """Judge the one run that these windows are."""
    (row,) = verdicts_on_days(days_of(*windows)).to_dicts()
    return row


def a_gang(count: int, **different: Any) -> list[dict[str, Any]]:
    """Pods of one workload that hold eight devices each at the same time."""
    return [a_window(node=f"node-{n}", pod_uid=f"p-{n}", workload_pod=f"pod-{n}", **different) for n in range(count)]


def weights(row: dict[str, Any]) -> dict[str, float]:
    """Give the weight of each signal in the evidence."""
    return {piece["signal"]: piece["weight"] for piece in row["evidence"]}


@pytest.mark.parametrize(
    ("window", "signal", "weight", "sentence"),
    [
        ({"busy": 0.6}, "sustained", 1.3, "busy for 60 % of the observed device time, at or above 60 %"),
        ({"busy": 0.35}, "mostly_idle", -2.0, "busy for 35 % of the observed device time, at or below 35 %"),
        ({"workload_kind": "Job"}, "batch_kind", 0.7, "its kind, Job, runs to an end"),
        ({"workload_kind": "Deployment"}, "service_kind", -1.9, "its kind, Deployment, serves on"),
        ({"devices": 1.0}, "single_device", -0.4, "no more than one device at a time"),
        ({"devices": 8.0}, "gang", 0.8, "8 devices held together"),
        ({"devices": 16.0}, "gang", 1.3, "16 devices held together"),
        ({"devices": 64.0}, "gang", 2.0, "64 devices held together"),
    ],
)
def test_signal(window: dict[str, Any], signal: str, weight: float, sentence: str) -> None:
    """Each signal shows from its limit on, with the weight of the facts and a sentence that says the number."""
    row = verdict_on(a_window(**{"busy": 0.4, "workload_kind": "Pod", "devices": 4.0, **window}))
    (piece,) = row["evidence"]
    assert (piece["signal"], piece["weight"], piece["sentence"]) == (signal, weight, sentence)
    assert row["score"] == weight


def test_no_signal() -> None:
    """Where nothing speaks either way the run is undetermined, with the score 0."""
    row = verdict_on(a_window(busy=0.4, workload_kind=None, devices=4))
    assert (row["verdict"], row["score"], row["evidence"], row["lacking"]) == (Verdict.UNDETERMINED, 0.0, [], [])


def test_training() -> None:
    """A batch job of eight nodes that keeps its devices busy is training, and the score is the sum of the weights."""
    row = verdict_on(*a_gang(8))
    assert row["verdict"] == Verdict.TRAINING
    assert weights(row) == {"sustained": 1.3, "batch_kind": 0.7, "gang": 2.0}
    assert row["score"] == 4.0


def test_serving_is_not_training() -> None:
    """A service that waits for requests most of the time is not training."""
    assert verdict_on(a_window(devices=1, busy=0.1, workload_kind="Deployment"))["verdict"] == Verdict.NOT_TRAINING


@pytest.mark.parametrize("kind", SIGNALS.service_kinds.kinds)
@pytest.mark.parametrize("busy", [0.0, 0.3, 0.6, 1.0])
def test_serving_gang(kind: str, busy: float) -> None:
    """A service is not training for its replicas' number: each stands alone, however many and busy they are."""
    row = verdict_on(*a_gang(40, workload_kind=kind, busy=busy))
    assert row["verdict"] != Verdict.TRAINING
    assert weights(row)["gang"] == SIGNALS.w_gang_8.value


@pytest.mark.parametrize("kind", [None, "Pod", "PyTorchJob", "Deployment"])
def test_idle_gang(kind: str | None) -> None:
    """Many devices that are mostly idle are not training, whatever holds them."""
    assert verdict_on(*a_gang(40, workload_kind=kind, busy=0.2))["verdict"] != Verdict.TRAINING


def test_devices_not_counted() -> None:
    """A run that held nothing at the end of any window has no known number of devices, and not one device."""
    assert "single_device" not in weights(verdict_on(a_window(device_count=0.0)))


@unhurried
@given(st.floats(0, 1), st.sampled_from([1.0, 8.0, 64.0]), st.sampled_from(["Job", "Deployment", None]))
def test_thin_data(busy: float, devices: float, kind: str | None) -> None:
    """Less than ten minutes of readings of each device leave the run undetermined, whatever they show."""
    row = verdict_on(a_window(hours=599 / 3600, devices=devices, busy=busy, workload_kind=kind))
    assert row["verdict"] == Verdict.UNDETERMINED
    assert row["lacking"] == ["less than 600 seconds of each device were observed"]


def test_enough_data() -> None:
    """Ten minutes of readings of each device are enough."""
    assert verdict_on(*a_gang(8, hours=600 / 3600))["verdict"] == Verdict.TRAINING


@unhurried
@given(st.floats(0, 1), st.sampled_from(["Job", "Deployment", None]))
def test_mostly_unseen(busy: float, kind: str | None) -> None:
    """A run whose devices were seen for less than half of the time is undetermined, whatever the rest shows."""
    row = verdict_on(a_window(devices=64, busy=busy, workload_kind=kind, unwatched_seconds=64 * 3601.0))
    assert row["verdict"] == Verdict.UNDETERMINED
    assert row["lacking"] == ["less than 50 % of its device time was observed while it held the devices alone"]


def test_mostly_shared() -> None:
    """A run that mostly shared its devices is undetermined: whose the busy time was nobody can tell."""
    shared = {"shared_seconds": 3e5, "shared_observed_seconds": 3e5, "shared_busy_seconds": 3e5}
    assert verdict_on(a_window(**shared))["verdict"] == Verdict.UNDETERMINED


def test_a_missing_count_clears_nobody() -> None:
    """A window whose busy seconds are missing is not called idle for it."""
    service = {"devices": 1.0, "workload_kind": "Deployment"}
    assert verdict_on(a_window(busy=0.0, **service))["verdict"] == Verdict.NOT_TRAINING
    row = verdict_on(a_window(busy_seconds=None, **service))
    assert (row["verdict"], row["lacking"]) == (Verdict.UNDETERMINED, ["what nobody saw could speak for training"])


def test_no_reading() -> None:
    """Where devices should have been read and were not the run is undetermined, and its time is not called idle."""
    row = verdict_on(unseen(devices=512))
    unread = "no reading of activity at all, where its devices should have been read"
    assert (row["verdict"], row["lacking"]) == (Verdict.UNDETERMINED, [unread])
    assert set(weights(row)) == {"batch_kind", "gang"}


@pytest.mark.parametrize(
    ("different", "verdict"),
    [
        ({}, Verdict.TRAINING),
        ({"accelerator": "NVIDIA X1"}, Verdict.TRAINING),
        ({"hours": 0.9}, Verdict.UNDETERMINED),
        ({"devices": 8.0}, Verdict.UNDETERMINED),
        ({"workload_kind": None}, Verdict.UNDETERMINED),
        ({"workload_kind": "Deployment"}, Verdict.UNDETERMINED),
        ({"devices": 1.0, "workload_kind": "Deployment", "hours": 24.0}, Verdict.UNDETERMINED),
    ],
)
def test_allocation_only(different: dict[str, Any], verdict: Verdict) -> None:
    """Of what is only known to have been held, a gang of batch work that lasted is training, and nothing is not."""
    window = {"metering": "allocation", "devices": 512.0, **different}
    assert verdict_on(unseen(**window))["verdict"] == verdict


@unhurried
@given(*[st.text(min_size=1, max_size=8)] * 3, st.sampled_from(["Job", "Deployment", "Pod"]), st.floats(0, 1))
def test_names_take_no_part(tenant: str, namespace: str, name: str, kind: str, busy: float) -> None:
    """Other names of the tenant, the namespace and the workload leave everything as it was but the run's id."""
    renamed = {"tenant_id": tenant, "workload_namespace": namespace, "workload_name": name, "workload_pod": name}
    before = verdict_on(a_window(workload_kind=kind, busy=busy))
    after = verdict_on(a_window(workload_kind=kind, busy=busy, **renamed))
    assert {**after, "run_id": None} == {**before, "run_id": None}


def test_no_tenant_takes_no_part() -> None:
    """Whether anybody claimed the run makes no difference."""
    before, after = verdict_on(a_window()), verdict_on(a_window(tenant_id=None))
    assert {**after, "run_id": None} == {**before, "run_id": None}


def test_no_runs() -> None:
    """No runs are no verdicts, in the same schema."""
    verdicts = verdicts_on_days(days_of())
    assert verdicts.is_empty()
    assert verdicts.schema == verdicts_on_days(days_of(a_window())).schema == STINT_VERDICTS
