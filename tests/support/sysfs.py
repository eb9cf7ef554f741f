"""A folder like ``/sys``, with devices on its PCI bus."""

from pathlib import Path


def a_sysfs(folder: Path, *devices: tuple[str, str, str, str], driver: str = "", address: str = "0000:0a:00") -> Path:
    """A folder like /sys with these (vendor, device, class, driver) in functions of one address."""
    for number, (vendor, device, kind, its_driver) in enumerate(devices):
        place = folder / "bus/pci/devices" / f"{address}.{number}"
        place.mkdir(parents=True)
        for name, text in (("vendor", vendor), ("device", device), ("class", kind)):
            (place / name).write_text(text + "\n", encoding="ascii")
        if its_driver:
            (place / "driver").symlink_to(f"../../../bus/pci/drivers/{its_driver}")
    return folder
