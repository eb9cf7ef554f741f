"""
The facts with overlays laid over them, row by row, and what became of the rows that ship.

Every row keeps the layer that it was written in. What an overlay takes away, or puts another row in place of, is
remembered where its absence may turn an answer into a no.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from policy.facts.documents import check_newer, read_documents
from policy.facts.evidence import Layer
from policy.facts.overlays import DOCUMENTS, HEADER, REMOVE, Overlay
from policy.facts.tables import Reader, Written

REMOVED = "removed"
REMEMBERED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "jurisdictions": {
        "group": ("members",),
        "membership": ("country",),
        "named_beside": ("country",),
        "treated_as": ("country",),
        "watch": ("country",),
    },
    "control": {"letter": ("devices",), "presumption": ()},
    "party_lists": {"list": ("code",)},
}
"""
Rows that may turn an answer into a no when they are gone, or other than they ship, without being cited by it.

By topic and table, with the fields that name whom they are about: answers about those say whose overlay it was. With no
fields all answers do.
"""

Keys = Mapping[str, Mapping[str, tuple[str, ...]]]
"""By topic and table: the fields by which one row is told from another. Tables that are not rows have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removal:
    table: str
    key: Sequence[str]
    reason: str


def lay_over(base: Written, overlays: Sequence[Overlay], keys: Keys) -> Written:
    """
    The same facts with the overlays' rows over them; ``base`` has one table for each topic, and ``sources``.

    Raises :class:`FactsError` where an overlay names a topic, a table or a row that there is not.
    """
    _check_names(overlays)
    merged = base
    for overlay in overlays:
        merged = _with_rows(_without(merged, overlay, keys), overlay, keys)
    changed = {topic: dict(tables) for topic, tables in merged.items()}
    for topic, tables in REMEMBERED.items():
        fates = (_fates(topic, table, base, merged, overlays, keys) for table in tables)
        changed[topic][REMOVED] = [fate for of_table in fates for fate in of_table]
    return _put_together(base, changed)


def in_place_of(base: Written, overlay: Overlay, keys: Keys) -> Iterator[str]:
    """The shipped rows in whose place an overlay puts its own: ``switches.switch affiliates_rule``."""
    for topic, tables in overlay.content.items():
        for table, value in tables.items() if topic != REMOVE else ():
            key = keys.get(topic, {}).get(table)
            if key is None:
                yield from [f"{topic}.{table}"] if table in base[topic] else []
                continue
            shipped = {key_of(row, key) for row in base[topic].get(table, [])}
            yield from (f"{topic}.{table} {_words_of(row, key)}" for row in value if key_of(row, key) in shipped)


def _words_of(row: Written, key: tuple[str, ...]) -> str:
    return " ".join(str(row.get(name, "-")) for name in key)


def _fates(
    topic: str, table: str, base: Written, merged: Written, overlays: Sequence[Overlay], keys: Keys
) -> Iterator[Written]:
    """What became of a table's shipped rows that are gone, or other than they ship."""
    key = keys[topic][table]
    now = {key_of(row, key): row for row in merged[topic].get(table, [])}
    for row in base[topic].get(table, []):
        other = now.get(key_of(row, key))
        if other is row:
            continue
        layer, reason = _who(f"{topic}.{table}", key_of(row, key), overlays) if other is None else _whose(other)
        note = {
            "table": f"{topic}.{table}",
            "key": [str(row.get(name, "-")) for name in key],
            "reason": reason,
            "done": "took away" if other is None else "put another row in place of",
            "about": _about(row, other, REMEMBERED[topic][table]),
        }
        yield Written(note, layer)


def _whose(row: Written) -> tuple[Layer, str]:
    return row.layer, row.layer.reason


def _who(table: str, key: str, overlays: Sequence[Overlay]) -> tuple[Layer, str]:
    """The last overlay that took the row away, and why."""
    return next(
        (removal.layer, removal["reason"])
        for overlay in reversed(overlays)
        for removal in overlay.content.get(REMOVE, [])
        if removal["table"] == table and repr(list(removal["key"])) == key
    )


def _about(row: Written, other: Written | None, fields: tuple[str, ...]) -> list[str]:
    """Whom the row named, or where both name several, whom only one of both does."""
    named = [_listed(row.get(field, "")) for field in fields]
    others = [_listed(other.get(field, "")) for field in fields] if other is not None else [set() for _ in fields]
    return sorted(
        each for mine, theirs in zip(named, others, strict=True) for each in (mine ^ theirs or mine) if each != ""
    )


def _listed(value: object) -> set[str]:
    return {str(each) for each in value} if isinstance(value, list) else {str(value)}


def _check_names(overlays: Sequence[Overlay]) -> None:
    files_by_name: dict[str, str] = {}
    for each in overlays:
        if each.layer.name in files_by_name:
            problem = f"{each.layer.name!r} is also the name of {files_by_name[each.layer.name]}"
            raise each.content.wrong(f"[{HEADER}]", "name", problem, "give each overlay its own")
        files_by_name[each.layer.name] = each.layer.file


