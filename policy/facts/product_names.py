"""
From the name of a product to the device, or to what can still be said of it.

Names come from NVML, from the PCI bus, from labels of Kubernetes and from people, so case, hyphens and the vendor's own
words do not count. A MIG instance, a vGPU, and a die where systems show each one, is a part of its parent. A name as
people write it (:mod:`policy.facts.written_names`) is taken if the catalogue has what it tells: for one device, or for
one of several that nothing in it tells apart. Any other is ``unclassified`` and may still tell its vendor; it is never
taken for a device that looks like it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property

from policy.facts.accelerators import Accelerators, Device, Family, Vendor
from policy.facts.evidence import Evidence, weakest
from policy.facts.tables import wrong_in
from policy.facts.written_names import Model, joined, models_of, without_memory, written

SUGGESTIONS = 3

_A_WORD = re.compile(r"[a-z0-9.]+")
_INSTANCE = re.compile(r"[ -]MIG[ -]((\d+c\.)?\d+g\.\d+gb([+.-](?:me|gfx|all))*)$", re.IGNORECASE)
"""
As NVML names a MIG instance, ``NVIDIA H100 80GB HBM3 MIG 3g.40gb``, and a node's label with hyphens.

What it has of the media engines stands behind a plus, or a hyphen if none: ``1g.24gb+me.all``, ``1g.24gb-me``. A label,
which may hold no plus, has a point for it.
"""
_SHARED = re.compile(r"-SHARED$")
"""What GPU feature discovery adds to the label of a GPU that is shared in time."""
_VGPU = re.compile(r"(.+?)-((?:\d+-)?\d+[ABCQ](?:ME)?)$")
"""NVIDIA's vGPU types: the board, memory in GB, the series; with a number of slices before for a MIG-backed one."""
_BY_NUMBER = re.compile(r"device[ -]([0-9a-f]{4})$", re.IGNORECASE)
"""How the collector names what it knows by its PCI number only, after the vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """
    A name of a device in the catalogue. ``part``: of which it is an instance, a vGPU or a die; empty: the whole.

    ``board_memory_gb``: the memory of the board that a vGPU is a part of, in 1e9 bytes; None: the name tells none.
    """

    name: str
    device: Device
    vendor: Vendor
    evidence: Evidence
    part: str = ""
    board_memory_gb: float | None = None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The one device."""
        return (self.device,)

    @property
    def words(self) -> str:
        """What the device is called."""
        return self.device.device


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """A name that several devices of a vendor share: one of them, and nothing tells which."""

    name: str
    devices: tuple[Device, ...]
    vendor: Vendor
    evidence: Evidence
    part: str = ""

    @property
    def words(self) -> str:
        """What the devices are called."""
        return " or ".join(device.device for device in self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclassified:
    """A name that the catalogue does not have; its vendor and family if the name tells them; and similar names."""

    name: str
    vendor: Vendor | None
    family: Family | None
    suggestions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ProductNames:
    """All names of all devices."""

    accelerators: Accelerators

    @cached_property
    def _whole(self) -> dict[str, tuple[str, Evidence, Device]]:
        """By key; a bare number, as of ``Gaudi 2`` without its maker's words, is the key of none."""
        keyed = ((self.key(name), (name, evidence, device)) for name, evidence, device in self.known)
        return {key: known for key, known in keyed if not key.isdecimal()}

    @cached_property
    def _by_model(self) -> dict[str, list[Model]]:
        found: dict[str, list[Model]] = {}
        for device in self.accelerators.accelerator:
            for model, of_it in models_of(device, frozenset(self._vendor_words)).items():
                found.setdefault(model, []).append(of_it)
        return found

    @cached_property
    def _virtual(self) -> dict[str, tuple[Device, float]]:
        return {
            self.key(name): (device, memory)
            for device in self.accelerators.accelerator
            for name, memory in device.vgpu_names.items()
        }

    @cached_property
    def _numbers(self) -> dict[str, Device]:
        return {number: device for device in self.accelerators.accelerator for number in device.pci}

    @cached_property
    def _dies(self) -> dict[str, list[Device]]:
        """By key or number, the devices one of whose dies it may be."""
        found: dict[str, list[Device]] = {}
        for device in self.accelerators.accelerator:
            for key in {*map(self.key, device.die_names), *device.die_pci}:
                found.setdefault(key, []).append(device)
        return found

    @cached_property
    def _vendor_words(self) -> dict[str, Vendor]:
        return {word: vendor for vendor in self.accelerators.vendor for word in vendor.words}

    @cached_property
    def _a_vendor_word(self) -> re.Pattern[str]:
        words = sorted(self._vendor_words, key=len, reverse=True)
        return re.compile(rf"(?<![a-z0-9])({'|'.join(map(re.escape, words))})(?![a-z0-9])")

    @cached_property
    def known(self) -> tuple[tuple[str, Evidence, Device], ...]:
        """Every name once, with what is known of name and figures together, and its device."""
        return tuple(_names_of(self.accelerators))

    def identify(self, name: str) -> Named | OneOf | Unclassified:
        """What a name means."""
        plain = _SHARED.sub("", name.strip())
        if instance := _INSTANCE.search(plain):
            return self._part_of(name, self.identify(plain[: instance.start()]), f"MIG {instance[1]}")
        if (whole := self._whole.get(self.key(plain))) and self._fits(plain, whole[2]):
            _, evidence, device = whole
            return Named(name=name, device=device, vendor=self._vendor_of(device), evidence=evidence)
        if (virtual := _VGPU.match(plain)) and (parent := self._virtual.get(self.key(virtual[1]))):
            return replace(self._named(name, parent[0], f"vGPU {virtual[2]}"), board_memory_gb=parent[1])
        if numbered := self._numbers.get(self._number(plain)):
            return self._named(name, numbered)
        if of_dies := self._of_dies(plain):
            return self._one_of(name, of_dies, f"one of {of_dies[0].dies} dies")
        devices = self._as_written(plain)
        return self._one_of(name, devices) if devices else self._unclassified(name)

    def _of_dies(self, name: str) -> list[Device]:
        """The devices of which systems show each die so."""
        devices = self._dies.get(self._number(name) or self.key(name), [])
        return [each for each in devices if self._fits(name, each)]

    def _one_of(self, name: str, devices: list[Device], part: str = "") -> Named | OneOf:
        if len(devices) == 1:
            return self._named(name, devices[0], part)
        evidence, vendor = weakest(*map(_evidence_of, devices)), self._vendor_of(devices[0])
        return OneOf(name=name, devices=tuple(devices), vendor=vendor, evidence=evidence, part=part)

    def _as_written(self, name: str) -> list[Device]:
        """The devices that a name may mean as people write it; those that a driver calls by the model alone first."""
        told = written(name, frozenset(self._vendor_words))
        wholes = (self._whole.get(self.key(shorter)) for shorter in without_memory(name))
        for _, _, device in filter(None, wholes):
            return [device] if self._fits(name, device) and told.fits_memory(device.memory_gb) else []
        alike = self._by_model.get(told.model, []) if told.tells_a_model else []
        possible = [each for each in alike if told.forms <= each.forms and self._fits(name, each.device)]
        bare = [] if told.forms else [each for each in possible if each.is_driver_name]
        return [each.device for each in bare or possible if told.fits_memory(each.memory_gb)]

    def _named(self, name: str, device: Device, part: str = "") -> Named:
        evidence = _evidence_of(device)
        return Named(name=name, device=device, vendor=self._vendor_of(device), evidence=evidence, part=part)

    def _fits(self, name: str, device: Device) -> bool:
        """Whether no word of another vendor stands in the name: ``AMD 910B1`` is not Huawei's."""
        return {vendor.id for vendor in self._vendors_in(name)} <= {device.vendor}

    def _vendors_in(self, name: str) -> list[Vendor]:
        return [self._vendor_words[word] for word in self._a_vendor_word.findall(name.casefold())]

    def _part_of(self, name: str, parent: Named | OneOf | Unclassified, part: str) -> Named | OneOf | Unclassified:
        if isinstance(parent, Unclassified):
            return self._unclassified(name)
        return replace(parent, name=name, part=part)

    def _vendor_of(self, device: Device) -> Vendor:
        return self.accelerators.vendors[device.vendor]

    def _number(self, name: str) -> str:
        """``19e5:d802`` as it is, or from a vendor's word and ``device d802``; empty where the name has no number."""
        if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", name.casefold()):
            return name.casefold()
        number = _BY_NUMBER.search(name)
        vendor, _ = self._vendor_and_family(name)
        return f"{vendor.pci}:{number[1].casefold()}" if number and vendor else ""

    def _unclassified(self, name: str) -> Unclassified:
        vendor, family = self._vendor_and_family(name)
        names = [known for known, _, _ in self.known]
        containing = [known for known in names if name and name.casefold() in known.casefold()]
        similar = tuple((containing or get_close_matches(name, names))[:SUGGESTIONS])
        return Unclassified(name=name, vendor=vendor, family=family, suggestions=similar)

    def _vendor_and_family(self, name: str) -> tuple[Vendor | None, Family | None]:
        """Nobody where words or numbers of several vendors stand in the name: who of them developed it is not known."""
        folded = _BY_NUMBER.sub("", name.casefold())
        families = [each for each in self.accelerators.family if _begins(folded, each.words)]
        of_numbers = [each for each in self.accelerators.vendor if each.pci and f"{each.pci}:" in folded]
        told = {each.id for each in (*self._vendors_in(name), *of_numbers)} | {each.vendor for each in families}
        if len(told) != 1:
            return None, None
        return self.accelerators.vendors[told.pop()], next(iter(families), None)

    def key(self, name: str) -> str:
        """The name without case, punctuation, spaces and words of vendors; two numbers stay apart."""
        folded = name.casefold()
        without = _A_WORD.findall(self._a_vendor_word.sub(" ", folded))
        return joined(without or _A_WORD.findall(folded))


def check_product_names(accelerators: Accelerators) -> None:
    """Raise :class:`FactsError` for a name that means two devices."""
    names = ProductNames(accelerators=accelerators)
    owner: dict[tuple[str, str], str] = {}
    for device in accelerators.accelerator:
        own = {("names", names.key(name)): name for name, _, each in names.known if each is device}
        own |= {("vgpu_names", names.key(name)): name for name in device.vgpu_names}
        own |= {("pci", number): number for number in device.pci}
        for key, name in own.items():
            if owner.setdefault(key, device.device) != device.device:
                raise wrong_in(
                    device.source.layer,
                    f"[accelerator] {device.device}",
                    key[0],
                    f"{name!r} already names {owner[key]}",
                    "keep it with one device",
                )
    for device in accelerators.accelerator:
        for name, key in (
            *(("die_names", ("names", names.key(each))) for each in device.die_names),
            *(("die_pci", ("pci", each)) for each in device.die_pci),
        ):
            if key in owner:
                problem = f"{key[1]!r} already names {owner[key]}"
                raise wrong_in(device.source.layer, f"[accelerator] {device.device}", name, problem, "keep it with one")


def _names_of(accelerators: Accelerators) -> Iterator[tuple[str, Evidence, Device]]:
    for device in accelerators.accelerator:
        for name in device.unverified_names:
            yield name, Evidence.UNVERIFIED, device
        for name in dict.fromkeys((device.device, *device.names)):
            if name not in device.unverified_names:
                yield name, _evidence_of(device), device


def _evidence_of(device: Device) -> Evidence:
    """How well the figures and the names are known together."""
    return weakest(device.source.evidence, *([device.name_source.evidence] if device.name_source else []))


def _begins(name: str, beginnings: tuple[str, ...]) -> bool:
    """Whether a word of the name, in small letters, begins so."""
    return re.search(rf"(?<![a-z0-9])({'|'.join(map(re.escape, beginnings))})", name) is not None
