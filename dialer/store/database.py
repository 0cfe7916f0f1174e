"""One database, whichever it is: run a function of a SQLAlchemy connection in a transaction.

The store's queries are ordinary functions `work(connection)` on SQLAlchemy's synchronous
Connection. On SQLite they run in threads of our own, one for writing and a few for reading, so
that a batch of twenty statements costs one hop to a thread and not twenty. On PostgreSQL they run
on asyncpg through `run_sync`. The functions are the same.

Writers are served one after the other: SQLite allows no more, and on PostgreSQL a campaign has
one owner anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from dialer.clock import outside_work

T = TypeVar("T")
Work = Callable[[Connection], T]

_READERS = 2  # screens and reports; the hot path only writes
_BUSY_LIMIT_S = 30.0  # how long to wait for another process's write lock (a big import)
_CONNECT_LIMIT_S = 10.0


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


def sqlite_engine(url: URL, *, durable: bool, immediate: bool) -> Engine:
    """An engine on a SQLite file: WAL, foreign keys, transactions begun by us.

    `durable`: a commit survives the loss of power (synchronous=FULL), not only of the process.
    `immediate`: a transaction takes the write lock at once, so that what it reads stays true.
    """
    engine = sa.create_engine(
        url,
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_LIMIT_S},
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-65536")  # 64 MB: the claim's index stays in memory
        cursor.execute("PRAGMA wal_autocheckpoint=4000")  # pages; fewer stalls than at 1000
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


class SqliteDatabase:
    """A SQLite file, read and written in threads."""

    dialect = "sqlite"

    def __init__(self, url: URL, *, durable: bool) -> None:
        self.path = Path(str(url.database))
        self._writing = sqlite_engine(url, durable=durable, immediate=True)
        self._reading = sqlite_engine(url, durable=durable, immediate=False)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._connection: Connection | None = None

    async def write(self, work: Work[T]) -> T:
        return await self._run(self._writer, partial(self._write, work))

    async def read(self, work: Work[T]) -> T:
        return await self._run(self._readers, partial(self._read, work))

    async def close(self) -> None:
        await self._run(self._writer, self._disconnect)
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        with outside_work():
            return await asyncio.get_running_loop().run_in_executor(threads, work)

    def _write(self, work: Work[T]) -> T:
        if self._connection is None:
            self._connection = self._writing.connect()
        try:
            with self._connection.begin():
                return work(self._connection)
        except sa.exc.DBAPIError:
            self._disconnect()  # whatever it was, the next transaction starts on a fresh one
            raise

    def _read(self, work: Work[T]) -> T:
        with self._reading.connect() as connection, connection.begin():
            return work(connection)

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(sa.exc.DBAPIError):
                connection.close()


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
