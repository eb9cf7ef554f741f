from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.exposures import a_held_day, a_part, held_frame, parts_frame
from support.judgement import FACTS, START, unhurried

from policy.facts.tiers import Tiers
from policy.judgement.crossings import CROSSINGS, crossings_of, newly_reached
from policy.judgement.exposure import accumulate
from policy.judgement.progress import BOUNDS, PROGRESS, progress_of

AT = START + timedelta(days=10)  # the midnight after ten whole days
TIERS = {"small": 1e21, "review": 1e22}
AMOUNTS = ("low_flop", "likely_flop", "high_flop", "device_hours")


def tiers_of(amounts: dict[str, float]) -> Tiers:
    """These tiers alone, in FLOP, with the other limits as shipped."""
    return replace(FACTS.tiers, by_name={}).with_overrides(amounts, basis="of a test")


def totals(
    *parts: dict[str, Any], held: Sequence[dict[str, Any]] = (), at: datetime = AT, look_backs: Sequence[int] = (30,)
) -> dict[tuple[str, str], dict[str, Any]]:
    """The totals of parts by scope and id; of the last look-back where there are several."""
    rows = progress_of(parts_frame(*parts), held_frame(*held), TIERS, at, look_backs)
    return {(row["scope"], row["id"]): row for row in rows.to_dicts()}


def reached(*parts: dict[str, Any], tiers: dict[str, float] | None = None) -> dict[tuple[str, str, str], Any]:
    """On which day which tier was reached and how certainly, by scope, id and tier."""
    rows = crossings_of(parts_frame(*parts), TIERS if tiers is None else tiers).to_dicts()
    return {(row["scope"], row["id"], row["tier"]): (row["strength"], row["day"]) for row in rows}


def of_tenant(*parts: dict[str, Any], **different: Any) -> dict[str, Any]:
    """The totals of the tenant t-1."""
    return totals(*parts, **different)["tenant", "t-1"]


def day(number: int) -> date:
    """The day so many days after the beginning."""
    return (START + timedelta(days=number)).date()


