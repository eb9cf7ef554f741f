import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from support.usage import H100

from policy.usage.sources import sheet
from policy.usage.sources.fill import Fill
from policy.usage.sources.recording import RecordingError, read_recording
from policy.usage.window import WINDOWS, unobserved_seconds

START = datetime(2025, 7, 1, tzinfo=UTC)
JOBS = ["job_id,arrival_s,gpus,duration_s,account", "a,0,8,3600,t-1", "b,60,2,1800,t-2", "a,7200,8,60,t-1"]
SERIES = ["trace,gpu,t_s,util_pct,power_w,mem_mib", *(f"x,{gpu},{t},50,300,1024" for t in range(60) for gpu in (0, 1))]

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDED = Path(os.environ.get("FLOPWATCH_RECORDED_DATA", REPOSITORY.parent / "shared" / "data"))
needs_recorded_data = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="no recorded data here; FLOPWATCH_RECORDED_DATA may name its folder"
)

Write = Callable[..., Path]


@pytest.fixture(params=["csv", "parquet"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Puts the lines of a CSV into a file, as CSV or as Parquet with typed columns."""

    def to_file(*lines: str) -> Path:
        path = tmp_path / "recording.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if request.param == "csv":
            return path
        pl.read_csv(path).write_parquet(path.with_suffix(".parquet"))
        return path.with_suffix(".parquet")

    return to_file


def a_csv(folder: Path, *lines: str) -> Path:
    """A CSV of these lines."""
    path = folder / "recording.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path, **fill: object) -> pl.DataFrame:
    """The recording's windows, filled from these."""
    return read_recording(path, fill=Fill(**fill), start=START)  # type: ignore[arg-type]


def by_job(windows: pl.DataFrame, column: str) -> list[object]:
    """The column's values for the jobs a (twice) and b, in this order."""
    return windows.sort("workload_name", "window_start")[column].to_list()


# Jobs


def test_jobs_are_windows_metered_by_allocation(write: Write) -> None:
    """A job is one window of what it held, of which nothing was observed; started twice, it has two."""
    windows = read(write(*JOBS))
    assert windows.schema == WINDOWS
    assert by_job(windows, "held_seconds") == [8 * 3600, 8 * 60, 2 * 1800]
    assert by_job(windows, "window_start")[2] == START + timedelta(seconds=60)
    assert by_job(windows, "window_end")[2] == START + timedelta(seconds=1860)
    assert set(windows["metering"]) == {"allocation"}
    assert windows["observed_seconds"].sum() == windows["busy_seconds"].sum() == 0
    assert windows["tenant_id"].null_count() == windows["accelerator"].null_count() == 3


def test_the_start_may_be_in_any_zone(write: Write) -> None:
    """The recording's second 0 is a moment; how it was written does not matter."""
    path = write(*JOBS)
    elsewhere = START.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert read_recording(path, fill=Fill(), start=elsewhere).equals(read(path))


def test_the_order_of_rows_does_not_matter(write: Write) -> None:
    """The same rows in another order are the same windows in the same order."""
    assert read(write(JOBS[0], *reversed(JOBS[1:]))).equals(read(write(*JOBS)))


@pytest.mark.parametrize("rows", range(1, 8))
def test_a_long_sheet_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """A CSV that is put together from several parts has every row once and in order, and names a bad one's number."""
    monkeypatch.setattr(sheet, "CHUNK_ROWS", 3)
    path = tmp_path / "long.csv"
    lines = ["a,b", *(f'{number},"x, {number}"' for number in range(rows))]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert sheet.read_sheet(path).rows() == [(str(number), f"x, {number}") for number in range(rows)]
    path.write_text("\n".join([*lines, "1"]), encoding="utf-8")
    with pytest.raises(sheet.SheetError, match=f"^row {rows + 2}, column b: 1 cells where the header has 2$"):
        sheet.read_sheet(path)


def test_a_field_comes_from_another_column(write: Write) -> None:
    """A mapped column fills the field, row by row."""
    assert by_job(read(write(*JOBS), columns={"tenant_id": "account"}), "tenant_id") == ["t-1", "t-1", "t-2"]


def test_a_constant_fills_what_the_recording_lacks(write: Write) -> None:
    """One value stands where the recording has none, and nowhere else."""
    path = write("job_id,arrival_s,gpus,duration_s,accelerator", "a,0,1,60,A100", "b,0,1,60,")
    assert by_job(read(path, constants={"accelerator": H100}), "accelerator") == ["A100", H100]
    mapped = read(path, constants={"workload_namespace": "none"}, columns={"workload_namespace": "accelerator"})
    assert by_job(mapped, "workload_namespace") == ["A100", "none"]


def test_a_table_fills_by_job_and_wins(write: Write) -> None:
    """A table's value comes first; a job that the table does not have keeps what the recording says."""
    table = pl.DataFrame({"job_id": ["a"], "tenant_id": ["t-9"], "workload_kind": ["PyTorchJob"]})
    windows = read(write(*JOBS), table=table, columns={"tenant_id": "account"})
    assert by_job(windows, "tenant_id") == ["t-9", "t-9", "t-2"]
    assert by_job(windows, "workload_kind") == ["PyTorchJob", "PyTorchJob", "Job"]


def test_empty_cells_are_not_known(tmp_path: Path) -> None:
    """An empty text is null, in Parquet as in CSV."""
    path = tmp_path / "jobs.parquet"
    columns = {"job_id": ["a"], "arrival_s": [0], "gpus": [1], "duration_s": [9], "tenant_id": [""]}
    pl.DataFrame(columns).write_parquet(path)
    assert read(path)["tenant_id"].to_list() == [None]


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        ({"columns": {"tenant_id": "customer"}}, "no column customer to map from; it has job_id, arrival_s, gpus"),
        ({"table": pl.DataFrame({"id": ["a"]})}, "no column job_id; it has id"),
        ({"table": pl.DataFrame({"job_id": ["a", "a"]})}, "has job_id 'a' more than once"),
    ],
)
def test_a_fill_that_does_not_fit_is_said(tmp_path: Path, fill: dict[str, object], words: str) -> None:
    """A mapped column that is not there, and a table without or with repeated keys, are errors by name."""
    with pytest.raises(RecordingError, match=words):
        read(a_csv(tmp_path, *JOBS), **fill)


