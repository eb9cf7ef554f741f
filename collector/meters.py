"""
How much of everything a device did in an interval. Pure: no clock, no driver, no file.

A meter takes the difference of the driver's own counter where there is one and it has not fallen, else a rate times the
time. Amounts are integers, nanoseconds of activity or bytes, so that adding is exact and the order of adding does not
matter; beside every amount stands the time for which it is known. What a reading cannot tell adds to neither.

Left out: what several holders share. Who of them did how much nobody can say, and of these amounts no upper bound is
used by anyone.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from collector.contract import Metric, holder_metrics
from collector.readings import Absent, Reading, Why

LEVELS = {"idle": 0.05, "low": 0.5, "high": 0.9, "full": float("inf")}
"""Names of levels of activity, and below which ratio they end: guesses. What computes all the time is full."""
NANOSECONDS = 1_000_000_000
MICROJOULES = 1_000_000
MICROSECONDS = 1_000_000

_NO_COUNTER = Absent(Why.NOT_SUPPORTED)


def _no_counter(_: Reading) -> Absent:
    return _NO_COUNTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """
    Something that is metered: the fields of the totals it goes to, and what it is read from.

    ``unit`` is how many of the total make one of ``rate`` over a second, and one of ``counter``. ``is_share``: the rate
    is a share of the device's time, so that of a part of a card it counts as much as the part.
    """

    total: str
    observed: str
    unit: int
    is_share: bool = False
    rate: Callable[[Reading], float | Absent]
    counter: Callable[[Reading], float | Absent] = _no_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(Quantity):
    """A quantity that has series of its own, with labels beside the holder's."""

    metric: Metric
    observed_metric: Metric
    labels: tuple[str, ...] = ()


def _share(name: str, metric: Metric, observed: Metric, *labels: str) -> Activity:
    return Activity(
        total=f"{name}_active_ns",
        observed=f"{name}_observed_ns",
        unit=NANOSECONDS,
        is_share=True,
        rate=attrgetter(f"{name}_active_ratio"),
        metric=metric,
        observed_metric=observed,
        labels=labels,
    )


def _pipe(pipe: str) -> Activity:
    return _share(f"tensor_{pipe}", holder_metrics.TENSOR_PIPE_ACTIVE, holder_metrics.TENSOR_PIPE_OBSERVED, pipe)


def _traffic(link: str, direction: str, metric: Metric, observed: Metric) -> Activity:
    done = {"receive": "received", "transmit": "transmitted"}[direction]
    return Activity(
        total=f"{link}_{done}_bytes",
        observed=f"{link}_{done}_observed_ns",
        unit=1,
        rate=attrgetter(f"{link}_{direction}_bytes_per_second"),
        counter=attrgetter(f"{link}_{done}_bytes"),
        metric=metric,
        observed_metric=observed,
        labels=(direction,),
    )


def _power_squared(reading: Reading) -> float | Absent:
    watts = reading.power_watts
    return watts if isinstance(watts, Absent) else watts * watts


ENERGY = Quantity(
    total="energy_uj",
    observed="energy_observed_ns",
    unit=MICROJOULES,
    rate=attrgetter("power_watts"),
    counter=attrgetter("energy_joules"),
)
ACTIVITIES = (
    _share("sm", holder_metrics.SM_ACTIVE, holder_metrics.SM_OBSERVED),
    _share("tensor", holder_metrics.TENSOR_ACTIVE, holder_metrics.TENSOR_OBSERVED),
    _pipe("hmma"),
    _pipe("imma"),
    _pipe("dfma"),
    _share("dram", holder_metrics.DRAM_ACTIVE, holder_metrics.DRAM_OBSERVED),
    _traffic("nvlink", "receive", holder_metrics.NVLINK, holder_metrics.NVLINK_OBSERVED),
    _traffic("nvlink", "transmit", holder_metrics.NVLINK, holder_metrics.NVLINK_OBSERVED),
    _traffic("pcie", "receive", holder_metrics.PCIE, holder_metrics.PCIE_OBSERVED),
    _traffic("pcie", "transmit", holder_metrics.PCIE, holder_metrics.PCIE_OBSERVED),
    Activity(
        total="power_square_watt2_us",
        observed="power_observed_ns",
        unit=MICROSECONDS,
        rate=_power_squared,
        metric=holder_metrics.POWER_SQUARE,
        observed_metric=holder_metrics.POWER_OBSERVED,
    ),
)


