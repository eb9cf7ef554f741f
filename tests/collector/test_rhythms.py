import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from support.nodes import EPOCH, a_played_collector
from support.readings import H100, MODELS, NOT_SUPPORTED, SECOND, a_holder, a_reading, an_interval, total, values
from support.rhythms import Shape, a_series, apart, constant, dips, sine
from support.scenarios import TRAINING, Moment, a_fault, a_node, a_pod, a_workload

from collector import contract
from collector.accounting import DeviceInterval
from collector.contract import rhythm_metrics
from collector.loop import Collector
from collector.readings import Absent, Holder, Reading, Why
from collector.rhythms import Rhythms

WHERE = ("node-a", "simulated")
BEGAN_NS = 77 * SECOND
SERVING = '{ kind = "serving", busy_mean = 0.5, power = 0.7, memory = 0.6 }'
ALICE, BOB = a_holder("alice"), a_holder("bob")


def busy(ratio: float) -> Reading:
    """A reading of which nothing but the busy ratio is known."""
    return a_reading(busy=ratio, power=NOT_SUPPORTED)


def recorded_data() -> Path:
    """Where measured series are, if they are anywhere."""
    named = os.environ.get("FLOPWATCH_RECORDED_DATA")
    return Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data"


def look(rhythms: Rhythms, at: float, *intervals: DeviceInterval, ahead: float = 0.0) -> None:
    """One tick at this second, with a time of day that is so far ahead."""
    rhythms.look(intervals, at_ns=BEGAN_NS + round(at * SECOND), at_unix=EPOCH + at + ahead)


def play(rhythms: Rhythms, *shapes: Shape, holder: Holder = ALICE, seconds: Iterable[float] = range(331)) -> None:
    """Ticks at these seconds: what the devices of one holder did, each reading the mean of the second before."""
    for at in seconds:
        did = [sum(shape(at - 1 + (point + 0.5) / 10) for point in range(10)) / 10 for shape in shapes]
        look(rhythms, at, *(an_interval(busy(each), holder, gpu=f"GPU-{n}") for n, each in enumerate(did)))


def of(rhythms: Rhythms, metric: contract.Metric, holder: Holder = ALICE) -> float:
    """A holder's number, of which there is one."""
    found = [
        each.value for each in rhythms.samples(*WHERE) if each.metric is metric and holder.pod in each.label_values
    ]
    assert len(found) == 1
    return found[0]


def told(rhythms: Rhythms) -> set[contract.Metric]:
    """What there is a number for."""
    return {sample.metric for sample in rhythms.samples(*WHERE)}


def phase_of(rhythms: Rhythms, period: float) -> float:
    """The phase, within a period counted from the date at which the ticks begin."""
    return (of(rhythms, rhythm_metrics.RHYTHM_PHASE) - EPOCH) % period


