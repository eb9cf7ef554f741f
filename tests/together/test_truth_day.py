"""
A day on which everything goes wrong that can, and a collector that must come out with the truth.

The truth is worked out from the written day alone. Everything else is real: the driver's door through pynvml, the
kubelet over its socket, the API server over HTTP, the state file, the loop. Only time is told.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.truth_check import ACCURACY, ROUNDING, Checker
from support.truth_day import (
    ClockSet,
    Day,
    Death,
    Device,
    Instance,
    KubeletAway,
    LostCard,
    Pod,
    Span,
    irregular,
    random_deaths,
)
from support.truth_doors import MemoryDoors, RealDoors
from support.truth_played import Player
from support.truth_random import a_day
from support.truth_sums import Truth

from collector.accounting import Accounts, DeviceInterval

pytestmark = pytest.mark.timeout(600)  # the day itself takes some 40 s of a core, and cores are shared


HOUR, MINUTE = 3600, 60


def at(hour: int, minute: int = 0, second: int = 0) -> int:
    """A moment of the day."""
    return hour * HOUR + minute * MINUTE + second


def a_pod(name: str, start: int, end: int, *devices: Device, uid: str = "", **other: int) -> Pod:
    """A pod that holds these devices from start to end."""
    return Pod(name=name, uid=uid or f"uid-{name}", start=start, end=end, devices=devices, **other)


BOOT = Death(start=at(21), end=at(21, 6), boots=True)
IN_THE_OUTAGE = Death(start=at(14, 5), end=at(14, 6))
NOON = at(12)
SMALL = [
    Instance(card=card, profile="1g.10gb", multiprocessors=16, start=0, end=NOON) for card in (6, 7) for _ in range(7)
]
LARGE = [
    Instance(card=card, profile="3g.40gb", multiprocessors=60, start=NOON, end=at(24))
    for card in (6, 7)
    for _ in range(2)
]
PODS = (
    a_pod("pretrain", at(0, 10), at(23, 50), Device(card=0), Device(card=1)),
    # one GPU in time slices
    a_pod("slice-a", at(1), at(7), Device(card=2, replica=0)),
    a_pod("slice-b", at(3), at(9), Device(card=2, replica=1)),
    # one name after the other, and one who has finished and is listed on beside the next
    a_pod("churn", at(6), at(7, 30), Device(card=3), uid="uid-churn-1"),
    a_pod("churn", at(7, 31), at(9, 45), Device(card=3), uid="uid-churn-2"),
    a_pod("batch", at(10), at(12), Device(card=3), listed_until=at(13)),
    a_pod("next", at(12, 30), at(15), Device(card=3)),
    # deleted by force while its containers go on; one that comes while the API server is down
    a_pod("stuck", at(2), at(5), Device(card=4), deleted_at=at(4, 20)),
    a_pod("latecomer", at(14, 3), at(18), Device(card=4)),
    # on a GPU that falls off the bus
    a_pod("unlucky", at(13), at(20), Device(card=5)),
    # on instances: some of seven, one pod on two of them, and after noon on two larger ones
    a_pod("mig-0", at(2), at(11, 30), Device(card=6, instance=0)),
    a_pod("mig-1", at(3), at(11, 50), Device(card=6, instance=1), Device(card=6, instance=2)),
    a_pod("mig-2", at(4), at(11, 55), Device(card=7, instance=9)),
    a_pod("mig-3", at(12, 10), at(20), Device(card=6, instance=14)),
    a_pod("mig-4", at(12, 15), at(22), Device(card=6, instance=15)),
    a_pod("mig-5", at(13), at(23), Device(card=7, instance=17)),
)
DAY = Day(
    seconds=at(24),
    cards=8,
    grid=irregular(
        random.Random(1), (at(5), 40, 50), (at(9), 10, 20), (at(13), 20, 30), (at(18), 10, 20), (at(24), 40, 50)
    ),
    save_seconds=30,
    instances=(*SMALL, *LARGE),
    pods=PODS,
    lost=(LostCard(card=5, start=at(16), end=at(16, 15)),),
    driver_gone=(Span(start=at(17), end=at(17, 5)),),
    kubelet_away=(
        KubeletAway(start=at(5, 30), end=at(5, 30, 30)),
        KubeletAway(start=at(8), end=at(8, 5), forgetful_seconds=6),
        KubeletAway(start=at(21), end=at(21, 5)),
    ),
    api_down=(Span(start=at(14), end=at(14, 10)),),
    watch_expires=(at(11), at(12, 10)),
    clock_set=(ClockSet(at=at(18, 30), seconds=3600), ClockSet(at=at(19, 30), seconds=-3600)),
    deaths=tuple(
        sorted(
            (*random_deaths(random.Random(2), 12, at(24), [BOOT, IN_THE_OUTAGE]), BOOT, IN_THE_OUTAGE),
            key=lambda death: death.start,
        )
    ),
)


MORNING = Day(
    seconds=1200,
    cards=2,
    grid=tuple(range(0, 1201, 10)),
    pods=(a_pod("a", 100, 1100, Device(card=0)), a_pod("b", 200, 1200, Device(card=1))),
    deaths=(Death(start=800, end=830),),
)
EXPECTED = {
    ("attributed", ""),
    ("unallocated", ""),
    ("ambiguous", "shared"),
    ("ambiguous", "pod_unknown"),
    ("ambiguous", "kubelet_gone"),
    ("lost", "collector_down"),
    ("lost", "gpu_lost"),
    ("lost", "driver_gone"),
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    """What is left to say against the collector's pages at the end of the day."""
    folder = tmp_path_factory.mktemp("day")
    checker = Checker(Truth(DAY))
    Player(DAY, folder, partial(RealDoors, folder=folder)).play(checker)
    checker.finish()
    return checker


