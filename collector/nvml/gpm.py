"""
GPU performance metrics (GPM): how much of a GPU worked, from Hopper on, without the profiling lock of earlier boards.

NVML compares two samples of a device. Two are kept and change places at every reading, so nothing sleeps, and the
metrics are means over the time since the last reading. Samples have to be more than 100 ms apart (nvml.h); a reading
that comes sooner keeps the old sample and repeats the last answer.

A tensor pipe that is active does not say at which rate it computes, nor in which of the formats that the pipe knows:
there is no metric for FP8 or FP4 apart from HMMA.
"""

from collections.abc import Callable
from ctypes import Structure, memmove, sizeof
from dataclasses import dataclass
from math import nan
from typing import Any

import pynvml

from collector.nvml.boundary import UNWRITTEN
from collector.nvml.calls import DeviceCalls, present
from collector.readings import Absent, Why

SHORTEST_NS = 100_000_000
MIB = 2**20
BEYOND = 1.01  # a ratio may be a little over 1, for its two counters are not read at the same instant: a guess

Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A field of the reading, the metric that it is, what one unit of it is, and what it cannot exceed."""

    field: str
    metric_id: int
    unit: float
    most: float


def _ratio(field: str, metric_id: int) -> Metric:
    return Metric(field=field, metric_id=metric_id, unit=0.01, most=1.0)


def _rate(field: str, metric_id: int) -> Metric:
    return Metric(field=field, metric_id=metric_id, unit=MIB, most=float("inf"))


METRICS: tuple[Metric, ...] = (
    _ratio("sm_active_ratio", pynvml.NVML_GPM_METRIC_SM_UTIL),
    _ratio("tensor_active_ratio", pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL),
    _ratio("tensor_hmma_active_ratio", pynvml.NVML_GPM_METRIC_HMMA_TENSOR_UTIL),
    _ratio("tensor_imma_active_ratio", pynvml.NVML_GPM_METRIC_IMMA_TENSOR_UTIL),
    _ratio("tensor_dfma_active_ratio", pynvml.NVML_GPM_METRIC_DFMA_TENSOR_UTIL),
    _ratio("dram_active_ratio", pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL),
    _rate("nvlink_receive_bytes_per_second", pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC),
    _rate("nvlink_transmit_bytes_per_second", pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC),
    _rate("pcie_receive_bytes_per_second", pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC),
    _rate("pcie_transmit_bytes_per_second", pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC),
)
METRICS_OF_INSTANCES = (*METRICS, _ratio("busy_ratio", pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL))
"""An instance has no other busy time: "percentage of time any compute/graphics app was active" (nvml.h)."""


class _Row(Structure):
    """The binding's structure without the conversions that it makes at every access."""

    _fields_ = pynvml.c_nvmlGpmMetric_t._fields_


