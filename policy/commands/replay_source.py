"""What ``flopwatch replay`` judges: a recording, or what a Prometheus has recorded."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from policy.commands.options import errors, read_duration, read_moment, shown
from policy.facts.facts import Facts
from policy.facts.peaks import NoPeak
from policy.settings import UnusableSettings
from policy.usage.sources.fill import FILLABLE, Fill, UnusableFill
from policy.usage.sources.prometheus import Found, Kind, read_prometheus
from policy.usage.sources.query import FLAG, Server, asking, fault_of_url
from policy.usage.sources.recording import read_recording
from policy.usage.sources.sheet import SheetError, read_sheet
from policy.wiring import read_token

MAP_HELP = (
    "fill a field that the source lacks; may be given several times. FIELD=COLUMN takes another column of the "
    "recording, or of a Prometheus namespace, pod or node; FIELD=:VALUE one value for all rows; and a CSV file a value "
    "for each job_id, trace or namespace. Fields: "
) + ", ".join(FILLABLE)
SINCE = "30d"
STEP = "1h"
LEAST_STEP, LONGEST_STEP = timedelta(minutes=5), timedelta(days=1)
ONLY_PROMETHEUS = ("since", "until", "step", "series", "prometheus_token_file")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    The windows to judge (schema WINDOWS), and from when on the law counts.

    ``about`` goes into a JSON document, ``lines`` under a table: what was found and what was missing.
    """

    windows: pl.DataFrame
    start: datetime
    about: Mapping[str, object]
    lines: tuple[str, ...]


