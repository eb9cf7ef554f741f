"""
One tick of the collector, and the timer that calls it.

A tick reads every device, asks who holds what, and adds both up. It never runs on the scrape path: a scrape renders
what the last tick left. Whatever fails becomes a state with a reason, and is tried again later; nothing fails into a
zero.

An interval belongs to whoever holds the device at its end. Of one that was too long only the last part is known; the
rest is lost, and whoever held the device at either end may have held it. So may whoever held it last, for as long as
nobody can tell who does.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from collector import contract
from collector.accounting import Accounts, DeviceInterval, holder_labels
from collector.attribution import attribute
from collector.clock import Clock
from collector.contract import UNKNOWN_ACCELERATOR, Metric, Sample
from collector.devices import NOT_YET, NodeDevices, Survey
from collector.holders import HolderSource
from collector.readings import Absent, Holder, Why

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
STALL_INTERVALS = 30  # a loop that has not ticked for so many intervals hangs: a guess, far above any slow tick
SHORTEST_STALL_SECONDS = 30.0  # and so many real seconds, however fast a scenario's clock runs

Held = Mapping[str, tuple[Holder, ...]] | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What every series of this collector says about its origin."""

    node: str
    provenance: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    When to tick, and what is too late.

    ``interval_seconds`` between ticks; an interval longer than ``max_gap_seconds`` is lost but for its last part;
    holders that ended are kept for ``retention_seconds`` so that a late scrape still finds their last seconds.
    """

    interval_seconds: float
    max_gap_seconds: float
    retention_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What ``/healthz`` and ``/readyz`` answer from; ``blind`` says why no GPU can be read, if so."""

    ticks: int
    seconds_since_tick: float
    hangs: bool
    blind: Absent | None


