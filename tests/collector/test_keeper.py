"""A collector that dies and goes on, in one process: what follows from the state file and what from its lack."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drivers import ADriver, Device, well
from support.nodes import EPOCH, NODE, ASource, ToldClock, a_collector
from support.readings import a_holder, total, values
from support.scenarios import Moment

from collector import contract
from collector.contract import gpu_metrics, holder_metrics, node_metrics
from collector.loop import Collector
from collector.readings import Absent, Holder, Why
from collector.state.custody import VANISHED_AFTER_SECONDS
from collector.state.file import StateFile
from collector.state.keeper import LONGEST_DOWN_SECONDS, Keeper

A, B = a_holder("a"), a_holder("b")
Holding = dict[str, tuple[Holder, ...]]


class Node:
    """A node whose collector can be killed and started again. States are saved every ``interval_seconds``."""

    def __init__(self, folder: Path, *, interval_seconds: float = 0.0, gpus: int = 2) -> None:
        self.path = folder / "state.json"
        self.moment = Moment()
        self.clock = ToldClock(self.moment)
        self.gpus = [well(f"GPU-{index}") for index in range(gpus)]
        self.held: Holding | Absent = {"GPU-0": (A,)}
        self._interval_seconds = interval_seconds
        self._file = self._new_file()
        self.start()

    def _new_file(self) -> StateFile:
        return StateFile(self.path, node=NODE, provenance="simulated")

    def start(self) -> "Node":
        """A new collector; the one before it was killed, for it is never heard of again."""
        self._file.close()
        self._file = self._new_file()
        self.collector: Collector = a_collector(
            self.clock,
            ASource(lambda: self.held),
            open_driver=lambda: ADriver(lambda: self.gpus),
            keeper=Keeper(self._file, interval_seconds=self._interval_seconds),
        )
        return self

    def tick(self, *seconds: float) -> "Node":
        """Tick at these moments."""
        for self.moment.seconds in seconds:
            self.collector.tick()
        return self

    def of(self, metric: contract.Metric, **labels: str) -> float:
        """The sum of a metric on the page."""
        return total(self.collector.samples(), metric.name, **labels)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Two GPUs, of which a holds one; saved at every tick."""
    return Node(tmp_path)


def test_who_holds_is_of_now_and_what_they_used_is_as_saved(tmp_path: Path) -> None:
    """Who comes between two saves is on the page at once, with counters at 0, and stays at 0 until the save after."""
    node = Node(tmp_path, interval_seconds=10).tick(10, 12)
    node.held = {"GPU-0": (B,)}
    node.tick(13)
    assert [node.of(gpu_metrics.GPU_HELD, workload_pod=pod) for pod in "ab"] == [0, 1]
    assert [node.of(holder_metrics.HOLDER_INFO, workload_pod=pod) for pod in "ab"] == [1, 1]
    assert (node.of(node_metrics.COLLECTOR_CLOCK), node.of(holder_metrics.HELD)) == (EPOCH + 10, 0)
    node.tick(20, 29)
    assert [node.of(holder_metrics.HELD, workload_pod=pod) for pod in "ab"] == [12, 0]
    node.tick(30)
    assert [node.of(holder_metrics.HELD, workload_pod=pod) for pod in "ab"] == [12, 18]


def test_a_newcomer_that_was_never_saved_begins_again(tmp_path: Path) -> None:
    """What a successor finds is without it: its series begin with 0 there as well, and none has fallen."""
    node = Node(tmp_path, interval_seconds=10).tick(10)
    node.held = {"GPU-0": (B,)}
    node.tick(12)
    node.start()
    assert node.of(holder_metrics.HOLDER_INFO, workload_pod="b") == 0
    node.tick(15)
    assert (node.of(holder_metrics.HOLDER_INFO, workload_pod="b"), node.of(holder_metrics.HELD, workload_pod="b")) == (
        1,
        0,
    )


def test_counters_go_on_over_a_restart_and_the_time_between_is_lost(node: Node) -> None:
    """Seconds without a collector are lost for each GPU, nobody's use, and unwatched for who held at either end."""
    node.tick(10, 20)
    node.moment.seconds = 50
    node.start()
    node.held = {"GPU-0": (B,)}
    assert (node.of(node_metrics.COLLECTOR_START), node.of(node_metrics.COLLECTOR_CLOCK)) == (EPOCH, EPOCH + 20)
    node.tick(60, 70)
    assert node.of(gpu_metrics.GPU_PHYSICAL) == node.of(gpu_metrics.GPU_SECONDS) == 2 * 70
    assert node.of(gpu_metrics.GPU_SECONDS, state="lost", reason="collector_down") == 2 * 30
    assert [node.of(holder_metrics.HELD, workload_pod=pod) for pod in "ab"] == [20, 20]
    assert [node.of(holder_metrics.UNWATCHED, workload_pod=pod) for pod in "ab"] == [30, 30]
    assert node.of(node_metrics.COLLECTOR_START) == EPOCH
    assert node.of(node_metrics.COLLECTOR_TICKS) == 4
    assert node.of(gpu_metrics.GPU_RESIDUAL) == 0
    assert node.of(node_metrics.STATE_FOUND, found="loaded") == 1


