"""
A Prometheus as a source: what it has recorded of the GPUs becomes the same usage windows that live collectors yield.

Read-only, and useful before anything of ours is installed: it takes the series of NVIDIA's dcgm-exporter
(:mod:`policy.usage.sources.dcgm` has the mapping), or those of collectors where there are any. One of the two: both
would count the same GPU twice.

A tenant comes from the ``tenant_id`` of a collector's series or from what the person who asks says of a namespace.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import polars as pl

from collector.contract import Provenance, gpu_metrics
from policy.frames import conform
from policy.usage.sources import collectors
from policy.usage.sources.dcgm import BUSY, FIELDS, METRICS, selector
from policy.usage.sources.devices import read_segments
from policy.usage.sources.fill import Fill, filled
from policy.usage.sources.gauges import nobodys_hours, spans_of, windows_of, within
from policy.usage.sources.owners import POD, REPLICA_SET, read_owners
from policy.usage.sources.promql import quoted
from policy.usage.sources.query import Api, PrometheusError
from policy.usage.sources.span import Span, milliseconds
from policy.usage.window import NOTHING_TOLD, WINDOWS, WORKLOAD, Metering

Progress = Callable[[int, int], None]
"""Told how many parts are done, of how many."""
Times = tuple[int, int]
"""From when to when was asked, in milliseconds; a span has whole windows around it."""
KEY = "namespace"
ALIASES: Mapping[str, str] = MappingProxyType({KEY: "workload_namespace", "pod": "workload_pod"})
"""Short names of columns that a person may map from."""
LEAST_HOURS_TOLD = 0.05  # what rounds to 0.0 is not worth a line
LOOKED_FOR = (*collectors.NEEDED, *METRICS, POD, REPLICA_SET)


class Kind(StrEnum):
    """Whose series are read."""

    FLOPWATCH = "flopwatch"
    DCGM = "dcgm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a Prometheus had: usage windows (schema WINDOWS), and what there is to say about where they come from."""

    windows: pl.DataFrame
    kind: Kind
    gpus: int
    nodes: int
    nobodys_gpu_hours: float | None  # heard without a pod; None: not asked
    remarks: tuple[str, ...]


def read_prometheus(
    api: Api,
    *,
    begin: datetime,
    end: datetime,
    window_seconds: int,
    fill: Fill,
    kind: Kind | None = None,
    progress: Progress = lambda *_: None,
) -> Found:
    """
    The windows between two moments, and what was found.

    Raises PrometheusError for a server that cannot be used or has no GPU series, UnusableFill for a fill that does not
    fit.
    """
    span, times = Span.around(begin, end, window_seconds), (milliseconds(begin), milliseconds(end))
    names = api.values_of("__name__", f"{{__name__=~{quoted(LOOKED_FOR)}}}", span.begin_ms, span.end_ms)
    if _chosen(api, names, kind) is Kind.DCGM:
        found = _of_devices(api, span, times, names, progress)
    else:
        found = _of_collectors(api, span, times, names, progress)
    windows = _filled(found.windows, fill)
    remarks = (*found.remarks, *_remarks(windows), *(f"the server warns: {each}" for each in api.warnings))
    return replace(found, windows=windows, remarks=remarks)


def _chosen(api: Api, names: set[str], kind: Kind | None) -> Kind:
    there = {Kind.FLOPWATCH: collectors.CLOCK in names, Kind.DCGM: bool(names & set(METRICS))}
    chosen = kind or next((each for each in Kind if there[each]), None)
    if chosen is None or not there[chosen]:
        looked_for = {Kind.FLOPWATCH: collectors.CLOCK, Kind.DCGM: ", ".join(METRICS)}
        which = looked_for[chosen] if chosen else " or ".join(looked_for.values())
        raise PrometheusError(
            f"{api.server.url}: no GPU series in that time: there is no {which}; "
            "check --since, and that it is this Prometheus that scrapes the GPU nodes"
        )
    return chosen


