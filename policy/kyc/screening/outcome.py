"""
What screening came to: hits that a person has decided about, and statements of the know-your-customer file.

What a person decided silences the very pair that was decided about, until the decision ends or the party or the entry
goes by other names. It does not change what the comparison came to: the entry stays in the statement as possible,
beside the decision, so that it is open again on the day on which the decision ends. A party of which no entry is
possible is ``no_match``, which says what was compared and nothing more. No name goes into a statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from policy.kyc.screening.names import read_names
from policy.kyc.screening.screen import HITS, Screening, Verdict, subjects_of_parties
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import LONGEST_REFERENCES, MORE, Confidence, Screened

SOURCE = "screening"
RENEWED_AFTER = timedelta(days=7)
"""When the same answer is dated anew. A guess: often enough to show that comparing goes on, and no row more a day."""
REACHED = (Verdict.POSSIBLE.value, Verdict.DECIDED.value)


def decided(hits: pl.DataFrame, decisions: Iterable[Statement], at: date) -> pl.DataFrame:
    """The hits, with verdict ``decided`` where a ``not_listed_as`` statement that holds on a day names the pair."""
    silenced = [
        (each.subject, each.value)
        for each in decisions
        if each.predicate == "not_listed_as" and each.holds(at) and each.is_known(at)
    ]
    pairs = pl.DataFrame(silenced, schema={"party_id": pl.String, "reference": pl.String}, orient="row").unique()
    pairs = pairs.with_columns(is_decided=pl.lit(True))
    is_silenced = pl.col("is_decided").fill_null(False) & (pl.col("verdict") == Verdict.POSSIBLE.value)
    verdict = pl.when(is_silenced).then(pl.lit(Verdict.DECIDED.value)).otherwise("verdict").alias("verdict")
    joined = hits.join(pairs, on=["party_id", "reference"], how="left", maintain_order="left")
    return joined.with_columns(verdict).select(HITS.names())


def statements_of(screening: Screening, hits: pl.DataFrame, at: date, document: str | None = None) -> list[Statement]:
    """
    One ``screened`` statement for every party that was compared.

    ``hits``: after :func:`decided`. ``document``: which lists, as their digests. A party without a name that can be
    read gets one only where its address was found: else it was not compared and stays unknown. Clearing the entry of
    that address clears nobody whose name was not compared, so one more stands beside it that has no name.
    """
    open_first = hits.filter(pl.col("verdict").is_in(REACHED)).sort(
        [pl.col("verdict") == Verdict.DECIDED.value, "shares_address", "score"],
        descending=[False, True, True],
        maintain_order=True,
    )
    references = dict(open_first.group_by("party_id", maintain_order=True).agg("reference").iter_rows())
    nameless = unread(screening.parties)
    details = {each: _within(found, unnamed=int(each in nameless)) for each, found in references.items()}
    compared = set(screening.parties["party_id"]) - nameless | set(details)
    return [_screened(each, details.get(each), at, document) for each in sorted(compared)]


def unread(parties: pl.DataFrame) -> frozenset[str]:
    """The ids of the parties, schema ``PARTIES``, of which no name can be read: only addresses of them are compared."""
    subjects = zip(parties["party_id"], subjects_of_parties(parties), strict=True)
    return frozenset(party_id for party_id, each in subjects if not any(map(read_names, each.names)))


def _screened(party_id: str, entries: str | None, at: date, document: str | None) -> Statement:
    return Statement(
        subject=party_id,
        predicate="screened",
        value=(Screened.POSSIBLE if entries else Screened.NO_MATCH).value,
        detail=entries,
        source=SOURCE,
        document=document,
        confidence=Confidence.UNVERIFIED.value,  # a machine compared; nobody has looked
        as_of=at,
    )


def _within(references: Sequence[str], unnamed: int) -> str:
    """The references with spaces between, the first of them as far as there is room, and how many more there are."""
    room, kept = LONGEST_REFERENCES - len(f" {MORE}{len(references) + unnamed}"), list[str]()
    for each in references:
        room -= len(each) + 1
        if room < 0:
            break
        kept.append(each)
    more = len(references) - len(kept) + unnamed
    return " ".join([*kept, f"{MORE}{more}"] if more else kept)


def not_dated_anew(told: Iterable[Statement], before: Iterable[Statement], at: date) -> list[Statement]:
    """
    The same, each as it stands already where it says nothing new and is not a week old.

    ``before``: what is held, of any source. All of them come out, so that they are still all that screening says.
    """
    newest = _newest(before)
    return [_as_before(each, newest.get(each.subject), at) for each in told]


def _newest(before: Iterable[Statement]) -> Mapping[str, Statement]:
    ours = [each for each in before if (each.predicate, each.source) == ("screened", SOURCE) and each.as_of]
    return {each.subject: each for each in sorted(ours, key=lambda each: (each.as_of or date.min, repr(each)))}


def _as_before(now: Statement, before: Statement | None, at: date) -> Statement:
    if before is None or before.as_of is None or not timedelta(0) <= at - before.as_of < RENEWED_AFTER:
        return now
    is_same = (before.value, _entries(before)) == (now.value, _entries(now))
    return replace(before, known_from=None, known_to=None) if is_same else now


def _entries(statement: Statement) -> frozenset[str]:
    return frozenset((statement.detail or "").split())
