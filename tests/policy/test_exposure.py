from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import FACTS, START, a_run, runs_frame, runs_of, unhurried
from support.kyc import a_tenant, bases_of_claims, customers_of

from policy.judgement.exposure import EXPOSURES, accumulate, exposure_parts
from policy.judgement.link import RUN_LINKS, link_runs
from policy.judgement.verdict import VERDICTS

GROUP = ("group_low_flop", "group_likely_flop", "group_high_flop", "group_device_hours")


def verdicts_frame(verdicts: dict[str, str]) -> pl.DataFrame:
    """Put verdicts by run id into a frame."""
    rows = [
        {"run_id": run, "verdict": verdict, "score": 0.0, "evidence": [], "lacking": [], "patterns": []}
        for run, verdict in verdicts.items()
    ]
    return on_one_day(pl.DataFrame(rows, schema=VERDICTS))


def on_one_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Make stints of runs, all on one day."""
    return rows.with_columns(day=pl.lit(START.date()))


def links_frame(runs: Sequence[dict[str, Any]], group_of: dict[str, str]) -> pl.DataFrame:
    """Link runs to the groups of their tenants."""
    rows = [
        {**dict.fromkeys(RUN_LINKS), "run_id": run["run_id"], "tenant_id": run["tenant_id"]}
        | {"group_id": group_of.get(run["tenant_id"] or "", run["tenant_id"])}
        for run in runs
    ]
    return pl.DataFrame(rows, schema=RUN_LINKS)


def sums(
    *runs: dict[str, Any],
    group_of: dict[str, str] | None = None,
    verdict: str = "training",
    efforts: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Accumulate runs, all of one verdict unless a run says another."""
    verdicts = verdicts_frame({run["run_id"]: run.pop("verdict", verdict) for run in runs})
    links = links_frame(runs, group_of or {})
    return exposures_of(on_one_day(runs_frame(*runs)), verdicts, links, efforts or {}).to_dicts()


def exposures_of(
    stints: pl.DataFrame, verdicts: pl.DataFrame, links: pl.DataFrame, efforts: Mapping[str, str]
) -> pl.DataFrame:
    """Add up, by the tiers of the facts, a year later."""
    parts = exposure_parts(stints, verdicts, links, efforts)
    return accumulate(parts, FACTS.tiers, START + timedelta(days=365))


def flop_run(run_id: str, amount: float | None, **different: Any) -> dict[str, Any]:
    """One run with low, likely and high at 1, 4 and 14 times an amount; null: not known but for a low of 0."""
    low = 0.0 if amount is None else amount
    likely, high = (None if amount is None else amount * factor for factor in (4, 14))
    return a_run(run_id=run_id, low_flop=low, likely_flop=likely, high_flop=high, **different)


@unhurried
@given(st.lists(st.tuples(st.sampled_from(["t-1", "t-2", "t-3"]), st.floats(0, 1e24)), min_size=1, max_size=10))
def test_splitting_changes_nothing(parts: list[tuple[str, float]]) -> None:
    """However an effort is split over runs and tenants of one group, the group's compute is that of one run."""
    group_of = dict.fromkeys(("t-1", "t-2", "t-3"), "parent")
    split = sums(*(flop_run(f"r-{n}", each, tenant_id=who) for n, (who, each) in enumerate(parts)), group_of=group_of)
    (whole,) = sums(flop_run("r", sum(each for _, each in parts), tenant_id="t-1"), group_of=group_of)
    for row in split:
        assert [row[name] for name in GROUP[:3]] == pytest.approx([whole[name] for name in GROUP[:3]])


@unhurried
@given(st.permutations([1e23, 0.1, 0.2, 3e22, 7e21, 1e24 / 3, 1e20 / 7]))
def test_order_changes_nothing(parts: list[float]) -> None:
    """The same runs in another order have the same sums to the last bit."""
    (first, *_) = sums(*(flop_run(f"r-{n}", each) for n, each in enumerate(parts)))
    (sorted_first, *_) = sums(*(flop_run(f"r-{n}", each) for n, each in enumerate(sorted(parts))))
    assert [first[name] for name in GROUP] == [sorted_first[name] for name in GROUP]


def test_three_sums() -> None:
    """A run's own sum, its tenant's and its group's are kept apart."""
    group_of = {"t-1": "parent", "t-2": "parent"}
    runs = (flop_run("r-1", 1e20), flop_run("r-2", 2e20), flop_run("r-3", 4e20, tenant_id="t-2"))
    (first, _, _) = sums(*runs, group_of=group_of)
    assert [first[f"{scope}_low_flop"] for scope in ("run", "tenant", "group")] == pytest.approx([1e20, 3e20, 7e20])
    assert first["group_device_hours"] == 24