@dataclass(slots=True)
class MeteredTotals:
    """
    Amounts added up while one holder alone had the devices, each with the nanoseconds for which it is known.

    Nanoseconds of activity, bytes, microjoules, watt² times microseconds; nanoseconds at each level of activity.
    """

    energy_uj: int = 0
    energy_observed_ns: int = 0
    sm_active_ns: int = 0
    sm_observed_ns: int = 0
    tensor_active_ns: int = 0
    tensor_observed_ns: int = 0
    tensor_hmma_active_ns: int = 0
    tensor_hmma_observed_ns: int = 0
    tensor_imma_active_ns: int = 0
    tensor_imma_observed_ns: int = 0
    tensor_dfma_active_ns: int = 0
    tensor_dfma_observed_ns: int = 0
    dram_active_ns: int = 0
    dram_observed_ns: int = 0
    nvlink_received_bytes: int = 0
    nvlink_received_observed_ns: int = 0
    nvlink_transmitted_bytes: int = 0
    nvlink_transmitted_observed_ns: int = 0
    pcie_received_bytes: int = 0
    pcie_received_observed_ns: int = 0
    pcie_transmitted_bytes: int = 0
    pcie_transmitted_observed_ns: int = 0
    power_square_watt2_us: int = 0
    power_observed_ns: int = 0
    level_idle_ns: int = 0
    level_low_ns: int = 0
    level_high_ns: int = 0
    level_full_ns: int = 0

    def add(self, amounts: Mapping[str, int]) -> None:
        """Add amounts by the names of their fields."""
        for name, amount in amounts.items():
            setattr(self, name, getattr(self, name) + amount)


@dataclass(slots=True)
class Meter:
    """The meter of one quantity, for every device."""

    quantity: Quantity
    _last: dict[str, float] = field(default_factory=dict)

    def over(self, device: str, interval_ns: int, device_ns: int, reading: Reading | Absent) -> int | Absent:
        """The amount in the interval that ends with this reading. A counter that fell began anew."""
        before = self._last.pop(device, None)
        if isinstance(reading, Absent):
            return reading
        counter = self.quantity.counter(reading)
        if not isinstance(counter, Absent):
            self._last[device] = counter
            if before is not None and counter >= before:
                return round((counter - before) * self.quantity.unit)
        rate = self.quantity.rate(reading)
        if isinstance(rate, Absent):
            return rate
        duration_ns = device_ns if self.quantity.is_share else interval_ns
        return round(rate * self.quantity.unit * duration_ns / NANOSECONDS)

    def keep(self, devices: Container[str]) -> None:
        """Forget the counters of all other devices: nobody has told how much of what they go on to count is whose."""
        for device in [each for each in self._last if each not in devices]:
            del self._last[device]


@dataclass(slots=True)
class Meters:
    """One meter for each quantity. What they remember is of readings that follow each other in one process."""

    _meters: tuple[Meter, ...] = field(default_factory=lambda: tuple(map(Meter, (ENERGY, *ACTIVITIES))))

    def over(
        self, device: str, interval_ns: int, reading: Reading | Absent, device_ns: int | None = None
    ) -> dict[str, int]:
        """
        What to add to the totals of whoever held this device; nothing for what the reading cannot tell.

        ``device_ns`` is how much of a card's time the interval is for a part of it; all if nothing is said.
        """
        held_ns = interval_ns if device_ns is None else device_ns
        found: dict[str, int] = {}
        for meter in self._meters:
            amount = meter.over(device, interval_ns, held_ns, reading)
            if not isinstance(amount, Absent):
                found[meter.quantity.total], found[meter.quantity.observed] = amount, held_ns
        level = Absent(Why.NO_DATA) if isinstance(reading, Absent) else level_of(reading)
        if not isinstance(level, Absent):
            found[f"level_{level}_ns"] = held_ns
        return found

    def keep(self, devices: Container[str]) -> None:
        """Let only these go on: a card that was cut into instances in between begins anew, and so does one gone."""
        for meter in self._meters:
            meter.keep(devices)


def level_of(reading: Reading) -> str | Absent:
    """How busy the device was, in words: by its multiprocessors where it tells, else by the time with a kernel."""
    ratio = reading.busy_ratio if isinstance(reading.sm_active_ratio, Absent) else reading.sm_active_ratio
    return ratio if isinstance(ratio, Absent) else next(name for name, below in LEVELS.items() if ratio < below)
