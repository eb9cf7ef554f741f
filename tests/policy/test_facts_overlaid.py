"""What a provider's overlays change in answers, and that whatever they change says so."""

from datetime import date

import pytest
from support.facts import an_overlay
from support.judgement import START, a_subject, accelerators_frame, subjects_frame

from policy.facts.classification import NoteTwo
from policy.facts.evidence import Answer, Evidence
from policy.facts.facts import Facts
from policy.facts.presumed import Presumed
from policy.facts.product_names import Named
from policy.facts.reading import load_facts
from policy.facts.tables import FactsError
from policy.rules.evaluate import evaluate
from policy.rules.pack import load_pack

FACTS = load_facts()
NOW = date(2026, 11, 29)
SAYS = "override counsel: counsel has read it"
PART = """
[[accelerators.accelerator]]
device = "NAME"
vendor = "VENDOR"
designed_for_data_centres = "yes"
sources = ["own_choice"]
"""


def overlaid(rows: str) -> Facts:
    """The shipped facts with these rows over them."""
    return load_facts([an_overlay(rows)])


def a_part(name: str, vendor: str, more: str) -> str:
    """An accelerator that a provider adds."""
    return PART.replace("NAME", name).replace("VENDOR", vendor) + more


def test_a_part_of_which_only_the_tpp_is_known_is_written_by_a_sixteenth_of_it() -> None:
    """As the comments of the file tell its author: the rate at 16 bits that yields the TPP of the sheet."""
    row = a_part("NVIDIA X9", "NVIDIA", "dense_tflop_per_second = { fp16_bf16 = 500 }\n")
    found = overlaid(row).classifier.classify("NVIDIA X9", NOW)
    assert "TPP 8,000 at fp16_bf16" in found.reason


# Adding a part never turns what is not known into a no


@pytest.mark.parametrize(
    ("gb_per_second", "letter"), [("4800", Answer.YES), ("3999", Answer.NO), (None, Answer.UNKNOWN)], ids=str
)
def test_a_letter_reaches_other_parts(gb_per_second: str | None, letter: Answer) -> None:
    """A part of the addressee below 3A090 is reached by its bandwidth; one whose bandwidth nobody gave may be."""
    more = f"memory_bandwidth_gb_per_second = [{gb_per_second}]\n" if gb_per_second else ""
    rates = 'dense_tflop_per_second = { fp16_bf16 = 90 }\nrates = "complete"\n'
    found = overlaid(a_part("NVIDIA H20E", "NVIDIA", rates + more)).classifier.classify("NVIDIA H20E", NOW)
    assert (found.paragraph, found.letter) == ("none", letter)


def test_a_part_of_somebody_else_is_not_reached() -> None:
    """A letter to one company says nothing of another's devices."""
    more = 'memory_bandwidth_gb_per_second = [4800]\ndense_tflop_per_second = { fp16_bf16 = 90 }\nrates = "complete"\n'
    assert overlaid(a_part("AMD X", "AMD", more)).classifier.classify("AMD X", NOW).letter is Answer.NO


def test_rates_that_may_be_missing_prove_nothing() -> None:
    """A few rates can meet a threshold and never lie below one, unless the row says that no format is missing."""
    low, high = "dense_tflop_per_second = { fp32 = 24 }\n", "dense_tflop_per_second = { fp16_bf16 = 400 }\n"
    part = a_part("Biren BR104", "Biren", low)
    found = overlaid(part).classifier.classify("Biren BR104", NOW)
    assert (found.by_numbers, found.presumed) == ("undetermined", Presumed.CLASSIFY)
    whole = overlaid(part + 'rates = "complete"\n').classifier.classify("Biren BR104", NOW)
    assert (whole.by_numbers, whole.presumed) == ("none", Presumed.NO)
    met = overlaid(a_part("Biren BR104", "Biren", high)).classifier.classify("Biren BR104", NOW)
    assert (met.by_numbers, met.presumed) == ("3A090.a.1", Presumed.PRESUMED)


def test_note_2_and_what_is_not_known() -> None:
    """A part that is not for data centres is outside by Note 2 only where no missing rate could lift it above."""
    rates = (
        "dense_tflop_per_second = { fp16_bf16 = 150 }\ndie_area_mm2 = 400\nmemory_bandwidth_gb_per_second = [4800]\n"
    )
    part = a_part("NVIDIA RTX X", "NVIDIA", rates).replace('centres = "yes"', 'centres = "no"')
    maybe = overlaid(part).classifier.classify("NVIDIA RTX X", NOW)
    assert (maybe.note_2, maybe.paragraph) == (NoteTwo.OPEN, maybe.by_numbers)
    outside = overlaid(part + 'rates = "complete"\n').classifier.classify("NVIDIA RTX X", NOW)
    assert (outside.by_numbers, outside.note_2, outside.paragraph) == ("3A090.a.2", NoteTwo.OUTSIDE, "none")
    assert outside.letter is Answer.YES


