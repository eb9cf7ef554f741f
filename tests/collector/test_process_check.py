"""The check on the processes, through the collector's tick: every module is real but the driver's C functions."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drivers import ADriver
from support.nodes import NODE, ASource, ToldClock, a_collector
from support.nvml_library import ADevice, ALibrary, in_use
from support.procs import AProc, a_pod_cgroup, a_uid
from support.readings import SECOND, a_holder, a_reading, accounts_of, an_interval, total
from support.scenarios import Moment, a_fault, a_node, a_script, an_instance

from collector.accounting import DeviceInterval
from collector.attribution import Attribution, attribute
from collector.contract import GpuState, Metric, gpu_metrics, holder_metrics, node_metrics
from collector.devices import NodeDevices
from collector.loop import Collector
from collector.nvml import Driver
from collector.nvml.processes import NvmlProcesses
from collector.processes.check import ProcessCheck, ProcessesChecked
from collector.processes.look import ProcessLook
from collector.processes.reality import Mismatch
from collector.processes.sharing import DeviceUse
from collector.readings import Absent, Holder, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed
from collector.state.file import StateFile
from collector.state.keeper import Keeper

BOOTED_NS = 1000 * SECOND
TIME_SLICED, MPS_WORK, MPS_IDLE, SOLE = "GPU-0", "GPU-1", "GPU-2", "GPU-3"


def a_holder_of(number: int) -> Holder:
    """The holder in the pod of this number."""
    return a_holder(f"pod-{number}", pod_uid=a_uid(number))


PLAN = {
    TIME_SLICED: (a_holder_of(1), a_holder_of(2)),
    MPS_WORK: (a_holder_of(3),),
    MPS_IDLE: (a_holder_of(4),),
    SOLE: (a_holder_of(5),),
}
BUSY = {TIME_SLICED: 0.6, MPS_WORK: 0.8, MPS_IDLE: 0.0, SOLE: 0.9}


class Broken:
    """Processes that cannot be looked at for a reason nobody thought of."""

    def use(self) -> Mapping[str, DeviceUse | Absent]:
        """Never an answer."""
        raise RuntimeError("the binding has changed")

    def sees_host(self) -> bool:
        """As on a node where all is well."""
        return True


@dataclass
class ANode:
    """
    Four GPUs and who was given them: one is time-sliced, of two under MPS all the work is on the first, one is alone.

    ``readings`` and ``nvml`` are what the driver says at the next tick.
    """

    folder: Path
    of_host: bool = True
    moment: Moment = field(default_factory=lambda: Moment(0.0))
    readings: dict[str, Reading | Absent] = field(
        default_factory=lambda: {name: a_reading(busy=busy) for name, busy in BUSY.items()}
    )
    nvml: ALibrary = field(default_factory=lambda: ALibrary(**{name: ADevice() for name in PLAN}))

    def __post_init__(self) -> None:
        self.proc = AProc(self.folder, of_host=self.of_host)
        for number in range(1, 6):
            self.proc.put(100 + number, a_pod_cgroup(a_uid(number)))
        self.compute(TIME_SLICED, 101, 102)
        self.compute(MPS_WORK, 103, 104)
        self.compute(SOLE, 105)
        self.nvml.devices[MPS_WORK].mps += [(103, 1), (104, 1)]

    def compute(self, gpu: str, *pids: int) -> None:
        """Let these processes have a context there."""
        self.nvml.devices[gpu].compute += [(pid, 1) for pid in pids]

    def collector(self, *, check: bool = True, broken: bool = False, keeper: Keeper | None = None) -> Collector:
        """A collector on the node that has not ticked."""

        def made(devices: NodeDevices) -> ProcessCheck:
            lists = NvmlProcesses(devices.whole_cards, devices.errors)
            look = ProcessLook(lists, proc=self.proc.path, boot_ns=lambda: BOOTED_NS)
            # A stand-in has the two methods that a check uses.
            return ProcessCheck(Broken() if broken else look)  # type: ignore[arg-type]

        return a_collector(
            ToldClock(self.moment),
            ASource(lambda: PLAN),
            open_driver=lambda: ADriver(lambda: tuple(self.readings.items())),
            keeper=keeper,
            check=made if check else None,
        )

    def tick(self, collector: Collector, *, seconds: float = 10.0) -> None:
        """One interval, of whose samples the processes have their shares."""
        self.moment.seconds += seconds
        stamp = round(self.moment.seconds * 1e6)
        shares = {TIME_SLICED: {101: 40, 102: 20}, MPS_WORK: {103: 30, 104: 50}, SOLE: {105: 90}}
        for gpu, by_pid in shares.items():
            self.nvml.devices[gpu].samples = [(pid, stamp, percent) for pid, percent in by_pid.items()]
        with in_use(self.nvml):
            collector.tick()


@pytest.fixture
def node(tmp_path: Path) -> ANode:
    """The node, where all is as it should be."""
    return ANode(tmp_path)


def of(collector: Collector, metric: Metric, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    return total(collector.samples(), metric.name, **labels)


def state(collector: Collector, state: str, reason: str = "") -> float:
    """GPU-seconds in this state for this reason."""
    return of(collector, gpu_metrics.GPU_SECONDS, state=state, reason=reason)


def pod(collector: Collector, metric: Metric, number: int) -> float:
    """A holder's counter."""
    return of(collector, metric, workload_pod=f"pod-{number}")


