"""An outbox in a database of its own, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from crm_bridge import outbox
from crm_bridge.database import open_engine
from tests.store.conftest import postgresql_server  # noqa: F401 - a fixture


@pytest.fixture(params=["sqlite", "postgresql"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    if request.param == "sqlite":
        made = open_engine(f"sqlite:///{tmp_path / 'outbox.db'}")
        async with made.begin() as connection:
            await connection.run_sync(outbox.metadata.create_all)
        yield made
        await made.dispose()
        return
    server = make_url(request.getfixturevalue("postgresql_server"))
    name = f"b{abs(hash(request.node.nodeid)) % 10**12}"
    admin = create_async_engine(
        server.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
    )
    async with admin.connect() as connection:
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    made = open_engine(server.set(database=name).render_as_string(hide_password=False))
    async with made.begin() as connection:
        await connection.run_sync(outbox.metadata.create_all)
    yield made
    await made.dispose()
    async with admin.connect() as connection:
        await connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()
