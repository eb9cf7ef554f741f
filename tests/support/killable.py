"""
A program of its own: a real engine that cycles with the page server's clock, and can be told where to die.

It reads one order from standard input, ``URL FOLDER CYCLE PLACE``, so that it can be started before it is needed.

The server's clock says which cycle it is; a cycle that is done moves it on. PLACE is a step of the engine, ``commit``
(inside the queue's transaction, everything written and nothing committed), or ``flush-N`` (before the N-th flush to
disk of that cycle); it counts in cycle CYCLE. There the process kills itself, as nothing else could stop it. With
``nowhere`` it runs to the end.
"""

import os
import signal
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy

from collector.contract import Provenance
from policy.engine import Engine, Horizon
from policy.facts.reading import load_facts
from policy.kyc.customers import Customers, Registers
from policy.kyc.open import read_directory
from policy.review.store import TicketStore, upgrade
from policy.rules.pack import load_pack
from policy.usage.ledger import Ledger
from policy.usage.sources.scrape import Limits, scrape
from policy.usage.sources.target import Target

CYCLES = 5
CYCLE_SECONDS = 600
NODES = ("node-a", "node-b")
START = datetime(2026, 6, 1, tzinfo=UTC)


class Fate:
    """Where this process dies."""

    def __init__(self, cycle: int, place: str) -> None:
        self._cycle, self._place = cycle, place
        self._flushes = 0
        self.now = 0

    def reached(self, place: str) -> None:
        """Die, if this is the place."""
        if self.now == self._cycle and place == self._place:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_flush(self, flush: Callable[[int], None]) -> Callable[[int], None]:
        """The same flush, counted."""

        def counted(file: int) -> None:
            if self.now == self._cycle:
                self._flushes += 1
                self.reached(f"flush-{self._flushes}")
            flush(file)

        return counted


def an_engine(url: str, folder: Path, store: TicketStore, fate: Fate) -> Engine:
    """The engine as it is in production, but for what it is told to die of."""
    targets = [Target.at(f"{url}/{node}") for node in NODES]
    facts = load_facts().with_tiers({"review": 1e12}, basis="low, so that tickets open")
    customers = Customers.of(Registers(directory=read_directory(folder / "tenants.csv")), facts)
    return Engine(
        source=lambda _: list(scrape(targets, Provenance.SIMULATED, Limits(timeout_seconds=5, at_once=2))),
        ledger=Ledger.open(folder / "ledger", Provenance.SIMULATED),
        customers=lambda: customers,
        facts=facts,
        pack=load_pack(None),
        queue=store,
        stitches=store.stitches,
        horizon=Horizon(look_back=timedelta(days=1), stale_after=timedelta(seconds=1.5 * CYCLE_SECONDS)),
        observe=fate.reached,
    )


def clock(url: str, *, forward: bool = False) -> int:
    """The cycle that the server's clock stands at; ``forward`` moves it on first."""
    request = urllib.request.Request(f"{url}/clock", method="POST" if forward else "GET")
    with urllib.request.urlopen(request) as response:
        return int(response.read())


def main(url: str, folder: Path, fate: Fate) -> None:
    """Cycle until the clock is at its end."""
    database = f"sqlite:///{folder / 'tickets.sqlite'}"
    upgrade(database)
    store = TicketStore.open(database)
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", lambda _: fate.reached("commit"))
    os.fsync = fate.before_flush(os.fsync)
    engine = an_engine(url, folder, store, fate)
    fate.now = clock(url)
    with engine.ledger.writing():
        while fate.now < CYCLES:
            engine.cycle(START + timedelta(seconds=(fate.now + 1) * CYCLE_SECONDS))
            fate.now = clock(url, forward=True)
    store.close()


if __name__ == "__main__":
    order = sys.stdin.readline().split()
    if order:
        main(order[0], Path(order[1]), Fate(int(order[2]), order[3]))
