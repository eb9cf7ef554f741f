"""
What each holder's devices did in the last minutes, and the rhythm in it: see ``rhythm.py``. Pure: time is told.

One number for each device and tick, in slots of the tick's length on the monotonic clock, so that neither late ticks
nor a clock that is set can stretch a period; only the phase is told in the time of day. A device counts while one
holder has it for certain: another holder begins anew, and while it is in doubt or shared there is a gap.

A device's signal is the first of ``SIGNALS`` that it can tell, and is kept: what the ratio of one signal is says
nothing about another's. Each holder is computed anew every 15 s, at most one at a tick, so that a tick costs little on
any node. Nothing of this outlives the process: after a restart the window fills again.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from collector.accounting import DeviceInterval
from collector.contract import Sample, rhythm_metrics
from collector.meters import NANOSECONDS
from collector.readings import Absent, Holder, Reading
from collector.rhythm import Series, find_period, synchrony_ratio

WINDOW_SECONDS = 300.0  # a guess: five checkpoints a minute apart, and as often as the centre asks
LONGEST_WINDOW_SLOTS = 300  # bounds memory and time however often there is a tick
RECOMPUTE_SECONDS = 15.0  # a guess: a scrape interval; a rhythm of minutes does not change sooner
SILENT_SLOTS = 30  # a device that has told nothing for so long is not what its holder does now: a guess
POWER = "power_watts"
SIGNALS = ("tensor_active_ratio", "sm_active_ratio", POWER, "busy_ratio")
"""
Fields of a reading, best first. Tensor pipes rest while a device waits for others, and so does power; busy it is all
the while: eight H100 that write a checkpoint every 100 steps draw 152 W in it and 547 W between, and are busy for 88 %
of the one and 91 % of the other (recorded by github.com/grantwilkins/training_profile). Ratios are means since the
reading before; power is the moment's up to GA100 and the mean of a second after it (nvml.h, nvmlDeviceGetPowerUsage).
"""

Owner = tuple[Holder, str]
"""A holder and the accelerator model of the devices."""


@dataclass(slots=True, kw_only=True)
class Ring:
    """
    What one device did while one owner had it: one value for each slot, of one signal.

    ``rank`` is the signal's place in ``SIGNALS``. A slot with several readings has their mean.
    """

    owner: Owner
    rank: int
    _slots: "array[int]" = field(default_factory=lambda: array("q"))
    _values: "array[float]" = field(default_factory=lambda: array("d"))
    _in_last: int = 0

    def add(self, slot: int, value: float, *, window_slots: int) -> None:
        """Add a reading in this slot, which is the last one or later; forget what has left the window."""
        if self._slots and self._slots[-1] == slot:
            self._in_last += 1
            self._values[-1] += (value - self._values[-1]) / self._in_last
            return
        self._slots.append(slot)
        self._values.append(value)
        self._in_last = 1
        old = next(index for index, known in enumerate(self._slots) if known > slot - window_slots)
        del self._slots[:old], self._values[:old]

    @property
    def latest(self) -> int:
        """The last slot with a reading."""
        return self._slots[-1]

    def series(self, after: int) -> Series:
        """What is known of the slots after this one, as a ratio; power in terms of its mean."""
        scale = sum(self._values) / len(self._values) if SIGNALS[self.rank] == POWER else 1.0
        known = zip(self._slots, self._values, strict=True)
        return {slot: value / scale for slot, value in known if slot > after} if scale > 0 else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A period that was found; ``trough_unix``: middle of the latest trough, by the time of day at the computation."""

    period_seconds: float
    strength_ratio: float
    trough_unix: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """What one owner's devices did: told from this signal, over the seconds of the window in which it is known."""

    signal: str
    window_seconds: float
    beat: Beat | Absent
    synchrony_ratio: float | Absent


