import csv
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import H100, START, days_of, unhurried, unseen, verdicts_on_days, windows_frame

from collector.contract import Provenance
from policy.frames import empty
from policy.judgement.runs import find_runs
from policy.judgement.stints import find_stints
from policy.kyc.problems import KycError
from policy.kyc.registers.allocations import (
    ALLOCATIONS,
    Allocations,
    allocation_windows,
    is_registered,
    read_allocations,
)
from policy.kyc.registers.covered import COVERED, covered_by, covered_until, spoken_in
from policy.kyc.registers.overlaps import MORE_THAN_THERE, WHOLE_MACHINE_TWICE, overlaps
from policy.usage.window import BALANCE, WINDOWS

HEADER = "node,serial,accelerator,devices,tenant_id,from,to,tenancy,source\n"
ROW = f"bm-1,sn-1,{H100},8,t-1,2026-06-01,2026-06-03,bare_metal,contracts\n"
DAY = timedelta(days=1)
LATER = START + 30 * DAY


def a_file(folder: Path, content: str | bytes, name: str = "allocations.csv") -> Path:
    """Put a register into a folder."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def hours(number: float) -> datetime:
    """The moment so many hours after the tests' beginning."""
    return START + timedelta(hours=number)


def an_allocation(**different: Any) -> dict[str, Any]:
    """Eight H100 of one bare-metal machine, from the beginning on, until further notice."""
    row = {
        "row": 0,
        "node": "bm-1",
        "serial": None,
        "accelerator": H100,
        "devices": 8.0,
        "tenant_id": "t-1",
        "begins": START,
        "ends": None,
        "tenancy": "bare_metal",
        "source": "contracts",
    }
    assert set(different) <= set(row)
    return row | different


def a_register(*rows: dict[str, Any]) -> Allocations:
    """A register of these rows."""
    numbered = [row | {"row": number} for number, row in enumerate(rows)]
    return Allocations(frame=pl.DataFrame(numbered, schema=ALLOCATIONS), digest="", path=Path("allocations.csv"))


def covered_frame(*spans: tuple[str, datetime, datetime]) -> pl.DataFrame:
    """When a collector spoke for which node."""
    return pl.DataFrame(list(spans), schema=COVERED, orient="row")


def windows_of(
    *rows: dict[str, Any], covered: pl.DataFrame | None = None, since: datetime = START, at: datetime = LATER
) -> pl.DataFrame:
    """The windows of a register of these rows."""
    spoke = empty(COVERED) if covered is None else covered
    return allocation_windows(a_register(*rows), spoke, since, at, Provenance.MEASURED)


def test_a_csv_and_the_same_in_json_lines(tmp_path: Path) -> None:
    """A register reads the same from CSV and from JSON Lines, numbers in quotes or not."""
    row = dict(zip(HEADER.strip().split(","), ROW.strip().split(","), strict=True))
    lines = "\n".join(json.dumps(each) for each in (row, row | {"devices": 4, "to": None, "tenancy": "shared"}))
    table = HEADER + ROW + ROW.replace(",8,", ",4,").replace(",2026-06-03,bare_metal", ",,shared")
    of_lines = read_allocations(a_file(tmp_path, lines, "allocations.jsonl"))
    of_table = read_allocations(a_file(tmp_path, table))
    assert of_lines.frame.equals(of_table.frame)
    assert of_table.frame["ends"].to_list() == [datetime(2026, 6, 3, tzinfo=UTC), None]
    assert of_lines.digest != of_table.digest


