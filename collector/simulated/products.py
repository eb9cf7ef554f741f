"""The products that the simulated driver can be, from ``products.toml`` beside this file, where their sources stand."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collector.simulated.tables import Table, read_toml

PRODUCTS_FILE = Path(__file__).with_name("products.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """
    One accelerator as its driver describes it.

    ``name``: exactly as ``nvmlDeviceGetName`` answers. ``power_limit_watts``: the enforced limit as delivered.
    ``memory_reserved_bytes``: what the driver keeps for itself. ``pci_device_id``: as NVML packs device and vendor.
    """

    name: str
    memory_total_bytes: int
    memory_reserved_bytes: int
    idle_power_watts: float
    power_limit_watts: float
    pci_device_id: int
    board_part_number: str
    driver_version: str
    source: str

    @property
    def power_span_watts(self) -> float:
        """From idle to the limit: what a power ratio of 0 to 1 covers."""
        return self.power_limit_watts - self.idle_power_watts


@cache
def products() -> dict[str, Product]:
    """All products by name."""
    top = read_toml(PRODUCTS_FILE)
    found = tuple(_product(table) for table in top.tables("products"))
    top.finish()
    return {product.name: product for product in found}


def _product(table: Table) -> Product:
    product = Product(
        name=table.text("name"),
        memory_total_bytes=table.whole("memory_total_bytes", least=1, most=2**63),
        memory_reserved_bytes=table.whole("memory_reserved_bytes", least=0, most=2**63),
        idle_power_watts=table.positive("idle_power_watts"),
        power_limit_watts=table.positive("power_limit_watts"),
        pci_device_id=table.whole("pci_device_id", least=1, most=2**32 - 1),
        board_part_number=table.text("board_part_number"),
        driver_version=table.text("driver_version"),
        source=table.text("source"),
    )
    table.finish()
    return product
