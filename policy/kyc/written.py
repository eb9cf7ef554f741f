"""
What a file has written, before anybody asks what it says: its bytes, its text, records of CSV, objects of JSON Lines.

Every reader of know-your-customer files stands on these, so that lines are counted and a file is refused in one way.
No error holds anything of a file's content, which may be a name.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import NoReturn


class Broken(Exception):
    """A file that cannot be read, or not from a line on. ``said``: line, problem and what was expected."""

    def __init__(self, line: int, problem: str, expected: str) -> None:
        super().__init__(f"line {line}: {problem}; expected {expected}")
        self.said = (line, problem, expected)


class NoObject(ValueError):
    """Why a text is no object of JSON."""


class Number(str):
    """A number in JSON, as it is written there."""

    __slots__ = ()


def content_of(path: Path) -> bytes:
    """The bytes of a file. Raises Broken."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Broken(1, f"cannot be read: {error.strerror}", "a file that this process may read") from error


def text_of(content: bytes) -> str:
    """The text that bytes are, in UTF-8. Raises Broken."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Broken(line, "not UTF-8 from here on", "a file saved as UTF-8") from error


def csv_records(text: str | Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """
    Every record, the header first, with the line that it begins on; empty lines are passed over. Raises Broken.

    ``text``: whole, or line by line with line ends as they are. The standard library's reader is used because it knows
    the line that a record ends on, even after a quoted line break.
    """
    reader = csv.reader(StringIO(text, newline="") if isinstance(text, str) else text, strict=True)
    begin = 1
    try:
        for record in reader:
            if record:
                yield begin, record
            begin = reader.line_num + 1
    except csv.Error as error:
        raise Broken(begin, f"no CSV: {error}", "cells parted by commas, quotes closed") from error


def filled_lines(text: str | Iterable[str]) -> Iterator[tuple[int, str]]:
    """Every line that is not empty, with its number. Only a line feed parts lines: JSON lets other line ends stand."""
    lines = text.split("\n") if isinstance(text, str) else text
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def json_object(text: str) -> dict[str, object]:
    """An object of JSON, each key once, with each :class:`Number` as written. Raises NoObject."""
    try:
        found = json.loads(
            text, object_pairs_hook=_once, parse_int=Number, parse_float=Number, parse_constant=_no_number
        )
    except NoObject:
        raise
    except (ValueError, RecursionError) as error:
        raise NoObject("no JSON") from error
    if not isinstance(found, dict):
        raise NoObject("JSON, but no object")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise NoObject("the same key more than once")
    return dict(pairs)


def _no_number(_: str) -> NoReturn:
    raise NoObject("a number that is none")
