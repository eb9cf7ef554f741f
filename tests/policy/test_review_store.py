"""Tickets in a database: SQLite in a file, as it is used."""

import json
import math
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import StatementError
from support.findings import a_comparison, a_finding

from policy.review.errors import AlreadyTaken, NotTaken, ReviewError, StoreSchemaOutdated, TicketNotFound
from policy.review.store import Submission, TicketStore, upgrade
from policy.review.store.documents import document_of, finding_of
from policy.review.store.engine import engine_of
from policy.review.store.tables import metadata
from policy.review.ticket import EventKind, Outcome, TicketRecord, TicketState
from policy.rules.finding import Finding, Severity, Strength, SubjectKind

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NOTHING = Submission(opened=(), updated=())
REASON = "Looked at the job and asked the customer."


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A migrated SQLite file."""
    address = f"sqlite:///{tmp_path}/review.db"
    upgrade(address)
    return address


@pytest.fixture
def store(url: str) -> Iterator[TicketStore]:
    """A store over it."""
    with closing(TicketStore.open(url)) as opened:
        yield opened


def later(hours: int, **different: object) -> Finding:
    """The usual finding, as of some hours later."""
    return a_finding(as_of=a_finding().as_of + timedelta(hours=hours), **different)


def opened(store: TicketStore, **different: object) -> str:
    """The id of a ticket just opened."""
    return store.submit([a_finding(**different)], AT).opened[0]


def closed(store: TicketStore, **different: object) -> str:
    """The id of a ticket just decided."""
    ticket_id = opened(store, **different)
    store.take(ticket_id, "alice", AT)
    store.decide(ticket_id, "alice", Outcome.NOT_TRAINING, REASON, AT)
    return ticket_id


def kinds(record: TicketRecord) -> list[EventKind]:
    """What the entries of a record say, in order."""
    return [event.kind for event in record.events]


def test_submitting_again_changes_nothing(store: TicketStore) -> None:
    """The same findings a second time leave every row as it was."""
    findings = [a_finding(), a_finding(subject_id="tenant-8")]
    first = store.submit(findings, AT)
    before = [store.read(ticket_id) for ticket_id in first.opened]
    assert len(first.opened) == 2
    assert store.submit(findings, AT + timedelta(days=1)) == NOTHING
    assert [store.read(ticket_id) for ticket_id in first.opened] == before


def test_repeated_cycles_do_not_flood_the_record(store: TicketStore) -> None:
    """A hundred cycles with new numbers leave one entry, the first finding and the latest."""
    ticket_id = opened(store)
    for hour in range(1, 101):
        assert store.submit([later(hour)], AT + timedelta(hours=hour)) == NOTHING
    record = store.read(ticket_id)
    assert kinds(record) == [EventKind.OPENED]
    assert [kept.finding for kept in record.findings] == [a_finding(), later(100)]
    assert record.ticket.finding == later(100)


def test_a_change_that_matters_is_recorded_with_what_changed(store: TicketStore) -> None:
    """A more serious finding adds an entry that names what changed, and is kept with the ticket."""
    ticket_id = opened(store)
    worse = later(1, severity=Severity.HIGH, run_ids=("run-1", "run-2"))
    assert store.submit([worse], AT).updated == (ticket_id,)
    entry = store.read(ticket_id).events[-1]
    assert (entry.kind, entry.changed) == (EventKind.FINDING_UPDATED, ("severity", "run_ids"))
    assert entry.finding_id == worse.finding_id


def test_a_cycle_is_taken_in_whole_or_not_at_all(store: TicketStore) -> None:
    """When one finding cannot be kept, none of its cycle is."""
    unkeepable = a_finding(subject_id="tenant-9", comparisons=(a_comparison(name=b"\xff"),))
    with pytest.raises(ValueError, match="utf-8"):
        store.submit([a_finding(), unkeepable], AT)
    assert store.list().tickets == ()


def test_a_decided_ticket_reopens_as_a_new_one_that_points_back(store: TicketStore) -> None:
    """After a decision the same finding does nothing, and a new run opens a second ticket that names the first."""
    first = closed(store)
    assert store.submit([later(1)], AT) == NOTHING
    (second,) = store.submit([later(2, run_ids=("run-1", "run-2"))], AT).opened
    assert store.read(second).ticket.previous_ticket_id == first
    assert store.read(second).ticket.ordinal == 2
    assert store.read(first).ticket.state is TicketState.DECIDED


def test_a_decision_says_who_when_why_and_on_what(store: TicketStore) -> None:
    """A decision keeps its actor, time, outcome, reason and the finding it was made on."""
    ticket_id = opened(store)
    store.submit([later(1)], AT)
    store.take(ticket_id, "alice", AT)
    made = AT.astimezone(timezone(timedelta(hours=-5)))
    store.decide(ticket_id, "alice", Outcome.AUTHORISED, f"  {REASON} ", made)
    record = store.read(ticket_id)
    (decision,) = record.decisions
    assert (decision.actor, decision.at, decision.outcome, decision.reason) == (
        "alice",
        AT,
        Outcome.AUTHORISED,
        REASON,
    )
    assert decision.at.utcoffset() == timedelta(0)
    assert decision.finding_id == later(1).finding_id
    assert kinds(record) == [EventKind.OPENED, EventKind.TAKEN, EventKind.DECIDED]
    assert [event.actor for event in record.events] == ["engine", "alice", "alice"]


def test_a_finding_that_somebody_took_the_ticket_on_is_kept(store: TicketStore) -> None:
    """New numbers never replace a finding that an entry of the record names."""
    ticket_id = opened(store)
    store.submit([later(1)], AT)
    store.take(ticket_id, "alice", AT)
    store.submit([later(2)], AT)
    assert [kept.finding for kept in store.read(ticket_id).findings] == [a_finding(), later(1), later(2)]


def test_only_one_of_many_takes_a_ticket(store: TicketStore) -> None:
    """Of sixteen people who take one ticket at the same moment exactly one gets it, and the record says so once."""
    ticket_id = opened(store)
    barrier, results = threading.Barrier(16), []

    def take(actor: str) -> None:
        barrier.wait()
        try:
            results.append(store.take(ticket_id, actor, AT).taken_by)
        except ReviewError as error:
            results.append(type(error))

    threads = [threading.Thread(target=take, args=(f"person-{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    record = store.read(ticket_id)
    assert results.count(AlreadyTaken) == 15
    assert record.ticket.taken_by in results
    assert kinds(record) == [EventKind.OPENED, EventKind.TAKEN]


def test_a_ticket_that_moved_in_between_is_judged_again(store: TicketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the conditional update finds the ticket changed, the answer is that of the ticket as it stands now."""
    ticket_id = opened(store)
    stale = store.read(ticket_id).ticket
    store.take(ticket_id, "bob", AT)
    now = store.read(ticket_id).ticket
    reads = iter([stale, now])
    monkeypatch.setattr("policy.review.store.rows.read_ticket", lambda *_: next(reads))
    with pytest.raises(AlreadyTaken):
        store.take(ticket_id, "alice", AT)


