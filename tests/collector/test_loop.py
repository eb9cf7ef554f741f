import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drivers import ADriver, Device, no_driver, well
from support.nodes import EPOCH, ASource, ToldClock, a_collector, a_played_collector
from support.readings import H100, a_holder, a_reading, an_identity, total, values
from support.scenarios import CONSTANT, TRAINING, Moment, a_fault, a_node, a_pod, a_workload

from collector import contract
from collector.contract import gpu_metrics, holder_metrics, node_metrics
from collector.holders import UnknownHolders
from collector.loop import Collector
from collector.nvml import DeviceHandle, Driver
from collector.readings import Absent, DeviceIdentity, Holder, Reading, Why

HOUR = 3600
NOT_READ = Absent(Why.DRIVER_ERROR)


def of(collector: Collector, metric: contract.Metric, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    return total(collector.samples(), metric.name, **labels)


def names(collector: Collector) -> set[str]:
    """The metrics that a scrape gets now."""
    return {sample.metric.name for sample in collector.samples()}


def tick_at(collector: Collector, moment: Moment, *seconds: float) -> None:
    """Tick at these moments; at one twice, for what has just begun to be no longer at 0."""
    for moment.seconds in seconds:
        collector.tick()


def nobody() -> ASource:
    """A source that knows that nobody holds anything."""
    return ASource(dict)


def an_odd_collector(
    moment: Moment, devices_now: Callable[[], Sequence[Device]], driver: type[ADriver] = ADriver
) -> Collector:
    """A collector on a driver in memory."""
    return a_collector(ToldClock(moment), nobody(), open_driver=lambda: driver(devices_now))


class TestAScriptedHour:
    """One hour with everything that goes wrong, against a truth that is computed from the script by itself."""

    TABLES = (
        a_node(
            a_fault("gpu_lost", "600s", "900s", gpus=[0]),
            a_fault("driver_gone", "1800s", "1980s"),
            a_fault("holders_unknown", "2400s", "2460s"),
            gpus=3,
        ),
        a_workload(
            a_pod("a", gpus=[0], signal=CONSTANT),
            a_pod("b", gpus=[1], start="600s", end="3100s", signal=CONSTANT),
        ),
    )
    STEP = 10
    DRIVER_BACK = 2030  # attempts at 1810, 1820, 1830, 1840, 1850, 1870, 1910, 1970 fail; each waits longer
    LATE_FROM, LATE_TO = 3000, 3300
    TICKS = (*range(STEP, LATE_FROM + 1, STEP), *range(LATE_TO, HOUR + 1, STEP))

    def holder(self, gpu: int, t: int) -> str:
        """Who holds a device at a moment, by the script."""
        return {0: "a", 1: "b" if 600 <= t < 3100 else "", 2: ""}[gpu]

    def state(self, gpu: int, t: int) -> tuple[str, str]:
        """The state and reason of the ten seconds that end at ``t``, by the script."""
        if 1800 <= t < self.DRIVER_BACK:
            return "lost", "driver_gone"
        if gpu == 0 and 600 <= t < 900:
            return "lost", "gpu_lost"
        if 2400 <= t < 2460:
            return "ambiguous", "holders_unknown"
        return ("attributed", "") if self.holder(gpu, t) else ("unallocated", "")

    @pytest.fixture
    def hour(self, tmp_path: Path) -> list[Collector]:
        """The collector after the hour, which it lived with a hole of five minutes."""
        moment = Moment()
        with a_played_collector(tmp_path, *self.TABLES, moment=moment) as collector:
            tick_at(collector, moment, *self.TICKS)
        return [collector]

    def test_states_are_the_scripts(self, hour: list[Collector]) -> None:
        """Seconds by state and reason are those of the script, the late ones lost, and nothing is left over."""
        truth = Counter({("lost", "late_tick"): 3 * (self.LATE_TO - self.LATE_FROM - self.STEP)})
        for t in self.TICKS:
            truth.update({self.state(gpu, t): 0 for gpu in range(3)})
            for gpu in range(3):
                truth[self.state(gpu, t)] += self.STEP
        found = {
            sample.label_values[3:]: sample.value
            for sample in hour[0].samples()
            if sample.metric is gpu_metrics.GPU_SECONDS
        }
        assert found == truth
        assert sum(truth.values()) == of(hour[0], gpu_metrics.GPU_PHYSICAL) == 3 * HOUR
        assert of(hour[0], gpu_metrics.GPU_RESIDUAL) == 0

    @pytest.mark.parametrize(("gpu", "pod"), [(0, "a"), (1, "b")])
    def test_holders_have_what_the_script_gave_them(self, hour: list[Collector], gpu: int, pod: str) -> None:
        """
        Held: also while lost, and while late by who held at both ends; by who held at one it is shared.

        Shared is also the time while holders are unknown.

        Busy: what the device did in the interval, which of the interval in which a pod came was nothing.
        """
        told = [t for t in self.TICKS if self.holder(gpu, t) and self.state(gpu, t)[0] != "ambiguous"]
        read = [t for t in told if self.state(gpu, t)[0] == "attributed"]
        late = self.LATE_TO - self.LATE_FROM - self.STEP
        stayed = self.holder(gpu, self.LATE_FROM) == self.holder(gpu, self.LATE_TO)
        assert of(hour[0], holder_metrics.HELD, workload_pod=pod) == len(told) * self.STEP + late * stayed
        assert of(hour[0], holder_metrics.OBSERVED, workload_pod=pod) == len(read) * self.STEP
        worked = [t for t in read if self.holder(gpu, t - self.STEP)]
        assert of(hour[0], holder_metrics.BUSY, workload_pod=pod) == len(worked) * self.STEP / 2
        unknown = [t for t in self.TICKS if self.state(gpu, t) == ("ambiguous", "holders_unknown")]
        shared = len(unknown) * self.STEP + late * (not stayed)
        assert of(hour[0], holder_metrics.SHARED, workload_pod=pod) == shared > 0
        assert of(hour[0], holder_metrics.SHARED_BUSY, workload_pod=pod) == len(unknown) * self.STEP / 2

    def test_energy_is_the_boards(self, hour: list[Collector]) -> None:
        """A board that draws 385 W throughout gave its holder 385 J for every second whose energy is known."""
        known = of(hour[0], holder_metrics.ENERGY_OBSERVED, workload_pod="a")
        assert known == of(hour[0], holder_metrics.OBSERVED, workload_pod="a")
        assert of(hour[0], holder_metrics.ENERGY, workload_pod="a") == pytest.approx(385.0 * known, rel=1e-6)

    def test_what_is_said_about_the_collector_itself(self, hour: list[Collector]) -> None:
        """Its clock is at the end of the hour, its ticks are counted, and the failed calls have NVML's names."""
        assert of(hour[0], node_metrics.COLLECTOR_CLOCK) == EPOCH + HOUR
        assert of(hour[0], node_metrics.COLLECTOR_LAST_SUCCESS) == EPOCH + HOUR
        assert of(hour[0], node_metrics.COLLECTOR_START) == EPOCH
        assert of(hour[0], node_metrics.COLLECTOR_TICKS) == len(self.TICKS)
        assert of(hour[0], node_metrics.COLLECTOR_BLIND) == 0
        assert of(hour[0], node_metrics.NVML_ERRORS, call="nvmlInit", code="NVML_ERROR_DRIVER_NOT_LOADED") == 8
        assert of(hour[0], node_metrics.NVML_ERRORS, call="nvmlDeviceGetCount", code="NVML_ERROR_UNINITIALIZED") == 1
        assert of(hour[0], node_metrics.NVML_ERRORS, call="nvmlShutdown", code="NVML_ERROR_UNINITIALIZED") == 1


def test_every_sample_is_the_contracts(tmp_path: Path) -> None:
    """At every moment of a bad hour each series is served once, with a metric and the labels of the contract."""
    moment = Moment()
    with a_played_collector(tmp_path, *TestAScriptedHour.TABLES, moment=moment) as collector:
        for at in range(0, HOUR, 100):
            tick_at(collector, moment, at)
            for name, *labels in values(collector.samples()):
                assert len(labels) == len(contract.BY_NAME[name].labels)
                assert labels[:2] == ["node-a", "simulated"]


def test_what_is_not_read_has_no_number(tmp_path: Path) -> None:
    """While a device is lost it has no busy ratio and no power; its identity and its holder stay."""
    moment = Moment()
    tables = (a_node(a_fault("gpu_lost", "10s", "20s", gpus=[0]), gpus=1), a_workload(a_pod()))
    with a_played_collector(tmp_path, *tables, moment=moment) as collector:
        tick_at(collector, moment, 0)
        assert {gpu_metrics.GPU_BUSY.name, gpu_metrics.GPU_POWER.name} <= names(collector)
        tick_at(collector, moment, 10)
        assert not {gpu_metrics.GPU_BUSY.name, gpu_metrics.GPU_POWER.name} & names(collector)
        assert of(collector, gpu_metrics.GPU_INFO) == of(collector, gpu_metrics.GPU_HELD) == 1
        tick_at(collector, moment, 20)
        assert of(collector, gpu_metrics.GPU_BUSY) == 0.5


OF_A_HOPPER = {
    gpu_metrics.GPU_SM_ACTIVE,
    gpu_metrics.GPU_TENSOR_ACTIVE,
    gpu_metrics.GPU_DRAM_ACTIVE,
    gpu_metrics.GPU_SM_CLOCK,
    gpu_metrics.GPU_ECC_UNCORRECTED,
    gpu_metrics.GPU_MEMORY_REPAIRS,
    gpu_metrics.GPU_MEMORY_REPAIR_PENDING,
}


def test_what_a_board_can_tell_is_served_and_counted(tmp_path: Path) -> None:
    """From the second look on an H100 has every gauge and its holder every kind of activity; little is unsupported."""
    moment = Moment()
    with a_played_collector(tmp_path, a_node(gpus=1), a_workload(a_pod(signal=TRAINING)), moment=moment) as collector:
        tick_at(collector, moment, 0, 10, 20)
        assert {metric.name for metric in (*OF_A_HOPPER, *holder_metrics.HOLDER_ACTIVITY)} <= names(collector)
        assert 0 < of(collector, holder_metrics.TENSOR_ACTIVE) < of(collector, holder_metrics.TENSOR_OBSERVED) == 20
        assert of(collector, holder_metrics.SM_ACTIVE) > of(collector, holder_metrics.TENSOR_ACTIVE)
        assert of(collector, gpu_metrics.GPU_UNSUPPORTED, field="sm_active_ratio") == 0


def test_what_a_board_cannot_tell_is_said_and_is_not_zero(tmp_path: Path) -> None:
    """A T4 has no tensor activity, neither as a gauge nor of its holder, and says field by field what it lacks."""
    moment = Moment()
    tables = (a_node(gpus=1, product="Tesla T4"), a_workload(a_pod(signal=TRAINING)))
    with a_played_collector(tmp_path, *tables, moment=moment) as collector:
        tick_at(collector, moment, 0, 10, 20)
        assert not {
            gpu_metrics.GPU_TENSOR_ACTIVE.name,
            holder_metrics.TENSOR_ACTIVE.name,
            holder_metrics.NVLINK.name,
        } & names(collector)
        assert of(collector, gpu_metrics.GPU_UNSUPPORTED, field="tensor_active_ratio", reason="not_supported") == 1
        assert of(collector, gpu_metrics.GPU_UNSUPPORTED, field="busy_ratio") == 0
        assert of(collector, holder_metrics.HELD) == 20


def test_a_lost_board_says_nothing_of_what_it_supports(tmp_path: Path) -> None:
    """What a device lacks is known while it can be read, and not while it or the driver is gone."""
    moment = Moment()
    faults = (a_fault("gpu_lost", "10s", "20s", gpus=[0]), a_fault("driver_gone", "30s", "40s"))
    tables = (a_node(*faults, gpus=1, product="Tesla T4"), a_workload(a_pod()))
    with a_played_collector(tmp_path, *tables, moment=moment) as collector:
        for at, is_read in {0: True, 10: False, 20: True, 30: False}.items():
            tick_at(collector, moment, at)
            assert (of(collector, gpu_metrics.GPU_UNSUPPORTED) > 0) == is_read


def test_what_holds_the_clock_back_has_a_series_each() -> None:
    """Every reason is 1; a repair that waits is 1 and one that does not is 0."""
    reading = a_reading(clock_event_reasons=("hw_slowdown", "sw_power_cap"), memory_repair_pending=True)
    collector = an_odd_collector(Moment(), lambda: [("GPU-0", reading)])
    collector.tick()
    for reason in ("hw_slowdown", "sw_power_cap"):
        assert of(collector, gpu_metrics.GPU_CLOCK_EVENT, reason=reason) == 1
    assert of(collector, gpu_metrics.GPU_CLOCK_EVENT) == 2
    assert of(collector, gpu_metrics.GPU_MEMORY_REPAIR_PENDING) == 1


def test_the_minimal_profile_leaves_detail_out_and_nothing_that_is_required(tmp_path: Path) -> None:
    """Without the detail every other series stands as it is, and every holder has all its counters."""

    def page(left_out: frozenset[contract.Metric]) -> tuple[contract.Sample, ...]:
        moment, tables = Moment(), (a_node(), a_workload(a_pod(signal=TRAINING)))
        with a_played_collector(tmp_path, *tables, moment=moment, left_out=left_out) as collector:
            tick_at(collector, moment, 0, 10)
            return collector.samples()

    full, minimal = page(frozenset()), page(contract.DETAIL)
    assert not contract.DETAIL & set(holder_metrics.HOLDER_COUNTERS)
    assert [each for each in full if each.metric not in contract.DETAIL] == list(minimal)
    assert {holder_metrics.TENSOR_ACTIVE, *holder_metrics.HOLDER_COUNTERS} <= {sample.metric for sample in minimal}


@pytest.mark.parametrize("ticks", [1, 5])
def test_without_driver_it_is_blind_and_says_nothing_of_gpus(ticks: int) -> None:
    """Where there never was a driver, collector_blind is 1 with the reason, and no metric speaks of a GPU or holder."""
    moment = Moment()
    collector = a_collector(ToldClock(moment), UnknownHolders(), open_driver=no_driver)
    tick_at(collector, moment, *range(ticks))
    assert (
        of(collector, node_metrics.COLLECTOR_BLIND, reason="no_driver")
        == of(collector, node_metrics.COLLECTOR_BLIND)
        == 1
    )
    assert of(collector, node_metrics.COLLECTOR_LAST_SUCCESS) == 0
    assert all(name.startswith("flopwatch_collector_") for name in names(collector) - {gpu_metrics.CUSTODY_EVENTS.name})
    assert of(collector, gpu_metrics.CUSTODY_EVENTS) == 0


def test_before_the_first_tick_it_has_not_tried() -> None:
    """A scrape before the first tick says blind with no_data, and no GPU."""
    collector = a_collector(ToldClock(Moment()), UnknownHolders())
    assert of(collector, node_metrics.COLLECTOR_BLIND, reason="no_data") == 1
    assert all(name.startswith("flopwatch_collector_") for name in names(collector) - {gpu_metrics.CUSTODY_EVENTS.name})
    assert of(collector, gpu_metrics.CUSTODY_EVENTS) == 0
    assert collector.health().ticks == 0


def test_a_node_without_gpus_is_blind() -> None:
    """A driver that counts no devices is no_gpus, which is not no_driver."""
    collector = an_odd_collector(Moment(), list)
    collector.tick()
    assert of(collector, node_metrics.COLLECTOR_BLIND, reason="no_gpus") == 1


def test_opening_the_driver_is_tried_ever_more_seldom() -> None:
    """Attempts wait 1, 2, 4 … and at most 60 seconds; each failure is counted."""
    moment, attempts = Moment(), list[float]()

    def refuse() -> Driver:
        attempts.append(moment.seconds)
        return no_driver()

    collector = a_collector(ToldClock(moment), UnknownHolders(), open_driver=refuse)
    tick_at(collector, moment, *range(200))
    assert attempts == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert of(collector, node_metrics.NVML_ERRORS, call="nvmlInit") == len(attempts)


def test_a_driver_that_came_back_is_looked_for_quickly_the_next_time() -> None:
    """After a success the waiting begins at one second again."""
    moment, attempts = Moment(), list[float]()
    gone = {*range(100), *range(203, 210)}  # it is asked for its devices every five seconds: at 203 too

    def devices() -> list[Device]:
        return [well("GPU-0")] if moment.seconds not in gone else no_driver() and []

    def open_driver() -> Driver:
        attempts.append(moment.seconds)
        return no_driver() if moment.seconds in gone else ADriver(devices)

    collector = a_collector(ToldClock(moment), nobody(), open_driver=open_driver)
    tick_at(collector, moment, *range(220))
    assert attempts == [0, 1, 3, 7, 15, 31, 63, 123, 204, 205, 207, 211]
    assert of(collector, node_metrics.COLLECTOR_INFO, driver_version="590.1") == 1
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost") == 211 - 203
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


def test_a_gpu_lost_since_before_the_start_is_counted(tmp_path: Path) -> None:
    """It has no UUID yet: lost, of an unknown model, held by nobody that can be named; found, it moves to its model."""
    moment = Moment()
    tables = (a_node(a_fault("gpu_lost", "0s", "600s", gpus=[0])), a_workload(a_pod(gpus=[0])))
    with a_played_collector(tmp_path, *tables, moment=moment) as collector:
        tick_at(collector, moment, *range(10, 600, 10))
        assert (
            of(collector, gpu_metrics.GPUS, accelerator="unknown")
            == of(collector, gpu_metrics.GPUS, accelerator=H100)
            == 1
        )
        assert of(collector, gpu_metrics.GPU_SECONDS, accelerator="unknown", state="lost", reason="gpu_lost") == 590
        assert of(collector, gpu_metrics.GPU_PHYSICAL) == 2 * 590
        assert of(collector, node_metrics.COLLECTOR_LAST_SUCCESS) == 0
        assert of(collector, node_metrics.COLLECTOR_BLIND) == 0
        tick_at(collector, moment, 600, 600)
    assert of(collector, gpu_metrics.GPUS) == of(collector, gpu_metrics.GPUS, accelerator=H100) == 2
    assert of(collector, gpu_metrics.GPU_PHYSICAL) == 2 * 600
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
    assert of(collector, node_metrics.COLLECTOR_LAST_SUCCESS) == EPOCH + 600


def test_a_gpu_without_identity_stays_counted_while_the_driver_is_gone() -> None:
    """The driver's going does not make a nameless GPU forgotten: it is lost with the driver."""
    moment = Moment()

    def devices() -> list[Device]:
        return no_driver() and [] if moment.seconds >= 10 else [well("GPU-0"), (NOT_READ, NOT_READ)]

    collector = an_odd_collector(moment, devices)
    tick_at(collector, moment, 5, 10, 10)
    assert of(collector, gpu_metrics.GPUS) == 2
    assert of(collector, gpu_metrics.GPU_SECONDS, accelerator="unknown", reason="driver_error") == 5
    assert of(collector, gpu_metrics.GPU_SECONDS, accelerator="unknown", reason="driver_gone") == 5
    assert of(collector, node_metrics.COLLECTOR_BLIND, reason="driver_gone") == 1


def test_a_known_gpu_that_loses_its_name_is_counted_once() -> None:
    """A device that was identified and no longer says who it is keeps its UUID, with the driver's reason."""
    moment = Moment()
    collector = an_odd_collector(
        moment, lambda: [well("GPU-0"), well("GPU-1") if moment.seconds < 10 else (NOT_READ, NOT_READ)]
    )
    tick_at(collector, moment, 5, 10, 10)
    assert of(collector, gpu_metrics.GPUS) == of(collector, gpu_metrics.GPUS, accelerator=H100) == 2
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="driver_error") == 5


