"""
What a node's devices, their custody and the check on their holders are on the page. Pure.

Values become samples of the wire contract.
"""

from collections.abc import Iterable, Iterator, Mapping

from collector.contract import Metric, Sample, gpu_metrics, node_metrics
from collector.devices import Survey
from collector.intervals import known_holders
from collector.readings import Absent, DeviceIdentity, Holder, Reading
from collector.state.custody import Custody, Event
from collector.state.file import Held

OF_READINGS: dict[str, Metric] = {
    "busy_ratio": gpu_metrics.GPU_BUSY,
    "power_watts": gpu_metrics.GPU_POWER,
    "sm_active_ratio": gpu_metrics.GPU_SM_ACTIVE,
    "tensor_active_ratio": gpu_metrics.GPU_TENSOR_ACTIVE,
    "dram_active_ratio": gpu_metrics.GPU_DRAM_ACTIVE,
    "sm_clock_hertz": gpu_metrics.GPU_SM_CLOCK,
    "ecc_uncorrected_errors": gpu_metrics.GPU_ECC_UNCORRECTED,
    "memory_repairs": gpu_metrics.GPU_MEMORY_REPAIRS,
    "memory_repair_pending": gpu_metrics.GPU_MEMORY_REPAIR_PENDING,
}
"""Fields of a reading that are a gauge as they are."""


def gpu_samples(where: tuple[str, str], survey: Survey) -> Iterator[Sample]:
    """Every identified device, also MIG instances: what it is, and what it does as far as can be read."""
    for uuid, identity in survey.known.items():
        yield Sample(gpu_metrics.GPU_INFO, (*where, uuid, *_about(identity)), 1)
        reading = survey.readings[uuid]
        if not isinstance(reading, Absent):
            yield from _read_samples((*where, uuid), reading)
        for name, absent in survey.unsupported.get(uuid, {}).items():
            yield Sample(gpu_metrics.GPU_UNSUPPORTED, (*where, uuid, name, absent.reason), 1)
    for uuid, look in survey.instances.items():
        if look.identity.mig is not None:
            mig = look.identity.mig
            about = (look.identity.accelerator, mig.parent_uuid, mig.profile, str(mig.multiprocessors))
            yield Sample(gpu_metrics.MIG_INSTANCE_INFO, (*where, uuid, *about), 1)
        if not isinstance(look.reading, Absent):
            yield from _read_samples((*where, uuid), look.reading)


def held_samples(where: tuple[str, str], survey: Survey, held: Held) -> Iterator[Sample]:
    """Who holds every identified device, also MIG instances."""
    for uuid in (*survey.known, *survey.instances):
        for names in _names(known_holders(uuid, held)):
            yield Sample(gpu_metrics.GPU_HELD, (*where, uuid, *names), 1)


def error_samples(
    where: tuple[str, str], nvml: Mapping[tuple[str, str], int], xid: Mapping[tuple[str, int], int]
) -> Iterator[Sample]:
    """What has failed: calls into NVML by call and code, and devices by UUID and Xid number."""
    for (call, code), count in nvml.items():
        yield Sample(node_metrics.NVML_ERRORS, (*where, call, code), count)
    for (uuid, number), count in xid.items():
        yield Sample(gpu_metrics.GPU_XID_ERRORS, (*where, uuid, str(number)), count)


def _read_samples(labels: tuple[str, ...], reading: Reading) -> Iterator[Sample]:
    for name, metric in OF_READINGS.items():
        value = getattr(reading, name)
        if not isinstance(value, Absent):
            yield Sample(metric, labels, value)
    if not isinstance(reading.clock_event_reasons, Absent):
        for reason in reading.clock_event_reasons:
            yield Sample(gpu_metrics.GPU_CLOCK_EVENT, (*labels, reason), 1)


def custody_samples(where: tuple[str, str], custody: Custody) -> Iterator[Sample]:
    """The inventory, also devices that have vanished, and its events; each kind from 0 on."""
    for event in Event:
        yield Sample(gpu_metrics.CUSTODY_EVENTS, (*where, event), custody.count(event))
    for entry in custody.entries:
        about = (*where, entry.identity.gpu_uuid, *_about(entry.identity))
        yield Sample(gpu_metrics.CUSTODY_FIRST_SEEN, about, entry.first_seen_unix)
        yield Sample(gpu_metrics.CUSTODY_LAST_SEEN, about, entry.last_seen_unix)


def check_samples(
    where: tuple[str, str], kinds: Iterable[str], mismatches: Mapping[str, int], failure: Absent | None
) -> Iterator[Sample]:
    """How the check on the holders goes, and what it has found; each kind from 0 on."""
    yield Sample(node_metrics.PROCESS_CHECK, (*where, failure.reason if failure else ""), 0 if failure else 1)
    for kind in kinds:
        yield Sample(node_metrics.PROCESS_MISMATCHES, (*where, kind), mismatches.get(kind, 0))


def _about(identity: DeviceIdentity) -> tuple[str, str, str]:
    """A device's labels beside its UUID."""
    address, serial = ("" if isinstance(each, Absent) else each for each in (identity.pci_bus_id, identity.serial))
    return identity.accelerator, address, serial


def _names(holders: tuple[Holder, ...]) -> tuple[tuple[str, str, str, str], ...]:
    """Holders by name, each once: pods that differ in nothing but their UID have one series."""
    labels = (holder.labels for holder in holders)
    return tuple(dict.fromkeys((namespace, pod, container, tenant) for namespace, pod, _, container, tenant in labels))