def test_columns_that_may_be_missing(tmp_path: Path) -> None:
    """A register without serials and ends is one; a JSON object may leave out what it does not know."""
    text = "node,accelerator,devices,tenant_id,from,tenancy,source\nbm-1,unknown,8,t-1,2026-06-01,dedicated,contracts\n"
    frame = read_allocations(a_file(tmp_path, text)).frame
    assert frame.select("serial", "accelerator", "ends").row(0) == (None, None, None)


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("devices", "0", "no number of devices"),
        ("devices", "8.0", "no number of devices"),
        ("devices", "99999", "no number of devices"),
        ("devices", "", "is empty"),
        ("devices", "²", "no number of devices"),
        ("tenant_id", "unknown", "every row needs a tenant"),
        ("tenant_id", "self", "is no account"),
        ("from", "", "is empty"),
        ("from", "2026-06-01T10:00", "no moment in UTC"),
        ("from", "2026-06-01T10:00:00+02:00", "no moment in UTC"),
        ("from", "2026-02-30", "no such moment"),
        ("to", "2026-06-01", "is not after from"),
        ("to", "unknown", "no moment in UTC"),
        ("tenancy", "Bare_Metal", "no tenancy"),
        ("tenancy", "", "is empty"),
        ("node", "bm 1", "white space"),
        ("node", " bm-1", "spaces around it"),
        ("source", "", "is empty"),
        ("source", "contracts\x07", "cannot be printed"),
    ],
)
def test_bad_cells(tmp_path: Path, column: str, cell: str, problem: str) -> None:
    """A bad cell is one problem with its line and column, and nothing is loaded."""
    cells = dict(zip(HEADER.strip().split(","), ROW.strip().split(","), strict=True)) | {column: cell}
    with pytest.raises(KycError) as caught:
        read_allocations(a_file(tmp_path, HEADER + ROW + ",".join(cells.values()) + "\n"))
    (found,) = caught.value.problems
    assert (found.line, found.column) == (3, column)
    assert problem in found.problem


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        ("", "allocations.csv:1, whole file", "no row in it"),
        (HEADER, "allocations.csv:1, whole file", "no row in it"),
        (HEADER + ROW + "bm-2,8\n", "allocations.csv:3, whole row", "not as many as the header"),
        (HEADER.replace(",source", ",owner_name"), "allocations.csv:1, source", "the column is missing"),
        (HEADER + ROW + ROW, "allocations.csv:3, whole row", "would count twice"),
        (HEADER + ROW.replace("bm-1,sn-1", ","), "allocations.csv:2, node", "which machine it is"),
        (HEADER + '"bm-1', "allocations.csv:2, whole file", "no CSV"),
        (b"\xff\xfe", "allocations.csv:1, whole file", "not UTF-8"),
        ("{}\n", "allocations.csv:1, node", "the column is missing"),
        ("\n{broken\n", "allocations.csv:2, whole row", "no JSON object"),
        ('{"node": ["bm-1"]}', "allocations.csv:1, whole row", "no JSON object"),
        ('{"node": NaN}', "allocations.csv:1, whole row", "no JSON object"),
        ('{"a":' * 100_000, "allocations.csv:1, whole row", "no JSON object"),
        ('{"node": "a", "node": "b"}', "allocations.csv:1, whole row", "more than once"),
    ],
)
def test_bad_files(tmp_path: Path, content: str | bytes, place: str, problem: str) -> None:
    """A file that cannot be used is refused whole, with the place of what is wrong."""
    with pytest.raises(KycError) as caught:
        read_allocations(a_file(tmp_path, content))
    assert any(each.place == place and problem in each.problem for each in caught.value.problems)


def test_errors_repeat_no_name(tmp_path: Path) -> None:
    """Neither a source nor what stands in a header's place is repeated in an error."""
    secret = "Example Holding"
    for text in (HEADER + ROW.replace("contracts", f" {secret}"), f"{secret},x\n", f'{{"{secret}": "{secret}"}}'):
        with pytest.raises(KycError) as caught:
            read_allocations(a_file(tmp_path, text))
        assert secret not in str(caught.value)


JUNK = st.text(st.sampled_from('bm-1,8t\n\r"{}:[]\\u d20é\x00'), max_size=80)


