import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.facts import facts_with

from policy.facts.accelerators import BITS, Device, ForDataCentres, Format, WholeNumberFormat
from policy.facts.classification import NoteTwo
from policy.facts.eccn import UNDETERMINED, Quantity, figures_of
from policy.facts.evidence import Answer, Evidence
from policy.facts.peaks import NoPeak, Peak
from policy.facts.presumed import Presumed
from policy.facts.product_names import Named, Unclassified
from policy.facts.reading import load_facts
from policy.facts.tables import FactsError

FACTS = load_facts()
NOW = date(2026, 11, 29)
GOLDEN = Path(__file__).parent.parent / "golden/facts/accelerators.csv"
CATALOGUE = {row["device"]: row for row in csv.DictReader(GOLDEN.read_text(encoding="utf-8").splitlines())}
CLASSIFIER = FACTS.classifier
NAMES = [name for name, _, _ in FACTS.product_names.known]
PARAMETERS = FACTS.control.parameters_of(NOW)
SERVER_EDITION = "NVIDIA RTX PRO 6000 Blackwell Server Edition"


def known(name: str) -> Peak:
    """Find the peaks of a name that must have some."""
    found = FACTS.peak(name)
    assert isinstance(found, Peak)
    return found


def named(name: str) -> Named:
    """Find a name that must be in the catalogue."""
    found = FACTS.product_names.identify(name)
    assert isinstance(found, Named)
    return found


@pytest.mark.parametrize("device", CATALOGUE)
def test_catalogue(device: str) -> None:
    """Every row's TPP, performance density and paragraph are those computed apart from this code, from data sheets."""
    row, of_device = CATALOGUE[device], FACTS.accelerators.devices[device]
    assert of_device.tpp is not None
    assert of_device.tpp.value == pytest.approx(float(row["tpp"]), abs=0.51)
    if row["performance_density"]:
        assert of_device.performance_density == pytest.approx(float(row["performance_density"]), abs=0.0051)
    assert CLASSIFIER.classify(device, NOW).by_numbers == row["paragraph"]


def test_beyond_the_catalogue() -> None:
    """Devices without figures are there, so that a letter or a guidance can name them; their paragraph is not known."""
    devices = FACTS.accelerators.accelerator
    without = {device.device for device in devices if device.tpp is None and not device.variants}
    assert {"AMD MI308X", "Huawei Ascend 910D"} <= without
    assert {CLASSIFIER.classify(name, NOW).by_numbers for name in without} == {UNDETERMINED}


@pytest.mark.parametrize("name", ["Huawei Ascend 910B", "Huawei device d802"])
def test_variants_tell_what_all_of_them_meet(name: str) -> None:
    """Of a device that is known by its variants that part of the entry is known that every variant meets."""
    found = CLASSIFIER.classify(name, NOW)
    assert (found.device, found.by_numbers, found.paragraph) == ("Huawei Ascend 910B", "3A090.a", "3A090.a")
    assert (found.presumed, found.margin) == (Presumed.NAMED, None)
    assert CLASSIFIER.classify(name, date(2025, 1, 1)).presumed is Presumed.NO


@pytest.mark.parametrize(
    ("name", "quantity", "threshold", "percent"),
    [
        ("NVIDIA A10", Quantity.DENSITY, 3.2, -0.5),
        ("NVIDIA A40", Quantity.TPP, 2400, -0.2),
        ("NVIDIA L20", Quantity.DENSITY, 3.2, -1.7),
        ("NVIDIA L2", Quantity.TPP, 1600, -3.5),
        ("NVIDIA A30", Quantity.DENSITY, 3.2, 0.0),
        ("NVIDIA H20", Quantity.TPP, 2400, -1.3),
        ("AMD MI325X", Quantity.TPP, 21000, -0.4),
        ("NVIDIA GeForce RTX 4090 D", Quantity.TPP, 4800, -1.9),
        ("NVIDIA GeForce RTX 5090 D", Quantity.TPP, 4800, -1.0),
        ("NVIDIA A100 SXM 80GB", Quantity.TPP, 4800, 4.0),
    ],
)
def test_margins(name: str, quantity: Quantity, threshold: float, percent: float) -> None:
    """A device on the edge says which threshold it is nearest to, and by how much."""
    margin = CLASSIFIER.classify(name, NOW).margin
    assert margin is not None
    assert (margin.quantity, margin.threshold) == (quantity, threshold)
    assert 100 * margin.ratio == pytest.approx(percent, abs=0.05)
    assert abs(margin.ratio) < FACTS.control.knife_edge.value


