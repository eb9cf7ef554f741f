from functools import partial
from pathlib import Path
from typing import Any

import pynvml
import pytest
from support.nodes import ToldClock
from support.odd_drivers import a_counted_driver, an_odd_driver
from support.scenarios import (
    H100,
    Moment,
    a_driver,
    a_fault,
    a_node,
    a_pod,
    a_scenario,
    a_script,
    a_workload,
    an_instance,
)

from collector.devices import NodeDevices
from collector.nvml import Driver
from collector.nvml.gpm import METRICS
from collector.readings import FIELD_NAMES, Absent, DeviceIdentity, MigInstance, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.scenario import ScenarioError, load_scenario

MIB = 2**20
CAPTURED = (an_instance(0, "3g.40gb"), an_instance(0, "2g.20gb"), an_instance(0, "1g.10gb"), an_instance(0, "1g.10gb"))
A100 = "NVIDIA A100-SXM4-80GB"
WORK = '{ kind = "constant", busy = 1, power = 1, memory = 0.5, tensor = 0.4 }'


def profiles(driver: Driver) -> list[str]:
    """The profiles of the first card's instances now."""
    identities = [driver.identity(instance) for instance in driver.instances(driver.devices()[0])]
    return [each.mig.profile for each in identities if isinstance(each, DeviceIdentity) and each.mig]


def test_instances_are_parts_of_their_card(tmp_path: Path) -> None:
    """A captured layout of an H100 comes back with ids, multiprocessors and memory, and all else of its card."""
    with a_driver(a_script(tmp_path, a_node(*CAPTURED)), Moment()) as driver:
        card = driver.devices()[0]
        whole = driver.identity(card)
        identities = [driver.identity(instance) for instance in driver.instances(card)]
        assert not driver.errors
    assert isinstance(whole, DeviceIdentity)
    found = [identity for identity in identities if isinstance(identity, DeviceIdentity)]
    assert [(each.mig.profile, each.mig.multiprocessors, each.mig.memory_bytes) for each in found if each.mig] == [
        ("3g.40gb", 60, 40448 * MIB),
        ("2g.20gb", 32, 20096 * MIB),
        ("1g.10gb", 16, 9984 * MIB),
        ("1g.10gb", 16, 9984 * MIB),
    ]
    assert len({identity.gpu_uuid for identity in found}) == 4
    assert {identity.multiprocessors for identity in (whole, *found)} == {132}
    first = found[0]
    assert isinstance(first.mig, MigInstance)
    assert (first.mig.parent_uuid, first.mig.gpu_instance_id, first.mig.compute_instance_id) == (whole.gpu_uuid, 1, 0)
    assert (first.accelerator, first.serial, first.pci_bus_id) == (whole.accelerator, whole.serial, whole.pci_bus_id)


@pytest.mark.parametrize("product", [H100, "Tesla T4"])
def test_a_whole_card_has_no_instances(tmp_path: Path, product: str) -> None:
    """Neither has a card that could be cut, nor one that cannot; the latter is asked once."""
    with a_counted_driver(a_script(tmp_path, a_node(product=product, gpus=1)), Moment()) as (driver, behind):
        for _ in range(3):
            assert [driver.instances(card) for card in driver.devices()] == [()]
        assert behind.made["nvmlDeviceGetMigMode"] == (3 if product == H100 else 1)
        assert not driver.errors


def test_an_instance_reads_its_memory_and_its_metrics(tmp_path: Path) -> None:
    """Work on one instance shows on that one in full, on its card by its part, and not on the other."""
    node = a_node(an_instance(0, "3g.40gb"), an_instance(0, "1g.10gb"))
    script = a_script(tmp_path, node, a_workload(a_pod(instances=[0], signal=WORK)))
    with a_driver(script, moment := Moment(10)) as driver:
        card = driver.devices()[0]
        devices = (*driver.instances(card), card)
        readings = [driver.reading(device) for device in devices]
        moment.seconds = 11
        readings = [driver.reading(device) for device in devices]
        assert not driver.errors
    works, rests, whole = (reading for reading in readings if isinstance(reading, Reading))
    assert works.tensor_active_ratio == pytest.approx(0.4)
    assert works.memory_used_bytes == 27 * MIB + 40448 * MIB // 2
    assert (rests.tensor_active_ratio, rests.memory_used_bytes) == (0.0, 9 * MIB)
    assert whole.tensor_active_ratio == pytest.approx(0.4 * 60 / 132)
    assert whole.power_watts == pytest.approx(70 + 630 * 60 / 132, abs=0.001)