# Series


def test_series_are_integrated(write: Write) -> None:
    """Readings once a second for a minute are a minute of both GPUs, half busy, with energy and memory."""
    (row,) = read(write(*SERIES)).to_dicts()
    assert (row["held_seconds"], row["observed_seconds"], row["busy_seconds"]) == (120, 120, 60)
    assert row["energy_joules"] == pytest.approx(300 * 120)
    assert row["memory_byte_seconds"] == pytest.approx(120 * 1024 * 1024 * 1024)
    assert (row["device_count"], row["metering"]) == (2, "utilisation")
    assert (row["window_start"], row["window_end"]) == (START, START + timedelta(seconds=60))


def test_a_gap_is_held_and_unobserved(write: Write) -> None:
    """Beyond three usual spacings a value no longer holds: the rest of the gap is held, and nobody saw it."""
    late = [line.replace(",59,", ",1059,") for line in SERIES]
    windows = read(write(*late))
    assert windows["held_seconds"].sum() == 2 * 1060
    assert windows["observed_seconds"].sum() == 2 * (58 + 3 + 1)
    assert windows.select(unobserved_seconds.sum()).item() == 2 * (1001 - 3)


def test_an_empty_cell_is_unobserved(write: Write) -> None:
    """A moment without a utilisation is held and not observed; it is not an idle one."""
    windows = read(write(*(line.replace(",7,50,", ",7,,") for line in SERIES)))
    assert (windows["held_seconds"].item(), windows["observed_seconds"].item()) == (120, 118)
    assert windows["busy_seconds"].item() == 59


def test_a_gpu_that_misses_a_moment_is_bridged_for_a_while(write: Write) -> None:
    """Rows that are missing for one GPU of a trace are bridged as in a trace of one GPU: three spacings, no more."""
    missing = tuple(f"x,1,{t}," for t in range(30, 40))
    assert read(write(*(line for line in SERIES if not line.startswith(missing[:1]))))["observed_seconds"].item() == 120
    assert read(write(*(line for line in SERIES if not line.startswith(missing))))["observed_seconds"].item() == 120 - 8


