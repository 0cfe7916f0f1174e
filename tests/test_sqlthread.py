"""SQLite in a thread: whole transactions, and a fresh connection after one that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from sqlthread import Thread, open_engine


async def test_what_fails_leaves_nothing_and_the_next_starts_afresh(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "a.db"))
    seen: list[object] = []

    def told(connection: Connection) -> int | None:
        seen.append(connection.connection.driver_connection)
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS told (n INTEGER UNIQUE)")
        connection.exec_driver_sql("INSERT INTO told VALUES (1)")
        return connection.scalar(sa.text("SELECT count(*) FROM told"))

    def twice(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM told")
        told(connection)
        told(connection)

    thread = Thread(open_engine(url, {"foreign_keys": "ON"}, immediate=True), "test")
    try:
        assert await thread.run(told) == 1
        with pytest.raises(sa.exc.IntegrityError):
            await thread.run(twice)
        assert await thread.run(lambda c: c.scalar(sa.text("SELECT count(*) FROM told"))) == 1
        assert await thread.run(lambda c: c.scalar(sa.text("PRAGMA foreign_keys"))) == 1
        assert await thread.run(lambda c: c.connection.driver_connection) is not seen[0]
    finally:
        await thread.close()


@pytest.mark.parametrize("immediate", [True, False])
async def test_a_writer_takes_the_lock_at_once_and_a_reader_does_not(
    tmp_path: Path, immediate: bool
) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "a.db"))
    other = sa.create_engine(url, connect_args={"timeout": 0})

    def write_beside(_: Connection) -> None:
        with other.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE beside (n INTEGER)")

    thread = Thread(open_engine(url, {}, immediate=immediate), "test")
    try:
        if immediate:
            with pytest.raises(sa.exc.OperationalError, match="locked"):
                await thread.run(write_beside)
        else:
            await thread.run(write_beside)
    finally:
        await thread.close()
        other.dispose()