def test_no_page_of_the_day_contradicts_the_truth(played: Checker) -> None:
    """
    From look to look every counter grows by what the script allows, and by nothing else.

    That is: the balance is exact, nothing is counted twice, every second that could not be known is in the state and
    under the reason that the script has for it, no counter falls, and a holder's series begin with 0.
    """
    assert played.complaints == []
    assert played.looks > 3000


def test_every_holder_has_its_seconds(played: Checker) -> None:
    """Held seconds are within 0.5 % of those that are true and that a collector lived to see, pod by pod."""
    truth = {key: value for key, value in Truth(DAY).totals().items() if key[0] == "held"}
    alone = {pod.holder for pod in PODS}
    assert {key[1:] for key, value in truth.items() if value} == alone
    assert {key: played.found[key] for key in truth} == {key: pytest.approx(truth[key], rel=ACCURACY) for key in truth}


def test_a_tick_is_within_the_accuracy() -> None:
    """No pod is so short that a tick more or less is over 0.5 %: no tolerance beside it is needed."""
    distances = {after: after - before for before, after in pairwise(DAY.grid)}
    for pod in PODS:
        longest = max(distances[tick] for tick in DAY.grid if pod.start < tick <= pod.end + 50)
        assert longest <= ACCURACY * (pod.end - pod.start), pod.name


def test_all_that_happened_has_its_state(played: Checker) -> None:
    """Every state and reason of the day is there, no other is, and all of them are the day's physical seconds."""
    found = {key[1:]: value for key, value in played.found.items() if key[0] == "state"}
    assert set(found) == EXPECTED
    assert sum(found.values()) == pytest.approx(8 * Truth(DAY).end, abs=ROUNDING)


