"""
The schema of the database: bring it up to date, or say that it is not.

Migrations are shipped inside the package and run from it; they need no file on the machine they run on.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from policy.review.errors import StoreSchemaOutdated
from policy.review.store.engine import engine_of, sqlite_file, writing

MIGRATIONS = Path(__file__).parent / "migrations"

NO_SCHEMA = "none"


def upgrade(url: str) -> None:
    """
    Create the tables, or bring them to the newest schema; does nothing when they are there already.

    One transaction: a killed migration leaves the database as it was. A new SQLite file is readable by its owner only.
    """
    file = sqlite_file(url)
    engine = engine_of(url)
    if file is not None:
        file.touch(mode=0o600)
    try:
        with writing(engine).begin() as connection:
            _refuse_unknown(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def require_newest(connection: Connection) -> None:
    """Nothing, when the database is at the newest schema; StoreSchemaOutdated otherwise."""
    found = ", ".join(MigrationContext.configure(connection).get_current_heads()) or NO_SCHEMA
    if found != newest():
        raise StoreSchemaOutdated(found=found, expected=newest())


def _refuse_unknown(connection: Connection) -> None:
    """Raise StoreSchemaOutdated for a schema that this version has never heard of: a newer one made it."""
    known = {revision.revision for revision in ScriptDirectory.from_config(_config()).walk_revisions()}
    found = MigrationContext.configure(connection).get_current_heads()
    if not set(found) <= known:
        raise StoreSchemaOutdated(found=", ".join(found), expected=newest())


def newest() -> str:
    """The revision that this version of the software reads and writes."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