def test_gpus_may_be_read_one_after_the_other(write: Write) -> None:
    """A logger that asks one GPU after the other, some milliseconds apart, observes all of them throughout."""
    lines = [f"x,{gpu},{t + 0.004 * gpu:.3f},50" for t in range(0, 600, 15) for gpu in range(8)]
    window = read(write(SERIES_HEADER, *lines))
    assert window["busy_seconds"].item() == pytest.approx(8 * 600 * 0.5)
    assert unobserved_share(window) < 1e-3


def unobserved_share(window: pl.DataFrame) -> float:
    """Unobserved seconds over held ones."""
    return float(window.select(unobserved_seconds / pl.col("held_seconds")).item())


def test_a_long_trace_is_cut_into_hours_that_add_up(tmp_path: Path) -> None:
    """Windows of about an hour follow each other without gap or overlap, and their sums are the trace's."""
    lines = [f"x,0,{60 * minute},25" for minute in range(600)]
    windows = read(a_csv(tmp_path, "trace,gpu,t_s,util_pct", *lines)).sort("window_start")
    assert windows.height == 10
    assert windows["window_start"].to_list()[1:] == windows["window_end"].to_list()[:-1]
    assert windows["held_seconds"].sum() == 36_000
    assert windows["busy_seconds"].sum() == pytest.approx(9_000)


# Bad files

