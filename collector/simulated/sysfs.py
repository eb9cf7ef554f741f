"""What sysfs says about a simulated node's GPUs: a folder with the files that ``collector/pci.py`` reads."""

from pathlib import Path
from tempfile import TemporaryDirectory

from collector.pci import PciGpu, pci_gpus
from collector.readings import Absent
from collector.simulated.playback import NodeScript

CLASS_3D_CONTROLLER = "0x030200"


def write_sysfs(node: NodeScript, sysfs: Path) -> None:
    """A PCI device for each GPU, bound to ``vfio-pci`` where they are passed through, else to ``nvidia``."""
    driver = "vfio-pci" if node.passthrough else "nvidia"
    device, vendor = divmod(node.product.pci_device_id, 0x10000)
    for gpu in node.gpus:
        domain, _, rest = str(gpu.pci_bus_id).partition(":")
        address = sysfs / "bus/pci/devices" / f"{domain[-4:]}:{rest}".lower()
        address.mkdir(parents=True)
        for name, text in (("vendor", f"{vendor:#06x}"), ("device", f"{device:#06x}"), ("class", CLASS_3D_CONTROLLER)):
            (address / name).write_text(text + "\n", encoding="ascii")
        (address / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")


def simulated_pci_gpus(node: NodeScript) -> tuple[PciGpu, ...] | Absent:
    """The node's PCI inventory, read once through a folder that is gone afterwards: it does not change."""
    with TemporaryDirectory(prefix="flopwatch-sysfs-") as folder:
        write_sysfs(node, Path(folder))
        return pci_gpus(Path(folder))