def _with_rows(base: Written, overlay: Overlay, keys: Keys) -> Written:
    changed = {topic: dict(tables) for topic, tables in base.items()}
    for topic, tables in overlay.content.items():
        if topic == REMOVE:
            continue
        _check_topic(topic, tables, base, overlay)
        if topic == DOCUMENTS:
            _check_documents(base[DOCUMENTS], tables)
        for table, value in tables.items():
            key = keys.get(topic, {}).get(table)
            if key is None and topic != DOCUMENTS and table not in base[topic]:
                known = ", ".join({**base[topic], **keys.get(topic, {})})
                raise tables.wrong(f"[{topic}]", table, "no such table", f"use one of: {known}")
            if key:
                added = rows_in(tables, table, f"[[{topic}.{table}]]")
                value = _merged(base[topic].get(table, []), added, key, table)
            else:
                _check_unit(base[topic].get(table), value, table)
            changed[topic][table] = value
    return _put_together(base, changed)


def _check_topic(topic: str, tables: object, base: Written, overlay: Overlay) -> None:
    if topic not in base:
        raise overlay.content.wrong(f"[{topic}]", "name", "no such topic", f"use one of: {', '.join(base)}")
    if not isinstance(tables, Written):
        form = f"[{topic}.ID]" if topic == DOCUMENTS else f"[[{topic}.TABLE]]"
        raise overlay.content.wrong(f"[{topic}]", "rows", "is no table of tables", f"write {form}")


def _check_documents(old: Written, new: Written) -> None:
    documents = read_documents(new)
    known = read_documents(Written({key: old[key] for key in new if key in old}, old.layer))
    for key in known:
        check_newer(known[key], documents[key], new[key])


def _check_unit(old: Any, new: Any, table: str) -> None:
    """Raise :class:`FactsError` for a number in another unit than that in which it is used."""
    ours, theirs = (each.get("unit") if isinstance(each, Written) else None for each in (old, new))
    if ours is not None and theirs is not None and theirs != ours:
        raise new.wrong(f"[{table}]", "unit", f"{theirs!r} is not the unit that it is used in", f"give it in {ours!r}")


def rows_in(tables: Written, table: str, written_as: str) -> list[Written]:
    """The rows of a table, none where it is not there. Raises :class:`FactsError` where it is no list of tables."""
    rows = tables.get(table, [])
    if not isinstance(rows, list) or not all(isinstance(row, Written) for row in rows):
        raise tables.wrong(f"[{table}]", "rows", "is no list of tables", f"write {written_as}")
    return rows


def _merged(rows: list[Written], added: list[Written], key: tuple[str, ...], table: str) -> list[Written]:
    check_told_apart(added, key, table)
    by_key = {key_of(row, key): row for row in rows}
    by_key |= {key_of(row, key): row for row in added}
    return list(by_key.values())


def check_told_apart(rows: Iterable[Written], key: tuple[str, ...], table: str) -> None:
    """Raise :class:`FactsError` for two rows that cannot be told from each other, by a machine or by the eye."""
    seen: set[str] = set()
    for row in rows:
        own = key_of(row, key)
        if not own.isascii():
            problem = f"{ascii(own)[1:-1]} has letters beyond ASCII, which may look like others"
            raise row.wrong(f"[{table}]", ", ".join(key), problem, "write it in plain letters")
        if own in seen:
            raise row.wrong(f"[{table}]", key[0], f"two rows have the same {', '.join(key)}: {own}", "keep one")
        seen.add(own)


def key_of(row: Mapping[str, Any], key: tuple[str, ...]) -> str:
    """What tells a row from the others of its table; a field that it does not have is a hyphen."""
    return repr([str(row.get(name, "-")) for name in key])


def _without(base: Written, overlay: Overlay, keys: Keys) -> Written:
    removals = rows_in(overlay.content, REMOVE, f"[[{REMOVE}]]")
    changed = {topic: dict(tables) for topic, tables in base.items()}
    for written in removals:
        removal = Reader().row(_Removal, f"[{REMOVE}]", written)
        topic, _, table = removal.table.partition(".")
        key = keys.get(topic, {}).get(table)
        if key is None:
            tables = ", ".join(f"{topic}.{table}" for topic, of_topic in keys.items() for table in of_topic)
            raise written.wrong(f"[{REMOVE}]", "table", f"no rows in {removal.table!r}", f"use one of: {tables}")
        rows = changed[topic].get(table, [])
        kept = [row for row in rows if key_of(row, key) != repr(list(removal.key))]
        if len(kept) == len(rows):
            problem = f"{removal.table} has no row {list(removal.key)}"
            remedy = f"give the values of {', '.join(key)}; - where there is none{_nearest(removal.key, rows, key)}"
            raise written.wrong(f"[{REMOVE}]", "key", problem, remedy)
        changed[topic][table] = kept
    return _put_together(base, changed)


def _nearest(asked: Sequence[str], rows: Iterable[Written], key: tuple[str, ...]) -> str:
    """The keys that look most like what was asked for, as they would have to be written."""
    found = get_close_matches(repr(list(asked)), [key_of(row, key) for row in rows], n=3)
    return f"; the nearest: {' or '.join(found)}" if found else ""


def _put_together(base: Written, changed: Mapping[str, Mapping[str, Any]]) -> Written:
    """The tables again, each row with its own layer."""
    return Written({topic: Written(tables, base[topic].layer) for topic, tables in changed.items()}, base.layer)
