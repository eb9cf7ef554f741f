from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.judgement import FACTS, START, a_window, days_of

from policy.judgement.runs import find_pieces, find_runs
from policy.judgement.settled import NOTHING_SETTLED, Settled
from policy.judgement.stitch import (
    NO_WORDS,
    STITCHES,
    Across,
    StitchWord,
    Words,
    find_stitches,
    find_stitches_across,
    joined,
    with_runs,
)

HOURS = 20.0


def a_piece(name: str, begins_hours: float, hours: float = HOURS, **different: Any) -> dict[str, Any]:
    """Sixteen devices on one node, busy, from so many hours after the start on."""
    return a_window(
        **{
            "workload_name": name,
            "workload_pod": f"{name}-0",
            "pod_uid": f"p-{name}-{different.get('tenant_id', 't-1')}",
            "window_start": START + timedelta(hours=begins_hours),
            "hours": hours,
            "devices": 16.0,
            **different,
        }
    )


def stitches_of(*windows: dict[str, Any]) -> pl.DataFrame:
    """Stitch the pieces of windows, within tenants."""
    return find_stitches(find_pieces(days_of(*windows)), FACTS.stitching)


def across_of(*windows: dict[str, Any], groups: dict[str, str] | None = None) -> pl.DataFrame:
    """Stitch the runs of windows, across tenants; each tenant is a group unless told otherwise."""
    runs = find_runs(days_of(*windows))
    group = pl.col("tenant_id").replace(groups or {})
    return find_stitches_across(runs, runs.select("run_id", group_id=group), FACTS.stitching)


def runs_of(*windows: dict[str, Any], words: Words = NO_WORDS, settled: Settled = NOTHING_SETTLED) -> pl.DataFrame:
    """Find the runs of windows, their pieces stitched."""
    days = days_of(*windows)
    stitches = find_stitches(find_pieces(days), FACTS.stitching)
    return find_runs(with_runs(days.drop("run_id"), stitches, words, settled))


def test_renumbered_restart() -> None:
    """A job that goes on under the next number soon after is one run, and its stitch says why."""
    first, second = a_piece("pretrain-7b-1", 0), a_piece("pretrain-7b-2", HOURS + 0.1)
    (stitch,) = stitches_of(first, second).to_dicts()
    assert stitch["across"] == Across.SAME_TENANT
    assert stitch["strength"] == 2.0 + 1.0 + 1.5 + 0.5
    assert stitch["reasons"] == [
        "both names are pretrain-7b up to their ending",
        "16 and 16 devices, all NVIDIA H100 80GB HBM3",
        "the later begins 6 minutes after the earlier ends",
        "1 of 1 nodes are the same",
    ]
    (run,) = runs_of(first, second).to_dicts()
    assert (run["piece_count"], run["peak_devices"]) == (2, 16)


@pytest.mark.parametrize(
    ("different", "count"),
    [
        ({}, 1),
        ({"workload_namespace": "space-b"}, 1),
        ({"node": "node-b"}, 1),
        ({"begins_hours": HOURS + 60}, 1),
        ({"begins_hours": HOURS + 80}, 2),
        ({"begins_hours": 5.0}, 2),
        ({"accelerator": "NVIDIA H200"}, 2),
        ({"tenant_id": "t-2"}, 2),
        ({"tenant_id": None}, 2),
        ({"name": "finetune-3b-1"}, 1),
        ({"name": "finetune-3b-1", "node": "node-b"}, 2),
        ({"name": "finetune-3b-1", "workload_kind": "Deployment"}, 2),
        ({"name": "finetune-3b-1", "busy": 0.5}, 2),
        ({"name": "finetune-3b-1", "devices": 8.0}, 2),
    ],
)
def test_what_makes_one_run(different: dict[str, Any], count: int) -> None:
    """Names of one lineage go together over nodes, namespaces and days; other names only with all else alike."""
    second = {"name": "pretrain-7b-2", "begins_hours": HOURS + 0.1, **different}
    assert runs_of(a_piece("pretrain-7b-1", 0), a_piece(**second)).height == count


def test_side_by_side_is_a_sweep() -> None:
    """Jobs of one lineage that run at the same time are not one effort by their names alone."""
    sweep = [a_piece(f"sweep-{n}", 0, node=f"node-{n}") for n in range(8)]
    assert stitches_of(*sweep).is_empty()


def beating(name: str, trough: float, **different: Any) -> dict[str, Any]:
    """A piece that pauses every two minutes; ``trough``: when, in seconds."""
    rhythm = {"period_seconds": 120.0, "period_strength_ratio": 0.9, "trough_unix_seconds": 1_780_000_000.0 + trough}
    return a_piece(name, 0, **{**rhythm, **different})


@pytest.mark.parametrize(("trough", "count"), [(2.0, 1), (118.0, 1), (240.0, 1), (40.0, 2)])
def test_parts_in_step(trough: float, count: int) -> None:
    """Parts that run at the same time and pause together are one effort, whatever they are called."""
    parts = beating("alpha", 0.0), beating("omega", trough, node="node-b")
    assert runs_of(*parts).height == count


def test_troughs_far_apart() -> None:
    """Pauses that lie hours apart tell nothing of being in step, wherever in the period they fall."""
    for trough in (0.0, 2.0, 60.0):
        parts = beating("alpha", 0.0), beating("omega", 7200.0 + trough, node="node-b")
        assert stitches_of(*parts).is_empty()


@pytest.mark.parametrize("later_begins", [0, 1])
def test_a_stitch_keeps_its_id(later_begins: int) -> None:
    """Whichever of two parts in step begins first or has the longer period, what people said to them still holds."""
    ids = set()
    for longer, shorter in (("alpha", "omega"), ("omega", "alpha")):
        slow, fast = beating(longer, 0.0), beating(shorter, 2.0, period_seconds=119.9)
        slow["window_start"] += timedelta(minutes=later_begins)
        ids.add(stitches_of(slow, fast)["stitch_id"].item())
    assert len(ids) == 1