def test_what_could_not_be_known_is_as_long_as_the_script_says(played: Checker) -> None:
    """
    Lost and ambiguous seconds by their reasons, from the day as it is written, to a tick at each end of each stretch.

    A dead collector also loses what it had not saved; a driver that is back is found within a minute.
    """
    down = sum(death.end - death.start for death in DAY.deaths)
    wanted = {
        ("lost", "collector_down"): (8 * down, 8 * (down + len(DAY.deaths) * (DAY.save_seconds + DAY.longest_tick))),
        ("lost", "gpu_lost"): (15 * MINUTE - 30, 15 * MINUTE + 30),
        ("lost", "driver_gone"): (8 * (5 * MINUTE - 30), 8 * (6 * MINUTE + 30)),
        # of the outage of five minutes its last answer counts on for two; that of thirty seconds is not noticed at all
        ("ambiguous", "kubelet_gone"): (6 * (3 * MINUTE - 30), 8 * (3 * MINUTE + 30)),
    }
    for reason, (least, most) in wanted.items():
        assert least <= played.found["state", *reason] <= most, reason


def test_a_shared_gpu_is_counted_once_and_names_both(played: Checker) -> None:
    """Four hours in two time slices are four ambiguous hours, and all of them a candidate's for each of two pods."""
    truth = Truth(DAY).totals()
    assert truth["state", "ambiguous", "shared"] == pytest.approx(4 * HOUR), "nobody is killed meanwhile"
    assert played.found["state", "ambiguous", "shared"] == pytest.approx(4 * HOUR, rel=ACCURACY)
    for pod in PODS[1:3]:
        key = ("shared", *pod.holder)
        assert truth[key] >= 4 * HOUR
        assert played.found[key] == pytest.approx(truth[key], rel=ACCURACY)


def test_who_holds_an_instance_holds_it_while_the_driver_is_gone(tmp_path: Path) -> None:
    """Instances are known by the driver alone; while it is gone their holders hold them all the same."""
    device = Device(card=0, instance=0)
    day = Day(
        seconds=600,
        cards=1,
        grid=tuple(range(0, 601, 10)),
        pods=(a_pod("mig", 100, 600, device),),
        instances=(replace(SMALL[0], card=0, end=600),),
        driver_gone=(Span(start=200, end=400),),
    )
    checker = Checker(Truth(day))
    Player(day, tmp_path, MemoryDoors).play(checker)
    assert checker.complaints == []
    seen = {key[0]: value for key, value in checker.found.items() if key[1:] == day.pods[0].holder}
    whole = 500 * 16 / 132
    assert whole - 30 <= seen["held"] <= whole


@pytest.mark.parametrize("day", [DAY, MORNING], ids=["day", "morning"])
def test_the_truth_adds_up(day: Day) -> None:
    """The states of the truth are the physical seconds of all lives; the bounds of a step have its between them."""
    truth = Truth(day)
    lived = sum(life.saved[-1] - life.born for life in truth.lives)
    assert sum(value for key, value in truth.totals().items() if key[0] == "state") == pytest.approx(day.cards * lived)
    for step in truth.steps:
        least, most = (
            sum(value for key, value in bounds.items() if key[0] == "state") for bounds in truth.bounds(step)
        )
        assert least <= day.cards * (step.end - step.start) + ROUNDING
        assert most >= day.cards * (step.end - step.start) - ROUNDING


def test_the_truth_is_what_is_written() -> None:
    """Three pods by hand: whole cards by the hour, one instance by its multiprocessors, less the collector's deaths."""
    truth = Truth(replace(DAY, deaths=()))
    held, totals = truth.held_by_name(), truth.totals()
    assert held["pretrain"] == 2 * (23 * HOUR + 40 * MINUTE) == 170_400
    assert held["mig-1"] == pytest.approx((8 * HOUR + 50 * MINUTE) * 2 * 16 / 132)
    assert held["mig-5"] == pytest.approx(10 * HOUR * 60 / 132)
    unknown = 2 * 3 * MINUTE  # twice the kubelet is away for five minutes, and its last answer counts for two
    assert totals["held", *PODS[0].holder] == pytest.approx(held["pretrain"] - 2 * unknown, abs=2 * 2 * 30)
    assert totals["held", *PODS[1].holder] == 2 * HOUR


