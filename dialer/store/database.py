"""One database, whichever it is: run a function of a SQLAlchemy connection in a transaction.

The store's queries are ordinary functions `work(connection)` on SQLAlchemy's synchronous
Connection. On SQLite they run in threads of our own (`sqlthread`), one for writing and a few for
reading; on PostgreSQL they run on asyncpg through `run_sync`. The functions are the same.

Writers are served one after the other: SQLite allows no more, and on PostgreSQL a campaign has
one owner anyway.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dialer.clock import outside_work
from sqlthread import T, Thread, Work, open_engine

_READERS = 2  # screens and reports; the hot path only writes
_CONNECT_LIMIT_S = 10.0
_PRAGMAS = {
    "foreign_keys": "ON",
    "cache_size": -65536,  # 64 MB: the claim's index stays in memory
    "wal_autocheckpoint": 4000,  # pages; fewer stalls than at 1000
}


class StoreError(Exception):
    """The database cannot be used. The text is for people, names the mend, holds no secrets."""


def parse_url(url: str) -> URL:
    """A database URL, or the path of a SQLite file.

    `sqlite:///dialer.db`, `postgresql://user:password@host/name`; drivers need not be named.
    """
    text = url if "://" in url else f"sqlite:///{url}"
    try:
        parsed = make_url(text)
    except sa.exc.ArgumentError:
        raise StoreError(
            "the database URL is not understood: write sqlite:///dialer.db or "
            "postgresql://user:password@host/name"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise StoreError(
                "a database in memory cannot remember a call: name a file, sqlite:///dialer.db"
            )
        return parsed.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+asyncpg")
    raise StoreError(f"a {backend} database is not supported: use sqlite:/// or postgresql://")


class Database(Protocol):
    dialect: str

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction of its own; committed when this returns."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one consistent picture of the database."""
        ...

    async def close(self) -> None: ...


class SqliteDatabase:
    """A SQLite file, written in one thread and read in a few.

    `durable`: a commit survives the loss of power (synchronous=FULL), not only of the process.
    """

    dialect = "sqlite"

    def __init__(self, url: URL, *, durable: bool) -> None:
        self.path = Path(str(url.database))
        pragmas = {**_PRAGMAS, "synchronous": "FULL" if durable else "NORMAL"}
        self._writer = Thread(open_engine(url, pragmas, immediate=True), "store-writer")
        self._reading = open_engine(url, pragmas, immediate=False)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")

    async def write(self, work: Work[T]) -> T:
        with outside_work():
            return await self._writer.run(work)

    async def read(self, work: Work[T]) -> T:
        with outside_work():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, partial(self._read, work))

    async def close(self) -> None:
        with outside_work():
            await self._writer.close()
        self._readers.shutdown(wait=True)

    def _read(self, work: Work[T]) -> T:
        with self._reading.connect() as connection, connection.begin():
            return work(connection)


class PostgresDatabase:
    """A PostgreSQL database by asyncpg."""

    dialect = "postgresql"

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._writing = asyncio.Lock()

    async def write(self, work: Work[T]) -> T:
        async with self._writing:
            with outside_work():
                async with self.engine.begin() as connection:
                    return await connection.run_sync(work)

    async def read(self, work: Work[T]) -> T:
        with outside_work():
            async with self.engine.connect() as connection:
                return await connection.run_sync(work)

    async def close(self) -> None:
        with outside_work():
            await self.engine.dispose()


async def connect(url: str, *, durable: bool = True) -> Database:
    """Open the database; raises `StoreError` when that cannot be done."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        if not path.parent.is_dir():
            raise StoreError(f"the directory of the database {path} does not exist: create it")
        database: Database = SqliteDatabase(parsed, durable=durable)
    else:
        database = PostgresDatabase(
            create_async_engine(parsed, connect_args={"timeout": _CONNECT_LIMIT_S})
        )
    try:
        await database.read(lambda connection: connection.scalar(sa.select(1)))
    except (sa.exc.DBAPIError, OSError) as error:
        await database.close()
        shown = parsed.render_as_string(hide_password=True)
        raise StoreError(f"cannot open the database {shown}: {_cause(error)}") from error
    return database


def _cause(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error)
