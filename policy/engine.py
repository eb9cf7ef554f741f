"""
The engine: between a source and a queue, it keeps the ledger and judges what the ledger holds.

What is concluded from windows is :func:`policy.judge.judge`; here stands when. A cycle is a row of steps, each of which
leaves either everything or nothing behind, so an engine that dies between any two of them is followed by one that
completes the work and arrives at the same ledger and the same tickets.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from policy.facts.facts import Facts
from policy.facts.put_away import put_away
from policy.facts.reviewing import stale_documents
from policy.frames import empty
from policy.judge import Judgement, judge
from policy.judgement.crossings import CROSSINGS, crossings_of, newly_reached
from policy.judgement.inventory import inventory_of, stood_in
from policy.kyc.customers import Customers
from policy.kyc.registers.allocations import allocation_windows
from policy.kyc.registers.covered import covered_by, covered_until, spoken_in
from policy.ports import BLANK_BOOK, Observer, Queue, Source, StitchBook
from policy.rules.pack import Pack
from policy.usage.cited import Cited
from policy.usage.counters import (
    COUNTERS,
    balance_between,
    carry_forward,
    pending_windows,
    retire,
    targets_in_force,
    windows_between,
)
from policy.usage.ledger import Ledger, LedgerError
from policy.usage.sources.target import Heard, TargetState, one_for_each_node, targets_frame, with_right_clocks
from policy.usage.window import WINDOWS

log = logging.getLogger("flopwatch.engine")


KNOWN = "crossings"
"""Under this name the ledger keeps which tiers were reached, so that an engine tells it once and not at each start."""
STEPS = (
    "recovered", "scraped", "targets_written", "counters_written", "windows_written", "balance_written", "cited",
    "judged", "submitted",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """
    How far back windows are judged, and after how long without an answer a node's devices count as unwatched.

    Both are durations. The latter is also how far a node's clock, or the engine's own, may be off.
    """

    look_back: timedelta
    stale_after: timedelta


@dataclass(slots=True, kw_only=True)
class LedgerJudge:
    """
    Judges what a ledger holds, and writes nothing.

    ``customers`` is asked anew for every judgement, so that a changed register takes effect.
    """

    ledger: Ledger
    customers: Callable[[], Customers]
    facts: Facts
    pack: Pack
    horizon: Horizon
    stitches: StitchBook = BLANK_BOOK
    _days: dict[str, dict[tuple[Path, ...], pl.DataFrame]] = field(default_factory=dict)

    def judge(self, at: datetime) -> Judgement:
        """Judge what the ledger holds, and what silent nodes may have done since they were last heard."""
        since = at - self.horizon.look_back
        windows = self.ledger.scan("windows", since=since).filter(pl.col("window_end") > since)
        snapshots = self.ledger.snapshots()
        latest = self.ledger.counters(snapshots[-1]) if snapshots else empty(COUNTERS)
        pending = pending_windows(latest, at, self.horizon.stale_after.total_seconds(), since)
        customers = self.customers()
        by_register = self._by_register(customers, pending, since, at)
        whole = pl.concat([windows, pending.lazy(), by_register.lazy()])
        stood = self._each_day("stood", since, stood_in)
        with self.ledger.naming("windows", since=since):  # they are read in here
            return judge(
                whole,
                inventory_of(whole, stood),
                customers=customers,
                facts=self.facts,
                pack=self.pack,
                at=at,
                words=self.stitches.words(),
                settled=self.stitches.settled(),
            )

    def _by_register(self, customers: Customers, pending: pl.DataFrame, since: datetime, at: datetime) -> pl.DataFrame:
        """What the allocation register tells of machines for which no collector spoke, schema WINDOWS."""
        register = customers.registers.allocations
        if register.frame.is_empty():
            return empty(WINDOWS)
        told_of = covered_by(self._each_day("spoken", since, spoken_in))
        covered = covered_until(told_of, pending, at, self.horizon.stale_after)
        return allocation_windows(register, covered, since, at, self.ledger.provenance)

    def _each_day(
        self, name: str, since: datetime, reduced: Callable[[pl.LazyFrame], pl.LazyFrame]
    ) -> list[pl.DataFrame]:
        """What is made of every day's balance in the look-back. A day whose files are the same is not read again."""
        known, now = self._days.get(name, {}), {}
        for paths in self.ledger.by_day("balance", since=since):
            day = known.get(paths)
            now[paths] = self.ledger.reduce("balance", paths, reduced) if day is None else day
        self._days[name] = now
        return list(now.values())