def test_a_gpu_that_was_swapped_stays_on_the_books() -> None:
    """A UUID that vanishes is lost, not forgotten, when another one appears in its place."""
    moment = Moment()
    collector = an_odd_collector(moment, lambda: [well("GPU-old" if moment.seconds < 10 else "GPU-new")])
    tick_at(collector, moment, 5, 10, 10)
    assert of(collector, gpu_metrics.GPUS) == 2
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="gpu_lost") == 5
    assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0


class Renaming(ADriver):
    """A driver whose devices keep their serial number, which is what stands before the slash in their names."""

    def identity(self, device: DeviceHandle) -> DeviceIdentity | Absent:
        """The UUID is the whole name."""
        name = device.pointer[0]
        return an_identity(name, serial=name.partition("/")[0], pci_bus_id=name.partition("/")[0])


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=6))
def test_a_gpu_that_has_another_uuid_is_counted_once(uuids: list[tuple[int, ...]]) -> None:
    """However often devices change their UUIDs, there are never more than the driver counts, nor more of their time."""
    moment = Moment()

    def devices() -> list[tuple[str, Reading]]:
        now = uuids[round(moment.seconds / 5) - 1]
        return [(f"{serial}/{uuid}", a_reading()) for serial, uuid in enumerate(now)]

    collector = an_odd_collector(moment, devices, Renaming)
    for number in range(1, len(uuids) + 1):
        tick_at(collector, moment, 5 * number, 5 * number)
        assert of(collector, gpu_metrics.GPUS) == 3
        assert of(collector, gpu_metrics.GPU_PHYSICAL) == 3 * 5 * number
        assert of(collector, gpu_metrics.GPU_SECONDS, state="lost") == 0
        assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
    changes = sum(one != other for before, now in pairwise(uuids) for one, other in zip(before, now, strict=True))
    assert of(collector, gpu_metrics.CUSTODY_EVENTS, event="uuid_changed") == changes


