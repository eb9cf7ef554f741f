import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import HOUR, START, a_window, unhurried, windows_frame

from policy.kyc.problems import KycError
from policy.kyc.registers.billing import BILLED, Billing, read_billing
from policy.kyc.registers.reconcile import (
    ATTRIBUTED,
    MEANINGS,
    NOTHING_HOURS,
    RECONCILED,
    Comparison,
    Days,
    attributed_hours,
    reconcile,
    spans_midnight,
    sums,
)

FIRST = date(2026, 6, 1)
MEASURED = (START - timedelta(days=9), START + timedelta(days=99))
JUNE = Days(first=FIRST, last=date(2026, 6, 30), measured=MEASURED)


def a_billing(*lines: tuple[str, date, str | None, float], by_accelerator: bool = False) -> Billing:
    """A bill with these lines: tenant, day, accelerator, GPU-hours."""
    frame = pl.DataFrame(list(lines), schema=BILLED, orient="row")
    return Billing(frame=frame, by_accelerator=by_accelerator, digest="", path=Path("billing.csv"))


def hours_frame(*rows: tuple[str | None, date, str | None, float, float]) -> pl.DataFrame:
    """What is attributed: tenant, day, accelerator, low and high GPU-hours."""
    return pl.DataFrame(list(rows), schema=ATTRIBUTED, orient="row")


def state_of(billed: float | None, low: float, high: float, *, tenant: str | None = "t-1", days: Days = JUNE) -> str:
    """The state of one tenant's day."""
    billing = a_billing() if billed is None else a_billing(("t-1", FIRST, None, billed))
    attributed = hours_frame((tenant, FIRST, None, low, high)) if high else hours_frame()
    (state,) = reconcile(billing, attributed, days)["state"]
    return str(state)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("tenant_id,date,gpu_hours\nt-1,2026-06-01,192.5\nt-1,2026-06-01,1\n", [192.5, 1.0]),
        ('{"tenant_id": "t-1", "date": "2026-06-01", "gpu_hours": 1.5e2}\n\n', [150.0]),
    ],
)
def test_a_bill(tmp_path: Path, text: str, hours: list[float]) -> None:
    """A bill is read from CSV or JSON Lines, and says that it knows no accelerators."""
    (tmp_path / "billing").write_text(text, encoding="utf-8")
    billing = read_billing(tmp_path / "billing")
    assert billing.frame["gpu_hours"].to_list() == hours
    assert not billing.by_accelerator


def test_a_bill_by_accelerator(tmp_path: Path) -> None:
    """The word unknown stands for an accelerator that is not known; an empty cell beside names is refused."""
    path = tmp_path / "billing.csv"
    head = "tenant_id,date,gpu_hours,accelerator\n"
    path.write_text(head + "t-1,2026-06-01,1,NVIDIA L4\nt-1,2026-06-01,2,unknown\n", encoding="utf-8")
    billing = read_billing(path)
    assert billing.by_accelerator
    assert billing.frame["accelerator"].to_list() == ["NVIDIA L4", None]
    path.write_text(head + "t-1,2026-06-01,1,NVIDIA L4\nt-1,2026-06-01,2,\n", encoding="utf-8")
    with pytest.raises(KycError, match=r"billing\.csv:3, accelerator"):
        read_billing(path)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (",2026-06-01,1", "tenant_id"),
        ("t-1,01.06.2026,1", "date"),
        ("t-1,9999-12-31,1", "date"),
        ("t-1,2026-06-01,-1", "gpu_hours"),
        ("t-1,2026-06-01,1e999", "gpu_hours"),
        ("t-1,2026-06-01,nan", "gpu_hours"),
        ('t-1,2026-06-01,"1,5"', "gpu_hours"),
    ],
)
def test_bad_cells_of_a_bill(tmp_path: Path, row: str, column: str) -> None:
    """A cell that cannot be used is named by line and column, and nothing is loaded."""
    (tmp_path / "billing.csv").write_text(f"tenant_id,date,gpu_hours\n{row}\n", encoding="utf-8")
    with pytest.raises(KycError) as caught:
        read_billing(tmp_path / "billing.csv")
    (found,) = caught.value.problems
    assert (found.line, found.column) == (2, column)


@unhurried
@given(st.lists(st.lists(st.text("t-1,2026\"'e.{}:é ", max_size=6), min_size=3, max_size=3).map(",".join), max_size=4))
def test_any_bill_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    """Whatever stands in a bill, it becomes as many rows as it has, or one error."""
    path = tmp_path_factory.mktemp("any") / "billing.csv"
    path.write_text("\n".join(["tenant_id,date,gpu_hours", "t-1,2026-06-01,1", *rows]), encoding="utf-8")
    with suppress(KycError):
        assert read_billing(path).frame.height >= 1


