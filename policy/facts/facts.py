"""
All facts together, with the digest that a finding names.

The digest is over what the files say: comments, layout, the order of keys and line ends do not change it; a row, a
value, an overlay or a tier set by the provider does.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from importlib.resources import files

import polars as pl

from policy.facts import (
    accelerators,
    board_power,
    control,
    countries,
    documents,
    estimation,
    jurisdictions,
    parts,
    party_lists,
    red_flags,
    stitching,
    switches,
    tiers,
    training_signals,
)
from policy.facts.accelerators import Accelerators
from policy.facts.board_power import BoardPowers
from policy.facts.classification import Classifier
from policy.facts.control import Control
from policy.facts.estimation import Estimation
from policy.facts.evidence import Document, Layer, LayerKind, Source
from policy.facts.jurisdictions import Jurisdictions
from policy.facts.layers import DOCUMENTS, Overlay, check_told_apart, lay_over, rows_in
from policy.facts.parts import Parts
from policy.facts.party_lists import PartyLists
from policy.facts.peaks import NoPeak, Peak, Peaks
from policy.facts.product_names import ProductNames, check_product_names
from policy.facts.red_flags import RedFlags
from policy.facts.rows import rows_of
from policy.facts.stitching import Stitching
from policy.facts.switches import Switches
from policy.facts.tables import FactsError, Reader, Written, parse, wrong_in
from policy.facts.tiers import Tiers
from policy.facts.training_signals import TrainingSignals

TOPICS = {
    module.FILE.removesuffix(".toml"): module
    for module in (
        jurisdictions,
        accelerators,
        board_power,
        parts,
        control,
        tiers,
        red_flags,
        switches,
        party_lists,
        estimation,
        training_signals,
        stitching,
    )
}
"""The topics that overlays may speak of, each a file and the module that reads it."""
KEYS = {topic: module.KEYS for topic, module in TOPICS.items()}
FILES = (documents.FILE, countries.FILE, *(module.FILE for module in TOPICS.values()))


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
        return _digest({"files": self.files_digest, "tiers": in_use})

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
            jurisdictions=self.jurisdictions,
            switches=self.switches,
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


def load_facts(overlays: Sequence[Overlay] = ()) -> Facts:
    """The facts that ship with the package, and what lies over them. Raises :class:`policy.facts.tables.FactsError`."""
    return read_facts(_shipped_texts(), overlays)


def rows_below(texts: Mapping[str, str]) -> Written:
    """The rows of the files that ship, as they are written, by topic and table: what overlays are laid over."""
    return _base({name: parse(texts[name], Layer(file=name)) for name in FILES})


def _shipped_texts() -> Mapping[str, str]:
    folder = files("policy.facts")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in FILES}


def _base(parsed: Mapping[str, Written]) -> Written:
    """One table for each topic, and the documents."""
    topics = {topic: parsed[module.FILE] for topic, module in TOPICS.items()}
    return Written({DOCUMENTS: parsed[documents.FILE], **topics}, Layer(file="facts"))


def read_facts(texts: Mapping[str, str], overlays: Sequence[Overlay] = ()) -> Facts:
    """
    Build the facts from the files' texts, by file name, and overlays. Raises FactsError; nothing is half loaded.

    An error that only an overlay brings about names the overlay's file, also where what it contradicts is shipped.
    """
    try:
        return _read(texts, overlays)
    except FactsError as error:
        raise _of_its_overlay(error, texts, overlays) from error


def _of_its_overlay(error: FactsError, texts: Mapping[str, str], overlays: Sequence[Overlay]) -> FactsError:
    """The same error under the file of the first overlay that brings it about, where it names a shipped one."""
    if error.file in {each.layer.file for each in overlays}:
        return error
    for number in range(len(overlays)):
        if str(_refusal(texts, overlays[:number])) == str(error):
            return error if number == 0 else _under(overlays[number - 1], error)
    return _under(overlays[-1], error) if overlays else error


def _refusal(texts: Mapping[str, str], overlays: Sequence[Overlay]) -> FactsError | None:
    try:
        _read(texts, overlays)
    except FactsError as error:
        return error
    return None


def _under(overlay: Overlay, error: FactsError) -> FactsError:
    problem = f"{error.problem}, in {error.file} with this overlay over it"
    return wrong_in(overlay.layer, error.table, error.field, problem, error.remedy)


def _read(texts: Mapping[str, str], overlays: Sequence[Overlay]) -> Facts:
    parsed = {name: parse(texts[name], Layer(file=name)) for name in FILES}
    base = _base(parsed)
    for topic, keys in KEYS.items():
        _check_keys(base[topic], keys)
    _check_keys(parsed[countries.FILE], countries.KEYS)
    content = lay_over(base, overlays, KEYS)
    known = documents.read_documents(content[DOCUMENTS])
    countries.read_names(parsed[countries.FILE])
    digest = _digest(
        {
            "facts": content,
            "names": parsed[countries.FILE],
            "layers": [
                (layer.kind, layer.name, layer.reason, layer.decided_on) for layer in (o.layer for o in overlays)
            ],
        }
    )
    facts = _facts(content, Reader(documents=known), texts, tuple(overlays), digest)
    _check_switches(facts.control, facts.switches)
    return facts


def _facts(
    content: Written, reader: Reader, texts: Mapping[str, str], overlays: tuple[Overlay, ...], files_digest: str
) -> Facts:
    catalogue = accelerators.read_accelerators(reader, content["accelerators"])
    check_product_names(catalogue)
    return Facts(
        documents=reader.documents,
        jurisdictions=jurisdictions.read_jurisdictions(reader, content["jurisdictions"]),
        accelerators=catalogue,
        board_power=board_power.read_board_power(reader, content["board_power"], catalogue),
        parts=parts.read_parts(reader, content["parts"], catalogue),
        control=control.read_control(reader, content["control"], catalogue),
        tiers=tiers.read_tiers(reader, content["tiers"]),
        red_flags=red_flags.read_red_flags(reader, content["red_flags"]),
        switches=switches.read_switches(reader, content["switches"]),
        party_lists=party_lists.read_party_lists(reader, content["party_lists"]),
        estimation=estimation.read_estimation(reader, content["estimation"]),
        training_signals=training_signals.read_training_signals(reader, content["training_signals"]),
        stitching=stitching.read_stitching(reader, content["stitching"]),
        texts=texts,
        overlays=overlays,
        files_digest=files_digest,
    )


def _check_switches(rules: Control, known: Switches) -> None:
    """Raise FactsError for a presumption whose switch there is not."""
    for each in rules.presumption:
        if each.switch not in known.by_id:
            raise wrong_in(
                each.source.layer,
                f"[presumption] {each.id}",
                "switch",
                f"there is no switch {each.switch!r}",
                f"use one of: {', '.join(known.by_id)}",
            )


def _check_keys(tables: Written, keys: Mapping[str, tuple[str, ...]]) -> None:
    """Raise FactsError for rows that are no list of tables, and for two that cannot be told from each other."""
    for table, key in keys.items():
        check_told_apart(rows_in(tables, table, f"[[{table}]]"), key, table)


def _digest(content: object) -> str:
    """SHA-256 over one canonical JSON text; a date is written as an object, so that no text equals it."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda value: {"date": str(value)})
    return hashlib.sha256(text.encode()).hexdigest()
