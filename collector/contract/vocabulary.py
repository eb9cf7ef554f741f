"""What the contract is written in: metrics, samples, labels, and the words that stand in labels."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

CONTRACT_VERSION = "1"
UNKNOWN_ACCELERATOR = "unknown"  # of a GPU that the driver counts and has never let this collector identify


class Provenance(StrEnum):
    """Whether a series was measured on hardware or played by the simulated driver. On every series."""

    MEASURED = "measured"
    SIMULATED = "simulated"


class GpuState(StrEnum):
    """
    Where a physical GPU-second went. The states add up to the physical GPU-seconds.

    ``attributed``: one known holder, or several whose parts are known, and the device was read. ``unallocated``: nobody
    holds it.
    ``ambiguous``: held, but by whom or by how much cannot be said. ``lost``: the device was there and was not read.
    ``blind``: it is on the PCI bus, or the kubelet gives it out, and nothing on the node can read it: passed_through,
    no_driver, foreign_vendor.
    """

    ATTRIBUTED = "attributed"
    UNALLOCATED = "unallocated"
    AMBIGUOUS = "ambiguous"
    LOST = "lost"
    BLIND = "blind"


NODE_LABELS = ("node", "provenance")
ACCELERATOR_LABELS = (*NODE_LABELS, "accelerator")
GPU_LABELS = (*NODE_LABELS, "gpu_uuid")
HOLDER_LABELS = (*NODE_LABELS, "workload_namespace", "workload_pod", "pod_uid", "container", "tenant_id", "accelerator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the contract. ``name`` is the name as served; a counter's ends in ``_total``."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    labels: tuple[str, ...]
    help: str


def counter(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    """A counter of the contract; the prefix and ``_total`` are added to its name."""
    return Metric(name=f"flopwatch_{name}_total", kind="counter", unit=unit, labels=labels, help=text)


def observed(name: str, what: str, *labels: str) -> Metric:
    """The counter beside a holder's activity: the time for which it is known."""
    text = f"Of the held device-seconds, those whose {what} is known."
    return counter(f"holder_{name}_observed_seconds", "seconds", (*HOLDER_LABELS, *labels), text)


def gauge(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    """A gauge of the contract; the prefix is added to its name."""
    return Metric(name=f"flopwatch_{name}", kind="gauge", unit=unit, labels=labels, help=text)


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value: the metric, its label values in the order of ``metric.labels``, and the number."""

    metric: Metric
    label_values: tuple[str, ...]
    value: float
