"""Tickets and stitches in SQL: tables, migrations, the stores. The only place that knows SQLAlchemy and Alembic."""

from policy.review.store.schema import upgrade
from policy.review.store.stitches import StitchFilter, StitchPage, StitchStore
from policy.review.store.store import Submission, TicketPage, TicketStore

__all__ = ["StitchFilter", "StitchPage", "StitchStore", "Submission", "TicketPage", "TicketStore", "upgrade"]
