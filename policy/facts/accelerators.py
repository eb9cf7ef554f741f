"""
What each accelerator is and can do at most: its rows in ``accelerators.toml``.

Peaks are dense: sparsity doubles a data sheet's figure and no training uses it (an H100's 1,979 TFLOP/s at 16 bits is
the sparse figure). Left out: what share of the peak a run reaches (:mod:`policy.facts.estimation`), which name means
which device (:mod:`policy.facts.product_names`), and which control paragraph it meets (:mod:`policy.facts.control`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from policy.facts.countries import is_code
from policy.facts.evidence import Source
from policy.facts.tables import FactsError, Reader, Written, wrong_in

FILE = "accelerators.toml"
KEYS = {"vendor": ("id",), "family": ("vendor", "words"), "accelerator": ("device",)}


class Format(StrEnum):
    """Floating-point formats of the peaks."""

    FP64 = "fp64"
    FP32 = "fp32"
    TF32 = "tf32"
    FP16_BF16 = "fp16_bf16"
    FP8 = "fp8"
    FP6 = "fp6"
    FP4 = "fp4"


class WholeNumberFormat(StrEnum):
    """Integer formats: models are not trained in them, and the control parameters count them."""

    INT8 = "int8"
    INT4 = "int4"


BITS = {
    Format.FP64: 64,
    Format.FP32: 32,
    Format.TF32: 19,  # its inputs have a sign, eight bits of exponent and ten of mantissa
    Format.FP16_BF16: 16,
    Format.FP8: 8,
    Format.FP6: 6,
    Format.FP4: 4,
    WholeNumberFormat.INT8: 8,
    WholeNumberFormat.INT4: 4,
}
"""Bit length of an input, by which ECCN 3A090 multiplies the rate."""


class ForDataCentres(StrEnum):
    """Whether the item is designed or marketed for use in data centres, as Note 2 to 3A090 asks. People decide it."""

    YES = "yes"
    NO = "no"
    DISPUTED = "disputed"


class Rates(StrEnum):
    """
    Whether a row has the rates of all formats that the device computes in.

    Where it is ``open``, TPP is the least that it can be: it may meet a threshold and can never lie below one.
    """

    COMPLETE = "complete"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who develops accelerators. ``headquarters``: alpha-2; ``pci``: its number, in hex; ``words``: as in names."""

    id: str
    headquarters: str
    words: tuple[str, ...]
    source: Source
    pci: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Parts of a vendor that are recognised by a word's beginning without being in the catalogue."""

    vendor: str
    words: tuple[str, ...]
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tpp:
    """Total Processing Performance: rate times bit length, the highest of all formats, and in which it is reached."""

    value: float
    format: Format | WholeNumberFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """
    One device. A rate, an area or a width that is not there is not known.

    Memory in 1e9 bytes and its bandwidth in 1e9 bytes per second: those of the variants sold, or the ends of the range
    that the sources give. ``die_area_mm2``: logic dies together. ``interconnect_gb_per_second``: between devices, both
    directions. ``source`` is of the figures, ``name_source`` of the names and numbers; None: the same documents.
    """

    device: str
    vendor: str
    designed_for_data_centres: ForDataCentres
    source: Source
    name_source: Source | None = None
    names: tuple[str, ...] = ()
    unverified_names: tuple[str, ...] = ()
    vgpu_names: Mapping[str, float] = field(default_factory=dict)  # with the memory of their board
    written_names: tuple[str, ...] = ()  # as people write it; several devices may share one
    variants: tuple[str, ...] = ()  # devices of the catalogue, one of which this is where a number tells no more
    pci: tuple[str, ...] = ()
    dies: int = 1  # each of which, where there are several, systems may show as a device of its own, by the next two
    die_names: tuple[str, ...] = ()  # several devices may share one
    die_pci: tuple[str, ...] = ()
    dense_tflop_per_second: Mapping[Format, float] = field(default_factory=dict)
    dense_teraop_per_second: Mapping[WholeNumberFormat, float] = field(default_factory=dict)
    trained_in: tuple[WholeNumberFormat, ...] = ()  # training in them is published of it
    rates: Rates = Rates.OPEN
    memory_gb: tuple[float, ...] = ()
    memory_bandwidth_gb_per_second: tuple[float, ...] = ()
    die_area_mm2: float | None = None
    interconnect_gb_per_second: float | None = None
    note: str = ""

    @property
    def tpp(self) -> Tpp | None:
        """As the technical notes to ECCN 3A090 compute it, dense; None: no rate is known."""
        rates: dict[Format | WholeNumberFormat, float] = {
            each: rate
            for table in (self.dense_tflop_per_second.items(), self.dense_teraop_per_second.items())
            for each, rate in table
        }
        if not rates:
            return None
        best = max(rates, key=lambda each: rates[each] * BITS[each])
        return Tpp(value=rates[best] * BITS[best], format=best)

    @property
    def performance_density(self) -> float | None:
        """TPP per mm² of logic die; None: one of both is not known."""
        if self.tpp is None or self.die_area_mm2 is None:
            return None
        return self.tpp.value / self.die_area_mm2


