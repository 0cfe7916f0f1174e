"""Bring a database to this version's tables. Run at every start; does nothing when up to date."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from dialer.store.database import Database, StoreError, connect

_LOCK = 0x0D1A1  # any number of ours: two processes started at once upgrade one after the other


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def newest() -> str | None:
    """The revision of this version's tables."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def upgrade_connection(connection: Connection) -> None:
    """Upgrade within the connection's transaction: all of it or nothing."""
    if MigrationContext.configure(connection).get_current_revision() == newest():
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    config = alembic_config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"the database was made by another version of this program ({error}; this version "
            f"knows up to {newest()}): start that version, or restore a backup"
        ) from error


async def upgrade_database(database: Database) -> None:
    await database.write(upgrade_connection)


def upgrade(url: str) -> None:
    """Upgrade the database at `url`; for programs that have no event loop of their own."""

    async def run() -> None:
        database = await connect(url)
        try:
            await upgrade_database(database)
        finally:
            await database.close()

    asyncio.run(run())
