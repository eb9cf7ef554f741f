"""
The same day, read the usual way: a sum of utilisation and a country column, tenant by tenant, beside flopwatch.

The usual way is what a spreadsheet over an exporter does: utilisation of every GPU that a pod is listed for, times
peak, times the likely share of it; what was not seen counts as nothing; a tenant is looked at when its country is on
the list of D:5 members.
Both columns are computed from the same windows and the same tenants' file.
"""

from datetime import date

import polars as pl

from policy.facts.facts import Facts
from policy.frames import conform, schema
from policy.judge import Judgement
from policy.judgement.totals import known_total, total
from policy.kyc.directory import Directory
from policy.kyc.view import View
from policy.rules.finding import Strength

COMPARISON = schema(
    {
        "tenant_id": pl.String,  # null: workloads that no tenant claims
        "usual_gpu_hours": pl.Float64,
        "usual_flop": pl.Float64,
        "usual_says": pl.String,
        "sole_gpu_hours": pl.Float64,  # held alone and seen
        "shared_gpu_hours": pl.Float64,
        "unseen_gpu_hours": pl.Float64,
        "low_flop": pl.Float64,  # training, for certain by the verdict
        "high_flop": pl.Float64,  # what may have been training; null: not known
        "flopwatch_says": pl.String,
        "because": pl.String,
    }
)
NOTHING = "-"
REVIEW = "review"
SAYS = {
    Strength.NOT_EVALUABLE: "review (not evaluable)",
    Strength.MAY_HAVE_CROSSED: "review (may have)",
    Strength.PRESENT: "review (no amount)",
    Strength.CROSSED: REVIEW,
}
"""The weakest first. Of two that are as serious the one with an amount is shown: amounts are what is compared here."""
PLACES = {strength: place for place, strength in enumerate(SAYS)}
TOLD = ("hq_in_scope", "hq_own", "hq_parent", "hq_behalf", "owner_listed_rule_on", "link_state", "hq_reason")
AGREE = "both agree"
NOTABLE_HOURS = 1.0

only_flopwatch = (pl.col("usual_says") == NOTHING) & (pl.col("flopwatch_says") != NOTHING)
no_amount = pl.col("flopwatch_says") == SAYS[Strength.PRESENT]
only_usual = (pl.col("usual_says") != NOTHING) & (pl.col("flopwatch_says") == NOTHING)


def compare(judgement: Judgement, directory: Directory, facts: Facts, tier_flop: float, law_at: date) -> pl.DataFrame:
    """One row for each tenant, schema COMPARISON, in the order of tenants."""
    usual = _usual(judgement.days, facts).join(
        _countries(directory, law_at), on="tenant_id", how="left", nulls_equal=True
    )
    listed = pl.col("country").is_in(list(facts.jurisdictions.members(law_at))).fill_null(value=False)
    large = pl.col("usual_flop") >= tier_flop
    rows = (
        usual.with_columns(listed=listed, large=large)
        .with_columns(usual_says=pl.when("listed", "large").then(pl.lit(REVIEW)).otherwise(pl.lit(NOTHING)))
        .join(_answers(judgement), on="tenant_id", how="left", nulls_equal=True)
        .with_columns(because=_because())
    )
    return conform(rows.select(COMPARISON.names()).sort("tenant_id", nulls_last=True), COMPARISON, "comparison")


