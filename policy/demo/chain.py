"""
How one answer was reached, from the ticket back to the readings: every number beside the ones it was made from.
"""

from typing import Any

import polars as pl
from rich.markup import escape
from rich.tree import Tree

from policy.demo.amounts import add_amounts
from policy.facts.facts import Facts
from policy.judge import Judgement
from policy.kyc.customers import Customers
from policy.kyc.explain import Branch, explain
from policy.rules import observed
from policy.rules.finding import Finding, SubjectKind
from policy.rules.sentences import flop_text, interval_text


def chain_of(ticket_id: str, finding: Finding, judgement: Judgement, customers: Customers, facts: Facts) -> Tree:
    """The way from the ticket to the readings, for a terminal."""
    tree = Tree(
        f"[bold]{ticket_id}[/] {finding.subject_kind} {finding.subject_id}: {finding.severity}, {finding.strength}"
    )
    rule = tree.add(f"rule {finding.rule_id}, version {finding.rule_version}: {finding.title}")
    for source in finding.sources:
        rule.add(f"source: {source}")
    rule.add(f"asks: {finding.asks}")
    _add_file(tree, finding, customers)
    for compared in finding.comparisons:
        compute = tree.add(f"compute of {compared.name}: {interval_text(compared.low, compared.likely, compared.high)}")
        compute.add(f"against the tier {compared.tier_name}: {flop_text(compared.tier)} FLOP")
    if not finding.comparisons:
        tree.add("no amount of compute decides")
    _add_nodes(tree, finding, judgement.accelerators)
    for row in judgement.subjects.filter(pl.col("run_id").is_in(finding.run_ids)).to_dicts():
        _add_run(tree, row, judgement.days.filter(pl.col("run_id") == row["run_id"]), facts)
    digests = tree.add("checkable by digest")
    for name in ("facts_digest", "rules_digest", "inputs_digest"):
        digests.add(f"{name.removesuffix('_digest')}: {getattr(finding, name)[:16]}…")
    return tree


def _add_nodes(tree: Tree, finding: Finding, accelerators: pl.DataFrame) -> None:
    """Where the accelerator stands that a finding is about; nothing for a finding about runs."""
    if finding.subject_kind is not SubjectKind.ACCELERATOR:
        return
    for row in accelerators.filter(pl.col("accelerator") == finding.subject_id).to_dicts():
        branch = tree.add(f"{row['accelerator']}: {row['gpu_hours']:.1f} device-hours, whoever used them")
        for node in row["nodes"]:
            branch.add(f"on {node}")


def _add_file(tree: Tree, finding: Finding, customers: Customers) -> None:
    """The way from the account to where its parties are headquartered; else what was said of it."""
    if finding.subject_kind is SubjectKind.TENANT and finding.subject_id in customers.registers.directory.tenants:
        whole = explain(customers.dossiers, finding.subject_id, finding.law_at, None)
        _add_branch(tree.add(escape(whole.text)), whole.branches[0])
        tree.add("lists, owners, end use, red flags and every statement: flopwatch tenants explain")
    else:
        tree.add(finding.reasons[0]).add(f"law of {finding.law_at.isoformat()}")


def _add_branch(tree: Tree, branch: Branch) -> None:
    grown = tree.add(escape(branch.text))
    for each in branch.branches:
        _add_branch(grown, each)


def _add_run(tree: Tree, row: dict[str, Any], days: pl.DataFrame, facts: Facts) -> None:
    branch = tree.add(
        f"run {row['workload_namespace']}/{row['workload_name']} ({row['workload_kind']}): {row['verdict']}"
    )
    evidence = branch.add(f"verdict, from its day {row['day'].isoformat()}: score {row['score']:+.1f}")
    for piece in row["evidence"]:
        evidence.add(f"{piece['weight']:+.1f}  {piece['sentence']}")
    for what in row["lacking"]:
        evidence.add(f"lacking: {what}")
    for said in observed.about(row, facts.tiers.near_tier_ratio.value):
        branch.add(said)
    estimate = branch.add(interval_text(row["run_low_flop"], row["run_likely_flop"], row["run_high_flop"]))
    add_amounts(estimate, days, facts)
    for reason in row["no_estimate_reasons"]:
        estimate.add(f"no estimate for a part: {reason}")
