"""The bridge's own connections to the database that holds the outbox.

What is asked of it are functions of a synchronous SQLAlchemy `Connection`: whole transactions, in a
thread on SQLite (`sqlthread`), and on asyncpg where it is PostgreSQL.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import sqlthread
from crm_bridge.ports import Outside
from sqlthread import T, Thread, Work

_PRAGMAS = {"synchronous": "NORMAL"}
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
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
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
        parsed.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": sqlthread.BUSY_LIMIT_S}
    )
    sqlthread.begun_by_us(engine.sync_engine, _PRAGMAS, immediate=True)
    return engine


class Database:
    """Short transactions, announced to the clock. `engine` stays its owner's to dispose of."""

    def __init__(self, engine: AsyncEngine, outside: Outside = nullcontext) -> None:
        self._engine = engine
        self._outside = outside
        self._turn = asyncio.Semaphore(_CONNECTIONS)
        self._writer: Thread | None = None
        self._reader: Thread | None = None
        if engine.dialect.name == "sqlite":
            self._writer = _thread(engine.url, immediate=True)
            self._reader = _thread(engine.url, immediate=False)

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


def _thread(url: URL, *, immediate: bool) -> Thread:
    return Thread(sqlthread.open_engine(url, _PRAGMAS, immediate=immediate), "crm-database")
