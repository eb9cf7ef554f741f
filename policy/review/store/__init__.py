"""Tickets in SQL: the tables, their migrations, and the store. The only place that knows SQLAlchemy and Alembic."""

from policy.review.store.schema import upgrade
from policy.review.store.store import Submission, TicketPage, TicketStore

__all__ = ["Submission", "TicketPage", "TicketStore", "upgrade"]