class GpmMeter:
    """The metrics of one card, or of an instance by its id on the card. ``elapsed_ns`` never runs backwards."""

    def __init__(
        self, device: DeviceCalls, card: Any, elapsed_ns: Callable[[], int], instance_id: int | None = None
    ) -> None:
        self._asked = METRICS if instance_id is None else METRICS_OF_INSTANCES
        self._device = device
        self._card = card
        self._elapsed_ns = elapsed_ns
        self._instance_id = instance_id
        self._samples: list[Any] = []  # the last one taken, and the one to take next
        self._taken_ns: int | None = None
        self._values = self._all(Absent(Why.NO_DATA))
        self._settled: Values = {}
        self._want(self._asked)

    def read(self) -> Values:
        """
        Every metric, as the mean since the last reading; NO_DATA until there are two samples.

        NVML: ``nvmlGpmQueryDeviceSupport`` once, ``nvmlGpmSampleGet`` (``nvmlGpmMigSampleGet`` of an instance) and
        ``nvmlGpmMetricsGet`` at each reading; percent and MiB/s, converted here and nowhere else.
        By hand: ``dcgmi dmon --field-id 1002,1004,1005,1009,1010,1011,1012``

        Absent(NOT_SUPPORTED) before Hopper, NO_PERMISSION where the driver keeps them from users that are not root.
        """
        refusal = self._prepare()
        if refusal is not None:
            return self._all(refusal)
        now_ns = self._elapsed_ns()
        if self._taken_ns is not None and now_ns - self._taken_ns <= SHORTEST_NS:
            return self._values
        self._values = self._read(now_ns)
        return self._values

    def forget(self) -> None:
        """Begin anew: what comes next says nothing about the time before it."""
        self._taken_ns, self._values = None, self._all(Absent(Why.NO_DATA))

    def close(self) -> None:
        """Free the samples. Harmless when repeated."""
        while self._samples:
            self._device.calls.ask(pynvml.nvmlGpmSampleFree, self._samples.pop())
        self.forget()

    def _prepare(self) -> Absent | None:
        """Allocate both samples once, if the device is one that has metrics; else why not."""
        if len(self._samples) == 2:
            return None
        support = self._device.ask(pynvml.nvmlGpmQueryDeviceSupport, self._card)
        if isinstance(support, Absent):
            return support
        if not support.isSupportedDevice:
            return Absent(Why.NOT_SUPPORTED)
        while len(self._samples) < 2:
            sample = self._device.ask(pynvml.nvmlGpmSampleAlloc)
            if isinstance(sample, Absent):
                return sample
            self._samples.append(sample)
        return None

    def _read(self, now_ns: int) -> Values:
        last, following = self._samples
        taken = self._take(following)
        if isinstance(taken, Absent):
            self.forget()
            return self._all(taken)
        first, self._taken_ns = self._taken_ns is None, now_ns
        self._samples.reverse()
        return self._all(Absent(Why.NO_DATA)) | self._settled if first else self._compare(last, following)

    def _take(self, sample: Any) -> Any:
        if self._instance_id is None:
            return self._device.ask(pynvml.nvmlGpmSampleGet, self._card, sample)
        return self._device.ask(pynvml.nvmlGpmMigSampleGet, self._card, self._instance_id, sample)

    def _compare(self, before: Any, after: Any) -> Values:
        self._wanted.sample1, self._wanted.sample2 = before, after
        memmove(self._rows, self._unwritten, sizeof(self._rows))
        answer = self._device.ask(pynvml.nvmlGpmMetricsGet, self._wanted)
        if isinstance(answer, Absent):
            return self._all(answer)
        found = {metric.field: self._value(metric, row) for metric, row in zip(self._metrics, self._rows, strict=True)}
        self._settle(found)
        return found | self._settled

    def _value(self, metric: Metric, answer: Any) -> float | Absent:
        if answer.nvmlReturn == UNWRITTEN:
            return Absent(Why.NOT_SUPPORTED)
        if answer.nvmlReturn != pynvml.NVML_SUCCESS:
            return present(self._device.calls.failed("nvmlGpmMetricsGet", answer.nvmlReturn))
        value: float = answer.value * metric.unit
        if not 0 <= value <= metric.most * BEYOND:  # so neither is nan
            return self._device.calls.nonsense("nvmlGpmMetricsGet", "out_of_range")
        return min(value, metric.most)

    def _all(self, absent: Absent) -> Values:
        return {metric.field: absent for metric in self._asked}

    def _settle(self, found: Values) -> None:
        """Ask no more for what this device does not have."""
        settled = {name: each for name, each in found.items() if each == Absent(Why.NOT_SUPPORTED)}
        if settled:
            self._settled |= settled
            self._want(tuple(metric for metric in self._metrics if metric.field not in self._settled))

    def _want(self, metrics: tuple[Metric, ...]) -> None:
        """Make the structure that asks for these metrics, once, for it is large; its rows begin as unwritten."""
        self._metrics = metrics
        self._wanted = pynvml.c_nvmlGpmMetricsGet_t(
            version=pynvml.NVML_GPM_METRICS_GET_VERSION, numMetrics=len(metrics)
        )
        self._rows = (_Row * len(metrics)).from_buffer(self._wanted, pynvml.c_nvmlGpmMetricsGet_t.metrics.offset)
        for row, metric in zip(self._rows, metrics, strict=True):
            row.metricId, row.nvmlReturn, row.value = metric.metric_id, UNWRITTEN, nan
        self._unwritten = bytes(self._rows)