def test_what_lies_beyond_the_edge() -> None:
    """The margin says what would follow on the other side."""
    beyond = {name: CLASSIFIER.classify(name, NOW).margin for name in ("NVIDIA A10", "NVIDIA A40", "AMD MI325X")}
    assert {name: margin.beyond for name, margin in beyond.items() if margin} == {
        "NVIDIA A10": "3A090.b.2",
        "NVIDIA A40": "3A090.b.1",
        "AMD MI325X": "presumption of denial",
    }


def test_controlled_by_letter() -> None:
    """The H20 is none by its numbers and controlled by letter, which binds its addressee, from that day on."""
    found = CLASSIFIER.classify("NVIDIA H20-3e", NOW)
    assert (found.device, found.paragraph, found.letter) == ("NVIDIA H20", "none", Answer.YES)
    assert [letter.addressee for letter in found.letters] == ["NVIDIA"]
    assert "addressed to NVIDIA" in found.reason
    assert "ask counsel whether it reaches you" in found.reason
    assert CLASSIFIER.classify("NVIDIA H20", date(2025, 4, 8)).letter is Answer.NO
    assert CLASSIFIER.classify("AMD Instinct MI308X", NOW).letters[0].addressee == "AMD"
    assert CLASSIFIER.classify("NVIDIA H200", NOW).letter is Answer.NO


def test_slow_and_controlled() -> None:
    """The L4 is 3A090.a.2 by its density although it is slow."""
    assert CLASSIFIER.classify("NVIDIA L4", NOW).paragraph == "3A090.a.2"


@pytest.mark.parametrize(
    ("name", "by_numbers", "note_2", "paragraph"),
    [
        ("NVIDIA GeForce RTX 4090", "3A090.a.1", NoteTwo.SEE_EXCEPTIONS, "3A090.a.1"),
        ("NVIDIA RTX 6000 Ada Generation", "3A090.a.1", NoteTwo.OPEN, "3A090.a.1"),
        ("NVIDIA RTX A6000", "3A090.b.1", NoteTwo.OPEN, "3A090.b.1"),
        ("NVIDIA RTX 5880 Ada Generation", "3A090.a.2", NoteTwo.OPEN, "3A090.a.2"),
        ("NVIDIA GeForce RTX 4090 D", "3A090.a.2", NoteTwo.OUTSIDE, "none"),
        ("NVIDIA H100 NVL", "3A090.a.1", NoteTwo.APPLIES_NOT, "3A090.a.1"),
    ],
)
def test_note_2(name: str, by_numbers: str, note_2: NoteTwo, paragraph: str) -> None:
    """Whether an item is for data centres changes what follows; where that is disputed, people decide."""
    found = CLASSIFIER.classify(name, NOW)
    assert (found.by_numbers, found.note_2, found.paragraph) == (by_numbers, note_2, paragraph)


def test_outside_by_note_2() -> None:
    """Below the limit of Note 2 an item that is not for data centres is outside the paragraph that its numbers meet."""
    device = replace(FACTS.accelerators.devices["NVIDIA L40"], designed_for_data_centres=ForDataCentres.NO)
    changed = replace(FACTS.accelerators, accelerator=(device,))
    found = replace(FACTS, accelerators=changed).classifier.classify("NVIDIA L40", NOW)
    assert (found.by_numbers, found.note_2, found.paragraph) == ("3A090.b.1", NoteTwo.OUTSIDE, "none")
    assert "outside by Note 2" in found.reason


def test_parameters_are_dated() -> None:
    """Before the entry nothing was named by it; its first version asked for interconnect, and later ones do not."""
    answers = [CLASSIFIER.classify("NVIDIA A100-SXM4-80GB", at).by_numbers for at in (date(2022, 1, 1), NOW)]
    assert answers == ["none", "3A090.a.1"]
    assert CLASSIFIER.classify("NVIDIA A10", date(2023, 1, 1)).by_numbers == "none"
    first = FACTS.control.parameters_of(date(2023, 1, 1))
    figures = {**figures_of(FACTS.accelerators.devices["NVIDIA A100 SXM 80GB"])}
    assert first.paragraph({**figures, Quantity.INTERCONNECT: 600.0}) == "3A090"
    assert first.paragraph({**figures, Quantity.INTERCONNECT: 400.0}) == "none"
    assert first.paragraph({**figures, Quantity.INTERCONNECT: None}) == UNDETERMINED


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("NVIDIA H200", "case by case"),
        ("AMD MI325X", "case by case"),
        ("NVIDIA B200", "presumption of denial"),
        ("AMD MI308X", UNDETERMINED),
    ],
)
def test_review_policy(name: str, policy: str) -> None:
    """The window of January 2026 looks at TPP and memory bandwidth together; what is not known is not within it."""
    (window,) = [each for each in FACTS.control.review_policy if each.valid_from == date(2026, 1, 15)]
    assert window.of(figures_of(named(name).device)) == policy
    assert window.destinations == ("CN", "MO")


