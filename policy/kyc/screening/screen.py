"""
Parties compared with lists: hits, all of them or again after some parties or entries changed.

A hit is a question for a person. Its score says how much two names resemble each other, its explanation why, its
verdict whether a person has to look: the provider's threshold was reached, or the party has a listed party's address.
Neither an address nor whether the countries agree, which stands beside, changes the score.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import cast

import polars as pl

from policy.frames import conform, empty, schema
from policy.kyc.screening.finding import Found, Side, Subject, find, find_in_processes, find_reversed
from policy.kyc.screening.lists import ENTRIES

PARTIES = schema(
    {
        "party_id": pl.String,  # opaque
        "name": pl.String,  # as the file has it; null: not known, and then nothing can be compared but addresses
        "aliases": pl.List(pl.String),
        "addresses": pl.List(pl.String),
        "countries": pl.List(pl.String),  # alpha-2 codes of where it is, as far as known
    }
)
HITS = schema(
    {
        "party_id": pl.String,
        "list": pl.String,  # the list's code
        "entry": pl.String,  # the entry's id in it
        "reference": pl.String,  # list, entry, and a digest of both parties' names: what a decision is about
        "entry_name": pl.String,  # as the list has it
        "matched_name": pl.String,  # which of the entry's names it was
        "party_alias": pl.Boolean,  # whether it was an alias of the party
        "kind": pl.String,  # what the entry is
        "score": pl.Float64,  # 0 to 1
        "verdict": pl.String,  # of Verdict
        "explanation": pl.String,  # which words agree and which do not; none of the party's own words
        "countries_agree": pl.String,  # yes, no, or unknown where either has none
        "shares_address": pl.Boolean,  # the same place as one of the entry's addresses
    }
)
SHOWN_BELOW = 0.1
"""How far below the threshold a hit is still shown."""


class Verdict(StrEnum):
    """
    Whether a person has to look: the threshold was reached, or the address is a listed party's.

    ``decided``: so it is, and a person said that the party is not the entry.
    """

    POSSIBLE = "possible"
    DECIDED = "decided"
    BELOW = "below"


@dataclass(frozen=True, kw_only=True)
class Screening:
    """
    What was compared and what came of it, to be asked and to go on from.

    ``parties``, ``entries``, ``hits``: in :data:`PARTIES`, :data:`ENTRIES`, :data:`HITS`, each sorted by its ids.
    """

    parties: pl.DataFrame
    entries: pl.DataFrame
    threshold: float
    hits: pl.DataFrame

    @property
    def floor(self) -> float:
        """The lowest score of a hit that is shown."""
        return max(0.0, self.threshold - SHOWN_BELOW)

    @cached_property
    def party_side(self) -> Side:
        """The parties, ready to be found. Built when it is first asked for, in seconds for a hundred thousand."""
        return Side(subjects_of_parties(self.parties), are_parties=True)

    @cached_property
    def entry_side(self) -> Side:
        """The entries, ready to be found."""
        return Side(subjects_of_entries(self.entries))


def screen(parties: pl.DataFrame, entries: pl.DataFrame, threshold: float, *, processes: int = 1) -> Screening:
    """Compare all parties with all entries. ``processes``: over how many to share out a large number of parties."""
    parties = conform(parties, PARTIES, "parties").sort("party_id")
    entries = conform(entries, ENTRIES, "entries").sort("list", "entry")
    screening = Screening(parties=parties, entries=entries, threshold=threshold, hits=empty(HITS))
    who, listed = subjects_of_parties(parties), subjects_of_entries(entries)
    found = find_in_processes(who, listed, screening.floor, processes)
    return replace(screening, hits=_hits(screening, found))


def rescreen(
    previous: Screening, changed_parties: pl.DataFrame | None = None, changed_entries: pl.DataFrame | None = None
) -> Screening:
    """
    What screening everything again would give, by comparing only what changed.

    Rows of a known id take the place of the older ones, others are new. What is gone goes through :func:`without`.
    """
    moved, altered = changed_parties, changed_entries
    parties = _replaced(previous.parties, moved, PARTIES, ["party_id"])
    entries = _replaced(previous.entries, altered, ENTRIES, ["list", "entry"])
    now = Screening(parties=parties, entries=entries, threshold=previous.threshold, hits=empty(HITS))
    hits = previous.hits
    if altered is not None:
        hits = hits.join(altered.select("list", "entry"), on=["list", "entry"], how="anti")
        hits = pl.concat([hits, _of_entries(previous, altered)])
    if moved is not None:
        hits = hits.join(moved.select("party_id"), on="party_id", how="anti")
        hits = pl.concat([hits, _of_parties(now if altered is not None else previous, moved)])
    return _keeping_sides(replace(now, hits=hits.sort(_ORDER, descending=_DESCENDING)), previous)


def _keeping_sides(now: Screening, previous: Screening) -> Screening:
    """The same; what was made ready to be found and has not changed is not made ready again."""
    for name, is_same in (
        ("party_side", now.parties is previous.parties),
        ("entry_side", now.entries is previous.entries),
    ):
        if is_same and name in vars(previous):
            vars(now)[name] = vars(previous)[name]
    return now


def without(
    previous: Screening, *, party_ids: Sequence[str] = (), entries: Sequence[tuple[str, str]] = ()
) -> Screening:
    """The same without parties and entries that are no more. ``entries``: lists' codes with entries' ids."""
    gone = pl.DataFrame(list(entries), schema={"list": pl.String, "entry": pl.String}, orient="row")
    keep = ~pl.col("party_id").is_in(list(party_ids))
    return Screening(
        parties=previous.parties.filter(keep),
        entries=previous.entries.join(gone, on=["list", "entry"], how="anti").sort("list", "entry"),
        threshold=previous.threshold,
        hits=previous.hits.filter(keep)
        .join(gone, on=["list", "entry"], how="anti")
        .sort(_ORDER, descending=_DESCENDING),
    )


_ORDER = ["party_id", "score", "list", "entry"]
_DESCENDING = [False, True, False, False]


def _replaced(before: pl.DataFrame, changed: pl.DataFrame | None, declared: pl.Schema, ids: list[str]) -> pl.DataFrame:
    if changed is None:
        return before
    kept = before.join(changed.select(ids), on=ids, how="anti")
    return pl.concat([kept, conform(changed, declared, "what changed")]).sort(ids)


def _of_entries(previous: Screening, changed: pl.DataFrame) -> pl.DataFrame:
    """Hits of changed entries among the parties as they were."""
    asked = replace(previous, entries=changed)
    return _hits(asked, find_reversed(subjects_of_entries(changed), previous.party_side, previous.floor))


def _of_parties(listed: Screening, changed: pl.DataFrame) -> pl.DataFrame:
    asked = replace(listed, parties=changed)
    return _hits(asked, find(subjects_of_parties(changed), listed.entry_side, listed.floor))


def subjects_of_parties(parties: pl.DataFrame) -> list[Subject]:
    """The parties in the order of the rows."""
    return [
        Subject(_names(row), tuple(row["addresses"] or ()), frozenset(row["countries"] or ()))
        for row in parties.iter_rows(named=True)
    ]


def subjects_of_entries(entries: pl.DataFrame) -> list[Subject]:
    """The entries in the order of the rows."""
    return [
        Subject(
            _names(row),
            tuple(each["text"] for each in row["addresses"] or ()),
            frozenset(each["country"] for each in row["addresses"] or () if each["country"]),
        )
        for row in entries.iter_rows(named=True)
    ]


def _names(row: Mapping[str, object]) -> tuple[str, ...]:
    """The name and the aliases; an unknown name keeps its place as one with nothing to compare."""
    return (str(row["name"] or ""), *cast("list[str]", row["aliases"] or []))


def _hits(screening: Screening, found: Iterable[Found]) -> pl.DataFrame:
    """Rows in :data:`HITS`, by party and the highest score first."""
    found = list(found)
    parties = screening.parties[[each.party for each in found]].to_dicts() if found else []
    entries = screening.entries[[each.entry for each in found]].to_dicts() if found else []
    rows = [
        _hit(each, party, entry, screening.threshold)
        for each, party, entry in zip(found, parties, entries, strict=True)
    ]
    return pl.DataFrame(rows, schema=HITS, orient="row").sort(_ORDER, descending=_DESCENDING)


def _hit(found: Found, party: Mapping[str, object], entry: Mapping[str, object], threshold: float) -> dict[str, object]:
    party_names, entry_names = _names(party), _names(entry)
    is_possible = found.score >= threshold or found.shares_address
    return {
        "party_id": party["party_id"],
        "list": entry["list"],
        "entry": entry["entry"],
        "reference": reference(str(entry["list"]), str(entry["entry"]), party_names, entry_names),
        "entry_name": entry["name"],
        "matched_name": entry_names[found.entry_name],
        "party_alias": found.party_name > 0,
        "kind": entry["kind"],
        "score": found.score,
        "verdict": (Verdict.POSSIBLE if is_possible else Verdict.BELOW).value,
        "explanation": f"same address; {found.explanation}" if found.shares_address else found.explanation,
        "countries_agree": _agree(party, entry),
        "shares_address": found.shares_address,
    }


def _agree(party: Mapping[str, object], entry: Mapping[str, object]) -> str:
    addresses = cast("list[Mapping[str, str | None]]", entry["addresses"] or [])
    countries = cast("list[str]", party["countries"] or [])
    listed = {each["country"] for each in addresses} - {None}
    if not listed or not countries:
        return "unknown"
    return "yes" if listed & set(countries) else "no"


def reference(code: str, entry: str, party_names: Sequence[str], entry_names: Sequence[str]) -> str:
    """
    What a decision about a party and an entry names: ``EL:2f7c@9d41…``.

    The part behind the ``@`` is a digest of all names of both. Where either gets another name it is another reference,
    and the older decision no longer silences the hit: it was made about other names.
    """
    names = "\n".join([*sorted(party_names), "", *sorted(entry_names)])
    return f"{code}:{entry}@{hashlib.sha256(names.encode()).hexdigest()[:12]}"
