"""
The series of NVIDIA's dcgm-exporter in our words: which metric is which column, which label says what. Pure.

| series | column | unit there |
|---|---|---|
| ``DCGM_FI_DEV_GPU_UTIL``, else ``DCGM_FI_PROF_GR_ENGINE_ACTIVE`` | ``busy_ratio`` | percent, ratio |
| ``DCGM_FI_DEV_POWER_USAGE``, else the rate of ``DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION`` | ``power_watts`` | W, mJ |
| ``DCGM_FI_DEV_FB_USED`` | ``memory_bytes`` | MiB |

| labels | meaning |
|---|---|
| ``UUID``, ``GPU_I_ID`` | the device; a MIG instance has its GPU's UUID and a number of its own |
| ``modelName``, ``GPU_I_PROFILE`` | the accelerator, as ``NVIDIA H100 80GB HBM3 MIG 3g.40gb`` |
| ``Hostname`` (``hostname``), else ``node``, ``instance`` | the node |
| ``exported_namespace``, ``exported_pod``, ``exported_container`` | the holder, where labels are not honoured |
| ``namespace``, ``pod``, ``container`` | the holder, where they are; else the exporter's own pod, which holds nothing |

Sources: dcgm-exporter ``internal/pkg/rendermetrics/render_metrics.go`` and ``etc/default-counters.csv`` (names, units);
its issues 85, 340 and 27 (``exported_pod``), 582 and 638 (a shared GPU shows every pod the same number).

Left out: ``DCGM_FI_PROF_PIPE_TENSOR_ACTIVE``, for which a window has no column yet; the power of a MIG instance, which
is the whole board's; which of several pods used how much of a shared GPU; and the label ``hpc_job`` of batch systems.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import polars as pl

from policy.usage.sources.promql import quoted
from policy.usage.sources.span import MILLISECONDS

MIB = 1024 * 1024
ROUNDING = 1e-9  # the mean of many ones may come out a little above one


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One metric of dcgm-exporter: the column that it fills, and what its value is multiplied by."""

    metric: str
    column: str
    factor: float
    kind: Literal["gauge", "counter"] = "gauge"

    def mean(self, window: str) -> str:
        """PromQL: its mean over the window, in the column's unit. The rate of a counter is extrapolated."""
        function = "avg_over_time" if self.kind == "gauge" else "rate"
        return f"avg by ({BY}) ({function}({self.metric}{IDENTIFIED}[{window}])) * {self.factor:g}"


BUSY, POWER, MEMORY = COLUMNS = ("busy_ratio", "power_watts", "memory_bytes")
FIELDS = (
    Field(metric="DCGM_FI_DEV_GPU_UTIL", column=BUSY, factor=0.01),
    Field(metric="DCGM_FI_PROF_GR_ENGINE_ACTIVE", column=BUSY, factor=1.0),
    Field(metric="DCGM_FI_DEV_POWER_USAGE", column=POWER, factor=1.0),
    Field(metric="DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", column=POWER, factor=1e-3, kind="counter"),
    Field(metric="DCGM_FI_DEV_FB_USED", column=MEMORY, factor=float(MIB)),
)
"""The first field of a column that a series has is the one that counts."""
METRICS = tuple(field.metric for field in FIELDS)

HOLDER = ("workload_namespace", "workload_pod", "pod_uid", "container")
DEVICE = ("device", "node", "accelerator")
LABELS = (
    "job", "instance", "node", "Hostname", "hostname", "UUID", "modelName", "GPU_I_ID", "GPU_I_PROFILE",
    "namespace", "pod", "pod_uid", "container",
    "exported_namespace", "exported_pod", "exported_pod_uid", "exported_container",
)  # fmt: skip
BY = ", ".join(LABELS)
IDENTIFIED = '{UUID!=""}'
ITS_OWN_POD = "dcgm-exporter"
"""In the name of the exporter's own pod, by its chart and by the GPU operator's: for where there is no ``up``."""

_parent = pl.col("UUID")
_is_slice = pl.col("GPU_I_ID").is_not_null()


def selector(**matchers: str) -> str:
    """PromQL: every series of FIELDS that also matches these, each a regular expression in quotes."""
    also = "".join(f", {label}=~{expression}" for label, expression in matchers.items())
    return f'{{__name__=~{quoted(METRICS)}, UUID!=""{also}}}'


