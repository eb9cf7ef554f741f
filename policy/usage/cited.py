"""
What findings cite by a digest, kept beside the windows that they judge: ``cited/<kind>/<digest>.json`` in the ledger.

A file is written once, before the first finding that cites it, and never again. It says when that was, by which version
of flopwatch, and holds the cited thing whole: a digest alone tells nobody anything in five years.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from policy.usage.ledger import Ledger, LedgerError

FOLDER = "cited"
LEAST_DIGITS = 6  # of a digest, so that a typing error does not find something


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """One thing that was cited. ``flopwatch``: the version that put it down at ``first_cited``, in UTC."""

    kind: str
    digest: str
    first_cited: datetime
    flopwatch: str
    content: Mapping[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class Cited:
    """What is kept in one ledger."""

    ledger: Ledger

    def keep(self, kind: str, digest: str, content: Mapping[str, Any], at: datetime) -> None:
        """Put it down, unless it is there. Raises LedgerError."""
        path = self._folder(kind) / f"{digest}.json"
        if not path.exists():
            head = {"kind": kind, "digest": digest, "first_cited": at.isoformat(), "flopwatch": version("flopwatch")}
            self.ledger.write_text(path, json.dumps({**head, "content": content}, indent=1, sort_keys=True) + "\n")

    def all(self, kind: str) -> tuple[Citation, ...]:
        """Everything of a kind, the first cited first. Raises LedgerError for a file that cannot be read."""
        found = map(_read, sorted(self._folder(kind).glob("*.json")))
        return tuple(sorted(found, key=lambda each: (each.first_cited, each.digest)))

    def find(self, digest: str, *kinds: str) -> Citation:
        """The one of these kinds whose digest begins so. Raises LedgerError for none, several, or a damaged one."""
        paths = [path for kind in kinds for path in sorted(self._folder(kind).glob("*.json"))]
        fitting = [path for path in paths if len(digest) >= LEAST_DIGITS and path.stem.startswith(digest)]
        if len(fitting) != 1:
            what = " or ".join(kinds)
            problem = f"no digest of {what} begins" if not fitting else f"{len(fitting)} digests of {what} begin"
            raise LedgerError(
                f"{self.ledger.folder / FOLDER}: {problem} with {digest!r}; give {LEAST_DIGITS} digits or more of one "
                f"that is there: {', '.join(path.stem[:12] for path in paths) or 'nothing has been cited yet'}"
            )
        return _read(fitting[0])

    def _folder(self, kind: str) -> Path:
        return self.ledger.folder / FOLDER / kind


def _read(path: Path) -> Citation:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        citation = Citation(
            kind=document["kind"],
            digest=document["digest"],
            first_cited=datetime.fromisoformat(document["first_cited"]),
            flopwatch=document["flopwatch"],
            content=document["content"],
            path=path,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{path}: not what was put down there ({error}); restore it from a copy") from error
    if not isinstance(citation.content, dict) or citation.first_cited.tzinfo is None:
        raise LedgerError(f"{path}: does not say what was cited, and when by UTC; restore it from a copy")
    if (citation.kind, citation.digest) != (path.parent.name, path.stem):
        raise LedgerError(f"{path}: says that it is {citation.kind} {citation.digest}; restore it from a copy")
    return citation
