from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.facts import facts_with

from policy.facts.accelerators import Format
from policy.facts.evidence import Evidence
from policy.facts.parts import WHOLE, Share
from policy.facts.peaks import PEAKS, NoPeak, Peak
from policy.facts.reading import load_facts
from policy.facts.tables import FactsError

FACTS = load_facts()
NAMES = [name for name, _, _ in FACTS.product_names.known]
H100 = "NVIDIA H100 80GB HBM3"
INSTANCES = [
    f"{device} MIG {slices}g.10gb" for row in FACTS.parts.instance for device in row.devices for slices in row.by_slices
]


def share_of(name: str) -> Share:
    """How much of a device a name stands for."""
    found = FACTS.peak(name)
    assert isinstance(found, Peak)
    return found.part


def frame_of(*names: str) -> pl.DataFrame:
    """Look names up."""
    return FACTS.peaks(pl.Series(names, dtype=pl.String))


def test_frame_is_what_the_names_say() -> None:
    """Of each name asked for the frame has one row for no certain format, with the peaks of that name, never a 0."""
    frame = FACTS.peaks(pl.Series([*NAMES, *NAMES, *INSTANCES, "of nobody", None]))
    assert frame.schema == PEAKS
    open_format = frame.filter(pl.col("number_format").is_null())
    assert sorted(open_format["accelerator"]) == sorted({*NAMES, *INSTANCES, "of nobody"})
    for row in open_format.iter_rows(named=True):
        found = FACTS.peak(row["accelerator"])
        if isinstance(found, Peak):
            assert row["training_peak_flop_per_second"] == found.training_peak_flop_per_second > 0
            assert row["densest_peak_flop_per_second"] >= row["training_peak_flop_per_second"]
        else:
            assert row["training_peak_flop_per_second"] is row["densest_peak_flop_per_second"] is None


def test_one_row_for_each_format_that_a_device_has() -> None:
    """Where work is known to run in a format both peaks are the dense rate of that format; others have no row."""
    frame = frame_of(H100).drop_nulls("number_format")
    peaks = dict(frame.select("number_format", pl.col("training_peak_flop_per_second") / 1e12).rows())
    assert peaks == {"fp64": 34, "fp32": 67, "tf32": 494.5, "fp16_bf16": 989.5, "fp8": 1979}
    assert frame["densest_peak_flop_per_second"].equals(frame["training_peak_flop_per_second"], check_names=False)
    assert frame["densest_format"].to_list() == frame["number_format"].to_list()


def test_a_rate_that_is_not_known_stays_unknown() -> None:
    """A device without a 16-bit rate, and a name that nobody knows, have one row each, without a peak or a part."""
    frame = frame_of("AMD Instinct MI308X", "of nobody")
    assert frame["device"].to_list() == ["AMD MI308X", None]
    figures = frame.select("training_peak_flop_per_second", "low_part", "likely_part", "high_part")
    assert figures.null_count().row(0) == (2, 2, 2, 2)


@given(st.sampled_from([*NAMES, *INSTANCES]))
def test_parts_are_in_order(name: str) -> None:
    """Whatever a name stands for: 0 ≤ low ≤ likely ≤ high ≤ 1."""
    found = FACTS.peak(name)
    if isinstance(found, Peak):
        assert 0 <= found.part.low <= found.part.likely <= found.part.high <= 1


@pytest.mark.parametrize(
    ("name", "low", "likely", "high"),
    [
        (H100, 1, 1, 1),
        (f"{H100} MIG 7g.80gb", 1, 1, 1),
        (f"{H100} MIG 1g.10gb", 16 / 132, 16 / 132, 26 / 132),
        (f"{H100} MIG 1c.2g.20gb", 16 / 132, 16 / 132, 16 / 132),
        ("NVIDIA A100-SXM4-40GB MIG 7g.40gb", 98 / 108, 98 / 108, 98 / 108),
        ("NVIDIA A30 MIG 2g.12gb", 1 / 2, 1 / 2, 1 / 2),
        ("NVIDIA H100XM-1-10C", 16 / 132, 16 / 132, 26 / 132),
        ("NVIDIA H100XM-80C", 0, 1, 1),
        ("GRID A100-20C", 0, 1 / 2, 1),
        ("GRID A100D-20C", 0, 1 / 4, 1),
        ("GRID V100D-8Q", 0, 1 / 4, 1),
        ("NVIDIA H100XL-47C", 0, 1 / 2, 1),
        ("NVIDIA H100XS-64C", 0, 1, 1),
        ("NVIDIA A800D-40C", 0, 1 / 2, 1),
        ("NVIDIA H20-48C", 0, 1 / 2, 1),
        ("GRID T4-4Q", 0, 1 / 4, 1),
    ],
)
def test_parts(name: str, low: float, likely: float, high: float) -> None:
    """An instance has its multiprocessors, a virtual GPU likely its share of the memory, a device is whole."""
    share = share_of(name)
    assert (share.low, share.likely, share.high) == pytest.approx((low, likely, high))


@pytest.mark.parametrize("device", sorted({name for row in FACTS.parts.instance for name in row.devices}))
def test_more_slices_are_never_less(device: str) -> None:
    """An instance of more slices has at least as much of the device, and all slices together at most the whole."""
    (row,) = (each for each in FACTS.parts.instance if device in each.devices)
    shares = [row.share(slices) for slices in sorted(row.by_slices, key=int)]
    for less, more in pairwise(shares):
        assert less is not None
        assert more is not None
        assert less.low <= more.low
        assert less.high <= more.high <= WHOLE.high