def test_an_instance_has_nothing_else(tmp_path: Path) -> None:
    """Power, energy, clocks and links are the card's; busy time is the instance's, and no longer the card's."""
    with a_driver(a_script(tmp_path, a_node(*CAPTURED)), moment := Moment(10)) as driver:
        card = driver.devices()[0]
        instance = driver.instances(card)[0]
        driver.reading(instance)
        moment.seconds = 11
        reading, whole = driver.reading(instance), driver.reading(card)
    assert isinstance(reading, Reading)
    assert isinstance(whole, Reading)
    shares = {metric.field for metric in METRICS if metric.field.endswith("_ratio")}
    present = {name for name in FIELD_NAMES if not isinstance(getattr(reading, name), Absent)}
    assert present == {"memory_used_bytes", "busy_ratio"} | shares
    assert whole.busy_ratio == Absent(Why.NOT_SUPPORTED)
    assert whole.power_watts == 70.0


def test_before_hopper_an_instance_is_memory_alone(tmp_path: Path) -> None:
    """An instance of an A100 says how much memory is used."""
    node = a_node(an_instance(0, "3g.40gb"), product=A100)
    with a_driver(a_script(tmp_path, node), moment := Moment(10)) as driver:
        instance = driver.instances(driver.devices()[0])[0]
        driver.reading(instance)
        moment.seconds = 11
        reading = driver.reading(instance)
        assert not driver.errors
    assert isinstance(reading, Reading)
    assert [name for name in FIELD_NAMES if not isinstance(getattr(reading, name), Absent)] == ["memory_used_bytes"]


def test_a_new_layout_is_seen_at_the_next_look(tmp_path: Path) -> None:
    """Instances that are destroyed vanish, others appear, and what was kept for the former is freed."""
    node = a_node(
        an_instance(0, "3g.40gb", "0s", "60s"),
        an_instance(0, "4g.40gb"),
        an_instance(0, "1g.10gb", "90s", "120s"),
    )
    behind = SimulatedDriver(a_script(tmp_path, node), moment := Moment())
    with installed(behind), Driver.open(moment.elapsed_ns) as driver:
        seen, kept = [], []
        for moment.seconds in (1, 59, 60, 90, 120):
            seen.append(profiles(driver))
            for instance in driver.instances(driver.devices()[0]):
                assert isinstance(driver.reading(instance), Reading)
            kept.append(len(behind.gpm_samples))
        assert not driver.errors
    assert seen == [["3g.40gb", "4g.40gb"], ["3g.40gb", "4g.40gb"], ["4g.40gb"], ["4g.40gb", "1g.10gb"], ["4g.40gb"]]
    assert kept == [4, 4, 2, 4, 2]
    assert not behind.gpm_samples


