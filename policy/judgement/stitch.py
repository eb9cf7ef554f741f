"""
Stitches: two pieces of work that may be one effort, with what speaks for it and how much.

The signs are metadata that an effort carries along when it is started again elsewhere: the lineage of its name, how
many devices of which models it holds, when it goes on, on which nodes, at which pace it steps, and whether two that ran
at the same time paused together. Each weighs (:mod:`policy.facts.stitching`); a stitch is told from the threshold on.

Time has to fit: the later piece goes on when the earlier one has ended, or both paused in step. Of pieces with
different names the kind of workload and how busy it is have to agree as well.

*Within a tenant* pieces are stitched into one run, *across tenants* runs into one effort: in one group at once, between
groups only when a reviewer has confirmed it; until then it is only told, and enters no sum. A stitch that a reviewer
has undone joins nothing, and what is settled of two pieces holds whether that very stitch is told or not.

Each piece is held against the last one before it that could be its predecessor, not against all: a fleet has very many.
Left out: the fabric's own cliques, which no node tells; nodes stand for them. And the pauses of parts of which one
ended long before the other, for a phase lasts no longer than the period is exact.
"""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import polars as pl

from policy.facts.stitching import Stitching
from policy.frames import conform, empty, schema
from policy.judgement.likeness import SIDES, may_be_one, signs
from policy.judgement.lineage import lineage_of
from policy.judgement.settled import NOTHING_SETTLED, Settled, within_tenants
from policy.usage.window import UTC_TIME


class Across(StrEnum):
    """Between whom a stitch lies: pieces of one tenant, of two tenants in one group, or of two groups."""

    SAME_TENANT = "same_tenant"
    SAME_GROUP = "same_group"
    OTHER_GROUP = "other_group"


class StitchWord(StrEnum):
    """What people say to a stitch: the pieces are one effort, or two, or it stands as the engine tells it."""

    CONFIRMED = "confirmed"
    UNDONE = "undone"
    AS_TOLD = "as_told"


Words = Mapping[str, StitchWord]
"""What people said, by stitch_id; of others they have said nothing."""
NO_WORDS: Words = MappingProxyType({})
STITCHES = schema(
    {
        "stitch_id": pl.String,  # "stitch-" and 16 hex digits: a digest of both pieces, in whichever order
        "earlier_piece": pl.String,
        "later_piece": pl.String,
        "earlier_tenant_id": pl.String,
        "later_tenant_id": pl.String,
        "across": pl.String,  # a word of Across
        "strength": pl.Float64,  # how much speaks for it: a score without unit
        "reasons": pl.List(pl.String),
        "earlier_seen": UTC_TIME,  # the last moment of the earlier piece
        "later_seen": UTC_TIME,  # the first moment of the later piece
    }
)
RUN_OF_PIECE = schema({"piece_id": pl.String, "run_id": pl.String})
IDS = ("earlier_id", "later_id")

mean_period = pl.col("period_sum") / pl.col("beat_windows")
period_deviation = (pl.col("period_square_sum") / pl.col("beat_windows") - mean_period**2).clip(lower_bound=0.0).sqrt()


def find_stitches(pieces: pl.DataFrame, of: Stitching) -> pl.DataFrame:
    """The stitches within each tenant, schema STITCHES. ``pieces``: schema PIECES; unclaimed ones stay apart."""
    told = _described(pieces.rename({"piece_id": "id"}), of).drop_nulls("tenant_id")
    pairs = _pairs(told, of, ("tenant_id",))
    return _stitches(pairs.with_columns(across=pl.lit(Across.SAME_TENANT.value)), of)


def with_runs(
    days: pl.DataFrame, stitches: pl.DataFrame, words: Words, settled: Settled = NOTHING_SETTLED
) -> pl.DataFrame:
    """The pod-days, each with the id of its run: the first piece of those that are stitched."""
    first_seen = days.group_by("piece_id").agg(pl.col("window_start").min()).sort("window_start", "piece_id")
    runs = joined(first_seen["piece_id"], stitches, words, within_tenants(settled, days))
    names = pl.DataFrame({"piece_id": list(runs), "run_id": list(runs.values())}, schema=RUN_OF_PIECE)
    return days.join(names, on="piece_id", how="left", maintain_order="left")


