"""
TOML into frozen dataclasses, strictly: the fields of the class are the keys of the table.

A field without a default is a required key; a key without a field is an error. A field ``source`` stands for
``sources``, the ids of one document or more, and ``evidence``, which may be left out and only ever lowers what the
documents are; so does ``name_source`` for ``name_sources`` and ``name_evidence``. Types are never converted, except
that a whole number may stand for a float. A list says nothing twice, unless its field is a ``Sequence``.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from policy.facts.evidence import Document, Evidence, Layer, Source, weakest

Row = TypeVar("Row")

NAMING = ("id", "device", "vendor", "code", "name", "paragraph", "valid_from", "text", "devices")
"""Keys by which a table calls itself in an error: all of NAMED_TOGETHER that it has, else the first of NAMING."""
NAMED_TOGETHER = ("group", "country")
MOST = 1e300  # beyond it a whole number does not fit a float; also keeps nan and infinities out


class FactsError(ValueError):
    """A facts file says something it must not. Holds the file, the table, the field, what is wrong and what to do."""

    def __init__(self, *, file: str, table: str, field: str, problem: str, remedy: str) -> None:
        super().__init__(_on_one_line(f"{file}, {table}, {field}: {problem}; {remedy}"))
        self.file = file
        self.table = table
        self.field = field
        self.problem = problem
        self.remedy = remedy

    @property
    def place(self) -> str:
        """Where it is said, and nothing of what is said."""
        return _on_one_line(f"{self.file}, {self.table}, {self.field}")


def _on_one_line(text: str) -> str:
    """The text without line breaks and what a terminal would obey: a file may have anything in its keys and values."""
    return "".join(each if each.isprintable() else "?" for each in text)


def wrong_in(layer: Layer, table: str, field: str, problem: str, remedy: str) -> FactsError:
    """What is wrong with a row of this layer, where."""
    return FactsError(file=layer.file, table=table, field=field, problem=problem, remedy=remedy)


class Written(dict[str, Any]):
    """One table as it was written, and the layer that it was written in; tables within keep their own."""

    def __init__(self, content: Mapping[str, Any], layer: Layer) -> None:
        super().__init__({key: _written(value, layer) for key, value in content.items()})
        self.layer = layer

    def wrong(self, table: str, field: str, problem: str, remedy: str) -> FactsError:
        """What is wrong with it, where."""
        return wrong_in(self.layer, table, field, problem, remedy)


def _written(value: Any, layer: Layer) -> Any:
    if isinstance(value, dict) and not isinstance(value, Written):
        return Written(value, layer)
    return [_written(item, layer) for item in value] if isinstance(value, list) else value


def parse(text: str, layer: Layer) -> Written:
    """Read TOML. Raises :class:`FactsError` where the text is not TOML."""
    try:
        return Written(tomllib.loads(text), layer)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FactsError(
            file=layer.file, table="whole file", field="syntax", problem=str(error), remedy="correct the TOML there"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads rows, and finds the documents that they cite."""

    documents: Mapping[str, Document] = field(default_factory=dict)

    def row(self, kind: type[Row], table: str, content: Written) -> Row:
        """Build one ``kind`` from a table. Raises :class:`FactsError` for a missing, unknown or ill-typed key."""
        hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable; mypy does not see it behind a TypeVar
        left = Written(content, content.layer)
        values: dict[str, Any] = {}
        for each in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass; TypeVar cannot say so
            hint = hints[each.name]
            if hint is Layer:
                values[each.name] = content.layer
            elif hint is Source or (Source in get_args(hint) and f"{each.name}s" in left):
                values[each.name] = self._source(table, each.name, left)
            elif each.name in left:
                values[each.name] = self._value(hint, left, table, each.name, left.pop(each.name))
            elif each.default is MISSING and each.default_factory is MISSING:
                raise left.wrong(table, each.name, "missing", f"add it: {_expected(hint)}")
        for key in left:
            raise left.wrong(table, key, "unknown key", f"remove it, or use one of: {_known_keys(hints)}")
        return kind(**values)

    def _source(self, table: str, name: str, left: Written) -> Source:
        """From the keys that a field ``x_source`` stands for: ``x_sources``, and ``x_evidence`` where it is there."""
        key, evidence_key = f"{name}s", name.removesuffix("source") + "evidence"
        if key not in left:
            raise left.wrong(table, key, "missing", "add the id of a document")
        ids = self._value(tuple[str, ...], left, table, key, left.pop(key))
        if not ids:
            raise left.wrong(table, key, "is empty", "add the id of a document")
        for each in ids:
            if each not in self.documents:
                raise left.wrong(table, key, f"there is no document {each!r}", "add it to the sources")
        documents = tuple(self.documents[each] for each in ids)
        known = weakest(*(document.evidence for document in documents))
        evidence = known
        if evidence_key in left:
            evidence = self._value(Evidence, left, table, evidence_key, left.pop(evidence_key))
        if weakest(evidence, known) is not evidence:
            raise left.wrong(
                table, evidence_key, f"{evidence} is better than its documents, which are {known}", "lower it"
            )
        return Source(documents=documents, evidence=evidence, layer=left.layer)

    def _value(self, hint: Any, at: Written, table: str, name: str, value: Any) -> Any:
        """Check one value against the type of its field; tables and lists are gone into."""
        origin, inner = get_origin(hint), get_args(hint)
        if origin in (tuple, Sequence) and isinstance(value, list):
            return self._list(inner[0], at, table, name, value, once=origin is tuple)
        if origin is Mapping and isinstance(value, dict):
            return self._mapping(inner, at, table, name, value)
        if origin in (Union, UnionType):
            kinds = [each for each in inner if each is not NoneType]
            return value if _is_word(kinds, value) else self._value(kinds[0], at, table, name, value)
        if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Written):
            return self.row(hint, _place(table, _name(name, value)), value)
        return _scalar(hint, at, table, name, value)

    def _list(self, hint: Any, at: Written, table: str, name: str, items: list[Any], *, once: bool) -> tuple[Any, ...]:
        read: list[Any] = []
        for number, item in enumerate(items, start=1):
            value = self._value(hint, at, table, f"{name}[{number}]", item)
            if once and value in read:
                problem = f"says one thing twice, as number {read.index(value) + 1} and {number}"
                raise at.wrong(table, name, problem, "keep one")
            read.append(value)
        return tuple(read)

    def _mapping(
        self, inner: tuple[Any, ...], at: Written, table: str, name: str, content: dict[str, Any]
    ) -> MappingProxyType[Any, Any]:
        of_key, of_value = inner
        checked = {}
        for key, value in content.items():
            checked[self._value(of_key, at, table, name, key)] = self._value(
                of_value, at, table, f"{name}.{key}", value
            )
        return MappingProxyType(checked)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _known_keys(hints: Mapping[str, Any]) -> str:
    keys: set[str] = set()
    for name, hint in hints.items():
        if hint is Source or Source in get_args(hint):
            keys |= {f"{name}s", name.removesuffix("source") + "evidence"}
        elif hint is not Layer:
            keys.add(name)
    return ", ".join(sorted(keys))


