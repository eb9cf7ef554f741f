"""
The file that a provider's register is written in: TOML, taken whole or not at all.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from policy.facts.countries import is_code
from policy.facts.evidence import Layer
from policy.facts.tables import FactsError, Reader, Written, parse, wrong_in
from policy.kyc.cells import UNKNOWN
from policy.kyc.registers.globs import GlobError, check_glob
from policy.kyc.registers.provider import Cluster, Entity, Hardware, Provider, Site

AN_ID = re.compile(r"\S+")
AN_ECCN = re.compile(r"EAR99|[0-9][A-E][0-9]{3}(\.[a-z0-9]+)*", re.ASCII)


def read_provider(path: Path) -> Provider:
    """Read a register. Raises :class:`FactsError` with file, table and field for the first fault."""
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        remedy = "give a file that this process may read"
        raise wrong_in(Layer(file=str(path)), "whole file", "path", problem, remedy) from error
    return parse_provider(content, str(path))


Row = TypeVar("Row", Entity, Site, Cluster, Hardware)


def parse_provider(content: bytes, file: str) -> Provider:
    """Read what is in a register's file. Raises :class:`FactsError`."""
    written = parse(_text(content, file), Layer(file=file))
    known = ("entity", "site", "cluster", "hardware")
    for key in written:
        if key not in known:
            raise written.wrong("whole file", key, "no such table", f"use one of: {', '.join(known)}")
    provider = Provider(
        entity=tuple(_rows(Entity, "entity", written)),
        site=tuple(_rows(Site, "site", written)),
        cluster=tuple(_rows(Cluster, "cluster", written)),
        hardware=tuple(_rows(Hardware, "hardware", written)),
        digest=hashlib.sha256(content).hexdigest(),
    )
    _check(provider)
    return provider


def _text(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong_in(Layer(file=file), "whole file", "encoding", "is not UTF-8", "save it as UTF-8") from error


def _rows(kind: type[Row], table: str, written: Written) -> Iterator[Row]:
    rows = written.get(table, [])
    if not isinstance(rows, list) or not all(isinstance(row, Written) for row in rows):
        raise written.wrong(f"[{table}]", "rows", "is no list of tables", f"write [[{table}]]")
    for number, row in enumerate(rows, start=1):
        yield _row(kind, _title(table, row, number), row)


def _row(kind: type[Row], title: str, row: Written) -> Row:
    try:
        return Reader().row(kind, title, row)
    except FactsError as error:
        if error.field != "name":
            raise
        raise row.wrong(title, "name", "will not do", "give a text that is not empty and has no line breaks") from None


def _title(table: str, row: Written, number: int) -> str:
    """``[site] s-1``; where there is no id the number of the row, the first being 1."""
    own = row.get("id")
    return f"[{table}] {own if isinstance(own, str) and own else number}"


def _check(provider: Provider) -> None:
    for rows in (provider.entity, provider.site, provider.cluster):
        _check_ids(rows)
    entities, sites = {each.id for each in provider.entity}, {each.id for each in provider.site}
    for entity in provider.entity:
        if entity.headquarters_country != UNKNOWN:
            _check_country(entity.layer, f"[entity] {entity.id}", "headquarters_country", entity.headquarters_country)
    for site in provider.site:
        _check_country(site.layer, f"[site] {site.id}", "country", site.country)
        _check_known(site.layer, f"[site] {site.id}", "entity", site.entity, entities)
    for cluster in provider.cluster:
        _check_cluster(cluster, f"[cluster] {cluster.id}", sites, entities)
    for number, item in enumerate(provider.hardware, start=1):
        _check_hardware(item, f"[hardware] {number}")


def _check_cluster(cluster: Cluster, table: str, sites: set[str], entities: set[str]) -> None:
    _check_known(cluster.layer, table, "site", cluster.site, sites)
    _check_known(cluster.layer, table, "entity", cluster.entity, entities)
    if not cluster.nodes:
        raise wrong_in(cluster.layer, table, "nodes", "is empty", "add a pattern, as gpu-a-*")
    _check_patterns(cluster.layer, table, cluster.nodes)


def _check_patterns(layer: Layer, table: str, nodes: Sequence[str]) -> None:
    for number, pattern in enumerate(nodes, start=1):
        try:
            check_glob(pattern)
        except GlobError as error:
            raise wrong_in(layer, table, f"nodes[{number}]", str(error), error.remedy) from None


def _check_country(layer: Layer, table: str, field: str, code: str) -> None:
    if not is_code(code):
        raise wrong_in(layer, table, field, f"{code!r} is no ISO 3166-1 alpha-2 code", "use two capital letters")


def _check_known(layer: Layer, table: str, field: str, asked: str, known: set[str]) -> None:
    if asked not in known:
        raise wrong_in(layer, table, field, f"there is no {field} {asked!r}", f"add it as [[{field}]]")


def _check_ids(rows: tuple[Entity | Site | Cluster, ...]) -> None:
    seen: set[str] = set()
    for row in rows:
        table = f"[{type(row).__name__.lower()}] {row.id}"
        if not AN_ID.fullmatch(row.id):
            raise wrong_in(row.layer, table, "id", "has white space inside", "give an opaque id without spaces")
        if row.id in seen:
            raise wrong_in(row.layer, table, "id", "is that of another row too", "give each its own")
        seen.add(row.id)


def _check_hardware(item: Hardware, table: str) -> None:
    _check_patterns(item.layer, table, item.nodes)
    if not item.subject:
        raise wrong_in(item.layer, table, "accelerator", "missing, as are nodes and serials", "name what it is about")
    if not AN_ECCN.fullmatch(item.eccn):
        raise wrong_in(item.layer, table, "eccn", f"{item.eccn!r} is none", "write it as 3A090.a, 5A992.z.1 or EAR99")
