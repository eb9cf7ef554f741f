import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from support.processes import eventually
from support.prometheus import Prometheus, demo_collectors, needed, prometheus

from collector.contract import BY_NAME, HOLDER_LABELS
from collector.contract.holder_metrics import HOLDER_COUNTERS, HOLDER_OCCASIONS
from policy.facts.reading import load_facts
from policy.judgement.estimate import estimate_compute, rate_windows
from policy.judgement.pod_days import fold_days
from policy.usage.window import COUNTED, WINDOWS, Metering

FOLDER = Path(__file__).parents[2] / "dashboards"
SCRIPT = FOLDER / "boards.py"
BOARD = json.loads((FOLDER / "fleet.json").read_text(encoding="utf-8"))
RULES_TEXT = (FOLDER / "rules.yaml").read_text(encoding="utf-8")
RULES = [rule for group in yaml.safe_load(RULES_TEXT)["groups"] for rule in group["rules"]]
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
VARIABLES = [variable for variable in BOARD["templating"]["list"] if variable["type"] == "query"]
VARIABLE_QUERIES = [variable["query"]["query"] for variable in VARIABLES]
EXPRESSIONS = [*(target["expr"] for _, target in TARGETS), *(rule["expr"] for rule in RULES)]

NAME = r"\bflopwatch[_:][a-z0-9_:]+"
FACTS = load_facts()
ONE_SECOND = {
    "metering": Metering.UTILISATION.value,
    **dict.fromkeys(COUNTED, 0.0),
}
SECONDS = 40.0  # a bound on every wait; none takes half as long on two idle cores
NODES = ("node-a", "node-d", "node-e", "node-f")  # one trains, one shares a GPU, one loses three, one is blind
SUBSTITUTES = {"$__rate_interval": "15s", "$__range": "30s", "$node": ".*", "$provenance": ".*"}

UNITS = {
    "_watts": {"watt"},
    "_busy_ratio": {"percentunit"},
    "_flop_per_second": {"si:FLOP/s"},
    "_timestamp_seconds": {"s"},
    "_tick_duration_seconds": {"s"},
    "_tick_lateness_seconds_total": {"s"},
    "_residual_seconds": {"s"},
    "_gpu_seconds_per_second": {"short"},  # seconds per second: how many GPUs
    "_gpu_seconds_total": {"short"},
    "_physical_seconds_total": {"short"},
}
"""Which unit a panel has that shows a metric of this name; any other metric is a plain number."""


def recorded_labels() -> dict[str, set[str]]:
    """The labels of every recorded series: those that its expression keeps and those that the rule adds."""
    labels: dict[str, set[str]] = {}
    for rule in RULES:
        kept = re.match(r"sum by \(([^)]*)\)", rule["expr"])
        names = set(kept.group(1).split(", ")) if kept else set()
        labels.setdefault(rule["record"], set()).update(names, rule.get("labels", {}))
    return labels


LABELS = {name: set(metric.labels) for name, metric in BY_NAME.items()} | recorded_labels()


def asked(expression: str) -> str:
    """The expression as Grafana would send it."""
    for variable, value in SUBSTITUTES.items():
        expression = expression.replace(variable, value)
    return expression


def labels_shown(panel: dict[str, Any], target: dict[str, Any]) -> set[str]:
    """The labels that a legend or a table's columns take from a query."""
    if panel["type"] != "table":
        return set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    columns = {name for each in panel["transformations"] for name in each["options"].get("renameByName", {})}
    return {name for name in columns if not name.startswith("Value")}


