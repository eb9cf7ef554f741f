"""The products that the simulated driver can be, from ``products.toml`` beside this file, where their sources stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collector.simulated.tables import Table, read_toml

MIB = 2**20
MIG_SLICES = 7  # a board is cut into so many at most, NVIDIA MIG user guide
PRODUCTS_FILE = Path(__file__).with_name("products.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigProfile:
    """One way to cut an instance out of a board: of its seven slices, its multiprocessors and its memory."""

    name: str
    slices: int
    multiprocessors: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """
    One accelerator as its driver describes it.

    ``name``: exactly as ``nvmlDeviceGetName`` answers. ``power_limit_watts``: the enforced limit as delivered.
    ``memory_reserved_bytes``: what the driver keeps for itself. ``pci_device_id``: as NVML packs device and vendor.
    ``architecture``: in lower case, as NVML numbers them. ``nvlink_bytes_per_second``: one direction, all links; 0 for
    a board without. ``gpm``: whether it has performance metrics. ``fabric``: whether it belongs to one.
    ``remaps_rows``: whether bad memory is remapped by rows (from Ampere on) or retired by pages.
    """

    name: str
    memory_total_bytes: int
    memory_reserved_bytes: int
    idle_power_watts: float
    power_limit_watts: float
    pci_device_id: int
    board_part_number: str
    driver_version: str
    architecture: str
    compute_capability: str
    vbios_version: str
    multiprocessors: int
    cuda_cores: int
    sm_clock_idle_mhz: int
    sm_clock_most_mhz: int
    nvlink_bytes_per_second: int
    pcie_bytes_per_second: int
    gpm: bool
    fabric: bool
    remaps_rows: bool
    mig_profiles: Mapping[str, MigProfile]
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
        architecture=table.text("architecture"),
        compute_capability=table.text("compute_capability"),
        vbios_version=table.text("vbios_version"),
        multiprocessors=table.whole("multiprocessors", least=1, most=1000),
        cuda_cores=table.whole("cuda_cores", least=1, most=1_000_000),
        sm_clock_idle_mhz=table.whole("sm_clock_idle_mhz", least=1, most=10_000),
        sm_clock_most_mhz=table.whole("sm_clock_most_mhz", least=1, most=10_000),
        nvlink_bytes_per_second=table.whole("nvlink_bytes_per_second", least=0, most=2**63),
        pcie_bytes_per_second=table.whole("pcie_bytes_per_second", least=0, most=2**63),
        gpm=table.flag("gpm"),
        fabric=table.flag("fabric"),
        remaps_rows=table.flag("remaps_rows"),
        mig_profiles={profile.name: profile for profile in map(_mig_profile, table.tables("mig_profiles"))},
        source=table.text("source"),
    )
    table.finish()
    return product


def _mig_profile(table: Table) -> MigProfile:
    profile = MigProfile(
        name=table.text("name"),
        slices=table.whole("slices", least=1, most=MIG_SLICES),
        multiprocessors=table.whole("multiprocessors", least=1, most=1000),
        memory_bytes=table.whole("memory_mib", least=1, most=2**40) * MIB,
    )
    table.finish()
    return profile
