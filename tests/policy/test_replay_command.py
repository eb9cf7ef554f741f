import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import flopwatch
from support.kyc import a_file
from support.overlays import ETHIOPIA, NEW_PART, a_scenario, an_overlay

from policy.replay import REPLAYED

A100 = "NVIDIA A100-SXM4-80GB"
HEADER = "job_id,arrival_s,gpus,duration_s,account"
PRETRAINING = "pretraining,0,2048,86400,t-1"
NOTEBOOK = "notebook,60,1,3600,t-2"
START = ("--start", "2025-07-01")


def replay_json(*arguments: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What ``replay --format json`` prints: the whole document, and its runs by name."""
    document = json.loads(flopwatch("replay", *arguments, *START, "--format", "json").stdout)
    return document, {run["run"]: run for run in document["runs"]}


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A large job and a small one."""
    path = tmp_path / "jobs.csv"
    path.write_text("\n".join([HEADER, PRETRAINING, NOTEBOOK]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    """The parties of both accounts; the first is headquartered in D:5."""
    return a_file(
        tmp_path,
        {"tenant_id": "t-1", "headquarters_country": "CN", "registered_country": "CN"},
        {"tenant_id": "t-2"},
    )


def test_json_has_every_run_with_its_numbers(jobs: Path, tenants: Path) -> None:
    """The document holds totals and one object for each run, the largest first, with interval, link and findings."""
    document, runs = replay_json(jobs, "--tenants", tenants, "--map", "tenant_id=account", "--accelerator", A100)
    assert list(runs) == ["pretraining", "notebook"]
    assert document["law_from"] == "2025-07-01"
    assert document["totals"]["gpu_hours"] == 2048 * 24 + 1
    large = runs["pretraining"]
    assert (large["gpu_hours"], large["tenant_id"], large["link_state"]) == (2048 * 24, "t-1", "linked")
    assert 0 < large["low_flop"] < large["likely_flop"] < large["high_flop"]
    assert (large["hq_in_scope"], runs["notebook"]["hq_in_scope"]) == ("yes", "no")
    assert set(large) == set(REPLAYED)


def test_a_low_tier_makes_a_finding(jobs: Path, tenants: Path) -> None:
    """
    A tier of the provider's own that the run reaches is found, for the in-scope tenant and not for the other.

    Of the other it is only found that nobody has compared it with a list.
    """
    arguments = ("--tenants", tenants, "--map", "tenant_id=account", "--accelerator", A100, "--tier", "review=1e15")
    _, runs = replay_json(jobs, *arguments)
    assert any("in-scope-headquarters" in finding for finding in runs["pretraining"]["findings"])
    assert runs["notebook"]["findings"] == ["never-screened (may have crossed)"]


def test_the_table_says_what_json_says(jobs: Path, tenants: Path) -> None:
    """At a terminal the same runs, totals and findings stand in a table, and what a finding is not."""
    arguments = ("--tenants", tenants, "--map", "tenant_id=account", "--accelerator", A100)
    text = flopwatch("replay", jobs, *arguments, *START).stdout
    assert "49,152.0" in text
    assert "2 runs, 49,153.0 GPU-hours" in text
    assert text.rstrip().endswith("A finding asks for review. It does not say that any law was broken.")


def test_parquet_holds_the_same_rows(jobs: Path, tmp_path: Path) -> None:
    """A Parquet file has the declared schema and the runs of the JSON document."""
    output = tmp_path / "runs.parquet"
    flopwatch("replay", jobs, "--accelerator", A100, *START, "--format", "parquet", "--output", output)
    frame = pl.read_parquet(output)
    assert frame.schema == REPLAYED
    _, runs = replay_json(jobs, "--accelerator", A100)
    assert [row["high_flop"] for row in frame.to_dicts()] == [run["high_flop"] for run in runs.values()]


def test_the_same_recording_is_the_same_document(jobs: Path, tenants: Path) -> None:
    """Replaying twice prints the same text."""
    arguments = ("replay", jobs, "--tenants", tenants, "--accelerator", A100, *START, "--format", "json")
    assert flopwatch(*arguments).stdout == flopwatch(*arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [((), "the accelerator is not known"), (("--accelerator", "Abacus 9000"), "no peak for accelerator Abacus 9000")],
)
def test_an_unknown_accelerator_has_no_estimate(jobs: Path, arguments: tuple[str, ...], reason: str) -> None:
    """What cannot be estimated is null with its reason in JSON and words in the table; it is never 0."""
    document, runs = replay_json(jobs, *arguments)
    run = runs["pretraining"]
    assert [run[f"{bound}_flop"] for bound in ("low", "likely", "high")] == [None, None, None]
    assert [reason in each for each in run["no_estimate_reasons"]] == [True]
    assert document["totals"]["runs_without_estimate"] == 2
    text = flopwatch("replay", jobs, *arguments, *START).stdout
    assert "2 runs have no estimate" in text
    assert reason in text


def test_without_tenants_everything_is_unlinked(jobs: Path) -> None:
    """Nobody is known without a tenants' file: no run is linked, and no headquarters is cleared."""
    _, runs = replay_json(jobs, "--accelerator", A100)
    assert {run["link_state"] for run in runs.values()} == {"unlinked"}
    assert {run["hq_in_scope"] for run in runs.values()} == {"unknown"}
    _, claimed = replay_json(jobs, "--accelerator", A100, "--map", "tenant_id=account")
    assert {run["link_state"] for run in claimed.values()} == {"unknown_tenant"}


def test_a_map_file_fills_by_job(jobs: Path, tmp_path: Path) -> None:
    """A CSV given with --map names fields job by job."""
    table = tmp_path / "map.csv"
    table.write_text(f"job_id,accelerator\npretraining,{A100}\n", encoding="utf-8")
    _, runs = replay_json(jobs, "--map", table)
    assert runs["pretraining"]["high_flop"] > 0
    assert runs["notebook"]["high_flop"] is None


def test_a_scenario_decides_and_is_said_to_be_none_in_force(jobs: Path, tmp_path: Path) -> None:
    """What is supposed answers otherwise than the facts do; table, JSON and the words beside Parquet say so."""
    tenants = a_file(tmp_path, {"tenant_id": "t-1", "headquarters_country": "ET"}, {"tenant_id": "t-2"})
    arguments = ("--tenants", tenants, "--map", "tenant_id=account", "--accelerator", A100)
    scenario = ("--scenario", a_scenario(tmp_path, ETHIOPIA))
    document, runs = replay_json(jobs, *arguments)
    assert (document["supposes"], runs["pretraining"]["hq_in_scope"]) == ([], "unknown")
    supposed, runs = replay_json(jobs, *arguments, *scenario)
    assert runs["pretraining"]["hq_in_scope"] == "yes"
    assert supposed["supposes"] == ["supposes what-if: somebody proposed it; not in force"]
    assert supposed["facts_digest"] != document["facts_digest"]
    line = "Facts: supposes what-if: somebody proposed it; not in force."
    assert line in flopwatch("replay", jobs, *arguments, *scenario, *START).stdout
    parquet = ("--format", "parquet", "--output", tmp_path / "runs.parquet")
    assert line in flopwatch("replay", jobs, *arguments, *scenario, *START, *parquet).stderr


def test_an_override_of_the_provider_s_gives_an_estimate(jobs: Path, tmp_path: Path) -> None:
    """A device that only the provider knows has a peak, by flag and by environment, and the table says so."""
    arguments = ("--accelerator", "NVIDIA X1")
    _, runs = replay_json(jobs, *arguments)
    assert runs["pretraining"]["high_flop"] is None
    folder = an_overlay(tmp_path / "facts", NEW_PART).parent
    _, runs = replay_json(jobs, *arguments, "--facts", folder)
    assert runs["pretraining"]["high_flop"] > 0
    said = flopwatch("replay", jobs, *arguments, *START, FLOPWATCH_FACTS=str(folder)).stdout
    assert "Facts: overridden by ours: counsel." in said
    assert "have no estimate" not in said


BAD = {
    "a file that is not there": (("replay", "none.csv"), "none.csv: cannot be read"),
    "a number that is none": (("replay", "{bad}"), "row 2, column gpus: 'many' is not a number"),
    "a field that cannot be filled": (("replay", "{jobs}", "--map", "node=account"), "'node' is not a field"),
    "a column that is not there": (("replay", "{jobs}", "--map", "tenant_id=customer"), "no column customer"),
    "a map that is not there": (("replay", "{jobs}", "--map", "none.csv"), "--map none.csv: not FIELD=COLUMN"),
    "a tier that is no number": (("replay", "{jobs}", "--tier", "review=much"), "'much' is not an amount of FLOP"),
    "rules that are not there": (("replay", "{jobs}", "--rules", "none.yaml"), "none.yaml"),
    "an output for a table": (("replay", "{jobs}", "--output", "runs.parquet"), "--output needs --format parquet"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_line(jobs: Path, tmp_path: Path, name: str) -> None:
    """Exit code 2, nothing on standard output, and one line that says what and where."""
    arguments, words = BAD[name]
    bad = tmp_path / "bad.csv"
    bad.write_text(f"{HEADER}\nx,0,many,60,t-1\n", encoding="utf-8")
    done = flopwatch(*(each.format(jobs=jobs, bad=bad) for each in arguments), expect=2)
    assert done.stdout == ""
    (line,) = filter(None, done.stderr.splitlines())
    assert line.startswith("flopwatch: ")
    assert words in line


def test_parquet_and_json_say_what_lies_over_the_facts(jobs: Path, tmp_path: Path) -> None:
    """A file for programs tells by itself which facts it rests on, what is overridden, and what is only supposed."""
    an_overlay(tmp_path / "own", NEW_PART)
    given = ("--facts", tmp_path / "own", "--scenario", a_scenario(tmp_path / "other", ETHIOPIA))
    output = tmp_path / "runs.parquet"
    flopwatch("replay", jobs, *START, *given, "--format", "parquet", "--output", output)
    beside = pl.read_parquet_metadata(output)
    document, _ = replay_json(jobs, *given)
    for key in ("facts_digest", "overridden", "supposes"):
        assert json.loads(beside[f"flopwatch.{key}"]) == document[key]
    assert document["overridden"] == ["overridden by ours: counsel"]
    assert document["supposes"] == ["supposes what-if: somebody proposed it; not in force"]


UNREAD = """
[overlay]
kind = "scenario"
name = "own-guidance"
reason = "a guidance that nobody has written"
decided_on = 2026-11-20

[[switches.switch]]
id = "own_guidance"
title = "A guidance"
governs = "nothing yet"

[[switches.switch.state]]
valid_from = 2020-01-01
state = "off"
sources = ["own_choice"]
"""


def test_a_scenario_that_nothing_reads_says_so(jobs: Path) -> None:
    """No difference is no answer where the scenario changes only what no rule reads."""
    unread = jobs.with_name("unread.toml")
    unread.write_text(UNREAD, encoding="utf-8")
    said = flopwatch("replay", jobs, *START, "--scenario", unread).stderr
    assert "own-guidance changes only the switch own_guidance, which no rule reads; affiliates_rule, gp10" in said
    for read in ("affiliates-rule-stay-extended", "ethiopia-in-d5", "cyprus-suspension-renewed"):
        assert "no rule reads" not in flopwatch("replay", jobs, *START, "--scenario", read).stderr