def test_who_held_last_stays_a_candidate_over_a_restart(node: Node) -> None:
    """While nobody can tell who holds a device, before and after a restart, whoever held it last may hold it still."""
    node.tick(10, 20)
    node.held = Absent(Why.HOLDERS_UNKNOWN)
    node.tick(30)
    node.moment.seconds = 50
    node.start().tick(60, 70)
    assert (node.of(holder_metrics.HELD), node.of(holder_metrics.SHARED), node.of(holder_metrics.UNWATCHED)) == (
        20,
        30,
        20,
    )
    assert node.of(gpu_metrics.GPU_SECONDS, reason="holders_unknown") == 2 * 30
    assert node.of(gpu_metrics.GPU_RESIDUAL) == 0


def test_what_was_not_saved_was_not_published(tmp_path: Path) -> None:
    """The page stands at the last save, and what the ticks since had counted is lost with the process."""
    node = Node(tmp_path, interval_seconds=30).tick(0, 10, 20)
    assert node.of(gpu_metrics.GPU_PHYSICAL) == 0
    node.tick(30, 60)
    assert node.of(gpu_metrics.GPU_PHYSICAL) == 120
    node.tick(70, 80)
    assert (node.of(gpu_metrics.GPU_PHYSICAL), node.of(node_metrics.COLLECTOR_CLOCK)) == (120, EPOCH + 60)
    node.start().tick(80, 110)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 2 * 20
    assert node.of(node_metrics.STATE_SAVED) == EPOCH + 110


def test_a_holders_series_begin_with_zero(node: Node) -> None:
    """Each counter of a new holder is 0 on the first page that has it, also over a kill, and whole on the next."""
    node.tick(10)
    assert node.of(holder_metrics.HOLDER_DEVICES, workload_pod="a") == 1
    assert node.of(holder_metrics.HELD) == 0
    node.start()
    assert node.of(holder_metrics.HELD) == 0
    node.tick(20)
    assert node.of(holder_metrics.HELD) == 0
    node.tick(30)
    assert node.of(holder_metrics.HELD) == 30
    node.start()
    assert node.of(holder_metrics.HELD) == 30


def test_a_states_series_begin_with_zero(node: Node) -> None:
    """What a state has before its first page, physical time has with it on the next: every page balances."""
    node.tick(10)
    assert (node.of(gpu_metrics.GPU_SECONDS), node.of(gpu_metrics.GPU_PHYSICAL)) == (0, 0)
    node.start().tick(20)
    assert (node.of(gpu_metrics.GPU_SECONDS), node.of(gpu_metrics.GPU_PHYSICAL)) == (0, 0)
    node.tick(30)
    assert (node.of(gpu_metrics.GPU_SECONDS), node.of(gpu_metrics.GPU_PHYSICAL)) == (60, 60)
    node.held = Absent(Why.HOLDERS_UNKNOWN)
    node.tick(40)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="holders_unknown") == 0
    assert (node.of(gpu_metrics.GPU_SECONDS), node.of(gpu_metrics.GPU_PHYSICAL)) == (60, 60)
    node.tick(50)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="holders_unknown") == 40
    assert node.of(gpu_metrics.GPU_SECONDS) == node.of(gpu_metrics.GPU_PHYSICAL) == 100


def test_an_orderly_end_saves_what_the_last_tick_left(tmp_path: Path) -> None:
    """A collector that is told to stop loses nothing of what it has counted."""
    node = Node(tmp_path, interval_seconds=1000).tick(0, 10, 20)

    stop = threading.Event()
    stop.set()
    node.collector.run(stop)
    assert node.start().of(gpu_metrics.GPU_PHYSICAL) == 40


def test_a_collector_that_is_stopped_before_its_first_tick_changes_nothing(node: Node) -> None:
    """The time before it is not forgotten: the next one still knows how long nothing was counted."""
    node.tick(10, 20)
    node.moment.seconds = 50
    stop = threading.Event()
    stop.set()
    node.start().collector.run(stop)
    node.start().tick(60, 70)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 2 * 30


