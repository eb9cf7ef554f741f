"""What an import has to tell: what became of the rows, what changed, and for whom."""

from collections import Counter
from dataclasses import asdict

import polars as pl

from policy.commands.sheet import Block, Grid, Sheet
from policy.commands.tenants.common import value_words
from policy.kyc.problems import KycError, KycProblem
from policy.kyc.statements import Statement, statements_of
from policy.kyc.store.changes import Changes, changes_between
from policy.kyc.store.store import Plan, Version

SHOWN = 50
"""Rows of a table about one import. A guess: what fits on two screens; JSON has them all."""


def refused_sheet(error: KycError, source: str) -> Sheet:
    """That nothing was imported, and every problem."""
    many = len(error.problems)
    return Sheet(
        blocks=(
            f"Nothing was imported of {source}; what was known stays in force. Problems: {many}.",
            _problems(error.problems),
        ),
        content={"state": "refused", "source": source, "problems": [asdict(each) for each in error.problems]},
    )


def imported_sheet(plan: Plan, version: Version | None, *, names: bool) -> Sheet:
    """What was done, or without a version what would be; the changes one by one only then."""
    day = plan.at.date()
    changes = changes_between(plan.before.as_known(day), plan.after.as_known(day))
    state = "imported" if version else "unchanged" if plan.changes_nothing else "planned"
    listed = () if version else _listed(changes, names=names)
    blocks: tuple[Block, ...] = (
        _first_line(plan, version, state),
        _files(plan),
        *_left_out(plan),
        _problems(plan.brought.problems),
        f"Statements: {plan.difference.added} added, {plan.difference.withdrawn} withdrawn, {changes.renewed.height} "
        f"of the added ones say the same of a later day or by another document.{_left_standing(plan)}",
        _some(
            Grid(title="Changes", columns=("", "subject", "predicate", "value", "source", "as of"), rows=listed),
        ),
        _affected(changes),
    )
    return Sheet(blocks=blocks, content=_content(plan, version, changes, state, listed))


def _first_line(plan: Plan, version: Version | None, state: str) -> str:
    source = plan.brought.source
    if not plan.brought.files:
        done = f"version {version.manifest.number}, digest {version.digest}" if version else "this is what it would do"
        return f"Withdrawn all of {source}: {done}."
    if version:
        return f"Imported of {source}: version {version.manifest.number}, digest {version.digest}."
    if state == "unchanged":
        return f"Nothing changed: all of {source} is known already."
    return f"Nothing was imported: this is what an import of {source} would do."


def _files(plan: Plan) -> Grid:
    rows = tuple(
        (each.path.name, each.form, *map(str, (each.read.rows_in, each.read.accepted, each.read.reported)), each.sha256)
        for each in plan.brought.files
    )
    return Grid(title="Files", columns=("file", "kind", "rows", "accepted", "reported", "sha256"), rows=rows)


def _left_out(plan: Plan) -> tuple[Block, ...]:
    """Rows of which nothing is kept, so that nobody takes them for something that is known."""
    found = sum((Counter(each.read.left_out) for each in plan.brought.files), Counter())
    said = ", ".join(f"{what} {many}" for what, many in sorted(found.items()))
    return (f"Accepted, and nothing is kept of them: {said}.",) if found else ()


def _left_standing(plan: Plan) -> str:
    left = plan.difference.left_standing
    if not left:
        return ""
    why = "rows were reported that may have them" if plan.brought.problems else "the import is partial"
    return f" {left} are not in the files and stay, because {why}."


def _problems(problems: tuple[KycProblem, ...]) -> Grid:
    rows = tuple((each.place, each.value, each.problem, each.expected) for each in problems)
    return _some(Grid(title="Problems", columns=("where", "written", "problem", "expected"), rows=rows))


def _listed(changes: Changes, *, names: bool) -> tuple[tuple[str, ...], ...]:
    kinds: tuple[tuple[str, pl.DataFrame], ...] = (
        ("+", changes.added),
        ("-", changes.removed),
        ("=", changes.renewed),
    )
    return tuple((sign, *_cells(each, names=names)) for sign, frame in kinds for each in statements_of(frame))


def _cells(each: Statement, *, names: bool) -> tuple[str, ...]:
    as_of = each.as_of.isoformat() if each.as_of else ""
    return (each.subject, each.predicate, value_words(each, names=names), each.source, as_of)


def _affected(changes: Changes) -> str:
    many = len(changes.affected)
    if not many:
        return "No tenant is affected."
    more = f" and {many - SHOWN} more" if many > SHOWN else ""
    return f"Tenants affected: {many}: {', '.join(changes.affected[:SHOWN])}{more}."


def _some(grid: Grid) -> Grid:
    """The first rows, and how many more there are."""
    more = len(grid.rows) - SHOWN
    if more <= 0:
        return grid
    filler = ("",) * (len(grid.columns) - 1)
    return Grid(title=grid.title, columns=grid.columns, rows=(*grid.rows[:SHOWN], (f"and {more} more", *filler)))


def _content(
    plan: Plan, version: Version | None, changes: Changes, state: str, listed: tuple[tuple[str, ...], ...]
) -> dict[str, object]:
    return {
        "state": state,
        "source": plan.brought.source,
        "version": version.manifest.number if version else None,
        "digest": version.digest if version else None,
        "files": [
            {
                "name": each.path.name,
                "kind": each.form,
                "sha256": each.sha256,
                "rows_in": each.read.rows_in,
                "accepted": each.read.accepted,
                "reported": each.read.reported,
                "left_out": dict(each.read.left_out),
            }
            for each in plan.brought.files
        ],
        "problems": [asdict(each) for each in plan.brought.problems],
        "added": plan.difference.added,
        "withdrawn": plan.difference.withdrawn,
        "renewed": changes.renewed.height,
        "left_standing": plan.difference.left_standing,
        "changes": [dict(zip(("change", *_CELLS), each, strict=True)) for each in listed],
        "affected": list(changes.affected),
    }


_CELLS = ("subject", "predicate", "value", "source", "as_of")
