"""Bad input at the command: one line, exit code 2, nothing half done."""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path

import polars as pl
import pytest
from support.kyc import a_file
from support.usage import a_moment

import policy.__main__ as command
from collector.contract import Provenance
from policy.commands.review import write_token
from policy.commands.status import BALANCE_DAYS, latest_targets
from policy.facts.reading import load_facts
from policy.frames import empty
from policy.review.access import Tokens, new_token
from policy.review.errors import NotAuthenticated
from policy.review.store import upgrade
from policy.settings import Settings
from policy.usage.counters import COUNTERS
from policy.usage.ledger import TARGETS, Ledger
from policy.usage.sources.scrape import Limits, fault_of_url, scrape
from policy.usage.sources.target import LONGEST_DETAIL, Target, TargetState, Unusable, unheard
from policy.wiring import latest_customers

ROOT = str(Path(__file__).resolve().parents[2])
SECRET = "hunter2"
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the files that the cases name, and no settings in the environment."""
    for name in [name for name in os.environ if name.startswith(("FLOPWATCH_", "KUBERNETES_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    jobs = "job_id,arrival_s,gpus,duration_s,account\n[/red],0,8,3600,t-1\n:bomb: x,0,8,60,t-1\n"
    (tmp_path / "jobs.csv").write_text(jobs, encoding="utf-8")
    (tmp_path / "late.csv").write_text("job_id,arrival_s,gpus,duration_s\na,1e10,8,1e10\n", encoding="utf-8")
    (tmp_path / "late-series.csv").write_text("trace,gpu,t_s,util_pct\na,0,9e9,1\n", encoding="utf-8")
    (tmp_path / "map.csv").write_text("job_id,tenant_id\n[/red], t-7 \n:bomb: x,  \n", encoding="utf-8")
    (tmp_path / "empty.token").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "accent.token").write_text("gehéim", encoding="utf-8")
    (tmp_path / "two.token").write_text(f"{SECRET}\n{SECRET}", encoding="utf-8")
    (tmp_path / "nodes.txt").write_text(f"http://alice:{SECRET}@node:9478/metrics\n", encoding="utf-8")
    (tmp_path / "text.sqlite").write_text("not a database, " * 100, encoding="utf-8")
    (tmp_path / "a-folder").mkdir()
    return tmp_path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs the command in this process and gives the one line with which it refused."""

    def run(*arguments: str) -> str:
        try:
            code = command.main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), said.err
        (line,) = filter(None, said.err.splitlines())
        assert line.startswith("flopwatch")
        assert SECRET not in line
        return line

    return run


TARGET = ("--targets", "http://127.0.0.1:9/metrics")
ENGINE = ("engine", "--once", *TARGET)
REPLAY = ("replay", "jobs.csv")
DATABASE = ("review", "migrate", "--database")

