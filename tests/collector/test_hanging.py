"""A tick that hangs, in a thread of its own, in a call that comes back when the test says so."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pynvml
import pytest
from support.http import get
from support.nodes import NODE, ASource, ToldClock, a_collector
from support.odd_drivers import OddDriver
from support.readings import total, values
from support.scenarios import Moment, a_node, a_script

from collector.contract import gpu_metrics, node_metrics
from collector.hanging import Hangs, TickWatch, unless_it_hangs
from collector.loop import Collector
from collector.nvml import Driver
from collector.processes.port import Checked
from collector.readings import Holder
from collector.server import make_server
from collector.simulated.driver import installed
from collector.state.file import StateFile
from collector.state.keeper import Keeper

PATIENCE_SECONDS = 30.0


class Blocker:
    """Blocks whoever comes while ``armed``, until it is told to let go."""

    def __init__(self) -> None:
        self.armed = False
        self.blocks, self.lets_go = threading.Event(), threading.Event()

    def pass_by(self) -> None:
        """Come through, at once or later."""
        if self.armed:
            self.blocks.set()
            assert self.lets_go.wait(PATIENCE_SECONDS)

    @contextmanager
    def hanging(self, tick: Callable[[], None]) -> Iterator[None]:
        """A tick that hangs here for the length of the block, and has ended after it."""
        self.armed = True
        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        try:
            assert self.blocks.wait(PATIENCE_SECONDS)
            yield
        finally:
            self.armed = False
            self.lets_go.set()
            ticking.join(PATIENCE_SECONDS)
        assert not ticking.is_alive()


@pytest.fixture
def blocker() -> Blocker:
    """One that nobody is blocked by yet."""
    return Blocker()


@contextmanager
def on_a_driver_that_hangs(
    folder: Path, blocker: Blocker, moment: Moment, call: str, *, keeper: Keeper | None = None
) -> Iterator[Collector]:
    """A collector on one idle H100, whose driver passes by the blocker in this C function; it has not ticked yet."""
    behind = OddDriver(a_script(folder, a_node(gpus=1)), moment)
    function = getattr(behind, call)

    def slow(*arguments: object) -> int:
        blocker.pass_by()
        return function(*arguments)

    behind._odd[call] = slow
    clock = ToldClock(moment)
    with installed(behind):
        yield a_collector(clock, ASource(dict), open_driver=partial(Driver.open, clock.elapsed_ns), keeper=keeper)


def hanging(collector: Collector) -> tuple[str, float]:
    """What the page says a tick hangs in, and the gauge's value."""
    (sample,) = (each for each in collector.samples() if each.metric is node_metrics.COLLECTOR_HANGING)
    return sample.label_values[2], sample.value


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo"),
        ("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"),
        ("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"),
        ("nvmlEventSetWait_v2", "nvmlEventSetWait_v2"),
        ("nvmlInitWithFlags", "nvmlInit"),
    ],
)
def test_the_page_says_what_the_driver_hangs_in(tmp_path: Path, blocker: Blocker, function: str, call: str) -> None:
    """From the limit on the page has the call's name, beside all that it had before; when it is back, no more."""
    with on_a_driver_that_hangs(tmp_path, blocker, moment := Moment(0), function) as collector:
        if function != "nvmlInitWithFlags":
            collector.tick()
        moment.seconds = 5
        before = values(collector.samples())
        with blocker.hanging(collector.tick):
            moment.seconds = 15
            assert values(collector.samples()) == before
            assert hanging(collector) == ("", 0)
            moment.seconds = 15.1
            assert hanging(collector) == (call, 1)
            none, some = ((node_metrics.COLLECTOR_HANGING.name, NODE, "simulated", name) for name in ("", call))
            assert values(collector.samples()) == {key: value for key, value in before.items() if key != none} | {
                some: 1
            }
        assert hanging(collector) == ("", 0)