class Collector:
    """Everything a node knows, added up tick by tick; safe to render from another thread."""

    def __init__(
        self, *, facts: NodeFacts, devices: NodeDevices, holders: HolderSource, clock: Clock, timing: Timing
    ) -> None:
        self._facts = facts
        self._devices = devices
        self._holders = holders
        self._clock = clock
        self._timing = timing
        self._lock = threading.Lock()
        self._accounts = Accounts()
        self._survey = NOT_YET
        self._held: Held = Absent(Why.HOLDERS_UNKNOWN)
        self._last_known: Mapping[str, tuple[Holder, ...]] = {}
        self._started_unix = clock.unix_seconds()
        self._strangers: frozenset[str] = frozenset()
        self._last_tick_ns = clock.elapsed_ns()
        self._ticked_unix = self._started_unix
        self._last_success_unix = 0.0
        self._ticks = 0
        self._lateness_ns = 0
        self._duration_seconds = 0.0

    def tick(self, *, late_ns: int = 0) -> None:
        """Read, attribute, add up. The slow part runs without the lock, so a hanging driver never hangs a scrape."""
        began_ns = self._clock.elapsed_ns()
        survey = self._devices.survey()
        held = self._holders.holders()
        self._tell_strangers(survey, held)
        now_ns, now_unix = self._clock.elapsed_ns(), self._clock.unix_seconds()
        with self._lock:
            self._add(now_ns - self._last_tick_ns, survey, held)
            self._survey, self._held = survey, held
            self._last_known = self._last_known if isinstance(held, Absent) else held
            self._last_tick_ns, self._ticked_unix = now_ns, now_unix
            if survey.complete:
                self._last_success_unix = now_unix
            self._ticks += 1
            self._lateness_ns += late_ns
            self._duration_seconds = self._clock.real_seconds((now_ns - began_ns) / NANOSECONDS)

    def run(self, stop: threading.Event) -> None:
        """Tick at every multiple of the interval until told to stop; moments that have passed by are left out."""
        interval_ns = round(self._timing.interval_seconds * NANOSECONDS)
        due_ns = self._clock.elapsed_ns()
        while not stop.is_set():
            late_ns = self._clock.elapsed_ns() - due_ns
            if late_ns < 0:
                stop.wait(self._clock.real_seconds(-late_ns / NANOSECONDS))
                continue
            self.tick(late_ns=late_ns)
            due_ns += interval_ns * (1 + late_ns // interval_ns)
        self._devices.close()

    def health(self) -> Health:
        """How the loop is doing; ages in real seconds."""
        with self._lock:
            age = self._clock.real_seconds((self._clock.elapsed_ns() - self._last_tick_ns) / NANOSECONDS)
            stall = self._clock.real_seconds(STALL_INTERVALS * self._timing.interval_seconds)
            hangs = age > max(stall, SHORTEST_STALL_SECONDS)
            return Health(ticks=self._ticks, seconds_since_tick=age, hangs=hangs, blind=self._survey.blind)

    def samples(self) -> tuple[Sample, ...]:
        """All series as the last tick left them."""
        with self._lock:
            own = self._collector_samples()
            gpus = self._gpu_samples()
            return (*own, *gpus, *self._accounts.samples(self._facts.node, self._facts.provenance))

    def _tell_strangers(self, survey: Survey, held: Held) -> None:
        """Say once which devices holders have that this node has not: a slip leaves the real ones to nobody."""
        if survey.blind or isinstance(held, Absent):
            return
        strangers = frozenset(held) - frozenset(survey.known)
        if strangers - self._strangers:
            log.warning("holders.unknown_devices gpu_uuids=%s", ",".join(map(repr, sorted(strangers))))
        self._strangers = strangers

    def _add(self, elapsed_ns: int, survey: Survey, held: Held) -> None:
        unseen_ns = self._unseen_ns(elapsed_ns)
        if unseen_ns:
            self._account(unseen_ns, survey.unread(Why.LATE_TICK), _either(self._held, held))
        self._account(elapsed_ns - unseen_ns, survey, held)
        self._accounts.retire(round(self._timing.retention_seconds * NANOSECONDS))

    def _account(self, elapsed_ns: int, survey: Survey, held: Held) -> None:
        self._accounts.advance(elapsed_ns, survey.inventory())
        self._accounts.integrate(elapsed_ns, _intervals(survey, held, self._last_known))

    def _unseen_ns(self, elapsed_ns: int) -> int:
        """How much of the interval nobody can speak for: all but its last part, if it was too long."""
        if elapsed_ns <= self._timing.max_gap_seconds * NANOSECONDS:
            return 0
        return elapsed_ns - round(self._timing.interval_seconds * NANOSECONDS)

    def _collector_samples(self) -> Iterator[Sample]:
        where = (self._facts.node, self._facts.provenance)
        blind, version = self._survey.blind, self._survey.driver_version
        driver = "" if isinstance(version, Absent) else version
        yield Sample(contract.COLLECTOR_INFO, (*where, self._facts.version, contract.CONTRACT_VERSION, driver), 1)
        yield Sample(contract.COLLECTOR_BLIND, (*where, blind.reason if blind else ""), 1 if blind else 0)
        for metric, value in self._own_numbers():
            yield Sample(metric, where, value)
        for (call, code), count in self._survey.errors.items():
            yield Sample(contract.NVML_ERRORS, (*where, call, code), count)

    def _own_numbers(self) -> tuple[tuple[Metric, float], ...]:
        return (
            (contract.COLLECTOR_START, self._started_unix),
            (contract.COLLECTOR_CLOCK, self._ticked_unix),
            (contract.COLLECTOR_TICKS, self._ticks),
            (contract.COLLECTOR_LATENESS, self._lateness_ns / NANOSECONDS),
            (contract.COLLECTOR_DURATION, self._duration_seconds),
            (contract.COLLECTOR_LAST_SUCCESS, self._last_success_unix),
        )

    def _gpu_samples(self) -> Iterator[Sample]:
        where = (self._facts.node, self._facts.provenance)
        for uuid, identity in self._survey.known.items():
            serial = "" if isinstance(identity.serial, Absent) else identity.serial
            about = (identity.accelerator, identity.pci_bus_id, serial)
            yield Sample(contract.GPU_INFO, (*where, uuid, *about), 1)
            reading = self._survey.readings[uuid]
            if not isinstance(reading, Absent):
                yield from _present(contract.GPU_BUSY, (*where, uuid), reading.busy_ratio)
                yield from _present(contract.GPU_POWER, (*where, uuid), reading.power_watts)
            for names in _names(_holders_of(uuid, self._held)):
                yield Sample(contract.GPU_HELD, (*where, uuid, *names), 1)


def _intervals(survey: Survey, held: Held, last_known: Mapping[str, tuple[Holder, ...]]) -> Iterator[DeviceInterval]:
    for uuid, reading in survey.readings.items():
        yield DeviceInterval(
            gpu_uuid=uuid,
            accelerator=survey.known[uuid].accelerator,
            reading=reading,
            attribution=attribute(reading, _holders_of(uuid, held), last_known.get(uuid, ())),
        )
    for number, why in enumerate(survey.unidentified):
        yield DeviceInterval(
            gpu_uuid=f"unidentified-{number}",
            accelerator=UNKNOWN_ACCELERATOR,
            reading=why,
            attribution=attribute(why, Absent(Why.HOLDERS_UNKNOWN)),
        )


def _holders_of(uuid: str, held: Held) -> tuple[Holder, ...] | Absent:
    return held if isinstance(held, Absent) else held.get(uuid, ())


def _either(before: Held, now: Held) -> Held:
    """Whoever may have held a device between two moments: the holders at both."""
    if isinstance(before, Absent) or isinstance(now, Absent):
        return now if isinstance(before, Absent) else before
    return {uuid: (*before.get(uuid, ()), *now.get(uuid, ())) for uuid in {**before, **now}}


def _names(holders: tuple[Holder, ...] | Absent) -> tuple[tuple[str, str, str, str], ...]:
    """Holders by name, each once: pods that differ in nothing but their UID have one series."""
    labels = () if isinstance(holders, Absent) else tuple(map(holder_labels, holders))
    return tuple(dict.fromkeys((namespace, pod, container, tenant) for namespace, pod, _, container, tenant in labels))


def _present(metric: Metric, labels: tuple[str, ...], value: float | Absent) -> Iterator[Sample]:
    if not isinstance(value, Absent):
        yield Sample(metric, labels, value)