def reasons(collector: Collector) -> Mapping[str, float]:
    """What the check says of itself."""
    return {
        sample.label_values[-1]: sample.value
        for sample in collector.samples()
        if sample.metric is node_metrics.PROCESS_CHECK
    }


def growth(before: Mapping[str, float], collector: Collector) -> Mapping[str, float]:
    """How much the GPU-seconds of each state and reason have grown since."""
    return {key: value - before.get(key, 0.0) for key, value in states(collector).items() if value != before.get(key)}


def states(collector: Collector) -> Mapping[str, float]:
    """GPU-seconds by state and reason."""
    return {
        " ".join(sample.label_values[-2:]).strip(): sample.value
        for sample in collector.samples()
        if sample.metric is gpu_metrics.GPU_SECONDS
    }


class TestATick:
    """The plan, held against the processes."""

    def test_a_time_sliced_gpu_is_divided_by_use(self, node: ANode) -> None:
        """Of ten seconds 60 % busy, 40 % and 20 % of SM time: six are divided two to one, four in halves, exactly."""
        collector = node.collector()
        for _ in range(2):
            node.tick(collector)
        found = {
            n: [pod(collector, m, n) for m in (holder_metrics.HELD, holder_metrics.OBSERVED, holder_metrics.BUSY)]
            for n in (1, 2)
        }
        assert found == {1: [6, 6, 4], 2: [4, 4, 2]}
        # no share is told at the first look, so nothing is divided
        assert [pod(collector, holder_metrics.SHARED, number) for number in (1, 2)] == [10, 10]
        assert [pod(collector, holder_metrics.ENERGY_OBSERVED, number) for number in (1, 2)] == [0, 0]
        assert [pod(collector, holder_metrics.HOLDER_DEVICES, number) for number in (1, 2)] == [1, 1]

    def test_mps_work_on_the_wrong_gpu_is_ambiguous_with_both(self, node: ANode) -> None:
        """Pod 4 holds one GPU and computes on another: the one is idle and its own, the other is shared by both."""
        collector = node.collector()
        for _ in range(2):
            node.tick(collector)
        assert state(collector, "ambiguous", Mismatch.OTHER_DEVICE) == 20
        assert [pod(collector, holder_metrics.SHARED, number) for number in (3, 4)] == [20, 20]
        assert [pod(collector, holder_metrics.HELD, number) for number in (3, 4)] == [0, 20]
        assert of(collector, node_metrics.PROCESS_MISMATCHES, kind=Mismatch.OTHER_DEVICE) == 2
        assert of(collector, node_metrics.PROCESS_MISMATCHES) == 2
        assert reasons(collector) == {"": 1}

    def test_the_books_balance_exactly(self, node: ANode) -> None:
        """Divided or ambiguous, every GPU-second is in one state, and held seconds are never more than attributed."""
        collector = node.collector()
        for seconds in (10.0, 7.3, 0.1, 29.9):
            node.tick(collector, seconds=seconds)
        assert of(collector, gpu_metrics.GPU_RESIDUAL) == 0
        assert of(collector, holder_metrics.HELD) == pytest.approx(state(collector, "attributed"), abs=1e-6)

    def test_a_process_of_the_host_leaves_a_sole_holder_no_sure_second(self, node: ANode) -> None:
        """A program on the host computes on a GPU that one pod holds: the pod may have used it, and no more is said."""
        node.proc.put(105, "0::/system.slice/miner.service\n")
        collector = node.collector()
        for seconds in (10.0, 0.0):
            node.tick(collector, seconds=seconds)
        assert state(collector, "ambiguous", Mismatch.HOST_PROCESS) == 10
        assert (pod(collector, holder_metrics.HELD, 5), pod(collector, holder_metrics.SHARED, 5)) == (0, 10)

    def test_without_the_hosts_process_ids_the_claims_stand(self, tmp_path: Path) -> None:
        """Every process is hidden: sole holders keep what they are said to hold, shared GPUs stay ambiguous."""
        node = ANode(tmp_path, of_host=False)
        collector = node.collector()
        for _ in range(2):
            node.tick(collector)
        assert reasons(collector) == {Why.PROCESSES_HIDDEN: 0}
        assert [pod(collector, holder_metrics.HELD, number) for number in range(1, 6)] == [0, 0, 20, 20, 20]
        assert states(collector) == {"attributed": 60, "ambiguous shared": 20}

    def test_a_driver_without_lists_leaves_the_claims(self, node: ANode) -> None:
        """The driver refuses the lists: the check says why, the refusal is counted, and metering goes on."""
        name = "nvmlDeviceGetComputeRunningProcesses_v3"
        node.nvml.refusals[name] = pynvml.NVML_ERROR_NO_PERMISSION
        collector = node.collector()
        for seconds in (10.0, 10.0, 0.0):
            node.tick(collector, seconds=seconds)
        assert reasons(collector) == {Why.NO_PERMISSION: 0}
        assert of(collector, node_metrics.NVML_ERRORS, call=name) == 8  # the third look's are in the fourth survey
        assert states(collector) == {"attributed": 60, "ambiguous shared": 20}

    def test_a_check_that_breaks_does_not_stop_metering(self, node: ANode) -> None:
        """Whatever the check raises, the tick is made, and the page differs from one without only by the check."""
        broken, without = node.collector(broken=True), node.collector(check=False)
        for seconds in (10.0, 0.0):
            node.tick(broken, seconds=seconds)
            with in_use(node.nvml):
                without.tick()
        assert reasons(broken) == {Why.CHECK_FAILED: 0}
        assert states(broken) == states(without) == {"attributed": 30, "ambiguous shared": 10}

    def test_a_lost_gpu_is_not_checked(self, node: ANode) -> None:
        """A GPU that is not read is lost with its holders, whatever was seen on it; the others are checked on."""
        collector = node.collector()
        node.tick(collector)
        node.tick(collector, seconds=0.0)
        before = states(collector)
        node.readings[MPS_WORK] = Absent(Why.GPU_LOST)
        node.tick(collector)
        node.tick(collector, seconds=0.0)
        assert growth(before, collector) == {"attributed": 30, "lost gpu_lost": 10}
        assert reasons(collector) == {"": 1}

    def test_of_a_late_tick_only_the_end_is_divided(self, node: ANode) -> None:
        """After a long gap all but the last interval is lost, and only that interval has parts."""
        collector = node.collector()
        node.tick(collector)
        node.tick(collector, seconds=0.0)
        before = states(collector)
        node.tick(collector, seconds=100.0)
        node.tick(collector, seconds=0.0)
        assert growth(before, collector) == {
            "attributed": 30, "ambiguous other_device": 10, "lost late_tick": 360,
        }  # fmt: skip
        assert [pod(collector, holder_metrics.BUSY, number) for number in (1, 2)] == [4, 2]


