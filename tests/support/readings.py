"""Readings, holders and intervals for tests, in which only what matters is written."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from collector.accounting import Absent, Accounts, DeviceInterval, Holder, Reading, Why, attribute
from collector.contract import Sample
from collector.readings import DeviceIdentity

SECOND = 1_000_000_000
MODELS = ("NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3")
H100 = MODELS[1]

Value = float | Absent
NOT_SUPPORTED = Absent(Why.NOT_SUPPORTED)


def a_reading(
    *,
    busy: Value = 0.5,
    power: Value = 400.0,
    energy: Value = NOT_SUPPORTED,
    memory: int | Absent = 1000,
    **other: object,
) -> Reading:
    """A reading; without energy counter, and of an old board, unless said otherwise."""
    nothing = Reading.absent(Why.NOT_SUPPORTED)
    known = {"busy_ratio": busy, "power_watts": power, "energy_joules": energy, "memory_used_bytes": memory}
    return replace(nothing, **known, **other)  # type: ignore[arg-type]


def an_identity(gpu_uuid: str, **other: object) -> DeviceIdentity:
    """A whole H100 of this name, about which little more is known."""
    unknown = Absent(Why.NO_DATA)
    identity = DeviceIdentity(
        gpu_uuid=gpu_uuid,
        accelerator=H100,
        pci_bus_id="0",
        serial=unknown,
        board_part_number=unknown,
        vbios_version=unknown,
        index=0,
        minor_number=unknown,
        compute_capability=unknown,
        architecture=unknown,
        fabric_cluster_uuid=unknown,
        fabric_clique_id=unknown,
        mig=None,
    )
    return replace(identity, **other)  # type: ignore[arg-type]


def a_holder(pod: str = "pod-0", **other: str) -> Holder:
    """A holder of which the pod's name tells the rest."""
    holder = Holder(
        namespace="tenant-a",
        pod=pod,
        pod_uid=f"uid-{pod}",
        container="main",
        workload_kind="PyTorchJob",
        workload_name="job",
        workload_uid="uid-job",
        tenant_id="t-0001",
    )
    return replace(holder, **other)  # type: ignore[arg-type]


def an_interval(
    reading: Reading | Absent, *holders: Holder, gpu: str = "GPU-0", accelerator: str = H100
) -> DeviceInterval:
    """One device, read so, held by these."""
    return DeviceInterval(
        gpu_uuid=gpu, accelerator=accelerator, reading=reading, attribution=attribute(reading, holders)
    )


def accounts_of(*steps: tuple[int, list[DeviceInterval]]) -> Accounts:
    """Accounts after these (nanoseconds, devices) intervals, with exactly those devices as inventory."""
    accounts = Accounts()
    for elapsed_ns, intervals in steps:
        models = [interval.accelerator for interval in intervals]
        accounts.advance(elapsed_ns, {model: models.count(model) for model in models})
        accounts.integrate(elapsed_ns, intervals)
    return accounts


def published(accounts: Accounts) -> list[Sample]:
    """What a page has of the accounts: what has stood on none yet is at 0."""
    where = ("node-a", "measured")
    return [*accounts.samples(*where, newcomers_at_zero=True), *accounts.newcomers(*where)]


def values(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    """Samples by metric name and label values. Two samples of one series fail."""
    found: dict[tuple[str, ...], float] = {}
    for sample in samples:
        series = (sample.metric.name, *sample.label_values)
        assert series not in found, f"two samples of {series}"
        found[series] = sample.value
    return found


def total(samples: Iterable[Sample], name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(
        sample.value
        for sample in samples
        if sample.metric.name == name
        and labels.items() <= dict(zip(sample.metric.labels, sample.label_values, strict=True)).items()
    )


absences = st.sampled_from([Absent(Why.NOT_SUPPORTED), Absent(Why.DRIVER_ERROR), Absent(Why.GPU_LOST)])
ratios = st.floats(0, 1) | absences
joules = st.floats(0, 1e9)
rates = st.floats(0, 1e12) | absences
readings = absences | st.builds(
    a_reading,
    busy=ratios,
    power=st.floats(0, 1500) | absences,
    energy=joules | absences,
    memory=st.integers(0, 2**38) | absences,
    sm_active_ratio=ratios,
    tensor_active_ratio=ratios,
    tensor_hmma_active_ratio=ratios,
    dram_active_ratio=ratios,
    nvlink_receive_bytes_per_second=rates,
    nvlink_received_bytes=st.integers(0, 2**50) | absences,
    pcie_transmit_bytes_per_second=rates,
)
held_by = st.lists(st.sampled_from([a_holder("pod-0"), a_holder("pod-1"), a_holder("pod-2")]), max_size=3)
durations_ns = st.integers(0, 30 * SECOND)


@st.composite
def node_intervals(draw: st.DrawFn) -> list[DeviceInterval]:
    """One interval of a node with up to five devices."""
    count = draw(st.integers(0, 5))
    return [
        an_interval(draw(readings), *draw(held_by), gpu=f"GPU-{index}", accelerator=MODELS[index % 2])
        for index in range(count)
    ]


histories = st.lists(st.tuples(durations_ns, node_intervals()), max_size=6)
