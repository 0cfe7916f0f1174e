"""The bridge's own connections to the database that holds the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from crm_bridge.ports import Outside

_BUSY_LIMIT_S = 30.0  # for another process's write lock; a large import holds it for seconds
_CONNECTIONS = 8  # on PostgreSQL, at once
_READ_ONLY = "overdial_read_only"
_NO_WAIT = sa.text("SET LOCAL synchronous_commit = off")


class DatabaseError(Exception):
    """The database cannot be used. The text is for people and holds no secrets."""


def open_engine(url: str, *, must_exist: bool = False) -> AsyncEngine:
    """An engine for a bridge of its own: `sqlite:///file.db` or `postgresql://user@host/name`.

    On SQLite a commit of the bridge survives the process and not the loss of power
    (synchronous=NORMAL): what it could forget is that something was delivered, and then it is
    delivered again. Transactions take the write lock at once, so that what they read stays true.
    """
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except sa.exc.ArgumentError:
        raise DatabaseError(
            "the database URL is not understood: write sqlite:///dialer.db or "
            "postgresql://user:password@host/name"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_async_engine(
            parsed.set(drivername="postgresql+asyncpg"), pool_size=_CONNECTIONS
        )
    if backend != "sqlite":
        raise DatabaseError(
            f"a {backend} database is not supported: use sqlite:/// or postgresql://"
        )
    if must_exist and not Path(parsed.database or "").is_file():
        raise DatabaseError(f"there is no database {parsed.database}: start the dialer on it once")
    engine = create_async_engine(
        parsed.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": _BUSY_LIMIT_S}
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        only_reading = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if only_reading else "BEGIN IMMEDIATE")

    return engine


class Database:
    """Short transactions, announced to the clock; one at a time on SQLite, which has one writer."""

    def __init__(self, engine: AsyncEngine, outside: Outside = nullcontext) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{_READ_ONLY: True})
        self._outside = outside
        self._turn = asyncio.Semaphore(1 if engine.dialect.name == "sqlite" else _CONNECTIONS)

    @asynccontextmanager
    async def transaction(self, *, forgivable: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction. One that is `forgivable` may be lost with the last seconds before a power
        failure, and what it did is then done again: deliveries, which come at least once. Its
        commit waits for no disk (on SQLite none of ours does)."""
        async with self._turn:
            with self._outside():
                async with self._engine.begin() as connection:
                    if forgivable and self._engine.dialect.name == "postgresql":
                        await connection.execute(_NO_WAIT)
                    yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """For statements that only read; takes no write lock."""
        with self._outside():
            async with self._reader.begin() as connection:
                yield connection
