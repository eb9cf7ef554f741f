"""
The centre's command. Every known error ends it with one line that says what, where, and what next.

Only the command that was asked for is imported: help comes at once, and a command whose packages are not installed is
named with the extra that brings them, while the others work.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NoReturn

UNUSABLE = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its line in the help, and what its child processes need beyond what it imports itself."""

    summary: str
    needs: tuple[str, ...] = ()


COMMANDS = {
    "demo": Command(summary="a simulated data centre, from GPU readings to tickets", needs=("pynvml",)),
    "replay": Command(summary="judge a recording, or what a Prometheus has recorded, by the same engine"),
    "facts": Command(summary="show, check and compare what is believed about law and hardware"),
    "tenants": Command(summary="import, show, screen and explain who the tenants are"),
    "provider": Command(summary="show the provider's own register: entities, sites, clusters, recorded classes"),
    "engine": Command(summary="measure, judge, and open tickets, in cycles"),
    "review": Command(summary="serve the review queue, prepare its database, give out tokens"),
    "status": Command(summary="show which nodes are heard and where the GPU-hours went"),
    "validate": Command(summary="show how well the product does on recorded truth"),
    "exposure": Command(summary="show compute added up by run, tenant and group, and which tiers were reached"),
    "reconcile": Command(summary="compare billed GPU-hours with those attributed, by tenant and day"),
}
"""The commands, each a module of ``policy.commands`` with ``add(parsers, summary)``."""
EXTRAS = {"pynvml": "collector"}
"""The extra that brings a package; every other package comes with ``policy``."""
OUR_OWN = ("policy", "collector")
EPILOG = """examples:
  flopwatch demo                                       a simulated data centre, from readings to tickets
  flopwatch replay jobs.csv --tenants tenants.csv      the same judgement over a recording
  flopwatch engine --targets nodes.txt --tenants tenants.csv

flopwatch measures and explains; people decide. It is not legal advice.
"""


class ExtraMissing(Exception):
    """A command whose packages are not installed."""

    def __init__(self, command: str, package: str) -> None:
        extra = EXTRAS.get(package, "policy")
        super().__init__(
            f"{command} needs {package}, which is not installed; install the wheel with its extra [{extra}]"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; 2 with one line on standard error for what cannot be used."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parsed = _parser(asked_for=next((each for each in given if each in COMMANDS), "")).parse_args(given)
    logging.basicConfig(level=parsed.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except ExtraMissing as error:
        return _refuse(error)
    except OSError as error:
        return _refuse(": ".join(str(part) for part in (error.filename, error.strerror) if part) or error)
    except _known_errors() as error:
        return _refuse(error)
    return code


class _Parser(argparse.ArgumentParser):
    """One line on what is wrong with a flag, for the command and its parts."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(UNUSABLE, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


def _parser(*, asked_for: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="flopwatch",
        description="Measures how much AI-training compute each tenant uses, and queues for review what rules ask for.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"flopwatch {version('flopwatch')}")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"), help="[info]")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        if name == asked_for:
            _add(parsers, name, command)
        else:
            parsers.add_parser(name, help=command.summary)
    return parser


def _add(parsers: Any, name: str, command: Command) -> None:
    """Add the command with all its flags, or what says which extra it lacks."""
    try:
        module = import_module(f"policy.commands.{name}")
        for package in command.needs:
            _require(package)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in OUR_OWN:
            raise
        _add_stub(parsers, name, missing)
    else:
        module.add(parsers, command.summary)


def _require(package: str) -> None:
    if find_spec(package) is None:
        raise ModuleNotFoundError(name=package)


def _add_stub(parsers: Any, name: str, missing: str) -> None:
    # No character begins a flag, so that whatever was given is taken and the command itself says what is wrong.
    stub = parsers.add_parser(name, help=str(ExtraMissing(name, missing)), prefix_chars="\0", add_help=False)
    stub.add_argument("given", nargs="*")
    stub.set_defaults(run=partial(_lacks, name, missing))


def _lacks(command: str, package: str, _: argparse.Namespace) -> int:
    raise ExtraMissing(command, package)


def _known_errors() -> tuple[type[Exception], ...]:
    """What a command may raise. Imported when it has been raised: without the extra, ``--help`` still answers."""
    from policy.demo.fleet import DemoFailed
    from policy.facts.tables import FactsError
    from policy.facts.tiers import TierError
    from policy.kyc.problems import KycError
    from policy.kyc.registers.mapping_rules import MappingError
    from policy.review.errors import ReviewError
    from policy.rules.pack import PackError
    from policy.settings import UnusableSettings
    from policy.usage.ledger import LedgerError
    from policy.usage.sources.query import PrometheusError
    from policy.usage.sources.recording import RecordingError

    return (
        DemoFailed, FactsError, KycError, LedgerError, MappingError, PackError, PrometheusError, RecordingError,
        ReviewError, TierError, UnusableSettings,
    )  # fmt: skip


def _refuse(problem: object) -> int:
    """Say it without what a terminal would obey: a file may have anything in it. KycError has a line a problem."""
    plain = "".join(each if each.isprintable() or each == "\n" else "?" for each in str(problem))
    print(f"flopwatch: {plain}", file=sys.stderr)
    return UNUSABLE


def _nobody_reads() -> int:
    """The reader of a pipe has seen enough, as ``head`` has: what is still buffered goes nowhere, without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
