import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rhythms import Shape, a_series, apart, constant, dips, sine, square

from collector.readings import Absent, Why
from collector.rhythm import Period, Series, find_period, synchrony_ratio

SEEDS = 500
NOTHING = Absent(Why.NO_DATA)


def the_period(*devices: Series) -> Period:
    """The period of these devices, which have one."""
    found = find_period(devices)
    assert isinstance(found, Period)
    return found


def short_dips(period: float, middle: float) -> Shape:
    """Dips of two slots."""
    return dips(period, 2.0, middle)


@given(
    shape=st.sampled_from([sine, square, short_dips]),
    period=st.floats(4, 90),
    turn=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32),
)
def test_a_wave_has_its_period_and_its_trough(
    shape: Callable[[float, float], Shape], period: float, turn: float, seed: int
) -> None:
    """Whatever its shape and phase, a noisy wave's period and the middle of its trough are found within a slot."""
    middle = turn * period
    found = the_period(a_series(shape(period, middle), noise=0.02, seed=seed))
    assert found.slots == pytest.approx(period, abs=1)
    assert apart(found.trough_slot + 0.5, middle, period) < 1
    assert 299 - period < found.trough_slot <= 299
    assert 0.5 <= found.strength_ratio <= 1


@pytest.mark.parametrize("period", [20.0, 60.0])
@pytest.mark.parametrize("seed", range(10))
def test_dips_of_two_seconds_are_found_in_noise(period: float, seed: int) -> None:
    """Dips of 2 s each 20 s and each 60 s are found to a tenth of a second in noise of a ninth of their depth."""
    found = the_period(a_series(dips(period, 2.0, 7.3), noise=0.1, seed=seed))
    assert found.slots == pytest.approx(period, abs=0.15)
    assert apart(found.trough_slot + 0.5, 7.3, period) < 0.5


def test_noise_that_differs_from_device_to_device_is_averaged_away() -> None:
    """Eight devices show the dips that one of them alone hides."""
    devices = [a_series(dips(60.0, 2.0), noise=0.3, seed=seed) for seed in range(8)]
    assert [find_period([device]) for device in devices] == [NOTHING] * 8
    assert the_period(*devices).slots == pytest.approx(60, abs=0.2)


def white(drawn: random.Random) -> Iterator[float]:
    """Noise without memory."""
    while True:
        yield drawn.gauss(0.5, 0.1)


def smooth(drawn: random.Random) -> Iterator[float]:
    """Noise that forgets a tenth of itself with each slot."""
    value = 0.0
    while True:
        value = 0.9 * value + drawn.gauss(0.0, 0.1)
        yield value


def wandering(drawn: random.Random) -> Iterator[float]:
    """Noise that never comes back."""
    value = 0.0
    while True:
        value += drawn.gauss(0.0, 0.1)
        yield value


def pauses(drawn: random.Random) -> Iterator[float]:
    """Pauses of two slots at moments that nothing keeps to, one in 20 slots."""
    while True:
        level = 0.1 if drawn.random() < 0.05 else 0.9
        yield level + drawn.gauss(0.0, 0.05)
        yield level + drawn.gauss(0.0, 0.05)


@pytest.mark.parametrize("slots", [60, 300])
@pytest.mark.parametrize("noise", [white, smooth, wandering, pauses])
def test_noise_has_no_period(noise: Callable[[random.Random], Iterator[float]], slots: int) -> None:
    """Less than 1 % of all stretches of noise have a period: without memory or with, and of pauses by chance."""
    found = 0
    for seed in range(SEEDS):
        series = dict(zip(range(slots), noise(random.Random(seed)), strict=False))
        found += find_period([series]) != NOTHING
    print(f"{noise.__name__}, {slots} slots: {found} of {SEEDS} have a period")  # noqa: T201 - shown by pytest -s
    assert found < SEEDS / 100


@given(noise=st.sampled_from([0.0, 0.001]), ratio=st.floats(0, 1), slope=st.floats(-0.001, 0.001))
def test_what_hardly_varies_has_neither_period_nor_synchrony(noise: float, ratio: float, slope: float) -> None:
    """A constant has no rhythm, whether it is 0 or 1; neither has a straight line a period."""
    devices = [a_series(constant(ratio), noise=noise, seed=seed) for seed in range(2)]
    assert find_period(devices) == synchrony_ratio(devices) == NOTHING
    assert find_period([{slot: value + slope * slot for slot, value in devices[0].items()}]) == NOTHING


@pytest.mark.parametrize("devices", [[], [{}], [{}, {}], [{0: 0.5}], [{0: 0.1, 1: 0.9}, {0: 0.1, 1: 0.9}]])
def test_too_little_tells_nothing(devices: list[Series]) -> None:
    """Of no device, no slot, or a few slots there is neither period nor synchrony."""
    assert find_period(devices) == synchrony_ratio(devices) == NOTHING


def test_a_period_is_seen_three_times_or_not_at_all() -> None:
    """Dips 100 s apart are a period after three of them; the same two and a half times are none."""
    assert the_period(a_series(dips(100.0, 4.0, 50.0))).slots == pytest.approx(100, abs=0.5)
    assert find_period([a_series(dips(100.0, 4.0, 50.0), slots=250)]) == NOTHING


