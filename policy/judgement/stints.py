"""
A stint is one day of a run. Runs are judged stint by stint, and the most serious stint is the run's verdict.

One verdict over a whole run would be an average over everything that ever ran under its name: five days of training
and fifteen idle ones after them would read as idle. So a day that may have been training stays one, whatever the other
days were. Within a day an average remains: a run that trains for a few hours and idles for the rest is judged by both.
"""

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.frames import conform, schema
from policy.judgement.runs import RUNS, added_up, identified
from policy.judgement.serious import rank
from policy.judgement.verdict import VERDICTS, Verdict, judge_training

STINTS = schema({**RUNS, "day": pl.Date})
STINT_VERDICTS = schema({**VERDICTS, "day": pl.Date})  # day: the one that was judged
KEY = ("run_id", "day")
SERIOUSNESS = (Verdict.TRAINING, Verdict.UNDETERMINED, Verdict.NOT_TRAINING)


def find_stints(estimates: pl.DataFrame) -> pl.DataFrame:
    """One row for each run and day (UTC, on which a window begins), schema STINTS, sorted by both."""
    windows = identified(estimates).with_columns(day=pl.col("window_start").dt.date())
    return conform(added_up(windows, KEY).select(STINTS.names()).sort(KEY), STINTS, "stints")


def judge_stints(stints: pl.DataFrame, signals: TrainingSignals) -> pl.DataFrame:
    """The verdict on every stint, schema STINT_VERDICTS; as many rows as stints, in their order."""
    return conform(judge_training(stints, signals).with_columns(stints["day"]), STINT_VERDICTS, "verdicts on stints")


def most_serious_day(stints: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """
    The verdict on every run, schema STINT_VERDICTS: that of its most serious day, and of those the one of most compute.

    A day whose compute is not known counts as the one of most.
    """
    compute, serious = pl.col("high_flop").fill_null(float("inf")), rank("verdict", SERIOUSNESS)
    rows = verdicts.join(stints.select(*KEY, "high_flop"), on=KEY).sort("run_id", serious, -compute, "day")
    first = rows.unique(subset="run_id", keep="first", maintain_order=True)
    return conform(first.select(STINT_VERDICTS.names()), STINT_VERDICTS, "verdicts on runs")
