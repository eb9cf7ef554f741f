"""A screening that is kept, and what the next one makes of it."""

import ast
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried
from support.screening import entries_frame, parties_frame

from policy.facts import countries
from policy.kyc.screening import kept
from policy.kyc.screening.kept import keep, read_kept, screen_again
from policy.kyc.screening.screen import Screening, screen

NAMES = ("Example Falcon Works", "Example Falkon Works", "Nordsee Kvarz Trading", "Kvarz Trading", "Blue Harbour Bank")
PARTIES = st.dictionaries(st.sampled_from(["p-1", "p-2", "p-3", "p-4", "p-5"]), st.sampled_from(NAMES), max_size=5)
ENTRIES = st.dictionaries(st.sampled_from(["e-1", "e-2", "e-3", "e-4"]), st.sampled_from(NAMES), max_size=4)


def frames(parties: dict[str, str], entries: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Parties and entries of these names, by their ids."""
    return (
        parties_frame(*({"party_id": each, "name": name} for each, name in parties.items())),
        entries_frame(*({"entry": each, "name": name} for each, name in entries.items())),
    )


def screened(parties: dict[str, str], entries: dict[str, str], threshold: float = 0.8) -> Screening:
    """Everything compared with everything."""
    return screen(*frames(parties, entries), threshold)


@unhurried
@given(PARTIES, ENTRIES, PARTIES, ENTRIES)
def test_the_same_as_comparing_everything(
    before: dict[str, str], listed: dict[str, str], parties: dict[str, str], entries: dict[str, str]
) -> None:
    """Whatever came, went or changed, what is kept and compared again gives what comparing everything gives."""
    again = screen_again(screened(before, listed), *frames(parties, entries), 0.8, processes=1)
    whole = screened(parties, entries)
    assert again.hits.equals(whole.hits)
    assert again.parties.equals(whole.parties)
    assert again.entries.equals(whole.entries)


def test_kept_and_read(tmp_path: Path) -> None:
    """What was kept is what is read, by its owner alone, and the folder's own rights stay as they are."""
    before, folder = screened({"p-1": NAMES[0]}, {"e-1": NAMES[1]}), tmp_path / "kept"
    folder.mkdir()
    folder.chmod(0o775)
    keep(before, folder)
    keep(before, folder)
    found = read_kept(folder)
    assert found is not None
    assert found.hits.equals(before.hits)
    assert found.threshold == 0.8
    assert folder.stat().st_mode & 0o777 == 0o775
    assert {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()} == dict.fromkeys(
        ["about.json", "entries.parquet", "hits.parquet", "parties.parquet"], 0o600
    )


def test_only_what_changed_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where few parties changed nothing is compared anew with everything."""
    parties = {f"p-{number}": f"Example Works {number}" for number in range(40)}
    before = screened(parties, {"e-1": NAMES[0]})
    monkeypatch.setattr(kept, "screen", lambda *_, **__: pytest.fail("everything was compared"))
    again = screen_again(before, *frames({**parties, "p-1": NAMES[1]}, {"e-1": NAMES[0]}), 0.8, processes=1)
    assert "p-1" in set(again.hits["party_id"])


@pytest.mark.parametrize("damage", ["gone", "cut", "another matcher", "no JSON", "another frame"])
def test_what_cannot_be_used_is_not(tmp_path: Path, damage: str) -> None:
    """A kept screening that is damaged, incomplete or of another matcher counts as none."""
    keep(screened({"p-1": NAMES[0]}, {"e-1": NAMES[1]}), tmp_path)
    match damage:
        case "gone":
            (tmp_path / "hits.parquet").unlink()
        case "cut":
            content = (tmp_path / "parties.parquet").read_bytes()
            (tmp_path / "parties.parquet").write_bytes(content[:-9])
        case "another matcher":
            about = (tmp_path / "about.json").read_text(encoding="utf-8")
            (tmp_path / "about.json").write_text(about.replace(kept.matcher(), "0" * 64), encoding="utf-8")
        case "no JSON":
            (tmp_path / "about.json").write_text("[", encoding="utf-8")
        case _:
            (tmp_path / "entries.parquet").write_bytes((tmp_path / "parties.parquet").read_bytes())
    assert read_kept(tmp_path) is None


def imports(module: Path) -> set[str]:
    """The packages that a module imports, itself or for its types."""
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    names = [each.module or "" for each in nodes if isinstance(each, ast.ImportFrom)]
    names += [alias.name for each in nodes if isinstance(each, ast.Import) for alias in each.names]
    return {name.partition(".")[0] for name in names}


def test_whatever_decides_makes_another_matcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of a package that comparing uses, or another way to read countries, is another matcher."""
    modules = [Path(countries.__file__), *Path(kept.__file__).parent.glob("*.py")]
    used = set.union(*map(imports, modules)) - sys.stdlib_module_names - {"policy", "polars"}
    assert used == {"anyascii", "iso3166", "rapidfuzz"}
    now = kept.matcher()
    for package in sorted(used):
        with monkeypatch.context() as changed:
            changed.setattr(kept, "version", lambda name, other=package: "0" if name == other else version(name))
            assert kept.matcher() != now
    assert {"countries.py", "countries.toml", "names.py"} <= {name for name, _ in kept.decisive()}


def test_another_threshold_is_another_screening() -> None:
    """What was kept at one threshold says nothing of another."""
    again = screen_again(screened({"p-1": NAMES[0]}, {"e-1": NAMES[1]}), *frames({"p-1": NAMES[0]}, {"e-1": NAMES[1]}),
                         0.99, processes=1)  # fmt: skip
    assert again.hits.equals(screened({"p-1": NAMES[0]}, {"e-1": NAMES[1]}, 0.99).hits)