def test_taking_twice_leaves_one_entry(store: TicketStore) -> None:
    """Taking one's own ticket again adds nothing to the record."""
    ticket_id = opened(store)
    assert store.take(ticket_id, "alice", AT) == store.take(ticket_id, "alice", AT + timedelta(hours=1))
    assert kinds(store.read(ticket_id)) == [EventKind.OPENED, EventKind.TAKEN]


def test_refused_actions_leave_no_trace(store: TicketStore) -> None:
    """A decision by somebody who has not taken the ticket changes nothing."""
    ticket_id = opened(store)
    store.take(ticket_id, "alice", AT)
    before = store.read(ticket_id)
    with pytest.raises(NotTaken):
        store.decide(ticket_id, "bob", Outcome.RESTRICTED, REASON, AT)
    assert store.read(ticket_id) == before


def test_pages_hold_every_ticket_once(store: TicketStore) -> None:
    """Following the cursor gives every ticket once, the newest first, also where many share a moment."""
    for day in range(3):
        submitted = [a_finding(subject_id=f"tenant-{day}-{number}") for number in range(4)]
        store.submit(submitted, AT + timedelta(days=day))
    seen, cursor = [], None
    while True:
        page = store.list(limit=5, cursor=cursor)
        seen += page.tickets
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len({ticket.ticket_id for ticket in seen}) == 12
    assert [ticket.opened_at for ticket in seen] == sorted((ticket.opened_at for ticket in seen), reverse=True)


def test_tickets_are_listed_by_state(store: TicketStore) -> None:
    """Asking for a state gives the tickets in that state and no other."""
    done, waiting = closed(store), opened(store, subject_id="tenant-8")
    assert [ticket.ticket_id for ticket in store.list(state=TicketState.OPEN).tickets] == [waiting]
    assert [ticket.ticket_id for ticket in store.list(state=TicketState.DECIDED).tickets] == [done]


def test_an_unknown_ticket_is_not_found(store: TicketStore) -> None:
    """Reading, taking and continuing after a ticket that is not there are refused."""
    for ask in (store.read, lambda key: store.take(key, "alice", AT), lambda key: store.list(cursor=key)):
        with pytest.raises(TicketNotFound, match="T-nowhere"):
            ask("T-nowhere")


