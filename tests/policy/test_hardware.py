"""What controls the hardware of runs and of the fleet: the most serious answer over all accelerators and days."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.judgement import FACTS, H100, START, a_run, a_window, runs_frame, runs_of, unhurried, windows_frame

from policy.facts.evidence import Answer
from policy.judgement.hardware import (
    ACCELERATOR_HARDWARE,
    ANSWERS,
    NOT_NAMED,
    RUN_HARDWARE,
    Paragraph,
    describe_accelerators,
    describe_hardware,
    paragraph_of,
)
from policy.judgement.inventory import inventory_of

H20, A30, L2, ASCEND, NOBODYS = "NVIDIA H20", "NVIDIA A30", "NVIDIA L2", "Huawei device d802", "Example 1"
NAMES = (H100, H20, A30, L2, "NVIDIA V100 SXM2", "NVIDIA X1", ASCEND, "Ascend 999", NOBODYS, "AMD Instinct MI308X")
QUESTIONS = ("controlled_by_letter", "highest_paragraph")
CLASSIFIER = FACTS.classifier

some_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)


def moment(text: str) -> datetime:
    """Read a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hardware_of(*accelerators: str | None, first: str = "2026-05-01", last: str = "2026-05-20") -> dict[str, Any]:
    """Describe the hardware of a run that used these accelerators between two moments; None: one without a name."""
    run = a_run(
        accelerators=[each for each in accelerators if each],
        unnamed_accelerator=None in accelerators,
        first_seen=moment(first),
        last_seen=moment(last),
    )
    (row,) = describe_hardware(runs_frame(run), CLASSIFIER).to_dicts()
    return row


def ranks(row: dict[str, Any]) -> list[int]:
    """How serious the answers are: 0 is the most serious."""
    return [[str(each) for each in ANSWERS[name]].index(row[name]) for name in QUESTIONS]


@pytest.mark.parametrize(
    ("accelerators", "letter", "paragraph"),
    [
        ([H100], "no", "3A090.a"),
        ([A30], "no", "3A090.b"),
        ([H20], "yes", "none"),
        ([H100, H20], "yes", "3A090.a"),
        ([A30, H100], "no", "3A090.a"),
        (["NVIDIA X1"], "unknown", "unclassified"),
        ([H20, "NVIDIA X1"], "yes", "unclassified"),
        ([A30, "NVIDIA X1"], "unknown", "3A090.b"),
        ([ASCEND], "no", "3A090.a"),
        (["Huawei Ascend 910D"], "no", "undetermined"),
        ([None], "unknown", "unclassified"),
        ([H20, None], "yes", "unclassified"),
        ([H100, None], "unknown", "3A090.a"),
        ([f"{H100} MIG 3g.40gb"], "no", "3A090.a"),
    ],
)
def test_the_most_serious_answer_counts(accelerators: list[str | None], letter: str, paragraph: str) -> None:
    """For each question by itself the most serious answer of all accelerators counts."""
    row = hardware_of(*accelerators)
    assert (row["controlled_by_letter"], row["highest_paragraph"]) == (letter, paragraph)


@settings(unhurried, max_examples=15)
@given(some_names, st.sampled_from(NAMES))
def test_another_accelerator_is_never_better(names: list[str], another: str) -> None:
    """Whatever a run uses besides, no answer becomes less serious."""
    before, after = hardware_of(*names), hardware_of(*dict.fromkeys([*names, another]))
    assert all(b <= a for a, b in zip(ranks(before), ranks(after), strict=True))


@settings(unhurried, max_examples=15)
@given(some_names)
def test_not_knowing_is_never_better_than_a_known_no(names: list[str]) -> None:
    """One that is not known is more serious than any that is known to be free, and hides none that is known not to."""
    known, unknown = hardware_of(*names), hardware_of(None)
    both = hardware_of(*names, None)
    for name, none in zip(QUESTIONS, (Answer.NO.value, Paragraph.NONE.value), strict=True):
        if known[name] == none:
            assert unknown[name] == both[name] != none
    assert ranks(both) == [min(a, b) for a, b in zip(ranks(known), ranks(unknown), strict=True)]


@settings(unhurried, max_examples=15)
@given(st.permutations(NAMES))
def test_the_order_of_accelerators_does_not_matter(names: Sequence[str]) -> None:
    """The same accelerators in any order have equal answers, sentences and sources."""
    assert hardware_of(*names) == hardware_of(*NAMES)


@settings(unhurried, max_examples=15)
@given(st.sampled_from(NAMES), st.integers(0, 2000), st.integers(0, 2000))
def test_a_longer_time_is_never_better(name: str, days: int, more: int) -> None:
    """A run that goes on keeps what the law said on its earlier days."""
    first, start = "2021-01-01", moment("2021-01-01")
    last, later = (start + timedelta(days=each) for each in (days, days + more))
    before = hardware_of(name, first=first, last=last.isoformat()[:19])
    after = hardware_of(name, first=first, last=later.isoformat()[:19])
    assert all(b <= a for a, b in zip(ranks(before), ranks(after), strict=True))


