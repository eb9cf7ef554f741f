"""
Who may use the review API: bearer tokens, each of which belongs to one actor.

The file holds digests, never tokens, so that reading it does not let anybody in. Tokens are long and random, which is
why a plain SHA-256 is enough. Leaves out roles and single sign-on: whoever has a token may take and decide.

    [tokens]
    "alice" = "sha256:<64 hex digits>"
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tomllib
from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from policy.latest import Latest
from policy.review.errors import NotAuthenticated, TokensFileRefused
from policy.review.ticket import ENGINE

log = logging.getLogger("flopwatch.review")

ACTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

FAULTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "unreadable": (
            "cannot be read ({why})",
            "Check that it exists and belongs to the account that flopwatch runs as.",
        ),
        "open": ("can be read by others (its mode is {why})", "Make it readable by its owner only: chmod 600."),
        "not_toml": (
            "is not TOML ({why})",
            'Write a table [tokens] with lines like "alice" = "sha256:<64 hex digits>".',
        ),
        "empty": ("names nobody", 'Write a table [tokens] with lines like "alice" = "sha256:<64 hex digits>".'),
        "actor": ("has an entry {why} that cannot be a person's id", f'Use letters, digits and ._@-, not "{ENGINE}".'),
        "digest": ("has no digest for {why}", 'Write "sha256:" and the 64 hex digits of the token\'s SHA-256.'),
        "shared": ("gives one token to two people, {why}", "Give each person a token of their own."),
    }
)
"""What can be wrong with a tokens file, and what to do about it."""


def new_token() -> tuple[str, str]:
    """A new token, to hand to its person and to keep nowhere, and its digest for the tokens file."""
    token = secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> str:
    """What the tokens file holds for a token."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Digest by actor. Their text is left out when it is printed."""

    digests: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The tokens in a file; TokensFileRefused if others can read it or an entry is not what it should be."""
        table = _table(path)
        if not table:
            raise _refused(path, "empty")
        return cls.checked(path, table)

    @classmethod
    def checked(cls, path: Path, table: Mapping[str, Any]) -> Self:
        """The tokens of a table; TokensFileRefused, which names the file, if an entry is not what it should be."""
        for actor, digest in table.items():
            if not ACTOR.fullmatch(actor) or actor == ENGINE:
                raise _refused(path, "actor", repr(actor))
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                raise _refused(path, "digest", actor)
        _require_own_tokens(path, table)
        return cls(digests=MappingProxyType(dict(table)))

    @classmethod
    def following(cls, path: Path) -> Self:
        """The tokens in a file as it stands at each request, so that taking a line out shuts its person out."""
        return cls(digests=_LatestDigests(path))

    def actor_of(self, token: str) -> str:
        """Whose token this is, or NotAuthenticated. It takes the same time whichever entry matches."""
        given = digest_of(token)
        matches = [actor for actor, digest in self.digests.items() if hmac.compare_digest(digest, given)]
        if not matches:
            raise NotAuthenticated
        return matches[0]


class _LatestDigests(Mapping[str, str]):
    """
    Digest by actor, as the newest good file says. Raises TokensFileRefused when the first one is bad or names nobody.

    A later file that is broken leaves the last good one in force; one that names nobody, or is gone, lets nobody in.
    """

    def __init__(self, path: Path) -> None:
        def tell(_: TokensFileRefused) -> None:
            log.error("tokens.refused file=%s, the last good one stays in force", path.name)  # it may quote an entry

        Tokens.load(path)
        self._now = Latest(path, read=_digests_now, refusal=TokensFileRefused, tell=tell)

    def __getitem__(self, actor: str) -> str:
        return self._now()[actor]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def items(self) -> ItemsView[str, str]:
        """All of one reading: between two of them the file may change."""
        return self._now().items()


def _digests_now(path: Path) -> Mapping[str, str]:
    """Digest by actor: nobody where the last line was taken out, or the file with it."""
    return Tokens.checked(path, _table(path)).digests if path.exists() else {}


def _table(path: Path) -> dict[str, Any]:
    """The file's table of tokens, which may be empty, unchecked."""
    try:
        table = tomllib.loads(_read_private(path)).get("tokens", {})
    except ValueError as error:  # what tomllib raises for bad TOML, and the codec for text that is not UTF-8
        raise _refused(path, "not_toml", type(error).__name__) from None  # its message may quote a digest
    if not isinstance(table, dict):
        raise _refused(path, "empty")
    return table


def _read_private(path: Path) -> str:
    """The text of a file that only its owner can read; the mode is that of the file that is read, not of its name."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise _refused(path, "open", f"{mode:04o}")
            return file.read().decode()
    except OSError as error:
        raise _refused(path, "unreadable", str(error.strerror)) from error


def _require_own_tokens(path: Path, table: Mapping[str, str]) -> None:
    holder: dict[str, str] = {}
    for actor, digest in table.items():
        first = holder.setdefault(digest, actor)
        if first != actor:
            raise _refused(path, "shared", f"{first} and {actor}")


def _refused(path: Path, fault: str, why: str = "") -> TokensFileRefused:
    text, remedy = FAULTS[fault]
    return TokensFileRefused(path=str(path), fault=text.format(why=why), remedy=remedy)
