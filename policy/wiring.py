"""
The one place that puts the parts together: settings in, an engine with its source, its ledger and its queue out.
"""

import logging
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from collector.contract import Provenance
from policy.engine import Engine, Horizon, LedgerJudge
from policy.facts.facts import Facts
from policy.facts.overlays import Overlay, read_overrides
from policy.facts.reading import load_facts
from policy.facts.reviewing import check_readings
from policy.facts.tables import FactsError
from policy.kyc.customers import Customers, Registers
from policy.kyc.open import read_directory, watched_file
from policy.kyc.problems import KycError
from policy.kyc.registers.allocations import read_allocations
from policy.kyc.registers.mapping_rules import MappingError, read_mappings
from policy.kyc.registers.provider_file import read_provider
from policy.latest import Latest
from policy.ports import BLANK_BOOK, Observer, Queue, StitchBook
from policy.rules.evaluate import check_pack
from policy.rules.pack import Pack, load_pack
from policy.settings import Settings, UnusableSettings
from policy.usage.ledger import Ledger
from policy.usage.sources.apiserver import Access, asking
from policy.usage.sources.discovery import SCHEME, Discovery
from policy.usage.sources.scrape import Limits, fault_of_url, scrape
from policy.usage.sources.target import Find, Found, Heard, Target

log = logging.getLogger("flopwatch.wiring")

SCRAPE_FLAG = "--scrape-token-file"
LOGGED_PROBLEMS = 5
A_NUMBER_OF_DAYS = re.compile(r"[1-9][0-9]{0,4}")
LONGEST_LOOK_BACK = 36_500  # days; as of the engine's own look-back
A_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def build_engine(
    settings: Settings, queue: Queue, observe: Observer = lambda _: None, *, stitches: StitchBook = BLANK_BOOK
) -> Engine:
    """The engine that these settings describe. Raises what its parts raise when one cannot be used."""
    facts, pack = facts_and_rules(settings)
    overlays = ",".join(layer.name for layer in facts.layers) or "-"
    log.info("facts.loaded digest=%s overlays=%s", facts.digest, overlays)
    find = find_targets(settings.targets)
    limits = Limits(
        timeout_seconds=settings.scrape_timeout_seconds,
        bearer_token=read_token(settings.scrape_token_file, SCRAPE_FLAG),
    )
    customers = latest_customers(settings, facts)
    ledger = open_ledger(settings)  # the last, because it begins a ledger where there is none

    def source(known: Collection[str]) -> Sequence[Heard]:
        found = find(known)
        return [*found.unheard, *scrape(found.targets, ledger.provenance, limits)]

    return Engine(
        source=source,
        ledger=ledger,
        customers=customers,
        facts=facts,
        pack=pack,
        queue=queue,
        horizon=Horizon(
            look_back=timedelta(days=settings.look_back_days),
            stale_after=settings.stale_after,
        ),
        stitches=stitches,
        observe=observe,
    )


def build_judge(settings: Settings, ledger: Ledger, stitches: StitchBook, look_backs: Sequence[int]) -> LedgerJudge:
    """
    What judges a ledger as the engine does that has these settings. Raises what its parts raise.

    It looks back as far as the engine, or as the longest of ``look_backs`` in days.
    """
    facts, pack = facts_and_rules(settings)
    customers = Customers.of(read_registers(settings), facts)
    return LedgerJudge(
        ledger=ledger,
        customers=lambda: customers,
        facts=facts,
        pack=pack,
        horizon=Horizon(
            look_back=timedelta(days=max(settings.look_back_days, *look_backs)), stale_after=settings.stale_after
        ),
        stitches=stitches,
    )


def check_settings(settings: Settings) -> None:
    """Raise what :func:`build_engine` would raise, but leave no trace of having looked."""
    facts_and_rules(settings)
    find_targets(settings.targets)
    read_token(settings.scrape_token_file, SCRAPE_FLAG)
    read_registers(settings)


