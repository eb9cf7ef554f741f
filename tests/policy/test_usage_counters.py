from collections import Counter
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.usage import BUSY, H100, ANode, Cycles, a_holder, a_moment, with_value, without

from collector.contract import GpuState, gpu_metrics
from policy.frames import empty
from policy.usage.counters import COUNTERS, balance_between, carry_forward, pending_windows, retire, windows_between
from policy.usage.window import WINDOWS

A, B = a_holder("pod-a"), a_holder("pod-b")
NOTHING = empty(COUNTERS)


def sums(cycles: Cycles, column: str) -> dict[str, float]:
    """A column added up over all cycles, by pod."""
    windows = pl.concat(cycles.windows).group_by("workload_pod").agg(pl.col(column).sum())
    return {pod: value for pod, value in windows.iter_rows() if value}


def states(balance: pl.DataFrame) -> dict[tuple[str, str | None], float]:
    """GPU-seconds by state and reason."""
    return {(row["state"], row["reason"]): row["gpu_seconds"] for row in balance.to_dicts()}


def residual(balance: pl.DataFrame) -> float:
    """Physical GPU-seconds less all states."""
    physical = pl.col("state") == "physical"
    signed = pl.when(physical).then("gpu_seconds").otherwise(-pl.col("gpu_seconds"))
    return float(balance.select(signed.sum()).item())


# One node, step by step


def test_first_sight_counts_from_the_collectors_start() -> None:
    """A node that is seen for the first time brings all that its collector has counted, and no gap."""
    node = ANode(began=100.0, now=100.0).run(300, [A])
    (row,) = windows_between(NOTHING, node.snapshot()).to_dicts()
    assert (row["window_start"], row["window_end"]) == (a_moment(100), a_moment(400))
    assert (row["held_seconds"], row["busy_seconds"], row["unwatched_seconds"]) == (300, 300 * BUSY, 0)
    assert (row["workload_kind"], row["workload_name"], row["tenant_id"]) == ("Job", "pod-a", "t-1")


def test_a_window_is_the_difference_of_two_snapshots() -> None:
    """Between two answers lies one window with what was used since the first, and the devices held now."""
    cycles, node = Cycles(), ANode().run(300, [A], [A])
    cycles.hear(node.snapshot())
    (row,) = cycles.hear(node.run(60, [A], []).snapshot()).to_dicts()
    assert (row["window_start"], row["window_end"]) == (a_moment(300), a_moment(360))
    assert (row["held_seconds"], row["device_count"], row["unwatched_seconds"]) == (60, 1, 0)


def test_a_silent_node_has_no_window_until_it_answers() -> None:
    """Missed scrapes leave nothing behind; the next answer carries the sum over the whole silence."""
    cycles, node = Cycles(), ANode().run(300, [A])
    cycles.hear(node.snapshot())
    assert cycles.hear().is_empty()
    assert cycles.hear().is_empty()
    (row,) = cycles.hear(node.run(7200, [A]).snapshot()).to_dicts()
    assert (row["window_start"], row["held_seconds"], row["unwatched_seconds"]) == (a_moment(300), 7200, 0)


def test_the_same_page_again_is_no_window() -> None:
    """A collector whose clock stands still has used nothing, so nothing is written."""
    node = ANode().run(300, [A])
    assert windows_between(node.snapshot(), node.snapshot()).is_empty()
    assert balance_between(node.snapshot(), node.snapshot()).is_empty()


def test_holders_without_progress_have_no_window() -> None:
    """A container that has ended, and whose counters stand still, has no window."""
    node = ANode().run(300, [A])
    before = node.snapshot()
    assert windows_between(before, node.run(60, [B]).snapshot())["workload_pod"].to_list() == ["pod-b"]


@pytest.mark.parametrize("longer", [False, True], ids=["counters lower than before", "counters higher than before"])
def test_a_restarted_collector_is_counted_whole_and_its_gap_is_unwatched(longer: bool) -> None:
    """Counters that began anew are taken whole, whatever they were; who held devices may have held them in the gap."""
    node = ANode().run(300, [A], [A])
    before = node.snapshot()
    node.run(50, [A], [A]).restart(70).run(600 if longer else 10, [A], [A])
    (row,) = windows_between(before, node.snapshot()).to_dicts()
    assert row["held_seconds"] == (1200 if longer else 20)
    assert row["unwatched_seconds"] == 2 * (50 + 70)
    assert row["window_start"] == a_moment(300)


