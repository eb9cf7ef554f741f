"""``flopwatch tenants`` as people run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import REPOSITORY, flopwatch
from support.kyc import a_file
from support.kyc_store import said

import policy.__main__ as command
from policy.commands.tenants import bring
from policy.kyc.importing.forms import FileRead
from policy.kyc.store.store import Store

WIDE = "9000"  # so that nothing is folded


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings in the environment, and room for every line."""
    for name in [name for name in os.environ if name.startswith("FLOPWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", WIDE)


class Tenants:
    """Runs ``flopwatch tenants`` in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = folder / "store"
        self._capsys = capsys

    def run(self, *arguments: str | Path, expect: int = 0) -> str:
        """What it prints."""
        code = command.main(["tenants", *map(str, arguments), "--tenants", str(self.store)])
        done = self._capsys.readouterr()
        assert code == expect, done.err
        return done.out if expect < command.UNUSABLE else done.err

    def json(self, *arguments: str | Path, expect: int = 0) -> Any:
        """The JSON that it prints."""
        return json.loads(self.run(*arguments, "--format", "json", expect=expect))


@pytest.fixture
def tenants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tenants:
    """The command, with a store that has not been begun."""
    return Tenants(tmp_path, capsys)


def settled(path: Path, seconds_ago: float = 60) -> Path:
    """The file, as if nobody had written to it for a while."""
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return path


def in_inbox(folder: Path, source: str, *rows: str, name: str = "said.csv") -> Path:
    """A file in the watched folder of a source."""
    (folder / source).mkdir(parents=True, exist_ok=True)
    return settled(said(folder / source, *rows, name=name))


# Import


def test_an_import(tenants: Tenants, tmp_path: Path) -> None:
    """An import tells the version, what became of the rows, and who is affected."""
    done = tenants.json("import", a_file(tmp_path, {}, {"tenant_id": "t-2"}), "--source", "crm", "--author", "tester")
    assert (done["state"], done["version"], done["affected"]) == ("imported", 1, ["t-1", "t-2"])
    (file,) = done["files"]
    assert (file["rows_in"], file["accepted"], file["reported"], file["kind"]) == (2, 2, 0, "accounts")
    (version,) = Store.existing(tenants.store).versions()
    assert version.digest == done["digest"]
    assert version.manifest.author == "tester"


def test_the_same_again(tenants: Tenants, tmp_path: Path) -> None:
    """The same file again makes no version and says so."""
    path = a_file(tmp_path, {})
    tenants.run("import", path, "--source", "crm")
    assert "Nothing changed" in tenants.run("import", path, "--source", "crm")
    assert len(Store.existing(tenants.store).versions()) == 1


def test_a_dry_run(tenants: Tenants, tmp_path: Path) -> None:
    """A dry run shows what would change and for whom, by ids, and leaves no trace, not even a store."""
    path = a_file(tmp_path, {})
    shown = tenants.run("import", path, "--source", "crm", "--dry-run")
    assert not tenants.store.exists()
    assert "headquarters_country  DE" in shown
    assert "Tenants affected: 1: t-1." in shown
    assert "Example Party" not in shown
    assert "Example Party GmbH" in tenants.run("import", path, "--source", "crm", "--dry-run", "--names")
    tenants.run("import", path, "--source", "crm")
    changed = tenants.json(
        "import", a_file(tmp_path, {"headquarters_country": "CN"}), "--source", "crm", "--dry-run"
    )  # fmt: skip
    assert {(each["change"], each["value"]) for each in changed["changes"]} == {("+", "CN"), ("-", "DE")}
    assert len(Store.existing(tenants.store).versions()) == 1


def test_an_import_that_is_overtaken(tenants: Tenants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import during whose reading another one was written comes after that one, and is of a later moment."""
    slow, quick = said(tmp_path, "t-1,customer,p-1"), said(tmp_path, "p-1,kind,branch", name="quick.csv")
    read = bring.read_file

    def overtaken(*asked: Any) -> FileRead:
        monkeypatch.setattr(bring, "read_file", read)
        tenants.run("import", quick, "--source", "register")
        return read(*asked)

    monkeypatch.setattr(bring, "read_file", overtaken)
    tenants.run("import", slow, "--source", "crm")
    first, second = (each.manifest for each in Store.existing(tenants.store).versions())
    assert (first.source, second.source) == ("register", "crm")
    assert first.at < second.at


def test_a_refused_file(tenants: Tenants, tmp_path: Path) -> None:
    """A file with bad rows is refused with exit code 1 and every problem, with line and column."""
    rows = [{"tenant_id": f"t-{at}", "headquarters_country": "DEU"} for at in range(25)]
    done = tenants.json("import", a_file(tmp_path, *rows), "--source", "crm", expect=1)
    assert done["state"] == "refused"
    assert [(each["line"], each["column"]) for each in done["problems"]] == [
        (line, "headquarters_country") for line in range(2, 27)
    ]
    assert not tenants.store.exists()
    assert "probably DE" in tenants.run("import", a_file(tmp_path, *rows), "--source", "crm", expect=1)


def test_the_rest(tenants: Tenants, tmp_path: Path) -> None:
    """With --accept-rest the good rows come in and the others are told; what they may hold is left standing."""
    tenants.run("import", a_file(tmp_path, {}, {"tenant_id": "t-2"}), "--source", "crm")
    path = a_file(tmp_path, {"headquarters_country": "SG"}, {"tenant_id": "t-2", "as_of": "soon"})
    done = tenants.json("import", path, "--source", "crm", "--accept-rest")
    assert (done["files"][0]["accepted"], done["files"][0]["reported"]) == (1, 1)
    assert [each["line"] for each in done["problems"]] == [3]
    assert done["left_standing"] > 0
    listed = {each["tenant"]: each for each in tenants.json("list")["tenants"]}
    assert (listed["t-1"]["customers_in"], listed["t-2"]["customers_in"]) == (["SG"], ["DE"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give files to import"),
        (("a.csv",), "--source"),
        (("a.csv", "--source", "crm", "--once"), "--once goes with --watch"),
        (("a.csv", "--watch", "in"), "or --watch"),
        (("--watch", "in", "--source", "crm"), "leave the other flag out"),
        (("--watch", "s3://bucket/kyc", "--once"), "sync the bucket"),
        (("--watch", "in", "--every", "0"), "above 0"),
        (("--watch", "in", "--withdraw-many"), "import it by itself"),
    ],
)
def test_flags_that_do_not_go_together(tenants: Tenants, arguments: tuple[str, ...], words: str) -> None:
    """A combination of flags that means nothing is refused in one line, with exit code 2."""
    said_of_it = tenants.run("import", *arguments, expect=2)
    assert words in said_of_it
    assert said_of_it.count("\n") == 1


def test_no_store(tenants: Tenants, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --tenants, with a store that is none, and into a file, nothing is done."""
    assert command.main(["tenants", "list"]) == 2
    assert "--tenants" in capsys.readouterr().err
    tenants.store.mkdir()
    assert "no store here" in tenants.run("list", expect=2)
    (tenants.store / "other").touch()
    path = a_file(tmp_path, {})
    assert "neither a store nor an empty folder" in tenants.run("import", path, "--source", "crm", expect=2)
    assert "cannot be read" in tenants.run("import", tmp_path / "nowhere.csv", "--source", "crm", expect=1)


# Watch


def test_a_watched_folder(tenants: Tenants, tmp_path: Path) -> None:
    """Each folder is a source, its newest file is all that it says, and hidden or unfinished ones are left alone."""
    inbox = tmp_path / "inbox"
    settled(in_inbox(inbox, "register", "p-1,headquarters_country,CN", name="old.csv"), 600)
    in_inbox(inbox, "register", "p-1,headquarters_country,DE")
    in_inbox(inbox, "crm", "t-1,customer,p-1")
    in_inbox(inbox, "crm", "t-9,customer,p-9", name=".aside.csv")
    settled(in_inbox(inbox, "crm", "t-9,customer,p-9", name="copy.part"), 1000)
    tenants.run("import", "--watch", inbox, "--once")
    (listed,) = tenants.json("list")["tenants"]
    assert (listed["tenant"], listed["customers_in"]) == ("t-1", ["DE"])
    assert {each.manifest.source for each in Store.existing(tenants.store).versions()} == {"crm", "register"}


def test_a_bad_file_in_a_watched_folder(tenants: Tenants, tmp_path: Path) -> None:
    """A bad file is told and kept, what was known stays, and other sources are imported all the same."""
    inbox = tmp_path / "inbox"
    in_inbox(inbox, "crm", "t-1,customer,p-1")
    tenants.run("import", "--watch", inbox, "--once")
    bad = in_inbox(inbox, "crm", "t-1,customer,p 1")
    in_inbox(inbox, "register", "p-1,headquarters_country,DE")
    assert "said.csv:2, value" in tenants.run("import", "--watch", inbox, "--once", expect=1)
    assert bad.exists()
    (listed,) = tenants.json("list")["tenants"]
    assert (listed["customers"], listed["customers_in"]) == (["p-1"], ["DE"])


def test_a_broken_off_file_in_a_watched_folder(tenants: Tenants, tmp_path: Path) -> None:
    """A file that would withdraw most of its source is told and left, and imported by itself where it is meant."""
    inbox = tmp_path / "inbox"
    in_inbox(inbox, "crm", *(f"t-{each},customer,p-{each}" for each in range(50)))
    tenants.run("import", "--watch", inbox, "--once")
    half = in_inbox(inbox, "crm", "t-1,customer,p-1")
    assert "--withdraw-many" in tenants.run("import", "--watch", inbox, "--once", expect=1)
    assert half.exists()
    assert len(tenants.json("list")["tenants"]) == 50
    planned = tenants.json("import", half, "--source", "crm", "--dry-run", "--withdraw-many")
    assert (planned["state"], planned["withdrawn"]) == ("planned", 49)
    tenants.run("import", half, "--source", "crm", "--withdraw-many")
    assert len(tenants.json("list")["tenants"]) == 1


def test_a_file_that_is_being_written(tenants: Tenants, tmp_path: Path) -> None:
    """A file that somebody wrote to just now is not read yet."""
    path = in_inbox(tmp_path / "inbox", "crm", "t-1,customer,p-1")
    os.utime(path)
    tenants.run("import", "--watch", tmp_path / "inbox", "--once")
    assert not tenants.store.exists()


def test_watching_goes_on(tmp_path: Path) -> None:
    """A watch imports what comes, goes on after a bad file and a busy store, and ends with Ctrl-C."""
    inbox, store = tmp_path / "inbox", tmp_path / "store"
    in_inbox(inbox, "crm", "t-1,customer,p-1")
    arguments = ["tenants", "import", "--watch", inbox, "--every", "0.1", "--tenants", store]
    watching = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "policy", *map(str, arguments)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        told = iter(watching.stdout or ())
        assert any("version 1" in line for line in told)
        in_inbox(inbox, "crm", "t-1,customer,p 1", name="bad.csv")
        assert any("Nothing was imported" in line for line in told)
        in_inbox(inbox, "crm", "t-1,customer,p-2", name="then.csv")
        assert any("version 2" in line for line in told)
        with Store.existing(store).writing():
            in_inbox(inbox, "register", "p-1,headquarters_country,DE")
            assert any("another import is writing" in line for line in told)
        assert any("version 3" in line for line in told)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == command.INTERRUPTED
    finally:
        watching.kill()
        watching.communicate()


# List and show


def test_list(tenants: Tenants, tmp_path: Path) -> None:
    """The list has every tenant with its customers, their countries, how much is said, and when it was verified."""
    path = said(
        tmp_path, "t-1,customer,p-1", "t-1,customer,p-2", "p-1,headquarters_country,SG", "p-2,headquarters_country,CN",
        "t-1,verified_on,2026-03-01", "p-1,name,Example Party", "t-2,tenancy,shared",
    )  # fmt: skip
    tenants.run("import", path, "--source", "crm")
    first, second = tenants.json("list")["tenants"]
    assert first == {
        "tenant": "t-1",
        "customers": ["p-1", "p-2"],
        "customers_in": ["CN", "SG"],
        "statements": 6,
        "verified": "2026-03-01",
    }
    assert (second["tenant"], second["customers"], second["verified"]) == ("t-2", [], None)
    assert "Example Party" not in tenants.run("list")
    assert "Example Party" in tenants.run("list", "--names")


def test_show(tenants: Tenants, tmp_path: Path) -> None:
    """Everything said of a tenant and of those above it is shown, with sources, and what differs is marked."""
    above = ["t-1,customer,p-1", "p-1,ultimate_parent,p-2", "p-2,headquarters_country,SG", "p-2,name,Example Above"]
    tenants.run("import", said(tmp_path, *above, "p-9,kind,branch"), "--source", "crm")
    tenants.run("import", said(tmp_path, "p-2,headquarters_country,CN"), "--source", "register")
    shown = tenants.json("show", "t-1")["statements"]
    assert {each["subject"] for each in shown} == {"t-1", "p-1", "p-2"}
    assert {(each["value"], each["source"]) for each in shown if each["differs"]} == {("SG", "crm"), ("CN", "register")}
    text = tenants.run("show", "t-1")
    assert "differs" in text
    assert "Example Above" not in text
    assert "Example Above" in tenants.run("show", "t-1", "--names")
    assert "nothing was known of it" in tenants.run("show", "t-7", expect=2)


def test_show_on_a_day(tenants: Tenants, tmp_path: Path) -> None:
    """What was known on a day is shown as it was, with its two clocks."""
    rows = ["t-1,customer,t-1,,2026-01-01", "t-1,headquarters_country,CN,2026-02-01,2026-03-01"]
    tenants.run("import", said(tmp_path, *rows), "--source", "crm")
    (before,) = tenants.json("show", "t-1", "--at", "2026-02-28")["statements"]
    assert before["predicate"] == "customer"
    both = tenants.json("show", "t-1", "--at", "2026-03-01")["statements"]
    assert {(each["as_of"], each["known_from"]) for each in both} == {
        (None, "2026-01-01"), ("2026-02-01", "2026-03-01")
    }  # fmt: skip


def test_a_file_can_be_looked_at(tmp_path: Path) -> None:
    """List and show read a file as they read a store."""
    path = a_file(tmp_path, {})
    assert "t-1" in flopwatch("tenants", "list", "--tenants", path).stdout
    shown = flopwatch("tenants", "show", "t-1", FLOPWATCH_TENANTS=str(path)).stdout
    assert "headquarters_country" in shown


def test_versions(tenants: Tenants, tmp_path: Path) -> None:
    """Every import is on record, and a store that is not as it was written is told, with exit code 2."""
    tenants.run("import", a_file(tmp_path, {}), "--source", "crm", "--author", "tester")
    tenants.run("import", said(tmp_path, "p-1,kind,branch", "p-2,kind,club"), "--source", "register", "--accept-rest")
    first, second = tenants.json("versions")["versions"]
    assert (first["author"], first["files"][0]["name"]) == ("tester", "tenants.csv")
    assert second["previous"] == first["digest"]
    assert second["reported"][0]["place"] == "said.csv:3, value"
    assert "All is as it was written. Versions: 2." in tenants.run("versions")
    (tenants.store / "versions" / "000001.parquet").write_bytes(b"PAR1")
    assert "not the bytes that were written" in tenants.run("versions", expect=2)


def test_withdraw(tenants: Tenants, tmp_path: Path) -> None:
    """All that a source says can be taken back by its name, other sources stay, and a source that is none is told."""
    tenants.run("import", a_file(tmp_path, {}), "--source", "crmm")
    tenants.run("import", said(tmp_path, "p-1,kind,branch"), "--source", "register")
    planned = tenants.json("withdraw", "--source", "crmm", "--dry-run")
    assert (planned["state"], planned["affected"], planned["version"]) == ("planned", ["t-1"], None)
    assert "Withdrawn all of crmm: version 3" in tenants.run("withdraw", "--source", "crmm")
    assert tenants.json("list")["tenants"] == []
    standing = Store.existing(tenants.store).read().frame.filter(pl.col("known_to").is_null())
    assert standing["predicate"].to_list() == ["kind"]
    assert "nothing is known by its word" in tenants.run("withdraw", "--source", "crmm", expect=2)


@pytest.mark.parametrize("part", ["import", "list", "show", "versions", "withdraw"])
def test_help(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every part says what it does, with examples and exit codes."""
    with pytest.raises(SystemExit) as ended:
        command.main(["tenants", part, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert "examples:" in text
    assert "exit codes:" in text