GOOD_JOB = "a,0,1,60"
JOB_HEADER = "job_id,arrival_s,gpus,duration_s"
SERIES_HEADER = "trace,gpu,t_s,util_pct"
BAD = {
    "missing column": (["job_id,arrival_s,gpus", "a,0,1"], "no column duration_s"),
    "text in a number": ([JOB_HEADER, GOOD_JOB, "b,0,many,60"], "row 3, column gpus: 'many' is not a number from 0"),
    "empty number": ([JOB_HEADER, "a,0,,60"], "row 2, column gpus: '' is not a number"),
    "negative": ([JOB_HEADER, "a,-5,1,60"], "row 2, column arrival_s: '-5' is not a number from 0"),
    "infinite": ([JOB_HEADER, "a,inf,1,60"], "row 2, column arrival_s: 'inf' is not a number"),
    "not a number": ([JOB_HEADER, "a,nan,1,60"], "row 2, column arrival_s: 'nan' is not a number"),
    "beyond any calendar": ([JOB_HEADER, "a,1e15,1,60"], "column arrival_s: '1e15' is not a number from 0 to 1e+10"),
    "nameless job": ([JOB_HEADER, ",0,1,60"], "row 2, column job_id: is empty"),
    "repeated job": ([JOB_HEADER, GOOD_JOB, "b,0,1,60", GOOD_JOB], "row 4, column arrival_s: a second row"),
    "too few cells": ([JOB_HEADER, GOOD_JOB, "b,0,1"], "row 3, column duration_s: 3 cells where the header has 4"),
    "too many cells": ([JOB_HEADER, "a,0,1,60,7"], "row 2: 5 cells where the header has 4"),
    "too few optional cells": ([f"{SERIES_HEADER},power_w", "x,0,0,5"], "row 2, column power_w: 4 cells"),
    "a column twice": ([f"{JOB_HEADER},gpus", "a,0,1,60,2"], "row 1: two columns are called 'gpus'"),
    "text after a quotation": (
        [f"{JOB_HEADER},note", 'a,0,1,60,"5" disk"', "b,0,512,60,x", 'c,0,1,60,"6" disk"'],
        "row 2: cannot be read as CSV",
    ),
    "a quotation left open": ([f"{JOB_HEADER},note", GOOD_JOB + ",x", 'b,0,1,60,"y'], "row 3: cannot be read as CSV"),
    "no rows": ([JOB_HEADER], "has no rows"),
    "more than busy": ([SERIES_HEADER, "x,0,0,101"], "row 2, column util_pct: '101' is not a number from 0 to 100"),
    "nameless GPU": ([SERIES_HEADER, "x,,0,10"], "row 2, column gpu: is empty"),
    "repeated moment": (
        [SERIES_HEADER, "x,0,0,10", "x,1,0,10", "x,0,0,20"],
        "row 4, column t_s: a second row for trace x, gpu 0, t_s 0",
    ),
    "changing tenant": (
        [f"{SERIES_HEADER},tenant_id", "x,0,0,10,t-1", "x,0,1,10,t-2"],
        "row 3, column tenant_id: t-2 differs within trace x",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_cell_is_named(tmp_path: Path, name: str) -> None:
    """Nothing of a bad file is used, and its error names the file, the row and the column."""
    lines, words = BAD[name]
    path = a_csv(tmp_path, *lines)
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_bad_cells_are_named_together_up_to_a_limit(tmp_path: Path) -> None:
    """Twenty problems are said at once; a thousand are not."""
    with pytest.raises(RecordingError) as caught:
        read(a_csv(tmp_path, JOB_HEADER, *(f"{number},0,x,60" for number in range(1000))))
    assert str(caught.value).count("column gpus") == 20


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello", b"PAR1"])
@pytest.mark.parametrize("name", ["file.csv", "file.parquet"])
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """Empty files, binary ones and those of another kind end in one line with the file's name."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "."])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    """A path that leads to no file is said by name."""
    with pytest.raises(RecordingError, match="cannot be read"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("column", "values", "holds"),
    [
        ("gpus", [[1, 2]], r"List\(Int64\)"),
        ("duration_s", [timedelta(hours=1)], "Duration"),
        ("job_id", [b"\xff"], "Binary"),
        ("tenant_id", [["t-1"]], r"List\(String\)"),
    ],
)
def test_parquet_of_other_types_is_refused(tmp_path: Path, column: str, values: list[object], holds: str) -> None:
    """A column that holds neither numbers nor texts is named, with what it holds."""
    path = tmp_path / "jobs.parquet"
    job = {"job_id": ["a"], "arrival_s": [0], "gpus": [1], "duration_s": [9]}
    pl.DataFrame({**job, column: values}).write_parquet(path)
    with pytest.raises(RecordingError, match=f"column {column} holds {holds}"):
        read(path)


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_lines_may_end_in_any_way(tmp_path: Path, ending: str) -> None:
    """A row is a row on every system, with or without a byte order mark."""
    path = tmp_path / "recording.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ending.join(JOBS).encode())
    assert by_job(read(path), "held_seconds") == [8 * 3600, 8 * 60, 2 * 1800]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"job_id": ["a"], "tenant": ["t-1"]}, "has none of the columns tenant_id, "),
        ({"job_id": ["z"], "tenant_id": ["t-1"]}, "has no job_id that is in what is replayed"),
    ],
)
def test_a_table_that_fills_nothing_is_refused(tmp_path: Path, table: dict[str, list[str]], words: str) -> None:
    """A misspelt column, or the table of another recording, does not pass for tenants that are not known."""
    with pytest.raises(RecordingError, match=words):
        read(a_csv(tmp_path, *JOBS), table=pl.DataFrame(table))


def test_columns_of_ones_own_do_not_disturb(write: Write) -> None:
    """A column may have any name, also one that this program might use itself."""
    lines = ["job_id,arrival_s,gpus,duration_s,row,gpus_number,tenant_id_table", "a,0,1,60,7,8,9"]
    assert read(write(*lines), columns={"tenant_id": "row"})["tenant_id"].to_list() == ["7"]


# Recorded on real hardware


@needs_recorded_data
def test_the_jobs_of_a_real_cluster_add_up() -> None:
    """Kalos, 2,416 A100s: the GPU-hours of the file are the GPU-hours of its windows."""
    windows = read(RECORDED / "kalos_jobs.csv")
    assert windows["held_seconds"].sum() / 3600 == pytest.approx(456_843, rel=1e-3)


@needs_recorded_data
def test_real_series_are_read_whole() -> None:
    """All traces arrive, no window is busier than it was observed, and none observed for longer than held."""
    path = RECORDED / "gpu_series.parquet"
    windows = read(path)
    assert windows["workload_name"].n_unique() == pl.read_parquet(path)["trace"].n_unique()
    slack = 1e-6
    assert windows.filter(pl.col("busy_seconds") > pl.col("observed_seconds") + slack).is_empty()
    assert windows.filter(pl.col("observed_seconds") > pl.col("held_seconds") + slack).is_empty()
    lockstep = windows.filter(pl.col("workload_name").str.starts_with("h100_ckpt"))
    assert (lockstep["synchrony_ratio"] > 0.9).all()
    assert set(lockstep["rhythm_signal"]) == {"power_watts"}
