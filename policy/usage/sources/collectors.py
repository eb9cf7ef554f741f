"""
What collectors have published in a Prometheus becomes usage windows: the counters of two moments and their difference.

The samples themselves are taken at each window's end, never ``increase()``, which extrapolates; so a window is as exact
as the collector's own counters. All samples of one node come from one scrape: the newest at that moment.

A scrape that failed loses nothing, since the next one carries the sum; the window is then longer. A collector that
began anew within a window is read once more at the last scrape before that, so that what it had published counts. From
there to its new beginning the time is unwatched, as it is for a node that is silent at the end.

Left out: what a node used between the span's beginning and its first scrape, when it had begun before the span; and two
collectors at one time under one node name.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import polars as pl

from collector.contract import holder_metrics, node_metrics
from policy.frames import conform, empty
from policy.usage.counters import (
    COUNTERS,
    LABELS,
    NODE,
    carry_forward,
    pending_windows,
    windows_between,
)
from policy.usage.holder_series import COUNTER_NAMES, RHYTHM_SERIES
from policy.usage.sources.devices import usual_spacing
from policy.usage.sources.promql import quoted
from policy.usage.sources.query import Api, PrometheusError, samples_frame
from policy.usage.sources.span import MILLISECONDS, Span
from policy.usage.window import WINDOWS

START = node_metrics.COLLECTOR_START.name
CLOCK = node_metrics.COLLECTOR_CLOCK.name
OF_HOLDERS = (holder_metrics.HOLDER_INFO, holder_metrics.HOLDER_DEVICES, *holder_metrics.HOLDER_COUNTERS)
NEEDED = (START, CLOCK, *(metric.name for metric in OF_HOLDERS))
"""The series without which a holder's use cannot be told."""
READ = (*NEEDED, *(name for name in (*COUNTER_NAMES, *RHYTHM_SERIES) if name not in NEEDED))
"""These, and those that are there once there was something to tell."""
SCRAPED = ("job", "instance", *LABELS, *(f"exported_{name}" for name in LABELS))
ONE_SCRAPE_MS = 60_000  # between two scrapes where there was only one; a guess
MISSED_SPACINGS = 2  # a node whose newest scrape is older is not heard at this moment


def refuse_incomplete(names: set[str]) -> None:
    """Raise PrometheusError where a kind of series is missing altogether: it would read as one that used nothing."""
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise PrometheusError(
            f"the collectors' series are incomplete, there is no {', '.join(lacking)}; let Prometheus keep all of them"
        )


def read_windows(
    api: Api, span: Span, times: tuple[int, int], provenance: str, progress: Callable[[int, int], None]
) -> pl.DataFrame:
    """The collectors' windows between these times in the span, schema WINDOWS. Raises PrometheusError."""
    begin_ms, until_ms = times
    reach = _reach(api, span)
    moments = [begin_ms, *(end for end in span.ends if begin_ms < end < until_ms), until_ms]
    latest = snapshot(api, moments[0], reach, provenance)
    found = [empty(WINDOWS)]
    for done, (before, at) in enumerate(pairwise(moments), start=1):
        for heard in _heard(api, latest, (before, at), reach, provenance):
            base = _base(latest, heard, begin_ms)
            found.append(windows_between(base, carry_forward(base, heard)))
            latest = carry_forward(base, heard)
        progress(done, len(moments) - 1)
    stale_after_seconds = 3 * reach / MILLISECONDS
    found.append(pending_windows(latest, _moment(until_ms), stale_after_seconds, _moment(begin_ms)))
    return conform(pl.concat(found), WINDOWS, "windows of collectors")


def nodes(api: Api, span: Span, provenance: str) -> set[str]:
    """The names of the nodes whose collectors are heard in the span."""
    clocks = _selector([CLOCK], provenance)
    renamed = api.values_of("exported_node", clocks, span.begin_ms, span.end_ms)
    return renamed or api.values_of("node", clocks, span.begin_ms, span.end_ms)


def snapshot(api: Api, at: int, reach: int, provenance: str, instances: Sequence[str] = ()) -> pl.DataFrame:
    """The counters of every node in its newest scrape at that moment, schema COUNTERS; of these instances, if any."""
    series = _selector(READ, provenance, instances)
    rows = _labelled(samples_frame(api.at(f"{series}[{reach}ms]", at), SCRAPED))
    newest = rows.filter(pl.col("at_ms") == pl.col("at_ms").max().over(NODE))
    counters = newest.rename({"instance": "target"}).select(COUNTERS.names()).unique(("metric", *LABELS))
    return conform(counters.sort(COUNTERS.names()), COUNTERS, "snapshot")