@dataclass(slots=True)
class Rhythms:
    """
    The rhythms of all holders of a node. For one thread; call :meth:`look` once a tick.

    ``interval_seconds`` between ticks.
    """

    interval_seconds: float
    _rings: dict[str, Ring] = field(default_factory=dict)
    _found: dict[Owner, Rhythm] = field(default_factory=dict)
    _queue: deque[Owner] = field(default_factory=deque)
    _began_ns: int | None = None
    _queued_ns: int = 0

    def look(self, intervals: Iterable[DeviceInterval], *, at_ns: int, at_unix: float) -> None:
        """
        Note what every device did, and compute the rhythm of one holder if one is due.

        ``at_ns`` on the monotonic clock, ``at_unix`` the time of day at the same moment.
        """
        if self._began_ns is None:
            self._began_ns = self._queued_ns = at_ns
        slot = round((at_ns - self._began_ns) / NANOSECONDS / self._slot_seconds)
        for interval in intervals:
            self._note(interval, slot)
        if not self._queue and at_ns - self._queued_ns >= RECOMPUTE_SECONDS * NANOSECONDS:
            self._queued_ns = at_ns
            self._fill_queue(slot)
        if self._queue:
            self._compute(self._queue.popleft(), slot, began_unix=at_unix - (at_ns - self._began_ns) / NANOSECONDS)

    def samples(self, node: str, provenance: str) -> Iterator[Sample]:
        """What was found, as samples of the wire contract."""
        for (holder, accelerator), rhythm in self._found.items():
            labels = (node, provenance, *holder.labels, accelerator)
            yield Sample(rhythm_metrics.RHYTHM_WINDOW, (*labels, rhythm.signal), rhythm.window_seconds)
            if not isinstance(rhythm.beat, Absent):
                yield Sample(rhythm_metrics.RHYTHM_PERIOD, labels, rhythm.beat.period_seconds)
                yield Sample(rhythm_metrics.RHYTHM_STRENGTH, labels, rhythm.beat.strength_ratio)
                yield Sample(rhythm_metrics.RHYTHM_PHASE, labels, rhythm.beat.trough_unix)
            if not isinstance(rhythm.synchrony_ratio, Absent):
                yield Sample(rhythm_metrics.RHYTHM_SYNCHRONY, labels, rhythm.synchrony_ratio)

    @property
    def _slot_seconds(self) -> float:
        return max(self.interval_seconds, WINDOW_SECONDS / LONGEST_WINDOW_SLOTS)

    @property
    def _window_slots(self) -> int:
        return max(1, int(WINDOW_SECONDS / self._slot_seconds))

    def _note(self, interval: DeviceInterval, slot: int) -> None:
        """Keep what a device did if one holder has it for certain; forget what it did if that holder has it no more."""
        attribution, ring = interval.attribution, self._rings.get(interval.gpu_uuid)
        if ring is not None and attribution.certain and ring.owner[0] not in attribution.holders:
            del self._rings[interval.gpu_uuid]
        if not attribution.is_sole or isinstance(interval.reading, Absent):
            return
        owner = attribution.holders[0], interval.accelerator
        rank = best_rank(interval.reading)
        if rank is None:
            return
        if ring is None or ring.owner != owner or rank < ring.rank:
            ring = self._rings[interval.gpu_uuid] = Ring(owner=owner, rank=rank)
        value = getattr(interval.reading, SIGNALS[ring.rank])
        if not isinstance(value, Absent):
            ring.add(slot, value, window_slots=self._window_slots)

    def _fill_queue(self, slot: int) -> None:
        """Every owner whose devices tell something, once; what is too old to count is dropped, and so are others."""
        self._rings = {uuid: ring for uuid, ring in self._rings.items() if slot - ring.latest < self._window_slots}
        owners = dict.fromkeys(ring.owner for ring in self._rings.values() if slot - ring.latest < SILENT_SLOTS)
        self._found = {owner: rhythm for owner, rhythm in self._found.items() if owner in owners}
        self._queue.extend(owners)

    def _compute(self, owner: Owner, slot: int, *, began_unix: float) -> None:
        """The rhythm of the owner's devices that can tell the best signal among them; none if they tell no more."""
        rings = [ring for ring in self._rings.values() if ring.owner == owner and slot - ring.latest < SILENT_SLOTS]
        if not rings:
            self._found.pop(owner, None)
            return
        rank = min(ring.rank for ring in rings)
        devices = [ring.series(slot - self._window_slots) for ring in rings if ring.rank == rank]
        self._found[owner] = Rhythm(
            signal=SIGNALS[rank],
            window_seconds=len(set().union(*devices)) * self._slot_seconds,
            beat=self._beat(devices, began_unix - (0.0 if SIGNALS[rank] == POWER else self.interval_seconds / 2)),
            synchrony_ratio=synchrony_ratio(devices),
        )

    def _beat(self, devices: list[Series], began_unix: float) -> Beat | Absent:
        """The period in seconds. ``began_unix``: the moment that the readings of slot 0 stand for."""
        period = find_period(devices)
        if isinstance(period, Absent):
            return period
        return Beat(
            period_seconds=period.slots * self._slot_seconds,
            strength_ratio=period.strength_ratio,
            trough_unix=began_unix + period.trough_slot * self._slot_seconds,
        )


def best_rank(reading: Reading) -> int | None:
    """The place in ``SIGNALS`` of the best signal in a reading, if there is any."""
    present = (rank for rank, name in enumerate(SIGNALS) if not isinstance(getattr(reading, name), Absent))
    return next(present, None)