@pytest.mark.parametrize(
    ("name", "presumed"),
    [
        ("Huawei Ascend 910B1", Presumed.NAMED),
        ("Ascend910B4", Presumed.NAMED),
        ("Huawei device d802", Presumed.NAMED),
        ("Huawei Ascend 910C", Presumed.NAMED),
        ("Huawei Ascend 910D", Presumed.NAMED),
        ("Huawei Ascend 910 (910A)", Presumed.PRESUMED),
        ("Huawei Ascend 950PR", Presumed.CLASSIFY),
        ("Cambricon MLU590", Presumed.CLASSIFY),
        ("MTT S4000", Presumed.CLASSIFY),
        ("Huawei device d107", Presumed.CLASSIFY),
        ("NVIDIA H100 80GB HBM3", Presumed.NO),
        ("NVIDIA Graphics Device", Presumed.NO),
        ("Accelerator of nobody", Presumed.UNKNOWN),
    ],
)
def test_presumption(name: str, presumed: Presumed) -> None:
    """What BIS's guidance names, what it reaches by its developer, what has to be classified, and what nobody knows."""
    assert CLASSIFIER.classify(name, NOW).presumed is presumed


@pytest.mark.parametrize(
    "name", ["AMD 910B1", "NVIDIA compatible MXC500", "PPU-ZW810E (NVIDIA A100)", "Intel MTT S4000", "10de:2330 Ascend"]
)
def test_words_of_two_vendors_clear_nothing(name: str) -> None:
    """Where the name tells two vendors nobody knows who developed the device, whichever of them is named first."""
    found = CLASSIFIER.classify(name, NOW)
    assert (found.vendor, found.presumed) == ("", Presumed.UNKNOWN)


def test_no_presumption_before_the_guidance() -> None:
    """Before the guidance nothing was presumed."""
    assert CLASSIFIER.classify("Huawei Ascend 910B1", date(2025, 5, 12)).presumed is Presumed.NO


@pytest.mark.parametrize("name", ["", "NVIDIA H300", "Foo", "NVIDIA Graphics Device", "H100 MIG 9z", "AMD 910B1"])
def test_unclassified(name: str) -> None:
    """A name that is not in the catalogue is unclassified, whatever its vendor, and a letter may name it."""
    found = CLASSIFIER.classify(name, NOW)
    assert (found.paragraph, found.by_numbers, found.device) == ("unclassified", "unclassified", "")
    assert found.letter is Answer.UNKNOWN
    assert "unclassified" in found.reason


