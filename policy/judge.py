"""
The whole way of the data, on one screen: windows, inventory, customers, facts and rules in, findings out.

Pure: the moment is given, nothing is read but what is handed in, and the same again gives the same to the last bit. A
replay is this function alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from policy.facts.facts import Facts
from policy.judgement.activity import describe_activities
from policy.judgement.declared import declared_uses
from policy.judgement.estimate import estimate_compute, rate_windows
from policy.judgement.exposure import accumulate, exposure_parts
from policy.judgement.hardware import describe_hardware
from policy.judgement.link import bases_of, link_runs
from policy.judgement.pod_days import fold_days
from policy.judgement.runs import find_pieces, find_runs, identified
from policy.judgement.settled import NOTHING_SETTLED, Settled, of_runs
from policy.judgement.stints import find_stints, judge_stints, most_serious_day
from policy.judgement.stitch import NO_WORDS, Words, find_stitches, find_stitches_across, joined, with_runs
from policy.kyc.customers import Customers
from policy.kyc.registers.mapping import link_windows
from policy.rules.evaluate import evaluate
from policy.rules.finding import Finding
from policy.rules.pack import Pack
from policy.rules.subject import describe_fleet, describe_subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was worked and whether it is training, before anybody asks for whom: each step with its frame."""

    days: pl.DataFrame
    stitches: pl.DataFrame  # within tenants
    runs: pl.DataFrame
    stints: pl.DataFrame
    stint_verdicts: pl.DataFrame
    verdicts: pl.DataFrame  # on every run, that of its most serious day


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that was concluded, each step with the frame it left: the way to an answer can be walked back."""

    days: pl.DataFrame  # pod-days with their tenant, their estimate, and the run that they belong to
    parts: pl.DataFrame  # what each day of each run adds to exposures
    stitches: pl.DataFrame
    subjects: pl.DataFrame
    accelerators: pl.DataFrame
    findings: tuple[Finding, ...]


def judge(
    windows: pl.DataFrame | pl.LazyFrame,
    inventory: pl.DataFrame,
    *,
    customers: Customers,
    facts: Facts,
    pack: Pack,
    at: datetime,
    words: Words = NO_WORDS,
    settled: Settled = NOTHING_SETTLED,
) -> Judgement:
    """
    From usage windows, and the accelerators that stand on the nodes, to findings, as of ``at``.

    ``words``: what people have said to stitches. ``settled``: of which pieces these words are, told or not. The windows
    are streamed and never held.
    """
    estimates = estimate_days(windows.lazy(), facts, lambda days: _told(days, customers))
    work = judge_work(estimates, facts, words, settled)
    days, runs, verdicts = work.days, work.runs, work.verdicts
    links = link_runs(runs, bases_of(days), customers.dossiers)
    across = find_stitches_across(runs, links, facts.stitching)
    efforts = joined(runs.sort("first_seen", "run_id")["run_id"], across, words, of_runs(settled, days))
    parts = exposure_parts(work.stints, work.stint_verdicts, links, efforts)
    hardware = describe_hardware(runs, facts.classifier)
    activities = describe_activities(links, runs, hardware, customers.registers)
    exposures = accumulate(parts, facts.tiers, at)
    uses = declared_uses(runs, verdicts, work.stint_verdicts, customers.dossiers)
    subjects = describe_subjects(runs, verdicts, links, hardware, activities, exposures, uses)
    accelerators = describe_fleet(inventory, facts.classifier)
    findings = evaluate(pack, subjects, accelerators, facts, at)
    return Judgement(
        days=days,
        parts=parts,
        stitches=pl.concat([work.stitches, across]),
        subjects=subjects,
        accelerators=accelerators,
        findings=findings,
    )


def estimate_days(windows: pl.LazyFrame, facts: Facts, told: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """
    The windows by day and holder, each with its piece and its interval of compute.

    ``told`` adds to pod-days what people say of them: ``tenant_id`` as linked, and ``declared_number_format``.
    """
    peaks = facts.peaks(windows.select(pl.col("accelerator").unique()).collect(engine="streaming").to_series())
    days = fold_days(rate_windows(windows, peaks, facts.estimation), facts.training_signals)
    return identified(estimate_compute(told(days), peaks, facts.estimation))


def judge_work(
    estimates: pl.DataFrame, facts: Facts, words: Words = NO_WORDS, settled: Settled = NOTHING_SETTLED
) -> Work:
    """Which runs there are, and whether they are training; for that nothing about a tenant is asked."""
    stitches = find_stitches(find_pieces(estimates), facts.stitching)
    days = with_runs(estimates, stitches, words, settled)
    runs, stints = find_runs(days), find_stints(days)
    stint_verdicts = judge_stints(stints, runs, facts.training_signals)
    return Work(
        days=days,
        stitches=stitches,
        runs=runs,
        stints=stints,
        stint_verdicts=stint_verdicts,
        verdicts=most_serious_day(stints, stint_verdicts),
    )


def _told(days: pl.DataFrame, customers: Customers) -> pl.DataFrame:
    """The pod-days with their tenant and the number format that it has declared."""
    linked = link_windows(days, customers.registers.mappings, customers.registers.cluster_of)
    declared = customers.dossiers.declared(linked.select("tenant_id", "day").drop_nulls().unique())
    return linked.join(
        declared.select("tenant_id", "day", "declared_number_format"), on=("tenant_id", "day"), how="left"
    )
