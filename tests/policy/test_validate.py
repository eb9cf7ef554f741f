import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import REPOSITORY, flopwatch
from support.judgement import FACTS
from support.validated import (
    RECORDED,
    a_benchmark,
    a_job,
    a_model,
    a_run,
    a_series,
    a_sheet,
    outcomes,
    validated,
)

from policy.__main__ import main
from policy.validation.bars import Bar, Outcome
from policy.validation.figures import Share, coverage, figures_of
from policy.validation.files import Row
from policy.validation.folder import BENCHMARKS, JOBS, MODELS, RUNS, SERIES
from policy.validation.labelled import Truth, label, truth_of

HEADING = "## How well it does"
COMMAND = "flopwatch validate --data ../shared/data"


class TestEstimates:
    """Estimates beside the truth."""

    def test_the_truth_is_inside_or_named(self, tmp_path: Path) -> None:
        """A run of common efficiency is covered, one that reached next to nothing is an outlier by its row."""
        a_sheet(tmp_path / RUNS, a_run(), a_run(share=0.01))
        found = validated(tmp_path).runs
        assert found.compared["is_inside"].to_list() == [True, False]
        assert found.compared.filter(~found.compared["is_inside"])["id"].to_list() == [f"{RUNS} row 3"]
        assert coverage(found.compared) == Share(count=1, total=2)

    def test_a_bad_row_stops_nothing(self, tmp_path: Path) -> None:
        """Rows that lack a number, run backwards or are cut short are told with their reason; the rest is compared."""
        bad = [a_run(n_accelerators="eight"), a_run(run_stop_ms=0), a_run(model_flop=""), a_run(accelerator=" ")]
        a_sheet(tmp_path / RUNS, a_run(), *bad)
        with (tmp_path / RUNS).open("a", encoding="utf-8") as file:
            file.write("NVIDIA H100\n")
        found = validated(tmp_path)
        assert found.runs.compared.height == 1
        assert [each.row for each in found.unusable] == [3, 4, 5, 6, 7]
        assert "'eight' is not a number above 0" in found.unusable[0].reason

    @pytest.mark.parametrize("amount", ["1e300", "inf", "nan", "-1", "0", "1e-300"])
    def test_amounts_that_no_run_has_are_told(self, tmp_path: Path, amount: str) -> None:
        """A slip in an amount takes out its row, so that no figure becomes infinite or undefined."""
        slips = [a_run(model_flop=amount), a_run(n_accelerators=amount), a_run(run_stop_ms=amount)]
        a_sheet(tmp_path / RUNS, a_run(), *slips)
        a_sheet(tmp_path / MODELS, a_model(), a_model(chip_hours=amount), a_model(training_compute_flop=amount))
        found = validated(tmp_path)
        assert (found.runs.compared.height, found.models.height) == (1, 1)
        assert all(amount in each.reason for each in found.unusable)

    def test_no_estimate_is_counted_and_named(self, tmp_path: Path) -> None:
        """An accelerator that the facts do not know is among the runs, not among the estimated, and has its reason."""
        a_sheet(tmp_path / RUNS, a_run(), a_run(accelerator="Acme Thinker 9"))
        compared = validated(tmp_path).runs.compared
        assert coverage(compared) == Share(count=1, total=1)
        assert figures_of(compared).row(-1, named=True)["runs"] == 2
        assert "Acme Thinker 9" in compared["reason"].to_list()[1]

    def test_a_declared_format_narrows(self, tmp_path: Path) -> None:
        """With its number format declared an interval is narrower than without, and an unknown word is no format."""
        a_sheet(tmp_path / RUNS, a_run())
        a_sheet(tmp_path / BENCHMARKS, a_benchmark(), a_benchmark(Precision="int5"))
        found = validated(tmp_path)
        assert found.benchmarks.compared["width"][0] < found.runs.compared["width"][0]
        assert [each.file for each in found.unusable] == [BENCHMARKS]

    def test_published_models_prove_something_or_are_left_out(self, tmp_path: Path) -> None:
        """Compute that was taken from hardware is left out; what no device can do is told as such, with its cause."""
        circular = a_model(epoch_estimation_method="Operation counting,HARDWARE")
        tuned = a_model(share=40, base_model="model-0")
        a_sheet(tmp_path / MODELS, a_model(reported_mfu=0.4), circular, tuned, a_model(reported_mfu=0.8))
        found = validated(tmp_path)
        assert [each.row for each in found.unusable] == [3]
        assert found.models["is_impossible"].to_list() == [False, True, False]
        assert "model-0" in found.models["likely_cause"][1]
        assert found.models["mfu_contradicts"].to_list() == [False, None, True]


