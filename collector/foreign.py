"""
Which device on the PCI bus an id of a device plugin means, for accelerators that nothing here reads. Pure.

They are metered by allocation: whoever was given one holds it, and what it does with it is not observed. An id that is
a PCI address or an IOMMU group names its devices. Any other is one of the vendor's devices that no id names, in the
order of ids and addresses: they are interchangeable for who holds how many, and which of them a container really has is
not known. Where a vendor's devices are of several models, a holder may be counted for another one's.

What is given out and is not on the bus (a container without sysfs) is a device all the same, called by its resource. A
part of a device is held in doubt, for nobody says how large it is.

Left out: virtual functions and mediated devices, which are parts of devices that are counted; other vendors' DRA
drivers; Intel's GPUs, which ``collector/pci.py`` does not know.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from collector.kubelet.claims import PluginDevice
from collector.pci import PASSTHROUGH_DRIVERS, PciGpu, Vendor, place


class Says(StrEnum):
    """What an id says about its device."""

    ADDRESS = "address"  # where it is on the bus
    GROUP = "group"  # in which IOMMU group: a virtual machine has all devices of it
    PART = "part"  # a part of one, which it names or not
    WHOLE = "whole"  # a name that is not found on the bus


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """
    A vendor's resources, and the forms of their ids; an id of no form is a whole device.

    ``named_only``: such an id is none of ours, for the vendor's resources hand out other things as well.
    """

    vendor: Vendor
    resources: re.Pattern[str]
    forms: tuple[tuple[re.Pattern[str], Says], ...] = ()
    named_only: bool = False

    def hands_out(self, resource: str) -> bool:
        """Whether the resource is one of these."""
        return self.resources.fullmatch(resource) is not None


_ADDRESS = re.compile(r"(?P<name>[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7])(?:-slice-[0-9]+)?")
_GROUP = re.compile(r"(?P<name>[0-9]{1,9})")

MAKERS = (
    # ROCm/k8s-device-plugin: the PCI address (internal/pkg/amdgpu/amdgpu.go), "-slice-n" a replica of it
    # (plugin/timeslice.go), amdgpu_xcp_n a partition beyond a card's first, the IOMMU group of a card for a virtual
    # machine (amdgpu_pf.go). Resources after the partitioning, such as cpx_nps4, with its "mixed" naming.
    Maker(
        vendor=Vendor.AMD,
        resources=re.compile(r"amd\.com/(?:gpu|gpu_pf|[a-z]+_nps[0-9]+)"),
        forms=((_ADDRESS, Says.ADDRESS), (re.compile(r"amdgpu_xcp_[0-9]+"), Says.PART), (_GROUP, Says.GROUP)),
    ),
    # Ascend/ascend-device-plugin, pkg/device/ascendcommon.go and pkg/common/constants.go: Ascend910-3 is the chip of
    # that physical id; Ascend910-2c-100-3 two cores of it, a virtual chip with the id 100.
    Maker(
        vendor=Vendor.HUAWEI,
        resources=re.compile(r"huawei\.com/Ascend[0-9]+[A-Z]?(?:-[0-9]+c(?:\.[0-9a-z]+)*)?"),
        forms=(
            (re.compile(r"(?P<kind>Ascend[0-9]+[A-Z]?)-[0-9]+c[0-9a-z.]*-[0-9]+-(?P<number>[0-9]{1,9})"), Says.PART),
        ),
    ),
    # HabanaAI/habanalabs-k8s-device-plugin, main.go and habanalabs.go: the board's serial number; its UUID in some
    # releases. Neither is on the bus.
    Maker(vendor=Vendor.HABANA, resources=re.compile(r"habana\.ai/gaudi[0-9]*")),
    # NVIDIA/kubevirt-gpu-device-plugin, pkg/device_plugin/device_plugin.go, and KubeVirt, pkg/virt-handler/
    # device-manager/pci_device.go: the IOMMU group, in resources after the model or nvidia.com/pgpu.
    Maker(
        vendor=Vendor.NVIDIA,
        resources=re.compile(r"nvidia\.com/(?!gpu|mig-).+"),
        forms=((_ADDRESS, Says.ADDRESS), (_GROUP, Says.GROUP)),
        named_only=True,
    ),
)
DOMAINS = ("amd.com/", "huawei.com/", "habana.ai/", "nvidia.com/")
"""How the names of all their resources begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """
    Which devices are meant.

    ``keys``: by id the devices it means, by what they are called where others have their UUID. ``parts``: the ids that
    mean a part of a device, or of one of several. ``beyond``: the accelerators by key of devices the bus does not show.
    ``devices``: all that a vendor's resources can hand out, whether somebody has them or not.
    """

    keys: Mapping[PluginDevice, tuple[str, ...]] = field(default_factory=dict)
    parts: frozenset[PluginDevice] = frozenset()
    beyond: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[Vendor, tuple[str, ...]] = field(default_factory=dict)