def test_holders_on_either_side_of_a_gap_may_have_held_throughout() -> None:
    """A container seen only before or only after a gap gets the gap's seconds too: an upper bound for each."""
    node = ANode().run(300, [A])
    before = node.snapshot()
    after = node.restart(100).run(20, [B]).snapshot()
    found = {row["workload_pod"]: row for row in windows_between(before, after).to_dicts()}
    assert {pod: row["unwatched_seconds"] for pod, row in found.items()} == {"pod-a": 100, "pod-b": 100}
    assert (found["pod-a"]["held_seconds"], found["pod-a"]["device_count"]) == (0, 0)
    assert found["pod-a"]["workload_name"] == "pod-a"


def test_a_holder_that_had_ended_before_the_gap_is_not_in_it() -> None:
    """A container that held nothing before a restart, and is not there after it, gets none of the gap."""
    node = ANode().run(300, [A]).run(10, [])
    before = node.snapshot()
    assert windows_between(before, node.restart(100).run(20, []).snapshot()).is_empty()


def test_a_restart_within_no_time_has_no_gap() -> None:
    """A clock that stepped back over a restart makes no negative time."""
    node = ANode().run(300, [A])
    before = node.snapshot()
    (row,) = windows_between(before, node.restart(-120).run(20, [A]).snapshot()).to_dicts()
    assert (row["held_seconds"], row["unwatched_seconds"]) == (20, 0)
    assert row["window_start"] <= row["window_end"]


def test_a_collector_that_kept_its_counters_has_counted_the_gap_itself() -> None:
    """Same start time: the gap is lost once, unwatched for whoever may have held devices, and no part of it twice."""
    cycles, node = Cycles(), ANode().run(300, [A], [B])
    cycles.hear(node.snapshot())
    cycles.hear(node.resume(100, (A,), (A, B)).run(60, [A], [A]).snapshot())
    assert sums(cycles, "held_seconds") == {"pod-a": 300 + 2 * 60, "pod-b": 300}
    assert sums(cycles, "unwatched_seconds") == {"pod-a": 200, "pod-b": 100}
    assert states(cycles.balances[-1])[GpuState.LOST, "collector_down"] == 200
    assert states(cycles.balances[-1])["physical", None] == 2 * 160
    assert residual(cycles.balances[-1]) == 0


@pytest.mark.parametrize("kept", [True, False])
def test_a_gap_is_the_same_whoever_counts_it(kept: bool) -> None:
    """A restart with and without a state file gives the same held, the same unwatched and the same lost seconds."""
    cycles, node = Cycles(), ANode().run(300, [A])
    cycles.hear(node.snapshot())
    node = node.resume(100, (A,)) if kept else node.restart(100)
    cycles.hear(node.run(60, [A]).snapshot())
    assert sums(cycles, "held_seconds") == {"pod-a": 360}
    assert sums(cycles, "unwatched_seconds") == {"pod-a": 100}
    assert states(cycles.balances[-1])[GpuState.LOST, "collector_down"] == 100


def test_a_start_taken_from_a_wrong_clock_makes_no_gap_longer_than_the_time_that_passed() -> None:
    """A collector that started in a wrong year and whose clock was set right has a gap of no more than the window."""
    cycles, node = Cycles(), ANode().run(300, [A])
    cycles.hear(node.snapshot())
    node = node.restart(100).run(60, [A])
    node.began += 1e8
    cycles.hear(node.snapshot())
    assert sums(cycles, "unwatched_seconds") == {"pod-a": 160}
    assert residual(cycles.balances[-1]) == 0


def test_a_clock_that_stepped_back_loses_nothing() -> None:
    """Counters that grew while the node's clock was set back still count."""
    node = ANode().run(300, [A])
    before = node.snapshot()
    node.run(60, [A])
    node.now = 290
    (row,) = windows_between(before, node.snapshot()).to_dicts()
    assert row["held_seconds"] == 60
    assert row["window_start"] <= row["window_end"]


def test_a_counter_that_fell_is_taken_whole() -> None:
    """A holder whose counters were dropped and began again counts with all that they show."""
    node, twin = ANode().run(300, [A]), ANode(now=300).run(40, [A])
    (row,) = windows_between(node.snapshot(), twin.snapshot()).to_dicts()
    assert row["held_seconds"] == 40


def test_a_holder_that_was_retired_in_a_silence_may_have_held_on() -> None:
    """When a holder's counters were dropped while nobody listened, the whole silence is unwatched, not unused."""
    node = ANode().run(300, [A], [A])
    before = node.snapshot()
    after = without(node.run(90_000, [], []).snapshot(), "pod-a")
    (row,) = windows_between(before, after).to_dicts()
    assert (row["held_seconds"], row["unwatched_seconds"], row["device_count"]) == (0, 2 * 90_000, 0)