def test_a_survey_has_the_instances_there_are(tmp_path: Path) -> None:
    """A node's survey lists the instances of the moment with their readings, and counts the cards alone."""
    node = a_node(
        an_instance(0, "3g.40gb", "0s", "60s"),
        an_instance(1, "1g.10gb"),
        a_fault("driver_gone", "90s", "100s"),
    )
    script = a_script(tmp_path, node, a_workload(a_pod(instances=[1], signal=WORK)))
    with installed(SimulatedDriver(script, moment := Moment())):
        clock = ToldClock(moment)
        devices = NodeDevices(partial(Driver.open, clock.elapsed_ns), clock, pci=tuple)
        seen = {}
        for moment.seconds in (10, 11, 60, 95):
            survey = devices.survey()
            seen[moment.seconds] = set(survey.instances)
            assert survey.inventory() == {H100: 2}
        moment.seconds = 110
        survey = devices.survey()
        devices.close()
    first, second = (instance.mig_uuid for instance in script.instances)
    assert seen == {10: {first, second}, 11: {first, second}, 60: {second}, 95: {second}}
    reading = survey.instances[second].reading
    assert isinstance(reading, Reading)
    assert reading.memory_used_bytes == 9 * MIB + 9984 * MIB // 2
    assert survey.unread(Why.LATE_TICK).instances[second].reading == Absent(Why.LATE_TICK)


def test_a_card_that_does_not_answer_keeps_its_instances(tmp_path: Path) -> None:
    """While driver or card are gone the instances are known, for somebody holds them; once it answers, those there."""
    node = a_node(
        an_instance(0, "3g.40gb", "0s", "60s"),
        an_instance(1, "1g.10gb"),
        a_fault("driver_gone", "20s", "30s"),
        a_fault("gpu_lost", "50s", "70s", gpus=[0, 1]),
    )
    script = a_script(tmp_path, node)
    with installed(SimulatedDriver(script, moment := Moment())):
        clock = ToldClock(moment)
        devices = NodeDevices(partial(Driver.open, clock.elapsed_ns), clock, pci=tuple)
        known = {}
        for moment.seconds in (10, 25, 40, 65, 70):
            devices.survey()
            known[moment.seconds] = [each.gpu_uuid for each in devices.identities() if each.mig is not None]
        devices.close()
    first, second = (instance.mig_uuid for instance in script.instances)
    assert known.pop(70) == [second]
    assert list(known.values()) == [[first, second]] * 4


def test_a_destroyed_instance_reads_nothing(tmp_path: Path) -> None:
    """A handle that outlived its instance is an absence, and never another instance's reading."""
    node = a_node(an_instance(0, "3g.40gb", "0s", "60s"), an_instance(0, "3g.40gb", "60s", "90s"))
    with a_driver(a_script(tmp_path, node), moment := Moment(59)) as driver:
        card = driver.devices()[0]
        (before,) = driver.instances(card)
        driver.reading(before)
        moment.seconds = 61
        reading = driver.reading(before)
        assert isinstance(reading, Reading)
        assert isinstance(reading.or_absent(), Absent)
        (after,) = driver.instances(card)
        assert after != before


def test_an_address_that_is_used_again_is_another_instance(tmp_path: Path) -> None:
    """Two instances that had the same handle one after the other are told apart by their UUIDs."""
    with a_driver(a_script(tmp_path, a_node(*CAPTURED)), Moment()) as driver:
        first, second, *_ = driver.instances(driver.devices()[0])
    assert len({first, second}) == 2
    assert first.mig_uuid != second.mig_uuid


def test_a_lost_card_has_no_instances_to_read(tmp_path: Path) -> None:
    """While the card is lost its instances read GPU_LOST and cannot be listed; afterwards they are there again."""
    node = a_node(a_fault("gpu_lost", "10s", "20s", gpus=[0]), *CAPTURED)
    with a_driver(a_script(tmp_path, node), moment := Moment(5)) as driver:
        card = driver.devices()[0]
        instance = driver.instances(card)[0]
        driver.reading(instance)
        moment.seconds = 15
        assert driver.reading(instance) == driver.identity(instance) == Absent(Why.GPU_LOST)
        assert driver.instances(card) == driver.instances(driver.devices()[0]) == Absent(Why.GPU_LOST)
        moment.seconds = 25
        assert len(driver.instances(card)) == 4