@unhurried
@given(st.one_of(JUNK.map(str.encode), JUNK.map(lambda text: (HEADER + ROW + text).encode()), st.binary(max_size=60)))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a file holds, it becomes as many rows as it has, or one error; nothing else happens."""
    path = a_file(tmp_path_factory.mktemp("any"), content)
    with suppress(KycError):
        assert read_allocations(path).frame.schema == ALLOCATIONS


CELLS = st.tuples(
    st.sampled_from(["bm-1", "", "bm 1", "unknown"]),
    st.sampled_from(["sn-1", ""]),
    st.sampled_from([H100, "", "unknown"]),
    st.sampled_from(["8", "0", "many"]),
    st.sampled_from(["t-", "t -"]),
    st.sampled_from(["2026-06-01", "2026-06-01T10:00Z", "June"]),
    st.sampled_from(["", "2026-06-02", "2026-01-01"]),
    st.sampled_from(["shared", "rented"]),
    st.sampled_from(["contracts", "two\nlines"]),
)


@unhurried
@given(st.lists(CELLS, min_size=1, max_size=5), st.booleans())
def test_no_row_is_dropped_in_silence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], as_json: bool
) -> None:
    """As many rows come out as go in, or each one that alone would be refused is reported, and no other."""
    names = HEADER.strip().split(",")
    numbered = [(*cells[:4], f"{cells[4]}{number}", *cells[5:]) for number, cells in enumerate(rows)]
    folder = tmp_path_factory.mktemp("rows")

    def refused(some: list[tuple[str, ...]]) -> set[str]:
        out = StringIO()
        csv.writer(out, lineterminator="\n").writerows([names, *some])
        objects = "\n".join(json.dumps(dict(zip(names, cells, strict=True))) for cells in some)
        try:
            frame = read_allocations(a_file(folder, objects if as_json else out.getvalue())).frame
        except KycError as error:
            return {each.place.partition(",")[0] for each in error.problems}
        assert frame["tenant_id"].to_list() == [cells[4] for cells in some]
        return set()

    bad = [cells for cells in numbered if refused([cells])]
    assert len(refused(numbered)) == len(bad)


def test_a_machine_without_a_collector_is_not_nothing() -> None:
    """A machine that no collector speaks for yields one undetermined stint for each of its days."""
    windows = windows_of(an_allocation(ends=hours(36)))
    days = days_of(*windows.to_dicts())
    stints, verdicts = find_stints(days), verdicts_on_days(days)
    assert find_runs(days).height == 1
    assert stints["day"].to_list() == [date(2026, 6, 1), date(2026, 6, 2)]
    assert verdicts["verdict"].to_list() == ["undetermined", "undetermined"]
    assert stints["held_seconds"].to_list() == [8 * 24 * 3600.0, 8 * 12 * 3600.0]
    assert (stints["high_flop"] > 0).all()
    assert stints["peak_devices"].to_list() == [8.0, 8.0]


def test_what_a_window_says() -> None:
    """A window holds the register's facts, nothing observed, and the provenance that it was given."""
    (window,) = windows_of(an_allocation(ends=hours(1), node=None, serial="sn-1", accelerator=None)).to_dicts()
    said = {name: value for name, value in window.items() if value not in (None, 0.0)}
    assert said == {
        "provenance": "measured",
        "workload_namespace": "allocation",
        "workload_name": "sn-1",
        "tenant_id": "t-1",
        "metering": "allocation",
        "window_start": START,
        "window_end": hours(1),
        "device_count": 8.0,
        "held_seconds": 8 * 3600.0,
    }


def test_where_a_collector_spoke_its_windows_stand() -> None:
    """On a covered day there is no window; of a day covered in part there is one for the rest."""
    covered = covered_frame(
        ("bm-1", hours(0), hours(10)), ("bm-1", hours(10), hours(30)), ("bm-2", hours(0), hours(99))
    )
    windows = windows_of(an_allocation(ends=hours(48)), covered=covered)
    assert windows.select("window_start", "window_end").rows() == [(hours(30), hours(48))]


def test_holes_within_a_day() -> None:
    """Time between two spans of a collector is a window of its own."""
    covered = covered_frame(("bm-1", hours(2), hours(3)), ("bm-1", hours(4), hours(5)))
    windows = windows_of(an_allocation(ends=hours(6)), covered=covered)
    spans = [(hours(0), hours(2)), (hours(3), hours(4)), (hours(5), hours(6))]
    assert windows.select("window_start", "window_end").rows() == spans


def test_only_what_was_asked_for() -> None:
    """Nothing before the look-back counts and nothing after now, also where an allocation has no end."""
    windows = windows_of(an_allocation(begins=hours(-5000)), since=hours(1), at=hours(2))
    assert windows.select("window_start", "window_end").rows() == [(hours(1), hours(2))]
    assert windows_of(an_allocation(begins=hours(3)), at=hours(2)).schema == WINDOWS


def test_the_registers_windows_are_known_by_themselves() -> None:
    """Whether a window is the register's can be told from the window, and from that of a job record it differs."""
    windows = windows_of(an_allocation(ends=hours(1)))
    jobs = windows.with_columns(workload_pod=pl.lit("job-1"))
    assert pl.concat([windows, jobs]).select(is_registered).to_series().to_list() == [True, False]


def test_covered_by_the_balance_sheet() -> None:
    """A node is covered for the spans of its balance, merged where they touch or overlap."""
    row = dict.fromkeys(BALANCE) | {"node": "bm-1"}
    spans = [
        (hours(3), hours(4)),
        (hours(0), hours(2)),
        (hours(1), hours(3)),
        (hours(5), hours(6)),
        (hours(5), hours(6)),
    ]
    balance = pl.DataFrame([row | {"window_start": first, "window_end": last} for first, last in spans], schema=BALANCE)
    parts = [spoken_in(balance[:2].lazy()).collect(), spoken_in(balance[2:].lazy()).collect()]
    assert covered_by(parts).rows() == [("bm-1", hours(0), hours(4)), ("bm-1", hours(5), hours(6))]