def placed(given: Iterable[PluginDevice], gpus: Iterable[PciGpu], known: Mapping[str, str]) -> Placement:
    """
    The devices that these ids mean, in whatever order they and the devices on the bus are told.

    ``known``: the keys of the devices that have another one than their address, by address.
    """
    ids, bus = sorted(set(given)), sorted(gpus, key=lambda gpu: gpu.pci_bus_id)
    found = [
        _Node(
            maker=maker,
            meant={each: _meant(each, maker) for each in ids if maker.hands_out(each.resource)},
            keys={gpu: known.get(gpu.pci_bus_id, gpu.key) for gpu in bus if gpu.vendor is maker.vendor},
        ).placement()
        for maker in MAKERS
    ]
    return Placement(
        keys={device: keys for each in found for device, keys in each.keys.items()},
        parts=frozenset(device for each in found for device in each.parts),
        beyond={key: accelerator for each in found for key, accelerator in each.beyond.items()},
        devices={vendor: keys for each in found for vendor, keys in each.devices.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """What one id says: ``name`` is that of an address, a group or a device; empty for a part of any device."""

    says: Says
    resource: str
    name: str


def _meant(device: PluginDevice, maker: Maker) -> _Meant:
    for form, says in maker.forms:
        match = form.fullmatch(device.device_id)
        if match:
            found = match.groupdict()
            if "kind" not in found:
                return _Meant(says=says, resource=device.resource, name=found.get("name", ""))
            whole = f"{device.resource.partition('/')[0]}/{found['kind']}"
            return _Meant(says=says, resource=whole, name=f"{found['kind']}-{found['number']}")
    return _Meant(says=Says.WHOLE, resource=device.resource, name=device.device_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """What one vendor's ids say, and the keys of its devices on the bus; both in order."""

    maker: Maker
    meant: Mapping[PluginDevice, _Meant]
    keys: Mapping[PciGpu, str]

    def placement(self) -> Placement:
        off_bus = self._off_bus()
        named = {device: self._named(each, off_bus) for device, each in self.meant.items()}
        homes = self._homes(frozenset(key for keys in named.values() for key in keys))
        bus = frozenset(self.keys.values())
        beyond = {**off_bus, **{key: self._units()[unit] for unit, key in homes.items() if key not in bus}}
        anywhere = () if self.maker.named_only else (*self._on_host(), *beyond)
        found = {
            device: named[device] or ((homes[each.name],) if each.name in homes else anywhere)
            for device, each in self.meant.items()
        }
        return Placement(
            keys={device: keys for device, keys in found.items() if keys},
            parts=frozenset(device for device in self._parts(named) if found[device]),
            beyond={key: f"{self.maker.vendor} {resource}" for key, resource in beyond.items()},
            devices={self.maker.vendor: (*self._handed_out().values(), *beyond)},
        )

    def _off_bus(self) -> dict[str, str]:
        """The resources of the devices that ids find at addresses where the bus has none, by key."""
        bus = {gpu.pci_bus_id for gpu in self.keys}
        told = {place(each.name): each.resource for each in self.meant.values() if each.says is Says.ADDRESS}
        wanted = {} if self.maker.named_only else told
        return {self._beyond(address): resource for address, resource in wanted.items() if address not in bus}

    def _beyond(self, name: str) -> str:
        """What a device is called that the bus does not show."""
        return f"{self.maker.vendor}-{name}"

    def _named(self, meant: _Meant, off_bus: Collection[str]) -> tuple[str, ...]:
        """The devices at the address or in the IOMMU group, if the id is one."""
        match meant.says:
            case Says.GROUP:
                return tuple(key for gpu, key in self._given_away().items() if gpu.iommu_group == meant.name)
            case Says.ADDRESS:
                here = place(meant.name)
                found = tuple(key for gpu, key in self._handed_out().items() if gpu.pci_bus_id == here)
                return found or tuple(key for key in off_bus if key == self._beyond(here))
            case _:
                return ()

    def _given_away(self) -> dict[PciGpu, str]:
        """Devices that virtual machines may have."""
        return {gpu: key for gpu, key in self.keys.items() if gpu.driver in PASSTHROUGH_DRIVERS}

    def _handed_out(self) -> Mapping[PciGpu, str]:
        """Devices on the bus that the maker's resources can mean."""
        return self._given_away() if self.maker.named_only else self.keys

    def _units(self) -> dict[str, str]:
        """The resources of the devices that ids call by a name of their own, in order."""
        own = [each for each in self.meant.values() if each.says in (Says.WHOLE, Says.PART) and each.name]
        in_order = sorted(own, key=lambda each: (len(each.name), each.name))  # Ascend910-9 before Ascend910-10
        return {} if self.maker.named_only else {each.name: each.resource for each in in_order}

    def _homes(self, taken: Collection[str]) -> dict[str, str]:
        """A device for each name: the next on the bus that no id names; when those are used up, one beyond it."""
        units = tuple(self._units())
        free = [key for key in self._on_host() if key not in taken][: len(units)]
        return dict(zip(units, (*free, *map(self._beyond, units[len(free) :])), strict=True))

    def _on_host(self) -> tuple[str, ...]:
        """Devices that no virtual machine has."""
        return tuple(key for gpu, key in self.keys.items() if gpu.driver not in PASSTHROUGH_DRIVERS)

    def _parts(self, named: Mapping[PluginDevice, tuple[str, ...]]) -> frozenset[PluginDevice]:
        """Where a card is cut into partitions, an id that looks like a whole card is that of its first partition."""
        cut = any(each.says is Says.PART and not each.name for each in self.meant.values())
        odd_groups = {device for device, each in self.meant.items() if each.says is Says.GROUP and not named[device]}
        parts = {device for device, each in self.meant.items() if cut or each.says is Says.PART}
        return frozenset(parts | odd_groups)
