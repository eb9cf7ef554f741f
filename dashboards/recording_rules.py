"""
The recording rules that the boards need: peaks and utilisation from the facts, estimates per tenant as rates.

The arithmetic is that of ``policy/judgement/estimate.py`` for the method ``busy``; a test holds the two together on a
real Prometheus. What better counters tell, and a declared format, is for the engine: its interval is never wider at the
top.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from collector.contract import Metric, holder_metrics
from policy.facts.facts import Facts

WINDOW = "5m"  # of every rate in the rules: five scrapes at the usual minute, so that a missed one loses nothing
INTERVAL_SECONDS = 60  # between evaluations; the board multiplies by it to get from FLOP per second to FLOP
PEAK = "flopwatch:accelerator_peak_flop_per_second"
UTILISATION = "flopwatch:model_flop_utilisation_ratio"
BUSY = "flopwatch:tenant_busy_seconds_per_second"
POSSIBLY_ACTIVE = "flopwatch:tenant_possibly_active_seconds_per_second"
ESTIMATED = "flopwatch:tenant_estimated_flop_per_second"
UNESTIMATED = "flopwatch:tenant_unestimated_gpu_seconds_per_second"
TENANT = "tenant_id, provenance"  # simulated and measured compute never add up

TRAINING, DENSEST = (f'{PEAK}{{format="{each}"}}' for each in ("training", "densest"))
BOUNDS: Mapping[str, str] = {"low": BUSY, "likely": BUSY, "high": POSSIBLY_ACTIVE}
"""Each bound of the interval: which seconds count. As policy/judgement/full_rate.py has it of busy time."""

HEADER = """\
# Written by dashboards/boards.py from the facts; change those and run it again.
#
# The estimates are those of policy/judgement/estimate.py by busy time, as rates; what tensor pipes, multiprocessors and
# power tell is in the engine's only. Not in them: hours in which nobody watched a node
# whose collector kept no counters, which Prometheus cannot tell, and a holder's time before its second scrape. An
# accelerator without a known peak has no estimate; its time is recorded as
# flopwatch:tenant_unestimated_gpu_seconds_per_second. Where nobody claimed a workload there is no tenant_id. The board
# multiplies by the group's interval: change it there too.
#
# Peaks partly from Epoch AI, "Data on Machine Learning Hardware", epoch.ai, CC BY 4.0.
"""


def _recent(metric: Metric) -> str:
    return f"rate({metric.name}[{WINDOW}])"


def _recent_if_any(metric: Metric) -> str:
    """Of a counter that a page has only once it has happened: 0 for holders to whom it has not."""
    return f"({_recent(metric)} or 0 * {_recent(holder_metrics.HELD)})"


# Holder by holder: one that lacks a count drops out of all three bounds, as a window with a missing count does.
POSSIBLY_ACTIVE_HOLDERS = f"""\
{_recent(holder_metrics.BUSY)}
+ clamp_min({_recent(holder_metrics.HELD)} - {_recent(holder_metrics.OBSERVED)}, 0)
+ {_recent_if_any(holder_metrics.SHARED_BUSY)}
+ ({_recent_if_any(holder_metrics.SHARED)} - {_recent_if_any(holder_metrics.SHARED_OBSERVED)})
+ {_recent_if_any(holder_metrics.UNWATCHED)}"""
HOLDING = f"({_recent(holder_metrics.HELD)} + {_recent_if_any(holder_metrics.SHARED)})"


def rules(facts: Facts) -> list[dict[str, Any]]:
    """Every recording rule, in the order in which they need each other."""
    return [
        *_peaks(facts),
        *_utilisation(facts),
        *_seconds(),
        *(_estimated(bound, facts) for bound in BOUNDS),
        _unestimated(),
    ]


def _rule(record: str, expr: str, **labels: str) -> dict[str, Any]:
    return {"record": record, "expr": expr, **({"labels": labels} if labels else {})}


def _peaks(facts: Facts) -> Iterator[dict[str, Any]]:
    columns = ("accelerator", "evidence", "training_peak_flop_per_second", "densest_peak_flop_per_second")
    rows = facts.known_peaks.select(columns)
    for name, evidence, training, densest in rows.drop_nulls().rows():
        for peak_format, peak in (("training", training), ("densest", densest)):
            labels = {"accelerator": name, "format": peak_format, "evidence": evidence}
            yield _rule(PEAK, f"vector({peak / 1e12:.12g}e12)", **labels)


def _utilisation(facts: Facts) -> Iterator[dict[str, Any]]:
    for bound in BOUNDS:
        yield _rule(UTILISATION, f"vector({getattr(facts.estimation, f'utilisation_{bound}').value})", bound=bound)


def _seconds() -> Iterator[dict[str, Any]]:
    of_tenant = f"sum by ({TENANT}, accelerator)"
    counted = _indented(POSSIBLY_ACTIVE_HOLDERS, 4)
    yield _rule(POSSIBLY_ACTIVE, f"{of_tenant} (\n{_indented(POSSIBLY_ACTIVE_HOLDERS)}\n)")
    yield _rule(BUSY, f"{of_tenant} (\n  {_recent(holder_metrics.BUSY)}\n  and (\n{counted}\n  )\n)")


def _estimated(bound: str, facts: Facts) -> dict[str, Any]:
    peak = {"low": TRAINING, "likely": _likely_peak(facts), "high": DENSEST}[bound]
    expr = f"""\
sum by ({TENANT}) (
  {BOUNDS[bound]} * on (accelerator) group_left () {peak}
)
* on () group_left () {UTILISATION}{{bound="{bound}"}}"""
    return _rule(ESTIMATED, expr, bound=bound)


def _likely_peak(facts: Facts) -> str:
    """The 16-bit peak, and more by the facts' gain where a denser format may be in use."""
    gain = facts.estimation.likely_gain.value
    return f"(({TRAINING} * {gain} and on (accelerator) ({DENSEST} > ignoring (format) {TRAINING})) or {TRAINING})"


def _unestimated() -> dict[str, Any]:
    counted = _indented(POSSIBLY_ACTIVE_HOLDERS, 6)
    expr = f"""\
sum by ({TENANT}) (
  {HOLDING}
  unless (
    (
{counted}
    )
    and on (accelerator) {PEAK}{{format="training"}}
  )
)
or 0 * sum by ({TENANT}) {HOLDING}"""
    return _rule(UNESTIMATED, expr)


def _indented(text: str, by: int = 2) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


class _Yaml(yaml.SafeDumper):
    """Expressions of several lines stay readable."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Yaml.add_representer(str, _represent)


def rules_file(facts: Facts) -> str:
    """The text of ``rules.yaml``."""
    group = {"name": "flopwatch", "interval": f"{INTERVAL_SECONDS}s", "rules": rules(facts)}
    return HEADER + yaml.dump({"groups": [group]}, Dumper=_Yaml, sort_keys=False, width=1000)
