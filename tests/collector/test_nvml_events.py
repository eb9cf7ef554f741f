from collections import Counter
from pathlib import Path

import pynvml
import pytest
from support.nodes import a_played_collector
from support.odd_drivers import OddDriver, a_counted_driver, an_odd_driver, answering
from support.readings import total
from support.scenarios import Moment, a_driver, a_fault, a_node, a_script, an_instance, an_xid

from collector.contract import gpu_metrics
from collector.nvml import Driver, xid_name
from collector.nvml.events import LOOKS_LEFT_OUT, MOST_PER_LOOK
from collector.readings import Absent, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed

FELL_OFF = (an_xid(79, "30s"), a_fault("gpu_lost", "30s", "60s", gpus=[0]))
UNKNOWN = answering(pynvml.NVML_ERROR_UNKNOWN)


def look(driver: Driver) -> dict[int, Counter[int]]:
    """Read all cards once, and then take their errors, by the cards' indices."""
    for card in driver.devices():
        driver.reading(card)
    return {handle.index: numbers for handle, numbers in driver.xid_errors().items()}


def looks(driver: Driver, moment: Moment, *seconds: float) -> dict[float, dict[int, Counter[int]]]:
    """The errors that looks at these moments find, where there are any."""
    found = {}
    for moment.seconds in seconds:
        found[moment.seconds] = look(driver)
    return {at: cards for at, cards in found.items() if cards}


def why_not(driver: Driver) -> Absent | None:
    """Why the first card does not report errors, if so."""
    return driver.cannot_tell(driver.devices()[0]).get("xid_errors")


def test_errors_are_counted_by_card_and_number(tmp_path: Path) -> None:
    """What was reported between two looks is what the second finds, each error once."""
    errors = (an_xid(31, "11s", gpus=[0, 1]), an_xid(31, "12s"), an_xid(94, "12s"), an_xid(45, "20s", gpus=[1]))
    with a_driver(a_script(tmp_path, a_node(*errors)), moment := Moment(10)) as driver:
        assert looks(driver, moment, 10, 11.5, 13, 14, 30, 40) == {
            11.5: {0: {31: 1}, 1: {31: 1}},
            13: {0: {31: 1, 94: 1}},
            30: {1: {45: 1}},
        }
        assert not driver.errors
        assert why_not(driver) is None


def test_what_came_before_the_first_reading_is_not_recorded(tmp_path: Path) -> None:
    """Recording begins with a card's first reading."""
    with a_driver(a_script(tmp_path, a_node(an_xid(13, "5s"))), moment := Moment(10)) as driver:
        assert driver.xid_errors() == {}
        assert looks(driver, moment, 10, 20) == {}


def test_no_event_is_no_error_and_costs_a_call(tmp_path: Path) -> None:
    """While nothing happens a card costs one call a look, and NVML's time-out is not counted as a failure."""
    with a_counted_driver(a_script(tmp_path, a_node()), moment := Moment(10)) as (driver, behind):
        assert looks(driver, moment, 10, 11) == {}
        behind.made.clear()
        look(driver)
        asked = {name: made for name, made in behind.made.items() if "EventSet" in name or "Events" in name}
        assert asked == {"nvmlEventSetWait_v2": 2}
        assert not driver.errors


def test_a_lost_card_tells_its_last_error_and_keeps_nobody_elses(tmp_path: Path) -> None:
    """The error that went with a card's loss is found; others report on; back again the card does too."""
    errors = (*FELL_OFF, an_xid(31, "40s", gpus=[1]), an_xid(13, "70s"))
    with a_driver(a_script(tmp_path, a_node(*errors)), moment := Moment(10)) as driver:
        assert looks(driver, moment, 10, 31, 41, 50, 61, 71) == {31: {0: {79: 1}}, 41: {1: {31: 1}}, 71: {0: {13: 1}}}
        assert [call for call, _ in driver.errors if "EventSet" in call] == []


