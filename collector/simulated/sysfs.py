"""What sysfs says about a simulated node's accelerators: a folder with the files that ``collector/pci.py`` reads."""

from pathlib import Path
from tempfile import TemporaryDirectory

from collector.pci import CONTROLLER_3D, PciGpu, pci_gpus
from collector.readings import Absent
from collector.simulated.playback import NodeScript


def write_sysfs(node: NodeScript, sysfs: Path) -> None:
    """
    A PCI device for each GPU, bound to ``vfio-pci`` where they are passed through, else to ``nvidia``.

    Those that are foreign have a PCI domain for each kind, from 1 on, so that they are nowhere a GPU is.
    """
    device_id, vendor_id = divmod(node.product.pci_device_id, 0x10000)
    for gpu in node.gpus:
        domain, _, rest = str(gpu.pci_bus_id).partition(":")
        driver = "vfio-pci" if node.passthrough else "nvidia"
        _write_device(sysfs, f"{domain[-4:]}:{rest}".lower(), (vendor_id, device_id, CONTROLLER_3D), driver)
    for domain_number, kind in enumerate(node.foreign, start=1):
        for bus in range(1, kind.count + 1):
            numbers = (kind.vendor_id, kind.device_id, kind.class_id)
            _write_device(sysfs, f"{domain_number:04x}:{bus:02x}:00.0", numbers, kind.driver)


def _write_device(sysfs: Path, address: str, numbers: tuple[int, int, int], driver: str) -> None:
    """``numbers``: of the vendor, the device and its class. ``driver``: empty if none holds it."""
    folder = sysfs / "bus/pci/devices" / address
    folder.mkdir(parents=True)
    vendor_id, device_id, class_id = numbers
    texts = {"vendor": f"{vendor_id:#06x}", "device": f"{device_id:#06x}", "class": f"{class_id:#06x}00"}
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="ascii")
    if driver:
        (folder / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")


def simulated_pci_gpus(node: NodeScript) -> tuple[PciGpu, ...] | Absent:
    """The node's PCI inventory, read once through a folder that is gone afterwards: it does not change."""
    with TemporaryDirectory(prefix="flopwatch-sysfs-") as folder:
        write_sysfs(node, Path(folder))
        return pci_gpus(Path(folder))
