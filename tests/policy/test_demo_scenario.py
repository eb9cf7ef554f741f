"""What the demo refuses before it starts anything: scenarios, tenants' files and folders that it cannot use."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from policy.__main__ import main
from policy.commands import demo
from policy.commands.options import UNUSABLE
from policy.demo.fleet import Fleet
from policy.demo.scenario import (
    SCENARIO_FILE,
    TENANTS_FILE,
    ScenarioUnusable,
    read_demo_scenario,
    read_demo_tenants,
)

SHIPPED = SCENARIO_FILE.read_text(encoding="utf-8")
TENANTS = TENANTS_FILE.read_text(encoding="utf-8")


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test when a process is started."""

    def start(*_: Any) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr(Fleet, "start", start)


def refused(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What the demo says when it refuses: one line, and exit code 2."""
    assert main(["demo", "--exit", *flags]) == UNUSABLE
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("left", [demo.LEDGER, demo.TICKETS])
def test_a_used_folder_is_refused(left: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with an earlier day's ledger or tickets is refused, because two days would add up."""
    (tmp_path / left).mkdir()
    assert re.search(rf"--folder .*: holds the {left} of an earlier day", refused(capsys, "--folder", str(tmp_path)))


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"\xff\xfe\x00", "not TOML"),
        (b"title", "not TOML"),
        (b"", "top level, expected: is missing; write a table"),
        (SHIPPED.partition("[expected]")[0].encode(), "top level, expected: is missing; write a table"),
    ],
)
def test_a_bad_scenario_file_is_one_line(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario that is missing, no text, no TOML or not the demo's ends the command with one line, at once."""
    path = tmp_path / "scenario.toml"
    if content is not None:
        path.write_bytes(content)
    assert re.search(f"--scenario .*: {says}", refused(capsys, "--scenario", str(path)))


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        ('title = "Eight nodes, fourteen tenants, one day"', "", "top level, title: is missing"),
        ("start = 2026-06-01T00:00:00Z", "start = 2026-06-01", "date and time with offset"),
        ('duration = "24h"', 'duration = "a day"', "top level, duration: 'a day'"),
        ('duration = "24h"', "duration = 0", "top level, duration: 0"),
        ('duration = "24h"', 'duration = "9000000d"', "at most a year"),
        ('name = "node-b"\nproduct', 'name = "../node-b"\nproduct', r"nodes\[1\], name: '../node-b'"),
        ("tier_flop = 2e19", "tier_flop = inf", "expected, tier_flop: inf"),
        ("tier_flop = 2e19", 'tier_flop = "2e19"', "expected, tier_flop: '2e19'"),
        ('explain = "t-1004"', "explain = 1004", "expected, explain: 1004"),
        ("tickets = [", "tickets = [1,", "expected, tickets: .* a list of tables"),
        (
            '"may_have_crossed" }',
            '"maybe" }',
            r"tickets\[5\], strength: 'maybe' .* one of present, crossed, may_have_crossed",
        ),
    ],
)
def test_a_wrong_field_is_named(written: str, instead: str, says: str, tmp_path: Path) -> None:
    """Every field that the demo needs is named when it is missing or of another kind, in one line."""
    assert written in SHIPPED
    path = tmp_path / "scenario.toml"
    path.write_text(SHIPPED.replace(written, instead), encoding="utf-8")
    with pytest.raises(ScenarioUnusable, match=says) as refusal:
        read_demo_scenario(path)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"90s"', timedelta(seconds=90)),
        ('"2.5h"', timedelta(minutes=150)),
        ('"2d"', timedelta(days=2)),
        ("60", timedelta(minutes=1)),
    ],
)
def test_durations_are_those_of_the_collectors(written: str, read: timedelta, tmp_path: Path) -> None:
    """The demo reads every form of duration that a collector reads."""
    path = tmp_path / "scenario.toml"
    path.write_text(SHIPPED.replace('duration = "24h"', f"duration = {written}"), encoding="utf-8")
    assert read_demo_scenario(path).duration == read


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe\x00", "of no form that shows"),
        (b"tenant_id\n", "the column is missing"),
        (TENANTS.replace("headquarters_country,MO,", "headquarters_country,Macau,").encode(), "here probably MO"),
        (TENANTS.replace("_country,MO,", "_country,Macau,").encode(), "problems in all: 2"),
    ],
)
def test_a_bad_tenants_file_is_one_line(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tenants' file that cannot be loaded ends the command with the first of its problems, in one line, at once."""
    path = tmp_path / "tenants.csv"
    if content is not None:
        path.write_bytes(content)
    assert re.search(f"--tenants: .*{says}", refused(capsys, "--tenants", str(path)))


def test_the_shipped_files_are_good() -> None:
    """The shipped scenario explains a tenant that the shipped file has, and expects a ticket about it."""
    scenario = read_demo_scenario()
    assert scenario.explain in {key.subject for key in scenario.expected}
    assert scenario.explain in read_demo_tenants().tenants
