"""
GPUs and accelerators by PCI inventory, whether a driver reads them or not: what sysfs says about ``/sys/bus/pci``.

A GPU that is passed through to a virtual machine is bound to ``vfio-pci``, and no library on the host sees it
(NVIDIA/DCGM#201, #217). Here it has an address, a vendor and a device number, and no UUID, serial or load: it can be
counted, and nothing more. Its name is what the PCI table below has, else vendor and device number; never a guess.

By hand: ``lspci -nnk -d ::0302``, and the same with 0300, 0380, 1200; for a vendor whose devices are known by number
alone, ``lspci -nnk -d 1d22:``.

Left out: virtual functions, which are parts of a device that is counted; accelerators that are not in the table.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from collector.readings import Absent, Why

VGA, CONTROLLER_3D, DISPLAY_OTHER, PROCESSING_ACCELERATOR = 0x0300, 0x0302, 0x0380, 0x1200
"""PCI base class and subclass: Linux, include/linux/pci_ids.h."""

PASSTHROUGH_DRIVERS = ("vfio-pci", "nvgrace_gpu_vfio_pci", "xen-pciback")
"""Linux drivers that hold a device for a virtual machine: drivers/vfio/pci, drivers/xen/xen-pciback."""


NO_GROUP = Absent(Why.NO_DATA)


class Vendor(StrEnum):
    """Who makes accelerators that this table knows."""

    NVIDIA = "NVIDIA"
    AMD = "AMD"
    HUAWEI = "Huawei"
    HABANA = "Habana"
    CAMBRICON = "Cambricon"
    KUNLUNXIN = "Kunlunxin"
    METAX = "MetaX"
    HYGON = "Hygon"
    MOORE_THREADS = "Moore Threads"
    ENFLAME = "Enflame"
    ILUVATAR = "Iluvatar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    One row of the table: a vendor's devices of these classes and with these numbers.

    Empty ``devices``: whatever number they have. Empty ``classes``: whatever class, which is not known or not the same
    everywhere, so that the number alone has to tell.
    """

    vendor: Vendor
    vendor_id: int
    classes: Collection[int] = ()
    devices: Collection[int] = ()

    def takes(self, vendor_id: int, device_id: int, class_id: int) -> bool:
        """Whether a device is of this row."""
        of_class = not self.classes or class_id in self.classes
        return self.vendor_id == vendor_id and of_class and (not self.devices or device_id in self.devices)


KEY_PREFIX = "pci-"  # of what is on the bus; other keys than these and UUIDs are of devices that it does not show

KINDS = (
    # GPUs: data-centre boards are 3D controllers, boards with display outputs VGA ones. NVSwitches are bridges (0680).
    Kind(vendor=Vendor.NVIDIA, vendor_id=0x10DE, classes=(CONTROLLER_3D, VGA)),
    # Instinct from MI300 on: Linux amdgpu_drv.c takes every processing accelerator of the vendor.
    Kind(vendor=Vendor.AMD, vendor_id=0x1002, classes=(PROCESSING_ACCELERATOR,)),
    # MI200 and MI100, by number, for other display controllers are desktop parts: Linux amdgpu_drv.c, CHIP_ALDEBARAN
    # and CHIP_ARCTURUS. The numbers of the latter and the class of both are from memory: unverified.
    Kind(
        vendor=Vendor.AMD,
        vendor_id=0x1002,
        classes=(DISPLAY_OTHER,),
        devices=(0x7408, 0x740C, 0x740F, 0x7410, 0x7388, 0x738C, 0x738E, 0x7390),
    ),
    # Ascend 310 (two numbers), 310P, 910, 910B, 910C: "Processing accelerators: Huawei … Device d802" in installation
    # guides; logs for D801 and D803; public scripts that label nodes by lspci for D100, D107 and D500. By number, for
    # the compression engine of a Kunpeng CPU has the same class.
    Kind(
        vendor=Vendor.HUAWEI,
        vendor_id=0x19E5,
        classes=(PROCESSING_ACCELERATOR,),
        devices=(0xD100, 0xD107, 0xD500, 0xD801, 0xD802, 0xD803),
    ),
    # Gaudi: "Processing accelerators [1200]: Habana Labs Ltd. Device [1da3:1020]" is a Gaudi 2.
    Kind(vendor=Vendor.HABANA, vendor_id=0x1DA3, classes=(PROCESSING_ACCELERATOR,)),
    # MLU, all that it makes: "Processing accelerators: Device cabc:0220" in a guide. Whether the large cards are
    # of that class is unverified, so they are here by number too: pci.ids for 0270, 0370; public test scripts that call
    # lspci -d cabc:0290 for 0290 and 0365.
    Kind(vendor=Vendor.CAMBRICON, vendor_id=0xCABC, classes=(PROCESSING_ACCELERATOR,)),
    Kind(vendor=Vendor.CAMBRICON, vendor_id=0xCABC, devices=(0x0270, 0x0290, 0x0365, 0x0370)),
    # Kunlun, K200 and R200 (pci.ids), a virtual function of the second generation (pci.ids), P800 (one public script:
    # unverified). By number, for guides of the maker show the same card as a communication controller (0780) and as a
    # processing accelerator, and other devices with this vendor number are storage.
    Kind(vendor=Vendor.KUNLUNXIN, vendor_id=0x1D22, devices=(0x3684, 0x3685, 0x3688)),
    # MXC500: "Display controller: Device 9999:4001" in a public comment. C550 (4000), C280 and N260: one public table,
    # unverified. By class as well, for a vendor number such as 9999 proves little.
    Kind(
        vendor=Vendor.METAX,
        vendor_id=0x9999,
        classes=(DISPLAY_OTHER,),
        devices=(0x4000, 0x4001, 0x4081, 0x4083),
    ),
    # DCU: Z100 (a tool's table: unverified), Z100L, K100, K100_AI (two numbers), BW150 and BW1000, BW100, BW1100, by
    # installation guides, pci.ids (6211) and logs. By number, for the listings have display controllers (0380) and
    # co-processors (0B40), and the vendor's CPUs have bridges and engines of many classes.
    Kind(
        vendor=Vendor.HYGON,
        vendor_id=0x1D94,
        devices=(0x54B7, 0x55B7, 0x62B7, 0x6210, 0x6211, 0x6320, 0x6370, 0x6430),
    ),
    # MTT S3000, S3000E, S4000 (pci.ids) and S5000 (a test fixture: unverified). By number, for others of these classes
    # are desktop parts.
    Kind(
        vendor=Vendor.MOORE_THREADS,
        vendor_id=0x1ED5,
        classes=(VGA, CONTROLLER_3D),
        devices=(0x0222, 0x0225, 0x0323, 0x0327, 0x0328, 0x0400),
    ),
    # CloudBlazer T10 to T21, I10, I20, S6, S30, S60, S90, L300, L600: pci.ids. No list that tells the class was seen.
    Kind(
        vendor=Vendor.ENFLAME,
        vendor_id=0x1E36,
        devices=(
            *(0x0001, 0x0002, 0x0003, 0x0021, 0x0022, 0x0023, 0x0024, 0x8001, 0x8011, 0x8012, 0x8031, 0x8032),
            *(0xC031, 0xC032, 0xC033, 0xC035, 0xC041, 0xC042),
        ),
    ),
    # Tiangai and Zhikai, the maker's only products: "Processing accelerators [1200]: Device [1e3e:0002]" in a report.
    Kind(vendor=Vendor.ILUVATAR, vendor_id=0x1E3E, classes=(PROCESSING_ACCELERATOR,)),
)

