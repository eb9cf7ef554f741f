import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.readings import (
    H100,
    MODELS,
    NOT_SUPPORTED,
    SECOND,
    a_holder,
    a_reading,
    accounts_of,
    an_interval,
    durations_ns,
    held_by,
    histories,
    joules,
    published,
    readings,
    total,
    values,
)

from collector import contract
from collector.accounting import Absent, Accounts, DeviceInterval, Holder, HolderTotals, Reading, Why
from collector.contract import GpuState, Sample, gpu_metrics, holder_metrics

A, B = a_holder("pod-0"), a_holder("pod-1")
ONE_UNIT = {"joules": 1e-6, "watt2_seconds": 1e-6, "bytes": 1.0}
History = list[tuple[int, list[DeviceInterval]]]


def series(accounts: Accounts) -> dict[tuple[str, ...], float]:
    """Every sample of the accounts, each series once."""
    return values(accounts.samples("node-a", "measured"))


def samples(accounts: Accounts) -> list[Sample]:
    """Every sample of the accounts."""
    return list(accounts.samples("node-a", "measured"))


def of(accounts: Accounts, metric: contract.Metric, **labels: str) -> float:
    """The sum of one metric's samples with these labels."""
    return total(accounts.samples("node-a", "measured"), metric.name, **labels)


@given(histories)
def test_states_add_up_to_physical_time(history: History) -> None:
    """Whatever happened to the devices, the states of each model add up to its GPU-seconds exactly."""
    accounts = accounts_of(*history)
    for model in MODELS:
        assert accounts.residual_ns(model) == 0
        physical_ns = sum(ns * sum(each.accelerator == model for each in intervals) for ns, intervals in history)
        assert of(accounts, gpu_metrics.GPU_PHYSICAL, accelerator=model) == physical_ns / SECOND
    assert all(value == 0 for (name, *_), value in series(accounts).items() if name == gpu_metrics.GPU_RESIDUAL.name)


@given(history=histories, data=st.data())
def test_a_dropped_interval_shows_as_residual(history: History, data: st.DataObject) -> None:
    """An accounting that forgets one device of one interval has a residual of exactly that time."""
    present = [(i, j) for i, (_, intervals) in enumerate(history) for j in range(len(intervals))]
    assume(present)
    dropped_step, dropped_device = data.draw(st.sampled_from(present))
    mutant, missing_ns, model = Accounts(), 0, H100
    for step, (elapsed_ns, intervals) in enumerate(history):
        models = [each.accelerator for each in intervals]
        mutant.advance(elapsed_ns, {each: models.count(each) for each in models})
        kept = [each for index, each in enumerate(intervals) if (step, index) != (dropped_step, dropped_device)]
        mutant.integrate(elapsed_ns, kept)
        if step == dropped_step:
            missing_ns, model = elapsed_ns, intervals[dropped_device].accelerator
    assert mutant.residual_ns(model) == missing_ns
    assert of(mutant, gpu_metrics.GPU_RESIDUAL, accelerator=model) == missing_ns / SECOND


def test_a_device_outside_the_inventory_shows_as_residual() -> None:
    """Time that was integrated and never advanced is a negative residual, and served."""
    accounts = Accounts()
    accounts.integrate(SECOND, [an_interval(a_reading())])
    assert of(accounts, gpu_metrics.GPU_RESIDUAL, accelerator=H100) == -1.0
    assert of(accounts, gpu_metrics.GPU_PHYSICAL, accelerator=H100) == 0.0


@given(history=histories, seed=st.integers())
def test_the_order_of_devices_and_holders_does_not_matter(history: History, seed: int) -> None:
    """Shuffling the devices of every interval, and the holders of every device, changes no counter."""
    shuffle = random.Random(seed)

    def shuffled(intervals: Sequence[DeviceInterval]) -> list[DeviceInterval]:
        again = [
            an_interval(
                each.reading,
                *shuffle.sample(each.attribution.holders, len(each.attribution.holders)),
                gpu=each.gpu_uuid,
                accelerator=each.accelerator,
            )
            for each in intervals
        ]
        return shuffle.sample(again, len(again))

    other = accounts_of(*[(elapsed_ns, shuffled(intervals)) for elapsed_ns, intervals in history])
    assert series(other) == series(accounts_of(*history))


