"""What hides training is told as what it looks like, and what only resembles it is not."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from support import activities as of
from support.concealment import SCRIPTS, Script
from support.handovers import CUSTOMERS, FIRST, HANDOVERS, TWO_DAYS_LATER, Handover
from support.judgement import FACTS, START
from support.suite import judged
from support.telemetry import Work, windows_of

from policy.judgement.patterns import INNOCENT
from policy.judgement.settled import Settled
from policy.judgement.stitch import Across, StitchWord

scripts = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
handovers = pytest.mark.parametrize("handover", HANDOVERS.values(), ids=HANDOVERS)
REVIEW = FACTS.tiers.amounts["review"]


def patterns_in(windows: pl.DataFrame) -> set[str]:
    """Every pattern that is told of any run of these windows."""
    found = judged(windows, customers=CUSTOMERS).subjects["patterns"].explode().drop_nulls()
    return set(found.struct.field("pattern"))


@scripts
def test_is_told(script: Script) -> None:
    """Each script shows its pattern."""
    assert script.pattern in patterns_in(script.windows())


@scripts
def test_twin_is_not(script: Script) -> None:
    """Of its innocent twin the pattern is not told."""
    assert script.pattern not in patterns_in(script.innocent_windows())


@scripts
def test_clears_nobody(script: Script) -> None:
    """No script that trains is called not training, so its compute stays in the top of every sum."""
    subjects = judged(script.windows(), customers=CUSTOMERS).subjects
    assert "not_training" not in set(subjects["verdict"])


def test_every_pattern_has_a_script() -> None:
    """There is a script for every pattern that can be told."""
    assert {script.pattern for script in SCRIPTS.values()} == set(INNOCENT)


@handovers
def test_pieces_are_stitched(handover: Handover) -> None:
    """Pieces of one effort are stitched, and the stitch says between whom it lies."""
    judgement = judged(windows_of(handover.earlier, handover.later), customers=CUSTOMERS)
    assert judgement.stitches["across"].to_list() == [handover.across]


@handovers
def test_a_stranger_is_not_stitched(handover: Handover) -> None:
    """Another effort of the same party, in the same place, is not stitched."""
    assert judged(windows_of(handover.earlier, handover.stranger), customers=CUSTOMERS).stitches.is_empty()


@handovers
def test_what_counts_as_one(handover: Handover) -> None:
    """Pieces of a tenant and of a group count as one effort at once; those of two groups wait for a person."""
    windows = windows_of(handover.earlier, handover.later)
    judgement = judged(windows, customers=CUSTOMERS)
    waits = handover.across is Across.OTHER_GROUP
    assert judgement.subjects["effort_id"].n_unique() == (2 if waits else 1)
    (stitch_id,) = judgement.stitches["stitch_id"]
    confirmed = judged(windows, customers=CUSTOMERS, words={stitch_id: StitchWord.CONFIRMED})
    assert confirmed.subjects["effort_id"].n_unique() == 1
    undone = judged(windows, customers=CUSTOMERS, words={stitch_id: StitchWord.UNDONE})
    assert undone.subjects["effort_id"].n_unique() == 2


def test_a_suspicion_enters_no_total() -> None:
    """Until it is confirmed, a hand-over between groups changes no sum; afterwards both groups have the whole."""
    handover = HANDOVERS["handed over to another group"]
    windows = windows_of(handover.earlier, handover.later)
    apart = judged(windows, customers=CUSTOMERS)
    (stitch_id,) = apart.stitches["stitch_id"]
    whole = apart.subjects["high_flop"].sum()
    assert (apart.subjects["group_high_flop"] < 0.6 * whole).all()
    joined = judged(windows, customers=CUSTOMERS, words={stitch_id: StitchWord.CONFIRMED})
    assert joined.subjects["group_high_flop"].to_list() == pytest.approx([whole, whole])


def told_across(*works: Work) -> tuple[list[str], list[tuple[str, str]]]:
    """The ids of the stitches between tenants that are told of these, and their pieces."""
    told = judged(windows_of(*works), customers=CUSTOMERS).stitches.filter(pl.col("across") != Across.SAME_TENANT)
    return told["stitch_id"].to_list(), list(told.select("earlier_piece", "later_piece").iter_rows())


def efforts_of(*works: Work, said: Work, word: StitchWord) -> dict[str, str]:
    """The effort of each tenant's run, after people have said that of the stitch from the first piece to ``said``."""
    ids, pairs = told_across(FIRST, said)
    settled = Settled(one=pairs) if word is StitchWord.CONFIRMED else Settled(two=pairs)
    words = dict.fromkeys(ids, word)
    found = judged(windows_of(*works), customers=CUSTOMERS, words=words, settled=settled).subjects
    return dict(found.select("tenant_id", "effort_id").iter_rows())