def add_source(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is judged."""
    parser.add_argument("recording", nargs="?", type=Path, metavar="RECORDING", help="the file; see formats below")
    parser.add_argument("--prometheus", metavar="URL", help="judge what this Prometheus has recorded, reading only")
    parser.add_argument("--since", metavar="TIME", help=f"how far back, as 30d, 12h, or a date [{SINCE}]")
    parser.add_argument("--until", type=read_moment, metavar="DATE", help="up to when [now]")
    parser.add_argument("--step", type=read_duration, metavar="TIME", help=f"length of a window, 5m to 1d [{STEP}]")
    parser.add_argument("--series", choices=[each.value for each in Kind], help="whose series [flopwatch, else dcgm]")
    parser.add_argument(FLAG, type=Path, metavar="FILE", help="file with the bearer token for the Prometheus")
    parser.add_argument("--accelerator", default="", metavar="NAME", help="product of all devices, where none is named")
    parser.add_argument("--map", action="append", default=[], metavar="MAP", help=MAP_HELP)
    parser.add_argument(
        "--start", type=read_moment, metavar="DATE", help="the recording's second 0, and so whose law [now]"
    )


def refuse_source(arguments: argparse.Namespace) -> None:
    """Raise UnusableSettings where the flags do not name exactly one source, or do not fit it."""
    if (arguments.recording is None) == (arguments.prometheus is None):
        raise UnusableSettings("give a RECORDING or --prometheus URL, one of the two")
    if arguments.prometheus is None:
        given = [name for name in ONLY_PROMETHEUS if getattr(arguments, name) is not None]
        if given:
            raise UnusableSettings(
                f"--{given[0].replace('_', '-')} goes with --prometheus; a recording has its own times"
            )
        return
    if arguments.start is not None:
        raise UnusableSettings("--start goes with a RECORDING; a Prometheus knows its times, see --since")
    if fault := fault_of_url(arguments.prometheus):
        raise UnusableSettings(f"--prometheus: {fault}")
    if arguments.step is not None and not LEAST_STEP <= arguments.step <= LONGEST_STEP:
        raise UnusableSettings(f"--step: {arguments.step} is not from 5m to 1d")


def read_source(arguments: argparse.Namespace, fill: Fill, progress: Progress) -> Source:
    """Read what the flags name."""
    if arguments.prometheus is None:
        start = arguments.start or datetime.now(UTC)
        windows = read_recording(arguments.recording, fill=fill, start=start, progress=progress)
        return Source(windows=windows, start=start, about={}, lines=())
    try:
        return _read_prometheus(arguments, fill, progress)
    except UnusableFill as error:
        raise UnusableSettings(f"--map: {error}") from error


def _read_prometheus(arguments: argparse.Namespace, fill: Fill, progress: Progress) -> Source:
    begin, end = _times(arguments.since or SINCE, arguments.until or datetime.now(UTC))
    step = arguments.step or read_duration(STEP)
    token = read_token(arguments.prometheus_token_file, FLAG)
    with asking(Server(url=arguments.prometheus, bearer_token=token)) as api:
        found = read_prometheus(
            api,
            begin=begin,
            end=end,
            window_seconds=round(step.total_seconds()),
            fill=fill,
            kind=Kind(arguments.series) if arguments.series else None,
            progress=progress,
        )
    about = {"since": begin, "until": end, **_about(found)}
    return Source(windows=found.windows, start=begin, about=about, lines=tuple(_lines(found, begin, end)))


def _times(since: str, until: datetime) -> tuple[datetime, datetime]:
    """From when to when. Raises UnusableSettings."""
    try:
        begin = until - read_duration(since) if since[-1:].isalpha() else read_moment(since)
    except (argparse.ArgumentTypeError, OverflowError) as error:
        raise UnusableSettings(f"--since: {since!r} is neither a time such as 30d or 12h nor a date") from error
    if begin >= until:
        raise UnusableSettings(f"--since: {begin:%Y-%m-%d %H:%M} is not before {until:%Y-%m-%d %H:%M}, see --until")
    return begin, until


def _about(found: Found) -> dict[str, object]:
    return {
        "series": found.kind.value,
        "gpus": found.gpus,
        "nodes": found.nodes,
        "gpu_hours_without_pod": found.nobodys_gpu_hours,
        "remarks": list(found.remarks),
    }


def _lines(found: Found, begin: datetime, end: datetime) -> list[str]:
    whose = {Kind.DCGM: "dcgm-exporter's series", Kind.FLOPWATCH: "the collectors' series"}[found.kind]
    lines = [
        f"Read {whose} of {found.gpus} GPUs on {found.nodes} nodes, {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}."
    ]
    if found.nobodys_gpu_hours:
        lines.append(f"{found.nobodys_gpu_hours:,.1f} GPU-hours named no pod: nobody's, and in no run.")
    return [*lines, *(f"{remark[:1].upper()}{remark[1:]}." for remark in found.remarks)]


def read_fill(maps: list[str], accelerator: str) -> Fill:
    """What ``--map`` and ``--accelerator`` say. Raises UnusableSettings."""
    columns: dict[str, str] = {}
    constants = {"accelerator": accelerator} if accelerator else {}
    table: pl.DataFrame | None = None
    for each in maps:
        name, equals, value = each.partition("=")
        if not equals:
            if table is not None:
                raise UnusableSettings(f"--map {each}: a second file; put all into one")
            table = _read_table(Path(each))
        elif name not in FILLABLE:
            raise UnusableSettings(
                f"--map {each}: {name!r} is not a field that can be filled; there are {', '.join(FILLABLE)}"
            )
        elif not value.removeprefix(":").strip():
            raise UnusableSettings(f"--map {each}: no value; write {name}=COLUMN or {name}=:VALUE, or leave it out")
        elif value.startswith(":"):
            _give_once(constants, name, value.removeprefix(":").strip(), each)
        else:
            _give_once(columns, name, value, each)
    return Fill(columns=columns, constants=constants, table=table)


def _give_once(given: dict[str, str], name: str, value: str, written: str) -> None:
    if given.setdefault(name, value) != value:
        raise UnusableSettings(f"--map {written}: {name} is {given[name]!r} already; give it once")


def warn_unknown(name: str, facts: Facts) -> None:
    """Say at once that an accelerator has no peak in the facts, and which name was perhaps meant."""
    if name and isinstance(found := facts.peak(name), NoPeak):
        meant = f"; perhaps {' or '.join(map(repr, found.suggestions))}?" if found.suggestions else ""
        errors.print(shown(f"--accelerator {name!r}: {found.reason}{meant} There will be no estimate."), soft_wrap=True)


def _read_table(path: Path) -> pl.DataFrame:
    try:
        return read_sheet(path)
    except (OSError, SheetError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UnusableSettings(f"--map {path}: not FIELD=COLUMN, FIELD=:VALUE or a CSV file ({why})") from error
