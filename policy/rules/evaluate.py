"""
Rules over subjects become findings. Pure: the moment, the facts and the rules are given.

A comparison that cannot be made is not passed over: it is a finding of strength ``not_evaluable``.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

import polars as pl

from policy.facts.facts import Facts
from policy.facts.peaks import Peak
from policy.facts.tiers import Tier
from policy.judgement.totals import TOTAL_DIGITS
from policy.rules import sentences
from policy.rules.finding import Comparison, Finding, Strength, SubjectKind
from policy.rules.pack import Pack, PackError, Rule

STRENGTH_ORDER = (Strength.CROSSED, Strength.MAY_HAVE_CROSSED, Strength.NOT_EVALUABLE)
SIGNIFICANT_DIGITS = 6  # far finer than any interval here; keeps the last bits of a sum out of a finding's digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What all findings of one evaluation rest on; ``outdated`` says which facts should have been read again."""

    pack: Pack
    facts: Facts
    facts_digest: str
    as_of: datetime
    outdated: tuple[str, ...]


def check_tiers(pack: Pack, facts: Facts) -> None:
    """Raise PackError for a rule whose tier nobody defined, before anything is judged by it."""
    known = facts.tiers.by_name
    for rule in pack.rules:
        if rule.reaches.tier not in known:
            problem = f"no tier is called {rule.reaches.tier!r}; there are {', '.join(known)}"
            raise PackError(f"{pack.file}: rule {rule.id}: reaches.tier: {problem}")


def evaluate(pack: Pack, subjects: pl.DataFrame, facts: Facts, as_of: datetime) -> tuple[Finding, ...]:
    """Every finding of every rule, one for each rule and subject, in the order of the pack and of the subjects."""
    basis = _Basis(
        pack=pack,
        facts=facts,
        facts_digest=facts.digest,
        as_of=as_of,
        outdated=sentences.overdue(facts.overdue(as_of.date())),
    )
    return tuple(finding for rule in pack.rules for finding in _findings(rule, subjects, basis))


def strength_of(rule: Rule, tier_flop: float) -> pl.Expr:
    """How far a run's numbers carry the rule, as text; null where the rule does not speak about the run."""
    applies = rule.when.expression()
    sides = (pl.col(f"{_scope(rule)}_low_flop"), pl.col(f"{_scope(rule)}_high_flop"), pl.lit(tier_flop))
    low, high, tier = (side.round_sig_figs(TOTAL_DIGITS) for side in sides)
    could_reach = high.is_null() | (high >= tier) | (low >= tier)
    unknown = applies.is_null() & could_reach & (rule.when_unknown == "finding")
    return (
        pl.when(unknown)
        .then(pl.lit(Strength.NOT_EVALUABLE.value))
        .when(applies & (low >= tier))
        .then(pl.lit(Strength.CROSSED.value))
        .when(applies & high.is_null())
        .then(pl.lit(Strength.NOT_EVALUABLE.value))
        .when(applies & (high >= tier))
        .then(pl.lit(Strength.MAY_HAVE_CROSSED.value))
    )


def _findings(rule: Rule, subjects: pl.DataFrame, basis: _Basis) -> Iterator[Finding]:
    tier_flop = basis.facts.tiers.flop(rule.reaches.tier)
    found = subjects.with_columns(strength=strength_of(rule, tier_flop)).filter(pl.col("strength").is_not_null())
    order = pl.col("strength").replace_strict({each.value: place for place, each in enumerate(STRENGTH_ORDER)})
    compute = pl.col("run_high_flop").fill_null(float("inf"))
    ordered = found.sort("subject_kind", "subject_id", order, -compute, "run_id")  # the largest run is explained
    for _, runs in groupby(ordered.iter_rows(named=True), key=lambda row: (row["subject_kind"], row["subject_id"])):
        yield _finding(rule, list(runs), basis)


def _finding(rule: Rule, rows: list[dict[str, Any]], basis: _Basis) -> Finding:
    first = rows[0]
    strength = Strength(first["strength"])
    tier = basis.facts.tiers.by_name[rule.reaches.tier]
    compared = _comparison(rule, first, tier)
    unknown = tuple(name for name in rule.when.fields if first[name] is None)
    return Finding(
        rule_id=rule.id,
        rule_version=rule.version,
        title=rule.title,
        severity=rule.severity.of(strength),
        strength=strength,
        subject_kind=SubjectKind(first["subject_kind"]),
        subject_id=first["subject_id"],
        run_ids=tuple(sorted(row["run_id"] for row in rows)),
        as_of=basis.as_of,
        law_at=first["law_at"],
        summary=sentences.summary(first, strength, compared),
        reasons=(
            *sentences.reasons(first, compared, tier.basis, unknown_fields=unknown, further_runs=len(rows) - 1),
            *basis.outdated,
        ),
        comparisons=(compared,),
        asks=rule.asks,
        sources=(*rule.sources, *first["hq_sources"], *_measuring_sources(rows, basis.facts)),
        facts_digest=basis.facts_digest,
        rules_digest=basis.pack.digest,
        inputs_digest=_inputs_digest(rows),
    )


def _measuring_sources(rows: list[dict[str, Any]], facts: Facts) -> tuple[str, ...]:
    """What the compute and the verdict rest on: the peaks of the devices used, the utilisation, the weights."""
    names = sorted({name for row in rows for name in row["accelerators"]})
    chips = [chip for chip in map(facts.peak, names) if isinstance(chip, Peak)]
    peaks = (f"peaks of {chip.device}: {chip.source.line}" for chip in chips)
    share, weights = facts.estimation.utilisation_likely.source, facts.training_signals.threshold.source
    return (*dict.fromkeys(peaks), f"utilisation: {share.line}", f"weights of the verdict: {weights.line}")


def _comparison(rule: Rule, row: dict[str, Any], tier: Tier) -> Comparison:
    scope = _scope(rule)
    return Comparison(
        name=f"the {scope}",
        low=_significant(row[f"{scope}_low_flop"]),
        likely=_rounded(row[f"{scope}_likely_flop"]),
        high=_rounded(row[f"{scope}_high_flop"]),
        tier_name=tier.name,
        tier=tier.flop,
        unit="FLOP",
    )


def _scope(rule: Rule) -> str:
    return rule.reaches.measure.removesuffix("_flop")


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else _significant(value)


def _inputs_digest(rows: list[dict[str, Any]]) -> str:
    """A digest of all that the rule saw of these runs, numbers to SIGNIFICANT_DIGITS."""
    return hashlib.sha256(json.dumps(_plain(rows), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    match value:
        case float():
            return _significant(value)
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case date():
            return value.isoformat()
        case _:
            return value