def test_a_confirmed_effort_stays_one_when_its_stitch_is_no_longer_told() -> None:
    """A piece of another tenant that ends later than the earlier one takes its place in what is told, and in no sum."""
    later = HANDOVERS["handed over to another group"].later
    between = replace(FIRST, tenant_id="t-2", name="llama-run9", begins=START + timedelta(minutes=10), nodes="rack-q")
    works = (FIRST, between, later)
    assert not set(told_across(*works)[0]) & set(told_across(FIRST, later)[0])
    efforts = efforts_of(*works, said=later, word=StitchWord.CONFIRMED)
    assert efforts["t-1"] == efforts["t-3"] != efforts["t-2"]


@pytest.mark.parametrize(
    ("handed_over", "word"),
    [
        ("handed over to another group", StitchWord.CONFIRMED),
        ("handed over to a sister", StitchWord.UNDONE),
    ],
)
def test_a_word_holds_when_the_run_goes_by_another_name(handed_over: str, word: StitchWord) -> None:
    """A run whose first piece comes to light, or leaves the look-back, is still the one that the word is about."""
    later = HANDOVERS[handed_over].later
    before = replace(FIRST, name="llama-run0", begins=START - timedelta(hours=2, minutes=20))
    assert not set(told_across(before, FIRST, later)[0]) & set(told_across(FIRST, later)[0])
    efforts = efforts_of(before, FIRST, later, said=later, word=word)
    assert len(set(efforts.values())) == (1 if word is StitchWord.CONFIRMED else 2)


def test_other_nodes_under_the_same_name() -> None:
    """A job that goes on under its name on other nodes is the same run without any stitch."""
    later = replace(FIRST, nodes="rack-b", begins=TWO_DAYS_LATER)
    judgement = judged(windows_of(FIRST, later), customers=CUSTOMERS)
    assert judgement.subjects["run_id"].n_unique() == 1
    assert judgement.stitches.is_empty()


def test_parts_that_step_together() -> None:
    """Many small jobs that pause together are one run of the size of all, and no longer small."""
    works = [replace(FIRST, name=f"{name}-sweep", pods=1) for name in ("alpha", "bravo", "cedar", "delta", "ember")]
    (run,) = judged(windows_of(*works), customers=CUSTOMERS).subjects.to_dicts()
    assert run["peak_devices"] == 40
    assert run["verdict"] == "training"


def cut(parts: int) -> pl.DataFrame:
    """Five days of 16 devices, cut into parts that share nothing but their tenants' group."""
    whole = Work(activity=of.training(51), pods=2, hours=120.0, window_seconds=3600.0)
    hour = (pl.col("window_start") - START).dt.total_hours()
    part = pl.format("part {} of many", (hour * parts // 120))
    names = ("workload_namespace", "workload_name", "workload_pod", "pod_uid")
    tenant = pl.when(hour * parts // 120 % 2 == 0).then(pl.lit("t-1")).otherwise(pl.lit("t-2"))
    return whole.windows().with_columns(
        *(pl.format("{} {}", part, name).alias(name) for name in names), tenant_id=tenant
    )


@pytest.mark.parametrize("parts", [5, 7, 20])
def test_cut_below_a_tier(parts: int) -> None:
    """However an effort is cut over names and sisters, in the middle of a day as well, the group's sums stay."""
    whole, in_parts = (judged(cut(number), customers=CUSTOMERS).subjects for number in (1, parts))
    for bound in ("low", "likely", "high"):
        (one,), (other,) = (set(each[f"group_{bound}_flop"]) for each in (whole, in_parts))
        assert other == pytest.approx(one, rel=1e-9)


def test_totals_just_below_a_tier_are_counted() -> None:
    """Efforts of a group that end a little below one tier are counted, and those far below it are not."""
    day_flop = judged(one_day(16, "whole"), customers=CUSTOMERS).subjects["run_likely_flop"][0]
    hours = round(24 * 0.9 * REVIEW / day_flop)
    far = judged(repeated(hours // 3), customers=CUSTOMERS, at=START + timedelta(days=400)).subjects
    near = judged(repeated(hours), customers=CUSTOMERS, at=START + timedelta(days=400)).subjects
    assert set(near["near_tier_runs"]) == {3.0}
    assert set(far["near_tier_runs"]) == {0.0}


def one_day(pods: int, name: str) -> pl.DataFrame:
    """A day of a gang of so many nodes."""
    return windows_of(Work(activity=of.training(52), name=name, pods=pods, hours=24.0, window_seconds=7200.0))


def repeated(hours: int) -> pl.DataFrame:
    """Three efforts of 128 devices for so many hours, of one tenant, weeks apart, unlike in name and size."""
    works = [
        Work(
            activity=of.training(53), name=name, pods=16, hours=float(hours), window_seconds=hours * 3600.0 / 8,
            begins=START + timedelta(days=60 * number), nodes=name,
        )
        for number, name in enumerate(("oak", "elm", "ash"))
    ]  # fmt: skip
    return windows_of(*works)