def test_readiness_says_it_and_liveness_keeps_its_rule(tmp_path: Path, blocker: Blocker) -> None:
    """/readyz is 503 with the call after the limit, /healthz only when it is time to restart; both recover."""
    with (
        on_a_driver_that_hangs(tmp_path, blocker, moment := Moment(5), "nvmlDeviceGetMemoryInfo") as collector,
        make_server(collector, host="127.0.0.1", port=0, bearer_token="") as server,
    ):
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        port: int = server.server_address[1]
        try:
            collector.tick()
            with blocker.hanging(collector.tick):
                moment.seconds = 16
                response, body = get(port, "/readyz")
                assert (response.status, json.loads(body)) == (
                    503,
                    {"state": "hanging", "reason": "nvmlDeviceGetMemoryInfo"},
                )
                assert get(port, "/healthz")[0].status == 200
                moment.seconds = 306
                assert get(port, "/healthz")[0].status == 503
            assert [get(port, path)[0].status for path in ("/readyz", "/healthz")] == [200, 200]
        finally:
            server.shutdown()
            serving.join(PATIENCE_SECONDS)


def test_a_first_tick_that_hangs_is_not_starting(tmp_path: Path, blocker: Blocker) -> None:
    """A driver that hangs at once is told too."""
    with on_a_driver_that_hangs(tmp_path, blocker, moment := Moment(5), "nvmlDeviceGetUUID") as collector:
        with blocker.hanging(collector.tick):
            moment.seconds = 16
            health = collector.health()
            assert (health.ticks, health.hanging) == (0, "nvmlDeviceGetUUID")
        assert collector.health().hanging == ""


def test_the_time_of_a_call_that_came_back_is_late(tmp_path: Path, blocker: Blocker) -> None:
    """But for its last part the time is lost, as of any tick that came too late, and the books balance."""
    with on_a_driver_that_hangs(tmp_path, blocker, moment := Moment(10), "nvmlDeviceGetMemoryInfo") as collector:
        collector.tick()
        with blocker.hanging(collector.tick):
            moment.seconds = 110
        collector.tick()
        found = collector.samples()
    assert total(found, gpu_metrics.GPU_SECONDS.name, state="lost", reason="late_tick") == 90
    assert total(found, gpu_metrics.GPU_PHYSICAL.name) == 100
    assert total(found, gpu_metrics.GPU_RESIDUAL.name) == 0


def test_a_page_that_is_kept_says_it_too(tmp_path: Path, blocker: Blocker) -> None:
    """Where pages are those of the last saved tick, what hangs is told as it stands now."""
    file = StateFile(tmp_path / "state.json", node=NODE, provenance="simulated")
    keeper = Keeper(file, interval_seconds=1000)
    with on_a_driver_that_hangs(
        tmp_path, blocker, moment := Moment(5), "nvmlDeviceGetMemoryInfo", keeper=keeper
    ) as collector:
        collector.tick()
        with blocker.hanging(collector.tick):
            moment.seconds = 16
            assert hanging(collector) == ("nvmlDeviceGetMemoryInfo", 1)
        assert hanging(collector) == ("", 0)


