"""
Reading TOML strictly: every key is asked for by name and type, and what nobody asked for is an error.

One error class, whose text says which file, which table, which field, and what to write there.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

NAMESPACE = uuid5(NAMESPACE_URL, "flopwatch:simulated")
SECONDS_PER_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ScenarioError(ValueError):
    """A file that cannot be played: ``file``, ``table``, ``field``, and ``problem`` with what to do about it."""

    def __init__(self, *, file: Path, table: str, field: str, problem: str) -> None:
        super().__init__(f"{file}: {table}, {field}: {problem}")
        self.file = file
        self.table = table
        self.field = field
        self.problem = problem


class Table:
    """One TOML table that remembers what was asked of it. ``finish`` complains about the rest."""

    def __init__(self, *, file: Path, name: str, content: Mapping[str, Any]) -> None:
        self.file = file
        self.name = name
        self._content = content
        self._asked: set[str] = set()

    def wrong(self, field: str, problem: str) -> ScenarioError:
        """The error to raise about a field."""
        return ScenarioError(file=self.file, table=self.name, field=field, problem=problem)

    def has(self, field: str) -> bool:
        """Whether an optional field was written; it then has to be asked for like any other."""
        self._asked.add(field)
        return field in self._content

    def text(self, field: str) -> str:
        """A string that is not empty."""
        value = self._value(field, "a text in quotes")
        if not isinstance(value, str) or not value:
            raise self.wrong(field, f"{value!r} must be a text in quotes, and not empty")
        return value

    def flag(self, field: str) -> bool:
        """``true`` or ``false``; false where it is not written."""
        value = self._content.get(field, False)
        if self.has(field) and not isinstance(value, bool):
            raise self.wrong(field, f"{value!r} must be true or false")
        return bool(value)

    def ratio(self, field: str) -> float:
        """A number from 0 to 1."""
        value = self._value(field, "a ratio from 0 to 1")
        if not _is_number(value) or not 0 <= value <= 1:
            raise self.wrong(field, f"{value!r} must be a ratio from 0 to 1, such as 0.85 (not percent)")
        return float(value)

    def whole(self, field: str, *, least: int, most: int) -> int:
        """A whole number within limits."""
        value = self._value(field, f"a whole number from {least} to {most}")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(field, f"{value!r} must be a whole number from {least} to {most}")
        return value

    def positive(self, field: str) -> float:
        """A number above 0."""
        value = self._value(field, "a number above 0")
        if not _is_number(value) or value <= 0:
            raise self.wrong(field, f"{value!r} must be a number above 0")
        return float(value)

    def seconds(self, field: str) -> float:
        """A duration: a number of seconds, or a text such as "90s", "15m", "24h", "2d"."""
        wanted = 'a number of seconds or a text such as "90s", "15m", "24h", "2d"'
        value = self._value(field, wanted)
        if _is_number(value) and value >= 0:
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if not match:
            raise self.wrong(field, f"{value!r} must be {wanted}")
        return float(match[1]) * SECONDS_PER_UNIT[match[2]]

    def moment(self, field: str) -> datetime:
        """A date and time with its offset from UTC."""
        value = self._value(field, "a date and time such as 2026-06-01T00:00:00Z")
        if not isinstance(value, datetime) or not value.tzinfo:
            raise self.wrong(field, f"{value!s} must be a date and time with offset, such as 2026-06-01T00:00:00Z")
        return value

    def indices(self, field: str, *, count: int, what: str = "GPU") -> tuple[int, ...]:
        """A list of different whole numbers below ``count``, at least one."""
        value = self._value(field, f"a list of {what} indices such as [0, 1]")
        good = isinstance(value, list) and value and all(type(index) is int for index in value)
        if not good or len(set(value)) != len(value):
            raise self.wrong(field, f"{value!r} must list different {what} indices, such as [0, 1]")
        beyond = [index for index in value if not 0 <= index < count]
        if beyond:
            known = f"0 to {count - 1}" if count else "none"
            raise self.wrong(field, f"the node has no {what} {beyond[0]}; it has {known}")
        return tuple(value)

    def table(self, field: str) -> "Table":
        """An inner table."""
        value = self._value(field, "a table { … }")
        if not isinstance(value, dict):
            raise self.wrong(field, f"{value!r} must be a table {{ … }}")
        return Table(file=self.file, name=f"{self.name}.{field}", content=value)

    def tables(self, field: str) -> tuple["Table", ...]:
        """An array of tables; empty where it is not written."""
        value = self._content.get(field, [])
        if self.has(field) and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
            raise self.wrong(field, f"write it as [[{field}]] tables")
        name = f"{self.name}.{field}" if self.name != TOP else field
        return tuple(Table(file=self.file, name=f"{name}[{number}]", content=item) for number, item in enumerate(value))

    def finish(self) -> None:
        """Complain about keys that nobody asked for: a misspelt key must not be silently without effect."""
        unknown = sorted(set(self._content) - self._asked)
        if unknown:
            raise self.wrong(unknown[0], f"is unknown here; known are {', '.join(sorted(self._asked))}")

    def _value(self, field: str, wanted: str) -> Any:
        if not self.has(field):
            raise self.wrong(field, f"is missing; write {wanted}")
        return self._content[field]


TOP = "top level"


def from_to(table: Table, duration_seconds: float) -> tuple[float, float]:
    """The fields ``from`` and ``to`` in seconds, in this order and within the scenario. Raises ``ScenarioError``."""
    start, end = table.seconds("from"), table.seconds("to")
    if not start < end <= duration_seconds:
        raise table.wrong("to", f"must be after from ({start:g} s) and not after the end ({duration_seconds:g} s)")
    return start, end


def uid(*names: str) -> str:
    """A UUID that is always the same for the same names."""
    return str(uuid5(NAMESPACE, "/".join(names)))


def read_toml(path: Path) -> Table:
    """The file's top level. Raises ``ScenarioError`` when it cannot be read or is not TOML."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(file=path, table=TOP, field="file", problem=f"not readable as TOML: {error}") from error
    return Table(file=path, name=TOP, content=content)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
