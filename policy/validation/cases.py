"""
Runs whose compute is known, each as what the product is told of it and what is true.

What the product is told is what a scheduler knows: accelerator, count, time. Of benchmark tables the number format is
told too, as a tenant declares it.
"""

import re
from dataclasses import dataclass

from policy.kyc.vocabulary import NumberFormat
from policy.validation.files import MOST, BadCell, Row

FLOP_PER_TFLOP = 1e12
HOUR = 3600.0
MOST_FLOP = 1e40  # all computers of the world for a million years: more is a slip
MOST_MS = 1e14  # since 1970: in the year 5138
RECOMPUTED = 0.75
"""Of what a log with activation checkpointing counts, the model's own: of four passes one is a repetition."""
_TRAINING = re.compile(r"(?:^|/)tr(\d+)")
FIRST_ON_A100 = 11
ON_A100, ON_V100 = ("NVIDIA A100-SXM4-80GB", "bf16"), ("Tesla V100-SXM2-32GB", "fp16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run. ``number_format``: as declared; None: nobody says. ``true_flop``: the model's own operations."""

    file: str
    row: int
    name: str
    accelerator: str
    devices: float
    seconds: float
    true_flop: float
    number_format: str | None = None


def training_run(row: Row) -> Case:
    """A row of MLPerf's result logs. Raises BadCell."""
    begin, end = row.amount("run_start_ms", MOST_MS), row.amount("run_stop_ms", MOST_MS)
    if not begin < end:
        raise BadCell("run_stop_ms is not after run_start_ms")
    return Case(
        file=row.file,
        row=row.number,
        name=" ".join(filter(None, map(row.word, ("submitter", "system", "benchmark", "run")))),
        accelerator=row.text("accelerator"),
        devices=row.amount("n_accelerators", MOST),
        seconds=(end - begin) / 1e3,
        true_flop=row.amount("model_flop", MOST_FLOP),
    )


def benchmark(row: Row) -> Case:
    """A row of llm-foundry's table: an hour at its rate, in the format that it names. Raises BadCell."""
    devices = row.amount("# GPUs", MOST)
    precision = row.text("Precision")
    number_format = precision.casefold().removeprefix("amp_")
    if number_format not in set(NumberFormat):
        raise BadCell(f"Precision {precision!r} is none of {', '.join(NumberFormat)}")
    return Case(
        file=row.file,
        row=row.number,
        name=f"{row.word('Model')} on {devices:g} {row.word('GPU')}",
        accelerator=row.text("GPU"),
        devices=devices,
        seconds=HOUR,
        true_flop=row.amount("Model TFLOP", MOST) * FLOP_PER_TFLOP * HOUR * devices,
        number_format=number_format,
    )


def log_line(row: Row) -> Case:
    """
    A line of BigScience's chronicles: one step of one device. Raises BadCell.

    The trainings before the eleventh ran on V100 in FP16, from the eleventh on A100 in BF16, as their job scripts say.
    The rate that was logged counts activations that were computed again; RECOMPUTED of it is the model's.
    """
    training = _TRAINING.search(row.text("file"))
    if not training:
        raise BadCell("file names no training, so its hardware is not known")
    accelerator, number_format = ON_A100 if int(training[1]) >= FIRST_ON_A100 else ON_V100
    seconds = row.amount("elapsed_s", MOST)
    return Case(
        file=row.file,
        row=row.number,
        name=f"{row.text('file')} iteration {row.word('iteration')}",
        accelerator=accelerator,
        devices=1.0,
        seconds=seconds,
        true_flop=row.amount("tflops_per_gpu", MOST) * FLOP_PER_TFLOP * seconds * RECOMPUTED,
        number_format=number_format,
    )
