"""What Alembic runs to migrate: it uses the connection, and the transaction, that ``upgrade`` hands over."""

from alembic import context

from policy.review.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