def test_a_card_cut_into_instances_is_left_out(tmp_path: Path) -> None:
    """Of a card with a MIG instance and one without only the other is asked for its processes, while it answers."""
    moment = Moment(0.0)
    fault = a_fault("gpu_lost", "600s", "900s", gpus=[1])
    script = a_script(tmp_path, a_node(an_instance(0, "3g.40gb"), fault))
    with installed(SimulatedDriver(script, moment)):
        devices = NodeDevices(partial(Driver.open, moment.elapsed_ns), ToldClock(moment), pci=tuple)
        asked = []
        for moment.seconds in (0.0, 700.0, 1000.0):
            devices.survey()
            asked.append(list(devices.whole_cards()))
        devices.close()
        asked.append(list(devices.whole_cards()))
    whole = script.gpus[1].gpu_uuid
    assert asked == [[whole], [], [whole], []]


class TestThePage:
    """What is served of the check."""

    def test_it_says_nothing_without_a_check(self, node: ANode) -> None:
        """Without the check neither metric is served."""
        collector = node.collector(check=False)
        node.tick(collector)
        served = {sample.metric for sample in collector.samples()}
        assert not served & {node_metrics.PROCESS_CHECK, node_metrics.PROCESS_MISMATCHES}

    def test_every_kind_begins_at_zero(self, node: ANode) -> None:
        """Before the first tick the check has no data, and every kind of mismatch is at 0."""
        collector = node.collector()
        kinds = {
            each.label_values: each.value
            for each in collector.samples()
            if each.metric is node_metrics.PROCESS_MISMATCHES
        }
        assert kinds == {(NODE, "simulated", kind): 0 for kind in Mismatch}
        assert reasons(collector) == {Why.NO_DATA: 0}

    def test_no_mismatch_is_forgotten_at_a_restart(self, node: ANode, tmp_path: Path) -> None:
        """The counters of mismatches go on over a restart, also over one without the check."""

        def restarted(*, check: bool) -> Iterator[Collector]:
            file = StateFile(tmp_path / "state.json", node=NODE, provenance="simulated")
            yield node.collector(check=check, keeper=Keeper(file, interval_seconds=0.0))
            file.close()

        for check in (True, False, True):
            for collector in restarted(check=check):
                node.tick(collector)
                last = collector
        assert of(last, node_metrics.PROCESS_MISMATCHES, kind=Mismatch.OTHER_DEVICE) == 2
        assert of(last, gpu_metrics.GPU_RESIDUAL) == 0


