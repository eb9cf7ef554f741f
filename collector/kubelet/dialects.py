"""
The forms that ids of NVIDIA devices come in, and the devices each can mean. Pure. A new form is one more row.

Ids that name hardware by something unique in the world are told apart from ids that number it: the same number means
different things to different plugins. Sources stand beside each row; k8s-device-plugin is NVIDIA's, GKE's is
GoogleCloudPlatform/container-engine-accelerators, the DRA driver is kubernetes-sigs/dra-driver-nvidia-gpu.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from collector.kubelet.table import Device, DeviceTable, Gpu, MigInstance, MigPlacement
from collector.readings import Absent


class Unclear(StrEnum):
    """The closed set of reasons for which a claim means no certain device. They become label values."""

    NO_SUCH_DEVICE = "no_such_device"  # the driver lists none that fits, e.g. after MIG was partitioned anew
    SEVERAL_DEVICES = "several_devices"
    NUMBER_UNKNOWN = "number_unknown"  # the id numbers devices, and whose numbers those are is not known
    CHOSEN_ELSEWHERE = "chosen_elsewhere"  # the id is a place-holder: a scheduler of its own chose the device
    PASSED_THROUGH = "passed_through"  # the device belongs to a virtual machine, and no driver here sees it
    UNKNOWN_FORM = "unknown_form"


@dataclass(frozen=True, slots=True)
class Candidates:
    """The devices that an id can mean. One alone is meant for certain, unless there is a reason why not."""

    devices: tuple[Device, ...]
    why_not: Unclear | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """A form of ids, and how to find what they can mean. ``unique``: no other device in the world has such an id."""

    form: re.Pattern[str]
    find: Callable[[re.Match[str], DeviceTable], Candidates]
    unique: bool = False


def anything(_id: object, table: DeviceTable) -> Candidates:
    """Some GPU of this node; the id does not say which."""
    return Candidates(table.gpus, Unclear.UNKNOWN_FORM)


def by_uuid(uuids: Iterable[str], table: DeviceTable) -> Candidates:
    """The devices with these UUIDs."""
    wanted = frozenset(uuids)
    return Candidates(tuple(device for device in table.devices if device.uuid in wanted))


def uuids_in(texts: Iterable[str]) -> list[str]:
    """The UUIDs of devices that stand anywhere in these texts."""
    return [uuid for text in texts for uuid in _ANY_UUID.findall(text)]


def _of_uuid(match: re.Match[str], table: DeviceTable) -> Candidates:
    return by_uuid([match["uuid"]], table)


def _of_old_mig(match: re.Match[str], table: DeviceTable) -> Candidates:
    ids = (match["uuid"], int(match["gi"]), int(match["ci"]))
    fit = (each for each in table.instances if (each.gpu_uuid, each.gpu_instance_id, each.compute_instance_id) == ids)
    return Candidates(tuple(fit))


def _of_pci_address(match: re.Match[str], table: DeviceTable) -> Candidates:
    wanted = _pci_address(match[0])
    return Candidates(tuple(gpu for gpu in table.gpus if _pci_address(gpu.pci_bus_id) == wanted))


def _pci_address(text: str | Absent) -> tuple[int, str] | Absent:
    """NVML writes ``00000000:3B:00.0`` where the kernel writes ``0000:3b:00.0``."""
    if isinstance(text, Absent):
        return text
    domain, rest = text.split(":", 1)
    return int(domain, 16), rest.lower()


def _of_place_holder(match: re.Match[str], table: DeviceTable) -> Candidates:
    """Any GPU, if the id is made from one of this node's."""
    return Candidates(table.gpus if _of_uuid(match, table).devices else (), Unclear.CHOSEN_ELSEWHERE)


def _of_unknown_with_uuid(match: re.Match[str], table: DeviceTable) -> Candidates:
    return Candidates(table.gpus if _of_uuid(match, table).devices else (), Unclear.UNKNOWN_FORM)


def _of_index(match: re.Match[str], table: DeviceTable) -> Candidates:
    return Candidates(tuple(gpu for gpu in table.gpus if gpu.index == int(match["number"])))


def _of_minor(match: re.Match[str], table: DeviceTable) -> Candidates:
    return _certain_or_maybe(*_by_minor(int(match["number"]), table))


def _of_gpu_instance(match: re.Match[str], table: DeviceTable) -> Candidates:
    fit, maybe = (
        _instances_on(gpus, table, lambda each: each.gpu_instance_id == int(match["gi"]))
        for gpus in _by_minor(int(match["number"]), table)
    )
    return _certain_or_maybe(fit, maybe)


def _of_dra_gpu(match: re.Match[str], table: DeviceTable) -> Candidates:
    """
    NVML's index in older releases, the minor number in newer ones (dra-driver-nvidia-gpu#427); the name does not say.

    A minor number that fits no GPU may be that of a lost one, and must not be taken for the index of another.
    """
    fit, maybe = _by_minor(int(match["number"]), table)
    either = tuple(dict.fromkeys((*fit, *_of_index(match, table).devices)))
    return Candidates(either) if fit else _certain_or_maybe((), tuple(dict.fromkeys((*either, *maybe))))


