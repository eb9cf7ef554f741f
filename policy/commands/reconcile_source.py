"""What ``flopwatch reconcile`` compares a bill with: the ledger's windows, by whom they are, and what is not in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import polars as pl

from collector.contract import gpu_metrics
from policy.frames import empty
from policy.kyc.customers import Registers
from policy.kyc.registers.allocations import allocation_windows
from policy.kyc.registers.covered import covered_by, covered_until, spoken_in
from policy.kyc.registers.mapping import link_windows
from policy.kyc.registers.overlaps import overlaps
from policy.kyc.registers.reconcile import ATTRIBUTED, Days, added_up, attributed_hours, spans_midnight
from policy.kyc.registers.whole_days import WHOLE_DAYS, not_registered, whole_days
from policy.settings import Settings
from policy.usage.counters import COUNTERS, pending_windows
from policy.usage.ledger import Ledger
from policy.usage.window import WINDOWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """
    What is attributed on which days, schema ATTRIBUTED.

    ``registered``: the days of which the allocation register tells all of a tenant's hours, schema WHOLE_DAYS.
    ``cut``: how many windows span a midnight. ``without_cluster``: how many rules ask for a cluster, and none is known.
    ``overlaps``: where the register gives more of a machine than there is, schema OVERLAPS.
    """

    attributed: pl.DataFrame
    days: Days
    registered: pl.DataFrame
    cut: int
    without_cluster: int
    overlaps: pl.DataFrame


def read_attributed(ledger: Ledger, settings: Settings, first: date, last: date, registers: Registers) -> Attributed:
    """Put it together, day by day, so that a year of windows never is in memory at once."""
    begins = Days(first=first, last=last).begins
    covered = covered_by(ledger.reduce("balance", paths, spoken_in) for paths in ledger.by_day("balance", since=begins))
    days = Days(first=first, last=last, measured=_span(covered))
    parts, elsewhere, cut = [empty(ATTRIBUTED)], [empty(ATTRIBUTED)], 0
    newest = _newest(ledger)
    pending = _pending(newest, days, settings.stale_after)
    until = min(days.ends, datetime.now(UTC))
    told_of = covered_until(covered, pending, until, settings.stale_after)
    register = registers.allocations
    registered = allocation_windows(register, told_of, days.begins, until, ledger.provenance)
    for windows in chain(_measured(ledger, days), (pending, registered)):
        linked = link_windows(windows, registers.mappings, registers.cluster_of).select(WINDOWS.names())
        parts.append(attributed_hours(linked, days))
        elsewhere.append(attributed_hours(not_registered(linked, register), days))
        cut += windows.filter(spans_midnight).height
    return Attributed(
        attributed=added_up(pl.concat(parts)),
        days=days,
        registered=whole_days(register, days.begins, until).join(
            pl.concat(elsewhere), on=WHOLE_DAYS.names(), how="anti", maintain_order="left"
        ),
        cut=cut,
        without_cluster=_without_cluster(registers),
        overlaps=overlaps(register, _devices_there(newest)).filter(_touches(days)),
    )


def _without_cluster(registers: Registers) -> int:
    """How many rules ask for a cluster where the provider register knows none."""
    return 0 if registers.provider.cluster else sum(rule.cluster is not None for rule in registers.mappings)


def _span(covered: pl.DataFrame) -> tuple[datetime, datetime] | None:
    """From the first to the last moment of which any collector told."""
    if covered.is_empty():
        return None
    first, last = covered.select(pl.col("begins").min(), pl.col("ends").max()).row(0)
    return first, last


def _measured(ledger: Ledger, days: Days) -> Iterator[pl.DataFrame]:
    """A window is filed under the moment when it was heard of, so one of these days may be in the file of a later."""
    within = (pl.col("window_end") >= days.begins) & (pl.col("window_start") < days.ends)
    for paths in ledger.by_day("windows", since=days.begins):
        yield ledger.reduce("windows", paths, lambda rows: rows.filter(within))


def _newest(ledger: Ledger) -> tuple[datetime, pl.DataFrame] | None:
    """The newest snapshot of the counters, and its moment; None: nothing was ever measured."""
    snapshots = ledger.snapshots()
    return (snapshots[-1], ledger.counters(snapshots[-1])) if snapshots else None


def _pending(newest: tuple[datetime, pl.DataFrame] | None, days: Days, stale_after: timedelta) -> pl.DataFrame:
    """What nodes that are silent may have done up to the newest snapshot: their holders may hold devices still."""
    if newest is None:
        return empty(WINDOWS)
    moment, counters = newest
    return pending_windows(counters, min(moment, days.ends), stale_after.total_seconds(), days.begins)


def _devices_there(newest: tuple[datetime, pl.DataFrame] | None) -> Callable[[str], float | None]:
    """How many devices each node has, by the newest snapshot; None: of a node that is not in it nobody knows."""
    counters = empty(COUNTERS) if newest is None else newest[1]
    devices = counters.filter(pl.col("metric") == gpu_metrics.GPUS.name).group_by("node").agg(pl.col("value").sum())
    return dict(devices.iter_rows()).get


def _touches(days: Days) -> pl.Expr:
    goes_on = (pl.col("ends") > days.begins).fill_null(value=True)
    return goes_on & (pl.col("begins") < days.ends)