@given(first=durations_ns, second=durations_ns, reading=readings, holders=held_by, counter=st.booleans(), at=joules)
def test_splitting_an_interval_changes_nothing(
    first: int, second: int, reading: Reading | Absent, holders: list[Holder], counter: bool, at: float
) -> None:
    """Two intervals with the same reading count as one of their length, to one unit of what is added up."""
    before, middle, after = (an_interval(_metered(reading, counter, at + more), *holders) for more in (0.0, 1.5, 4.0))
    whole = series(accounts_of((SECOND, [before]), (first + second, [after])))
    split = series(accounts_of((SECOND, [before]), (first, [middle]), (second, [after])))
    assert whole.keys() == split.keys()
    for key, value in whole.items():
        one_unit = ONE_UNIT.get(contract.BY_NAME[key[0]].unit, 1e-9)
        assert split[key] == pytest.approx(value, rel=1e-12, abs=1.01 * one_unit)


def _metered(reading: Reading | Absent, counter: bool, energy: float) -> Reading | Absent:
    """The reading with its counters at this value, or without any."""
    if isinstance(reading, Absent):
        return reading
    if not counter:
        return replace(reading, energy_joules=NOT_SUPPORTED, nvlink_received_bytes=NOT_SUPPORTED)
    return replace(reading, energy_joules=energy, nvlink_received_bytes=int(energy))


@given(histories)
def test_counters_never_fall(history: History) -> None:
    """After each further interval every counter is at least what it was."""
    for length in range(len(history)):
        before, after = (series(accounts_of(*history[:many])) for many in (length, length + 1))
        for key, value in before.items():
            if contract.BY_NAME[key[0]].kind == "counter":
                assert after[key] >= value


@given(histories)
def test_observed_is_within_held_and_busy_within_observed(history: History) -> None:
    """For every holder: busy ≤ observed ≤ held, alone and shared; energy and memory are observed within held."""
    accounts = series(accounts_of(*history))
    for (name, *labels), held in accounts.items():
        parts: dict[str, tuple[contract.Metric, ...]] = {
            holder_metrics.HELD.name: (
                holder_metrics.OBSERVED,
                holder_metrics.ENERGY_OBSERVED,
                holder_metrics.MEMORY_OBSERVED,
            ),
            holder_metrics.OBSERVED.name: (holder_metrics.BUSY,),
            holder_metrics.SHARED.name: (holder_metrics.SHARED_OBSERVED,),
            holder_metrics.SHARED_OBSERVED.name: (holder_metrics.SHARED_BUSY,),
        }
        assert all(accounts.get((part.name, *labels), 0.0) <= held for part in parts.get(name, ()))


@given(histories)
def test_what_holders_held_alone_is_attributed_or_lost(history: History) -> None:
    """Held seconds of all holders are the attributed seconds, and of the lost ones those with one known holder."""
    accounts = accounts_of(*history)
    lost_ns = sum(
        elapsed_ns
        for elapsed_ns, intervals in history
        for each in intervals
        if each.attribution.state is GpuState.LOST and len(each.attribution.holders) == 1
    )
    attributed = of(accounts, gpu_metrics.GPU_SECONDS, state="attributed")
    assert of(accounts, holder_metrics.HELD) == pytest.approx(attributed + lost_ns / SECOND, rel=1e-12)


def test_a_shared_device_is_counted_once() -> None:
    """Two pods on one device: one ambiguous second a second, the whole of it as each one's upper bound, none alone."""
    accounts = accounts_of((10 * SECOND, [an_interval(a_reading(busy=0.5), A, B)]))
    assert of(accounts, gpu_metrics.GPU_SECONDS) == of(accounts, gpu_metrics.GPU_SECONDS, state="ambiguous") == 10.0
    for pod in ("pod-0", "pod-1"):
        assert of(accounts, holder_metrics.SHARED, workload_pod=pod) == 10.0
        assert of(accounts, holder_metrics.SHARED_BUSY, workload_pod=pod) == 5.0
        assert of(accounts, holder_metrics.HOLDER_DEVICES, workload_pod=pod) == 1
    assert of(accounts, holder_metrics.HELD) == of(accounts, holder_metrics.ENERGY) == 0.0


def test_lost_time_is_held_and_never_busy() -> None:
    """A holder of a lost device goes on holding it; nothing is observed, no energy and no memory is made up."""
    accounts = accounts_of((10 * SECOND, [an_interval(Absent(Why.GPU_LOST), A)]))
    assert (
        of(accounts, holder_metrics.HELD)
        == of(accounts, gpu_metrics.GPU_SECONDS, state="lost", reason="gpu_lost")
        == 10.0
    )
    others = (
        holder_metrics.OBSERVED,
        holder_metrics.BUSY,
        holder_metrics.ENERGY,
        holder_metrics.ENERGY_OBSERVED,
        holder_metrics.MEMORY,
    )
    assert [of(accounts, metric) for metric in others] == [0.0] * 5


