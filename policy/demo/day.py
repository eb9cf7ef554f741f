"""
The demo's day: engine cycles on the scenario's clock, and what is said while they run.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from policy.engine import Engine
from policy.judge import Judgement
from policy.review.store import Submission, TicketStore
from policy.review.ticket import Ticket
from policy.rules.finding import Finding

BEFORE_THE_END = timedelta(minutes=5)  # so that the last page, which a moment makes late, is still of the same day
PAGE = 200  # tickets asked for at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class DayClock:
    """
    The scenario's clock, the same as the collectors'.

    It stands until ``begins_at`` (Unix time), then runs ``speed`` times as fast as the wall.
    """

    start: datetime
    begins_at: float
    speed: float

    def now(self) -> datetime:
        """The scenario's time."""
        return self.start + timedelta(seconds=max(0.0, time.time() - self.begins_at) * self.speed)

    def wait_until(self, moment: datetime) -> None:
        """Sleep until the scenario has come to that moment."""
        due = self.begins_at + (moment - self.start).total_seconds() / self.speed
        time.sleep(max(0.0, due - time.time()))


@dataclass(slots=True)
class Announcer:
    """The queue with an ear: submits to the store, and tells which tickets are new or have changed."""

    store: TicketStore
    heard: list[tuple[str, Ticket]] = field(default_factory=list)

    def submit(self, findings: Sequence[Finding], at: datetime) -> Submission:
        """Hand over, and remember what came of it."""
        submission = self.store.submit(findings, at)
        for word, ids in (("opened", submission.opened), ("changed", submission.updated)):
            self.heard.extend((word, self.store.read(each).ticket) for each in ids)
        return submission

    def take_news(self) -> list[tuple[str, Ticket]]:
        """What has happened since the last time."""
        news, self.heard = self.heard, []
        return news


def every_ticket(store: TicketStore) -> tuple[Ticket, ...]:
    """All tickets of the store, the newest first, over all of its pages."""
    page = store.list(limit=PAGE)
    tickets = [*page.tickets]
    while page.next_cursor is not None:
        page = store.list(limit=PAGE, cursor=page.next_cursor)
        tickets.extend(page.tickets)
    return tuple(tickets)


def cycle_moments(start: datetime, duration: timedelta, every: timedelta) -> Iterator[datetime]:
    """The moments of the day's cycles; the last one lies a little before the end, of a very short day in its middle."""
    last = start + max(duration - BEFORE_THE_END, duration / 2)
    moment = start + every
    while moment < last:
        yield moment
        moment += every
    yield last


def run_day(
    engine: Engine, clock: DayClock, duration: timedelta, every: timedelta, tell: Callable[[datetime, Judgement], None]
) -> Judgement:
    """Cycle through the day; a cycle that comes too late is left out, and the next one has the sum."""
    judgement: Judgement | None = None
    moments = list(cycle_moments(clock.start, duration, every))
    with engine.ledger.writing():
        for moment in moments:
            if clock.now() > moment + every and moment is not moments[-1]:
                continue
            clock.wait_until(moment)
            judgement = engine.cycle(clock.now().astimezone(UTC))
            tell(clock.now(), judgement)
    if judgement is None:
        raise RuntimeError("a day has at least one cycle")
    return judgement
