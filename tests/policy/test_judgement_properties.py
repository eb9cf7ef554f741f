"""What holds of the judgement of any windows at all."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import activities as of
from support.judgement import FACTS, HOUR, START, a_window, days_of, windows_frame
from support.kyc import a_tenant, customers_of
from support.random_windows import INSIDE, LOST, losses, windows, without
from support.suite import judged
from support.telemetry import Work

from policy.judgement.exposure import PARTS, SCOPES, accumulate

unhurried = settings(deadline=None, max_examples=40)
BOUNDS = ("low_flop", "likely_flop", "high_flop")
AT = START + timedelta(days=40)
amount = st.sampled_from([0.0, 1e20, 3e22, 1e23, 2.5e24])
part = st.fixed_dictionaries(
    {
        "effort": st.sampled_from(["e-1", "e-2", "e-3"]),
        "tenant": st.sampled_from(["t-1", "t-2"]),
        "day": st.dates(date(2026, 6, 1), date(2026, 6, 5)),
        "verdict": st.sampled_from(["training", "undetermined"]),
        "low": amount,
        "more": amount,
    }
)


def parts_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Parts of exposures, each of a run of its own, all of one group."""
    full = [
        {
            "run_id": f"run-{number}", "effort": row["effort"], "tenant": row["tenant"], "group": "g-1",
            "day": row["day"], "verdict": row["verdict"], "last_seen": START, "device_hours": 1.0,
            "low_flop": row["low"], "likely_flop": row["low"] + row["more"], "high_flop": row["low"] + 3 * row["more"],
        }
        for number, row in enumerate(rows)
    ]  # fmt: skip
    return pl.DataFrame(full, schema=PARTS)


def sums(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The group's sums of these parts."""
    if not rows:
        return dict.fromkeys(BOUNDS, 0.0)
    exposures = accumulate(parts_of(rows), FACTS.tiers, AT)
    return {bound: exposures[f"group_{bound}"][0] for bound in BOUNDS}


def top(rows: list[dict[str, Any]]) -> float:
    """The most that these windows can add to their group's sum; infinite where that is not known."""
    high = judged(windows_frame(*rows)).subjects["group_high_flop"][0]
    return float("inf") if high is None else float(high)


@unhurried
@given(st.lists(part, min_size=1, max_size=8), st.data())
def test_associative(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """The sums of all parts are the sums of any two halves, added; in any order."""
    shuffled = data.draw(st.permutations(rows))
    at = data.draw(st.integers(0, len(rows)))
    one, other, whole = sums(shuffled[:at]), sums(shuffled[at:]), sums(rows)
    for bound in BOUNDS:
        assert one[bound] + other[bound] == pytest.approx(whole[bound], rel=1e-9)


@unhurried
@given(st.lists(part, min_size=1, max_size=8), part)
def test_monotone(rows: list[dict[str, Any]], another: dict[str, Any]) -> None:
    """Another part never lowers any sum."""
    before, after = sums(rows), sums([*rows, another])
    assert all(after[bound] >= before[bound] * (1 - 1e-9) for bound in BOUNDS)


@unhurried
@given(st.lists(part, min_size=1, max_size=8))
def test_in_order(rows: list[dict[str, Any]]) -> None:
    """Low is no more than likely and likely no more than high, in every scope."""
    exposures = accumulate(parts_of(rows), FACTS.tiers, AT)
    for scope in SCOPES:
        low, likely, high = (exposures[f"{scope}_{bound}"] for bound in BOUNDS)
        assert (low <= likely).all()
        assert (likely <= high).all()


@settings(deadline=None, max_examples=80)
@given(windows())
def test_estimates_in_order(rows: list[dict[str, Any]]) -> None:
    """Of any windows the low estimate is no more than the likely one, and that no more than the high one."""
    days = days_of(*rows)
    assert (days["low_flop"] <= days["likely_flop"] * (1 + 1e-12)).all()
    assert (days["likely_flop"] <= days["high_flop"] * (1 + 1e-12)).all()


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_losing_readings_never_lowers_the_top(data: st.DataObject) -> None:
    """Whatever readings are lost, in whichever windows, what a group may have done is no less: verdicts included."""
    rows = data.draw(windows())
    assert top(data.draw(losses(rows))) >= top(rows) * (1 - 1e-9)


def test_losing_the_busy_hours_clears_nobody() -> None:
    """A service whose busy hours go unread is not called not training, though its idle ones alone would be."""
    rows = [
        a_window(
            devices=1.0, busy=busy, workload_kind="Deployment", window_start=START + timedelta(hours=number),
        )
        for number, busy in enumerate((1.0, 0.3, 0.3, 1.0))
    ]  # fmt: skip
    lost = [*rows[:-1], without(rows[-1], "busy")]
    assert {judged(windows_frame(*each)).subjects["verdict"][0] for each in (rows, lost)} == {"undetermined"}
    assert top(lost) >= top(rows)


def test_losing_the_movement_clears_nobody() -> None:
    """A service whose devices moved as one in hours that tell of no movement is not cleared by the rest."""
    told = {f"{name}_observed_seconds": 8 * HOUR for name in ("tensor", "dram", "nvlink", "power", "energy")}
    told |= {"tensor_active_seconds": 1.2 * HOUR, "low_level_seconds": 8 * HOUR}
    told |= {"energy_joules": 8 * HOUR * 400.0, "power_square_watt2_seconds": 8 * HOUR * 400.0**2}
    rows = [
        a_window(
            busy=0.5, workload_kind="Deployment", synchrony_ratio=synchrony, **told,
            window_start=START + timedelta(hours=number),
        )
        for number, synchrony in enumerate((0.9, 0.9, 0.9, 0.0, 0.0, 0.0))
    ]  # fmt: skip
    lost = [*(without(row, "rhythm") for row in rows[:3]), *rows[3:]]
    assert judged(windows_frame(*lost)).subjects["verdict"].to_list() == ["undetermined"]
    assert top(lost) >= top(rows) > 0


@pytest.mark.parametrize("busy", [0.3, 0.5])
def test_losing_the_pace_clears_nobody(busy: float) -> None:
    """Eight pods that pause at one pace are one gang, and without the readings that tell so they may be one."""
    told = {f"{name}_observed_seconds": 8 * HOUR for name in (*INSIDE, "nvlink", "power", "energy")}
    told |= {"energy_joules": 8 * HOUR * 400.0, "power_square_watt2_seconds": 8 * HOUR * 400.0**2}
    pace = {"period_seconds": 120.0, "period_strength_ratio": 0.9, "synchrony_ratio": 0.9}
    rows = [
        a_window(
            busy=busy, workload_kind="StatefulSet", node=f"node-{pod}", pod_uid=f"p-{pod}", **told, **pace,
            window_start=START + timedelta(hours=number),
        )
        for pod in range(8)
        for number in range(4)
    ]  # fmt: skip
    lost = [without(row, "rhythm") for row in rows]
    assert {judged(windows_frame(*each)).subjects["verdict"][0] for each in (rows, lost)} == {"undetermined"}


@settings(deadline=None, max_examples=60)
@given(windows(most=4), st.floats(0.0, 1.0))
def test_unseen_seconds_never_lower_the_top(rows: list[dict[str, Any]], share: float) -> None:
    """Seconds that nobody saw, in place of seconds that were seen, leave the top where it was or raise it."""
    seen = LOST["busy"]
    fewer = [row | {name: row[name] * share for name in seen} for row in rows]
    assert top(fewer) >= top(rows) * (1 - 1e-9)


@unhurried
@given(st.data())
def test_splitting_workloads(data: st.DataObject) -> None:
    """However windows are dealt out to workloads and pods, all three bounds of all of them stay what they are."""
    rows = data.draw(windows())
    names = data.draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=len(rows), max_size=len(rows)))
    dealt = [
        row | {"workload_name": name, "workload_pod": name, "pod_uid": name, "workload_namespace": f"in-{name}"}
        for row, name in zip(rows, names, strict=True)
    ]
    whole, split = days_of(*rows), days_of(*dealt)
    for bound in BOUNDS:
        assert split[bound].sum() == pytest.approx(whole[bound].sum(), rel=1e-9)


