"""
What each accelerator can do at most, by the name that its driver gives.

Peaks are dense: sparsity doubles a data sheet's figure and no training uses it (an H100's 1,979 TFLOP/s at 16 bits is
the sparse figure). Left out: what share of the peak a run reaches (:mod:`policy.facts.estimation`), and slices of a
device, which have no estimate yet.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property

import polars as pl

from policy.facts.evidence import Evidence, Source
from policy.facts.tables import FactsError, parse, read_row

FILE = "accelerators.toml"
FLOP_PER_TFLOP = 1e12

ACCELERATORS = pl.Schema(
    {
        "accelerator": pl.String,  # a name to look up: the driver's, or the device's own
        "device": pl.String,  # the device that the name stands for
        "training_peak_flop_per_second": pl.Float64,  # dense, BF16 or FP16; null: not known, so no estimate
        "densest_format": pl.String,  # the floating-point format with the highest dense peak; null: not known
        "densest_peak_flop_per_second": pl.Float64,  # that peak; null: not known
        "evidence": pl.String,  # how well the name and the peaks are known, the weaker of both
        "source": pl.String,  # where the peaks were read
    }
)


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
    """Integer formats, kept for the record."""

    INT8 = "int8"
    INT4 = "int4"


TRAINING_FORMAT = Format.FP16_BF16
DENSE_FORMATS = (Format.FP16_BF16, Format.FP8, Format.FP6, Format.FP4)
"""Formats in which models are trained, widest first: of two equal peaks the wider format counts."""

_SLICE = re.compile(r" MIG (\d+c\.)?\d+g\.\d+gb", re.IGNORECASE)
"""NVML's name of a MIG instance, as in ``NVIDIA H100 80GB HBM3 MIG 3g.40gb``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One row of the file. Memory in 1e9 bytes: the sizes sold, or the ends of the range that the sources give."""

    device: str
    names: tuple[str, ...]
    dense_tflop_per_second: Mapping[Format, float]
    memory_gb: tuple[float, ...]
    source: Source
    dense_teraop_per_second: Mapping[WholeNumberFormat, float] = field(default_factory=dict)
    unverified_names: tuple[str, ...] = ()
    note: str = ""

    def named(self) -> Iterator[tuple[str, Evidence]]:
        """Every name of the device once, with what is known of name and peaks together."""
        yield from ((name, Evidence.UNVERIFIED) for name in self.unverified_names)
        for name in dict.fromkeys((self.device, *self.names)):
            if name not in self.unverified_names:
                yield name, self.source.evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """The peaks of a known device, in FLOP per second, dense."""

    name: str
    device: str
    training_peak_flop_per_second: float
    densest_format: Format
    densest_peak_flop_per_second: float
    evidence: Evidence
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownAccelerator:
    """A name without usable peaks, why, and known names that look like it. Compute on it has no estimate."""

    name: str
    reason: str
    suggestions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Accelerators:
    """The devices of the file, by name."""

    accelerator: tuple[Device, ...]

    @cached_property
    def _by_name(self) -> dict[str, Accelerator | UnknownAccelerator]:
        named = ((name, evidence, device) for device in self.accelerator for name, evidence in device.named())
        return {name: _resolved(name, evidence, device) for name, evidence, device in named}

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row for each known name, in the schema :data:`ACCELERATORS`."""
        named = [(name, evidence, device) for device in self.accelerator for name, evidence in device.named()]
        rows = [_frame_row(name, evidence, device, self._by_name[name]) for name, evidence, device in named]
        return pl.DataFrame(rows, schema=ACCELERATORS, orient="row")

    def resolve(self, name: str) -> Accelerator | UnknownAccelerator:
        """Look a driver's name up, exactly as the driver writes it."""
        if _SLICE.search(name):
            reason = "a slice of a device (MIG): slices are not estimated yet"
            return UnknownAccelerator(name=name, reason=reason, suggestions=())
        if name in self._by_name:
            return self._by_name[name]
        containing = [known for known in self._by_name if name and name.casefold() in known.casefold()]
        close = containing or get_close_matches(name, self._by_name)
        return UnknownAccelerator(name=name, reason="the name is not in the facts", suggestions=tuple(close[:3]))


def read_accelerators(text: str) -> Accelerators:
    """Read the file's text. Raises :class:`FactsError` for a name used twice and for a peak that is not above 0."""
    accelerators = read_row(Accelerators, FILE, "whole file", parse(FILE, text))
    owner: dict[str, str] = {}
    for device in accelerators.accelerator:
        for name, _ in device.named():
            if name in owner:
                raise _wrong(device, "names", f"{name!r} already names {owner[name]}", "keep it with one device")
            owner[name] = device.device
        for each, peak in (*device.dense_tflop_per_second.items(), *device.dense_teraop_per_second.items()):
            if peak <= 0:
                raise _wrong(device, each, f"a peak of {peak} is not above 0", "leave out what is not known")
    return accelerators


def _wrong(device: Device, key: str, problem: str, remedy: str) -> FactsError:
    return FactsError(file=FILE, table=f"[accelerator] {device.device}", field=key, problem=problem, remedy=remedy)


def _resolved(name: str, evidence: Evidence, device: Device) -> Accelerator | UnknownAccelerator:
    if TRAINING_FORMAT not in device.dense_tflop_per_second:
        reason = "the device is known, its dense 16-bit peak is not"
        return UnknownAccelerator(name=name, reason=reason, suggestions=())
    known = [each for each in DENSE_FORMATS if each in device.dense_tflop_per_second]
    densest = max(known, key=lambda each: device.dense_tflop_per_second[each])
    return Accelerator(
        name=name,
        device=device.device,
        training_peak_flop_per_second=device.dense_tflop_per_second[TRAINING_FORMAT] * FLOP_PER_TFLOP,
        densest_format=densest,
        densest_peak_flop_per_second=device.dense_tflop_per_second[densest] * FLOP_PER_TFLOP,
        evidence=evidence,
        source=device.source,
    )


def _frame_row(
    name: str, evidence: Evidence, device: Device, resolved: Accelerator | UnknownAccelerator
) -> tuple[str, str, float | None, str | None, float | None, str, str]:
    """One row of the frame; a null is what polars has for a peak that is not known."""
    source = device.source.citation
    match resolved:
        case UnknownAccelerator():
            return name, device.device, None, None, None, evidence.value, source
        case Accelerator():
            training, densest = resolved.training_peak_flop_per_second, resolved.densest_peak_flop_per_second
            return name, device.device, training, resolved.densest_format.value, densest, evidence.value, source
