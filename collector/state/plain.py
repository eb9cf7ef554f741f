"""
Frozen values as plain JSON values and back, by the types of their fields. Pure.

Going over fields generically keeps a counter that is added to a dataclass later without anything being written here.
Two meanings follow. A field that is missing takes its default: a counter that was not known when the file was written
has counted nothing. A field that this version does not know is passed over: its counter ends, and begins at 0 should a
later version know it again. A missing field without a default is a misfit.

Numbers are amounts and moments here, so a negative one, or one that is not finite, is a misfit too.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


class Misfit(Exception):
    """A plain value that cannot be what it is read as: where in the document, and what is wrong."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where or 'the whole'}: {problem}")


def to_plain(value: Any) -> Any:
    """Dataclasses become objects, tuples lists, enumerations their values."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(each) for key, each in value.items()}
    return [to_plain(each) for each in value] if isinstance(value, tuple) else value


def from_plain(kind: Any, plain: Any, where: str = "") -> Any:
    """
    The value of this type that ``plain`` stands for. Raises ``Misfit``.

    ``kind`` is a dataclass, an enumeration, ``str``, ``int``, ``float``, ``bool``, a tuple, a mapping from texts, or a
    union of these, of which the first that fits is taken.
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), plain, where)
    if origin is tuple:
        return _tuple(get_args(kind), plain, where)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(get_args(kind)[1], plain, where)
    if is_dataclass(kind):
        return _object(kind, plain, where)
    return _enumerated(kind, plain, where) if issubclass(kind, Enum) else _scalar(kind, plain, where)


def _one_of(kinds: tuple[Any, ...], plain: Any, where: str) -> Any:
    misfits = []
    for kind in kinds:
        try:
            return from_plain(kind, plain, where)
        except Misfit as misfit:
            misfits.append(str(misfit))
    raise Misfit(where, "; ".join(misfits))


def _tuple(kinds: tuple[Any, ...], plain: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise Misfit(where, "is not a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(plain)
    if len(kinds) != len(plain):
        raise Misfit(where, f"has {len(plain)} entries, not {len(kinds)}")
    pairs = enumerate(zip(kinds, plain, strict=True))
    return tuple(from_plain(kind, each, f"{where}[{index}]") for index, (kind, each) in pairs)


def _mapping(kind: Any, plain: Any, where: str) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise Misfit(where, "is not an object")
    return {key: from_plain(kind, each, f"{where}.{key}") for key, each in plain.items()}


def _object(kind: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict):
        raise Misfit(where, "is not an object")
    found = {}
    for each, its_kind in _fields(kind):
        place = f"{where}.{each.name}".removeprefix(".")
        if each.name in plain:
            found[each.name] = from_plain(its_kind, plain[each.name], place)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise Misfit(place, "is missing")
    return kind(**found)


@cache
def _fields(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((each, hints[each.name]) for each in fields(kind))


def _enumerated(kind: type[Enum], plain: Any, where: str) -> Enum:
    try:
        return kind(plain)
    except ValueError as error:
        raise Misfit(where, f"{plain!r} is not one of {[each.value for each in kind]}") from error


def _scalar(kind: type, plain: Any, where: str) -> Any:
    if kind is float and type(plain) is int:
        plain = float(plain)
    if type(plain) is not kind:  # exactly: in Python True is an int
        raise Misfit(where, f"{plain!r} is not of type {kind.__name__}")
    if isinstance(plain, int | float) and not (math.isfinite(plain) and plain >= 0):
        raise Misfit(where, f"{plain!r} is negative or not finite")
    return plain
