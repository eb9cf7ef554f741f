"""
Names as drivers, buses, labels and vendors' tools write them, each seen in public text, against what they mean.

Beside each what would be easy to take it for: one letter or digit more, or less, is another device.
"""

from collections.abc import Mapping
from datetime import date

import pytest

from policy.facts.accelerators import Format
from policy.facts.eccn import NONE
from policy.facts.peaks import Peak
from policy.facts.presumed import Presumed
from policy.facts.product_names import Named, Unclassified
from policy.facts.reading import load_facts

FACTS = load_facts()
NOW = date(2026, 11, 29)

DEVICES: Mapping[str, tuple[str, ...]] = {
    # the driver's table of NVIDIA's open kernel modules, 550 to 610, and older drivers
    "NVIDIA V100 SXM2": ("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB", "Tesla V100-SXM3-32GB", "10de:1db5"),
    "NVIDIA V100 PCIe": ("Tesla V100-PCIE-16GB", "Tesla V100-PCIE-32GB"),
    "NVIDIA V100S PCIe": ("Tesla V100S-PCIE-32GB",),
    "NVIDIA T4": ("Tesla T4", "NVIDIA T4", "NVIDIA T4G"),
    "NVIDIA A100 SXM 40GB": ("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"),
    "NVIDIA A100 SXM 80GB": ("NVIDIA A100-SXM4-80GB",),
    "NVIDIA A100 PCIe": ("NVIDIA A100-PCIE-40GB", "NVIDIA A100-PCIE-80GB", "NVIDIA A100 80GB PCIe"),
    "NVIDIA A800": (
        *("NVIDIA A800-SXM4-40GB", "NVIDIA A800-SXM4-80GB", "NVIDIA A800 80GB PCIe", "NVIDIA A800 80GB PCIe LC"),
        "10de:20bd",
    ),
    "NVIDIA A800 40GB Active": ("NVIDIA A800 40GB Active",),
    "NVIDIA A2": ("NVIDIA A2",),
    "NVIDIA A10": ("NVIDIA A10",),
    "NVIDIA A10G": ("NVIDIA A10G",),
    "NVIDIA A16": ("NVIDIA A16",),
    "NVIDIA A30": ("NVIDIA A30",),
    "NVIDIA A40": ("NVIDIA A40",),
    "NVIDIA L2": ("NVIDIA L2",),
    "NVIDIA L4": ("NVIDIA L4",),
    "NVIDIA L20": ("NVIDIA L20",),
    "NVIDIA L40": ("NVIDIA L40",),
    "NVIDIA L40S": ("NVIDIA L40S",),
    "NVIDIA RTX A4000": ("NVIDIA RTX A4000", "10de:24b0"),
    "NVIDIA RTX A5000": ("NVIDIA RTX A5000",),
    "NVIDIA RTX A6000": ("NVIDIA RTX A6000",),
    "NVIDIA RTX 5000 Ada": ("NVIDIA RTX 5000 Ada Generation",),
    "NVIDIA RTX 5880 Ada": ("NVIDIA RTX 5880 Ada Generation",),
    "NVIDIA RTX 6000 Ada": ("NVIDIA RTX 6000 Ada Generation",),
    "NVIDIA GeForce RTX 3090": ("NVIDIA GeForce RTX 3090",),
    "NVIDIA GeForce RTX 3090 Ti": ("NVIDIA GeForce RTX 3090 Ti",),
    "NVIDIA GeForce RTX 4090": ("NVIDIA GeForce RTX 4090",),
    "NVIDIA GeForce RTX 4090 D": ("NVIDIA GeForce RTX 4090 D", "10de:2685"),
    "NVIDIA GeForce RTX 5090": ("NVIDIA GeForce RTX 5090",),
    "NVIDIA GeForce RTX 5090 D": ("NVIDIA GeForce RTX 5090 D",),
    "NVIDIA H100 SXM": ("NVIDIA H100 80GB HBM3", "10de:2330", "10de:2339"),
    "NVIDIA H100 PCIe": ("NVIDIA H100 PCIe",),
    "NVIDIA H100 NVL": ("NVIDIA H100 NVL",),
    "NVIDIA H800 SXM": ("NVIDIA H800",),
    "NVIDIA H800 PCIe": ("NVIDIA H800 PCIe",),
    "NVIDIA H800 NVL": ("NVIDIA H800 NVL", "10de:233a"),
    "NVIDIA H200 SXM": ("NVIDIA H200",),
    "NVIDIA H200 NVL": ("NVIDIA H200 NVL",),
    "NVIDIA H20": ("NVIDIA H20", "NVIDIA H20-3e", "NVIDIA H20 NVL16", "10de:230e"),
    "NVIDIA GH200": ("NVIDIA GH200 120GB", "NVIDIA GH200 480GB", "NVIDIA GH200 144G HBM3e"),
    "NVIDIA B200": ("NVIDIA B200",),
    "NVIDIA B300": ("NVIDIA B300 SXM6 AC", "NVIDIA B300 SXM6 PC"),
    "NVIDIA GB200": ("NVIDIA GB200",),
    "NVIDIA GB300": ("NVIDIA GB300",),
    "NVIDIA RTX PRO 6000 Blackwell": (
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
        "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    ),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": ("NVIDIA RTX PRO 6000 Blackwell Server Edition",),
    # libdrm's amdgpu.ids, and numbers
    "AMD MI100": ("AMD Instinct MI100", "AMD device 738c"),
    "AMD MI210": ("AMD Instinct MI210", "1002:740f"),
    "AMD MI250X": ("AMD Instinct MI250X",),
    "AMD MI300A": ("AMD Instinct MI300A",),
    "AMD MI300X": (
        "AMD Instinct MI300X",
        "AMD Instinct MI300X HF",
        "AMD Instinct MI300X VF",
        "AMD_Instinct_MI300X_OAM",
    ),
    "AMD MI308X": ("AMD Instinct MI308X", "AMD Instinct MI308X HF", "AMD device 74b6", "1002:74a8"),
    "AMD MI325X": ("AMD Instinct MI325X", "1002:74b9"),
    "AMD MI350X": ("AMD Instinct MI350X", "AMD Instinct MI350X VF", "1002:75b0"),
    "AMD MI355X": ("AMD Instinct MI355X", "AMD Instinct MI355X VF", "1002:75b3"),
    "Intel Gaudi 2": ("HL-225", "Intel Gaudi 2"),
    "Intel Gaudi 3": ("HL-325L", "Habana Gaudi 3"),
    "Intel Data Center GPU Max 1550": ("Intel(R) Data Center GPU Max 1550",),
    "Amazon Trainium3": ("Trainium3",),
    # torch_npu and npu-smi
    "Huawei Ascend 910 (910A)": ("Ascend910A", "910A"),
    "Huawei Ascend 910B": ("Ascend910B", "910B", "Huawei Ascend 910B"),
    "Huawei Ascend 910B1": ("Ascend910B1", "910B1"),
    "Huawei Ascend 910B2": ("Ascend910B2C", "910B2"),
    "Huawei Ascend 910B3": ("Ascend910B3",),
    "Huawei Ascend 910B4": ("910B4", "Ascend910B4-1"),
    "Huawei Ascend 910C": ("Ascend910C", "Huawei Ascend 910C"),
    "Huawei Ascend 910D": ("Ascend910D",),
}
VIRTUAL: Mapping[str, tuple[str, ...]] = {
    # vGPU types of NVIDIA AI Enterprise 6 and 7, and of older releases
    "NVIDIA V100 SXM2": ("GRID V100X-16C", "GRID V100DX-32C"),
    "NVIDIA T4": ("GRID T4-8Q",),
    "NVIDIA A100 SXM 40GB": ("GRID A100X-40C",),
    "NVIDIA A100 SXM 80GB": ("GRID A100DX-80C", "NVIDIA A100DX-3-40C"),
    "NVIDIA A100 PCIe": ("GRID A100-10C", "GRID A100-1-5C", "NVIDIA A100D-80C"),
    "NVIDIA A800": ("NVIDIA A800DX-80C", "NVIDIA A800D-80C", "NVIDIA A800D-1-10CME"),
    "NVIDIA A800 40GB Active": ("NVIDIA A800-40C", "NVIDIA A800-1-5C"),
    "NVIDIA A10": ("NVIDIA A10-24C",),
    "NVIDIA A16": ("NVIDIA A16-16C",),
    "NVIDIA A30": ("NVIDIA A30-1-6CME",),
    "NVIDIA RTX A5000": ("NVIDIA RTXA5000-12C",),
    "NVIDIA RTX A6000": ("NVIDIA RTXA6000-48C",),
    "NVIDIA RTX 5880 Ada": ("NVIDIA RTX 5880 Ada-48C",),
    "NVIDIA RTX 6000 Ada": ("NVIDIA RTX6000-Ada-48Q", "NVIDIA RTX 6000 Ada-48C"),
    "NVIDIA L2": ("NVIDIA L2-24C",),
    "NVIDIA L20": ("NVIDIA L20-48C",),
    "NVIDIA A40": ("NVIDIA A40-48Q",),
    "NVIDIA L4": ("NVIDIA L4-3Q", "NVIDIA L4-24C"),
    "NVIDIA L40": ("NVIDIA L40-48C",),
    "NVIDIA L40S": ("NVIDIA L40S-12Q",),
    "NVIDIA H100 SXM": ("NVIDIA H100XM-80C", "NVIDIA H100XL-94C", "NVIDIA H100XS-64C", "NVIDIA H100XM-1-10CME"),
    "NVIDIA H100 PCIe": ("NVIDIA H100-80C", "NVIDIA H100-1-20C"),
    "NVIDIA H100 NVL": ("NVIDIA H100L-94C",),
    "NVIDIA H800 SXM": ("NVIDIA H800XM-80C",),
    "NVIDIA H800 PCIe": ("NVIDIA H800-80C",),
    "NVIDIA H800 NVL": ("NVIDIA H800L-94C", "NVIDIA H800L-1-12CME"),
    "NVIDIA H200 SXM": ("NVIDIA H200X-141C",),
    "NVIDIA H200 NVL": ("NVIDIA H200-141C", "NVIDIA H200-2-35C"),
    "NVIDIA H20": ("NVIDIA H20-96C", "NVIDIA H20X-141C"),
}
DIES: Mapping[str, tuple[str, ...]] = {
    "AMD MI250X": ("AMD device 7408", "1002:7408"),
    "AMD MI250": ("AMD INSTINCT MI250 (MCM) OAM AC MBA",),
    "AMD MI250 or AMD MI250X": ("AMD Instinct MI250X / MI250", "Aldebaran/MI200 [Instinct MI250X/MI250]", "1002:740c"),
    "Huawei Ascend 910C": (
        "Ascend910_9362",
        "Ascend910_9382",
        "Ascend910_9391",
        "Ascend910_9392",
        "Huawei device d803",
    ),
}
OF_OTHERS: Mapping[str, tuple[str, ...]] = {
    "NVIDIA": (
        *("NVIDIA A10M", "NVIDIA A100X", "NVIDIA A30X", "NVIDIA AX800", "NVIDIA L40G"),
        *("NVIDIA A100-SXM-64GB", "NVIDIA A100-PG509-200", "NVIDIA PG506-230", "NVIDIA PG506-232", "Tesla P40"),
        *("NVIDIA B20", "NVIDIA B30A", "NVIDIA B40", "NVIDIA H20Z", "NVIDIA GB10", "NVIDIA DGX Spark", "NVIDIA R100"),
        *("NVIDIA VR200", "NVIDIA VR200 NVL144", "NVIDIA Rubin CPX", "NVIDIA RTX 6000D", "NVIDIA RTX PRO 6000D"),
        *("NVIDIA RTX PRO 5000 Blackwell", "NVIDIA RTX PRO 4500 Blackwell Server Edition", "Quadro RTX 6000"),
        *("NVIDIA RTX 4000 SFF Ada Generation", "NVIDIA RTX 5000 Ada Generation Laptop GPU", "NVIDIA CMP 170HX"),
        *("NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 5090 D v2", "NVIDIA Graphics Device"),
    ),
    "AMD": (
        *("AMD Instinct MI430X", "AMD Instinct MI450", "AMD Instinct MI455X", "AMD Instinct MI350P"),
        *("AMD Radeon PRO W7900", "AMD Radeon AI PRO R9700", "AMD Radeon Instinct MI50", "AMD device 738e"),
    ),
    "Intel": ("HL-205", "Intel Data Center GPU Flex 170", "Habana Gaudi"),
    "Amazon": ("Inferentia2", "Inferentia"),
}
TO_CLASSIFY: Mapping[str, tuple[str, ...]] = {
    "Huawei": (
        *("Ascend950PR_9589", "Ascend 950DT", "950PR", "Ascend310P3", "310P3", "310B1", "Ascend910ProB"),
        *("Atlas 300I Duo", "Huawei device d500", "Ascend910-Ascend-V1", "huawei.com/Ascend910", "bm-ascend-910b-64g"),
    ),
    "Kunlunxin": ("P800 OAM", "KUNLUN P800", "Kunlunxin P800 OAM", "R480-X8", "Kunlunxin device 3688"),
    "Cambricon": ("MLU370-X8", "MLU590-M9", "Cambricon MLU690", "cabc:0590"),
    "Hygon": ("K100_AI", "K100-AI", "Hygon DCU K100", "Z100L", "BW1000"),
    "MetaX": ("MXC500", "MetaX-C550", "MetaX C600"),
    "Biren": ("Biren166M", "BR100", "BR104", "BR166"),
    "Moore Threads": ("MTT S4000", "MTT S5000"),
    "Iluvatar CoreX": ("Iluvatar BI-V150 OAM", "BI-V100", "TG-V200"),
    "Enflame": ("Enflame_S60-48GB", "Enflame L600"),
    "T-Head": ("PPU-ZW810E", "ZW810E"),
    "Tsingmicro": ("TX8110-256-00",),
}


def pairs(table: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """List every name with what it means."""
    return [(name, meant) for meant, names in table.items() for name in names]


@pytest.mark.parametrize(("name", "device"), pairs(DEVICES))
def test_a_driver_names_one_device(name: str, device: str) -> None:
    """The name, and the same as a node's label, is that device and no other."""
    for each in (name, name.replace(" ", "-"), f"{name.replace(' ', '-')}-SHARED"):
        found = FACTS.product_names.identify(each)
        assert isinstance(found, Named)
        assert (found.device.device, found.part) == (device, "")


@pytest.mark.parametrize(("name", "device"), pairs(VIRTUAL))
def test_a_virtual_gpu_is_a_part_of_its_board(name: str, device: str) -> None:
    """A vGPU's name tells the board by the letters before the size, and the estimate has a share of its peak."""
    found = FACTS.product_names.identify(name)
    assert isinstance(found, Named)
    assert (found.device.device, found.part[:4]) == (device, "vGPU")


@pytest.mark.parametrize(("name", "device"), pairs(DIES))
def test_a_die_that_the_bus_shows_has_its_half(name: str, device: str) -> None:
    """Two devices on the bus are one part: each has half its peak, while the paragraph is that of the whole."""
    found = FACTS.product_names.identify(name)
    assert not isinstance(found, Unclassified)
    assert (found.words, found.part) == (device, "one of 2 dies")
    peak = FACTS.peak(name)
    assert isinstance(peak, Peak)
    slowest = min(each.dense_tflop_per_second[Format.FP16_BF16] for each in found.devices) / 2
    assert peak.training_peak_flop_per_second * peak.part.low == pytest.approx(slowest * 1e12)
    assert peak.part.high == 0.5
    assert FACTS.classifier.classify(name, NOW).paragraph == "3A090.a.1"


@pytest.mark.parametrize(("number", "tera"), [("AMD device 7408", 191.5), ("Huawei device d803", 400)])
def test_the_known_peak_of_a_die_is_its_own(number: str, tera: float) -> None:
    """Who reads one peak by what the bus shows finds that of the die, as a whole."""
    (row,) = FACTS.known_peaks.filter(accelerator=number).iter_rows(named=True)
    assert row["training_peak_flop_per_second"] == row["densest_peak_flop_per_second"] == pytest.approx(tera * 1e12)
    assert (row["low_part"], row["likely_part"], row["high_part"]) == (1, 1, 1)


@pytest.mark.parametrize(("name", "vendor"), pairs(OF_OTHERS))
def test_a_device_that_is_not_in_the_catalogue(name: str, vendor: str) -> None:
    """It is unclassified, a letter may name it, and it is never the device that its name looks like."""
    found = FACTS.product_names.identify(name)
    assert isinstance(found, Unclassified)
    assert found.vendor is not None
    assert found.vendor.id == vendor


@pytest.mark.parametrize(("name", "vendor"), pairs(TO_CLASSIFY))
def test_a_device_of_a_developer_in_scope_has_to_be_classified(name: str, vendor: str) -> None:
    """Whatever its name, a part of a developer in scope that is in no row is to classify, never uncontrolled."""
    found = FACTS.classifier.classify(name, NOW)
    assert (found.vendor, found.device, found.presumed) == (vendor, "", Presumed.CLASSIFY)
    assert found.paragraph != NONE
