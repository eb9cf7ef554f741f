"""
What was billed: GPU-hours for each tenant and day, as the provider's billing exports them.

Several lines for one tenant and day add up, as an invoice has them. Amounts of money have no place here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from policy.frames import schema
from policy.kyc.cells import UNKNOWN, CellError, read_day, read_tenant_id
from policy.kyc.registers.reading import NUMBER, Column, Place, as_written, read_register

BILLED = schema(
    {
        "tenant_id": pl.String,
        "date": pl.Date,  # in UTC
        "accelerator": pl.String,  # by a name of its product; null: not said, or not known
        "gpu_hours": pl.Float64,
    }
)
YEARS = range(2000, 2200)  # beyond them a slip of the pen
MOST_HOURS = 1e9  # a hundred thousand devices for a year; a slip of the pen is beyond it


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """
    A file as read. ``frame`` in the schema :data:`BILLED`; ``digest``: SHA-256, in hex, of its bytes.

    ``by_accelerator``: whether it says which accelerators were billed.
    """

    frame: pl.DataFrame
    by_accelerator: bool
    digest: str
    path: Path


def read_billing(path: Path) -> Billing:
    """Read CSV or JSON Lines. Raises :class:`policy.kyc.problems.KycError` with every problem of it."""
    place = Place(path=path)
    register = read_register(place, _COLUMNS)
    named = "accelerator" in register.columns
    for line, cells in register.rows if named else ():
        if cells["accelerator"] is None:
            expected = f"a name, or the word {UNKNOWN!r}, in every row; or no such column"
            place.note(line, "accelerator", "(empty)", "other rows say which accelerator", expected)
    place.settle()
    frame = pl.DataFrame([tuple(cells.values()) for _, cells in register.rows], schema=BILLED, orient="row")
    known = pl.when(pl.col("accelerator").str.to_lowercase() != UNKNOWN).then("accelerator")
    return Billing(frame=frame.with_columns(accelerator=known), by_accelerator=named, digest=register.digest, path=path)


def read_billed_day(text: str) -> date:
    """Read a day, as 2026-07-23, of this century or the next. Raises CellError."""
    day = read_day(text)
    if day.year not in YEARS:
        raise CellError("no day of a bill", f"a day from {YEARS.start} to {YEARS.stop - 1}")
    return day


def _read_hours(text: str) -> float:
    if not NUMBER.fullmatch(text) or float(text) > MOST_HOURS:
        raise CellError("no GPU-hours", f"a number from 0 to {MOST_HOURS:,.0f}, as in 192.5; a credit is none")
    return float(text)


_COLUMNS: Mapping[str, Column] = {
    "tenant_id": Column(read=read_tenant_id),
    "date": Column(read=read_billed_day),
    "accelerator": Column(read=as_written, may_be_empty=True, may_be_missing=True),
    "gpu_hours": Column(read=_read_hours),
}
