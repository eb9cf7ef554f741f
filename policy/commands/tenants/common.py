"""What the parts of ``flopwatch tenants`` share: where the tenants are, days, and what a value may be shown as."""

import argparse
from datetime import UTC, date, datetime
from pathlib import Path

from policy.commands.options import Parsers, add_parser, read_moment, settings_of
from policy.kyc.repeated import is_reference
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import PREDICATES, ValueKind
from policy.settings import UnusableSettings

HIDDEN = "(text; --names shows it)"


def add_part(
    parts: Parsers, name: str, summary: str, examples: str, tenants: str = "a file, or the folder of a store"
) -> argparse.ArgumentParser:
    """A part with the flags that all have."""
    parser = add_parser(parts, name, summary, examples)
    parser.add_argument("--tenants", default=None, metavar="TENANTS", help=f"{tenants} (FLOPWATCH_TENANTS)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how to answer [table]")
    return parser


def tenants_path(arguments: argparse.Namespace) -> Path:
    """Where the tenants are. Raises UnusableSettings."""
    path = settings_of(arguments).tenants
    if path is None:
        raise UnusableSettings("--tenants: say where the tenants are, or set FLOPWATCH_TENANTS")
    return path


def read_day(text: str) -> date:
    """A day, in UTC. For argparse."""
    return read_moment(text).date()


def now() -> datetime:
    """The moment that it is, in UTC."""
    return datetime.now(UTC)


def value_words(statement: Statement, *, names: bool) -> str:
    """The value as it may be shown: text can be a name."""
    is_text = PREDICATES[statement.predicate].kind is ValueKind.TEXT
    return statement.value if names or not is_text else HIDDEN


def detail_words(statement: Statement, *, names: bool) -> str | None:
    """The detail as it may be shown, none where there is none."""
    return statement.detail if names or not statement.has_free_detail else HIDDEN


def document_words(statement: Statement, *, names: bool) -> str | None:
    """The document as it may be shown: a reference may, words may name somebody. None where there is none."""
    document = statement.document
    return document if names or not document or is_reference(document) else HIDDEN
