"""
The series of NVIDIA's dcgm-exporter in our words: which metric is which column, which label says what. Pure.

| series | column | unit there |
|---|---|---|
| ``DCGM_FI_DEV_GPU_UTIL``, else ``DCGM_FI_PROF_GR_ENGINE_ACTIVE`` | ``busy_ratio`` | percent, ratio |
| ``DCGM_FI_DEV_POWER_USAGE``, else the rate of ``DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION`` | ``power_watts`` | W, mJ |
| ``DCGM_FI_DEV_FB_USED`` | ``memory_bytes`` | MiB |
| ``DCGM_FI_PROF_SM_ACTIVE`` | ``sm_active_ratio`` | ratio |
| ``DCGM_FI_PROF_PIPE_TENSOR_ACTIVE`` | ``tensor_active_ratio`` | ratio |
| ``DCGM_FI_PROF_DRAM_ACTIVE`` | ``dram_active_ratio`` | ratio |
| ``DCGM_FI_PROF_NVLINK_RX_BYTES``, ``…_TX_BYTES`` | ``nvlink_receive_…``, ``nvlink_transmit_bytes_per_second`` | B/s |
| ``DCGM_FI_DEV_POWER_USAGE``, each sample squared | ``power_square_watt2`` | W |

| labels | meaning |
|---|---|
| ``UUID``, ``GPU_I_ID`` | the device; a MIG instance has its GPU's UUID and a number of its own |
| ``modelName``, ``GPU_I_PROFILE`` | the accelerator, as ``NVIDIA H100 80GB HBM3 MIG 3g.40gb`` |
| ``Hostname`` (``hostname``), else ``node``, ``instance`` | the node |
| ``exported_namespace``, ``exported_pod``, ``exported_container`` | the holder, where labels are not honoured |
| ``namespace``, ``pod``, ``container`` | the holder, where they are; else the exporter's own pod, which holds nothing |

Sources: dcgm-exporter ``internal/pkg/rendermetrics/render_metrics.go``, ``etc/default-counters.csv`` and
``etc/dcp-metrics-included.csv`` (names, units); its issues 85, 340 and 27 (``exported_pod``), 582 and 638 (a shared GPU
shows every pod the same number); 87 and pull request 88 (``…_TX_BYTES`` and ``…_RX_BYTES`` are rates, also where a
configuration calls them counters).

Of what profiling tells (``PROF``) the exporter's default configuration has a part, and boards before Volta nothing.

Left out: bytes over PCIe, which some releases give as 0 whatever happens (issue 721); power and NVLink of a MIG
instance, which are the whole board's; which of several pods used how much of a shared GPU; levels of activity and
rhythm, which means over a window do not tell; and the label ``hpc_job`` of batch systems.
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
    kind: Literal["gauge", "square", "counter"] = "gauge"

    def mean(self, window: str) -> str:
        """PromQL: its mean over the window, in the column's unit. The rate of a counter is extrapolated."""
        samples = f"{self.metric}{IDENTIFIED}[{window}]"
        means = {
            "gauge": f"avg_over_time({samples})",
            "square": f"avg_over_time({samples}) ^ 2 + stdvar_over_time({samples})",
            "counter": f"rate({samples})",
        }
        return f"avg by ({BY}) ({means[self.kind]}) * {self.factor:g}"

    def of_sample(self) -> pl.Expr:
        """What a sample's ``value`` says, in the column's unit; of a counter it is the rate by then."""
        value = pl.col("value")
        return (value**2 if self.kind == "square" else value) * self.factor


BUSY, POWER, MEMORY = "busy_ratio", "power_watts", "memory_bytes"
SM, TENSOR, DRAM = "sm_active_ratio", "tensor_active_ratio", "dram_active_ratio"
RECEIVE, TRANSMIT, POWER_SQUARE = (
    "nvlink_receive_bytes_per_second", "nvlink_transmit_bytes_per_second", "power_square_watt2",
)  # fmt: skip
COLUMNS = (BUSY, POWER, MEMORY, SM, TENSOR, DRAM, RECEIVE, TRANSMIT, POWER_SQUARE)
RATIOS = (BUSY, SM, TENSOR, DRAM)
OF_WHOLE_BOARDS = (POWER, POWER_SQUARE, RECEIVE, TRANSMIT)
FIELDS = (
    Field(metric="DCGM_FI_DEV_GPU_UTIL", column=BUSY, factor=0.01),
    Field(metric="DCGM_FI_PROF_GR_ENGINE_ACTIVE", column=BUSY, factor=1.0),
    Field(metric="DCGM_FI_DEV_POWER_USAGE", column=POWER, factor=1.0),
    Field(metric="DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", column=POWER, factor=1e-3, kind="counter"),
    Field(metric="DCGM_FI_DEV_FB_USED", column=MEMORY, factor=float(MIB)),
    Field(metric="DCGM_FI_PROF_SM_ACTIVE", column=SM, factor=1.0),
    Field(metric="DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", column=TENSOR, factor=1.0),
    Field(metric="DCGM_FI_PROF_DRAM_ACTIVE", column=DRAM, factor=1.0),
    Field(metric="DCGM_FI_PROF_NVLINK_RX_BYTES", column=RECEIVE, factor=1.0),
    Field(metric="DCGM_FI_PROF_NVLINK_TX_BYTES", column=TRANSMIT, factor=1.0),
    Field(metric="DCGM_FI_DEV_POWER_USAGE", column=POWER_SQUARE, factor=1.0, kind="square"),
)
"""The first field of a column that a series has is the one that counts."""
METRICS = tuple(dict.fromkeys(field.metric for field in FIELDS))

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
    """
    PromQL: how many samples each series has in the window, by the metric of which it has the fewest.

    Of a metric that is told for a part of the window only, the mean says nothing about the rest of it.
    """
    counts = (_counted(metric, f"{window_ms}ms") for metric in METRICS)
    return f"min by ({BY}) ({' or '.join(counts)})"


def _counted(metric: str, window: str) -> str:
    """One metric's samples, under its name, so that those of others stand beside them."""
    count = f"max by ({BY}) (count_over_time({metric}{IDENTIFIED}[{window}]))"
    return f'label_replace({count}, "metric", "{metric}", "", "")'


def columns_told(metrics: Collection[str]) -> tuple[str, ...]:
    """The columns that some of these metrics fill."""
    return tuple(name for name in COLUMNS if any(each.column == name and each.metric in metrics for each in FIELDS))


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
    return pl.coalesce(each.of_sample().filter(pl.col("metric") == each.metric).max() for each in fields)


def plausible(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows without values that cannot be: a share beyond 0 to 1, below 0, a MIG instance's power or links."""
    amounts = [name for name in COLUMNS if name not in RATIOS]
    return rows.with_columns(
        *(pl.when(pl.col(name).is_between(0, 1 + ROUNDING)).then(pl.col(name).clip(upper_bound=1)) for name in RATIOS),
        *(pl.when((pl.col(name) >= 0) & _belongs(name)).then(name).alias(name) for name in amounts),
    )


def _belongs(name: str) -> pl.Expr:
    """Whether a column's value is the device's own."""
    return ~pl.col("is_slice") if name in OF_WHOLE_BOARDS else pl.lit(value=True)


def without_parents(rows: pl.DataFrame, moment: str) -> pl.DataFrame:
    """The same rows without GPUs that are cut into MIG instances at that moment: the instances are the devices."""
    is_cut = pl.col("is_slice").any().over("parent", moment)
    return rows.filter(pl.col("is_slice") | ~is_cut)