def _usual(estimates: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    peaks = (
        facts.peaks(estimates["accelerator"])
        .filter(pl.col("number_format").is_null())
        .select("accelerator", peak="training_peak_flop_per_second")
    )
    seen = pl.col("observed_seconds") + pl.col("shared_observed_seconds")
    busy = pl.col("busy_seconds") + pl.col("shared_busy_seconds")
    return (
        estimates.join(peaks, on="accelerator", how="left")
        .group_by("tenant_id")
        .agg(
            usual_gpu_hours=seen.sum() / 3600,
            usual_flop=(busy * pl.col("peak")).sum() * facts.estimation.utilisation_likely.value,
        )
    )


def _countries(directory: Directory, law_at: date) -> pl.DataFrame:
    """The column that a table of tenants has: where the customer is headquartered, or else registered."""
    tenants = sorted(directory.tenants)
    view = directory.around(tenants)
    rows = [(tenant, _country(view, tenant, law_at)) for tenant in tenants]
    return pl.DataFrame(rows, schema={"tenant_id": pl.String, "country": pl.String}, orient="row")


def _country(view: View, tenant: str, law_at: date) -> str | None:
    parties = view.values(tenant, "customer", law_at)
    told = (
        view.values(each, name, law_at) for name in ("headquarters_country", "registered_country") for each in parties
    )
    return next((country for countries in told for country in countries), None)


def _answers(judgement: Judgement) -> pl.DataFrame:
    """What flopwatch says, by tenant: its hours, its compute, its findings, and what a reason is made from."""
    says = dict(enumerate(SAYS.values()))
    found = pl.col("subject_id").replace_strict(_strongest(judgement), default=None, return_dtype=pl.Int8)
    named = pl.col("declared_workload").str.replace_all("_", " ")
    contradicted = pl.col("declared_use_contradicted") == "yes"
    return judgement.subjects.group_by("tenant_id").agg(
        sole_gpu_hours=pl.col("observed_seconds").sum() / 3600,
        shared_gpu_hours=pl.col("shared_seconds").sum() / 3600,
        unseen_gpu_hours=pl.col("unobserved_seconds").sum() / 3600,
        low_flop=total("run_low_flop"),
        high_flop=known_total("run_high_flop"),
        flopwatch_says=found.max().replace_strict(says, default=NOTHING, return_dtype=pl.String),
        by_letter=(pl.col("controlled_by_letter") != "no").any(),
        contradicted=named.filter(contradicted).first(),
        **{name: pl.col(name).first() for name in TOLD},
    )


def _strongest(judgement: Judgement) -> dict[str, int]:
    """By subject, the place in SAYS of the strongest finding about it, whichever rule found it."""
    places: dict[str, int] = {}
    for finding in judgement.findings:
        place = PLACES[finding.strength]
        places[finding.subject_id] = max(place, places.get(finding.subject_id, place))
    return places


def _because() -> pl.Expr:
    """Why the two differ, or agree."""
    unseen, shared = pl.col("unseen_gpu_hours"), pl.col("shared_gpu_hours")
    large, listed = pl.col("large"), pl.col("listed")
    return (
        pl.when(only_flopwatch & (pl.col("owner_listed_rule_on") == "yes"))
        .then(pl.lit("listed owners hold a half of it: a country column has no owners, nor a rule that is stayed"))
        .when(shared >= NOTABLE_HOURS)
        .then(pl.format("shared GPU: its {} hours are counted whole for each sharer", shared.round(1)))
        .when(only_flopwatch & no_amount & pl.col("contradicted").is_not_null())
        .then(pl.format("it declares {}, and trains: a country column has no declared use", "contradicted"))
        .when(only_flopwatch & no_amount & pl.col("by_letter"))
        .then(pl.lit("no amount decides: what it uses is controlled by letter, or may be"))
        .when(only_flopwatch & ~large & (unseen >= NOTABLE_HOURS))
        .then(pl.format("{} GPU-hours that nobody saw counted as nothing", unseen.round(1)))
        .when(only_flopwatch & no_amount)
        .then(pl.lit("no amount decides: a country column has no lists, owners, end use or possession"))
        .when(only_flopwatch & (pl.col("link_state") != "linked"))
        .then(pl.lit("no tenant to look up: nobody's row in a table of tenants"))
        .when(only_flopwatch & listed)
        .then(pl.lit("its own sum is below the tier: flopwatch looks at the group, and at the high end"))
        .when(only_flopwatch & (pl.col("hq_in_scope") == "unknown"))
        .then(pl.lit("headquarters not known: a country column is blank there, or shows where it is registered"))
        .when(only_flopwatch & (pl.col("hq_own") == "no") & (pl.col("hq_parent") == "yes"))
        .then(pl.lit("its ultimate parent is in scope: a country column has no parent"))
        .when(only_flopwatch & (pl.col("hq_own") == "no") & (pl.col("hq_behalf") == "yes"))
        .then(
            pl.lit("it acts for somebody in scope: a country column tells where the tenant is, not for whom it works")
        )
        .when(only_flopwatch & (pl.col("hq_own") == "yes"))
        .then(pl.concat_str(pl.lit("not on a list of D:5 members; "), pl.col("hq_reason").str.split(";").list.first()))
        .when(only_usual)
        .then(pl.lit("not training: hours of serving are not hours of training"))
        .otherwise(pl.lit(AGREE))
    )