def _of_collectors(api: Api, span: Span, times: Times, names: set[str], progress: Progress) -> Found:
    collectors.refuse_incomplete(names)
    kinds = api.values_of("provenance", collectors.CLOCK, span.begin_ms, span.end_ms)
    provenance = Provenance.MEASURED if Provenance.MEASURED in kinds else Provenance.SIMULATED
    ours = f"{{provenance={quoted([provenance])}}}"
    gpus = api.values_of("gpu_uuid", f"{gpu_metrics.GPU_INFO.name}{ours}", span.begin_ms, span.end_ms)
    nodes = collectors.nodes(api, span, provenance)
    windows = collectors.read_windows(api, span, times, provenance, progress)
    other = "dcgm-exporter's series were left out; --series dcgm reads them instead" if names & set(METRICS) else ""
    played = "the series are simulated, nothing of them was measured" if provenance is Provenance.SIMULATED else ""
    return Found(
        windows=windows,
        kind=Kind.FLOPWATCH,
        gpus=len(gpus),
        nodes=len(nodes),
        nobodys_gpu_hours=None,
        remarks=tuple(filter(None, (other, played))),
    )


def _of_devices(api: Api, span: Span, times: Times, names: set[str], progress: Progress) -> Found:
    gpus = api.values_of("UUID", selector(), span.begin_ms, span.end_ms)
    spans = within(spans_of(read_segments(api, span, progress)), *times)
    held = _windows(windows_of(spans, span.window_ms))
    namespaces = held["workload_namespace"].drop_nulls().unique().sort().to_list()
    owners = read_owners(api, span, namespaces if POD in names else ())
    key = ("workload_namespace", "workload_pod")
    windows = held.drop("workload_kind", "workload_name").join(owners, on=key, how="left").select(WINDOWS.names())
    return Found(
        windows=windows,
        kind=Kind.DCGM,
        gpus=len(gpus),
        nodes=spans["node"].n_unique(),
        nobodys_gpu_hours=nobodys_hours(spans),
        remarks=tuple(_lacking(names, windows)),
    )


def _windows(held: pl.DataFrame) -> pl.DataFrame:
    none = pl.lit(None, pl.String)
    rows = held.with_columns(**{name: each for name, each in NOTHING_TOLD.items() if name not in held.columns})
    rows = rows.with_columns(
        provenance=pl.lit(Provenance.MEASURED.value),
        metering=pl.lit(Metering.UTILISATION.value),
        **dict.fromkeys((*WORKLOAD, "tenant_id"), none),
    )
    return conform(rows.select(WINDOWS.names()), WINDOWS, "windows of devices")


def _filled(windows: pl.DataFrame, fill: Fill) -> pl.DataFrame:
    """What the person says of a namespace, where the series themselves claim no tenant."""
    claimed = windows["tenant_id"]
    rows = windows.with_columns(pl.col(column).alias(alias) for alias, column in ALIASES.items())
    rows = filled(rows, KEY, fill).with_columns(tenant_id=pl.coalesce(claimed, "tenant_id"))
    return conform(rows.select(WINDOWS.names()).sort(WINDOWS.names()), WINDOWS, "windows of a Prometheus")


def _lacking(names: set[str], windows: pl.DataFrame) -> Iterator[str]:
    """What dcgm-exporter or its surroundings do not tell here, and what that means."""
    if windows.is_empty():
        yield "no series names a pod, so nothing can be judged; set DCGM_EXPORTER_KUBERNETES=true"
        return
    busy = [field.metric for field in FIELDS if field.column == BUSY]
    if not names & set(busy):
        yield f"there is no {' or '.join(busy)}: how busy the GPUs were is not known"
    if POD not in names:
        yield f"there is no {POD}: each pod stands for itself, and a job of many pods is not seen as one"


def _remarks(windows: pl.DataFrame) -> Iterator[str]:
    """Hours that a reader would else miss, or take for something else."""
    held = pl.col("held_seconds") + pl.col("shared_seconds")
    shown = {
        "were without a tenant; give --map tenant_id=namespace, or a CSV file with namespace,tenant_id": held.filter(
            pl.col("tenant_id").is_null()
        ),
        "were on a shared GPU, and are whole for each of its pods": pl.col("shared_seconds"),
        "were held while nobody read how busy the GPU was": pl.col("held_seconds") - pl.col("observed_seconds"),
        "were watched by nobody while a pod may have had the GPU": pl.col("unwatched_seconds"),
        "were on MIG instances, each counted as a device, and estimated by its share of the card": held.filter(
            pl.col("accelerator").str.contains(" MIG ", literal=True)
        ),
    }
    for words, amount in shown.items():
        hours = float(windows.select(amount.sum()).item()) / 3600
        if hours >= LEAST_HOURS_TOLD:
            yield f"{hours:,.1f} GPU-hours {words}"
