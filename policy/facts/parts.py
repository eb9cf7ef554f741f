"""
How much of a device a MIG instance, a virtual GPU or a die has of its arithmetic: ratios to the whole.

An instance has multiprocessors of its own, counted by its slices; the memory in its name does not decide. A virtual
GPU shares the device in time: at least nothing, at most all, likely its share of the memory. The dies of a device are
alike. Left out: what a part has of memory bandwidth and links, and how busy the others are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from policy.facts.accelerators import Accelerators, Device
from policy.facts.evidence import Constant, Source
from policy.facts.tables import Reader, Written, wrong_in

FILE = "parts.toml"
KEYS = {"instance": ("devices",)}

_INSTANCE = re.compile(r"MIG (?:(?P<compute>\d+)c\.)?(?P<slices>\d+)g\.")
_VGPU = re.compile(r"vGPU (?:(?P<slices>\d+)-)?(?P<memory_gb>\d+)[ABCQ]")
_DIE = re.compile(r"one of (\d+) dies")
"""What :mod:`policy.facts.product_names` calls a part; with slices before the memory a vGPU is a MIG instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of a device a part has: ratios, 0 ≤ low ≤ likely ≤ high ≤ 1. ``sources``: of that; of the whole none."""

    low: float
    likely: float
    high: float
    sources: tuple[Source, ...] = ()


WHOLE = Share(low=1, likely=1, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """
    How devices are cut into MIG instances.

    ``by_slices``: multiprocessors by the number of compute slices, the usual first; ``multiprocessors``: of the whole.
    """

    devices: tuple[str, ...]
    multiprocessors: float
    by_slices: Mapping[str, tuple[float, ...]]
    source: Source
    note: str = ""

    def share(self, slices: str) -> Share | None:
        """What an instance of so many slices has; None: there is none of that size."""
        sizes = self.by_slices.get(slices)
        if not sizes:
            return None
        low, likely, high = (each / self.multiprocessors for each in (min(sizes), sizes[0], max(sizes)))
        return Share(low=low, likely=likely, high=high, sources=(self.source,))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The rows of the file. Of a virtual GPU the likely share is that of the memory."""

    instance: tuple[Instances, ...]
    vgpu_low: Constant
    vgpu_high: Constant

    def share(self, device: Device, part: str, board_memory_gb: float | None = None) -> Share | None:
        """
        How much of the device the part has, as a name tells it; the whole where it tells none; None: not known.

        ``board_memory_gb``: of the board that a virtual GPU is a part of.
        """
        if not part:
            return WHOLE
        if instance := _INSTANCE.match(part):
            return self._of_instance(device, instance["slices"], instance["compute"])
        if die := _DIE.fullmatch(part):
            each = 1 / int(die[1])
            return Share(low=each, likely=each, high=each)
        virtual = _VGPU.match(part)
        if virtual and virtual["slices"]:
            return self._of_instance(device, virtual["slices"])
        if virtual and board_memory_gb is not None:
            return self._of_vgpu(float(virtual["memory_gb"]) / board_memory_gb)
        return None

    def _of_instance(self, device: Device, slices: str, compute: str | None = None) -> Share | None:
        """Of a compute instance, which has some of an instance's slices, their share of it."""
        whole = next((each.share(slices) for each in self.instance if device.device in each.devices), None)
        if whole is None or compute is None:
            return whole
        of_it = min(int(compute) / int(slices), 1)
        low, likely, high = (each * of_it for each in (whole.low, whole.likely, whole.high))
        return Share(low=low, likely=likely, high=high, sources=whole.sources)

    def _of_vgpu(self, of_memory: float) -> Share | None:
        if of_memory > 1:
            return None
        low, high = self.vgpu_low, self.vgpu_high
        sources = tuple(dict.fromkeys((low.source, high.source)))
        return Share(low=low.value, likely=of_memory, high=high.value, sources=sources)


def read_parts(reader: Reader, written: Written, catalogue: Accelerators) -> Parts:
    """Read the file. Raises :class:`FactsError` for a device nobody knows and for a part larger than the whole."""
    parts = reader.row(Parts, "whole file", written)
    owner: dict[str, Instances] = {}
    for each in parts.instance:
        _check_sizes(each)
        for device in each.devices:
            if device not in catalogue.devices:
                raise _wrong(each, "devices", f"no accelerator is called {device!r}", "use a name of the catalogue")
            if owner.setdefault(device, each) is not each:
                raise _wrong(each, "devices", f"{device!r} is in another row too", "keep it in one")
    if not 0 <= parts.vgpu_low.value <= parts.vgpu_high.value == 1:
        raise written.wrong("[vgpu_low]", "value", "not between 0 and vgpu_high, which is 1", "correct the two")
    return parts


def _check_sizes(row: Instances) -> None:
    for slices, sizes in row.by_slices.items():
        wrong = [each for each in sizes if not 0 < each <= row.multiprocessors]
        if not sizes or wrong or not slices.isdecimal() or int(slices) < 1:
            problem = f"{slices} slices have not between 0 and {row.multiprocessors:g}"
            raise _wrong(row, "by_slices", problem, "give the multiprocessors by a number of slices")


def _wrong(row: Instances, field: str, problem: str, remedy: str) -> Exception:
    return wrong_in(row.source.layer, f"[instance] {', '.join(row.devices)}", field, problem, remedy)
