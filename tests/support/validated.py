"""Folders of recorded truth to validate with, where only what matters is written."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from support.commands import REPOSITORY
from support.judgement import FACTS

from policy.validation.validation import Validation, validate

RECORDED = Path(os.environ.get("FLOPWATCH_RECORDED_DATA", REPOSITORY.parent / "shared" / "data"))
H100_PEAK = 989.4e12  # dense, 16 bits
Cells = Mapping[str, object]


def a_run(*, share: float = 0.4, **different: object) -> Cells:
    """Eight H100 that trained for an hour at this share of their 16-bit peak."""
    row = {
        "accelerator": "NVIDIA H100-SXM5-80GB",
        "n_accelerators": 8,
        "run_start_ms": 1,
        "run_stop_ms": 3_600_001,
        "model_flop": share * 8 * 3600 * H100_PEAK,
    }
    return row | different


def a_benchmark(*, share: float = 0.4, **different: object) -> Cells:
    """Eight H100 in BF16, at this share of their peak."""
    row = {"Model": "7b", "GPU": "NVIDIA H100 80GB HBM3", "# GPUs": 8, "Precision": "amp_bf16"}
    return {**row, "Model TFLOP": share * H100_PEAK / 1e12, **different}


def a_model(*, share: float = 0.4, **different: object) -> Cells:
    """A published model: a hundred hours of ten H100 at this share of their 16-bit peak, counted from operations."""
    row = {
        "model": "model-a",
        "training_hardware": "NVIDIA H100 SXM5 80GB",
        "hardware_quantity": 10,
        "training_time_hours": 100,
        "chip_hours": 1000,
        "training_compute_flop": share * 1000 * 3600 * H100_PEAK,
        "reported_mfu": "",
        "numerical_format": "",
        "base_model": "",
        "compute_basis_guess": "operation_counting",
        "epoch_estimation_method": "",
    }
    return row | different


def a_job(number: int, *, hours: float = 5.0, **different: object) -> Cells:
    """A job of 256 GPUs that was pre-training."""
    row = {"job_id": number, "arrival_s": 10 * number, "gpus": 256, "duration_s": 3600 * hours, "label": "Pretrain"}
    return row | different


def a_series(folder: Path, **labels: str) -> None:
    """Series of one GPU each, by trace its label; each idles for half an hour with a model loaded."""
    rows = [
        {"trace": trace, "gpu": 0, "t_s": second, "power_w": 60.0, "util_pct": 2.0, "mem_mib": 20000.0}
        for trace in labels
        for second in range(0, 1800, 10)
    ]
    pl.DataFrame(rows).write_parquet(folder / "gpu_series.parquet")
    told = [{"trace": trace, "label": label, "hardware": "RTX 4090"} for trace, label in labels.items()]
    a_sheet(folder / "gpu_series_labels.csv", *told)


def a_sheet(path: Path, *rows: Cells) -> None:
    """Write a CSV with the columns of the first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def validated(folder: Path) -> Validation:
    """Validate by the facts that ship."""
    return validate(folder, FACTS)


def outcomes(found: Validation) -> dict[tuple[str, str], str]:
    """Of every bar, by file and name."""
    return {(bar.about, bar.name): bar.outcome.value for bar in found.bars}