@dataclass(slots=True, kw_only=True)
class Engine(LedgerJudge):
    """One fleet's engine."""

    source: Source
    queue: Queue
    observe: Observer = lambda _: None
    _states: dict[str, TargetState] = field(default_factory=dict)
    _stale: tuple[str, ...] = ()

    def cycle(self, at: datetime) -> Judgement:
        """Hear every node, keep what it said, judge, and hand the findings over. The caller holds the ledger's lock."""
        self._recover()
        self.observe("recovered")
        self._measure(at)
        self._tell_stale(at.date())
        self._keep_cited(at)
        self.observe("cited")
        judgement = self.judge(at)
        self.observe("judged")
        self.queue.submit(judgement.findings, at)
        self.stitches.tell(judgement.stitches, at)
        self._tell_crossings(crossings_of(judgement.parts, self.facts.tiers.amounts))
        self.observe("submitted")
        return judgement

    def _measure(self, at: datetime) -> None:
        snapshots = self.ledger.snapshots()
        if snapshots and at <= snapshots[-1]:
            self._explain_not_measuring(at, snapshots[-1])
            return
        before = self.ledger.counters(snapshots[-1]) if snapshots else empty(COUNTERS)
        timely = with_right_clocks(self.source(targets_in_force(before)), at, self.horizon.stale_after)
        heard = list(one_for_each_node(list(timely), before))
        self._log_changes(heard)
        self.observe("scraped")
        self.ledger.write("targets", at, targets_frame(heard, at))
        self.observe("targets_written")
        answered = pl.concat([empty(COUNTERS), *(each.counters for each in heard)])
        snapshot = retire(carry_forward(before, answered), {each.target for each in heard}, at)
        self.ledger.write_counters(at, snapshot)
        self.observe("counters_written")
        self._close_windows()

    def _explain_not_measuring(self, at: datetime, newest: datetime) -> None:
        """After a crash this moment is on record already; else the clock has run backwards, far or only a little."""
        if newest - at > self.horizon.stale_after:
            raise LedgerError(
                f"{self.ledger.folder}: its newest snapshot is of {newest.isoformat()}, after now ({at.isoformat()}); "
                "correct the engine's clock, or if that was wrong then, move the snapshot's file away"
            )
        level = logging.INFO if at == newest else logging.WARNING
        log.log(level, "measured.already at=%s newest=%s", at.isoformat(), newest.isoformat())

    def _keep_cited(self, at: datetime) -> None:
        """Before anybody is told of a digest: put down the facts and the rules that it is of."""
        cited = Cited(self.ledger)
        cited.keep("facts", self.facts.digest, put_away(self.facts), at)
        cited.keep("rules", self.pack.digest, {"file": self.pack.file, "text": self.pack.text}, at)

    def _tell_stale(self, today: date) -> None:
        """One line when what the facts rest on passes its day: they stay in force, and somebody has to read anew."""
        past = stale_documents(self.facts, today)
        stale = tuple(each.document.id for each in past if each.matters(today, self.pack.citing))
        if stale != self._stale:
            ids = ",".join(stale) or "-"
            log.warning("facts.stale documents=%s, 'flopwatch facts check' tells what rests on them", ids)
        self._stale = stale

    def _tell_crossings(self, now: pl.DataFrame) -> None:
        """One line when a tier is newly reached; who is killed between the line and the note has it told twice."""
        before = self._known_crossings()
        for each in newly_reached(now, before).to_dicts():
            about = (each[name] for name in ("scope", "id", "tier", "strength", "day"))
            log.info("exposure.crossed scope=%s id=%s tier=%s strength=%s day=%s", *about)
        if not now.equals(before):
            self.ledger.keep(KNOWN, now)

    def _known_crossings(self) -> pl.DataFrame:
        """Those of the last cycle. A note that cannot be read is as good as none: all are told once more."""
        try:
            return self.ledger.kept(KNOWN, CROSSINGS)
        except LedgerError as error:
            log.warning("exposure.forgotten reason=%r", str(error))
            return empty(CROSSINGS)

    def _log_changes(self, heard: Sequence[Heard]) -> None:
        """One line when a target's state changes, none while it stays."""
        for each in heard:
            if self._states.get(each.target, TargetState.OK) != each.state:
                level = logging.INFO if each.state is TargetState.OK else logging.WARNING
                log.log(level, "target.%s target=%s detail=%s", each.state, each.target, each.detail)
            self._states[each.target] = each.state

    def _recover(self) -> None:
        """Finish what a writer that was killed after its snapshot did not get to."""
        if self.ledger.snapshots():
            self._close_windows()

    def _close_windows(self) -> None:
        """Write the windows between the two newest snapshots. Done twice, it writes the same bytes twice."""
        snapshots = self.ledger.snapshots()
        at = snapshots[-1]
        if self.ledger.has("windows", at) and self.ledger.has("balance", at):
            self.ledger.forget_counters_before(at)
            return
        before = self.ledger.counters(snapshots[-2]) if len(snapshots) > 1 else empty(COUNTERS)
        after = self.ledger.counters(at)
        self.ledger.write("windows", at, windows_between(before, after))
        self.observe("windows_written")
        self.ledger.write("balance", at, balance_between(before, after))
        self.observe("balance_written")
        self.ledger.forget_counters_before(at)
