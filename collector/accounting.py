"""
Readings become counters here. Pure: no clock, no driver, no file.

Time is integer nanoseconds and energy integer microjoules, so that adding is exact and the order of adding does not
matter. Physical time is clock times inventory and is added apart from the states: no state is ever the rest of a
subtraction, so an interval that got lost shows up as a residual instead of vanishing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from collector.attribution import Attribution, Part, attribute
from collector.contract import GpuState, Sample, gpu_metrics, holder_metrics
from collector.debuts import Debuts
from collector.meters import NANOSECONDS, Meters
from collector.readings import Absent, Holder, Reading, Why
from collector.totals import HolderTotals

__all__ = [
    "Absent",
    "Accounts",
    "Attribution",
    "Books",
    "DeviceInterval",
    "Holder",
    "HolderBook",
    "HolderTotals",
    "Reading",
    "StateTime",
    "Why",
    "attribute",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInterval:
    """
    What is known about one device over one interval: the reading at its end, and who held it.

    ``part_ns`` is how much of the interval's GPU-time a part of a card makes, as a MIG instance does; None: all of it.
    ``gpu_uuid`` is then the part's own.
    """

    gpu_uuid: str
    accelerator: str
    reading: Reading | Absent
    attribution: Attribution
    part_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTime:
    """
    Nanoseconds that the GPUs of one model have spent in one state for one reason.

    ``published``: whether its series has stood on a page, see :meth:`Accounts.begin`.
    """

    accelerator: str
    state: GpuState
    reason: str
    total_ns: int
    published: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderBook:
    """One holder of one model: what it has used, and how many devices it holds now."""

    holder: Holder
    accelerator: str
    devices_now: float
    totals: HolderTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """
    All that accounts have added up, as a value that can be kept: :meth:`Accounts.books`, :meth:`Accounts.of`.

    The meters are not in it: a counter read before a restart says nothing about whom the energy since was for. The
    first interval afterwards has power times time, and so for bytes.
    """

    elapsed_ns: int = 0
    inventory: Mapping[str, int] = field(default_factory=dict)
    physical_ns: Mapping[str, int] = field(default_factory=dict)
    states: tuple[StateTime, ...] = ()
    holders: tuple[HolderBook, ...] = ()


@dataclass(slots=True)
class Accounts:
    """
    Every counter of a node, added up since it was made.

    Call :meth:`advance` with the inventory and :meth:`integrate` with the devices for the same interval; what one was
    told and the other was not stays visible as :meth:`residual_ns`.
    """

    elapsed_ns: int = 0
    _physical_ns: Counter[str] = field(default_factory=Counter)
    _state_ns: Counter[tuple[str, GpuState, str]] = field(default_factory=Counter)
    _states_begun: Debuts[tuple[str, GpuState, str]] = field(default_factory=Debuts)
    _holders: dict[tuple[Holder, str], HolderTotals] = field(default_factory=dict)
    _devices_now: dict[tuple[Holder, str], float] = field(default_factory=dict)
    _inventory: dict[str, int] = field(default_factory=dict)
    _meters: Meters = field(default_factory=Meters)

    @classmethod
    def of(cls, books: Books) -> "Accounts":
        """Accounts that go on where these books end."""
        accounts = cls(elapsed_ns=books.elapsed_ns)
        accounts._inventory = dict(books.inventory)
        accounts._physical_ns = Counter(books.physical_ns)
        accounts._state_ns = Counter(
            {(each.accelerator, each.state, each.reason): each.total_ns for each in books.states}
        )
        accounts._states_begun.begin(
            (each.accelerator, each.state, each.reason) for each in books.states if each.published
        )
        for each in books.holders:
            accounts._holders[each.holder, each.accelerator] = replace(each.totals)
            if each.devices_now:
                accounts._devices_now[each.holder, each.accelerator] = each.devices_now
        return accounts

    def books(self) -> Books:
        """Everything added up so far; it does not change when the accounts go on."""
        return Books(
            elapsed_ns=self.elapsed_ns,
            inventory=dict(self._inventory),
            physical_ns=dict(self._physical_ns),
            states=tuple(
                StateTime(
                    accelerator=key[0],
                    state=key[1],
                    reason=key[2],
                    total_ns=total_ns,
                    published=key in self._states_begun,
                )
                for key, total_ns in self._state_ns.items()
            ),
            holders=tuple(
                HolderBook(
                    holder=holder,
                    accelerator=accelerator,
                    devices_now=self._devices_now.get((holder, accelerator), 0.0),
                    totals=replace(totals),
                )
                for (holder, accelerator), totals in self._holders.items()
            ),
        )

    def advance(self, elapsed_ns: int, inventory: Mapping[str, int]) -> None:
        """Let physical time pass: ``inventory`` is the number of GPUs by accelerator model."""
        if elapsed_ns < 0:
            raise ValueError(f"elapsed_ns is {elapsed_ns}: time does not run backwards; give the monotonic difference")
        self.elapsed_ns += elapsed_ns
        self._inventory = dict(inventory)
        for accelerator, count in inventory.items():
            self._physical_ns[accelerator] += elapsed_ns * count

    def integrate(self, elapsed_ns: int, intervals: Iterable[DeviceInterval]) -> None:
        """Add one interval of every device to the states and to the holders."""
        self._devices_now.clear()
        metered = set()
        for interval in intervals:
            metered.add(interval.gpu_uuid)
            attribution = interval.attribution
            device_ns = elapsed_ns if interval.part_ns is None else interval.part_ns
            self._state_ns[interval.accelerator, attribution.state, attribution.reason] += device_ns
            amounts = self._meters.over(interval.gpu_uuid, elapsed_ns, interval.reading, device_ns)
            devices = device_ns / elapsed_ns if elapsed_ns else 1.0
            for part in attribution.parts:
                _add_part(self._held_by(part.holder, interval.accelerator, devices), part)
            for holder in () if attribution.parts else attribution.holders:
                totals = self._held_by(holder, interval.accelerator, devices)
                if attribution.is_sole:
                    _add_sole(totals, elapsed_ns, device_ns, interval.reading)
                    totals.add(amounts)
                else:
                    _add_shared(totals, device_ns, interval.reading)
        self._meters.keep(metered)

    def pass_unwatched(self, elapsed_ns: int) -> None:
        """Let time pass in which no collector ran: all of it is lost, for every GPU of the inventory."""
        self.advance(elapsed_ns, self._inventory)
        for accelerator, count in self._inventory.items():
            self._state_ns[accelerator, GpuState.LOST, Why.COLLECTOR_DOWN] += elapsed_ns * count

    def may_have_held(self, unwatched: Iterable[tuple[str, tuple[Holder, ...], int]]) -> None:
        """
        Give out time in which no collector ran.

        For each device: its accelerator model, who may have held it, and how much of the card's time it makes. Nobody
        is given held seconds for it; each of them has the time among its unwatched seconds.
        """
        for accelerator, holders, device_ns in unwatched:
            for holder in dict.fromkeys(holders):
                self._held_by(holder, accelerator, 1.0).unwatched_ns += device_ns

    def begin(self) -> None:
        """Note that every series stands on a published page, so that they may grow on the next."""
        self._states_begun.begin(self._state_ns)
        for totals in self._holders.values():
            totals.begin()

    def retire(self, after_ns: int) -> int:
        """Drop holders that have held nothing for ``after_ns``; how many. Their seconds stay in the states."""
        ended = [key for key, totals in self._holders.items() if self.elapsed_ns - totals.last_held_ns > after_ns]
        for key in ended:
            del self._holders[key]
        return len(ended)

    def residual_ns(self, accelerator: str) -> int:
        """Physical time less the sum of all states; anything but 0 is a defect of the collector."""
        return self._physical_ns[accelerator] - _of(accelerator, self._state_ns)

    def samples(self, node: str, provenance: str, *, newcomers_at_zero: bool = False) -> Iterator[Sample]:
        """
        Every counter and gauge of the accounts, as samples of the wire contract.

        With ``newcomers_at_zero`` the counters that have stood on no page yet (see :meth:`begin`) are 0, and holders of
        whom none has are left to :meth:`newcomers`. What a state keeps back so, the physical seconds keep back as well:
        the balance of every page comes out.
        """
        yield from self._gpu_samples((node, provenance), newcomers_at_zero)
        for key, totals in self._holders.items():
            if totals.published or not newcomers_at_zero:
                yield from self._holder_samples((node, provenance), key, totals, newcomers_at_zero)

    def newcomers(self, node: str, provenance: str) -> Iterator[Sample]:
        """The series of holders of whom none has stood on a page yet (see :meth:`begin`), with their counters at 0."""
        for key, totals in self._holders.items():
            if not totals.published:
                yield from self._holder_samples((node, provenance), key, totals, newcomers_at_zero=True)

    def _held_by(self, holder: Holder, accelerator: str, devices: float) -> HolderTotals:
        key = (holder, accelerator)
        self._devices_now[key] = self._devices_now.get(key, 0.0) + devices
        totals = self._holders.setdefault(key, HolderTotals())
        totals.last_held_ns = self.elapsed_ns
        totals.workload = (holder.workload_kind, holder.workload_name, holder.workload_uid)
        return totals

    def _gpu_samples(self, where: tuple[str, str], newcomers_at_zero: bool) -> Iterator[Sample]:
        states = self._states_begun.shown(self._state_ns, newcomers_at_zero=newcomers_at_zero)
        for accelerator, count in self._inventory.items():
            yield Sample(gpu_metrics.GPUS, (*where, accelerator), count)
        for accelerator in dict.fromkeys([*self._physical_ns, *(model for model, _, _ in self._state_ns)]):
            physical_ns = _of(accelerator, states) + self.residual_ns(accelerator)
            yield Sample(gpu_metrics.GPU_PHYSICAL, (*where, accelerator), physical_ns / NANOSECONDS)
            yield Sample(gpu_metrics.GPU_RESIDUAL, (*where, accelerator), self.residual_ns(accelerator) / NANOSECONDS)
        for (accelerator, state, reason), ns in states.items():
            yield Sample(gpu_metrics.GPU_SECONDS, (*where, accelerator, state, reason), ns / NANOSECONDS)

    def _holder_samples(
        self, where: tuple[str, str], key: tuple[Holder, str], totals: HolderTotals, newcomers_at_zero: bool
    ) -> Iterator[Sample]:
        holder, accelerator = key
        labels = (*where, *holder.labels, accelerator)
        yield Sample(holder_metrics.HOLDER_INFO, (*labels, *totals.workload), 1)
        yield Sample(holder_metrics.HOLDER_DEVICES, labels, self._devices_now.get(key, 0.0))
        for metric, beside, value in totals.samples(newcomers_at_zero=newcomers_at_zero):
            yield Sample(metric, (*labels, *beside), value)


def _of(accelerator: str, state_ns: Mapping[tuple[str, GpuState, str], int]) -> int:
    """The nanoseconds of one model."""
    return sum(ns for (model, _, _), ns in state_ns.items() if model == accelerator)


def _add_sole(totals: HolderTotals, elapsed_ns: int, device_ns: int, reading: Reading | Absent) -> None:
    """What is a share of the device counts by its part of the card; its bytes are its own."""
    totals.sole_ns += device_ns
    if isinstance(reading, Absent):
        return
    if not isinstance(reading.busy_ratio, Absent):
        totals.sole_observed_ns += device_ns
        totals.sole_busy_ns += round(reading.busy_ratio * device_ns)
    if not isinstance(reading.memory_used_bytes, Absent):
        totals.memory_observed_ns += device_ns
        totals.memory_byte_ns += reading.memory_used_bytes * elapsed_ns


def _add_part(totals: HolderTotals, part: Part) -> None:
    """A holder's part of a divided interval. Of what the device's meters tell no part is measured, so none is given."""
    totals.sole_ns += part.held_ns
    if not isinstance(part.busy_ns, Absent):
        totals.sole_observed_ns += part.held_ns
        totals.sole_busy_ns += part.busy_ns


def _add_shared(totals: HolderTotals, elapsed_ns: int, reading: Reading | Absent) -> None:
    totals.shared_ns += elapsed_ns
    if not isinstance(reading, Absent) and not isinstance(reading.busy_ratio, Absent):
        totals.shared_observed_ns += elapsed_ns
        totals.shared_busy_ns += round(reading.busy_ratio * elapsed_ns)
