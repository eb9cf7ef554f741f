"""What was observed, held against what the tenant had declared on the day."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from support.judgement import FACTS

from policy.judgement.declared import DECLARED_USES, declared_uses
from policy.kyc.directory import Directory
from policy.kyc.dossiers import Dossiers
from policy.kyc.statements import Statement
from policy.usage.window import UTC_TIME

START = datetime(2026, 6, 1, tzinfo=UTC)
CHANGED = (START + timedelta(days=2)).date()
TURNED_TO_SERVING = (("training", None, CHANGED), ("inference", CHANGED, None))
SERIOUSNESS = ("training", "undetermined", "not_training")


def uses_of(*days: str, said: tuple[tuple[str, object, object], ...], tenant: str | None = "t-1") -> tuple[str, str]:
    """The declared word of a run with a verdict a day, and whether it is contradicted; ``said``: word, from, until."""
    statements = [
        Statement(subject="t-1", predicate="declared_workload", value=word, begins=begins, ends=ends)  # type: ignore[arg-type]
        for word, begins, ends in said
    ]
    span = {"first_seen": START, "last_seen": START + timedelta(days=len(days))}  # the last day ends at midnight
    runs = pl.DataFrame(
        [{"run_id": "r-1", "tenant_id": tenant, **span}],
        schema={"run_id": pl.String, "tenant_id": pl.String, "first_seen": UTC_TIME, "last_seen": UTC_TIME},
    )
    stints = pl.DataFrame(
        [("r-1", (START + timedelta(days=number)).date(), verdict) for number, verdict in enumerate(days)],
        schema={"run_id": pl.String, "day": pl.Date, "verdict": pl.String},
        orient="row",
    )
    whole = pl.DataFrame({"run_id": ["r-1"], "verdict": [min(days, key=SERIOUSNESS.index)]})
    uses = declared_uses(runs, whole, stints, Dossiers.of(Directory.of(statements), FACTS))
    assert uses.schema == DECLARED_USES
    ((_, word, contradicted),) = uses.iter_rows()
    return word, contradicted


def test_a_day_is_held_against_the_word_of_that_day() -> None:
    """Who trained while it had declared training contradicts nothing by serving later, as it then declares."""
    days = ("training", "training", "not_training", "not_training")
    assert uses_of(*days, said=TURNED_TO_SERVING) == ("inference", "no")


def test_one_day_is_enough() -> None:
    """Training that goes on when only inference is declared contradicts, however much was declared before."""
    assert uses_of("training", "training", "training", said=TURNED_TO_SERVING) == ("inference", "yes")


def test_a_later_word_does_not_cover_earlier_days() -> None:
    """What is declared from today on says nothing of yesterday, and the word is the one that does not fit."""
    said = (("inference", None, CHANGED), ("training", CHANGED, None))
    assert uses_of("training", "training", "training", said=said) == ("inference", "yes")


def test_a_run_that_ends_at_midnight() -> None:
    """A run's last day is the one that it ended, not the one that begins then."""
    assert uses_of("training", "training", said=TURNED_TO_SERVING) == ("training", "no")


@pytest.mark.parametrize(
    ("days", "said", "answer"),
    [
        (("undetermined",), TURNED_TO_SERVING, ("training", "unknown")),
        (("not_training",), TURNED_TO_SERVING, ("training", "no")),
        (("training",), (), ("none", "unknown")),
        (("training",) * 3, (("training", None, CHANGED),), ("none", "unknown")),
    ],
    ids=["undetermined", "training declared and not done", "nothing declared", "nothing declared on one of the days"],
)
def test_what_is_not_known_contradicts_nothing(
    days: tuple[str, ...], said: tuple[tuple[str, object, object], ...], answer: tuple[str, str]
) -> None:
    """An undetermined run, or one of a day without a word, contradicts nothing and fits nothing."""
    assert uses_of(*days, said=said) == answer


def test_a_run_that_nobody_claims() -> None:
    """Nobody has declared anything of it."""
    assert uses_of("training", said=TURNED_TO_SERVING, tenant=None) == ("none", "unknown")
