"""
A stint is one day of a run. Runs are judged stint by stint, and the most serious stint is the run's verdict.

One verdict over a whole run would be an average over everything that ever ran under its name: five days of training
and fifteen idle ones after them would read as idle. So a day that may have been training stays one, whatever the other
days were. Within a day an average remains: a run that trains for a few hours and idles for the rest is judged by both.

What a scheduler knows is of the whole run, and every stint of it has it: for how long it has lasted, and in how many
pieces. It has lasted from its first to its last moment of every day on which it was there: an hour on each Sunday of a
year is not a year.
"""

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.frames import conform, schema
from policy.judgement import measures
from policy.judgement.runs import RUNS, added_up
from policy.judgement.serious import rank
from policy.judgement.verdict import VERDICTS, Verdict, judge_training

STINTS = schema({**RUNS, "day": pl.Date})
STINT_VERDICTS = schema({**VERDICTS, "day": pl.Date})  # day: the one that was judged
KEY = ("run_id", "day")
SERIOUSNESS = (Verdict.TRAINING, Verdict.UNDETERMINED, Verdict.NOT_TRAINING)


def find_stints(days: pl.DataFrame) -> pl.DataFrame:
    """One row for each run and day (UTC), schema STINTS, sorted by both. ``days``: as for runs."""
    return conform(added_up(days, KEY).select(STINTS.names()).sort(KEY), STINTS, "stints")


def judge_stints(stints: pl.DataFrame, runs: pl.DataFrame, signals: TrainingSignals) -> pl.DataFrame:
    """The verdict on every stint, schema STINT_VERDICTS; as many rows as stints, in their order."""
    lasted = stints.group_by("run_id").agg(run_seconds=lasted_seconds.sum())
    whole = runs.select("run_id", run_pieces="piece_count", whole_seconds=lasted_seconds).join(lasted, on="run_id")
    whole = whole.with_columns(run_seconds=pl.min_horizontal("run_seconds", "whole_seconds"))  # days may overlap
    rows = stints.join(whole, on="run_id", how="left", maintain_order="left")
    rows = rows.with_columns(alike_runs=_alike_runs(signals))
    verdicts = judge_training(rows, signals).with_columns(stints["day"])
    return conform(verdicts, STINT_VERDICTS, "verdicts on stints")


lasted_seconds = (pl.col("last_seen") - pl.col("first_seen")).dt.total_microseconds() / 1e6


def _alike_runs(signals: TrainingSignals) -> pl.Expr:
    """How many busy runs of the same tenant, day, models and size there are, itself among them; unclaimed: one."""
    alike = ("tenant_id", "day", pl.col("accelerators").list.join(" + "), pl.col("peak_devices").round(0))
    is_busy = (measures.duty_ratio >= signals.duty_busy_ratio.value).fill_null(value=False)
    return pl.when(pl.col("tenant_id").is_null()).then(1.0).otherwise(is_busy.sum().over(alike).cast(pl.Float64))


def most_serious_day(stints: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """
    The verdict on every run, schema STINT_VERDICTS: that of its most serious day, and of those the one of most compute.

    A day whose compute is not known counts as the one of most. The patterns are those of all its days.
    """
    compute, serious = pl.col("high_flop").fill_null(float("inf")), rank("verdict", SERIOUSNESS)
    rows = verdicts.join(stints.select(*KEY, "high_flop"), on=KEY).sort("run_id", serious, -compute, "day")
    first = rows.unique(subset="run_id", keep="first", maintain_order=True).drop("patterns")
    first = first.join(_patterns_of_all_days(verdicts), on="run_id", how="left", maintain_order="left")
    return conform(first.select(STINT_VERDICTS.names()), STINT_VERDICTS, "verdicts on runs")


def _patterns_of_all_days(verdicts: pl.DataFrame) -> pl.DataFrame:
    """By run, each pattern once, as on the day of its greatest value."""
    name, value = (pl.col("patterns").struct.field(each) for each in ("pattern", "value"))
    told = verdicts.select("run_id", "day", "patterns").explode("patterns").drop_nulls("patterns")
    strongest = told.with_columns(name=name, value=value).sort("run_id", "name", -pl.col("value").fill_null(0.0), "day")
    once = strongest.unique(("run_id", "name"), keep="first", maintain_order=True)
    lists = once.group_by("run_id", maintain_order=True).agg("patterns")
    every = verdicts.select("run_id").unique().join(lists, on="run_id", how="left")
    return every.with_columns(pl.col("patterns").fill_null(pl.lit([], dtype=VERDICTS["patterns"])))
