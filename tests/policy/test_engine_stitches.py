"""The engine and the book in which people answer to stitches."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.kyc import customers_of
from support.stitches import REASON, a_suspected_stitch, stitches_frame
from support.usage import a_moment

import policy.engine
from collector.contract import Provenance
from policy.engine import BLANK_BOOK, Engine, Horizon, StitchBook
from policy.facts.reading import load_facts
from policy.judge import Judgement, judge
from policy.judgement.settled import NOTHING_SETTLED
from policy.judgement.stitch import StitchWord
from policy.review.store import TicketStore, upgrade
from policy.rules.pack import load_pack
from policy.usage.ledger import Ledger

FACTS, PACK = load_facts(), load_pack()
STITCH = a_suspected_stitch()


@dataclass
class AQueue:
    """A queue that takes findings, or refuses them."""

    refuses: bool = False

    def submit(self, findings: object, at: datetime) -> None:
        """Take them."""
        if self.refuses:
            raise OSError("no database")


@dataclass
class AJudge:
    """Judges as the engine's own does, says which words it was given, and tells one stitch."""

    given: list[Mapping[str, StitchWord]] = field(default_factory=list)

    def __call__(self, *frames: object, words: Mapping[str, StitchWord], **options: object) -> Judgement:
        """Judge."""
        self.given.append(words)
        return replace(judge(*frames, words=words, **options), stitches=stitches_frame(STITCH))


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> AJudge:
    """The judge of the engines of this test."""
    stand_in = AJudge()
    monkeypatch.setattr(policy.engine, "judge", stand_in)
    return stand_in


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TicketStore]:
    """An empty store."""
    url = f"sqlite:///{tmp_path}/review.db"
    upgrade(url)
    with closing(TicketStore.open(url)) as opened:
        yield opened


def an_engine(folder: Path, queue: AQueue, book: StitchBook = BLANK_BOOK) -> Engine:
    """An engine over no nodes."""
    return Engine(
        source=lambda _: [],
        ledger=Ledger.open(folder / "ledger", Provenance.MEASURED),
        customers=customers_of,
        facts=FACTS,
        pack=PACK,
        queue=queue,
        stitches=book,
        horizon=Horizon(look_back=timedelta(days=1), stale_after=timedelta(minutes=15)),
    )


def test_what_is_told_can_be_decided_and_is_heeded_from_the_next_cycle(
    store: TicketStore, judging: AJudge, tmp_path: Path
) -> None:
    """A stitch of one cycle is there for reviewers, and an approved word reaches the judgement of the next."""
    engine = an_engine(tmp_path, AQueue(), store.stitches)
    engine.cycle(a_moment(0))
    assert store.stitches.read(STITCH.stitch_id).stitch == STITCH
    store.stitches.propose(STITCH.stitch_id, "alice", StitchWord.CONFIRMED, REASON, a_moment(10))
    engine.cycle(a_moment(300))
    store.stitches.answer(STITCH.stitch_id, 1, "bob", REASON, a_moment(310), approved=True)
    engine.cycle(a_moment(600))
    assert judging.given == [{}, {}, {STITCH.stitch_id: StitchWord.CONFIRMED}]
    record = store.stitches.read(STITCH.stitch_id)
    assert (record.first_told_at, record.last_told_at) == (a_moment(0), a_moment(600))


def test_nothing_is_told_of_a_cycle_whose_findings_were_refused(
    store: TicketStore, judging: AJudge, tmp_path: Path
) -> None:
    """Reviewers see no stitch of a cycle that did not reach the queue; the next good one tells it."""
    queue = AQueue(refuses=True)
    engine = an_engine(tmp_path, queue, store.stitches)
    with pytest.raises(OSError, match="no database"):
        engine.cycle(a_moment(0))
    assert store.stitches.list().records == ()
    queue.refuses = False
    engine.cycle(a_moment(300))
    assert len(store.stitches.list().records) == 1


def test_an_engine_without_a_book_knows_no_word(judging: AJudge, tmp_path: Path) -> None:
    """Without a book the engine judges as told, and forgets the stitches."""
    an_engine(tmp_path, AQueue()).cycle(a_moment(0))
    assert judging.given == [{}]
    assert BLANK_BOOK.words() == {}
    assert BLANK_BOOK.settled() == NOTHING_SETTLED
