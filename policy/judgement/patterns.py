"""
Patterns that do not fit an ordinary or a declared use, each with its innocent explanations.

A pattern is no verdict and carries no weight: it is something to ask about, told with its figure. What hides training
looks like this, and so do a provider's own power cap, a parameter sweep, a burn-in test or a network that was down.

``duty_cycling``            the day of a pod goes back and forth between busy and idle hours.
``power_capped``            busy throughout at an even draw far below the board's.
``fragmented``              many small jobs of one shape, busy at the same time.
``bursts_in_step``          load in bursts, as serving has it, in which all devices move as one.
``steady_service``          a service that never waits for a request.
``gaps_under_load``         telemetry is missing while there is load, and there while there is none.
``energy_misfit``           energy that does not fit what the activity says.
``power_burner``            full power throughout, even, without a pause: a program made to draw power.
``waiting_while_busy``      busy throughout and drawing little: a checkpoint in every step does that.

Left out: patterns over several tenants, which stitches are for, and over weeks.
"""

from collections.abc import Iterator

import polars as pl

from policy.facts.training_signals import TrainingSignals
from policy.judgement import measures as of
from policy.judgement.evidence import is_memory_bound
from policy.judgement.sign import percent, whole

PATTERNS = pl.Struct(
    {
        "pattern": pl.String,
        "value": pl.Float64,  # in the unit that the sentence names
        "sentence": pl.String,
        "innocent": pl.String,  # what else would look so
    }
)
INNOCENT = {
    "duty_cycling": "work by shifts or by cheap hours, a scheduler that takes turns, evaluation between training steps",
    "power_capped": "a power cap that the provider itself has set, work that is limited by memory",
    "fragmented": "a sweep over parameters, many users of one account, a batch of evaluations",
    "bursts_in_step": "a model served over several devices, evaluation at intervals, batches that arrive at intervals",
    "steady_service": "more requests than the devices can answer, a queue of batch inference",
    "gaps_under_load": "a collector or a network that suffers under load, a driver that answers late when busy",
    "energy_misfit": "a sensor that errs, an accelerator under another name, a driver without activity counters",
    "power_burner": "a burn-in or acceptance test, mining, a benchmark",
    "waiting_while_busy": "checkpoints in every step, slow storage or input, communication that spins",
}
"""What else would look so, by pattern."""


def patterns(by: TrainingSignals) -> Iterator[pl.Expr]:
    """Every pattern: a struct where it is there, null where it is not or cannot be known."""
    for name, (applies, value, sentence) in _told(by).items():
        found = pl.struct(
            pattern=pl.lit(name),
            value=value.cast(pl.Float64),
            sentence=sentence,
            innocent=pl.lit(INNOCENT[name]),
        )
        yield pl.when(applies.fill_null(value=False)).then(found)


def _told(by: TrainingSignals) -> dict[str, tuple[pl.Expr, pl.Expr, pl.Expr]]:
    return {
        "duty_cycling": _duty_cycling(by),
        "power_capped": _power_capped(by),
        "fragmented": _fragmented(by),
        "bursts_in_step": _bursts_in_step(by),
        "steady_service": _steady_service(by),
        "gaps_under_load": _gaps_under_load(by),
        "energy_misfit": _energy_misfit(by),
        "power_burner": _power_burner(by),
        "waiting_while_busy": _waiting_while_busy(by),
    }


def _has_shape(by: TrainingSignals) -> pl.Expr:
    return pl.col("known_windows") >= by.p_least_windows.value


