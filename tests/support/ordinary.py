"""
Ordinary work, each with the truth of what it is: many sizes, kinds and states of the telemetry, seeded.

A case is a name, a truth, and its own tenant, so that all can be judged in one go and none touches another.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from support import activities as of
from support.judgement import H100
from support.telemetry import BUSY_ONLY, FULL, OUTSIDE, Activity, Work, always

BATCH, GANG, SERVICE, EITHER = ("Job",), ("PyTorchJob",), ("Deployment",), ("StatefulSet", "LeaderWorkerSet", None)
SIGHTS = {"full": FULL, "outside": OUTSIDE, "busy": BUSY_ONLY}
A100 = "NVIDIA A100-SXM4-80GB"


@dataclass(frozen=True, kw_only=True)
class Ordinary:
    """One sort of work. ``sizes``: devices in all; ``of_pod``: the most in one pod."""

    truth: str
    name: str
    activity: Activity
    sizes: tuple[int, ...]
    kinds: tuple[str | None, ...]
    of_pod: int = 8
    hours: float = 1.0
    window_seconds: float = 300.0
    accelerator: str = H100

    def works(self) -> Iterator[Work]:
        """For every size and sight one work of no kind."""
        for size in self.sizes:
            of_pod = min(size, self.of_pod)
            for sight, readings in SIGHTS.items():
                yield Work(
                    activity=self.activity, name=f"{self.name}/{size}/{sight}", kind=None, namespace=self.truth,
                    pods=size // of_pod, devices=of_pod, hours=self.hours, window_seconds=self.window_seconds,
                    accelerator=self.accelerator, sight=always(readings),
                )  # fmt: skip


SIZES = (8, 16, 64)
EVERY = (*GANG, *BATCH, *EITHER, *SERVICE)
WORK = (
    Ordinary(truth="pre_training", name="tensor 45 %", activity=of.training(1), sizes=(*SIZES, 128), kinds=EVERY),
    Ordinary(
        truth="pre_training", name="poorly tuned", sizes=(16, 64), kinds=EVERY,
        activity=of.training(2, tensor=0.22, power=0.66, step_seconds=9.0),
    ),
    Ordinary(
        truth="pre_training", name="A100", sizes=(16, 32), kinds=EVERY, accelerator=A100,
        activity=of.training(3, tensor=0.5, power=0.85, step_seconds=31.0),
    ),
    Ordinary(
        truth="pre_training", name="checkpoints often", sizes=(8, 16), kinds=(*GANG, *BATCH, None),
        activity=of.training(4, checkpoint_every=90.0, checkpoint_seconds=30.0),
    ),
    Ordinary(
        truth="starved_training", name="starved", sizes=(8, 32), kinds=(*GANG, *BATCH, None),
        activity=of.training(5, starved=0.45),
    ),
    Ordinary(
        truth="fine_tune", name="alone", activity=of.alone(6), sizes=(1,),
        kinds=(*GANG, *BATCH, "StatefulSet", "Notebook", None),
    ),
    Ordinary(
        truth="fine_tune", name="adapters", activity=of.alone(7, tensor=0.12, dram=0.5), sizes=(1,),
        kinds=(*GANG, *BATCH, "StatefulSet", "Notebook", None),
    ),
    Ordinary(truth="sweep", name="sweep", activity=of.alone(8), sizes=(8, 32), of_pod=1, kinds=(*BATCH, None)),
    Ordinary(
        truth="serving", name="diurnal", activity=of.serving(9, of.diurnal), sizes=(8, 32), hours=24.0,
        window_seconds=3600.0, kinds=(*SERVICE, *EITHER),
    ),
    Ordinary(
        truth="serving", name="saturated", activity=of.serving(10, of.saturated), sizes=SIZES,
        kinds=(*SERVICE, *EITHER),
    ),
    Ordinary(
        truth="serving", name="decoding", activity=of.serving(11, of.saturated, full=of.DECODING), sizes=SIZES,
        kinds=(*SERVICE, *EITHER),
    ),
    Ordinary(
        truth="serving", name="prefilling", activity=of.serving(12, of.saturated, full=of.PREFILLING),
        sizes=SIZES, kinds=SERVICE,
    ),
    Ordinary(
        truth="serving", name="half loaded", activity=of.serving(13, of.steady(0.5)), sizes=SIZES,
        kinds=(*SERVICE, *EITHER),
    ),
    Ordinary(
        truth="serving", name="of one device each", sizes=SIZES, kinds=(*SERVICE, *EITHER),
        activity=of.serving(14, of.steady(0.7), devices_per_replica=1),
    ),
    Ordinary(
        truth="serving", name="images", activity=of.requests_in_series(15, 0.6), sizes=(1, 8, 64), of_pod=1,
        kinds=(*SERVICE, *EITHER),
    ),
    Ordinary(
        truth="serving", name="images without pause", activity=of.requests_in_series(16, 1.0), sizes=(1, 8, 64),
        of_pod=1, kinds=(*SERVICE, *EITHER),
    ),
    Ordinary(truth="idle", name="model loaded", activity=of.idle(), sizes=(8, 64), kinds=EVERY),
    Ordinary(truth="idle", name="empty", activity=of.idle(memory_bytes=0.0), sizes=(8, 64), kinds=EVERY),
    Ordinary(truth="batch_inference", name="batch", activity=of.batch_inference(17), sizes=(1, 8, 32), kinds=BATCH),
    Ordinary(
        truth="rendering", name="frames", activity=of.rendering(18), sizes=(1, 8, 64),
        kinds=(*BATCH, *SERVICE, None),
    ),
    Ordinary(
        truth="rendering", name="frames of one device each", activity=of.rendering(19), sizes=(8, 64), of_pod=1,
        kinds=(*BATCH, *SERVICE, None),
    ),
    Ordinary(truth="notebook", name="cells", activity=of.notebook(20), sizes=(1,), kinds=("Notebook", "StatefulSet")),
)  # fmt: skip


def ordinary_windows() -> pl.DataFrame:
    """The windows of all ordinary work; ``workload_name`` is name/devices/sight/kind, the namespace is the truth."""
    return pl.concat(frame for sort in WORK for frame in _of_all_kinds(sort))


def _of_all_kinds(sort: Ordinary) -> Iterator[pl.DataFrame]:
    for work in sort.works():
        once = work.windows()
        for kind in sort.kinds:
            name = f"{work.name}/{kind or 'unknown'}"
            same = (pl.lit(name).alias(column) for column in ("workload_name", "tenant_id"))
            nodes = pl.format("{} of {}", "node", pl.lit(name))
            yield once.with_columns(*same, node=nodes, workload_kind=pl.lit(kind, pl.String))


def case_of(subjects: pl.DataFrame) -> pl.DataFrame:
    """Judged rows with truth, sort, devices, sight and kind in columns of their own."""
    parts = pl.col("workload_name").str.split("/")
    return subjects.with_columns(
        truth="workload_namespace", sort=parts.list.get(0), devices=parts.list.get(1).cast(pl.Int64),
        sight=parts.list.get(2), kind=parts.list.get(3),
    )  # fmt: skip