def boards(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script, run."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_files_are_what_the_script_writes() -> None:
    """The board and the rules on disk are generated from the contract and the facts as they are now."""
    check = boards("--check")
    assert (check.returncode, check.stderr) == (0, "")


def test_a_file_that_differs_is_named(tmp_path: Path) -> None:
    """A file that was edited by hand fails the check, in one line that names it, and is left as it is."""
    assert boards("--folder", str(tmp_path)).returncode == 0
    assert boards("--folder", str(tmp_path), "--check").returncode == 0
    (tmp_path / "fleet.json").write_text("{}", encoding="utf-8")
    check = boards("--folder", str(tmp_path), "--check")
    assert check.returncode == 1
    assert re.fullmatch(r"differs from .*: fleet\.json; run python dashboards/boards\.py\n", check.stderr)
    assert (tmp_path / "fleet.json").read_text(encoding="utf-8") == "{}"


def test_every_metric_exists() -> None:
    """Every metric that a board or a rule names is in the wire contract or is recorded by a rule."""
    named = {name for text in (*EXPRESSIONS, *VARIABLE_QUERIES) for name in re.findall(NAME, text)}
    assert named <= LABELS.keys()
    assert {rule["record"] for rule in RULES} <= named


@pytest.mark.parametrize("expression", dict.fromkeys([*EXPRESSIONS, *VARIABLE_QUERIES]), ids=lambda text: text[:60])
def test_every_label_exists(expression: str) -> None:
    """A query selects, groups and joins by labels that its metrics have."""
    for name, selectors in re.findall(rf"({NAME}){{([^}}]*)}}", expression):
        assert set(re.findall(r"(\w+)=~?\"", selectors)) <= LABELS[name]
    at_hand = {label for name in re.findall(NAME, expression) for label in LABELS[name]}
    for listed in re.findall(r"(?:by|on|group_left) \(([^)]*)\)", expression):
        assert set(filter(None, listed.split(", "))) <= at_hand


def test_every_name_ends_in_its_unit() -> None:
    """A metric's name ends in the unit that the contract gives it, and a recorded one in a unit at all."""
    for expression in EXPRESSIONS:
        for name in re.findall(NAME, expression):
            if name in BY_NAME:
                assert name.removesuffix("_total").endswith(BY_NAME[name].unit)
            else:
                assert name.endswith(("_flop_per_second", "_seconds_per_second", "_ratio"))


@pytest.mark.parametrize(("panel", "target"), TARGETS, ids=[f"{p['title']} {t['refId']}" for p, t in TARGETS])
def test_every_panel_has_the_unit_of_its_metric(panel: dict[str, Any], target: dict[str, Any]) -> None:
    """A panel or column shows a metric in the metric's unit, and a count as a number."""
    shown = panel["fieldConfig"]["defaults"]["unit"]
    columns = panel["transformations"][-1]["options"]["renameByName"] if panel["type"] == "table" else {}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == columns.get(f"Value #{target['refId']}"):
            shown = next(each["value"] for each in override["properties"] if each["id"] == "unit")
    name = re.findall(NAME, target["expr"])[0]
    expected = next((units for suffix, units in UNITS.items() if name.endswith(suffix)), {"short"})
    if target["expr"].startswith("count"):
        expected = {"short"}
    if "sum_over_time" in target["expr"]:
        expected = {"sci"}  # FLOP, in powers of ten
    assert shown in expected


def test_every_panel_says_what_it_leaves_out() -> None:
    """Every panel has a description and reads "unknown", not 0, where there is no data."""
    for panel in PANELS:
        assert len(panel["description"]) > 40, panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"] == "unknown"


def test_the_board_can_be_imported_anywhere() -> None:
    """The board has a stable uid and no id, and takes its data source from a variable."""
    assert BOARD["uid"] == "flopwatch-fleet"
    assert "id" not in BOARD
    assert {each["name"] for each in BOARD["templating"]["list"]} == {"datasource", "provenance", "node"}
    assert {json.dumps(each["datasource"]) for _, each in TARGETS} == {'{"type": "prometheus", "uid": "${datasource}"}'}


def test_no_panel_covers_another() -> None:
    """Every panel has its own place on the grid of 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        x, y, w, h = (panel["gridPos"][each] for each in "xywh")
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24
        assert not taken & cells, panel["title"]
        taken |= cells


def promtool(*arguments: str) -> None:
    """Prometheus' own tool; the test fails with its words where it finds something."""
    command = [needed("promtool"), *arguments]
    check = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert check.returncode == 0, check.stdout + check.stderr


def test_promtool_accepts_the_rules() -> None:
    """Prometheus' own checker finds nothing wrong with the rules."""
    promtool("check", "rules", str(FOLDER / "rules.yaml"))


def holder(tenant_id: str, accelerator: str, **seconds: int) -> list[dict[str, str]]:
    """Series of one holder: how much every counter grows in a minute; a counter that is not named stands still."""
    labels = f'tenant_id="{tenant_id}",accelerator="{accelerator}",provenance="measured",workload_pod="pod-0"'
    return [
        {
            "series": f"{metric.name}{{{labels}}}",
            "values": f"0+{seconds.get(metric.name.removeprefix('flopwatch_holder_').removesuffix('_total'), 0)}x20",
        }
        for metric in (*HOLDER_COUNTERS, *HOLDER_OCCASIONS)
        if metric in HOLDER_COUNTERS or metric.name.removeprefix("flopwatch_holder_").removesuffix("_total") in seconds
    ]


H100 = "NVIDIA H100 80GB HBM3"
UNHEARD_OF = "unheard-of"
READ_HALF = {"held_seconds": 60, "observed_seconds": 30, "busy_seconds": 15}
SHARES_UNREAD = dict.fromkeys(("shared_seconds", "shared_observed_seconds", "shared_busy_seconds"), 30)
LACKING = [each for each in holder("t-1", H100, **READ_HALF) if "observed_seconds" not in each["series"]]
ESTIMATES_AND_TIME_WITHOUT = {
    "an accelerator without a known peak": (holder("t-1", UNHEARD_OF, **READ_HALF), 0, 1),
    "one of each": ([*holder("t-1", H100, **READ_HALF), *holder("t-1", UNHEARD_OF, **READ_HALF)], 1, 1),
    "a counter that is not served": (LACKING, 0, 1),
    "everything known": (holder("t-1", H100, **READ_HALF), 1, 0),
    "shared as well": (holder("t-1", H100, **READ_HALF, **SHARES_UNREAD), 1, 0),
}


@pytest.mark.parametrize("case", ESTIMATES_AND_TIME_WITHOUT)
def test_what_has_no_estimate_is_counted_as_such(case: str, tmp_path: Path) -> None:
    """Time on an accelerator without a peak, or with a count missing, is in no estimate and in the unestimated time."""
    series, estimated, unestimated = ESTIMATES_AND_TIME_WITHOUT[case]
    peak = FACTS.known_peaks.filter(accelerator=H100)["training_peak_flop_per_second"].item()
    tflop_per_second = round(15 / 60 * peak * FACTS.estimation.utilisation_low.value / 1e12, 1)
    labels = 'tenant_id="t-1",provenance="measured"'
    low = [{"labels": f'{{{labels},bound="low"}}', "value": tflop_per_second}] if estimated else []
    answers = {
        'round(flopwatch:tenant_estimated_flop_per_second{bound="low"} / 1e12, 0.1)': low,
        "count(flopwatch:tenant_estimated_flop_per_second)": [{"labels": "{}", "value": 3}] if estimated else [],
        "round(flopwatch:tenant_unestimated_gpu_seconds_per_second, 0.001)": [
            {"labels": f"{{{labels}}}", "value": unestimated}
        ],
    }
    asks = [{"expr": text, "eval_time": "10m", "exp_samples": answer} for text, answer in answers.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asks}
    document = {"rule_files": [str(FOLDER / "rules.yaml")], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    promtool("test", "rules", str(tmp_path / "test.yaml"))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes four nodes of the demo's data centre and records the rules."""
    needed("prometheus")
    folder = tmp_path_factory.mktemp("fleet")
    with demo_collectors(NODES, folder) as targets, prometheus(targets, RULES_TEXT, folder) as started:
        yield started


def test_every_query_of_every_panel_has_data(fleet: Prometheus) -> None:
    """Every query of the board is answered, with every label that the panel shows."""
    lacking = {(panel["title"], target["refId"]): labels_shown(panel, target) for panel, target in TARGETS}

    def all_answered() -> bool | None:
        for panel, target in TARGETS:
            key = panel["title"], target["refId"]
            if key not in lacking:
                continue
            answer = fleet.query(asked(target["expr"]))
            lacking[key] = labels_shown(panel, target).difference(*(series.labels for series in answer))
            if answer and not lacking[key]:
                del lacking[key]
        return None if lacking else True

    assert eventually(all_answered, within=SECONDS, what=lambda: f"panels and the labels that they lack: {lacking}")


def test_every_variable_has_values(fleet: Prometheus) -> None:
    """Every variable of the board finds values of its label, so that a reader has something to choose from."""
    for query in VARIABLE_QUERIES:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert found
        selector, label = found.groups()
        eventually(
            lambda selector=selector, label=label: (
                {series.labels[label] for series in fleet.query(asked(selector))} or None
            ),
            within=SECONDS,
            what=lambda query=query: query,
        )


def windows_at(fleet: Prometheus, at: float) -> pl.DataFrame:
    """What every holder used per second in the rules' window, as the engine would have it of one second."""
    rows: dict[tuple[str | None, ...], dict[str, Any]] = {}
    for metric in (*HOLDER_COUNTERS, *HOLDER_OCCASIONS):
        for series in fleet.query(f"rate({metric.name}[5m])", at):
            labels = {name: series.labels.get(name) for name in HOLDER_LABELS}
            row = rows.setdefault(tuple(labels.values()), {**labels, **ONE_SECOND})
            row[metric.name.removeprefix("flopwatch_holder_").removesuffix("_total")] = series.value
    return pl.DataFrame(list(rows.values()), schema=WINDOWS)


def estimated_by_python(windows: pl.DataFrame) -> dict[tuple[str, str], float]:
    """The engine's own estimate of these windows by busy time, by tenant and bound."""
    peaks = FACTS.peaks(windows["accelerator"])
    by_busy_time = windows.with_columns(energy_joules=pl.lit(0.0), energy_observed_seconds=pl.lit(0.0))
    days = fold_days(rate_windows(by_busy_time.lazy(), peaks, FACTS.estimation), FACTS.training_signals)
    undeclared = days.with_columns(declared_number_format=pl.lit(None, pl.String))
    estimates = estimate_compute(undeclared, peaks, FACTS.estimation)
    known = estimates.filter(pl.col("no_estimate_reason").is_null()).with_columns(pl.col("tenant_id").fill_null(""))
    sums = known.group_by("tenant_id").agg(pl.sum("low_flop", "likely_flop", "high_flop"))
    return {
        (row["tenant_id"], bound): row[f"{bound}_flop"]
        for row in sums.to_dicts()
        for bound in ("low", "likely", "high")
    }


def estimated_by_rules(fleet: Prometheus) -> tuple[float, dict[tuple[str, str], float]]:
    """When the rules were last evaluated, and what they recorded then, by tenant and bound."""
    recorded = fleet.query("flopwatch:tenant_estimated_flop_per_second[10s]")
    at = max((moment for series in recorded for moment in series.values), default=0.0)
    return at, {
        (series.labels.get("tenant_id", ""), series.labels["bound"]): series.values[at]
        for series in recorded
        if at in series.values
    }


def test_the_rules_estimate_what_the_engine_estimates(fleet: Prometheus) -> None:
    """From the same counters the recording rules give each tenant the estimate by busy time, within 1 %."""
    differing: dict[str, Any] = {}

    def agreed() -> pl.DataFrame | None:
        # A page that is stored just after the rules ran is in the one and not in the other: then the next second tells.
        at, recorded = estimated_by_rules(fleet)
        windows = windows_at(fleet, at)
        expected = estimated_by_python(windows)
        differing.update(recorded=recorded, expected=expected)
        telling = (pl.col("held_seconds") - pl.col("observed_seconds")).sum() > 0.0
        seen = windows.select(telling & (pl.sum("shared_busy_seconds") > 0.0)).item()
        # A node that has not been scraped twice yet has no rate: the comparison waits until all kinds of tenant are in.
        complete = seen and {"t-1001", "t-1008", "t-1009", None} <= set(windows["tenant_id"])
        return windows if complete and recorded == pytest.approx(expected, rel=0.01) else None

    assert not eventually(agreed, within=SECONDS, what=lambda: str(differing)).is_empty()
