"""
A collector's page becomes counters. The one door in the centre to prometheus_client's parser.

A page counts only when it is whole: OpenMetrics, ended by ``# EOF``, of our contract version, from one node, every
series once and with a number that can be one. One bad number would otherwise sit in the ledger's snapshot for good.
What the devices did beyond busy time, and their rhythm, may be there or not: a page of the minimal profile has less.
"""

import math
from collections.abc import Iterable, Mapping

import polars as pl
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as PageSample

from collector import contract
from collector.contract import CONTRACT_VERSION, Provenance, holder_metrics, node_metrics, rhythm_metrics
from policy.usage.counters import COUNTERS, KEPT, LABELS
from policy.usage.sources.target import TargetState, Unusable

OF_HOLDERS = (holder_metrics.HOLDER_INFO, holder_metrics.HOLDER_DEVICES, *holder_metrics.HOLDER_COUNTERS)
MOMENTS = (node_metrics.COLLECTOR_START.name, node_metrics.COLLECTOR_CLOCK.name)
LARGEST_UNIX_SECONDS = 253_402_300_799  # the last second of the year 9999, where a datetime ends
ROUNDING = 1e-6  # a ratio that is computed may come out a little beyond its end
BOUNDS = {
    rhythm_metrics.RHYTHM_STRENGTH.name: (0.0, 1.0 + ROUNDING),
    rhythm_metrics.RHYTHM_SYNCHRONY.name: (-1.0 - ROUNDING, 1.0 + ROUNDING),
    rhythm_metrics.RHYTHM_PHASE.name: (0.0, float(LARGEST_UNIX_SECONDS)),
}
"""From where to where a number may be; of all others from 0 on."""

Samples = Mapping[str, list[PageSample]]
"""The page's samples by the names that we use."""


def parse_page(target: str, text: str, provenance: Provenance) -> pl.DataFrame:
    """
    The counters of one collector's page, schema COUNTERS.

    Raises Unusable with the state for a page that is not whole, not ours, or of the other provenance.
    """
    samples = _samples(text)
    _refuse_other_version(samples)
    _refuse_other_nodes(samples)
    _refuse_other_provenance(samples, provenance)
    _refuse_bad_numbers(samples)
    _refuse_incomplete_holders(samples)
    rows = pl.DataFrame([_row(target, sample) for name in KEPT for sample in samples[name]], schema=COUNTERS)
    _refuse_repeated_series(rows)
    return rows


def _samples(text: str) -> Samples:
    if not text.rstrip().endswith("# EOF"):
        raise Unusable(TargetState.TRUNCATED, f"{len(text)} characters without the closing '# EOF'")
    try:
        families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # ships no types
    except (ValueError, IndexError, KeyError) as error:
        raise Unusable(TargetState.NOT_METRICS, f"not OpenMetrics: {error}") from error
    lines = sum(1 for line in text.split("\n") if line and not line.startswith("#"))
    if lines != sum(len(family.samples) for family in families):
        raise _breach("a series stands on the page twice")  # the parser keeps the first of two and says nothing
    samples: dict[str, list[PageSample]] = {name: [] for name in (*KEPT, node_metrics.COLLECTOR_INFO.name)}
    for family in families:
        for sample in family.samples:
            samples.get(sample.name, []).append(sample)
    return samples


def _refuse_other_version(samples: Samples) -> None:
    versions = _values_of("contract_version", samples[node_metrics.COLLECTOR_INFO.name])
    if versions != {CONTRACT_VERSION}:
        raise _breach(f"wire contract {_listed(versions)}")


def _refuse_other_nodes(samples: Samples) -> None:
    nodes = _values_of("node", _all(samples))
    if len(nodes) != 1 or "" in nodes:
        raise _breach(f"a page is of one node, this one of {_listed(nodes)}")


def _refuse_other_provenance(samples: Samples, provenance: Provenance) -> None:
    kinds = _values_of("provenance", _all(samples))
    if kinds != {provenance.value}:
        raise Unusable(TargetState.OTHER_PROVENANCE, f"{_listed(kinds)} series, where {provenance} ones are expected")


def _refuse_bad_numbers(samples: Samples) -> None:
    for sample in _all(samples):
        least, largest = BOUNDS.get(sample.name, (0.0, math.inf))
        if not math.isfinite(sample.value) or not least <= sample.value <= largest:
            raise _breach(f"{sample.name} is {sample.value:g}")
    for name in MOMENTS:
        if len(samples[name]) != 1 or samples[name][0].value > LARGEST_UNIX_SECONDS:
            found = ", ".join(f"{sample.value:g}" for sample in samples[name]) or "missing"
            raise _breach(f"{name} is {found}, not one moment")


def _refuse_incomplete_holders(samples: Samples) -> None:
    """A holder without one of its counters would read as one that used nothing of that kind."""
    holders = {metric.name: {_holder(sample) for sample in samples[metric.name]} for metric in OF_HOLDERS}
    everyone = set().union(*holders.values())
    for name, found in holders.items():
        if found != everyone:
            raise _breach(f"{name} is missing for {len(everyone - found)} of {len(everyone)} holders")


def _holder(sample: PageSample) -> tuple[str, ...]:
    return tuple(sample.labels.get(label, "") for label in contract.HOLDER_LABELS)


def _refuse_repeated_series(rows: pl.DataFrame) -> None:
    repeated = rows.filter(pl.struct(pl.exclude("value")).is_duplicated())
    if repeated.height:
        raise _breach(f"{repeated['metric'][0]} has labels that are not in the contract")


def _breach(what: str) -> Unusable:
    return Unusable(TargetState.FOREIGN_CONTRACT, what)


def _all(samples: Samples) -> Iterable[PageSample]:
    return (sample for each in samples.values() for sample in each)


def _values_of(label: str, samples: Iterable[PageSample]) -> set[str]:
    return {sample.labels.get(label, "") for sample in samples}


def _listed(values: Iterable[str]) -> str:
    return ", ".join(value or "none" for value in sorted(values)) or "none"


def _row(target: str, sample: PageSample) -> dict[str, object]:
    labels = {name: sample.labels.get(name) or None for name in LABELS}
    return {"target": target, "metric": sample.name, **labels, "value": float(sample.value)}
