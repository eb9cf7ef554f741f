"""What people may say to a stitch, and when it is in force."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stitches import (
    AT,
    REASON,
    a_record,
    a_stitch,
    a_suspected_stitch,
    stitches_frame,
    with_answer,
    with_proposal,
)

from policy.frames import SchemaMismatch
from policy.judgement.stitch import Across, StitchWord
from policy.review.errors import OwnProposal, ProposalNotOpen, ReasonMissing, ReviewError, WordInForce
from policy.review.stitch import (
    NOTICE,
    WORD_MEANINGS,
    StitchRecord,
    StitchState,
    answer,
    is_joined,
    propose,
    stitches_of,
)

ACTORS = ("alice", "bob")


def test_nothing_is_lost_between_a_frame_and_its_stitches() -> None:
    """The stitches of a frame are those that it was made of, also where nobody claimed a piece."""
    stitches = (a_stitch(), a_suspected_stitch(2, later_tenant_id=None))
    assert stitches_of(stitches_frame(*stitches)) == stitches
    assert stitches_of(stitches_frame()) == ()


def test_a_frame_of_another_schema_is_refused() -> None:
    """A frame without the strength is no frame of stitches."""
    with pytest.raises(SchemaMismatch, match="stitches: no column strength"):
        stitches_of(stitches_frame(a_stitch()).drop("strength"))


def test_a_word_of_another_kind_is_refused() -> None:
    """A frame that says between whom a stitch lies in a word that nobody knows is a defect, and said at once."""
    with pytest.raises(ValueError, match="elsewhere"):
        stitches_of(stitches_frame(a_stitch()).with_columns(across=pl.lit("elsewhere")))


@pytest.mark.parametrize("across", Across)
def test_people_have_the_last_word(across: Across) -> None:
    """What people say holds, wherever the stitch lies; unsaid, only pieces of two groups count apart."""
    assert is_joined(across, StitchWord.CONFIRMED)
    assert not is_joined(across, StitchWord.UNDONE)
    assert is_joined(across, StitchWord.AS_TOLD) is (across is not Across.OTHER_GROUP)


def test_a_proposal_alone_changes_nothing() -> None:
    """A word that one person proposes is not in force."""
    record = with_proposal(a_record(a_suspected_stitch()), StitchWord.CONFIRMED)
    assert (record.state, record.word, record.is_joined) == (StitchState.PROPOSED, StitchWord.AS_TOLD, False)


def test_a_second_person_puts_it_in_force() -> None:
    """A word that another person has approved is in force, and the record names both."""
    record = with_answer(with_proposal(a_record(a_suspected_stitch()), StitchWord.CONFIRMED))
    assert (record.state, record.word, record.is_joined) == (StitchState.DECIDED, StitchWord.CONFIRMED, True)
    assert (record.proposals[0].actor, record.proposals[0].approved_by) == ("alice", "bob")


def test_nobody_approves_their_own_proposal() -> None:
    """Who proposed a word may withdraw it, and may not approve it."""
    record = with_proposal(a_record(), StitchWord.UNDONE)
    with pytest.raises(OwnProposal, match="another person"):
        with_answer(record, "alice")
    withdrawn = with_answer(record, "alice", approved=False)
    assert (withdrawn.state, withdrawn.word) == (StitchState.TOLD, StitchWord.AS_TOLD)


def test_what_is_declined_leaves_the_word_before_it() -> None:
    """A word stays in force while another is proposed, and after that one is declined."""
    decided = with_answer(with_proposal(a_record(), StitchWord.UNDONE))
    asked = with_proposal(decided, StitchWord.AS_TOLD, "bob")
    assert (asked.state, asked.word) == (StitchState.PROPOSED, StitchWord.UNDONE)
    declined = with_answer(asked, "alice", approved=False)
    assert (declined.state, declined.word) == (StitchState.DECIDED, StitchWord.UNDONE)


def test_a_later_decision_supersedes_and_all_are_kept() -> None:
    """The newest approved word is in force, and the record has the ones before it."""
    first = with_answer(with_proposal(a_record(), StitchWord.UNDONE))
    second = with_answer(with_proposal(first, StitchWord.CONFIRMED))
    assert second.word is StitchWord.CONFIRMED
    assert [each.word for each in second.proposals] == [StitchWord.UNDONE, StitchWord.CONFIRMED]


def test_only_the_newest_proposal_can_be_answered() -> None:
    """A proposal that a newer one has superseded is not open, and neither is one that was never made."""
    record = with_proposal(with_proposal(a_record(), StitchWord.UNDONE), StitchWord.CONFIRMED)
    for position in (1, 3):
        with pytest.raises(ProposalNotOpen, match=f"no proposal {position} that waits"):
            answer(record, position, "bob", REASON, AT, approved=True)


def test_what_would_change_nothing_is_refused() -> None:
    """The word that is in force cannot be proposed, also where nobody has said it."""
    with pytest.raises(WordInForce, match="as_told already"):
        with_proposal(a_record(), StitchWord.AS_TOLD)
    with pytest.raises(WordInForce, match="undone already"):
        with_proposal(with_answer(with_proposal(a_record(), StitchWord.UNDONE)), StitchWord.UNDONE)


def test_saying_the_same_again_changes_nothing() -> None:
    """The same proposal, and the same answer, by the same person are the ones that are there."""
    later = AT + timedelta(days=1)
    record = with_proposal(a_record(), StitchWord.UNDONE)
    assert propose(record, "alice", StitchWord.UNDONE, f" {REASON} ", later) is record.proposals[0]
    decided = with_answer(record)
    assert answer(decided, 1, "bob", "Another reason, of another day.", later, approved=True).at == AT
    for actor, approved in (("bob", False), ("carol", True)):
        with pytest.raises(ProposalNotOpen):
            answer(decided, 1, actor, REASON, later, approved=approved)


def test_a_proposal_keeps_what_the_engine_had_told() -> None:
    """A proposal carries the stitch as it was told then, whatever is told later."""
    record = with_proposal(a_record(), StitchWord.UNDONE)
    told_again = replace(record, stitch=replace(record.stitch, strength=0.1))
    assert told_again.proposals[0].told.strength == 0.75


def test_both_give_a_reason() -> None:
    """Who proposes and who answers each say why."""
    with pytest.raises(ReasonMissing, match="stitch stitch-0"):
        propose(a_record(), "alice", StitchWord.UNDONE, "no", AT)
    with pytest.raises(ReasonMissing):
        answer(with_proposal(a_record(), StitchWord.UNDONE), 1, "bob", " ", AT, approved=False)


def test_every_word_has_a_meaning_of_one_sentence_that_accuses_nobody() -> None:
    """Each word means one sentence, and neither they nor the notice say why work is in pieces."""
    assert set(WORD_MEANINGS) == set(StitchWord)
    assert all(text.endswith(".") and text.count(".") == 1 for text in WORD_MEANINGS.values())
    said = " ".join([NOTICE, *WORD_MEANINGS.values()]).lower()
    assert not any(word in said for word in ("evade", "evasion", "hid", "suspicious", "disguise", "violat"))


ACTS = st.lists(st.tuples(st.sampled_from(ACTORS), st.sampled_from([*StitchWord, True, False])), max_size=12)


@given(acts=ACTS)
def test_no_one_person_ever_moves_a_word(acts: list[tuple[str, StitchWord | bool]]) -> None:
    """Whatever two people do in whatever order, every word in force has two names, and nothing on record changes."""
    record: StitchRecord = a_record()
    for actor, act in acts:
        before = record
        with suppress(ReviewError, IndexError):
            match act:
                case StitchWord():
                    record = with_proposal(record, act, actor)
                case _:
                    record = with_answer(record, actor, approved=act)
        known = [replace(each, answer=None) for each in before.proposals]
        assert [replace(each, answer=None) for each in record.proposals][: len(known)] == known
        assert all(each.approved_by != each.actor for each in record.proposals)
        assert record.word in {StitchWord.AS_TOLD, *(each.word for each in record.proposals if each.approved_by)}
        assert all(each.position == number for number, each in enumerate(record.proposals, start=1))
