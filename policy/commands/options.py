"""What the commands share: flags made from settings, exit codes, and how text that comes from elsewhere is printed."""

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from policy.settings import ENVIRONMENT_PREFIX, Settings, UnusableSettings

OK = 0
DIFFERENT = 1
UNUSABLE = 2  # as policy.__main__, which cannot import this before it knows that the extra is there
WAIT_SLICE_SECONDS = 0.5
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Parsers = Any
"""What argparse's ``add_subparsers`` returns; it has no public name."""


class PlainConsole(Console):
    """
    A console that prints text as it is: a job may be called ``[/red]`` or ``:bomb:``.

    Text that comes from elsewhere goes through :func:`shown` besides.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Leave it to the frame, which ends the command without a word."""
        raise


errors = PlainConsole(stderr=True)


def shown(text: str) -> str:
    """The text on one line and without what a terminal would obey; what cannot be printed becomes a question mark."""
    return "".join(each if each.isprintable() else "?" for each in text)


def add_parser(parsers: Parsers, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """A command with its help, which ends in examples."""
    parser: argparse.ArgumentParser = parsers.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """A flag for each of these settings; one that is not given leaves the environment's value, or the default."""
    for name in names:
        about = Settings.model_fields[name]
        flag, variable = "--" + name.replace("_", "-"), f"{ENVIRONMENT_PREFIX}{name.upper()}"
        text = (
            f"{about.description} [{about.default}] ({variable})".replace("%", "%%")
            .replace(" []", "")
            .replace(" [None]", "")
        )
        if about.annotation is bool:
            parser.add_argument(flag, action="store_true", default=None, help=text)
        else:
            parser.add_argument(flag, default=None, metavar=name.upper(), help=text)


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings with the given flags over them. Raises UnusableSettings with the flag and the reason."""
    given = {
        name: value for name, value in vars(arguments).items() if name in Settings.model_fields and value is not None
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        raise UnusableSettings(f"{flag}: {first['msg']}; it was {first['input']!r}") from error


def wait(stop: threading.Event, seconds: float = float("inf")) -> None:
    """
    Wait until ``stop`` is set or the time is over; Ctrl-C is heard within half a second.

    In slices: polars registers a handler for SIGINT that lets the kernel restart an interrupted wait, so a single long
    one would sleep through the signal.
    """
    until = time.monotonic() + seconds
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        stop.wait(min(left, WAIT_SLICE_SECONDS))


def read_moment(text: str) -> datetime:
    """A date or a date and time, in UTC unless it says otherwise. For argparse."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date, as 2026-06-01") from error


def read_duration(text: str) -> timedelta:
    """A number with its unit, as 30d, 12h, 90m or 45s. For argparse."""
    found = re.fullmatch(r"([0-9]{1,7})([smhdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time, as 30d, 12h or 90m")
    return timedelta(**{UNITS[found.group(2)]: int(found.group(1))})


def print_json(content: object) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(content, indent=2, default=_plain) + "\n")  # at once: it is written line by line else


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
