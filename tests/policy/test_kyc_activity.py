"""
Activities, possession and the hardware that the policy statement names.

To approve the sentences anew, delete tests/golden/kyc/activities.txt and run this test: it writes it and fails once.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import FACTS, unhurried

from policy.facts.evidence import Answer
from policy.judgement.hardware import Paragraph
from policy.kyc.registers.activity import (
    NAMED_SOURCES,
    POSSESSION_SOURCES,
    SOURCES,
    Activity,
    Named,
    activities,
    activity_sentence,
    activity_sentences,
    applies,
    named_hardware,
    named_sentence,
    possession,
)
from policy.kyc.vocabulary import Tenancy

GOLDEN = Path(__file__).parents[1] / "golden/kyc/activities.txt"
TENANCIES = (*Tenancy, None)


@pytest.mark.parametrize("tenancy", TENANCIES)
@pytest.mark.parametrize("us_person", Answer)
def test_what_is_not_known_could_apply(tenancy: str | None, us_person: Answer) -> None:
    """Provision always applies; the others unless something that is known takes them away."""
    found = activities(tenancy, us_person)
    assert found[0] is Activity.PROVISION
    assert (Activity.IN_COUNTRY_TRANSFER in found) is (tenancy != Tenancy.SHARED)
    assert (Activity.US_PERSON_SUPPORT in found) is (us_person is not Answer.NO)


@unhurried
@given(st.sampled_from(TENANCIES), st.sampled_from(Answer))
def test_learning_never_adds_an_activity(tenancy: str | None, us_person: Answer) -> None:
    """Whatever becomes known, the activities are among those that could apply before."""
    assert set(activities(tenancy, us_person)) <= set(activities(None, Answer.UNKNOWN))


@unhurried
@given(st.text())
def test_a_word_that_is_no_tenancy_is_not_known(word: str) -> None:
    """A tenancy that the vocabulary does not have takes no activity away and settles no possession."""
    if word not in set(Tenancy):
        assert applies(Activity.IN_COUNTRY_TRANSFER, word, Answer.NO) is Answer.UNKNOWN
        assert possession(word) is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("tenancy", "answer"),
    [
        ("shared", "no"),
        ("dedicated", "unknown"),
        ("bare_metal", "yes"),
        ("colocation", "yes"),
        ("customer_owned", "yes"),
        (None, "unknown"),
    ],
)
def test_possession(tenancy: str | None, answer: str) -> None:
    """Who has a machine to itself may possess it, by the contract; who has it in its hands does; a sharer does not."""
    assert possession(tenancy) == answer


@pytest.mark.parametrize(
    ("paragraph", "named"),
    [
        ("3A090.a", "yes"),
        ("3A090.a.1", "yes"),
        ("3A090", "yes"),
        ("4A090.a", "yes"),
        ("4A090", "yes"),
        ("5A992.z", "yes"),
        ("5A992.z.1", "yes"),
        ("3A001.z.1.a", "yes"),
        ("3A090.b", "no"),
        ("3A090.b.2", "no"),
        ("4A090.b", "no"),
        ("none", "no"),
        ("3A090.c", "unclassified"),
        ("3A090.ab", "unclassified"),
        ("unclassified", "unclassified"),
        ("undetermined", "unclassified"),
        ("other", "unclassified"),
        ("", "unclassified"),
        ("none\n", "unclassified"),
    ],
)
def test_named_hardware(paragraph: str, named: str) -> None:
    """The statement names .a and .z and an undivided entry, does not name .b, and of others nobody knows."""
    assert named_hardware(paragraph) == named


def test_every_paragraph_of_a_run_has_an_answer() -> None:
    """Of the words that a run's hardware may have only .a and the undivided entry are named, .b and none are not."""
    found = {str(each): named_hardware(each) for each in Paragraph}
    assert {each for each, named in found.items() if named is Named.YES} == {"3A090.a", "3A090"}
    assert {each for each, named in found.items() if named is Named.NO} == {"3A090.b", "none"}


@unhurried
@given(st.text())
def test_any_word_has_an_answer_and_a_sentence(paragraph: str) -> None:
    """Whatever stands for the paragraph there is an answer, and a sentence that ends."""
    assert named_hardware(paragraph) in set(Named)
    assert named_sentence(paragraph).endswith(".")


def test_every_document_exists() -> None:
    """Activities, possession and what is named rest on documents of the facts."""
    cited = {each for documents in SOURCES.values() for each in documents} | {*POSSESSION_SOURCES, *NAMED_SOURCES}
    assert cited <= set(FACTS.documents)
    assert set(SOURCES) == set(Activity)


def test_sentences() -> None:
    """What a reviewer reads, for every tenancy and answer, equals the approved text."""
    lines = [activity_sentence(tenancy, us_person) for tenancy in TENANCIES for us_person in Answer]
    said = [activity_sentences(tenancy, Answer.NO, "3A090.a")[1] for tenancy in TENANCIES]
    named = [named_sentence(each) for each in ("3A090.a", "3A090", "3A090.b", "none", "unclassified", "undetermined")]
    text = "\n".join((*lines, "", *said, "", *named, ""))
    if not GOLDEN.exists():
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
        pytest.fail(f"{GOLDEN.name} was not there; read what was written")
    assert text == GOLDEN.read_text(encoding="utf-8")
