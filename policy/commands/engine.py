"""``flopwatch engine``: hear every collector, keep the ledger, open tickets, cycle after cycle."""

import argparse
import logging
import signal
import threading
import time
from contextlib import closing
from datetime import UTC, datetime

from policy.commands.health import Health, serving
from policy.commands.options import OK, Parsers, add_parser, add_settings, settings_of, wait
from policy.engine import Engine
from policy.review.errors import ReviewError
from policy.review.store import TicketStore, upgrade
from policy.review.store.engine import check_database
from policy.usage.ledger import LedgerError
from policy.wiring import build_engine, check_settings, open_ledger

EXAMPLES = """  flopwatch engine --targets nodes.txt --tenants tenants.csv --ledger /var/lib/flopwatch/ledger
  flopwatch engine --targets http://127.0.0.1:9478/metrics --once
  flopwatch engine --targets kubernetes:flopwatch-nodes --health-listen 0.0.0.0:9480      in a pod

With kubernetes:NAMESPACE it looks for the collectors' pods in every cycle; a node without one stays in view until the
cluster has the node no longer. With --health-listen GET /healthz is 200 while cycles end well, and 503 when none has
for --stale-after-cycles cycles, and at least a minute.

With --facts the provider's own facts lie over those that ship; 'flopwatch facts show layers' tells which.
It takes no scenario: that is only supposed.

One engine writes a ledger; a second one is refused. Stop it with SIGTERM: it ends after the step it is in. A cycle that
fails after a good one, as on a full disk, is logged as cycle.failed and tried again.

exit codes: 0 stopped by a signal or done with --once, 2 a file or a setting cannot be used
"""
SETTINGS = (
    "targets", "tenants", "mappings", "allocations", "provider", "ledger", "database", "rules", "facts", "tier",
    "simulated", "cycle_seconds",
    "look_back_days", "stale_after_cycles", "scrape_timeout_seconds", "scrape_token_file", "health_listen",
)  # fmt: skip

PASSING = (LedgerError, ReviewError, OSError)
"""
What may pass by itself: a full disk, a database that somebody else holds, a clock that was set back.

An engine that cannot do its first cycle ends. A later one that fails is as one in which the engine was killed: the next
completes its work.
"""

log = logging.getLogger("flopwatch.engine")


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "engine", summary, EXAMPLES)
    add_settings(parser, SETTINGS)
    parser.add_argument("--once", action="store_true", help="one cycle, then stop")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check everything, bring the database up to date, then cycle until told to stop."""
    settings = settings_of(arguments)
    check_settings(settings)
    check_database(settings.database)
    health = Health.of_cycles(settings.stale_after_cycles, settings.cycle_seconds)
    with serving(health, settings.health_listen), open_ledger(settings).writing():
        upgrade(settings.database)
        with closing(TicketStore.open(settings.database)) as store:
            engine = build_engine(settings, store, stitches=store.stitches)
            _cycles(engine, settings.cycle_seconds, health, once=arguments.once)
    return OK


def _cycles(engine: Engine, cycle_seconds: float, health: Health, *, once: bool) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    has_worked = False
    while not stop.is_set():
        began = time.monotonic()
        try:
            _cycle(engine, began)
            health.cycle_done()
        except PASSING as error:
            health.cycle_failed(error)
            if not has_worked:
                raise
            log.error("cycle.failed next=%gs reason=%r", cycle_seconds, str(error))
        has_worked = True
        if once:
            return
        wait(stop, cycle_seconds - (time.monotonic() - began))


def _cycle(engine: Engine, began: float) -> None:
    judgement = engine.cycle(datetime.now(UTC))
    seconds = time.monotonic() - began
    log.info("cycle.done runs=%d findings=%d seconds=%.2f", judgement.subjects.height, len(judgement.findings), seconds)
