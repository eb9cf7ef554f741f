"""The migrations, in the order of their numbers. Alembic runs them; see ``policy.review.store.schema``."""
