"""
What a rule may look at: a run, or an accelerator of the fleet whoever uses it.

A run comes with its verdict, its tenant's answers, what controls its hardware, and the sums it is part of. These
schemas are the vocabulary of the rule language. They name no party: whom an opaque id stands for is for the reviewer to
look up.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import polars as pl

from policy.facts.classification import Classifier
from policy.facts.evidence import Answer
from policy.facts.product_names import Named, ProductNames
from policy.frames import conform, schema
from policy.judgement.activity import ACTIVITIES
from policy.judgement.declared import DECLARED_USES
from policy.judgement.exposure import EXPOSURES
from policy.judgement.hardware import ACCELERATOR_HARDWARE, RUN_HARDWARE, describe_accelerators
from policy.judgement.link import RUN_LINKS
from policy.judgement.patterns import INNOCENT
from policy.judgement.runs import RUNS
from policy.judgement.stints import STINT_VERDICTS
from policy.judgement.totals import total
from policy.kyc.registers.activity import named_hardware
from policy.rules.finding import SubjectKind
from policy.usage.window import UTC_TIME


class About(StrEnum):
    """What a rule is about: each run, or each accelerator of the fleet, whoever uses it."""

    RUN = "run"
    ACCELERATOR = "accelerator"


class Seen(StrEnum):
    """Whether a pattern was seen on some day. Not to have seen it does not say that it was not there."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"


PATTERN_FIELDS = {f"pattern_{name}": name for name in INNOCENT}
"""The field of each pattern of policy.judgement.patterns."""


def _besides(columns: pl.Schema, *left_out: str) -> dict[str, pl.DataType]:
    return {name: dtype for name, dtype in columns.items() if name not in left_out}


SUBJECTS = schema(
    {
        **RUNS,
        **_besides(STINT_VERDICTS, "run_id"),
        **_besides(RUN_LINKS, "run_id", "tenant_id", "tenancy"),
        **_besides(RUN_HARDWARE, "run_id"),
        **_besides(ACTIVITIES, "run_id"),
        **_besides(EXPOSURES, "run_id"),
        **_besides(DECLARED_USES, "run_id"),
        "unobserved_ratio": pl.Float64,  # of the device time that it held or may have held; null: it held none
        "pattern_count": pl.Float64,
        **dict.fromkeys(PATTERN_FIELDS, pl.String),  # seen on some day, or not_seen, which is not that it was not there
        "subject_kind": pl.String,  # tenant, or workload where no tenant was claimed
        "subject_id": pl.String,
    }
)
ACCELERATORS = schema(
    {
        "accelerator": pl.String,  # as the driver or the bus names it; its subject id
        "device": pl.String,  # in the catalogue; null: it is not there
        "vendor": pl.String,  # null: not known
        "vendor_known": pl.String,  # yes or no
        **_besides(ACCELERATOR_HARDWARE, "accelerator", "hardware_law_at"),
        "named_hardware": pl.String,  # as in ACTIVITIES
        "node_count": pl.Float64,
        "nodes": pl.List(pl.String),
        "gpu_hours": pl.Float64,  # that they were there
        "first_seen": UTC_TIME,  # in the look-back
        "last_seen": UTC_TIME,
        "law_at": pl.Date,  # the last of the days whose law decided
        "subject_kind": pl.String,
        "subject_id": pl.String,
    }
)
VOCABULARY: Mapping[About, pl.Schema] = MappingProxyType({About.RUN: SUBJECTS, About.ACCELERATOR: ACCELERATORS})
"""The fields there are, by what a rule is about. A field of both has one type."""


def describe_subjects(
    runs: pl.DataFrame,
    verdicts: pl.DataFrame,
    links: pl.DataFrame,
    hardware: pl.DataFrame,
    activities: pl.DataFrame,
    exposures: pl.DataFrame,
    uses: pl.DataFrame,
) -> pl.DataFrame:
    """Join what is known of every run, schema SUBJECTS; as many rows as runs, sorted by run_id."""
    claimed = pl.col("tenant_id").is_not_null()
    rows = (
        runs.join(verdicts, on="run_id")
        .join(links.drop("tenant_id", "tenancy"), on="run_id")
        .join(hardware, on="run_id")
        .join(activities, on="run_id")
        .join(exposures, on="run_id")
        .join(uses, on="run_id")
        .with_columns(
            **_patterns(),
            unobserved_ratio=_unobserved_ratio(),
            subject_kind=pl.when(claimed).then(pl.lit("tenant")).otherwise(pl.lit("workload")),
            subject_id=pl.coalesce("tenant_id", "run_id"),
        )
    )
    return conform(rows.select(SUBJECTS.names()).sort("run_id"), SUBJECTS, "subjects")


def _patterns() -> dict[str, pl.Expr]:
    """How many patterns were seen, and which."""
    seen = pl.col("patterns").list.eval(pl.element().struct.field("pattern"))
    each = {
        field: pl.when(seen.list.contains(name)).then(pl.lit(Seen.SEEN.value)).otherwise(pl.lit(Seen.NOT_SEEN.value))
        for field, name in PATTERN_FIELDS.items()
    }
    return {"pattern_count": seen.list.len().cast(pl.Float64), **each}


def _unobserved_ratio() -> pl.Expr:
    """What nobody saw, which is also what an allocation record alone tells of."""
    held = pl.col("observed_seconds") + pl.col("unobserved_seconds") + pl.col("shared_seconds")
    return pl.when(held > 0).then(pl.col("unobserved_seconds") / held)


def describe_fleet(inventory: pl.DataFrame, classifier: Classifier) -> pl.DataFrame:
    """What is known of every accelerator of the fleet, schema ACCELERATORS; one row a name, sorted by it."""
    there = inventory.group_by("accelerator").agg(
        node_count=pl.col("node").n_unique().cast(pl.Float64),
        nodes=pl.col("node").unique().sort(),
        gpu_hours=total("gpu_seconds") / 3600,
        first_seen=pl.col("first_seen").min(),
        last_seen=pl.col("last_seen").max(),
    )
    named = _named(inventory["accelerator"].unique(), classifier.names)
    rows = (
        there.join(named, on="accelerator")
        .join(describe_accelerators(inventory, classifier), on="accelerator")
        .rename({"hardware_law_at": "law_at"})
        .with_columns(
            named_hardware=pl.col("highest_paragraph").map_elements(named_hardware, return_dtype=pl.String),
            subject_kind=pl.lit(SubjectKind.ACCELERATOR.value),
            subject_id="accelerator",
        )
    )
    return conform(rows.select(ACCELERATORS.names()).sort("accelerator"), ACCELERATORS, "accelerators")


def _named(accelerators: pl.Series, names: ProductNames) -> pl.DataFrame:
    """What the names of accelerators tell: device, vendor, and whether the vendor is known."""
    rows = []
    for name in accelerators:
        found = names.identify(name)
        device = found.device.device if isinstance(found, Named) else None
        known = Answer.NO if found.vendor is None else Answer.YES
        rows.append((name, device, found.vendor.id if found.vendor else None, known))
    columns = ("accelerator", "device", "vendor", "vendor_known")
    return pl.DataFrame(rows, schema={name: ACCELERATORS[name] for name in columns}, orient="row")
