"""
The engine is killed everywhere, and always arrives at the same ledger and the same tickets.

Real processes, a real SIGKILL, a real ledger, a real database, real pages over loopback; only time is played.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support import killable
from support.killable import CYCLE_SECONDS, CYCLES, START
from support.kyc import a_file, customers_of
from support.usage import OPENMETRICS, ANode, Handler, a_holder, serving

from collector.contract import Provenance
from policy.engine import STEPS, Engine, Horizon
from policy.facts.reading import load_facts
from policy.rules.pack import load_pack
from policy.usage.ledger import Ledger
from policy.usage.sources.page import parse_page
from policy.usage.sources.target import Heard, TargetState

TESTS = Path(__file__).resolve().parents[1]
FIRST, LATER = 0, 3
FLUSHES = range(1, 9)  # a file and its folder, for targets, counters, windows and balance
Cell = str | int | None


def pages() -> list[dict[str, str]]:
    """What both nodes serve in each cycle; an empty page is an error. One restarts, one is not heard for a while."""
    ours, theirs = a_holder("ours", tenant_id="t-1"), a_holder("nobodys", tenant_id=None)
    works = {"tensor_active_ratio": 0.4}
    one, two = (ANode(name, provenance="simulated", reads=works) for name in killable.NODES)
    served = []
    for cycle in range(CYCLES):
        if cycle == LATER:
            one.restart(CYCLE_SECONDS / 2).run(CYCLE_SECONDS / 2, [ours], [ours], busy=0.97)
        else:
            one.run(CYCLE_SECONDS, [ours], [ours], busy=0.97)
        two.run(CYCLE_SECONDS, [theirs], [theirs, ours], [], busy=0.9)
        served.append({one.name: one.page(), two.name: "" if cycle in (2, 3) else two.page()})
    return served


def a_process() -> subprocess.Popen[str]:
    """A process that has its imports behind it, or soon will, and waits for its order."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}",
        "PYTHONWARNINGS": "error",
        "POLARS_MAX_THREADS": "1",  # frames of a few rows: more threads would only take turns
    }
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", killable.__file__]
    return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


@dataclass
class Site:
    """The page server with its clock, and the runs of the engine against it."""

    pages: list[dict[str, str]]
    spares: list[subprocess.Popen[str]]
    url: str = ""
    now: int = 0

    def run(self, folder: Path, cycle: int = -1, place: str = "nowhere") -> int:
        """Let an engine run in a process of its own until it dies or is done; its exit code."""
        self.spares.append(a_process())
        process = self.spares.pop(0)
        _, complaint = process.communicate(f"{self.url} {folder} {cycle} {place}\n", timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), complaint
        return process.returncode

    def end(self) -> None:
        """Let the processes go that were never needed."""
        for process in self.spares:
            process.communicate("\n")


@dataclass(frozen=True)
class Left:
    """What a run left behind: the ledger's files by path, and every row of the queue's tables."""

    files: dict[str, bytes]
    rows: dict[str, list[tuple[Cell, ...]]]


def a_folder(path: Path) -> Path:
    """A folder with the tenants' file: one of them is headquartered in D:5."""
    path.mkdir()
    a_file(path, {"tenant_id": "t-1", "headquarters_country": "CN", "registered_country": "CN"})
    return path


def left_in(folder: Path) -> Left:
    """Read what a run left."""
    ledger = folder / "ledger"
    files = {
        str(path.relative_to(ledger)): path.read_bytes()
        for path in ledger.rglob("*")
        if path.is_file() and path.name != "ledger.lock" and path.suffix != ".tmp"
    }
    with sqlite3.connect(folder / "tickets.sqlite") as connection:
        tables = ("tickets", "findings", "ticket_events", "decisions")
        rows = {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}
    connection.close()
    return Left(files=files, rows=rows)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One server for all runs, so that every run hears the same addresses."""
    found = Site(pages(), spares=[a_process(), a_process()])

    class Pages(Handler):
        def reply(self) -> None:
            name = self.path.strip("/")
            text = str(found.now) if name == "clock" else found.pages[found.now][name]
            self.answer(200 if text else 503, OPENMETRICS, text.encode())

        def reply_to_post(self) -> None:
            found.now += 1
            self.reply()

    with serving(Pages) as found.url:
        yield found
    found.end()


@pytest.fixture(scope="module")
def undisturbed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What a run that nobody kills leaves."""
    folder = a_folder(tmp_path_factory.mktemp("undisturbed") / "run")
    site.now = 0
    assert site.run(folder) == 0
    return left_in(folder)