def test_all_gpus_lost_is_blind_with_their_reason() -> None:
    """A node none of whose GPUs can be read is blind, also while its driver answers."""
    moment = Moment()
    collector = an_odd_collector(moment, lambda: [("GPU-0", Absent(Why.GPU_LOST))])
    tick_at(collector, moment, 5)
    assert of(collector, node_metrics.COLLECTOR_BLIND, reason="gpu_lost") == 1
    assert of(collector, gpu_metrics.GPUS) == 1


def test_a_reading_in_which_nothing_was_read_is_lost() -> None:
    """A container that lost its device files gets an error from every call: the device is lost, not attributed."""
    nothing = a_reading(busy=NOT_READ, power=NOT_READ, energy=NOT_READ, memory=NOT_READ)
    moment = Moment()
    collector = an_odd_collector(moment, lambda: [("GPU-0", nothing), well("GPU-1")])
    tick_at(collector, moment, 5, 5)
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="driver_error") == 5
    assert of(collector, node_metrics.COLLECTOR_LAST_SUCCESS) == 0


def test_who_held_at_either_end_of_a_late_interval_may_have_held_it() -> None:
    """A pod that gave way to another during a hole shares the hole with it; neither has it for its own."""
    moment = Moment()

    def held() -> dict[str, tuple[Holder, ...]]:
        return {"GPU-0": (a_holder("before" if moment.seconds < 100 else "after"),)}

    collector = a_collector(
        ToldClock(moment), ASource(held), open_driver=lambda: ADriver(lambda: [well("GPU-0")]), max_gap_seconds=30
    )
    tick_at(collector, moment, 10, 110, 110)
    assert [of(collector, holder_metrics.HELD, workload_pod=pod) for pod in ("before", "after")] == [10, 10]
    assert [of(collector, holder_metrics.SHARED, workload_pod=pod) for pod in ("before", "after")] == [90, 90]
    assert of(collector, holder_metrics.SHARED_OBSERVED) == 0
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="late_tick") == 90
    assert of(collector, holder_metrics.HOLDER_DEVICES, workload_pod="before") == 0