def find_stitches_across(runs: pl.DataFrame, groups: pl.DataFrame, of: Stitching) -> pl.DataFrame:
    """The stitches between runs of different tenants, schema STITCHES. ``groups``: run_id, group_id."""
    known = runs.join(groups.select("run_id", "group_id"), on="run_id", how="left").rename({"run_id": "id"})
    claimed = _described(known, of).drop_nulls("tenant_id")  # what nobody claimed is nobody's predecessor
    large = claimed.filter(pl.col("device_hours") >= of.least_device_hours.value)
    users = pl.col("tenant_id").n_unique().over("lineage")
    told = large.with_columns(lineage=pl.when(users < of.common_lineage_tenants.value).then("lineage"))
    pairs = _pairs(told, of, ()).filter(pl.col("earlier_tenant_id") != pl.col("later_tenant_id"))
    one_group = (pl.col("earlier_group_id") == pl.col("later_group_id")).fill_null(value=False)
    across = pl.when(one_group).then(pl.lit(Across.SAME_GROUP.value)).otherwise(pl.lit(Across.OTHER_GROUP.value))
    return _stitches(pairs.with_columns(across=across), of)


def joined(ids: pl.Series, stitches: pl.DataFrame, words: Words, settled: Settled = NOTHING_SETTLED) -> dict[str, str]:
    """
    By each id the first of those that it is joined with; ``ids`` in the order in which they count as first.

    ``settled``: of these ids, what holds whatever is told.
    """
    first = {each: each for each in ids}
    place = {each: at for at, each in enumerate(ids)}

    def root(of: str) -> str:
        while first[of] != of:
            first[of] = first[first[of]]
            of = first[of]
        return of

    for earlier, later in (*_holding(stitches, words, settled), *settled.one):
        one, other = sorted((root(earlier), root(later)), key=place.__getitem__)
        first[other] = one
    return {each: root(each) for each in ids}


def _holding(stitches: pl.DataFrame, words: Words, settled: Settled) -> Iterable[tuple[str, str]]:
    """The pairs that count as one: not undone, and across groups only if confirmed."""
    undone = {frozenset(pair) for pair in settled.two}
    columns = ("stitch_id", "earlier_piece", "later_piece", "across")
    for stitch_id, earlier, later, across in stitches.select(columns).iter_rows():
        unsaid = StitchWord.UNDONE if frozenset((earlier, later)) in undone else StitchWord.AS_TOLD
        word = words.get(stitch_id, unsaid)
        if word is StitchWord.CONFIRMED or (word is StitchWord.AS_TOLD and across != Across.OTHER_GROUP):
            yield earlier, later


def _described(rows: pl.DataFrame, of: Stitching) -> pl.DataFrame:
    """What is compared: one row for each piece, by its id."""
    names = rows.select("workload_name").unique().drop_nulls()
    lineages = names.with_columns(lineage=pl.col("workload_name").map_elements(lineage_of, return_dtype=pl.String))
    steady = period_deviation <= of.same_period_ratio.value * mean_period
    often = pl.col("beat_windows") >= of.least_beats_ratio.value * pl.col("windows")
    beats = often & (pl.col("beat_windows") > 0) & steady
    return (
        rows.join(lineages, on="workload_name", how="left")
        .filter(pl.col("accelerators").list.len() > 0)
        .select(
            "id",
            "tenant_id",
            *(name for name in ("group_id",) if name in rows.columns),
            "lineage",
            "nodes",
            models=pl.col("accelerators").list.join(" + "),
            kind=pl.col("workload_kind").fill_null(""),
            begins="first_seen",
            ends="last_seen",
            size="peak_devices",
            whole_size=pl.col("peak_devices").round(0),
            duty=(pl.col("busy_seconds") / pl.col("observed_seconds")).fill_nan(None),
            period=pl.when(beats).then(mean_period),
            trough="latest_trough_unix",
            device_hours=(pl.col("held_seconds") + pl.col("shared_seconds")) / 3600,
        )
    )


