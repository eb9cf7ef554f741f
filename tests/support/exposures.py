"""Parts of exposures and days on which devices were held, where only what matters is written."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from support.judgement import START

from policy.judgement.exposure import PARTS
from policy.usage.window import UTC_TIME

HELD = pl.Schema(
    {
        "run_id": pl.String(),
        "day": pl.Date(),
        "window_start": UTC_TIME,
        "window_end": UTC_TIME,
        "device_count": pl.Float64(),
        "methods": pl.List(pl.String()),
    }
)
"""What is needed of a pod-day to tell what was held at once, and how it was estimated."""


def a_part(day: int = 0, flop: float | None = 1e20, **different: Any) -> dict[str, Any]:
    """A day of training of once, 4 and 14 times an amount, low, likely and high; None: not known, with a low of 0."""
    run_id = different.get("run_id", "r-1")
    moment = START + timedelta(days=day)
    tenant = different.get("tenant", "t-1")
    return {
        "run_id": run_id,
        "effort": run_id,
        "tenant": tenant,
        "group": tenant,
        "day": moment.date(),
        "verdict": "training",
        "last_seen": moment + timedelta(hours=20),
        "low_flop": flop or 0.0,
        "likely_flop": None if flop is None else flop * 4,
        "high_flop": None if flop is None else flop * 14,
        "device_hours": 8.0,
        **different,
    }


def parts_frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Put parts into a frame."""
    return pl.DataFrame(list(rows), schema=PARTS)


def a_held_day(day: int = 0, **different: Any) -> dict[str, Any]:
    """A pod that held eight devices from the begin of a day on for 20 hours."""
    begins: datetime = START + timedelta(days=day)
    row = {
        "run_id": "r-1",
        "day": begins.date(),
        "window_start": begins,
        "window_end": begins + timedelta(hours=20),
        "device_count": 8.0,
        "methods": ["busy"],
    }
    return {**row, **different}


def held_frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Put days on which devices were held into a frame."""
    return pl.DataFrame(list(rows), schema=HELD)
