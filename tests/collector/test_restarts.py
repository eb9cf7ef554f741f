import itertools
import random
import resource
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.collectors import COMMAND, ENVIRONMENT, Running, samples
from support.http import until
from support.scenarios import a_fault, a_node, a_pod, a_scenario, a_workload

from collector import contract
from collector.contract import gpu_metrics, holder_metrics, node_metrics

KILLS = 12
Page = Mapping[tuple[str, ...], float]


def page_of(running: Running) -> Page:
    """What it serves, by metric and label values."""
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples(running.page())}


def one(page: Page, metric: contract.Metric, *labels: str) -> float:
    """The sum of a metric's series that have these label values."""
    return sum(value for (name, *found), value in page.items() if name == metric.name and {*labels} <= {*found})


class Killed:
    """A simulated node whose collector is killed again and again: the same scenario, clock and state file."""

    def __init__(self, folder: Path) -> None:
        fault = a_fault("gpu_lost", "20s", "40s", gpus=[1])
        scenario = a_scenario(folder, a_node(fault, gpus=3), a_workload(a_pod(gpus=[0, 1]), a_pod("b", gpus=[1])))
        self.state = folder / "state.json"
        self.arguments = (
            f"--simulate={scenario}", "--node=node-a", "--speed=10", f"--begins-at={time.time():.3f}",
            f"--state-file={self.state}", "--state-interval-seconds=0.3", "--max-gap-seconds=3600",
        )  # fmt: skip

    def running(self) -> Running:
        """Its collector."""
        return Running(*self.arguments)


@pytest.fixture
def killed(tmp_path: Path) -> Killed:
    """Three GPUs, two of them in use and one of these shared; one is lost for a while."""
    return Killed(tmp_path)


def test_no_counter_falls_however_often_it_is_killed(killed: Killed) -> None:
    """Killed at random moments, while starting too: over all scrapes no counter falls and the books balance exactly."""
    chance, pages = random.Random(5), list[Page]()
    for number in range(KILLS):
        if number % 3 == 2:
            with subprocess.Popen([*COMMAND, *killed.arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=ENVIRONMENT) as starting:  # fmt: skip
                time.sleep(chance.uniform(0.0, 0.6))  # nothing is expected to have happened by then
                starting.kill()
            continue
        with killed.running() as running:
            killed_at = time.monotonic() + chance.uniform(0.0, 0.4)
            while not pages or time.monotonic() < killed_at:
                pages.append(page_of(running))
            running.stop(signal.SIGKILL)
    with killed.running() as running:
        until(lambda: pages.append(page_of(running)) or one(pages[-1], holder_metrics.HELD) > 0, "a holder has begun")
    for before, after in itertools.pairwise(pages):
        kept = [key for key in before if contract.BY_NAME[key[0]] not in contract.OF_THIS_PROCESS]
        fallen = [key for key in kept if contract.BY_NAME[key[0]].kind == "counter" and after[key] < before[key]]
        assert not fallen
    for page in pages:
        assert one(page, gpu_metrics.GPU_RESIDUAL) == 0
        assert one(page, gpu_metrics.GPU_SECONDS) == pytest.approx(one(page, gpu_metrics.GPU_PHYSICAL), abs=1e-6)
    assert len({one(page, node_metrics.COLLECTOR_START) for page in pages}) == 1
    last = pages[-1]
    passed = one(last, node_metrics.COLLECTOR_CLOCK) - one(last, node_metrics.COLLECTOR_START)
    assert one(last, gpu_metrics.GPU_PHYSICAL) == pytest.approx(3 * passed, abs=3 * KILLS * 0.2)
    assert one(last, gpu_metrics.GPU_SECONDS, "collector_down") > 0


def test_a_signal_to_stop_loses_nothing(killed: Killed) -> None:
    """After SIGTERM the next collector goes on from the last tick, and misses only the time between the two."""
    with killed.running() as running:
        until(lambda: one(page_of(running), gpu_metrics.GPU_PHYSICAL) > 0, "the first save")
        before = page_of(running)
        assert running.stop(signal.SIGTERM)[0] == 0
    with killed.running() as running:
        after = page_of(running)
    for metric in (gpu_metrics.GPU_PHYSICAL, node_metrics.COLLECTOR_TICKS, node_metrics.COLLECTOR_CLOCK):
        assert one(after, metric) >= one(before, metric)
    assert one(after, node_metrics.STATE_FOUND, "loaded") == 1


def test_a_second_collector_does_not_touch_the_state_of_the_first(killed: Killed) -> None:
    """Started beside the first by mistake, it says in_use and begins anew, and the first goes on undisturbed."""
    with killed.running() as first, killed.running() as second:
        until(lambda: one(page_of(second), node_metrics.STATE_UNSAVED, "in_use") == 1, "it has noticed")
        assert one(page_of(second), node_metrics.STATE_FOUND, "in_use") == 1
        until(lambda: one(page_of(first), node_metrics.STATE_SAVED) > 0, "the first save")
        assert one(page_of(first), node_metrics.STATE_UNSAVED) == 0


@pytest.mark.parametrize("content", [b"", b'{"format": "flopwatch', b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_use_is_said_and_not_fatal(killed: Killed, content: bytes) -> None:
    """A collector that finds rubbish begins anew, says so on the page and in the log, and keeps what it found."""
    killed.state.write_bytes(content)
    with killed.running() as running:
        until(lambda: one(page_of(running), node_metrics.STATE_SAVED) > 0, "the first save")
        assert one(page_of(running), node_metrics.STATE_FOUND, "corrupt") == 1
        code, errors = running.stop(signal.SIGTERM)
    assert (code, "Traceback" in errors) == (0, False)
    assert "state.begins_anew" in errors
    assert killed.state.with_name("state.json.corrupt").read_bytes() == content


def test_without_a_place_for_its_state_it_serves_all_the_same(killed: Killed) -> None:
    """A folder that does not exist is a reason on the page; the counters are served, and begin anew the next time."""
    killed.arguments = (*killed.arguments, f"--state-file={killed.state.parent}/missing/state.json")
    with killed.running() as running:
        until(lambda: one(page_of(running), holder_metrics.HELD) > 0, "there are numbers")
        assert one(page_of(running), node_metrics.STATE_UNSAVED, "no_folder") == 1
        code, errors = running.stop(signal.SIGTERM)
    assert (code, "Traceback" in errors, "state.unsaved reason=no_folder" in errors) == (0, False, True)


def test_a_full_disk_is_a_state_and_passes(killed: Killed) -> None:
    """When files may not grow the page stands still and says disk_full; when they may again, it goes on."""
    with killed.running() as running:
        pid = running.process.pid
        until(lambda: one(page_of(running), node_metrics.STATE_SAVED) > 0, "the first save")
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        until(lambda: one(page_of(running), node_metrics.STATE_UNSAVED, "disk_full") == 1, "the disk is full")
        before = page_of(running)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        until(lambda: one(page_of(running), node_metrics.STATE_UNSAVED) == 0, "there is room again")
        after = page_of(running)
        assert one(after, node_metrics.COLLECTOR_CLOCK) > one(before, node_metrics.COLLECTOR_CLOCK)
        assert one(after, gpu_metrics.GPU_PHYSICAL) > one(before, gpu_metrics.GPU_PHYSICAL)
        code, errors = running.stop(signal.SIGTERM)
    assert (code, "Traceback" in errors, "state.saved_again" in errors) == (0, False, True)
