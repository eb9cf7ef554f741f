"""The tree behind the answers about one tenant, and the dossiers that it is made from."""

from collections.abc import Iterator, Mapping
from datetime import date

import pytest
from support.judgement import FACTS
from support.kyc_cases import said

from policy.kyc.directory import Directory
from policy.kyc.dossier import QUESTIONS
from policy.kyc.dossiers import Dossiers
from policy.kyc.explain import Branch, explain
from policy.kyc.flags.raised import not_looked_at
from policy.kyc.span import ANSWERS

AT = date(2026, 6, 1)
LINES = (
    "t-1 customer p-1", "t-1 acts_for self", "t-1 tenancy shared", "t-1 declared_use 'secret work'",
    "p-1 name 'Secret Party'", "p-1 headquarters_country SG source=register", "p-1 headquarters_country CN source=crm",
    "p-1 ultimate_parent p-2", "p-2 headquarters_country CN", "p-2 ultimate_parent self",
    "p-1 owned_by p-2 40-60", "p-2 listed_on EL detail=e-77", "p-1 address '1 Secret Street' detail=mail_box",
)  # fmt: skip


QUESTIONS_TOLD = {
    "hq_in_scope": "in scope",
    "hq_own": "headquartered in scope",
    "hq_parent": "ultimate parent headquartered in scope",
    "hq_behalf": "on behalf of somebody in scope",
    "restricted": "restricted at any use",
    "restricted_by_some": "said or possible to be restricted at any use",
    "listed": "lists",
    "owner_listed": "by the law of the day",
    "owner_listed_rule_on": "if the Affiliates Rule is on",
    "owner_listed_rule_off": "if it is off",
    "owner_listed_below": "a listed owner below half",
    "owner_possible": "an undecided match of an owner or of somebody above",
    "controlled_by_listed": "controlled by a listed party",
    "end_use_wmd": "weapon of mass destruction",
    "end_use_military_intelligence": "military intelligence",
}
"""How the tree names each question."""


def dossiers(*lines: str) -> Dossiers:
    """Dossiers of what these lines say."""
    return Dossiers.of(Directory.of(map(said, lines)), FACTS)


def texts(branch: Branch) -> Iterator[str]:
    """Every line of a tree."""
    yield branch.text
    for each in branch.branches:
        yield from texts(each)


def lines_of(*, names: bool = False) -> list[str]:
    """The lines of the tree about the tenant above."""
    return list(texts(explain(dossiers(*LINES), "t-1", AT, None, names=names)))


def test_every_question_and_both_answers_of_a_conflict() -> None:
    """The tree has every question, the way to each answer, and both words of sources that contradict one another."""
    lines = lines_of()
    asked = dossiers(*LINES).dossier("t-1", AT)
    assert asked is not None
    assert set(QUESTIONS_TOLD) == set(QUESTIONS)
    for name, words in QUESTIONS_TOLD.items():
        assert any(line.startswith(f"{words}: {asked.told[name].answer}") for line in lines), name
    assert "tenancy: shared" in lines
    assert any(line.startswith("sources contradict one another") and "CN" in line and "SG" in line for line in lines)
    assert "way: t-1 → p-1 → p-2" in lines
    assert {"headquarters_country SG", "headquarters_country CN", "owned_by p-2 40 to 60 %"} <= set(lines)


def test_flags_that_nothing_asks_about_are_named() -> None:
    """Beside the flags that the file raises stand those that nobody looks at here, for people to go through."""
    (unasked,) = (line for line in lines_of() if line.startswith("not looked at here"))
    assert unasked.endswith(", ".join(not_looked_at(FACTS, AT)))
    assert "guidance-2025-infrastructure" in unasked


def test_every_answer_has_a_source() -> None:
    """Under every statement stands whose word it is."""
    tree = explain(dossiers(*LINES), "t-1", AT, None)
    (known,) = (each for each in tree.branches if each.text == "what is known")
    statements = [each for subject in known.branches for each in subject.branches]
    assert len(statements) == len(LINES)
    assert all(each.branches[0].text.startswith("source: KYC ") for each in statements)


def test_names_are_shown_where_they_are_asked_for() -> None:
    """Names, addresses and other texts stand in the tree only for whoever asks for them."""
    assert "ecret" not in "\n".join(lines_of())
    shown = "\n".join(lines_of(names=True))
    assert {"name Secret Party", "address 1 Secret Street (mail_box)"} <= set(shown.splitlines())


def test_a_tenant_that_is_not_on_file() -> None:
    """Of a tenant that the file does not have, or did not have on that day, it says that nothing is known."""
    late = dossiers("t-1 customer p-1 known_from=2026-07-01")
    for tenant, known_on in (("t-9", None), ("t-1", AT)):
        tree = explain(late, tenant, AT, known_on)
        assert [each.text for each in tree.branches] == ["the file has no such tenant, so nothing about it is known"]


