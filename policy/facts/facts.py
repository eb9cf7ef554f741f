"""
All facts together, with the digest that a finding names.

The digest is over what the files say: comments, layout, the order of keys and line ends do not change it; a row, a
value, an overlay or a tier set by the provider does.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import polars as pl

from policy.facts.accelerators import Accelerators
from policy.facts.board_power import BoardPowers
from policy.facts.classification import Classifier
from policy.facts.control import Control
from policy.facts.estimation import Estimation
from policy.facts.evidence import Document, Layer, LayerKind, Source
from policy.facts.jurisdictions import Jurisdictions
from policy.facts.overlays import Overlay
from policy.facts.parts import Parts
from policy.facts.party_lists import PartyLists
from policy.facts.peaks import NoPeak, Peak, Peaks
from policy.facts.presumed import Presuming
from policy.facts.product_names import ProductNames
from policy.facts.red_flags import RedFlags
from policy.facts.rows import rows_of
from policy.facts.stitching import Stitching
from policy.facts.switches import Switches
from policy.facts.tiers import Tiers
from policy.facts.training_signals import TrainingSignals


@dataclass(frozen=True, kw_only=True)
class Facts:
    """
    Everything believed about law and hardware.

    ``overlays``: what lies over the shipped facts. ``texts``: the shipped files, by name. ``files_digest``: over both.
    """

    documents: Mapping[str, Document]
    jurisdictions: Jurisdictions
    accelerators: Accelerators
    board_power: BoardPowers
    parts: Parts
    control: Control
    tiers: Tiers
    red_flags: RedFlags
    switches: Switches
    party_lists: PartyLists
    estimation: Estimation
    training_signals: TrainingSignals
    stitching: Stitching
    texts: Mapping[str, str]
    overlays: tuple[Overlay, ...]
    files_digest: str

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers over the shipped facts, the later ones above the earlier."""
        return tuple(overlay.layer for overlay in self.overlays)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over the files, the overlays and the tiers in use: what a finding cites."""
        in_use = {tier.name: (tier.flop, tier.basis) for tier in self.tiers.by_name.values()}
        return digest_of({"files": self.files_digest, "tiers": in_use})

    @property
    def scenarios(self) -> tuple[Layer, ...]:
        """The scenarios among the layers: where there is one, the facts are in force nowhere."""
        return tuple(layer for layer in self.layers if layer.kind is LayerKind.SCENARIO)

    @cached_property
    def product_names(self) -> ProductNames:
        """What names of accelerators mean."""
        return ProductNames(accelerators=self.accelerators)

    @cached_property
    def classifier(self) -> Classifier:
        """What classifies accelerators by these facts."""
        return Classifier(
            names=self.product_names,
            control=self.control,
            presuming=Presuming(
                presumptions=self.control.presumption, jurisdictions=self.jurisdictions, switches=self.switches
            ),
        )

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Every source of every row."""
        return tuple(row.source for row in rows_of(self))

    @cached_property
    def source_by_line(self) -> Mapping[str, Source]:
        """The sources by the line that a reviewer reads."""
        return {source.line: source for source in self.sources}

    def peak(self, accelerator: str) -> Peak | NoPeak:
        """The peaks of an accelerator by any of its names."""
        return self._peaks.of(accelerator)

    def peaks(self, asked: pl.Series) -> pl.DataFrame:
        """The peaks of the accelerators of a column, in :data:`policy.facts.peaks.PEAKS`."""
        return self._peaks.frame(asked.drop_nulls().unique())

    @cached_property
    def known_peaks(self) -> pl.DataFrame:
        """
        The peaks of every name that a driver or the bus may give a device of one known speed, in PEAKS.

        In no certain format, and without names that stand for an interval: a reader of one peak would take its top. Of
        a die, which systems show as a device, the peaks are its own.
        """
        numbers = (
            f"{device.vendor} device {number.partition(':')[2]}"
            for device in self.accelerators.accelerator
            for number in (*device.pci, *device.die_pci)
        )
        dies = (name for device in self.accelerators.accelerator for name in device.die_names)
        frame = self._peaks.frame([*(name for name, _, _ in self.product_names.known), *dies, *numbers])
        part = pl.col("low_part")
        known = frame.filter(pl.col("number_format").is_null(), part.eq_missing(pl.col("high_part")))
        peaks = pl.col("training_peak_flop_per_second", "densest_peak_flop_per_second")
        return known.with_columns(peaks * part, pl.col("low_part", "likely_part", "high_part") / part)

    @cached_property
    def most_flop_per_device_hour(self) -> float:
        """What even a device that nobody knows does not exceed, as far as the tiers' ``unknown_pace`` is right."""
        devices = self.accelerators.accelerator
        fastest = max(rate for device in devices for rate in device.dense_tflop_per_second.values()) * 1e12
        return fastest * 3600 * self.estimation.utilisation_high.value * self.tiers.unknown_pace.value

    @cached_property
    def _peaks(self) -> Peaks:
        return Peaks(names=self.product_names, parts=self.parts, board_power=self.board_power)

    def overdue(self, at: date) -> tuple[Document, ...]:
        """The documents that should have been read again before this day."""
        return tuple(each for each in self.documents.values() if each.good_through < at)

    def with_tiers(self, flop_by_name: Mapping[str, float], *, basis: str) -> "Facts":
        """Set or add tiers of the provider's own; the digest changes. Raises :class:`policy.facts.tiers.TierError`."""
        return replace(self, tiers=self.tiers.with_overrides(flop_by_name, basis))


def digest_of(content: object) -> str:
    """SHA-256 over one canonical JSON text; a date is written as an object, so that no text equals it."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda value: {"date": str(value)})
    return hashlib.sha256(text.encode()).hexdigest()