def test_a_card_that_is_lost_while_it_is_registered_is_registered_when_it_is_back(tmp_path: Path) -> None:
    """A registration that the loss cut short leaves nothing behind, and is made up for."""
    behind = OddDriver(a_script(tmp_path, a_node(an_xid(13, "30s"))), moment := Moment(10))
    lost = [True]
    behind._odd["nvmlDeviceRegisterEvents"] = lambda *arguments: (
        int(pynvml.NVML_ERROR_GPU_IS_LOST)
        if lost[0]
        else SimulatedDriver.__getattr__(behind, "nvmlDeviceRegisterEvents")(*arguments)
    )
    with installed(behind), Driver.open(moment.elapsed_ns) as driver:
        assert driver.reading(driver.devices()[0]) == Absent(Why.GPU_LOST)
        assert driver.xid_errors() == {}
        lost[0] = False
        assert looks(driver, moment, 20, 31) == {31: {0: {13: 1}}}
        assert len(behind.event_sets) == 2
    assert not behind.event_sets


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("nvmlDeviceGetSupportedEventTypes", Why.NOT_SUPPORTED),
        ("nvmlEventSetCreate", Why.NOT_SUPPORTED),
        ("nvmlDeviceRegisterEvents", Why.NOT_SUPPORTED),
        ("nvmlEventSetWait_v2", Why.NOT_SUPPORTED),
        ("nvmlDeviceRegisterEvents", Why.NO_PERMISSION),
        ("nvmlDeviceRegisterEvents", Why.DRIVER_ERROR),
        ("nvmlEventSetWait_v2", Why.DRIVER_ERROR),
    ],
)
def test_a_driver_without_events_says_so_and_is_left_alone(tmp_path: Path, call: str, why: Why) -> None:
    """It is no error if it does not support them; a refusal is counted once, not look by look, and nothing is kept."""
    codes = {
        Why.NOT_SUPPORTED: pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        Why.NO_PERMISSION: pynvml.NVML_ERROR_NO_PERMISSION,
        Why.DRIVER_ERROR: pynvml.NVML_ERROR_UNKNOWN,
    }
    tables, moment = (a_node(an_xid(31, "11s"), gpus=1),), Moment(10)
    with an_odd_driver(tmp_path, *tables, moment=moment, **{call: answering(codes[why])}) as driver:
        assert looks(driver, moment, 10, 12, 13) == {}
        assert why_not(driver) == Absent(why)
        assert isinstance(driver.reading(driver.devices()[0]), Reading)
        assert sum(driver.errors.values()) == (0 if why is Why.NOT_SUPPORTED else 1)
        assert pynvml.nvmlLib.event_sets == {}


def test_a_refusal_is_tried_again_now_and_then(tmp_path: Path) -> None:
    """A driver that refused for a while records again, some looks later."""
    behind = OddDriver(a_script(tmp_path, a_node(gpus=1)), moment := Moment(10), nvmlEventSetCreate=UNKNOWN)
    with installed(behind), Driver.open(moment.elapsed_ns) as driver:
        look(driver)
        del behind._odd["nvmlEventSetCreate"]
        pynvml._nvmlGetFunctionPointer_cache.clear()
        for _ in range(LOOKS_LEFT_OUT - 1):
            look(driver)
        assert why_not(driver) == Absent(Why.DRIVER_ERROR)
        look(driver)
        assert why_not(driver) is None


def test_a_board_that_has_other_events_only_does_not_support_them(tmp_path: Path) -> None:
    """The driver's own list of what a board reports decides."""

    def no_xid(_device: object, types: object) -> int:
        types._obj.value = pynvml.nvmlEventTypePState  # type: ignore[attr-defined]  # a ctypes reference
        return 0

    with an_odd_driver(tmp_path, nvmlDeviceGetSupportedEventTypes=no_xid) as driver:
        look(driver)
        assert why_not(driver) == Absent(Why.NOT_SUPPORTED)
        assert pynvml.nvmlLib.event_sets == {}