def test_a_change_of_mode_is_found_out_anew(tmp_path: Path) -> None:
    """A card that leaves MIG mode says again how busy it is."""
    enabled = [1]

    def mode(_device: object, current: Any, pending: Any) -> int:
        current._obj.value = pending._obj.value = enabled[0]
        return 0

    def rates(_device: object, found: Any) -> int:
        found._obj.gpu = 25
        return int(pynvml.NVML_ERROR_NOT_SUPPORTED) if enabled[0] else 0

    odd = {"nvmlDeviceGetMigMode": mode, "nvmlDeviceGetUtilizationRates": rates, "nvmlDeviceGetSamples": None}
    with an_odd_driver(tmp_path, **odd) as driver:
        busy = []
        for enabled[0] in (1, 0, 0):
            card = driver.devices()[0]
            reading = driver.reading(card)
            assert isinstance(reading, Reading)
            busy.append(reading.busy_ratio)
    assert busy == [Absent(Why.NOT_SUPPORTED), 0.25, 0.25]


def test_a_card_that_does_not_say_its_mode_has_not_changed_it(tmp_path: Path) -> None:
    """An error of the mode is counted, and what was known of the card stays known."""
    codes = [0]

    def mode(_device: object, current: Any, pending: Any) -> int:
        current._obj.value = pending._obj.value = 1
        return codes[0]

    script = (a_node(an_instance(0, "1g.10gb"), gpus=1),)
    with an_odd_driver(tmp_path, *script, nvmlDeviceGetMigMode=mode) as driver:
        found = []
        for codes[0] in (0, int(pynvml.NVML_ERROR_UNKNOWN), 0):
            found.append(driver.instances(driver.devices()[0]))
        assert driver.errors == {("nvmlDeviceGetMigMode", "NVML_ERROR_UNKNOWN"): 1}
    assert len(found[0]) == 1
    assert found[0] == found[1] == found[2]


def test_whoever_holds_an_instance_holds_it_by_its_own_uuid(tmp_path: Path) -> None:
    """Holders are told under the instance's UUID, and not under its card's."""
    node = a_node(an_instance(0, "3g.40gb"), an_instance(1, "1g.10gb"))
    script = a_script(tmp_path, node, a_workload(a_pod(instances=[1])))
    holders = script.holders(10)
    assert not isinstance(holders, Absent)
    assert list(holders) == [script.instances[1].mig_uuid]


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ((an_instance(0, "9g.90gb"),), "not one of this product's: 1g.10gb"),
        ((an_instance(2, "1g.10gb"),), "whole number from 0 to 1"),
        ((an_instance(0, "4g.40gb"), an_instance(0, "4g.40gb")), "needs 8 slices at 0 s"),
        ((an_instance(0, "7g.80gb", "0s", "60s"), an_instance(0, "1g.10gb", "59s", "90s")), "needs 8 slices at 59 s"),
        ((an_instance(0, "7g.80gb", "60s", "0s"),), "must be after from"),
    ],
)
def test_a_wrong_layout_says_what_to_do(tmp_path: Path, tables: tuple[str, ...], problem: str) -> None:
    """A profile that is not there, a card that is not there, and more than fits are mistakes with their place."""
    with pytest.raises(ScenarioError, match=problem):
        load_scenario(a_scenario(tmp_path, a_node(*tables)))


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        (a_pod(instances=[1], end="60s"), "no MIG instance 1; it has 0 to 0"),
        (a_pod(instances=[0], end="61s"), "0 is there from 0 s to 60 s"),
    ],
)
def test_a_pod_on_an_instance_that_is_not_there_is_a_mistake(tmp_path: Path, pod: str, problem: str) -> None:
    """A pod has an instance only as long as there is one."""
    with pytest.raises(ScenarioError, match=problem):
        load_scenario(a_scenario(tmp_path, a_node(an_instance(0, "1g.10gb", "0s", "60s")), a_workload(pod)))


def test_instances_may_follow_each_other(tmp_path: Path) -> None:
    """What would not fit at once fits one after the other."""
    tables = (an_instance(0, "7g.80gb", "0s", "60s"), an_instance(0, "7g.80gb", "60s", "90s"))
    assert len(a_script(tmp_path, a_node(*tables)).instances) == 2
