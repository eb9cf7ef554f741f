import polars as pl
import pytest
from support.kyc import fact_texts

from policy.facts.accelerators import (
    ACCELERATORS,
    Accelerator,
    Format,
    UnknownAccelerator,
    read_accelerators,
)
from policy.facts.evidence import Evidence
from policy.facts.facts import load_facts
from policy.facts.tables import FactsError

CATALOGUE = load_facts().accelerators


def known(name: str) -> Accelerator:
    """Resolve a name that must be known."""
    found = CATALOGUE.resolve(name)
    assert isinstance(found, Accelerator)
    return found


@pytest.mark.parametrize(
    ("name", "training", "densest", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.5e12, Format.FP8, 1979e12),
        ("NVIDIA H100 SXM", 989.5e12, Format.FP8, 1979e12),
        ("NVIDIA B200", 2250e12, Format.FP4, 9e15),
        ("NVIDIA A100-SXM4-80GB", 312e12, Format.FP16_BF16, 312e12),
        ("Intel Gaudi 3", 1678e12, Format.FP16_BF16, 1678e12),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 503.8e12, Format.FP4, 2015e12),
    ],
)
def test_peaks(name: str, training: float, densest: Format, peak: float) -> None:
    """Peaks are dense, in FLOP per second, and found by the driver's name as by the device's own."""
    found = known(name)
    assert found.training_peak_flop_per_second == pytest.approx(training)
    assert found.densest_format is densest
    assert found.densest_peak_flop_per_second == pytest.approx(peak)


def test_evidence_is_the_weaker_one() -> None:
    """A name from memory is unverified although the peaks of its device were read somewhere."""
    assert known("NVIDIA A100 SXM 40GB").evidence is Evidence.SECONDARY
    assert known("NVIDIA A100-SXM4-40GB").evidence is Evidence.UNVERIFIED
    assert known("NVIDIA L40S").evidence is Evidence.UNVERIFIED


@pytest.mark.parametrize(
    ("name", "reason", "suggestion"),
    [
        ("NVIDIA H100", "not in the facts", "NVIDIA H100 SXM"),
        ("NVIDIA-H100-80GB-HBM3", "not in the facts", "NVIDIA H100 80GB HBM3"),
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", "slices are not estimated", None),
        ("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb", "slices are not estimated", None),
        ("AMD Instinct MI308X", "16-bit peak is not", None),
        ("", "not in the facts", None),
    ],
)
def test_unknown_is_a_value(name: str, reason: str, suggestion: str | None) -> None:
    """A name without usable peaks gives a value with the reason, and what may have been meant."""
    unknown = CATALOGUE.resolve(name)
    assert isinstance(unknown, UnknownAccelerator)
    assert reason in unknown.reason
    assert (suggestion in unknown.suggestions) if suggestion else unknown.suggestions == ()


def test_frame_is_what_resolve_says() -> None:
    """The frame has one row for each name, with the peaks that resolving the name gives, and never a 0."""
    assert CATALOGUE.frame.schema == ACCELERATORS
    assert CATALOGUE.frame["accelerator"].is_unique().all()
    for row in CATALOGUE.frame.iter_rows(named=True):
        found = CATALOGUE.resolve(row["accelerator"])
        if isinstance(found, Accelerator):
            assert row["training_peak_flop_per_second"] == found.training_peak_flop_per_second > 0
            assert row["densest_peak_flop_per_second"] >= row["training_peak_flop_per_second"]
            assert row["densest_format"] == found.densest_format
        else:
            assert row["training_peak_flop_per_second"] is row["densest_peak_flop_per_second"] is None


def test_unknown_peaks_are_null() -> None:
    """A known device without a known peak stands in the frame without one."""
    unknown = CATALOGUE.frame.filter(pl.col("training_peak_flop_per_second").is_null())
    assert set(unknown["device"]) == {"AMD MI308X", "Huawei Ascend 910D"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('names = ["NVIDIA H200"]', 'names = ["NVIDIA H20"]', "already names NVIDIA H200 SXM"),
        ("fp16_bf16 = 989.5", "fp16_bf16 = 0", "not above 0"),
        ("fp16_bf16 = 989.5", "bf16 = 989.5", "'bf16' will not do"),
        ("fp16_bf16 = 989.5", 'fp16_bf16 = "989.5"', "'989.5' will not do"),
        ("fp16_bf16 = 989.5", "fp16_bf16 = nan", "nan will not do"),
        ("fp16_bf16 = 989.5", "fp16_bf16 = true", "True will not do"),
        ("memory_gb = [80]", 'memory_gb = ["80"]', "memory_gb[1]: '80' will not do"),
    ],
)
def test_bad_rows(old: str, new: str, problem: str) -> None:
    """A name of two devices, a peak that is no amount and a format that nobody knows are refused with their place."""
    text = fact_texts()["accelerators.toml"].replace(old, new)
    with pytest.raises(FactsError) as caught:
        read_accelerators(text)
    assert problem in str(caught.value)
    assert caught.value.table.startswith("[accelerator] ")