@dataclass(frozen=True, kw_only=True)
class Accelerators:
    """The rows of the file."""

    vendor: tuple[Vendor, ...]
    family: tuple[Family, ...]
    accelerator: tuple[Device, ...]

    @cached_property
    def vendors(self) -> Mapping[str, Vendor]:
        """The vendors, by id."""
        return {vendor.id: vendor for vendor in self.vendor}

    @cached_property
    def devices(self) -> Mapping[str, Device]:
        """The devices, by what we call them."""
        return {device.device: device for device in self.accelerator}


def read_accelerators(reader: Reader, written: Written) -> Accelerators:
    """Read the file. Raises :class:`FactsError`."""
    accelerators = reader.row(Accelerators, "whole file", written)
    for vendor in accelerators.vendor:
        if not is_code(vendor.headquarters):
            problem = f"{vendor.headquarters!r} is no alpha-2 code"
            raise wrong_in(
                vendor.source.layer, f"[vendor] {vendor.id}", "headquarters", problem, "use two capital letters"
            )
    _check_words(accelerators)
    of_vendors: tuple[Family | Device, ...] = (*accelerators.family, *accelerators.accelerator)
    for row in of_vendors:
        if row.vendor not in accelerators.vendors:
            problem = f"there is no vendor {row.vendor!r}"
            raise wrong_in(
                row.source.layer, _table(row), "vendor", problem, f"use one of: {', '.join(accelerators.vendors)}"
            )
    for device in accelerators.accelerator:
        _check_amounts(device)
        _check_variants(device, accelerators)
    return accelerators


MOST = 1e9
"""Of any figure in its unit. A guess: ten times what a whole wafer has; FLOP/s written as TFLOP/s are above it."""
LEAST: Mapping[str, float] = MappingProxyType(
    {"memory_gb": 1, "memory_bandwidth_gb_per_second": 10, "die_area_mm2": 20, "interconnect_gb_per_second": 1}
)
"""Below it a figure stands in another unit, as TB/s or cm2. Guesses, a tenth of the least in the catalogue or less."""
LEAST_RATE = 1.0
"""Of a device's highest, in 1e12 a second. A guess: with PFLOP/s written as TFLOP/s no threshold would be met."""
MOST_MEMORY_GB = 2e4  # a guess: seventy times the most in the catalogue; MB written as GB are above it
_A_WORD = re.compile(r"[a-z0-9][a-z0-9._-]*")
_A_VENDOR_NUMBER = re.compile(r"[0-9a-f]{4}")
_A_NUMBER = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


