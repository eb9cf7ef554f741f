"""
The last screening, kept in a folder, so that the next one compares only what changed since: parties, entries, or both.

What is kept is used only where it was made by this very matcher and at this threshold, and where every byte is what was
written; else everything is compared anew. It holds names of parties, so nobody but its owner may read it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from unicodedata import unidata_version

import polars as pl

from policy.files import make_folder, write_whole
from policy.frames import SchemaMismatch, conform
from policy.kyc.screening.lists import ENTRIES
from policy.kyc.screening.screen import HITS, PARTIES, Screening, rescreen, screen, without

ABOUT = "about.json"
FRAMES: Mapping[str, pl.Schema] = {"parties": PARTIES, "entries": ENTRIES, "hits": HITS}
PACKAGES = ("anyascii", "iso3166", "rapidfuzz")
MOST_CHANGED = 0.1  # of the parties; beyond it comparing everything, in all processes, is faster: a guess
Row = tuple[object, ...]


def screen_again(
    kept: Screening | None, parties: pl.DataFrame, entries: pl.DataFrame, threshold: float, *, processes: int
) -> Screening:
    """What screening everything gives; where there is a kept screening, by comparing only what changed since."""
    if kept is None or kept.threshold != threshold:
        return screen(parties, entries, threshold, processes=processes)
    gone, moved = _differences(kept.parties, parties, ["party_id"])
    dropped, altered = _differences(kept.entries, entries, ["list", "entry"])
    if moved.height > MOST_CHANGED * parties.height:
        return screen(parties, entries, threshold, processes=processes)
    left = without(kept, party_ids=[str(each[0]) for each in gone], entries=[(str(a), str(b)) for a, b in dropped])
    return rescreen(left, moved if moved.height else None, altered if altered.height else None)


def _differences(before: pl.DataFrame, now: pl.DataFrame, ids: list[str]) -> tuple[list[Row], pl.DataFrame]:
    """The ids of rows that are no more, and the rows that are new or other than they were."""
    known, found = _by_id(before, ids), _by_id(now, ids)
    changed = [known.get(each) != row for each, row in found.items()]
    return [each for each in known if each not in found], now.filter(pl.Series(changed, dtype=pl.Boolean))


def _by_id(frame: pl.DataFrame, ids: list[str]) -> dict[Row, str]:
    return {tuple(row[name] for name in ids): repr(row) for row in frame.iter_rows(named=True)}


def read_kept(folder: Path) -> Screening | None:
    """The kept screening; None where there is none that can be used."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["matcher"] != matcher():
            return None
        frames = {name: _read(folder / f"{name}.parquet", about[name], declared) for name, declared in FRAMES.items()}
        return Screening(threshold=float(about["threshold"]), **frames)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError, SchemaMismatch):
        return None


def keep(screening: Screening, folder: Path) -> None:
    """
    Put it into a folder, each file readable by its owner alone. Raises :class:`policy.files.CannotWrite`, OSError.

    The folder's own rights are left alone: it may be one that others work in.
    """
    make_folder(folder)
    about: dict[str, object] = {"matcher": matcher(), "threshold": screening.threshold}
    for name in FRAMES:
        content = BytesIO()
        getattr(screening, name).write_parquet(content)
        about[name] = hashlib.sha256(content.getvalue()).hexdigest()
        write_whole(folder / f"{name}.parquet", _writer(content.getvalue()))
    write_whole(folder / ABOUT, _writer(json.dumps(about).encode()))


def matcher() -> str:
    """A digest of everything that decides how names are compared."""
    parts = sorted(decisive())
    return hashlib.sha256(b"\0".join(name.encode() + b"\0" + content for name, content in parts)).hexdigest()


def decisive() -> Iterator[tuple[str, bytes]]:
    """By name what decides: the sources here, how countries are read, versions of what changes letters."""
    countries = [files("policy.facts").joinpath(name) for name in ("countries.py", "countries.toml")]
    for each in (*files("policy.kyc.screening").iterdir(), *countries):
        if each.name.endswith((".py", ".toml")):
            yield each.name, each.read_bytes()
    yield from ((name, version(name).encode()) for name in PACKAGES)
    yield "Unicode", unidata_version.encode()


def _read(path: Path, digest: str, declared: pl.Schema) -> pl.DataFrame:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is not what was written")
    return conform(pl.read_parquet(BytesIO(content)), declared, path.name)


def _writer(content: bytes) -> Callable[[Path], object]:
    """Writes a file that nobody but its owner may read, from its first moment on."""

    def write(aside: Path) -> None:
        aside.touch(mode=0o600, exist_ok=False)
        aside.write_bytes(content)

    return write