class TestOneHolder:
    """What is told of one holder whose devices dip together."""

    @pytest.fixture
    def rhythms(self) -> Rhythms:
        """Five and a half minutes of two devices that dip for two seconds around second 7 of every 20."""
        rhythms = Rhythms(interval_seconds=1.0)
        play(rhythms, dips(20.0, 2.0, 7.0), dips(20.0, 2.0, 7.0))
        return rhythms

    def test_all_numbers_are_told(self, rhythms: Rhythms) -> None:
        """Period, strength, UTC phase and synchrony are those of the dips."""
        assert of(rhythms, rhythm_metrics.RHYTHM_PERIOD) == pytest.approx(20, abs=0.05)
        assert of(rhythms, rhythm_metrics.RHYTHM_STRENGTH) == pytest.approx(1, abs=0.01)
        assert phase_of(rhythms, 20.0) == pytest.approx(7, abs=0.1)
        assert of(rhythms, rhythm_metrics.RHYTHM_SYNCHRONY) == pytest.approx(1)

    def test_the_phase_is_a_late_moment(self, rhythms: Rhythms) -> None:
        """The trough that is told is the last one that has been seen."""
        assert EPOCH + 330 - 35 < of(rhythms, rhythm_metrics.RHYTHM_PHASE) <= EPOCH + 330

    def test_the_window_is_what_is_known(self, rhythms: Rhythms) -> None:
        """After five and a half minutes five are known, and the label says by which signal."""
        assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW) == 300
        assert total(rhythms.samples(*WHERE), rhythm_metrics.RHYTHM_WINDOW.name, signal="busy_ratio") == 300

    def test_labels_are_the_contracts(self, rhythms: Rhythms) -> None:
        """Each series is there once, with the labels of the contract."""
        for name, *labels in values(rhythms.samples(*WHERE)):
            assert len(labels) == len(contract.BY_NAME[name].labels)
            assert labels[:8] == [*WHERE, "tenant-a", "alice", "uid-alice", "main", "t-0001", H100]

    def test_another_holder_begins_anew(self, rhythms: Rhythms) -> None:
        """The next holder of the devices has none of what the last one did; of that one nothing is told any more."""
        play(rhythms, dips(20.0, 2.0), dips(20.0, 2.0), holder=BOB, seconds=range(331, 361))
        assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW, BOB) <= 30
        assert {sample.label_values[3] for sample in rhythms.samples(*WHERE)} == {"bob"}

    def test_nothing_is_told_of_free_devices(self, rhythms: Rhythms) -> None:
        """Once nobody holds the devices, nothing is told, and if the holder comes back it begins anew."""
        for at in range(331, 361):
            look(rhythms, at, *(an_interval(busy(0.0), gpu=f"GPU-{n}") for n in range(2)))
        assert not told(rhythms)
        play(rhythms, dips(20.0, 2.0), seconds=range(361, 392))
        assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW) <= 31

    @pytest.mark.parametrize(
        "unsure",
        [
            an_interval(busy(0.5), ALICE, BOB),
            an_interval(busy(0.5), a_holder("alice", doubt=Absent(Why.KUBELET_GONE))),  # type: ignore[arg-type]
            an_interval(Absent(Why.GPU_LOST), ALICE),
            an_interval(a_reading(busy=NOT_SUPPORTED, power=NOT_SUPPORTED), ALICE),
        ],
        ids=["shared", "in doubt", "lost", "mute"],
    )
    def test_what_is_not_known_of_its_own_device_is_a_gap(self, rhythms: Rhythms, unsure: DeviceInterval) -> None:
        """While a device is shared, in doubt or unread nothing is added; after a while the holder has no rhythm."""
        for at in range(331, 346):
            look(rhythms, at, unsure)
        assert 280 < of(rhythms, rhythm_metrics.RHYTHM_WINDOW) <= 300
        for at in range(346, 400):
            look(rhythms, at, unsure)
        assert not told(rhythms)

    def test_a_clock_that_is_set_moves_the_phase_only(self, rhythms: Rhythms) -> None:
        """After the time of day jumps by five seconds the period is as it was, and the phase is by the new time."""
        dip = dips(20.0, 2.0, 7.0)
        for at in range(331, 361):
            look(rhythms, at, an_interval(busy(dip(at - 0.5)), ALICE), ahead=5.0)
        assert of(rhythms, rhythm_metrics.RHYTHM_PERIOD) == pytest.approx(20, abs=0.05)
        assert phase_of(rhythms, 20.0) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_late_and_missed_ticks_do_not_stretch_time(seed: int) -> None:
    """With ticks up to 0.4 s late and one in ten missed the period and the phase are those of the dips."""
    drawn, rhythms = random.Random(seed), Rhythms(interval_seconds=1.0)
    seconds = [0.0, *(at + drawn.uniform(0.0, 0.4) for at in range(1, 331) if drawn.random() > 0.1)]
    play(rhythms, dips(20.0, 4.0, 7.0), seconds=seconds)
    assert of(rhythms, rhythm_metrics.RHYTHM_PERIOD) == pytest.approx(20, abs=0.2)
    assert apart(phase_of(rhythms, 20.0), 7.0, 20.0) < 1
    assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW) < 300


