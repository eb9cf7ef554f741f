"""
How fast what a name stands for can be in training, for the estimate of compute.

A name may stand for a whole device, for a part of one (a MIG instance, a virtual GPU), or for one of several devices
that people call the same. Peaks are those of the whole device, of several the greatest; the part is how much of them
the name stands for, as an interval. For several devices low is the slowest of them, likely their mean (a guess: nothing
says which is meant) and high the fastest. The peaks of a format are for work that is known to run in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from policy.facts.accelerators import Device, Format, WholeNumberFormat
from policy.facts.board_power import BoardPowers
from policy.facts.evidence import Evidence, Source, weakest
from policy.facts.parts import Parts, Share
from policy.facts.product_names import Named, OneOf, ProductNames, Unclassified

FLOP_PER_TFLOP = 1e12

PEAKS = pl.Schema(
    {
        "accelerator": pl.String,  # a name to look up: the driver's, the device's own, or as people write it
        "number_format": pl.String,  # of accelerators.Format: the peaks of work known to run in it; null: not known
        "device": pl.String,  # what the name stands for, several with "or" between; null: the name is not in the facts
        "training_peak_flop_per_second": pl.Float64,  # dense, BF16 or FP16; null: not known, so no estimate
        "densest_format": pl.String,  # the format to train in with the highest dense peak; null: not known
        "densest_peak_flop_per_second": pl.Float64,  # that peak; null: not known
        "low_part": pl.Float64,  # how much of the training peak the name stands for, at least: a ratio; null: no peak
        "likely_part": pl.Float64,  # the same, likely
        "high_part": pl.Float64,  # how much of the densest peak at most
        "board_power_watts": pl.Float64,  # of the board at most; null: not known, and for a part or several that differ
        "evidence": pl.String,  # how well name, peaks and part are known, the weakest of them; null: no device
        "source": pl.String,  # where peaks and part were read; null: no device
    }
)

TRAINING_FORMAT = Format.FP16_BF16
DENSE_FORMATS = (Format.FP16_BF16, Format.FP8, Format.FP6, Format.FP4)
"""Formats in which models are trained, widest first: of two equal peaks the wider counts. Whole numbers by device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """
    The peaks of what a name stands for, in FLOP per second, dense and of whole devices.

    ``part``: how much of them the name stands for. ``device``: several have "or" between them.
    """

    name: str
    device: str
    training_peak_flop_per_second: float
    densest_format: Format | WholeNumberFormat
    densest_peak_flop_per_second: float
    part: Share
    evidence: Evidence
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPeak:
    """A name without usable peaks, why, and known names that look like it. Compute on it has no estimate."""

    name: str
    reason: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """What the peaks of a name rest on."""

    names: ProductNames
    parts: Parts
    board_power: BoardPowers

    def of(self, name: str, number_format: Format | None = None) -> Peak | NoPeak:
        """Look a name up; with a format, the peaks in it."""
        match self.names.identify(name):
            case Unclassified(suggestions=suggestions):
                return NoPeak(name=name, reason="the name is not in the facts", suggestions=suggestions)
            case found:
                return self._peak(found, number_format)

    def frame(self, asked: Iterable[str]) -> pl.DataFrame:
        """Of each distinct name one row without a format and one for each format that it has, in :data:`PEAKS`."""
        rows = [row for name in sorted(set(asked)) for row in self._rows(name)]
        return pl.DataFrame(rows, schema=PEAKS, orient="row")

    def _peak(self, named: Named | OneOf, number_format: Format | None) -> Peak | NoPeak:
        devices = self._variants(named)
        found = [_rates(device, number_format) for device in devices]
        rates = [each for each in found if each is not None]
        if len(rates) < len(found):
            width = number_format or "16-bit"
            return NoPeak(name=named.name, reason=f"the device is known ({named.words}), its dense {width} peak is not")
        board = named.board_memory_gb if isinstance(named, Named) else None
        shares = [self.parts.share(device, named.part, board) for device in devices]
        known = [each for each in shares if each is not None]
        if len(known) < len(shares):
            return NoPeak(
                name=named.name, reason=f"how much of the {named.words} its {named.part} has is not in the facts"
            )
        return _together(named, devices, rates, known)

    def _variants(self, named: Named | OneOf) -> list[Device]:
        """The devices that a name may mean; for one that is known by its variants only, these."""
        catalogue = self.names.accelerators.devices
        return [
            each
            for device in named.devices
            for each in ([catalogue[name] for name in device.variants] if device.variants else [device])
        ]

    def _rows(self, name: str) -> Iterator[dict[str, object]]:
        found = self.names.identify(name)
        if isinstance(found, Unclassified):
            yield {**dict.fromkeys(PEAKS), "accelerator": name}
            return
        about = {
            "accelerator": name,
            "device": found.words,
            "board_power_watts": self._board_power_watts(found),
            "evidence": found.evidence.value,
            "source": _citations(device.source for device in found.devices),
        }
        for number_format in (None, *Format):
            peak = self._peak(found, number_format)
            if number_format is None or isinstance(peak, Peak):
                yield {**dict.fromkeys(PEAKS), **about, "number_format": number_format, **_figures(peak)}

    def _board_power_watts(self, named: Named | OneOf) -> float | None:
        """None: a part, a device whose board is not known, or several whose boards differ."""
        boards = [self.board_power.by_device.get(device.device) for device in named.devices]
        watts = {None if board is None else board.watts for board in boards}
        return watts.pop() if len(watts) == 1 and not named.part else None


