"""One look at the node: two readings, a table or JSON, and an end. It serves nothing and keeps nothing."""

import json
import logging
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from io import TextIOWrapper

from collector import signals
from collector.command.ending import NOT_ALL_READ, UNUSABLE_SETTINGS, refuse
from collector.command.node import Node, node_of, process_check_of
from collector.devices import Survey
from collector.hanging import Hangs, TickWatch, unless_it_hangs
from collector.holders import HoldersError
from collector.once import Look, check_source, driver_source, plain_look, rows_of
from collector.processes.port import Check, Checked
from collector.readings import Absent, Why
from collector.settings import Settings
from collector.state.file import Held
from collector.table import text_of

PATIENCE_SECONDS = 5.0  # a guess: with --once, for those who know the holders to answer at all
POLL_SECONDS = 0.05
OTHERS_END_IT = (signal.SIGINT, signal.SIGPIPE)  # one look ends without a traceback: at Ctrl-C, in `… | head`


def look_once(settings: Settings) -> int:
    """Print what two readings, one interval apart, say; with the exit code for whether all could be read."""
    for number in OTHERS_END_IT:
        signal.signal(number, signal.SIG_DFL)
    signals.unblock()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ellipsis shows a question mark
    logging.basicConfig(level=logging.ERROR)  # what is wrong is in what is printed
    with ExitStack() as stack:
        try:
            node = node_of(settings, stack)
        except (HoldersError, ValueError, OSError) as error:
            return refuse(error, UNUSABLE_SETTINGS)
        check = process_check_of(settings, node)
        watch = TickWatch(node.clock, limit_seconds=settings.hang_seconds, asking=lambda: node.devices.asking)
        try:
            look = unless_it_hangs(watch, partial(_look, node, watch, settings.interval_seconds, check))
        except Hangs as error:
            problem = f"{error} has not answered for {settings.hang_seconds:g} s; see what the kernel says (dmesg)"
            return refuse(problem, NOT_ALL_READ)
    print(json.dumps(plain_look(look), indent=2) if settings.format == "json" else text_of(look), flush=True)
    return 0 if look.every_gpu_was_read else NOT_ALL_READ


def _look(node: Node, watch: TickWatch, interval_seconds: float, check: Check | None) -> Look:
    """What two readings, one interval apart, say, and what the check on the second one comes to, if there is one."""
    with watch:
        first = watch.during("driver", node.devices.survey)
        _held_against(check, watch, first, Absent(Why.NO_DATA))  # shares of use are told since the look before
    time.sleep(node.clock.real_seconds(interval_seconds))
    _wait_until(node.has_heard)
    with watch:
        survey = watch.during("driver", node.devices.survey)
        held = watch.during("holders", node.holders.holders)
        checked = _held_against(check, watch, survey, held)
        watch.during("driver", node.devices.close)
    return Look(
        node=node.facts.node,
        provenance=node.facts.provenance,
        every_gpu_was_read=survey.complete,
        gpus=rows_of(survey, held, checked),
        sources=(driver_source(survey), *node.sources(held), *(() if checked is None else (check_source(checked),))),
    )


def _held_against(check: Check | None, watch: TickWatch, survey: Survey, held: Held) -> Checked | None:
    """What the claims come to against the processes, if there is a check."""
    return None if check is None else watch.during("processes", lambda: check.look(survey.readings, held))


def _wait_until(is_true: Callable[[], bool]) -> None:
    """Until it is, or patience is at an end."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not is_true() and time.monotonic() < ends:
        time.sleep(POLL_SECONDS)