@pytest.mark.parametrize("nobody", [{}, Absent(Why.HOLDERS_UNKNOWN)], ids=["nobody", "nobody knows"])
def test_who_came_in_a_late_interval_may_have_held_any_part_of_it(
    nobody: dict[str, tuple[Holder, ...]] | Absent,
) -> None:
    """Nobody saw when a pod came: the hole is not held by it for certain, and its own time begins at the hole's end."""
    moment = Moment()
    held = {"GPU-0": (a_holder(),)}
    collector = a_collector(
        ToldClock(moment),
        ASource(lambda: nobody if moment.seconds < 100 else held),
        open_driver=lambda: ADriver(lambda: [well("GPU-0")]),
    )
    tick_at(collector, moment, 10, 110, 110)
    assert (of(collector, holder_metrics.HELD), of(collector, holder_metrics.SHARED)) == (10, 90)
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="late_tick") == 90


def test_who_went_in_a_late_interval_may_have_held_any_part_of_it() -> None:
    """Nobody saw when a pod went: the hole is not held by it for certain. Of what it held at both ends it is."""
    moment = Moment()
    kept, gone = {"GPU-0": (a_holder(),)}, {"GPU-1": (a_holder(),)}
    collector = a_collector(
        ToldClock(moment),
        ASource(lambda: kept | gone if moment.seconds < 100 else kept),
        open_driver=lambda: ADriver(lambda: [well("GPU-0"), well("GPU-1")]),
    )
    tick_at(collector, moment, 10, 110, 110)
    assert (of(collector, holder_metrics.HELD), of(collector, holder_metrics.SHARED)) == (20 + 100, 90)


