"""The simulated driver's functions that say what a card does: busy time, power, energy, memory, clocks, health."""

from collections.abc import Callable
from typing import Any

import pynvml

from collector.readings import Absent, Why
from collector.simulated.instances import Instance
from collector.simulated.playback import SAMPLES_KEPT
from collector.simulated.session import Refused, Session, code_of, known

KIB = 1024


def utilization_rates(session: Session, device: Any, rates: Any) -> None:
    """``nvmlDeviceGetUtilizationRates``, in whole percent. Memory traffic is not simulated and says 0."""
    rates._obj.gpu = round(known(session.state(device).busy_ratio) * 100)
    rates._obj.memory = 0


def samples(session: Session, device: Any, sampling: Any, after_us: Any, kind: Any, count: Any, buffer: Any) -> None:
    """
    ``nvmlDeviceGetSamples`` of utilisation, in whole percent, stamped in microseconds since the scenario began.

    Without a buffer it says how many there may be at most; with one that is too small it refuses.
    """
    if sampling.value != pynvml.NVML_GPU_UTILIZATION_SAMPLES:
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    index, now = session.index(device), session.now()
    if session.node.mig_mode(index):
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    kind._obj.value = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
    if buffer is None:
        count._obj.value = SAMPLES_KEPT
        return
    found = session.node.busy_samples(index, after_us.value, now)
    if not found:
        raise Refused(pynvml.NVML_ERROR_NOT_FOUND)
    if count._obj.value < len(found):
        raise Refused(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    for slot, (stamp_us, busy) in zip(buffer, found, strict=False):
        slot.timeStamp, slot.sampleValue.uiVal = stamp_us, round(busy * 100)
    count._obj.value = len(found)


def power_usage(session: Session, device: Any, milliwatts: Any) -> None:
    """``nvmlDeviceGetPowerUsage``."""
    milliwatts._obj.value = round(known(session.state(device).power_watts) * 1000)


def enforced_power_limit(session: Session, device: Any, milliwatts: Any) -> None:
    """``nvmlDeviceGetEnforcedPowerLimit``."""
    session.index(device)
    milliwatts._obj.value = round(session.node.product.power_limit_watts * 1000)


def total_energy(session: Session, device: Any, millijoules: Any) -> None:
    """``nvmlDeviceGetTotalEnergyConsumption``."""
    millijoules._obj.value = known(_millijoules(session, session.index(device)))


def memory_info(session: Session, device: Any, memory: Any) -> None:
    """``nvmlDeviceGetMemoryInfo``: ``used`` contains the reserved part, of which an instance has none."""
    place = session.place(device)
    if isinstance(place, Instance):
        used, total = known(session.node.instance_memory_bytes(place, session.clock())), place.profile.memory_bytes
    else:
        used, total = known(session.state(device).memory_used_bytes), session.node.product.memory_total_bytes
    memory._obj.total, memory._obj.used, memory._obj.free = total, used, total - used


def memory_info_v2(session: Session, device: Any, memory: Any) -> None:
    """``nvmlDeviceGetMemoryInfo_v2``: the reserved part stands apart."""
    if memory._obj.version != pynvml.nvmlMemory_v2:
        raise Refused(pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
    memory_info(session, device, memory)
    reserved = 0 if isinstance(session.place(device), Instance) else session.node.product.memory_reserved_bytes
    memory._obj.reserved = reserved
    memory._obj.used -= reserved


def clock_info(session: Session, device: Any, clock: Any, megahertz: Any) -> None:
    """``nvmlDeviceGetClockInfo`` of the multiprocessors: idle, or as high as it goes."""
    if clock.value != pynvml.NVML_CLOCK_SM:
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    product = session.node.product
    megahertz._obj.value = product.sm_clock_idle_mhz if _idles(session, device) else product.sm_clock_most_mhz


def clock_event_reasons(session: Session, device: Any, reasons: Any) -> None:
    """``nvmlDeviceGetCurrentClocksEventReasons``: idle, at the power limit, or none."""
    power = session.state(device).power_watts
    if _idles(session, device):
        reasons._obj.value = pynvml.nvmlClocksEventReasonGpuIdle
    elif not isinstance(power, Absent) and power >= session.node.product.power_limit_watts:
        reasons._obj.value = pynvml.nvmlClocksEventReasonSwPowerCap
    else:
        reasons._obj.value = pynvml.nvmlClocksEventReasonNone


def field_values(session: Session, device: Any, count: Any, values: Any) -> None:
    """``nvmlDeviceGetFieldValues``: succeeds as a whole, and answers with a code for each value."""
    index, now = session.index(device), session.now()
    for value in values._obj[: count.value]:
        value.timestamp = round(now * 1e6)
        found = FIELDS.get((value.fieldId, value.scopeId), _unsupported)(session, index)
        if isinstance(found, Absent):
            value.nvmlReturn = code_of(found)
        else:
            value.nvmlReturn, value.valueType = pynvml.NVML_SUCCESS, pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
            value.value.ullVal = found


def _idles(session: Session, device: Any) -> bool:
    index = session.index(device)
    return not session.node.is_held(index, session.clock())


def _millijoules(session: Session, index: int) -> int | Absent:
    joules = session.node.energy_joules(index, session.clock())
    return joules if isinstance(joules, Absent) else int(joules * 1000)


def _average_milliwatts(session: Session, index: int) -> int | Absent:
    """Not on GA100 and before Ampere: nvml.h says so of the power average."""
    if session.node.product.compute_capability in ("8.0", "7.5"):
        return Absent(Why.NOT_SUPPORTED)
    state = session.node.state(index, session.clock())
    power = state if isinstance(state, Absent) else state.power_watts
    return power if isinstance(power, Absent) else round(power * 1000)


def _link_bytes(session: Session, index: int, link: str, bytes_per_second: int) -> int | Absent:
    """Bytes since the driver was loaded, the same in each direction."""
    now = session.clock()
    if not bytes_per_second:
        return Absent(Why.NOT_SUPPORTED)
    loaded_at = session.node.driver_loaded_at(now)
    if isinstance(loaded_at, Absent):
        return loaded_at
    after = session.node.activity_seconds(index, link, now)
    before = session.node.activity_seconds(index, link, loaded_at)
    if isinstance(after, Absent) or isinstance(before, Absent):
        return Absent(Why.NOT_SUPPORTED)
    return int((after - before) * bytes_per_second)


def _nvlink_bytes(session: Session, index: int) -> int | Absent:
    """The counters in bytes came with NVLink 5."""
    product = session.node.product
    if product.architecture != "blackwell":
        return Absent(Why.NOT_SUPPORTED)
    return _link_bytes(session, index, "nvlink", product.nvlink_bytes_per_second)


def _nvlink_kib(session: Session, index: int) -> int | Absent:
    """The counters in KiB ended with NVLink 4."""
    product = session.node.product
    if product.architecture == "blackwell":
        return Absent(Why.NOT_SUPPORTED)
    found = _link_bytes(session, index, "nvlink", product.nvlink_bytes_per_second)
    return found if isinstance(found, Absent) else found // KIB


def _pcie_bytes(session: Session, index: int) -> int | Absent:
    """From Hopper on: a guess."""
    product = session.node.product
    if not product.gpm:
        return Absent(Why.NOT_SUPPORTED)
    return _link_bytes(session, index, "pcie", product.pcie_bytes_per_second)


def _none_yet(_session: Session, _index: int) -> int | Absent:
    return 0


def _row_repairs(session: Session, _index: int) -> int | Absent:
    return 0 if session.node.product.remaps_rows else Absent(Why.NOT_SUPPORTED)


def _page_repairs(session: Session, _index: int) -> int | Absent:
    return Absent(Why.NOT_SUPPORTED) if session.node.product.remaps_rows else 0


def _unsupported(_session: Session, _index: int) -> int | Absent:
    return Absent(Why.NOT_SUPPORTED)


ALL_LINKS = 0xFFFFFFFF
FIELDS: dict[tuple[int, int], Callable[[Session, int], int | Absent]] = {
    (pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0): _millijoules,
    (pynvml.NVML_FI_DEV_POWER_AVERAGE, 0): _average_milliwatts,
    (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, ALL_LINKS): _nvlink_kib,
    (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, ALL_LINKS): _nvlink_kib,
    (pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, ALL_LINKS): _nvlink_bytes,
    (pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, ALL_LINKS): _nvlink_bytes,
    (pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0): _pcie_bytes,
    (pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES, 0): _pcie_bytes,
    (pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL, 0): _none_yet,
    (pynvml.NVML_FI_DEV_REMAPPED_UNC, 0): _row_repairs,
    (pynvml.NVML_FI_DEV_REMAPPED_PENDING, 0): _row_repairs,
    (pynvml.NVML_FI_DEV_RETIRED_DBE, 0): _page_repairs,
    (pynvml.NVML_FI_DEV_RETIRED_PENDING, 0): _page_repairs,
}
FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlDeviceGetUtilizationRates": utilization_rates,
    "nvmlDeviceGetSamples": samples,
    "nvmlDeviceGetPowerUsage": power_usage,
    "nvmlDeviceGetEnforcedPowerLimit": enforced_power_limit,
    "nvmlDeviceGetTotalEnergyConsumption": total_energy,
    "nvmlDeviceGetMemoryInfo": memory_info,
    "nvmlDeviceGetMemoryInfo_v2": memory_info_v2,
    "nvmlDeviceGetClockInfo": clock_info,
    "nvmlDeviceGetCurrentClocksEventReasons": clock_event_reasons,
    "nvmlDeviceGetFieldValues": field_values,
}
