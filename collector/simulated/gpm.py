"""
The simulated driver's GPU performance metrics (GPM), which boards have from Hopper on.

Each metric is the exact mean between two samples of the same card or instance. Samples that are not more than 100 ms
apart are refused, which is a guess: nvml.h says that they must be, and not what happens if they are not.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import pynvml

from collector.readings import Absent, Why
from collector.simulated.instances import Instance
from collector.simulated.session import Place, Refused, Session, code_of

MIB = 2**20
SHORTEST_SECONDS = 0.1


def query_support(session: Session, device: Any, support: Any) -> None:
    """``nvmlGpmQueryDeviceSupport``."""
    session.card(device)
    support._obj.isSupportedDevice = int(session.node.product.gpm)


def allocate(session: Session, sample: Any) -> None:
    """``nvmlGpmSampleAlloc``."""
    session.now()
    block = ctypes.c_ubyte()
    address = ctypes.addressof(block)
    session.gpm_samples[address] = (block, None)
    sample._obj.contents = pynvml.struct_c_nvmlGpmSample_t.from_address(address)


def free(session: Session, sample: Any) -> None:
    """``nvmlGpmSampleFree``."""
    session.now()
    del session.gpm_samples[_address(session, sample)]


def get(session: Session, device: Any, sample: Any) -> None:
    """``nvmlGpmSampleGet``, of a whole card; it is a guess that one in MIG mode answers too."""
    _take(session, session.index(device), sample)


def get_instance(session: Session, device: Any, instance_id: int, sample: Any) -> None:
    """``nvmlGpmMigSampleGet``, of an instance by its id on the card."""
    index = session.index(device)
    for instance in session.node.instances_of(index, session.now()):
        if instance.gpu_instance_id == instance_id:
            return _take(session, instance, sample)
    raise Refused(pynvml.NVML_ERROR_NOT_FOUND)


def metrics(session: Session, wanted: Any) -> None:
    """``nvmlGpmMetricsGet``: a code for each metric."""
    session.now()
    if wanted._obj.version != pynvml.NVML_GPM_METRICS_GET_VERSION:
        raise Refused(pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
    taken = [session.gpm_samples[_address(session, each)][1] for each in (wanted._obj.sample1, wanted._obj.sample2)]
    (place, begin), (other, end) = (each or (-1, 0.0) for each in taken)
    if place == -1 or place != other or end - begin <= SHORTEST_SECONDS:
        raise Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
    for metric in wanted._obj.metrics[: wanted._obj.numMetrics]:
        value = _value(session, place, metric.metricId, (begin, end))
        if isinstance(value, Absent):
            metric.nvmlReturn = code_of(value)
        else:
            metric.nvmlReturn, metric.value = pynvml.NVML_SUCCESS, value


def _value(session: Session, place: Place, metric_id: int, between: tuple[float, float]) -> float | Absent:
    product, links = session.node.product, not isinstance(place, Instance)
    if metric_id in PERCENT:
        return _sum_of_means(session, place, PERCENT[metric_id], between, most=100.0)
    if metric_id in PCIE and links:
        return _sum_of_means(session, place, ("pcie",), between, most=product.pcie_bytes_per_second / MIB)
    if metric_id in NVLINK and links and product.nvlink_bytes_per_second:
        return _sum_of_means(session, place, ("nvlink",), between, most=product.nvlink_bytes_per_second / MIB)
    return Absent(Why.NOT_SUPPORTED)


def _sum_of_means(
    session: Session, place: Place, names: tuple[str, ...], between: tuple[float, float], *, most: float
) -> float | Absent:
    total, (begin, end) = 0.0, between
    for name in names:
        after, before = (session.node.activity_seconds(place, name, t) for t in (end, begin))
        if isinstance(after, Absent) or isinstance(before, Absent):
            return Absent(Why.NOT_SUPPORTED)
        total += (after - before) / (end - begin)
    return min(1.0, total) * most


def _take(session: Session, place: Place, sample: Any) -> None:
    if not session.node.product.gpm:
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    address = _address(session, sample)
    session.gpm_samples[address] = (session.gpm_samples[address][0], (place, session.now()))


def _address(session: Session, sample: Any) -> int:
    address = ctypes.addressof(sample.contents) if sample else 0
    if address not in session.gpm_samples:
        raise Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
    return address


PERCENT: dict[int, tuple[str, ...]] = {
    pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL: ("busy_ratio",),
    pynvml.NVML_GPM_METRIC_SM_UTIL: ("sm",),
    pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: ("hmma", "imma", "dfma"),
    pynvml.NVML_GPM_METRIC_HMMA_TENSOR_UTIL: ("hmma",),
    pynvml.NVML_GPM_METRIC_IMMA_TENSOR_UTIL: ("imma",),
    pynvml.NVML_GPM_METRIC_DFMA_TENSOR_UTIL: ("dfma",),
    pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: ("dram",),
}
PCIE = (pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC, pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC)
NVLINK = (pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC, pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC)
FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlGpmQueryDeviceSupport": query_support,
    "nvmlGpmSampleAlloc": allocate,
    "nvmlGpmSampleFree": free,
    "nvmlGpmSampleGet": get,
    "nvmlGpmMigSampleGet": get_instance,
    "nvmlGpmMetricsGet": metrics,
}