def test_another_tenant_label_is_another_window() -> None:
    """A pod whose namespace changes hands is split at the change; nothing moves to the new tenant, nothing is lost."""
    cycles, node, sold = Cycles(), ANode().run(300, [A]), a_holder("pod-a", tenant_id="t-2")
    cycles.hear(node.snapshot())
    found = cycles.hear(node.run(20, [A]).run(40, [sold]).snapshot())
    assert dict(found.select("tenant_id", "held_seconds").iter_rows()) == {"t-1": 20, "t-2": 40}


def test_empty_labels_are_null() -> None:
    """A label that nobody filled is not known; it is never an empty text."""
    nameless = a_holder("pod-a", tenant_id=None, workload_kind="", workload_name="", container="")
    (row,) = windows_between(NOTHING, ANode().run(60, [nameless]).snapshot()).to_dicts()
    absent = ("tenant_id", "workload_kind", "workload_name", "container")
    assert [row[name] for name in absent] == [None] * len(absent)


def test_nameless_holders_keep_their_own_difference() -> None:
    """Null labels join like any other value: the second window holds only what is new."""
    cycles, node = Cycles(), ANode().run(60, [a_holder(tenant_id=None)])
    cycles.hear(node.snapshot())
    assert cycles.hear(node.run(5, [a_holder(tenant_id=None)]).snapshot())["held_seconds"].to_list() == [5]


def test_shared_devices_count_whole_for_each_holder_and_once_in_the_balance() -> None:
    """A device with two holders is an upper bound for both of them, and one ambiguous device in the balance."""
    cycles = Cycles()
    found = cycles.hear(ANode().run(60, [A, B]).snapshot())
    assert found["shared_seconds"].to_list() == [60, 60]
    assert found["held_seconds"].to_list() == [0, 0]
    assert states(cycles.balances[0]) == {("ambiguous", "shared"): 60, ("physical", None): 60}


def test_nodes_do_not_touch_each_other() -> None:
    """Two nodes with the same pod names have windows of their own, however one of them restarts."""
    cycles, one, two = Cycles(), ANode("node-1").run(60, [A]), ANode("node-2").run(60, [A])
    cycles.hear(one.snapshot(), two.snapshot())
    found = cycles.hear(one.run(30, [A]).snapshot(), two.restart(10).run(5, [A]).snapshot())
    assert found.select("node", "held_seconds", "unwatched_seconds").rows() == [("node-1", 30, 0), ("node-2", 5, 10)]


# Balance


def test_time_without_a_collector_is_lost_with_its_reason() -> None:
    """The known GPUs of a node whose collector was down are lost GPU-seconds, and physical ones."""
    node = ANode().run(300, [A], [])
    before = node.snapshot()
    found = balance_between(before, node.restart(50).run(10, [A], []).snapshot())
    assert states(found) == {
        ("attributed", None): 10,
        ("unallocated", None): 10,
        (GpuState.LOST, "collector_down"): 100,
        ("physical", None): 120,
    }
    assert residual(found) == 0


# Snapshots


def test_a_silent_nodes_counters_are_carried_forward() -> None:
    """A snapshot holds every node's last known counters, and of those who answered only the new ones."""
    one, two = ANode("node-1").run(60, [A]), ANode("node-2").run(60, [B])
    before = carry_forward(NOTHING, pl.concat([one.snapshot(), two.snapshot()]))
    after = carry_forward(before, without(one.run(60, []).snapshot(), "pod-a"))
    assert after.filter(pl.col("node") == "node-2").equals(before.filter(pl.col("node") == "node-2"))
    assert "pod-a" not in after["workload_pod"].to_list()


def test_the_order_of_rows_does_not_matter() -> None:
    """The same counters in any order give the same frames in the same order."""
    node = ANode().run(300, [A], [A, B])
    before = node.snapshot()
    after = node.run(50, [A], [B]).restart(30).run(20, [B], [A]).snapshot()
    mixed = (before.sample(fraction=1, shuffle=True, seed=1), after.sample(fraction=1, shuffle=True, seed=2))
    assert windows_between(*mixed).equals(windows_between(before, after))
    assert balance_between(*mixed).equals(balance_between(before, after))
    assert carry_forward(NOTHING, mixed[1]).equals(carry_forward(NOTHING, after))


