"""A card that is cut into MIG instances, from the driver to the counters."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drivers import no_driver
from support.nodes import NODE, ToldClock, a_collector, a_played_collector
from support.readings import H100, SECOND, a_holder, a_reading, an_identity, total
from support.scenarios import CONSTANT, Moment, a_node, a_pod, a_script, a_workload, an_instance

from collector.accounting import Accounts
from collector.contract import UNKNOWN_ACCELERATOR, Metric, gpu_metrics, holder_metrics
from collector.devices import NOT_YET, InstanceLook, Survey
from collector.intervals import Holding, device_intervals, recalled, unwatched
from collector.loop import Collector
from collector.readings import Absent, Holder, MigInstance, Reading, Why
from collector.simulated.playback import ScriptedHolders
from collector.state.file import StateFile
from collector.state.keeper import Keeper

TOTAL = 132
CARD = "GPU-0"
SEVEN = tuple(an_instance(0, "1g.10gb") for _ in range(7))
SMALL, LARGE = 16 / TOTAL, 60 / TOTAL


def of(collector: Collector, metric: Metric, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    return total(collector.samples(), metric.name, **labels)


def a_look(number: int, multiprocessors: int, reading: Reading | Absent) -> InstanceLook:
    """An instance of the card, read so."""
    mig = MigInstance(
        parent_uuid=CARD, gpu_instance_id=number, compute_instance_id=0,
        profile="1g.10gb", multiprocessors=multiprocessors, memory_bytes=2**30,
    )  # fmt: skip
    return InstanceLook(identity=an_identity(f"MIG-{number}", mig=mig), reading=reading)


def a_survey(
    *weights: int, card: Reading | Absent, reading: Reading | Absent, multiprocessors: int | Absent = TOTAL
) -> Survey:
    """A card with instances of these weights."""
    looks = [a_look(number, weight, reading) for number, weight in enumerate(weights)]
    return replace(
        NOT_YET,
        readings={CARD: card},
        known={CARD: an_identity(CARD, multiprocessors=multiprocessors)},
        instances={each.identity.gpu_uuid: each for each in looks},
        blind=None,
    )


def states(survey: Survey, held: dict[str, tuple[Holder, ...]]) -> dict[tuple[str, str], int]:
    """Nanoseconds of a second by state and reason; they balance."""
    accounts = Accounts()
    accounts.advance(SECOND, survey.inventory())
    accounts.integrate(SECOND, device_intervals(SECOND, survey, Holding(now=held, last_known=held)))
    assert accounts.residual_ns(H100) == 0
    return {(each.state.value, each.reason): each.total_ns for each in accounts.books().states if each.total_ns}


def unwatched_by(before: Survey, now: Survey, held: dict[str, tuple[Holder, ...]]) -> dict[tuple[str, str], int]:
    """Nanoseconds of a second in which nobody watched, by pod and model."""
    found = Counter[tuple[str, str]]()
    for model, holders, part_ns in unwatched(SECOND, before, now, held):
        found.update({(holder.pod, model): part_ns for holder in holders})
    return dict(found)


@given(
    weights=st.lists(st.integers(1, 60), max_size=9),
    held=st.dictionaries(st.integers(0, 8), st.lists(st.sampled_from("abc"), min_size=1, max_size=2)),
    read=st.booleans(),
)
def test_a_cut_card_balances(weights: list[int], held: dict[int, list[str]], read: bool) -> None:
    """Whatever a card is cut into, whoever holds what: its states add up to its time, exactly and once."""
    card = a_reading(busy=Absent(Why.NOT_SUPPORTED)) if read else Absent(Why.GPU_LOST)
    holders = {f"MIG-{number}": tuple(map(a_holder, pods)) for number, pods in held.items()}
    found = states(a_survey(*weights, card=card, reading=a_reading()), holders)
    assert sum(found.values()) == SECOND
    if not read:
        assert found == {("lost", "gpu_lost"): SECOND}
    elif sum(weights) <= TOTAL:
        alone = [weights[at] for at, pods in held.items() if at < len(weights) and len(set(pods)) == 1]
        assert found.get(("attributed", ""), 0) == pytest.approx(SECOND * sum(alone) / TOTAL, abs=len(weights))


def test_two_holders_of_one_instance_share_only_that(tmp_path: Path) -> None:
    """Replicas of an instance are ambiguous for its weight, and the others are attributed."""
    held = {"MIG-0": (a_holder("a"), a_holder("b")), "MIG-1": (a_holder("c"),)}
    found = states(a_survey(66, 33, card=a_reading(), reading=a_reading()), held)
    expected = {("ambiguous", "shared"): 2, ("attributed", ""): 1, ("unallocated", ""): 1}
    assert found == {key: quarters * SECOND // 4 for key, quarters in expected.items()}


def test_who_holds_the_whole_of_a_cut_card_may_hold_any_part() -> None:
    """A claim on a card that was cut since makes every part ambiguous; it clears nobody."""
    held = {CARD: (a_holder("whole"),), "MIG-0": (a_holder("part"),)}
    assert states(a_survey(66, card=a_reading(), reading=a_reading()), held) == {("ambiguous", "mig_instance"): SECOND}


def test_instances_that_cannot_be_weighed_make_their_card_ambiguous() -> None:
    """Where the card's multiprocessors are not known, or are fewer than its instances have, nothing is divided."""
    held = {"MIG-0": (a_holder("a"),)}
    unknown = a_survey(16, card=a_reading(), reading=a_reading(), multiprocessors=Absent(Why.NOT_SUPPORTED))
    too_many = a_survey(100, 100, card=a_reading(), reading=a_reading())
    for survey in (unknown, too_many):
        assert states(survey, held) == {("ambiguous", "mig_instance"): SECOND}
        assert states(survey, {}) == {("unallocated", ""): SECOND}