@pytest.mark.parametrize(("interval_seconds", "period"), [(0.25, 20.0), (2.0, 40.0), (5.0, 80.0)])
def test_other_intervals_tell_the_same(interval_seconds: float, period: float) -> None:
    """Faster ticks are brought together by the second; slower ones have wider slots, and so longer periods."""
    rhythms, wave = Rhythms(interval_seconds=interval_seconds), sine(period, 3.0)
    for tick in range(round(500 / interval_seconds)):
        at = tick * interval_seconds
        look(rhythms, at, an_interval(busy(wave(at - interval_seconds / 2)), ALICE))
    assert of(rhythms, rhythm_metrics.RHYTHM_PERIOD) == pytest.approx(period, abs=interval_seconds)
    assert apart(phase_of(rhythms, period), 3.0, period) < max(1.0, interval_seconds)
    assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW) == 300


def test_a_tick_that_is_longer_than_the_window_tells_no_rhythm() -> None:
    """With a tick in ten minutes a holder was seen, and that is all."""
    rhythms = Rhythms(interval_seconds=600.0)
    play(rhythms, dips(20.0, 2.0), seconds=range(0, 6000, 600))
    assert told(rhythms) == {rhythm_metrics.RHYTHM_WINDOW}


def test_one_device_has_no_synchrony() -> None:
    """A holder of one device has a period and no synchrony."""
    rhythms = Rhythms(interval_seconds=1.0)
    play(rhythms, dips(20.0, 2.0))
    assert told(rhythms) == {*rhythm_metrics.METRICS} - {rhythm_metrics.RHYTHM_SYNCHRONY}


def test_what_stands_still_has_a_window_only() -> None:
    """Two devices at a constant load: it is told that they were seen, and nothing is made up."""
    rhythms = Rhythms(interval_seconds=1.0)
    play(rhythms, constant(0.97), constant(0.5))
    assert told(rhythms) == {rhythm_metrics.RHYTHM_WINDOW}


def test_devices_that_take_turns_are_not_synchronous() -> None:
    """Two devices half a period apart are at -1, and there is no common period."""
    rhythms = Rhythms(interval_seconds=1.0)
    play(rhythms, sine(20.0), sine(20.0, 10.0))
    assert of(rhythms, rhythm_metrics.RHYTHM_SYNCHRONY) == pytest.approx(-1)
    assert rhythm_metrics.RHYTHM_PERIOD not in told(rhythms)


def test_a_device_that_has_just_fallen_silent_widens_no_window() -> None:
    """While one of two devices has told nothing for some seconds, five minutes are known and no more."""
    rhythms = Rhythms(interval_seconds=1.0)
    play(rhythms, dips(20.0, 2.0), dips(20.0, 2.0), seconds=range(320))
    play(rhythms, dips(20.0, 2.0), seconds=range(320, 331))
    assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW) == 300


def test_each_model_is_told_apart() -> None:
    """A holder of two models has a rhythm for each."""
    rhythms, shapes = Rhythms(interval_seconds=1.0), (dips(20.0, 2.0), dips(30.0, 2.0))
    played = [a_series(shape, slots=331) for shape in shapes]
    for at in range(331):
        look(
            rhythms,
            at,
            *(an_interval(busy(played[n][at]), ALICE, gpu=f"GPU-{n}", accelerator=MODELS[n]) for n in range(2)),
        )
    periods = [total(rhythms.samples(*WHERE), rhythm_metrics.RHYTHM_PERIOD.name, accelerator=model) for model in MODELS]
    assert periods == pytest.approx([20, 30], abs=0.1)


def readings_of(ratio: float) -> Sequence[Reading]:
    """The same activity by one more signal each, from busy time alone to the tensor pipes."""
    power = 100 + 600 * ratio
    with_sm = a_reading(busy=0.5, power=300.0, sm_active_ratio=ratio)
    with_tensor = a_reading(busy=0.5, power=300.0, sm_active_ratio=0.5, tensor_active_ratio=ratio / 3)
    return busy(ratio), a_reading(busy=0.5, power=power), with_sm, with_tensor


