"""The simulated driver's functions about MIG: the mode of a card, and its instances."""

from collections.abc import Callable
from typing import Any

import pynvml

from collector.simulated.instances import Instance
from collector.simulated.products import MIB, MIG_SLICES
from collector.simulated.session import Refused, Session


def mode(session: Session, device: Any, current: Any, pending: Any) -> None:
    """``nvmlDeviceGetMigMode``: not supported on a product that cannot be cut."""
    index = session.index(device)
    enabled = session.node.mig_mode(index)
    if not enabled and not session.node.product.mig_profiles:
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    current._obj.value = pending._obj.value = int(enabled)


def most_instances(session: Session, device: Any, count: Any) -> None:
    """``nvmlDeviceGetMaxMigDeviceCount``."""
    index = session.index(device)
    count._obj.value = MIG_SLICES if session.node.mig_mode(index) or session.node.product.mig_profiles else 0


def handle_by_index(session: Session, device: Any, index: Any, instance: Any) -> None:
    """``nvmlDeviceGetMigDeviceHandleByIndex``: the instances there are, from 0 without gaps."""
    found = session.node.instances_of(session.index(device), session.now())
    if index.value >= len(found):
        raise Refused(pynvml.NVML_ERROR_NOT_FOUND)
    session.hand_out(found[index.value], instance)


def gpu_instance_id(session: Session, device: Any, number: Any) -> None:
    """``nvmlDeviceGetGpuInstanceId``."""
    number._obj.value = _instance(session, device).gpu_instance_id


def compute_instance_id(session: Session, device: Any, number: Any) -> None:
    """``nvmlDeviceGetComputeInstanceId``: one compute instance fills each GPU instance."""
    _instance(session, device)
    number._obj.value = 0


def attributes(session: Session, device: Any, found: Any) -> None:
    """``nvmlDeviceGetAttributes_v2``."""
    profile = _instance(session, device).profile
    found._obj.multiprocessorCount = profile.multiprocessors
    found._obj.gpuInstanceSliceCount = found._obj.computeInstanceSliceCount = profile.slices
    found._obj.memorySizeMB = profile.memory_bytes // MIB


def _instance(session: Session, device: Any) -> Instance:
    place = session.place(device)
    if not isinstance(place, Instance):
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    return place


FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlDeviceGetMigMode": mode,
    "nvmlDeviceGetMaxMigDeviceCount": most_instances,
    "nvmlDeviceGetMigDeviceHandleByIndex": handle_by_index,
    "nvmlDeviceGetGpuInstanceId": gpu_instance_id,
    "nvmlDeviceGetComputeInstanceId": compute_instance_id,
    "nvmlDeviceGetAttributes_v2": attributes,
}