def test_no_snapshots_are_no_windows() -> None:
    """Nothing heard is empty frames in the right schema, not an error."""
    assert windows_between(NOTHING, NOTHING).schema == WINDOWS
    assert balance_between(NOTHING, NOTHING).is_empty()
    assert pending_windows(NOTHING, a_moment(0), 60).is_empty()


# Pending


def test_a_node_silent_for_too_long_may_be_in_use_still() -> None:
    """Whoever held devices when a node was last heard gets their seconds since, as unwatched ones."""
    latest = ANode().run(300, [A], [A], [B], []).snapshot()
    found = {row["workload_pod"]: row for row in pending_windows(latest, a_moment(1300), 900).to_dicts()}
    assert {pod: row["unwatched_seconds"] for pod, row in found.items()} == {"pod-a": 2000, "pod-b": 1000}
    assert (found["pod-a"]["window_start"], found["pod-a"]["window_end"]) == (a_moment(300), a_moment(1300))
    assert (found["pod-a"]["held_seconds"], found["pod-a"]["workload_name"]) == (0, "pod-a")


@pytest.mark.parametrize("at", [1200, 300, 0], ids=["just not stale", "heard now", "the node's clock is ahead"])
def test_a_node_heard_lately_has_nothing_pending(at: float) -> None:
    """Up to the limit a node counts as heard; a clock that is ahead makes no negative time."""
    assert pending_windows(ANode().run(300, [A]).snapshot(), a_moment(at), 900).is_empty()


def test_holders_that_ended_have_nothing_pending() -> None:
    """A container that held no device when its node was last heard is not suspected of anything since."""
    latest = ANode().run(300, [A]).run(10, []).snapshot()
    assert pending_windows(latest, a_moment(9999), 900).is_empty()


def test_a_silence_is_the_same_amount_whether_pending_or_closed_by_a_restart() -> None:
    """What was suspected of a silent node is what stays unwatched when its collector comes back without memory."""
    node = ANode().run(300, [A])
    before = node.snapshot()
    pending = pending_windows(before, a_moment(1300), 900)
    closed = windows_between(before, node.restart(1000).snapshot())
    assert pending["unwatched_seconds"].to_list() == closed["unwatched_seconds"].to_list() == [1000]


def test_a_page_whose_gpus_are_gone_keeps_its_balance() -> None:
    """A GPU gauge that says 0 after a restart does not unmake the seconds lost before it."""
    node = ANode().run(300, [A])
    before = node.snapshot()
    after = with_value(node.restart(50).run(10, []).snapshot(), gpu_metrics.GPUS, 0)
    assert states(balance_between(before, after))[GpuState.LOST, "collector_down"] == 50


# Any history


@dataclass(frozen=True)
class Step:
    """Some time with holders on two GPUs; then perhaps a restart, and perhaps a scrape."""

    seconds: int
    gpus: tuple[tuple[str, ...], tuple[str, ...]]
    busy_percent: int
    down_seconds: int | None
    scraped: bool


held_by = st.sampled_from([(), ("pod-a",), ("pod-b",), ("pod-a", "pod-b")])
steps = st.builds(
    Step,
    seconds=st.integers(1, 5000),
    gpus=st.tuples(held_by, held_by),
    busy_percent=st.integers(0, 100),
    down_seconds=st.none() | st.integers(0, 5000),
    scraped=st.booleans(),
)
histories = st.lists(steps, min_size=1, max_size=8)
HOLDERS = {"pod-a": A, "pod-b": B}


@dataclass
class Truth:
    """What happened, counted by this test alone; ``heard`` is what the last scrape of each life could know."""

    life: Counter[tuple[str, str]]
    heard: Counter[tuple[str, str]]
    latest: Counter[tuple[str, str]]

    def pass_time(self, step: Step) -> None:
        """Count one step."""
        for pods in step.gpus:
            for pod in pods:
                if len(pods) == 1:
                    self.life["held_seconds", pod] += step.seconds
                    self.life["busy_seconds", pod] += step.seconds * step.busy_percent / 100
                else:
                    self.life["shared_seconds", pod] += step.seconds

    def scrape(self) -> None:
        """A scrape knows all of this life so far."""
        self.latest = Counter(self.life)

    def restart(self) -> None:
        """What no scrape has fetched of this life is gone."""
        self.heard += self.latest
        self.life, self.latest = Counter(), Counter()

    def total(self, column: str) -> dict[str, float]:
        """By pod, without zeros."""
        return {pod: value for (name, pod), value in (self.heard + self.latest).items() if name == column and value}