@pytest.mark.parametrize(
    ("index", "signal"), [(0, "busy_ratio"), (1, "power_watts"), (2, "sm_active_ratio"), (3, "tensor_active_ratio")]
)
def test_the_best_signal_is_used_and_named(index: int, signal: str) -> None:
    """Every signal shows the dips; tensor pipes win over multiprocessors, those over power, that over busy time."""
    rhythms, dip = Rhythms(interval_seconds=1.0), dips(20.0, 2.0, 7.0)
    for at in range(331):
        look(rhythms, at, an_interval(readings_of(dip(at - 0.5))[index], ALICE))
    assert total(rhythms.samples(*WHERE), rhythm_metrics.RHYTHM_WINDOW.name, signal=signal) == 300
    assert of(rhythms, rhythm_metrics.RHYTHM_PERIOD) == pytest.approx(20, abs=0.1)
    assert phase_of(rhythms, 20.0) == pytest.approx(7, abs=0.6)


def test_a_signal_is_kept_and_a_better_one_begins_anew() -> None:
    """Where the tensor pipes are told from the second minute on, what is told from then on is theirs alone."""
    rhythms, dip = Rhythms(interval_seconds=1.0), dips(20.0, 2.0)
    for at in range(121):
        look(rhythms, at, an_interval(readings_of(dip(at - 0.5))[3 if at > 60 else 1], ALICE))
    assert total(rhythms.samples(*WHERE), rhythm_metrics.RHYTHM_WINDOW.name, signal="tensor_active_ratio") == 60
    look(rhythms, 121, an_interval(readings_of(0.9)[1], ALICE))
    assert of(rhythms, rhythm_metrics.RHYTHM_WINDOW) == 60


def test_a_device_that_tells_less_does_not_take_part() -> None:
    """Beside a device that tells of its tensor pipes, one that tells busy time only is left out."""
    rhythms, dip = Rhythms(interval_seconds=1.0), dips(20.0, 2.0)
    for at in range(331):
        known = readings_of(dip(at - 0.5))
        look(rhythms, at, an_interval(known[3], ALICE), an_interval(known[1], ALICE, gpu="GPU-1"))
    assert rhythm_metrics.RHYTHM_SYNCHRONY not in told(rhythms)
    assert total(rhythms.samples(*WHERE), rhythm_metrics.RHYTHM_WINDOW.name, signal="tensor_active_ratio") == 300


def test_each_of_many_holders_has_its_turn() -> None:
    """Of forty holders, more than are computed in 15 s, each is told within a minute."""
    rhythms = Rhythms(interval_seconds=1.0)
    for at in range(60):
        look(rhythms, at, *(an_interval(busy(0.5), a_holder(f"pod-{n}"), gpu=f"GPU-{n}") for n in range(40)))
    assert len([*rhythms.samples(*WHERE)]) == 40


