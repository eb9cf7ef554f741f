"""
Published models whose compute was counted from operations, held against the hardware-hours that were published too.

A row whose compute was itself taken from hardware-hours would prove nothing and is left out. What remains is of mixed
quality: fine-tunes count their base model, hours count more than the run. So there is no bar, and every outlier is told
with its likely cause, which is a guess from the figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from policy.facts.facts import Facts
from policy.facts.product_names import Unclassified
from policy.frames import conform, schema
from policy.validation.cases import HOUR, MOST_FLOP, Case
from policy.validation.compared import COMPARED, compare
from policy.validation.files import MOST, BadCell, Row, number_of

BASES = ("compute_basis_guess", "epoch_estimation_method")
SAME_MFU = 1.25
"""By which factor a reported share of the peak may differ from what the row's other figures make."""
WAITED = 0.03
"""Share of the 16-bit peak below which no training code is merely slow: a guess."""
PUBLISHED = schema(
    {
        **COMPARED,
        "base_model": pl.String,  # that was tuned; empty: none is named
        "reported_mfu": pl.Float64,  # null: none
        "is_impossible": pl.Boolean,  # more than the devices can do at their densest peak
        "likely_cause": pl.String,  # of an outlier; null: it is none
        "mfu_contradicts": pl.Boolean,  # null: none is reported, or no peak is known
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published model: its case, and what the row says besides."""

    case: Case
    base_model: str
    reported_mfu: float | None
    number_format: str


def published(row: Row, facts: Facts) -> Published:
    """A row of Epoch's table. Raises BadCell, also where it would prove nothing."""
    told = [column for column in BASES if "hardware" in row.word(column).casefold()]
    if told:
        raise BadCell(f"{told[0]} says that the compute was taken from the hardware")
    accelerator = row.text("training_hardware")
    if isinstance(facts.product_names.identify(accelerator), Unclassified):
        raise BadCell(f"the facts do not know {accelerator}")
    case = Case(
        file=row.file,
        row=row.number,
        name=row.text("model"),
        accelerator=accelerator,
        devices=_device_hours(row),
        seconds=HOUR,
        true_flop=row.amount("training_compute_flop", MOST_FLOP),
    )
    return Published(
        case=case,
        base_model=row.word("base_model"),
        reported_mfu=number_of(row.word("reported_mfu")),
        number_format=row.word("numerical_format"),
    )


def _device_hours(row: Row) -> float:
    """As so many devices for one hour."""
    if row.word("chip_hours"):
        return row.amount("chip_hours", MOST)
    hours = row.amount("hardware_quantity", MOST) * row.amount("training_time_hours", MOST)
    if hours > MOST:
        raise BadCell(f"hardware_quantity times training_time_hours is more than {MOST:g}")
    return hours


def compare_published(models: Sequence[Published], facts: Facts) -> pl.DataFrame:
    """One row for each model, schema PUBLISHED, in their order."""
    compared = compare([model.case for model in models], facts)
    beside = [_beside(row, model) for row, model in zip(compared.to_dicts(), models, strict=True)]
    columns = {name: kind for name, kind in PUBLISHED.items() if name not in COMPARED}
    rows = pl.concat([compared, pl.DataFrame(beside, schema=pl.Schema(columns))], how="horizontal")
    return conform(rows, PUBLISHED, "published models")


def _beside(row: Mapping[str, Any], model: Published) -> dict[str, object]:
    share = row["share_of_densest_peak"]
    return {
        "base_model": model.base_model,
        "reported_mfu": model.reported_mfu,
        "is_impossible": share is not None and share > 1,
        "likely_cause": None if row["is_inside"] in (True, None) else _cause(row, model),
        "mfu_contradicts": _contradicts(row["share_of_16_bit_peak"], model.reported_mfu),
    }


def _cause(row: Mapping[str, Any], model: Published) -> str:
    if row["true_flop"] > row["high_flop"]:
        if model.base_model:
            return f"the compute counts that of its base model, {model.base_model}"
        return "hours or count of devices leave out a part of the run"
    if row["share_of_16_bit_peak"] < WAITED:
        return "the devices mostly waited, or hours and compute are not of the same work"
    told = f" in {model.number_format}" if model.number_format else ""
    return f"code that uses little of the tensor peak{told}, as small models do"


def _contradicts(share: float | None, reported: float | None) -> bool | None:
    if share is None or not reported:
        return None
    return not 1 / SAME_MFU <= share / reported <= SAME_MFU