def test_merged_spans_are_each_nodes_own() -> None:
    """A short span within a long one ends nothing, and a hole of one node is none of another's."""
    spans = [("bm-1", 0, 10), ("bm-1", 1, 2), ("bm-1", 5, 6), ("bm-2", 3, 4), ("bm-2", 6, 7)]
    merged = covered_by([covered_frame(*((node, hours(first), hours(last)) for node, first, last in spans))])
    expected = [("bm-1", hours(0), hours(10)), ("bm-2", hours(3), hours(4)), ("bm-2", hours(6), hours(7))]
    assert merged.rows() == expected


def test_time_that_a_page_is_awaited_for_is_covered() -> None:
    """Minutes since the newest page are no allocation; a longer silence is one, unless windows say who may hold."""
    covered = covered_frame(("bm-1", hours(0), hours(8)), ("bm-2", hours(0), hours(5)), ("bm-3", hours(0), hours(5)))
    held = windows_frame(unseen(node="bm-3", window_start=hours(5), hours=4))
    until = covered_until(covered, held, hours(9), timedelta(hours=2))
    rows = [("bm-1", hours(0), hours(9)), ("bm-2", hours(0), hours(5)), ("bm-3", hours(0), hours(9))]
    assert until.rows() == rows
    windows = windows_of(*(an_allocation(node=f"bm-{number}") for number in (1, 2, 3)), covered=until, at=hours(9))
    assert windows.select("node", "window_start", "window_end").rows() == [("bm-2", hours(5), hours(9))]


MINUTES = st.integers(-60 * 24, 60 * 72)
SPANS = st.tuples(MINUTES, MINUTES).map(sorted).filter(lambda span: span[0] < span[1])
NODES = st.sampled_from(["bm-1", "bm-2"])


@unhurried
@given(
    st.lists(st.tuples(NODES, SPANS, st.booleans()), min_size=1, max_size=4),
    st.lists(st.tuples(NODES, SPANS), max_size=8),
)
def test_registered_time_is_covered_or_a_window(
    given_spans: list[tuple[str, list[int], bool]], covered_spans: list[tuple[str, list[int]]]
) -> None:
    """Every minute of every row is told by a collector or by exactly one window, and none is lost or double."""
    at = START + timedelta(minutes=60 * 60)
    rows = [
        an_allocation(
            node=node, tenant_id=f"t-{number}", begins=_minute(span[0]), ends=None if still else _minute(span[1])
        )
        for number, (node, span, still) in enumerate(given_spans)
    ]
    covered = covered_frame(*((node, _minute(span[0]), _minute(span[1])) for node, span in covered_spans))
    windows = windows_of(*rows, covered=covered, at=at)
    for row in rows:
        registered = _minutes(row["begins"], row["ends"] or at) & _minutes(START, at)
        spoken = {each for node, span in covered_spans if node == row["node"] for each in range(*span)}
        mine = windows.filter(tenant_id=row["tenant_id"])
        told = [
            each for first, last in mine.select("window_start", "window_end").rows() for each in _minutes(first, last)
        ]
        assert sorted(told) == sorted(registered - spoken)
        assert mine["held_seconds"].sum() == pytest.approx(8 * 60 * len(told))
    assert (windows["window_start"].dt.date() == (windows["window_end"] - timedelta(microseconds=1)).dt.date()).all()


def _minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def _minutes(first: datetime, last: datetime) -> set[int]:
    return set(range(int((first - START).total_seconds() // 60), int((last - START).total_seconds() // 60)))


def eight(_: str) -> float | None:
    """Every machine has eight devices."""
    return 8.0


def nobody_knows(_: str) -> float | None:
    """Of no machine it is known how many devices it has."""
    return None


@pytest.mark.parametrize(
    ("second", "there", "problem"),
    [
        ({"tenancy": "shared", "devices": 1.0, "begins": hours(1)}, eight, [MORE_THAN_THERE]),
        ({"tenant_id": "t-2", "devices": 1.0, "begins": hours(1)}, nobody_knows, [WHOLE_MACHINE_TWICE]),
        ({"tenant_id": "t-2", "begins": hours(2)}, eight, []),
        ({"tenant_id": "t-2", "node": "bm-2"}, eight, []),
        ({"begins": hours(1)}, nobody_knows, []),
    ],
)
def test_overlaps(second: dict[str, Any], there: Callable[[str], float | None], problem: list[str]) -> None:
    """More devices than a machine has, or a whole machine given twice at once, is told with its span and tenants."""
    found = overlaps(a_register(an_allocation(ends=hours(2)), an_allocation(**second)), there)
    assert found["problem"].to_list() == problem
    if problem:
        assert found.select("machine", "begins", "ends").rows() == [("bm-1", hours(1), hours(2))]
