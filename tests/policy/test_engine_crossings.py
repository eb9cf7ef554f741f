"""Reaching a tier as an event: told once, in the log alone, by ids that name nobody."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.engines import an_engine
from support.judgement import START, a_window, windows_frame
from support.kyc import a_tenant, customers_of
from support.usage import a_moment

import policy.engine
from collector.contract import Provenance
from policy.engine import KNOWN, Engine, Horizon
from policy.facts.reading import load_facts
from policy.judgement.crossings import CROSSINGS
from policy.usage.ledger import Ledger, LedgerError

FACTS = load_facts().with_tiers({"review": 1e20}, basis="a test")
CUSTOMERS = customers_of(
    a_tenant(
        tenant_id="t-1",
        party_name="Secret One",
        headquarters_country="CN",
        ultimate_parent_id="lei:529900T8BM49AURSDO55",
        ultimate_parent_name="Secret Two",
        ultimate_parent_country="CN",
    )
)
DAY = timedelta(days=1)


def engine_over(folder: Path) -> Engine:
    """An engine over no nodes, and a ledger that has windows already."""
    return an_engine(
        folder,
        provenance=Provenance.SIMULATED,
        customers=lambda: CUSTOMERS,
        facts=FACTS,
        horizon=Horizon(look_back=timedelta(days=100), stale_after=timedelta(minutes=15)),
    )


def put(engine: Engine, number: int, *windows: dict[str, Any]) -> None:
    """Let the ledger have windows that were heard of just before the end of a day."""
    engine.ledger.write("windows", START + (number + 1) * DAY - timedelta(seconds=1), windows_frame(*windows))


def told(engine: Engine, hour: float, caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    """Which tiers a cycle says to have been reached; with the scopes sorted."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="flopwatch.engine"):
        engine.cycle(a_moment(hour * 3600))
    events = [line for line in caplog.messages if line.startswith("exposure.crossed ")]
    return [dict(each.split("=") for each in line.split()[1:]) for line in events]


def of(events: Sequence[dict[str, str]], scope: str) -> list[tuple[str, str, str]]:
    """Tier, strength and day of a scope's events."""
    return [(each["tier"], each["strength"], each["day"]) for each in events if each["scope"] == scope]


def test_a_tier_is_told_when_it_is_reached(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The cycle that finds a tier reached tells it for the run, its tenant and its group; the next one says nothing."""
    engine = engine_over(tmp_path)
    put(engine, 0, a_window(hours=24, devices=16))
    events = told(engine, 24, caplog)
    assert sorted({each["scope"] for each in events}) == ["group", "run", "tenant"]
    assert of(events, "tenant") == [("review", "crossed", "2026-06-01")]
    assert told(engine, 25, caplog) == []


def test_a_restart_repeats_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An engine that begins anew over the same ledger tells only what is new since the cycle before."""
    put(engine_over(tmp_path), 0, a_window(hours=24))
    assert told(engine_over(tmp_path), 24, caplog) != []
    put(engine_over(tmp_path), 1, a_window(hours=24, tenant_id="t-2", window_start=START + DAY))
    events = told(engine_over(tmp_path), 48, caplog)
    assert [(each["scope"], each["id"]) for each in events if each["scope"] == "tenant"] == [("tenant", "t-2")]


def test_what_may_have_been_is_told_again_when_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A tier that may have been reached is told once more when it certainly is."""
    engine = engine_over(tmp_path)
    put(engine, 0, a_window(hours=24))
    first = of(told(engine, 24, caplog), "tenant")
    put(engine, 1, a_window(hours=24, window_start=START + DAY))
    assert (first, of(told(engine, 48, caplog), "tenant")) == (
        [("review", "may_have_crossed", "2026-06-01")],
        [("review", "crossed", "2026-06-02")],
    )


def test_no_name_and_no_register_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a party's name nor the id of a parent in a public register is in the event, or in the note."""
    engine = engine_over(tmp_path)
    put(engine, 0, a_window(hours=24))
    told(engine, 24, caplog)
    said = caplog.text + str(engine.ledger.kept(KNOWN, CROSSINGS).to_dicts())
    assert "exposure.crossed scope=group id=group-" in said
    assert not any(secret in said for secret in ("Secret", "529900", "CN"))


def test_a_note_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged note stops no cycle: it is said which file, all is told once more, and the note is good again."""
    engine = engine_over(tmp_path)
    put(engine, 0, a_window(hours=24))
    before = told(engine, 24, caplog)
    (tmp_path / "ledger" / "kept" / f"{KNOWN}.parquet").write_bytes(b"PAR1")
    assert told(engine, 25, caplog) == before
    assert f"exposure.forgotten reason='{tmp_path}/ledger/kept/crossings.parquet: cannot be read" in caplog.text
    assert told(engine, 26, caplog) == []


def test_who_dies_before_the_note_tells_it_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full when the note is written fails the cycle, and the next one tells it."""
    engine = engine_over(tmp_path)
    put(engine, 0, a_window(hours=24))

    def full(*_: object) -> None:
        """Have no space."""
        raise LedgerError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "keep", full)
        with pytest.raises(LedgerError, match="no space"):
            told(engine, 24, caplog)
    assert told(engine, 25, caplog) != []


@pytest.mark.parametrize("bad", [0, 1], ids=["the first file", "a later one"])
def test_windows_that_cannot_be_read_are_named(tmp_path: Path, bad: int) -> None:
    """An unreadable file of windows is named when they are judged, and is not read around."""
    engine = engine_over(tmp_path)
    for number in range(2):
        put(engine, number, a_window(hours=24, window_start=START + number * DAY))
    file = sorted((tmp_path / "ledger" / "windows").rglob("*.parquet"))[bad]
    file.write_bytes(file.read_bytes()[:99])
    with pytest.raises(LedgerError, match=rf"{file.name}: cannot be read .*; restore it from a copy"):
        engine.judge(a_moment(48 * 3600))


@pytest.mark.parametrize("windows", [0, 1])
def test_a_fault_of_judging_is_not_the_ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: int) -> None:
    """What goes wrong while all files can be read stays what it is, also where there is no file at all."""
    engine = engine_over(tmp_path)
    for number in range(windows):
        put(engine, number, a_window(hours=24))

    def broken(*_: object, **__: object) -> None:
        """Be wrong."""
        raise pl.exceptions.ColumnNotFoundError("a defect")

    monkeypatch.setattr(policy.engine, "judge", broken)
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="a defect"):
        engine.judge(a_moment(24 * 3600))
