"""
One tick of the collector, and the timer that calls it.

A tick reads every device, asks who holds what, and adds both up. It never runs on the scrape path: a scrape renders
what the last tick left. Whatever fails becomes a state with a reason, and is tried again later; nothing fails into a
zero.

An interval belongs to whoever holds the device at its end. Of one that was too long only the last part is known; the
rest is lost, and whoever held the device at either end may have held it. So may whoever held it last, for as long as
nobody can tell who does.

With a keeper the counters go on over a restart, and nothing is published that a successor would not find: a scrape gets
the page of the last tick that was saved. Only where no state was ever saved, so that a successor begins anew, is the
page that of the last tick although it cannot be saved. The series of a holder begin with 0, which stays on the page
until the next save: a reader that comes at least as often as states are saved always sees it.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from collector import contract
from collector.accounting import Accounts, DeviceInterval
from collector.clock import Clock
from collector.contract import Metric, Sample, node_metrics
from collector.devices import NodeDevices, Survey
from collector.hanging import TickWatch
from collector.holders import HolderSource
from collector.intervals import Holding, after_check, device_intervals, either, unwatched
from collector.page import check_samples, custody_samples, gpu_samples
from collector.processes.port import Check, Checked
from collector.readings import Absent, Why
from collector.rhythms import Rhythms
from collector.state.file import CallFailures, Held, State
from collector.state.keeper import Keeper, Resumed, begun

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
STALL_INTERVALS = 30  # a loop that has not ticked for so many intervals hangs: a guess, far above any slow tick
SHORTEST_STALL_SECONDS = 30.0  # and so many real seconds, however fast a scenario's clock runs


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What every series of this collector says about its origin."""

    node: str
    provenance: str
    version: str

    @property
    def where(self) -> tuple[str, str]:
        """The first two labels of every series."""
        return self.node, self.provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    When to tick, and what is too late.

    ``interval_seconds`` between ticks; an interval longer than ``max_gap_seconds`` is lost but for its last part;
    holders that ended are kept for ``retention_seconds`` so that a late scrape still finds their last seconds. A tick
    that takes longer than ``hang_seconds``, in real seconds, hangs.
    """

    interval_seconds: float
    max_gap_seconds: float
    retention_seconds: float
    hang_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    What ``/healthz`` and ``/readyz`` answer from.

    ``ticks`` are those of this process; ``blind`` says why no GPU can be read, if so. ``hanging``: what a tick has been
    in for too long, empty if none has; ``hangs``: for so long that it is time for another process.
    """

    ticks: int
    seconds_since_tick: float
    hangs: bool
    blind: Absent | None
    hanging: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a scrape gets: ``kept`` is the same tuple until the next state is saved, ``live`` is of this moment."""

    kept: tuple[Sample, ...]
    live: tuple[Sample, ...]


class NotInTime(Exception):
    """Something holds the collector's books for longer than the caller would wait: what to do."""


