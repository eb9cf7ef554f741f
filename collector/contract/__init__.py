"""
The wire contract: every metric a collector serves, with its kind, unit, labels and meaning.

This table is the only place where a metric's name is written. The exposition is built from it, the policy engine reads
by it, and dashboards are checked against it. Standard library only, so that anything may import it.

Three rules hold for the whole table. Units are base units and stand in the name. A counter only grows while
``flopwatch_collector_start_timestamp_seconds`` stays the same (with a state file, over restarts too); the series of a
holder that ended are dropped after the retention time, and begin at 0 should it come back. Counters of talk with the
kubelet and the API server, of Xid errors and of processor time, begin with each process (``OF_THIS_PROCESS``). For each
counter of active time there is one of observed time beside it, so that what was not seen is never read as zero.

No label holds a process id, an image, a command, a country, or a customer's name: whoever can read a board can query
any series (policy/decisions/0002).
"""

from collector.contract import gpu_metrics, holder_metrics, node_metrics, rhythm_metrics
from collector.contract.vocabulary import (
    ACCELERATOR_LABELS,
    CONTRACT_VERSION,
    GPU_LABELS,
    HOLDER_LABELS,
    NODE_LABELS,
    UNKNOWN_ACCELERATOR,
    GpuState,
    Metric,
    Provenance,
    Sample,
)

__all__ = [
    "ACCELERATOR_LABELS",
    "BY_NAME",
    "CONTRACT_VERSION",
    "DETAIL",
    "GPU_LABELS",
    "HOLDER_LABELS",
    "METRICS",
    "NODE_LABELS",
    "OF_THIS_PROCESS",
    "UNKNOWN_ACCELERATOR",
    "GpuState",
    "Metric",
    "Provenance",
    "Sample",
]

METRICS: tuple[Metric, ...] = (
    *node_metrics.METRICS,
    *gpu_metrics.METRICS,
    *holder_metrics.METRICS,
    *rhythm_metrics.METRICS,
)
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
OF_THIS_PROCESS = frozenset(
    {
        node_metrics.COLLECTOR_CPU,
        node_metrics.KUBELET_CONNECTIONS,
        node_metrics.KUBELET_ERRORS,
        node_metrics.API_REQUESTS,
        node_metrics.API_WATCH_RESTARTS,
        gpu_metrics.GPU_XID_ERRORS,
    }
)
"""Counters that begin with each process, whatever is kept in a state file."""
DETAIL = frozenset(metric for metric in METRICS if "gpu_uuid" in metric.labels) | {
    holder_metrics.MEMORY,
    holder_metrics.MEMORY_OBSERVED,
    holder_metrics.SM_ACTIVE,
    holder_metrics.SM_OBSERVED,
    holder_metrics.DRAM_ACTIVE,
    holder_metrics.DRAM_OBSERVED,
    holder_metrics.ACTIVITY_LEVEL,
    holder_metrics.TENSOR_PIPE_ACTIVE,
    holder_metrics.TENSOR_PIPE_OBSERVED,
    holder_metrics.NVLINK,
    holder_metrics.NVLINK_OBSERVED,
    holder_metrics.PCIE,
    holder_metrics.PCIE_OBSERVED,
    holder_metrics.POWER_SQUARE,
    holder_metrics.POWER_OBSERVED,
    *rhythm_metrics.METRICS,
}
"""What a page of the minimal profile leaves out: every series of a single GPU, and of holders what explains."""