def _is_word(alternatives: list[Any], value: Any) -> bool:
    """Whether the value is one of the words that a field like ``float | Literal["none"]`` allows."""
    return any(get_origin(each) is Literal and value in get_args(each) for each in alternatives)


def _name(field_name: str, content: Mapping[str, Any]) -> str:
    """How a table is called in an error: its place, and what it calls itself."""
    own = [str(content[key]) for key in NAMED_TOGETHER if key in content] or [
        ", ".join(map(str, content[key])) if isinstance(content[key], list) else str(content[key])
        for key in NAMING
        if key in content
    ][:1]
    return " ".join([f"[{field_name.partition('[')[0]}]", *own])


def _place(table: str, row: str) -> str:
    """A row of a row under both names, as ``[switch] affiliates_rule [state] 2026-11-10``."""
    return f"{table} {row}" if table.startswith("[") else row


def _scalar(hint: Any, at: Written, table: str, name: str, value: Any) -> Any:
    if hint is float and type(value) in (int, float) and -MOST <= value <= MOST:
        return float(value)
    if hint is int and type(value) is int:
        return value
    if _is_word_list(hint) and isinstance(value, str) and value in list(hint):
        return hint(value)
    if hint is date and isinstance(value, date) and not isinstance(value, datetime):
        return value
    if hint is str and isinstance(value, str) and value and value == value.strip() and value.isprintable():
        return value
    raise at.wrong(table, name, f"{_as_written(value)} will not do", f"give {_expected(hint)}")


def _as_written(value: Any) -> str:
    """As it stands in the file, where TOML and Python write it differently."""
    match value:
        case bool():
            return str(value).lower()
        case date():
            return value.isoformat()
        case _:
            return repr(value)


def _is_word_list(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def _expected(hint: Any) -> str:
    if _is_word_list(hint):
        return f"one of: {', '.join(hint)}"
    if get_origin(hint) in (tuple, Sequence):
        rows = is_dataclass(get_args(hint)[0])
        return f"{'tables under double brackets' if rows else 'a list in square brackets'}, as in the other rows"
    names = {
        str: "a text in quotes that is not empty, has no line breaks and no space at its ends",
        int: "a whole number",
        float: "a finite number",
        date: "a date as in 2026-07-23",
    }
    return names.get(hint, "a table, as in the other rows")
