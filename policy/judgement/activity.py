"""
Which of the policy statement's activities a run could be, on whose machines, and whether the hardware is what it names.

The statement of 13 May 2025 speaks of three: providing the items to somebody, a transfer within a country, and what a
U.S. person supports. Which of them renting out machines is, is counsel's to say: here stands what the registers tell.
Possession is a path of its own: who takes machines into its possession needs a licence for them whatever they are
used for.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from policy.facts.evidence import Answer
from policy.frames import conform, schema
from policy.kyc.customers import Registers
from policy.kyc.registers.activity import activities, activity_sentences, named_hardware, possession
from policy.kyc.registers.provider import Place, Provider
from policy.kyc.reply import any_of
from policy.kyc.vocabulary import Tenancy

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


TENANCIES = [each.value for each in Tenancy]
"""In the order of how much is handed over."""


def describe_activities(
    links: pl.DataFrame, runs: pl.DataFrame, hardware: pl.DataFrame, registers: Registers
) -> pl.DataFrame:
    """What each run could be, schema ACTIVITIES; as many rows as runs, sorted by run_id."""
    asked = (
        runs.select("run_id", "nodes")
        .join(_tenancies(links, runs, registers), on="run_id", how="left")
        .join(hardware.select("run_id", "highest_paragraph"), on="run_id")
        .sort("run_id")
    )
    rows = [
        _row(run_id, nodes, told, paragraph, registers.provider)
        for run_id, nodes, told, paragraph in asked.select("run_id", "nodes", "told", "highest_paragraph").iter_rows()
    ]
    return conform(pl.DataFrame(rows, schema=ACTIVITIES, orient="row"), ACTIVITIES, "activities of runs")


def _tenancies(links: pl.DataFrame, runs: pl.DataFrame, registers: Registers) -> pl.DataFrame:
    """The tenancies that the tenant's file and the allocation register tell of each run's time: run_id, told."""
    of_file = links.select("run_id", told="tenancy")
    if registers.allocations is None:
        return of_file.drop_nulls().group_by("run_id").agg("told")
    given = registers.allocations.frame.select("tenant_id", "node", "begins", "ends", told="tenancy").drop_nulls("node")
    meets = (pl.col("begins") < pl.col("last_seen")) & (
        pl.col("ends").is_null() | (pl.col("ends") > pl.col("first_seen"))
    )
    on_nodes = runs.select("run_id", "tenant_id", "first_seen", "last_seen", node="nodes").explode("node")
    of_register = on_nodes.join(given, on=("tenant_id", "node")).filter(meets).select("run_id", "told").unique()
    return pl.concat([of_file, of_register]).drop_nulls().group_by("run_id").agg(pl.col("told").unique())


def _row(
    run_id: str, nodes: Iterable[str], told: Sequence[str] | None, paragraph: str, provider: Provider
) -> tuple[str, str, Answer, Answer, str, list[str], str]:
    places = [provider.place_of(node) for node in nodes]
    us_person = any_of(*(each.us_person for each in places))
    tenancy = max(told or _of_clusters(places), key=TENANCIES.index, default=None)
    could_be = [*map(str, activities(tenancy, us_person))]
    sentences = " ".join(activity_sentences(tenancy, us_person, paragraph))
    known = tenancy or Answer.UNKNOWN
    return run_id, known, us_person, possession(tenancy), named_hardware(paragraph), could_be, sentences


def _of_clusters(places: Iterable[Place]) -> list[str]:
    """How machines of these clusters are given, where all of them say so."""
    told = [each.tenancy for each in places]
    return [each.value for each in told if each is not None] if None not in told else []