def test_every_presumption_counts() -> None:
    """The most serious of all presumptions in force is the answer, whoever wrote it."""
    row = """
    [[control.presumption]]
    id = "ours"
    title = "counsel's reading"
    named_devices = ["NVIDIA H20"]
    developer_scope = "as counsel says"
    text = "x"
    exception = "none"
    switch = "gp10_guidance_2025_05_13"
    sources = ["own_choice"]
    """
    facts = overlaid(row)
    assert facts.classifier.classify("NVIDIA H20", NOW).presumed is Presumed.NAMED
    assert facts.classifier.classify("Huawei Ascend 910C", NOW).presumed is Presumed.NAMED


def test_a_presumption_is_as_its_switch() -> None:
    """While the guidance is switched off nothing is presumed by it."""
    off = """
    [[switches.switch]]
    id = "gp10_guidance_2025_05_13"
    title = "guidance"
    governs = "accelerators"
    [[switches.switch.state]]
    state = "off"
    sources = ["own_choice"]
    """
    assert overlaid(off).classifier.classify("Huawei Ascend 910C", NOW).presumed is Presumed.NO


@pytest.mark.parametrize("begins", ["2020-01-02", "2026-12-01"])
def test_a_switch_says_how_it_stood_all_the_time(begins: str) -> None:
    """An overlay that gives only a switch's newest state is refused: before it nothing would be presumed by it."""
    newest = f"""
    [[switches.switch]]
    id = "gp10_guidance_2025_05_13"
    title = "guidance"
    governs = "accelerators"
    [[switches.switch.state]]
    valid_from = {begins}
    state = "on"
    sources = ["own_choice"]
    """
    with pytest.raises(FactsError, match=f"nothing is said from 2020-01-01 until {begins}") as caught:
        overlaid(newest)
    assert "repeat the earlier states" in caught.value.remedy


@pytest.mark.parametrize(("counts_as", "answer"), [("MO", Answer.YES), ("ET", Answer.UNKNOWN), ("DE", Answer.NO)])
def test_treated_as_has_the_other_s_whole_answer(counts_as: str, answer: Answer) -> None:
    """A territory treated as another is in scope, watched or neither, as that one is."""
    row = f"[[jurisdictions.treated_as]]\ncountry = 'TW'\ncounts_as = '{counts_as}'\nsources = ['own_choice']\n"
    assert overlaid(row).jurisdictions.in_scope("TW", NOW).answer is answer


@pytest.mark.parametrize("name", ["BI-V150", "MR-V100", "K100_AI", "T-Head 810E", "MLU370", "Kunlun P800"])
def test_every_way_of_writing_is_recognised(name: str) -> None:
    """Words with hyphens and underscores are found in a name like others."""
    assert load_facts().classifier.classify(name, NOW).presumed is Presumed.CLASSIFY


# Every trace


@pytest.mark.parametrize(
    ("rows", "country"),
    [
        (
            "[[jurisdictions.watch]]\ncountry = 'ET'\nvalid_from = 2021-11-01\nvalid_to = 2021-11-02\nwhy = 'x'\n"
            "sources = ['own_choice']\n",
            "ET",
        ),
        (
            "[[jurisdictions.named_beside]]\ncountry = 'MO'\nvalid_from = 2023-01-17\nvalid_to = 2023-01-18\n"
            "sources = ['own_choice']\n",
            "MO",
        ),
        (
            "[[jurisdictions.treated_as]]\ncountry = 'HK'\ncounts_as = 'CN'\nvalid_from = 2020-12-23\n"
            "valid_to = 2020-12-24\nsources = ['own_choice']\n",
            "HK",
        ),
    ],
)
def test_a_row_put_in_place_of_ours_is_told(rows: str, country: str) -> None:
    """Where an overlay ends a row, the answer that follows says whose overlay it is, and no other answer does."""
    answers = overlaid(rows).jurisdictions
    found = answers.in_scope(country, NOW)
    assert found.answer is Answer.NO
    assert "override counsel put another row in place of jurisdictions." in found.reason
    assert "override" not in answers.in_scope("DE", NOW).reason


def test_a_vendor_s_seat_is_told() -> None:
    """Whoever moves a developer's seat stands among the sources of every answer about its parts."""
    row = "[[accelerators.vendor]]\nid = 'Huawei'\nheadquarters = 'US'\nwords = ['huawei']\nsources = ['own_choice']\n"
    found = overlaid(row).classifier.classify("Huawei Ascend 910 (910A)", NOW)
    assert found.presumed is Presumed.NO
    assert any(SAYS in source.line for source in found.sources)