@pytest.mark.parametrize(
    ("first", "last", "letter", "named"),
    [
        ("2025-04-01", "2025-04-09", "no", "2025-04-08"),
        ("2025-04-01", "2025-04-09T00:00:01", "yes", "2025-04-09"),
        ("2025-04-01", "2025-06-01", "yes", "2025-05-31"),
    ],
)
def test_the_law_of_the_days(first: str, last: str, letter: str, named: str) -> None:
    """A letter counts from the day on which it is in force, and the last day on which the answer held is named."""
    row = hardware_of(H20, first=first, last=last)
    assert row["controlled_by_letter"] == letter
    assert f"By the law of {named}, " in row["hardware_reason"]


def test_a_change_between_first_and_last_day_counts() -> None:
    """What was in force only in the middle of a run counts, though first and last day know nothing of it."""
    letter = next(each for each in FACTS.control.letter if each.id == "h20_2025")
    ended = replace(letter, valid_from=date(2024, 3, 1), valid_to=date(2024, 4, 1))
    classifier = replace(CLASSIFIER, control=replace(FACTS.control, letter=(ended,)))
    run = runs_frame(a_run(accelerators=[H20], first_seen=moment("2024-01-01"), last_seen=moment("2024-06-01")))
    (row,) = describe_hardware(run, classifier).to_dicts()
    assert row["controlled_by_letter"] == "yes"
    assert "By the law of 2024-03-" in row["hardware_reason"]
    assert {ended.valid_from, ended.valid_to, *FACTS.switches.changes} <= set(classifier.changes)


def test_a_sentence_for_each_accelerator_that_decides() -> None:
    """An accelerator that decides no answer has no sentence; one that is not named says that it is not."""
    reason = hardware_of(H20, L2, H100, None)["hardware_reason"]
    assert [name in reason for name in ("NVIDIA H20: ", "NVIDIA H100 SXM: ", "NVIDIA L2: ", NOT_NAMED)] == [
        True,
        True,
        False,
        False,
    ]
    assert hardware_of(None)["hardware_reason"] == NOT_NAMED
    assert hardware_of(None)["hardware_sources"] == []
    assert hardware_of(A30, None)["hardware_reason"].startswith(f"{NOT_NAMED} By the law of 2026-05-19, NVIDIA A30: ")


def test_sources_are_rows_of_the_facts() -> None:
    """Every line can be followed back to a row of the facts, and none is there twice."""
    lines = hardware_of(*NAMES)["hardware_sources"]
    assert set(lines) <= set(FACTS.source_by_line)
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    ("paragraph", "part"),
    [
        ("3A090.a.1", Paragraph.A),
        ("3A090.a", Paragraph.A),
        ("3A090.b.2", Paragraph.B),
        ("3A090", Paragraph.UNDIVIDED),
        ("3A090.c", Paragraph.OTHER),
        ("none", Paragraph.NONE),
        ("undetermined", Paragraph.UNDETERMINED),
        ("unclassified", Paragraph.UNCLASSIFIED),
    ],
)
def test_parts_of_the_entry(paragraph: str, part: Paragraph) -> None:
    """Every paragraph belongs to a part, and one that is none of them counts with the undivided entry."""
    assert paragraph_of(paragraph) is part


def test_a_window_without_a_name_makes_its_run_unknown() -> None:
    """A run, one of whose windows has no accelerator, does not pass for one that used only what is named."""
    whole, partly = runs_of(a_window()), runs_of(a_window(), a_window(accelerator=None))
    assert describe_hardware(whole, CLASSIFIER)["controlled_by_letter"].to_list() == ["no"]
    assert describe_hardware(partly, CLASSIFIER)["controlled_by_letter"].to_list() == ["unknown"]


def test_no_runs_and_no_accelerators() -> None:
    """Nothing is nothing, in the same schemas."""
    assert describe_hardware(runs_of(), CLASSIFIER).schema == RUN_HARDWARE
    nothing = describe_accelerators(inventory_of(windows_frame()), CLASSIFIER)
    assert (nothing.schema, nothing.height) == (ACCELERATOR_HARDWARE, 0)


@pytest.mark.parametrize(
    ("name", "presumed"), [(ASCEND, "named"), ("Ascend 999", "classify"), (NOBODYS, "unknown"), (H100, "no")]
)
def test_accelerators_of_the_fleet(name: str, presumed: str) -> None:
    """Each name has one row over all nodes, with the law of its last day where the days agree."""
    inventory = inventory_of(windows_frame(a_window(accelerator=name), a_window(accelerator=name, node="node-b")))
    (row,) = describe_accelerators(inventory, CLASSIFIER).to_dicts()
    assert (row["accelerator"], row["presumed"], row["hardware_law_at"]) == (name, presumed, date(2026, 6, 1))


def test_a_presumption_counts_over_the_days() -> None:
    """An accelerator that was there before the guidance and still is when it came is presumed by its law."""
    before = START.replace(year=2025, month=5, day=1)
    late = before + timedelta(days=20)
    windows = [a_window(accelerator=ASCEND, window_start=each) for each in (before, late)]
    (row,) = describe_accelerators(inventory_of(windows_frame(windows[0])), CLASSIFIER).to_dicts()
    assert row["presumed"] == "no"
    (row,) = describe_accelerators(inventory_of(windows_frame(*windows)), CLASSIFIER).to_dicts()
    assert row["presumed"] == "named"