@pytest.mark.parametrize("period", [2.0, 3.0])
def test_a_period_of_less_than_four_slots_is_not_told(period: float) -> None:
    """What comes back within four slots is no period here, neither as itself nor as one of its multiples."""
    assert find_period([{slot: float(slot % period < 1) for slot in range(300)}]) == NOTHING


gaps = st.sets(st.integers(0, 299), max_size=150) | st.builds(
    lambda period, length: {slot for slot in range(300) if slot % period < length},
    st.integers(4, 100),
    st.integers(1, 3),
)


@given(missing=gaps, ratio=st.floats(0, 1))
def test_gaps_make_no_period_of_a_constant(missing: set[int], ratio: float) -> None:
    """A constant with holes, at random or in a rhythm, is a constant."""
    assert find_period([a_series(constant(ratio), missing=missing)]) == NOTHING


@pytest.mark.parametrize("period", [5, 10, 20, 60])
def test_gaps_in_a_rhythm_make_no_period_of_noise(period: int) -> None:
    """Noise that is missed every so many slots has no period more often than whole noise."""
    missing = range(0, 300, period)
    found = [find_period([a_series(constant(0.5), noise=0.1, seed=seed, missing=missing)]) for seed in range(100)]
    assert found == [NOTHING] * 100


@given(missing=st.sets(st.integers(0, 299), max_size=45))
def test_a_period_is_found_across_gaps(missing: set[int]) -> None:
    """With up to one slot in seven missed, wherever, a slow wave keeps its period and its trough."""
    found = the_period(a_series(square(25.0, 5.0), noise=0.02, missing=missing))
    assert found.slots == pytest.approx(25, abs=1)
    assert apart(found.trough_slot + 0.5, 5.0, 25.0) < 1


@given(first=st.integers(-(10**9), 10**9), seed=st.integers(0, 100))
def test_where_slots_are_counted_from_changes_nothing(first: int, seed: int) -> None:
    """The same activity later has the same period, and its trough as much later."""
    series = a_series(dips(20.0, 2.0), noise=0.05, seed=seed)
    here, there = the_period(series), the_period({slot + first: value for slot, value in series.items()})
    assert there.slots == pytest.approx(here.slots)
    assert there.trough_slot - first == pytest.approx(here.trough_slot, abs=1e-3)


@given(scale=st.floats(0.1, 100), offset=st.floats(-10, 10), other=st.floats(0, 1))
def test_level_and_scale_do_not_matter(scale: float, offset: float, other: float) -> None:
    """A period is the same however large the swing, around whatever level, beside a device that stands still."""
    series = a_series(dips(20.0, 2.0))
    scaled = {slot: offset + scale * value for slot, value in series.items()}
    found = the_period(scaled, a_series(constant(other)))
    assert found.slots == pytest.approx(the_period(series).slots)


@given(devices=st.integers(2, 8), noise=st.floats(0, 0.02))
def test_lockstep_is_synchronous(devices: int, noise: float) -> None:
    """Devices that dip together are near 1."""
    found = synchrony_ratio([a_series(dips(20.0, 2.0), noise=noise, seed=seed) for seed in range(devices)])
    assert isinstance(found, float)
    assert 0.95 < found <= 1


@given(seed=st.integers(0, 10**6))
def test_independent_devices_are_not_synchronous(seed: int) -> None:
    """Devices that do as they like are near 0."""
    found = synchrony_ratio([a_series(constant(0.5), noise=0.1, seed=seed + device) for device in range(8)])
    assert found == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1.0), (5.0, 0.0), (10.0, -1.0)])
def test_shifted_devices_are_less_synchronous(shift: float, expected: float) -> None:
    """Two devices a quarter of a period apart are at 0, half a period apart at -1."""
    devices = [a_series(sine(20.0)), a_series(sine(20.0, shift))]
    assert synchrony_ratio(devices) == pytest.approx(expected, abs=1e-6)


def test_synchrony_is_the_mean_over_pairs() -> None:
    """It equals what going through all pairs gives, over the slots that every device has; what stands still is out."""
    devices = [a_series(sine(20.0, seed), noise=0.2, seed=seed, missing={seed, 99}) for seed in range(4)]
    slots = sorted(set.intersection(*map(set, devices)))
    pairs = [(one, other) for index, one in enumerate(devices) for other in devices[index + 1 :]]
    mean = math.fsum(pearson([one[s] for s in slots], [other[s] for s in slots]) for one, other in pairs) / len(pairs)
    assert synchrony_ratio(devices) == pytest.approx(mean)
    assert synchrony_ratio([*devices, a_series(constant(0.3))]) == pytest.approx(mean, abs=0.01)


def pearson(one: list[float], other: list[float]) -> float:
    """The correlation of two, as the textbook has it."""
    mean, mean_other = sum(one) / len(one), sum(other) / len(other)
    along = sum((a - mean) * (b - mean_other) for a, b in zip(one, other, strict=True))
    return along / math.sqrt(sum((a - mean) ** 2 for a in one) * sum((b - mean_other) ** 2 for b in other))
