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

from policy.facts.evidence import Answer, Source
from policy.facts.facts import Facts
from policy.facts.tiers import Tier
from policy.kyc.dossier import HEADQUARTERS, LISTS, QUESTIONS
from policy.kyc.registers.activity import Activity, Named
from policy.rules import sentences
from policy.rules.finding import Comparison, Finding, Strength, SubjectKind
from policy.rules.grounds import Grounds, grounds_of, grounds_of_runs
from policy.rules.pack import Pack, PackError, Rule
from policy.rules.strength import scope_of, strength_of
from policy.rules.subject import About

NAMED_ORDER = (Named.YES, Named.UNCLASSIFIED, Named.NO, "")
STRENGTH_ORDER = (Strength.PRESENT, Strength.CROSSED, Strength.MAY_HAVE_CROSSED, Strength.NOT_EVALUABLE)
SIGNIFICANT_DIGITS = 6  # far finer than any interval here; keeps the last bits of a sum out of a finding's digest

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What all findings of one evaluation rest on."""

    pack: Pack
    facts: Facts
    facts_digest: str
    as_of: datetime


def check_pack(pack: Pack, facts: Facts) -> None:
    """Raise PackError for a rule whose tier nobody defined, or whose source is no document of the facts."""
    tiers, documents = facts.tiers.by_name, facts.documents
    for rule in pack.rules:
        where = f"{pack.file}: rule {rule.id}"
        if rule.reaches and rule.reaches.tier not in tiers:
            problem = f"no tier is called {rule.reaches.tier!r}; there are {', '.join(tiers)}"
            raise PackError(f"{where}: reaches.tier: {problem}")
        for each in rule.sources:
            if each not in documents:
                what = f"the facts have no document {each!r}"
                table = f"[sources.{each}] with citation, evidence, read_on and review_by"
                raise PackError(f"{where}: sources: {what}; give the id of one, or add it in an overlay as {table}")


def evaluate(
    pack: Pack, runs: pl.DataFrame, accelerators: pl.DataFrame, facts: Facts, as_of: datetime
) -> tuple[Finding, ...]:
    """
    Every finding of every rule, one for each rule and subject, in the order of the pack and of the subjects.

    ``runs`` has the schema :data:`policy.rules.subject.SUBJECTS`, ``accelerators`` that of ``ACCELERATORS`` there.
    """
    basis = _Basis(pack=pack, facts=facts, facts_digest=facts.digest, as_of=as_of)
    subjects = {About.RUN: runs, About.ACCELERATOR: accelerators}
    return tuple(finding for rule in pack.rules for finding in _findings(rule, subjects[rule.about], basis))


def _findings(rule: Rule, subjects: pl.DataFrame, basis: _Basis) -> Iterator[Finding]:
    found = subjects.with_columns(strength=strength_of(rule, basis.facts)).filter(pl.col("strength").is_not_null())
    if rule.about is About.ACCELERATOR:
        yield from (_of_accelerator(rule, row, basis) for row in found.sort("subject_id").iter_rows(named=True))
        return
    order = pl.col("strength").replace_strict({each.value: place for place, each in enumerate(STRENGTH_ORDER)})
    compute = pl.col("run_high_flop").fill_null(float("inf"))
    ordered = found.sort("subject_kind", "subject_id", order, -compute, "run_id")  # the largest run is explained
    for _, runs in groupby(ordered.iter_rows(named=True), key=lambda row: (row["subject_kind"], row["subject_id"])):
        yield _of_runs(rule, list(runs), basis)


def _of_runs(rule: Rule, rows: list[Row], basis: _Basis) -> Finding:
    first, facts = rows[0], basis.facts
    compared, tier = _comparison(rule, first, facts)
    cited = [line for about in ("hq", "list", "end_use", "flag", "hardware") for line in first[f"{about}_sources"]]
    return _finding(
        rule,
        rows,
        basis,
        grounds_of_runs(rule, rows, cited, facts),
        summary=sentences.summary(first, Strength(first["strength"]), compared),
        reasons=sentences.reasons(
            first,
            compared,
            _basis_of(tier) if tier else "",
            near_tier_ratio=facts.tiers.near_tier_ratio.value,
            unknown_fields=_unknown(rule, first),
            further_runs=rows[1:],
        ),
        run_ids=tuple(sorted(row["run_id"] for row in rows)),
        comparisons=(compared,) if compared else (),
        activities=tuple(each.value for each in Activity if any(each in row["activities"] for row in rows)),
        answers=_answers(rule, rows),
    )


def _of_accelerator(rule: Rule, row: Row, basis: _Basis) -> Finding:
    return _finding(
        rule,
        [row],
        basis,
        grounds_of(rule, row["hardware_sources"], [], basis.facts),
        summary=sentences.accelerator_summary(row, Strength(row["strength"])),
        reasons=sentences.accelerator_reasons(row, unknown_fields=_unknown(rule, row)),
        nodes=tuple(row["nodes"]),
    )


def _finding(
    rule: Rule,
    rows: list[Row],
    basis: _Basis,
    grounds: Grounds,
    *,
    summary: str,
    reasons: tuple[str, ...],
    run_ids: tuple[str, ...] = (),
    comparisons: tuple[Comparison, ...] = (),
    nodes: tuple[str, ...] = (),
    activities: tuple[str, ...] = (),
    answers: tuple[str, ...] = (),
) -> Finding:
    """The finding about the subject of these rows, the first of which is explained."""
    first, today = rows[0], basis.as_of.date()
    strength = Strength(first["strength"])
    overdue = [document for document in grounds.documents if document.good_through < today]
    return Finding(
        rule_id=rule.id,
        rule_version=rule.version,
        title=rule.title,
        severity=rule.severity[strength],
        strength=strength,
        subject_kind=SubjectKind(first["subject_kind"]),
        subject_id=first["subject_id"],
        run_ids=run_ids,
        as_of=basis.as_of,
        law_at=_law_at(rule, first),
        summary=summary,
        reasons=(*sentences.supposed(basis.facts.scenarios), *reasons, *sentences.overdue(overdue)),
        comparisons=comparisons,
        asks=rule.asks,
        sources=grounds.lines,
        facts_digest=basis.facts_digest,
        rules_digest=basis.pack.digest,
        inputs_digest=_inputs_digest(rows),
        nodes=nodes,
        activities=activities,
        answers=answers,
        named_hardware=min((row["named_hardware"] for row in rows), key=NAMED_ORDER.index),
    )


def _law_at(rule: Rule, row: Row) -> date:
    """The day whose law decided about what the rule asks: of lists and owners another than of headquarters."""
    about_lists = set(LISTS) & set(rule.when.fields) and not set(HEADQUARTERS) & set(rule.when.fields)
    day: date = row["list_law_at"] if about_lists else row["law_at"]
    return day


def _answers(rule: Rule, rows: list[Row]) -> tuple[str, ...]:
    """What about the tenant carries the finding: a decision on it does not cover another answer, nor another list."""
    asked = [name for name in rule.when.fields if name in QUESTIONS]
    found = {f"{name} {row[name]}" for row in rows for name in asked if row[name] not in (None, Answer.NO)}
    if set(LISTS) & set(asked):
        found |= {f"list {code}" for row in rows for code in row["list_codes"]}
    if "changed" in rule.when.fields:
        found |= {row["differing"] for row in rows if row["differing"]}
    return tuple(sorted(found))


def _unknown(rule: Rule, row: Row) -> tuple[str, ...]:
    return tuple(name for name in rule.when.fields if row[name] is None)


def _basis_of(tier: Tier) -> str:
    """Who chose the tier and why; of an overlay's tier its own words beside those that the overlay gives it."""
    layer = tier.source.layer.words if isinstance(tier.source, Source) else ""
    return "; ".join(filter(None, (tier.basis, layer)))


def _comparison(rule: Rule, row: Row, facts: Facts) -> tuple[Comparison, Tier] | tuple[None, None]:
    """What is held against which tier; nothing where no amount decides."""
    if rule.reaches is None:
        return None, None
    scope, tier = scope_of(rule.reaches), facts.tiers.by_name[rule.reaches.tier]
    compared = Comparison(
        name=f"the {scope}",
        low=_significant(row[f"{scope}_low_flop"]),
        likely=_rounded(row[f"{scope}_likely_flop"]),
        high=_rounded(row[f"{scope}_high_flop"]),
        tier_name=tier.name,
        tier=tier.flop,
        unit="FLOP",
    )
    return compared, tier


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else _significant(value)


def _inputs_digest(rows: list[Row]) -> str:
    """A digest of all that the rule saw of these rows, numbers to SIGNIFICANT_DIGITS."""
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