def groups(rows: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of groups."""
    return [row for (scope, _), row in rows.items() if scope == "group"]


RUNS = {
    "r-1": {"effort": "r-1", "tenant": "t-1", "group": "p-1"},
    "r-2": {"effort": "r-1", "tenant": "t-2", "group": "p-2"},
    "r-3": {"effort": "r-3", "tenant": "t-1", "group": "p-2"},
}
"""Efforts of two groups in part, and a tenant that has changed its group."""
some_parts = st.lists(
    st.builds(
        lambda number, flop, run, verdict: a_part(number, flop, run_id=run, verdict=verdict, **RUNS[run]),
        st.integers(0, 9),
        st.one_of(st.none(), st.floats(1e15, 3e21)),
        st.sampled_from(list(RUNS)),
        st.sampled_from(["training", "undetermined"]),
    ),
    max_size=8,
)
few = settings(unhurried, max_examples=20)


def test_totals_by_hand() -> None:
    """A run, its tenant and its group have the sums of the days looked back over, and each look-back its own."""
    rows = progress_of(
        parts_frame(a_part(0), a_part(9, 2e20), a_part(9, 4e20, run_id="r-2")), held_frame(), TIERS, AT, (2, 30)
    )
    found = {(row["scope"], row["look_back_days"], row["id"][:5]): row["low_flop"] for row in rows.to_dicts()}
    assert found == {
        ("group", 2, "group"): 6e20,
        ("group", 30, "group"): 7e20,
        ("run", 2, "r-1"): 2e20,
        ("run", 2, "r-2"): 4e20,
        ("run", 30, "r-1"): 3e20,
        ("run", 30, "r-2"): 4e20,
        ("tenant", 2, "t-1"): 6e20,
        ("tenant", 30, "t-1"): 7e20,
    }


def test_the_look_back_is_today_and_the_days_before() -> None:
    """Ten days of look-back are today as far as it has come and nine days before it."""
    parts = [a_part(number) for number in range(12)]
    noon = START + timedelta(days=11, hours=12)
    assert of_tenant(*parts, at=noon, look_backs=(10,))["low_flop"] == pytest.approx(10e20)


@few
@given(some_parts, st.integers(1, 9))
def test_look_backs_add_up(parts: list[dict[str, Any]], split: int) -> None:
    """The totals of a look-back are those of its younger days and of its older ones, and unknown if either is."""
    at = START + timedelta(days=9, hours=20)
    oldest = (at - timedelta(days=split)).date()
    young, old = totals(*parts, at=at, look_backs=(split,)), totals(*(p for p in parts if p["day"] <= oldest), at=at)
    for key, whole in totals(*parts, at=at).items():
        if key[0] == "group":  # a group's is the largest of several sums, which need not be the same in all look-backs
            continue
        for name in AMOUNTS:
            halves = [rows[key][name] for rows in (young, old) if key in rows]
            known = all(each is not None for each in halves)
            assert whole[name] == (pytest.approx(sum(halves)) if known else None)


@few
@given(some_parts)
def test_bounds_stand_in_order(parts: list[dict[str, Any]]) -> None:
    """Low is never above likely, nor likely above high, of whatever was added up."""
    for row in totals(*parts).values():
        known = [row[name] for name in BOUNDS if row[name] is not None]
        assert known == sorted(known)


@few
@given(some_parts, st.randoms())
def test_order_changes_nothing(parts: list[dict[str, Any]], chance: Any) -> None:
    """The same parts in another order have the same totals and the same crossings, to the last bit."""
    shuffled = list(parts)
    chance.shuffle(shuffled)
    assert totals(*parts) == totals(*shuffled)
    assert reached(*parts) == reached(*shuffled)


@few
@given(some_parts)
def test_totals_are_those_that_rules_compare(parts: list[dict[str, Any]]) -> None:
    """A group's total is the largest of those that rules compare for its runs, and a tenant's and a run's the same."""
    frame = parts_frame(*parts)
    rows, exposures = totals(*parts), accumulate(frame, tiers_of(TIERS), AT)
    by_run = frame.select("run_id", "tenant", "effort").unique(subset="run_id").join(exposures, on="run_id")
    for row in by_run.to_dicts():
        assert rows["tenant", row["tenant"]]["low_flop"] == row["tenant_low_flop"]
        assert rows["run", row["effort"]]["high_flop"] == row["run_high_flop"]
    if parts:
        largest = max(row["low_flop"] for row in groups(rows))
        assert largest == exposures["group_low_flop"].max()


def test_unknown_part() -> None:
    """With a part that is not known neither likely, high, growth nor the next tier are; the low sum is of the rest."""
    row = of_tenant(a_part(8), a_part(9, None))
    assert (row["low_flop"], row["likely_flop"], row["high_flop"]) == (1e20, None, None)
    assert (row["growth_flop_per_day"], row["next_tier"], row["next_tier_on"]) == (None, None, None)


def test_growth_and_next_tier() -> None:
    """Growth is of the likely sum over the last days as far as they have come, and tells when the next tier comes."""
    noon = START + timedelta(days=9, hours=12)  # six days and a half since the seventh day back began
    row = of_tenant(a_part(0), a_part(9, 3.25e20), at=noon)
    assert row["growth_flop_per_day"] == pytest.approx(2e20)
    assert row["next_tier"] == "review"  # 1.7e21 has passed 1e21; 8.3e21 are left, which are 41.5 days
    assert row["next_tier_on"] == (noon + timedelta(days=41.5)).date()


def test_no_growth() -> None:
    """What has not grown of late has a next tier and no date for it."""
    row = of_tenant(a_part(0), at=START + timedelta(days=20))
    assert (row["growth_flop_per_day"], row["next_tier"], row["next_tier_on"]) == (0.0, "small", None)


def test_farther_away_than_a_century() -> None:
    """A date that is too far away to mean anything is none."""
    assert of_tenant(a_part(9, 1e10))["next_tier_on"] is None


def test_above_all_tiers() -> None:
    """Above the largest tier there is no next one."""
    row = of_tenant(a_part(9, 1e23))
    assert (row["next_tier"], row["next_tier_on"]) == (None, None)


def test_the_very_beginning_of_a_day() -> None:
    """At midnight a look-back of one day has no time in it, and no growth, whatever is there already."""
    assert of_tenant(a_part(10), look_backs=(1,))["growth_flop_per_day"] is None


def test_devices_held_at_once() -> None:
    """Devices are counted that were held at one time, over all runs of a tenant, and only in the look-back."""
    held = [a_held_day(0, device_count=99.0), a_held_day(9), a_held_day(9, run_id="r-2", device_count=4.0)]
    parts = [a_part(0), a_part(9), a_part(9, run_id="r-2")]
    rows = totals(*parts, held=held, look_backs=(2,))
    assert rows["tenant", "t-1"]["peak_devices"] == 12
    assert rows["run", "r-2"]["peak_devices"] == 4


def test_methods() -> None:
    """The methods are those of the days that enter the sums: not of days judged not to be training."""
    held = [a_held_day(0, methods=["tensor"]), a_held_day(1, methods=["power", "busy"])]
    parts = [a_part(0, verdict="not_training"), a_part(1, verdict="undetermined")]
    assert of_tenant(*parts, held=held)["methods"] == ["busy", "power"]


def test_ids_name_nobody() -> None:
    """A group's id is a digest, for its parent's may be a public register's; whose tenants it has is told."""
    parts = [a_part(tenant=f"t-{n}", run_id=f"r-{n}", group="lei:529900T8BM49AURSDO55") for n in (1, 2)]
    (row,) = groups(totals(*parts))
    assert row["id"].startswith("group-")
    assert len(row["id"]) == len("group-") + 16
    assert row["tenants"] == ["t-1", "t-2"]
    assert not any("529900" in each for _, each, _ in reached(*parts, tiers={"any": 1.0}))


def test_work_that_nobody_claims() -> None:
    """Unclaimed work is there as runs; it is no tenant and no group of its own."""
    part = a_part(tenant="r-1", run_id="r-1", group="r-1")
    assert [(key, row["tenants"]) for key, row in totals(part).items()] == [(("run", "r-1"), [])]
    assert {key[0] for key in reached(part, tiers={"any": 1.0})} == {"run"}


def test_a_group_is_no_less_than_what_is_in_it() -> None:
    """An effort that is of two groups in part counts whole for each, as rules have it, and crosses for each."""
    parts = [
        a_part(0, 6e20, run_id="r-1", effort="r-1", tenant="t-1", group="p-1"),
        a_part(1, 6e20, run_id="r-2", effort="r-1", tenant="t-2", group="p-2"),
    ]
    assert [row["low_flop"] for row in groups(totals(*parts))] == [1.2e21, 1.2e21]
    crossed = [value for (scope, _, tier), value in reached(*parts).items() if (scope, tier) == ("group", "small")]
    assert crossed == [("crossed", day(1))] * 2


def test_a_sum_that_is_just_the_tier() -> None:
    """Ten tenths are the whole: what exposures call reached is reached here, whatever the last bits say."""
    parts = [a_part(number, 1e22) for number in range(10)]  # one by one they are 9.999999999999997e22
    tiers = {"exact": 1e23}
    assert accumulate(parts_frame(*parts), tiers_of(tiers), AT)["tenant_low_flop"].item() >= 1e23
    assert reached(*parts, tiers=tiers)["tenant", "t-1", "exact"] == ("crossed", day(9))


@pytest.mark.parametrize("pieces", [3, 7, 9, 11])
@pytest.mark.parametrize("tier", [1e20, 1e22, 5e21])
def test_days_of_endless_digits(pieces: int, tier: float) -> None:
    """A tier in equal days crosses on the last of them, also where no day's amount has an end in decimals."""
    parts = [a_part(number, tier / pieces) for number in range(pieces)]
    assert accumulate(parts_frame(*parts), tiers_of({"exact": tier}), AT)["run_low_flop"].item() >= tier
    assert reached(*parts, tiers={"exact": tier})["run", "r-1", "exact"] == ("crossed", day(pieces - 1))


def test_crossed_and_may_have_crossed() -> None:
    """A tier is crossed on the day of the low sum, else may have been on that of the high one, else is not there."""
    parts = [a_part(number, 4e20) for number in range(3)]  # 1.2e21 low, 1.68e22 high
    assert reached(*parts)["run", "r-1", "small"] == ("crossed", day(2))
    assert reached(*parts)["run", "r-1", "review"] == ("may_have_crossed", day(1))
    assert reached(a_part(0, 1e19)) == {}


@few
@given(some_parts)
def test_the_day_is_the_first(parts: list[dict[str, Any]]) -> None:
    """No day before that of a crossing has a sum that reaches the tier, and its own has."""
    for (scope, each, tier), (strength, on) in reached(*parts).items():
        if scope == "group":
            continue
        key, bound = {"run": "effort", "tenant": "tenant"}[scope], "low" if strength == "crossed" else "high"

        def adds_up_to(last: date, own: str = each, key: str = key, bound: str = bound) -> float:
            """The sum up to a day; without end where a part is not known."""
            counted = [part[f"{bound}_flop"] for part in parts if part[key] == own and part["day"] <= last]
            return float("inf") if None in counted else sum(counted)

        assert adds_up_to(on) >= TIERS[tier] * (1 - 1e-11)
        assert adds_up_to(on - timedelta(days=1)) < TIERS[tier] * (1 + 1e-11)


@few
@given(some_parts, st.data())
def test_what_is_not_known_hides_nothing(parts: list[dict[str, Any]], data: st.DataObject) -> None:
    """Losing the estimate of a part loses no tier that may have been reached, nor moves its day to a later one."""
    if not parts:
        return
    lost = data.draw(st.integers(0, len(parts) - 1))
    known = reached(*parts)
    unknown = reached(*(part | {"high_flop": None} if at == lost else part for at, part in enumerate(parts)))
    assert set(known) <= set(unknown)
    assert all(unknown[key][1] <= known[key][1] for key in known)


@few
@given(some_parts, some_parts)
def test_more_work_reaches_no_less(parts: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """Whatever is added, a tier that was reached is reached no later and no less certainly."""
    before, after = reached(*parts), reached(*parts, *more)
    for key, (strength, on) in before.items():
        assert after[key][0] in ("crossed", strength)
        assert after[key][0] != strength or after[key][1] <= on


def test_unknown_from_the_first_day_on() -> None:
    """A day without an estimate may have reached every tier, also the largest."""
    parts = [a_part(0, 1e18), a_part(1, None), a_part(2, 1e18)]
    assert reached(*parts)["run", "r-1", "review"] == ("may_have_crossed", day(1))


def test_nothing() -> None:
    """No parts, and no tiers, are no rows, in the declared schemas."""
    assert progress_of(parts_frame(), held_frame(), TIERS, AT, (30,)).schema == PROGRESS
    assert progress_of(parts_frame(), held_frame(), TIERS, AT, ()).is_empty()
    assert progress_of(parts_frame(a_part()), held_frame(), {}, AT, (30,))["next_tier"].to_list() == [None] * 3
    assert crossings_of(parts_frame(), TIERS).schema == CROSSINGS
    assert crossings_of(parts_frame(a_part()), {}).is_empty()


def test_what_is_new() -> None:
    """New is what was not reached before, or only perhaps; what is less certain now, or gone, is not."""
    perhaps = crossings_of(parts_frame(a_part(0, 1e20)), {"small": 1e21})
    surely = crossings_of(parts_frame(a_part(0, 1e20), a_part(1, 1e21)), {"small": 1e21})
    none = perhaps.clear()
    assert newly_reached(perhaps, none).equals(perhaps)
    assert newly_reached(surely, perhaps).equals(surely)
    assert newly_reached(perhaps, surely).is_empty()
    assert newly_reached(surely, surely).is_empty()
    assert newly_reached(none, surely).is_empty()


def test_efforts_of_a_group() -> None:
    """A group's efforts are counted that are or may be training, with the largest one's share of the high sum."""
    parts = [
        a_part(0, 1e20, run_id="r-1", group="p"),
        a_part(0, 3e20, run_id="r-2", tenant="t-2", group="p", verdict="undetermined"),
        a_part(0, 0.0, run_id="r-3", group="p", verdict="not_training"),
    ]
    rows = accumulate(parts_frame(*parts), tiers_of(TIERS), AT).to_dicts()
    assert {(row["group_runs"], row["group_largest_share"]) for row in rows} == {(2.0, 0.75)}


def test_an_effort_of_two_groups_is_whole_in_each() -> None:
    """What a group's rules call the largest effort, or near a tier, is the effort that people confirmed, not a part."""
    parts = [
        a_part(0, 6e20, run_id="r-1", effort="r-1", tenant="t-1", group="p-1"),
        a_part(1, 6e20, run_id="r-2", effort="r-1", tenant="t-2", group="p-2"),
        a_part(1, 5e20, run_id="r-3", tenant="t-1", group="p-1"),
    ]
    rows = accumulate(parts_frame(*parts), tiers_of({"above its parts": 2.6e21}), AT).to_dicts()
    assert {row["group_largest_low_flop"] for row in rows} == {1.2e21}
    assert {row["group_largest_high_flop"] for row in rows} == {1.2e21 * 14}
    assert {row["group_largest_share"] for row in rows} == {1.0}
    assert {row["near_tier_runs"] for row in rows} == {0.0}  # each half has a likely 2.4e21, the whole 4.8e21


def test_the_largest_share_is_not_known() -> None:
    """With an effort of unknown compute nobody knows which is the largest, nor where there is no compute at all."""
    unknown = accumulate(parts_frame(a_part(0), a_part(0, None, run_id="r-2")), tiers_of(TIERS), AT)
    assert unknown["group_largest_share"].to_list() == [None, None]
    assert accumulate(parts_frame(a_part(0, 0.0)), tiers_of(TIERS), AT)["group_largest_share"].to_list() == [None]


def near(*parts: dict[str, Any]) -> float:
    """How many efforts ended a little below one tier."""
    return float(accumulate(parts_frame(*parts), tiers_of(TIERS), AT)["near_tier_runs"].max())  # type: ignore[arg-type]


def test_ended_a_little_below_a_tier() -> None:
    """Efforts count whose likely sum ended between four fifths of a tier and the tier; of several tiers the most."""
    below = [a_part(0, flop / 4, run_id=f"r-{flop}") for flop in (8e20, 9.9e20, 1e21, 7.9e20, 9e21)]
    assert near(*below) == 2


def test_what_still_runs_has_not_ended() -> None:
    """What was seen some minutes ago still runs, whatever the clocks of nodes say, and is not near a tier yet."""
    running = a_part(9, 9e20 / 4, last_seen=AT - timedelta(minutes=6))
    assert near(running) == 0
    assert near(running | {"last_seen": AT - timedelta(hours=2)}) == 1


def test_an_effort_over_midnight_is_one() -> None:
    """Days of one effort are added up before they are held against a tier, and it ends when its last day does."""
    assert near(a_part(0, 5e20 / 4), a_part(1, 4e20 / 4)) == 1
    assert near(a_part(0, 9e20 / 4), a_part(9, 0.0, last_seen=datetime.now(UTC))) == 0


@few
@given(some_parts, st.randoms())
def test_order_changes_no_exposure(parts: list[dict[str, Any]], chance: Any) -> None:
    """The same parts in another order have the same sums, shares and counts, to the last bit."""
    shuffled = list(parts)
    chance.shuffle(shuffled)
    first = accumulate(parts_frame(*parts), tiers_of(TIERS), AT)
    assert first.equals(accumulate(parts_frame(*shuffled), tiers_of(TIERS), AT))


def test_no_share_is_above_the_whole() -> None:
    """The one effort of a group is all of it and no more, however it was added up."""
    parts = [a_part(number, 1e20 / 7) for number in range(9)]
    frame: pl.DataFrame = accumulate(parts_frame(*parts), tiers_of(TIERS), AT)
    assert frame["group_largest_share"].to_list() == [1.0]