def test_a_late_interval_at_whose_end_nobody_knows_is_held_by_nobody_for_certain() -> None:
    """Who held a GPU before a hole may have held it on; as long as nobody can tell, it is not its own."""
    moment = Moment()

    def held() -> dict[str, tuple[Holder, ...]] | Absent:
        return {"GPU-0": (a_holder(),)} if moment.seconds < 100 else Absent(Why.HOLDERS_UNKNOWN)

    collector = a_collector(
        ToldClock(moment), ASource(held), open_driver=lambda: ADriver(lambda: [well("GPU-0")]), max_gap_seconds=30
    )
    tick_at(collector, moment, 10, 110, 110)
    assert (of(collector, holder_metrics.HELD), of(collector, holder_metrics.SHARED)) == (10, 100)
    assert of(collector, gpu_metrics.GPU_SECONDS, state="lost", reason="late_tick") == 90


def test_where_nothing_is_kept_a_holders_series_begin_with_zero() -> None:
    """Without a state file each counter is 0 until the tick after the one that first has it, and whole then."""
    moment = Moment()
    source = ASource(lambda: {"GPU-0": (a_holder(),)} if moment.seconds > 20 else Absent(Why.HOLDERS_UNKNOWN))
    collector = a_collector(ToldClock(moment), source, open_driver=lambda: ADriver(lambda: [well("GPU-0")]))
    tick_at(collector, moment, 10, 20, 30)
    assert (of(collector, holder_metrics.HOLDER_DEVICES), of(collector, holder_metrics.HELD)) == (1, 0)
    tick_at(collector, moment, 40)
    assert of(collector, holder_metrics.HELD) == 20


