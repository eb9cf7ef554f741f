import itertools
import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.readings import (
    SECOND,
    a_holder,
    a_reading,
    accounts_of,
    an_interval,
    durations_ns,
    published,
    readings,
    total,
    values,
)

from collector import contract
from collector.accounting import Absent, Accounts, HolderTotals, Reading, Why
from collector.contract import holder_metrics
from collector.meters import ACTIVITIES, ENERGY, LEVELS, MeteredTotals, Meters
from collector.state.plain import from_plain, to_plain

A, B = a_holder("pod-0"), a_holder("pod-1")
ACTIVITY_NAMES = {metric.name for metric in holder_metrics.HOLDER_ACTIVITY}
steps = st.lists(st.tuples(durations_ns, readings), max_size=6)
Steps = list[tuple[int, Reading | Absent]]


def an_h100(**different: object) -> Reading:
    """A reading of a board that can tell everything, at work."""
    known: dict[str, object] = {
        "sm_active_ratio": 0.75,
        "tensor_active_ratio": 0.5,
        "tensor_hmma_active_ratio": 0.25,
        "tensor_imma_active_ratio": 0.125,
        "tensor_dfma_active_ratio": 0.0,
        "dram_active_ratio": 0.375,
        "nvlink_receive_bytes_per_second": 100.0,
        "nvlink_transmit_bytes_per_second": 200.0,
        "pcie_receive_bytes_per_second": 10.0,
        "pcie_transmit_bytes_per_second": 20.0,
    }
    return a_reading(**(known | different))  # type: ignore[arg-type]


def metered(steps: Steps) -> list[MeteredTotals]:
    """The totals after each of the steps of one device."""
    meters, totals, found = Meters(), MeteredTotals(), [MeteredTotals()]
    for elapsed_ns, reading in steps:
        totals.add(meters.over("GPU-0", elapsed_ns, reading))
        found.append(replace(totals))
    return found


def activity(accounts: Accounts, **labels: str) -> dict[str, float]:
    """What the accounts serve of activity, by metric without prefix; sums over the series with these labels."""
    found = list(accounts.samples("node-a", "measured"))
    names = {sample.metric.name for sample in found} & ACTIVITY_NAMES
    return {name.removeprefix("flopwatch_holder_"): total(found, name, **labels) for name in names}


@given(steps)
def test_totals_never_fall(steps: Steps) -> None:
    """Whatever is read, also counters that fall, no total is ever less than it was."""
    for before, after in itertools.pairwise(metered(steps)):
        assert all(getattr(after, each.name) >= getattr(before, each.name) for each in fields(MeteredTotals))


@given(steps)
def test_active_is_within_observed_and_observed_within_held(steps: Steps) -> None:
    """Active ≤ observed ≤ elapsed, for every kind of activity."""
    totals, elapsed_ns = metered(steps)[-1], sum(elapsed_ns for elapsed_ns, _ in steps)
    for each in ACTIVITIES:
        assert getattr(totals, each.observed) <= elapsed_ns
        if each.total.endswith("_active_ns"):
            assert getattr(totals, each.total) <= getattr(totals, each.observed)


@given(steps=steps, where=st.integers(0, 6))
def test_adding_is_associative(steps: Steps, where: int) -> None:
    """What was metered before and after any moment, added up apart and then together, is what was metered in one go."""
    meters = Meters()
    amounts = [meters.over("GPU-0", elapsed_ns, reading) for elapsed_ns, reading in steps]
    early, late, whole = MeteredTotals(), MeteredTotals(), MeteredTotals()
    for totals, some in ((early, amounts[:where]), (late, amounts[where:]), (whole, amounts[::-1])):
        for amount in some:
            totals.add(amount)
    early.add(to_plain(late))
    assert early == whole == metered(steps)[-1]


@pytest.mark.parametrize(
    ("counters", "received", "seconds"),
    [
        ([1000, 1700], 100 + 700, 2.0),
        ([1000, 20, 50], 100 + 100 + 30, 3.0),
        ([1000, 1000], 100 + 0, 2.0),
        ([1000, Absent(Why.DRIVER_ERROR), 90_000], 3 * 100, 3.0),
    ],
    ids=["counter", "falls", "still", "gap"],
)
def test_bytes_are_the_counters_or_rate_times_time(counters: list[int | Absent], received: int, seconds: float) -> None:
    """The counter's difference where two readings in a row have it and it did not fall, else the rate."""
    history = [(SECOND, [an_interval(an_h100(nvlink_received_bytes=each), A)]) for each in counters]
    found = activity(accounts_of(*history), direction="receive")
    assert (found["nvlink_bytes_total"], found["nvlink_observed_seconds_total"]) == (received, seconds)
    assert activity(accounts_of(*history), direction="transmit")["nvlink_bytes_total"] == 200 * seconds


