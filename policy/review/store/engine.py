"""
Connections to the database: a SQLite file by default, PostgreSQL where several replicas share the queue.

On SQLite a transaction that will write says so when it begins, so that two writers wait for each other instead of one
of them failing half-way. Statements are never logged with their values: reasons and subjects stay out of logs.
"""

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from policy.review.errors import StoreUnusable

BUSY_TIMEOUT_MILLISECONDS = 10_000
"""How long a writer waits for another. A cycle's submission takes well under a second; the rest is margin, a guess."""

FAULTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "url": (
            "has no SQLAlchemy URL",
            "Give one with --database, as sqlite:////var/lib/flopwatch/tickets.sqlite.",
        ),
        "driver": ("needs the driver {why}, which is not installed", "Install it, or name another one in the URL."),
        "folder": ("has no folder {why}", "Make it first, or give another file with --database."),
        "directory": ("is a folder", "Give the name of a file with --database."),
        "answer": ("does not serve ({why})", "Check that it is there, is a database, and may be written to."),
    }
)
"""What can be wrong with a database, and what to do about it."""


def engine_of(url: str) -> Engine:
    """The engine for a database address such as ``sqlite:////var/lib/flopwatch/review.db``, or StoreUnusable."""
    address = _address(url)
    try:
        engine = create_engine(address, hide_parameters=True, pool_pre_ping=True)
    except ArgumentError as error:  # a dialect that nobody knows
        raise _unusable(address, "url") from error
    except ModuleNotFoundError as error:
        raise _unusable(address, "driver", str(error.name)) from error
    event.listen(engine, "handle_error", lambda context: _tell_unusable(address, context))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, over the same connections, for transactions that will write."""
    return engine.execution_options(flopwatch_writing=True)


def check_database(url: str) -> None:
    """Raise StoreUnusable for a database that cannot be used; a file that is not there yet is not made."""
    file = sqlite_file(url)
    engine = engine_of(url)
    try:
        if file is None or file.exists():
            engine.connect().close()
    finally:
        engine.dispose()


def sqlite_file(url: str) -> Path | None:
    """The file behind a SQLite address; None for any other database and for one in memory. StoreUnusable for no URL."""
    address = _address(url)
    if address.drivername.partition("+")[0] != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    file = Path(str(address.database))
    if file.is_dir():
        raise _unusable(address, "directory")
    if not file.parent.is_dir():
        raise _unusable(address, "folder", str(file.parent))
    return file


def _address(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise _unusable(None, "url") from error


def _unusable(address: URL | None, fault: str, why: str = "") -> StoreUnusable:
    """Without the password, and without a query, where some drivers take one; what is no URL is not repeated at all."""
    text, remedy = FAULTS[fault]
    name = address.set(query={}).render_as_string(hide_password=True) if address else "(not repeated here)"
    return StoreUnusable(url=name, fault=text.format(why=why), remedy=remedy)


def _tell_unusable(address: URL, context: ExceptionContext) -> None:
    """Raise StoreUnusable when the database cannot be reached, or says that it cannot go on."""
    while_connecting = context.connection is None and not context.is_pre_ping
    if while_connecting or isinstance(context.sqlalchemy_exception, OperationalError):
        why = next(iter(str(context.original_exception).splitlines()), type(context.original_exception).__name__)
        raise _unusable(address, "answer", why) from context.original_exception


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - for the type checker; the dialect was looked at
    connection.isolation_level = None  # or the driver begins transactions by itself, later than they should
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MILLISECONDS}")
    connection.execute("PRAGMA foreign_keys = ON")
    _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """
    Let readers read while somebody writes. The file remembers it.

    The first switch needs the file for itself, and SQLite fails at once where it would otherwise wait: so wait here.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    will_write = connection.get_execution_options().get("flopwatch_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if will_write else "BEGIN")