def test_low_and_high() -> None:
    """Held alone is certain; shared and unwatched time is in the high end only."""
    window = a_window(devices=2, shared_seconds=HOUR, unwatched_seconds=3 * HOUR)
    assert attributed_hours(windows_frame(window), JUNE).select("low_hours", "high_hours").row(0) == (2.0, 6.0)


def test_a_window_over_midnight_is_apportioned_by_time() -> None:
    """A window of four hours of which three are the next day's gives a quarter of its time to the first day."""
    windows = windows_frame(a_window(hours=4, devices=1, window_start=datetime(2026, 6, 1, 23, tzinfo=UTC)))
    assert attributed_hours(windows, JUNE)["low_hours"].to_list() == [1.0, 3.0]
    assert windows.select(spans_midnight).item()


def test_a_window_up_to_midnight_is_the_days_own() -> None:
    """What ends at midnight has no part in the day that begins then; what has no length is its first day's."""
    late = a_window(hours=1, devices=1, window_start=datetime(2026, 6, 1, 23, tzinfo=UTC))
    point = a_window(hours=0, devices=1, window_start=datetime(2026, 6, 2, tzinfo=UTC)) | {"held_seconds": HOUR}
    attributed = attributed_hours(windows_frame(late, point), JUNE)
    assert attributed.select("date", "low_hours").rows() == [(FIRST, 1.0), (date(2026, 6, 2), 1.0)]
    assert not windows_frame(late, point).select(spans_midnight.any()).item()


def test_only_the_days_that_were_asked_for() -> None:
    """Of a window that began before the first day only the part within the days counts."""
    window = a_window(hours=72, devices=1, window_start=START - timedelta(days=1))
    attributed = attributed_hours(windows_frame(window), Days(first=FIRST, last=FIRST))
    assert attributed.select("date", "low_hours").rows() == [(FIRST, 24.0)]


@pytest.mark.parametrize(
    ("billed", "low", "high", "state"),
    [
        (100.0, 100.0, 100.0, Comparison.AGREES),
        (100.0, 98.5, 101.5, Comparison.AGREES),
        (0.0, 0.005, 0.005, Comparison.AGREES),
        (103.0, 100.0, 100.0, Comparison.BILLED_MORE),
        (97.0, 100.0, 100.0, Comparison.ATTRIBUTED_MORE),
        (97.0, 100.0, 200.0, Comparison.ATTRIBUTED_MORE),
        (150.0, 100.0, 200.0, Comparison.UNCERTAIN),
        (99.0, 100.0, 200.0, Comparison.UNCERTAIN),
        (100.0, 100.0, 200.0, Comparison.UNCERTAIN),
        (203.0, 100.0, 200.0, Comparison.UNCERTAIN),
        (205.0, 100.0, 200.0, Comparison.BILLED_MORE),
        (None, 5.0, 5.0, Comparison.NOT_BILLED),
        (0.0, 5.0, 5.0, Comparison.NOT_BILLED),
        (None, 0.0, 5.0, Comparison.UNCERTAIN),
        (5.0, 0.0, 0.0, Comparison.NOT_MEASURED),
        (5.0, 0.0, 9.0, Comparison.UNCERTAIN),
    ],
)
def test_every_difference_has_a_name(billed: float | None, low: float, high: float, state: Comparison) -> None:
    """Billed against low and high is one of the named states."""
    assert state_of(billed, low, high) == state


def test_what_nobody_claims_is_unlinked() -> None:
    """Hours that are attributed to nobody have a row and a state of their own."""
    assert state_of(None, 5.0, 5.0, tenant=None) == Comparison.UNLINKED
    both = reconcile(a_billing(("t-1", FIRST, None, 5.0)), hours_frame((None, FIRST, None, 5.0, 5.0)), JUNE)
    assert both["state"].to_list() == [Comparison.UNLINKED, Comparison.NOT_MEASURED]


@pytest.mark.parametrize(
    ("billed", "state"),
    [(10.0, Comparison.UNCERTAIN), (20.0, Comparison.UNCERTAIN), (5.0, Comparison.ATTRIBUTED_MORE)],
)
def test_a_day_measured_in_part_has_no_top(billed: float, state: Comparison) -> None:
    """Where half a day was measured more may have been used; that less was billed than held is certain all the same."""
    noon = START + timedelta(hours=12)
    assert state_of(billed, 10.0, 10.0, days=Days(first=FIRST, last=FIRST, measured=(noon, MEASURED[1]))) == state


def test_days_measured_in_part_are_named() -> None:
    """The first and the last day are named where measuring began or ended within them, and no other day is."""
    noon, later = START + timedelta(hours=12), START + timedelta(days=3, hours=1)
    days = Days(first=FIRST, last=date(2026, 6, 30), measured=(noon, later))
    assert days.partly == (FIRST, date(2026, 6, 4))
    assert Days(first=FIRST, last=FIRST, measured=(START, START + timedelta(days=1))).partly == ()
    assert Days(first=FIRST, last=FIRST).partly == ()
    assert not Days(first=FIRST, last=FIRST).is_whole(FIRST)


