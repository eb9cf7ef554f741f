"""
TOML into frozen dataclasses, strictly: the fields of the class are the keys of the table.

A field without a default is a required key; a key without a field is an error. A field of type :class:`Source` stands
for four keys: ``source`` (its citation), ``evidence``, ``read_on`` and ``review_by``. Types are never converted, except
that a whole number may stand for a float.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from policy.facts.evidence import Source

Row = TypeVar("Row")


class FactsError(ValueError):
    """A facts file says something it must not. Holds the file, the table, the field, what is wrong and what to do."""

    def __init__(self, *, file: str, table: str, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{file}, {table}, {field}: {problem}; {remedy}")
        self.file = file
        self.table = table
        self.field = field
        self.problem = problem
        self.remedy = remedy


def parse(file: str, text: str) -> dict[str, Any]:
    """Read TOML. Raises :class:`FactsError` where the text is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FactsError(
            file=file, table="whole file", field="syntax", problem=str(error), remedy="correct the TOML there"
        ) from error


def read_row(kind: type[Row], file: str, table: str, content: Mapping[str, Any]) -> Row:
    """Build one ``kind`` from a TOML table. Raises :class:`FactsError` for a missing, unknown or ill-typed key."""
    hints = get_type_hints(kind)
    left = dict(content)
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass; TypeVar cannot say so
        hint = hints[field.name]
        if hint is Source or Source in get_args(hint):
            values[field.name] = _source(file, table, left)
        elif field.name in left:
            values[field.name] = _value(hint, file, table, field.name, left.pop(field.name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _missing(file, table, field.name)
    for key in left:
        known = ", ".join(sorted(hints))
        raise FactsError(
            file=file, table=table, field=key, problem="unknown key", remedy=f"remove it, or use one of: {known}"
        )
    return kind(**values)


def _missing(file: str, table: str, field: str) -> FactsError:
    return FactsError(file=file, table=table, field=field, problem="missing", remedy="add it")


def _source(file: str, table: str, left: dict[str, Any]) -> Source:
    keys = {"citation": "source", "evidence": "evidence", "read_on": "read_on", "review_by": "review_by"}
    hints = get_type_hints(Source)
    values: dict[str, Any] = {}
    for field, key in keys.items():
        if key not in left:
            raise _missing(file, table, key)
        values[field] = _value(hints[field], file, table, key, left.pop(key))
    source = Source(**values)
    if source.review_by <= source.read_on:
        raise FactsError(
            file=file, table=table, field="review_by", problem="not after read_on", remedy="set a later day"
        )
    return source


def _value(hint: Any, file: str, table: str, field: str, value: Any) -> Any:
    """Check one value against the type of its field; tables and lists are gone into."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(inner[0], file, table, f"{field}[{at}]", item) for at, item in enumerate(value, start=1))
    if origin is Mapping and isinstance(value, dict):
        return _mapping(inner, file, table, field, value)
    if origin in (Union, UnionType):
        return value if _is_word(inner, value) else _value(inner[0], file, table, field, value)
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return read_row(hint, file, _name(field, value), value)
    return _scalar(hint, file, table, field, value)


def _is_word(alternatives: tuple[Any, ...], value: Any) -> bool:
    """Whether the value is one of the words that a field like ``float | Literal["none"]`` allows."""
    return any(get_origin(each) is Literal and value in get_args(each) for each in alternatives)


def _mapping(
    inner: tuple[Any, ...], file: str, table: str, field: str, content: dict[str, Any]
) -> MappingProxyType[Any, Any]:
    of_key, of_value = inner
    checked = {}
    for key, value in content.items():
        checked[_value(of_key, file, table, field, key)] = _value(of_value, file, table, f"{field}.{key}", value)
    return MappingProxyType(checked)


def _name(field: str, content: Mapping[str, Any]) -> str:
    """How a table is called in an error: its place, and what it calls itself."""
    own = next((content[key] for key in ("country", "device", "name", "id") if key in content), None)
    return f"[{field}]" if own is None else f"[{field.partition('[')[0]}] {own}"


def _scalar(hint: Any, file: str, table: str, field: str, value: Any) -> Any:
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if _is_word_list(hint) and isinstance(value, str) and value in list(hint):
        return hint(value)
    if hint is date and isinstance(value, date) and not isinstance(value, datetime):
        return value
    if hint is str and isinstance(value, str) and value.strip():
        return value
    raise _ill_typed(hint, file, table, field, value)


def _is_word_list(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def _ill_typed(hint: Any, file: str, table: str, field: str, value: Any) -> FactsError:
    return FactsError(
        file=file, table=table, field=field, problem=f"{value!r} will not do", remedy=f"give {_expected(hint)}"
    )


def _expected(hint: Any) -> str:
    if _is_word_list(hint):
        return f"one of: {', '.join(hint)}"
    names = {str: "a text that is not empty", float: "a finite number", date: "a date as in 2026-07-23"}
    return names.get(hint, "a table or a list, as in the other rows")
