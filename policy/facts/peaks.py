"""
How fast each accelerator can be in training, for the estimate of compute.

A part of a device (a MIG instance, a vGPU) has no peak of its own yet, so compute on it has no estimate and says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from policy.facts.accelerators import Format
from policy.facts.evidence import Evidence, Source
from policy.facts.product_names import Named, ProductNames, Unclassified

FLOP_PER_TFLOP = 1e12

PEAKS = pl.Schema(
    {
        "accelerator": pl.String,  # a name to look up: the driver's, or the device's own
        "device": pl.String,  # the device that the name stands for; null: the name is not in the facts
        "training_peak_flop_per_second": pl.Float64,  # dense, BF16 or FP16; null: not known, so no estimate
        "densest_format": pl.String,  # the floating-point format with the highest dense peak; null: not known
        "densest_peak_flop_per_second": pl.Float64,  # that peak; null: not known
        "evidence": pl.String,  # how well the name and the peaks are known, the weaker of both; null: no device
        "source": pl.String,  # where the peaks were read; null: no device
    }
)

TRAINING_FORMAT = Format.FP16_BF16
DENSE_FORMATS = (Format.FP16_BF16, Format.FP8, Format.FP6, Format.FP4)
"""Formats in which models are trained, widest first: of two equal peaks the wider format counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The peaks of a known device, in FLOP per second, dense."""

    name: str
    device: str
    training_peak_flop_per_second: float
    densest_format: Format
    densest_peak_flop_per_second: float
    evidence: Evidence
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPeak:
    """A name without usable peaks, why, and known names that look like it. Compute on it has no estimate."""

    name: str
    reason: str
    suggestions: tuple[str, ...] = ()


def peak_of(names: ProductNames, name: str) -> Peak | NoPeak:
    """Look a name up."""
    match names.identify(name):
        case Unclassified(suggestions=suggestions):
            return NoPeak(name=name, reason="the name is not in the facts", suggestions=suggestions)
        case Named(part=part, device=device) if part:
            return NoPeak(name=name, reason=f"a part of a {device.device} ({part}): parts are not estimated yet")
        case Named(device=device) if TRAINING_FORMAT not in device.dense_tflop_per_second:
            return NoPeak(name=name, reason="the device is known, its dense 16-bit peak is not")
        case Named() as named:
            return _peak(named)


def peaks_frame(names: ProductNames, asked: Iterable[str]) -> pl.DataFrame:
    """One row for each distinct name, in :data:`PEAKS`."""
    rows = [_row(names, name) for name in sorted(set(asked))]
    return pl.DataFrame(rows, schema=PEAKS, orient="row")


def _peak(named: Named) -> Peak:
    rates = named.device.dense_tflop_per_second
    densest = max((each for each in DENSE_FORMATS if each in rates), key=lambda each: rates[each])
    return Peak(
        name=named.name,
        device=named.device.device,
        training_peak_flop_per_second=rates[TRAINING_FORMAT] * FLOP_PER_TFLOP,
        densest_format=densest,
        densest_peak_flop_per_second=rates[densest] * FLOP_PER_TFLOP,
        evidence=named.evidence,
        source=named.device.source,
    )


def _row(
    names: ProductNames, name: str
) -> tuple[str, str | None, float | None, str | None, float | None, str | None, str | None]:
    """One row of the frame; a null is what polars has for what is not known."""
    named, peak = names.identify(name), peak_of(names, name)
    device = named.device.device if isinstance(named, Named) else None
    evidence = named.evidence.value if isinstance(named, Named) else None
    source = named.device.source.citation if isinstance(named, Named) else None
    if isinstance(peak, NoPeak):
        return name, device, None, None, None, evidence, source
    training, densest = peak.training_peak_flop_per_second, peak.densest_peak_flop_per_second
    return name, device, training, peak.densest_format.value, densest, evidence, source