def answers_of(asked: Dossiers) -> Mapping[str, object] | None:
    """What is answered about the tenant over a span of one era, as known now."""
    times = asked.times("t-1")
    span = ("t-1", times.era(AT), times.era(AT), times.knowledge(None))
    return asked.answers([span])[span]


def test_a_row_has_every_question() -> None:
    """A span's row answers every question with one of the words that there are, and names nobody."""
    row = answers_of(dossiers(*LINES))
    assert row is not None
    assert set(row) == set(ANSWERS)
    assert all(row[name] in answers for name, answers in QUESTIONS.items())
    assert "ecret" not in str(row)


@pytest.mark.parametrize("turn", range(4))
def test_the_order_of_statements_changes_nothing(turn: int) -> None:
    """The same statements in any order make the same row and the same digest."""
    turned = LINES[turn * 3 :] + LINES[: turn * 3]
    first, second = dossiers(*LINES), dossiers(*turned)
    assert first.directory.digest == second.directory.digest
    assert answers_of(first) == answers_of(second)


def test_a_tenant_that_is_not_on_file_has_no_row() -> None:
    """Nothing is answered about a tenant that the file does not have."""
    assert answers_of(dossiers()) is None


ALIKE = "guidance-2025-like-listed-party"


@pytest.mark.parametrize(
    ("listing", "at", "known_on", "is_raised"),
    [
        ("p-8 listed_on EL", AT, None, True),
        ("p-8 listed_on EL ends=2026-09-01", AT, None, True),
        ("p-8 listed_on EL ends=2026-09-01", date(2026, 9, 1), None, False),
        ("p-8 listed_on EL begins=2026-06-01", AT, None, True),
        ("p-8 listed_on EL begins=2026-06-02", AT, None, False),
        ("p-8 listed_on EL known_from=2026-07-01", AT, None, True),
        ("p-8 listed_on EL known_from=2026-07-01", AT, AT, False),
        ("p-8 listed_on EL known_to=2026-07-01", AT, AT, True),
        ("p-8 listed_on EL known_to=2026-07-01", AT, None, False),
    ],
)
def test_addresses_are_those_of_the_listed_on_the_day(
    listing: str, at: date, known_on: date | None, is_raised: bool
) -> None:
    """An address is that of a listed party on the days on which that one is listed, as far as it was known then."""
    same = ("p-8 address '1 Secret Street'", "p-9 address '2 Secret Street'", "p-9 listed_on EL")
    asked = dossiers("t-1 customer p-1", "p-1 address '1 SECRET Street'", "p-1 screened no_match", *same, listing)
    assert (ALIKE in {each.id for each in asked.flags("t-1", at, known_on)}) == is_raised


def test_flags_are_taken_over_where_the_addresses_are_those_of_before() -> None:
    """After an import a tenant's flags are asked anew where somebody is listed at an address that was nobody's."""
    lines = ("t-1 customer p-1", "p-1 address '1 Secret Street'", "p-8 address '1 Secret Street'", "p-8 listed_on EL")
    key = ("t-1", AT, None)
    before = dossiers(*lines[:3])
    before.look_up(["t-1"])
    flags = before.flags_of([key])[key]
    for more, are_same in ((lines[:3], True), (lines, False)):
        after = Dossiers.of(Directory.of(map(said, more)), FACTS, before)
        after.look_up(["t-1"])
        assert (after.flags_of([key])[key] is flags) == are_same


def test_what_is_not_asked_is_forgotten() -> None:
    """What is remembered is what the last question needed, so that memory does not grow with the days."""
    asked = dossiers(*LINES)
    times = asked.times("t-1")
    eras = sorted({times.era(date(year, 6, 1)) for year in range(2020, 2027)})
    for era in eras:
        asked.answers([("t-1", era, era, times.knowledge(None))])
    assert len(asked._known) == 1


def test_earlier_answers_are_taken_over_where_nothing_changed() -> None:
    """After an import the answers about tenants of whom nothing changed are the same objects, and the others new."""
    others = ("t-2 customer p-5", "p-5 headquarters_country DE")
    before = dossiers(*LINES, *others)
    before.look_up(["t-1", "t-2"])
    kept = {each: before.dossier(each, AT) for each in ("t-1", "t-2")}
    after = Dossiers.of(Directory.of(map(said, (*LINES, *others, "p-5 management_country CN"))), FACTS, before)
    after.look_up(["t-1", "t-2"])
    assert after.dossier("t-1", AT) is kept["t-1"]
    other = after.dossier("t-2", AT)
    assert other is not None
    assert other is not kept["t-2"]
    assert other.headquarters.own.answer == "unknown"
