"""A node's devices over bad times: a driver that is let go of, and MIG layouts that cannot be read for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pynvml
import pytest
from support.drivers import ADriver, well
from support.nodes import ToldClock, a_collector
from support.odd_drivers import CountingDriver
from support.readings import total, values
from support.scenarios import H100, Moment, a_fault, a_node, a_pod, a_script, a_workload, an_instance, an_xid

from collector.contract import gpu_metrics, node_metrics
from collector.devices import InstanceLook, NodeDevices, Survey
from collector.nvml import Driver
from collector.nvml.errors import WHY_BY_CODE
from collector.pci import PciGpu, Vendor
from collector.readings import Absent, Reading, Why
from collector.simulated.driver import installed
from collector.simulated.playback import ScriptedHolders

RELEASED = Absent(Why.DRIVER_RELEASED)
LAYOUT = (an_instance(0, "3g.40gb", "0s", "60s"), an_instance(0, "1g.10gb"), an_instance(1, "1g.10gb"))


@contextmanager
def the_devices(
    folder: Path, *tables: str, moment: Moment, pci: Callable[[], tuple[PciGpu, ...]] = tuple
) -> Iterator[tuple[NodeDevices, CountingDriver]]:
    """The devices of a scenario's node, and the driver behind them that counts."""
    behind, clock = CountingDriver(a_script(folder, *tables), moment), ToldClock(moment)
    with installed(behind):
        devices = NodeDevices(partial(Driver.open, clock.elapsed_ns), clock, pci=pci)
        yield devices, behind
        devices.close()


def surveys(devices: NodeDevices, moment: Moment, *seconds: float) -> list[Survey]:
    """Surveys at these moments."""
    found = []
    for moment.seconds in seconds:
        found.append(devices.survey())
    return found


def layout(survey: Survey) -> dict[str, Why | None]:
    """The instances by profile, and why each was not read."""

    def why(look: InstanceLook) -> Why | None:
        return look.reading.reason if isinstance(look.reading, Absent) else None

    return {f"{look.identity.mig.profile}": why(look) for look in survey.instances.values() if look.identity.mig}


