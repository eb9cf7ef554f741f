"""
What the setting ``tenants`` names: a file of the provider's, CSV or JSON Lines, or the folder of a store.
"""

from pathlib import Path

from policy.kyc.directory import Directory
from policy.kyc.importing.forms import Asked, read_file
from policy.kyc.statements import frame_of
from policy.kyc.store.storage import HEAD
from policy.kyc.store.store import Store


def read_directory(path: Path) -> Directory:
    """
    All that is said there. Raises KycError.

    A file is taken whole or not at all, and what it says counts as known from the beginning.
    """
    if path.is_dir():
        return Store.existing(path).read()
    found = read_file(path, Asked(source=path.name))
    return Directory(frame=frame_of(dict.fromkeys(found.read.whole(path))), digest=found.sha256)


def watched_file(path: Path) -> Path:
    """The file that changes when what is said there does: of a store the one that names the version in force."""
    return path / HEAD if path.is_dir() else path
