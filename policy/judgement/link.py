"""
Whose run is it, and what does the file say about that party, by the law of the run's days.

A run is held against every era that it touches: a time in which neither the law nor what is true of the tenant changes.
Of each question the most serious answer counts: a country that left the list during a run does not clear the run's
beginning. The day that is named is the first day of the run, its last, or the one on which that era began. A run that
ends at midnight has had no part in the day that begins then.

What is known now is held against what was known when the run ended. Where an answer has become more serious since, or
a yes has been taken back, the run says so (``changed``), with both answers.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

import polars as pl

from policy.facts.evidence import Answer
from policy.frames import conform, schema
from policy.judgement.serious import rank
from policy.kyc.dossier import QUESTIONS
from policy.kyc.dossiers import Dossiers, Span
from policy.kyc.flags.raised import Demand, Raised
from policy.kyc.link import NOT_ON_FILE, LinkState
from policy.kyc.owners.listing import ListState
from policy.kyc.registers.mapping import LinkBasis
from policy.kyc.span import ANSWERS


class Changed(StrEnum):
    """
    What became of the answers since the run ended.

    ``worse``: one is more serious now. ``taken_back``: one was yes and is so no more. ``no``: neither.
    """

    WORSE = "worse"
    TAKEN_BACK = "taken_back"
    NO = "no"


FLAGS = schema(
    {
        "flags": pl.List(pl.String),  # red flags that the file raises, by id
        "flag_count": pl.Float64,
        "flag_reason": pl.String,
        "flag_sources": pl.List(pl.String),
    }
)
RUN_LINKS = schema(
    {
        "run_id": pl.String,
        "tenant_id": pl.String,  # null: nobody was named, or several were
        "law_at": pl.Date,  # the day whose law decided about headquarters
        "list_law_at": pl.Date,  # the same about lists and owners
        **{name: dtype for name, dtype in ANSWERS.items() if name not in ("hq_era", "list_era")},
        **FLAGS,
        "link_state": pl.String,
        "link_reason": pl.String,  # why this tenant, for a reviewer; holds no name
        "changed": pl.String,
        "changed_reason": pl.String,  # known then and known now; null: nothing changed
        "differing": pl.String,  # the answers that changed, then and now, without the day; null: nothing changed
    }
)
BASES = schema({"run_id": pl.String, "link_basis": pl.String, "link_note": pl.String})
last_moment = pl.max_horizontal("first_seen", pl.col("last_seen") - pl.duration(microseconds=1))

HELD_AGAINST: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hq_in_scope": ("headquarters in scope", (Answer.YES, Answer.UNKNOWN)),
    "restricted": ("restricted at any use", (Answer.YES, Answer.UNKNOWN)),
    "listed": ("on a list", (ListState.YES, ListState.POSSIBLE)),
    "owner_listed": ("listed owners of a half or more", (Answer.YES, Answer.UNKNOWN)),
    "owner_listed_rule_on": ("the same if the Affiliates Rule were on", (Answer.YES,)),
    "owner_listed_below": ("a listed owner who does not count", (Answer.YES,)),
    "controlled_by_listed": ("controlled by a listed party", (Answer.YES,)),
    "end_use_wmd": ("end use a weapon of mass destruction", (Answer.YES,)),
    "end_use_military_intelligence": ("end use or end user military intelligence", (Answer.YES,)),
}
"""The answers of which known then is held against known now: their words, and which are worse than any after them."""
IN_FILE = {
    LinkState.LINKED: "the know-your-customer file has that tenant",
    LinkState.UNKNOWN_TENANT: "the know-your-customer file does not have that tenant",
}
PARTS = ("tenant_id", "first_era", "last_era", "knowledge")
"""What a span is made of; null where nobody was named."""
SPANS = schema(
    {
        "tenant_id": pl.String,
        "first_era": pl.Date,
        "last_era": pl.Date,
        "knowledge": pl.Date,  # when what was known when the run ended had last changed
        "on_file": pl.Boolean,
        **ANSWERS,
        "changed": pl.String,
        "differing": pl.String,  # what was answered then and is answered now; null where nothing changed
    }
)


def bases_of(linked: pl.DataFrame) -> pl.DataFrame:
    """How each run came to its tenant, schema BASES; ``linked``: pod-days with ``run_id`` and how they were linked."""
    serious = rank("link_basis", tuple(LinkBasis))
    ways = linked.select(BASES.names()).unique()
    first = ways.sort("run_id", serious, "link_note").unique("run_id", keep="first", maintain_order=True)
    return conform(first.select(BASES.names()), BASES, "bases of links")


def link_runs(runs: pl.DataFrame, bases: pl.DataFrame, dossiers: Dossiers) -> pl.DataFrame:
    """One row for each run, schema RUN_LINKS. ``bases``: how each run came to its tenant, by ``run_id``."""
    lasted = runs.select("run_id", "tenant_id", first=pl.col("first_seen").dt.date(), last=last_moment.dt.date())
    dossiers.look_up(lasted["tenant_id"].drop_nulls().unique())
    timed = _timed(lasted, dossiers)
    rows = (
        timed.join(_spans(timed, dossiers), on=PARTS, how="left", nulls_equal=True)
        .join(_flags(lasted, runs, dossiers), on="tenant_id", how="left")
        .join(bases, on="run_id", how="left")
        .with_columns(
            law_at=_day_of("hq_era"),
            list_law_at=_day_of("list_era"),
            link_state=_state(),
            group_id=pl.coalesce("group_id", "tenant_id"),
            flags=pl.coalesce("flags", pl.lit([], dtype=pl.List(pl.String))),
            flag_sources=pl.coalesce("flag_sources", pl.lit([], dtype=pl.List(pl.String))),
            flag_count=pl.col("flag_count").fill_null(0.0),
            changed_reason=pl.format("known on {}, when the run ended, and known now: {}", "last", "differing"),
        )
        .with_columns(link_reason=_reason())
    )
    return conform(rows.select(RUN_LINKS.names()).sort("run_id"), RUN_LINKS, "links of runs")


def _timed(lasted: pl.DataFrame, dossiers: Dossiers) -> pl.DataFrame:
    """The runs with the eras that they begin and end in, and with what was known when they ended."""
    distinct = lasted.select("tenant_id", "first", "last").drop_nulls("tenant_id").unique()
    rows = []
    for tenant_id, first, last in distinct.iter_rows():
        times = dossiers.times(tenant_id)
        rows.append((tenant_id, first, last, times.era(first), times.era(last), times.knowledge(last)))
    columns = {"tenant_id": pl.String, **dict.fromkeys(("first", "last", *PARTS[1:]), pl.Date)}
    eras = pl.DataFrame(rows, schema=columns, orient="row")
    return lasted.join(eras, on=("tenant_id", "first", "last"), how="left", nulls_equal=True)


def _spans(timed: pl.DataFrame, dossiers: Dossiers) -> pl.DataFrame:
    """What is answered over each span, as known now and held against what was known then, schema SPANS."""
    parts = list(timed.select(PARTS).unique().sort(PARTS).iter_rows())
    now: dict[tuple[str, date, date], Span] = {
        (tenant, first, last): (tenant, first, last, dossiers.times(tenant).knowledge(None))
        for tenant, first, last, _ in parts
        if tenant is not None
    }
    answers = dossiers.answers([*now.values(), *(part for part in parts if part[0] is not None)])
    rows = [dict(zip(PARTS, part, strict=True)) | _row(part, now, answers) for part in parts]
    return pl.DataFrame(rows, schema=SPANS)


def _row(
    part: Span, now: Mapping[tuple[str, date, date], Span], answers: Mapping[Span, Mapping[str, object] | None]
) -> dict[str, object]:
    if part[0] is None:
        return {**NOT_ON_FILE, "on_file": False, "changed": Changed.NO.value, "differing": None}
    known = answers[now[part[:3]]]
    today, then = known or NOT_ON_FILE, answers[part] or NOT_ON_FILE
    changed, differing = _changed(then, today)
    return {**today, "on_file": known is not None, "changed": changed.value, "differing": differing}


def _changed(then: Mapping[str, object], now: Mapping[str, object]) -> tuple[Changed, str | None]:
    """What became of the answers, and those that differ, in words; None: nothing became of them."""
    differ = [name for name in HELD_AGAINST if then[name] != now[name]]
    words = ", ".join(f"{HELD_AGAINST[name][0]} {then[name]} then, {now[name]} now" for name in differ)
    if any(_is_worse(name, str(then[name]), str(now[name])) for name in differ):
        return Changed.WORSE, words
    if any(then[name] == Answer.YES.value for name in differ):
        return Changed.TAKEN_BACK, words
    return Changed.NO, None


def _is_worse(name: str, then: str, now: str) -> bool:
    ranks = [str(each) for each in QUESTIONS[name]]
    return ranks.index(now) < ranks.index(then) and now in HELD_AGAINST[name][1]


def _flags(lasted: pl.DataFrame, runs: pl.DataFrame, dossiers: Dossiers) -> pl.DataFrame:
    """The red flags of each tenant on the last day of its runs, as known now: tenant_id and the columns of FLAGS."""
    demands = demands_of(runs)
    days = lasted.drop_nulls("tenant_id").group_by("tenant_id").agg(pl.col("last").max())
    asked = [(tenant, day, demands[tenant]) for tenant, day in days.iter_rows()]
    rows = []
    for (tenant, day, _), flags in dossiers.flags_of(asked).items():
        raised = [each for each in flags if each.state is Raised.YES]
        lines = list(dict.fromkeys(line for each in raised for line in each.sources))
        reason = "; ".join(f"{each.reason}" for each in raised)
        rows.append(
            (tenant, [each.id for each in raised], float(len(raised)), f"on {day.isoformat()}: {reason}", lines)
        )
    return pl.DataFrame(rows, schema={"tenant_id": pl.String, **FLAGS}, orient="row")


def demands_of(runs: pl.DataFrame) -> Mapping[str, Demand]:
    """
    What each tenant used. The hours are told in two digits: flags ask whether they are many.

    The first use is left open: what is seen first was not used first where the look-back begins later.
    """
    hours = (pl.col("held_seconds") + pl.col("shared_seconds")).sum() / 3600
    used = (
        runs.drop_nulls("tenant_id")
        .group_by("tenant_id")
        .agg(peak_devices=pl.col("peak_devices").max(), device_hours=hours.round_sig_figs(2))
    )
    return {tenant: Demand(peak_devices=peak, device_hours=hours) for tenant, peak, hours in used.iter_rows()}


def _day_of(era: str) -> pl.Expr:
    """The run's last day where that is in the era, else its first, else the day on which the era began."""
    return (
        pl.when(pl.col("tenant_id").is_null() | (pl.col(era) == pl.col("last_era")) | ~pl.col("on_file"))
        .then("last")
        .when(pl.col(era) == pl.col("first_era"))
        .then("first")
        .otherwise(era)
    )


def _state() -> pl.Expr:
    ambiguous = pl.col("link_basis") == LinkBasis.AMBIGUOUS.value
    return (
        pl.when(ambiguous)
        .then(pl.lit(LinkState.AMBIGUOUS.value))
        .when(pl.col("tenant_id").is_null())
        .then(pl.lit(LinkState.UNLINKED.value))
        .when("on_file")
        .then(pl.lit(LinkState.LINKED.value))
        .otherwise(pl.lit(LinkState.UNKNOWN_TENANT.value))
    )


def _reason() -> pl.Expr:
    in_file = pl.col("link_state").replace_strict(
        {state.value: words for state, words in IN_FILE.items()}, default=None, return_dtype=pl.String
    )
    return pl.when(in_file.is_null()).then("link_note").otherwise(pl.format("{}; {}", "link_note", in_file))