@pytest.mark.parametrize(
    ("name", "device", "part"),
    [
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA H100 SXM", "MIG 3g.40gb"),
        ("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb", "NVIDIA H100 SXM", "MIG 1c.3g.40gb"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb+me", "NVIDIA A100 SXM 40GB", "MIG 1g.5gb+me"),
        ("NVIDIA-H100-80GB-HBM3-MIG-3g.40gb", "NVIDIA H100 SXM", "MIG 3g.40gb"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me", "NVIDIA H100 SXM", "MIG 1g.10gb.me"),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED", "NVIDIA A100 SXM 40GB", "MIG 1g.5gb"),
        (f"{SERVER_EDITION} MIG 1g.24gb-me", SERVER_EDITION, "MIG 1g.24gb-me"),
        (f"{SERVER_EDITION} MIG 1g.24gb+me.all", SERVER_EDITION, "MIG 1g.24gb+me.all"),
        (f"{SERVER_EDITION} MIG 4g.96gb+gfx", SERVER_EDITION, "MIG 4g.96gb+gfx"),
        ("GRID A100-40C", "NVIDIA A100 PCIe", "vGPU 40C"),
        ("NVIDIA H100XM-80C", "NVIDIA H100 SXM", "vGPU 80C"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "NVIDIA H100 SXM", ""),
        ("NVIDIA-H100-80GB-HBM3", "NVIDIA H100 SXM", ""),
        ("H200", "NVIDIA H200 SXM", ""),
        ("nvidia l40s", "NVIDIA L40S", ""),
        ("10de:2330", "NVIDIA H100 SXM", ""),
        ("AMD device 74a2", "AMD MI308X", ""),
        ("AMD Aqua Vanjaram [Instinct MI300X]", "AMD MI300X", ""),
        ("Habana Gaudi 2", "Intel Gaudi 2", ""),
    ],
)
def test_names(name: str, device: str, part: str) -> None:
    """A device is found by NVML's name, a label, a number on the bus or plainly; an instance or vGPU by its parent."""
    found = named(name)
    assert (found.device.device, found.part) == (device, part)


def test_a_name_is_no_other_device() -> None:
    """A name that merely looks like another's is not taken for it; the like are suggested."""
    found = FACTS.product_names.identify("NVIDIA H100 SX")
    assert isinstance(found, Unclassified)
    assert "NVIDIA H100 SXM" in found.suggestions
    assert isinstance(FACTS.product_names.identify("NVIDIA H2000"), Unclassified)


@given(st.sampled_from(NAMES), st.booleans(), st.booleans())
def test_case_and_hyphens_do_not_count(name: str, small: bool, hyphens: bool) -> None:
    """Every known name is found in any case and as a label, and gives the same device."""
    written = name.replace(" ", "-") if hyphens else name
    assert named(written.lower() if small else written).device is named(name).device


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
    assert known("Intel Gaudi 3").evidence is Evidence.SECONDARY
    assert known("HL-325L").evidence is Evidence.UNVERIFIED
    assert known("NVIDIA L40S").evidence is Evidence.UNVERIFIED


@pytest.mark.parametrize(
    ("name", "reason", "suggestion"),
    [
        ("NVIDIA H100 SX", "not in the facts", "NVIDIA H100 SXM"),
        ("NVIDIA H100 80GB HBM3 MIG 6g.40gb", "how much of the NVIDIA H100 SXM its MIG 6g.40gb has is not", None),
        ("NVIDIA L4-48C", "how much of the NVIDIA L4 its vGPU 48C has is not", None),
        ("Tesla V100-SXM2-16GB MIG 1g.2gb", "has is not in the facts", None),
        ("AMD Instinct MI308X", "16-bit peak is not", None),
        ("", "not in the facts", None),
    ],
)
def test_no_peak_is_a_value(name: str, reason: str, suggestion: str | None) -> None:
    """A name without usable peaks gives a value with the reason, and what may have been meant."""
    unknown = FACTS.peak(name)
    assert isinstance(unknown, NoPeak)
    assert reason in unknown.reason
    assert (suggestion in unknown.suggestions) if suggestion else unknown.suggestions == ()


amounts = st.floats(min_value=0.1, max_value=1e5)
figures = st.fixed_dictionaries({quantity: amounts | st.none() for quantity in Quantity})


def severity(paragraph: str) -> int:
    """How far up the entry a paragraph is, the highest first."""
    return ["3A090.a.1", "3A090.a.2", "3A090.b.1", "3A090.b.2", "none"].index(paragraph)


@given(st.fixed_dictionaries(dict.fromkeys(Quantity, amounts)))
def test_every_known_device_has_a_paragraph(device: dict[Quantity, float]) -> None:
    """Known figures leave nothing undetermined, and .a is met exactly as its text says."""
    tpp, density = device[Quantity.TPP], device[Quantity.DENSITY]
    paragraph = PARAMETERS.paragraph(device)
    assert paragraph.startswith("3A090.a") is (tpp >= 4800 or (tpp >= 1600 and density >= 5.92))
    b = 1600 <= tpp < 4800 and 1.6 <= density < 5.92 and (density >= 3.2 or tpp >= 2400)
    assert paragraph.startswith("3A090.b") is b


@given(st.fixed_dictionaries(dict.fromkeys(Quantity, amounts)), st.floats(1.0, 10.0))
def test_more_is_never_less(device: dict[Quantity, float], factor: float) -> None:
    """A denser and faster device is never further down the entry."""
    more = {quantity: figure * factor for quantity, figure in device.items()}
    assert severity(PARAMETERS.paragraph(more)) // 2 <= severity(PARAMETERS.paragraph(device)) // 2


@given(figures, st.fixed_dictionaries(dict.fromkeys(Quantity, amounts)))
def test_what_is_not_known_decides_nothing(device: dict[Quantity, float | None], filled: dict[Quantity, float]) -> None:
    """A paragraph given without a figure is the one that follows whatever that figure is."""
    paragraph = PARAMETERS.paragraph(device)
    whole = {quantity: filled[quantity] if figure is None else figure for quantity, figure in device.items()}
    assert paragraph in (UNDETERMINED, PARAMETERS.paragraph(whole))


def rates() -> Iterator[st.SearchStrategy[tuple[Format | WholeNumberFormat, float]]]:
    """One rate in each format."""
    for each in BITS:
        yield st.tuples(st.just(each), amounts)


@given(st.lists(st.one_of(*rates()), min_size=1, unique_by=lambda pair: pair[0]), amounts)
def test_tpp(pairs: list[tuple[Format | WholeNumberFormat, float]], area: float) -> None:
    """TPP is the highest rate times bit length over all formats, and density is TPP over the area."""
    device = a_device(dict(pairs), area)
    assert device.tpp is not None
    assert device.tpp.value == max(rate * BITS[each] for each, rate in pairs)
    assert device.tpp.value == dict(pairs)[device.tpp.format] * BITS[device.tpp.format]
    assert device.performance_density == pytest.approx(device.tpp.value / area)


def a_device(of: dict[Format | WholeNumberFormat, float], area: float) -> Device:
    """A device with these rates and this area."""
    return replace(
        FACTS.accelerators.devices["NVIDIA L40"],
        dense_tflop_per_second={each: rate for each, rate in of.items() if isinstance(each, Format)},
        dense_teraop_per_second={each: rate for each, rate in of.items() if isinstance(each, WholeNumberFormat)},
        die_area_mm2=area,
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "table", "problem"),
    [
        ("accelerators.toml", '"NVIDIA H200"', '"NVIDIA H20"', "[accelerator] ", "already names"),
        ("accelerators.toml", "fp16_bf16 = 989.5", "fp16_bf16 = 0", "[accelerator] ", "not above 0"),
        ("accelerators.toml", "fp16_bf16 = 989.5", "bf16 = 989.5", "[accelerator] ", "'bf16' will not do"),
        ("accelerators.toml", "fp16_bf16 = 989.5", 'fp16_bf16 = "989.5"', "[accelerator] ", "'989.5' will not do"),
        ("accelerators.toml", "fp16_bf16 = 989.5", "fp16_bf16 = nan", "[accelerator] ", "nan will not do"),
        ("accelerators.toml", "fp16_bf16 = 989.5", "fp16_bf16 = true", "[accelerator] ", "true will not do"),
        ("accelerators.toml", "memory_gb = [80]", 'memory_gb = ["80"]', "[accelerator] ", "memory_gb[1]: '80' will"),
        ("accelerators.toml", "die_area_mm2 = 814", "die_area_mm2 = -1", "[accelerator] ", "not above 0"),
        ("accelerators.toml", 'vendor = "NVIDIA"', 'vendor = "Nvidea"', "[accelerator] ", "no vendor 'Nvidea'"),
        ("accelerators.toml", 'headquarters = "US"', 'headquarters = "USA"', "[vendor] NVIDIA", "no alpha-2 code"),
        ("accelerators.toml", '"10de:2330"', '"10de:20f1"', "[accelerator] ", "already names"),
        ("accelerators.toml", '"1002:7408"', '"1002:740f"', "[accelerator] AMD MI250X", "already names AMD MI210"),
        ("accelerators.toml", "dies = 2\n", "", "[accelerator] ", "not shown one by one"),
        ("accelerators.toml", "dies = 2", "dies = 0", "[accelerator] ", "not shown one by one"),
        ("control.toml", "valid_to = 2022-10-07", "valid_to = 2022-10-01", "[parameters]", "gap before"),
        ("control.toml", "valid_to = 2022-10-07", "valid_to = 2022-11-01", "[parameters]", "overlap before"),
        ("control.toml", "valid_to = 2022-10-07\n", "", "[parameters]", "overlap before"),
        ("control.toml", 'devices = ["NVIDIA H20"]', 'devices = ["H20"]', "[letter] h20_2025", "no accelerator is"),
        ("control.toml", 'destinations = ["CN", "MO"]', 'destinations = ["CN", "Macau"]', "[review_policy]", "alpha-2"),
        ("control.toml", "tpp_below = 21000", "tpp_less_than = 21000", "[review_policy] ", "unknown key"),
    ],
)
def test_bad_rows(file: str, old: str, new: str, table: str, problem: str) -> None:
    """A name of two devices, an amount that is none, a version with a gap and a device nobody knows are refused."""
    with pytest.raises(FactsError) as caught:
        facts_with(file, old, new)
    assert problem in str(caught.value)
    assert (caught.value.file, caught.value.table[: len(table)]) == (file, table)
