"""``flopwatch facts check`` and ``diff``: what to look at again, and what changed."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from policy.commands.sheet import Block, Grid, Sheet, cited, ids, plain
from policy.facts.differences import AsOf, Difference, days_between, differences
from policy.facts.facts import Facts
from policy.facts.reviewing import (
    Doubtful,
    Stale,
    doubtful_accelerators,
    stale_documents,
    unverified_rows,
)
from policy.facts.rows import FactRow
from policy.rules.pack import Pack
from policy.usage.ledger import Ledger

FRESH, STALE = "fresh", "stale"
LOOK_BACK = timedelta(days=366)
WHAT_NEXT = (
    "Somebody has to read each again, or what came after it; what was read goes, with its day, into a release or an "
    "overlay (--facts), as [sources.ID] under the same id, so that what cites the document rests on it."
)
CITING = "rules that cite it"
UNREAD = "Unverified in force, from memory or from a text that was not at hand: somebody can read it"
CHOSEN = "Unverified in force, numbers of our own choice: somebody can measure, or choose otherwise"


def check_sheet(facts: Facts, pack: Pack, at: date, ledger: Path | None) -> tuple[Sheet, bool]:
    """The answer, and whether a document past its day matters that day. Raises LedgerError."""
    stale, unverified = stale_documents(facts, at), unverified_rows(facts, at)
    doubtful = None if ledger is None else doubtful_accelerators(facts, accelerators_of(Ledger.existing(ledger)))
    is_stale = any(each.matters(at, pack.citing) for each in stale)
    state = STALE if is_stale else FRESH
    blocks: list[Block] = [
        f"Facts on {at.isoformat()}: {state}. {len(stale)} of {len(facts.documents)} documents are past their day; "
        f"{len(unverified)} rows in force are unverified. Digest {facts.digest}.",
        _stale_grid(stale, pack, at),
        *([WHAT_NEXT] if is_stale else []),
        *([] if doubtful is None else [_doubtful_grid(doubtful)]),
        _unverified_grid(UNREAD, [row for row in unverified if row.basis is None]),
        _unverified_grid(CHOSEN, [row for row in unverified if row.basis is not None]),
    ]
    content = {
        "state": state,
        "stale": [_stale_content(each, pack, at) for each in stale],
        "unverified": [
            {"topic": row.topic, "row": row.title, "basis": row.basis, "source": plain(row.source)}
            for row in unverified
        ],
        "accelerators": None if doubtful is None else plain(doubtful),
    }
    return Sheet(blocks=tuple(blocks), content=content), is_stale


def accelerators_of(ledger: Ledger) -> list[str]:
    """Every accelerator that the fleet had in the last year on record, also where nobody held one."""
    newest = max(ledger.snapshots(), default=None)
    balance = ledger.read("balance", since=newest and newest - LOOK_BACK)
    return balance["accelerator"].drop_nulls().unique().sort().to_list()


def _stale_grid(stale: Sequence[Stale], pack: Pack, at: date) -> Grid:
    rows = tuple(
        (
            each.document.id,
            each.document.good_through.isoformat(),
            each.words,
            _rows_words(each.cited_by, at),
            ", ".join(pack.citing.get(each.document.id, ())),
        )
        for each in stale
    )
    columns = ("document", "good through", "why it is past its day", "rows that cite it (* in force)", CITING)
    return Grid(title="Documents past their day", columns=columns, rows=rows, empty="none", below=columns[2:])


def _rows_words(rows: Iterable[FactRow], at: date) -> str:
    return "; ".join(f"{row.topic} {row.title}{' *' if row.speaks(at) else ''}" for row in rows) or "no row cites it"


def _unverified_grid(title: str, rows: Iterable[FactRow]) -> Grid:
    """By topic and table, each row under its name there."""
    names: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        names.setdefault((row.topic, row.table if row.name else "numbers"), []).append(row.name or row.table)
    return Grid(
        title=title,
        columns=("topic", "table", "number", "rows"),
        rows=tuple((*where, str(len(found)), "; ".join(found)) for where, found in names.items()),
        empty="none",
        below=("rows",),
    )


def _doubtful_grid(doubtful: Sequence[Doubtful]) -> Grid:
    return Grid(
        title="Accelerators of the ledger that are unverified, unclassified or without a peak",
        columns=("accelerator", "device", "what is not settled", "why"),
        rows=tuple(
            (each.name, each.device, ", ".join(doubt.replace("_", " ") for doubt in each.doubts), each.reason)
            for each in doubtful
        ),
        empty="none",
    )


def _stale_content(each: Stale, pack: Pack, at: date) -> dict[str, object]:
    return {
        "document": each.document.id,
        "citation": each.document.citation,
        "good_through": each.document.good_through.isoformat(),
        "why": each.why,
        "words": each.words,
        "cited_by": [{"topic": row.topic, "row": row.title, "in_force": row.speaks(at)} for row in each.cited_by],
        "cited_by_rules": list(pack.citing.get(each.document.id, ())),
    }


def diff_sheet(before: AsOf, after: AsOf, title: str) -> Sheet:
    """Everything that is answered differently."""
    found = differences(before, after)
    blocks: list[Block] = [f"{title}: {_count(len(found))}."]
    days = [day.isoformat() for day in days_between(before, after)]
    if len(days) > 1:
        blocks.append(f"What changed and changed back is not told. Answers began on {', '.join(days)}.")
    topics = dict.fromkeys(each.topic for each in found)
    blocks.extend(_diff_grid(topic, [each for each in found if each.topic == topic]) for topic in topics)
    sources = [source for each in found for source in each.sources]
    content = {
        "before": before.day.isoformat(),
        "after": after.day.isoformat(),
        "days_between": days,
        "differences": plain(found),
    }
    return Sheet(blocks=(*blocks, cited(sources, after.day)), content=content)


def _count(answers: int) -> str:
    return {0: "nothing differs", 1: "one answer differs"}.get(answers, f"{answers} answers differ")


def _diff_grid(topic: str, found: Sequence[Difference]) -> Grid:
    """One row for each answer; devices with the same change stand together."""
    if topic == "accelerators":
        return Grid(
            title=topic,
            columns=("asked", "change", "devices", "sources"),
            rows=_alike(found),
            below=("devices", "sources"),
        )
    rows = tuple(
        (each.subject, each.asked, _change(each), each.reason, ids(*each.sources) or "the provider") for each in found
    )
    columns = ("about", "asked", "change", "reason", "sources")
    return Grid(title=topic, columns=columns, rows=rows, below=("reason", "sources"))


def _alike(found: Sequence[Difference]) -> tuple[tuple[str, ...], ...]:
    alike: dict[tuple[str, str], list[Difference]] = {}
    for each in found:
        alike.setdefault((each.asked, _change(each)), []).append(each)
    return tuple(
        (*asked, "; ".join(each.subject for each in same), ids(*(source for each in same for source in each.sources)))
        for asked, same in alike.items()
    )


def _change(each: Difference) -> str:
    return f"{each.before} -> {each.after}"
