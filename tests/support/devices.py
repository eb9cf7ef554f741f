"""A node's devices and containers' claims on them, for tests in which only what matters is written."""

from collector.kubelet.claims import ContainerName, DynamicClaim, PluginClaim
from collector.kubelet.table import DeviceTable, Gpu, MigInstance, MigPlacement
from collector.readings import Absent, Why

NO_DATA = Absent(Why.NO_DATA)


def gpu_uuid(number: int) -> str:
    """A UUID as NVML gives it to a GPU."""
    return f"GPU-{number:08x}-f345-8e4c-6592-e96c0feca949"


def mig_uuid(number: int) -> str:
    """A UUID as NVML gives it to a MIG instance."""
    return f"MIG-{number:08x}-50b5-5ccf-b0a8-f93b3247ae9e"


def a_gpu(number: int, *, minor: int | Absent | None = None) -> Gpu:
    """The GPU of this NVML index; its minor number is the same unless given."""
    return Gpu(
        gpu_uuid=gpu_uuid(number),
        index=number,
        minor_number=number if minor is None else minor,
        pci_bus_id=f"00000000:{0x3B + number:02X}:00.0",
    )


def an_instance(number: int, *, on: int, gi: int, ci: int = 0, place: tuple[int, int] | None = None) -> MigInstance:
    """A MIG instance on the GPU of index ``on``; ``place`` is profile id and start."""
    return MigInstance(
        mig_uuid=mig_uuid(number),
        gpu_uuid=gpu_uuid(on),
        gpu_instance_id=gi,
        compute_instance_id=ci,
        placement=NO_DATA if place is None else MigPlacement(profile_id=place[0], start=place[1]),
    )


def a_node(gpus: int = 4, *instances: MigInstance) -> DeviceTable:
    """So many GPUs, numbered alike by everybody, and these instances."""
    return DeviceTable(gpus=tuple(a_gpu(number) for number in range(gpus)), instances=instances)


def a_name(pod: str = "pod-0", container: str = "main") -> ContainerName:
    """A container in ``tenant-a``."""
    return ContainerName(namespace="tenant-a", pod=pod, container=container)


def a_plugin_claim(
    device_id: str, *, resource: str = "nvidia.com/gpu", pod: str = "pod-0", container: str = "main"
) -> PluginClaim:
    """A claim through a device plugin."""
    return PluginClaim(container=a_name(pod, container), resource=resource, device_id=device_id)


def a_dra_claim(
    device: str | Absent,
    *,
    driver: str = "gpu.nvidia.com",
    pod: str = "pod-0",
    cdi: tuple[str, ...] = (),
    share_id: str | Absent = NO_DATA,
) -> DynamicClaim:
    """A claim through DRA, in the pool ``node-0``."""
    return DynamicClaim(
        container=a_name(pod),
        claim_namespace="tenant-a",
        claim="gpus",
        driver=driver,
        pool="node-0",
        device=device,
        cdi_names=cdi,
        share_id=share_id,
    )
