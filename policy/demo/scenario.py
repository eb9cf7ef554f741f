"""
What the demo itself reads of its scenario: its beginning and length, the nodes' names, and what should be found.

The collectors read the rest, each its own node. Nothing of ``expected`` is given to the engine.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeGuard

from policy.demo.fleet import DemoFailed
from policy.kyc.directory import Directory
from policy.kyc.open import read_directory
from policy.kyc.problems import KycError
from policy.rules.finding import Finding, Strength, SubjectKind

FOLDER = Path(str(files("policy.demo")))
SCENARIO_FILE = FOLDER / "data_centre.toml"
TENANTS_FILE = FOLDER / "tenants.csv"
PROVIDER_FILE = FOLDER / "provider.toml"

DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
SECONDS_PER_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}  # as the collectors read them
LONGEST = timedelta(days=366)  # two and a half hours on the wall; nobody watches longer: a guess
LARGEST = 1e40  # more FLOP than there will be; keeps nan, inf and endless integers out
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")  # as Kubernetes names nodes; also the name of a log file
STRENGTHS = tuple(strength.value for strength in Strength)


class ScenarioUnusable(DemoFailed):
    """A scenario or a tenants' file that the demo cannot play: which file, which field, what to write there."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TicketKey:
    """
    What is compared: which rule, about what, how strongly.

    The subject is a tenant, ``namespace/name`` of a workload, or the name of an accelerator.
    """

    rule: str
    subject: str
    strength: Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoScenario:
    """
    The scenario as the demo knows it.

    ``tier_flop`` is the provider's tier, chosen small because the day is short. ``explain`` is the subject whose ticket
    is followed back to the readings; None leaves the choice to the demo.
    """

    title: str
    start: datetime
    duration: timedelta
    nodes: tuple[str, ...]
    tier_flop: float
    expected: tuple[TicketKey, ...]
    explain: str | None


def read_demo_scenario(path: Path = SCENARIO_FILE) -> DemoScenario:
    """The shipped scenario, or another in its form. Raises ScenarioUnusable."""
    top = _Fields(path, "top level", _toml(path))
    expected = top.table("expected")
    return DemoScenario(
        title=top.text("title"),
        start=top.moment("start"),
        duration=top.duration("duration"),
        nodes=tuple(node.node_name("name") for node in top.tables("nodes", least=1)),
        tier_flop=expected.amount("tier_flop"),
        expected=tuple(_ticket_key(each) for each in expected.tables("tickets", least=0)),
        explain=expected.text("explain") if expected.has("explain") else None,
    )


def read_demo_tenants(path: Path = TENANTS_FILE) -> Directory:
    """What the tenants' file says. Raises ScenarioUnusable with the first of its problems."""
    try:
        return read_directory(path)
    except KycError as error:
        more = f" (problems in all: {len(error.problems)})" if len(error.problems) > 1 else ""
        raise ScenarioUnusable(f"--tenants: {error.problems[0].text}{more}") from error


def key_of(finding: Finding, workloads: Mapping[str, str]) -> TicketKey:
    """What a finding is compared by; ``workloads`` gives ``namespace/name`` by run id."""
    named = finding.subject_kind is SubjectKind.WORKLOAD
    subject = workloads.get(finding.subject_id, finding.subject_id) if named else finding.subject_id
    return TicketKey(rule=finding.rule_id, subject=subject, strength=finding.strength)


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioUnusable(f"--scenario {path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioUnusable(f"--scenario {path}: not TOML: {error}") from error


def _ticket_key(table: "_Fields") -> TicketKey:
    return TicketKey(rule=table.text("rule"), subject=table.text("subject"), strength=table.strength("strength"))


@dataclass(frozen=True, slots=True)
class _Fields:
    """One table of the scenario; every field is asked for by its kind, and a wrong one is named."""

    path: Path
    name: str
    content: Mapping[str, Any]

    def has(self, field: str) -> bool:
        return field in self.content

    def text(self, field: str) -> str:
        value = self.content.get(field)
        if not isinstance(value, str) or not value:
            raise self._wrong(field, "a text in quotes")
        return value

    def node_name(self, field: str) -> str:
        value = self.text(field)
        if not NODE_NAME.fullmatch(value):
            raise self._wrong(field, "a node's name: small letters, digits, dots and hyphens")
        return value

    def strength(self, field: str) -> Strength:
        value = self.content.get(field)
        if value not in STRENGTHS:
            raise self._wrong(field, f"one of {', '.join(STRENGTHS)}")
        return Strength(value)

    def amount(self, field: str) -> float:
        value = self.content.get(field)
        if not _is_number(value) or value <= 0:
            raise self._wrong(field, "an amount above 0, such as 2e19")
        return float(value)

    def moment(self, field: str) -> datetime:
        value = self.content.get(field)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self._wrong(field, "a date and time with offset, such as 2026-06-01T00:00:00Z")
        return value

    def duration(self, field: str) -> timedelta:
        value = self.content.get(field)
        match = DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = float(match[1]) * SECONDS_PER_UNIT[match[2]] if match else value
        if not _is_number(seconds) or not 0 < seconds <= LONGEST.total_seconds():
            raise self._wrong(field, 'a number of seconds or a text such as "90s", "15m", "24h", "2d"; at most a year')
        return timedelta(seconds=seconds)

    def table(self, field: str) -> "_Fields":
        value = self.content.get(field)
        if not isinstance(value, dict):
            raise self._wrong(field, f"a table [{field}]")
        return _Fields(self.path, field, value)

    def tables(self, field: str, *, least: int) -> tuple["_Fields", ...]:
        value = self.content.get(field)
        if not isinstance(value, list) or len(value) < least or not all(isinstance(each, dict) for each in value):
            raise self._wrong(field, f"a list of tables, {least} or more")
        return tuple(_Fields(self.path, f"{field}[{place}]", each) for place, each in enumerate(value))

    def _wrong(self, field: str, wanted: str) -> ScenarioUnusable:
        said = f"{self.content[field]!r} is not what the demo needs" if self.has(field) else "is missing"
        return ScenarioUnusable(f"--scenario {self.path}: {self.name}, {field}: {said}; write {wanted}")


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