CONSTANT = "value = VALUE\nunit = 'ratio'\nwhy = 'measured'\nbasis = 'measured'\nsources = ['own_choice']\n"


@pytest.mark.parametrize(
    "rows",
    [
        "[estimation.utilisation_low]\n" + CONSTANT.replace("VALUE", "0.01"),
        "[training_signals.w_gang_64]\n" + CONSTANT.replace("VALUE", "3.0").replace("ratio", "score"),
        "[stitching.w_nodes]\n" + CONSTANT.replace("VALUE", "0.4").replace("ratio", "score"),
        "[tiers.near_tier_ratio]\n" + CONSTANT.replace("VALUE", "0.7"),
        "[[tiers.tier]]\nname = 'review'\nflop = 1e23\nbasis = 'as it was'\nnote = 'x'\nsources = ['own_choice']\n",
    ],
    ids=["utilisation", "weight", "stitch", "near", "tier"],
)
def test_a_number_that_decides_is_told(rows: str) -> None:
    """A finding whose tier, utilisation, weights or limits are not as they ship names the overlay among its sources."""
    facts = overlaid(rows)
    subject = subjects_frame(a_subject(hq_in_scope="yes", hq_own="yes", piece_count=2.0, near_tier_runs=3.0))
    found = evaluate(load_pack(), subject, accelerators_frame(), facts, START)
    assert {finding.rule_id for finding in found} == {"training-in-scope-headquarters", "repeated-totals-below-a-tier"}
    assert any(SAYS in line for finding in found for line in finding.sources)


def test_a_document_is_told() -> None:
    """A row of ours that cites a document of the overlay's says so."""
    row = """
    [sources.own_choice]
    citation = "a choice of the provider's"
    evidence = "unverified"
    read_on = 2026-11-28
    review_by = 2027-04-30
    """
    source = overlaid(row).tiers.by_name["review"].source
    assert SAYS in getattr(source, "line", "")


# What cannot be meant

CRITERIA = """
[[control.parameters]]
valid_from = 2023-11-17
criteria = [CRITERION]
sources = ["own_choice"]
"""
POLICY = """
[[control.review_policy]]
valid_from = 2027-01-15
destinations = ["MO"]
policy = "case by case"
otherwise = "presumption of denial"
text = "x"
sources = ["own_choice"]
"""
THRESHOLD = """
[[tiers.legal_threshold]]
id = "a_draft"
law = "A draft"
value = VALUE
unit = "FLOP"
condition = "x"
state = [{ state = "proposed" }]
sources = ["own_choice"]
"""
GEFORCE = "[[accelerators.vendor]]\nid = 'Lisuan'\nheadquarters = 'CN'\nwords = ['geforce']\nsources = ['own_choice']\n"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (CRITERIA.replace("CRITERION", "{ paragraph = '3A090.a', tpp_at_least = 0 }"), "nothing has tpp within 0"),
        (CRITERIA.replace("CRITERION", "{ paragraph = '3A090.a' }"), "has no bound"),
        (CRITERIA.replace("CRITERION", "{ paragraph = 'none', tpp_at_least = 1 }"), "is no paragraph"),
        (CRITERIA.replace("CRITERION", "{ paragraph = 'x', tpp_at_least = 9, tpp_below = 8 }"), "nothing has tpp"),
        (GEFORCE, "'geforce' already tells NVIDIA"),
        (GEFORCE.replace("geforce", "Mine"), "'Mine' will not do"),
        (a_part("AMD X", "AMD", "pci = ['1002:74A2']\n"), "'1002:74A2' will not do"),
        (
            "[training_signals.w_sustained]\n" + CONSTANT.replace("VALUE", "-9.0").replace("ratio", "score"),
            "-9 is not in 0 to 100",
        ),
        (
            "[training_signals.p_turns]\n" + CONSTANT.replace("VALUE", "-1.0").replace("ratio", "turns a day"),
            "-1 is not in 0 to 1e+18",
        ),
        ("[training_signals.p_blind_ratio]\n" + CONSTANT.replace("VALUE", "5.0"), "5 is not in 0 to 1"),
        ("[stitching.same_size_ratio]\n" + CONSTANT.replace("VALUE", "10.0"), "10 is above 1"),
        (
            "[stitching.resume_seconds]\n" + CONSTANT.replace("VALUE", "72").replace("ratio", "hours"),
            "'hours' is not the unit that it is used in",
        ),
        ("[control.knife_edge]\n" + CONSTANT.replace("VALUE", "0.05").replace("ratio", "percent"), "is not the unit"),
        (
            "[sources.memo]\ncitation = 'x'\nevidence = 'secondary'\nread_on = 2026-11-23\nreview_by = 9999-12-31\n",
            "more than two years after read_on",
        ),
        (
            a_part("NVIDIA H300", "NVIDIA", "dense_tflop_per_second = { fp16_bf16 = 9.89e14 }\n"),
            "9.89e+14 is more than any device has",
        ),
        *(
            (a_part("NVIDIA H300", "NVIDIA", f"{figures}\n"), problem)
            for figures, problem in (
                ("dense_tflop_per_second = { fp16_bf16 = 0.5 }", "0.5 is less than any device has"),
                ("dense_teraop_per_second = { int8 = 0.9 }", "0.9 is less than any device has"),
                ("memory_gb = [81559]", "81559 is more than any device has"),
                ("memory_bandwidth_gb_per_second = [3.35]", "3.35 is less than any device has"),
                ("die_area_mm2 = 8.14", "8.14 is less than any device has"),
            )
        ),
        (
            "[[board_power.board_power]]\ndevice = 'NVIDIA H20'\nwatts = 4e8\nsources = ['own_choice']\n",
            "4e+08 is more than any board draws",
        ),
        (POLICY + "tpp_below = -21000\n", "nothing is below -21000"),
        (POLICY + "dram_bandwidth_gb_per_second_below = 0\n", "nothing is below 0"),
        (THRESHOLD.replace("VALUE", "-1e26"), "-1e+26 is not above 0"),
        ("[training_signals.min_observed_ratio]\n" + CONSTANT.replace("VALUE", "-1.0"), "-1 is not in 0 to 1"),
        ("[control.knife_edge]\n" + CONSTANT.replace("VALUE", "-5.0"), "not in 0 to 1"),
        ("[control]\nremoved = []\n", "no such table"),
        (
            "[sources.own_choice]\ncitation = 'Federal Register'\nevidence = 'official'\nread_on = 2026-11-23\n"
            "review_by = 2027-04-30\n",
            "is official and was unverified, without a newer reading",
        ),
        (
            "[[remove]]\ntable = 'switches.switch'\nkey = ['gp10_guidance_2025_05_13']\nreason = 'x'\n",
            "there is no switch 'gp10_guidance_2025_05_13'",
        ),
    ],
)
def test_refused(rows: str, problem: str) -> None:
    """A criterion, a word, a weight or a document that cannot be meant is refused, whoever wrote it."""
    with pytest.raises(FactsError) as caught:
        overlaid(rows)
    assert problem in caught.value.problem