@pytest.mark.parametrize("back", [0.5, 3600.0])
def test_a_clock_that_a_boot_set_back_adds_nothing_and_takes_nothing(node: Node, back: float) -> None:
    """The counters go on where they were, nothing is invented for the time nobody knows, and the page says so."""
    node.tick(10_000, 10_010)
    node.clock.boots += 1
    node.clock.ahead_seconds -= back
    node.start().tick(10_020)
    assert node.of(gpu_metrics.GPU_PHYSICAL) == 2 * (10_010 + 10)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 0
    assert node.of(node_metrics.STATE_FOUND, found="clock_backwards") == 1
    assert node.of(gpu_metrics.GPU_RESIDUAL) == 0


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0, 10 * LONGEST_DOWN_SECONDS])
def test_without_a_boot_no_setting_of_the_clock_matters(node: Node, ahead: float) -> None:
    """The time without a collector is the monotonic clock's, whatever the time of day was set to in it."""
    node.tick(10, 20)
    node.clock.ahead_seconds = ahead
    node.moment.seconds = 50
    node.start().tick(60, 70)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 2 * 30
    assert node.of(gpu_metrics.GPU_PHYSICAL) == 2 * 70
    assert (node.of(node_metrics.STATE_FOUND, found="loaded"), node.of(node_metrics.COLLECTOR_START)) == (1, EPOCH)


def test_over_a_boot_the_time_of_day_is_believed(node: Node) -> None:
    """A node that was switched off was without a collector for as long as its clock says."""
    node.tick(10, 20)
    node.clock.boots += 1
    node.moment.seconds = 50
    node.start().tick(60, 70)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 2 * 30


def test_a_gap_that_cannot_be_believed_begins_anew(node: Node) -> None:
    """A clock that a boot put ahead by years adds no years: the counters are set aside, with another start time."""
    node.tick(10)
    node.clock.boots += 1
    node.clock.ahead_seconds = LONGEST_DOWN_SECONDS + 1
    node.start()
    assert node.of(gpu_metrics.GPU_PHYSICAL) == 0
    assert node.of(node_metrics.COLLECTOR_START) == EPOCH + 10 + LONGEST_DOWN_SECONDS + 1
    assert node.of(node_metrics.STATE_FOUND, found="implausible_gap") == 1
    assert node.path.with_name("state.json.implausible_gap").exists()


def test_the_longest_believable_gap_is_lost(node: Node) -> None:
    """Right up to the bound the time is physical time, and lost."""
    node.tick(0)
    node.clock.boots += 1
    node.moment.seconds = LONGEST_DOWN_SECONDS
    node.start().tick(LONGEST_DOWN_SECONDS, LONGEST_DOWN_SECONDS + 10)
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 2 * LONGEST_DOWN_SECONDS


def test_a_gpu_that_was_known_is_missed_after_a_restart(node: Node) -> None:
    """A device taken out while no collector ran is lost until it has vanished, and then no longer counted."""
    node.tick(10)
    node.gpus.pop()
    node.start().tick(20, 30)
    assert node.of(gpu_metrics.GPUS) == 2
    assert node.of(gpu_metrics.GPU_SECONDS, state="lost", reason="gpu_lost") == 20
    node.tick(10 + VANISHED_AFTER_SECONDS, 20 + VANISHED_AFTER_SECONDS)
    assert node.of(gpu_metrics.GPUS) == 1
    assert [node.of(gpu_metrics.CUSTODY_EVENTS, event=event) for event in ("appeared", "vanished")] == [2, 1]
    assert node.of(gpu_metrics.CUSTODY_LAST_SEEN, gpu_uuid="GPU-1") == EPOCH + 10
    assert node.of(gpu_metrics.GPU_RESIDUAL) == 0
    node.gpus.append(well("GPU-1"))
    node.tick(30 + VANISHED_AFTER_SECONDS)
    assert node.of(gpu_metrics.GPUS) == 2
    assert node.of(gpu_metrics.CUSTODY_EVENTS, event="returned") == 1


def test_holders_that_are_not_known_yet_keep_those_from_before(node: Node) -> None:
    """While nobody can say who holds a device after a restart, who held it before may have held it."""
    node.tick(10)
    node.held = Absent(Why.HOLDERS_UNKNOWN)
    node.moment.seconds = 30
    node.start().tick(40, 50)
    assert node.of(holder_metrics.UNWATCHED, workload_pod="a") == 20


def test_who_came_while_no_collector_ran_may_have_held_then(node: Node) -> None:
    """Whoever holds a device as soon as that is known, and did not before, has the time once, from then on."""
    node.tick(10)
    node.held = Absent(Why.HOLDERS_UNKNOWN)
    node.moment.seconds = 30
    node.start().tick(40, 50)
    node.held = {"GPU-0": (A,), "GPU-1": (B,)}
    node.tick(60, 70, 80)
    assert [node.of(holder_metrics.UNWATCHED, workload_pod=pod) for pod in "ab"] == [20, 20]
    assert node.of(gpu_metrics.GPU_SECONDS, reason="collector_down") == 2 * 20
    assert node.of(gpu_metrics.GPU_RESIDUAL) == 0