def _selector(names: Sequence[str], provenance: str, instances: Sequence[str] = ()) -> str:
    only = f", instance=~{quoted(instances)}" if instances else ""
    return f"{{__name__=~{quoted(names)}, provenance={quoted([provenance])}{only}}}"


def _labelled(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with the contract's labels, which a scrape may have renamed for the sake of its own."""
    return rows.with_columns(pl.coalesce(f"exported_{name}", name).alias(name) for name in LABELS)


def _reach(api: Api, span: Span) -> int:
    """How far back a node's newest scrape may be, in milliseconds."""
    counts: list[tuple[int, int]] = []
    for portion in span.portions():
        most = api.over(f"max(count_over_time({CLOCK}[{span.window_ms}ms]))", *_bounds(portion), span.window_ms)
        counts.extend(samples_frame(most, ()).select("value", "at_ms").iter_rows())
    _, at = max(counts, default=(0, span.end_ms))
    return MISSED_SPACINGS * (usual_spacing(api, CLOCK, at, span.window_ms) or ONE_SCRAPE_MS)


def _bounds(portion: Span) -> tuple[int, int]:
    return portion.ends[0], portion.ends[-1]


def _heard(
    api: Api, latest: pl.DataFrame, window: tuple[int, int], reach: int, provenance: str
) -> Iterator[pl.DataFrame]:
    """The snapshots to take within one window, oldest first: before each new beginning, and at the end."""
    after = snapshot(api, window[1], reach, provenance)
    restless = _restless(api, latest, after, window, provenance)
    if restless:
        for at, instances in _last_words(api, after, window, provenance, restless):
            yield snapshot(api, at, 1, provenance, instances)
    yield after


def _restless(
    api: Api, latest: pl.DataFrame, after: pl.DataFrame, window: tuple[int, int], provenance: str
) -> list[str]:
    """The instances of nodes that spoke in the window and began anew in it, or are not heard at its end."""
    begin, end = window
    series = f"{_selector([START], provenance)}[{max(end - begin, 1)}ms]"
    spoke = _labelled(samples_frame(api.at(f"changes({series})", end), SCRAPED))
    starts = [_starts(each) for each in (latest, after)]
    known = starts[0].join(starts[1], on=NODE, how="full", coalesce=True, suffix="_after")
    same = (pl.col("start") == pl.col("start_after")) | (
        pl.col("start").is_null() & pl.col("start_after").is_not_null()
    )
    steady = spoke.join(known.filter(same), on=NODE, how="semi").filter(
        (pl.col("value").max().over(NODE) == 0) & (pl.len().over(NODE) == 1)
    )
    return spoke.join(steady, on=NODE, how="anti")["instance"].drop_nulls().unique().sort().to_list()


def _last_words(
    api: Api, after: pl.DataFrame, window: tuple[int, int], provenance: str, instances: Sequence[str]
) -> list[tuple[int, list[str]]]:
    """When each of these collectors was last scraped before it began anew or fell silent."""
    begin, end = window
    series = f"{_selector([START], provenance, instances)}[{max(end - begin, 1)}ms]"
    spoken = _labelled(samples_frame(api.at(series, end), SCRAPED)).rename({"value": "start"})
    last = spoken.group_by(*NODE, "start").agg(pl.col("at_ms", "instance").sort_by("at_ms").last())
    last = last.join(_starts(after), on=(*NODE, "start"), how="anti")
    moments = last.group_by("at_ms").agg(pl.col("instance").unique().sort()).sort("at_ms")
    return [(at, each) for at, each in moments.iter_rows()]


def _starts(counters: pl.DataFrame) -> pl.DataFrame:
    return counters.filter(pl.col("metric") == START).select(*NODE, start="value")


def _base(latest: pl.DataFrame, heard: pl.DataFrame, begin_ms: int) -> pl.DataFrame:
    """The counters to compare with: of a node never heard that had begun before the span, what it shows first."""
    early = _starts(heard).filter(pl.col("start") < begin_ms / MILLISECONDS).join(latest, on=NODE, how="anti")
    return pl.concat([latest, heard.join(early, on=NODE, how="semi")])


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / MILLISECONDS, UTC)