def test_a_successor_that_overlaps() -> None:
    """A successor that begins a little before its predecessor ends is told so."""
    (stitch,) = stitches_of(a_piece("pretrain-7b-1", 0), a_piece("pretrain-7b-2", HOURS - 0.2)).to_dicts()
    assert "the later begins 12 minutes before the earlier ends" in stitch["reasons"]


def test_undone() -> None:
    """A stitch that people have undone joins nothing, and the rest of a chain stays joined."""
    chain = [a_piece(f"pretrain-7b-{n}", n * (HOURS + 0.1)) for n in range(3)]
    first = stitches_of(*chain).sort("later_seen")["stitch_id"][0]
    runs = runs_of(*chain, words={first: StitchWord.UNDONE}).sort("first_seen")
    assert runs["piece_count"].to_list() == [1, 2]


def test_confirmed_and_not_told() -> None:
    """Pieces of a tenant that people have confirmed are one run without a stitch; those of two tenants are two."""
    parts = a_piece("alpha", 0, devices=3.0), a_piece("omega", 900, node="node-b")
    pair = tuple(days_of(*parts).sort("window_start")["piece_id"].unique(maintain_order=True))
    assert stitches_of(*parts).is_empty()
    assert runs_of(*parts, settled=Settled(one=[pair])).height == 1
    foreign = a_piece("alpha", 0, devices=3.0), a_piece("omega", 900, node="node-b", tenant_id="t-2")
    pair = tuple(days_of(*foreign).sort("window_start")["piece_id"].unique(maintain_order=True))
    assert runs_of(*foreign, settled=Settled(one=[pair])).height == 2


def test_a_run_is_named_after_its_first_piece() -> None:
    """Further pieces leave a run its id."""
    chain = [a_piece(f"pretrain-7b-{n}", n * (HOURS + 0.1)) for n in range(3)]
    assert {runs_of(*chain[:count])["run_id"].item() for count in (1, 2, 3)} == {days_of(chain[0])["piece_id"].item()}


@pytest.mark.parametrize(("groups", "across"), [({}, "other_group"), ({"t-2": "t-1"}, "same_group")])
def test_handed_over_to_another_tenant(groups: dict[str, str], across: str) -> None:
    """An effort that goes on under another tenant is suspected, and told apart by whether they are one group."""
    parts = a_piece("pretrain-7b-1", 0), a_piece("pretrain-7b-2", HOURS + 0.1, tenant_id="t-2")
    (stitch,) = across_of(*parts, groups=groups).to_dicts()
    assert (stitch["across"], stitch["earlier_tenant_id"], stitch["later_tenant_id"]) == (across, "t-1", "t-2")


def test_a_name_that_many_tenants_use() -> None:
    """A name that three tenants use tells nothing across them."""
    parts = [a_piece("train-1", n * (HOURS + 0.1), tenant_id=f"t-{n}", node=f"node-{n}") for n in range(3)]
    assert across_of(*parts).is_empty()


def test_unclaimed_work_between() -> None:
    """Work that nobody claims hides no hand-over, and makes no name a common one."""
    parts = a_piece("pretrain-7b-1", 0), a_piece("pretrain-7b-2", HOURS + 0.2, tenant_id="t-2")
    between = a_piece("pretrain-7b-9", HOURS - 1, hours=1.05, tenant_id=None)
    assert across_of(*parts, between)["stitch_id"].to_list() == across_of(*parts)["stitch_id"].to_list() != []


def test_work_of_its_own_between() -> None:
    """A tenant's own work of the same size, which ends just before, hides no hand-over from another tenant."""
    parts = a_piece("alpha", 0), a_piece("omega", HOURS + 0.3, tenant_id="t-2")
    own = [a_piece(f"own{n}", HOURS - 10 - n, hours=10.1 + n, tenant_id="t-2") for n in range(2)]
    assert across_of(*parts)["stitch_id"].item() in across_of(*parts, *own)["stitch_id"]


def test_a_small_piece() -> None:
    """Across tenants a trial of minutes is compared with nothing."""
    parts = a_piece("pretrain-7b-1", 0, hours=0.4), a_piece("pretrain-7b-2", 0.5, hours=0.4, tenant_id="t-2")
    assert across_of(*parts).is_empty()


@pytest.mark.parametrize(
    ("across", "word", "is_joined"),
    [
        (Across.SAME_TENANT, StitchWord.AS_TOLD, True),
        (Across.SAME_TENANT, StitchWord.UNDONE, False),
        (Across.SAME_GROUP, StitchWord.AS_TOLD, True),
        (Across.OTHER_GROUP, StitchWord.AS_TOLD, False),
        (Across.OTHER_GROUP, StitchWord.CONFIRMED, True),
        (Across.OTHER_GROUP, StitchWord.UNDONE, False),
    ],
)
def test_what_joins(across: Across, word: StitchWord, is_joined: bool) -> None:
    """Within a tenant or a group a stitch joins until it is undone, between groups from its confirmation on."""
    stitch = {**dict.fromkeys(STITCHES), "stitch_id": "s", "earlier_piece": "a", "later_piece": "b", "across": across}
    told = pl.DataFrame([stitch], schema=STITCHES)
    assert joined(pl.Series(["a", "b"]), told, {"s": word}) == {"a": "a", "b": "a" if is_joined else "b"}


def test_no_pieces() -> None:
    """No pieces have no stitches, in the same schema."""
    assert stitches_of().schema == across_of().schema == STITCHES