class TestVerdicts:
    """Verdicts on workloads of known kind."""

    @pytest.mark.parametrize(
        ("text", "truth"),
        [
            ("training", Truth.TRAINING),
            ("training+synthetic_burn", Truth.MIXED),
            ("inference (production diffusion serving)", Truth.SERVING),
            ("inference (benchmark)", Truth.INFERENCE),
            ("graphics rendering (negative class)", Truth.RENDERING),
            ("Pretrain", Truth.PRETRAIN),
            ("Other_or_SFT", Truth.OTHER_OR_SFT),
            ("?", Truth.OTHER),
        ],
    )
    def test_labels_name_a_kind(self, text: str, truth: Truth) -> None:
        """What people write as a label is one kind of work, mixed, or other."""
        assert truth_of(text) is truth

    @pytest.mark.parametrize(
        ("hardware", "accelerator"),
        [("8x H100 (nvidia-smi)", "H100"), ("RTX 4090 (450 W)", "RTX 4090"), ("unstated, 1 per pod", None)],
    )
    def test_hardware_is_identified_or_unknown(self, hardware: str, accelerator: str | None) -> None:
        """Counts and remarks around a product do not hide it, and what names none is not known."""
        cells = {"trace": "a", "label": "training", "hardware": hardware}
        assert label(Row(file="labels", number=2, cells=cells), FACTS.product_names).accelerator == accelerator

    def test_idle_serving_is_not_training(self, tmp_path: Path) -> None:
        """Series that idle with a model loaded are judged not training; one without a label is told and not judged."""
        a_series(tmp_path, one="inference (serving)", two="inference (serving)")
        a_sheet(tmp_path / "gpu_series_labels.csv", {"trace": "one", "label": "serving", "hardware": ""})
        found = validated(tmp_path)
        assert found.verdicts.select("name", "truth", "verdict").rows() == [("one", "serving", "not_training")]
        assert [each.reason for each in found.unusable] == ["trace two has no label"]

    def test_jobs_are_judged_and_a_bad_one_is_told(self, tmp_path: Path) -> None:
        """A long job of many GPUs is training, a short one undetermined, and a bad cell takes out its row alone."""
        a_sheet(tmp_path / JOBS, a_job(1), a_job(2, hours=0.1), a_job(3, gpus="many"), a_job(4, duration_s=""))
        found = validated(tmp_path)
        assert found.verdicts["verdict"].to_list() == ["training", "undetermined"]
        assert sorted(each.row for each in found.unusable) == [4, 5]
        assert outcomes(found)[JOBS, "GPU-hours of Pretrain judged training"] == "met"


class TestBars:
    """What the product is held to."""

    @given(st.integers(0, 500), st.integers(1, 500))
    def test_wilsons_interval_holds_the_ratio(self, count: int, more: int) -> None:
        """The interval lies within 0 and 1 and has the observed ratio inside."""
        share = Share(count=count, total=count + more)
        assert share.ratio is not None
        assert share.interval is not None
        low, high = share.interval
        assert 0 <= low <= share.ratio + 1e-12
        assert share.ratio - 1e-12 <= high <= 1

    def test_wilsons_interval_of_ten_in_ten(self) -> None:
        """Ten of ten is 72 % or more, and none of none says nothing."""
        low, high = Share(count=10, total=10).interval or (0, 0)
        assert (round(low, 3), round(high, 3)) == (0.722, 1)
        assert Share(count=0, total=0).interval is None

    def test_what_could_not_be_measured_is_not_met(self) -> None:
        """A bar whose file is there and gives no figure is missed; one without a file is not measured."""
        assert Bar(about="f", name="b", figure=None, least=0.5).outcome is Outcome.MISSED
        assert Bar(about="f", name="b", figure=None, least=0.5, is_there=False).outcome is Outcome.NOT_MEASURED
        assert Bar(about="f", name="b", figure=0.5, least=0.5, most=0.5).outcome is Outcome.MET

    def test_a_broken_file_is_told_and_its_bars_missed(self, tmp_path: Path) -> None:
        """A file that is no Parquet is named with its fault, its bars are missed, and the others are measured."""
        (tmp_path / SERIES).write_text("no parquet", encoding="utf-8")
        a_sheet(tmp_path / "gpu_series_labels.csv", {"trace": "one", "label": "serving", "hardware": ""})
        a_sheet(tmp_path / JOBS, a_job(1))
        found = validated(tmp_path)
        assert found.faults[SERIES].startswith("cannot be used")
        assert outcomes(found)[SERIES, "serving judged not_training"] == "missed"
        assert outcomes(found)[JOBS, "GPU-hours of Pretrain judged training"] == "met"


class TestCommand:
    """The command as people run it."""

    def test_all_met_ends_with_0(self, tmp_path: Path) -> None:
        """With one good file its bars are met, and every other file is said to be absent."""
        a_sheet(tmp_path / RUNS, a_run())
        said = flopwatch("validate", "--data", tmp_path).stdout
        assert re.search(r"Bars: 4 met, 0 missed, \d+ not measured", said)
        assert re.search(rf"{BENCHMARKS} +is not there", said)

    def test_a_missed_bar_ends_with_1(self, tmp_path: Path) -> None:
        """Truth outside the intervals ends with 1, and JSON has the figure, the bar and the row."""
        a_sheet(tmp_path / RUNS, a_run(), a_run(share=0.01))
        document = json.loads(flopwatch("validate", "--data", tmp_path, "--format", "json", expect=1).stdout)
        bar = document["bars"][0]
        assert (bar["figure"], bar["least"], bar["outcome"]) == (0.5, 0.99, "missed")
        assert [row["is_inside"] for row in document[RUNS]["rows"]] == [True, False]

    def test_nothing_to_read_ends_with_2(self, tmp_path: Path) -> None:
        """A folder without any of the files, or none at all, is refused in one line that names what could be there."""
        assert RUNS in flopwatch("validate", "--data", tmp_path, expect=2).stderr
        assert "is no folder" in flopwatch("validate", "--data", tmp_path / "absent", expect=2).stderr


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded data here; FLOPWATCH_RECORDED_DATA may name its folder")
def test_the_readme_says_what_the_command_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's figures are the command's on the recorded data, line by line."""
    monkeypatch.delenv("COLUMNS", raising=False)
    section = (REPOSITORY / "README.md").read_text(encoding="utf-8").split(HEADING)[1].split("\n## ")[0]
    shown = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    assert shown[0] == COMMAND
    assert main(["validate", "--data", str(RECORDED)]) == 0
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown[1:] == [line for line in said if line]
