"""The bridge's own connections to the database that holds the outbox.

What is asked of it are functions of a synchronous SQLAlchemy `Connection`. On SQLite a whole
transaction is one hop to a thread and back, and not one for each statement; on PostgreSQL the very
same functions run on asyncpg.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from crm_bridge.ports import Outside

T = TypeVar("T")
Work = Callable[[Connection], T]

_BUSY_LIMIT_S = 30.0  # for another process's write lock; a large import holds it for seconds
_CONNECTIONS = 8  # on PostgreSQL, at once
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
    _as_we_want_it(engine.sync_engine, begin="BEGIN IMMEDIATE")
    return engine


def _as_we_want_it(engine: Engine, *, begin: str) -> None:
    """Write-ahead log, and transactions begun by us and not by the driver."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


class Database:
    """Short transactions, announced to the clock. `engine` stays its owner's to dispose of."""

    def __init__(self, engine: AsyncEngine, outside: Outside = nullcontext) -> None:
        self._engine = engine
        self._outside = outside
        self._turn = asyncio.Semaphore(_CONNECTIONS)
        self._writer: _Thread | None = None
        self._reader: _Thread | None = None
        if engine.dialect.name == "sqlite":
            self._writer = _Thread(engine.url, "BEGIN IMMEDIATE")
            self._reader = _Thread(engine.url, "BEGIN")

    async def write(self, work: Work[T], *, forgivable: bool = False) -> T:
        """Run `work` in a transaction; committed when this returns.

        One that is `forgivable` may be lost with the last seconds before a power failure, and what
        it did is then done again: deliveries, which come at least once. Its commit waits for no
        disk (on SQLite none of ours does).

        Who is cancelled here does not know whether it was committed.
        """
        if self._writer is not None:
            with self._outside():
                return await self._writer.run(work)
        async with self._turn:
            with self._outside():
                async with self._engine.begin() as connection:
                    if forgivable:
                        await connection.execute(_NO_WAIT)
                    return await connection.run_sync(work)

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads; takes no write lock."""
        with self._outside():
            if self._reader is not None:
                return await self._reader.run(work)
            async with self._engine.connect() as connection:
                return await connection.run_sync(work)

    async def close(self) -> None:
        """End the threads, if there are any."""
        for thread in (self._writer, self._reader):
            if thread is not None:
                with self._outside():
                    await thread.close()


class _Thread:
    """A thread with a connection to a SQLite file: one transaction after the other."""

    def __init__(self, url: URL, begin: str) -> None:
        self._engine = sa.create_engine(
            url.set(drivername="sqlite+pysqlite"),
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "timeout": _BUSY_LIMIT_S},
        )
        _as_we_want_it(self._engine, begin=begin)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crm-database")
        self._connection: Connection | None = None

    async def run(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(self._run, work))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _run(self, work: Work[T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            with self._connection.begin():
                return work(self._connection)
        except sa.exc.DBAPIError:
            self._disconnect()  # whatever it was, the next transaction starts on a fresh one
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.DBAPIError):
                connection.close()