def open_ledger(settings: Settings) -> Ledger:
    """The ledger, begun where there is none. Raises LedgerError or OSError."""
    return Ledger.open(settings.ledger, Provenance.SIMULATED if settings.simulated else Provenance.MEASURED)


def read_overlays(settings: Settings) -> tuple[Overlay, ...]:
    """What the provider lays over the shipped facts. Raises FactsError, UnusableSettings."""
    try:
        return read_overrides(settings.facts) if settings.facts else ()
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); give the folder of the overlays, each a file *.toml in it"
        raise UnusableSettings(f"--facts {settings.facts}: {problem}") from error


def facts_of(settings: Settings, scenarios: Sequence[Overlay] = ()) -> Facts:
    """The facts with the provider's overrides, then the scenarios, over them, and its own tiers."""
    facts, own = load_facts((*read_overlays(settings), *scenarios)), read_tiers(settings.tier)
    check_readings(facts, datetime.now(UTC).date())
    return facts.with_tiers(own, basis="the provider's choice, set with --tier") if own else facts


def facts_and_rules(settings: Settings, scenarios: Sequence[Overlay] = ()) -> tuple[Facts, Pack]:
    """The facts and the rule pack, checked against each other."""
    facts, own = facts_of(settings, scenarios), read_tiers(settings.tier)
    pack = load_pack(settings.rules)
    check_pack(pack, facts)
    idle = sorted(set(own) - set(pack.tiers))
    if idle:
        used = ", ".join(pack.tiers) or "none"
        raise UnusableSettings(f"--tier {idle[0]}: no rule of {pack.file} compares with it; they use {used}")
    return facts, pack


@dataclass(frozen=True, slots=True, kw_only=True)
class _Register:
    """The setting that names a register, how it is read, what a bad one raises, and which file tells of changes."""

    setting: str
    read: Callable[[Path], object]
    refusal: type[Exception]
    watched: Callable[[Path], Path] = lambda path: path


REGISTERS = {
    "directory": _Register(setting="tenants", read=read_directory, refusal=KycError, watched=watched_file),
    "mappings": _Register(setting="mappings", read=read_mappings, refusal=MappingError),
    "allocations": _Register(setting="allocations", read=read_allocations, refusal=KycError),
    "provider": _Register(setting="provider", read=read_provider, refusal=FactsError),
}
"""By the field of :class:`Registers`."""


def read_registers(settings: Settings, names: Collection[str] = tuple(REGISTERS)) -> Registers:
    """The registers of these names that the settings name. Raises what reading the first bad one raises."""
    return Registers(**{name: each.read(path) for name, each, path in _registers(settings) if name in names})  # type: ignore[arg-type]  # by the table


def latest_customers(settings: Settings, facts: Facts) -> Callable[[], Customers]:
    """The customers by the newest good file of each register. Raises what reading one raises when the first is bad."""
    latest = {name: _latest(each, path) for name, each, path in _registers(settings)}
    read = {name: each() for name, each in latest.items()}
    known = Customers.of(Registers(**read), facts)  # type: ignore[arg-type]  # by the table

    def customers() -> Customers:
        nonlocal read, known
        now = {name: each() for name, each in latest.items()}
        if any(now[name] is not read[name] for name in now):
            read, known = now, Customers.of(Registers(**now), facts, known)  # type: ignore[arg-type]  # by the table
        return known

    return customers


def _registers(settings: Settings) -> Sequence[tuple[str, _Register, Path]]:
    paths = ((name, each, getattr(settings, each.setting)) for name, each in REGISTERS.items())
    return [(name, each, path) for name, each, path in paths if path is not None]


def _latest(register: _Register, path: Path) -> Latest[object]:
    """Tells in the log that a file was refused and where, and nothing that it holds."""

    def tell(error: Exception) -> None:
        places = _places(error)
        log.error("%s.refused problems=%d, the last good file stays in force", register.setting, len(places))
        for place in places[:LOGGED_PROBLEMS]:
            log.error("%s.problem at=%s", register.setting, place)

    read, watched, refusal = register.read, register.watched, register.refusal
    return Latest(path, read=read, refusal=refusal, tell=tell, watched=watched, insists=True)