def test_it_is_logged_once(tmp_path: Path, blocker: Blocker, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever looks after the loop says once what hangs, and once that it goes on."""
    with on_a_driver_that_hangs(tmp_path, blocker, moment := Moment(5), "nvmlDeviceGetMemoryInfo") as collector:
        collector.tick()
        with caplog.at_level(logging.WARNING):
            collector.tell_if_hanging()
            with blocker.hanging(collector.tick):
                moment.seconds = 15
                collector.tell_if_hanging()
                moment.seconds = 16
                collector.tell_if_hanging()
                collector.tell_if_hanging()
            collector.tell_if_hanging()
            collector.tell_if_hanging()
    assert [record.getMessage().split(" next=")[0] for record in caplog.records] == [
        "tick.hangs call=nvmlDeviceGetMemoryInfo",
        "tick.goes_on",
    ]


def test_a_source_of_holders_that_hangs_is_named(blocker: Blocker) -> None:
    """What hangs outside of the driver is named by the step that it is."""

    def held() -> dict[str, tuple[Holder, ...]]:
        blocker.pass_by()
        return {}

    collector = a_collector(ToldClock(moment := Moment(5)), ASource(held))
    with blocker.hanging(collector.tick):
        moment.seconds = 16
        assert hanging(collector) == ("holders", 1)


class SlowCheck:
    """A check on processes that passes by the blocker."""

    kinds = ()

    def __init__(self, blocker: Blocker) -> None:
        self._blocker = blocker

    def look(self, *_: object) -> Checked | None:
        """Nothing was found."""
        self._blocker.pass_by()
        return None


def test_a_check_that_hangs_is_named(blocker: Blocker) -> None:
    """So is a look at the processes."""
    collector = a_collector(ToldClock(moment := Moment(5)), ASource(dict), check=lambda _: SlowCheck(blocker))
    with blocker.hanging(collector.tick):
        moment.seconds = 16
        assert hanging(collector) == ("processes", 1)


def test_a_disk_that_hangs_is_named(tmp_path: Path, blocker: Blocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a state file that cannot be written to an end."""
    file = StateFile(tmp_path / "state.json", node=NODE, provenance="simulated")
    monkeypatch.setattr(file, "save", lambda _: blocker.pass_by())
    keeper = Keeper(file, interval_seconds=10)
    collector = a_collector(ToldClock(moment := Moment(5)), ASource(dict), keeper=keeper)
    with blocker.hanging(collector.tick):
        moment.seconds = 16
        assert hanging(collector) == ("state", 1)


@pytest.mark.parametrize(("speed", "limit"), [(1, 10), (60, 600)])
def test_the_limit_is_in_real_seconds(speed: float, limit: float) -> None:
    """A fast scenario does not hang because a tick takes a minute of its time."""
    watch = TickWatch(ToldClock(moment := Moment(), speed=speed), limit_seconds=10, asking=str)
    with watch:
        moment.seconds = limit
        assert watch.hanging() == ""
        moment.seconds = limit + 1
        assert watch.hanging() == "collector"
    assert watch.hanging() == ""


def test_a_tick_that_fails_does_not_hang() -> None:
    """A defect ends the tick, and with it the watch over it."""
    watch = TickWatch(ToldClock(moment := Moment()), limit_seconds=10, asking=str)
    with pytest.raises(ZeroDivisionError), watch:
        watch.during("holders", lambda: 1 / 0)
    moment.seconds = 100
    assert watch.hanging() == ""


def test_work_that_ends_is_answered_or_raised() -> None:
    """What work that does not hang gives or raises comes to whoever waits for it."""
    watch = TickWatch(ToldClock(Moment()), limit_seconds=10, asking=str)
    assert unless_it_hangs(watch, lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        unless_it_hangs(watch, lambda: 1 / 0)


def test_work_that_hangs_is_given_up(blocker: Blocker) -> None:
    """Whoever waits for it is told what it hangs in, and waits no longer."""
    watch = TickWatch(ToldClock(moment := Moment()), limit_seconds=10, asking=lambda: "nvmlInit")
    blocker.armed = True

    def work() -> None:
        with watch:
            moment.seconds = 11
            blocker.pass_by()

    try:
        with pytest.raises(Hangs, match=r"^nvmlInit$"):
            unless_it_hangs(watch, work)
    finally:
        blocker.lets_go.set()
    (left,) = (thread for thread in threading.enumerate() if thread.name == "look")
    left.join(PATIENCE_SECONDS)


def test_pynvml_lets_other_threads_run() -> None:
    """The binding calls C functions without Python's lock, or a call that hangs would hang the page too."""
    assert pynvml.CDLL._func_flags_ & 0x4 == 0  # ctypes' FUNCFLAG_PYTHONAPI: keep the lock