def test_pods_of_one_name_have_one_series() -> None:
    """Two pods that differ in nothing but their UID share a device, and no series is served twice."""
    twins = (a_holder("pod", pod_uid="1"), a_holder("pod", pod_uid="2"))
    driver = ADriver(lambda: [well("GPU-0")])
    collector = a_collector(ToldClock(Moment()), ASource(lambda: {"GPU-0": twins}), open_driver=lambda: driver)
    collector.tick()
    assert values(collector.samples())
    assert of(collector, gpu_metrics.GPU_HELD) == 1
    assert of(collector, holder_metrics.HOLDER_DEVICES) == 2


def test_ended_holders_are_kept_for_the_retention_time(tmp_path: Path) -> None:
    """The counters of a pod that ended are served until the retention time is over, and its seconds for ever."""
    moment = Moment()
    with a_played_collector(tmp_path, a_node(), a_workload(a_pod(end="1h")), moment=moment) as collector:
        tick_at(collector, moment, *range(0, HOUR + 86400, 30))
        assert of(collector, holder_metrics.HELD) == HOUR - 30
        tick_at(collector, moment, HOUR + 86400)
        assert holder_metrics.HELD.name not in names(collector)
        assert of(collector, gpu_metrics.GPU_SECONDS, state="attributed") == HOUR - 30


