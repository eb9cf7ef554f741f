"""What a board is made of: queries in panels, panels in rows. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One PromQL expression, and what its series are called in the legend or its values in a table's column."""

    expr: str
    name: str
    unit: str = ""  # where it differs from the panel's


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """
    One answer. ``description`` says what is not known and what the number leaves out.

    ``columns`` renames and orders the labels of a table; ``good`` is the only value of a stat that is not alarming.
    """

    title: str
    kind: Literal["timeseries", "stat", "table"]
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    columns: Mapping[str, str] = field(default_factory=dict)
    stacked: bool = False
    good: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One question, for one kind of reader."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
