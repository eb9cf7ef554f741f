"""
Patterns for names, as a shell has them: ``*`` any text, ``?`` one character, ``[a-f]`` or ``[!a-f]`` one of a set.

A pattern means the whole name, in capitals and small letters as written, and never a name that is not known. The same
as Python's ``fnmatch.fnmatchcase``, but that a set which is not closed or has a range backwards is refused: it would
match other names than its author thinks, or none.
"""

import re

import polars as pl

_SET_ITEM = re.compile(r"(.)-(.)|(.)", re.DOTALL)


class GlobError(ValueError):
    """A pattern that would not mean what it looks like; what to do about it is ``remedy``."""

    remedy = "close it, or put it right; [*] is a star itself"


def matches(column: pl.Expr, pattern: str) -> pl.Expr:
    """Whether a column's text fits a pattern; never where it is null. Raises :class:`GlobError`."""
    if not set("*?[") & set(pattern):
        return (column == pattern).fill_null(value=False)
    return column.str.contains(_regex(pattern)).fill_null(value=False)


def check_glob(pattern: str) -> None:
    """Raise :class:`GlobError` if it is no pattern."""
    _regex(pattern)


def _regex(pattern: str) -> str:
    """The pattern as a regular expression of the kind that polars has."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "[":
            content, at = _set_content(pattern, at)
            parts.append(_set(content))
            continue
        parts.append({"*": ".*", "?": "."}.get(pattern[at], re.escape(pattern[at])))
        at += 1
    return f"(?s)^{''.join(parts)}$"


def _set_content(pattern: str, at: int) -> tuple[str, int]:
    """What stands in the brackets that open at a place, and where it goes on after them."""
    first = at + 1 + (pattern[at + 1 : at + 2] == "!")
    end = pattern.find("]", first + 1)  # a bracket in the first place is one of the set
    if end < 0:
        raise GlobError("a bracket is not closed")
    return pattern[at + 1 : end], end + 1


def _set(content: str) -> str:
    negated, items = content.startswith("!"), content.removeprefix("!")
    inside = "".join(_set_item(*found) for found in _SET_ITEM.findall(items))
    return f"[{'^' if negated else ''}{inside}]"


def _set_item(low: str, high: str, single: str) -> str:
    if single:
        return _escaped(single)
    if low > high:
        raise GlobError(f"the range {low}-{high} is backwards")
    return f"{_escaped(low)}-{_escaped(high)}"


def _escaped(character: str) -> str:
    """One character as itself within a set, whatever it would mean there."""
    return rf"\x{{{ord(character):x}}}"
