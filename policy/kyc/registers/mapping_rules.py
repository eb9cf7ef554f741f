"""
Explicit rules of the provider's that say whose a workload is: the TOML file that they are written in.

A rule names a tenant and patterns for where and under which name its workloads run, why, and who decided it. Errors
name file, table and field and repeat no value, for any may be somebody's name.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from policy.kyc.cells import CellError, read_tenant_id
from policy.kyc.registers.globs import GlobError, check_glob

CRITERIA = {"cluster": "cluster", "namespace": "workload_namespace", "node_pool": "node", "project": "effort"}
"""The patterns of a rule, and the column that each is held against."""
REQUIRED = ("tenant", "because", "decided_by")
DATES = {"from": "begins", "to": "ends"}
KEYS = (*REQUIRED, *CRITERIA, *DATES)


class MappingError(ValueError):
    """
    A file of mapping rules that was not loaded: where, what is wrong, what to write instead.

    ``place``: file, table and field, and nothing that the file says.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRule:
    """
    One ``[[mapping]]``. ``number``: which one in its file, from 1. Patterns are as :mod:`.globs` has them.

    ``node_pool`` is a pattern of node names, ``project`` one of workload names, or of a pod's where its workload is not
    known. ``begins``, written ``from``: the first day; ``ends``, written ``to``: the first day no more; null: no bound.
    """

    number: int
    tenant: str
    because: str
    decided_by: str
    cluster: str | None = None
    namespace: str | None = None
    node_pool: str | None = None
    project: str | None = None
    begins: date | None = None
    ends: date | None = None

    @property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The patterns that it has, each after the column that it is held against."""
        asked = [(column, getattr(self, key)) for key, column in CRITERIA.items()]
        return tuple((column, pattern) for column, pattern in asked if pattern is not None)


def read_mappings(path: Path) -> tuple[MappingRule, ...]:
    """The rules of a TOML file, in its order. Raises :class:`MappingError` for the first thing that is wrong."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}; give a file that this process may read"
        raise MappingError(str(path), problem) from error
    except UnicodeDecodeError as error:
        raise MappingError(str(path), "is not UTF-8; save it as TOML in UTF-8") from error
    return parse_mappings(text, path.name)


def parse_mappings(text: str, file: str) -> tuple[MappingRule, ...]:
    """The rules in a text; none is no error. ``file``: what errors call it. Raises :class:`MappingError`."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # tomllib lets through what int() says of a number too long
        found = re.search(r"at (line \d+, column \d+|end of document)", str(error))  # the rest may repeat what is there
        place = f"{file}, {found[1] if found else 'whole file'}"
        raise MappingError(place, "is no TOML; correct it there") from error
    tables = content.pop("mapping", [])
    if content or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise MappingError(f"{file}, whole file", "has something else than [[mapping]] tables; write nothing but those")
    return tuple(_rule(file, number, table) for number, table in enumerate(tables, start=1))


def _rule(file: str, number: int, table: Mapping[str, object]) -> MappingRule:
    for key, problem, remedy in _faults(table):
        raise MappingError(f"{file}, [[mapping]] {number}, {key}", f"{problem}; {remedy}")
    return MappingRule(number=number, **{DATES.get(key, key): value for key, value in table.items()})  # type: ignore[arg-type]  # each was checked


def _faults(table: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a table: where, what, and what to do. The values are good where no earlier fault was found."""
    if set(table) - set(KEYS):
        yield "a key", "is none of a mapping's", f"use only {', '.join(KEYS)}"
    yield from ((key, "is missing", "add it") for key in REQUIRED if key not in table)
    yield from ((key, *fault) for key, value in table.items() if (fault := _fault(key, value)))
    if not set(CRITERIA) & set(table):
        yield "whole table", "fits every workload there is", f"give one or more of {', '.join(CRITERIA)}"
    begins, ends = table.get("from"), table.get("to")
    if isinstance(begins, date) and isinstance(ends, date) and begins >= ends:
        yield "to", "is not after from", "give the first day on which the rule holds no more"


def _fault(key: str, value: object) -> tuple[str, str] | None:
    """What is wrong with a value and what to do, without repeating it: it may be anybody's name."""
    if key in DATES:
        is_day = isinstance(value, date) and not isinstance(value, datetime)
        return None if is_day else ("is no day", "write it without quotes, as 2026-07-23")
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        return "is no text on one line", 'write it in quotes, as "…"'
    try:
        if key == "tenant":
            read_tenant_id(value)
        elif key in CRITERIA:
            check_glob(value)
    except CellError as error:
        return error.problem, f"give {error.expected}"
    except GlobError as error:
        return str(error), error.remedy
    return None