def samples_query(window_ms: int) -> str:
    """PromQL: how many samples each series has in the window, by its best sampled field."""
    window = f"{window_ms}ms"
    return " or ".join(f"max by ({BY}) (count_over_time({field.metric}{IDENTIFIED}[{window}]))" for field in FIELDS)


def mean_query(column: str, window_ms: int) -> str:
    """PromQL: a column's mean over the window, by the first of its fields that a series has."""
    return " or ".join(field.mean(f"{window_ms}ms") for field in FIELDS if field.column == column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapes:
    """
    What the labels ``pod`` and ``exported_pod`` mean here.

    ``reexported``: the scrape jobs in which a holder's labels are called ``exported_…``. ``own_pods``: the pods that
    are scraped, as ``up`` names them: exporters, which hold nothing.
    """

    reexported: Collection[str]
    own_pods: Collection[str]


def named(rows: pl.DataFrame, scrapes: Scrapes) -> pl.DataFrame:
    """The same rows with DEVICE, ``parent``, ``job`` and HOLDER in place of LABELS; without a pod it is nobody's."""
    theirs = pl.col("exported_pod").is_not_null() | pl.col("job").fill_null("").is_in(list(scrapes.reexported))
    pod = pl.col("pod").fill_null(ITS_OWN_POD)
    is_own = pod.is_in(list(scrapes.own_pods)) | pod.str.contains(ITS_OWN_POD, literal=True)
    plain = ~theirs & ~is_own

    def label(name: str) -> pl.Expr:
        return pl.when(theirs).then(f"exported_{name}").when(plain).then(name)

    profile = pl.col("GPU_I_PROFILE").fill_null(pl.col("GPU_I_ID"))
    return rows.with_columns(
        parent=_parent,
        device=pl.when(_is_slice).then(pl.concat_str(_parent, pl.col("GPU_I_ID"), separator="/")).otherwise(_parent),
        node=pl.coalesce("Hostname", "hostname", "node", "instance"),
        accelerator=pl.when(_is_slice).then(pl.format("{} MIG {}", "modelName", profile)).otherwise("modelName"),
        is_slice=_is_slice,
        workload_namespace=label("namespace"),
        workload_pod=label("pod"),
        pod_uid=label("pod_uid"),
        container=label("container"),
    ).drop(name for name in LABELS if name not in ("job", "node", "pod_uid", "container"))


def columns_of_samples(samples: pl.DataFrame) -> pl.DataFrame:
    """
    One row for each holder of a device and moment, with COLUMNS, from raw samples with ``metric`` and ``value``.

    A counter gives the mean from one sample to the next of its device. Several series of one holder are one.
    """
    rising = pl.col("value").diff().shift(-1).over("device", "metric", order_by="at_ms")
    until = (pl.col("at_ms").diff().shift(-1).over("device", "metric", order_by="at_ms")) / MILLISECONDS
    counters = [field.metric for field in FIELDS if field.kind == "counter"]
    rates = (
        samples.filter(pl.col("metric").is_in(counters))
        .unique(("device", "metric", "at_ms"), maintain_order=True)
        .with_columns(value=pl.when((rising >= 0) & (until > 0)).then(rising / until))
    )
    gauges = samples.filter(~pl.col("metric").is_in(counters))
    every = pl.concat([gauges, rates])
    values = [_first_field(column).alias(column) for column in COLUMNS]
    return every.group_by(*DEVICE, "parent", "is_slice", "job", *HOLDER, "at_ms").agg(values)


def _first_field(column: str) -> pl.Expr:
    """The value of the column's first field that is there, in the column's unit."""
    fields = [field for field in FIELDS if field.column == column]
    return pl.coalesce(pl.col("value").filter(pl.col("metric") == each.metric).max() * each.factor for each in fields)


def plausible(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows without values that cannot be: a busy share beyond 0 to 1, below 0, a MIG instance's power."""
    return rows.with_columns(
        pl.when(pl.col(BUSY).is_between(0, 1 + ROUNDING)).then(pl.col(BUSY).clip(upper_bound=1.0)).alias(BUSY),
        pl.when((pl.col(POWER) >= 0) & ~pl.col("is_slice")).then(POWER).alias(POWER),
        pl.when(pl.col(MEMORY) >= 0).then(MEMORY).alias(MEMORY),
    )


def without_parents(rows: pl.DataFrame, moment: str) -> pl.DataFrame:
    """The same rows without GPUs that are cut into MIG instances at that moment: the instances are the devices."""
    is_cut = pl.col("is_slice").any().over("parent", moment)
    return rows.filter(pl.col("is_slice") | ~is_cut)
