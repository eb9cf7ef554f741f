"""
Which of the policy statement's activities a run could be, on whose machines, and whether the hardware is what it names.

The statement of 13 May 2025 speaks of three: providing the items to somebody, a transfer within a country, and what a
U.S. person supports. Which of them renting out machines is, is counsel's to say: here stands what the registers tell.
Possession is a path of its own: who takes machines into its possession needs a licence for them whatever they are
used for.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from policy.facts.evidence import Answer
from policy.frames import conform, schema
from policy.kyc.customers import Registers
from policy.kyc.registers.activity import activities, activity_sentences, named_hardware, possession
from policy.kyc.registers.allocations import REGISTERED, Allocations, machine
from policy.kyc.registers.covered import covered_by
from policy.kyc.registers.provider import Place
from policy.kyc.reply import any_of
from policy.kyc.vocabulary import Tenancy, most_handed_over

ACTIVITIES = schema(
    {
        "run_id": pl.String,
        "tenancy": pl.String,  # how the machines are given, of policy.kyc.vocabulary.Tenancy, or unknown
        "us_person": pl.String,  # yes, no or unknown: whether the entity behind the machines is a U.S. person
        "possession": pl.String,  # yes, no or unknown: whether the tenant has the machines in its possession
        "named_hardware": pl.String,  # yes, no or unclassified: whether the statement names hardware of this class
        "activities": pl.List(pl.String),
        "activity_reason": pl.String,
    }
)


def describe_activities(
    links: pl.DataFrame, runs: pl.DataFrame, hardware: pl.DataFrame, registers: Registers
) -> pl.DataFrame:
    """What each run could be, schema ACTIVITIES; as many rows as runs, sorted by run_id."""
    places = {node: registers.provider.place_of(node) for node in runs["nodes"].explode().drop_nulls().unique()}
    usual = {node: place.tenancy for node, place in places.items()}
    asked = (
        runs.select("run_id", "nodes")
        .join(_tenancies(links, runs, registers, usual), on="run_id")
        .join(hardware.select("run_id", "highest_paragraph"), on="run_id")
        .sort("run_id")
    )
    rows = [
        _row(run_id, [places[node] for node in nodes], told, paragraph)
        for run_id, nodes, told, paragraph in asked.select("run_id", "nodes", "told", "highest_paragraph").iter_rows()
    ]
    return conform(pl.DataFrame(rows, schema=ACTIVITIES, orient="row"), ACTIVITIES, "activities of runs")


def _tenancies(
    links: pl.DataFrame, runs: pl.DataFrame, registers: Registers, usual: Mapping[str, Tenancy | None]
) -> pl.DataFrame:
    """
    How the machines of each run were given, by all who tell: run_id, told; a null in it where nobody tells of some.

    The allocation register tells of a machine and a time. For what it leaves open the tenant's file does, and where
    that says nothing, for each node its cluster (``usual``).
    """
    machines = _machines(runs)
    given = _given(machines, registers.allocations)
    open_ones = machines.join(given.filter("whole").unique("nth"), on="nth", how="anti")
    by_cluster = pl.col("machine").replace_strict(usual, default=None, return_dtype=pl.String)
    of_file = links.select("run_id", of_file="tenancy")
    rest = open_ones.join(of_file, on="run_id").select("run_id", told=pl.coalesce("of_file", by_cluster))
    return pl.concat([given.select("run_id", "told"), rest]).group_by("run_id").agg(pl.col("told").unique())


def _machines(runs: pl.DataFrame) -> pl.DataFrame:
    """The machines of each run, numbered (nth): its nodes; by serial where only a register tells; null: not known."""
    serial = pl.when(pl.col("workload_namespace") == REGISTERED).then("workload_name")
    names = pl.when(pl.col("nodes").list.len() == 0).then(pl.concat_list(serial)).otherwise("nodes")
    of_runs = runs.select("run_id", "tenant_id", "first_seen", "last_seen", machine=names)
    return of_runs.explode("machine").with_row_index("nth")


def _given(machines: pl.DataFrame, register: Allocations) -> pl.DataFrame:
    """
    What the register tells of the machines while the runs last: nth, run_id, told, whole.

    ``whole``: of the whole time of the run on this machine the register tells something.
    """
    rows = register.frame.select("tenant_id", "begins", "ends", machine=machine, told="tenancy")
    ends = pl.col("ends").fill_null(pl.col("last_seen"))
    meets = (pl.col("begins") < pl.col("last_seen")) & (ends.fill_null(pl.col("last_seen")) > pl.col("first_seen"))
    met = machines.join(rows, on=["tenant_id", "machine"]).filter(meets)
    spans = met.select(node=pl.col("nth").cast(pl.String), begins="begins", ends=ends)
    whole = covered_by([spans]).select(pl.col("node").cast(pl.UInt32), since="begins", until="ends")
    is_whole = (pl.col("since") <= pl.col("first_seen")) & (pl.col("until") >= pl.col("last_seen"))
    covered = met.join(whole, left_on="nth", right_on="node").group_by("nth").agg(whole=is_whole.any())
    return met.join(covered, on="nth").select("nth", "run_id", "told", "whole")


def _row(
    run_id: str, places: Sequence[Place], told: Sequence[str | None], paragraph: str
) -> tuple[str, str, Answer, Answer, str, list[str], str]:
    us_person = any_of(*(each.us_person for each in places))
    tenancy = most_handed_over(told)
    could_be = [*map(str, activities(tenancy, us_person))]
    sentences = " ".join(activity_sentences(tenancy, us_person, paragraph))
    known = tenancy or Answer.UNKNOWN
    return run_id, known, us_person, possession(tenancy), named_hardware(paragraph), could_be, sentences