class Disk:
    """A disk that fills up and has room again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        flush = os.fsync

        def fsync(descriptor: int) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk under every file of the test."""
    return Disk(monkeypatch)


def test_a_full_disk_holds_the_page_still_and_loses_nothing(node: Node, disk: Disk) -> None:
    """While nothing can be saved the counters stand and the page says why; with room again they have it all."""
    node.tick(10, 20)
    disk.is_full = True
    node.held = {"GPU-0": (A,), "GPU-1": (B,)}
    node.tick(30, 40)
    assert (node.of(gpu_metrics.GPU_PHYSICAL), node.of(node_metrics.STATE_SAVED)) == (40, EPOCH + 20)
    assert node.of(node_metrics.STATE_UNSAVED, reason="disk_full") == 1
    disk.is_full = False
    node.tick(50)
    assert node.of(gpu_metrics.GPU_PHYSICAL) == 100
    assert [node.of(holder_metrics.HELD, workload_pod=pod) for pod in "ab"] == [50, 0]
    assert node.of(node_metrics.STATE_UNSAVED) == 0
    node.tick(60)
    assert node.of(holder_metrics.HELD, workload_pod="b") == 40


def test_where_nothing_was_ever_saved_the_page_is_the_last_ticks(tmp_path: Path, disk: Disk) -> None:
    """No successor finds anything then, and begins anew; so nothing is withheld, and the page says what is wrong."""
    disk.is_full = True
    node = Node(tmp_path).tick(10)
    assert (node.of(gpu_metrics.GPU_PHYSICAL), node.of(holder_metrics.HELD)) == (0, 0)
    node.tick(20)
    assert (node.of(gpu_metrics.GPU_PHYSICAL), node.of(holder_metrics.HELD)) == (40, 20)
    assert node.of(node_metrics.STATE_UNSAVED, reason="disk_full") == 1
    disk.is_full = False
    assert node.tick(30).of(holder_metrics.HELD) == 30
    assert node.start().of(holder_metrics.HELD) == 30


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tick", "tick", "tick", "kill", "boot", "full", "room", "hold", "lose", "unknown"]),
        st.sampled_from([1.0, 7.0, 10.0, 45.0]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, interval=st.sampled_from([0.0, 10.0, 25.0]))
def test_whatever_happens_no_published_counter_falls(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, float]], interval: float
) -> None:
    """Over kills, full disks, lost GPUs and changing holders: no counter falls while the start time stays the same."""
    with pytest.MonkeyPatch.context() as patch:
        disk, node = Disk(patch), Node(tmp_path_factory.mktemp("node"), interval_seconds=interval)
        does: dict[str, Callable[[], object]] = {
            "tick": lambda: node.tick(node.moment.seconds),
            "kill": node.start,
            "boot": lambda: _boot(node, seconds),
            "full": lambda: setattr(disk, "is_full", True),
            "room": lambda: setattr(disk, "is_full", False),
            "hold": lambda: setattr(node, "held", {"GPU-0": (B,), "GPU-1": (A, B)}),
            "lose": lambda: _lose(node.gpus),
            "unknown": lambda: setattr(node, "held", Absent(Why.HOLDERS_UNKNOWN)),
        }
        before = values(node.collector.samples())
        for what, seconds in steps:
            node.moment.seconds += seconds
            does[what]()
            now = values(node.collector.samples())
            _compare(before, now)
            before = now


def _boot(node: Node, seconds: float) -> None:
    """Another boot, from which the clock comes back so much later or earlier than it should."""
    node.clock.boots += 1
    node.clock.ahead_seconds += seconds - 9
    node.start()


def _lose(gpus: list[Device]) -> None:
    gpus[0] = ("GPU-0", Absent(Why.GPU_LOST))


def _compare(before: dict[tuple[str, ...], float], now: dict[tuple[str, ...], float]) -> None:
    start = next(key for key in now if key[0] == node_metrics.COLLECTOR_START.name)
    for key, value in now.items():
        assert key[0] != gpu_metrics.GPU_RESIDUAL.name or value == 0
        if contract.BY_NAME[key[0]].kind == "counter" and before[start] == now[start]:
            assert value >= before.get(key, 0.0), key
            if key not in before and contract.BY_NAME[key[0]] in holder_metrics.HOLDER_COUNTERS:
                assert value == 0, key
    spent = sum(value for key, value in now.items() if key[0] == gpu_metrics.GPU_SECONDS.name)
    physical = sum(value for key, value in now.items() if key[0] == gpu_metrics.GPU_PHYSICAL.name)
    assert spent == pytest.approx(physical, abs=1e-6)
