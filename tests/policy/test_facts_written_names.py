from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.facts.classification import NoteTwo
from policy.facts.eccn import UNDETERMINED
from policy.facts.evidence import Answer
from policy.facts.peaks import Peak
from policy.facts.presumed import Presumed
from policy.facts.product_names import Named, OneOf, Unclassified
from policy.facts.reading import load_facts

FACTS = load_facts()
NOW = date(2026, 11, 29)
NAMES = [name for name, _, _ in FACTS.product_names.known]


def meant(name: str) -> set[str]:
    """Name the devices that a name may stand for."""
    found = FACTS.product_names.identify(name)
    return set() if isinstance(found, Unclassified) else {device.device for device in found.devices}


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("NVIDIA H100-SXM5-80GB", "NVIDIA H100 SXM"),
        ("NVIDIA H100 SXM5 80GB", "NVIDIA H100 SXM"),
        ("NVIDIA DGX H100", "NVIDIA H100 SXM"),
        ("NVIDIA H100-PCIe-80GB", "NVIDIA H100 PCIe"),
        ("NVIDIA H100-NVL-94GB", "NVIDIA H100 NVL"),
        ("NVIDIA H200-SXM5-141GB", "NVIDIA H200 SXM"),
        ("NVIDIA H200-NVL-141GB", "NVIDIA H200 NVL"),
        ("NVIDIA H200 141GB HBM3e", "NVIDIA H200 SXM"),
        ("NVIDIA H800 SXM5", "NVIDIA H800 SXM"),
        ("NVIDIA H20 96GB HBM3", "NVIDIA H20"),
        ("NVIDIA GH200 Grace Hopper Superchip 96GB", "NVIDIA GH200"),
        ("NVIDIA GH200-GraceHopper-Superchip", "NVIDIA GH200"),
        ("NVIDIA H200-SXM-141GB-CTS", "NVIDIA H200 SXM"),
        ("NVIDIA Blackwell GPU (GB200)", "NVIDIA GB200"),
        ("NVIDIA GB200 NVL72", "NVIDIA GB200"),
        ("NVIDIA Blackwell Ultra GPU (GB300)", "NVIDIA GB300"),
        ("NVIDIA Blackwell GPU (B200-SXM-180GB)", "NVIDIA B200"),
        ("NVIDIA Blackwell Ultra GPU (B300-SXM-270GB)", "NVIDIA B300"),
        ("NVIDIA A100-SXM-80GB", "NVIDIA A100 SXM 80GB"),
        ("NVIDIA A100 SXM4 40 GB", "NVIDIA A100 SXM 40GB"),
        ("NVIDIA A800 PCIe 80 GB", "NVIDIA A800"),
        ("NVIDIA L40S PCIe 48GB", "NVIDIA L40S"),
        ("NVIDIA RTX PRO 6000 Server", "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
        ("NVIDIA Tesla V100 DGXS 32 GB", "NVIDIA V100 DGXS"),
        ("NVIDIA V100-SXM3-32GB", "NVIDIA V100 SXM2"),
        ("AMD Radeon Instinct MI250X", "AMD MI250X"),
        ("AMD Instinct MI300X 192GB HBM3", "AMD MI300X"),
        ("AMD Instinct MI300X-NPS1-SPX-192GB-750W", "AMD MI300X"),
        ("AMD Instinct MI325X 256GB HBM3E DLC", "AMD MI325X"),
        ("AMD Instinct™ MI355X 288GB HBM3e", "AMD MI355X"),
        ("Google TPU v4", "Google TPU v4"),
        ("TPU-v5p", "Google TPU v5p"),
        ("google v5p-4096", "Google TPU v5p"),
        ("tpu-v5lite", "Google TPU v5e"),
        ("TPU-trillium", "Google TPU v6e (Trillium)"),
        ("TPU v6e", "Google TPU v6e (Trillium)"),
        ("Intel Gaudi2", "Intel Gaudi 2"),
        ("Intel® Gaudi® 2 AI Accelerator", "Intel Gaudi 2"),
        ("Amazon Trainium2", "Amazon Trainium2"),
        ("Huawei Ascend 910A", "Huawei Ascend 910 (910A)"),
    ],
)
def test_one_device(name: str, device: str) -> None:
    """A name from a benchmark log or a table of models is the one device that it tells."""
    found = FACTS.product_names.identify(name)
    assert isinstance(found, Named)
    assert found.device.device == device


@pytest.mark.parametrize(
    "name",
    [
        "", "2", "910", "NVIDIA", "NVIDIA Hopper", "NVIDIA Blackwell GPU", "80GB HBM3",
        "AMD H100 SXM", "NVIDIA MI300X", "Intel Instinct MI300X",
        "NVIDIA H100-SXM5-48GB", "NVIDIA A100 SXM4 64GB", "NVIDIA A800 PCIe 64 GB", "NVIDIA H200 94GB",
        "NVIDIA B200 PCIe", "NVIDIA GB200 SXM", "NVIDIA GB200 Superchip", "NVIDIA B200 Ultra",
        "NVIDIA Quadro RTX 6000", "NVIDIA RTX 6000 Blackwell", "NVIDIA RTX PRO 6000 Ada", "NVIDIA H2000",
        "NVIDIA H20 0", "nvidia-h20-0", "NVIDIA L4-0", "NVIDIA B20 0", "NVIDIA A10 0", "NVIDIA A10-0 PCIe 80GB",
        "AMD Instinct MI300X CPX", "NVIDIA A100,NVIDIA H100", "8x NVIDIA H100", "Intel Gaudi", "TPU v8", "v4",
    ],
)  # fmt: skip
def test_no_device(name: str) -> None:
    """Another vendor's word, memory or a form that no such device has, a word or a number too many, is no device."""
    assert meant(name) == set()