def test_the_file_survives_reopening(url: str) -> None:
    """Everything written is there for the next process."""
    with closing(TicketStore.open(url)) as store:
        ticket_id = closed(store)
        before = store.read(ticket_id)
    upgrade(url)
    with closing(TicketStore.open(url)) as store:
        assert store.read(ticket_id) == before
        assert store.submit([a_finding()], AT) == NOTHING


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ticket_events SET actor = 'nobody'",
        "DELETE FROM ticket_events",
        "INSERT OR REPLACE INTO ticket_events SELECT * FROM ticket_events",
        "UPDATE decisions SET reason = 'another'",
        "DELETE FROM decisions",
        "INSERT OR REPLACE INTO decisions SELECT * FROM decisions",
        "UPDATE findings SET document = '{}'",
        "DELETE FROM findings",
    ],
)
def test_the_database_itself_keeps_the_record(store: TicketStore, tmp_path: Path, statement: str) -> None:
    """Whoever opens the file with another program cannot change what was recorded."""
    closed(store)
    with (
        closing(sqlite3.connect(tmp_path / "review.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match=r"append-only|names this finding"),
    ):
        connection.execute(statement)


def test_the_file_is_its_owners_and_its_times_name_their_zone(store: TicketStore, tmp_path: Path) -> None:
    """The database is readable by its owner only, uses a write-ahead log, and its times end in Z."""
    opened(store)
    file = tmp_path / "review.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT opened_at FROM tickets").fetchone() == ("2026-03-02T09:30:00.000000Z",)


def test_a_time_without_zone_is_refused(store: TicketStore) -> None:
    """A time that does not say its zone is not written."""
    with pytest.raises(StatementError, match="no time zone"):
        store.submit([a_finding()], AT.replace(tzinfo=None))


def test_the_migrations_make_what_the_tables_say(url: str) -> None:
    """A migrated database and the declared tables do not differ."""
    engine = engine_of(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        checks = {
            table: {
                check["name"]: check["sqltext"] for check in engine.dialect.get_check_constraints(connection, table)
            }
            for table in metadata.tables
        }
    engine.dispose()
    declared = {
        table.name: {str(check.name): str(check.sqltext) for check in table.constraints if hasattr(check, "sqltext")}
        for table in metadata.tables.values()
    }
    assert checks == declared


@pytest.mark.parametrize("prepare", [lambda _: None, lambda file: sqlite3.connect(file).close(), lambda f: f.touch()])
def test_a_store_without_schema_says_which_command_makes_it(tmp_path: Path, prepare: object) -> None:
    """Opening a database that is missing or not migrated names the command, and leaves no file behind."""
    file = tmp_path / "absent.db"
    assert callable(prepare)
    prepare(file)
    there = file.exists()
    with pytest.raises(StoreSchemaOutdated, match="flopwatch review migrate"):
        TicketStore.open(f"sqlite:///{file}")
    assert file.exists() is there


def test_a_newer_schema_is_not_opened(url: str, tmp_path: Path) -> None:
    """A database from a later version is refused by name."""
    with closing(sqlite3.connect(tmp_path / "review.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(StoreSchemaOutdated, match="0099"):
        TicketStore.open(url)


def test_many_upgrades_at_once_make_one_schema(tmp_path: Path) -> None:
    """Replicas that start together migrate one after the other."""
    url = f"sqlite:///{tmp_path}/new.db"
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            upgrade(url)
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's to report
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    TicketStore.open(url).close()


def test_a_finding_is_kept_without_loss() -> None:
    """What comes back from a document equals what went in, also where a number has no bound."""
    finding = a_finding(
        strength=Strength.CROSSED,
        comparisons=(a_comparison(likely=None, high=None), a_comparison(high=math.inf)),
        as_of=datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=8))),
    )
    document = document_of(finding)
    assert finding_of(json.loads(json.dumps(document, allow_nan=False))) == finding


def test_a_finding_of_an_earlier_version_is_read() -> None:
    """A document that was kept before findings had nodes is read, and has none."""
    document = document_of(a_finding())
    del document["nodes"]
    assert finding_of(json.loads(json.dumps(document))) == a_finding()
    assert finding_of(document).nodes == ()


def test_a_new_node_is_in_the_record(store: TicketStore) -> None:
    """A node more on an undecided ticket is an entry of its record; after the decision it opens the next ticket."""
    about = {
        "subject_kind": SubjectKind.ACCELERATOR,
        "subject_id": "Huawei device d802",
        "strength": Strength.PRESENT,
        "run_ids": (),
        "comparisons": (),
    }
    ticket_id = opened(store, **about, nodes=("node-a",))
    store.submit([later(1, **about, nodes=("node-a", "node-b"))], AT)
    events = store.read(ticket_id).events
    assert [(event.kind, event.changed) for event in events[1:]] == [(EventKind.FINDING_UPDATED, ("nodes",))]
    store.take(ticket_id, "alice", AT)
    store.decide(ticket_id, "alice", Outcome.REFERRED_TO_COUNSEL, REASON, AT)
    assert store.submit([later(2, **about, nodes=("node-b",))], AT) == NOTHING
    (next_id,) = store.submit([later(3, **about, nodes=("node-b", "node-c"))], AT).opened
    assert store.read(next_id).ticket.previous_ticket_id == ticket_id
