"""The simulated driver's functions that say which hardware a card or an instance is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pynvml

from collector.readings import Absent
from collector.simulated.instances import Instance
from collector.simulated.session import Refused, Session, fill, known


def driver_version(session: Session, buffer: Any, size: Any) -> None:
    """``nvmlSystemGetDriverVersion``."""
    session.now()
    fill(buffer, size, session.node.product.driver_version)


def count(session: Session, number: Any) -> None:
    """``nvmlDeviceGetCount_v2``: lost devices are still counted, instances are not."""
    session.now()
    number._obj.value = len(session.node.gpus)


def handle_by_index(session: Session, index: Any, device: Any) -> None:
    """``nvmlDeviceGetHandleByIndex_v2``: refuses a lost device."""
    now = session.now()
    if index.value >= len(session.node.gpus):
        raise Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
    session.refuse_lost(index.value, now)
    session.hand_out(index.value, device)


def uuid(session: Session, device: Any, buffer: Any, size: Any) -> None:
    """``nvmlDeviceGetUUID``."""
    place = session.place(device)
    fill(buffer, size, place.mig_uuid if isinstance(place, Instance) else session.node.gpus[place].gpu_uuid)


def name(session: Session, device: Any, buffer: Any, size: Any) -> None:
    """``nvmlDeviceGetName``; an instance's is its card's, and its profile."""
    place = session.place(device)
    profile = f" MIG {place.profile.name}" if isinstance(place, Instance) else ""
    fill(buffer, size, session.node.gpus[session.card(device)].accelerator + profile)


def serial(session: Session, device: Any, buffer: Any, size: Any) -> None:
    """``nvmlDeviceGetSerial``."""
    fill(buffer, size, known(session.node.gpus[session.card(device)].serial))


def board_part_number(session: Session, device: Any, buffer: Any, size: Any) -> None:
    """``nvmlDeviceGetBoardPartNumber``."""
    fill(buffer, size, known(session.node.gpus[session.index(device)].board_part_number))


def vbios_version(session: Session, device: Any, buffer: Any, size: Any) -> None:
    """``nvmlDeviceGetVbiosVersion``."""
    fill(buffer, size, known(session.node.gpus[session.index(device)].vbios_version))


def minor_number(session: Session, device: Any, number: Any) -> None:
    """``nvmlDeviceGetMinorNumber``."""
    number._obj.value = known(session.node.gpus[session.index(device)].minor_number)


def compute_capability(session: Session, device: Any, major: Any, minor: Any) -> None:
    """``nvmlDeviceGetCudaComputeCapability``."""
    session.card(device)
    numbers = session.node.product.compute_capability.split(".")
    major._obj.value, minor._obj.value = map(int, numbers)


def num_gpu_cores(session: Session, device: Any, number: Any) -> None:
    """``nvmlDeviceGetNumGpuCores``."""
    session.index(device)
    number._obj.value = session.node.product.cuda_cores


def architecture(session: Session, device: Any, number: Any) -> None:
    """``nvmlDeviceGetArchitecture``."""
    session.card(device)
    number._obj.value = getattr(pynvml, f"NVML_DEVICE_ARCH_{session.node.product.architecture.upper()}")


def pci_info(session: Session, device: Any, info: Any) -> None:
    """``nvmlDeviceGetPciInfo_v3``."""
    bus_id = known(session.node.gpus[session.card(device)].pci_bus_id)
    domain, bus, slot = bus_id.split(":")
    info._obj.busId = bus_id
    info._obj.busIdLegacy = f"{domain[-4:]}:{bus}:{slot}"
    info._obj.domain, info._obj.bus, info._obj.device = int(domain, 16), int(bus, 16), int(slot[:2], 16)
    info._obj.pciDeviceId = session.node.product.pci_device_id


def fabric_info(session: Session, device: Any, info: Any) -> None:
    """``nvmlDeviceGetGpuFabricInfoV``, second version; all zeros where the board's fabric ends at its own node."""
    identity = session.node.gpus[session.index(device)]
    if info._obj.version != pynvml.nvmlGpuFabricInfo_v2:
        raise Refused(pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
    if not session.node.product.fabric:
        info._obj.state = pynvml.NVML_GPU_FABRIC_STATE_NOT_SUPPORTED
        return
    info._obj.state, info._obj.status = pynvml.NVML_GPU_FABRIC_STATE_COMPLETED, pynvml.NVML_SUCCESS
    if not isinstance(identity.fabric_cluster_uuid, Absent):
        info._obj.clusterUuid[:] = UUID(identity.fabric_cluster_uuid).bytes
        info._obj.cliqueId = identity.fabric_clique_id


FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlInitWithFlags": Session.initialise,
    "nvmlShutdown": Session.shut_down,
    "nvmlSystemGetDriverVersion": driver_version,
    "nvmlDeviceGetCount_v2": count,
    "nvmlDeviceGetHandleByIndex_v2": handle_by_index,
    "nvmlDeviceGetUUID": uuid,
    "nvmlDeviceGetName": name,
    "nvmlDeviceGetSerial": serial,
    "nvmlDeviceGetBoardPartNumber": board_part_number,
    "nvmlDeviceGetVbiosVersion": vbios_version,
    "nvmlDeviceGetMinorNumber": minor_number,
    "nvmlDeviceGetCudaComputeCapability": compute_capability,
    "nvmlDeviceGetArchitecture": architecture,
    "nvmlDeviceGetNumGpuCores": num_gpu_cores,
    "nvmlDeviceGetPciInfo_v3": pci_info,
    "nvmlDeviceGetGpuFabricInfoV": fabric_info,
}
