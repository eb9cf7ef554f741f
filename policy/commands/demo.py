"""``flopwatch demo``: one simulated day in under a minute, and what came of it."""

import argparse
import logging
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from policy.commands.options import DIFFERENT, OK, Parsers, add_parser, wait
from policy.commands.review import write_token
from policy.commands.status import balance_sheet, latest_targets
from policy.demo.day import Announcer, DayClock, every_ticket, run_day
from policy.demo.fleet import Fleet, start_collectors, start_review
from policy.demo.scenario import (
    PROVIDER_FILE,
    SCENARIO_FILE,
    TENANTS_FILE,
    DemoScenario,
    read_demo_scenario,
    read_demo_tenants,
)
from policy.demo.telling import Day, curl_lines, differences, tell_end, tell_news
from policy.judge import Judgement
from policy.review.access import new_token
from policy.review.store import TicketStore, upgrade
from policy.rules.sentences import flop_text
from policy.settings import Settings, UnusableSettings
from policy.wiring import build_engine

EXAMPLES = """  flopwatch demo            watch the day; ends at once if nobody sits at the terminal, else with Ctrl-C
  flopwatch demo --exit     compare with what the scenario expects, and exit 0 or 1
  flopwatch demo --stay     keep the review API up until Ctrl-C, also without a terminal

exit codes: 0 as the scenario expects, 1 different, 2 a file or folder cannot be used, or a part did not come up
"""
SPEED = 3600.0  # one second is an hour
TICK_SECONDS = 120.0  # scenario seconds between readings: 30 ticks a second on the wall
CYCLE = timedelta(hours=1)
LEAD_SECONDS = 8.0  # for the processes to come up before the day begins; six collectors took three on two idle cores
ACTOR = "demo-reviewer"
PLAIN_WIDTH = 200
LEDGER = "ledger"
TICKETS = "tickets.sqlite"