class TestThroughTheDriver:
    """Through pynvml, the simulated driver and the loop, with a tick a second."""

    def metrics(self, collector: Collector) -> Mapping[contract.Metric, float]:
        """The rhythm of the one holder."""
        return {each.metric: each.value for each in collector.samples() if each.metric in rhythm_metrics.METRICS}

    @pytest.mark.parametrize("period", [20, 60])
    @pytest.mark.parametrize("product", [H100, "Tesla T4"])
    def test_training_steps_in_lockstep(self, tmp_path: Path, period: int, product: str) -> None:
        """Dips of 2 s at the end of each 20 s or 60 s are found on a board with tensor activity and on one without."""
        moment, signal = Moment(), TRAINING.replace("20s", f"{period}s")
        tables = (a_node(product=product), a_workload(a_pod(gpus=(0, 1), signal=signal)))
        with a_played_collector(tmp_path, *tables, moment=moment, interval_seconds=1.0) as collector:
            for moment.seconds in range(331):
                collector.tick()
            found = self.metrics(collector)
        assert found.keys() == {*rhythm_metrics.METRICS}
        assert found[rhythm_metrics.RHYTHM_PERIOD] == pytest.approx(period, abs=0.1)
        assert apart(found[rhythm_metrics.RHYTHM_PHASE], EPOCH + period - 1, period) < 0.6
        assert found[rhythm_metrics.RHYTHM_STRENGTH] > 0.9
        assert found[rhythm_metrics.RHYTHM_SYNCHRONY] > 0.95

    def test_two_pods_in_step_have_one_phase(self, tmp_path: Path) -> None:
        """Pods of two tenants that step together have troughs a multiple of the period apart."""
        moment, step = Moment(), TRAINING.replace("20s", "20.5s")
        tables = (a_node(), a_workload(a_pod("a", gpus=[0], signal=step), a_pod("b", gpus=[1], signal=step)))
        with a_played_collector(tmp_path, *tables, moment=moment, interval_seconds=1.0) as collector:
            for moment.seconds in range(331):
                collector.tick()
            one, other = (each.value for each in collector.samples() if each.metric is rhythm_metrics.RHYTHM_PHASE)
        assert apart(one, other, 20.5) < 0.2

    def test_serving_has_no_rhythm(self, tmp_path: Path) -> None:
        """In a quarter of an hour of serving no period is ever told, though it is looked for."""
        moment = Moment()
        tables = (a_node(), a_workload(a_pod(gpus=(0, 1), signal=SERVING)))
        with a_played_collector(tmp_path, *tables, moment=moment, interval_seconds=1.0) as collector:
            for moment.seconds in range(900):
                collector.tick()
                if moment.seconds % 15 == 1:
                    assert rhythm_metrics.RHYTHM_PERIOD not in self.metrics(collector)
            assert self.metrics(collector)[rhythm_metrics.RHYTHM_WINDOW] == 300

    def test_measured_training_steps_in_lockstep(self, tmp_path: Path) -> None:
        """Eight H100 that write a checkpoint every 100 steps have its period, which their busy time does not show."""
        source = recorded_data() / "gpu_series.parquet"
        if not source.exists():
            pytest.skip("no recorded series here; FLOPWATCH_RECORDED_DATA names the folder of gpu_series.parquet")
        pl.read_parquet(source).filter(pl.col("trace") == "h100_ckpt100").write_csv(tmp_path / "series.csv")
        signal = '{ kind = "recording", file = "series.csv", trace = "h100_ckpt100", loop = false }'
        moment, tables = Moment(), (a_node(gpus=8), a_workload(a_pod(gpus=range(8), signal=signal)))
        with a_played_collector(tmp_path, *tables, moment=moment, interval_seconds=1.0) as collector:
            for moment.seconds in range(616):
                collector.tick()
            found = self.metrics(collector)
            assert total(collector.samples(), rhythm_metrics.RHYTHM_WINDOW.name, signal="power_watts") == 300
        assert found[rhythm_metrics.RHYTHM_PERIOD] == pytest.approx(79.5, abs=1)
        assert found[rhythm_metrics.RHYTHM_SYNCHRONY] > 0.95

    def test_a_lost_device_leaves_the_others_rhythm(self, tmp_path: Path) -> None:
        """While one of two devices is lost the other one's period is told, and no synchrony."""
        moment = Moment()
        tables = (a_node(a_fault("gpu_lost", "200s", "2h", gpus=[0])), a_workload(a_pod(gpus=(0, 1), signal=TRAINING)))
        with a_played_collector(tmp_path, *tables, moment=moment, interval_seconds=1.0) as collector:
            for moment.seconds in range(331):
                collector.tick()
            found = self.metrics(collector)
        assert found[rhythm_metrics.RHYTHM_PERIOD] == pytest.approx(20, abs=0.1)
        assert rhythm_metrics.RHYTHM_SYNCHRONY not in found

    @pytest.mark.parametrize(
        ("left_out", "ticks_looked_at"),
        [(contract.DETAIL, 0), (frozenset(), 3), (contract.DETAIL - {rhythm_metrics.RHYTHM_WINDOW}, 3)],
        ids=["minimal", "full", "some of it"],
    )
    def test_what_is_not_served_is_not_looked_for(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        left_out: frozenset[contract.Metric],
        ticks_looked_at: int,
    ) -> None:
        """Where no series of the rhythm is on the page no tick takes any time for it."""
        looked: list[float] = []
        monkeypatch.setattr(Rhythms, "look", lambda self, _, *, at_unix, **__: looked.append(at_unix))
        moment, tables = Moment(), (a_node(), a_workload(a_pod()))
        with a_played_collector(tmp_path, *tables, moment=moment, left_out=left_out) as collector:
            for moment.seconds in (10, 20, 30):
                collector.tick()
            assert not self.metrics(collector)
        assert len(looked) == ticks_looked_at