def test_a_field_that_is_absent_is_not_observed() -> None:
    """A card in MIG mode has energy and memory and no observed busy time."""
    accounts = accounts_of((10 * SECOND, [an_interval(a_reading(busy=Absent(Why.NOT_SUPPORTED)), A)]))
    assert of(accounts, holder_metrics.OBSERVED) == of(accounts, holder_metrics.BUSY) == 0.0
    assert of(accounts, holder_metrics.ENERGY_OBSERVED) == of(accounts, holder_metrics.MEMORY_OBSERVED) == 10.0
    assert of(accounts, holder_metrics.MEMORY) == 10_000.0


@pytest.mark.parametrize(
    ("readings_in_order", "joules_drawn", "seconds_observed"),
    [
        ([a_reading(energy=1000.0), a_reading(energy=1700.0)], 400.0 + 700.0, 2.0),
        ([a_reading(energy=1000.0), a_reading(energy=20.0), a_reading(energy=50.0)], 400.0 + 400.0 + 30.0, 3.0),
        ([a_reading(energy=9.0), a_reading(), a_reading(energy=900.0)], 3 * 400.0, 3.0),
        ([a_reading(energy=9.0), Absent(Why.GPU_LOST), a_reading(energy=900.0)], 2 * 400.0, 2.0),
        ([a_reading(), a_reading(power=100.0)], 500.0, 2.0),
        ([a_reading(power=Absent(Why.NO_DATA)), a_reading(power=100.0)], 100.0, 1.0),
        ([a_reading(energy=5.0, power=Absent(Why.NO_DATA)), a_reading(energy=7.0)], 2.0, 1.0),
    ],
    ids=["counter", "falls", "gap", "lost", "power", "neither", "counter only"],
)
def test_energy_is_metered_or_power_times_time(
    readings_in_order: list[Reading | Absent], joules_drawn: float, seconds_observed: float
) -> None:
    """The counter's difference where two readings in a row have it and it did not fall; else power; else nothing."""
    accounts = accounts_of(*[(SECOND, [an_interval(reading, A)]) for reading in readings_in_order])
    assert of(accounts, holder_metrics.ENERGY) == pytest.approx(joules_drawn)
    assert of(accounts, holder_metrics.ENERGY_OBSERVED) == seconds_observed


def test_energy_counts_for_whoever_holds_the_device() -> None:
    """The counter is read on also while nobody holds the device, so a new holder gets no more than its own."""
    steps: list[tuple[float, tuple[Holder, ...]]] = [(100.0, (A,)), (600.0, ()), (650.0, (B,))]
    accounts = accounts_of(*[(SECOND, [an_interval(a_reading(energy=at), *held)]) for at, held in steps])
    assert of(accounts, holder_metrics.ENERGY, workload_pod="pod-1") == 50.0


def test_a_holder_whose_workload_changes_goes_on() -> None:
    """A workload that adopts or renames a pod changes the info, and not the counters."""
    renamed = a_holder("pod-0", workload_name="renamed")
    accounts = accounts_of((SECOND, [an_interval(a_reading(), A)]), (SECOND, [an_interval(a_reading(), renamed)]))
    assert of(accounts, holder_metrics.HELD) == 2.0
    assert (
        of(accounts, holder_metrics.HOLDER_INFO)
        == of(accounts, holder_metrics.HOLDER_INFO, workload_name="renamed")
        == 1
    )


def test_models_are_counted_apart() -> None:
    """One holder of two models has its seconds under each of them."""
    intervals = [an_interval(a_reading(), A, gpu=model, accelerator=model) for model in MODELS]
    accounts = accounts_of((SECOND, intervals))
    assert [of(accounts, holder_metrics.HELD, accelerator=model) for model in MODELS] == [1.0, 1.0]
    assert [of(accounts, gpu_metrics.GPUS, accelerator=model) for model in MODELS] == [1, 1]


def test_holders_are_retired_and_their_seconds_stay() -> None:
    """A holder is dropped once it has held nothing for longer than asked; the states keep what it used."""
    accounts = accounts_of((SECOND, [an_interval(a_reading(), A)]), (5 * SECOND, [an_interval(a_reading(), B)]))
    assert accounts.retire(5 * SECOND) == 0
    assert accounts.retire(5 * SECOND - 1) == 1
    assert of(accounts, holder_metrics.HOLDER_INFO, workload_pod="pod-0") == 0
    assert of(accounts, holder_metrics.HELD, workload_pod="pod-1") == 5.0
    assert of(accounts, gpu_metrics.GPU_SECONDS, state="attributed") == 6.0


