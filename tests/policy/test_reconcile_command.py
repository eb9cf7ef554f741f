import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import flopwatch
from support.judgement import H100, START, a_window, windows_frame
from support.usage import ANode, a_holder

import policy.__main__ as command
from collector.contract import Provenance
from policy.commands.reconcile_sheet import SHOWN_ROWS, reconciled_sheet
from policy.commands.reconcile_source import Attributed
from policy.frames import empty
from policy.kyc.registers.overlaps import OVERLAPS
from policy.kyc.registers.reconcile import ATTRIBUTED, RECONCILED, Days
from policy.kyc.registers.whole_days import WHOLE_DAYS
from policy.usage.ledger import Ledger
from policy.usage.window import BALANCE

DAY = timedelta(days=1)
HEAD = "tenant_id,date,gpu_hours\n"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A simulated ledger, and its folder's parent as the working folder."""
    monkeypatch.chdir(tmp_path)
    return Ledger.open(tmp_path / "ledger", Provenance.SIMULATED)


def put(ledger: Ledger, at: datetime, *rows: dict[str, Any], since: datetime = START, node: str = "node-a") -> None:
    """Write windows that were heard of at a moment, and the balance of one node from ``since`` to then."""
    ledger.write("windows", at, windows_frame(*rows))
    spent = dict.fromkeys(BALANCE) | {"node": node, "provenance": "simulated", "state": "physical", "gpu_seconds": 1.0}
    span = {"window_start": since, "window_end": at}
    ledger.write("balance", at, pl.DataFrame([spent | span], schema=BALANCE))


def told(folder: Path, capsys: pytest.CaptureFixture[str], billing: str, *flags: str, expect: int) -> dict[str, Any]:
    """Run the command as a program would and read what it says."""
    (folder / "billing.csv").write_text(HEAD + billing, encoding="utf-8")
    assert command.main(["reconcile", "--billing", "billing.csv", "--format", "json", *flags]) == expect
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def rows_of(content: dict[str, Any]) -> list[tuple[str, str | None, float, float, str]]:
    """Day, tenant, billed, low and state of every row."""
    return [
        tuple(row[name] for name in ("date", "tenant_id", "billed_hours", "low_hours", "state"))
        for row in content["rows"]
    ]


