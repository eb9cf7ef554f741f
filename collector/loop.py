"""
One tick of the collector, and the timer that calls it.

A tick reads every device, asks who holds what, and adds both up. It never runs on the scrape path: a scrape renders
what the last tick left. Whatever fails becomes a state with a reason, and is tried again later; nothing fails into a
zero.

With a keeper the counters go on over a restart, and nothing is published that a successor would not find: a scrape gets
the page of the last tick that was saved. Only where no state was ever saved, so that a successor begins anew, is the
page that of the last tick although it cannot be saved. Who holds what is no counter, and is always of the last tick.

The series of a holder begin with 0: they are on the page from the tick that finds it, also before that is saved, for a
successor that knows nothing of it begins with 0 as well. The 0 stays at least from one save to the next: a reader that
comes as often as states are saved always sees it. Where pages are not saved, it stays until the next tick.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from collector.clock import Clock
from collector.contract import Metric, Sample, rhythm_metrics
from collector.devices import NodeDevices, Survey
from collector.hanging import TickWatch
from collector.holders import HolderSource
from collector.intervals import recalled, strangers
from collector.processes.port import Check, Checked
from collector.readings import Absent
from collector.record import Look, NodeFacts, NodeRecord, Timing
from collector.state.file import Held
from collector.state.keeper import Keeper, Resumed, begun

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
STALL_INTERVALS = 30  # a loop that has not ticked for so many intervals hangs: a guess, far above any slow tick
SHORTEST_STALL_SECONDS = 30.0  # and so many real seconds, however fast a scenario's clock runs


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
    """What a scrape gets: ``kept`` is the same tuple until a state is saved or a holder comes, ``live`` is of now."""

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
        and not served, but for rhythms, which are not even looked for. ``check`` holds the claims against the
        processes; without one they are taken at their word.
        """
        resumed = Resumed(state=begun(clock), down_ns=0) if keeper is None else keeper.resume(clock)
        self._record = NodeRecord(
            facts=facts,
            timing=timing,
            devices=devices,
            resumed=resumed,
            at_ns=clock.elapsed_ns(),
            check_kinds=None if check is None else check.kinds,
            with_rhythms=not left_out.issuperset(rhythm_metrics.METRICS),
        )
        self._facts = facts
        self._devices = devices
        self._holders = holders
        self._clock = clock
        self._timing = timing
        self._keeper = keeper
        self._also = also
        self._left_out = left_out
        self._check = check
        self._watch = TickWatch(clock, limit_seconds=timing.hang_seconds, asking=lambda: devices.asking)
        self._lock = threading.Lock()
        self._strangers: frozenset[str] = frozenset()
        self._saved = None if keeper is None else self._served(self._record.samples())
        self._newcomers: tuple[Sample, ...] = ()
        self._page = self._saved
        self._welcome()

    @property
    def last_known(self) -> Held:
        """Who held what when that was last known, by this process or the one before it."""
        return self._record.last_known

    def tick(self, *, late_ns: int = 0) -> None:
        """Read, attribute, add up. The slow part runs without the lock, so a hanging driver never hangs a scrape."""
        with self._watch:
            self._tick(late_ns)

    def _tick(self, late_ns: int) -> None:
        began_ns = self._clock.elapsed_ns()
        survey = self._watch.during("driver", self._devices.survey)
        held = recalled(self._watch.during("holders", self._holders.holders), self._record.last_known)
        checked = self._look_at_processes(survey, held)
        self._tell_strangers(survey, held)
        now_ns = self._clock.elapsed_ns()
        look = Look(
            survey=survey,
            held=held,
            checked=checked,
            at_ns=now_ns,
            at_unix=self._clock.unix_seconds(),
            late_ns=late_ns,
            took_seconds=self._clock.real_seconds((now_ns - began_ns) / NANOSECONDS),
        )
        with self._lock:
            if self._saved is None:
                self._record.begin()  # what was added until now has stood on the page of the tick before
            self._record.add(look)
            self._welcome()
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
        if self._keeper is not None and self._record.ticks:
            self._save(self._keeper)
        self._devices.close()

    def health(self, *, timeout_seconds: float = threading.TIMEOUT_MAX) -> Health:
        """How the loop is doing; ages in real seconds. Raises ``NotInTime``."""
        with self._books_within(timeout_seconds):
            age = self._clock.real_seconds((self._clock.elapsed_ns() - self._record.last_tick_ns) / NANOSECONDS)
            stall = self._clock.real_seconds(STALL_INTERVALS * self._timing.interval_seconds)
            hangs = age > max(stall, SHORTEST_STALL_SECONDS)
            return Health(
                ticks=self._record.ticks,
                seconds_since_tick=age,
                hangs=hangs,
                blind=self._record.survey.blind,
                hanging=self._watch.hanging(),
            )

    def tell_if_hanging(self) -> None:
        """Say in the log, once, that a tick hangs, or goes on. For the thread that looks after the one that ticks."""
        self._watch.tell()

    def page(self, *, timeout_seconds: float = threading.TIMEOUT_MAX) -> Page:
        """All series as the last tick left them, or with a keeper the last one that was saved. Raises ``NotInTime``."""
        with self._books_within(timeout_seconds):
            keeping = () if self._keeper is None else self._keeper.samples(self._facts.where)
            watching = self._watch.samples(self._facts.where)
            holding = self._record.held_samples()
            live = self._served((*holding, *keeping, *watching, *self._also(self._facts.where)))
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
        """What a state has. Holders that no page has had yet are at 0."""
        return self._served((*self._record.samples(), *self._record.newcomers()))

    def _welcome(self) -> None:
        """Put holders that are in no saved state yet onto the page."""
        if self._saved is None:
            return
        newcomers = self._served(self._record.newcomers())
        if newcomers != self._newcomers:
            self._newcomers = newcomers
            self._page = (*self._saved, *newcomers)

    def _save(self, keeper: Keeper) -> None:
        """Save what the last tick left, and publish it if a successor would find it. Without the lock: disks hang."""
        state = self._record.state(self._clock.epoch())
        saved = self._watch.during("state", lambda: keeper.save(state, self._record.last_tick_ns))
        with self._lock:
            if saved:
                self._page = self._saved = self._page_now()
                self._newcomers = ()
                self._record.begin()
            elif not keeper.is_on_disk:
                self._page = self._saved = None

    def _look_at_processes(self, survey: Survey, held: Held) -> Checked | None:
        check = self._check
        return None if check is None else self._watch.during("processes", lambda: check.look(survey.readings, held))

    def _tell_strangers(self, survey: Survey, held: Held) -> None:
        """Say once which devices holders have that this node has not: a slip leaves the real ones to nobody."""
        if survey.blind or isinstance(held, Absent):
            return
        found = strangers(held, survey)
        if found - self._strangers:
            log.warning("holders.unknown_devices gpu_uuids=%s", ",".join(map(repr, sorted(found))))
        self._strangers = found