def test_an_ended_holder_has_no_devices() -> None:
    """Until it is retired, a holder that ended is served with 0 devices and its last totals."""
    accounts = accounts_of((SECOND, [an_interval(a_reading(), A)]), (SECOND, [an_interval(a_reading())]))
    assert of(accounts, holder_metrics.HOLDER_DEVICES) == 0
    assert of(accounts, holder_metrics.HELD) == 1.0


def test_time_does_not_run_backwards() -> None:
    """A negative interval is refused, with what to give instead."""
    with pytest.raises(ValueError, match="give the monotonic difference"):
        Accounts().advance(-1, {})


def test_samples_have_the_contracts_labels() -> None:
    """Every sample has as many label values as its metric has labels, and no claim is the empty one."""
    unclaimed = replace(A, tenant_id=Absent(Why.NOT_CLAIMED))
    for sample in samples(accounts_of((SECOND, [an_interval(a_reading(), unclaimed)]))):
        labels = dict(zip(sample.metric.labels, sample.label_values, strict=True))
        assert labels.get("tenant_id", "") == ""


@given(history=histories, where=st.integers(0, 6))
def test_books_carry_on_where_they_end(history: History, where: int) -> None:
    """Accounts that are put down as books at any point and taken up again end as those that never stopped."""
    history = [(elapsed_ns, [replace(each, reading=_metered(each.reading, False, 0)) for each in intervals])
               for elapsed_ns, intervals in history]  # fmt: skip
    accounts = accounts_of(*history[:where])
    resumed = Accounts.of(accounts.books())
    assert resumed.books() == accounts.books()
    go_on(resumed, history[where:])
    assert resumed.books() == accounts_of(*history).books()
    assert series(resumed) == series(accounts_of(*history))


def go_on(accounts: Accounts, history: History) -> None:
    """Add these intervals, with exactly their devices as inventory."""
    for elapsed_ns, intervals in history:
        models = [interval.accelerator for interval in intervals]
        accounts.advance(elapsed_ns, {model: models.count(model) for model in models})
        accounts.integrate(elapsed_ns, intervals)


@given(before=histories, after=histories, down_ns=durations_ns)
def test_unwatched_time_is_lost_and_nobodys(before: History, after: History, down_ns: int) -> None:
    """Whatever came before and after: the time is lost once a GPU, the books balance, and no holder's use has grown."""
    accounts = accounts_of(*before)
    states, held = of(accounts, gpu_metrics.GPU_SECONDS), [book.totals for book in accounts.books().holders]
    gpus = sum(accounts.books().inventory.values())
    accounts.pass_unwatched(down_ns)
    accounts.may_have_held([(H100, (A, A), down_ns), (H100, (B,), down_ns)])
    assert of(accounts, gpu_metrics.GPU_SECONDS) == pytest.approx(states + gpus * down_ns / SECOND)
    assert of(accounts, gpu_metrics.GPU_SECONDS, reason="collector_down") == pytest.approx(gpus * down_ns / SECOND)
    used = [replace(book.totals, last_held_ns=0, unwatched_ns=0) for book in accounts.books().holders]
    assert used[: len(held)] == [replace(each, last_held_ns=0) for each in held]
    assert all(replace(each, workload=("", "", "")) == HolderTotals() for each in used[len(held) :])
    assert of(accounts, holder_metrics.UNWATCHED) == pytest.approx(2 * down_ns / SECOND)
    go_on(accounts, after)
    assert all(accounts.residual_ns(model) == 0 for model in MODELS)


def test_newcomers_stand_at_zero_until_they_have_begun() -> None:
    """A holder that was not published yet has all its counters, at 0; once begun it has what it used."""
    accounts = accounts_of((SECOND, [an_interval(a_reading(), A)]))
    found = published(accounts)
    counters = [sample.value for sample in found if sample.metric in holder_metrics.HOLDER_COUNTERS]
    assert counters == [0.0] * len(holder_metrics.HOLDER_COUNTERS)
    assert total(found, holder_metrics.HOLDER_DEVICES.name) == 1
    accounts.begin()
    assert total(published(accounts), holder_metrics.HELD.name) == 1.0


def test_a_holder_whose_lack_of_a_tenant_has_another_reason_goes_on() -> None:
    """No series tells why there is no tenant, so a namespace that is read at last begins no second set of them."""
    holders = [replace(A, tenant_id=Absent(why)) for why in (Why.NAMESPACE_UNKNOWN, Why.NOT_CLAIMED)]
    accounts = accounts_of(*((SECOND, [an_interval(a_reading(), holder)]) for holder in holders))
    names = [(sample.metric, sample.label_values) for sample in samples(accounts)]
    assert len(set(names)) == len(names)
    assert of(accounts, holder_metrics.HELD) == 2.0
