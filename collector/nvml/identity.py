"""Which hardware a card or a MIG instance is."""

import re
from collections.abc import Callable
from ctypes import byref
from dataclasses import replace
from typing import Any
from uuid import UUID

import pynvml

from collector.nvml.calls import DeviceCalls, text
from collector.readings import Absent, DeviceIdentity, MigInstance, Why

MIB = 2**20
CORES_PER_MULTIPROCESSOR = {"7": 64, "8.0": 64, "8": 128, "9": 128, "10": 128, "12": 128}
"""By compute capability, or its first number: the table in NVIDIA/cuda-samples, Common/helper_cuda.h."""
_PCI_ADDRESS = re.compile(r"([0-9a-fA-F]{1,8}):([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7])")
_ARCHITECTURES: dict[int, str] = {
    getattr(pynvml, name): name.removeprefix("NVML_DEVICE_ARCH_").lower()
    for name in dir(pynvml)
    if name.startswith("NVML_DEVICE_ARCH_") and name != "NVML_DEVICE_ARCH_UNKNOWN"
}


def card_identity(device: DeviceCalls, pointer: Any, index: int) -> DeviceIdentity | Absent:
    """
    The identity of a whole card.

    NVML: ``nvmlDeviceGetUUID``, ``…Name``, ``…PciInfo``, ``…Serial``, ``…BoardPartNumber``, ``…VbiosVersion``,
    ``…MinorNumber``, ``…CudaComputeCapability``, ``…Architecture``, ``…GpuFabricInfoV``, ``…NumGpuCores``.
    By hand: ``nvidia-smi --query-gpu=uuid,name,pci.bus_id,serial,vbios_version,compute_cap,fabric.clusterUuid,fabric.\
cliqueId --format=csv``; the part number and the minor number: ``nvidia-smi --query``

    Absent when UUID or name is, or when the address could not be had this time; the log names the call. The others,
    and an address that this driver does not tell, are absent each for itself.
    """
    gpu_uuid = _text(device, pynvml.nvmlDeviceGetUUID, pointer)
    name = _text(device, pynvml.nvmlDeviceGetName, pointer)
    pci_bus_id = _pci_bus_id(device, pointer)
    if isinstance(gpu_uuid, Absent):
        return _nobody(device, index, "nvmlDeviceGetUUID", gpu_uuid)
    if isinstance(name, Absent):
        return _nobody(device, index, "nvmlDeviceGetName", name)
    if pci_bus_id == Absent(Why.DRIVER_ERROR):
        return _nobody(device, index, "nvmlDeviceGetPciInfo", pci_bus_id)
    cluster_uuid, clique_id = _fabric(device, pointer)
    return DeviceIdentity(
        gpu_uuid=gpu_uuid,
        accelerator=name,
        pci_bus_id=pci_bus_id,
        serial=_text(device, pynvml.nvmlDeviceGetSerial, pointer),
        board_part_number=_text(device, pynvml.nvmlDeviceGetBoardPartNumber, pointer),
        vbios_version=_text(device, pynvml.nvmlDeviceGetVbiosVersion, pointer),
        index=index,
        minor_number=device.ask(pynvml.nvmlDeviceGetMinorNumber, pointer),
        compute_capability=_compute_capability(device, pointer),
        architecture=_architecture(device, pointer),
        fabric_cluster_uuid=cluster_uuid,
        fabric_clique_id=clique_id,
        mig=None,
        multiprocessors=_multiprocessors(device, pointer),
    )


def instance_identity(
    device: DeviceCalls, pointer: Any, mig_uuid: str, card: DeviceIdentity
) -> DeviceIdentity | Absent:
    """
    The identity of a MIG instance: its card's, with a UUID, ids and attributes of its own.

    NVML: ``nvmlDeviceGetGpuInstanceId``, ``nvmlDeviceGetComputeInstanceId``, ``nvmlDeviceGetAttributes`` (megabytes
    are 2**20 bytes), and of ``nvmlDeviceGetName`` what stands after the card's name.
    By hand: ``nvidia-smi --list-gpus``, ``nvidia-smi mig --list-compute-instances``

    Absent when any of them is.
    """
    gpu_instance_id = device.ask(pynvml.nvmlDeviceGetGpuInstanceId, pointer)
    compute_instance_id = device.ask(pynvml.nvmlDeviceGetComputeInstanceId, pointer)
    attributes = device.ask(pynvml.nvmlDeviceGetAttributes, pointer)
    name = device.ask(pynvml.nvmlDeviceGetName, pointer)
    for answer in (gpu_instance_id, compute_instance_id, attributes, name):
        if isinstance(answer, Absent):
            return answer
    instance = MigInstance(
        parent_uuid=card.gpu_uuid,
        gpu_instance_id=gpu_instance_id,
        compute_instance_id=compute_instance_id,
        profile=name.rpartition(" MIG ")[2],
        multiprocessors=attributes.multiprocessorCount,
        memory_bytes=attributes.memorySizeMB * MIB,
    )
    return replace(card, gpu_uuid=mig_uuid, mig=instance)