NAMES = {
    (0x10DE, 0x2330): "GH100 [H100 SXM5 80GB]",  # pci.ids
    (0x1002, 0x74A1): "Aqua Vanjaram [Instinct MI300X]",  # pci.ids
    (0x1DA3, 0x1020): "Gaudi 2",  # HabanaAI/hl-thunk-open, include/specs/common/pci_ids.h
    (0x1DA3, 0x1060): "Gaudi 3",  # PCI_IDS_GAUDI3 in the driver's later versions
}
"""By vendor and device number; what is not here is named by its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PciGpu:
    """
    One GPU or accelerator on the PCI bus.

    ``pci_bus_id`` is written as NVML writes it, ``00000000:0A:00.0``; sysfs has fewer digits of domain, small letters.
    ``driver`` is the kernel driver that holds it, ``Absent(NO_DRIVER)`` if none does. ``iommu_group`` is the number of
    the group of devices that can only be passed through together, NO_GROUP where no IOMMU is in use.
    """

    pci_bus_id: str
    vendor: Vendor
    accelerator: str
    driver: str | Absent
    iommu_group: str | Absent = NO_GROUP

    @property
    def key(self) -> str:
        """What it is called where a device that is read has its UUID."""
        return f"{KEY_PREFIX}{self.pci_bus_id}"

    def why_unread(self) -> Absent:
        """Why nothing on this node reads it, if nothing does: PASSED_THROUGH, FOREIGN_VENDOR or NO_DRIVER."""
        if self.driver in PASSTHROUGH_DRIVERS:
            return Absent(Why.PASSED_THROUGH)
        return Absent(Why.NO_DRIVER if self.vendor is Vendor.NVIDIA else Why.FOREIGN_VENDOR)


def kind_of(vendor_id: int, device_id: int, class_id: int) -> Kind | None:
    """The row of the table that has this device, None if none has; ``class_id`` is base class and subclass."""
    return next((kind for kind in KINDS if kind.takes(vendor_id, device_id, class_id)), None)


def place(pci_bus_id: str) -> str:
    """The same text for every way to write one address; what is no address is itself."""
    domain, _, rest = pci_bus_id.partition(":")
    try:
        return f"{int(domain, 16):08X}:{rest.upper()}"
    except ValueError:
        return pci_bus_id


def pci_gpus(sysfs: Path) -> tuple[PciGpu, ...] | Absent:
    """All GPUs and accelerators of the node in the order of their addresses. Absent(NO_DATA) where sysfs is not."""
    try:
        addresses = sorted((sysfs / "bus/pci/devices").iterdir())
    except OSError:
        return Absent(Why.NO_DATA)
    found = (_gpu(address) for address in addresses)
    return tuple(gpu for gpu in found if gpu is not None)


def _gpu(address: Path) -> PciGpu | None:
    """What is at an address; None if it is nothing of ours, or has gone while it was looked at."""
    try:
        vendor_id, device_id, class_id = (
            int((address / name).read_text(), 16) for name in ("vendor", "device", "class")
        )
        kind = kind_of(vendor_id, device_id, class_id >> 8)  # the last byte is the programming interface
        if kind is None or (address / "physfn").exists():
            return None
        name = NAMES.get((vendor_id, device_id), f"device {device_id:04x}")
        return PciGpu(
            pci_bus_id=place(address.name),
            vendor=kind.vendor,
            accelerator=f"{kind.vendor} {name}",
            driver=_link(address / "driver", Absent(Why.NO_DRIVER)),
            iommu_group=_link(address / "iommu_group", NO_GROUP),
        )
    except (OSError, ValueError):
        return None


def _link(link: Path, otherwise: Absent) -> str | Absent:
    return link.readlink().name if link.is_symlink() else otherwise
