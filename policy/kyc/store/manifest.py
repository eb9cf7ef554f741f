"""
What stands beside each version of a store: who brought it, when, from which files, and what became of their rows.

It holds no name of a party and no value of a cell: of a row that was reported it has the place and what was wrong. Each
manifest has the digest of the one before it, so that none can be changed unseen while the newest digest is known.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

SCHEMA_VERSION = 1
NOTHING_BEFORE = hashlib.sha256().hexdigest()
"""What the first version has in the place of a digest, and a store without versions as its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFile:
    """
    One file of an import.

    ``sha256``: of its bytes, in hex. ``part``: which of its source's parts it is, empty where the source has one.
    ``left_out``: how many of the accepted rows are of a kind of which nothing is kept, by what they are.
    """

    name: str
    form: str
    sha256: str
    rows_in: int
    accepted: int
    reported: int
    part: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A row that was not accepted: where it is, and why."""

    place: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """
    One version.

    ``moment``: when it was recorded, in UTC. ``is_whole``: whether the files were the source's whole truth, so that
    what they did not say any more was withdrawn. ``left_standing``: what was not, because they were not.
    """

    number: int
    moment: str
    author: str
    source: str
    is_whole: bool
    files: tuple[FromFile, ...]
    reported: tuple[Reported, ...]
    added: int
    withdrawn: int
    left_standing: int
    rows_sha256: str
    previous: str
    schema_version: int = SCHEMA_VERSION

    @property
    def at(self) -> datetime:
        """When it was recorded."""
        return datetime.fromisoformat(self.moment)


def written(manifest: Manifest) -> bytes:
    """The manifest as a file."""
    return (json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n").encode()


def parsed(content: bytes) -> Manifest:
    """A file as manifest. Raises ValueError, KeyError or TypeError where it is none of this version."""
    found: dict[str, Any] = json.loads(content)
    if found["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {found['schema_version']}, this flopwatch has {SCHEMA_VERSION}")
    files = tuple(FromFile(**each) for each in found.pop("files"))
    reported = tuple(Reported(**each) for each in found.pop("reported"))
    return Manifest(**found, files=files, reported=reported)