def test_a_flood_is_taken_piece_by_piece(tmp_path: Path) -> None:
    """A card that reports without end is heard so often a look and no more; the rest waits."""
    flood = "".join(an_xid(13, "11s") for _ in range(MOST_PER_LOOK + 3))
    with a_driver(a_script(tmp_path, a_node(flood)), moment := Moment(10)) as driver:
        assert looks(driver, moment, 10, 12, 13, 14) == {12: {0: {13: MOST_PER_LOOK}}, 13: {0: {13: 3}}}


def test_a_card_in_mig_mode_reports_for_its_instances(tmp_path: Path) -> None:
    """Errors are the card's; its instances register nothing."""
    with a_driver(
        a_script(tmp_path, a_node(an_instance(0, "3g.40gb"), an_xid(94, "11s"))), moment := Moment(10)
    ) as driver:
        (instance,) = driver.instances(driver.devices()[0])  # type: ignore[misc]  # it is not absent
        driver.reading(instance)
        assert looks(driver, moment, 10, 12) == {12: {0: {94: 1}}}
        assert "xid_errors" not in driver.cannot_tell(instance)


def test_closing_frees_every_set(tmp_path: Path) -> None:
    """A closed driver has no event set, and another session records anew."""
    behind = SimulatedDriver(a_script(tmp_path, a_node(an_xid(31, "15s"), an_xid(31, "25s"))), moment := Moment(10))
    with installed(behind):
        with Driver.open(moment.elapsed_ns) as driver:
            look(driver)
            assert len(behind.event_sets) == 2
        assert not behind.event_sets
        moment.seconds = 20
        with Driver.open(moment.elapsed_ns) as driver:
            assert looks(driver, moment, 20, 30) == {30: {0: {31: 1}}}
        assert not driver.errors


def test_the_page_has_what_was_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Errors are a counter by GPU and number, and each is told in the log by the name that NVIDIA gives it."""
    moment = Moment()
    node = a_node(an_xid(79, "15s"), an_xid(79, "16s"), an_xid(31, "25s"), an_xid(500, "35s", gpus=[1]))
    with a_played_collector(tmp_path, node, moment=moment) as collector:
        for moment.seconds in (10, 20, 30, 40, 50):
            collector.tick()
        found = collector.samples()
    name = gpu_metrics.GPU_XID_ERRORS.name
    assert [total(found, name, xid=xid) for xid in ("79", "31", "500")] == [2, 1, 1]
    assert len([sample for sample in found if sample.metric is gpu_metrics.GPU_XID_ERRORS]) == 3
    told = [record.getMessage().partition("xid=")[2] for record in caplog.records if "gpu.xid" in record.getMessage()]
    assert told == [
        "79 count=2 name='GPU has fallen off the bus'",
        "31 count=1 name='GPU memory page fault'",
        '500 count=1 name="see NVIDIA\'s Xid catalogue"',
    ]


def test_a_board_without_events_has_no_count_and_says_so(tmp_path: Path) -> None:
    """Where the driver reports no errors the page has no number of them, and a series that says why."""
    behind = OddDriver(a_script(tmp_path, a_node(gpus=1)), moment := Moment(), nvmlEventSetCreate=None)
    with a_played_collector(tmp_path, a_node(gpus=1), moment=moment) as collector, installed(behind):
        collector.tick()
        found = collector.samples()
    assert total(found, gpu_metrics.GPU_UNSUPPORTED.name, field="xid_errors", reason="not_supported") == 1
    assert gpu_metrics.GPU_XID_ERRORS not in {sample.metric for sample in found}


def test_best_known_errors_have_names() -> None:
    """Those of NVIDIA's catalogue that are met most; any other says where to look."""
    assert xid_name(119) == "GSP RPC Timeout"
    assert xid_name(1000) == "see NVIDIA's Xid catalogue"
