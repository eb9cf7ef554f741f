"""A board as Grafana's JSON."""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from board import Board, Panel, Query
from fleet import PHYSICAL

from collector.contract import Provenance, node_metrics

SCHEMA_VERSION = 39  # Grafana 10.3; earlier 10s read it, later versions migrate it by themselves
GRID_WIDTH = 24

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SIMULATED_IS_LOUD = {
    "matcher": {"id": "byName", "options": Provenance.SIMULATED.value},
    "properties": [
        {"id": "displayName", "value": "SIMULATED, not measured"},
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "orange"}},
    ],
}
PHYSICAL_IS_A_LINE = {
    "matcher": {"id": "byName", "options": PHYSICAL},
    "properties": [
        {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
        {"id": "custom.fillOpacity", "value": 0},
    ],
}


def dashboard(board: Board) -> dict[str, Any]:
    """The board as Grafana imports it; without an ``id``, which is the importing Grafana's."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["flopwatch"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables()},
        "panels": list(_panels(board)),
    }


def _variables() -> list[dict[str, Any]]:
    info = node_metrics.COLLECTOR_INFO.name
    datasource = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    data = _variable("provenance", "Data", f"label_values({info}, provenance)")
    node: dict[str, Any] = _variable("node", "Node", f'label_values({info}{{provenance=~"$provenance"}}, node)')
    everyone = {"text": ["All"], "value": ["$__all"]}
    return [datasource, data, {**node, "multi": True, "includeAll": True, "allValue": ".*", "current": everyone}]


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # whenever the time range changes
        "sort": 1,  # by name, so that measured comes before simulated
        "multi": False,
        "includeAll": False,
    }


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in board.rows:
        number += 1
        place = {"x": 0, "y": top, "w": GRID_WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        left, top, height = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > GRID_WIDTH:
                left, top, height = 0, top + height, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [_target(panel, letter, query) for letter, query in _lettered(panel)],
        **SHAPES[panel.kind](panel),
    }


def _timeseries(panel: Panel) -> dict[str, Any]:
    custom = {
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "fillOpacity": 40 if panel.stacked else 0,
        "spanNulls": False,  # a gap stays a gap: nobody knows what lies between two readings
        "showPoints": "auto",
    }
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return _fields(panel, [PHYSICAL_IS_A_LINE] if panel.stacked else [], custom) | {"options": options}


def _stat(panel: Panel) -> dict[str, Any]:
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if "{{" in panel.queries[0].name else "value",
        "colorMode": "background",
        "graphMode": "none",
    }
    return _fields(panel, [SIMULATED_IS_LOUD]) | {"options": options}


def _table(panel: Panel) -> dict[str, Any]:
    units = [_column_unit(query) for query in panel.queries if query.unit]
    return _fields(panel, units) | {"transformations": _columns(panel), "options": {"showHeader": True}}


SHAPES: Mapping[str, Callable[[Panel], dict[str, Any]]] = {"timeseries": _timeseries, "stat": _stat, "table": _table}


def _fields(
    panel: Panel, overrides: list[dict[str, Any]], custom: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    defaults = {"unit": panel.unit, "noValue": "unknown", "custom": {**custom}, "mappings": [], **_colours(panel)}
    return {"fieldConfig": {"defaults": defaults, "overrides": overrides}}


def _colours(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"color": {"mode": "palette-classic"}}
    steps: list[dict[str, Any]] = [{"color": "text", "value": None}]
    if panel.good is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.good + 1e-9}]
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}


def _lettered(panel: Panel) -> Iterator[tuple[str, Query]]:
    return zip("ABCDEFGHIJ", panel.queries, strict=False)


def _target(panel: Panel, letter: str, query: Query) -> dict[str, Any]:
    now = panel.kind != "timeseries"
    target = {"refId": letter, "datasource": DATASOURCE, "expr": query.expr, "instant": now, "range": not now}
    if panel.kind == "table":
        return target | {"format": "table"}
    return target | {"format": "time_series", "legendFormat": query.name}


def _columns(panel: Panel) -> list[dict[str, Any]]:
    """Put the queries' tables side by side, name the columns, and leave out what is no answer."""
    one = len(panel.queries) == 1
    values = {"Value" if one else f"Value #{letter}": query.name for letter, query in _lettered(panel)}
    names = {**panel.columns, **{value: name for value, name in values.items() if name}}
    organise: dict[str, Any] = {
        "excludeByName": {"Time": True, **{value: True for value, name in values.items() if not name}},
        "indexByName": {name: place for place, name in enumerate(names)},
        "renameByName": names,
    }
    merged = [] if one else [{"id": "merge", "options": {}}]
    return [*merged, {"id": "organize", "options": organise}]


def _column_unit(query: Query) -> dict[str, Any]:
    unit = {"id": "unit", "value": query.unit}
    return {"matcher": {"id": "byName", "options": query.name}, "properties": [unit]}


def board_file(board: Board) -> str:
    """The text of a board's file."""
    return json.dumps(dashboard(board), indent=2, ensure_ascii=False) + "\n"