def play(history: list[Step], *, with_restarts: bool) -> tuple[Cycles, Truth, ANode]:
    """Live through a history, and scrape once more at its end."""
    cycles, node, truth = Cycles(), ANode(), Truth(Counter(), Counter(), Counter())
    for step in history:
        gpus = [[HOLDERS[pod] for pod in pods] for pods in step.gpus]
        node.run(step.seconds, *gpus, busy=step.busy_percent / 100)
        truth.pass_time(step)
        if step.scraped:
            truth.scrape()
        cycles.hear(*([node.snapshot()] if step.scraped else []))
        if with_restarts and step.down_seconds is not None:
            node.restart(step.down_seconds)
            truth.restart()
    truth.scrape()
    cycles.hear(node.snapshot())
    return cycles, truth, node


@settings(deadline=None, max_examples=25)
@given(history=histories, with_restarts=st.booleans())
def test_windows_add_up_to_what_was_used(history: list[Step], with_restarts: bool) -> None:
    """Over any history of holders, missed scrapes and restarts, nothing is lost and nothing is counted twice."""
    cycles, truth, _ = play(history, with_restarts=with_restarts)
    for column in ("held_seconds", "shared_seconds", "busy_seconds"):
        assert sums(cycles, column) == pytest.approx(truth.total(column), abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(history=histories)
def test_the_balance_covers_every_second_of_the_hardware(history: list[Step]) -> None:
    """From the first start to the last clock every GPU-second is in exactly one state, restarts and all."""
    cycles, _, node = play(history, with_restarts=True)
    whole = pl.concat(cycles.balances)
    first_heard = next((step for step in history if step.scraped), None)
    assert residual(whole) == pytest.approx(0, abs=1e-5)
    if first_heard is history[0]:
        physical = whole.filter(pl.col("state") == "physical")["gpu_seconds"].sum()
        assert physical == pytest.approx(2 * node.now, abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(history=histories)
def test_whoever_holds_throughout_is_never_undercounted(history: list[Step]) -> None:
    """Held and unwatched seconds of a container that never lets go add up to all of its time, downtime included."""
    constant = [Step(s.seconds, (("pod-a",), ("pod-b",)), 50, s.down_seconds, s.scraped) for s in history]
    constant[0] = Step(constant[0].seconds, constant[0].gpus, 50, constant[0].down_seconds, scraped=True)
    cycles, _, node = play(constant, with_restarts=True)
    windows = pl.concat(cycles.windows).group_by("workload_pod", "accelerator").agg(
        (pl.col("held_seconds") + pl.col("unwatched_seconds")).sum().alias("seconds")
    )  # fmt: skip
    rows = sorted(windows.rows())
    assert [row[:2] for row in rows] == [("pod-a", H100), ("pod-b", H100)]
    assert [row[2] for row in rows] == pytest.approx([node.now, node.now], abs=1e-5)


# Retired nodes


def test_a_node_that_is_no_longer_asked_stops_counting_against_its_last_holders() -> None:
    """From the moment its target is off the list, nobody is said to hold a node's devices; before it, they may have."""
    latest = ANode().run(300, [A]).snapshot()
    target = latest["target"][0]
    silent = retire(latest, {target}, a_moment(1300))
    gone = retire(silent, (), a_moment(2300))
    later = retire(gone, (), a_moment(9300))
    assert pending_windows(silent, a_moment(1300), 900)["unwatched_seconds"].to_list() == [1000]
    assert pending_windows(later, a_moment(99999), 900)["unwatched_seconds"].to_list() == [2000]
    assert later.equals(gone), "the mark stays where it was set"


def test_a_retired_node_that_comes_back_is_counted_on_from_where_it_was() -> None:
    """What a node used while it was not asked comes in once, and its old counters are not counted again."""
    node = ANode().run(300, [A])
    first = node.snapshot()
    retired = retire(first, (), a_moment(600))
    back = carry_forward(retired, node.run(700, [A]).snapshot())
    assert windows_between(retired, back)["held_seconds"].to_list() == [700]
    assert retire(back, set(back["target"]), a_moment(1000)).equals(back), "it is an ordinary node again"


def test_pending_time_before_the_look_back_is_not_counted() -> None:
    """A node that has been silent for longer than the look-back counts for the look-back only."""
    latest = ANode().run(300, [A]).snapshot()
    found = pending_windows(latest, a_moment(100_000), 900, a_moment(90_000))
    assert found["unwatched_seconds"].to_list() == [10_000]