def _pairs(told: pl.DataFrame, of: Stitching, by: tuple[str, ...]) -> pl.DataFrame:
    """Pairs worth a look: each piece with its last possible predecessor, and those of one pace that ran together."""
    after = [_successions(told, (*by, "models", name), of) for name in ("lineage", "whole_size")]
    ids = pl.concat([*after, _in_step(told, (*by, "models"))]).unique().sort(IDS)
    earlier, later = (told.select(pl.all().name.prefix(f"{side}_")) for side in SIDES)
    return ids.join(earlier, on="earlier_id").join(later, on="later_id", maintain_order="left")


def _successions(told: pl.DataFrame, by: tuple[str, ...], of: Stitching) -> pl.DataFrame:
    """
    Each piece with the one of the same ``by`` that ended last before it began, or a little after: their ids.

    Across tenants the last one of another tenant: work of its own in between hides no hand-over.
    """
    known = told.drop_nulls(by)
    slack = pl.duration(seconds=of.overlap_seconds.value)
    ended = known.select(
        *by, earlier_id="id", earlier_tenant="tenant_id", moment=pl.max_horizontal("begins", pl.col("ends") - slack)
    ).sort("moment", "earlier_id")
    began = known.select(*by, later_id="id", later_tenant="tenant_id", moment="begins").sort("moment", "later_id")
    found = began.join_asof(
        ended.with_columns(of_another=_last_of_another(by)),
        on="moment",
        by=list(by),
        allow_exact_matches=False,
        check_sortedness=False,
    )
    is_own = pl.lit("tenant_id" not in by) & (pl.col("earlier_tenant") == pl.col("later_tenant"))
    last = pl.when(is_own).then("of_another").otherwise("earlier_id")
    return found.select("later_id", earlier_id=last).drop_nulls("earlier_id").select(IDS)


def _last_of_another(by: tuple[str, ...]) -> pl.Expr:
    """Of rows in order, the last before each that is of another tenant than it."""
    begins_turn = pl.col("earlier_tenant") != pl.col("earlier_tenant").shift()
    return pl.when(begins_turn).then(pl.col("earlier_id").shift()).forward_fill().over(by)


def _in_step(told: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Neighbours by their period among those of the same ``by`` that have one: their ids, who began first first."""
    known = told.drop_nulls((*by, "period")).sort(*by, "period", "id")
    beside = known.select(
        "id", "begins", other=pl.col("id").shift(-1).over(by), other_begins=pl.col("begins").shift(-1).over(by)
    ).drop_nulls("other")
    at_once = (pl.col("begins") == pl.col("other_begins")) & (pl.col("id") < pl.col("other"))
    is_first = (pl.col("begins") < pl.col("other_begins")) | at_once
    return beside.select(
        earlier_id=pl.when(is_first).then("id").otherwise("other"),
        later_id=pl.when(is_first).then("other").otherwise("id"),
    )


def _stitches(pairs: pl.DataFrame, of: Stitching) -> pl.DataFrame:
    """The pairs that reach the threshold, as STITCHES."""
    if pairs.is_empty():
        return empty(STITCHES)
    told = list(signs(of))
    scored = pairs.filter(may_be_one(of)).with_columns(
        strength=pl.sum_horizontal(
            pl.when(holds.fill_null(value=False)).then(weight).otherwise(0.0) for holds, weight, _ in told
        ),
        reasons=pl.concat_list(
            pl.when(holds.fill_null(value=False)).then(why) for holds, _, why in told
        ).list.drop_nulls(),
    )
    ids = pl.struct("earlier_id", "later_id").map_elements(_stitch_id, return_dtype=pl.String)
    rows = scored.filter(pl.col("strength") >= of.threshold.value).with_columns(
        stitch_id=ids,
        earlier_piece="earlier_id",
        later_piece="later_id",
        earlier_seen="earlier_ends",
        later_seen="later_begins",
    )
    return conform(rows.select(STITCHES.names()).sort("stitch_id"), STITCHES, "stitches")


def _stitch_id(pair: dict[str, str]) -> str:
    """The same whichever is the earlier: which it is may change while both run, and what people said has to stay."""
    text = " ".join(sorted(pair.values()))
    return "stitch-" + hashlib.sha256(text.encode()).hexdigest()[:16]
