"""
The four tables of the queue, and the three of stitches.

``tickets`` says how things stand and is the only table whose rows change freely. ``ticket_events`` and ``decisions``
are append-only, which triggers of the database enforce (see the migration). ``findings`` keeps every finding that an
event names; the newest row of a ticket may be replaced while no event names it.

``stitches`` says what the engine told last, and changes freely; ``stitch_proposals`` and ``stitch_answers`` are
append-only, and the database takes no approval from whoever made the proposal. Where a stitch stands follows from them.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect

from policy.judgement.stitch import Across, StitchWord
from policy.review.ticket import EventKind, Outcome, TicketState


class UtcDateTime(TypeDecorator[datetime]):
    """
    A moment in UTC, kept as text like ``2026-01-31T12:00:00.000000Z``.

    Text of one width says its zone to whoever opens the database by hand, sorts by time, and is the same in SQLite and
    PostgreSQL. A time without zone is refused.
    """

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Text for the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; pass datetime.now(UTC)")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """An aware time from the database."""
        return None if value is None else datetime.fromisoformat(value)


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(word)) for word in words)})", name=column)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

tickets = Table(
    "tickets",
    metadata,
    Column("ticket_id", String(14), primary_key=True),
    Column("subject_key", String(512), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("taken_by", String(64)),
    Column("previous_ticket_id", String(14), ForeignKey("tickets.ticket_id")),
    # The latest finding. No foreign key: `findings` points here already, and a circle cannot be filled row by row.
    Column("finding_id", String(32), nullable=False),
    UniqueConstraint("subject_key", "ordinal"),
    _one_of("state", TicketState),
    Index(None, "opened_at", "ticket_id"),
)

findings = Table(
    "findings",
    metadata,
    Column("ticket_id", String(14), ForeignKey("tickets.ticket_id"), primary_key=True),
    Column("finding_id", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("document", JSON, nullable=False),
    UniqueConstraint("ticket_id", "position"),
)

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("ticket_id", String(14), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("finding_id", String(32), nullable=False),
    Column("changed", JSON, nullable=False),
    ForeignKeyConstraint(["ticket_id", "finding_id"], ["findings.ticket_id", "findings.finding_id"]),
    _one_of("kind", EventKind),
)

decisions = Table(
    "decisions",
    metadata,
    Column("ticket_id", String(14), primary_key=True),
    Column("actor", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("finding_id", String(32), nullable=False),
    ForeignKeyConstraint(["ticket_id", "finding_id"], ["findings.ticket_id", "findings.finding_id"]),
    _one_of("outcome", Outcome),
)

stitches = Table(
    "stitches",
    metadata,
    Column("stitch_id", String(32), primary_key=True),
    Column("earlier_piece", String(64), nullable=False),
    Column("later_piece", String(64), nullable=False),
    Column("earlier_tenant_id", Text),
    Column("later_tenant_id", Text),
    Column("across", String(16), nullable=False),
    Column("strength", Float, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("earlier_seen", UtcDateTime, nullable=False),
    Column("later_seen", UtcDateTime, nullable=False),
    Column("first_told_at", UtcDateTime, nullable=False),
    Column("last_told_at", UtcDateTime, nullable=False),
    _one_of("across", Across),
    Index(None, "first_told_at", "stitch_id"),
)

stitch_proposals = Table(
    "stitch_proposals",
    metadata,
    Column("stitch_id", String(32), ForeignKey("stitches.stitch_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("word", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("told", JSON, nullable=False),
    _one_of("word", StitchWord),
)

stitch_answers = Table(
    "stitch_answers",
    metadata,
    Column("stitch_id", String(32), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("actor", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["stitch_id", "position"], ["stitch_proposals.stitch_id", "stitch_proposals.position"]),
)