# What nobody has verified


DOUBT = "which nobody has verified"


@pytest.mark.parametrize("name", FACTS.accelerators.devices)
def test_unverified_figures_are_told(name: str) -> None:
    """A sentence about a device says that nobody has verified its figures where that is so, and else does not."""
    found, known = FACTS.classifier.classify(name, NOW), FACTS.product_names.identify(name)
    assert isinstance(known, Named)
    assert (DOUBT in found.reason) == (known.evidence is Evidence.UNVERIFIED)


@pytest.mark.parametrize(
    ("rows", "country", "answer"),
    [
        ("[[jurisdictions.membership]]\ngroup = 'D:5'\ncountry = 'SG'\n", "SG", Answer.YES),
        ("[[jurisdictions.watch]]\ncountry = 'SG'\nwhy = 'a bill'\n", "SG", Answer.UNKNOWN),
        ("[[jurisdictions.named_beside]]\ncountry = 'SG'\n", "SG", Answer.YES),
        ("[[jurisdictions.treated_as]]\ncountry = 'GG'\ncounts_as = 'CN'\n", "GG", Answer.YES),
    ],
)
def test_an_unverified_row_about_a_country_is_told(rows: str, country: str, answer: Answer) -> None:
    """An answer about a country says so where it rests on a row that nobody has verified."""
    found = overlaid(f"{rows}sources = ['own_choice']\n").jurisdictions.in_scope(country, NOW)
    assert (found.answer, DOUBT in found.reason) == (answer, True)
    assert DOUBT not in FACTS.jurisdictions.in_scope(country, NOW).reason


def test_an_unverified_letter_or_seat_is_told() -> None:
    """What a reviewer reads of a letter, and of a developer's seat, says where nobody has verified it."""
    letter = (
        "[[control.letter]]\nid = 'h20_2025'\naddressee = 'NVIDIA'\ndevices = ['NVIDIA H20']\ndestinations = 'x'\n"
        "text = 'x'\nsources = ['own_choice']\n"
    )
    assert f"for x, {DOUBT}; ask counsel" in overlaid(letter).classifier.classify("NVIDIA H20", NOW).reason
    seat = "[[accelerators.vendor]]\nid = 'Huawei'\nheadquarters = 'MO'\nwords = ['huawei']\nsources = ['own_choice']\n"
    found = overlaid(seat).classifier.classify("Huawei Ascend 999", NOW).reason
    assert f"its developer Huawei is headquartered in MO, {DOUBT}" in found
