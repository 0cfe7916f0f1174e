"""SQLite as the house uses it: transactions begun by us, whole ones in a thread of their own.

What is asked of a database are functions of a synchronous SQLAlchemy `Connection`. A `Thread` runs
them on its one connection, so that a transaction of twenty statements costs one hop to a thread
and back, and not twenty. Knows nobody else's code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import NullPool

T = TypeVar("T")
Work = Callable[[Connection], T]

BUSY_LIMIT_S = 30.0  # for another process's write lock; a large import holds it for seconds


def open_engine(url: URL, pragmas: Mapping[str, object], *, immediate: bool) -> Engine:
    """An engine on a SQLite file for threads: its connections go from one to another. See
    `begun_by_us`."""
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"),
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_LIMIT_S},
    )
    begun_by_us(engine, pragmas, immediate=immediate)
    return engine


def begun_by_us(engine: Engine, pragmas: Mapping[str, object], *, immediate: bool) -> None:
    """Write-ahead log, these pragmas, and transactions begun by us and not by the driver.

    `immediate`: a transaction takes the write lock at once, so that what it reads stays true.
    """
    settings = {"journal_mode": "WAL", **pragmas}

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in settings.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


class Thread:
    """A thread with a connection of its own: one transaction after the other."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: Connection | None = None

    async def run(self, work: Work[T]) -> T:
        """Run `work` in a transaction; committed when this returns. Who is cancelled here does not
        know whether it was."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(self._run, work))

    async def close(self) -> None:
        """What was begun ends before."""
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