def _places(error: Exception) -> list[str]:
    """Where the problems of a refused register are."""
    match error:
        case KycError():
            return [each.place for each in error.problems]
        case MappingError() | FactsError():
            return [error.place]
        case _:
            raise TypeError(f"{type(error).__name__} does not say where it is") from error


def find_targets(text: str) -> Find:
    """What finds the targets: a list that stays as it is, or a cluster. Raises UnusableSettings; asks nobody yet."""
    if text.startswith(SCHEME):
        return _discovery(text)
    found = Found(targets=tuple(map(Target.at, read_targets(text))))
    return lambda _: found


def _discovery(text: str) -> Discovery:
    namespace = text.removeprefix(SCHEME)
    if not A_NAMESPACE.fullmatch(namespace):
        raise UnusableSettings(f"--targets {text}: names no namespace; write it as {SCHEME}flopwatch-nodes")
    access = Access.of_pod(os.environ)
    if fault := access.fault():
        raise UnusableSettings(f"--targets {text}: {fault}")
    return Discovery(namespace=namespace, asking=partial(asking, access))


def read_targets(text: str) -> tuple[str, ...]:
    """URLs from a list with commas, or from a file with one a line and ``#`` comments. Raises UnusableSettings."""
    lines = text.split(",") if "://" in text or not text else _lines(Path(text))
    found = tuple(dict.fromkeys(line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()))
    if not found:
        raise UnusableSettings("--targets: nothing is not a collector's URL, as http://node:9478/metrics")
    for number, url in enumerate(found, start=1):
        if fault := fault_of_url(url):
            raise UnusableSettings(f"--targets: {_harmless(url) or f'address {number}'} {fault}")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        name = _harmless(str(path)) or "what was given"
        raise UnusableSettings(f"--targets {name}: cannot be read ({error.strerror}); give a file or URLs") from error
    except UnicodeDecodeError as error:
        raise UnusableSettings(f"--targets {path}: is not text in UTF-8; give a file with one URL a line") from error


def _harmless(text: str) -> str:
    """The text, unless a password could stand in it."""
    return "" if "@" in text or "?" in text else repr(text)


def read_tiers(text: str) -> Mapping[str, float]:
    """Tiers from ``NAME=FLOP,NAME=FLOP``. Raises UnusableSettings."""
    tiers: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, amount = (each.strip() for each in part.partition("="))
        if not name or name in tiers:
            problem = "is set twice" if name else "has no name"
            raise UnusableSettings(f"--tier {part}: {problem}; write NAME=FLOP, as review=1e22, once for each tier")
        try:
            tiers[name] = float(amount)
        except ValueError as error:
            raise UnusableSettings(
                f"--tier {part}: {amount!r} is not an amount of FLOP; write NAME=FLOP, as review=1e22"
            ) from error
    return tiers


def read_look_backs(text: str) -> tuple[int, ...]:
    """Whole days from ``30,90``, each once, the shortest first. Raises UnusableSettings."""
    days = [part.strip() for part in text.split(",") if part.strip()]
    bad = [each for each in days or [text] if not A_NUMBER_OF_DAYS.fullmatch(each) or int(each) > LONGEST_LOOK_BACK]
    if bad:
        raise UnusableSettings(
            f"--exposure-look-back-days {text}: {bad[0]!r} is no number of days from 1 to {LONGEST_LOOK_BACK}; "
            "write them as 30,90"
        )
    return tuple(sorted(set(map(int, days))))


def read_token(path: Path | None, flag: str) -> str:
    """The token in the file that a flag names, or none without a file. A bad one is never repeated."""
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UnusableSettings(f"{flag} {path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _no_token(path, flag) from error
    if not token or not token.isprintable() or " " in token:
        raise _no_token(path, flag)
    return token


def _no_token(path: Path, flag: str) -> UnusableSettings:
    return UnusableSettings(f"{flag} {path}: holds no token; write one into it, in ASCII and without spaces")
