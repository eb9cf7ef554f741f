"""
All that a node knows, added up: what a tick found goes in, and what is served and what is kept comes out.

An interval belongs to whoever holds the device at its end. Of one that was too long only the last part is known; the
rest is lost, and whoever held the device at either end may have held it: for certain only who held it at both. So may
whoever held it last, for as long as nobody can tell who does.

It asks nobody anything, and knows no thread: whoever ticks holds the lock.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from collector import contract
from collector.accounting import Accounts, DeviceInterval
from collector.contract import Metric, Sample, node_metrics
from collector.debuts import Debuts
from collector.devices import NodeDevices, Survey
from collector.intervals import Holding, after_check, came_since, device_intervals, either, unwatched
from collector.page import check_samples, custody_samples, error_samples, gpu_samples, held_samples
from collector.processes.port import Checked
from collector.readings import Absent, Why
from collector.rhythms import Rhythms
from collector.state.file import CallFailures, Held, State
from collector.state.keeper import Resumed

NANOSECONDS = 1_000_000_000


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
class Look:
    """
    What one tick found: the devices, who holds them, and what the check on that came to, if there is one.

    ``at_ns`` on the monotonic clock, ``at_unix`` the time of day; ``late_ns`` after it was due, and so long it took.
    """

    survey: Survey
    held: Held
    checked: Checked | None
    at_ns: int
    at_unix: float
    late_ns: int
    took_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Down:
    """Time in which no collector ran, and what was known when it began."""

    elapsed_ns: int
    survey: Survey
    held: Held


class NodeRecord:
    """
    Everything a node knows.

    ``check_kinds`` are the kinds of mismatch that its check may find, None without one. Rhythms are looked for if
    ``with_rhythms``.
    """

    def __init__(
        self,
        *,
        facts: NodeFacts,
        timing: Timing,
        devices: NodeDevices,
        resumed: Resumed,
        at_ns: int,
        check_kinds: tuple[str, ...] | None,
        with_rhythms: bool = True,
    ) -> None:
        """Goes on from a state; ``devices`` are told what was known, and what has vanished."""
        state = resumed.state
        self._facts = facts
        self._timing = timing
        self._devices = devices
        self._check_kinds = check_kinds
        self._checked: Checked | None = None
        self._rhythms = Rhythms(interval_seconds=timing.interval_seconds) if with_rhythms else None
        self._accounts = Accounts.of(state.books)
        self._custody = state.custody
        self._mismatches = Counter(state.process_mismatches)
        self._held, self.last_known = state.held, state.last_known
        failures = {(each.call, each.code): each.count for each in state.nvml_failures}
        self._nvml_errors_begun = Debuts((each.call, each.code) for each in state.nvml_failures if each.published)
        self._xid_errors_begun = Debuts[tuple[str, int]]()
        self.survey = devices.remember(state.custody.present(), failures, state.instances, state.unreadable)
        self._began_unix, self._ticked_unix = state.began_unix, state.clock_unix
        self._last_success_unix = state.last_success_unix
        self._ticks = self._ticks_before = state.ticks
        self._lateness_ns = state.lateness_ns
        self._duration_seconds = 0.0
        down = _Down(elapsed_ns=resumed.down_ns, survey=self.survey, held=state.last_known)
        self._down = down if resumed.down_ns else None
        self.last_tick_ns = at_ns

    @property
    def ticks(self) -> int:
        """Those of this process."""
        return self._ticks - self._ticks_before

    def add(self, look: Look) -> None:
        """Add up the time since the look before."""
        elapsed_ns = look.at_ns - self.last_tick_ns
        self._checked = look.checked
        self._mismatches.update({} if look.checked is None else look.checked.mismatches)
        self._add_down(look.survey, look.held)
        survey = self._keep_inventory(look.survey, look.at_unix, elapsed_ns)
        intervals = self._add(elapsed_ns, survey, look.held)
        if self._rhythms is not None:
            self._rhythms.look(intervals, at_ns=look.at_ns, at_unix=look.at_unix)
        self.survey, self._held = survey, look.held
        self.last_known = self.last_known if isinstance(look.held, Absent) else look.held
        self.last_tick_ns, self._ticked_unix = look.at_ns, look.at_unix
        if survey.complete:
            self._last_success_unix = look.at_unix
        self._ticks += 1
        self._lateness_ns += look.late_ns
        self._duration_seconds = look.took_seconds

    def begin(self) -> None:
        """Note that all series stand on a published page, so that they may grow on the next."""
        self._accounts.begin()
        self._nvml_errors_begun.begin(self.survey.errors)
        self._xid_errors_begun.begin(self.survey.xid_errors)

    def samples(self) -> Iterator[Sample]:
        """Every series but who holds what and those of newcomers; counters that no page has had yet are at 0."""
        where = self._facts.where
        yield from self._collector_samples()
        yield from gpu_samples(where, self.survey)
        yield from error_samples(
            where,
            self._nvml_errors_begun.shown(self.survey.errors, newcomers_at_zero=True),
            self._xid_errors_begun.shown(self.survey.xid_errors, newcomers_at_zero=True),
        )
        yield from custody_samples(where, self._custody)
        yield from self._check_samples()
        yield from self._accounts.samples(*where, newcomers_at_zero=True)
        if self._rhythms is not None:
            yield from self._rhythms.samples(*where)

    def held_samples(self) -> Iterator[Sample]:
        """Who holds what."""
        return held_samples(self._facts.where, self.survey, self._held)

    def newcomers(self) -> Iterator[Sample]:
        """The series of holders of whom none has stood on a published page: their counters are at 0."""
        return self._accounts.newcomers(*self._facts.where)

    def state(self, epoch: str | Absent) -> State:
        """What a successor must know. ``epoch`` tells which fixed moment the monotonic clock counts from."""
        return State(
            began_unix=self._began_unix,
            clock_unix=self._ticked_unix,
            elapsed_ns=self.last_tick_ns,
            epoch=epoch,
            last_success_unix=self._last_success_unix,
            ticks=self._ticks,
            lateness_ns=self._lateness_ns,
            nvml_failures=tuple(
                CallFailures(call=key[0], code=key[1], count=count, published=key in self._nvml_errors_begun)
                for key, count in self.survey.errors.items()
            ),
            books=self._accounts.books(),
            held=self._held,
            last_known=self.last_known,
            custody=self._custody,
            instances=tuple(look.identity for look in self.survey.instances.values()),
            unreadable={gpu.key: gpu.accelerator for gpu in self.survey.unreadable},
            process_mismatches=dict(self._mismatches),
        )

    def _check_samples(self) -> Iterator[Sample]:
        """Nothing without a check; before its first look it has no data."""
        if self._check_kinds is not None:
            failure = Absent(Why.NO_DATA) if self._checked is None else self._checked.failure
            yield from check_samples(self._facts.where, self._check_kinds, self._mismatches, failure)

    def _add_down(self, survey: Survey, held: Held) -> None:
        """
        At the first tick after a restart add up the time before it. Who held at either end may have held then.

        Mostly nobody has told yet who holds at its end: whoever came meanwhile gets the time once that is known.
        """
        down = self._down
        if down is None:
            return
        if not self.ticks:
            self._accounts.pass_unwatched(down.elapsed_ns)
            may_have = either(down.held, held)
        else:
            may_have = came_since(down.held, held)
        self._accounts.may_have_held(unwatched(down.elapsed_ns, down.survey, survey, may_have))
        self._down = down if isinstance(held, Absent) else None

    def _keep_inventory(self, survey: Survey, at_unix: float, elapsed_ns: int) -> Survey:
        """
        Keep the inventory. A look at which nothing could be read is none.

        Returns the survey without devices that have another UUID now, so that none is counted under both.
        """
        seen = survey.seen()
        if not seen:
            return survey
        was = {identity.gpu_uuid for identity in self._custody.present()}
        self._custody = self._custody.look(seen, at_unix=at_unix, elapsed_seconds=elapsed_ns / NANOSECONDS)
        gone = was - {identity.gpu_uuid for identity in self._custody.present()}
        self._devices.forget(gone)
        return survey.without(gone - {entry.identity.gpu_uuid for entry in self._custody.entries}) if gone else survey

    def _add(self, elapsed_ns: int, survey: Survey, held: Held) -> tuple[DeviceInterval, ...]:
        """Add the time since the last tick to the accounts; what is known about its last part."""
        unseen_ns = self._unseen_ns(elapsed_ns)
        if unseen_ns:
            may_have = held if isinstance(held, Absent) else either(self.last_known, held)
            self._account(unseen_ns, survey.unread(Why.LATE_TICK), may_have)
        intervals = self._account(elapsed_ns - unseen_ns, survey, held)
        self._accounts.retire(round(self._timing.retention_seconds * NANOSECONDS))
        return intervals

    def _account(self, elapsed_ns: int, survey: Survey, held: Held) -> tuple[DeviceInterval, ...]:
        self._accounts.advance(elapsed_ns, survey.inventory())
        holding = Holding(now=held, last_known=self.last_known)
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
        where, blind, version = self._facts.where, self.survey.blind, self.survey.driver_version
        driver = "" if isinstance(version, Absent) else version
        yield Sample(node_metrics.COLLECTOR_INFO, (*where, self._facts.version, contract.CONTRACT_VERSION, driver), 1)
        yield Sample(node_metrics.COLLECTOR_BLIND, (*where, blind.reason if blind else ""), 1 if blind else 0)
        for metric, value in self._own_numbers():
            yield Sample(metric, where, value)

    def _own_numbers(self) -> tuple[tuple[Metric, float], ...]:
        return (
            (node_metrics.COLLECTOR_START, self._began_unix),
            (node_metrics.COLLECTOR_CLOCK, self._ticked_unix),
            (node_metrics.COLLECTOR_TICKS, self._ticks),
            (node_metrics.COLLECTOR_LATENESS, self._lateness_ns / NANOSECONDS),
            (node_metrics.COLLECTOR_DURATION, self._duration_seconds),
            (node_metrics.COLLECTOR_LAST_SUCCESS, self._last_success_unix),
        )