def test_a_counter_without_a_rate_counts_from_its_second_reading() -> None:
    """Of a board that counts bytes and tells no rate, the first interval is not observed, and not 0 either."""
    first, second = (a_reading(pcie_received_bytes=at) for at in (5000, 5600))
    assert not [name for name in activity(accounts_of((SECOND, [an_interval(first, A)]))) if "pcie" in name]
    found = activity(accounts_of((SECOND, [an_interval(first, A)]), (SECOND, [an_interval(second, A)])))
    assert (found["pcie_bytes_total"], found["pcie_observed_seconds_total"]) == (600, 1.0)


def test_what_the_device_did_is_its_holders() -> None:
    """Ten seconds of a board that can tell everything: every share times the time, by pipe and direction."""
    accounts = accounts_of((10 * SECOND, [an_interval(an_h100(), A)]))
    found = activity(accounts)
    assert found["sm_active_seconds_total"] == 7.5
    assert found["tensor_active_seconds_total"] == 5.0
    assert found["dram_active_seconds_total"] == 3.75
    pipes = [activity(accounts, pipe=pipe) for pipe in ("hmma", "imma", "dfma")]
    assert [each["tensor_pipe_active_seconds_total"] for each in pipes] == [2.5, 1.25, 0.0]
    assert [each["tensor_pipe_observed_seconds_total"] for each in pipes] == [10.0] * 3
    assert activity(accounts, direction="transmit")["pcie_bytes_total"] == 200
    assert found.keys() == {name.removeprefix("flopwatch_holder_") for name in ACTIVITY_NAMES}


def test_the_variance_of_power_can_be_had() -> None:
    """Mean square less squared mean: of 300 W and 500 W for as long, 100 W squared."""
    history = [(SECOND, [an_interval(a_reading(power=watts), A)]) for watts in (300.0, 500.0)]
    accounts = accounts_of(*history)
    found, samples = activity(accounts), list(accounts.samples("node-a", "measured"))
    mean = total(samples, holder_metrics.ENERGY.name) / total(samples, holder_metrics.ENERGY_OBSERVED.name)
    square = found["power_square_watt2_seconds_total"] / found["power_observed_seconds_total"]
    assert square - mean**2 == 100.0**2


def test_what_cannot_be_told_has_no_series() -> None:
    """A board that tells nothing but its memory has no other series of activity, and no zeros."""
    nothing = Absent(Why.NOT_SUPPORTED)
    accounts = accounts_of((SECOND, [an_interval(a_reading(power=nothing, busy=nothing), A)]))
    assert activity(accounts).keys() == {"memory_byte_seconds_total", "memory_observed_seconds_total"}


def test_what_was_told_once_keeps_its_series() -> None:
    """A board that is lost later leaves what it had told, and its observed time stands still."""
    lost = (SECOND, [an_interval(Absent(Why.GPU_LOST), A)])
    found = activity(accounts_of((SECOND, [an_interval(an_h100(), A)]), lost))
    assert (found["tensor_active_seconds_total"], found["tensor_observed_seconds_total"]) == (0.5, 1.0)


def test_nothing_is_counted_of_what_is_shared() -> None:
    """Two holders of one device have no activity from it, and the counters are read on for whoever comes after."""
    shared = (SECOND, [an_interval(an_h100(nvlink_received_bytes=100), A, B)])
    assert activity(accounts_of(shared)) == {}
    alone = (SECOND, [an_interval(an_h100(nvlink_received_bytes=170), A)])
    assert activity(accounts_of(shared, alone), direction="receive")["nvlink_bytes_total"] == 70


def test_newcomers_activity_begins_at_zero() -> None:
    """What a holder did before a page had it stands there as 0, with all its series, until it has begun."""
    accounts = accounts_of((SECOND, [an_interval(an_h100(), A)]))
    before = values(published(accounts))
    accounts.begin()
    after = values(published(accounts))
    assert before.keys() == after.keys()
    assert {value for (name, *_), value in before.items() if name in ACTIVITY_NAMES} == {0.0}


def test_every_quantity_has_its_fields() -> None:
    """Every quantity goes to totals that exist, no two to the same, and none of the totals is left out."""
    named = [name for each in (ENERGY, *ACTIVITIES) for name in (each.total, each.observed)]
    named += [f"level_{level}_ns" for level in LEVELS]
    assert sorted(named) == sorted(each.name for each in fields(MeteredTotals))