def test_without_the_check_nothing_of_it_is_loaded() -> None:
    """The collector's command, as it starts by default, has not loaded what sees process ids."""
    code = "import sys, collector.command; print([name for name in sys.modules if 'processes' in name])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['collector.processes', 'collector.processes.port']"


@pytest.mark.parametrize(
    ("holders", "certain"),
    [
        ((a_holder("a", pod_uid=""), a_holder("b", pod_uid="")), True),
        ((a_holder_of(1), a_holder_of(2)), False),
    ],
    ids=["without UIDs", "in doubt"],
)
def test_only_holders_that_are_known_are_given_parts(holders: tuple[Holder, ...], certain: bool) -> None:
    """Holders whose pods cannot be told apart by UID, or who may not hold the device, are given no part of it."""
    checked = ProcessesChecked(use={"GPU-0": DeviceUse(pods={a_uid(1): 0.3, a_uid(2): 0.2}, outside={})})
    claimed = Attribution(state=GpuState.AMBIGUOUS, reason=Why.SHARED, holders=holders, certain=certain)
    assert checked.attribution("GPU-0", a_reading(busy=0.5), SECOND, claimed) is claimed


ratios = st.floats(0, 1)


@given(
    st.integers(0, 100 * SECOND),
    ratios | st.just(Absent(Why.NO_DATA)),
    st.dictionaries(st.integers(1, 4), ratios | st.just(Absent(Why.NO_DATA)), max_size=4),
    st.integers(2, 4),
)
def test_parts_add_up_in_the_accounts(
    elapsed_ns: int, busy: float | Absent, by_pod: dict[int, float | Absent], count: int
) -> None:
    """Divided, an interval is held once and busy once, by the holders together; else nobody holds any of it."""
    holders = tuple(a_holder_of(number) for number in range(1, count + 1))
    shares = {a_uid(number): share for number, share in by_pod.items()}
    checked = ProcessesChecked(use={"GPU-0": DeviceUse(pods=shares, outside={})})
    reading = a_reading(busy=busy)
    after = checked.attribution("GPU-0", reading, elapsed_ns, attribute(reading, holders))
    claimed = an_interval(reading, *holders)
    interval = DeviceInterval(
        gpu_uuid=claimed.gpu_uuid, accelerator=claimed.accelerator, reading=reading, attribution=after
    )
    accounts = accounts_of((elapsed_ns, [interval]))
    totals = [book.totals for book in accounts.books().holders]
    divided = after.state == "attributed"
    assert accounts.residual_ns(claimed.accelerator) == 0
    assert sum(each.sole_ns for each in totals) == (elapsed_ns if divided else 0)
    assert sum(each.sole_observed_ns for each in totals) == (elapsed_ns if divided else 0)
    known = 0.0 if isinstance(busy, Absent) else busy
    assert sum(each.sole_busy_ns for each in totals) == (round(known * elapsed_ns) if divided else 0)
    assert all(each.shared_ns == (0 if divided else elapsed_ns) for each in totals)
    assert all(each.sole_busy_ns <= each.sole_observed_ns <= each.sole_ns for each in totals)