class TestRelease:
    """Somebody asks the collector to let go of the driver."""

    def test_everything_is_given_back_and_nothing_asked(self, tmp_path: Path) -> None:
        """Samples and event sets are freed, NVML is shut down, and until the time is over no call is made."""
        with the_devices(tmp_path, a_node(), moment=(moment := Moment(10))) as (devices, behind):
            surveys(devices, moment, 10, 11)
            assert behind.gpm_samples
            assert behind.event_sets
            devices.release(120)
            surveys(devices, moment, 12)
            assert (behind.gpm_samples, behind.event_sets, behind.is_initialised) == ({}, {}, False)
            assert behind.made["nvmlShutdown"] == behind.made["nvmlInitWithFlags"] == 1
            assert behind.made["nvmlEventSetFree"] == 2
            assert behind.made["nvmlGpmSampleFree"] == 4
            behind.made.clear()
            surveys(devices, moment, *range(13, 132))
            assert not behind.made
            (survey,) = surveys(devices, moment, 132)
            assert all(isinstance(reading, Reading) for reading in survey.readings.values())
            assert not survey.errors

    def test_every_gpu_is_lost_for_that_reason(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Readings, the node and the driver's version say that it was released; it is said once and is no failure."""
        with the_devices(tmp_path, a_node(), moment=(moment := Moment(10))) as (devices, _):
            surveys(devices, moment, 10)
            devices.release(60)
            survey, again = surveys(devices, moment, 20, 30)
        assert set(survey.readings.values()) == {RELEASED}
        assert len(survey.readings) == 2
        assert (survey.blind, survey.driver_version, survey.errors) == (RELEASED, RELEASED, {})
        assert again == survey
        told = [record.getMessage() for record in caplog.records]
        assert told == ["driver.released seconds=60", "node.blind reason=driver_released"]

    def test_it_may_be_asked_before_anything_was_read(self, tmp_path: Path) -> None:
        """The driver is not even opened, and the node is blind for that reason."""
        with the_devices(tmp_path, a_node(), moment=(moment := Moment(10))) as (devices, behind):
            devices.release(60)
            (survey,) = surveys(devices, moment, 10)
            assert not behind.made
        assert (survey.blind, survey.readings) == (RELEASED, {})

    def test_asked_again_the_time_begins_anew(self, tmp_path: Path) -> None:
        """The last request counts, from the look on that heeds it."""
        with the_devices(tmp_path, a_node(), moment=(moment := Moment(10))) as (devices, _):
            devices.release(60)
            surveys(devices, moment, 10, 60)
            devices.release(5)
            devices.release(60)
            blind = [survey.blind for survey in surveys(devices, moment, 65, 124, 125)]
        assert blind == [RELEASED, RELEASED, None]

    def test_it_is_taken_back_on_request(self, tmp_path: Path) -> None:
        """A request to take it back ends the time at once; without a release it changes nothing."""
        with the_devices(tmp_path, a_node(), moment=(moment := Moment(10))) as (devices, behind):
            devices.release(600)
            surveys(devices, moment, 10)
            devices.take_back()
            assert surveys(devices, moment, 20)[0].blind is None
            devices.take_back()
            assert surveys(devices, moment, 30)[0].blind is None
            assert behind.made["nvmlInitWithFlags"] == 1

    def test_after_the_time_it_is_opened_with_the_usual_back_off(self, tmp_path: Path) -> None:
        """A driver that is not back by then is tried at once and ever more seldom, and each failure is counted."""
        gone = a_fault("driver_gone", "20s", "100s")
        with the_devices(tmp_path, a_node(gone), moment=(moment := Moment(10))) as (devices, behind):
            surveys(devices, moment, 10)
            devices.release(30)
            surveys(devices, moment, 11)
            tried = []
            for moment.seconds in range(12, 120):
                before = behind.made["nvmlInitWithFlags"]
                survey = devices.survey()
                if behind.made["nvmlInitWithFlags"] > before:
                    tried.append(moment.seconds)
        assert tried == [41, 42, 44, 48, 56, 72, 104]
        assert survey.errors == {("nvmlInit", "NVML_ERROR_DRIVER_NOT_LOADED"): 6}

    def test_a_gpu_that_was_never_named_is_released_too(self, tmp_path: Path) -> None:
        """What the kernel's driver holds and nobody has named yet is lost with the driver, and counted once."""
        gpu = PciGpu(pci_bus_id="00000000:0A:00.0", vendor=Vendor.NVIDIA, accelerator="NVIDIA", driver="nvidia")
        nameless = a_fault("gpu_lost", "0s", "600s", gpus=[0])
        node = a_node(nameless, gpus=1)
        with the_devices(tmp_path, node, moment=(moment := Moment(10)), pci=lambda: (gpu,)) as (devices, _):
            devices.release(60)
            (never,) = surveys(devices, moment, 10)
            surveys(devices, moment, 70)
            devices.release(60)
            (known,) = surveys(devices, moment, 80)
        assert [each.why for each in never.unreadable] == [RELEASED]
        assert (never.unidentified, known.unidentified, known.unreadable) == ((), (RELEASED,), ())

    def test_what_was_recorded_just_before_is_told(self, tmp_path: Path) -> None:
        """An Xid error to which somebody reacts by a release is counted before the event set is freed."""
        node = a_node(an_xid(79, "12s", gpus=[0]), gpus=1)
        with the_devices(tmp_path, node, moment=(moment := Moment(10))) as (devices, _):
            surveys(devices, moment, 11)
            devices.release(5)
            (survey,) = surveys(devices, moment, 13)
            uuid = next(iter(survey.known))
        assert survey.blind == RELEASED
        assert survey.xid_errors == {(uuid, 79): 1}

    def test_a_release_that_ends_at_once_leaves_no_old_handle(self) -> None:
        """Two signals between two looks: the driver that is open then is asked anew which cards there are."""
        moment, names = Moment(1), iter(["GPU-before", "GPU-after"])

        def open_driver() -> Driver:
            name = next(names)
            return ADriver(lambda: [well(name)])

        devices = NodeDevices(open_driver, ToldClock(moment), pci=tuple)
        assert set(devices.survey().readings) == {"GPU-before"}
        devices.release(3)
        devices.take_back()
        moment.seconds = 2
        readings = devices.survey().readings
        assert isinstance(readings["GPU-after"], Reading)
        assert readings["GPU-before"] == Absent(Why.GPU_LOST)

    def test_the_time_is_on_the_books(self, tmp_path: Path) -> None:
        """Released seconds are lost for that reason, the holder keeps its device, and the books balance."""
        script = a_script(tmp_path, a_node(gpus=1), a_workload(a_pod()))
        behind, clock = CountingDriver(script, moment := Moment()), ToldClock(moment)
        asked = iter([False, False, True])
        with installed(behind):
            collector = a_collector(clock, ScriptedHolders(script, moment))
            for moment.seconds in (10, 20, 30, 40, 50, 60):
                if next(asked, False):
                    collector._devices.release(20)  # what a signal does, in another thread
                collector.tick()
        found = collector.samples()
        assert total(found, gpu_metrics.GPU_SECONDS.name, state="lost", reason="driver_released") == 20
        assert total(found, gpu_metrics.GPU_SECONDS.name) == total(found, gpu_metrics.GPU_PHYSICAL.name) == 60
        assert total(found, gpu_metrics.GPU_RESIDUAL.name) == 0
        assert not [name for name, *_ in values(found) if name == node_metrics.NVML_ERRORS.name]


def test_a_driver_that_opens_and_does_not_count_is_opened_ever_more_seldom(tmp_path: Path) -> None:
    """It is let go of and tried again as one that does not open; one that has answered is opened again at once."""
    with the_devices(tmp_path, a_node(), moment=(moment := Moment(10))) as (devices, behind):

        def openings(first: int, last: int) -> list[float]:
            tried = []
            for moment.seconds in range(first, last):
                before = behind.made["nvmlInitWithFlags"]
                devices.survey()
                if behind.made["nvmlInitWithFlags"] > before:
                    tried.append(moment.seconds)
            return tried

        behind.answers["nvmlDeviceGetCount_v2"] = 999
        assert openings(10, 80) == [10, 11, 13, 17, 25, 41, 73]
        assert not behind.is_initialised
        behind.answers.clear()
        assert openings(80, 150) == [133]
        behind.answers["nvmlDeviceGetCount_v2"] = 999
        assert openings(150, 170) == [154, 155, 157, 161, 169]


class TestLayouts:
    """MIG layouts of cards that cannot be read for a while."""

    def test_a_lost_card_keeps_its_last_layout(self, tmp_path: Path) -> None:
        """Its instances stay with the card's reason; when it answers again those that are no more are dropped."""
        node = a_node(*LAYOUT[:2], a_fault("gpu_lost", "50s", "70s", gpus=[0]), gpus=1)
        with the_devices(tmp_path, node, moment=(moment := Moment(10))) as (devices, _):
            before, lost, still, back = surveys(devices, moment, 40, 50, 69, 70)
        assert layout(before) == layout(back) | {"3g.40gb": None}
        assert layout(lost) == layout(still) == {"3g.40gb": Why.GPU_LOST, "1g.10gb": Why.GPU_LOST}
        assert layout(back) == {"1g.10gb": None}

    def test_other_cards_go_on(self, tmp_path: Path) -> None:
        """While one card is lost another's instances are read."""
        node = a_node(*LAYOUT[1:], a_fault("gpu_lost", "50s", "70s", gpus=[0]))
        with the_devices(tmp_path, node, moment=(moment := Moment(10))) as (devices, _):
            _, survey = surveys(devices, moment, 40, 50)
        by_card = {look.identity.index: isinstance(look.reading, Reading) for look in survey.instances.values()}
        assert by_card == {0: False, 1: True}

    @pytest.mark.parametrize("why", [Why.DRIVER_GONE, Why.DRIVER_RELEASED])
    def test_all_layouts_outlive_the_driver(self, tmp_path: Path, why: Why) -> None:
        """Without a driver every instance stays, not read for the driver's reason, and devices keep their names."""
        faults = (a_fault("driver_gone", "50s", "55s"),) if why is Why.DRIVER_GONE else ()
        with the_devices(tmp_path, a_node(*LAYOUT, *faults), moment=(moment := Moment(10))) as (devices, _):
            (before,) = surveys(devices, moment, 40)
            if why is Why.DRIVER_RELEASED:
                devices.release(5)
            (without,) = surveys(devices, moment, 50)
            named = devices.identities()
            assert devices.whole_cards() == {}
            (after,) = surveys(devices, moment, 61)
        assert set(without.instances) == set(before.instances)
        assert {look.reading for look in without.instances.values()} == {Absent(why)}
        assert without.inventory() == {H100: 2}
        assert len(named) == 2 + 3
        assert len(after.instances) == 2
        assert all(isinstance(look.reading, Reading) for look in after.instances.values())

    @pytest.mark.parametrize(
        "call", ["nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetUUID"]
    )
    def test_a_card_that_fails_to_tell_its_instances_keeps_its_layout(self, tmp_path: Path, call: str) -> None:
        """An error of any of the calls is not an empty layout: the instances stay, not read for that reason."""
        with the_devices(tmp_path, a_node(*LAYOUT[1:2], gpus=1), moment=(moment := Moment(10))) as (devices, behind):
            surveys(devices, moment, 10)
            behind.answers[call] = 999
            (unsure,) = surveys(devices, moment, 11)
            behind.answers.clear()
            (after,) = surveys(devices, moment, 12)
        assert layout(unsure) == {"1g.10gb": Why.DRIVER_ERROR}
        assert layout(after) == {"1g.10gb": None}
        assert isinstance(next(iter(unsure.readings.values())), Reading)

    @pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_NOT_SUPPORTED, 999])
    def test_an_instance_that_is_refused_leaves_the_others_read(self, tmp_path: Path, code: int) -> None:
        """It alone stays as it was known, not read for that reason, until the driver allows it."""
        with the_devices(tmp_path, a_node(*LAYOUT[:2], gpus=1), moment=(moment := Moment(10))) as (devices, behind):
            told = behind.nvmlDeviceGetMigDeviceHandleByIndex

            def refusing_the_first(card: object, index: Any, instance: object) -> int:
                return code if index.value == 0 and moment.seconds > 10 else told(card, index, instance)

            behind.nvmlDeviceGetMigDeviceHandleByIndex = refusing_the_first
            _, unsure, still = surveys(devices, moment, 10, 11, 12)
        reason = WHY_BY_CODE.get(code, Why.DRIVER_ERROR)
        assert layout(unsure) == layout(still) == {"3g.40gb": reason, "1g.10gb": None}

    def test_what_is_not_said_of_an_instance_is_nobodys_gain(self, tmp_path: Path) -> None:
        """The second in which a card fails to tell its instances is lost to their holder, and not unallocated."""
        script = a_script(tmp_path, a_node(LAYOUT[1], gpus=1), a_workload(a_pod(instances=[0])))
        behind, clock = CountingDriver(script, moment := Moment()), ToldClock(moment)
        with installed(behind):
            collector = a_collector(clock, ScriptedHolders(script, moment))
            for moment.seconds in (10, 20, 30):
                behind.answers = {"nvmlDeviceGetMigDeviceHandleByIndex": 999} if moment.seconds == 20 else {}
                collector.tick()
        found = collector.samples()
        part = 10 * 16 / 132
        seconds = partial(total, found, gpu_metrics.GPU_SECONDS.name)
        assert seconds(state="attributed") == pytest.approx(2 * part)
        assert seconds(state="lost", reason="driver_error") == pytest.approx(part)
        assert seconds(state="unallocated") == pytest.approx(30 - 3 * part)
        assert total(found, gpu_metrics.GPU_RESIDUAL.name) == 0

    def test_a_device_that_is_forgotten_takes_its_layout_along(self, tmp_path: Path) -> None:
        """The instances of a card that has vanished are nobody's."""
        node = a_node(*LAYOUT[1:], a_fault("driver_gone", "50s", "70s"))
        with the_devices(tmp_path, node, moment=(moment := Moment(10))) as (devices, _):
            (before,) = surveys(devices, moment, 40)
            gone = next(iter(before.known))
            surveys(devices, moment, 50)
            devices.forget([gone])
            (survey,) = surveys(devices, moment, 51)
        assert len(survey.instances) == 1
        assert gone not in {look.identity.mig.parent_uuid for look in survey.instances.values() if look.identity.mig}