def test_the_undisturbed_run_is_worth_comparing(undisturbed: Left) -> None:
    """Without a kill there are windows, balances and targets of every cycle, tickets, and updates to them."""
    kinds = [path.split("/")[0] for path in undisturbed.files]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "ledger.json": 1,
        "counters": 1,
        "windows": CYCLES,
        "balance": CYCLES,
        "cited": 2,
        "targets": CYCLES,
        "kept": 1,
    }
    assert len(undisturbed.rows["tickets"]) >= 2
    assert len(undisturbed.rows["ticket_events"]) > len(undisturbed.rows["tickets"])


PLACES = [
    *([(FIRST, step), (LATER, step)] for step in STEPS),
    [(FIRST, "commit"), (LATER, "commit")],
    *([(1, f"flush-{flush}"), (LATER, f"flush-{flush + 4}")] for flush in FLUSHES[:4]),
]


@pytest.mark.parametrize("kills", PLACES, ids=lambda kills: "-then-".join(place for _, place in kills))
def test_a_killed_engine_arrives_where_an_undisturbed_one_does(
    site: Site, undisturbed: Left, tmp_path: Path, kills: list[tuple[int, str]]
) -> None:
    """Killed twice in one life, at any step or between any two files: same bytes in the ledger, same tickets."""
    folder = a_folder(tmp_path / "run")
    site.now = 0
    for cycle, place in kills:
        assert site.run(folder, cycle, place) == -signal.SIGKILL
        assert site.now == cycle
    assert site.run(folder) == 0
    left = left_in(folder)
    assert sorted(left.files) == sorted(undisturbed.files)
    assert left.files == undisturbed.files
    assert left.rows == undisturbed.rows


# Time goes on between death and the next start


class Died(BaseException):
    """Stands for the kill where the process goes on: nothing in the engine catches it."""


@dataclass
class Findings:
    """A queue that only counts."""

    submissions: int = 0

    def submit(self, findings: object, at: datetime) -> None:
        """Count."""
        self.submissions += 1


@pytest.mark.parametrize("step", STEPS)
def test_when_time_goes_on_the_sums_are_the_same(tmp_path: Path, step: str) -> None:
    """An engine that comes back later measures later, and its ledger adds up to exactly what was used."""
    node, dies, queue = ANode(), False, Findings()

    def source(_: Collection[str]) -> list[Heard]:
        counters = parse_page("t", node.page(), Provenance.MEASURED)
        return [Heard(target="t", state=TargetState.OK, detail="", node=node.name, counters=counters)]

    def observe(done: str) -> None:
        if dies and done == step:
            raise Died

    facts, pack = load_facts(), load_pack(None)
    for cycle in range(7):
        node.run(60 + cycle, [a_holder()], [a_holder("other"), a_holder()])
        dies = cycle in (0, 2, 3, 5)
        engine = Engine(
            source=source,
            ledger=Ledger.open(tmp_path, Provenance.MEASURED),
            customers=customers_of,
            facts=facts,
            pack=pack,
            queue=queue,
            horizon=Horizon(look_back=timedelta(days=1), stale_after=timedelta(seconds=900)),
            observe=observe,
        )
        try:
            engine.cycle(START + timedelta(seconds=node.now))
        except Died:
            assert dies
        else:
            assert not dies
    windows, balance = engine.ledger.read("windows"), engine.ledger.read("balance")
    assert windows["held_seconds"].sum() == pytest.approx(node.now)
    assert windows["shared_seconds"].sum() == pytest.approx(2 * node.now)
    seconds = dict(balance.group_by("state").agg(pl.col("gpu_seconds").sum()).iter_rows())
    assert seconds == pytest.approx({"attributed": node.now, "ambiguous": node.now, "physical": 2 * node.now})
    assert len(engine.ledger.snapshots()) == 1
