"""``flopwatch review``: the review API, its database, and who may use it."""

import argparse
import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from policy.commands.options import OK, Parsers, add_parser, add_settings, errors, settings_of
from policy.review.access import Tokens, new_token
from policy.review.api import create_app, serve
from policy.review.store import TicketStore, upgrade
from policy.settings import UnusableSettings

EXAMPLES = """  flopwatch review add-token alice --tokens review-tokens.toml   prints her token, once
  flopwatch review migrate                                       creates the tables, or brings them up to date
  flopwatch review serve --tokens review-tokens.toml             serves http://127.0.0.1:9479/v1/tickets

exit codes: 0 done, 2 a file or a setting cannot be used
"""


def add(parsers: Parsers, summary: str) -> None:
    """Add the command and its parts."""
    parser = add_parser(parsers, "review", summary, EXAMPLES)
    parts = parser.add_subparsers(required=True, metavar="PART")
    server = add_parser(parts, "serve", "serve the review API", EXAMPLES)
    add_settings(server, ("database", "tokens", "review_host", "review_port"))
    server.add_argument("--allow-remote", action="store_true", help="listen beyond loopback; put TLS in front of it")
    server.set_defaults(run=run_serve)
    migration = add_parser(parts, "migrate", "create the tables, or bring them up to date", EXAMPLES)
    add_settings(migration, ("database",))
    migration.set_defaults(run=run_migrate)
    token = add_parser(parts, "add-token", "give an actor a token; only its digest is kept", EXAMPLES)
    token.add_argument("actor", metavar="ACTOR", help="opaque id of the person, as the record will show it")
    add_settings(token, ("tokens",))
    token.set_defaults(run=run_add_token)


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    settings = settings_of(arguments)
    tokens = Tokens.following(settings.tokens)

    def tell(address: str) -> None:
        errors.print(f"serving {address}/v1/tickets to {len(tokens.digests)} reviewers", soft_wrap=True)

    with closing(TicketStore.open(settings.database)) as store:
        app = create_app(store, tokens, lambda: datetime.now(UTC))
        serve(app, settings.review_host, settings.review_port, allow_remote=arguments.allow_remote, tell=tell)
    return OK


def run_migrate(arguments: argparse.Namespace) -> int:
    """Bring the database up to date."""
    upgrade(settings_of(arguments).database)
    return OK


def run_add_token(arguments: argparse.Namespace) -> int:
    """Add a digest to the tokens file and print the token, which is kept nowhere."""
    settings = settings_of(arguments)
    token, digest = new_token()
    write_token(settings.tokens, arguments.actor, digest)
    print(token)
    errors.print(f"token of {arguments.actor} added to {settings.tokens}; it is shown only now", soft_wrap=True)
    return OK


def write_token(path: Path, actor: str, digest: str) -> None:
    """
    Append an actor to a tokens file that only its owner can read.

    Raises TokensFileRefused for an actor that cannot be one, UnusableSettings for a known one or a place that cannot be
    written to; the file then stays as it was.
    """
    known = Tokens.load(path).digests if path.exists() else {}
    if actor in known:
        raise UnusableSettings(f"{path}: {actor} has a token already; remove that line first to replace it")
    tokens = Tokens.checked(path, {**known, actor: digest})
    lines = [f'"{name}" = "{value}"' for name, value in tokens.digests.items()]
    try:
        _write_private(path, "[tokens]\n" + "\n".join(lines) + "\n")
    except OSError as error:
        raise UnusableSettings(f"--tokens {path}: cannot be written ({error.strerror}); give another file") from error


def _write_private(path: Path, text: str) -> None:
    """The whole text or nothing of it, in a file that only its owner can read."""
    aside = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