@unhurried
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=6, max_size=6))
def test_splitting_evenly_known_workloads(names: list[str]) -> None:
    """Where the same is known of all windows, dealing them out changes none of the three bounds."""
    rows = [a_window(window_start=START + timedelta(hours=n), busy=0.3 + 0.1 * n) for n in range(len(names))]
    dealt = [row | {"workload_name": name, "pod_uid": name} for row, name in zip(rows, names, strict=True)]
    whole, split = days_of(*rows), days_of(*dealt)
    for bound in BOUNDS:
        assert split[bound].sum() == pytest.approx(whole[bound].sum(), rel=1e-9)


WORKS = pl.concat(
    Work(activity=activity, kind=kind, name=name, tenant_id=tenant, namespace=space, nodes=name).windows()
    for activity, kind, name, tenant, space in (
        (of.training(71), "PyTorchJob", "effort-run1", "t-1", "space-a"),
        (of.serving(72, of.diurnal), "Deployment", "chat", "t-1", "space-a"),
        (of.rendering(73), "Job", "frames-7", "t-2", "space-b"),
        (of.idle(), "StatefulSet", "held", "t-2", "space-b"),
    )
)
word = st.text(alphabet="abcdefghijklm", min_size=3, max_size=6)


@settings(deadline=None, max_examples=15)
@given(st.lists(word, min_size=4, max_size=4, unique=True), st.sampled_from(["CN", "SG", "DE"]))
def test_names_do_not_matter(words: list[str], country: str) -> None:
    """Other tenants, namespaces, names of one lineage and parties from elsewhere change no verdict and no score."""
    tenant, space, name, party = words
    renamed = WORKS.with_columns(
        pl.format("{}-{}", pl.lit(tenant), "tenant_id").alias("tenant_id"),
        pl.format("{}-{}", pl.lit(space), "workload_namespace").alias("workload_namespace"),
        pl.format("{}-{}", pl.lit(name), "workload_name").alias("workload_name"),
    )
    customers = customers_of(
        *(
            a_tenant(tenant_id=f"{tenant}-t-{number}", party_name=f"{party} {number}", headquarters_country=country)
            for number in (1, 2)
        )
    )
    one = judged(WORKS).subjects.sort("nodes")
    other = judged(renamed, customers=customers).subjects.sort("nodes")
    for told in ("verdict", "score", "evidence", "high_flop"):
        assert one[told].to_list() == other[told].to_list()


def test_the_works_differ() -> None:
    """The works that are renamed have different verdicts, or nothing would be shown."""
    assert judged(WORKS).subjects["verdict"].n_unique() > 1
