"""Stitches in a database: one set of tests for every kind of it."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DatabaseError
from support.databases import DATABASES, a_database
from support.findings import a_finding
from support.stitches import AT, REASON, a_stitch, a_suspected_stitch, stitches_frame

from policy.judgement.settled import Settled
from policy.judgement.stitch import Across, StitchWord
from policy.review.errors import OwnProposal, ProposalNotOpen, ReviewError, StitchNotFound
from policy.review.stitch import Stitch, StitchRecord, StitchState
from policy.review.store import StitchFilter, StitchStore, TicketStore, upgrade
from policy.review.store.engine import engine_of
from policy.review.store.tables import metadata

ID = a_stitch().stitch_id


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind."""
    with a_database(request.param, tmp_path) as address:
        upgrade(address)
        yield address


@pytest.fixture
def store(url: str) -> Iterator[StitchStore]:
    """The store of stitches in it."""
    with closing(TicketStore.open(url)) as opened:
        yield opened.stitches


def tell(store: StitchStore, *stitches: Stitch, days: int = 0) -> None:
    """Tell stitches, some days later."""
    store.tell(stitches_frame(*stitches), AT + timedelta(days=days))


def decide(store: StitchStore, stitch_id: str = ID, word: StitchWord = StitchWord.UNDONE) -> StitchRecord:
    """Alice proposes a word, and Bob approves it."""
    position = store.propose(stitch_id, "alice", word, REASON, AT).position
    return store.answer(stitch_id, position, "bob", REASON, AT, approved=True)


def listed(store: StitchStore, **which: object) -> set[str]:
    """The ids of the stitches that a filter lets through."""
    return {each.stitch.stitch_id for each in store.list(StitchFilter(**which)).records}


