"""
The files that registers publish: CSV with a header, JSON, JSON Lines; plain, as ``.gz``, or one in a ``.zip``.

CSV and JSON Lines are unpacked as they are read. A file that breaks off, or is not what it looks like, is
:class:`policy.kyc.written.Broken`, and then nothing of it is to be taken: what is missing might be what contradicts the
rest.
"""

import gzip
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import IO, TextIO, cast

from policy.kyc.written import Broken, csv_records, filled_lines

Json = object
"""What a JSON text says; nothing is taken for granted about it."""

MOST_OF_JSON = 256_000_000  # a guess, and some 60,000 records of GLEIF's: what is read at once has to have an end
FIRST_CHARACTERS = 65_536  # more than any golden copy's header has

_PACKED = "UTF-8, plain, .gz, or alone in a .zip"
_DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_LOCKED = (RuntimeError, NotImplementedError)
"""What zipfile says of a password, and of a method that it does not know."""


def beginning(content: bytes) -> str:
    """The first characters of a file, unpacked; none of one that cannot be."""
    try:
        with _opened(content, newline="\n") as text:
            return text.read(FIRST_CHARACTERS)
    except (*_DAMAGED, *_LOCKED, Broken):
        return ""


def beginning_of(path: Path) -> str:
    """The same of a file on disk, of which no more is read than that needs; none of one that cannot be read."""
    try:
        with path.open("rb") as packed, _text_of(packed, newline="\n") as text:
            return text.read(FIRST_CHARACTERS)
    except (*_DAMAGED, *_LOCKED, Broken):
        return ""


def is_json(content: bytes) -> bool:
    """Whether a file looks like JSON: its first character is a bracket."""
    return beginning(content).lstrip()[:1] in ("{", "[")


def packed_records(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Every record of a CSV file with its line, as :func:`csv_records`. Raises Broken."""
    return csv_records(_lines(content, "", f"a CSV file in {_PACKED}"))


def packed_lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Every line of a file that is not empty, with its number. Raises Broken."""
    return filled_lines(_lines(content, "\n", f"JSON Lines in {_PACKED}"))


def _lines(content: bytes, newline: str, expected: str) -> Iterator[str]:
    """The lines of a file, unpacked as they are asked for. Raises Broken."""
    number = 0
    try:
        with _opened(content, newline) as text:
            for line in text:
                yield line
                number += 1
    except (*_DAMAGED, *_LOCKED) as error:
        raise _broken(number + 1, error, expected) from error


def json_documents(content: bytes) -> Iterator[Json]:
    """Every document of a file that holds one or several of them. The file is unpacked at once."""
    expected = f"JSON in {_PACKED}"
    try:
        with _opened(content, newline="\n") as opened:
            text = opened.read(MOST_OF_JSON + 1)
    except (*_DAMAGED, *_LOCKED) as error:
        raise _broken(1, error, expected) from error
    if len(text) > MOST_OF_JSON:
        raise Broken(1, f"more than {MOST_OF_JSON:,} characters of JSON", "a golden copy in CSV, which is streamed")
    at, decoder = 0, json.JSONDecoder()
    while (begin := _past_space(text, at)) < len(text):
        try:
            document, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            raise Broken(text.count("\n", 0, begin) + 1, "no JSON from here on", expected) from error
        yield document


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


@contextmanager
def _opened(content: bytes, newline: str) -> Iterator[TextIO]:
    with _text_of(BytesIO(content), newline) as text:
        yield text


@contextmanager
def _text_of(packed: IO[bytes], newline: str) -> Iterator[TextIO]:
    with _unpacked(packed) as unpacked, TextIOWrapper(unpacked, encoding="utf-8-sig", newline=newline) as text:
        yield text


def _unpacked(packed: IO[bytes]) -> IO[bytes]:
    first = packed.read(4)
    packed.seek(0)
    if first.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(packed))  # a reader of bytes in all that is asked of it
    if first != b"PK\x03\x04":
        return packed
    archive = zipfile.ZipFile(packed)
    members = [each for each in archive.infolist() if not each.is_dir()]
    if len(members) != 1:
        raise Broken(1, f"a zip file with {len(members)} files in it", "one file alone in a .zip")
    return archive.open(members[0])


def _broken(line: int, error: Exception, expected: str) -> Broken:
    match error:
        case UnicodeDecodeError():
            problem = "not UTF-8 from about here on"
        case RuntimeError() | NotImplementedError():
            problem = "packed in a way that is not read here"
        case _:
            problem = "damaged, or it breaks off"
    return Broken(line, problem, expected)
