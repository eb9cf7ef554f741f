"""
What export control says about the hardware of a run, or about an accelerator of the fleet, over the days it was seen.

The law is taken at the first and at the last day, and on every day between on which an answer may have changed. Of all
accelerators and days the most serious answer counts, for each question by itself. What is known to be so comes first,
then what is not known, then what is known not to be so: not knowing is never better than a known no, and it hides no
known yes. A device that nobody names is not known.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum

import polars as pl

from policy.facts.classification import Classification, Classifier
from policy.facts.control import UNCLASSIFIED
from policy.facts.eccn import NONE, UNDETERMINED
from policy.facts.evidence import Answer
from policy.facts.presumed import Presumed
from policy.frames import DataType, conform, schema
from policy.judgement.link import last_moment
from policy.judgement.serious import most_serious


class Paragraph(StrEnum):
    """
    Which part of ECCN 3A090 the numbers meet, the most serious first.

    ``undivided``: the entry as it stood until it was divided, whose devices meet .a today. ``other``: what a scenario
    or an overlay calls by a label of its own.
    ``unclassified``: the name is not in the catalogue. ``undetermined``: figures that decide are not known.
    """

    A = "3A090.a"
    UNDIVIDED = "3A090"
    B = "3A090.b"
    OTHER = "other"
    UNCLASSIFIED = UNCLASSIFIED
    UNDETERMINED = UNDETERMINED
    NONE = NONE


ANSWERS = {
    "controlled_by_letter": (Answer.YES, Answer.UNKNOWN, Answer.NO),
    "highest_paragraph": tuple(Paragraph),
    "presumed": tuple(Presumed),
}
"""The questions about an accelerator, each with its answers, the most serious first."""

CLASSIFIED = schema(
    {
        "accelerator": pl.String,
        "law_at": pl.Date,
        **dict.fromkeys(ANSWERS, pl.String),
        "sentence": pl.String,  # for a reviewer
        "sources": pl.List(pl.String),  # what it rests on, in one line each
    }
)
OF_RUNS = ("controlled_by_letter", "highest_paragraph")
"""The questions that are asked of runs; a presumption is about the device, whoever uses it."""
REASONS: dict[str, DataType] = {
    "hardware_reason": pl.String,  # a sentence for each accelerator that decides
    "hardware_sources": pl.List(pl.String),  # what the sentences rest on
}
RUN_HARDWARE = schema({"run_id": pl.String, **dict.fromkeys(OF_RUNS, pl.String), **REASONS})
ACCELERATOR_HARDWARE = schema(
    {
        "accelerator": pl.String,
        **dict.fromkeys(ANSWERS, pl.String),
        "hardware_law_at": pl.Date,  # the last of the days whose law decided
        **REASONS,
    }
)

NOT_NAMED = "One accelerator or more is not named, so what controls it is not known."


def describe_hardware(runs: pl.DataFrame, classifier: Classifier) -> pl.DataFrame:
    """What controls the accelerators of each run, schema RUN_HARDWARE; as many rows as runs, sorted by run_id."""
    unnamed = pl.col("unnamed_accelerator").fill_null(value=False) | (pl.col("accelerators").list.len() == 0)
    used = runs.select("run_id", "accelerators", unnamed=unnamed, first="first_seen", last=last_moment)
    named = used.explode("accelerators").drop_nulls("accelerators")
    without_name = used.filter("unnamed").with_columns(accelerators=pl.lit(None, pl.String))
    seen = pl.concat([named, without_name]).rename({"accelerators": "accelerator"}).drop("unnamed")
    found = _most_serious("run_id", seen, classifier, OF_RUNS)
    return conform(found.select(RUN_HARDWARE.names()), RUN_HARDWARE, "hardware of runs")


def describe_accelerators(inventory: pl.DataFrame, classifier: Classifier) -> pl.DataFrame:
    """What controls each accelerator of an inventory, schema ACCELERATOR_HARDWARE; one row a name, sorted."""
    seen = inventory.group_by("accelerator").agg(first=pl.col("first_seen").min(), last=last_moment.max())
    found = _most_serious("name", seen.with_columns(name="accelerator"), classifier, tuple(ANSWERS))
    found = found.rename({"name": "accelerator"})
    return conform(found.select(ACCELERATOR_HARDWARE.names()), ACCELERATOR_HARDWARE, "accelerators")


def _most_serious(key: str, seen: pl.DataFrame, classifier: Classifier, questions: Sequence[str]) -> pl.DataFrame:
    """
    The most serious answers of each key over its accelerators and days, with the sentences that decide.

    ``seen``: the key, ``accelerator`` (null: not named), and the moments ``first`` and ``last``.
    """
    changes = classifier.changes
    days = _law_days(key, seen, changes)
    answers = _classified(days.select("accelerator", "law_at").unique().iter_rows(), classifier, changes)
    rows = days.join(answers, on=("accelerator", "law_at"), how="left", nulls_equal=True)
    ranked = rows.with_columns(most_serious(name, ANSWERS[name], over=key).alias(f"{name}_found") for name in questions)
    deciding = [_last_of(key, ranked.filter(pl.col(name) == pl.col(f"{name}_found"))) for name in questions]
    decided = pl.concat(deciding).unique(subset=(key, "accelerator", "law_at")).sort(key, "accelerator", "law_at")
    return decided.group_by(key, maintain_order=True).agg(
        *(pl.col(f"{name}_found").first().alias(name) for name in questions),
        hardware_law_at=pl.col("law_at").max(),
        hardware_reason=pl.col("sentence").str.join(" "),
        hardware_sources=pl.col("sources").explode().drop_nulls().unique(maintain_order=True),
    )


def _last_of(key: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Of each accelerator of each key the row of the last day: where days agree the last is named."""
    return rows.sort(key, "accelerator", "law_at").unique(subset=(key, "accelerator"), keep="last", maintain_order=True)


