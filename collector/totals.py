"""
What one holder has used, added up, and the series that it becomes. Pure.

Series come in groups. Some stand on the page of every holder; the others only once there was something to count, for a
page is paid for by series. Each begins with a published 0: a counter that is first seen at 240 has lost 240.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from collector.contract import Metric, holder_metrics
from collector.meters import ACTIVITIES, LEVELS, MICROJOULES, NANOSECONDS, MeteredTotals


@dataclass(slots=True)
class HolderTotals(MeteredTotals):
    """
    What one holder has used of one accelerator model: nanoseconds, byte-nanoseconds, and what meters tell.

    ``workload`` is the kind, name and uid it was last said to belong to.

    ``sole`` is what it held alone, and its parts of divided devices; ``shared`` what it shared or may have held, whole
    for each of the holders.
    ``unwatched`` is time in which no collector ran and it may have held a device; none of it is in the others.
    ``published`` are the groups of its series that have stood on a page with 0, see :meth:`begin`.
    """

    sole_ns: int = 0
    sole_observed_ns: int = 0
    sole_busy_ns: int = 0
    memory_byte_ns: int = 0
    memory_observed_ns: int = 0
    shared_ns: int = 0
    shared_observed_ns: int = 0
    shared_busy_ns: int = 0
    unwatched_ns: int = 0
    last_held_ns: int = 0
    workload: tuple[str, str, str] = ("", "", "")
    published: tuple[str, ...] = ()

    def begin(self) -> None:
        """Note that all its series stand on a published page, so that they may grow on the next."""
        self.published = tuple(group.name for group in GROUPS if group.is_shown(self))

    def samples(self, *, newcomers_at_zero: bool) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        """
        Metric, labels beside the holder's, and value of every counter there is for this holder.

        With ``newcomers_at_zero`` those that have not stood on a page yet are 0.
        """
        for group in GROUPS:
            if group.is_shown(self):
                at_zero = newcomers_at_zero and group.name not in self.published
                for series in group.series:
                    value = 0.0 if at_zero else getattr(self, series.total) / series.unit
                    yield series.metric, series.labels, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of a holder: its metric, its labels beside the holder's, and of which total it is how much."""

    metric: Metric
    total: str
    unit: int = NANOSECONDS
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Series that begin together: once one of the totals in ``after`` has counted, or at once if there are none."""

    name: str
    series: tuple[Series, ...]
    after: tuple[str, ...] = ()

    def is_shown(self, totals: HolderTotals) -> bool:
        """Whether the page of this holder has them."""
        return not self.after or any(getattr(totals, name) for name in self.after)


GROUPS = (
    Group(
        name="held",
        series=(
            Series(metric=holder_metrics.HELD, total="sole_ns"),
            Series(metric=holder_metrics.OBSERVED, total="sole_observed_ns"),
            Series(metric=holder_metrics.BUSY, total="sole_busy_ns"),
            Series(metric=holder_metrics.ENERGY, total="energy_uj", unit=MICROJOULES),
            Series(metric=holder_metrics.ENERGY_OBSERVED, total="energy_observed_ns"),
        ),
    ),
    Group(
        name="shared",
        series=(
            Series(metric=holder_metrics.SHARED, total="shared_ns"),
            Series(metric=holder_metrics.SHARED_OBSERVED, total="shared_observed_ns"),
            Series(metric=holder_metrics.SHARED_BUSY, total="shared_busy_ns"),
        ),
        after=("shared_ns",),
    ),
    Group(
        name="unwatched",
        series=(Series(metric=holder_metrics.UNWATCHED, total="unwatched_ns"),),
        after=("unwatched_ns",),
    ),
    Group(
        name="memory",
        series=(
            Series(metric=holder_metrics.MEMORY, total="memory_byte_ns"),
            Series(metric=holder_metrics.MEMORY_OBSERVED, total="memory_observed_ns"),
        ),
        after=("memory_observed_ns",),
    ),
    *(
        Group(
            name=each.total,
            series=(
                Series(metric=each.metric, total=each.total, unit=each.unit, labels=each.labels),
                Series(metric=each.observed_metric, total=each.observed, labels=each.labels),
            ),
            after=(each.observed,),
        )
        for each in ACTIVITIES
    ),
    Group(
        name="levels",
        series=tuple(
            Series(metric=holder_metrics.ACTIVITY_LEVEL, total=f"level_{level}_ns", labels=(level,)) for level in LEVELS
        ),
        after=tuple(f"level_{level}_ns" for level in LEVELS),
    ),
)
