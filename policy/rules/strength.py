"""
How far what is known carries a rule, as one expression: crossed, may have crossed, present, not evaluable, or nothing.
"""

import polars as pl

from policy.facts.facts import Facts
from policy.judgement.totals import TOTAL_DIGITS
from policy.rules.finding import Strength
from policy.rules.pack import Reaches, Rule, Unestimated


def strength_of(rule: Rule, facts: Facts) -> pl.Expr:
    """How far what is known carries the rule, as text; null where the rule does not speak about the subject."""
    return _present(rule) if rule.reaches is None else _reaching(rule, rule.reaches, facts)


def _present(rule: Rule) -> pl.Expr:
    applies = rule.when.expression()
    return (
        pl.when(applies.is_null() & (rule.when_unknown == "finding"))
        .then(pl.lit(Strength.NOT_EVALUABLE.value))
        .when(applies)
        .then(pl.lit(Strength.PRESENT.value))
    )


def _reaching(rule: Rule, reaches: Reaches, facts: Facts) -> pl.Expr:
    applies, scope, tier_flop = rule.when.expression(), scope_of(reaches), facts.tiers.flop(reaches.tier)
    low, high, tier = map(_rounded_sum, (pl.col(f"{scope}_low_flop"), pl.col(f"{scope}_high_flop"), pl.lit(tier_flop)))
    low_reaches = (low >= tier) & ~_alone("low", reaches, tier)
    high_reaches = (high >= tier) & ~_alone("high", reaches, tier)
    unestimated = high.is_null() & _is_asked(reaches, tier_flop, facts)
    could_reach = unestimated | high_reaches | low_reaches
    unknown = applies.is_null() & could_reach & (rule.when_unknown == "finding")
    return (
        pl.when(unknown)
        .then(pl.lit(Strength.NOT_EVALUABLE.value))
        .when(applies & low_reaches)
        .then(pl.lit(Strength.CROSSED.value))
        .when(applies & unestimated)
        .then(pl.lit(Strength.NOT_EVALUABLE.value))
        .when(applies & high_reaches)
        .then(pl.lit(Strength.MAY_HAVE_CROSSED.value))
    )


def _is_asked(reaches: Reaches, tier_flop: float, facts: Facts) -> pl.Expr:
    """Whether a sum that is not known is asked about: always, or where its device-hours could reach the tier."""
    hours = pl.col(f"{scope_of(reaches)}_device_hours")
    could = (hours * facts.most_flop_per_device_hour >= tier_flop).fill_null(value=True)
    return could | pl.lit(reaches.unestimated != Unestimated.IF_LARGE)


def _rounded_sum(flop: pl.Expr) -> pl.Expr:
    return flop.round_sig_figs(TOTAL_DIGITS)


def _alone(bound: str, reaches: Reaches, tier: pl.Expr) -> pl.Expr:
    """Whether one effort of the group reaches the tier by itself, where the rule asks that; not known is no."""
    largest = _rounded_sum(pl.col(f"group_largest_{bound}_flop"))
    return ((largest >= tier) & reaches.not_alone).fill_null(value=False)


def scope_of(reaches: Reaches) -> str:
    """Whose sum is compared: ``run``, ``tenant`` or ``group``, as the columns of subjects begin."""
    return reaches.measure.removesuffix("_flop")
