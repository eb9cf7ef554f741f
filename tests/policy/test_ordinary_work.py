"""What the verdict makes of ordinary work, whose truth stands in the script that made it."""

import polars as pl
import pytest
from support.ordinary import case_of, ordinary_windows
from support.suite import confusion, judged, told

TRAINING = ("pre_training", "starved_training", "fine_tune", "sweep")
NOT_TRAINING = ("serving", "idle", "rendering", "notebook")
truth, verdict, devices = pl.col("truth"), pl.col("verdict"), pl.col("devices")


@pytest.fixture(scope="module")
def windows() -> pl.DataFrame:
    """The windows of all ordinary work."""
    return ordinary_windows()


@pytest.fixture(scope="module")
def cases(windows: pl.DataFrame) -> pl.DataFrame:
    """All ordinary work, judged in one go."""
    return case_of(judged(windows).subjects)


def none(cases: pl.DataFrame, wrong: pl.Expr) -> None:
    """Fail with the evidence of every case that is wrong, and how all of them stand."""
    found = cases.filter(wrong)
    assert found.is_empty(), f"{told(found)}\n{confusion(cases, 'sight')}"


def test_the_suite_is_large(cases: pl.DataFrame) -> None:
    """Every truth is judged on at least three sorts of telemetry, and hundreds of cases in all."""
    assert cases.height > 250
    assert set(cases.group_by("truth").agg(pl.col("sight").n_unique())["sight"]) == {3}


@pytest.mark.parametrize("what", NOT_TRAINING)
def test_never_training(cases: pl.DataFrame, what: str) -> None:
    """Serving, idle gangs, rendering and notebooks are never called training, whatever is read of them."""
    none(cases, (truth == what) & (verdict == "training"))


@pytest.mark.parametrize("what", TRAINING)
def test_never_cleared(cases: pl.DataFrame, what: str) -> None:
    """No training is called not training: no starved one, no fine-tune of one device, no sweep."""
    none(cases, (truth == what) & (verdict == "not_training"))


def test_gangs_of_two_nodes(cases: pl.DataFrame) -> None:
    """Pre-training of two nodes or more is found where everything is read, whatever kind it says it is."""
    none(cases, (truth == "pre_training") & (devices >= 16) & (pl.col("sight") == "full") & (verdict != "training"))


def test_gangs_by_kind_alone(cases: pl.DataFrame) -> None:
    """Pre-training of two nodes or more under a kind made for it is found by busy time alone."""
    by_kind = (truth == "pre_training") & (pl.col("kind") == "PyTorchJob") & (devices >= 16)
    none(cases, by_kind & (verdict != "training"))


def test_idle_services(cases: pl.DataFrame) -> None:
    """An idle service is called not training, on busy time alone as well."""
    none(cases, (truth == "idle") & (pl.col("kind") == "Deployment") & (verdict != "not_training"))