CASES = {
    "no command": ((), "the following arguments are required: COMMAND"),
    "an unknown command": (("fly",), "invalid choice: 'fly'"),
    "an unknown flag": ((*REPLAY, "--fly\nhigh"), "unrecognized arguments: --fly high"),
    "no part": (("review",), "required: PART"),
    "a URL that is none": ((*DATABASE, f"postgres//a:{SECRET}@b"), "has no SQLAlchemy URL"),
    "a database nobody knows": ((*DATABASE, f"oracular://a:{SECRET}@b/c"), "oracular://a:***@b/c has no SQLAlchemy"),
    "a port that is none": ((*DATABASE, f"postgresql://a:{SECRET}@b:x/c"), "has no SQLAlchemy URL"),
    "a driver that is not there": ((*DATABASE, f"postgresql+psycopg://a:{SECRET}@b/c"), "the driver psycopg"),
    "a password in a query": ((*DATABASE, f"mysql+pymysql://b/c?password={SECRET}"), "the driver pymysql"),
    "a database that is none": ((*DATABASE, "sqlite:///text.sqlite"), "file is not a database"),
    "the engine's database": ((*ENGINE, "--database", "sqlite:///text.sqlite"), "file is not a database"),
    "a database in no folder": ((*DATABASE, "sqlite:///none/a.sqlite"), "has no folder none"),
    "a database that is a folder": ((*DATABASE, "sqlite:///a-folder"), "sqlite:///a-folder is a folder"),
    "a password in a target": (("engine", "--targets", f"http://a:{SECRET}@b/metrics"), "address 1 has a user or pass"),
    "a password in the list": (("engine", "--targets", "nodes.txt"), "give the token with --scrape-token-file"),
    "a password without scheme": (("engine", "--targets", f"a:{SECRET}@b"), "what was given: cannot be read"),
    "a query in a target": (("engine", "--targets", f"http://a/?token={SECRET}"), "has a query"),
    "no host": (("engine", "--targets", "http://"), "'http://' is not a collector's URL"),
    "an open bracket": (("engine", "--targets", "http://[::1"), "has a host or port that cannot be one"),
    "a port too high": (("engine", "--targets", "http://a:99999/"), "is not a collector's URL"),
    "a label too long": (("engine", "--targets", f"http://{'a' * 70}/"), "has a host or port that cannot be one"),
    "another scheme": (("engine", "--targets", "ftp://a/"), "is not a collector's URL"),
    "no target": (("engine",), "--targets: nothing"),
    "binary targets": (("engine", "--targets", "binary"), "--targets binary: is not text in UTF-8"),
    "a tier below 0": ((*REPLAY, "--tier", "review=-5"), "tier 'review' is -5.0"),
    "a tier of 0": ((*REPLAY, "--tier", "review=0"), "tier 'review' is 0.0"),
    "a tier that is nan": ((*ENGINE, "--tier", "review=nan"), "tier 'review' is nan"),
    "a tier without name": ((*REPLAY, "--tier", "=5"), "--tier =5: has no name"),
    "a tier set twice": ((*REPLAY, "--tier", "review=5,review=6"), "is set twice"),
    "a tier nobody uses": ((*REPLAY, "--tier", "revue=5"), "--tier revue: no rule of default.yaml"),
    "an empty token": ((*ENGINE, "--scrape-token-file", "empty.token"), "holds no token"),
    "a binary token": ((*ENGINE, "--scrape-token-file", "binary"), "holds no token"),
    "a token with accents": ((*ENGINE, "--scrape-token-file", "accent.token"), "holds no token"),
    "two tokens": ((*ENGINE, "--scrape-token-file", "two.token"), "holds no token"),
    "endless cycles": ((*ENGINE, "--cycle-seconds", "1e300"), "--cycle-seconds: Input should be less than"),
    "infinite look-back": ((*ENGINE, "--look-back-days", "inf"), "--look-back-days"),
    "never stale": ((*ENGINE, "--stale-after-cycles", "nan"), "--stale-after-cycles"),
    "endless patience": ((*ENGINE, "--scrape-timeout-seconds", "3601"), "--scrape-timeout-seconds"),
    "a start that is no date": ((*REPLAY, "--start", "soon"), "'soon' is not a date, as 2026-06-01"),
    "a start out of range": ((*REPLAY, "--start", "2026-13-01"), "is not a date, as 2026-06-01"),
    "a start before time": ((*REPLAY, "--start", "0001-01-01T00:00+14:00"), "is not a date, as 2026-06-01"),
    "jobs beyond time": (("replay", "late.csv", "--start", "9900-01-01"), "late.csv: its last time is beyond"),
    "series beyond time": (("replay", "late-series.csv", "--start", "9900-01-01"), "late-series.csv: its last time"),
    "an output in no folder": ((*REPLAY, "--format", "parquet", "--output", "none/a"), "there is no folder none"),
    "an output that is a folder": ((*REPLAY, "--format", "parquet", "--output", "a-folder"), "a-folder: is a folder"),
    "an empty constant": ((*REPLAY, "--map", "tenant_id=:"), "--map tenant_id=:: no value"),
    "an empty column": ((*REPLAY, "--map", "tenant_id="), "--map tenant_id=: no value"),
    "a field mapped twice": ((*REPLAY, "--map", "tenant_id=:a", "--map", "tenant_id=:b"), "tenant_id is 'a' already"),
    "a second map": ((*REPLAY, "--map", "map.csv", "--map", "map.csv"), "--map map.csv: a second file"),
    "a binary map": ((*REPLAY, "--map", "binary"), "--map binary: not FIELD=COLUMN"),
    "no namespace": (("engine", "--targets", "kubernetes:"), "--targets kubernetes:: names no namespace"),
    "no cluster": (("engine", "--targets", "kubernetes:a"), "KUBERNETES_SERVICE_HOST is not set"),
    "a health without port": ((*ENGINE, "--health-listen", "127.0.0.1"), "is not ADDRESS:PORT"),
    "a health at a name": ((*ENGINE, "--health-listen", "a.b:9480"), "is not ADDRESS:PORT, as 127.0.0.1:9480"),
    "a health port too high": ((*ENGINE, "--health-listen", "[::1]:99999"), "is not ADDRESS:PORT"),
    "a health elsewhere": ((*ENGINE, "--health-listen", "192.0.2.1:9480"), "cannot listen there (Cannot assign"),
    "no tenants": ((*ENGINE, "--tenants", "none.csv"), "none.csv: nothing was loaded"),
    "a ledger that is a file": ((*ENGINE, "--ledger", "jobs.csv"), "jobs.csv: "),
    "a ledger below a device": ((*ENGINE, "--ledger", "/dev/null/x"), "/dev/null/x: Not a directory"),
    "facts in no folder": ((*ENGINE, "--facts", "none"), "--facts none: cannot be read (No such file or dir"),
    "facts in a file": (("facts", "check", "--facts", "jobs.csv"), "--facts jobs.csv: cannot be read (Not a dir"),
    "a scenario in force": ((*ENGINE, "--scenario", "a.toml"), "unrecognized arguments: --scenario a.toml"),
    "a scenario that is none": ((*REPLAY, "--scenario", "a.toml"), "a.toml, whole file, name: there is no such file"),
    "no ledger": (("status",), "ledger: no ledger here"),
    "tokens in no folder": (("review", "add-token", "a", "--tokens", "none/t"), "--tokens none/t: cannot be written"),
    "an actor that is none": (("review", "add-token", "a b", "--tokens", "t"), "tokens file t has an entry 'a b'"),
    "the engine as actor": (("review", "add-token", "engine", "--tokens", "t"), "tokens file t has an entry 'engine'"),
    "no tokens": (("review", "serve",), "review-tokens.toml cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_leaves_nothing(folder: Path, refused: Refused, name: str) -> None:
    """Exit code 2, one line that says what and where, no secret in it, and no file that was not there before."""
    before = sorted(folder.rglob("*"))
    arguments, words = CASES[name]
    assert words in refused(*arguments)
    assert sorted(folder.rglob("*")) == before


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    """A manifest that leaves a value empty means the default."""
    monkeypatch.setenv("FLOPWATCH_CYCLE_SECONDS", "")
    monkeypatch.setenv("FLOPWATCH_TENANTS", "")
    assert "--targets: nothing" in refused("engine")


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A job may be called like an instruction to the library that prints tables, and keeps its name."""
    assert command.main([*REPLAY, "--start", "2026-06-01", "--accelerator", "[/red]", "--map", "map.csv"]) == 0
    said = capsys.readouterr()
    assert "[/red]" in said.out
    assert ":bomb: x" in said.out
    assert "'[/red]'" in said.err


def test_cells_of_a_map_are_trimmed(capsys: pytest.CaptureFixture[str]) -> None:
    """Spaces around a value do not belong to it, and a blank cell says nothing."""
    assert command.main([*REPLAY, "--start", "0001-01-02", "--map", "map.csv"]) == 0
    said = capsys.readouterr().out
    assert " t-7 " in said
    assert "unlinked" in said


@pytest.mark.parametrize("form", ["json", "table"])
def test_a_reader_that_leaves_is_no_error(folder: Path, form: str) -> None:
    """``| head`` ends the command without a word."""
    rows = "".join(f"job-{number},0,8,3600,t-1\n" for number in range(2000))
    (folder / "jobs.csv").write_text("job_id,arrival_s,gpus,duration_s,account\n" + rows, encoding="utf-8")
    child = subprocess.Popen(
        [sys.executable, "-m", "policy", *REPLAY, "--all", "--format", form],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        assert (child.stderr.read(), child.wait(60)) == (b"", 0)


@pytest.mark.parametrize(("package", "extra"), [("pynvml", "collector"), ("polars", "policy")])
def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: Refused, package: str, extra: str
) -> None:
    """One line says which extra to install, and --help still works and loads none of them."""

    def found(name: str) -> ModuleSpec | None:
        return None if name == package else ModuleSpec(name, None)

    def load(name: str) -> object:
        if package == "polars":
            raise ModuleNotFoundError(name=package)
        return import_module(name)

    monkeypatch.setattr(command, "find_spec", found)
    monkeypatch.setattr(command, "import_module", load)
    assert refused("demo", "--exit") == (
        f"flopwatch: demo needs {package}, which is not installed; install the wheel with its extra [{extra}]"
    )
    with pytest.raises(SystemExit) as helped:
        command.main(["--help"])
    assert helped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} {about.summary}" in said for name, about in command.COMMANDS.items())


# What targets say


def test_a_target_forges_no_log_line() -> None:
    """What a target said is one printable line of limited length, in every state."""
    said = unheard("http://a/", Unusable(TargetState.NOT_METRICS, "text/html [/evil]\n\x1b[31mé" + "x" * 500)).detail
    assert said.startswith("text/html [/evil]??[31m?x")
    assert len(said) == LONGEST_DETAIL
    assert said.isprintable()


@pytest.mark.parametrize("target", [f"http://{'a' * 70}/metrics", "http://[::1", "http://a:99999/"])
def test_a_target_that_cannot_be_asked_is_down(target: str) -> None:
    """An address that no socket can be made for is the target's state, never an exception."""
    (heard,) = scrape([Target.at(target)], Provenance.MEASURED, Limits(timeout_seconds=1.0))
    assert heard.state is TargetState.DOWN
    assert fault_of_url(target)


# Status


def a_ledger(folder: Path, *answers: tuple[float, str, str | None]) -> Ledger:
    """A ledger with these answers: day, target, node."""
    ledger = Ledger.open(folder / "ledger", Provenance.MEASURED)
    for day in sorted({day for day, _, _ in answers}):
        at = a_moment(day * 86_400)
        rows = [(at, target, node, "down", "[/evil]") for when, target, node in answers if when == day]
        ledger.write("targets", at, pl.DataFrame(rows, schema=TARGETS, orient="row"))
        ledger.write_counters(at, empty(COUNTERS))
    return ledger


def test_status_shows_the_newest_round_with_its_nodes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Targets that are no longer asked are gone, nodes stand beside their targets, and text is not markup."""
    ledger = a_ledger(folder, (0, "http://old/", "node-o"), (9, "http://a/", "node-a"), (9, "http://b/", None))
    assert latest_targets(ledger)["node"].to_list() == ["node-a", None]
    assert command.main(["status"]) == 0
    said = capsys.readouterr().out
    assert "node-a" in said
    assert "[/evil]" in said
    assert "node-o" not in said


def test_status_reads_only_the_days_that_it_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file older than the days shown is not opened."""
    a_ledger(folder, (0, "http://a/", None), (BALANCE_DAYS + 2, "http://a/", None))
    day = (a_moment(0) - timedelta(days=1)).date()
    for table in ("balance", "targets"):
        old = folder / "ledger" / table / f"date={day}" / "old.parquet"
        old.parent.mkdir(parents=True)
        old.write_text("no Parquet")
    assert command.main(["status"]) == 0
    assert "http://a/" in capsys.readouterr().out


# The review API


def test_a_port_in_use_is_one_line(folder: Path, refused: Refused) -> None:
    """Nothing is said to be served before the port is had; nor for a host that others reach."""
    upgrade("sqlite:///flopwatch.sqlite")
    write_token(folder / "review-tokens.toml", "alice", new_token()[1])
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        line = refused("review", "serve", "--review-port", str(taken.getsockname()[1]))
    assert "Address already in use" in line
    assert "unencrypted" in refused("review", "serve", "--review-host", "0.0.0.0")
    assert "Cannot listen on aaaa" in refused("review", "serve", "--review-host", "a" * 70, "--allow-remote")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_review_api_with_0(folder: Path, number: signal.Signals) -> None:
    """Both ways of stopping it are as good."""
    upgrade("sqlite:///flopwatch.sqlite")
    write_token(folder / "review-tokens.toml", "alice", new_token()[1])
    serve = [sys.executable, "-m", "policy", "review", "serve", "--review-port", "0"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ROOT}) as server:
        try:
            assert server.stderr is not None
            assert server.stderr.readline().startswith("serving http://127.0.0.1:")
            server.send_signal(number)
            assert server.wait(timeout=20) == 0
        finally:
            server.kill()


def test_taking_a_token_out_of_the_file_shuts_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file counts as it stands; a bad one leaves the last good one in force, and the log has nothing of it."""
    path = folder / "tokens.toml"
    (alice, of_alice), (bob, of_bob) = new_token(), new_token()
    write_token(path, "alice", of_alice)
    write_token(path, "bob", of_bob)
    tokens = Tokens.following(path)
    assert (tokens.actor_of(alice), tokens.actor_of(bob)) == ("alice", "bob")
    path.write_text(f'[tokens]\nalice = "{of_alice}"\n')
    with pytest.raises(NotAuthenticated):
        tokens.actor_of(bob)
    path.write_text(f'[tokens]\n"not a person" = "{of_bob}"\n')
    assert [tokens.actor_of(alice) for _ in range(3)] == ["alice"] * 3
    assert caplog.text.count("tokens.refused file=tokens.toml") == 1  # anybody can ask, as often as they like
    assert "not a person" not in caplog.text


def test_a_refused_token_leaves_the_file(folder: Path, refused: Refused) -> None:
    """A bad actor changes nothing about a file that is there."""
    path = folder / "tokens.toml"
    write_token(path, "alice", new_token()[1])
    before = path.read_bytes()
    assert f"tokens file {path.name} has" in refused("review", "add-token", "a/b", "--tokens", path.name)
    assert "alice has a token already" in refused("review", "add-token", "alice", "--tokens", path.name)
    assert path.read_bytes() == before


def test_a_refused_tenants_file_is_logged_by_place(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which rows and columns to put right, up to five of them, and repeats no name."""
    customers = latest_customers(Settings(tenants=a_file(folder, {"tenant_id": "t-1"})), load_facts())
    rows = [{"tenant_id": f"t-{number}", "party_name": " Secret Party", "as_of": "soon"} for number in range(9)]
    a_file(folder, *rows)
    with caplog.at_level(logging.ERROR):
        assert customers().registers.directory.tenants == {"t-1"}
    assert "tenants.refused problems=18" in caplog.text
    assert caplog.text.count("tenants.problem at=tenants.csv:") == 5
    assert "tenants.csv:2, as_of" in caplog.text
    assert "Secret" not in caplog.text
