"""
Workloads of known kind: recorded series and job records, with the verdict that the product gives on each.

They go through the door that every recording goes through. That door uses nothing of a file in which one cell is bad;
here such rows are taken out before, and told.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl

from policy.facts.facts import Facts
from policy.facts.product_names import ProductNames, Unclassified
from policy.frames import conform, schema
from policy.judge import estimate_days, judge_work
from policy.usage.sources.fill import Fill
from policy.usage.sources.recording import read_recording
from policy.validation.compared import START
from policy.validation.files import Row, Unusable

BATCH_KIND = "Job"
CLUSTER_OF_JOBS = "NVIDIA A100-SXM4-80GB"
"""What the jobs ran on, unless a column of the file says so, and their kind: a batch scheduler wrote the records."""
SERIES_KEY, JOBS_KEY = ("trace", "gpu", "t_s"), ("job_id", "arrival_s")
SERIES_NEED, JOBS_NEED = ("t_s",), ("arrival_s", "gpus", "duration_s")
PERCENT = 100.0
LARGEST = 1e10  # as in a recording
NUMBER_COLUMNS = (
    "t_s", "util_pct", "power_w", "mem_mib", "sm_active_pct", "tensor_active_pct", "dram_active_pct",
    "arrival_s", "gpus", "duration_s",
)  # fmt: skip
_COUNT = re.compile(r"^\d+\s*x\s+|\s+x\s*\d+$|\s*\([^)]*\)|,.*$")
ROW = "row"


class Truth(StrEnum):
    """What a workload is known to have done."""

    TRAINING = "training"
    MIXED = "mixed"
    SERVING = "serving"
    INFERENCE = "inference"  # by batch: nobody waits for it
    RENDERING = "rendering"
    PRETRAIN = "Pretrain"
    OTHER_OR_SFT = "Other_or_SFT"  # debugging, evaluation, or training of another sort
    OTHER = "other"


VERDICTS = schema(
    {
        "name": pl.String,
        "truth": pl.String,  # a word of Truth
        "hardware": pl.String,  # as the label has it; empty: none
        "accelerator": pl.String,  # as identified; null: not
        "verdict": pl.String,
        "gpu_hours": pl.Float64,  # held
        "lacking": pl.List(pl.String),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is known of a trace. ``accelerator``: None where its hardware cannot be identified."""

    trace: str
    truth: Truth
    hardware: str
    accelerator: str | None


def label(row: Row, names: ProductNames) -> Label:
    """A row of the series' labels. Raises BadCell."""
    hardware = row.word("hardware")
    return Label(
        trace=row.text("trace"),
        truth=truth_of(row.text("label")),
        hardware=hardware,
        accelerator=_accelerator(hardware, names),
    )


def truth_of(text: str) -> Truth:
    """The kind of work that a label names; several kinds are mixed."""
    words = text.casefold()
    if "pretrain" in words:
        return Truth.PRETRAIN
    if "sft" in words:
        return Truth.OTHER_OR_SFT
    found = [truth for truth in (Truth.TRAINING, Truth.INFERENCE, Truth.RENDERING) if truth in words]
    if "burn" in words or len(found) > 1:
        return Truth.MIXED
    if "serving" in words:
        return Truth.SERVING
    return found[0] if found else Truth.OTHER


def _accelerator(hardware: str, names: ProductNames) -> str | None:
    """The product that a label's hardware names, without counts and remarks."""
    plain = _COUNT.sub("", hardware).strip()
    return next((each for each in (hardware, plain) if not isinstance(names.identify(each), Unclassified)), None)


def series_verdicts(path: Path, labels: Mapping[str, Label], facts: Facts) -> tuple[pl.DataFrame, tuple[Unusable, ...]]:
    """The verdict on every labelled trace, schema VERDICTS, and the rows that could not be used."""
    rows, unusable = _usable(path, SERIES_KEY, SERIES_NEED)
    known = rows.filter(pl.col("trace").is_in(list(labels)))
    unlabelled = rows.join(known, on=ROW, how="anti").unique("trace", keep="first", maintain_order=True)
    left_out = [
        Unusable(file=path.name, row=row, reason=f"trace {trace} has no label")
        for row, trace in unlabelled.select(ROW, "trace").iter_rows()
    ]
    accelerators = {trace: each.accelerator for trace, each in labels.items()}
    fill = Fill(table=pl.DataFrame({"trace": list(accelerators), "accelerator": list(accelerators.values())}))
    verdicts = _verdicts(known, fill, facts) if known.height else pl.DataFrame(schema=JUDGED)
    told = verdicts.with_columns(
        truth=_by_name({key: each.truth.value for key, each in labels.items()}),
        hardware=_by_name({key: each.hardware for key, each in labels.items()}),
    )
    return conform(told.select(VERDICTS.names()), VERDICTS, "verdicts on series"), (*unusable, *left_out)


