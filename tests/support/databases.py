"""
Databases for the tests of stores: SQLite in a file always, PostgreSQL where somebody names one.

    TEST_POSTGRESQL_URL=postgresql+psycopg://user:password@host/database pytest tests/policy/test_review_stitch_store.py

Each test has a schema of its own in it, which goes when the test is over. The driver is not among the dependencies.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy

POSTGRESQL_URL = os.environ.get("TEST_POSTGRESQL_URL", "")

DATABASES = ("sqlite", "postgresql") if POSTGRESQL_URL else ("sqlite",)


@contextmanager
def a_database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/review.db"
        return
    schema = f"test_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(POSTGRESQL_URL)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    try:
        address = engine.url.update_query_dict({"options": f"-csearch_path={schema}"})
        yield address.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        engine.dispose()
