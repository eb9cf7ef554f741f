import json
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import flopwatch
from support.judgement import START, a_window, windows_frame
from support.usage import ANode

import policy.__main__ as command
from collector.contract import Provenance
from policy.judgement.stitch import StitchWord
from policy.review.store import TicketStore, upgrade
from policy.settings import Settings
from policy.usage.ledger import Ledger
from policy.wiring import build_judge

DAY = timedelta(days=1)
AT = START + 40 * DAY


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A simulated ledger whose engine last measured on the fortieth day, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    opened = Ledger.open(tmp_path / "ledger", Provenance.SIMULATED)
    opened.write_counters(AT, ANode(provenance="simulated", now=40 * 86400.0).snapshot())
    return opened


def put(ledger: Ledger, *windows: dict[str, Any], at: datetime = AT - timedelta(hours=1)) -> None:
    """Write windows."""
    ledger.write("windows", at, windows_frame(*windows))


def a_day(number: int, **different: Any) -> dict[str, Any]:
    """Training on eight devices throughout a day: about 7.6e19 FLOP low."""
    return a_window(hours=24, window_start=START + number * DAY, **different)


def told(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Any]:
    """Run the command as a program would and read what it says."""
    assert command.main(["exposure", "--format", "json", *flags]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def shown(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """Run the command as a person would; what it prints, with single spaces."""
    assert command.main(["exposure", *flags]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_totals(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Every run, tenant and group has its sums over each look-back as of the newest snapshot, for programs too."""
    put(ledger, a_day(1), a_day(38), a_day(39))
    content = told(capsys, "--look-back-days", "30", "--look-back-days", "90")
    assert content["as_of"] == AT.isoformat()
    hours = {(row["scope"], row["look_back_days"]): row["device_hours"] for row in content["totals"]}
    expected = {30: 384.0, 90: 576.0}
    assert hours == {(scope, each): expected[each] for scope in ("run", "tenant", "group") for each in expected}
    row = content["totals"][0]
    assert row["low_flop"] < row["likely_flop"] < row["high_flop"]
    assert (row["methods"], row["peak_devices"], row["tenants"]) == (["busy"], 8.0, ["t-1"])


def test_it_says_what_the_engine_says(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """The sums are those that the engine's judgement has, and the ledger is as it was."""
    put(ledger, a_day(38), a_day(39))
    before = {path: path.read_bytes() for path in ledger.folder.rglob("*.parquet")}
    (row,) = told(capsys, "--scope", "tenant", "--look-back-days", "365")["totals"]
    assert {path: path.read_bytes() for path in ledger.folder.rglob("*.parquet")} == before
    assert row["low_flop"] == pytest.approx(2 * 24 * 8 * 3600 * 0.95 * 0.117 * 989e12, rel=0.01)


def test_growth_and_the_next_tier(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Growth is told a day, and the next tier with the day on which it would be reached at that growth."""
    put(ledger, *(a_day(number) for number in range(34, 40)))
    (row,) = told(capsys, "--scope", "tenant", "--look-back-days", "30", "--tier", "review=1e22")["totals"]
    left = (1e22 - row["likely_flop"]) / row["growth_flop_per_day"]
    assert (row["next_tier"], row["next_tier_on"]) == ("review", (AT + timedelta(days=left)).date().isoformat())


def test_tiers_reached(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """A tier is told with the day on which it was crossed, or may have been."""
    put(ledger, a_day(38), a_day(39))
    surely = told(capsys, "--scope", "run", "--tier", "review=1e20")["reached"]
    perhaps = told(capsys, "--scope", "run", "--tier", "review=1e21")["reached"]
    assert [(row["tier"], row["strength"], row["day"]) for row in surely] == [("review", "crossed", "2026-07-10")]
    assert [row["strength"] for row in perhaps] == ["may_have_crossed"]


def test_registers_and_names(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tenants of one parent are one group, by an id that names nobody; no name of a party is shown."""
    put(ledger, a_day(38), a_day(39, tenant_id="t-2", workload_name="other"))
    head = (
        "tenant_id,party_name,registered_country,headquarters_country,ultimate_parent_id,ultimate_parent_name,"
        "ultimate_parent_country,ultimate_parent_share_percent,declared_use,acts_for,source,as_of\n"
    )
    rows = (f"t-{n},Secret {n},SG,SG,lei:529900,Secret Parent,SG,100,,self,file,2026-01-01\n" for n in (1, 2))
    (tmp_path / "tenants.csv").write_text(head + "".join(rows), encoding="utf-8")
    said = told(capsys, "--tenants", "tenants.csv", "--scope", "group", "--look-back-days", "90")
    (row,) = said["totals"]
    assert (row["tenants"], row["device_hours"]) == (["t-1", "t-2"], 384.0)
    assert row["id"].startswith("group-")
    text = str(said) + shown(capsys, "--tenants", "tenants.csv")
    assert not any(secret in text for secret in ("Secret", "529900"))


def test_words_on_stitches(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pieces that people have said to be two efforts are two runs here too; without a database nobody said anything."""
    put(ledger, a_day(38, workload_name="big-1"), a_day(39, workload_name="big-2"))
    assert len(told(capsys, "--scope", "run", "--look-back-days", "90")["totals"]) == 1
    assert not (tmp_path / "flopwatch.sqlite").exists()
    url = f"sqlite:///{tmp_path}/tickets.sqlite"
    upgrade(url)
    with closing(TicketStore.open(url)) as store:
        (stitch,) = store_stitches(store, tmp_path)
        store.stitches.propose(stitch, "alice", StitchWord.UNDONE, "two customers of one reseller", AT)
        store.stitches.answer(stitch, 1, "bob", "their contracts are two, as she says", AT, approved=True)
    said = told(capsys, "--scope", "run", "--look-back-days", "90", "--database", url)
    assert (len(said["totals"]), said["words_on_stitches"]) == (2, True)


def store_stitches(store: TicketStore, folder: Path) -> list[str]:
    """Tell the stitches of the ledger to the store, as the engine does; their ids."""
    judge = build_judge(Settings(), Ledger.existing(folder / "ledger"), store.stitches, (90,))
    stitches: pl.DataFrame = judge.judge(AT).stitches
    store.stitches.tell(stitches, AT)
    return stitches["stitch_id"].to_list()


def test_for_people(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """People see intervals, methods, what growth means, and that a tier accuses nobody."""
    put(ledger, *(a_day(number) for number in range(36, 40)), a_day(39, accelerator="NVIDIA X1", tenant_id="t-2"))
    said = shown(capsys, "--look-back-days", "30", "--tier", "review=1e20")
    assert "As of 2026-07-11 00:00Z, by the simulated ledger" in said
    assert "next tier, at the growth of the last seven days" in said
    assert "It is no forecast." in said
    assert "may have crossed" in said
    assert "not known" in said
    assert said.endswith("Reaching it does not say that any law was broken.")
    assert "violat" not in said


def test_the_largest_first(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many rows the table has the largest, and says how many more there are; with --all it has every one."""
    put(ledger, *(a_day(39, tenant_id=f"t-{n}", devices=n + 1.0, workload_name=f"w-{n}") for n in range(50)))
    flags = ("--scope", "tenant", "--look-back-days", "30")
    said = shown(capsys, *flags)
    assert "… and 10 more (--all shows them)" in said
    assert said.index("t-49") < said.index("t-20")
    assert "tenant t-0 " not in said
    assert "tenant t-0 " in shown(capsys, *flags, "--all")
    assert len(told(capsys, *flags)["totals"]) == 50


def test_an_empty_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger in which nothing was measured yet is no error, and says so."""
    monkeypatch.chdir(tmp_path)
    Ledger.open(tmp_path / "ledger", Provenance.SIMULATED)
    said = shown(capsys)
    assert "None: nobody has held anything." in said
    assert "No tier was reached, nor may have been." in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--ledger", "elsewhere"), "elsewhere: no ledger here"),
        (("--look-back-days", "0"), "--exposure-look-back-days 0: '0' is no number of days from 1 to 36500"),
        (("--look-back-days", "30", "--look-back-days", "month"), "'month' is no number of days"),
        (("--look-back-days", "99999"), "'99999' is no number of days"),
        (("--look-back-days", ""), "is no number of days"),
        (("--tenants", "none.csv"), "none.csv: nothing was loaded"),
        (("--tier", "none=1e20"), "--tier none: no rule of"),
        (("--database", "nonsense"), "has no SQLAlchemy URL"),
    ],
)
def test_what_cannot_be_used(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """A file, a flag, a ledger or a database that cannot be used ends the command with 2 and one line."""
    assert command.main(["exposure", *flags]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


def test_look_backs_from_the_environment(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment sets the look-backs, and both names of the flag win over it; each is there once, in order."""
    put(ledger, a_day(39))
    monkeypatch.setenv("FLOPWATCH_EXPOSURE_LOOK_BACK_DAYS", "60,7,7")
    days = [row["look_back_days"] for row in told(capsys, "--scope", "run")["totals"]]
    assert days == [7, 60]
    flags = ("--scope", "run", "--exposure-look-back-days", "1000, 3")
    said = told(capsys, *flags)
    assert [row["look_back_days"] for row in said["totals"]] == [3, 1000]
    assert said["looked_back_days"] == 1000


def test_a_damaged_file_is_named(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Windows that cannot be read are named, with what to do."""
    put(ledger, a_day(38))
    put(ledger, a_day(39), at=AT)
    file = max((ledger.folder / "windows").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:50])
    assert command.main(["exposure"]) == 2
    assert f"{file.relative_to(ledger.folder.parent)}: cannot be read" in capsys.readouterr().err


def test_as_a_process(ledger: Ledger, tmp_path: Path) -> None:
    """As a process of its own, in which every warning is an error, it tells the same."""
    put(ledger, a_day(39))
    assert "t-1" in flopwatch("exposure", "--ledger", tmp_path / "ledger").stdout