def _law_days(key: str, seen: pl.DataFrame, changes: Iterable[date]) -> pl.DataFrame:
    """The days whose law decides: the key, accelerator, law_at."""
    lasted = seen.with_columns(pl.col("first", "last").dt.date())
    changed = pl.DataFrame({"law_at": list(changes)}, schema={"law_at": pl.Date})
    between = lasted.join(changed, how="cross").filter(pl.col("law_at").is_between("first", "last"))
    columns = (key, "accelerator", "law_at")
    ends = [lasted.rename({end: "law_at"}).select(columns) for end in ("first", "last")]
    return pl.concat([*ends, between.select(columns)]).unique()


def _classified(
    asked: Iterable[tuple[str | None, date]], classifier: Classifier, changes: tuple[date, ...]
) -> pl.DataFrame:
    """Every accelerator on every day asked about, schema CLASSIFIED. Between two changes it is classified once."""
    known: dict[tuple[str, int], Classification] = {}
    rows: list[tuple[str | None, date, Answer, Paragraph, Presumed, str, list[str]]] = []
    for name, day in asked:
        if name is None:
            rows.append((None, day, Answer.UNKNOWN, Paragraph.UNCLASSIFIED, Presumed.UNKNOWN, NOT_NAMED, []))
            continue
        time = (name, bisect_right(changes, day))
        if time not in known:
            known[time] = classifier.classify(name, day)
        rows.append((name, day, *_answers(known[time], day)))
    return pl.DataFrame(rows, schema=CLASSIFIED, orient="row")


def _answers(found: Classification, day: date) -> tuple[Answer, Paragraph, Presumed, str, list[str]]:
    return (
        found.letter,
        paragraph_of(found.paragraph),
        found.presumed,
        f"By the law of {day.isoformat()}, {found.reason}.",
        [source.line for source in found.sources],
    )


def paragraph_of(paragraph: str) -> Paragraph:
    """The part of the entry that a paragraph such as ``3A090.a.1`` belongs to."""
    exact = (Paragraph.UNCLASSIFIED, Paragraph.UNDETERMINED, Paragraph.NONE)
    parts = (Paragraph.A, Paragraph.B)
    return next(
        (each for each in (*exact, Paragraph.UNDIVIDED) if paragraph == each),
        next((each for each in parts if f"{paragraph}.".startswith(f"{each}.")), Paragraph.OTHER),
    )