def test_a_part_is_known_as_well_as_its_size() -> None:
    """What is estimated of a part rests on the sources of its size too, and is no better known than these."""
    frame = frame_of(H100, f"{H100} MIG 3g.40gb").filter(pl.col("number_format").is_null())
    whole, part = frame.select("evidence", "source").rows()
    assert (whole[0], part[0]) == (Evidence.SECONDARY, Evidence.UNVERIFIED)
    assert "nvidia-smi mig -lgip" in part[1]
    assert "nvidia-smi mig -lgip" not in whole[1]


def test_no_part_of_no_device() -> None:
    """A part of a name that nobody knows has no peak, as the name has none."""
    assert isinstance(FACTS.peak("NVIDIA X1 MIG 1g.10gb"), NoPeak)


@pytest.mark.parametrize("name", ["Huawei device d802", "Huawei Ascend 910B", "19e5:d802"])
def test_variants(name: str) -> None:
    """A number on the bus that variants share has their peaks, from the slowest to the fastest."""
    peak = FACTS.peak(name)
    assert isinstance(peak, Peak)
    assert (peak.device, peak.training_peak_flop_per_second) == ("Huawei Ascend 910B", 400e12)
    assert (peak.part.low, peak.part.high) == pytest.approx((280 / 400, 1))
    assert name not in set(FACTS.known_peaks["accelerator"])


@pytest.mark.parametrize("variants", ['["of nobody"]', '["Huawei Ascend 910B"]'])
def test_bad_variants(variants: str) -> None:
    """A variant that is no other row of the catalogue is refused."""
    old = '["Huawei Ascend 910B1", "Huawei Ascend 910B2", "Huawei Ascend 910B3", "Huawei Ascend 910B4"]'
    with pytest.raises(FactsError, match="no other accelerator is called"):
        facts_with("accelerators.toml", f"variants = {old}", f"variants = {variants}")


def test_densest_format() -> None:
    """With no certain format the densest peak is of the fastest format that models are trained in."""
    (densest,) = frame_of("NVIDIA B200").filter(pl.col("number_format").is_null())["densest_format"]
    assert densest == Format.FP4


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        (H100, 700),
        ("NVIDIA H100-SXM5-80GB", 700),
        ("NVIDIA A100 SXM4", 400),
        ("NVIDIA H100", None),
        (f"{H100} MIG 3g.40gb", None),
        ("NVIDIA H100XM-20C", None),
        ("AMD Instinct MI308X", None),
        ("of nobody", None),
    ],
)
def test_board_power(name: str, watts: float | None) -> None:
    """The board of a whole device, of several if theirs are alike, in every row; a part has none of its own."""
    assert set(frame_of(name)["board_power_watts"]) == {watts}


def test_board_power_does_not_lower_the_peaks() -> None:
    """How well a board's power is known is its own affair: peaks that were read stay so beside a figure from memory."""
    board = FACTS.board_power.by_device["NVIDIA B200"]
    assert board.source.evidence is Evidence.UNVERIFIED
    assert set(frame_of("NVIDIA B200")["evidence"]) == {Evidence.SECONDARY}


def test_every_board_of_a_data_centre() -> None:
    """The boards of all fast devices for data centres whose makers tell it are there."""
    makers = {"NVIDIA", "AMD", "Intel"}
    fast = {each.device for each in FACTS.accelerators.accelerator if each.vendor in makers and each.tpp}
    assert fast - FACTS.board_power.by_device.keys() == {"NVIDIA L2"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('device = "NVIDIA T4"', 'device = "NVIDIA T5"', "no accelerator is called"),
        ('device = "NVIDIA T4"', 'device = "NVIDIA A30"', "NVIDIA A30"),
        ("watts = 70\n", "watts = 0\n", "not above 0"),
    ],
)
def test_bad_boards(old: str, new: str, problem: str) -> None:
    """A device nobody knows, one that is there twice, and a board without power are refused."""
    with pytest.raises(FactsError) as caught:
        facts_with("board_power.toml", old, new)
    assert problem in str(caught.value)
    assert caught.value.file == "board_power.toml"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('devices = ["NVIDIA A30"]', 'devices = ["NVIDIA A31"]', "no accelerator is called"),
        ('devices = ["NVIDIA A30"]', 'devices = ["NVIDIA A800"]', "in another row"),
        ("3 = [60]", "3 = [600]", "not between 0 and 132"),
        ("3 = [60]", "3 = []", "not between 0 and 132"),
        ("3 = [60]", "three = [60]", "not between 0 and 132"),
        ("value = 0\n", "value = 2\n", "not between 0 and vgpu_high"),
    ],
)
def test_bad_parts(old: str, new: str, problem: str) -> None:
    """A device nobody knows, one that is in two rows, and a part that is larger than the whole are refused."""
    with pytest.raises(FactsError) as caught:
        facts_with("parts.toml", old, new)
    assert problem in str(caught.value)
    assert caught.value.file == "parts.toml"


@pytest.mark.parametrize("name", ["TPU-v5e", "google v5p-4096", "TPU v6e"])
def test_training_in_whole_numbers(name: str) -> None:
    """Where training in INT8 is published its rate bounds what a training may have done."""
    peak = FACTS.peak(name)
    assert isinstance(peak, Peak)
    assert peak.densest_format == "int8"
    assert peak.densest_peak_flop_per_second == pytest.approx(2 * peak.training_peak_flop_per_second, rel=0.01)