def test_unknown_part() -> None:
    """With a part that is not known likely and high are null for all that it adds up with; low counts the rest."""
    (known, unknown, other) = sums(flop_run("r-1", 1e20), flop_run("r-2", None), flop_run("r-3", 4e20, tenant_id="t-2"))
    for row in (known, unknown):
        assert [row[name] for name in GROUP[:3]] == [pytest.approx(1e20), None, None]
    assert known["run_high_flop"] == pytest.approx(14e20)
    assert unknown["run_high_flop"] is None
    assert other["group_high_flop"] == pytest.approx(56e20)


def test_undetermined() -> None:
    """What may be training counts in the high end only."""
    (row, _) = sums(flop_run("r-1", 1e20, verdict="undetermined"), flop_run("r-2", 2e20))
    assert [row[name] for name in GROUP[:3]] == pytest.approx([2e20, 8e20, 42e20])


def test_undetermined_and_unknown() -> None:
    """An undetermined run without an estimate leaves the high end not known, and the rest as it is."""
    (row, _) = sums(flop_run("r-1", None, verdict="undetermined"), flop_run("r-2", 2e20))
    assert [row[name] for name in GROUP[:3]] == [pytest.approx(2e20), pytest.approx(8e20), None]


def test_not_training() -> None:
    """What is not training counts in no sum of operations, known or not; its device-hours are counted."""
    (row, _, _) = sums(
        flop_run("r-1", 1e20, verdict="not_training"),
        flop_run("r-2", None, verdict="not_training"),
        flop_run("r-3", 2e20),
    )
    assert [row[name] for name in GROUP] == [*map(pytest.approx, (2e20, 8e20, 28e20)), 24]
    assert row["run_high_flop"] == 0


def test_unlinked_runs_stay_apart() -> None:
    """Runs that nobody claimed do not add up: nobody knows that they belong together."""
    (one, two) = sums(flop_run("r-1", 1e20, tenant_id=None), flop_run("r-2", 2e20, tenant_id=None))
    assert (one["group_low_flop"], two["group_low_flop"]) == (1e20, 2e20)
    assert (one["tenant_low_flop"], two["tenant_low_flop"]) == (1e20, 2e20)


def test_parent_that_is_a_tenant() -> None:
    """A parent that is a tenant itself is in the group of those under it."""
    customers = customers_of(
        a_tenant(tenant_id="t-1", headquarters_country="SG", ultimate_parent_id="t-2", ultimate_parent_country="CN"),
        a_tenant(tenant_id="t-2", headquarters_country="CN", ultimate_parent_id="self"),
    )
    runs = runs_frame(flop_run("r-1", 1e20, tenant_id="t-1"), flop_run("r-2", 2e20, tenant_id="t-2"))
    links = link_runs(runs, bases_of_claims(runs), customers.dossiers)
    rows = exposures_of(on_one_day(runs), verdicts_frame({"r-1": "training", "r-2": "training"}), links, {})
    assert rows["group_low_flop"].to_list() == pytest.approx([3e20, 3e20])


def test_no_runs() -> None:
    """No runs are no sums, in the same schema."""
    runs = runs_of()
    links = link_runs(runs, bases_of_claims(runs), customers_of().dossiers)
    exposures = exposures_of(on_one_day(runs), verdicts_frame({}), links, {})
    assert exposures.is_empty()
    assert exposures.schema == EXPOSURES


def test_an_effort_over_tenants_adds_up_as_one_run() -> None:
    """Runs of tenants of two groups that a person has joined are one effort, whose sum no group's is below."""
    apart = sums(flop_run("r-1", 1e20), flop_run("r-2", 2e20, tenant_id="t-2"))
    joined = sums(flop_run("r-1", 1e20), flop_run("r-2", 2e20, tenant_id="t-2"), efforts={"r-1": "r-1", "r-2": "r-1"})
    assert [row["run_low_flop"] for row in apart] == pytest.approx([1e20, 2e20])
    assert [row["run_low_flop"] for row in joined] == pytest.approx([3e20, 3e20])
    assert [row["group_low_flop"] for row in joined] == pytest.approx([3e20, 3e20])
    assert [row["tenant_low_flop"] for row in joined] == pytest.approx([1e20, 2e20])


@pytest.mark.parametrize(("likely", "count"), [(0.79, 0), (0.8, 3), (0.99, 3), (1.0, 0)])
def test_totals_a_little_below_a_tier(likely: float, count: int) -> None:
    """Efforts that ended with a likely total of eight tenths of a tier or more, and below it, are counted."""
    amount = likely * FACTS.tiers.amounts["review"] / 4
    rows = sums(*(flop_run(f"r-{n}", amount) for n in range(3)))
    assert {row["near_tier_runs"] for row in rows} == {count}


def test_largest_share() -> None:
    """The largest effort's share of its group's sum is told, and is not known where a part is not."""
    rows = sums(flop_run("r-1", 1e20), flop_run("r-2", 3e20))
    assert [(row["group_runs"], row["group_largest_share"]) for row in rows] == [(2, 0.75), (2, 0.75)]
    (row, _) = sums(flop_run("r-1", None), flop_run("r-2", 3e20))
    assert row["group_largest_share"] is None