def job_verdicts(path: Path, facts: Facts) -> tuple[pl.DataFrame, tuple[Unusable, ...]]:
    """The verdict on every job, schema VERDICTS, and the rows that could not be used."""
    rows, unusable = _usable(path, JOBS_KEY, JOBS_NEED)
    texts = {str(name): truth_of(str(text)).value for name, text in rows.select("job_id", "label").iter_rows()}
    fill = Fill(constants={"accelerator": CLUSTER_OF_JOBS, "workload_kind": BATCH_KIND})
    verdicts = _verdicts(rows, fill, facts) if rows.height else pl.DataFrame(schema=JUDGED)
    told = verdicts.with_columns(truth=_by_name(texts), hardware=pl.lit(""))
    return conform(told.select(VERDICTS.names()), VERDICTS, "verdicts on jobs"), unusable


def _by_name(values: Mapping[str, str]) -> pl.Expr:
    return pl.col("name").replace_strict(values, default=None, return_dtype=pl.String)


JUDGED = schema({name: kind for name, kind in VERDICTS.items() if name not in ("truth", "hardware")})


def _verdicts(rows: pl.DataFrame, fill: Fill, facts: Facts) -> pl.DataFrame:
    """One row for each trace or job, schema JUDGED."""
    with tempfile.TemporaryDirectory() as folder:
        usable = Path(folder) / "recording.parquet"
        rows.drop(ROW).write_parquet(usable)
        windows = read_recording(usable, fill=fill, start=START)
    nobody_said = pl.lit(None, pl.String).alias("declared_number_format")
    work = judge_work(estimate_days(windows.lazy(), facts, lambda days: days.with_columns(nobody_said)), facts)
    held = work.runs.select(
        "run_id",
        name="workload_name",
        accelerator=pl.col("accelerators").list.first(),
        gpu_hours=(pl.col("held_seconds") + pl.col("shared_seconds")) / 3600,
    )
    judged = held.join(work.verdicts, on="run_id").sort("name")
    return conform(judged.select(JUDGED.names()), JUDGED, "verdicts on recorded work")


def _usable(path: Path, key: tuple[str, ...], needed: tuple[str, ...]) -> tuple[pl.DataFrame, tuple[Unusable, ...]]:
    """The rows that a recording may have, with their numbers, and those that were taken out. Raises PolarsError."""
    rows = _load(path)
    first = 1 if path.suffix == ".parquet" else 2
    rows = rows.with_row_index(ROW, offset=first).with_columns(pl.col(ROW).cast(pl.Int64), *_texts(key, needed))
    faulty = rows.with_columns(reason=_reason(rows, key, needed))
    bad = faulty.filter(pl.col("reason").is_not_null())
    unusable = (Unusable(file=path.name, row=row, reason=why) for row, why in bad.select(ROW, "reason").iter_rows())
    return faulty.filter(pl.col("reason").is_null()).drop("reason"), tuple(unusable)


def _load(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    return pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy")


def _texts(key: tuple[str, ...], needed: tuple[str, ...]) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.String) for name in key if name not in needed]


def _reason(rows: pl.DataFrame, key: tuple[str, ...], needed: tuple[str, ...]) -> pl.Expr:
    """Why a row cannot be used; null: it can."""
    reasons = [
        pl.when(pl.col(name).cast(pl.String).fill_null("").str.strip_chars() == "").then(pl.lit(f"{name} is empty"))
        for name in dict.fromkeys((*key, *needed))
    ]
    for name in (each for each in NUMBER_COLUMNS if each in rows.columns):
        text = pl.col(name).cast(pl.String).str.strip_chars()
        largest = PERCENT if name.endswith("_pct") else LARGEST
        good = text.cast(pl.Float64, strict=False).is_between(0, largest).fill_null(value=False)
        odd = text.is_not_null() & (text != "") & ~good
        reasons.append(pl.when(odd).then(pl.format(f"{name} {{}} is not a number from 0 to {largest:g}", text)))
    reasons.append(pl.when(~pl.struct(key).is_first_distinct()).then(pl.lit(f"a second row for its {', '.join(key)}")))
    return pl.coalesce(reasons)
