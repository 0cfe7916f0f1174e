"""One dialer for each node: a lock that dies with the process which holds it."""

from __future__ import annotations

import fcntl
import zlib
from pathlib import Path
from typing import IO, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.clock import outside_work
from dialer.store.database import Database, PostgresDatabase, SqliteDatabase, StoreError

_PG_LOCK_SPACE = 0x0D1A  # ours among the database's advisory locks


class Ownership(Protocol):
    async def release(self) -> None: ...


async def take_ownership(database: Database, node: str) -> Ownership:
    """Become the one dialer of `node`; raises `StoreError` when another process is."""
    if isinstance(database, SqliteDatabase):
        return _FileLock(database.path, node)
    assert isinstance(database, PostgresDatabase)
    return await _AdvisoryLock.take(database, node)


def _taken(node: str) -> StoreError:
    return StoreError(
        f"another dialer runs as node {node!r} on this database: stop it first, or give this one "
        "a node name of its own"
    )


class _FileLock:
    """flock on a file beside the SQLite file; the kernel lets go when the process ends."""

    def __init__(self, database: Path, node: str) -> None:
        path = database.with_name(f"{database.name}.{node}.lock")
        self._file: IO[str] = path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise _taken(node) from None

    async def release(self) -> None:
        self._file.close()


class _AdvisoryLock:
    """A PostgreSQL session lock on a connection kept for it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @classmethod
    async def take(cls, database: PostgresDatabase, node: str) -> _AdvisoryLock:
        key = zlib.crc32(node.encode()) - 2**31  # signed 32 bits
        with outside_work():
            connection = await database.engine.connect()
            got = await connection.scalar(
                sa.select(sa.func.pg_try_advisory_lock(_PG_LOCK_SPACE, key))
            )
            await connection.commit()  # the lock is the session's, not the transaction's
            if not got:
                await connection.close()
                raise _taken(node)
        return cls(connection)

    async def release(self) -> None:
        with outside_work():
            await self._connection.invalidate()  # closes the session, and with it the lock
            await self._connection.close()
