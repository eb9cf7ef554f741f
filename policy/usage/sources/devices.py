"""
What dcgm-exporter's series in a Prometheus say about every device, read with little load on either side.

The server answers for whole windows: how many samples a series has in each, and their mean. A window in which a device
was sampled throughout, in every metric that it has there and by the same pods, needs no more: that is most of them.
Only where something changed (a pod came or went, samples are missing, if only of one metric) the samples themselves are
read, with their exact times.

So a window that counts as whole is exact to one scrape interval at its ends, and everything else to the sample.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from policy.frames import conform, empty
from policy.usage.sources.dcgm import (
    COLUMNS,
    DEVICE,
    HOLDER,
    LABELS,
    Scrapes,
    columns_of_samples,
    columns_told,
    mean_query,
    named,
    plausible,
    samples_query,
    selector,
    without_parents,
)
from policy.usage.sources.gauges import LONGEST_HOLD_SPACINGS, SEGMENTS
from policy.usage.sources.promql import quoted
from policy.usage.sources.query import Api, samples_frame
from policy.usage.sources.span import Span

LONE_SPACING_MS = 60_000  # of a series with a single sample; a guess, between the usual 15 s and 5 min
DEVICES_AT_ONCE = 50  # in one question, so that its address stays well below the 8 KiB that many servers take
ANYTHING = '".+"'
SERIES = (*DEVICE, "parent", "is_slice", "job", *HOLDER, "at_ms")
_device_window = ("parent", "at_ms")


def read_segments(api: Api, span: Span, progress: Callable[[int, int], None]) -> pl.DataFrame:
    """What every device said in the span, schema SEGMENTS. Raises PrometheusError."""
    scrapes = _scrapes(api, span)
    told = columns_told(api.values_of("__name__", selector(), span.begin_ms, span.end_ms))
    found = [empty(SEGMENTS)]
    portions = list(span.portions())
    for done, portion in enumerate(portions, start=1):
        windows = _windows(api, portion, scrapes, told)
        spacings = _spacings(api, windows, portion.window_ms)
        windows = _with_calm(windows.with_columns(spacing_ms=_spacing(spacings)), portion.window_ms)
        found.append(_whole(windows.filter("calm"), portion.window_ms))
        found.extend(_sampled(api, windows.filter(~pl.col("calm")), portion.window_ms, scrapes, spacings))
        progress(done, len(portions))
    return pl.concat(found)


def _scrapes(api: Api, span: Span) -> Scrapes:
    times = (span.begin_ms, span.end_ms)
    jobs = api.values_of("job", selector(), *times)
    return Scrapes(
        reexported=api.values_of("job", selector(exported_pod=ANYTHING), *times),
        own_pods=api.values_of("pod", f"up{{job=~{quoted(sorted(jobs))}}}", *times),
    )


def _windows(api: Api, portion: Span, scrapes: Scrapes, told: Sequence[str]) -> pl.DataFrame:
    """
    One row for each holder of a device and window that ends at ``at_ms``: SERIES, ``samples``, COLUMNS.

    Only the columns that are told are asked for; the others are null.
    """

    def asked(expression: str, name: str) -> pl.DataFrame:
        result = api.over(expression, portion.ends[0], portion.ends[-1], portion.window_ms)
        return samples_frame(result, LABELS).drop("metric").rename({"value": name})

    rows = asked(samples_query(portion.window_ms), "samples")
    rows = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in COLUMNS if name not in told)
    for column in told:
        means = asked(mean_query(column, portion.window_ms), column)
        rows = rows.join(means, on=(*LABELS, "at_ms"), how="left", nulls_equal=True)
    told_by_all = plausible(named(rows, scrapes)).group_by(SERIES)
    return told_by_all.agg(pl.col("samples").min(), pl.col(COLUMNS).max())


def _spacings(api: Api, windows: pl.DataFrame, window_ms: int) -> dict[str | None, int]:
    """The usual milliseconds between two samples of every scrape job in this portion: somebody may change them."""
    best = windows.sort("samples", "parent", "at_ms").unique("job", keep="last", maintain_order=True)
    return {
        row["job"]: usual_spacing(api, _series_of(row["job"], row["parent"]), row["at_ms"], window_ms)
        or LONE_SPACING_MS
        for row in best.iter_rows(named=True)
    }


def _series_of(job: str | None, parent: str) -> str:
    return selector(UUID=quoted([parent]), **({"job": quoted([job])} if job else {}))


def usual_spacing(api: Api, series: str, until: int, window_ms: int) -> int | None:
    """The median milliseconds between two samples of one series; None when none has two."""
    samples = samples_frame(api.at(f"{series}[{window_ms}ms]", until), LABELS)
    between = pl.col("at_ms").diff().over("metric", *LABELS, order_by="at_ms")
    median = samples.select(between.median()).item()
    return round(median) if median else None


def _spacing(spacings: Mapping[str | None, int]) -> pl.Expr:
    by_job = {job or "": spacing for job, spacing in spacings.items()}
    return pl.col("job").fill_null("").replace_strict(by_job, default=LONE_SPACING_MS, return_dtype=pl.Int64)


def _with_calm(windows: pl.DataFrame, window_ms: int) -> pl.DataFrame:
    """Whether all that a GPU said in a window is told by means: sampled throughout, and by the same pods."""
    whole = pl.col("samples") >= window_ms // pl.col("spacing_ms")
    one_kind = pl.col("is_slice").n_unique() == 1
    return windows.with_columns(calm=whole.all().over(_device_window) & one_kind.over(_device_window))


def _whole(windows: pl.DataFrame, window_ms: int) -> pl.DataFrame:
    segments = windows.with_columns(
        begin_ms=pl.col("at_ms") - window_ms,
        until_ms=pl.col("at_ms") + (LONGEST_HOLD_SPACINGS - 1) * pl.col("spacing_ms"),
        last_until_ms=pl.col("at_ms"),
    )
    return conform(segments.select(SEGMENTS.names()), SEGMENTS, "whole windows")


def _sampled(
    api: Api,
    windows: pl.DataFrame,
    window_ms: int,
    scrapes: Scrapes,
    spacings: Mapping[str | None, int],
) -> Iterator[pl.DataFrame]:
    """The samples of the GPUs in these windows, as they were scraped."""
    for (until,), rows in sorted(windows.partition_by("at_ms", as_dict=True).items()):
        parents = rows["parent"].unique().sort().to_list()
        for batch in _batches(parents):
            samples = samples_frame(api.at(f"{selector(UUID=quoted(batch))}[{window_ms}ms]", until), LABELS)
            told = without_parents(plausible(columns_of_samples(named(samples, scrapes))), "at_ms")
            yield _segments(told.with_columns(spacing_ms=_spacing(spacings)))


def _batches(parents: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(parents), DEVICES_AT_ONCE):
        yield parents[first : first + DEVICES_AT_ONCE]


def _segments(samples: pl.DataFrame) -> pl.DataFrame:
    segments = samples.with_columns(
        begin_ms="at_ms",
        until_ms=pl.col("at_ms") + LONGEST_HOLD_SPACINGS * pl.col("spacing_ms"),
        last_until_ms=pl.col("at_ms") + pl.col("spacing_ms"),
    )
    return conform(segments.select(SEGMENTS.names()), SEGMENTS, "samples")