def test_who_had_a_part_may_have_had_it_while_nobody_watched() -> None:
    """Unwatched time is by the part too; an instance of which nothing is known may have been a whole card."""
    survey = a_survey(33, card=a_reading(), reading=a_reading())
    held = {"MIG-0": (a_holder("a"),), "MIG-gone": (a_holder("b"),), "GPU-stranger": (a_holder("c"),)}
    assert unwatched_by(NOT_YET, survey, held) == {("a", H100): SECOND // 4, ("b", H100): SECOND}


def test_an_instance_that_is_no_more_is_the_part_that_it_was() -> None:
    """A card that was cut anew while nobody watched: who had parts of it had these, and never more than the card."""
    before = a_survey(33, 33, card=a_reading(), reading=a_reading())
    now = replace(a_survey(card=a_reading(), reading=a_reading()), instances={"MIG-9": a_look(9, 99, a_reading())})
    a, b = (a_holder("a"),), (a_holder("b"),)
    held = {"MIG-0": a, "MIG-1": a, "MIG-9": b, CARD: b}
    assert unwatched_by(before, now, held) == {("a", H100): SECOND // 2, ("b", H100): SECOND}


def test_who_had_all_instances_had_one_card() -> None:
    """Instances whose weights are not known may each have been the card; all of them together were no more than it."""
    survey = a_survey(*[1] * 7, card=a_reading(), reading=a_reading(), multiprocessors=Absent(Why.NOT_SUPPORTED))
    held = {f"MIG-{number}": (a_holder("a"),) for number in range(7)}
    assert unwatched_by(survey, survey, held) == {("a", H100): SECOND}


@given(st.integers(0, 9), st.integers(0, 3), st.booleans())
def test_instances_of_which_nothing_is_known_were_no_more_than_all_cards(gone: int, cards: int, mixed: bool) -> None:
    """Of cards of one model they were that model's; of several they may have been any, so it is not known which."""
    models = ["H200" if mixed and number else H100 for number in range(cards)]
    known = {f"GPU-{number}": an_identity(f"GPU-{number}", accelerator=model) for number, model in enumerate(models)}
    now = replace(NOT_YET, known=known, readings=dict.fromkeys(known, a_reading()))
    found = unwatched_by(NOT_YET, now, {f"MIG-gone-{number}": (a_holder("a"),) for number in range(gone)})
    model = H100 if len(set(models)) == 1 else UNKNOWN_ACCELERATOR
    assert found == ({("a", model): min(gone, max(cards, 1)) * SECOND} if gone else {})


def test_the_driver_to_the_counters(tmp_path: Path) -> None:
    """Ten minutes of seven instances, two of them held: each holder has its sixteen of 132, the rest is unallocated."""
    work = a_workload(a_pod("a", instances=[0], signal=CONSTANT), a_pod("b", instances=[1, 2], signal=CONSTANT))
    with a_played_collector(tmp_path, a_node(*SEVEN, gpus=1), work, moment=(moment := Moment())) as collector:
        for moment.seconds in range(0, 601, 10):
            collector.tick()
        assert of(collector, holder_metrics.HELD, workload_pod="a") == pytest.approx(600 * SMALL, rel=1e-6)
        assert of(collector, holder_metrics.HELD, workload_pod="b") == pytest.approx(1200 * SMALL, rel=1e-6)
        assert of(collector, holder_metrics.HOLDER_DEVICES) == pytest.approx(3 * SMALL, rel=1e-6)
        assert of(collector, gpu_metrics.GPU_SECONDS, state="unallocated") == pytest.approx(600 * (1 - 3 * SMALL))
        assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
        busy, observed = (of(collector, each) for each in (holder_metrics.BUSY, holder_metrics.OBSERVED))
        assert busy == pytest.approx(observed / 2, rel=1e-6)
        assert observed == pytest.approx(600 * 3 * SMALL, rel=1e-6)
        assert of(collector, gpu_metrics.MIG_INSTANCE_INFO, multiprocessors="16") == 7
        assert of(collector, gpu_metrics.GPU_HELD) == 3


def test_a_layout_that_changes_is_followed(tmp_path: Path) -> None:
    """At noon one small instance becomes a large one: each holder has its own part for its own time."""
    layout = (an_instance(0, "1g.10gb", "0s", "300s"), an_instance(0, "3g.40gb", "300s", "600s"))
    pods = (
        a_pod("a", instances=[0], start="0s", end="300s", signal=CONSTANT),
        a_pod("b", instances=[1], start="300s", end="600s", signal=CONSTANT),
    )
    node = a_node(*layout, gpus=1)
    with a_played_collector(tmp_path, node, a_workload(*pods), moment=(moment := Moment())) as collector:
        for moment.seconds in range(0, 601, 10):
            collector.tick()
        assert of(collector, holder_metrics.HELD, workload_pod="a") == pytest.approx(290 * SMALL)
        assert of(collector, holder_metrics.HELD, workload_pod="b") == pytest.approx(300 * LARGE)
        assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_a_layout_outlives_the_collector(tmp_path: Path) -> None:
    """After a restart without a driver the instances are those of before: lost, and held by whoever holds them."""
    work, moment = a_workload(a_pod("a", instances=[0], signal=CONSTANT)), Moment()
    node, state = a_node(*SEVEN, gpus=1), tmp_path / "state.json"
    file = StateFile(state, node=NODE, provenance="simulated")
    with a_played_collector(
        tmp_path, node, work, moment=moment, keeper=Keeper(file, interval_seconds=0.0)
    ) as collector:
        for moment.seconds in (0, 10, 20):
            collector.tick()
    file.close()
    holders = ScriptedHolders(a_script(tmp_path, node, work), moment)
    successor = Keeper(StateFile(state, node=NODE, provenance="simulated"), interval_seconds=0.0)
    collector = a_collector(ToldClock(moment), holders, open_driver=no_driver, keeper=successor)
    assert of(collector, gpu_metrics.MIG_INSTANCE_INFO) == 7
    for moment.seconds in (30, 40, 50):
        collector.tick()
    assert of(collector, holder_metrics.UNWATCHED) == 0
    assert of(collector, holder_metrics.HELD, workload_pod="a") == pytest.approx(50 * SMALL)
    assert of(collector, holder_metrics.OBSERVED, workload_pod="a") == pytest.approx(20 * SMALL)
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="driver_gone") == pytest.approx(30)
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_instances_that_went_while_nobody_watched_were_their_parts(tmp_path: Path) -> None:
    """A card was cut anew while no collector ran: who had seven instances is given their parts, not seven cards."""
    layout = (*(an_instance(0, "1g.10gb", "0s", "100s") for _ in range(7)), an_instance(0, "3g.40gb", "100s", "600s"))
    pods = (
        a_pod("a", instances=[*range(7)], end="100s", signal=CONSTANT),
        a_pod("b", instances=[7], start="100s", end="600s", signal=CONSTANT),
    )
    moment = Moment()
    for begin in (0, 150):
        moment.seconds = begin
        file = StateFile(tmp_path / "state.json", node=NODE, provenance="simulated")
        keeper = Keeper(file, interval_seconds=0.0)
        tables = (a_node(*layout, gpus=1), a_workload(*pods))
        with a_played_collector(tmp_path, *tables, moment=moment, keeper=keeper) as collector:
            for moment.seconds in (begin, begin + 10, begin + 20):
                collector.tick()
        file.close()
    assert of(collector, holder_metrics.UNWATCHED, workload_pod="a") == pytest.approx(130 * 7 * SMALL)
    assert of(collector, holder_metrics.UNWATCHED, workload_pod="b") == pytest.approx(130 * LARGE)
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="collector_down") == 130
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_a_pod_that_was_known_before_is_recalled_by_its_name() -> None:
    """Restarted without the API server, a collector takes a pod that only the kubelet names for the one it knew."""
    unknown = Absent(Why.POD_UNKNOWN)
    known = a_holder("a")
    named = [
        replace(a_holder(pod), pod_uid=f"tenant-a/{pod}", tenant_id=Absent(Why.NAMESPACE_UNKNOWN), doubt=unknown)
        for pod in ("a", "new")
    ]
    before, now = {"GPU-0": (known,)}, {"GPU-1": (named[0],), "GPU-2": (named[1],)}
    found = recalled(now, before)
    assert not isinstance(found, Absent)
    assert [(each.pod_uid, each.tenant_id, each.doubt) for each in found["GPU-1"]] == [("uid-a", "t-0001", unknown)]
    assert found["GPU-2"] == (named[1],)
    assert recalled(now, found) == found, "for as long as it takes"
    assert recalled(now, Absent(Why.HOLDERS_UNKNOWN)) == now