def _figures(peak: Peak | NoPeak) -> dict[str, object]:
    if isinstance(peak, NoPeak):
        return {}
    return {
        "evidence": peak.evidence.value,
        "source": _citations(peak.sources),
        "training_peak_flop_per_second": peak.training_peak_flop_per_second,
        "densest_format": peak.densest_format.value,
        "densest_peak_flop_per_second": peak.densest_peak_flop_per_second,
        "low_part": peak.part.low,
        "likely_part": peak.part.likely,
        "high_part": peak.part.high,
    }


def _citations(sources: Iterable[Source]) -> str:
    return "; ".join(dict.fromkeys(source.citation for source in sources))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """Of one device, in FLOP per second."""

    training: float
    densest: float
    densest_format: Format | WholeNumberFormat


def _rates(device: Device, number_format: Format | None) -> _Rates | None:
    """In a format both are its rate; None: the rate that the estimate needs is not known."""
    rates = device.dense_tflop_per_second
    needed = number_format or TRAINING_FORMAT
    if needed not in rates:
        return None
    among = DENSE_FORMATS if number_format is None else (number_format,)
    dense: dict[Format | WholeNumberFormat, float] = {each: rates[each] for each in among if each in rates}
    if number_format is None:
        dense |= {each: device.dense_teraop_per_second[each] for each in device.trained_in}
    densest = max(dense, key=lambda each: dense[each])
    training = rates[needed] * FLOP_PER_TFLOP
    return _Rates(training=training, densest=dense[densest] * FLOP_PER_TFLOP, densest_format=densest)


def _together(
    named: Named | OneOf, devices: Sequence[Device], rates: Sequence[_Rates], shares: Sequence[Share]
) -> Peak:
    """The greatest peaks, and how much of them the name stands for, whichever of the devices is meant."""
    training, densest = max(each.training for each in rates), max(rates, key=lambda each: each.densest)
    of_each = list(zip(rates, shares, strict=True))
    of_shares = (source for share in shares for source in share.sources)
    sources = tuple(dict.fromkeys((*(device.source for device in devices), *of_shares)))
    likely = [rate.training * share.likely / training for rate, share in of_each]
    part = Share(
        low=min(rate.training * share.low / training for rate, share in of_each),
        likely=sum(likely) / len(likely),
        high=max(rate.densest * share.high / densest.densest for rate, share in of_each),
    )
    return Peak(
        name=named.name,
        device=named.words,
        training_peak_flop_per_second=training,
        densest_format=densest.densest_format,
        densest_peak_flop_per_second=densest.densest,
        part=part,
        evidence=weakest(named.evidence, *(source.evidence for source in sources)),
        sources=sources,
    )
