"""The shipped facts' texts, to be changed, and overlays written in a test."""

from collections.abc import Callable, Mapping
from importlib.resources import files

from policy.facts.facts import Facts
from policy.facts.overlays import Overlay, read_overlay
from policy.facts.reading import FILES, read_facts
from policy.facts.tables import FactsError

TEXTS: Mapping[str, str] = {name: files("policy.facts").joinpath(name).read_text(encoding="utf-8") for name in FILES}
"""By file name."""


def facts_with(file: str, old: str, new: str) -> Facts:
    """Read the facts with one text replaced in one file, which must hold it."""
    assert old in TEXTS[file], f"{file} does not hold {old!r}"
    return read_facts({**TEXTS, file: TEXTS[file].replace(old, new, 1)})


def an_overlay(rows: str, *, kind: str = "override", name: str = "counsel", file: str = "counsel.toml") -> Overlay:
    """An overlay with these tables and a head."""
    head = f'[overlay]\nkind = "{kind}"\nname = "{name}"\nreason = "counsel has read it"\ndecided_on = 2026-11-20\n\n'
    return read_overlay(head + rows, file)


def refusal_of(read: Callable[[], object]) -> FactsError | None:
    """The error of a reading, if it refuses; any other error is a fault of the product and comes through."""
    try:
        read()
    except FactsError as error:
        return error
    return None


def assert_clear(error: FactsError) -> None:
    """One line that says which file, where in it, what is wrong and what to do."""
    assert str(error).isprintable()
    assert all((error.file, error.table, error.field, error.problem, error.remedy))