@pytest.mark.parametrize(
    ("busy", "sm", "level"),
    [(0.04, None, "idle"), (0.05, None, "low"), (0.5, None, "high"), (0.9, None, "full"), (1.0, 0.3, "low")],
)
def test_time_is_counted_by_level(busy: float, sm: float | None, level: str) -> None:
    """Every known second goes to one level: by the multiprocessors where they are told, else by the busy time."""
    reading = a_reading(busy=busy) if sm is None else a_reading(busy=busy, sm_active_ratio=sm)
    samples = accounts_of((10 * SECOND, [an_interval(reading, A)])).samples("node-a", "measured")
    found = {each.label_values[-1]: each.value for each in samples if each.metric is holder_metrics.ACTIVITY_LEVEL}
    assert found == dict.fromkeys(LEVELS, 0.0) | {level: 10.0}


def test_a_part_of_a_card_counts_by_its_part() -> None:
    """An instance with a quarter of the card, half of it at work: shares of time by its part, bytes as they are."""
    part = replace(an_interval(an_h100(memory=100), A), part_ns=25 * SECOND)
    rest = replace(an_interval(an_h100()), part_ns=75 * SECOND)
    accounts = Accounts()
    accounts.advance(100 * SECOND, {part.accelerator: 1})
    accounts.integrate(100 * SECOND, [part, rest])
    samples = list(accounts.samples("node-a", "measured"))
    assert total(samples, holder_metrics.HELD.name) == total(samples, holder_metrics.MEMORY_OBSERVED.name) == 25
    assert activity(accounts)["sm_active_seconds_total"] == 0.75 * 25
    assert total(samples, holder_metrics.MEMORY.name) == 100 * 100
    assert activity(accounts, direction="receive")["pcie_bytes_total"] == 10 * 100
    assert accounts.residual_ns(part.accelerator) == 0


def test_a_state_without_activity_is_one_that_observed_none() -> None:
    """A state file from before activity was counted is read; its holders have observed nothing of it."""
    plain = {name: value for name, value in to_plain(HolderTotals(sole_ns=7)).items() if "active" not in name}
    del plain["tensor_observed_ns"]
    assert from_plain(HolderTotals, json.loads(json.dumps(plain))) == HolderTotals(sole_ns=7)


@pytest.mark.parametrize("metric", holder_metrics.HOLDER_ACTIVITY, ids=lambda metric: metric.name)
def test_activity_is_apart_from_what_the_centre_requires(metric: contract.Metric) -> None:
    """No series of activity is among those that every holder must have; each has at most twelve labels."""
    assert metric not in holder_metrics.HOLDER_COUNTERS
    assert len(metric.labels) <= 12


def test_what_begins_later_begins_at_zero_too() -> None:
    """A holder that shares for the first time after its page has stood shows 0 shared seconds first."""
    alone, shared = (SECOND, [an_interval(a_reading(), A)]), [an_interval(a_reading(), A, B)]
    accounts = accounts_of(alone)
    accounts.begin()
    accounts.integrate(SECOND, shared)
    first = published(accounts)
    assert [each.value for each in first if each.metric is holder_metrics.SHARED] == [0.0, 0.0]
    assert max(each.value for each in first if each.metric is holder_metrics.HELD) == 1.0
    accounts.begin()
    then = published(accounts)
    assert [each.value for each in then if each.metric is holder_metrics.SHARED] == [1.0, 1.0]


@pytest.mark.parametrize("counter", ["energy_joules", "nvlink_received_bytes", "pcie_transmitted_bytes"])
def test_a_counter_says_nothing_of_the_time_its_device_was_not_there(counter: str) -> None:
    """A card that was cut into instances for an hour gives its next holder nothing of what it counted meanwhile."""
    quiet = replace(an_h100(nvlink_receive_bytes_per_second=0.0, pcie_transmit_bytes_per_second=0.0), power_watts=0.0)
    before, after = (replace(quiet, **{counter: amount}) for amount in (1000, 5_000_000))  # type: ignore[arg-type]
    accounts = accounts_of(
        (SECOND, [an_interval(before, A)]),
        (3600 * SECOND, [an_interval(an_h100(), A, gpu="MIG-0")]),
        (SECOND, [an_interval(after, B)]),
    )
    of_b = next(book.totals for book in accounts.books().holders if book.holder == B)
    assert (of_b.energy_uj, of_b.nvlink_received_bytes, of_b.pcie_transmitted_bytes) == (0, 0, 0)
    assert of_b.energy_observed_ns == of_b.nvlink_received_observed_ns == SECOND