def test_all_agree(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where every day of every tenant agrees the command ends with 0, and says what it compared."""
    put(ledger, START + DAY, a_window(hours=1))
    content = told(tmp_path, capsys, "t-1,2026-06-01,8\n", expect=0)
    assert rows_of(content) == [("2026-06-01", "t-1", 8.0, 8.0, "agrees")]
    assert content["sums"] == {"billed_hours": 8.0, "low_hours": 8.0, "high_hours": 8.0}
    assert (content["partly_measured_days"], content["windows_spanning_midnight"]) == ([], 0)


def test_differences(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A difference on any day ends the command with 1; a window over midnight is in both days and counted."""
    late = a_window(hours=2, tenant_id="t-2", window_start=START + timedelta(hours=23))
    put(ledger, START + 2 * DAY, a_window(hours=1), late, a_window(hours=1, tenant_id=None))
    billing = "t-1,2026-06-01,9\nt-2,2026-06-02,8\nt-3,2026-06-02,1\n"
    content = told(tmp_path, capsys, billing, expect=1)
    assert rows_of(content) == [
        ("2026-06-01", None, 0.0, 8.0, "unlinked"),
        ("2026-06-01", "t-1", 9.0, 8.0, "billed_more"),
        ("2026-06-01", "t-2", 0.0, 8.0, "not_billed"),
        ("2026-06-02", "t-2", 8.0, 8.0, "agrees"),
        ("2026-06-02", "t-3", 1.0, 0.0, "not_measured"),
    ]
    assert content["windows_spanning_midnight"] == 1
    assert sum(state["rows"] or 0 for state in content["states"]) == 5


def test_partly_measured_days(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A day of which the ledger has half is named, and what was billed beyond the half is uncertain."""
    put(ledger, START + DAY, a_window(hours=1, window_start=START + DAY / 2), since=START + DAY / 2)
    content = told(tmp_path, capsys, "t-1,2026-06-01,99\n", expect=1)
    assert content["partly_measured_days"] == ["2026-06-01"]
    assert rows_of(content)[0][-1] == "uncertain"


def test_chosen_days_and_tolerance(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the days that were asked for are compared, and within the tolerance that was given."""
    put(ledger, START + 2 * DAY, a_window(hours=1), a_window(hours=1, window_start=START + DAY))
    billing = "t-1,2026-06-01,8\nt-1,2026-06-02,9\nt-1,2026-06-03,9\n"
    assert told(tmp_path, capsys, billing, "--to", "2026-06-01", expect=0)["last_day"] == "2026-06-01"
    flags = ("--since", "2026-06-02", "--to", "2026-06-02")
    assert told(tmp_path, capsys, billing, *flags, expect=1)["tolerance"] == 0.02
    assert told(tmp_path, capsys, billing, *flags, "--tolerance", "0.2", expect=0)["first_day"] == "2026-06-02"


def test_rules_and_register(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mapping rules say whose the windows are, and the register gives hours where no collector spoke."""
    put(ledger, START + DAY, a_window(hours=1, tenant_id=None))
    rule = '[[mapping]]\ntenant = "t-9"\nnamespace = "space-*"\nbecause = "order form"\ndecided_by = "provisioning"\n'
    cluster = rule.replace('namespace = "space-*"', 'cluster = "c-1"')
    (tmp_path / "mapping.toml").write_text(rule + cluster, encoding="utf-8")
    register = "node,accelerator,devices,tenant_id,from,tenancy,source\n"
    for node in ("bm-1", "node-a"):
        register += f"{node},{H100},8,t-8,2026-06-01T12:00:00Z,bare_metal,contracts\n"
    (tmp_path / "allocations.csv").write_text(register, encoding="utf-8")
    flags = ("--mapping", "mapping.toml", "--allocations", "allocations.csv")
    content = told(tmp_path, capsys, "t-9,2026-06-01,8\nt-8,2026-06-01,96\n", *flags, expect=0)
    assert rows_of(content) == [("2026-06-01", "t-8", 96.0, 96.0, "agrees"), ("2026-06-01", "t-9", 8.0, 8.0, "agrees")]
    assert content["rules_without_cluster"] == 1


REGISTER = "node,accelerator,devices,tenant_id,from,to,tenancy,source\n"


@pytest.mark.parametrize(
    ("billed", "state", "code"), [(192, "agrees", 0), (10_000, "billed_more", 1), (100, "attributed_more", 1)]
)
def test_no_collector_runs(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], billed: int, state: str, code: int
) -> None:
    """Where nothing is measured a day that is wholly in the register has a top, and agrees where the bill does."""
    (tmp_path / "allocations.csv").write_text(
        f"{REGISTER}bm-1,{H100},8,t-1,2026-05-01,2026-06-02T00:00:00Z,bare_metal,contracts\n", encoding="utf-8"
    )
    flags = ("--allocations", "allocations.csv")
    content = told(tmp_path, capsys, f"t-1,2026-06-01,{billed}\n", *flags, expect=code)
    assert rows_of(content) == [("2026-06-01", "t-1", billed, 192.0, state)]
    assert (content["measured_from"], content["registered_days"]) == (None, 1)
    assert command.main(["reconcile", "--billing", "billing.csv", *flags]) == code
    assert "the allocation register tells all: 1." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ("bm-1,,8,t-1,2026-06-01,2026-06-01T12:00:00Z\nbm-2,,8,t-1,2026-06-01T12:00:00Z,", "agrees"),
        ("bm-1,,8,t-1,2026-06-01,2026-06-01T12:00:00Z\nbm-2,,8,t-1,2026-06-01T12:00:01Z,", "uncertain"),
        ("bm-1,,8,t-1,2026-06-01,2026-06-01T12:00:00Z\nbm-2,,8,t-2,2026-06-01T12:00:00Z,", "uncertain"),
    ],
)
def test_a_day_that_is_in_the_register_in_part(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, state: str
) -> None:
    """Several rows make a day whole where none of its moments is missing; in another tenant's they do not."""
    lines = "".join(f"{row},bare_metal,contracts\n" for row in rows.split("\n"))
    (tmp_path / "allocations.csv").write_text(REGISTER + lines, encoding="utf-8")
    billed = 96 if "t-2" in rows else 192
    flags = ("--allocations", "allocations.csv")
    content = told(
        tmp_path, capsys, f"t-1,2026-06-01,{billed}\n", *flags, expect=int(state != "agrees" or "t-2" in rows)
    )
    assert {row["tenant_id"]: row["state"] for row in content["rows"]}["t-1"] == state


def test_a_tenant_that_was_seen_elsewhere(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenant seen on a machine that the register does not give it may have used it in the part not measured."""
    put(ledger, START + DAY, a_window(hours=1, window_start=START + DAY / 2), since=START + DAY / 2)
    row = f"bm-1,{H100},8,t-1,2026-05-01,2026-06-02T00:00:00Z,bare_metal,contracts\n"
    (tmp_path / "allocations.csv").write_text(REGISTER + row, encoding="utf-8")
    flags = ("--allocations", "allocations.csv")
    content = told(tmp_path, capsys, "t-1,2026-06-01,300\n", *flags, expect=1)
    assert rows_of(content) == [("2026-06-01", "t-1", 300.0, 200.0, "uncertain")]
    (tmp_path / "allocations.csv").write_text(REGISTER + row + row.replace("bm-1", "node-a"), encoding="utf-8")
    content = told(tmp_path, capsys, "t-1,2026-06-01,296\n", *flags, expect=0)
    assert rows_of(content) == [("2026-06-01", "t-1", 296.0, 296.0, "agrees")]


def test_overlaps_in_the_register(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the register gives more of a node than the newest snapshot has, it is told beside the comparison."""
    monkeypatch.setenv("COLUMNS", "200")  # a narrower table folds its words
    ledger.write_counters(START + DAY, ANode(provenance="simulated").run(86400, [a_holder()]).snapshot())
    put(ledger, START + DAY, a_window(hours=1))
    register = "node,accelerator,devices,tenant_id,from,to,tenancy,source\n"
    for tenant, first, last in (
        ("t-1", "2026-06-01", ""),
        ("t-2", "2026-06-01T12:00:00Z", ""),
        ("t-3", "2020-01-01", "2020-01-02"),
    ):
        register += f"node-a,{H100},1,{tenant},{first},{last},shared,contracts\n"
    (tmp_path / "allocations.csv").write_text(register, encoding="utf-8")
    content = told(tmp_path, capsys, "t-1,2026-06-01,8\n", "--allocations", "allocations.csv", expect=0)
    (found,) = content["overlaps"]
    assert (found["machine"], found["begins"], found["ends"]) == ("node-a", "2026-06-01T12:00:00+00:00", None)
    assert (found["devices"], found["devices_there"], found["tenant_ids"]) == (2.0, 1.0, ["t-1", "t-2"])
    assert command.main(["reconcile", "--billing", "billing.csv", "--allocations", "allocations.csv"]) == 0
    assert "more devices were given than the machine has" in " ".join(capsys.readouterr().out.split())


def test_a_silent_node_may_have_been_used(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the holders of a silent node may have done since it was heard is in the high end."""
    node = ANode(provenance="simulated").run(3600, [a_holder()])
    ledger.write_counters(START + DAY, node.snapshot())
    put(ledger, START + DAY, a_window(hours=1, devices=1))
    content = told(tmp_path, capsys, "t-1,2026-06-01,20\n", expect=1)
    assert rows_of(content) == [("2026-06-01", "t-1", 20.0, 1.0, "uncertain")]
    assert content["rows"][0]["high_hours"] == 24.0


def test_by_accelerator(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bill may call an accelerator by any name that the facts know."""
    put(ledger, START + DAY, a_window(hours=1))
    (tmp_path / "billing.jsonl").write_text(
        json.dumps({"tenant_id": "t-1", "date": "2026-06-01", "gpu_hours": 8, "accelerator": "NVIDIA H100 SXM"}) + "\n",
        encoding="utf-8",
    )
    assert command.main(["reconcile", "--billing", "billing.jsonl", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["state"] == "agrees"


def test_the_table_for_people(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People see the days, the rows that differ, the sums with what each state means, and that nobody is accused."""
    put(ledger, START + DAY / 2, a_window(hours=1), a_window(hours=1, tenant_id="t-2"))
    (tmp_path / "billing.csv").write_text(HEAD + "t-1,2026-06-01,4\nt-2,2026-06-01,8\n", encoding="utf-8")
    assert command.main(["reconcile", "--billing", "billing.csv"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "from 2026-06-01 to 2026-06-01, days in UTC" in said
    assert "Measured in part: 2026-06-01;" in said
    assert "t-1 - 4.00 8.00 8.00 attributed_more, day not measured whole" in said
    assert "held more than was billed" in said
    assert "It does not say which side is wrong." in said


NOTES = """
GPU-hours from 2026-06-01 to 2026-06-02, days in UTC; what differs by no more than 0.02 agrees.
Measured from 2026-06-01 06:00Z to 2026-06-03 00:00Z.
Measured in part: 2026-06-01; what was used in the rest of such a day is not known.
Days of tenants of which the allocation register tells all: 1.
Low: held alone. High: besides shared, whole for each sharer, or perhaps held while nobody watched.
Windows that span midnight, apportioned by time: 3.
Mapping rules that fit nothing, as they ask for a cluster and none is known: 2.
… and 5 more (--all shows them)
A difference asks why. It does not say which side is wrong.
"""


def lines_of(days: Days, *, rows: int = 0, registered: int = 0, cut: int = 0, without_cluster: int = 0) -> list[str]:
    """What a reconciliation says around its tables."""
    source = Attributed(
        attributed=empty(ATTRIBUTED),
        days=days,
        registered=pl.DataFrame([("t-1", days.first)] * registered, schema=WHOLE_DAYS, orient="row"),
        cut=cut,
        without_cluster=without_cluster,
        overlaps=empty(OVERLAPS),
    )
    row = (days.first, "t-1", None, 8.0, 0.0, 0.0, True, False, "not_measured")
    found = pl.DataFrame([row] * rows, schema=RECONCILED, orient="row")
    return [each for each in reconciled_sheet(found, source, 0.02, whole=False).blocks if isinstance(each, str)]


def test_the_notes_for_people() -> None:
    """Around the tables stand the approved sentences: what was measured, what not, and what the numbers mean."""
    first, last = START.date(), (START + DAY).date()
    days = Days(first=first, last=last, measured=(START + DAY / 4, START + 2 * DAY))
    notes = lines_of(days, rows=SHOWN_ROWS + 5, registered=1, cut=3, without_cluster=2)
    assert notes == NOTES.strip().split("\n")
    plain = lines_of(Days(first=first, last=last))
    assert plain == [notes[0], "Nothing at all was measured since the first of these days.", notes[4], notes[-1]]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--billing", "none.csv"), "none.csv: nothing was loaded"),
        (("--billing", "billing.csv", "--since", "2026-06-02", "--to", "2026-06-01"), "--since: 2026-06-02 is after"),
        (("--billing", "billing.csv", "--since", "2026-06-02", "--to", "2026-06-03"), "nothing was billed from"),
        (("--billing", "billing.csv", "--mapping", "none.toml"), "none.toml: cannot be read"),
        (("--billing", "billing.csv", "--allocations", "none.csv"), "none.csv: nothing was loaded"),
        (("--billing", "billing.csv", "--ledger", "elsewhere"), "elsewhere: no ledger here"),
    ],
)
def test_what_cannot_be_used(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """A file, a flag or a ledger that cannot be used ends the command with 2 and one line."""
    (tmp_path / "billing.csv").write_text(HEAD + "t-1,2026-06-01,1\n", encoding="utf-8")
    assert command.main(["reconcile", *flags]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("flags", [("--since", "June"), ("--tolerance", "2"), ("--tolerance", "nan"), ()])
def test_bad_flags(ledger: Ledger, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]) -> None:
    """A flag that cannot be read, or a missing one, is said in one line with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        command.main(["reconcile", *flags, *(("--billing", "billing.csv") if flags else ())])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_as_a_process(ledger: Ledger, tmp_path: Path) -> None:
    """As a process of its own, in which every warning is an error, it tells the same."""
    put(ledger, START + DAY, a_window(hours=1))
    billing = tmp_path / "billing.csv"
    billing.write_text(HEAD + f"t-1,{date(2026, 6, 1)},8\n", encoding="utf-8")
    assert "None: all agree." in flopwatch("reconcile", "--billing", billing, "--ledger", tmp_path / "ledger").stdout