# Whether the truth can be missed: a collector with a defect is found out


INTERVAL = 60  # of both devices, 600 s into the morning


def dropped(intervals: Sequence[DeviceInterval]) -> Sequence[DeviceInterval]:
    """The first device is forgotten."""
    return intervals[1:]


def doubled(intervals: Sequence[DeviceInterval]) -> Sequence[DeviceInterval]:
    """The first device counts twice."""
    return (intervals[0], *intervals)


def swapped(intervals: Sequence[DeviceInterval]) -> Sequence[DeviceInterval]:
    """Each device's holder gets the other device's: here both have one, so the first has both."""
    return tuple(replace(each, attribution=intervals[0].attribution) for each in intervals)


def the_morning(folder: Path) -> Checker:
    """The morning, played and held against its truth."""
    checker = Checker(Truth(MORNING))
    Player(MORNING, folder, MemoryDoors).play(checker)
    checker.finish()
    return checker


def spoil(
    monkeypatch: pytest.MonkeyPatch, defect: Callable[[Sequence[DeviceInterval]], Sequence[DeviceInterval]]
) -> None:
    """Give the accounts this defect, for one interval."""
    right, calls = Accounts.integrate, count()

    def wrong(accounts: Accounts, elapsed_ns: int, intervals: Iterable[DeviceInterval]) -> None:
        whole = tuple(intervals)
        right(accounts, elapsed_ns, defect(whole) if next(calls) == INTERVAL else whole)

    monkeypatch.setattr(Accounts, "integrate", wrong)


def test_a_right_morning_has_nothing_against_it(tmp_path: Path) -> None:
    """Without a defect the same morning is clean."""
    assert the_morning(tmp_path).complaints == []


@pytest.mark.parametrize(
    ("defect", "residual", "states"),
    [(dropped, 10, "too little"), (doubled, -10, "too much")],
    ids=["dropped", "doubled"],
)
def test_an_interval_that_is_dropped_or_doubled_is_the_residual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defect: Callable[..., Sequence[DeviceInterval]],
    residual: float, states: str,
) -> None:  # fmt: skip
    """The residual on every later page, over a kill too, is exactly that interval of that device."""
    spoil(monkeypatch, defect)
    complaints = the_morning(tmp_path).complaints
    of_residual = [each for each in complaints if each.what == "residual"]
    assert {each.found for each in of_residual} == {residual}
    assert {each.at for each in of_residual} == {*range(600, 801, 10), *range(830, 1201, 10)}
    assert (states, ("state", "attributed", "")) in {(each.what, each.key) for each in complaints}
    assert (states, ("held", *MORNING.pods[0].holder)) in {(each.what, each.key) for each in complaints}


def test_a_second_that_is_anothers_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One interval under another holder's name leaves no residual, and is seen in the seconds of both."""
    spoil(monkeypatch, swapped)
    complaints = the_morning(tmp_path).complaints
    a, b = (("held", *pod.holder) for pod in MORNING.pods)
    assert {(each.what, each.key) for each in complaints if each.at == 600} == {("too much", a), ("too little", b)}
    assert {each.key for each in complaints if each.what == "at the end"} == {a, b}


# Days that nobody wrote


DAYS = 25
"""The same days each time: red means that something changed. tests/benchmarks/random_days.py looks for others."""


def test_no_random_day_contradicts_its_truth() -> None:
    """Pods, outages, faults, kills and MIG layouts in any order, on two cards over sixty ticks: the promises hold."""
    complaints = {}
    for seed in range(DAYS):
        day = a_day(random.Random(seed))
        checker = Checker(Truth(day))
        with TemporaryDirectory() as folder:
            Player(day, Path(folder), MemoryDoors).play(checker)
        if checker.complaints:
            complaints[seed] = checker.complaints
    assert complaints == {}