class TestStitches:
    """What every database keeps."""

    def test_what_is_told_is_read(self, store: StitchStore) -> None:
        """A stitch comes back as it was told, with the moment, and nobody has said anything to it."""
        unclaimed = a_suspected_stitch(2, later_tenant_id=None)
        tell(store, a_stitch(), unclaimed)
        record = StitchRecord(stitch=a_stitch(), first_told_at=AT, last_told_at=AT, proposals=())
        assert store.read(ID) == record
        assert store.read(unclaimed.stitch_id).stitch == unclaimed
        assert store.words() == {}

    def test_telling_again_changes_nothing_but_the_numbers(self, store: StitchStore) -> None:
        """What is told last stands, beside when it was told first; the same again leaves it as it was."""
        tell(store, a_stitch())
        tell(store, a_stitch(strength=0.9), days=1)
        once = store.read(ID)
        tell(store, a_stitch(strength=0.9), days=1)
        assert store.read(ID) == once
        assert once.stitch.strength == 0.9
        assert (once.first_told_at, once.last_told_at) == (AT, AT + timedelta(days=1))

    def test_what_was_told_of_an_earlier_moment_is_not_the_last(self, store: StitchStore) -> None:
        """A cycle that comes late with an earlier moment does not bring old numbers back."""
        tell(store, a_stitch(), days=1)
        tell(store, a_stitch(strength=0.1))
        assert store.read(ID).stitch.strength == 0.75

    def test_a_stitch_that_is_no_longer_told_stays(self, store: StitchStore) -> None:
        """A stitch that later cycles do not tell keeps its row, its last moment and its word."""
        tell(store, a_stitch())
        decide(store)
        tell(store, a_stitch(2), days=1)
        tell(store, days=2)
        assert store.read(ID).last_told_at == AT
        assert store.words() == {ID: StitchWord.UNDONE}

    def test_settled_pieces_are_known_when_their_stitch_is_no_longer_told(self, store: StitchStore) -> None:
        """The pieces of a settled stitch are handed to the engine with the word that is in force."""
        pieces = (a_stitch().earlier_piece, a_stitch().later_piece)
        tell(store, a_stitch())
        assert store.settled() == Settled(one=[], two=[])
        decide(store, word=StitchWord.CONFIRMED)
        tell(store, a_stitch(2), days=1)
        assert store.settled() == Settled(one=[pieces], two=[])
        decide(store, word=StitchWord.UNDONE)
        assert store.settled() == Settled(one=[], two=[pieces])
        decide(store, word=StitchWord.AS_TOLD)
        assert store.settled() == Settled(one=[], two=[])

    def test_only_approved_words_count(self, store: StitchStore) -> None:
        """A word is handed to the engine when a second person has approved it, and neither before nor when declined."""
        tell(store, a_stitch())
        position = store.propose(ID, "alice", StitchWord.UNDONE, REASON, AT).position
        assert store.words() == {}
        store.answer(ID, position, "bob", REASON, AT, approved=False)
        assert store.words() == {}
        decide(store)
        assert store.words() == {ID: StitchWord.UNDONE}

    def test_a_later_word_supersedes_and_the_earlier_is_kept(self, store: StitchStore) -> None:
        """The record has every proposal with both people, their reasons, and what was told when it was made."""
        tell(store, a_stitch())
        decide(store)
        tell(store, a_stitch(strength=0.2), days=1)
        decide(store, word=StitchWord.AS_TOLD)
        assert store.words() == {ID: StitchWord.AS_TOLD}
        proposals = store.read(ID).proposals
        assert [(each.position, each.word, each.actor, each.approved_by) for each in proposals] == [
            (1, StitchWord.UNDONE, "alice", "bob"),
            (2, StitchWord.AS_TOLD, "alice", "bob"),
        ]
        assert [each.told.strength for each in proposals] == [0.75, 0.2]
        assert proposals[0].reason == REASON

    def test_saying_the_same_again_leaves_one_entry(self, store: StitchStore) -> None:
        """The same proposal and the same answer, sent twice, are recorded once."""
        tell(store, a_stitch())
        assert decide(store) == store.answer(ID, 1, "bob", REASON, AT + timedelta(days=1), approved=True)
        first = store.propose(ID, "bob", StitchWord.AS_TOLD, REASON, AT)
        assert store.propose(ID, "bob", StitchWord.AS_TOLD, REASON, AT + timedelta(days=1)) == first
        assert len(store.read(ID).proposals) == 2

    def test_refused_words_leave_no_trace(self, store: StitchStore) -> None:
        """An approval by whoever proposed, and an answer to what is not open, change nothing."""
        tell(store, a_stitch())
        store.propose(ID, "alice", StitchWord.UNDONE, REASON, AT)
        before = store.read(ID)
        with pytest.raises(OwnProposal):
            store.answer(ID, 1, "alice", REASON, AT, approved=True)
        with pytest.raises(ProposalNotOpen):
            store.answer(ID, 2, "bob", REASON, AT, approved=True)
        assert store.read(ID) == before

    def test_stitches_are_listed_by_where_they_stand(self, store: StitchStore) -> None:
        """Each state has its stitches, and every stitch is in exactly one."""
        told, proposed, decided, declined = stitches = [a_stitch(number) for number in range(1, 5)]
        tell(store, *stitches)
        store.propose(proposed.stitch_id, "alice", StitchWord.UNDONE, REASON, AT)
        decide(store, decided.stitch_id)
        store.propose(declined.stitch_id, "alice", StitchWord.UNDONE, REASON, AT)
        store.answer(declined.stitch_id, 1, "bob", REASON, AT, approved=False)
        assert listed(store, state=StitchState.TOLD) == {told.stitch_id, declined.stitch_id}
        assert listed(store, state=StitchState.PROPOSED) == {proposed.stitch_id}
        assert listed(store, state=StitchState.DECIDED) == {decided.stitch_id}
        assert len(listed(store)) == 4

    def test_stitches_are_listed_by_tenant_and_place(self, store: StitchStore) -> None:
        """A tenant's stitches are those with a piece of its own; filters narrow one another."""
        tell(store, a_stitch(), a_suspected_stitch(2), a_stitch(3, earlier_tenant_id=None, later_tenant_id=None))
        suspected = a_suspected_stitch(2).stitch_id
        assert listed(store, tenant_id="tenant-8") == {suspected}
        assert listed(store, tenant_id="tenant-7") == {ID, suspected}
        assert listed(store, tenant_id="tenant-7", across=Across.OTHER_GROUP) == {suspected}
        assert listed(store, tenant_id="tenant-9") == set()

    def test_pages_hold_every_stitch_once(self, store: StitchStore) -> None:
        """Following the cursor gives every stitch once, the newest first, also where many share a moment."""
        for day in range(3):
            tell(store, *(a_stitch(10 * day + number) for number in range(4)), days=day)
        seen, cursor = [], None
        while True:
            page = store.list(limit=5, cursor=cursor)
            seen += page.records
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len({each.stitch.stitch_id for each in seen}) == 12
        moments = [each.first_told_at for each in seen]
        assert moments == sorted(moments, reverse=True)

    def test_an_unknown_stitch_is_not_found(self, store: StitchStore) -> None:
        """Reading, deciding and continuing after a stitch that was never told are refused."""
        for ask in (store.read, lambda key: decide(store, key), lambda key: store.list(cursor=key)):
            with pytest.raises(StitchNotFound, match="stitch-nowhere"):
                ask("stitch-nowhere")

    def test_only_one_of_many_answers(self, store: StitchStore) -> None:
        """Of eight people who answer one proposal at the same moment exactly one is heard."""
        tell(store, a_stitch())
        store.propose(ID, "alice", StitchWord.UNDONE, REASON, AT)
        barrier, results = threading.Barrier(8), []

        def respond(actor: str, *, approved: bool) -> None:
            barrier.wait()
            try:
                results.append(store.answer(ID, 1, actor, REASON, AT, approved=approved))
            except ReviewError as error:
                results.append(error)

        threads = [
            threading.Thread(target=respond, args=(f"person-{n}",), kwargs={"approved": n % 2 == 0}) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(each, ProposalNotOpen) for each in results) == 7
        (heard,) = (each for each in results if isinstance(each, StitchRecord))
        assert store.read(ID) == heard

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE stitch_proposals SET word = 'confirmed'",
            "DELETE FROM stitch_proposals",
            "UPDATE stitch_answers SET approved = (1 = 0)",
            "DELETE FROM stitch_answers",
        ],
    )
    def test_the_database_itself_keeps_the_record(self, url: str, store: StitchStore, statement: str) -> None:
        """Whoever opens the database with another program cannot change what people said."""
        tell(store, a_stitch())
        decide(store)
        with pytest.raises(DatabaseError, match="append-only"):
            execute(url, statement)

    def test_the_database_itself_wants_a_second_person(self, url: str, store: StitchStore) -> None:
        """An approval by whoever proposed cannot be written with another program either; withdrawing can."""
        tell(store, a_stitch())
        store.propose(ID, "alice", StitchWord.UNDONE, REASON, AT)
        answer = f"INSERT INTO stitch_answers VALUES ('{ID}', 1, 'alice', '2026-03-02T09:30:00.000000Z', (1 = %d), 'x')"
        with pytest.raises(DatabaseError, match="second person"):
            execute(url, answer % 1)
        execute(url, answer % 0)
        assert store.words() == {}

    def test_the_migrations_make_what_the_tables_say(self, url: str) -> None:
        """A migrated database and the declared tables do not differ."""
        engine = engine_of(url)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()

    def test_tickets_and_stitches_share_a_database(self, url: str) -> None:
        """What is told of stitches leaves the tickets as they are, and both are there for the next process."""
        with closing(TicketStore.open(url)) as opened:
            (ticket_id,) = opened.submit([a_finding()], AT).opened
            tell(opened.stitches, a_stitch())
            decide(opened.stitches)
            before = opened.read(ticket_id)
        with closing(TicketStore.open(url)) as opened:
            assert opened.read(ticket_id) == before
            assert opened.stitches.words() == {ID: StitchWord.UNDONE}


def execute(url: str, statement: str) -> None:
    """Write with a program that is not ours."""
    engine = engine_of(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def test_replacing_a_row_is_refused_too(tmp_path: Path) -> None:
    """SQLite's way of writing over a row does not get by the record."""
    url = f"sqlite:///{tmp_path}/review.db"
    upgrade(url)
    with closing(TicketStore.open(url)) as opened:
        tell(opened.stitches, a_stitch())
        decide(opened.stitches)
    for table in ("stitch_proposals", "stitch_answers"):
        with pytest.raises(DatabaseError, match="append-only"):
            execute(url, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_a_score_without_bound_is_kept_in_a_proposal(tmp_path: Path) -> None:
    """JSON has no word for infinity; what was told is kept all the same."""
    url = f"sqlite:///{tmp_path}/review.db"
    upgrade(url)
    with closing(TicketStore.open(url)) as opened:
        told = replace(a_stitch(), strength=float("inf"))
        tell(opened.stitches, told)
        opened.stitches.propose(ID, "alice", StitchWord.UNDONE, REASON, AT)
        assert opened.stitches.read(ID).proposals[0].told == told