def _duty_cycling(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    least = by.p_taken_ratio.value * pl.col("known_windows")
    both = (pl.col("busy_windows") >= least) & (pl.col("idle_windows") >= least)
    turns = pl.col("turns")
    applies = _has_shape(by) & both & (turns >= by.p_turns.value)
    return applies, turns, pl.format("a pod turns {} times between busy and idle hours in a day", whole(turns))


def _power_capped(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    low, high = by.p_cap_low.value, by.p_cap_high.value
    used = (of.tensor_ratio >= by.tensor_busy_ratio.value) | (of.sm_ratio >= by.p_cap_sm.value)
    works = (of.busy_ratio >= by.throughout_ratio.value) & used
    applies = works & (of.swing_ratio <= by.p_even.value) & of.power_ratio.is_between(low, high)
    sentence = pl.format("busy throughout at an even {} % of the boards' power", percent(of.power_ratio))
    return applies, of.power_ratio, sentence


def _fragmented(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """``alike_runs``: busy runs of the same tenant, day, models and number of devices, itself among them."""
    alike = pl.col("alike_runs")
    small = pl.col("peak_devices") <= by.p_small_devices.value
    applies = small & (alike >= by.p_many.value) & (of.duty_ratio >= by.duty_busy_ratio.value)
    sentence = pl.format(
        "one of {} busy jobs of {} devices each on this day", whole(alike), whole(pl.col("peak_devices"))
    )
    return applies, alike, sentence


def _bursts_in_step(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    partly = of.duty_ratio.is_between(by.p_burst_ratio.value, by.duty_busy_ratio.value)
    told = of.correlations >= by.min_rhythm_windows.value
    multiplies = (of.tensor_of_busy_ratio >= by.tensor_busy_ratio.value) & ~is_memory_bound(by)
    draws = of.tensor_ratio.is_null() & (of.power_ratio >= by.p_cap_low.value)
    gang = pl.col("peak_devices") >= by.p_least_devices.value
    applies = gang & partly & told & (of.synchrony >= by.synchrony_high_ratio.value) & (multiplies | draws)
    sentence = pl.format(
        "busy for {} % of the time in bursts, in which its devices move together by {} %",
        percent(of.duty_ratio),
        percent(of.synchrony),
    )
    return applies, of.duty_ratio, sentence


def _steady_service(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    service = pl.col("workload_kind").is_in(by.service_kinds.kinds)
    most = by.p_never_waits.value * pl.col("known_windows")
    never_waits = (pl.col("busy_windows") >= most) & (pl.col("idle_windows") == 0)
    applies = service & _has_shape(by) & never_waits & (of.duty_ratio >= by.throughout_ratio.value)
    sentence = pl.format("a service that is busy for {} % of the time and never idle", percent(of.duty_ratio))
    return applies, of.duty_ratio, sentence


def _gaps_under_load(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    times = by.p_blind_times.value * of.blind_calm_ratio.fill_null(0.0)
    applies = (of.blind_loaded_ratio >= by.p_blind_ratio.value) & (of.blind_loaded_ratio > times)
    sentence = pl.format(
        "{} % of the time under load was seen by nobody, and {} % of the calm time",
        percent(of.blind_loaded_ratio),
        percent(of.blind_calm_ratio),
    )
    return applies, of.blind_loaded_ratio, sentence


def _energy_misfit(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    draws_idle = (of.busy_ratio <= by.p_misfit_busy.value) & (of.power_ratio >= by.p_misfit_power.value)
    applies = (pl.col("misfit_seconds") > 0) | draws_idle
    sentence = pl.format(
        "busy for {} % of the time, at {} % of the boards' power", percent(of.busy_ratio), percent(of.power_ratio)
    )
    return applies, of.power_ratio, sentence


def _power_burner(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    pauseless = (of.busy_ratio >= by.p_full_busy.value) & (of.swing_ratio <= by.p_full_even.value)
    applies = (of.power_ratio >= by.p_full.value) & pauseless
    sentence = pl.format("an even {} % of the boards' power without a pause", percent(of.power_ratio))
    return applies, of.power_ratio, sentence


def _waiting_while_busy(by: TrainingSignals) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    applies = (of.busy_ratio >= by.duty_busy_ratio.value) & (of.power_ratio <= by.p_waiting.value)
    sentence = pl.format(
        "busy for {} % of the time, at {} % of the boards' power", percent(of.busy_ratio), percent(of.power_ratio)
    )
    return applies, of.power_ratio, sentence