def _fabric(device: DeviceCalls, pointer: Any) -> tuple[str | Absent, int | Absent]:
    """
    UUID of the NVLink cluster, and the clique in it: devices with both alike reach each other's memory.

    Absent(NOT_SUPPORTED) for a board without a fabric. NO_DATA while it has not joined one, and for a fabric that ends
    at the node: its UUID is all zeros, on every such node alike, so it names nothing.
    """
    info = pynvml.c_nvmlGpuFabricInfo_v2_t()
    answer = device.ask(pynvml.nvmlDeviceGetGpuFabricInfoV, pointer, byref(info))
    if isinstance(answer, Absent):
        return answer, answer
    if info.state == pynvml.NVML_GPU_FABRIC_STATE_NOT_SUPPORTED:
        return Absent(Why.NOT_SUPPORTED), Absent(Why.NOT_SUPPORTED)
    cluster = UUID(bytes=bytes(info.clusterUuid))
    joined = info.state == pynvml.NVML_GPU_FABRIC_STATE_COMPLETED and info.status == pynvml.NVML_SUCCESS
    if not joined or not cluster.int:
        return Absent(Why.NO_DATA), Absent(Why.NO_DATA)
    return str(cluster), int(info.cliqueId)


def _compute_capability(device: DeviceCalls, pointer: Any) -> str | Absent:
    """CUDA's, such as ``9.0``."""
    numbers = device.ask(pynvml.nvmlDeviceGetCudaComputeCapability, pointer)
    return numbers if isinstance(numbers, Absent) else "{}.{}".format(*numbers)


def _multiprocessors(device: DeviceCalls, pointer: Any) -> int | Absent:
    """
    How many multiprocessors the whole card has, of which MIG may leave some to no instance (10 of 108 of an A100).

    NVML counts CUDA cores; how many make a multiprocessor depends on the generation. NO_DATA for one not known here.
    """
    cores = device.ask(pynvml.nvmlDeviceGetNumGpuCores, pointer)
    if isinstance(cores, Absent):
        return cores
    capability = _compute_capability(device, pointer)
    per_multiprocessor = Absent(Why.NO_DATA) if isinstance(capability, Absent) else _cores(capability)
    return per_multiprocessor if isinstance(per_multiprocessor, Absent) else int(cores // per_multiprocessor)


def _cores(compute_capability: str) -> int | Absent:
    major = compute_capability.partition(".")[0]
    return CORES_PER_MULTIPROCESSOR.get(compute_capability, CORES_PER_MULTIPROCESSOR.get(major, Absent(Why.NO_DATA)))


def _architecture(device: DeviceCalls, pointer: Any) -> str | Absent:
    """The generation in lower case, such as ``hopper``; NO_DATA for one that the binding does not know yet."""
    number = device.ask(pynvml.nvmlDeviceGetArchitecture, pointer)
    return number if isinstance(number, Absent) else _ARCHITECTURES.get(number, Absent(Why.NO_DATA))


def _text(device: DeviceCalls, function: Callable[..., Any], pointer: Any) -> str | Absent:
    """Boards without a serial number, and the like, are common."""
    return text(device.calls, function.__name__, device.ask(function, pointer))


def _nobody(device: DeviceCalls, index: int, call: str, absent: Absent) -> Absent:
    device.say_once("device.nameless", index=index, call=call, reason=absent.reason)
    return absent


def _pci_bus_id(device: DeviceCalls, pointer: Any) -> str | Absent:
    """
    The address in one form, ``00000000:0A:00.0``: libraries that stand in for a driver write it in several.

    Absent(NO_DATA), counted as undecodable, for a text that is no address.
    """
    info = device.ask(pynvml.nvmlDeviceGetPciInfo, pointer)
    if isinstance(info, Absent):
        return info
    try:
        address = _PCI_ADDRESS.fullmatch(info.busId or info.busIdLegacy)
    except UnicodeDecodeError:
        address = None
    if address is None:
        device.calls.nonsense("nvmlDeviceGetPciInfo", "undecodable")
        return Absent(Why.NO_DATA)
    return "{:08X}:{:02X}:{:02X}.{:X}".format(*(int(part, 16) for part in address.groups()))