class Collector:
    """Everything a node knows, added up tick by tick; safe to render from another thread."""

    def __init__(
        self,
        *,
        facts: NodeFacts,
        devices: NodeDevices,
        holders: HolderSource,
        clock: Clock,
        timing: Timing,
        keeper: Keeper | None = None,
        also: Callable[[tuple[str, str]], Iterable[Sample]] = lambda _: (),
        left_out: frozenset[Metric] = frozenset(),
        check: Check | None = None,
    ) -> None:
        """
        Without a keeper the counters begin now, and a scrape gets what the last tick left.

        ``also`` gives further series of this process, for the first two label values of each; ``left_out`` are counted
        and not served. ``check`` holds the claims against the processes; without one they are taken at their
        word.
        """
        resumed = Resumed(state=begun(clock), down_ns=0) if keeper is None else keeper.resume(clock)
        self._facts = facts
        self._devices = devices
        self._holders = holders
        self._clock = clock
        self._timing = timing
        self._keeper = keeper
        self._also = also
        self._left_out = left_out
        self._check = check
        self._checked: Checked | None = None
        self._rhythms = Rhythms(interval_seconds=timing.interval_seconds)
        self._watch = TickWatch(clock, limit_seconds=timing.hang_seconds, asking=lambda: devices.asking)
        self._lock = threading.Lock()
        self._strangers: frozenset[str] = frozenset()
        self._last_tick_ns = clock.elapsed_ns()
        self._down_ns = resumed.down_ns
        self._duration_seconds = 0.0
        self._go_on(resumed.state)
        self._page = None if keeper is None else self._page_now()

    def _go_on(self, state: State) -> None:
        self._accounts = Accounts.of(state.books)
        self._custody = state.custody
        self._mismatches = Counter(state.process_mismatches)
        self._held, self._last_known = state.held, state.last_known
        failures = {(each.call, each.code): each.count for each in state.nvml_failures}
        self._survey = self._devices.remember(state.custody.present(), failures)
        self._began_unix, self._ticked_unix = state.began_unix, state.clock_unix
        self._last_success_unix = state.last_success_unix
        self._ticks = self._ticks_before = state.ticks
        self._lateness_ns = state.lateness_ns

    def tick(self, *, late_ns: int = 0) -> None:
        """Read, attribute, add up. The slow part runs without the lock, so a hanging driver never hangs a scrape."""
        with self._watch:
            self._tick(late_ns)

    def _tick(self, late_ns: int) -> None:
        began_ns = self._clock.elapsed_ns()
        survey = self._watch.during("driver", self._devices.survey)
        held = self._watch.during("holders", self._holders.holders)
        checked = self._look_at_processes(survey, held)
        self._tell_strangers(survey, held)
        now_ns, now_unix = self._clock.elapsed_ns(), self._clock.unix_seconds()
        with self._lock:
            elapsed_ns = now_ns - self._last_tick_ns
            self._note_check(checked)
            self._add_down(survey, held)
            self._rhythms.look(self._add(elapsed_ns, survey, held), at_ns=now_ns, at_unix=now_unix)
            self._look(survey, now_unix, elapsed_ns)
            self._survey, self._held = survey, held
            self._last_known = self._last_known if isinstance(held, Absent) else held
            self._last_tick_ns, self._ticked_unix = now_ns, now_unix
            if survey.complete:
                self._last_success_unix = now_unix
            self._ticks += 1
            self._lateness_ns += late_ns
            self._duration_seconds = self._clock.real_seconds((now_ns - began_ns) / NANOSECONDS)
            if self._page is None:
                self._accounts.begin()
        if self._keeper is not None and self._keeper.is_due(now_ns):
            self._save(self._keeper)

    def run(self, stop: threading.Event) -> None:
        """
        Tick at every multiple of the interval until told to stop; moments that have passed by are left out.

        What the last tick left is saved at the end.
        """
        interval_ns = round(self._timing.interval_seconds * NANOSECONDS)
        due_ns = self._clock.elapsed_ns()
        while not stop.is_set():
            late_ns = self._clock.elapsed_ns() - due_ns
            if late_ns < 0:
                stop.wait(self._clock.real_seconds(-late_ns / NANOSECONDS))
                continue
            self.tick(late_ns=late_ns)
            due_ns += interval_ns * (1 + late_ns // interval_ns)
        if self._keeper is not None and self._ticks > self._ticks_before:
            self._save(self._keeper)
        self._devices.close()

    def health(self, *, timeout_seconds: float = threading.TIMEOUT_MAX) -> Health:
        """How the loop is doing; ages in real seconds. Raises ``NotInTime``."""
        with self._books_within(timeout_seconds):
            age = self._clock.real_seconds((self._clock.elapsed_ns() - self._last_tick_ns) / NANOSECONDS)
            stall = self._clock.real_seconds(STALL_INTERVALS * self._timing.interval_seconds)
            hangs = age > max(stall, SHORTEST_STALL_SECONDS)
            ticks = self._ticks - self._ticks_before
            hanging = self._watch.hanging()
            return Health(ticks=ticks, seconds_since_tick=age, hangs=hangs, blind=self._survey.blind, hanging=hanging)

    def tell_if_hanging(self) -> None:
        """Say in the log, once, that a tick hangs, or goes on. For the thread that looks after the one that ticks."""
        self._watch.tell()

    def page(self, *, timeout_seconds: float = threading.TIMEOUT_MAX) -> Page:
        """All series as the last tick left them, or with a keeper the last one that was saved. Raises ``NotInTime``."""
        with self._books_within(timeout_seconds):
            keeping = () if self._keeper is None else self._keeper.samples(self._facts.where)
            watching = self._watch.samples(self._facts.where)
            live = self._served((*keeping, *watching, *self._also(self._facts.where)))
            if self._page is None:
                return Page(kept=(), live=(*self._page_now(), *live))
            return Page(kept=self._page, live=live)

    def samples(self) -> tuple[Sample, ...]:
        """All series of the page."""
        page = self.page()
        return (*page.kept, *page.live)

    def _served(self, samples: Iterable[Sample]) -> tuple[Sample, ...]:
        return tuple(sample for sample in samples if sample.metric not in self._left_out)

    @contextmanager
    def _books_within(self, seconds: float) -> Iterator[None]:
        if not self._lock.acquire(timeout=seconds):
            raise NotInTime(f"the books were busy for {seconds:.3g} s: ask again; restart the collector if it stays so")
        try:
            yield
        finally:
            self._lock.release()

    def _page_now(self) -> tuple[Sample, ...]:
        """Everything but how keeping goes. Holders that no page has had yet are at 0, where pages are kept."""
        where, at_zero = self._facts.where, self._keeper is not None
        whole = (
            *self._collector_samples(),
            *gpu_samples(where, self._survey, self._held),
            *custody_samples(where, self._custody),
            *self._check_samples(),
            *self._accounts.samples(*where, newcomers_at_zero=at_zero),
            *self._rhythms.samples(*where),
        )
        return self._served(whole)

    def _save(self, keeper: Keeper) -> None:
        """Save what the last tick left, and publish it if a successor would find it. Without the lock: disks hang."""
        saved = self._watch.during("state", lambda: keeper.save(self._state(), self._last_tick_ns))
        with self._lock:
            if saved:
                self._page = self._page_now()
            elif not keeper.is_on_disk:
                self._page = None
            if saved or self._page is None:
                self._accounts.begin()

    def _state(self) -> State:
        return State(
            began_unix=self._began_unix,
            clock_unix=self._ticked_unix,
            elapsed_ns=self._last_tick_ns,
            epoch=self._clock.epoch(),
            last_success_unix=self._last_success_unix,
            ticks=self._ticks,
            lateness_ns=self._lateness_ns,
            nvml_failures=tuple(
                CallFailures(call=call, code=code, count=count) for (call, code), count in self._survey.errors.items()
            ),
            books=self._accounts.books(),
            held=self._held,
            last_known=self._last_known,
            custody=self._custody,
            process_mismatches=dict(self._mismatches),
        )

    def _look_at_processes(self, survey: Survey, held: Held) -> Checked | None:
        check = self._check
        return None if check is None else self._watch.during("processes", lambda: check.look(survey.readings, held))

    def _note_check(self, checked: Checked | None) -> None:
        self._checked = checked
        self._mismatches.update({} if checked is None else checked.mismatches)

    def _check_samples(self) -> Iterator[Sample]:
        """Nothing without a check; before its first look it has no data."""
        if self._check is not None:
            failure = Absent(Why.NO_DATA) if self._checked is None else self._checked.failure
            yield from check_samples(self._facts.where, self._check.kinds, self._mismatches, failure)

    def _add_down(self, survey: Survey, held: Held) -> None:
        """Once, at the first tick after a restart: the time before it. Who held at either end may have held then."""
        if self._down_ns:
            may_have = unwatched(self._down_ns, survey, either(self._last_known, held))
            self._accounts.pass_unwatched(self._down_ns, may_have)
        self._down_ns = 0

    def _look(self, survey: Survey, at_unix: float, elapsed_ns: int) -> None:
        """Keep the inventory. A look at which nothing could be read is none."""
        seen = survey.seen()
        if seen:
            was = {identity.gpu_uuid for identity in self._custody.present()}
            self._custody = self._custody.look(seen, at_unix=at_unix, elapsed_seconds=elapsed_ns / NANOSECONDS)
            self._devices.forget(was - {identity.gpu_uuid for identity in self._custody.present()})

    def _tell_strangers(self, survey: Survey, held: Held) -> None:
        """Say once which devices holders have that this node has not: a slip leaves the real ones to nobody."""
        if survey.blind or isinstance(held, Absent):
            return
        here = {*survey.known, *survey.instances, *(gpu.key for gpu in survey.unreadable)}
        strangers = frozenset(held) - here
        if strangers - self._strangers:
            log.warning("holders.unknown_devices gpu_uuids=%s", ",".join(map(repr, sorted(strangers))))
        self._strangers = strangers

    def _add(self, elapsed_ns: int, survey: Survey, held: Held) -> tuple[DeviceInterval, ...]:
        """Add the time since the last tick to the accounts; what is known about its last part."""
        unseen_ns = self._unseen_ns(elapsed_ns)
        if unseen_ns:
            self._account(unseen_ns, survey.unread(Why.LATE_TICK), either(self._last_known, held))
        intervals = self._account(elapsed_ns - unseen_ns, survey, held)
        self._accounts.retire(round(self._timing.retention_seconds * NANOSECONDS))
        return intervals

    def _account(self, elapsed_ns: int, survey: Survey, held: Held) -> tuple[DeviceInterval, ...]:
        self._accounts.advance(elapsed_ns, survey.inventory())
        holding = Holding(now=held, last_known=self._last_known)
        intervals = device_intervals(elapsed_ns, survey, holding)
        checked = tuple(after_check(each, elapsed_ns, self._checked) for each in intervals)
        self._accounts.integrate(elapsed_ns, checked)
        return checked

    def _unseen_ns(self, elapsed_ns: int) -> int:
        """How much of the interval nobody can speak for: all but its last part, if it was too long."""
        if elapsed_ns <= self._timing.max_gap_seconds * NANOSECONDS:
            return 0
        return elapsed_ns - round(self._timing.interval_seconds * NANOSECONDS)

    def _collector_samples(self) -> Iterator[Sample]:
        where, blind, version = self._facts.where, self._survey.blind, self._survey.driver_version
        driver = "" if isinstance(version, Absent) else version
        yield Sample(node_metrics.COLLECTOR_INFO, (*where, self._facts.version, contract.CONTRACT_VERSION, driver), 1)
        yield Sample(node_metrics.COLLECTOR_BLIND, (*where, blind.reason if blind else ""), 1 if blind else 0)
        for metric, value in self._own_numbers():
            yield Sample(metric, where, value)
        for (call, code), count in self._survey.errors.items():
            yield Sample(node_metrics.NVML_ERRORS, (*where, call, code), count)

    def _own_numbers(self) -> tuple[tuple[Metric, float], ...]:
        return (
            (node_metrics.COLLECTOR_START, self._began_unix),
            (node_metrics.COLLECTOR_CLOCK, self._ticked_unix),
            (node_metrics.COLLECTOR_TICKS, self._ticks),
            (node_metrics.COLLECTOR_LATENESS, self._lateness_ns / NANOSECONDS),
            (node_metrics.COLLECTOR_DURATION, self._duration_seconds),
            (node_metrics.COLLECTOR_LAST_SUCCESS, self._last_success_unix),
        )