@pytest.mark.parametrize(
    ("name", "devices", "low"),
    [
        ("NVIDIA A100", {"NVIDIA A100 SXM 40GB", "NVIDIA A100 SXM 80GB", "NVIDIA A100 PCIe"}, 1.0),
        ("NVIDIA A100-SXM4", {"NVIDIA A100 SXM 40GB", "NVIDIA A100 SXM 80GB"}, 1.0),
        ("NVIDIA A100 80GB", {"NVIDIA A100 SXM 80GB", "NVIDIA A100 PCIe"}, 1.0),
        ("NVIDIA H100", {"NVIDIA H100 SXM", "NVIDIA H100 PCIe", "NVIDIA H100 NVL"}, 756.5 / 989.5),
        ("NVIDIA H100-80GB", {"NVIDIA H100 SXM", "NVIDIA H100 PCIe"}, 756.5 / 989.5),
        ("NVIDIA H100 96GB HBM3", {"NVIDIA H100 SXM", "NVIDIA H100 NVL"}, 835.5 / 989.5),
        ("NVIDIA A800 PCIe 40 GB", {"NVIDIA A800", "NVIDIA A800 40GB Active"}, 1.0),
        ("NVIDIA V100", {"NVIDIA V100 SXM2", "NVIDIA V100 PCIe", "NVIDIA V100 DGXS"}, 112 / 125),
        ("TPU v5", {"Google TPU v5e", "Google TPU v5p"}, 197 / 459),
    ],
)
def test_one_of_several(name: str, devices: set[str], low: float) -> None:
    """Where a name does not tell which device is meant the estimate reaches from the slowest to the fastest of them."""
    assert meant(name) == devices
    peak = FACTS.peak(name)
    assert isinstance(peak, Peak)
    assert peak.training_peak_flop_per_second == max(
        FACTS.accelerators.devices[each].dense_tflop_per_second["fp16_bf16"] * 1e12
        for each in devices  # type: ignore[index]
    )
    assert (peak.part.low, peak.part.high) == pytest.approx((low, 1.0))
    assert peak.part.low <= peak.part.likely <= 1


def test_a_part_of_one_of_several() -> None:
    """A MIG instance of a device that the name does not tell is a part of one of them."""
    found = FACTS.product_names.identify("NVIDIA A100 MIG 1g.5gb")
    assert isinstance(found, OneOf)
    assert found.part == "MIG 1g.5gb"


@pytest.mark.parametrize(
    ("name", "paragraph", "note_2", "letter", "presumed"),
    [
        ("NVIDIA H100", "3A090.a.1", NoteTwo.APPLIES_NOT, Answer.NO, Presumed.NO),
        ("NVIDIA RTX PRO 6000", "3A090.a.1", NoteTwo.OPEN, Answer.NO, Presumed.NO),
        ("Huawei Ascend 910", "3A090.a", NoteTwo.APPLIES_NOT, Answer.NO, Presumed.PRESUMED),
        ("AWS Trainium", UNDETERMINED, NoteTwo.APPLIES_NOT, Answer.NO, Presumed.NO),
    ],
)
def test_control_of_one_of_several(
    name: str, paragraph: str, note_2: NoteTwo, letter: Answer, presumed: Presumed
) -> None:
    """Only what is so of every device that may be meant is answered; wherein they differ is not known."""
    found = FACTS.classifier.classify(name, NOW)
    assert (found.paragraph, found.note_2, found.letter, found.presumed) == (paragraph, note_2, letter, presumed)
    assert found.device == ""
    assert "nothing tells which" in found.reason


@given(st.sampled_from(NAMES), st.sampled_from([" 16GB", " 80 GB", "-141GB", " 192GB HBM3e", " HBM3", " 24GB GDDR6"]))
def test_memory_turns_no_device_into_another(name: str, memory: str) -> None:
    """A size or kind of memory after a name leaves the device, or of several some, or contradicts it."""
    assert meant(name + memory) <= meant(name)


@given(st.sampled_from(NAMES), st.sampled_from([" GPU", " Accelerator", " (Blackwell)", " OAM", " DLC", " 700W"]))
def test_words_that_tell_nothing(name: str, word: str) -> None:
    """A word that tells no devices apart never leads to a device that the name alone does not mean."""
    plain = meant(name)
    more = meant(name + word)
    assert more == set() or plain <= more


@given(st.sampled_from(NAMES), st.sampled_from([" {}", "-{}", " x{}", " #{}", ":{}", " GPU {}"]), st.integers(0, 16))
def test_a_number_after_a_name_turns_no_device_into_another(name: str, form: str, number: int) -> None:
    """An index or a count after a name leaves the device, a variant of it, or nothing: never one with more digits."""
    devices = FACTS.accelerators.devices
    plain = meant(name)
    variants = {variant for device in plain for variant in devices[device].variants}
    assert meant(name + form.format(number)) <= plain | variants


@given(st.sampled_from(NAMES))
def test_what_a_driver_says_is_one_device(name: str) -> None:
    """A driver's name means one device, whatever people call by a part of it."""
    assert isinstance(FACTS.product_names.identify(name), Named)