def _of_dra_mig(match: re.Match[str], table: DeviceTable) -> Candidates:
    """By placement: no UUID is published for instances that the driver creates on demand (dcgm-exporter#714)."""
    wanted = MigPlacement(profile_id=int(match["profile"]), start=int(match["start"]))
    gpus = _of_dra_gpu(match, table)
    fit = _instances_on(gpus.devices, table, lambda each: each.placement == wanted)
    maybe = _instances_on(gpus.devices, table, lambda each: isinstance(each.placement, Absent))
    if fit and gpus.why_not is None:
        return Candidates(fit)
    return _certain_or_maybe((), (*fit, *maybe))


def _of_vfio(_match: re.Match[str], _table: DeviceTable) -> Candidates:
    return Candidates((), Unclear.PASSED_THROUGH)


def _by_minor(number: int, table: DeviceTable) -> tuple[tuple[Gpu, ...], tuple[Gpu, ...]]:
    """The GPUs with this minor number, and those whose minor number the driver did not give."""
    fit = tuple(gpu for gpu in table.gpus if gpu.minor_number == number)
    return fit, tuple(gpu for gpu in table.gpus if isinstance(gpu.minor_number, Absent))


def _instances_on(
    gpus: Iterable[Device], table: DeviceTable, fits: Callable[[MigInstance], bool]
) -> tuple[MigInstance, ...]:
    uuids = {gpu.gpu_uuid for gpu in gpus}
    return tuple(each for each in table.instances if each.gpu_uuid in uuids and fits(each))


def _certain_or_maybe(fit: tuple[Device, ...], maybe: tuple[Device, ...]) -> Candidates:
    """Those that fit; if none does, those of which nobody knows whether they do."""
    if fit or not maybe:
        return Candidates(fit)
    return Candidates(maybe, Unclear.NUMBER_UNKNOWN)


_HEX = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_GPU, _MIG, _REPLICA = rf"(?P<uuid>GPU-{_HEX})", rf"(?P<uuid>MIG-{_HEX})", r"(?:::[0-9]+)?"
_ANY_UUID = re.compile(rf"(?:GPU|MIG)-{_HEX}")


def _form(pattern: str) -> re.Pattern[str]:
    """Ids are other people's text: a number is ASCII digits, and few of them."""
    return re.compile(pattern.replace(r"\d+", "[0-9]{1,9}"))


PLUGIN_DIALECTS = (
    # k8s-device-plugin, whole GPUs; "::n" is a replica, for time-slicing and MPS
    Dialect(_form(_GPU + _REPLICA), _of_uuid, unique=True),
    # k8s-device-plugin, MIG; the second form is the one of drivers before 470
    Dialect(_form(_MIG + _REPLICA), _of_uuid, unique=True),
    Dialect(_form(rf"MIG-{_GPU}/(?P<gi>\d+)/(?P<ci>\d+){_REPLICA}"), _of_old_mig, unique=True),
    # HAMi (HAMi#1741: the kubelet named 5 GPUs, the pod used 8) and gpushare: the pod's annotation names the device
    Dialect(_form(rf"{_GPU}-(?:_-)?\d+"), _of_place_holder, unique=True),
    Dialect(_form(rf".*{_GPU}.*"), _of_unknown_with_uuid, unique=True),
    Dialect(_form(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]"), _of_pci_address, unique=True),
    # plugins that number devices as NVML does
    Dialect(_form(r"(?P<number>\d+)" + _REPLICA), _of_index),
    # GKE: minor numbers; "/vgpuN" is a replica, "/giN" a GPU instance
    Dialect(_form(r"nvidia(?P<number>\d+)(?:/vgpu\d+)?"), _of_minor),
    Dialect(_form(r"nvidia(?P<number>\d+)/gi(?P<gi>\d+)(?:/vgpu\d+)?"), _of_gpu_instance),
)
"""Ids of device plugins."""

DRA_DIALECTS = (
    Dialect(_form(r"gpu-(?P<number>\d+)"), _of_dra_gpu),
    # older releases: GPU, profile id, start, size; newer ones: GPU, profile's name such as 1g12gb, profile id, start
    Dialect(_form(r"gpu-(?P<number>\d+)-mig-(?P<profile>\d+)-(?P<start>\d+)-\d+"), _of_dra_mig),
    Dialect(_form(r"gpu-(?P<number>\d+)-mig-.*g.*-(?P<profile>\d+)-(?P<start>\d+)"), _of_dra_mig),
    Dialect(_form(r"gpu-vfio-\d+"), _of_vfio),
)
"""Names of devices of NVIDIA's DRA driver; they carry numbers only."""