def _check_words(accelerators: Accelerators) -> None:
    """Raise FactsError for a word or number that no name could hold, and for one that two vendors claim."""
    owner: dict[str, str] = {}
    for vendor in accelerators.vendor:
        own = [("words", word, _A_WORD) for word in vendor.words]
        own += [("pci", vendor.pci, _A_VENDOR_NUMBER)] if vendor.pci else []
        for field_name, text, form in own:
            _check_form(vendor, f"[vendor] {vendor.id}", field_name, text, form)
            if owner.setdefault(text, vendor.id) != vendor.id:
                problem = f"{text!r} already tells {owner[text]}"
                raise wrong_in(
                    vendor.source.layer, f"[vendor] {vendor.id}", field_name, problem, "leave it with one vendor"
                )
    for family in accelerators.family:
        for word in family.words:
            _check_form(family, _table(family), "words", word, _A_WORD)
    for device in accelerators.accelerator:
        numbers = [("pci", number) for number in device.pci] + [("die_pci", number) for number in device.die_pci]
        for field_name, number in numbers:
            _check_form(device, _table(device), field_name, number, _A_NUMBER)


def _check_form(row: Vendor | Family | Device, table: str, name: str, text: str, form: re.Pattern[str]) -> None:
    if not form.fullmatch(text):
        raise wrong_in(
            row.source.layer,
            table,
            name,
            f"{text!r} will not do",
            "give small letters and digits, as in the other rows",
        )


def _check_amounts(device: Device) -> None:
    for each in device.trained_in:
        if each not in device.dense_teraop_per_second:
            problem = f"there is no rate of {each}"
            raise wrong_in(device.source.layer, _table(device), "trained_in", problem, "give the rate, or leave it out")
    if device.dies < 1 or (device.dies == 1 and (device.die_names or device.die_pci)):
        problem = f"{device.dies} are not shown one by one"
        raise wrong_in(device.source.layer, _table(device), "dies", problem, "give how many dies the device has")
    for name, amount in _amounts(device):
        if amount <= 0:
            problem = f"{amount:g} is not above 0"
            raise wrong_in(device.source.layer, _table(device), name, problem, "leave out what is not known")
        _check_unit(device, name, amount)
    rates = [*device.dense_tflop_per_second.values(), *device.dense_teraop_per_second.values()]
    if rates and max(rates) < LEAST_RATE:
        raise _in_another_unit(device, "dense_tflop_per_second", f"{max(rates):g} is less than any device has")


def _check_unit(device: Device, name: str, amount: float) -> None:
    what = name.partition("[")[0]
    if amount > (MOST_MEMORY_GB if what == "memory_gb" else MOST):
        raise _in_another_unit(device, name, f"{amount:g} is more than any device has")
    if amount < LEAST.get(what, 0):
        raise _in_another_unit(device, name, f"{amount:g} is less than any device has")


def _in_another_unit(device: Device, name: str, problem: str) -> FactsError:
    return wrong_in(device.source.layer, _table(device), name, problem, "give it in the unit of the other rows")


def _check_variants(device: Device, accelerators: Accelerators) -> None:
    for name in device.variants:
        if name not in accelerators.devices or name == device.device:
            problem = f"no other accelerator is called {name!r}"
            raise wrong_in(device.source.layer, _table(device), "variants", problem, "use names of the catalogue")
        if accelerators.devices[name].variants or device.dense_tflop_per_second:
            problem = f"{name!r} has variants, or this one rates, of its own"
            raise wrong_in(device.source.layer, _table(device), "variants", problem, "give either")


def _amounts(device: Device) -> Iterator[tuple[str, float]]:
    """Every amount that is known, with the name of its field."""
    yield from ((each.value, rate) for each, rate in device.dense_tflop_per_second.items())
    yield from ((each.value, rate) for each, rate in device.dense_teraop_per_second.items())
    yield from ((f"vgpu_names.{name}", memory) for name, memory in device.vgpu_names.items())
    for name in ("memory_gb", "memory_bandwidth_gb_per_second"):
        yield from ((f"{name}[{at}]", amount) for at, amount in enumerate(getattr(device, name), start=1))
    for name in ("die_area_mm2", "interconnect_gb_per_second"):
        if (amount := getattr(device, name)) is not None:
            yield name, amount


def _table(row: Family | Device) -> str:
    return f"[accelerator] {row.device}" if isinstance(row, Device) else f"[family] {row.vendor}"