def add(parsers: Parsers, summary: str) -> None:
    """Add the command."""
    parser = add_parser(parsers, "demo", summary, EXAMPLES)
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--exit", action="store_true", help="end when the day is over; the exit code tells")
    ending.add_argument("--stay", action="store_true", help="keep the review API up until Ctrl-C")
    parser.add_argument("--scenario", type=Path, default=SCENARIO_FILE, help="another data centre [the shipped one]")
    parser.add_argument("--tenants", type=Path, default=TENANTS_FILE, help="another tenants' file [the shipped one]")
    parser.add_argument(
        "--folder", type=Path, help="keep ledger, tickets and logs here, where none are yet [a temporary folder]"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start everything, live through the day, tell what came of it, stop everything."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scenario = read_demo_scenario(arguments.scenario)
    read_demo_tenants(arguments.tenants)
    stays = arguments.stay or (not arguments.exit and sys.stdin.isatty() and sys.stdout.isatty())
    with ExitStack() as stack:
        _silence_logs(stack)
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flopwatch-demo-")))
        _refuse_used(folder)
        folder.mkdir(parents=True, exist_ok=True)
        fleet = stack.enter_context(Fleet(folder))
        token = _prepare(folder)
        address = start_review(fleet, _database(folder), folder / "tokens.toml")
        day = _live(console, fleet, folder, scenario, arguments)
        tell_end(console, day, latest_targets(day.engine.ledger), balance_sheet(day.engine.ledger))
        differ = differences(day)
        _tell_outcome(console, differ, len(day.scenario.expected))
        lines = curl_lines(address, day.tickets)
        if stays:
            _tell_queue(console, token, lines)
            _wait_for_interrupt()
        else:
            fleet.stop()
            _tell_stopped_queue(console, lines)
    return DIFFERENT if differ else OK


def _silence_logs(stack: ExitStack) -> None:
    """Log errors only while the demo runs: its story is told on the console."""
    log = logging.getLogger("flopwatch")
    stack.callback(log.setLevel, log.level)
    log.setLevel(logging.ERROR)


def _refuse_used(folder: Path) -> None:
    """Raise UnusableSettings for a folder with an earlier day in it: two days in one ledger would add up."""
    used = [name for name in (LEDGER, TICKETS) if (folder / name).exists()]
    if used:
        raise UnusableSettings(f"--folder {folder}: holds the {used[0]} of an earlier day; give a new or empty folder")


def _database(folder: Path) -> str:
    return f"sqlite:///{folder / TICKETS}"


def _prepare(folder: Path) -> str:
    """Tables and a reviewer's token."""
    upgrade(_database(folder))
    token, digest = new_token()
    (folder / "tokens.toml").unlink(missing_ok=True)
    write_token(folder / "tokens.toml", ACTOR, digest)
    return token


def _live(console: Console, fleet: Fleet, folder: Path, scenario: DemoScenario, files: argparse.Namespace) -> Day:
    begins_at = time.time() + LEAD_SECONDS
    timing = {"begins_at": begins_at, "speed": SPEED, "tick_seconds": TICK_SECONDS}
    targets = start_collectors(fleet, files.scenario, scenario.nodes, **timing)
    _tell_beginning(console, scenario)
    clock = DayClock(start=scenario.start, begins_at=begins_at, speed=SPEED)
    store = TicketStore.open(_database(folder))
    try:
        queue = Announcer(store)
        with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as progress:
            step = _Step(progress.console, queue)
            task = progress.add_task(step.words(""), total=scenario.duration.total_seconds())
            settings = _settings(folder, files.tenants, targets, scenario.tier_flop)
            engine = build_engine(
                settings,
                queue,
                lambda name: progress.update(task, description=step.words(name)),
                stitches=store.stitches,
            )

            def tell(at: datetime, judgement: Judgement) -> None:
                fleet.check()
                progress.update(task, completed=(at - scenario.start).total_seconds())
                step.tell(at, judgement)

            judgement = run_day(engine, clock, scenario.duration, CYCLE, tell)
        tickets = every_ticket(store)
    finally:
        store.close()
    return Day(scenario=scenario, engine=engine, judgement=judgement, tickets=tickets)


class _Step:
    """What the progress line says: the scenario's time, the step, and how much has been found."""

    def __init__(self, console: Console, queue: Announcer) -> None:
        self._console = console
        self._queue = queue
        self._state = "waiting for the day to begin"

    def words(self, step: str) -> str:
        return f"{self._state}  [dim]{step.replace('_', ' ')}[/]"

    def tell(self, at: datetime, judgement: Judgement) -> None:
        hours = judgement.subjects["held_seconds"].sum() / 3600
        self._state = f"{at:%H:%M}  {judgement.subjects.height} runs  {hours:,.0f} GPU-hours"
        tell_news(self._console, at, self._queue.take_news())


def _settings(folder: Path, tenants_file: Path, targets: tuple[str, ...], tier_flop: float) -> Settings:
    return Settings(
        ledger=folder / LEDGER,
        targets=",".join(targets),
        tenants=tenants_file,
        provider=PROVIDER_FILE,
        tier=f"review={tier_flop}",
        simulated=True,
        cycle_seconds=CYCLE.total_seconds(),
        scrape_timeout_seconds=2.0,
    )


def _tell_beginning(console: Console, scenario: DemoScenario) -> None:
    console.rule(f"{scenario.title} (simulated)")
    tier = flop_text(scenario.tier_flop)
    console.print(f"One second is an hour: the clock runs {SPEED:g} times as fast, and nothing else does.")
    console.print(f"Readings every {TICK_SECONDS:g} s and cycles every hour, both of the scenario.")
    console.print(f"The provider's tier here is {tier} FLOP, far below what one would choose: the day is short.")


def _tell_outcome(console: Console, differ: list[str], expected: int) -> None:
    console.rule("Against the scenario")
    for line in differ or [f"{expected} tickets, exactly those that the scenario expects."]:
        console.print(line, markup=False)


def _tell_queue(console: Console, token: str, lines: tuple[str, ...]) -> None:
    console.rule("The review queue")
    console.print("The review API is up until Ctrl-C. List, read, and take and decide:")
    _tell_lines(console, f"TOKEN={token}", *lines)


def _tell_stopped_queue(console: Console, lines: tuple[str, ...]) -> None:
    """The lines of a queue that is gone show how it goes; its token would open nothing."""
    console.rule("The review queue")
    console.print("The review API has been stopped with the demo; [bold]flopwatch demo --stay[/] keeps it up.")
    console.print("There one lists, reads, and takes and decides in this way:")
    _tell_lines(console, *lines)


def _tell_lines(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, style="cyan", highlight=False, markup=False, soft_wrap=True)


def _wait_for_interrupt() -> None:
    try:
        wait(threading.Event())
    except KeyboardInterrupt:
        return