def test_accelerators_by_one_name() -> None:
    """With a bill by accelerator each is compared by itself, under the name that both sides' names mean."""
    billing = a_billing(("t-1", FIRST, "H100", 5.0), ("t-1", FIRST, None, 2.0), by_accelerator=True)
    attributed = hours_frame(("t-1", FIRST, "NVIDIA H100", 5.0, 5.0), ("t-1", FIRST, None, 2.0, 2.0))
    found = reconcile(billing, attributed, JUNE, product=lambda name: name.removeprefix("NVIDIA "))
    assert found.select("accelerator", "state").rows() == [(None, "agrees"), ("H100", "agrees")]


def test_without_accelerators_all_of_them_are_one() -> None:
    """A bill that names no accelerator is compared with the sum over all."""
    attributed = hours_frame(("t-1", FIRST, "A", 5.0, 5.0), ("t-1", FIRST, None, 2.0, 2.0))
    found = reconcile(a_billing(("t-1", FIRST, None, 4.0), ("t-1", FIRST, None, 3.0)), attributed, JUNE)
    assert found.select("accelerator", "state").rows() == [(None, "agrees")]


def test_every_state_has_a_meaning() -> None:
    """Every state is explained to whoever reads the table, and in the README."""
    assert set(MEANINGS) == set(Comparison)
    table = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").partition("| state | means |")[2]
    assert re.findall(r"^\| `([a-z_]+)` \|", table.partition("\n\n")[0], flags=re.MULTILINE) == list(Comparison)


TENANTS = st.sampled_from(["t-1", "t-2", "t-3"])
DAYS = st.integers(-1, 4).map(lambda number: FIRST + timedelta(days=number))
SECONDS = st.integers(0, 100_000).map(float)
LINES = st.lists(st.tuples(TENANTS, DAYS, st.sampled_from(["A", "B"]), st.integers(0, 500).map(float)), max_size=6)
ROWS = st.lists(
    st.builds(
        a_window,
        tenant_id=TENANTS | st.none(),
        accelerator=st.sampled_from(["A", "C", None]),
        window_start=st.integers(-30, 80).map(lambda hours: START + timedelta(hours=hours)),
        hours=st.integers(0, 60),
        shared_seconds=SECONDS,
        unwatched_seconds=SECONDS,
    ),
    max_size=6,
)


@unhurried
@given(LINES, ROWS, st.booleans())
def test_the_rows_add_up_to_both_sides(
    lines: list[tuple[str, date, str | None, float]], rows: list[dict[str, Any]], by_accelerator: bool
) -> None:
    """All that was billed and all that was attributed on the days is in exactly one row and in one state's sum."""
    days = Days(first=FIRST, last=FIRST + timedelta(days=2), measured=MEASURED)
    attributed = attributed_hours(windows_frame(*rows), days)
    found = reconcile(a_billing(*lines, by_accelerator=by_accelerator), attributed, days)
    assert found.schema == RECONCILED
    assert found.select("date", "tenant_id", "accelerator").is_unique().all()
    billed = sum(hours for _, day, _, hours in lines if days.first <= day <= days.last)
    assert found["billed_hours"].sum() == pytest.approx(billed)
    for name in ("low_hours", "high_hours"):
        assert found[name].sum() == pytest.approx(attributed[name].sum())
        assert sums(found)[name].sum() == pytest.approx(attributed[name].sum())
    assert (found["low_hours"] <= found["high_hours"]).all()


@unhurried
@given(ROWS)
def test_apportioning_loses_nothing(rows: list[dict[str, Any]]) -> None:
    """Over enough days all that windows hold is attributed, however they lie to midnight."""
    days = Days(first=date(2026, 5, 1), last=date(2026, 7, 31), measured=MEASURED)
    attributed = attributed_hours(windows_frame(*rows), days)
    held = sum(row["held_seconds"] for row in rows) / HOUR
    assert attributed["low_hours"].sum() == pytest.approx(held)


@given(st.floats(0, 1e6), st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(sorted).filter(lambda ends: ends[1] > 0))
@unhurried
def test_a_difference_beyond_the_tolerance_never_agrees(billed: float, ends: list[float]) -> None:
    """Whatever agrees is within the tolerance of both ends, and whatever is far from both is not said to agree."""
    low, high = ends
    far = max(abs(billed - low), abs(billed - high)) > max(0.02 * max(billed, high), NOTHING_HOURS)
    assert (state_of(billed, low, high) == Comparison.AGREES) <= (not far)
