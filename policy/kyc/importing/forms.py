"""
The forms that a file may have, how each is told from the others, and the door through which one is read.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from policy.kyc.importing.accounts import read_accounts
from policy.kyc.importing.determinations import read_determinations
from policy.kyc.importing.files import beginning_of
from policy.kyc.importing.followthemoney import is_followthemoney, read_followthemoney
from policy.kyc.importing.gleif import gleif_part, is_gleif, read_gleif
from policy.kyc.importing.problems import Read, bytes_of, whole_file_error
from policy.kyc.importing.statements import read_statements

AUTO = "auto"
FIRST_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    What a reader is told beside the file: whose word a row is that does not say, and the last day it may name.

    ``leis``: of a register's millions the parties that are wanted; without it all. ``lists``: the codes of the lists of
    parties that there are; without it any.
    """

    source: str
    today: date | None = None
    leis: Collection[str] | None = None
    lists: Collection[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """
    One form. ``is_one`` tells from a file's bytes whether it has this form.

    ``own_source``: under which name such files are imported and no others are, where nothing may be withdrawn for not
    being in the next one: they only add.
    """

    summary: str
    is_one: Callable[[bytes], bool]
    read: Callable[[str, bytes, Asked], Read]
    own_source: str = ""


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "accounts": Form(
            summary="one row for each tenant, CSV or JSON Lines",
            is_one=lambda content: _begins_with(content, "tenant_id"),
            read=lambda file, content, asked: read_accounts(file, content, source=asked.source, today=asked.today),
        ),
        "statements": Form(
            summary="one row for each statement, CSV or JSON Lines",
            is_one=lambda content: _begins_with(content, "subject", "predicate", "value"),
            read=lambda file, content, asked: read_statements(file, content, source=asked.source, today=asked.today),
        ),
        "determinations": Form(
            summary="what people decided about hits, CSV or JSON Lines, by --source determinations",
            is_one=lambda content: _begins_with(content, "party_id", "reference", "answer"),
            read=lambda file, content, asked: read_determinations(file, content, codes=asked.lists, today=asked.today),
            own_source="determinations",
        ),
        "gleif": Form(
            summary="GLEIF's records, relationships or exceptions, golden copy in CSV or API in JSON, also packed",
            is_one=is_gleif,
            read=lambda file, content, asked: read_gleif(file, content, today=asked.today, only=asked.leis),
        ),
        "followthemoney": Form(
            summary="FollowTheMoney entities, JSON Lines, also packed",
            is_one=is_followthemoney,
            read=lambda file, content, asked: read_followthemoney(file, content, today=asked.today),
        ),
    }
)
"""The forms by name, in the order in which a file is held against them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """A file as read. ``sha256``: of its bytes, in hex."""

    path: Path
    form: str
    sha256: str
    read: Read


def read_file(path: Path, asked: Asked, form: str = AUTO) -> FileRead:
    """Read a file in its form. Raises KycError where it cannot be read at all or is of no form that is known."""
    content = bytes_of(path)
    name = _form_of(path, content) if form == AUTO else form
    read = FORMS[name].read(path.name, content, asked)
    return FileRead(path=path, form=name, sha256=hashlib.sha256(content).hexdigest(), read=read)


def part_of(path: Path) -> str:
    """Which part of its source a file is, told from its beginning; empty where its form has no parts."""
    return gleif_part(beginning_of(path))


def check_sources(found: Collection[FileRead], source: str) -> None:
    """Raise KycError for a file that may be imported by the word of another source only."""
    owned = {form.own_source for form in FORMS.values()} - {""}
    for each in found:
        own = FORMS[each.form].own_source
        if own != source and (own or source in owned):
            expected = f"--source {own}, by which it only adds" if own else f"another source than {source}"
            raise whole_file_error(each.path, f"{each.form} by the word of {source}", expected)


def _form_of(path: Path, content: bytes) -> str:
    for name, form in FORMS.items():
        if form.is_one(content):
            return name
    forms = "; ".join(f"{name}: {form.summary}" for name, form in FORMS.items())
    raise whole_file_error(path, "of no form that shows", f"one of these ({forms}), or its kind named with --kind")


def _begins_with(content: bytes, *marks: str) -> bool:
    """Whether all of these words stand in the first line."""
    first = content[:FIRST_BYTES].lstrip().partition(b"\n")[0].decode("utf-8", "replace")
    return all(mark in first for mark in marks)