class Stop(threading.Event):
    """Told to wait, it moves the clock instead, and is set once the clock has come to the end."""

    def __init__(self, moment: Moment, *, end: float, stands: bool = False) -> None:
        super().__init__()
        self._moment = moment
        self._end = end
        self._stands = stands
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass, unless the clock stands; after ten waits there is no more patience."""
        assert timeout is not None
        self.waits.append(timeout)
        if not self._stands:
            self._moment.seconds += timeout
        if self._moment.seconds >= self._end or len(self.waits) >= 10:
            self.set()
        return self.is_set()


def test_it_ticks_on_a_grid() -> None:
    """Ticks come at every multiple of the interval, on time, and the driver is let go of at the end."""
    moment, driver, at = Moment(), ADriver(lambda: [well("GPU-0")]), list[float]()
    source = ASource(lambda: at.append(moment.seconds) or {})
    a_collector(ToldClock(moment), source, open_driver=lambda: driver).run(Stop(moment, end=50))
    assert at == [0, 10, 20, 30, 40]
    assert driver.closed == 1


def test_slow_ticks_are_late_and_do_not_bunch_up() -> None:
    """A tick of 25 s makes the next one 15 s late; the two moments that passed by are not caught up with."""
    moment, at = Moment(), list[float]()

    def slow() -> dict[str, tuple[Holder, ...]]:
        at.append(moment.seconds)
        moment.seconds += 25 if len(at) <= 2 else 1
        return {}

    collector = a_collector(ToldClock(moment), ASource(slow), open_driver=lambda: ADriver(lambda: [well("GPU-0")]))
    collector.run(Stop(moment, end=80))
    assert at == [0, 25, 50, 60, 70]
    assert of(collector, node_metrics.COLLECTOR_LATENESS) == (25 - 10) + (50 - 30)
    assert of(collector, node_metrics.COLLECTOR_DURATION) == 1
    assert of(collector, gpu_metrics.GPU_PHYSICAL) == 71


def test_a_clock_that_stands_still_lets_nothing_pass() -> None:
    """Before a scenario begins there is one tick and then only waiting, no time is counted, and nothing hangs."""
    moment = Moment()
    clock = ToldClock(moment, speed=60)
    collector = a_collector(clock, nobody(), open_driver=lambda: ADriver(lambda: [well("GPU-0")]))
    stop = Stop(moment, end=1, stands=True)
    collector.run(stop)
    assert stop.waits == [10 / 60] * 10
    assert of(collector, node_metrics.COLLECTOR_TICKS) == 1
    assert of(collector, gpu_metrics.GPU_PHYSICAL) == of(collector, node_metrics.COLLECTOR_LATENESS) == 0
    assert not collector.health().hangs


@pytest.mark.parametrize(("speed", "interval", "limit"), [(1, 1, 30), (1, 60, 1800), (60, 1, 1800), (60, 600, 18000)])
def test_a_loop_hangs_after_thirty_intervals_and_thirty_real_seconds(
    speed: float, interval: float, limit: float
) -> None:
    """Age is in real seconds; a fast scenario is not taken for hanging because of a slow half second."""
    moment = Moment()
    clock = ToldClock(moment, speed=speed)
    collector = a_collector(clock, UnknownHolders(), interval_seconds=interval, max_gap_seconds=interval)
    moment.seconds = limit
    assert not collector.health().hangs
    moment.seconds = limit + 1
    assert collector.health().hangs
    assert collector.health().seconds_since_tick == (limit + 1) / speed


def test_a_scrape_does_not_wait_for_a_tick() -> None:
    """While the driver hangs, a scrape gets what the tick before it left, and nothing of the tick under way."""
    moment, hangs, goes_on = Moment(), threading.Event(), threading.Event()

    def devices() -> list[Device]:
        if moment.seconds < 10:
            return [well("GPU-0")]
        hangs.set()
        goes_on.wait(60)
        return [well("GPU-0"), well("GPU-1")]

    collector = an_odd_collector(moment, devices)
    tick_at(collector, moment, 5)
    before = values(collector.samples())
    ticking = threading.Thread(target=tick_at, args=(collector, moment, 10), daemon=True)
    ticking.start()
    try:
        assert hangs.wait(60)
        assert values(collector.samples()) == before
        assert collector.health().seconds_since_tick == 5
    finally:
        goes_on.set()
        ticking.join(60)
    assert of(collector, gpu_metrics.GPU_PHYSICAL) == 5 + 2 * 5


def test_what_a_tick_left_does_not_change_under_a_scrape() -> None:
    """A survey that was handed out keeps its devices and errors when the next one finds more."""
    moment = Moment()
    driver = ADriver(lambda: [well(f"GPU-{index}") for index in range(int(moment.seconds))])
    collector = a_collector(ToldClock(moment), nobody(), open_driver=lambda: driver)
    devices = collector._devices  # the door between the two threads is inside
    moment.seconds = 1
    first = devices.survey()
    driver.errors["nvmlDeviceGetName", "NVML_ERROR_UNKNOWN"] += 1
    moment.seconds = 8
    second = devices.survey()
    assert [len(first.known), len(second.known)] == [1, 8]
    assert [dict(first.errors), sum(second.errors.values())] == [{}, 1]


def test_a_device_that_the_node_does_not_have_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A slip in a holder's device leaves the real one to nobody, so it is told, and not at every tick."""
    moment, held = Moment(), {"GPU-0": (a_holder("a"),), "GPU-O": (a_holder("b"),)}
    driver = ADriver(lambda: [well("GPU-0"), well("GPU-1")])
    collector = a_collector(ToldClock(moment), ASource(lambda: held), open_driver=lambda: driver)
    tick_at(collector, moment, 10, 20)
    told = [record.getMessage() for record in caplog.records if "unknown_devices" in record.getMessage()]
    assert told == ["holders.unknown_devices gpu_uuids='GPU-O'"]
